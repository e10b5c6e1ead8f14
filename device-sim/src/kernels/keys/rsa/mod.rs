//! RSA (RFC 8017): keys and the two primitives. The schemes around them are in files of their own.
//!
//! ```text
//!   Sign ─► signature::encode ─► private ─► signature        Verify ─► public ─► signature::check
//!   Decrypt ─► private ─► padding::decode ─► plaintext       Encrypt ─► padding::encode ─► public
//!                 │
//!                 └─ blind base, exponents, moduli ─► CRT ─► compare with the public operation ─► unblind
//! ```
//!
//! The arithmetic is that of crate `rsa`: Montgomery exponentiation in constant time, blinded afresh in every
//! operation. What blinds comes from key, randomness and input of one operation; nothing is kept for the
//! next. A result of the Chinese remainder theorem leaves only if the public operation turns it back into the
//! input: one that was computed wrongly would reveal the primes.

use std::sync::Arc;

use crypto_bigint::BoxedUint;
use hmac::{Hmac, KeyInit, Mac};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use rsa::hazmat::{rsa_decrypt_and_check, rsa_encrypt};
use rsa::traits::{PrivateKeyParts, PublicKeyParts};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

use super::parts::{PrivateParts, PublicParts, RsaNumbers};
use super::{Output, Public, Refusal, Secret, Task, expanded};
use crate::message::key_algorithm::{KeyAlgorithm, RSA_BITS};
use crate::message::key_arguments::KeyArguments;
use crate::message::key_error::{KeyError, Unfit};
use crate::message::lengths::Allowed;
use crate::message::operation::Operation;

mod found;
mod import;
mod padding;
mod reject;
mod signature;

/// The public exponent that is usual, and used where none is given.
const USUAL_EXPONENT: u64 = 65_537;

struct Private {
    key: rsa::PrivateKey,
    /// Cannot be known without the key: blinding and implicit rejection start from it.
    hidden: Zeroizing<[u8; 32]>,
}

struct Shared(rsa::PublicKey);

/// A private key from its numbers.
pub(super) fn private(numbers: &RsaNumbers) -> Result<Arc<dyn Secret>, KeyError> {
    Ok(Arc::new(Private::new(import::private(numbers)?)))
}

/// A public key from its numbers.
pub(super) fn public(n: &[u8], e: &[u8]) -> Result<Arc<dyn Public>, KeyError> {
    Ok(Arc::new(Shared(import::public(n, e)?)))
}

/// A new key.
pub(super) fn generate(
    algorithm: KeyAlgorithm,
    arguments: &KeyArguments,
) -> Result<Arc<dyn Secret>, Refusal> {
    let bits = if algorithm.bits() == 0 { arguments.bits } else { algorithm.bits() };
    let exponent = if arguments.exponent == 0 { USUAL_EXPONENT } else { arguments.exponent };
    let is_exponent = exponent % 2 == 1 && (3..=rsa::PublicKey::MAX_PUB_EXPONENT).contains(&exponent);
    if !RSA_BITS.contains(&bits) || !is_exponent {
        return Err(Unfit::Generate.into());
    }
    let mut random = expanded(&arguments.randomness)?;
    let key = rsa::PrivateKey::new_with_exp_unchecked(&mut random, bits as usize, exponent.into());
    Ok(Arc::new(Private::new(key.map_err(|_| Refusal::Faulty)?)))
}

impl Private {
    fn new(key: rsa::PrivateKey) -> Self {
        let exponent = Zeroizing::new(octets(key.d(), key.size()));
        Self { hidden: Zeroizing::new(Sha256::digest(&*exponent).into()), key }
    }

    /// RSADP and RSASP1 (RFC 8017, 5.1.2 and 5.2.1), on as many bytes as the modulus has.
    fn raw(&self, input: &[u8], randomness: &[u8]) -> Output {
        let mut blinding = self.blinding(input, randomness)?;
        raw(&self.key, input, &mut blinding)
    }

    /// What blinds an operation: the outside can neither foresee nor repeat it.
    fn blinding(&self, input: &[u8], randomness: &[u8]) -> Result<ChaCha20Rng, Refusal> {
        let mut mac = self.mac()?;
        mac.update(b"blinding");
        mac.update(&(randomness.len() as u64).to_be_bytes());
        mac.update(randomness);
        mac.update(input);
        let mut seed: [u8; 32] = mac.finalize().into_bytes().into();
        let random = ChaCha20Rng::from_seed(seed);
        seed.zeroize();
        Ok(random)
    }

