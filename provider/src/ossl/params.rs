//! Lists of parameters (`OSSL_PARAM`): what they ask for and what they set.
//!
//! ```text
//!   Params ── each ──► Given   key, as_uint, as_size, as_octets           a list that sets
//!   Requests ─ each ─► Wanted  key, give_uint, give_size, give_octets ... a list that asks
//! ```
//!
//! Both follow libcrypto's own helpers (`crypto/params.c`, documented in `OSSL_PARAM_int(3)`): integers of
//! any width that hold the value, a pointer or a copy as the type says, and a request without memory is told
//! the size.
#![expect(unsafe_code, reason = "reads and writes through the pointers of a list of parameters")]

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::marker::PhantomData;
use std::slice;

use zeroize::Zeroizing;

use super::ids::{
    PARAM_INTEGER, PARAM_OCTET_PTR, PARAM_OCTET_STRING, PARAM_UNSIGNED_INTEGER, PARAM_UTF8_PTR,
    PARAM_UTF8_STRING,
};
use super::types::Param;

/// A string of bytes that is set, whose length may be −1.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Octets<'p> {
    These(&'p [u8]),
    /// −1: as many as the receiver has room for.
    All(&'p [u8]),
}

/// The value has another type, or there is no room for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mismatch;

/// A list that sets parameters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Params<'p> {
    list: *const Param,
    borrowed: PhantomData<&'p Param>,
}

/// A list that asks for parameters.
#[derive(Debug)]
pub(crate) struct Requests<'p> {
    list: *mut Param,
    borrowed: PhantomData<&'p mut Param>,
}

/// A parameter that is set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given<'p>(&'p Param);

/// A parameter that is asked for.
#[derive(Debug)]
pub(crate) struct Wanted<'p> {
    param: *mut Param,
    borrowed: PhantomData<&'p mut Param>,
}

impl<'p> Params<'p> {
    /// # Safety
    ///
    /// `list` is null or a list of parameters that ends with a null key, valid for as long as this is used.
    pub(crate) const unsafe fn new(list: *const Param) -> Self {
        Self { list, borrowed: PhantomData }
    }

    pub(crate) fn each(self) -> impl Iterator<Item = Given<'p>> {
        let mut next = self.list;
        std::iter::from_fn(move || {
            // SAFETY: null, or within the list, whose last entry has a null key and is not passed.
            let param = unsafe { next.as_ref() }.filter(|param| !param.key.is_null())?;
            // SAFETY: not the last entry.
            next = unsafe { next.add(1) };
            Some(Given(param))
        })
    }
}

impl<'p> Params<'p> {
    /// The first that has this key.
    pub(crate) fn find(self, key: &CStr) -> Option<Given<'p>> {
        self.each().find(|given| given.key() == key)
    }

    /// The list as it was passed.
    pub(crate) const fn as_ptr(self) -> *const Param {
        self.list
    }
}

impl Requests<'_> {
    /// The keys that are asked for.
    pub(crate) fn peek(&self) -> impl Iterator<Item = &CStr> {
        Requests { list: self.list, borrowed: PhantomData }.each().map(|wanted| wanted.key())
    }

    /// The list as it was passed.
    pub(crate) const fn as_ptr(&self) -> *mut Param {
        self.list
    }
}

impl<'p> Requests<'p> {
    /// # Safety
    ///
    /// `list` is null or a list of parameters that ends with a null key, valid for as long as this is used,
    /// and nobody else uses it then.
    pub(crate) const unsafe fn new(list: *mut Param) -> Self {
        Self { list, borrowed: PhantomData }
    }

    pub(crate) fn each(self) -> impl Iterator<Item = Wanted<'p>> {
        let mut next = self.list;
        std::iter::from_fn(move || {
            // SAFETY: null, or within the list, whose last entry has a null key and is not passed.
            if next.is_null() || unsafe { (*next).key.is_null() } {
                return None;
            }
            let param = next;
            // SAFETY: not the last entry.
            next = unsafe { next.add(1) };
            Some(Wanted { param, borrowed: PhantomData })
        })
    }
}

/// # Safety
///
/// The key is a C string that lives as long as the list.
unsafe fn key_of<'p>(param: *const Param) -> &'p CStr {
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr((*param).key) }
}

impl<'p> Given<'p> {
    pub(crate) fn key(self) -> &'p CStr {
        // SAFETY: an entry of a list that was promised to `Params::new`.
        unsafe { key_of(self.0) }
    }

    /// The bytes of the value, whatever its type.
    pub(super) fn raw(self) -> Result<&'p [u8], Mismatch> {
        self.bytes()
    }

    /// The bytes of the value.
    fn bytes(self) -> Result<&'p [u8], Mismatch> {
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
    pub(super) const fn param(self) -> &'p Param {
        self.0
    }

    /// A string of bytes.
    pub(crate) fn as_octets(self) -> Result<&'p [u8], Mismatch> {
        if self.0.data_type == PARAM_OCTET_STRING { self.bytes() } else { Err(Mismatch) }
    }
}

