//! ECDSA (FIPS 186-5, 6) and ECDH (SP 800-56A, 5.7.1.2) on P-256, P-384 and P-521.
//!
//! ```text
//!   digest ──► leftmost bits, as many as the order has ──► z ─────────┐
//!      │                                                              ├──► r, s ──► DER, or both as they are
//!      └──► RFC 6979, [randomness as additional data] ──► nonce ──────┘
//! ```
//!
//! The code is the same for the three curves. Scalars and points are computed in constant time, but for those
//! of Verify, which are public.

use std::sync::Arc;

use ecdsa::Signature;
use ecdsa::elliptic_curve::ff::{Field, PrimeField};
use ecdsa::elliptic_curve::sec1::{FromSec1Point, ModulusSize, ToSec1Point};
use ecdsa::elliptic_curve::{self, Curve, CurveArithmetic, FieldBytes, NonZeroScalar, ecdh};
use ecdsa::hazmat::{sign_prehashed, verify_prehashed};
use p256::NistP256;
use p384::NistP384;
use p521::NistP521;
use rfc6979::KGenerator;
use sha2::Digest;
use sha2::digest::block_api::BlockSizeUser;
use zeroize::{Zeroize, Zeroizing};

use super::hash::with_hash;
use super::parts::{PrivateParts, PublicParts};
use super::{Output, Public, Refusal, Secret, Task};
use crate::message::key_algorithm::KeyAlgorithm;
use crate::message::key_arguments::{EcdsaForm, KeyArguments, Nonce, SignatureScheme};
use crate::message::key_error::{KeyError, Unfit};
use crate::message::lengths::Allowed;
use crate::message::operation::Operation;

/// A curve, and what is not generic in its crate.
trait NistCurve:
    ecdsa::EcdsaCurve
    + Curve<FieldBytesSize: ModulusSize>
    + CurveArithmetic<AffinePoint: FromSec1Point<Self> + ToSec1Point<Self>>
{
    const ALGORITHM: KeyAlgorithm;
    /// Bits of the order, and of the field.
    const BITS: usize = Self::ALGORITHM.bits() as usize;
    /// Bytes of a scalar, and of a coordinate.
    const LEN: usize = Self::BITS.div_ceil(8);

    fn to_der(signature: &Signature<Self>) -> Vec<u8>;

    /// None unless it is strictly DER, and both numbers are in range.
    fn from_der(der: &[u8]) -> Option<Signature<Self>>;
}

macro_rules! curves {
    ($($curve:ty => $algorithm:ident;)+) => {
        $(
            impl NistCurve for $curve {
                const ALGORITHM: KeyAlgorithm = KeyAlgorithm::$algorithm;

                fn to_der(signature: &Signature<Self>) -> Vec<u8> {
                    signature.to_der().as_bytes().to_vec()
                }

                fn from_der(der: &[u8]) -> Option<Signature<Self>> {
                    Signature::from_der(der).ok()
                }
            }
        )+
    };
}

curves! {
    NistP256 => P256;
    NistP384 => P384;
    NistP521 => P521;
}

/// Runs an expression with the curve of an algorithm as a type.
macro_rules! with_curve {
    ($algorithm:expr, $C:ident => $run:expr) => {
        match $algorithm {
            KeyAlgorithm::P384 => {
                type $C = NistP384;
                $run
            }
            KeyAlgorithm::P521 => {
                type $C = NistP521;
                $run
            }
            _ => {
                type $C = NistP256;
                $run
            }
        }
    };
}

/// A new key.
pub(super) fn generate(
    algorithm: KeyAlgorithm,
    arguments: &KeyArguments,
) -> Result<Arc<dyn Secret>, Refusal> {
    with_curve!(algorithm, C => Ok(Arc::new(Private::<C>::generate(&arguments.randomness)?)))
}

/// A private key from its scalar, and from its point, if that is given.
pub(super) fn private(
    algorithm: KeyAlgorithm,
    scalar: &[u8],
    point: Option<&[u8]>,
) -> Result<Arc<dyn Secret>, KeyError> {
    with_curve!(algorithm, C => {
        let key = Private::<C>::from_scalar(scalar)?;
        if let Some(point) = point
            && Shared::<C>::from_point(point)? != key.public
        {
            return Err(KeyError::Mismatch);
        }
        Ok(Arc::new(key))
    })
}

/// A public key from its point.
pub(super) fn public(algorithm: KeyAlgorithm, point: &[u8]) -> Result<Arc<dyn Public>, KeyError> {
    with_curve!(algorithm, C => Ok(Arc::new(Shared::<C>::from_point(point)?)))
}

