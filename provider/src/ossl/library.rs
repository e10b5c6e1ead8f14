//! The shared object that a function lies in, and others found there by name.
//!
//! ```text
//!   function ── dladdr ──► path, base ── dlopen(NOLOAD) ──► handle ── dlsym ──► function, of the same base
//!                                        └── none: the program itself
//! ```
//!
//! Nothing is loaded, so no second libcrypto can come in.
#![expect(unsafe_code, reason = "calls the dynamic linker")]

use std::ffi::{CStr, c_void};
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};

use super::types::Function;

/// A loaded object. It is never closed: its handle is one more reference to what is loaded anyway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Library {
    handle: NonNull<c_void>,
    base: *mut c_void,
}

/// Where the object that has this address begins, and its path.
fn object_of(address: *const c_void) -> Option<libc::Dl_info> {
    let mut info = MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: it looks the address up and does not read there; the result is our own memory.
    let is_found = unsafe { libc::dladdr(address, info.as_mut_ptr()) } != 0;
    // SAFETY: zeros are a valid value, and the call may have overwritten them.
    is_found.then(|| unsafe { info.assume_init() })
}

impl Library {
    /// The object that this function lies in.
    pub(crate) fn of(function: Function) -> Option<Self> {
        let info = object_of(function as *const c_void)?;
        // SAFETY: a path of the dynamic linker. Nothing is loaded, so nothing of it runs.
        let mut handle = unsafe { libc::dlopen(info.dli_fname, libc::RTLD_NOW | libc::RTLD_NOLOAD) };
        if handle.is_null() {
            // The program itself has no other name.
            // SAFETY: as before.
            handle = unsafe { libc::dlopen(ptr::null(), libc::RTLD_NOW) };
        }
        Some(Self { handle: NonNull::new(handle)?, base: info.dli_fbase })
    }

    /// The object with the first function of this name in the program's own scope, which is where names that
    /// are preloaded are found.
    pub(crate) fn of_first(name: &CStr) -> Option<Self> {
        // SAFETY: the name has an end.
        let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
        Self::of(as_function(found)?)
    }

    /// A function of this object.
    pub(crate) fn function(&self, name: &CStr) -> Option<Function> {
        // SAFETY: the handle was opened and never closed, and the name has an end.
        let found = unsafe { libc::dlsym(self.handle.as_ptr(), name.as_ptr()) };
        // One of another object would be another library's.
        let is_here = object_of(found).is_some_and(|info| ptr::eq(info.dli_fbase, self.base));
        as_function(found).filter(|_| is_here)
    }
}

// SAFETY: the dynamic linker's functions take the handle in any thread.
unsafe impl Send for Library {}
// SAFETY: the same.
unsafe impl Sync for Library {}

fn as_function(found: *mut c_void) -> Option<Function> {
    // SAFETY: an address of a function, or null, which is `None`.
    unsafe { std::mem::transmute::<*mut c_void, Option<Function>>(found) }
}
