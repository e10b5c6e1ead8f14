//! Sessions as callers hold them: one-shot operations on owned and on borrowed buffers.
//!
//! Owned buffers are moved in and returned, on every error too ([`OpError`]). Borrowed slices are copied in
//! before, and out after, through buffers that belong to the thread and are wiped.
//!
//! Cancelling: dropping a job (or unwinding out of it) in the middle of any of these gives the request up;
//! owned buffers are then wiped and dropped, borrowed ones are untouched.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use simaccel_device::{
    Algorithm, Allowed, Argument, ArgumentError, Elsewhere, Operation, Part, Request, Rest, Session,
    SessionId, Shape, Tag, Tagged, TaggedText,
};
use zeroize::Zeroize;

use super::offload::plain::{self, Outcome};
use super::offload::{self, Failed, Hold};
use super::stream::{AeadOpener, AeadSealer, CipherStream, HashStream, MacStream};
use super::{Inner, software, table};
use crate::error::{Error, OpError};
use crate::words;

/// The common part of the four kinds of session; removed from the device with the last handle.
pub(crate) struct SessionCore {
    engine: Arc<Inner>,
    session: Arc<Session>,
    id: SessionId,
    /// Bytes by which an output may exceed its input.
    growth: usize,
}

impl SessionCore {
    pub(crate) fn create(engine: Arc<Inner>, session: Arc<Session>) -> Arc<Self> {
        let id = engine.device.create_session(Arc::clone(&session));
        let growth = session.max_growth();
        Arc::new(Self { engine, session, id, growth })
    }

    /// A session that the device already has under `id`.
    pub(crate) fn adopt(engine: Arc<Inner>, session: Arc<Session>, id: SessionId) -> Arc<Self> {
        let growth = session.max_growth();
        Arc::new(Self { engine, session, id, growth })
    }

    pub(super) const fn session(&self) -> &Arc<Session> {
        &self.session
    }

    pub(super) const fn growth(&self) -> usize {
        self.growth
    }

    #[inline]
    pub(crate) fn request(&self, operation: Operation, buffer: Vec<u8>) -> Request {
        Request::new(self.id, operation, buffer)
    }

    /// Runs a whole message: by the straight path if possible, otherwise by the state machine.
    fn run_whole<R: Rest>(
        &self,
        operation: Operation,
        iv: &[u8],
        buffer: Vec<u8>,
        rest: R,
    ) -> Result<R::Taken, OpError> {
        match self.run_straight(operation, iv, (buffer, rest)) {
            Ok(done) => done,
            Err((buffer, rest)) => self.run_with_policy(operation, iv, buffer, rest),
        }
    }

    /// Its frame is large without optimisation, so the state machine does not run on top of it.
    #[inline]
    fn run_straight<R: Rest>(&self, operation: Operation, iv: &[u8], given: plain::Given<R>) -> Outcome<R> {
        let done = plain::run(&self.engine, self.id, operation, iv, given)?;
        Ok(done.map_err(|error| self.named(error, operation, iv.len())))
    }

    /// Describes what the device has refused.
    #[cold]
    fn named(&self, error: OpError, operation: Operation, iv_len: usize) -> OpError {
        error.map(|error, buffer| self.explained(error, operation, iv_len, buffer.len()))
    }

    #[inline(never)]
    fn run_with_policy<R: Rest>(
        &self,
        operation: Operation,
        iv: &[u8],
        buffer: Vec<u8>,
        rest: R,
    ) -> Result<R::Taken, OpError> {
        let mut request = self.request(operation, buffer);
        rest.load_into(&mut request);
        if let Err(error) = set_iv(&mut request, iv) {
            return Err(OpError::new(error, request.buffer, request.destination));
        }
        Ok(R::take_from(&mut self.run(request)?))
    }

    /// Runs a whole message by the state machine.
    pub(super) fn run(&self, mut request: Request) -> Result<Request, OpError> {
        match self.run_here(&mut request) {
            Ok(()) => Ok(request),
            Err(error) => {
                let error =
                    self.explained(error, request.operation, request.iv().len(), request.buffer.len());
                Err(OpError::new(error, request.buffer, request.destination))
            }
        }
    }

