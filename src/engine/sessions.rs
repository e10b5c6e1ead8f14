//! The sessions of an engine: from an algorithm and a key.

use std::sync::Arc;

use simaccel_device::{Aead, Algorithm, Cipher, Hash, Padding, Parameters, Session, with_wiped_stack};

use super::session::{AeadSession, CipherSession, HashSession, MacSession, SessionCore};
use super::{AnySession, Engine};
use crate::error::Error;

impl Engine {
    /// A session of any algorithm; [`Engine::cipher`], [`Engine::aead`], [`Engine::hash`] and
    /// [`Engine::hmac`] do the same for an algorithm of a known kind. The key is copied.
    ///
    /// # Errors
    /// [`Error::Session`] for a key, a tag length or a parameter that the algorithm does not take; its
    /// [`SessionError`](crate::SessionError) says what is allowed. [`Error::Forked`] in a forked child.
    pub fn session(
        &self,
        algorithm: Algorithm,
        key: &[u8],
        parameters: Parameters,
    ) -> Result<AnySession, Error> {
        self.core(algorithm, key, parameters).map(AnySession::new)
    }

    /// A cipher session; ECB and CBC pad by PKCS#7.
    ///
    /// # Errors
    /// [`Error::Session`] for a key of the wrong length, or XTS keys with equal halves.
    pub fn cipher(&self, cipher: Cipher, key: &[u8]) -> Result<CipherSession, Error> {
        self.core(cipher.into(), key, Parameters::default()).map(CipherSession::new)
    }

    /// A cipher session with a chosen padding (which affects only ECB and CBC).
    ///
    /// # Errors
    /// As [`Engine::cipher`].
    pub fn cipher_with(&self, cipher: Cipher, key: &[u8], padding: Padding) -> Result<CipherSession, Error> {
        let default = Parameters::default();
        let parameters = if cipher.pads() { default.with_padding(padding) } else { default };
        self.core(cipher.into(), key, parameters).map(CipherSession::new)
    }

    /// An AEAD session with tags of 16 bytes.
    ///
    /// # Errors
    /// [`Error::Session`] for a key of the wrong length.
    pub fn aead(&self, aead: Aead, key: &[u8]) -> Result<AeadSession, Error> {
        self.core(aead.into(), key, Parameters::default()).map(AeadSession::new)
    }

    /// An AEAD session with tags of 4, 8 or 12 to 16 bytes (SP 800-38D, 5.2.1.2).
    ///
    /// # Errors
    /// [`Error::Session`] for a key or a tag of another length.
    pub fn aead_with(&self, aead: Aead, key: &[u8], tag_len: usize) -> Result<AeadSession, Error> {
        let parameters = Parameters::default().with_tag_len(tag_len);
        self.core(aead.into(), key, parameters).map(AeadSession::new)
    }

    /// A digest session.
    ///
    /// # Errors
    /// [`Error::Forked`] in a forked child.
    pub fn hash(&self, hash: Hash) -> Result<HashSession, Error> {
        self.core(Algorithm::Hash(hash), &[], Parameters::default()).map(HashSession::new)
    }

    /// An HMAC session (RFC 2104); keys of any length.
    ///
    /// # Errors
    /// [`Error::Forked`] in a forked child.
    pub fn hmac(&self, hash: Hash, key: &[u8]) -> Result<MacSession, Error> {
        self.core(Algorithm::Hmac(hash), key, Parameters::default()).map(MacSession::new)
    }

    /// A digest session that makes its worker panic (in software it is a normal one): the way to a dead
    /// device, for tests.
    #[doc(hidden)]
    pub fn panicking_hash(&self, hash: Hash) -> Result<HashSession, Error> {
        let id = self.inner.device.create_panicking_session();
        Ok(HashSession::new(SessionCore::adopt(Arc::clone(&self.inner), Arc::new(Session::hash(hash)?), id)))
    }

    pub(super) fn core(
        &self,
        algorithm: Algorithm,
        key: &[u8],
        parameters: Parameters,
    ) -> Result<Arc<SessionCore>, Error> {
        if self.inner.is_inherited() {
            return Err(Error::Forked);
        }
        // Preparing a key, and wiping what that leaves on the stack, takes more of it than a job should need.
        let prepare = || with_wiped_stack(|| Session::new(algorithm, key, parameters).map(Arc::new));
        let session = self.inner.outside(prepare)?;
        Ok(SessionCore::create(Arc::clone(&self.inner), session))
    }
}
