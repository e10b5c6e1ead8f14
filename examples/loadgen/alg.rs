//! What the load generator has to know of an algorithm beyond the device's own table.

use simaccel_device::{Algorithm, Allowed, Cipher, Mode, Parameters, Session, SessionError};

/// Additional data of an AEAD operation in generated load: as long as a TLS 1.2 record's.
pub(crate) const AAD_LEN: usize = 13;

/// How the pieces of a long text depend on where they stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Not at all (ECB).
    Blocks,
    /// On their position (CTR).
    Counter,
    /// On the ciphertext before (CBC decryption).
    Chain,
    /// On their number (XTS).
    DataUnits,
}

/// The cipher and its shape, where pieces of a text do not wait for each other.
pub(crate) fn parallel_shape(algorithm: Algorithm, decrypt: bool) -> Option<(Cipher, Shape)> {
    let Algorithm::Cipher(cipher) = algorithm else { return None };
    let shape = match cipher.mode() {
        Mode::Ecb => Shape::Blocks,
        Mode::Ctr => Shape::Counter,
        Mode::Cbc if decrypt => Shape::Chain,
        Mode::Xts => Shape::DataUnits,
        // One piece after the other is right for every mode.
        _ => return None,
    };
    Some((cipher, shape))
}

/// Whether a text goes by data unit, not by piece.
pub(crate) fn is_xts(algorithm: Algorithm) -> bool {
    matches!(algorithm, Algorithm::Cipher(cipher) if cipher.mode() == Mode::Xts)
}

/// Bytes that a data unit may have.
pub(crate) fn data_unit_lens() -> Allowed {
    Algorithm::Cipher(Cipher::Aes128Xts).message_lens()
}

/// Whether the result is a text (and perhaps a tag), not a digest or MAC alone.
pub(crate) const fn gives_text(algorithm: Algorithm) -> bool {
    matches!(algorithm, Algorithm::Cipher(_) | Algorithm::Aead(_))
}

/// A session that computes in this thread, without a device; also checks a key.
pub(crate) fn software(algorithm: Algorithm, key: &[u8]) -> Result<Session, SessionError> {
    Session::new(algorithm, key, Parameters::default())
}