    /// Runs a part of a message, of which `before` and this part are `len` bytes.
    pub(crate) fn run_part(&self, mut request: Request, len: u64) -> Result<Request, OpError> {
        let (first, last) = (request.state.is_none(), request.part != Part::Update);
        match self.run_here(&mut request) {
            Ok(()) => Ok(request),
            Err(error) => {
                let check = || {
                    if first {
                        self.session.check_iv(request.iv().len())?;
                    }
                    self.session.check_message(request.operation, len, last)
                };
                Err(OpError::new(explained(error, check), request.buffer, request.destination))
            }
        }
    }

    /// The device's refusal, described.
    #[cold]
    pub(super) fn explained(&self, error: Error, operation: Operation, iv_len: usize, len: usize) -> Error {
        explained(error, || self.session.check(operation, iv_len, len as u64))
    }

    /// A tag to compare with. A tag shorter than the session's is not authentic; a longer one is an error.
    pub(crate) fn tag(&self, tag: &[u8]) -> Result<Tag, Error> {
        let wrong = || self.wrong_length(Argument::Tag, tag.len(), Allowed::AtMost(MAX_TAG as u64));
        if tag.len() <= MAX_TAG { Tag::new(tag).ok_or_else(wrong) } else { Err(wrong()) }
    }

    /// The error for an argument whose length is not allowed.
    pub(crate) fn wrong_length(&self, argument: Argument, given: usize, allowed: Allowed) -> Error {
        Error::InvalidArgument(self.session.length(argument, given as u64, allowed))
    }

    /// Runs `request` and leaves the result in it. After an error it contains the original buffers or, if
    /// they are out of reach, empty ones.
    fn run_here(&self, request: &mut Request) -> Result<(), Error> {
        offload::run(&self.engine, &self.session, request).map_err(Failed::into_error)
    }

    /// Runs an operation on a copy of `data`, with room for its output, and passes the result to `take`.
    #[inline]
    fn run_copied<T, R>(
        &self,
        data: &[u8],
        run: impl FnOnce(Vec<u8>) -> Result<(Vec<u8>, T), OpError>,
        take: impl FnOnce(&[u8], T) -> Result<R, Error>,
    ) -> Result<R, Error> {
        match run(self.copy_of(data, self.growth.max(software::EXPANSION))?) {
            Ok((buffer, rest)) => {
                let result = take(&buffer, rest);
                self.recycle(buffer);
                result
            }
            Err(error) => {
                let (error, buffer) = error.into_parts();
                self.recycle(buffer);
                Err(error)
            }
        }
    }

    /// A copy in a buffer of the thread, with room for this many more bytes.
    fn copy_of(&self, data: &[u8], more: usize) -> Result<Vec<u8>, Error> {
        let room = data.len().saturating_add(more);
        if room == 0 {
            return Ok(Vec::new());
        }
        let mut buffer = table::with(&self.engine, |instance| instance.buffer(room))?;
        buffer.extend_from_slice(data);
        Ok(buffer)
    }

    /// Wipes a buffer, and keeps it for another copy.
    fn recycle(&self, buffer: Vec<u8>) {
        if buffer.capacity() > 0 {
            table::with(&self.engine, |instance| instance.recycle(buffer));
        }
    }
}

/// A session keeps its engine.
impl Hold for Arc<SessionCore> {
    fn engine(&self) -> &Arc<Inner> {
        &self.engine
    }
}

impl Drop for SessionCore {
    fn drop(&mut self) {
        self.engine.device.remove_session(self.id);
    }
}

/// Makes room for `additional` bytes, without leaving a copy of the text in freed memory.
#[inline]
pub(crate) fn make_room(text: &mut Vec<u8>, additional: usize) -> Result<(), Error> {
    if text.capacity() - text.len() < additional { enlarge(text, additional) } else { Ok(()) }
}

#[cold]
fn enlarge(text: &mut Vec<u8>, additional: usize) -> Result<(), Error> {
    let mut larger = Vec::new();
    larger.try_reserve_exact(text.len().saturating_add(additional)).map_err(|_| Error::NoMemory)?;
    larger.extend_from_slice(text);
    text.zeroize();
    *text = larger;
    Ok(())
}

/// Copies a nonce or an initialisation vector into a request, if there is memory for it.
fn set_iv(request: &mut Request, iv: &[u8]) -> Result<(), Error> {
    if iv.len() <= plain::MOST_IV {
        request.set_iv(iv);
    } else {
        request.set_iv_owned(copied(iv)?);
    }
    Ok(())
}

/// An owned copy, if there is memory for it.
fn copied(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(bytes.len()).map_err(|_| Error::NoMemory)?;
    copy.extend_from_slice(bytes);
    Ok(copy)
}

