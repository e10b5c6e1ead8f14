//! ML-DSA-44 and ML-DSA-65 (FIPS 204, 5.2 and 5.3) over whole messages.
//!
//! Signing tries until a signature gives nothing of the key away; how often depends on key and message, and
//! so does its time. What is secret in a try takes the same time for all keys.

use std::convert::Infallible;
use std::sync::Arc;

use ::ml_dsa::signature::rand_core::{TryCryptoRng, TryRng};
use ::ml_dsa::{ExpandedSigningKey, MlDsa44, MlDsa65, MlDsaParams, Signature, VerifyingKey};
use zeroize::Zeroizing;

use super::parts::{PrivateParts, PublicParts};
use super::{Output, Public, Refusal, Secret, Task, secret_array};
use crate::message::key_algorithm::KeyAlgorithm;
use crate::message::key_arguments::{KeyArguments, SignatureScheme};
use crate::message::key_error::{KeyError, KeyPart, Unfit};
use crate::message::lengths::Allowed;
use crate::message::operation::Operation;

/// Bytes of a seed, and of the randomness of a signature.
const SEED: usize = 32;
/// Bytes of the longest context.
const MOST_CONTEXT: usize = 255;

/// A parameter set (FIPS 204, 4).
trait Parameters: MlDsaParams + Send + Sync + 'static {
    const ALGORITHM: KeyAlgorithm;
    /// Polynomials of both secret vectors.
    const SECRETS: usize;
    /// Their coefficients are from `-ETA` to `ETA`.
    const ETA: u8;
    const SEED_OR_EXPANDED: &'static [usize];
    const PUBLIC: usize;
}

impl Parameters for MlDsa44 {
    const ALGORITHM: KeyAlgorithm = KeyAlgorithm::MlDsa44;
    const SECRETS: usize = 4 + 4;
    const ETA: u8 = 2;
    const SEED_OR_EXPANDED: &'static [usize] = &[SEED, 2560];
    const PUBLIC: usize = 1312;
}

impl Parameters for MlDsa65 {
    const ALGORITHM: KeyAlgorithm = KeyAlgorithm::MlDsa65;
    const SECRETS: usize = 6 + 5;
    const ETA: u8 = 4;
    const SEED_OR_EXPANDED: &'static [usize] = &[SEED, 4032];
    const PUBLIC: usize = 1952;
}

/// Runs an expression with the parameters of an algorithm as a type.
macro_rules! with_parameters {
    ($algorithm:expr, $P:ident => $run:expr) => {
        match $algorithm {
            KeyAlgorithm::MlDsa65 => {
                type $P = MlDsa65;
                $run
            }
            _ => {
                type $P = MlDsa44;
                $run
            }
        }
    };
}

/// A new key: all randomness is a seed.
pub(super) fn generate(
    algorithm: KeyAlgorithm,
    arguments: &KeyArguments,
) -> Result<Arc<dyn Secret>, Refusal> {
    let seed = secret_array(&arguments.randomness)?;
    with_parameters!(algorithm, P => Ok(Arc::new(Private::<P>::from_seed(&seed))))
}

/// A private key from its seed, or expanded.
pub(super) fn private(algorithm: KeyAlgorithm, bytes: &[u8]) -> Result<Arc<dyn Secret>, KeyError> {
    with_parameters!(algorithm, P => Ok(Arc::new(Private::<P>::from_bytes(bytes)?)))
}

/// A private key from its seed, which belongs to this expanded one.
pub(super) fn private_of_both(
    algorithm: KeyAlgorithm,
    seed: &[u8],
    expanded: &[u8],
) -> Result<Arc<dyn Secret>, KeyError> {
    with_parameters!(algorithm, P => {
        let key = Private::<P>::from_bytes(seed)?;
        if super::differ(&key.expanded(), expanded) { Err(KeyError::Mismatch) } else { Ok(Arc::new(key)) }
    })
}

/// A public key from its bytes, all of which are one.
pub(super) fn public(algorithm: KeyAlgorithm, bytes: &[u8]) -> Result<Arc<dyn Public>, KeyError> {
    with_parameters!(algorithm, P => Ok(Arc::new(Shared::<P>::from_bytes(bytes)?)))
}

/// The expanded key is wiped by its crate.
struct Private<P: Parameters> {
    key: Box<ExpandedSigningKey<P>>,
    public: Shared<P>,
    seed: Option<Zeroizing<[u8; SEED]>>,
}

struct Shared<P: Parameters>(Arc<VerifyingKey<P>>);

impl<P: Parameters> Private<P> {
    fn new(key: Box<ExpandedSigningKey<P>>, seed: Option<Zeroizing<[u8; SEED]>>) -> Self {
        let public = Shared(Arc::new(key.verifying_key()));
        Self { key, public, seed }
    }

    fn from_seed(seed: &[u8; SEED]) -> Self {
        let key = Box::new(ExpandedSigningKey::from_seed(seed.into()));
        Self::new(key, Some(Zeroizing::new(*seed)))
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        match secret_array(bytes) {
            Ok(seed) => Ok(Self::from_seed(&seed)),
            Err(_) => Self::from_expanded(bytes),
        }
    }

