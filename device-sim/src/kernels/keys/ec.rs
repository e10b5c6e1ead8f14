//! ECDSA (FIPS 186-5, 6) and ECDH (SP 800-56A, 5.7.1.2) on P-256, P-384 and P-521.
//!
//! The three curves have the same code, made once for each by a macro: their crates have the same types under
//! the same names.

use std::sync::Arc;

use super::{Public, Refusal, Secret};
use crate::message::key_algorithm::KeyAlgorithm;
use crate::message::key_arguments::KeyArguments;
use crate::message::key_error::KeyError;

macro_rules! curve {
    ($curve:ident, $Curve:ident, $algorithm:expr) => {
        mod $curve {
            use std::sync::Arc;

            use ::$curve::elliptic_curve::sec1::ToSec1Point;
            use ::$curve::ecdsa::Signature;
            use ::$curve::{$Curve, FieldBytes, NonZeroScalar, PublicKey, SecretKey};
            use ecdsa::hazmat::{sign_prehashed, sign_prehashed_rfc6979, verify_prehashed};
            use rand_chacha::rand_core::Rng;
            use zeroize::Zeroizing;

            use crate::kernels::keys::hash::with_hash;
            use crate::kernels::keys::parts::{PrivateParts, PublicParts};
            use crate::kernels::keys::{Output, Public, Refusal, Secret, Task, expanded};
            use crate::message::key_algorithm::KeyAlgorithm;
            use crate::message::key_arguments::{EcdsaForm, KeyArguments, Nonce, SignatureScheme};
            use crate::message::key_error::{KeyError, Unfit};
            use crate::message::operation::Operation;

            const ALGORITHM: KeyAlgorithm = $algorithm;
            /// Bytes of a scalar, and of a coordinate.
            const LEN: usize = ALGORITHM.bits().div_ceil(8) as usize;

            struct Private {
                key: SecretKey,
                public: PublicKey,
            }

            struct Shared(PublicKey);

            pub(super) fn private(
                scalar: &[u8],
                point: Option<&[u8]>,
            ) -> Result<Arc<dyn Secret>, KeyError> {
                let key = secret(scalar)?;
                let public = key.public_key();
                if let Some(point) = point
                    && self::point(point)? != public
                {
                    return Err(KeyError::Mismatch);
                }
                Ok(Arc::new(Private { key, public }))
            }

            pub(super) fn public(point: &[u8]) -> Result<Arc<dyn Public>, KeyError> {
                Ok(Arc::new(Shared(self::point(point)?)))
            }

            /// A scalar of any length, as long as its leading bytes are 0.
            fn secret(scalar: &[u8]) -> Result<SecretKey, KeyError> {
                let (zeros, scalar) = scalar.split_at(scalar.len().saturating_sub(LEN));
                let mut bytes = Zeroizing::new(FieldBytes::default());
                bytes[LEN - scalar.len()..].copy_from_slice(scalar);
                if zeros.iter().any(|&byte| byte != 0) {
                    return Err(KeyError::Scalar(ALGORITHM));
                }
                SecretKey::from_bytes(&bytes).map_err(|_| KeyError::Scalar(ALGORITHM))
            }

            fn point(bytes: &[u8]) -> Result<PublicKey, KeyError> {
                PublicKey::from_sec1_bytes(bytes).map_err(|_| KeyError::Point(ALGORITHM))
            }

            pub(super) fn generate(arguments: &KeyArguments) -> Result<Arc<dyn Secret>, Refusal> {
                let mut random = expanded(&arguments.randomness)?;
                let mut scalar = Zeroizing::new([0; LEN]);
                // Below the order, by the method of FIPS 186-5, A.2.2: nearly every second candidate of P-521 is,
                // and nearly every one of the others.
                loop {
                    random.fill_bytes(&mut *scalar);
                    scalar[0] &= u8::MAX >> (8 * LEN - ALGORITHM.bits() as usize);
                    if let Ok(key) = private(&*scalar, None) {
                        return Ok(key);
                    }
                }
            }

            impl Secret for Private {
                fn algorithm(&self) -> KeyAlgorithm {
                    ALGORITHM
                }

                fn public(&self) -> Arc<dyn Public> {
                    Arc::new(Shared(self.public))
                }

                fn parts(&self) -> PrivateParts {
                    let scalar = Zeroizing::new(self.key.to_bytes().to_vec());
                    PrivateParts::Ec { scalar, point: Some(uncompressed(&self.public)) }
                }

                fn run(&self, task: Task<'_>) -> Output {
                    match task.operation {
                        Operation::Sign => self.sign(task),
                        Operation::Derive => self.derive(task.input),
                        Operation::Verify => verify(&self.public, task),
                        other => Err(Unfit::Operation(other).into()),
                    }
                }
            }

            impl Private {
                fn sign(&self, task: Task<'_>) -> Output {
                    let Some(SignatureScheme::Ecdsa { nonce, form }) = &task.arguments.scheme else {
                        return Err(Unfit::Scheme.into());
                    };
                    let key = Zeroizing::new(self.key.to_nonzero_scalar());
                    let (hash, more): (_, &[u8]) = match nonce {
                        Nonce::Deterministic(hash) => (*hash, &[]),
                        Nonce::Hedged(hash) => (*hash, &task.arguments.randomness),
                        Nonce::Given(nonce) => return written(given(&key, nonce, task.input)?, *form),
                    };
                    let signature: Signature = with_hash!(hash, D => {
                        sign_prehashed_rfc6979::<$Curve, D>(&key, task.input, more).0
                    });
                    written(signature, *form)
                }

                fn derive(&self, peer: &[u8]) -> Output {
                    let peer = point(peer).map_err(|_| Unfit::Peer)?;
                    let secret = self.key.diffie_hellman(&peer);
                    Ok(Zeroizing::new(secret.raw_secret_bytes().to_vec()))
                }
            }

            fn given(key: &NonZeroScalar, nonce: &[u8], digest: &[u8]) -> Result<Signature, Refusal> {
                let nonce = secret(nonce).map_err(|_| Unfit::Nonce)?;
                let nonce = Zeroizing::new(nonce.to_nonzero_scalar());
                let signed = sign_prehashed::<$Curve>(key, &nonce, digest);
                Ok(signed.map_err(|_| Unfit::Nonce)?.0)
            }

            fn written(signature: Signature, form: EcdsaForm) -> Output {
                Ok(Zeroizing::new(match form {
                    EcdsaForm::Der => signature.to_der().as_bytes().to_vec(),
                    EcdsaForm::Fixed => signature.to_bytes().to_vec(),
                }))
            }

            fn verify(key: &PublicKey, task: Task<'_>) -> Output {
                let Some(SignatureScheme::Ecdsa { form, .. }) = &task.arguments.scheme else {
                    return Err(Unfit::Scheme.into());
                };
                let bytes = &task.arguments.signature[..];
                let signature = match form {
                    EcdsaForm::Der => Signature::from_der(bytes),
                    EcdsaForm::Fixed => Signature::from_slice(bytes),
                };
                let signature = signature.map_err(|_| Refusal::Wrong)?;
                let verified = verify_prehashed::<$Curve>(&key.to_projective(), task.input, &signature);
                verified.map_err(|_| Refusal::Wrong)?;
                Ok(Zeroizing::new(Vec::new()))
            }

            fn uncompressed(key: &PublicKey) -> Vec<u8> {
                key.to_sec1_point(false).as_bytes().to_vec()
            }

            impl Public for Shared {
                fn algorithm(&self) -> KeyAlgorithm {
                    ALGORITHM
                }

                fn parts(&self) -> PublicParts {
                    PublicParts::Raw(uncompressed(&self.0))
                }

                fn run(&self, task: Task<'_>) -> Output {
                    match task.operation {
                        Operation::Verify => verify(&self.0, task),
                        other => Err(Unfit::Operation(other).into()),
                    }
                }
            }

        }
    };
}