/// An error with the reason why the device refused the arguments, where `check` finds one.
#[cold]
fn explained(error: Error, check: impl FnOnce() -> Result<(), ArgumentError>) -> Error {
    match (&error, check) {
        (Error::InvalidArgument(ArgumentError::Refused), check) => {
            check().map_or_else(Error::InvalidArgument, |()| error)
        }
        _ => error,
    }
}

/// Bytes of the longest tag that an AEAD gives.
const MAX_TAG: usize = 16;
/// Bytes of the shortest MAC that a message is compared with.
const MIN_MAC: usize = 4;

/// Copies the output if it fits; otherwise returns an error with the size that it needs.
fn copy_out(output: &[u8], into: &mut [u8]) -> Result<usize, Error> {
    let (needed, given) = (output.len(), into.len());
    let room = into.get_mut(..needed).ok_or(Error::OutputTooSmall { needed, given })?;
    room.copy_from_slice(output);
    Ok(needed)
}

macro_rules! session_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name {
            core: Arc<SessionCore>,
        }

        impl $name {
            pub(crate) const fn new(core: Arc<SessionCore>) -> Self {
                Self { core }
            }

            pub(super) const fn core(&self) -> &Arc<SessionCore> {
                &self.core
            }
        }

        impl $name {
            /// What the session computes.
            pub fn algorithm(&self) -> Algorithm {
                self.core.session.algorithm()
            }

            /// The output of an operation; `None`: the session has no such operation.
            pub fn output(&self, operation: Operation) -> Option<Shape> {
                self.core.session.output(operation)
            }

            /// Checks whether a whole message of `len` bytes, with an initialisation vector or nonce of
            /// `iv_len`, is accepted, as an operation would, but without the device.
            ///
            /// # Errors
            /// [`Error::InvalidArgument`].
            pub fn check(&self, operation: Operation, iv_len: usize, len: usize) -> Result<(), Error> {
                self.core.session.check(operation, iv_len, len as u64).map_err(Error::InvalidArgument)
            }

            /// Checks whether an initialisation vector or nonce of this many bytes is accepted.
            ///
            /// # Errors
            /// [`Error::InvalidArgument`].
            pub fn check_iv(&self, iv_len: usize) -> Result<(), Error> {
                self.core.session.check_iv(iv_len).map_err(Error::InvalidArgument)
            }

            /// The fewest and the most bytes of text that a whole message of `len` bytes produces, if it is
            /// accepted. They differ where padding is removed.
            pub fn output_len(&self, operation: Operation, len: usize) -> RangeInclusive<usize> {
                self.core.session.output_len(operation, len)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($name)).field(&self.core.session).finish()
            }
        }
    };
}

session_type! {
    /// A cipher with its key: ECB, CBC, CTR or XTS.
    ///
    /// The initialisation vector is 16 bytes; ECB has none (pass `&[]`). CTR counts all 128 bits, big-endian
    /// (SP 800-38A, 6.5). An XTS message is one data unit of 16 bytes to 16 MiB (IEEE 1619; SP 800-38E).
    CipherSession
}

impl CipherSession {
    /// Encrypts `buffer` in place. ECB and CBC with padding make it up to 16 bytes longer.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a length or IV that does not fit; the device's failures. Every error
    /// returns the buffer.
    #[inline(always)] // see `offload::plain`
    pub fn encrypt(&self, iv: &[u8], buffer: Vec<u8>) -> Result<Vec<u8>, OpError> {
        self.in_place(Operation::Encrypt, iv, buffer)
    }

    /// Decrypts `buffer` in place.
    ///
    /// # Errors
    /// [`Error::AuthFailed`] for wrong padding, else as [`CipherSession::encrypt`].
    #[inline(always)] // see `offload::plain`
    pub fn decrypt(&self, iv: &[u8], buffer: Vec<u8>) -> Result<Vec<u8>, OpError> {
        self.in_place(Operation::Decrypt, iv, buffer)
    }

    #[inline(always)]
    fn in_place(&self, operation: Operation, iv: &[u8], mut buffer: Vec<u8>) -> Result<Vec<u8>, OpError> {
        // Padding grows the buffer, and the device does not allocate.
        if operation == Operation::Encrypt
            && let Err(error) = make_room(&mut buffer, self.core.growth)
        {
            return Err(OpError::new(error, buffer, None));
        }
        match plain::run(&self.core.engine, self.core.id, operation, iv, (buffer, ())) {
            Ok(done) => done.map_err(|error| self.core.named(error, operation, iv.len())),
            Err((buffer, ())) => words::in_registers(self.core.run_with_policy(operation, iv, buffer, ())),
        }
    }