    /// Decoding panics at coefficients out of range, so they are looked at before. A signature shows whether
    /// the other parts belong together.
    #[expect(deprecated, reason = "files and other libraries have this form")]
    fn from_expanded(bytes: &[u8]) -> Result<Self, KeyError> {
        let (algorithm, part, given) = (P::ALGORITHM, KeyPart::Private, bytes.len());
        let allowed = Allowed::OneOf(P::SEED_OR_EXPANDED);
        let expanded = bytes.try_into().map_err(|_| KeyError::Length { algorithm, part, allowed, given })?;
        if !secrets_are_in_range::<P>(bytes) {
            return Err(KeyError::Encoding { algorithm, part });
        }
        let key = Self::new(Box::new(ExpandedSigningKey::from_expanded(expanded)), None);
        let signature = key.key.sign_deterministic(&[], &[]).map_err(|_| KeyError::Mismatch)?;
        let belongs = key.public.0.verify_with_context(&[], &[], &signature);
        belongs.then_some(key).ok_or(KeyError::Mismatch)
    }

    #[expect(deprecated, reason = "files and other libraries have this form")]
    fn expanded(&self) -> Zeroizing<Vec<u8>> {
        let bytes = Zeroizing::new(self.key.to_expanded());
        Zeroizing::new(bytes.to_vec())
    }

    fn sign(&self, task: Task<'_>) -> Output {
        let (context, hedged) = context(task)?;
        let random = match hedged {
            true => secret_array(&task.arguments.randomness)?,
            false => Zeroizing::default(),
        };
        let signature = self.key.sign_randomized(task.input, context, &mut Drawn(random));
        // Its 65,536 nonces were not enough, which does not happen.
        let signature = signature.map_err(|_| Refusal::Faulty)?;
        Ok(Zeroizing::new(signature.encode().to_vec()))
    }
}

/// Whether the coefficients of the secret vectors of an expanded key are in range, after `rho`, `K` and `tr`.
fn secrets_are_in_range<P: Parameters>(expanded: &[u8]) -> bool {
    let most = 2 * P::ETA;
    let bits = most.ilog2() as usize + 1;
    let secrets = &expanded[32 + 32 + 64..][..P::SECRETS * 256 * bits / 8];
    // 8 coefficients are as many bytes as one has bits. All of them are looked at.
    secrets.chunks_exact(bits).fold(true, |in_range, bytes| {
        let eight = bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte));
        let mask = (1 << bits) - 1;
        (0..8).fold(in_range, |in_range, at| in_range & (eight >> (at * bits) & mask <= u64::from(most)))
    })
}

/// The context of a scheme, and whether it takes randomness.
fn context<'a>(task: Task<'a>) -> Result<(&'a [u8], bool), Unfit> {
    match &task.arguments.scheme {
        Some(SignatureScheme::MlDsa { context, hedged }) if context.len() <= MOST_CONTEXT => {
            Ok((context, *hedged))
        }
        Some(SignatureScheme::MlDsa { context, .. }) => Err(Unfit::Context { given: context.len() }),
        _ => Err(Unfit::Scheme),
    }
}

/// Randomness that was drawn before: the crate asks once, for all of it.
struct Drawn(Zeroizing<[u8; SEED]>);

impl TryRng for Drawn {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for (byte, drawn) in bytes.iter_mut().zip(self.0.iter().cycle()) {
            *byte = *drawn;
        }
        Ok(())
    }
}

impl TryCryptoRng for Drawn {}

impl<P: Parameters> Secret for Private<P> {
    fn algorithm(&self) -> KeyAlgorithm {
        P::ALGORITHM
    }

    fn public(&self) -> Arc<dyn Public> {
        Arc::new(Shared(Arc::clone(&self.public.0)))
    }

    fn parts(&self) -> PrivateParts {
        PrivateParts::Raw(match &self.seed {
            Some(seed) => Zeroizing::new(seed.to_vec()),
            None => self.expanded(),
        })
    }

    fn run(&self, task: Task<'_>) -> Output {
        match task.operation {
            Operation::Sign => self.sign(task),
            _ => self.public.run(task),
        }
    }
}

impl<P: Parameters> Shared<P> {
    fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        let wrong = |_| KeyError::length(P::ALGORITHM, KeyPart::Public, P::PUBLIC, bytes.len());
        bytes.try_into().map(|bytes| Self(Arc::new(VerifyingKey::decode(bytes)))).map_err(wrong)
    }

    fn verify(&self, task: Task<'_>) -> Output {
        let (context, _) = context(task)?;
        let signature =
            Signature::<P>::try_from(&task.arguments.signature[..]).map_err(|_| Refusal::Wrong)?;
        let belongs = self.0.verify_with_context(task.input, context, &signature);
        belongs.then(Zeroizing::default).ok_or(Refusal::Wrong)
    }
}

impl<P: Parameters> Public for Shared<P> {
    fn algorithm(&self) -> KeyAlgorithm {
        P::ALGORITHM
    }

    fn parts(&self) -> PublicParts {
        PublicParts::Raw(self.0.encode().to_vec())
    }

    fn run(&self, task: Task<'_>) -> Output {
        match task.operation {
            Operation::Verify => self.verify(task),
            other => Err(Unfit::Operation(other).into()),
        }
    }
}
