//! Sessions as callers hold them: one-shot operations on owned and on borrowed buffers.
//!
//! Owned buffers are moved in and returned, on every error too ([`OpError`]). Borrowed slices are copied in
//! before, and out after, through buffers that belong to the thread and are wiped.
//!
//! The types are here, with what all of them share; the operations are in a file for each kind.
//!
//! Cancelling: dropping a job (or unwinding out of it) in the middle of any of these gives the request up;
//! owned buffers are then wiped and dropped, borrowed ones are untouched.

use std::fmt;
use std::mem;
use std::ops::RangeInclusive;
use std::sync::Arc;

use simaccel_device::{
    Algorithm, Allowed, Argument, ArgumentError, Operation, OutputLen, Part, Request, Rest, Session,
    SessionId, Tag,
};
use zeroize::Zeroize;

use super::offload::plain::{self, Outcome};
use super::offload::{self, Failed, Hold};
use super::spare::Spare;
use super::{Inner, software, table};
use crate::error::{Error, OpError};

mod aead;
mod cipher;
mod hash;
mod key;
#[cfg(feature = "rustcrypto")]
pub(crate) mod steady;

pub(crate) use hash::expected_mac;

/// The common part of all kinds of session; removed from the device with the last handle.
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

    pub(super) const fn engine(&self) -> &Arc<Inner> {
        &self.engine
    }

    pub(crate) const fn session(&self) -> &Arc<Session> {
        &self.session
    }

    pub(super) const fn id(&self) -> SessionId {
        self.id
    }

    pub(crate) const fn growth(&self) -> usize {
        self.growth
    }

    #[inline]
    pub(crate) fn request(&self, operation: Operation, buffer: Vec<u8>) -> Request {
        Request::new(self.id, operation, buffer)
    }

    /// The same, of the thread's spare ones.
    #[inline]
    pub(crate) fn spare_request(&self, operation: Operation, buffer: Vec<u8>) -> Spare {
        Spare::new(self.id, operation, buffer)
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
        let outcome = plain::run(&self.engine, self.id, operation, iv, given);
        outcome.map(|done| done.map_err(|error| self.named(error, operation, iv.len())))
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
            return Err(refused(error, &mut request));
        }
        self.run(&mut request)?;
        Ok(R::take_from(&mut request))
    }

    /// Runs a whole message by the state machine, and leaves the result in `request`. An error has taken the
    /// buffers out of it.
    pub(super) fn run(&self, request: &mut Request) -> Result<(), OpError> {
        self.run_here(request).map_err(|error| {
            let error = self.explained(error, request.operation, request.iv().len(), request.buffer.len());
            refused(error, request)
        })
    }

    /// [`run`](Self::run) for a part of a message, which has `len` bytes so far, those of this part included.
    pub(crate) fn run_part(&self, request: &mut Request, len: u64) -> Result<(), OpError> {
        let is_first = request.state.is_none();
        self.run_here(request).map_err(|error| {
            let error = self.explained_part(error, request, is_first, len);
            refused(error, request)
        })
    }

    /// The device's refusal of a part of a message that has `len` bytes so far, described.
    #[cold]
    pub(crate) fn explained_part(&self, error: Error, request: &Request, is_first: bool, len: u64) -> Error {
        explained(error, || {
            if is_first {
                self.session.check_iv(request.iv().len())?;
            }
            self.session.check_message(request.operation, len, request.part != Part::Update)
        })
    }

    /// The device's refusal, described.
    #[cold]
    pub(super) fn explained(&self, error: Error, operation: Operation, iv_len: usize, len: usize) -> Error {
        explained(error, || self.session.check(operation, iv_len, len as u64))
    }

    /// [`run`](Self::run) for a request of a private or a public key, which says itself why it does not fit.
    /// Its buffers stay in it.
    pub(super) fn run_key(&self, request: &mut Request) -> Result<(), Error> {
        self.run_here(request).map_err(|error| self.explained_key(error, request))
    }

    /// The device's refusal, described; the device's key is asked once more for that.
    #[cold]
    pub(crate) fn explained_key(&self, error: Error, request: &mut Request) -> Error {
        if !matches!(error, Error::InvalidArgument(ArgumentError::Refused)) {
            return error;
        }
        let reason = self.engine.outside(|| self.session.explain(request));
        reason.map_or(error, Error::InvalidArgument)
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
        let copy = self.copy_of(data, self.growth.max(software::EXPANSION))?;
        self.copied_back(run(copy), take)
    }

    /// Takes the result of [`run_copied`](Self::run_copied) out of its copy. Apart from that, because without
    /// optimisation its frame is large, and a paused job would keep it.
    fn copied_back<T, R>(
        &self,
        done: Result<(Vec<u8>, T), OpError>,
        take: impl FnOnce(&[u8], T) -> Result<R, Error>,
    ) -> Result<R, Error> {
        match done {
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
    pub(crate) fn copy_of(&self, data: &[u8], more: usize) -> Result<Vec<u8>, Error> {
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

    fn held_session(&self) -> Option<&Session> {
        Some(&self.session)
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
pub(crate) fn set_iv(request: &mut Request, iv: &[u8]) -> Result<(), Error> {
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

/// An error, with the buffers of its request.
#[cold]
fn refused(error: Error, request: &mut Request) -> OpError {
    OpError::new(error, mem::take(&mut request.buffer), request.destination.take())
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

            pub(crate) const fn core(&self) -> &Arc<SessionCore> {
                &self.core
            }
        }

        impl $name {
            /// What the session computes.
            pub fn algorithm(&self) -> Algorithm {
                self.core.session.algorithm()
            }

            /// The output of an operation; `None`: the session has no such operation.
            pub fn output(&self, operation: Operation) -> Option<OutputLen> {
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

session_type! {
    /// An AEAD with its key and tag length: GCM (SP 800-38D). The nonce has 1 byte or more; 12 are fastest.
    AeadSession
}

session_type! {
    /// A hash function (FIPS 180-4).
    HashSession
}

session_type! {
    /// An HMAC with its key (RFC 2104, FIPS 198-1).
    MacSession
}

session_type! {
    /// An algorithm that has no kind of session of its own: bytes in, bytes out, and nothing beside them.
    OtherSession
}

session_type! {
    /// A private or a public key: signatures, key exchange, key encapsulation, RSA encryption. A session of a
    /// private key has the operations of its public key, too.
    KeySession
}
