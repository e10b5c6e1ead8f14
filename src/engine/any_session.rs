//! One session of any kind, for callers that learn the algorithm at run time.

use std::ops::RangeInclusive;
use std::sync::Arc;

use simaccel_device::{Algorithm, Kind, Operation, OutputLen};

use super::session::{
    AeadSession, CipherSession, HashSession, KeySession, MacSession, OtherSession, SessionCore,
};
use super::started::{Message, Started};
use crate::error::{Error, OpError};

/// A session of any kind, from [`Engine::session`](crate::Engine::session). Match on it for the operations.
///
/// A match may name all variants: code that handles all kinds is meant to notice a new one.
///
/// ```
/// use simaccel::{AnySession, Config, Engine, Parameters};
///
/// let engine = Engine::open(Config::default())?;
/// let session = engine.session("SHA2-256".parse().unwrap(), &[], Parameters::default())?;
/// let AnySession::Hash(session) = session else { unreachable!("SHA-256 is a hash function") };
/// assert_eq!(session.digest(b"abc")?.as_bytes()[..4], [0xba, 0x78, 0x16, 0xbf]);
/// # Ok::<(), simaccel::Error>(())
/// ```
#[derive(Clone, Debug)]
pub enum AnySession {
    /// Encrypts and decrypts.
    Cipher(CipherSession),
    /// Encrypts and decrypts with a tag.
    Aead(AeadSession),
    /// Digests.
    Hash(HashSession),
    /// Authenticates.
    Mac(MacSession),
    /// Signs, verifies, derives, encapsulates, decapsulates; encrypts and decrypts with RSA.
    Key(KeySession),
    /// Does what none of these does.
    Other(OtherSession),
}

impl AnySession {
    pub(super) fn new(core: Arc<SessionCore>) -> Self {
        match core.session().algorithm().kind() {
            Kind::Cipher => Self::Cipher(CipherSession::new(core)),
            Kind::Aead => Self::Aead(AeadSession::new(core)),
            Kind::Hash => Self::Hash(HashSession::new(core)),
            Kind::Mac => Self::Mac(MacSession::new(core)),
            Kind::Key => Self::Key(KeySession::new(core)),
            Kind::Other => Self::Other(OtherSession::new(core)),
        }
    }

    /// What the session computes.
    pub fn algorithm(&self) -> Algorithm {
        self.core().session().algorithm()
    }

    /// The output of an operation; `None`: the session has no such operation.
    pub fn output(&self, operation: Operation) -> Option<OutputLen> {
        self.core().session().output(operation)
    }

    /// Checks whether a whole message of `len` bytes, with an initialisation vector or nonce of `iv_len`, is
    /// accepted, as an operation would, but without the device.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`].
    pub fn check(&self, operation: Operation, iv_len: usize, len: usize) -> Result<(), Error> {
        self.core().session().check(operation, iv_len, len as u64).map_err(Error::InvalidArgument)
    }

    /// Checks whether an initialisation vector or nonce of this many bytes is accepted.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`].
    pub fn check_iv(&self, iv_len: usize) -> Result<(), Error> {
        self.core().session().check_iv(iv_len).map_err(Error::InvalidArgument)
    }

    /// The fewest and the most bytes of text that a whole message of `len` bytes produces, if it is accepted.
    /// They differ where padding is removed.
    pub fn output_len(&self, operation: Operation, len: usize) -> RangeInclusive<usize> {
        self.core().session().output_len(operation, len)
    }

    /// An operation that is polled.
    pub(crate) fn start(&self, message: Message) -> Result<Started, OpError> {
        Started::new(self.core(), message)
    }

    const fn core(&self) -> &Arc<SessionCore> {
        match self {
            Self::Cipher(session) => session.core(),
            Self::Aead(session) => session.core(),
            Self::Hash(session) => session.core(),
            Self::Mac(session) => session.core(),
            Self::Key(session) => session.core(),
            Self::Other(session) => session.core(),
        }
    }
}

impl OtherSession {
    /// Runs an operation on `buffer`, which the output replaces, however long it is.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a length or an operation that does not fit; the device's failures. The
    /// buffer comes back with every error.
    pub fn run(&self, operation: Operation, buffer: Vec<u8>) -> Result<Vec<u8>, OpError> {
        let mut request = self.core().request(operation, buffer);
        self.core().run(&mut request)?;
        Ok(request.buffer)
    }

    /// Runs an operation on `source` into `destination`, whose content is replaced; gives both back.
    ///
    /// # Errors
    /// As [`OtherSession::run`]; [`OpError::into_buffers`] gives both buffers back.
    pub fn run_to(
        &self,
        operation: Operation,
        source: Vec<u8>,
        destination: Vec<u8>,
    ) -> Result<(Vec<u8>, Vec<u8>), OpError> {
        let mut request = self.core().request(operation, source);
        request.destination = Some(destination);
        self.core().run(&mut request)?;
        Ok((request.buffer, request.destination.unwrap_or_default()))
    }
}