struct Private<C: NistCurve> {
    scalar: NonZeroScalar<C>,
    public: Shared<C>,
}

/// A point that is not the one at infinity.
#[derive(Clone, PartialEq)]
struct Shared<C: NistCurve>(elliptic_curve::PublicKey<C>);

impl<C: NistCurve> Drop for Private<C> {
    fn drop(&mut self) {
        self.scalar.zeroize();
    }
}

impl<C: NistCurve> Private<C> {
    fn new(scalar: NonZeroScalar<C>) -> Self {
        let public = Shared(elliptic_curve::PublicKey::from_secret_scalar(&scalar));
        Self { scalar, public }
    }

    fn from_scalar(bytes: &[u8]) -> Result<Self, KeyError> {
        scalar(bytes).map(Self::new).ok_or(KeyError::Scalar(C::ALGORITHM))
    }

    /// The randomness modulo the order: it has 64 bits more, so that it is as good as uniform (FIPS 186-5,
    /// A.2.1).
    fn generate(randomness: &[u8]) -> Result<Self, Refusal> {
        let (len, given) = (C::ALGORITHM.seed_len(), randomness.len());
        if given != len {
            return Err(Unfit::Randomness { given, allowed: Allowed::Exactly(len) }.into());
        }
        let scalar = NonZeroScalar::new(reduced::<C>(randomness)).into_option();
        scalar.map(Self::new).ok_or(Refusal::Faulty)
    }

    fn bytes(&self) -> Zeroizing<Vec<u8>> {
        let bytes = Zeroizing::new(self.scalar.to_repr());
        Zeroizing::new(bytes.to_vec())
    }

    fn sign(&self, task: Task<'_>) -> Output {
        let Some(SignatureScheme::Ecdsa { nonce, form }) = &task.arguments.scheme else {
            return Err(Unfit::Scheme.into());
        };
        let (hash, more): (_, &[u8]) = match nonce {
            Nonce::Deterministic(hash) => (*hash, &[]),
            Nonce::Hedged(hash) => (*hash, &task.arguments.randomness),
            Nonce::Given(nonce) => {
                let nonce = scalar::<C>(nonce).ok_or(Unfit::Nonce)?;
                let signature = self.sign_with(nonce, &leftmost::<C>(task.input)).ok_or(Unfit::Nonce)?;
                return Ok(written(&signature, *form));
            }
        };
        let signature = with_hash!(hash, D => self.sign_by_rfc_6979::<D>(task.input, more));
        Ok(written(&signature, *form))
    }

    fn sign_by_rfc_6979<D: Digest + BlockSizeUser>(&self, digest: &[u8], more: &[u8]) -> Signature<C> {
        // The generator takes any digest but an empty one, which is as the number 0.
        let digest = if digest.is_empty() { &[0] } else { digest };
        let (z, order) = (leftmost::<C>(digest), C::ORDER);
        let mut nonces = KGenerator::<D, C::Uint>::new(&self.bytes(), digest, more, &order);
        let mut bytes = Zeroizing::new(FieldBytes::<C>::default());
        loop {
            nonces.fill_next_k(&mut bytes);
            let nonce = NonZeroScalar::<C>::from_repr(*bytes).into_option();
            if let Some(signature) = nonce.and_then(|nonce| self.sign_with(nonce, &z)) {
                return signature;
            }
        }
    }

    /// None if one of the numbers would be 0.
    fn sign_with(&self, nonce: NonZeroScalar<C>, z: &FieldBytes<C>) -> Option<Signature<C>> {
        let nonce = Zeroizing::new(nonce);
        sign_prehashed(&self.scalar, &nonce, z).ok().map(|(signature, _)| signature)
    }

    /// The x coordinate of the shared point, which is never that at infinity: the curves have no cofactor.
    fn derive(&self, peer: &[u8]) -> Output {
        let Shared(peer) = Shared::<C>::from_point(peer).map_err(|_| Unfit::Peer)?;
        let scalar = Zeroizing::new(self.scalar);
        let secret = ecdh::diffie_hellman::<C>(&*scalar, peer.as_affine());
        Ok(Zeroizing::new(secret.raw_secret_bytes().to_vec()))
    }
}

impl<C: NistCurve> Secret for Private<C> {
    fn algorithm(&self) -> KeyAlgorithm {
        C::ALGORITHM
    }

    fn public(&self) -> Arc<dyn Public> {
        Arc::new(self.public.clone())
    }

