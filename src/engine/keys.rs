//! Private and public keys at an engine: sessions of them, and new ones from the device.

use std::sync::Arc;

use simaccel_device::{KeyAlgorithm, KeyArguments, Operation, PrivateKey, PublicKey, Session};

use super::Engine;
use super::session::{KeySession, SessionCore};
use crate::error::Error;

impl Engine {
    /// A session for the operations of a private key: sign, decrypt, derive, decapsulate, and those of its
    /// public key.
    ///
    /// # Errors
    /// [`Error::Forked`] in a forked child.
    ///
    /// ```
    /// use simaccel::{Config, Engine, KeyAlgorithm, KeyHash};
    ///
    /// let engine = Engine::open(Config::default())?;
    /// let key = engine.generate_key(KeyAlgorithm::P256)?;
    /// let session = engine.private_key(&key)?;
    /// let digest = [7; 32];
    /// let scheme = session.usual_scheme(KeyHash::Sha256).expect("keys of this curve sign");
    /// let signature = session.sign(&scheme, &digest)?;
    /// engine.public_key(&key.public_key())?.verify(&scheme, &digest, &signature)?;
    /// # Ok::<(), simaccel::Error>(())
    /// ```
    pub fn private_key(&self, key: &PrivateKey) -> Result<KeySession, Error> {
        self.key_session(|| Session::private_key(key))
    }

    /// A session for the operations of a public key: verify, encrypt, encapsulate.
    ///
    /// # Errors
    /// As [`Engine::private_key`].
    pub fn public_key(&self, key: &PublicKey) -> Result<KeySession, Error> {
        self.key_session(|| Session::public_key(key))
    }

    /// A session that generates private keys, for callers that need many: [`KeySession::generate`].
    ///
    /// # Errors
    /// As [`Engine::private_key`].
    pub fn key_generator(&self, algorithm: KeyAlgorithm) -> Result<KeySession, Error> {
        self.key_session(|| Session::key_generator(algorithm))
    }

    /// A new private key, which the device computes from randomness of the system. For
    /// [`KeyAlgorithm::Rsa`], whose size the name does not say: [`KeySession::generate_with`].
    ///
    /// # Errors
    /// As [`KeySession::generate`].
    pub fn generate_key(&self, algorithm: KeyAlgorithm) -> Result<PrivateKey, Error> {
        self.key_generator(algorithm)?.generate()
    }

    /// Runs `import` in the calling thread, but not on the stack of the job that runs here: importing a key
    /// takes more of it than a job may have. Everything that the engine itself does with keys does so
    /// already.
    pub fn outside_job<R>(&self, import: impl FnOnce() -> R) -> R {
        self.inner.outside(import)
    }

    fn key_session(&self, session: impl FnOnce() -> Session) -> Result<KeySession, Error> {
        if self.inner.is_inherited() {
            return Err(Error::Forked);
        }
        Ok(KeySession::new(SessionCore::create(Arc::clone(&self.inner), Arc::new(session()))))
    }
}

impl KeySession {
    /// A new private key, of a session that [generates](Engine::key_generator) them.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] where the session is another, or the key's size is not said by its name;
    /// the device's failures. A key that the device has damaged is [`Error::DeviceFailed`], where that shows.
    pub fn generate(&self) -> Result<PrivateKey, Error> {
        self.generate_with(self.with_randomness(Operation::Generate, KeyArguments::default())?)
    }

    /// The same from randomness of the caller's, [`KeyAlgorithm::seed_len`] bytes; and for RSA keys with a
    /// modulus of any size and any public exponent ([`KeyArguments::with_modulus`]).
    ///
    /// # Errors
    /// As [`KeySession::generate`].
    pub fn generate_with(&self, arguments: KeyArguments) -> Result<PrivateKey, Error> {
        let algorithm = self.key_algorithm();
        let bytes = self.run(Operation::Generate, arguments, &[])?;
        let import = || PrivateKey::from_generated(algorithm, &bytes);
        self.outside(import).map_err(|_| Error::DeviceFailed)
    }
}
