//! ML-KEM-768 (FIPS 203).
//!
//! A ciphertext that does not belong to the key gives another secret, in the same time (FIPS 203, 6.3): there
//! is no error for it.

use std::sync::Arc;

use ::ml_kem::kem::{Decapsulate, KeyExport};
use ::ml_kem::ml_kem_768::{Ciphertext, DecapsulationKey, EncapsulationKey};
use ::ml_kem::{B32, Seed};
use zeroize::{Zeroize, Zeroizing};

use super::parts::{PrivateParts, PublicParts};
use super::{Output, Public, Refusal, Secret, Task, secret_array};
use crate::message::key_algorithm::KeyAlgorithm;
use crate::message::key_arguments::KeyArguments;
use crate::message::key_error::{KeyError, KeyPart, Unfit};
use crate::message::lengths::Allowed;
use crate::message::operation::Operation;

/// Bytes of a private key as the seed `d`, `z`.
pub(super) const SEED: usize = 64;
/// Bytes of an expanded private key: `s`, the public key, its hash, `z`.
pub(super) const EXPANDED: usize = 2400;
/// Bytes of a public key.
pub(super) const PUBLIC: usize = 1184;
/// Bytes of a ciphertext.
pub(super) const CIPHERTEXT: usize = 1088;
/// Bytes of randomness for a ciphertext, and of the secret in it.
pub(super) const SECRET: usize = 32;

/// Bytes of `s` at the start of an expanded key: 12 bits a coefficient.
const SECRET_VECTOR: usize = 3 * 256 * 12 / 8;
/// The modulus of the coefficients.
const Q: u16 = 3329;

/// A new key: the randomness is the seed.
pub(super) fn generate(arguments: &KeyArguments) -> Result<Arc<dyn Secret>, Refusal> {
    Ok(Arc::new(Private::generate(&arguments.randomness)?))
}

/// A private key from its seed, or expanded.
pub(super) fn private(bytes: &[u8]) -> Result<Arc<dyn Secret>, KeyError> {
    Ok(Arc::new(Private::from_bytes(KeyAlgorithm::MlKem768, bytes)?))
}

/// A private key from its seed, which belongs to this expanded one.
pub(super) fn private_of_both(seed: &[u8], expanded: &[u8]) -> Result<Arc<dyn Secret>, KeyError> {
    let key = Private::from_bytes(KeyAlgorithm::MlKem768, seed)?;
    if super::differ(&key.expanded(), expanded) { Err(KeyError::Mismatch) } else { Ok(Arc::new(key)) }
}

/// A public key from its bytes.
pub(super) fn public(bytes: &[u8]) -> Result<Arc<dyn Public>, KeyError> {
    Ok(Arc::new(Shared::from_bytes(KeyAlgorithm::MlKem768, bytes)?))
}

/// Wiped by its crate.
pub(super) struct Private(Box<DecapsulationKey>);

#[derive(Clone)]
pub(super) struct Shared(Box<EncapsulationKey>);

impl Private {
    pub(super) fn generate(randomness: &[u8]) -> Result<Self, Unfit> {
        secret_array::<SEED>(randomness).map(|seed| Self::from_seed(&seed))
    }

    fn from_seed(seed: &[u8; SEED]) -> Self {
        let seed = Zeroizing::new(Seed::from(*seed));
        Self(Box::new(DecapsulationKey::from_seed(*seed)))
    }

    /// From the seed or from the expanded key; `algorithm` is the one that an error names.
    pub(super) fn from_bytes(algorithm: KeyAlgorithm, bytes: &[u8]) -> Result<Self, KeyError> {
        if let Ok(seed) = secret_array::<SEED>(bytes) {
            return Ok(Self::from_seed(&seed));
        }
        let allowed = Allowed::OneOf(&[SEED, EXPANDED]);
        let length = KeyError::Length { algorithm, part: KeyPart::Private, allowed, given: bytes.len() };
        let expanded = secret_array::<EXPANDED>(bytes).map_err(|_| length)?;
        Self::from_expanded(algorithm, &expanded)
    }

    /// The checks of FIPS 203, 7.3, and of what it says nothing about: that `s` is reduced, and belongs to
    /// the public key.
    #[expect(deprecated, reason = "files and other libraries have this form")]
    fn from_expanded(algorithm: KeyAlgorithm, bytes: &[u8; EXPANDED]) -> Result<Self, KeyError> {
        let encoding = KeyError::Encoding { algorithm, part: KeyPart::Private };
        if !is_reduced(&bytes[..SECRET_VECTOR]) {
            return Err(encoding);
        }
        let key = Self(Box::new(DecapsulationKey::from_expanded(bytes.into()).map_err(|_| encoding)?));
        let (ciphertext, sent) = key.public().encapsulate(&[0; SECRET]);
        let received = key.decapsulate(&ciphertext).map_err(|_| KeyError::Mismatch)?;
        if super::differ(&*sent, &*received) { Err(KeyError::Mismatch) } else { Ok(key) }
    }

