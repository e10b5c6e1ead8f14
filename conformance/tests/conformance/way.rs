//! The seam: what a way into the device must offer to the sets.

use simaccel_device::{Aead, Cipher, Hash, Padding};

/// A way into the device. Each call creates its own session.
pub(crate) trait Way {
    /// Encrypts or decrypts a whole message.
    fn cipher(&self, call: &CipherCall<'_>) -> Result<Vec<u8>, Refused>;

    /// Encrypts a whole message: ciphertext and tag.
    fn seal(&self, call: &AeadCall<'_>) -> Result<(Vec<u8>, Vec<u8>), Refused>;

    /// Decrypts a whole message whose tag is `tag`; returns none of it unless the tag is right.
    fn open(&self, call: &AeadCall<'_>, tag: &[u8]) -> Result<Vec<u8>, Refused>;

    /// Hashes a whole message.
    fn digest(&self, hash: Hash, message: &[u8]) -> Result<Vec<u8>, Refused>;

    /// The full HMAC of a whole message.
    fn mac(&self, hash: Hash, key: &[u8], message: &[u8]) -> Result<Vec<u8>, Refused>;
}

/// The direction of a cipher.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Direction {
    Encrypt,
    Decrypt,
}

/// A message for a cipher.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CipherCall<'a> {
    pub(crate) cipher: Cipher,
    pub(crate) padding: Padding,
    pub(crate) key: &'a [u8],
    pub(crate) direction: Direction,
    pub(crate) iv: &'a [u8],
    pub(crate) text: &'a [u8],
}

/// A message for an AEAD.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AeadCall<'a> {
    pub(crate) aead: Aead,
    pub(crate) key: &'a [u8],
    /// In bytes.
    pub(crate) tag_len: usize,
    pub(crate) iv: &'a [u8],
    pub(crate) aad: &'a [u8],
    pub(crate) text: &'a [u8],
}

/// Why there is no result. The sets expect these two; anything else is a failure of the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// A length, key or IV that the algorithm does not take.
    Arguments,
    /// The tag or the padding is wrong.
    Authentication,
}
