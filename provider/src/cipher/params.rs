//! Parameters of ciphers: what may be asked for and set.

use std::ffi::{c_int, c_uint};
use std::ptr;

use super::spec::{Mode, Spec};
use super::state::State;
use crate::error::{Failure, Reason};
use crate::ossl::ids::{PARAM_INTEGER, PARAM_OCTET_PTR, PARAM_OCTET_STRING, PARAM_UNSIGNED_INTEGER};
use crate::ossl::keys;
use crate::ossl::params::{Given, Mismatch, Params, Requests, Wanted};
use crate::ossl::types::Param;

const INT: usize = size_of::<c_int>();
const SIZE: usize = size_of::<usize>();

/// What `get_params` answers, for every cipher.
pub(crate) static GETTABLE: &[Param] = &[
    Param::described(keys::CIPHER_MODE, PARAM_UNSIGNED_INTEGER, INT),
    Param::described(keys::CIPHER_KEYLEN, PARAM_UNSIGNED_INTEGER, SIZE),
    Param::described(keys::CIPHER_IVLEN, PARAM_UNSIGNED_INTEGER, SIZE),
    Param::described(keys::CIPHER_BLOCK_SIZE, PARAM_UNSIGNED_INTEGER, SIZE),
    Param::described(keys::CIPHER_AEAD, PARAM_INTEGER, INT),
    Param::described(keys::CIPHER_CUSTOM_IV, PARAM_INTEGER, INT),
    Param::described(keys::CIPHER_CTS, PARAM_INTEGER, INT),
    Param::described(keys::CIPHER_TLS1_MULTIBLOCK, PARAM_INTEGER, INT),
    Param::described(keys::CIPHER_HAS_RAND_KEY, PARAM_INTEGER, INT),
    Param::described(keys::CIPHER_ENCRYPT_THEN_MAC, PARAM_INTEGER, INT),
    Param::END,
];

/// What `get_ctx_params` answers for ECB, CBC, CTR and XTS.
pub(super) static GETTABLE_CTX: &[Param] = &[
    Param::described(keys::CIPHER_KEYLEN, PARAM_UNSIGNED_INTEGER, SIZE),
    Param::described(keys::CIPHER_IVLEN, PARAM_UNSIGNED_INTEGER, SIZE),
    Param::described(keys::CIPHER_PADDING, PARAM_UNSIGNED_INTEGER, INT),
    Param::described(keys::CIPHER_NUM, PARAM_UNSIGNED_INTEGER, INT),
    Param::described(keys::CIPHER_IV, PARAM_OCTET_STRING, 0),
    Param::described(keys::CIPHER_UPDATED_IV, PARAM_OCTET_STRING, 0),
    Param::described(keys::CIPHER_TLS_MAC, PARAM_OCTET_PTR, 0),
    Param::END,
];

/// What `set_ctx_params` takes for ECB, CBC and CTR.
static SETTABLE_CTX: &[Param] = &[
    Param::described(keys::CIPHER_PADDING, PARAM_UNSIGNED_INTEGER, INT),
    Param::described(keys::CIPHER_NUM, PARAM_UNSIGNED_INTEGER, INT),
    Param::described(keys::CIPHER_USE_BITS, PARAM_UNSIGNED_INTEGER, INT),
    Param::described(keys::CIPHER_TLS_VERSION, PARAM_UNSIGNED_INTEGER, INT),
    Param::described(keys::CIPHER_TLS_MAC_SIZE, PARAM_UNSIGNED_INTEGER, SIZE),
    Param::END,
];

/// And for XTS.
static SETTABLE_XTS: &[Param] =
    &[Param::described(keys::CIPHER_KEYLEN, PARAM_UNSIGNED_INTEGER, SIZE), Param::END];

pub(super) const fn settable(mode: Mode) -> &'static [Param] {
    match mode {
        Mode::Xts => SETTABLE_XTS,
        _ => SETTABLE_CTX,
    }
}

/// Answers a question about an algorithm.
pub(crate) fn give(requests: Requests<'_>, spec: &Spec) -> Result<(), Mismatch> {
    requests.each().try_for_each(|mut wanted| give_one(&mut wanted, spec))
}