    /// Whether an output is exactly as long as its input, and a message may have any length: a stream cipher
    /// (CTR), whose initialisation vector has 16 bytes.
    #[doc(hidden)]
    #[inline]
    pub fn keeps_len(&self) -> bool {
        self.core.growth == 0
    }

    /// Encrypts `source` into `destination`, whose content is replaced; returns both.
    ///
    /// # Errors
    /// As [`CipherSession::encrypt`]; [`OpError::into_buffers`] returns both buffers.
    pub fn encrypt_to(
        &self,
        iv: &[u8],
        source: Vec<u8>,
        destination: Vec<u8>,
    ) -> Result<(Vec<u8>, Vec<u8>), OpError> {
        self.out_of_place(Operation::Encrypt, iv, source, destination)
    }

    /// Decrypts `source` into `destination`, whose content is replaced; returns both.
    ///
    /// # Errors
    /// As [`CipherSession::decrypt`]; [`OpError::into_buffers`] returns both buffers.
    pub fn decrypt_to(
        &self,
        iv: &[u8],
        source: Vec<u8>,
        destination: Vec<u8>,
    ) -> Result<(Vec<u8>, Vec<u8>), OpError> {
        self.out_of_place(Operation::Decrypt, iv, source, destination)
    }

    fn out_of_place(
        &self,
        operation: Operation,
        iv: &[u8],
        source: Vec<u8>,
        mut destination: Vec<u8>,
    ) -> Result<(Vec<u8>, Vec<u8>), OpError> {
        destination.clear();
        if destination.try_reserve(source.len().saturating_add(software::EXPANSION)).is_err() {
            return Err(OpError::new(Error::NoMemory, source, Some(destination)));
        }
        self.core.run_whole(operation, iv, source, Elsewhere { destination })
    }

    /// Encrypts a borrowed slice (copied) into another; returns the number of bytes written. `into` may be
    /// longer than the output.
    ///
    /// # Errors
    /// [`Error::OutputTooSmall`], else as [`CipherSession::encrypt`].
    pub fn encrypt_slice(&self, iv: &[u8], source: &[u8], into: &mut [u8]) -> Result<usize, Error> {
        self.slices(Operation::Encrypt, iv, source, into)
    }

    /// Decrypts a borrowed slice (copied) into another; returns the number of bytes written.
    ///
    /// # Errors
    /// [`Error::OutputTooSmall`], else as [`CipherSession::decrypt`].
    pub fn decrypt_slice(&self, iv: &[u8], source: &[u8], into: &mut [u8]) -> Result<usize, Error> {
        self.slices(Operation::Decrypt, iv, source, into)
    }

    fn slices(
        &self,
        operation: Operation,
        iv: &[u8],
        source: &[u8],
        into: &mut [u8],
    ) -> Result<usize, Error> {
        let run = |buffer| Ok((self.core.run_whole(operation, iv, buffer, ())?, ()));
        self.core.run_copied(source, run, |text, ()| copy_out(text, into))
    }

    /// Starts a multi-part encryption.
    pub fn encryptor(&self, iv: &[u8]) -> CipherStream {
        CipherStream::new(Arc::clone(&self.core), Operation::Encrypt, iv.to_vec())
    }

    /// Starts a multi-part decryption.
    pub fn decryptor(&self, iv: &[u8]) -> CipherStream {
        CipherStream::new(Arc::clone(&self.core), Operation::Decrypt, iv.to_vec())
    }
}

session_type! {
    /// An AEAD with its key and tag length: GCM (SP 800-38D). The nonce has 1 byte or more; 12 are fastest.
    AeadSession
}

impl AeadSession {
    /// Encrypts `buffer` in place and computes the tag over `aad` and the ciphertext.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an empty nonce or too long a message; the device's failures. Every
    /// error returns the buffer.
    pub fn seal(&self, nonce: &[u8], aad: &[u8], buffer: Vec<u8>) -> Result<(Vec<u8>, Tag), OpError> {
        self.whole(Operation::Encrypt, nonce, aad, buffer, None)
    }

