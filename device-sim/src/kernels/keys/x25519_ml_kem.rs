//! X25519MLKEM768: ML-KEM-768 and X25519 together, as TLS 1.3 uses them (draft-ietf-tls-ecdhe-mlkem, 4).
//!
//! ```text
//!                     ML-KEM-768          X25519
//!   private key       64 or 2400 bytes  ║ 32
//!   public key        1184              ║ 32        client's share
//!   ciphertext        1088              ║ 32        server's share: the second half is a key of its own
//!   secret            32                ║ 32
//! ```
//!
//! In this group ML-KEM is first everywhere.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::parts::{PrivateParts, PublicParts};
use super::{Output, Public, Refusal, Secret, Task, ml_kem, secret_array, x25519};
use crate::message::key_algorithm::KeyAlgorithm;
use crate::message::key_arguments::KeyArguments;
use crate::message::key_error::{KeyError, KeyPart, Unfit};
use crate::message::lengths::Allowed;
use crate::message::operation::Operation;

const ALGORITHM: KeyAlgorithm = KeyAlgorithm::X25519MlKem768;

/// Bytes of a key's seed: that of ML-KEM, and the private key of X25519.
const SEED: usize = ml_kem::SEED + x25519::LEN;
const EXPANDED: usize = ml_kem::EXPANDED + x25519::LEN;
const PUBLIC: usize = ml_kem::PUBLIC + x25519::LEN;
const CIPHERTEXT: usize = ml_kem::CIPHERTEXT + x25519::LEN;
/// Bytes of randomness for a ciphertext: that of ML-KEM, and the private key of X25519.
const RANDOMNESS: usize = ml_kem::SECRET + x25519::LEN;

/// A new key: the randomness is its bytes.
pub(super) fn generate(arguments: &KeyArguments) -> Result<Arc<dyn Secret>, Refusal> {
    let seed = secret_array::<SEED>(&arguments.randomness)?;
    let (first, second) = seed.split_at(ml_kem::SEED);
    Ok(Arc::new(Private {
        first: ml_kem::Private::generate(first)?,
        second: x25519::Private::generate(second)?,
    }))
}

/// A private key from both private keys.
pub(super) fn private(bytes: &[u8]) -> Result<Arc<dyn Secret>, KeyError> {
    let (allowed, given) = (Allowed::OneOf(&[SEED, EXPANDED]), bytes.len());
    if !allowed.contains(given as u64) {
        return Err(KeyError::Length { algorithm: ALGORITHM, part: KeyPart::Private, allowed, given });
    }
    let (first, second) = bytes.split_at(given - x25519::LEN);
    let first = ml_kem::Private::from_bytes(ALGORITHM, first)?;
    Ok(Arc::new(Private { first, second: x25519::Private::from_bytes(ALGORITHM, second)? }))
}

/// A public key from both public keys.
pub(super) fn public(bytes: &[u8]) -> Result<Arc<dyn Public>, KeyError> {
    let wrong = || KeyError::length(ALGORITHM, KeyPart::Public, PUBLIC, bytes.len());
    if bytes.len() != PUBLIC {
        return Err(wrong());
    }
    let (first, second) = bytes.split_at(ml_kem::PUBLIC);
    let first = ml_kem::Shared::from_bytes(ALGORITHM, first)?;
    Ok(Arc::new(Shared { first, second: x25519::Shared::from_bytes(ALGORITHM, second)? }))
}

struct Private {
    first: ml_kem::Private,
    second: x25519::Private,
}

struct Shared {
    first: ml_kem::Shared,
    second: x25519::Shared,
}

impl Private {
    fn public(&self) -> Shared {
        Shared { first: self.first.public(), second: self.second.public() }
    }

    fn decapsulate(&self, ciphertext: &[u8]) -> Output {
        let (given, allowed) = (ciphertext.len(), Allowed::Exactly(CIPHERTEXT));
        if given != CIPHERTEXT {
            return Err(Unfit::Input { given, allowed }.into());
        }
        let (first, second) = ciphertext.split_at(ml_kem::CIPHERTEXT);
        let (first, second) = (self.first.decapsulate(first)?, self.second.derive(second)?);
        Ok(Zeroizing::new([&first[..], &second[..]].concat()))
    }
}

impl Secret for Private {
    fn algorithm(&self) -> KeyAlgorithm {
        ALGORITHM
    }

    fn public(&self) -> Arc<dyn Public> {
        Arc::new(Self::public(self))
    }

    fn parts(&self) -> PrivateParts {
        PrivateParts::Raw(Zeroizing::new([&self.first.bytes()[..], self.second.bytes()].concat()))
    }

    fn run(&self, task: Task<'_>) -> Output {
        match task.operation {
            Operation::Decapsulate => self.decapsulate(task.input),
            _ => Public::run(&Self::public(self), task),
        }
    }
}

impl Shared {
    fn encapsulate(&self, randomness: &[u8; RANDOMNESS]) -> Output {
        let (first, second) = randomness.split_at(ml_kem::SECRET);
        let (ciphertext, secret) = self.first.encapsulate(&*secret_array(first)?);
        let own = x25519::Private::generate(second)?;
        let other = own.derive(self.second.bytes())?;
        Ok(Zeroizing::new([&ciphertext[..], own.public().bytes(), &*secret, &*other].concat()))
    }
}

impl Public for Shared {
    fn algorithm(&self) -> KeyAlgorithm {
        ALGORITHM
    }

    fn parts(&self) -> PublicParts {
        PublicParts::Raw([&self.first.bytes()[..], self.second.bytes()].concat())
    }

    fn run(&self, task: Task<'_>) -> Output {
        match task.operation {
            Operation::Encapsulate => {
                super::no_input(task)?;
                self.encapsulate(&*secret_array(&task.arguments.randomness)?)
            }
            other => Err(Unfit::Operation(other).into()),
        }
    }
}
