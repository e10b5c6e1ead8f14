//! Private and public keys: one file per kind, each with the same two traits.
//!
//! ```text
//!   import, Generate ──► Arc<dyn Secret> ──┬─► Session::private_key ──► run(task) ──► output, or a refusal
//!                            │ public()    │
//!                            ▼             │
//!   import ────────────► Arc<dyn Public> ──┴─► Session::public_key
//! ```
//!
//! | file             | what                                               | standard                      |
//! |------------------|----------------------------------------------------|-------------------------------|
//! | `rsa`            | RSA: the arithmetic, keys, paddings and signatures | RFC 8017                      |
//! | `ec`             | ECDSA and ECDH on P-256, P-384, P-521              | FIPS 186-5, SP 800-56A        |
//! | `x25519`         | X25519                                             | RFC 7748                      |
//! | `ed25519`        | Ed25519                                            | RFC 8032                      |
//! | `ml_kem`         | ML-KEM-768                                         | FIPS 203                      |
//! | `x25519_ml_kem`  | X25519MLKEM768                                     | draft-ietf-tls-ecdhe-mlkem    |
//! | `ml_dsa`         | ML-DSA-44 and ML-DSA-65                            | FIPS 204                      |
//! | `containers`     | PKCS#8, SubjectPublicKeyInfo, PKCS#1, SEC 1, PEM   | RFC 5958, 5280, 8017, 5915    |
//! | `parts`          | what keys are made of, as callers see it           |                               |
//! | `hash`           | the hash functions of schemes                      | FIPS 180-4, 202               |
//! | `depth`          | how deep all of it goes on the stack, and wiping that |                            |
//!
//! A key never changes, and an operation holds nothing that another one waits for: blinding belongs to one
//! operation. No operation draws randomness; it comes with the request.

use std::sync::Arc;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::message::algorithm::Algorithm;
use crate::message::argument::ArgumentError;
use crate::message::key_algorithm::{Family, KeyAlgorithm};
use crate::message::key_arguments::KeyArguments;
use crate::message::key_error::{KeyError, KeyForm, Unfit};
use crate::message::lengths::Allowed;
use crate::message::operation::Operation;
use crate::message::piece::Part;
use crate::message::status::Status;
use crate::message::view::Message;

pub(crate) mod containers;
pub(crate) mod depth;
mod ec;
mod ed25519;
#[cfg(all(test, not(loom)))]
pub(crate) mod every;
mod hash;
mod ml_dsa;
mod ml_kem;
pub(crate) mod parts;
mod rsa;
mod x25519;
mod x25519_ml_kem;

use parts::{PrivateParts, PublicParts};

/// What an operation gives: bytes that may be secret, or a reason why there are none.
pub(crate) type Output = Result<Zeroizing<Vec<u8>>, Refusal>;

/// One operation, as a key sees it.
#[derive(Clone, Copy)]
pub(crate) struct Task<'a> {
    pub(crate) operation: Operation,
    pub(crate) arguments: &'a KeyArguments,
    pub(crate) input: &'a [u8],
}

/// Why an operation gives nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It does not fit the key.
    Unfit(Unfit),
    /// A signature does not belong to the message, or a ciphertext to the key.
    Wrong,
    /// The computation went wrong, and its result must not be seen.
    Faulty,
}

impl From<Unfit> for Refusal {
    fn from(unfit: Unfit) -> Self {
        Self::Unfit(unfit)
    }
}

/// A private key, which wipes itself on drop.
pub(crate) trait Secret: Send + Sync {
    fn algorithm(&self) -> KeyAlgorithm;

    /// As OpenSSL counts them.
    fn bits(&self) -> u32 {
        self.algorithm().bits()
    }

    /// The public key that belongs to it.
    fn public(&self) -> Arc<dyn Public>;

    /// All that it is made of.
    fn parts(&self) -> PrivateParts;

    /// Runs one of its operations, or one of its public key.
    fn run(&self, task: Task<'_>) -> Output;
}

/// A public key.
pub(crate) trait Public: Send + Sync {
    fn algorithm(&self) -> KeyAlgorithm;

    /// As OpenSSL counts them.
    fn bits(&self) -> u32 {
        self.algorithm().bits()
    }

    /// All that it is made of.
    fn parts(&self) -> PublicParts;

    /// Runs one of its operations: Verify, Encrypt, Encapsulate.
    fn run(&self, task: Task<'_>) -> Output;
}

/// The key of a session.
#[derive(Clone)]
pub(crate) enum AnyKey {
    Secret(Arc<dyn Secret>),
    Public(Arc<dyn Public>),
    /// None yet: it generates them.
    Generator(KeyAlgorithm),
}

impl AnyKey {
    pub(crate) fn algorithm(&self) -> KeyAlgorithm {
        match self {
            Self::Secret(key) => key.algorithm(),
            Self::Public(key) => key.algorithm(),
            &Self::Generator(algorithm) => algorithm,
        }
    }