    fn parts(&self) -> PrivateParts {
        PrivateParts::Ec { scalar: self.bytes(), point: Some(self.public.uncompressed()) }
    }

    fn run(&self, task: Task<'_>) -> Output {
        match task.operation {
            Operation::Sign => self.sign(task),
            Operation::Derive => self.derive(task.input),
            _ => self.public.run(task),
        }
    }
}

impl<C: NistCurve> Shared<C> {
    /// From a point as SEC 1, 2.3.4 has it, or in the hybrid form of X9.62, which OpenSSL can write.
    fn from_point(point: &[u8]) -> Result<Self, KeyError> {
        let not_a_point = KeyError::Point(C::ALGORITHM);
        let sec1 = |point: &[u8]| elliptic_curve::PublicKey::from_sec1_bytes(point).map(Self);
        match point {
            [form @ (6 | 7), coordinates @ .., last] if last & 1 == form & 1 => {
                sec1(&[&[4], coordinates, &[*last]].concat())
            }
            [6 | 7, ..] => return Err(not_a_point),
            _ => sec1(point),
        }
        .map_err(|_| not_a_point)
    }

    fn uncompressed(&self) -> Vec<u8> {
        self.0.to_sec1_point(false).as_bytes().to_vec()
    }

    fn verify(&self, task: Task<'_>) -> Output {
        let Some(SignatureScheme::Ecdsa { form, .. }) = &task.arguments.scheme else {
            return Err(Unfit::Scheme.into());
        };
        let signature = match form {
            EcdsaForm::Der => C::from_der(&task.arguments.signature),
            EcdsaForm::Fixed => Signature::from_slice(&task.arguments.signature).ok(),
        };
        let signature = signature.ok_or(Refusal::Wrong)?;
        let verified = verify_prehashed(&self.0.to_projective(), &leftmost::<C>(task.input), &signature);
        verified.map(|()| Zeroizing::default()).map_err(|_| Refusal::Wrong)
    }
}

impl<C: NistCurve> Public for Shared<C> {
    fn algorithm(&self) -> KeyAlgorithm {
        C::ALGORITHM
    }

    fn parts(&self) -> PublicParts {
        PublicParts::Raw(self.uncompressed())
    }

    fn run(&self, task: Task<'_>) -> Output {
        match task.operation {
            Operation::Verify => self.verify(task),
            other => Err(Unfit::Operation(other).into()),
        }
    }
}

fn written<C: NistCurve>(signature: &Signature<C>, form: EcdsaForm) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(match form {
        EcdsaForm::Der => C::to_der(signature),
        EcdsaForm::Fixed => signature.to_vec(),
    })
}

/// The leftmost bits of a digest as a number, as many as the order has (FIPS 186-5, 6.4.1).
fn leftmost<C: NistCurve>(digest: &[u8]) -> FieldBytes<C> {
    let mut number = FieldBytes::<C>::default();
    if digest.len() < C::LEN {
        number[C::LEN - digest.len()..].copy_from_slice(digest);
        return number;
    }
    number.copy_from_slice(&digest[..C::LEN]);
    let shift = 8 * C::LEN - C::BITS;
    if shift > 0 {
        let mut carried = 0;
        for byte in &mut number {
            (carried, *byte) = (*byte << (8 - shift), carried | *byte >> shift);
        }
    }
    number
}

/// A scalar of any length, as long as its leading bytes are 0; none if it is 0, or not below the order.
fn scalar<C: NistCurve>(bytes: &[u8]) -> Option<NonZeroScalar<C>> {
    let (zeros, bytes) = bytes.split_at(bytes.len().saturating_sub(C::LEN));
    let mut padded = Zeroizing::new(FieldBytes::<C>::default());
    padded[C::LEN - bytes.len()..].copy_from_slice(bytes);
    let scalar = NonZeroScalar::from_repr(*padded).into_option()?;
    zeros.iter().all(|&byte| byte == 0).then_some(scalar)
}

/// A big-endian number of any length modulo the order. Its time depends on nothing but the length.
fn reduced<C: NistCurve>(bytes: &[u8]) -> C::Scalar {
    let limb = C::Scalar::from(1 << 32).square();
    let (first, rest) = bytes.split_at(bytes.len() % 8);
    std::iter::once(first).chain(rest.chunks_exact(8)).fold(C::Scalar::ZERO, |sum, bytes| {
        let number = bytes.iter().fold(0, |number, &byte| number << 8 | u64::from(byte));
        sum * limb + C::Scalar::from(number)
    })
}
