//! Parameters of GCM.

use std::ffi::c_int;

use super::message::Message;
use super::{Gcm, TAG};
use crate::error::{Failure, Reason};
use crate::ossl::ids::{PARAM_OCTET_STRING, PARAM_UNSIGNED_INTEGER};
use crate::ossl::keys;
use crate::ossl::params::{Given, Octets, Params, Requests, Wanted};
use crate::ossl::types::Param;

const INT: usize = size_of::<c_int>();
const SIZE: usize = size_of::<usize>();

/// What `get_ctx_params` answers.
pub(super) static GETTABLE_CTX: &[Param] = &[
    Param::described(keys::CIPHER_KEYLEN, PARAM_UNSIGNED_INTEGER, SIZE),
    Param::described(keys::CIPHER_IVLEN, PARAM_UNSIGNED_INTEGER, SIZE),
    Param::described(keys::CIPHER_AEAD_TAGLEN, PARAM_UNSIGNED_INTEGER, SIZE),
    Param::described(keys::CIPHER_IV, PARAM_OCTET_STRING, 0),
    Param::described(keys::CIPHER_UPDATED_IV, PARAM_OCTET_STRING, 0),
    Param::described(keys::CIPHER_AEAD_TAG, PARAM_OCTET_STRING, 0),
    Param::described(keys::CIPHER_AEAD_TLS1_AAD_PAD, PARAM_UNSIGNED_INTEGER, SIZE),
    Param::described(keys::CIPHER_AEAD_TLS1_GET_IV_GEN, PARAM_OCTET_STRING, 0),
    Param::described(keys::CIPHER_AEAD_IV_GENERATED, PARAM_UNSIGNED_INTEGER, INT),
    Param::END,
];

/// What `set_ctx_params` takes.
pub(super) static SETTABLE_CTX: &[Param] = &[
    Param::described(keys::CIPHER_IVLEN, PARAM_UNSIGNED_INTEGER, SIZE),
    Param::described(keys::CIPHER_AEAD_TAG, PARAM_OCTET_STRING, 0),
    Param::described(keys::CIPHER_AEAD_TLS1_AAD, PARAM_OCTET_STRING, 0),
    Param::described(keys::CIPHER_AEAD_TLS1_IV_FIXED, PARAM_OCTET_STRING, 0),
    Param::described(keys::CIPHER_AEAD_TLS1_SET_IV_INV, PARAM_OCTET_STRING, 0),
    Param::END,
];

impl Gcm {
    pub(super) fn give(&mut self, requests: Requests<'_>) -> Result<(), Failure> {
        requests.each().try_for_each(|mut wanted| self.give_one(&mut wanted))
    }

    fn give_one(&mut self, wanted: &mut Wanted<'_>) -> Result<(), Failure> {
        match wanted.key() {
            key if key == keys::CIPHER_KEYLEN => wanted.give_size(self.spec.key_len)?,
            key if key == keys::CIPHER_IVLEN => wanted.give_size(self.iv.len())?,
            key if key == keys::CIPHER_AEAD_TAGLEN => wanted.give_size(self.tag_len.unwrap_or(TAG))?,
            key if key == keys::CIPHER_IV || key == keys::CIPHER_UPDATED_IV => {
                wanted.give_octets_or_pointer(self.iv.shown(self.encrypts)?)?;
            }
            key if key == keys::CIPHER_AEAD_TAG => self.give_tag(wanted)?,
            key if key == keys::CIPHER_AEAD_TLS1_AAD_PAD => wanted.give_size(self.record_pad)?,
            key if key == keys::CIPHER_AEAD_TLS1_GET_IV_GEN => self.give_next_iv(wanted)?,
            key if key == keys::CIPHER_AEAD_IV_GENERATED => wanted.give_uint(self.iv.is_made_up().into())?,
            _ => {}
        }
        Ok(())
    }

    /// The tag of the message that was encrypted, or its beginning, as far as there is room.
    fn give_tag(&self, wanted: &mut Wanted<'_>) -> Result<(), Failure> {
        let len = wanted.room().unwrap_or(TAG);
        if !self.encrypts || self.tag_len.is_none() || !(1..=TAG).contains(&len) {
            return Err(Failure::new(
                Reason::NotNow,
                "a tag is there after an encryption, and has 1 to 16 bytes",
            ));
        }
        Ok(wanted.give_octets(&self.tag[..len])?)
    }

    /// A message begins with the next IV, whose last bytes are given.
    fn give_next_iv(&mut self, wanted: &mut Wanted<'_>) -> Result<(), Failure> {
        self.require_key()?;
        let nonce = self.iv.count()?;
        let len = match wanted.room() {
            Some(len) if (1..=nonce.len()).contains(&len) => len,
            Some(_) => nonce.len(),
            None => return Err(Reason::Parameter.into()),
        };
        let given = wanted.give_octets_whatever_size(&nonce[nonce.len() - len..]);
        self.message = Message::with_nonce(nonce);
        Ok(given?)
    }

    /// Sets what a list gives; what it does not know is ignored, as by the default provider.
    pub(super) fn set(&mut self, params: Params<'_>) -> Result<(), Failure> {
        params.each().try_for_each(|given| self.set_one(given))
    }

    fn set_one(&mut self, given: Given<'_>) -> Result<(), Failure> {
        match given.key() {
            key if key == keys::CIPHER_IVLEN => self.iv.set_len(given.as_size()?)?,
            key if key == keys::CIPHER_AEAD_TAG => self.set_tag(given.as_octets()?)?,
            key if key == keys::CIPHER_AEAD_TLS1_AAD => self.announce(given.as_octets()?)?,
            key if key == keys::CIPHER_AEAD_TLS1_IV_FIXED => match given.as_octets_or_all(self.iv.len())? {
                Octets::All(iv) => self.iv.restore(iv),
                Octets::These(fixed) => self.iv.fix(fixed, self.encrypts)?,
            },
            key if key == keys::CIPHER_AEAD_TLS1_SET_IV_INV => self.set_invocation(given.as_octets()?)?,
            _ => {}
        }
        Ok(())
    }

    fn set_tag(&mut self, tag: &[u8]) -> Result<(), Failure> {
        if self.encrypts || !(1..=TAG).contains(&tag.len()) {
            return Err(Failure::new(
                Reason::Parameter,
                "a tag is set before a decryption, and has 1 to 16 bytes",
            ));
        }
        self.tag[..tag.len()].copy_from_slice(tag);
        self.tag_len = Some(tag.len());
        Ok(())
    }

    fn set_invocation(&mut self, last: &[u8]) -> Result<(), Failure> {
        if self.encrypts {
            return Err(Reason::NotNow.into());
        }
        self.require_key()?;
        let nonce = self.iv.set_invocation(last)?;
        self.message = Message::with_nonce(nonce);
        Ok(())
    }
}
