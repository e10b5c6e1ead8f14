//! The seam: what a way into the device must offer to the sets.

use std::fmt;

use simaccel_device::{KeyAlgorithm, KeyArguments, Operation, PrivateKey, PublicKey};

/// A way into the device. Each call creates its own session.
pub(crate) trait Way {
    /// Runs one operation of a key.
    fn run(
        &self,
        key: &Key,
        operation: Operation,
        arguments: KeyArguments,
        input: &[u8],
    ) -> Result<Vec<u8>, Refused>;
}

/// What a session is made of.
#[derive(Clone, Debug)]
pub(crate) enum Key {
    Private(PrivateKey),
    Public(PublicKey),
    /// None yet.
    Generator(KeyAlgorithm),
}

impl Key {
    pub(crate) fn algorithm(&self) -> KeyAlgorithm {
        match self {
            Self::Private(key) => key.algorithm(),
            Self::Public(key) => key.algorithm(),
            &Self::Generator(algorithm) => algorithm,
        }
    }
}

impl From<&PrivateKey> for Key {
    fn from(key: &PrivateKey) -> Self {
        Self::Private(key.clone())
    }
}

impl From<&PublicKey> for Key {
    fn from(key: &PublicKey) -> Self {
        Self::Public(key.clone())
    }
}

/// Why there is no result. The sets expect these two; anything else is a failure of the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Input or arguments that do not fit the key.
    Arguments,
    /// A signature that does not belong to the message, or a ciphertext that does not to the key.
    Wrong,
}

/// Which case of which set, for the messages of failures.
#[derive(Clone, Copy)]
pub(crate) struct Case<'a> {
    pub(crate) set: &'a dyn fmt::Debug,
    pub(crate) id: usize,
}

impl fmt::Display for Case<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "case {} of {:?}", self.id, self.set)
    }
}
