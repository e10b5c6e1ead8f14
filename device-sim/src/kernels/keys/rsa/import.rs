//! The numbers of RSA keys, checked: what is imported fits together.
//!
//! ```text
//!   n, e ─► size, odd ─► public key
//!   n, e, d ─────────────────────► the primes, from d ─┐
//!   n, e, p, q ─► d, from them ────────────────────────┼─► p q = n, d e = 1 mod p - 1 and q - 1 ─► private key
//!   n, e, d, p, q [, dp, dq, qinv, compared] ──────────┘
//! ```
//!
//! Whether the primes are primes is not checked.

use crypto_bigint::modular::{BoxedMontyForm, BoxedMontyParams};
use crypto_bigint::{BoxedUint, ConcatenatingMul, Gcd, Integer, Odd, Resize};
use rsa::errors::Error;
use rsa::traits::PrivateKeyParts;
use zeroize::Zeroizing;

use super::super::parts::RsaNumbers;
use super::trimmed;
use crate::message::key_algorithm::RSA_BITS;
use crate::message::key_error::{KeyError, KeyPart};

/// The most bits of a public exponent (FIPS 186-5, 5.4).
const MOST_EXPONENT: u32 = 256;
/// How many bases are tried to find the primes; each finds them with a probability of one half or more.
const BASES: u32 = 128;

/// A number of any size, without leading zeros.
fn number(bytes: &[u8]) -> BoxedUint {
    BoxedUint::from_be_slice_vartime(significant(bytes))
}

fn significant(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
    &bytes[zeros..]
}

/// Modulus and public exponent.
fn checked(n: &[u8], e: &[u8]) -> Result<(Odd<BoxedUint>, BoxedUint), KeyError> {
    let (n, e) = (number(n), number(e));
    let bits = n.bit_width_vartime();
    if !RSA_BITS.contains(&bits) {
        return Err(KeyError::ModulusBits { bits });
    }
    let fits = e.bit_width_vartime() <= MOST_EXPONENT && e >= BoxedUint::from(3_u8) && e < n;
    if !fits || !bool::from(e.is_odd()) {
        return Err(KeyError::PublicExponent);
    }
    let n = Odd::new(n).into_option().ok_or(KeyError::ModulusEven)?;
    Ok((n, e))
}

pub(super) fn public(n: &[u8], e: &[u8]) -> Result<rsa::PublicKey, KeyError> {
    let (n, e) = checked(n, e)?;
    Ok(rsa::PublicKey::new_unchecked(n.get(), e))
}

pub(super) fn private(numbers: &RsaNumbers) -> Result<rsa::PrivateKey, KeyError> {
    let (n, e) = checked(&numbers.n, &numbers.e)?;
    let most = significant(&numbers.n).len();
    let fits = |number: &[u8]| significant(number).len() <= most;
    if !fits(&numbers.d) {
        return Err(KeyError::PrivateExponent);
    }
    if !fits(&numbers.p) || !fits(&numbers.q) {
        return Err(KeyError::Primes);
    }
    let secret = |bytes: &[u8]| Zeroizing::new(number(bytes));
    let (d, p, q) = (secret(&numbers.d), secret(&numbers.p), secret(&numbers.q));
    let is_given = |number: &BoxedUint| !bool::from(number.is_zero());
    let (p, q) = match (is_given(&p), is_given(&q)) {
        (true, true) => (p, q),
        (false, false) if is_given(&d) => factors(&n, &e, &d)?,
        (false, false) => return Err(KeyError::PrivateExponent),
        _ => return Err(KeyError::OnePrime),
    };
    if p.concatenating_mul(&*q) != *n.as_ref() {
        return Err(KeyError::Primes);
    }
    let key = if is_given(&d) { with_exponent(&n, &e, &d, &p, &q)? } else { without_exponent(&p, &q, &e)? };
    compare(&key, numbers)?;
    Ok(key)
}

