//! What is different between the algorithms.

use std::ffi::c_uint;

use simaccel::Algorithm;

use crate::kinds::Kind;
use crate::ossl::ids::modes;

/// An algorithm, as `get_params` describes it.
#[derive(Debug)]
pub(crate) struct Spec {
    pub(crate) kind: Kind,
    pub(crate) algorithm: Algorithm,
    pub(crate) mode: Mode,
    /// Bytes.
    pub(crate) key_len: usize,
    /// Bytes.
    pub(crate) iv_len: usize,
    /// Bytes; 1 where a text may have any length.
    pub(crate) block: usize,
    pub(crate) is_aead: bool,
    /// The initialisation vector is the algorithm's own matter, and not handled by EVP.
    pub(crate) has_custom_iv: bool,
}

/// `EVP_CIPH_*_MODE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Ecb,
    Cbc,
    Ctr,
    Gcm,
    Xts,
}

impl Mode {
    pub(crate) const fn number(self) -> c_uint {
        match self {
            Self::Ecb => modes::ECB,
            Self::Cbc => modes::CBC,
            Self::Ctr => modes::CTR,
            Self::Gcm => modes::GCM,
            Self::Xts => modes::XTS,
        }
    }
}

/// Bytes of a block of AES.
pub(crate) const BLOCK: usize = 16;

impl Spec {
    /// GCM.
    pub(crate) const fn gcm(kind: Kind, aead: simaccel::Aead) -> Self {
        Self {
            kind,
            algorithm: Algorithm::Aead(aead),
            mode: Mode::Gcm,
            key_len: aead.key_len(),
            iv_len: 12,
            block: 1,
            is_aead: true,
            has_custom_iv: true,
        }
    }

    /// A mode without authentication.
    pub(crate) const fn plain(kind: Kind, cipher: simaccel::Cipher, mode: Mode) -> Self {
        Self {
            kind,
            algorithm: Algorithm::Cipher(cipher),
            mode,
            key_len: cipher.key_len(),
            iv_len: match mode {
                Mode::Ecb => 0,
                _ => BLOCK,
            },
            block: match mode {
                Mode::Ecb | Mode::Cbc => BLOCK,
                _ => 1,
            },
            is_aead: false,
            has_custom_iv: matches!(mode, Mode::Xts),
        }
    }
}
