//! Sessions as callers hold them: one-shot operations on owned and on borrowed buffers.
//!
//! Owned buffers are moved in and given back, on every error too ([`OpError`]). Borrowed slices are copied in
//! before, and out after, through buffers that belong to the thread and are wiped.
//!
//! Cancelling: dropping a job (or unwinding out of it) in the middle of any of these gives the request up; owned
//! buffers are then wiped and dropped, borrowed ones are untouched.

use std::fmt;
use std::sync::Arc;

use device_sim::{Operation, Request, Session, SessionId, Tag};
use zeroize::Zeroize;

use super::offload::{self, Failed, plain};
use super::stream::{AeadOpener, AeadSealer, CipherStream, HashStream, MacStream};
use super::{Inner, software, table};
use crate::error::{Error, OpError};
use crate::words;

/// What the four kinds of session have in common; removed from the device with the last handle.
pub(crate) struct SessionCore {
    engine: Arc<Inner>,
    session: Arc<Session>,
    id: SessionId,
    /// Bytes by which an output may exceed its input.
    growth: usize,
}

impl SessionCore {
    pub(crate) fn create(engine: Arc<Inner>, session: Session) -> Arc<Self> {
        let session = Arc::new(session);
        let id = engine.device.create_session(Arc::clone(&session));
        let growth = session.max_growth();
        Arc::new(Self { engine, session, id, growth })
    }

    /// A session that the device knows under `id` already.
    pub(crate) fn adopt(engine: Arc<Inner>, session: Session, id: SessionId) -> Arc<Self> {
        let growth = session.max_growth();
        Arc::new(Self { engine, session: Arc::new(session), id, growth })
    }

    #[inline]
    pub(crate) fn request(&self, operation: Operation, buffer: Vec<u8>) -> Request {
        Request::new(self.id, operation, buffer)
    }

    pub(crate) fn run(&self, mut request: Request) -> Result<Request, OpError> {
        match self.run_here(&mut request) {
            Ok(()) => Ok(request),
            Err(error) => Err(OpError::new(error, request.buffer, request.destination)),
        }
    }

    /// Runs what is in `request`, and leaves there what came of it, and with an error what was given; where that is out
    /// of reach, empty buffers.
    fn run_here(&self, request: &mut Request) -> Result<(), Error> {
        offload::run(&self.engine, &self.session, request).map_err(Failed::into_error)
    }

    /// Runs `request` on a copy of `data`, then shows the result to `take`.
    fn run_copied<R>(
        &self,
        mut request: Request,
        data: &[u8],
        take: impl FnOnce(&Request) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let mut buffer = table::of_thread(&self.engine).buffer(data.len() + software::EXPANSION);
        buffer.extend_from_slice(data);
        request.buffer = buffer;
        match self.run(request) {
            Ok(request) => {
                let result = take(&request);
                table::of_thread(&self.engine).recycle(request.buffer);
                result
            }
            Err(error) => {
                let (error, buffer) = error.into_parts();
                table::of_thread(&self.engine).recycle(buffer);
                Err(error)
            }
        }
    }
}

impl Drop for SessionCore {
    fn drop(&mut self) {
        self.engine.device.remove_session(self.id);
    }
}

/// Makes room for `additional` bytes, without leaving a copy of the text behind in freed memory.
#[inline]
pub(crate) fn make_room(text: &mut Vec<u8>, additional: usize) {
    if text.capacity() - text.len() < additional {
        enlarge(text, additional);
    }
}

#[cold]
fn enlarge(text: &mut Vec<u8>, additional: usize) {
    let mut larger = Vec::with_capacity(text.len() + additional);
    larger.extend_from_slice(text);
    text.zeroize();
    *text = larger;
}

/// Copies what fits; an output that does not fit is an error that says how much it needs.
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
    /// The initialisation vector is 16 bytes; ECB has none (give `&[]`). CTR counts all 128 bits, big-endian
    /// (SP 800-38A, 6.5). An XTS message is one data unit of 16 bytes to 16 MiB (IEEE 1619; SP 800-38E).
    CipherSession
}

