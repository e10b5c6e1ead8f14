//! What makes a key of an ECDH secret: the function of ANSI X9.63 (SEC 1, 3.6.1), if one is set. It hashes a
//! few blocks, with any hash function: the default provider does it.
#![expect(unsafe_code, reason = "calls the default provider's function")]

use std::ffi::{CStr, CString, c_int, c_void};
use std::ptr::NonNull;

use zeroize::Zeroizing;

use super::c_string;
use crate::error::{Failure, Reason};
use crate::instance::Instance;
use crate::ossl::ids::{FUNC_KDF_DERIVE, FUNC_KDF_FREECTX, FUNC_KDF_NEWCTX, OP_DIGEST, OP_KDF};
use crate::ossl::keys;
use crate::ossl::list::List;
use crate::ossl::params::{Mismatch, Params, Wanted};
use crate::ossl::types::{FreeCtx, KdfDerive, NewCtx};

/// The only function that there is.
const X963: &CStr = c"X963KDF";

/// The function, and what it is given.
#[derive(Clone, Debug)]
pub(super) struct Kdf {
    is_set: bool,
    digest: Option<CString>,
    properties: Option<CString>,
    out_len: usize,
    /// Key material of the user's, shared by both sides.
    material: Option<Zeroizing<Vec<u8>>>,
}

impl Kdf {
    /// None: the secret itself is the key.
    pub(super) const fn none() -> Self {
        Self { is_set: false, digest: None, properties: None, out_len: 0, material: None }
    }

    pub(super) const fn is_none(&self) -> bool {
        !self.is_set
    }

    pub(super) const fn out_len(&self) -> usize {
        self.out_len
    }

    pub(super) fn set(&mut self, instance: &Instance, params: Params<'_>) -> Result<(), Failure> {
        if let Some(kind) = params.find(keys::EXCHANGE_KDF_TYPE) {
            self.is_set = match kind.as_text()? {
                b"" => false,
                name if name == X963.to_bytes() => true,
                _ => return Err(Failure::new(Reason::Parameter, "the function is X963KDF, or none")),
            };
        }
        if let Some(digest) = params.find(keys::EXCHANGE_KDF_DIGEST) {
            let name = c_string(digest.as_text()?)?;
            let properties = params.find(keys::EXCHANGE_KDF_DIGEST_PROPS);
            self.properties = properties.map(|given| c_string(given.as_text()?)).transpose()?;
            let theirs = instance.default_provider().ok_or(Reason::Elsewhere)?;
            let known = name.to_str().is_ok_and(|name| theirs.functions(OP_DIGEST, name).is_some());
            if !known {
                return Err(Failure::new(Reason::Parameter, "there is no such hash function"));
            }
            self.digest = Some(name);
        }
        if let Some(len) = params.find(keys::EXCHANGE_KDF_OUTLEN) {
            self.out_len = len.as_size()?;
        }
        if let Some(material) = params.find(keys::EXCHANGE_KDF_UKM) {
            self.material = Some(Zeroizing::new(material.as_octets_or_pointed()?.to_vec()));
        }
        Ok(())
    }

    pub(super) fn give(&self, wanted: &mut Wanted<'_>) -> Result<(), Mismatch> {
        match wanted.key() {
            key if key == keys::EXCHANGE_KDF_TYPE => wanted.give_text(if self.is_set { X963 } else { c"" }),
            key if key == keys::EXCHANGE_KDF_DIGEST => {
                wanted.give_text_copy(self.digest.as_deref().unwrap_or_default())
            }
            key if key == keys::EXCHANGE_KDF_OUTLEN => wanted.give_size(self.out_len),
            key if key == keys::EXCHANGE_KDF_UKM => {
                let material = self.material.as_deref().map(Vec::as_slice).unwrap_or_default();
                wanted.give_octets_pointer(material.as_ptr(), material.len())
            }
            _ => Ok(()),
        }
    }

    /// All that was set, for the default provider's exchange.
    pub(super) fn as_list(&self, cofactor_mode: c_int) -> List {
        let mut list = List::default();
        list.int(keys::EXCHANGE_EC_ECDH_COFACTOR_MODE, cofactor_mode);
        list.text(keys::EXCHANGE_KDF_TYPE, if self.is_set { X963 } else { c"" });
        if let Some(digest) = &self.digest {
            list.text(keys::EXCHANGE_KDF_DIGEST, digest);
        }
        list.size(keys::EXCHANGE_KDF_OUTLEN, self.out_len);
        if let Some(material) = &self.material {
            list.octets(keys::EXCHANGE_KDF_UKM, material);
        }
        list
    }

    /// The key that it makes of a secret.
    pub(super) fn made_of(&self, instance: &Instance, secret: &[u8]) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let mut list = List::default();
        if let Some(digest) = &self.digest {
            list.text(keys::PKEY_DIGEST, digest);
        }
        list.octets(c"key", secret);
        if let Some(material) = &self.material {
            list.octets(c"info", material);
        }
        let failed =
            || Failure::new(Reason::Failed, "X963KDF has failed: is a hash function set, and a length?");
        let theirs = instance.default_provider().ok_or(Reason::Elsewhere)?;
        let functions = theirs.functions(OP_KDF, "X963KDF").ok_or(Reason::Elsewhere)?;
        let mut made = Zeroizing::new(vec![0; self.out_len]);
        // SAFETY: the types of these numbers, the provider's own context, an object that is freed at the end,
        // a list with an end, and memory of our own.
        let is_made = unsafe {
            let new = functions.get::<NewCtx>(FUNC_KDF_NEWCTX).ok_or_else(failed)?;
            let free = functions.get::<FreeCtx>(FUNC_KDF_FREECTX).ok_or_else(failed)?;
            let derive = functions.get::<KdfDerive>(FUNC_KDF_DERIVE).ok_or_else(failed)?;
            let function: NonNull<c_void> = NonNull::new(new(theirs.provctx())).ok_or_else(failed)?;
            let is_made =
                list.with(|list| derive(function.as_ptr(), made.as_mut_ptr(), made.len(), list) > 0);
            free(function.as_ptr());
            is_made
        };
        if is_made { Ok(made) } else { Err(failed()) }
    }
}
