//! Ed25519 (RFC 8032, 5.1) over whole messages. Signing is in constant time.

use std::sync::Arc;

use ed25519_dalek::{Signature, Signer, SigningKey, Verifier, VerifyingKey};
use zeroize::Zeroizing;

use super::parts::{PrivateParts, PublicParts};
use super::{Output, Public, Refusal, Secret, Task, secret_array};
use crate::message::key_algorithm::KeyAlgorithm;
use crate::message::key_arguments::{KeyArguments, SignatureScheme};
use crate::message::key_error::{KeyError, KeyPart, Unfit};
use crate::message::operation::Operation;

const ALGORITHM: KeyAlgorithm = KeyAlgorithm::Ed25519;
/// Bytes of a seed, and of a public key.
const LEN: usize = 32;

/// A new key: all randomness is a seed.
pub(super) fn generate(arguments: &KeyArguments) -> Result<Arc<dyn Secret>, Refusal> {
    let seed = secret_array(&arguments.randomness)?;
    Ok(Arc::new(Private(SigningKey::from_bytes(&seed))))
}

/// A private key from its seed.
pub(super) fn private(seed: &[u8]) -> Result<Arc<dyn Secret>, KeyError> {
    let wrong = |_| KeyError::length(ALGORITHM, KeyPart::Private, LEN, seed.len());
    let seed = secret_array(seed).map_err(wrong)?;
    Ok(Arc::new(Private(SigningKey::from_bytes(&seed))))
}

/// A public key from its point. One of small order is taken, as OpenSSL does.
pub(super) fn public(point: &[u8]) -> Result<Arc<dyn Public>, KeyError> {
    let wrong = |_| KeyError::length(ALGORITHM, KeyPart::Public, LEN, point.len());
    let point = <&[u8; LEN]>::try_from(point).map_err(wrong)?;
    let key = VerifyingKey::from_bytes(point).map_err(|_| KeyError::Point(ALGORITHM))?;
    Ok(Arc::new(Shared(key)))
}

/// Wiped by its crate.
struct Private(SigningKey);

#[derive(Clone)]
struct Shared(VerifyingKey);

impl Secret for Private {
    fn algorithm(&self) -> KeyAlgorithm {
        ALGORITHM
    }

    fn public(&self) -> Arc<dyn Public> {
        Arc::new(Shared(self.0.verifying_key()))
    }

    fn parts(&self) -> PrivateParts {
        PrivateParts::Raw(Zeroizing::new(self.0.as_bytes().to_vec()))
    }

    fn run(&self, task: Task<'_>) -> Output {
        match (task.operation, &task.arguments.scheme) {
            (Operation::Sign, Some(SignatureScheme::Ed25519)) => {
                Ok(Zeroizing::new(self.0.sign(task.input).to_bytes().to_vec()))
            }
            (Operation::Sign, _) => Err(Unfit::Scheme.into()),
            _ => Shared(self.0.verifying_key()).run(task),
        }
    }
}

impl Public for Shared {
    fn algorithm(&self) -> KeyAlgorithm {
        ALGORITHM
    }

    fn parts(&self) -> PublicParts {
        PublicParts::Raw(self.0.as_bytes().to_vec())
    }

    /// Without the cofactor, and with `s` below the order, as RFC 8032, 5.1.7 allows and OpenSSL does.
    fn run(&self, task: Task<'_>) -> Output {
        match (task.operation, &task.arguments.scheme) {
            (Operation::Verify, Some(SignatureScheme::Ed25519)) => {
                let signature = Signature::from_slice(&task.arguments.signature);
                let verified = signature.and_then(|signature| self.0.verify(task.input, &signature));
                verified.map(|()| Zeroizing::default()).map_err(|_| Refusal::Wrong)
            }
            (Operation::Verify, _) => Err(Unfit::Scheme.into()),
            (other, _) => Err(Unfit::Operation(other).into()),
        }
    }
}
