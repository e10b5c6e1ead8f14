//! RSA keys: their numbers, as `rsa_kmgmt.c` and `rsa_backend.c` of OpenSSL have them.
//!
//! Keys of more than two primes are the default provider's.

use zeroize::Zeroizing;

use super::halves::halves_match;
use super::pss::Restriction;
use super::refusal::Refusal;
use super::selection::Selection;
use crate::ossl::keys;
use crate::ossl::list::List;
use crate::ossl::params::{Mismatch, Params, Wanted};

/// A number, the most significant byte first, without leading zeros.
pub(super) type Number = Zeroizing<Vec<u8>>;

/// A key. What is private may be there in part.
#[derive(Clone, Debug)]
pub(super) struct RsaParts {
    pub(super) n: Number,
    pub(super) e: Number,
    pub(super) d: Option<Number>,
    pub(super) primes: Option<Primes>,
    pub(super) restriction: Option<Restriction>,
}

/// The primes, and the numbers that belong to them.
#[derive(Clone, Debug)]
pub(super) struct Primes {
    pub(super) p: Number,
    pub(super) q: Number,
    pub(super) dp: Number,
    pub(super) dq: Number,
    pub(super) qi: Number,
}

impl RsaParts {
    pub(super) fn imported(
        is_pss: bool,
        restriction: Option<Restriction>,
        selection: Selection,
        params: Params<'_>,
    ) -> Result<Self, Refusal> {
        let number = |key| params.find(key).map(|given| given.as_big()).transpose();
        let (Some(n), Some(e)) = (number(keys::PKEY_RSA_N)?, number(keys::PKEY_RSA_E)?) else {
            return Err(Refusal::Elsewhere);
        };
        let mut parts = Self { n, e, d: None, primes: None, restriction: None };
        if selection.has_private() {
            parts.d = number(keys::PKEY_RSA_D)?;
            if parts.d.is_some() {
                parts.primes = primes(params)?;
            }
        }
        if selection.has_others() {
            parts.restriction = Restriction::by(restriction, params)?;
            // Plain keys have no restrictions; the default provider says so.
            if parts.restriction.is_some() && !is_pss {
                return Err(Refusal::Elsewhere);
            }
        }
        Ok(parts)
    }

    /// Bits of the modulus.
    pub(super) fn bits(&self) -> usize {
        let leading = self.n.first().map_or(0, |byte| byte.leading_zeros() as usize);
        8 * self.n.len() - leading
    }

    pub(super) fn export(&self, selection: Selection) -> Option<List> {
        if !selection.has_pair() && !selection.has_others() {
            return None;
        }
        let mut list = List::default();
        if selection.has_others()
            && let Some(restriction) = &self.restriction
        {
            restriction.export(&mut list);
        }
        if selection.has_pair() {
            let numbers = self.numbers();
            let public = 2;
            let count = if selection.has_private() { numbers.len() } else { public };
            numbers[..count].iter().for_each(|(key, number)| {
                if let Some(number) = number {
                    list.big(key, number, number.len());
                }
            });
        }
        Some(list)
    }

