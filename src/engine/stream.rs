//! Multi-part operations: a message in pieces, each a request of its own.
//!
//! The state between pieces travels in the requests by value, so a stream occupies nothing on the device
//! while it rests. One piece is in flight at a time. A piece that fails, or is given up, takes the state with
//! it: the stream is *poisoned*, and every later call returns [`Error::StreamPoisoned`]. After the last piece
//! it is *finished* ([`Error::StreamFinished`]). A piece that is cancelled, and taken back, gives the state
//! back.
//!
//! `finish` takes the stream by value and, as `finish_by_ref`, by reference: a raw job that is discarded in
//! the middle runs no destructors, so its frames must own no stream.

use std::fmt;
use std::sync::Arc;

use simaccel_device::{Operation, Part, Request, StreamState, Tag};

use super::session::{AeadSession, CipherSession, HashSession, MacSession, SessionCore, make_room};
use super::software;
use crate::error::{Error, OpError};

/// Bytes by which the output of a part may exceed its input: held-back bytes of the previous piece come out
/// with it, and the device does not allocate.
pub(crate) const MORE: usize = 2 * software::EXPANSION;

/// The common part of all streams.
pub(crate) struct Stream {
    core: Arc<SessionCore>,
    operation: Operation,
    iv: Vec<u8>,
    aad: Vec<u8>,
    state: State,
    /// Bytes of the message so far.
    len: u64,
}

enum State {
    Fresh,
    Between(Box<StreamState>),
    /// In flight; stays after a failure.
    Poisoned,
    /// Its last part succeeded.
    Finished,
}

impl Stream {
    fn new(core: Arc<SessionCore>, operation: Operation, iv: Vec<u8>, aad: Vec<u8>) -> Self {
        Self { core, operation, iv, aad, state: State::Fresh, len: 0 }
    }

    fn run(&mut self, part: Part, buffer: Vec<u8>, tag: Tag) -> Result<Request, OpError> {
        let mut request = self.begin(part, buffer, tag)?;
        self.core.run_part(&mut request, self.len)?;
        self.end(&mut request);
        Ok(request)
    }

    /// The request of the next part, which takes the state with it: the stream is poisoned until its end.
    pub(crate) fn begin(&mut self, part: Part, buffer: Vec<u8>, tag: Tag) -> Result<Request, OpError> {
        let mut request = self.core.request(self.operation, buffer);
        request.part = part;
        request.tag = tag;
        match std::mem::replace(&mut self.state, State::Poisoned) {
            State::Poisoned => return Err(OpError::new(Error::StreamPoisoned, request.buffer, None)),
            State::Finished => {
                self.state = State::Finished;
                return Err(OpError::new(Error::StreamFinished, request.buffer, None));
            }
            State::Fresh => {
                request.set_iv_owned(std::mem::take(&mut self.iv));
                request.aad = std::mem::take(&mut self.aad);
            }
            State::Between(state) => request.state = Some(state),
        }
        self.len = self.len.saturating_add(request.buffer.len() as u64);
        Ok(request)
    }

    /// Takes the state back from the request of a part that has succeeded.
    pub(crate) fn end(&mut self, request: &mut Request) {
        self.state = match request.state.take() {
            Some(state) => State::Between(state),
            None => State::Finished,
        };
    }

    /// Takes the state back from the request of a part that was taken back: the stream is as it was before
    /// that part.
    pub(crate) fn unbegin(&mut self, request: &mut Request, is_first: bool) {
        self.len = self.len.saturating_sub(request.buffer.len() as u64);
        if is_first {
            (self.iv, self.aad) = (request.iv().to_vec(), std::mem::take(&mut request.aad));
            self.state = State::Fresh;
        } else if let Some(state) = request.state.take() {
            self.state = State::Between(state);
        }
    }

    /// Moves the stream out, and leaves a finished one.
    pub(crate) fn take(&mut self) -> Self {
        let finished = Self {
            state: State::Finished,
            ..Self::new(Arc::clone(&self.core), self.operation, vec![], vec![])
        };
        std::mem::replace(self, finished)
    }

    pub(crate) const fn core(&self) -> &Arc<SessionCore> {
        &self.core
    }

    /// The device's refusal of the part that was begun, described.
    pub(crate) fn explained(&self, error: Error, request: &Request, is_first: bool) -> Error {
        self.core.explained_part(error, request, is_first, self.len)
    }