    /// Decrypts `buffer` in place if `tag` is right.
    ///
    /// # Errors
    /// [`Error::AuthFailed`], whatever was wrong; the buffer is then returned empty, and no plaintext is ever
    /// returned. Else as [`AeadSession::seal`].
    pub fn open(&self, nonce: &[u8], aad: &[u8], buffer: Vec<u8>, tag: &[u8]) -> Result<Vec<u8>, OpError> {
        let tag = match self.core.tag(tag) {
            Ok(tag) => tag,
            Err(error) => return Err(OpError::new(error, buffer, None)),
        };
        Ok(self.whole(Operation::Decrypt, nonce, aad, buffer, Some(&tag))?.0)
    }

    /// Encrypts a borrowed slice (copied) into another; returns the number of bytes written and the tag.
    ///
    /// # Errors
    /// [`Error::OutputTooSmall`], else as [`AeadSession::seal`].
    pub fn seal_slice(
        &self,
        nonce: &[u8],
        aad: &[u8],
        source: &[u8],
        into: &mut [u8],
    ) -> Result<(usize, Tag), Error> {
        let run = |buffer| self.whole(Operation::Encrypt, nonce, aad, buffer, None);
        self.core.run_copied(source, run, |text, tag| Ok((copy_out(text, into)?, tag)))
    }

    /// Decrypts a borrowed slice (copied) into another if `tag` is right; returns the number of bytes
    /// written.
    ///
    /// # Errors
    /// [`Error::OutputTooSmall`], else as [`AeadSession::open`]; `into` is then untouched.
    pub fn open_slice(
        &self,
        nonce: &[u8],
        aad: &[u8],
        source: &[u8],
        tag: &[u8],
        into: &mut [u8],
    ) -> Result<usize, Error> {
        let tag = self.core.tag(tag)?;
        let run = |buffer| self.whole(Operation::Decrypt, nonce, aad, buffer, Some(&tag));
        self.core.run_copied(source, run, |text, _| copy_out(text, into))
    }

    /// A whole message, with copies of nonce and additional data.
    #[inline]
    fn whole(
        &self,
        operation: Operation,
        nonce: &[u8],
        aad: &[u8],
        buffer: Vec<u8>,
        tag: Option<&Tag>,
    ) -> Result<(Vec<u8>, Tag), OpError> {
        let aad = match self.core.copy_of(aad, 0) {
            Ok(aad) => aad,
            Err(error) => return Err(OpError::new(error, buffer, None)),
        };
        let TaggedText { buffer, tag, aad } =
            self.core.run_whole(operation, nonce, buffer, Tagged { aad, tag })?;
        self.core.recycle(aad);
        Ok((buffer, tag))
    }

    /// A whole message whose nonce and tag are copied before the job pauses, while the rest is owned: for
    /// callers whose memory may be freed during the pause. Decrypting needs a tag. The additional data are
    /// returned, too.
    ///
    /// # Errors
    /// As [`AeadSession::seal`] and [`AeadSession::open`].
    #[doc(hidden)]
    #[inline]
    pub fn whole_owned(
        &self,
        operation: Operation,
        nonce: &[u8],
        aad: Vec<u8>,
        buffer: Vec<u8>,
        tag: Option<&Tag>,
    ) -> Result<TaggedText, OpError> {
        self.core.run_whole(operation, nonce, buffer, Tagged { aad, tag })
    }

    /// The same with a nonce of any length, which is moved.
    ///
    /// # Errors
    /// As [`AeadSession::seal`] and [`AeadSession::open`].
    #[doc(hidden)]
    pub fn whole_with_long_nonce(
        &self,
        operation: Operation,
        nonce: Vec<u8>,
        aad: Vec<u8>,
        buffer: Vec<u8>,
        tag: Option<&Tag>,
    ) -> Result<TaggedText, OpError> {
        let mut request = self.core.request(operation, buffer);
        request.set_iv_owned(nonce);
        Tagged { aad, tag }.load_into(&mut request);
        Ok(Tagged::take_from(&mut self.core.run(request)?))
    }

    /// [`AeadSession::sealer`] with owned arguments.
    #[doc(hidden)]
    pub fn sealer_owned(&self, nonce: Vec<u8>, aad: Vec<u8>) -> AeadSealer {
        AeadSealer::new(Arc::clone(&self.core), nonce, aad)
    }

    /// [`AeadSession::opener`] with owned arguments.
    #[doc(hidden)]
    pub fn opener_owned(&self, nonce: Vec<u8>, aad: Vec<u8>) -> AeadOpener {
        AeadOpener::new(Arc::clone(&self.core), nonce, aad)
    }