    /// The seed, or the expanded key, if it was imported so.
    pub(super) fn bytes(&self) -> Zeroizing<Vec<u8>> {
        match self.0.to_seed().map(Zeroizing::new) {
            Some(seed) => Zeroizing::new(seed.to_vec()),
            None => self.expanded(),
        }
    }

    #[expect(deprecated, reason = "files and other libraries have this form")]
    fn expanded(&self) -> Zeroizing<Vec<u8>> {
        let bytes = Zeroizing::new(::ml_kem::ExpandedKeyEncoding::to_expanded_bytes(&*self.0));
        Zeroizing::new(bytes.to_vec())
    }

    pub(super) fn public(&self) -> Shared {
        Shared(Box::new(self.0.encapsulation_key().clone()))
    }

    pub(super) fn decapsulate(&self, ciphertext: &[u8]) -> Result<Zeroizing<[u8; SECRET]>, Unfit> {
        let (given, allowed) = (ciphertext.len(), Allowed::Exactly(CIPHERTEXT));
        let ciphertext = <&Ciphertext>::try_from(ciphertext).map_err(|_| Unfit::Input { given, allowed })?;
        let secret = Zeroizing::new(self.0.decapsulate(ciphertext));
        Ok(Zeroizing::new((*secret).into()))
    }
}

/// Whether these numbers of 12 bits are below the modulus. It looks at all of them.
fn is_reduced(numbers: &[u8]) -> bool {
    numbers.chunks_exact(3).fold(true, |reduced, three| {
        let [low, middle, high] = [three[0], three[1], three[2]].map(u16::from);
        reduced & (low | (middle & 15) << 8 < Q) & (middle >> 4 | high << 4 < Q)
    })
}

impl Shared {
    /// With the check of FIPS 203, 7.2; `algorithm` is the one that an error names.
    pub(super) fn from_bytes(algorithm: KeyAlgorithm, bytes: &[u8]) -> Result<Self, KeyError> {
        let wrong = |_| KeyError::length(algorithm, KeyPart::Public, PUBLIC, bytes.len());
        let key = EncapsulationKey::new(bytes.try_into().map_err(wrong)?);
        let part = KeyPart::Public;
        key.map(|key| Self(Box::new(key))).map_err(|_| KeyError::Encoding { algorithm, part })
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        self.0.to_bytes().to_vec()
    }

    /// A ciphertext, and the secret in it.
    pub(super) fn encapsulate(&self, randomness: &[u8; SECRET]) -> (Vec<u8>, Zeroizing<[u8; SECRET]>) {
        let randomness = Zeroizing::new(B32::from(*randomness));
        let (ciphertext, mut secret) = self.0.encapsulate_deterministic(&randomness);
        let output = (ciphertext.to_vec(), Zeroizing::new(secret.into()));
        secret.zeroize();
        output
    }
}

impl Secret for Private {
    fn algorithm(&self) -> KeyAlgorithm {
        KeyAlgorithm::MlKem768
    }

    fn public(&self) -> Arc<dyn Public> {
        Arc::new(Self::public(self))
    }

    fn parts(&self) -> PrivateParts {
        PrivateParts::Raw(self.bytes())
    }

    fn run(&self, task: Task<'_>) -> Output {
        match task.operation {
            Operation::Decapsulate => Ok(Zeroizing::new(self.decapsulate(task.input)?.to_vec())),
            _ => Public::run(&self.public(), task),
        }
    }
}

impl Public for Shared {
    fn algorithm(&self) -> KeyAlgorithm {
        KeyAlgorithm::MlKem768
    }

    fn parts(&self) -> PublicParts {
        PublicParts::Raw(self.bytes())
    }

    fn run(&self, task: Task<'_>) -> Output {
        match task.operation {
            Operation::Encapsulate => {
                let randomness = secret_array(&task.arguments.randomness)?;
                super::no_input(task)?;
                let (mut output, secret) = self.encapsulate(&randomness);
                output.extend_from_slice(&*secret);
                Ok(Zeroizing::new(output))
            }
            other => Err(Unfit::Operation(other).into()),
        }
    }
}
