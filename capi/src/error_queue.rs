//! libcrypto's error queue, if libcrypto is in the process: programs print it when an `ASYNC_*` function
//! fails.
//!
//! ```text
//!   ASYNC_ERR ─► why, in words (last_error) ─┬─► ERR_new, ERR_set_debug, ERR_set_error      libcrypto 3 and 4
//!                                            └─► ERR_put_error, ERR_add_error_data          libcrypto 1.1
//! ```
//!
//! The entry belongs to the library "ASYNC" and has the message as its data. Where libcrypto reports an error
//! in the same place, the reason is the same; where it would crash, the reason is the general one that fits.
//! General reasons have other numbers in libcrypto 1.1.
#![expect(unsafe_code, reason = "calls functions of libcrypto, found at run time")]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::mem;
use std::sync::OnceLock;

use crate::lib_ctx::{address, once_found};

/// `ERR_LIB_ASYNC`.
const LIBRARY: c_int = 51;

/// Why a call was refused, in libcrypto's reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// `ASYNC_R_INVALID_POOL_SIZE`.
    InvalidPoolSize,
    /// `ERR_R_MALLOC_FAILURE`.
    NoMemory,
    /// `ERR_R_PASSED_NULL_PARAMETER`.
    NullArgument,
    /// `ERR_R_PASSED_INVALID_ARGUMENT`.
    InvalidArgument,
    /// `ERR_R_INTERNAL_ERROR`.
    Internal,
}

impl Reason {
    /// In libcrypto 3 and 4.
    const fn number(self) -> c_int {
        const COMMON: c_int = 2 << 18;
        const FATAL: c_int = COMMON | 1 << 18;
        match self {
            Self::InvalidPoolSize => 103,
            Self::NoMemory => FATAL | 256,
            Self::NullArgument => FATAL | 258,
            Self::InvalidArgument => COMMON | 262,
            Self::Internal => FATAL | 259,
        }
    }

    /// In libcrypto 1.1.
    const fn number_in_1_1(self) -> c_int {
        const FATAL: c_int = 64;
        match self {
            Self::InvalidPoolSize => 103,
            Self::NoMemory => FATAL | 1,
            Self::NullArgument => FATAL | 3,
            Self::InvalidArgument => 7,
            Self::Internal => FATAL | 4,
        }
    }
}

type New = unsafe extern "C" fn();
type SetDebug = unsafe extern "C" fn(file: *const c_char, line: c_int, function: *const c_char);
type SetError = unsafe extern "C" fn(library: c_int, reason: c_int, format: *const c_char, ...);
type Put =
    unsafe extern "C" fn(library: c_int, function: c_int, reason: c_int, file: *const c_char, line: c_int);
type AddData = unsafe extern "C" fn(count: c_int, ...);

/// libcrypto's functions for reporting an error.
#[derive(Clone, Copy)]
enum Functions {
    Three { new: New, debug: SetDebug, set: SetError },
    One { put: Put, data: AddData },
}

/// Puts an entry on the calling thread's error queue. Without libcrypto in the process it does nothing.
#[cold]
pub(crate) fn raise(function: &'static CStr, reason: Reason, why: &str) {
    let Some(functions) = functions() else { return };
    let why = CString::new(why.replace('\0', "?")).unwrap_or_default();
    let file = c"simaccel";
    // SAFETY: libcrypto copies the message, and keeps the pointers to file and function, which are static.
    unsafe {
        match functions {
            Functions::Three { new, debug, set } => {
                new();
                debug(file.as_ptr(), 0, function.as_ptr());
                set(LIBRARY, reason.number(), c"%s".as_ptr(), why.as_ptr());
            }
            Functions::One { put, data } => {
                put(LIBRARY, 0, reason.number_in_1_1(), file.as_ptr(), 0);
                data(1, why.as_ptr());
            }
        }
    }
}

/// libcrypto's functions.
fn functions() -> Option<Functions> {
    static FOUND: OnceLock<Functions> = OnceLock::new();
    once_found(&FOUND, find)
}

fn find() -> Option<Functions> {
    if let Some(new) = address(c"ERR_new") {
        let (debug, set) = (address(c"ERR_set_debug")?, address(c"ERR_set_error")?);
        // SAFETY: libcrypto's functions of these names have these types.
        return Some(unsafe {
            Functions::Three {
                new: mem::transmute::<*mut c_void, New>(new),
                debug: mem::transmute::<*mut c_void, SetDebug>(debug),
                set: mem::transmute::<*mut c_void, SetError>(set),
            }
        });
    }
    let (put, data) = (address(c"ERR_put_error")?, address(c"ERR_add_error_data")?);
    // SAFETY: as above.
    Some(unsafe {
        Functions::One {
            put: mem::transmute::<*mut c_void, Put>(put),
            data: mem::transmute::<*mut c_void, AddData>(data),
        }
    })
}