curve!(p256, NistP256, KeyAlgorithm::P256);
curve!(p384, NistP384, KeyAlgorithm::P384);
curve!(p521, NistP521, KeyAlgorithm::P521);

/// A new key.
pub(super) fn generate(
    algorithm: KeyAlgorithm,
    arguments: &KeyArguments,
) -> Result<Arc<dyn Secret>, Refusal> {
    match algorithm {
        KeyAlgorithm::P384 => p384::generate(arguments),
        KeyAlgorithm::P521 => p521::generate(arguments),
        _ => p256::generate(arguments),
    }
}

/// A private key from its scalar, and from its point, if that is given.
pub(super) fn private(
    algorithm: KeyAlgorithm,
    scalar: &[u8],
    point: Option<&[u8]>,
) -> Result<Arc<dyn Secret>, KeyError> {
    match algorithm {
        KeyAlgorithm::P384 => p384::private(scalar, point),
        KeyAlgorithm::P521 => p521::private(scalar, point),
        _ => p256::private(scalar, point),
    }
}

/// A public key from its point.
pub(super) fn public(algorithm: KeyAlgorithm, point: &[u8]) -> Result<Arc<dyn Public>, KeyError> {
    match algorithm {
        KeyAlgorithm::P384 => p384::public(point),
        KeyAlgorithm::P521 => p521::public(point),
        _ => p256::public(point),
    }
}
