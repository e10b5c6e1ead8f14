//! Encryption with RSA: RSAES-PKCS1-v1_5 (RFC 8017, 7.2), RSAES-OAEP (7.1), the premaster secret of TLS, and
//! no padding.
//!
//! What a private operation gives is looked at in constant time: every byte of it, whatever the others are.
//! What is seen in the end is one bit, the plaintext's length, or neither, where a wrong padding gives a
//! plaintext that was made up ([`reject`](super::reject)).

use rand_chacha::rand_core::Rng;
use rsa::traits::PublicKeyParts;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use zeroize::Zeroizing;

use super::super::hash::{digest, mask};
use super::super::{Output, Refusal, Task, expanded};
use super::Private;
use super::found::{Found, count};
use super::reject::{self, Alternative};
use crate::message::key_arguments::{KeyHash, RsaPadding};
use crate::message::key_error::Unfit;
use crate::message::lengths::Allowed;

/// Bytes of a premaster secret (RFC 5246, 7.4.7.1).
const PREMASTER: usize = 48;
/// Bytes that PKCS#1 adds at least.
const PKCS1: usize = 11;

/// The input of the public operation: the text, padded.
pub(super) fn encode(size: usize, task: Task<'_>) -> Output {
    match padding(task)? {
        RsaPadding::Pkcs1 { .. } => encode_pkcs1(size, task),
        RsaPadding::Oaep { hash, mgf_hash, label } => encode_oaep(size, task, (*hash, *mgf_hash), label),
        RsaPadding::None => Ok(Zeroizing::new(task.input.to_vec())),
        RsaPadding::TlsPremaster { .. } => Err(Unfit::Scheme.into()),
    }
}

fn padding(task: Task<'_>) -> Result<&RsaPadding, Refusal> {
    task.arguments.padding.as_ref().ok_or(Refusal::Unfit(Unfit::Scheme))
}

/// The text, of at most `most` bytes.
fn check_text(text: &[u8], size: usize, overhead: usize) -> Result<(), Refusal> {
    let most = size.checked_sub(overhead).ok_or(Refusal::Unfit(Unfit::KeyTooSmall))?;
    let (given, allowed) = (text.len(), Allowed::AtMost(most as u64));
    if given <= most { Ok(()) } else { Err(Unfit::Input { given, allowed }.into()) }
}

fn encode_pkcs1(size: usize, task: Task<'_>) -> Output {
    check_text(task.input, size, PKCS1)?;
    let mut random = expanded(&task.arguments.randomness)?;
    let mut encoded = Zeroizing::new(vec![0; size]);
    let text = size - task.input.len();
    encoded[1] = 2;
    for byte in &mut encoded[2..text - 1] {
        while *byte == 0 {
            random.fill_bytes(std::slice::from_mut(byte));
        }
    }
    encoded[text..].copy_from_slice(task.input);
    Ok(encoded)
}

fn encode_oaep(size: usize, task: Task<'_>, (hash, mgf_hash): (KeyHash, KeyHash), label: &[u8]) -> Output {
    let len = hash.digest_len();
    check_text(task.input, size, 2 * len + 2)?;
    let mut encoded = Zeroizing::new(vec![0; size]);
    let text = size - task.input.len();
    let (seed, block) = encoded[1..].split_at_mut(len);
    expanded(&task.arguments.randomness)?.fill_bytes(seed);
    block[..len].copy_from_slice(&digest(hash, &[label]));
    let text = text - 1 - len;
    block[text - 1] = 1;
    block[text..].copy_from_slice(task.input);
    mask(mgf_hash, seed, block);
    mask(mgf_hash, block, seed);
    Ok(encoded)
}

/// The plaintext of a ciphertext.
pub(super) fn decrypt(key: &Private, task: Task<'_>) -> Output {
    let padding = padding(task)?;
    if let RsaPadding::TlsPremaster { .. } = padding {
        check_premaster(key.key.size(), task)?;
    }
    let text = key.raw(task.input, &task.arguments.randomness)?;
    match padding {
        RsaPadding::None => Ok(text),
        RsaPadding::Pkcs1 { implicit_rejection: false } => {
            let found = Found::in_pkcs1(&text);
            if bool::from(found.is_there) { Ok(tail(&text, found.len)) } else { Err(Refusal::Wrong) }
        }
        RsaPadding::Pkcs1 { implicit_rejection: true } => {
            let alternative = Alternative::new(key, task.input)?;
            Ok(reject::select(&text, Found::in_pkcs1(&text), &alternative))
        }
        RsaPadding::Oaep { hash, mgf_hash, label } => decode_oaep(text, (*hash, *mgf_hash), label),
        RsaPadding::TlsPremaster { client_version, alt_version } => {
            Ok(premaster(&text, task, *client_version, *alt_version))
        }
    }
}

fn tail(text: &[u8], len: u32) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(text[text.len() - len as usize..].to_vec())
}

/// `00`, seed, and a block of hash of the label, zeros, `01`, plaintext, both masked.
fn decode_oaep(mut text: Zeroizing<Vec<u8>>, (hash, mgf_hash): (KeyHash, KeyHash), label: &[u8]) -> Output {
    let len = hash.digest_len();
    if text.len() < 2 * len + 2 {
        return Err(Unfit::KeyTooSmall.into());
    }
    let (first, masked) = text.split_at_mut(1);
    let (seed, block) = masked.split_at_mut(len);
    mask(mgf_hash, block, seed);
    mask(mgf_hash, seed, block);
    let (label_hash, rest) = block.split_at(len);
    let mut is_right = first[0].ct_eq(&0) & label_hash.ct_eq(&digest(hash, &[label]));
    let (mut one_at, mut is_found) = (0_u32, Choice::from(0));
    for (at, byte) in (0_u32..).zip(rest) {
        let is_first = byte.ct_eq(&1) & !is_found;
        one_at.conditional_assign(&at, is_first);
        is_found |= is_first;
        is_right &= is_found | byte.ct_eq(&0);
    }
    if bool::from(is_right & is_found) {
        Ok(Zeroizing::new(rest[one_at as usize + 1..].to_vec()))
    } else {
        Err(Refusal::Wrong)
    }
}

fn check_premaster(size: usize, task: Task<'_>) -> Result<(), Refusal> {
    if size < PREMASTER + PKCS1 {
        return Err(Unfit::KeyTooSmall.into());
    }
    let given = task.arguments.randomness.len();
    let allowed = Allowed::Exactly(PREMASTER);
    if given == PREMASTER { Ok(()) } else { Err(Unfit::Randomness { given, allowed }.into()) }
}

/// The premaster secret, or the randomness in its place.
fn premaster(text: &[u8], task: Task<'_>, version: u16, other: Option<u16>) -> Zeroizing<Vec<u8>> {
    let found = Found::in_pkcs1(text);
    let secret = &text[text.len() - PREMASTER..];
    let is_version = |version: u16| secret[..2].ct_eq(&version.to_be_bytes());
    let is_either = is_version(version) | other.map_or_else(|| Choice::from(0), is_version);
    let is_right = found.is_there & found.len.ct_eq(&count(PREMASTER)) & is_either;
    let both = secret.iter().zip(task.arguments.randomness.iter());
    Zeroizing::new(both.map(|(right, wrong)| u8::conditional_select(wrong, right, is_right)).collect())
}