fn with_exponent(
    n: &Odd<BoxedUint>,
    e: &BoxedUint,
    d: &BoxedUint,
    p: &BoxedUint,
    q: &BoxedUint,
) -> Result<rsa::PrivateKey, KeyError> {
    let primes = || vec![p.clone(), q.clone()];
    let half = n.bit_width_vartime().div_ceil(2);
    let is_balanced = p.bit_width_vartime() <= half && q.bit_width_vartime() <= half;
    let (n, e, d) = (n.as_ref().clone(), e.clone(), d.clone());
    let key = if is_balanced {
        rsa::PrivateKey::from_components_with_large_exponent(n, e, d, primes())
    } else {
        rsa::PrivateKey::from_components_with_wide_primes(n, e, d, primes())
    };
    key.map_err(reason)
}

fn without_exponent(p: &BoxedUint, q: &BoxedUint, e: &BoxedUint) -> Result<rsa::PrivateKey, KeyError> {
    rsa::PrivateKey::from_p_q(p.clone(), q.clone(), e.clone()).map_err(reason)
}

fn reason(error: Error) -> KeyError {
    match error {
        Error::InvalidExponent => KeyError::PrivateExponent,
        Error::PublicExponentTooSmall | Error::PublicExponentTooLarge => KeyError::PublicExponent,
        _ => KeyError::Primes,
    }
}

/// What is given besides, for the Chinese remainder theorem.
fn compare(key: &rsa::PrivateKey, numbers: &RsaNumbers) -> Result<(), KeyError> {
    let qinv = key.qinv().map(|qinv| Zeroizing::new(qinv.retrieve()));
    let pairs = [
        (KeyPart::Dp, &numbers.dp, key.dp()),
        (KeyPart::Dq, &numbers.dq, key.dq()),
        (KeyPart::Qinv, &numbers.qinv, qinv.as_deref()),
    ];
    for (part, given, own) in pairs {
        let given = significant(given);
        if !given.is_empty() && own.is_none_or(|own| significant(&trimmed(own)) != given) {
            return Err(KeyError::Crt(part));
        }
    }
    Ok(())
}

/// The primes of a modulus, by a pair of exponents (NIST SP 800-56B, C.1): `e d - 1` is a multiple of the
/// order of every number, so among its halves is one that gives a square root of 1 which is neither 1 nor -1.
fn factors(
    n: &Odd<BoxedUint>,
    e: &BoxedUint,
    d: &BoxedUint,
) -> Result<(Zeroizing<BoxedUint>, Zeroizing<BoxedUint>), KeyError> {
    let wrong = KeyError::PrivateExponent;
    let multiple = Zeroizing::new(d.concatenating_mul(e).wrapping_sub(BoxedUint::one()));
    let halvings = multiple.trailing_zeros_vartime();
    if halvings == 0 || bool::from(multiple.is_zero()) {
        return Err(wrong);
    }
    let odd = Zeroizing::new(multiple.shr_vartime(halvings).ok_or(wrong)?);
    let params = BoxedMontyParams::new_vartime(n.clone());
    let one = BoxedMontyForm::one(&params);
    let minus_one = one.neg();
    for base in 2..2 + BASES {
        let base = BoxedUint::from(base).resize(n.bits_precision());
        let mut power = BoxedMontyForm::new(base, &params).pow(&odd);
        for _ in 0..halvings {
            let square = power.square();
            if square == one && power != one && power != minus_one {
                return Ok(split(n, &power.retrieve()));
            }
            power = square;
        }
        if power != one {
            return Err(wrong);
        }
    }
    Err(wrong)
}

/// The factors of a modulus, by a square root of 1.
fn split(n: &Odd<BoxedUint>, root: &BoxedUint) -> (Zeroizing<BoxedUint>, Zeroizing<BoxedUint>) {
    let one = BoxedUint::one_with_precision(n.bits_precision());
    let p = n.as_ref().gcd(&root.wrapping_sub(&one));
    let q = n.as_ref().gcd(&root.wrapping_add(&one));
    // In the order that most have: the larger first.
    let (p, q) = if p < q { (q, p) } else { (p, q) };
    (Zeroizing::new(trimmed_number(&p)), Zeroizing::new(trimmed_number(&q)))
}

fn trimmed_number(number: &BoxedUint) -> BoxedUint {
    BoxedUint::from_be_slice_vartime(&trimmed(number))
}