    fn run(&self, task: Task<'_>) -> Output {
        match (self, task.operation) {
            (Self::Generator(algorithm), Operation::Generate) => {
                Ok(containers::generated(new_key(*algorithm, task.arguments)?.parts()))
            }
            (Self::Generator(_), other) => Err(Unfit::Operation(other).into()),
            (Self::Secret(key), _) => key.run(task),
            (Self::Public(key), _) => key.run(task),
        }
    }

    /// Runs a message, and wipes the stack that this has used.
    fn run_message(&self, message: &Message<'_>) -> Output {
        let bits = match self {
            Self::Secret(key) => key.bits(),
            Self::Public(key) => key.bits(),
            Self::Generator(algorithm) => bits_of_new(*algorithm, message.arguments()),
        };
        let deep = depth::of_operation(self.algorithm(), bits, message.operation());
        depth::apart(deep, || self.run_checked(message))
    }

    fn run_checked(&self, message: &Message<'_>) -> Output {
        let is_whole = message.part() == Part::Whole && !message.has_state();
        if !is_whole || !message.iv().is_empty() || !message.aad().is_empty() {
            return Err(Unfit::Operation(message.operation()).into());
        }
        let none = KeyArguments::default();
        let arguments = message.arguments().unwrap_or(&none);
        self.run(Task { operation: message.operation(), arguments, input: message.input() })
    }
}

/// Runs one message with a key.
pub(crate) fn run(key: &AnyKey, mut message: Message<'_>) -> Status {
    match key.run_message(&message) {
        Ok(mut output) => {
            if message.operation().output().has_text() {
                message.set_text(std::mem::take(&mut *output));
            }
            Status::Ok
        }
        Err(Refusal::Unfit(_)) => {
            message.drop_state();
            Status::InvalidArgs
        }
        Err(Refusal::Wrong) => Status::AuthFailed,
        Err(Refusal::Faulty) => Status::DeviceError,
    }
}

/// Why a message does not fit a key, if it does not. It is run for that.
pub(crate) fn explain(key: &AnyKey, message: &Message<'_>) -> Option<ArgumentError> {
    match key.run_message(message) {
        Err(Refusal::Unfit(reason)) => {
            Some(ArgumentError::Key { algorithm: Algorithm::Key(key.algorithm()), reason })
        }
        _ => None,
    }
}

/// A new private key, from the randomness of the arguments.
pub(crate) fn generate(
    algorithm: KeyAlgorithm,
    arguments: &KeyArguments,
) -> Result<Arc<dyn Secret>, Refusal> {
    let bits = bits_of_new(algorithm, Some(arguments));
    let deep = depth::of_operation(algorithm, bits, Operation::Generate);
    depth::apart(deep, || new_key(algorithm, arguments))
}

/// The bits of an RSA modulus that is to be made.
fn bits_of_new(algorithm: KeyAlgorithm, arguments: Option<&KeyArguments>) -> u32 {
    algorithm.bits().max(arguments.map_or(0, |arguments| arguments.bits))
}

fn new_key(algorithm: KeyAlgorithm, arguments: &KeyArguments) -> Result<Arc<dyn Secret>, Refusal> {
    match algorithm.family() {
        Family::Rsa => rsa::generate(algorithm, arguments),
        Family::Ec => ec::generate(algorithm, arguments),
        Family::X25519 => x25519::generate(arguments),
        Family::Ed25519 => ed25519::generate(arguments),
        Family::Kem if algorithm == KeyAlgorithm::X25519MlKem768 => x25519_ml_kem::generate(arguments),
        Family::Kem => ml_kem::generate(arguments),
        Family::MlDsa => ml_dsa::generate(algorithm, arguments),
    }
}

/// As many random bytes as are needed, from the 32 that were drawn.
#[allow(dead_code, reason = "RSA keys are made so")]
pub(crate) fn expanded(seed: &[u8]) -> Result<ChaCha20Rng, Refusal> {
    let allowed = Allowed::Exactly(32);
    let seed = seed.try_into().map_err(|_| Unfit::Randomness { given: seed.len(), allowed })?;
    Ok(ChaCha20Rng::from_seed(seed))
}

/// A private key from its parts. The stack that this has used is wiped.
pub(crate) fn private_from(
    algorithm: KeyAlgorithm,
    parts: &PrivateParts,
) -> Result<Arc<dyn Secret>, KeyError> {
    let bits = match parts {
        PrivateParts::Rsa(numbers) => u32::try_from(8 * numbers.n.len()).unwrap_or(u32::MAX),
        PrivateParts::Ec { .. } | PrivateParts::Raw(_) => 0,
    };
    depth::apart(depth::of_import(algorithm, bits), || imported(algorithm, parts))
}

fn imported(algorithm: KeyAlgorithm, parts: &PrivateParts) -> Result<Arc<dyn Secret>, KeyError> {
    match (algorithm.family(), parts) {
        (Family::Rsa, PrivateParts::Rsa(numbers)) => rsa::private(numbers),
        (Family::Ec, PrivateParts::Ec { scalar, point }) => ec::private(algorithm, scalar, point.as_deref()),
        (Family::X25519, PrivateParts::Raw(bytes)) => x25519::private(bytes),
        (Family::Ed25519, PrivateParts::Raw(bytes)) => ed25519::private(bytes),
        (Family::Kem, PrivateParts::Raw(bytes)) if algorithm == KeyAlgorithm::X25519MlKem768 => {
            x25519_ml_kem::private(bytes)
        }
        (Family::Kem, PrivateParts::Raw(bytes)) => ml_kem::private(bytes),
        (Family::MlDsa, PrivateParts::Raw(bytes)) => ml_dsa::private(algorithm, bytes),
        _ => Err(KeyError::NoSuchPart { algorithm, part: crate::message::key_error::KeyPart::Private }),
    }
}

/// A public key from its parts.
pub(crate) fn public_from(algorithm: KeyAlgorithm, parts: &PublicParts) -> Result<Arc<dyn Public>, KeyError> {
    match (algorithm.family(), parts) {
        (Family::Rsa, PublicParts::Rsa { n, e }) => rsa::public(n, e),
        (Family::Ec, PublicParts::Raw(point)) => ec::public(algorithm, point),
        (Family::X25519, PublicParts::Raw(bytes)) => x25519::public(bytes),
        (Family::Ed25519, PublicParts::Raw(bytes)) => ed25519::public(bytes),
        (Family::Kem, PublicParts::Raw(bytes)) if algorithm == KeyAlgorithm::X25519MlKem768 => {
            x25519_ml_kem::public(bytes)
        }
        (Family::Kem, PublicParts::Raw(bytes)) => ml_kem::public(bytes),
        (Family::MlDsa, PublicParts::Raw(bytes)) => ml_dsa::public(algorithm, bytes),
        _ => Err(KeyError::NoSuchPart { algorithm, part: crate::message::key_error::KeyPart::Public }),
    }
}

/// A private key from the bytes that Generate gave.
pub(crate) fn generated(algorithm: KeyAlgorithm, bytes: &[u8]) -> Result<Arc<dyn Secret>, KeyError> {
    match algorithm.family() {
        Family::Rsa => containers::private_pkcs1(bytes),
        Family::Ec => {
            private_from(algorithm, &PrivateParts::Ec { scalar: bytes.to_vec().into(), point: None })
        }
        _ => private_from(algorithm, &PrivateParts::Raw(bytes.to_vec().into())),
    }
}

/// A key in DER, in any of its containers, for a session of this algorithm.
pub(crate) fn from_der(algorithm: KeyAlgorithm, der: &[u8]) -> Result<AnyKey, KeyError> {
    type Import = fn(&[u8]) -> Result<AnyKey, KeyError>;
    const IMPORTS: [Import; 5] = [
        |der| containers::private_pkcs8(der).map(AnyKey::Secret),
        |der| containers::public_spki(der).map(AnyKey::Public),
        |der| containers::private_pkcs1(der).map(AnyKey::Secret),
        |der| containers::private_sec1(der).map(AnyKey::Secret),
        |der| containers::public_pkcs1(der).map(AnyKey::Public),
    ];
    let of_another_form = |key: &Result<AnyKey, KeyError>| matches!(key, Err(KeyError::Der(_)));
    let mut keys = IMPORTS.iter().map(|import| import(der));
    let key = keys.find(|key| !of_another_form(key)).unwrap_or(Err(KeyError::Der(KeyForm::Any)))?;
    let given = key.algorithm();
    let fits = given == algorithm || algorithm == KeyAlgorithm::Rsa && given.family() == Family::Rsa;
    if fits { Ok(key) } else { Err(KeyError::Algorithm { expected: algorithm, given }) }
}

/// Bytes of a fixed length that are wiped: those of a randomness, unless the caller has another error.
fn secret_array<const LEN: usize>(bytes: &[u8]) -> Result<Zeroizing<[u8; LEN]>, Unfit> {
    let wrong = Unfit::Randomness { given: bytes.len(), allowed: Allowed::Exactly(LEN) };
    let bytes = <&[u8; LEN]>::try_from(bytes).map_err(|_| wrong)?;
    Ok(Zeroizing::new(*bytes))
}

/// Refuses an input, for operations that have none.
fn no_input(task: Task<'_>) -> Result<(), Unfit> {
    let (given, allowed) = (task.input.len(), Allowed::Nothing);
    if given == 0 { Ok(()) } else { Err(Unfit::Input { given, allowed }) }
}

/// Whether secrets differ, in a time that depends on nothing but their lengths.
fn differ(one: &[u8], other: &[u8]) -> bool {
    one.ct_ne(other).into()
}