    /// Starts a multi-part encryption.
    pub fn sealer(&self, nonce: &[u8], aad: &[u8]) -> AeadSealer {
        self.sealer_owned(nonce.to_vec(), aad.to_vec())
    }

    /// Starts a multi-part decryption. The output of `update` is *not authenticated* until `finish` has
    /// succeeded: do not act on it before.
    pub fn opener(&self, nonce: &[u8], aad: &[u8]) -> AeadOpener {
        self.opener_owned(nonce.to_vec(), aad.to_vec())
    }
}

session_type! {
    /// A hash function (FIPS 180-4).
    HashSession
}

impl HashSession {
    /// The digest of a borrowed slice (copied).
    ///
    /// # Errors
    /// The device's failures.
    pub fn digest(&self, data: &[u8]) -> Result<Tag, Error> {
        self.core.run_copied(data, |buffer| self.digest_owned(buffer), |_, digest| Ok(digest))
    }

    /// The digest of an owned buffer, which is returned unchanged, with an error too.
    ///
    /// # Errors
    /// The device's failures.
    pub fn digest_owned(&self, data: Vec<u8>) -> Result<(Vec<u8>, Tag), OpError> {
        let TaggedText { buffer, tag, .. } =
            self.core.run_whole(Operation::Digest, &[], data, Tagged::default())?;
        Ok((buffer, tag))
    }

    /// Starts a multi-part digest.
    pub fn stream(&self) -> HashStream {
        HashStream::new(Arc::clone(&self.core))
    }
}

session_type! {
    /// An HMAC with its key (RFC 2104, FIPS 198-1).
    MacSession
}

impl MacSession {
    /// The MAC of a borrowed slice (copied).
    ///
    /// # Errors
    /// The MAC of an owned buffer, which is returned unchanged, with an error too.
    pub fn mac(&self, data: &[u8]) -> Result<Tag, Error> {
        self.core.run_copied(data, |buffer| self.mac_owned(buffer), |_, mac| Ok(mac))
    }

    /// The MAC of an owned buffer, which comes back unchanged, with an error too.
    ///
    /// # Errors
    /// The device's failures.
    pub fn mac_owned(&self, data: Vec<u8>) -> Result<(Vec<u8>, Tag), OpError> {
        let TaggedText { buffer, tag, .. } =
            self.core.run_whole(Operation::Mac, &[], data, Tagged::default())?;
        Ok((buffer, tag))
    }

    /// Compares the MAC of `data` with `expected` in constant time. A truncated MAC is compared in the length
    /// it has, which must be at least 4 bytes (RFC 2104, 5 recommends half the digest or more).
    ///
    /// # Errors
    /// [`Error::AuthFailed`] when they differ, [`Error::InvalidArgument`] for fewer than 4 bytes, the
    /// device's failures.
    pub fn verify(&self, data: &[u8], expected: &[u8]) -> Result<(), Error> {
        self.check_expected(expected)?;
        Self::compare(self.mac(data)?, expected)
    }

    /// [`MacSession::verify`] of an owned buffer, which is returned unchanged, with an error too.
    ///
    /// # Errors
    /// As [`MacSession::verify`].
    pub fn verify_owned(&self, data: Vec<u8>, expected: &[u8]) -> Result<Vec<u8>, OpError> {
        if let Err(error) = self.check_expected(expected) {
            return Err(OpError::new(error, data, None));
        }
        let (data, mac) = self.mac_owned(data)?;
        match Self::compare(mac, expected) {
            Ok(()) => Ok(data),
            Err(error) => Err(OpError::new(error, data, None)),
        }
    }

    fn check_expected(&self, expected: &[u8]) -> Result<(), Error> {
        if expected.len() >= MIN_MAC {
            return Ok(());
        }
        Err(self.core.wrong_length(Argument::Mac, expected.len(), Allowed::AtLeast(MIN_MAC)))
    }

    fn compare(mac: Tag, expected: &[u8]) -> Result<(), Error> {
        let head = mac.as_bytes().get(..expected.len()).and_then(Tag::new);
        if head.is_some() && head == Tag::new(expected) { Ok(()) } else { Err(Error::AuthFailed) }
    }

    /// Starts a multi-part MAC.
    pub fn stream(&self) -> MacStream {
        MacStream::new(Arc::clone(&self.core))
    }
}

session_type! {
    /// An algorithm that has no kind of session of its own: bytes in, bytes out, and nothing beside them.
    OtherSession
}
