//! Where the plaintext lies in what a private operation gives (RFC 8017, 7.2.2), found in constant time.

use subtle::{Choice, ConditionallySelectable, ConstantTimeEq, ConstantTimeLess};

/// Whether there is a plaintext at the end of a text, and of how many bytes; both are secret.
#[derive(Clone, Copy)]
pub(super) struct Found {
    pub(super) is_there: Choice,
    pub(super) len: u32,
}

impl Found {
    /// `00 02`, eight or more bytes that are not 0, `00`, the plaintext.
    pub(super) fn in_pkcs1(text: &[u8]) -> Self {
        let size = count(text.len());
        let (mut zero_at, mut is_found) = (0_u32, Choice::from(0));
        for (at, byte) in (0_u32..).zip(text).skip(2) {
            let is_first = byte.ct_eq(&0) & !is_found;
            zero_at.conditional_assign(&at, is_first);
            is_found |= is_first;
        }
        let is_long = !zero_at.ct_lt(&10);
        let is_there = text[0].ct_eq(&0) & text[1].ct_eq(&2) & is_found & is_long;
        // Where there is none, any length does that lies inside.
        let len = u32::conditional_select(&0, &size.wrapping_sub(zero_at).wrapping_sub(1), is_there);
        Self { is_there, len }
    }
}

/// Bytes of a text: those of a modulus.
pub(super) fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
