//! Implicit rejection (draft-irtf-cfrg-rsa-guidance, 7), as OpenSSL does it from 3.2 on: a ciphertext whose
//! padding is wrong gives a plaintext that is made up from key and ciphertext, always the same, and no error
//! that would tell.
//!
//! ```text
//!   hidden = SHA-256(d)     KDK = HMAC(hidden, ciphertext)
//!   KDK ─► 128 candidates of a length ─► the last one that fits ──┐
//!   KDK ─► a text as long as the modulus ─────────────────────────┴─► its end, of that length
//! ```

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::{ConditionallySelectable, ConstantTimeLess};
use zeroize::Zeroizing;

use super::super::Refusal;
use super::Private;
use super::found::Found;
use rsa::traits::PublicKeyParts;

/// Bytes of the candidates for a length, two each.
const CANDIDATES: usize = 256;
/// Bytes of padding that leave the longest plaintext: three, and eight of filling.
const LEAST_PADDING: usize = 11;

/// What takes the plaintext's place; its length is secret, until one of the two is chosen.
pub(super) struct Alternative {
    text: Zeroizing<Vec<u8>>,
    len: u32,
}

impl Alternative {
    pub(super) fn new(key: &Private, ciphertext: &[u8]) -> Result<Self, Refusal> {
        let size = key.key.size();
        let mut mac = key.mac()?;
        mac.update(ciphertext);
        let derived: Zeroizing<[u8; 32]> = Zeroizing::new(mac.finalize().into_bytes().into());
        let most = u16::try_from(size.saturating_sub(LEAST_PADDING)).map_err(|_| Refusal::Faulty)?;
        let candidates = stream(&derived, b"length", CANDIDATES)?;
        Ok(Self { len: last_that_fits(&candidates, most), text: stream(&derived, b"message", size)? })
    }
}

/// The last candidate that is not above `most`, of as many bits as that.
fn last_that_fits(candidates: &[u8], most: u16) -> u32 {
    let bits = u16::MAX.checked_shr(most.leading_zeros()).unwrap_or(0);
    let mut last = 0_u32;
    for &[high, low] in candidates.as_chunks::<2>().0 {
        let candidate = u32::from(u16::from_be_bytes([high, low]) & bits);
        last.conditional_assign(&candidate, candidate.ct_lt(&(u32::from(most) + 1)));
    }
    last
}

/// As many bytes as are wanted: HMAC over a counter, a label and their number of bits.
fn stream(key: &[u8; 32], label: &[u8], len: usize) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    let bits = u16::try_from(8 * len).map_err(|_| Refusal::Faulty)?;
    let mut stream = Zeroizing::new(Vec::with_capacity(len.next_multiple_of(32)));
    for counter in 0_u16.. {
        if stream.len() >= len {
            break;
        }
        let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| Refusal::Faulty)?;
        mac.update(&counter.to_be_bytes());
        mac.update(label);
        mac.update(&bits.to_be_bytes());
        stream.extend_from_slice(&mac.finalize().into_bytes());
    }
    stream.truncate(len);
    Ok(stream)
}

/// The plaintext if it is there, or else what takes its place.
pub(super) fn select(text: &[u8], found: Found, alternative: &Alternative) -> Zeroizing<Vec<u8>> {
    let len = u32::conditional_select(&alternative.len, &found.len, found.is_there);
    let both = text.iter().zip(alternative.text.iter());
    let chosen = both.map(|(right, made_up)| u8::conditional_select(made_up, right, found.is_there));
    let chosen: Zeroizing<Vec<u8>> = Zeroizing::new(chosen.collect());
    Zeroizing::new(chosen[chosen.len() - len as usize..].to_vec())
}
