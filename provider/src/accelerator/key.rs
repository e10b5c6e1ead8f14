//! A key, and the session that the device has for it.
//!
//! The key is kept, because a forked child needs a session of its own device. Copies of an object share both.

use std::sync::Arc;

use simaccel::{
    AeadSession, Algorithm, AnySession, CipherSession, Engine, Error, Padding, Parameters, foreign,
};
use zeroize::Zeroizing;

use super::place::{engine, not_opened};
use crate::error::Failure;
use crate::instance::Instance;
use crate::pausing;

/// A session with a key, as the provider uses it.
pub(crate) trait WithKey: Clone {
    fn make(engine: &Engine, algorithm: Algorithm, key: &[u8]) -> Result<Self, Error>;
}

/// The provider pads by itself: when it knows that a text has ended. It refuses an XTS key whose halves are
/// the same by itself, too: to encrypt.
impl WithKey for CipherSession {
    fn make(engine: &Engine, algorithm: Algorithm, key: &[u8]) -> Result<Self, Error> {
        match algorithm {
            Algorithm::Cipher(cipher) => {
                let mut parameters = Parameters::default();
                parameters.padding = cipher.pads().then_some(Padding::None);
                parameters.takes_equal_halves = true;
                match engine.session(algorithm, key, parameters)? {
                    AnySession::Cipher(session) => Ok(session),
                    _ => Err(Error::Closed),
                }
            }
            _ => Err(Error::Closed),
        }
    }
}

impl WithKey for AeadSession {
    fn make(engine: &Engine, algorithm: Algorithm, key: &[u8]) -> Result<Self, Error> {
        match algorithm {
            Algorithm::Aead(aead) => engine.aead(aead, key),
            _ => Err(Error::Closed),
        }
    }
}

/// A key with its session.
#[derive(Clone)]
pub(crate) struct Keyed<S> {
    algorithm: Algorithm,
    key: Arc<Zeroizing<Vec<u8>>>,
    session: S,
    forks: u64,
}

impl<S: WithKey> Keyed<S> {
    /// Prepares a key.
    pub(crate) fn new(instance: &Instance, algorithm: Algorithm, key: &[u8]) -> Result<Self, Failure> {
        let session = session(instance, algorithm, key)?;
        let key = Arc::new(Zeroizing::new(key.to_vec()));
        Ok(Self { algorithm, key, session, forks: foreign::forks() })
    }

    /// The session of this process.
    #[inline]
    pub(crate) fn session(&mut self, instance: &Instance) -> Result<S, Failure> {
        if self.forks != foreign::forks() {
            self.again(instance)?;
        }
        Ok(self.session.clone())
    }

    #[cold]
    fn again(&mut self, instance: &Instance) -> Result<(), Failure> {
        self.session = session(instance, self.algorithm, &self.key)?;
        self.forks = foreign::forks();
        Ok(())
    }
}

fn session<S: WithKey>(instance: &Instance, algorithm: Algorithm, key: &[u8]) -> Result<S, Failure> {
    pausing::apart(instance.jobs(), || S::make(&engine()?, algorithm, key)).map_err(not_opened)
}

impl<S> std::fmt::Debug for Keyed<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keyed").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}
