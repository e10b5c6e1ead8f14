//! Lists of parameters of our own, which are passed to libcrypto: an exported key, or what was set before.
//!
//! ```text
//!   big, octets, text, int ──► List: keys with their values ── with ──► OSSL_PARAM[], for one call
//!   copied(Params) ──────────►
//! ```
//!
//! Values may be secret, and are wiped.

use std::borrow::Cow;
use std::ffi::{CStr, CString, c_int, c_uint};

use zeroize::Zeroizing;

use super::ids::{
    PARAM_INTEGER, PARAM_OCTET_PTR, PARAM_OCTET_STRING, PARAM_UNSIGNED_INTEGER, PARAM_UTF8_PTR,
    PARAM_UTF8_STRING,
};
use super::params::{Given, Mismatch, Params};
use super::types::Param;

/// Parameters with their values.
#[derive(Clone, Default)]
pub(crate) struct List(Vec<Entry>);

#[derive(Clone)]
struct Entry {
    /// Of what is exported a static text: receivers copy values, and keep the pointer to the key.
    key: Cow<'static, CStr>,
    data_type: c_uint,
    data: Zeroizing<Vec<u8>>,
}

impl List {
    /// A number, the most significant byte first, in `width` bytes: its length then tells nothing of it.
    pub(crate) fn big(&mut self, key: &'static CStr, number: &[u8], width: usize) {
        let skipped = number.iter().take_while(|byte| **byte == 0).count();
        let number = &number[skipped..];
        let mut data = Zeroizing::new(vec![0; width.max(number.len()).max(1)]);
        let count = data.len();
        for (index, byte) in number.iter().rev().enumerate() {
            data[if cfg!(target_endian = "big") { count - 1 - index } else { index }] = *byte;
        }
        self.add(key, PARAM_UNSIGNED_INTEGER, data);
    }

    pub(crate) fn octets(&mut self, key: &'static CStr, octets: &[u8]) {
        self.add(key, PARAM_OCTET_STRING, Zeroizing::new(octets.to_vec()));
    }

    pub(crate) fn text(&mut self, key: &'static CStr, text: &CStr) {
        self.add(key, PARAM_UTF8_STRING, Zeroizing::new(text.to_bytes_with_nul().to_vec()));
    }

    pub(crate) fn int(&mut self, key: &'static CStr, number: c_int) {
        self.add(key, PARAM_INTEGER, Zeroizing::new(number.to_ne_bytes().to_vec()));
    }

    pub(crate) fn uint(&mut self, key: &'static CStr, number: c_uint) {
        self.add(key, PARAM_UNSIGNED_INTEGER, Zeroizing::new(number.to_ne_bytes().to_vec()));
    }

    pub(crate) fn size(&mut self, key: &'static CStr, number: usize) {
        self.add(key, PARAM_UNSIGNED_INTEGER, Zeroizing::new(number.to_ne_bytes().to_vec()));
    }

    fn add(&mut self, key: impl Into<Cow<'static, CStr>>, data_type: c_uint, data: Zeroizing<Vec<u8>>) {
        self.0.push(Entry { key: key.into(), data_type, data });
    }

    /// Adds a copy of all that a list sets.
    pub(crate) fn copy(&mut self, params: Params<'_>) -> Result<(), Mismatch> {
        params.each().try_for_each(|given| self.copy_one(given))
    }

    fn copy_one(&mut self, given: Given<'_>) -> Result<(), Mismatch> {
        let (data_type, data) = match given.param().data_type {
            PARAM_UTF8_STRING | PARAM_UTF8_PTR => {
                let text = CString::new(given.as_text()?).map_err(|_| Mismatch)?;
                (PARAM_UTF8_STRING, text.into_bytes_with_nul())
            }
            PARAM_OCTET_STRING | PARAM_OCTET_PTR => {
                (PARAM_OCTET_STRING, given.as_octets_or_pointed()?.to_vec())
            }
            other => (other, given.bytes()?.to_vec()),
        };
        self.add(given.key().to_owned(), data_type, Zeroizing::new(data));
        Ok(())
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Passes the list to `use_it`; it is there until that returns.
    pub(crate) fn with<R>(&mut self, use_it: impl FnOnce(*const Param) -> R) -> R {
        let entry = |entry: &mut Entry| Param {
            key: entry.key.as_ptr(),
            data_type: entry.data_type,
            data: entry.data.as_mut_ptr().cast(),
            // The end of a text is not part of it.
            data_size: entry.data.len() - usize::from(entry.data_type == PARAM_UTF8_STRING),
            return_size: usize::MAX,
        };
        let mut params: Vec<Param> = self.0.iter_mut().map(entry).collect();
        params.push(Param::END);
        use_it(params.as_ptr())
    }
}

impl std::fmt::Debug for List {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|entry| &entry.key)).finish()
    }
}