    fn mac(&self) -> Result<Hmac<Sha256>, Refusal> {
        Hmac::new_from_slice(&*self.hidden).map_err(|_| Refusal::Faulty)
    }
}

fn raw(key: &impl PrivateKeyParts, input: &[u8], blinding: &mut ChaCha20Rng) -> Output {
    let mut number = representative(key, input)?;
    let result = rsa_decrypt_and_check(key, Some(blinding), &number);
    number.zeroize();
    let result = Zeroizing::new(result.map_err(|_| Refusal::Faulty)?);
    Ok(Zeroizing::new(octets(&result, key.size())))
}

/// RSAEP and RSAVP1 (RFC 8017, 5.1.1 and 5.2.2), on as many bytes as the modulus has.
fn raw_public(key: &impl PublicKeyParts, input: &[u8]) -> Output {
    let number = Zeroizing::new(representative(key, input)?);
    let result = rsa_encrypt(key, &number).map_err(|_| Refusal::Faulty)?;
    Ok(Zeroizing::new(octets(&result, key.size())))
}

/// A number below the modulus, from as many bytes as that has.
fn representative(key: &impl PublicKeyParts, input: &[u8]) -> Result<BoxedUint, Refusal> {
    let (given, size) = (input.len(), key.size());
    if given != size {
        return Err(Unfit::Input { given, allowed: Allowed::Exactly(size) }.into());
    }
    let number = BoxedUint::from_be_slice(input, key.n_bits_precision()).map_err(|_| Refusal::Faulty)?;
    if number < *key.n().as_ref() { Ok(number) } else { Err(Unfit::NotBelowModulus.into()) }
}

/// The last `len` bytes of a number, big-endian; it has no more.
fn octets(number: &BoxedUint, len: usize) -> Vec<u8> {
    let bytes = Zeroizing::new(number.to_be_bytes().into_vec());
    let mut octets = vec![0; len];
    let used = len.min(bytes.len());
    octets[len - used..].copy_from_slice(&bytes[bytes.len() - used..]);
    octets
}

/// A number without leading zeros.
fn trimmed(number: &BoxedUint) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(number.to_be_bytes_trimmed_vartime().into_vec())
}

impl Secret for Private {
    fn algorithm(&self) -> KeyAlgorithm {
        KeyAlgorithm::rsa(self.bits())
    }

    fn bits(&self) -> u32 {
        self.key.n().bit_width()
    }

    fn public(&self) -> Arc<dyn Public> {
        Arc::new(Shared(self.key.to_public_key()))
    }

    fn parts(&self) -> PrivateParts {
        let number = |number: Option<&BoxedUint>| number.map(trimmed).unwrap_or_default();
        let primes = self.key.primes();
        PrivateParts::Rsa(RsaNumbers {
            n: trimmed(self.key.n().as_ref()).to_vec(),
            e: trimmed(self.key.e()).to_vec(),
            d: trimmed(self.key.d()),
            p: trimmed(primes[0].as_ref()),
            q: trimmed(primes[1].as_ref()),
            dp: number(self.key.dp()),
            dq: number(self.key.dq()),
            qinv: self.key.qinv().map(|qinv| trimmed(&Zeroizing::new(qinv.retrieve()))).unwrap_or_default(),
        })
    }

    fn run(&self, task: Task<'_>) -> Output {
        match task.operation {
            Operation::Sign => {
                let encoded = signature::encode(&self.key, task)?;
                self.raw(&encoded, &task.arguments.randomness)
            }
            Operation::Decrypt => padding::decrypt(self, task),
            _ => run_public(&self.key, task),
        }
    }
}

impl Public for Shared {
    fn algorithm(&self) -> KeyAlgorithm {
        KeyAlgorithm::rsa(self.bits())
    }

    fn bits(&self) -> u32 {
        self.0.n().bit_width()
    }

    fn parts(&self) -> PublicParts {
        PublicParts::Rsa { n: trimmed(self.0.n().as_ref()).to_vec(), e: trimmed(self.0.e()).to_vec() }
    }

    fn run(&self, task: Task<'_>) -> Output {
        run_public(&self.0, task)
    }
}

fn run_public(key: &impl PublicKeyParts, task: Task<'_>) -> Output {
    match task.operation {
        Operation::Verify => signature::verify(key, task),
        Operation::Encrypt => {
            let encoded = padding::encode(key.size(), task)?;
            raw_public(key, &encoded)
        }
        other => Err(Unfit::Operation(other).into()),
    }
}
