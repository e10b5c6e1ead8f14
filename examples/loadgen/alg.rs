//! The algorithms by name, and what each needs.

use simaccel_device::{Aead, Algorithm, Cipher, Hash, Padding, Session, SessionError};

/// Additional data of an AEAD operation in generated load: as long as a TLS 1.2 record's.
pub(crate) const AAD_LEN: usize = 13;

/// XTS takes at most 2^20 blocks in one data unit (SP 800-38E).
pub(crate) const MAX_DATA_UNIT: usize = 16 << 20;

/// What a name stands for: a cipher, AEAD or digest by its OpenSSL name, or `hmac-` and a digest.
pub(crate) fn parse(name: &str) -> Result<Algorithm, String> {
    let lower = name.to_ascii_lowercase();
    if let Some(hash) = lower.strip_prefix("hmac-").and_then(|hash| hash.parse().ok()) {
        return Ok(Algorithm::Hmac(hash));
    }
    (lower.parse().map(Algorithm::Cipher))
        .or_else(|_| lower.parse().map(Algorithm::Aead))
        .or_else(|_| lower.parse().map(Algorithm::Hash))
        .map_err(|_| format!("allowed are {}", names().join(", ")))
}

/// Every name that [`parse`] lists.
pub(crate) fn names() -> Vec<String> {
    let hashes = || Hash::ALL.iter().copied();
    let ciphers = Cipher::ALL.iter().copied().map(Algorithm::Cipher);
    let aeads = Aead::ALL.iter().copied().map(Algorithm::Aead);
    let all = ciphers.chain(aeads).chain(hashes().map(Algorithm::Hash)).chain(hashes().map(Algorithm::Hmac));
    all.map(|algorithm| algorithm.to_string()).collect()
}

/// How a cipher treats a long text, seen from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Blocks on their own (ECB).
    Blocks,
    /// A key stream by position (CTR).
    Counter,
    /// Each block with the one before (CBC): a chain one way, independent the other way.
    Chain,
    /// Data units on their own (XTS).
    DataUnits,
}

/// The shape of `cipher`.
pub(crate) fn shape(cipher: Cipher) -> Shape {
    match cipher.name().rsplit('-').next() {
        Some("ecb") => Shape::Blocks,
        Some("ctr") => Shape::Counter,
        Some("xts") => Shape::DataUnits,
        _ => Shape::Chain,
    }
}

/// The cipher and its shape, where pieces of a text do not wait for each other.
pub(crate) fn parallel_shape(algorithm: Algorithm, decrypt: bool) -> Option<(Cipher, Shape)> {
    let Algorithm::Cipher(cipher) = algorithm else { return None };
    let shape = shape(cipher);
    (shape != Shape::Chain || decrypt).then_some((cipher, shape))
}

/// Bytes of key for generated load; HMAC takes any length and gets the digest's (RFC 2104, 3).
pub(crate) const fn key_len(algorithm: Algorithm) -> usize {
    match algorithm {
        Algorithm::Cipher(cipher) => cipher.key_len(),
        Algorithm::Aead(aead) => aead.key_len(),
        Algorithm::Hmac(hash) => hash.digest_len(),
        _ => 0,
    }
}

/// Bytes of initialisation vector for generated load.
pub(crate) const fn iv_len(algorithm: Algorithm) -> usize {
    match algorithm {
        Algorithm::Cipher(cipher) => cipher.iv_len(),
        Algorithm::Aead(aead) => aead.iv_len(),
        _ => 0,
    }
}

/// Whether the result is a text (and perhaps a tag), not a digest or MAC alone.
pub(crate) const fn gives_text(algorithm: Algorithm) -> bool {
    matches!(algorithm, Algorithm::Cipher(_) | Algorithm::Aead(_))
}

/// A session for computing in this thread, without any device; also how a key is checked.
pub(crate) fn software(algorithm: Algorithm, key: &[u8]) -> Result<Session, SessionError> {
    match algorithm {
        Algorithm::Cipher(cipher) => Session::cipher(cipher, key, Padding::Pkcs7),
        Algorithm::Aead(aead) => Session::aead(aead, key, 16),
        Algorithm::Hmac(hash) => Session::hmac(hash, key),
        Algorithm::Hash(hash) => Session::hash(hash),
        _ => unreachable!("names() has no other kind"),
    }
}
