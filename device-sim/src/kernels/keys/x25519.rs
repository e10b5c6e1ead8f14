//! X25519 (RFC 7748), in constant time.

use std::sync::Arc;

use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use super::parts::{PrivateParts, PublicParts};
use super::{Output, Public, Refusal, Secret, Task, secret_array};
use crate::message::key_algorithm::KeyAlgorithm;
use crate::message::key_arguments::KeyArguments;
use crate::message::key_error::{KeyError, KeyPart, Unfit};
use crate::message::operation::Operation;

/// Bytes of a private key, of a public one, and of the secret of two.
pub(super) const LEN: usize = 32;

/// A new key: all randomness is one.
pub(super) fn generate(arguments: &KeyArguments) -> Result<Arc<dyn Secret>, Refusal> {
    Ok(Arc::new(Private::generate(&arguments.randomness)?))
}

/// A private key from its bytes.
pub(super) fn private(bytes: &[u8]) -> Result<Arc<dyn Secret>, KeyError> {
    Ok(Arc::new(Private::from_bytes(KeyAlgorithm::X25519, bytes)?))
}

/// A public key from its bytes, all of which are one (RFC 7748, 5).
pub(super) fn public(bytes: &[u8]) -> Result<Arc<dyn Public>, KeyError> {
    Ok(Arc::new(Shared::from_bytes(KeyAlgorithm::X25519, bytes)?))
}

/// Wiped by its crate.
pub(super) struct Private(StaticSecret);

#[derive(Clone)]
pub(super) struct Shared(PublicKey);

impl Private {
    pub(super) fn generate(randomness: &[u8]) -> Result<Self, Unfit> {
        secret_array(randomness).map(|bytes| Self(StaticSecret::from(*bytes)))
    }

    /// `algorithm` is the one that an error names.
    pub(super) fn from_bytes(algorithm: KeyAlgorithm, bytes: &[u8]) -> Result<Self, KeyError> {
        let wrong = |_| KeyError::length(algorithm, KeyPart::Private, LEN, bytes.len());
        secret_array(bytes).map(|bytes| Self(StaticSecret::from(*bytes))).map_err(wrong)
    }

    pub(super) fn bytes(&self) -> &[u8; LEN] {
        self.0.as_bytes()
    }

    pub(super) fn public(&self) -> Shared {
        Shared(PublicKey::from(&self.0))
    }

    /// The shared secret. A peer that forces it to be 0, as points of small order do, is refused (RFC 8446,
    /// 7.4.2).
    pub(super) fn derive(&self, peer: &[u8]) -> Result<Zeroizing<[u8; LEN]>, Unfit> {
        let peer: [u8; LEN] = peer.try_into().map_err(|_| Unfit::Peer)?;
        let secret = self.0.diffie_hellman(&PublicKey::from(peer));
        secret.was_contributory().then(|| Zeroizing::new(secret.to_bytes())).ok_or(Unfit::ZeroSecret)
    }
}

impl Shared {
    /// `algorithm` is the one that an error names.
    pub(super) fn from_bytes(algorithm: KeyAlgorithm, bytes: &[u8]) -> Result<Self, KeyError> {
        let wrong = |_| KeyError::length(algorithm, KeyPart::Public, LEN, bytes.len());
        <[u8; LEN]>::try_from(bytes).map(|bytes| Self(PublicKey::from(bytes))).map_err(wrong)
    }

    pub(super) fn bytes(&self) -> &[u8; LEN] {
        self.0.as_bytes()
    }
}

impl Secret for Private {
    fn algorithm(&self) -> KeyAlgorithm {
        KeyAlgorithm::X25519
    }

    fn public(&self) -> Arc<dyn Public> {
        Arc::new(Self::public(self))
    }

    fn parts(&self) -> PrivateParts {
        PrivateParts::Raw(Zeroizing::new(self.bytes().to_vec()))
    }

    fn run(&self, task: Task<'_>) -> Output {
        match task.operation {
            Operation::Derive => Ok(Zeroizing::new(self.derive(task.input)?.to_vec())),
            other => Err(Unfit::Operation(other).into()),
        }
    }
}

impl Public for Shared {
    fn algorithm(&self) -> KeyAlgorithm {
        KeyAlgorithm::X25519
    }

    fn parts(&self) -> PublicParts {
        PublicParts::Raw(self.bytes().to_vec())
    }

    fn run(&self, task: Task<'_>) -> Output {
        Err(Unfit::Operation(task.operation).into())
    }
}