impl<'p> Given<'p> {
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

impl<'p> Wanted<'p> {
    pub(crate) fn key(&self) -> &'p CStr {
        // SAFETY: an entry of a list that was promised to `Requests::new`.
        unsafe { key_of(self.param) }
    }

    fn param(&mut self) -> &mut Param {
        // SAFETY: an entry of a list that was promised to `Requests::new`, which nobody else uses.
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
        for index in 0..width {
            let place = if cfg!(target_endian = "big") { width - 1 - index } else { index };
            let byte = bytes.get(index).copied().unwrap_or(0);
            // SAFETY: there are `width` bytes, as was promised to `Requests::new`.
            unsafe { param.data.cast::<u8>().add(place).write(byte) };
        }
        param.return_size = width;
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
        let param = self.param();
        let needed = number.len().max(1);
        param.return_size = needed;
        if param.data_type != PARAM_UNSIGNED_INTEGER {
            return Err(Mismatch);
        }
        if param.data.is_null() {
            return Ok(());
        }
        let width = param.data_size;
        if width < needed {
            return Err(Mismatch);
        }
        for index in 0..width {
            let place = if cfg!(target_endian = "big") { width - 1 - index } else { index };
            let byte = if index < number.len() { number[number.len() - 1 - index] } else { 0 };
            // SAFETY: there are `width` bytes, as was promised to `Requests::new`.
            unsafe { param.data.cast::<u8>().add(place).write(byte) };
        }
        param.return_size = width;
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
        let param = self.param();
        param.return_size = octets.len();
        if param.data_type != PARAM_OCTET_STRING {
            return Err(Mismatch);
        }
        if param.data.is_null() {
            return Ok(());
        }
        if param.data_size < octets.len() {
            return Err(Mismatch);
        }
        // SAFETY: there is room for them, as was promised to `Requests::new`; the octets are the provider's.
        unsafe { param.data.cast::<u8>().copy_from(octets.as_ptr(), octets.len()) };
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
        let param = self.param();
        param.return_size = size_of::<c_int>();
        if param.data_type != PARAM_INTEGER {
            return Err(Mismatch);
        }
        if param.data.is_null() {
            return Ok(());
        }
        let (width, bytes) = (param.data_size, number.to_le_bytes());
        if width < bytes.len() {
            return Err(Mismatch);
        }
        for index in 0..width {
            let place = if cfg!(target_endian = "big") { width - 1 - index } else { index };
            let byte = bytes.get(index).copied().unwrap_or(0xff);
            // SAFETY: there are `width` bytes, as was promised to `Requests::new`.
            unsafe { param.data.cast::<u8>().add(place).write(byte) };
        }
        param.return_size = width;
        Ok(())
    }