impl CipherSession {
    /// Encrypts `buffer` in place. ECB and CBC with padding make it up to 16 bytes longer.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a length or IV that does not fit; the device's failures. The buffer comes
    /// back with every error.
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
        if operation == Operation::Encrypt {
            // Padding grows the buffer, and the device does not allocate.
            make_room(&mut buffer, self.core.growth);
        }
        match plain::run(&self.core.engine, self.core.id, operation, iv, buffer) {
            Ok(done) => done,
            Err(buffer) => words::in_registers(self.in_place_with_policy(operation, iv, buffer)),
        }
    }

    #[inline(never)]
    fn in_place_with_policy(
        &self,
        operation: Operation,
        iv: &[u8],
        buffer: Vec<u8>,
    ) -> Result<Vec<u8>, OpError> {
        let mut request = self.core.request(operation, buffer);
        request.set_iv(iv);
        Ok(self.core.run(request)?.buffer)
    }

    /// Encrypts `source` into `destination`, whose content is replaced; gives both back.
    ///
    /// # Errors
    /// As [`CipherSession::encrypt`]; [`OpError::into_buffers`] gives both buffers back.
    pub fn encrypt_to(
        &self,
        iv: &[u8],
        source: Vec<u8>,
        destination: Vec<u8>,
    ) -> Result<(Vec<u8>, Vec<u8>), OpError> {
        self.out_of_place(Operation::Encrypt, iv, source, destination)
    }

    /// Decrypts `source` into `destination`, whose content is replaced; gives both back.
    ///
    /// # Errors
    /// As [`CipherSession::decrypt`]; [`OpError::into_buffers`] gives both buffers back.
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
        destination.reserve(source.len() + software::EXPANSION);
        let mut request = self.core.request(operation, source);
        request.set_iv(iv);
        request.destination = Some(destination);
        let request = self.core.run(request)?;
        Ok((request.buffer, request.destination.unwrap_or_default()))
    }

    /// Encrypts a borrowed slice (copied) into another; returns the bytes written. The two may have any lengths
    /// that the output fits.
    ///
    /// # Errors
    /// [`Error::OutputTooSmall`], else as [`CipherSession::encrypt`].
    pub fn encrypt_slice(&self, iv: &[u8], source: &[u8], into: &mut [u8]) -> Result<usize, Error> {
        self.slices(Operation::Encrypt, iv, source, into)
    }

    /// Decrypts a borrowed slice (copied) into another; returns the bytes written.
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
        let mut request = self.core.request(operation, Vec::new());
        request.set_iv(iv);
        self.core.run_copied(request, source, |done| copy_out(&done.buffer, into))
    }

    /// Starts a multi-part encryption.
    pub fn encryptor(&self, iv: &[u8]) -> CipherStream {
        CipherStream::new(Arc::clone(&self.core), Operation::Encrypt, iv)
    }

    /// Starts a multi-part decryption.
    pub fn decryptor(&self, iv: &[u8]) -> CipherStream {
        CipherStream::new(Arc::clone(&self.core), Operation::Decrypt, iv)
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
    /// [`Error::InvalidArgument`] for an empty nonce or too long a message; the device's failures. The buffer
    /// comes back with every error.
    pub fn seal(&self, nonce: &[u8], aad: &[u8], buffer: Vec<u8>) -> Result<(Vec<u8>, Tag), OpError> {
        let mut request = self.core.request(Operation::Encrypt, buffer);
        request.set_iv(nonce);
        request.aad = aad.to_vec();
        let request = self.core.run(request)?;
        Ok((request.buffer, request.tag))
    }

    /// Decrypts `buffer` in place if `tag` is right.
    ///
    /// # Errors
    /// [`Error::AuthFailed`], the same for whatever was wrong; the buffer then comes back empty, and no plaintext
    /// ever leaves. Else as [`AeadSession::seal`].
    pub fn open(&self, nonce: &[u8], aad: &[u8], buffer: Vec<u8>, tag: &[u8]) -> Result<Vec<u8>, OpError> {
        let Some(tag) = Tag::new(tag) else {
            return Err(OpError::new(Error::InvalidArgument("a tag has at most 16 bytes"), buffer, None));
        };
        let mut request = self.core.request(Operation::Decrypt, buffer);
        request.set_iv(nonce);
        request.aad = aad.to_vec();
        request.tag = tag;
        Ok(self.core.run(request)?.buffer)
    }

    /// Encrypts a borrowed slice (copied) into another; returns the bytes written and the tag.
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
        let mut request = self.core.request(Operation::Encrypt, Vec::new());
        request.set_iv(nonce);
        request.aad = aad.to_vec();
        self.core.run_copied(request, source, |done| Ok((copy_out(&done.buffer, into)?, done.tag)))
    }

    /// Decrypts a borrowed slice (copied) into another if `tag` is right; returns the bytes written.
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
        let tag = Tag::new(tag).ok_or(Error::InvalidArgument("a tag has at most 16 bytes"))?;
        let mut request = self.core.request(Operation::Decrypt, Vec::new());
        request.set_iv(nonce);
        request.aad = aad.to_vec();
        request.tag = tag;
        self.core.run_copied(request, source, |done| copy_out(&done.buffer, into))
    }

    /// Starts a multi-part encryption.
    pub fn sealer(&self, nonce: &[u8], aad: &[u8]) -> AeadSealer {
        AeadSealer::new(Arc::clone(&self.core), nonce, aad)
    }

    /// Starts a multi-part decryption. What its `update` gives is *not authenticated* until `finish` has
    /// succeeded: do not act on it before.
    pub fn opener(&self, nonce: &[u8], aad: &[u8]) -> AeadOpener {
        AeadOpener::new(Arc::clone(&self.core), nonce, aad)
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
        let request = self.core.request(Operation::Digest, Vec::new());
        self.core.run_copied(request, data, |done| Ok(done.tag))
    }

    /// The digest of an owned buffer, which comes back unchanged, with an error too.
    ///
    /// # Errors
    /// The device's failures.
    pub fn digest_owned(&self, data: Vec<u8>) -> Result<(Vec<u8>, Tag), OpError> {
        let request = self.core.run(self.core.request(Operation::Digest, data))?;
        Ok((request.buffer, request.tag))
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
    /// The device's failures.
    pub fn mac(&self, data: &[u8]) -> Result<Tag, Error> {
        let request = self.core.request(Operation::Mac, Vec::new());
        self.core.run_copied(request, data, |done| Ok(done.tag))
    }

    /// The MAC of an owned buffer, which comes back unchanged, with an error too.
    ///
    /// # Errors
    /// The device's failures.
    pub fn mac_owned(&self, data: Vec<u8>) -> Result<(Vec<u8>, Tag), OpError> {
        let request = self.core.run(self.core.request(Operation::Mac, data))?;
        Ok((request.buffer, request.tag))
    }

    /// Compares the MAC of `data` with `expected` in constant time. A truncated MAC is compared in the length it
    /// has, which must be at least 4 bytes (RFC 2104, 5 recommends half the digest or more).
    ///
    /// # Errors
    /// [`Error::AuthFailed`] when they differ, [`Error::InvalidArgument`] for fewer than 4 bytes, the device's
    /// failures.
    pub fn verify(&self, data: &[u8], expected: &[u8]) -> Result<(), Error> {
        let mac = self.mac(data)?;
        if expected.len() < 4 {
            return Err(Error::InvalidArgument("a MAC to verify has at least 4 bytes"));
        }
        let head = mac.as_bytes().get(..expected.len()).and_then(Tag::new);
        if head.is_some() && head == Tag::new(expected) { Ok(()) } else { Err(Error::AuthFailed) }
    }

    /// Starts a multi-part MAC.
    pub fn stream(&self) -> MacStream {
        MacStream::new(Arc::clone(&self.core))
    }
}
