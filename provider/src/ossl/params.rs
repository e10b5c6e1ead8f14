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
#![expect(unsafe_code, reason = "goes through a list of parameters by its pointer")]

mod given;
#[cfg(test)]
mod tests;
mod wanted;

use std::ffi::CStr;
use std::marker::PhantomData;

pub(crate) use given::{Given, Octets};
pub(crate) use wanted::Wanted;

use super::types::Param;

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
            Some(Given::new(param))
        })
    }

    /// The first that has this key.
    pub(crate) fn find(self, key: &CStr) -> Option<Given<'p>> {
        self.each().find(|given| given.key() == key)
    }

    /// The list as it was passed.
    pub(crate) const fn as_ptr(self) -> *const Param {
        self.list
    }
}

impl<'p> Requests<'p> {
    /// # Safety
    ///
    /// `list` is null or a list of parameters that ends with a null key, valid for as long as this is used,
    /// and no other code uses it then.
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
            Some(Wanted::new(param))
        })
    }

    /// The keys that are asked for.
    pub(crate) fn peek(&self) -> impl Iterator<Item = &CStr> {
        Requests { list: self.list, borrowed: PhantomData }.each().map(|wanted| wanted.key())
    }

    /// The list as it was passed.
    pub(crate) const fn as_ptr(&self) -> *mut Param {
        self.list
    }
}

/// # Safety
///
/// The key is a C string that lives as long as the list.
unsafe fn key_of<'p>(param: *const Param) -> &'p CStr {
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr((*param).key) }
}