    /// A copy, as far as this one has come, that goes on with a session of the same algorithm and key.
    fn copied_to(&self, core: &Arc<SessionCore>) -> Result<Self, Error> {
        let state = match &self.state {
            State::Fresh => State::Fresh,
            State::Between(state) => State::Between(core.engine().outside(|| state.clone())),
            State::Poisoned => return Err(Error::StreamPoisoned),
            State::Finished => State::Finished,
        };
        let (iv, aad) = (self.iv.clone(), self.aad.clone());
        Ok(Self { core: Arc::clone(core), operation: self.operation, iv, aad, state, len: self.len })
    }

    /// Runs one piece; the output replaces the buffer's content and may be up to a block shorter or longer.
    fn update(&mut self, buffer: Vec<u8>) -> Result<Vec<u8>, OpError> {
        Ok(self.update_with(buffer, Tag::default())?.buffer)
    }

    /// The same, and the tag of the message so far.
    fn update_tagged(&mut self, buffer: Vec<u8>) -> Result<(Vec<u8>, Tag), OpError> {
        // Any tag asks for one.
        let asks = Tag::new(&[0; 16]).unwrap_or_default();
        let request = self.update_with(buffer, asks)?;
        Ok((request.buffer, request.tag))
    }

    fn update_with(&mut self, mut buffer: Vec<u8>, tag: Tag) -> Result<Request, OpError> {
        if let Err(error) = make_room(&mut buffer, MORE) {
            return Err(OpError::new(error, buffer, None));
        }
        self.run(Part::Update, buffer, tag)
    }

    fn finish(&mut self, tag: Tag) -> Result<Request, OpError> {
        self.run(Part::Final, Vec::with_capacity(MORE), tag)
    }
}

