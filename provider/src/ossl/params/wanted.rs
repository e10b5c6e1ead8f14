//! A parameter that is asked for, and what it is given.
#![expect(unsafe_code, reason = "writes through the pointers of a parameter")]

use std::ffi::{CStr, c_int, c_uint, c_void};
use std::marker::PhantomData;

use super::{Mismatch, key_of};
use crate::ossl::ids::{
    PARAM_INTEGER, PARAM_OCTET_PTR, PARAM_OCTET_STRING, PARAM_UNSIGNED_INTEGER, PARAM_UTF8_PTR,
    PARAM_UTF8_STRING,
};
use crate::ossl::types::Param;

/// A parameter that is asked for.
#[derive(Debug)]
pub(crate) struct Wanted<'p> {
    param: *mut Param,
    borrowed: PhantomData<&'p mut Param>,
}

impl<'p> Wanted<'p> {
    /// An entry of a list that was promised to [`Requests::new`](super::Requests::new).
    pub(super) const fn new(param: *mut Param) -> Self {
        Self { param, borrowed: PhantomData }
    }

    pub(crate) fn key(&self) -> &'p CStr {
        // SAFETY: an entry of a list that was promised to `Requests::new`.
        unsafe { key_of(self.param) }
    }

    fn param(&mut self) -> &mut Param {
        // SAFETY: an entry of a list that was promised to `Requests::new`, and no other code uses it.
        unsafe { &mut *self.param }
    }

    /// A number that is not negative.
    pub(crate) fn give_number(&mut self, number: u64, own_size: usize) -> Result<(), Mismatch> {
        let param = self.param();
        param.return_size = 0;
        if !matches!(param.data_type, PARAM_INTEGER | PARAM_UNSIGNED_INTEGER) {
            return Err(Mismatch);
        }
        if param.data.is_null() {
            param.return_size = own_size;
            return Ok(());
        }
        let width = param.data_size;
        let value_bits =
            if param.data_type == PARAM_INTEGER { (8 * width).saturating_sub(1) } else { 8 * width };
        if width == 0 || (value_bits < 64 && number >> value_bits != 0) {
            param.return_size = own_size;
            return Err(Mismatch);
        }
        let bytes = number.to_le_bytes();
        self.fill(|index| bytes.get(index).copied().unwrap_or(0));
        Ok(())
    }

    pub(crate) fn give_uint(&mut self, number: c_uint) -> Result<(), Mismatch> {
        self.give_number(number.into(), size_of::<c_uint>())
    }

    pub(crate) fn give_flag(&mut self, is_set: bool) -> Result<(), Mismatch> {
        self.give_number(is_set.into(), size_of::<c_int>())
    }

    pub(crate) fn give_size(&mut self, size: usize) -> Result<(), Mismatch> {
        self.give_number(size as u64, size_of::<usize>())
    }

    /// A number of any size, the most significant byte first.
    pub(crate) fn give_big(&mut self, number: &[u8]) -> Result<(), Mismatch> {
        let number = &number[number.iter().take_while(|byte| **byte == 0).count()..];
        if self.has_room(PARAM_UNSIGNED_INTEGER, number.len().max(1))? {
            self.fill(|index| number.iter().rev().nth(index).copied().unwrap_or(0));
        }
        Ok(())
    }

    /// The same in `width` bytes, or in none: its length then tells nothing of it.
    pub(crate) fn give_big_in(&mut self, number: &[u8], width: usize) -> Result<(), Mismatch> {
        let param = self.param();
        if param.data_size < width {
            return Err(Mismatch);
        }
        param.data_size = width;
        self.give_big(number)
    }

    /// A string of bytes, as a copy.
    pub(crate) fn give_octets(&mut self, octets: &[u8]) -> Result<(), Mismatch> {
        if self.has_room(PARAM_OCTET_STRING, octets.len())? {
            // SAFETY: there is room for them, as was promised to `Requests::new`; the octets are the
            // provider's.
            unsafe { self.param().data.cast::<u8>().copy_from(octets.as_ptr(), octets.len()) };
        }
        Ok(())
    }

    /// A pointer to bytes, which live until the object is next used.
    pub(crate) fn give_octets_pointer(&mut self, octets: *const u8, len: usize) -> Result<(), Mismatch> {
        self.give_pointer(PARAM_OCTET_PTR, octets.cast(), len)
    }

    /// How many bytes there is room for; `None`: the size alone is asked for.
    pub(crate) fn room(&self) -> Option<usize> {
        // SAFETY: an entry of a list that was promised to `Requests::new`.
        let param = unsafe { &*self.param };
        (!param.data.is_null()).then_some(param.data_size)
    }

    /// A string of bytes for a request whose size may be smaller than its room.
    pub(crate) fn give_octets_whatever_size(&mut self, octets: &[u8]) -> Result<(), Mismatch> {
        let param = self.param();
        if param.data_type != PARAM_OCTET_STRING || param.data.is_null() {
            return Err(Mismatch);
        }
        // SAFETY: without a size there is room for the object's vector (`EVP_CTRL_GCM_IV_GEN`).
        unsafe { param.data.cast::<u8>().copy_from(octets.as_ptr(), octets.len()) };
        Ok(())
    }

    /// A string of bytes, as a copy or as a pointer, as the request's type says.
    pub(crate) fn give_octets_or_pointer(&mut self, octets: &[u8]) -> Result<(), Mismatch> {
        if self.param().data_type == PARAM_OCTET_PTR {
            return self.give_octets_pointer(octets.as_ptr(), octets.len());
        }
        self.give_octets(octets)
    }

    /// Whether a text is asked for, where it may be a number.
    pub(crate) fn is_text(&self) -> bool {
        // SAFETY: an entry of a list that was promised to `Requests::new`.
        unsafe { (*self.param).data_type == PARAM_UTF8_STRING }
    }

    /// A number that may be negative.
    pub(crate) fn give_int(&mut self, number: c_int) -> Result<(), Mismatch> {
        if let Ok(number) = u64::try_from(number) {
            return self.give_number(number, size_of::<c_int>());
        }
        let bytes = number.to_le_bytes();
        if self.has_room(PARAM_INTEGER, bytes.len())? {
            self.fill(|index| bytes.get(index).copied().unwrap_or(0xff));
        }
        Ok(())
    }

    /// A text that is copied, with its end where there is room.
    pub(crate) fn give_name(&mut self, text: &[u8]) -> Result<(), Mismatch> {
        if !self.has_room(PARAM_UTF8_STRING, text.len())? {
            return Ok(());
        }
        let param = self.param();
        // SAFETY: there is room for the text, and for an end if that is written, as was promised to
        // `Requests::new`; the text is the provider's.
        unsafe {
            param.data.cast::<u8>().copy_from(text.as_ptr(), text.len());
            if param.data_size > text.len() {
                param.data.cast::<u8>().add(text.len()).write(0);
            }
        }
        Ok(())
    }

    /// A static text.
    pub(crate) fn give_text(&mut self, text: &'static CStr) -> Result<(), Mismatch> {
        if self.param().data_type == PARAM_UTF8_PTR {
            return self.give_pointer(PARAM_UTF8_PTR, text.as_ptr().cast(), text.to_bytes().len());
        }
        self.give_text_copy(text)
    }

    /// A text, as a copy.
    pub(crate) fn give_text_copy(&mut self, text: &CStr) -> Result<(), Mismatch> {
        self.give_name(text.to_bytes())
    }

    fn give_pointer(&mut self, data_type: c_uint, to: *const c_void, len: usize) -> Result<(), Mismatch> {
        let param = self.param();
        param.return_size = len;
        if param.data_type != data_type {
            return Err(Mismatch);
        }
        if !param.data.is_null() {
            // SAFETY: the data of a request of this type are room for a pointer.
            unsafe { param.data.cast::<*const c_void>().write_unaligned(to) };
        }
        Ok(())
    }

    /// Whether there is memory for a value of this type and length, which the request is told; `false`: the
    /// length alone is asked for.
    fn has_room(&mut self, data_type: c_uint, len: usize) -> Result<bool, Mismatch> {
        let param = self.param();
        param.return_size = len;
        match (param.data_type == data_type, param.data.is_null()) {
            (false, _) => Err(Mismatch),
            (true, true) => Ok(false),
            (true, false) if param.data_size < len => Err(Mismatch),
            (true, false) => Ok(true),
        }
    }

    /// Writes a native integer as wide as the request; `byte` counts from the least significant one.
    fn fill(&mut self, byte: impl Fn(usize) -> u8) {
        let param = self.param();
        let width = if param.data.is_null() { 0 } else { param.data_size };
        for index in 0..width {
            let place = if cfg!(target_endian = "big") { width - 1 - index } else { index };
            // SAFETY: not null, and `width` bytes, as was promised to `Requests::new`.
            unsafe { param.data.cast::<u8>().add(place).write(byte(index)) };
        }
        param.return_size = width;
    }
}
