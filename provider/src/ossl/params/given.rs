//! A parameter that is set, and its value as what it is wanted as.
#![expect(unsafe_code, reason = "reads through the pointers of a parameter")]

use std::ffi::{CStr, c_char, c_int, c_uint};
use std::slice;

use zeroize::Zeroizing;

use super::{Mismatch, key_of};
use crate::ossl::ids::{
    PARAM_INTEGER, PARAM_OCTET_PTR, PARAM_OCTET_STRING, PARAM_UNSIGNED_INTEGER, PARAM_UTF8_PTR,
    PARAM_UTF8_STRING,
};
use crate::ossl::types::Param;

/// A parameter that is set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given<'p>(&'p Param);

/// A string of bytes that is set, whose length may be −1.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Octets<'p> {
    These(&'p [u8]),
    /// −1: as many as the receiver has room for.
    All(&'p [u8]),
}

impl<'p> Given<'p> {
    /// An entry of a list that was promised to [`Params::new`](super::Params::new).
    pub(super) const fn new(param: &'p Param) -> Self {
        Self(param)
    }

    pub(crate) fn key(self) -> &'p CStr {
        // SAFETY: an entry of a list that was promised to `Params::new`.
        unsafe { key_of(self.0) }
    }

    /// The bytes of the value, whatever its type.
    pub(in crate::ossl) fn bytes(self) -> Result<&'p [u8], Mismatch> {
        if self.0.data.is_null() {
            return if self.0.data_size == 0 { Ok(&[]) } else { Err(Mismatch) };
        }
        // SAFETY: not null, and so many bytes, as was promised to `Params::new`.
        Ok(unsafe { slice::from_raw_parts(self.0.data.cast::<u8>(), self.0.data_size) })
    }

    /// A number that is not negative.
    pub(crate) fn as_number(self) -> Result<u64, Mismatch> {
        let bytes = self.bytes()?;
        let is_negative =
            self.0.data_type == PARAM_INTEGER && little_endian(bytes).last().is_some_and(|b| b > 127);
        let is_number = matches!(self.0.data_type, PARAM_INTEGER | PARAM_UNSIGNED_INTEGER);
        if !is_number || is_negative || bytes.is_empty() {
            return Err(Mismatch);
        }
        let mut number = [0; size_of::<u64>()];
        for (index, byte) in little_endian(bytes).enumerate() {
            match number.get_mut(index) {
                Some(place) => *place = byte,
                None if byte == 0 => {}
                None => return Err(Mismatch),
            }
        }
        Ok(u64::from_le_bytes(number))
    }

    pub(crate) fn as_uint(self) -> Result<c_uint, Mismatch> {
        self.as_number().and_then(|number| c_uint::try_from(number).map_err(|_| Mismatch))
    }

    pub(crate) fn as_size(self) -> Result<usize, Mismatch> {
        self.as_number().and_then(|number| usize::try_from(number).map_err(|_| Mismatch))
    }

    /// A number from -2^31 up to 2^31-1.
    pub(crate) fn as_int(self) -> Result<c_int, Mismatch> {
        let bytes = self.bytes()?;
        let negative =
            self.0.data_type == PARAM_INTEGER && little_endian(bytes).last().is_some_and(|b| b > 127);
        if !negative {
            return self.as_number().and_then(|number| c_int::try_from(number).map_err(|_| Mismatch));
        }
        let mut number = [0xff; size_of::<i64>()];
        for (index, byte) in little_endian(bytes).enumerate() {
            match number.get_mut(index) {
                Some(place) => *place = byte,
                None if byte == 0xff => {}
                None => return Err(Mismatch),
            }
        }
        c_int::try_from(i64::from_le_bytes(number)).map_err(|_| Mismatch)
    }

    /// A number of any size that is not negative: its bytes, the most significant first, without leading
    /// zeros.
    pub(crate) fn as_big(self) -> Result<Zeroizing<Vec<u8>>, Mismatch> {
        if self.0.data_type != PARAM_UNSIGNED_INTEGER {
            return Err(Mismatch);
        }
        let bytes = self.bytes()?;
        Ok(Zeroizing::new(little_endian(bytes).rev().skip_while(|byte| *byte == 0).collect()))
    }

    /// A text, without its end.
    pub(crate) fn as_text(self) -> Result<&'p [u8], Mismatch> {
        let bytes = match self.0.data_type {
            PARAM_UTF8_STRING => self.bytes()?,
            PARAM_UTF8_PTR if !self.0.data.is_null() => {
                // SAFETY: the data of a parameter of this type are a pointer to a text with an end.
                let text = unsafe { self.0.data.cast::<*const c_char>().read_unaligned() };
                if text.is_null() {
                    &[]
                } else {
                    // SAFETY: the same.
                    unsafe { CStr::from_ptr(text) }.to_bytes()
                }
            }
            _ => return Err(Mismatch),
        };
        Ok(bytes.split(|byte| *byte == 0).next().unwrap_or_default())
    }

    /// A string of bytes, of which there is a copy or a pointer to them.
    pub(crate) fn as_octets_or_pointed(self) -> Result<&'p [u8], Mismatch> {
        if self.0.data_type != PARAM_OCTET_PTR {
            return self.as_octets();
        }
        if self.0.data.is_null() {
            return Err(Mismatch);
        }
        // SAFETY: the data of a parameter of this type are a pointer to so many bytes.
        let bytes = unsafe { self.0.data.cast::<*const u8>().read_unaligned() };
        match (bytes.is_null(), self.0.data_size) {
            (true, 0) => Ok(&[]),
            (true, _) => Err(Mismatch),
            // SAFETY: the same.
            (false, size) => Ok(unsafe { slice::from_raw_parts(bytes, size) }),
        }
    }

    /// The parameter itself.
    pub(in crate::ossl) const fn param(self) -> &'p Param {
        self.0
    }

    /// A string of bytes.
    pub(crate) fn as_octets(self) -> Result<&'p [u8], Mismatch> {
        if self.0.data_type == PARAM_OCTET_STRING { self.bytes() } else { Err(Mismatch) }
    }

    /// A string of bytes; where its length is −1, of `all` bytes.
    pub(crate) fn as_octets_or_all(self, all: usize) -> Result<Octets<'p>, Mismatch> {
        if self.0.data_size != usize::MAX {
            return self.as_octets().map(Octets::These);
        }
        if self.0.data_type != PARAM_OCTET_STRING || self.0.data.is_null() {
            return Err(Mismatch);
        }
        // SAFETY: with −1 there are as many bytes as the object's vector has (`EVP_CTRL_GCM_SET_IV_FIXED`).
        Ok(Octets::All(unsafe { slice::from_raw_parts(self.0.data.cast::<u8>(), all) }))
    }
}

/// Bytes of a native integer, the least significant first.
fn little_endian(bytes: &[u8]) -> impl DoubleEndedIterator<Item = u8> + '_ {
    let (count, is_big) = (bytes.len(), cfg!(target_endian = "big"));
    (0..count).map(move |index| bytes[if is_big { count - 1 - index } else { index }])
}