macro_rules! stream_type {
    ($(#[$doc:meta])* $name:ident of $session:ident) => {
        $(#[$doc])*
        pub struct $name(Stream);

        impl $name {
            /// A copy, as far as this one has come, that goes on with `session`: a session of the same
            /// algorithm and key, of this engine or another.
            ///
            /// # Errors
            /// [`Error::StreamPoisoned`].
            #[doc(hidden)]
            pub fn copied_to(&self, session: &$session) -> Result<Self, Error> {
                self.0.copied_to(session.core()).map(Self)
            }

            pub(crate) const fn parts(&mut self) -> &mut Stream {
                &mut self.0
            }

            pub(crate) fn into_parts(self) -> Stream {
                self.0
            }

            pub(crate) const fn from_parts(parts: Stream) -> Self {
                Self(parts)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let state = match self.0.state {
                    State::Fresh => "fresh",
                    State::Between(_) => "between parts",
                    State::Poisoned => "poisoned",
                    State::Finished => "finished",
                };
                f.debug_tuple(stringify!($name)).field(&state).finish()
            }
        }
    };
}

stream_type! {
    /// A multi-part encryption or decryption.
    ///
    /// Block modes return whole blocks and hold back the rest; decryption with padding holds back the last
    /// block until `finish`. An XTS stream is one data unit.
    CipherStream of CipherSession
}

impl CipherStream {
    pub(crate) fn new(core: Arc<SessionCore>, operation: Operation, iv: Vec<u8>) -> Self {
        Self(Stream::new(core, operation, iv, Vec::new()))
    }

    /// The output for the next piece.
    ///
    /// # Errors
    /// As `CipherSession::encrypt`; the stream is poisoned by any of them.
    pub fn update(&mut self, buffer: Vec<u8>) -> Result<Vec<u8>, OpError> {
        self.0.update(buffer)
    }

    /// The rest of the output.
    ///
    /// # Errors
    /// [`Error::AuthFailed`] for wrong padding, [`Error::InvalidArgument`] for an incomplete block.
    pub fn finish(mut self) -> Result<Vec<u8>, OpError> {
        self.finish_by_ref()
    }

    /// [`finish`](Self::finish) for raw jobs, whose frames must own nothing. Afterwards the stream is
    /// finished, or poisoned.
    ///
    /// # Errors
    /// As for `finish`.
    pub fn finish_by_ref(&mut self) -> Result<Vec<u8>, OpError> {
        Ok(self.0.finish(Tag::default())?.buffer)
    }
}

stream_type! {
    /// A multi-part AEAD encryption.
    AeadSealer of AeadSession
}

impl AeadSealer {
    pub(crate) fn new(core: Arc<SessionCore>, nonce: Vec<u8>, aad: Vec<u8>) -> Self {
        Self(Stream::new(core, Operation::Encrypt, nonce, aad))
    }

    /// The ciphertext of the next piece.
    ///
    /// # Errors
    /// As `AeadSession::seal`; the stream is poisoned by any of them.
    pub fn update(&mut self, buffer: Vec<u8>) -> Result<Vec<u8>, OpError> {
        self.0.update(buffer)
    }

    /// [`update`](Self::update), and the tag of the message so far: the last one is that of the whole
    /// message, without `finish`.
    ///
    /// # Errors
    /// As [`AeadSealer::update`].
    #[doc(hidden)]
    pub fn update_tagged(&mut self, buffer: Vec<u8>) -> Result<(Vec<u8>, Tag), OpError> {
        self.0.update_tagged(buffer)
    }

    /// The rest of the ciphertext (empty for GCM) and the tag.
    ///
    /// # Errors
    /// As [`AeadSealer::update`].
    pub fn finish(mut self) -> Result<(Vec<u8>, Tag), OpError> {
        self.finish_by_ref()
    }

    /// [`finish`](Self::finish) for raw jobs, whose frames must own nothing. Afterwards the stream is
    /// finished, or poisoned.
    ///
    /// # Errors
    /// As for `finish`.
    pub fn finish_by_ref(&mut self) -> Result<(Vec<u8>, Tag), OpError> {
        let request = self.0.finish(Tag::default())?;
        Ok((request.buffer, request.tag))
    }
}

stream_type! {
    /// A multi-part AEAD decryption. Plaintext is *not authenticated* until `finish` has succeeded.
    AeadOpener of AeadSession
}

impl AeadOpener {
    pub(crate) fn new(core: Arc<SessionCore>, nonce: Vec<u8>, aad: Vec<u8>) -> Self {
        Self(Stream::new(core, Operation::Decrypt, nonce, aad))
    }

    /// The plaintext of the next piece, not authenticated yet.
    ///
    /// # Errors
    /// As `AeadSession::seal`; the stream is poisoned by any of them.
    pub fn update(&mut self, buffer: Vec<u8>) -> Result<Vec<u8>, OpError> {
        self.0.update(buffer)
    }

    /// [`update`](Self::update), and the tag of the message so far: the last one is that of the whole
    /// message, which a caller compares in constant time (`==`) in place of `finish`.
    ///
    /// # Errors
    /// As [`AeadOpener::update`].
    #[doc(hidden)]
    pub fn update_tagged(&mut self, buffer: Vec<u8>) -> Result<(Vec<u8>, Tag), OpError> {
        self.0.update_tagged(buffer)
    }

    /// Checks whether everything that was returned is authentic.
    ///
    /// # Errors
    /// [`Error::AuthFailed`]: discard what was returned.
    pub fn finish(mut self, tag: &[u8]) -> Result<Vec<u8>, OpError> {
        self.finish_by_ref(tag)
    }

    /// [`finish`](Self::finish) for raw jobs, whose frames must own nothing. Afterwards the stream is
    /// finished, or poisoned.
    ///
    /// # Errors
    /// As for `finish`.
    pub fn finish_by_ref(&mut self, tag: &[u8]) -> Result<Vec<u8>, OpError> {
        match self.0.core.tag(tag) {
            Ok(tag) => Ok(self.0.finish(tag)?.buffer),
            Err(error) => Err(OpError::new(error, Vec::new(), None)),
        }
    }
}

macro_rules! digest_stream {
    ($(#[$doc:meta])* $name:ident of $session:ident, $operation:expr) => {
        stream_type! { $(#[$doc])* $name of $session }

        impl $name {
            pub(crate) fn new(core: Arc<SessionCore>) -> Self {
                Self(Stream::new(core, $operation, Vec::new(), Vec::new()))
            }

            /// Takes the next piece and returns its buffer unchanged.
            ///
            /// # Errors
            /// The device's failures; the stream is poisoned by any of them.
            pub fn update(&mut self, buffer: Vec<u8>) -> Result<Vec<u8>, OpError> {
                Ok(self.0.run(Part::Update, buffer, Tag::default())?.buffer)
            }

            /// The result.
            ///
            /// # Errors
            /// The device's failures.
            pub fn finish(mut self) -> Result<Tag, OpError> {
                self.finish_by_ref()
            }

            /// [`finish`](Self::finish) for raw jobs, whose frames must own nothing. Afterwards the stream is
            /// finished, or poisoned.
            ///
            /// # Errors
            /// As for `finish`.
            pub fn finish_by_ref(&mut self) -> Result<Tag, OpError> {
                Ok(self.0.finish(Tag::default())?.tag)
            }
        }
    };
}

digest_stream! {
    /// A multi-part digest.
    HashStream of HashSession, Operation::Digest
}

digest_stream! {
    /// A multi-part MAC.
    MacStream of MacSession, Operation::Mac
}