    /// Every number by its key, the public ones first.
    fn numbers(&self) -> [(&'static std::ffi::CStr, Option<&Number>); 8] {
        let primes = self.primes.as_ref();
        [
            (keys::PKEY_RSA_N, Some(&self.n)),
            (keys::PKEY_RSA_E, Some(&self.e)),
            (keys::PKEY_RSA_D, self.d.as_ref()),
            (keys::RSA_FACTORS[0], primes.map(|primes| &primes.p)),
            (keys::RSA_FACTORS[1], primes.map(|primes| &primes.q)),
            (keys::RSA_EXPONENTS[0], primes.map(|primes| &primes.dp)),
            (keys::RSA_EXPONENTS[1], primes.map(|primes| &primes.dq)),
            (keys::RSA_COEFFICIENTS[0], primes.map(|primes| &primes.qi)),
        ]
    }

    pub(super) fn has(&self, selection: Selection) -> bool {
        !selection.has_private() || self.d.is_some()
    }

    pub(super) fn matches(&self, other: &Self, selection: Selection) -> bool {
        self.e == other.e
            && (!selection.has_pair()
                || halves_match(
                    selection,
                    (&Some(&self.n), &Some(&other.n)),
                    (self.d.as_deref(), other.d.as_deref()),
                ))
    }

    pub(super) fn copied(&self, selection: Selection) -> Option<Self> {
        if !selection.has_public() {
            // There is no key without its modulus.
            return None;
        }
        let mut copy = self.clone();
        if !selection.has_private() {
            (copy.d, copy.primes) = (None, None);
        }
        if !selection.has_others() {
            copy.restriction = None;
        }
        Some(copy)
    }

    pub(super) fn give(&self, wanted: &mut Wanted<'_>) -> Result<(), Mismatch> {
        match wanted.key() {
            key if key == keys::PKEY_BITS => wanted.give_size(self.bits()),
            key if key == keys::PKEY_SECURITY_BITS => wanted.give_size(security_bits(self.bits())),
            key if key == keys::PKEY_SECURITY_CATEGORY => wanted.give_flag(false),
            key if key == keys::PKEY_MAX_SIZE => wanted.give_size(self.n.len()),
            key if key == keys::PKEY_DEFAULT_DIGEST => match self.restriction {
                None => wanted.give_text(c"SHA256"),
                Some(_) => Ok(()),
            },
            key => {
                let numbers = self.numbers();
                match numbers.iter().find(|(known, _)| *known == key) {
                    Some((_, Some(number))) => wanted.give_big(number),
                    Some((_, None)) => Ok(()),
                    None => self.restriction.map_or(Ok(()), |restriction| restriction.give(wanted)),
                }
            }
        }
    }
}

/// `Elsewhere`: there are more than two, or they are to be found from the others.
fn primes(params: Params<'_>) -> Result<Option<Primes>, Refusal> {
    let number = |key| params.find(key).map(|given| given.as_big()).transpose();
    if params.find(keys::RSA_FACTORS[2]).is_some() || params.find(keys::PKEY_RSA_DERIVE_FROM_PQ).is_some() {
        return Err(Refusal::Elsewhere);
    }
    let factors = (number(keys::RSA_FACTORS[0])?, number(keys::RSA_FACTORS[1])?);
    let exponents = (number(keys::RSA_EXPONENTS[0])?, number(keys::RSA_EXPONENTS[1])?);
    match (factors, exponents, number(keys::RSA_COEFFICIENTS[0])?) {
        ((Some(p), Some(q)), (Some(dp), Some(dq)), Some(qi)) => Ok(Some(Primes { p, q, dp, dq, qi })),
        ((None, None), (None, None), None) => Ok(None),
        _ => Err(Refusal::Elsewhere),
    }
}

/// Of a modulus of so many bits: SP 800-57's table, and between its lines the formula of SP 800-56B, D,
/// rounded down to a multiple of 8, as `ossl_ifc_ffc_compute_security_bits` has it.
fn security_bits(bits: usize) -> usize {
    match bits {
        2048 => return 112,
        3072 => return 128,
        4096 => return 152,
        6144 => return 176,
        7680 => return 192,
        8192 => return 200,
        15360 => return 256,
        0..8 => return 0,
        687_737.. => return 1200,
        _ => {}
    }
    // A size is far below 2^52.
    let natural = (bits as f64) * std::f64::consts::LN_2;
    let work = 1.923 * natural.cbrt() * natural.ln().powi(2).cbrt() - 4.69;
    let cap = if bits <= 7680 {
        192
    } else if bits <= 15360 {
        256
    } else {
        1200
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is from 0 to 1200")]
    let found = (work / std::f64::consts::LN_2).max(0.0) as usize;
    ((found + 4) & !7).min(cap)
}