    /// A text that is copied, with its end where there is room.
    pub(crate) fn give_name(&mut self, text: &[u8]) -> Result<(), Mismatch> {
        let param = self.param();
        param.return_size = text.len();
        if param.data_type != PARAM_UTF8_STRING {
            return Err(Mismatch);
        }
        if param.data.is_null() {
            return Ok(());
        }
        if param.data_size < text.len() {
            return Err(Mismatch);
        }
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
        let bytes = text.to_bytes();
        let param = self.param();
        param.return_size = bytes.len();
        if param.data_type != PARAM_UTF8_STRING {
            return Err(Mismatch);
        }
        if param.data.is_null() {
            return Ok(());
        }
        if param.data_size < bytes.len() {
            return Err(Mismatch);
        }
        let with_end = if param.data_size > bytes.len() { text.to_bytes_with_nul() } else { bytes };
        // SAFETY: there is room for them, as was promised to `Requests::new`; the text is the provider's.
        unsafe { param.data.cast::<u8>().copy_from(with_end.as_ptr(), with_end.len()) };
        Ok(())
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
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(data_type: c_uint, bytes: &mut [u8]) -> [Param; 2] {
        let (data, data_size) = (bytes.as_mut_ptr().cast(), bytes.len());
        [Param { key: c"key".as_ptr(), data_type, data, data_size, return_size: usize::MAX }, Param::END]
    }

    fn given(data_type: c_uint, bytes: &mut [u8]) -> Result<u64, Mismatch> {
        let list = number(data_type, bytes);
        // SAFETY: a list with an end, which is here as long as it is used.
        unsafe { Params::new(list.as_ptr()) }.each().next().unwrap().as_number()
    }

    /// What a request of this type and size is given, and its `return_size`.
    fn asked(data_type: c_uint, room: &mut [u8], value: u64) -> (Result<(), Mismatch>, usize) {
        let mut list = number(data_type, room);
        // SAFETY: a list with an end, which is here as long as it is used.
        let result = unsafe { Requests::new(list.as_mut_ptr()) }.each().next().unwrap().give_number(value, 4);
        (result, list[0].return_size)
    }

    #[test]
    fn a_number_of_any_width_is_read_if_it_fits() {
        assert_eq!(given(PARAM_UNSIGNED_INTEGER, &mut 300_u16.to_ne_bytes()), Ok(300));
        assert_eq!(given(PARAM_INTEGER, &mut 300_i64.to_ne_bytes()), Ok(300));
        assert_eq!(given(PARAM_UNSIGNED_INTEGER, &mut u128::from(u64::MAX).to_ne_bytes()), Ok(u64::MAX));
        assert_eq!(given(PARAM_UNSIGNED_INTEGER, &mut (1_u128 << 64).to_ne_bytes()), Err(Mismatch));
        assert_eq!(given(PARAM_INTEGER, &mut (-1_i32).to_ne_bytes()), Err(Mismatch));
        assert_eq!(given(PARAM_UNSIGNED_INTEGER, &mut u32::MAX.to_ne_bytes()), Ok(u32::MAX.into()));
        assert_eq!(given(PARAM_UTF8_STRING, &mut 1_u32.to_ne_bytes()), Err(Mismatch));
        assert_eq!(given(PARAM_INTEGER, &mut []), Err(Mismatch));
    }

    #[test]
    fn a_number_is_given_in_the_width_that_is_asked_for() {
        let mut room = [0xff; 8];
        assert_eq!(asked(PARAM_UNSIGNED_INTEGER, &mut room, 300), (Ok(()), 8));
        assert_eq!(u64::from_ne_bytes(room), 300);
        let mut room = [0xff; 16];
        assert_eq!(asked(PARAM_INTEGER, &mut room, 300), (Ok(()), 16));
        assert_eq!(u128::from_ne_bytes(room), 300);
        let mut room = [0xff; 1];
        assert_eq!(asked(PARAM_UNSIGNED_INTEGER, &mut room, 200), (Ok(()), 1));
        assert_eq!(room, [200]);
        // Too narrow: for the number, and for its sign.
        assert_eq!(asked(PARAM_UNSIGNED_INTEGER, &mut [0; 1], 300), (Err(Mismatch), 4));
        assert_eq!(asked(PARAM_INTEGER, &mut [0; 1], 200), (Err(Mismatch), 4));
        assert_eq!(asked(PARAM_OCTET_STRING, &mut [0; 8], 1), (Err(Mismatch), 0));
    }

    #[test]
    fn a_request_without_memory_is_told_the_size() {
        let ask = |data_type, give: &dyn Fn(&mut Wanted<'_>) -> Result<(), Mismatch>| {
            let mut list = number(data_type, &mut []);
            list[0].data = std::ptr::null_mut();
            // SAFETY: a list with an end, which is here as long as it is used.
            let given =
                unsafe { Requests::new(list.as_mut_ptr()) }.each().map(|mut wanted| give(&mut wanted)).next();
            (given.unwrap(), list[0].return_size)
        };
        assert_eq!(ask(PARAM_UNSIGNED_INTEGER, &|wanted| wanted.give_size(7)), (Ok(()), 8));
        assert_eq!(ask(PARAM_OCTET_STRING, &|wanted| wanted.give_octets(&[1; 5])), (Ok(()), 5));
        assert_eq!(ask(PARAM_UTF8_STRING, &|wanted| wanted.give_text(c"text")), (Ok(()), 4));
    }

    #[test]
    fn a_text_and_octets_are_copied_or_pointed_to() {
        let mut room = [0xff; 8];
        let mut list = number(PARAM_OCTET_STRING, &mut room);
        // SAFETY: a list with an end, which is here as long as it is used.
        let mut wanted = unsafe { Requests::new(list.as_mut_ptr()) }.each().next().unwrap();
        assert_eq!(wanted.give_octets_or_pointer(&[1, 2, 3]), Ok(()));
        assert_eq!(wanted.give_octets(&[0; 9]), Err(Mismatch));
        assert_eq!((list[0].return_size, &room[..4]), (9, &[1, 2, 3, 0xff][..]));
        let mut pointer = std::ptr::null::<u8>();
        let mut list = number(PARAM_OCTET_PTR, &mut []);
        list[0].data = (&raw mut pointer).cast();
        let octets = [4, 5];
        // SAFETY: as before, with room for a pointer.
        let mut wanted = unsafe { Requests::new(list.as_mut_ptr()) }.each().next().unwrap();
        assert_eq!(wanted.give_octets_or_pointer(&octets), Ok(()));
        assert_eq!((pointer, list[0].return_size), (octets.as_ptr(), 2));
    }
}
