//! Short results.

use std::fmt;

use zeroize::Zeroize;

/// A short result: an authentication tag, a MAC or a digest; at most [`Tag::MAX`] bytes.
///
/// `==` takes a time that depends on the lengths only, never on the bytes.
#[derive(Clone, Copy)]
pub struct Tag {
    bytes: [u8; Self::MAX],
    len: u8,
}

impl Tag {
    /// Room for the longest digest, SHA-512's.
    pub const MAX: usize = 64;

    /// Copies `bytes`; `None` when there are more than [`Tag::MAX`].
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let len = u8::try_from(bytes.len()).ok()?;
        let mut tag = Self::default();
        tag.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        tag.len = len;
        Some(tag)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Overwrites the bytes, but not the length.
    pub(super) fn wipe(&mut self) {
        self.bytes.zeroize();
    }

    pub(crate) fn as_bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..usize::from(self.len)]
    }

    /// Drops all but the first `len` bytes.
    pub(crate) fn truncate(&mut self, len: usize) {
        if let Some(rest) = self.as_bytes_mut().get_mut(len..) {
            rest.zeroize();
            self.len = u8::try_from(len).unwrap_or(self.len);
        }
    }
}

impl Default for Tag {
    fn default() -> Self {
        Self { bytes: [0; Self::MAX], len: 0 }
    }
}

impl AsRef<[u8]> for Tag {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl PartialEq for Tag {
    fn eq(&self, other: &Self) -> bool {
        bool::from(subtle::ConstantTimeEq::ct_eq(self.as_bytes(), other.as_bytes()))
    }
}

impl Eq for Tag {}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
