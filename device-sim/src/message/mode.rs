//! Modes of operation: the common part of ciphers that differ in their key lengths, written once.

use crate::message::lengths::{Allowed, BLOCK};

/// The longest data unit of XTS, in bytes: 2^20 blocks (SP 800-38E, 4).
pub(crate) const MAX_DATA_UNIT: usize = BLOCK << 20;
/// The longest text of GCM under one IV, in bytes (SP 800-38D, 5.2.1.1).
pub(crate) const MAX_GCM_TEXT: u64 = (1 << 36) - 32;

/// A mode of operation: the common part of ciphers that differ in their key lengths.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Electronic codebook: every block separately.
    Ecb,
    /// Cipher block chaining: when encrypting, every block waits for the previous one.
    Cbc,
    /// Counter: a key stream by position.
    Ctr,
    /// XEX with tweak and ciphertext stealing: independent data units.
    Xts,
    /// Galois/counter mode: a key stream by position, and a tag.
    Gcm,
}

/// The properties of a mode.
#[derive(Clone, Copy)]
pub(super) struct Facts {
    /// Bytes of an initialisation vector.
    pub(super) iv: Allowed,
    pub(super) usual_iv: usize,
    /// EVP's block size.
    pub(super) block: usize,
    pub(super) pads: bool,
    /// Bytes of a whole message.
    pub(super) message: Allowed,
    /// Bytes by which the output of one request may exceed its input.
    pub(super) growth: usize,
    /// Bytes of a tag, ascending.
    pub(super) tags: &'static [usize],
}

impl Mode {
    #[inline]
    pub(super) const fn facts(self) -> Facts {
        let stream = Facts {
            iv: Allowed::Exactly(BLOCK),
            usual_iv: BLOCK,
            block: 1,
            pads: false,
            message: Allowed::AtLeast(0),
            growth: 0,
            tags: &[],
        };
        // Padding, and what the previous piece held back.
        let blocks = Facts { block: BLOCK, pads: true, growth: 2 * BLOCK - 1, ..stream };
        match self {
            Self::Ecb => Facts { iv: Allowed::Nothing, usual_iv: 0, ..blocks },
            Self::Cbc => blocks,
            Self::Ctr => stream,
            Self::Xts => {
                let message = Allowed::Between(BLOCK, MAX_DATA_UNIT);
                Facts { message, growth: 2 * BLOCK - 1, ..stream }
            }
            Self::Gcm => Facts {
                iv: Allowed::AtLeast(1),
                usual_iv: 12,
                message: Allowed::AtMost(MAX_GCM_TEXT),
                tags: &[4, 8, 12, 13, 14, 15, 16],
                ..stream
            },
        }
    }
}