fn give_one(wanted: &mut Wanted<'_>, spec: &Spec) -> Result<(), Mismatch> {
    match wanted.key() {
        key if key == keys::CIPHER_MODE => wanted.give_uint(spec.mode.number()),
        key if key == keys::CIPHER_KEYLEN => wanted.give_size(spec.key_len),
        key if key == keys::CIPHER_IVLEN => wanted.give_size(spec.iv_len),
        key if key == keys::CIPHER_BLOCK_SIZE => wanted.give_size(spec.block),
        key if key == keys::CIPHER_AEAD => wanted.give_flag(spec.is_aead),
        key if key == keys::CIPHER_CUSTOM_IV => wanted.give_flag(spec.has_custom_iv),
        key if key == keys::CIPHER_CTS
            || key == keys::CIPHER_TLS1_MULTIBLOCK
            || key == keys::CIPHER_HAS_RAND_KEY
            || key == keys::CIPHER_ENCRYPT_THEN_MAC =>
        {
            wanted.give_flag(false)
        }
        _ => Ok(()),
    }
}

impl State {
    /// Answers a question about an object.
    pub(super) fn give(&self, requests: Requests<'_>) -> Result<(), Mismatch> {
        requests.each().try_for_each(|mut wanted| self.give_one(&mut wanted))
    }

    fn give_one(&self, wanted: &mut Wanted<'_>) -> Result<(), Mismatch> {
        let iv_len = self.spec.iv_len;
        match wanted.key() {
            key if key == keys::CIPHER_KEYLEN => wanted.give_size(self.spec.key_len),
            key if key == keys::CIPHER_IVLEN => wanted.give_size(iv_len),
            key if key == keys::CIPHER_PADDING => wanted.give_uint(self.pads.into()),
            key if key == keys::CIPHER_NUM => wanted.give_uint(c_uint::try_from(self.num).unwrap_or(0)),
            key if key == keys::CIPHER_IV => wanted.give_octets_or_pointer(&self.original_iv[..iv_len]),
            key if key == keys::CIPHER_UPDATED_IV => wanted.give_octets_or_pointer(&self.iv[..iv_len]),
            key if key == keys::CIPHER_TLS_MAC => match self.tls_mac.as_slice() {
                [] => wanted.give_octets_pointer(ptr::null(), self.tls_mac_size),
                mac => wanted.give_octets_pointer(mac.as_ptr(), mac.len()),
            },
            _ => Ok(()),
        }
    }

    /// Sets what a list gives; what it does not know is ignored, as by the default provider.
    pub(super) fn set(&mut self, params: Params<'_>) -> Result<(), Failure> {
        params.each().try_for_each(|given| self.set_one(given))
    }

    fn set_one(&mut self, given: Given<'_>) -> Result<(), Failure> {
        match given.key() {
            key if key == keys::CIPHER_KEYLEN => self.check_key_len(given.as_size()?)?,
            // As there, which knows nothing else for it.
            _ if self.spec.mode == Mode::Xts => {}
            key if key == keys::CIPHER_PADDING => self.pads = given.as_uint()? != 0,
            key if key == keys::CIPHER_USE_BITS => self.use_bits = given.as_uint()? != 0,
            key if key == keys::CIPHER_TLS_VERSION => self.tls_version = given.as_uint()?,
            key if key == keys::CIPHER_TLS_MAC_SIZE => self.tls_mac_size = given.as_size()?,
            key if key == keys::CIPHER_NUM => self.num = self.checked_num(given.as_size()?)?,
            _ => {}
        }
        Ok(())
    }

    fn checked_num(&self, num: usize) -> Result<usize, Failure> {
        // A block of 1 byte has a position inside of it only for CTR, whose real block is longer.
        if num < super::spec::BLOCK { Ok(num) } else { Err(Reason::Parameter.into()) }
    }

    fn check_key_len(&self, len: usize) -> Result<(), Failure> {
        if len == self.spec.key_len { Ok(()) } else { Err(Reason::KeyLength.into()) }
    }
}
