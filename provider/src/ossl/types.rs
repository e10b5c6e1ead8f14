//! The structures of `core.h`, and the types of the functions that go through them.
#![expect(unsafe_code, reason = "tables of pointers that every thread may read")]

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::ptr;

/// A function of a table: cast to and from its own type.
pub(crate) type Function = unsafe extern "C" fn();

/// `OSSL_DISPATCH`: an entry of a table of functions, which ends with [`END`](Self::END).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Dispatch {
    pub(crate) id: c_int,
    pub(crate) function: Option<Function>,
}

impl Dispatch {
    pub(crate) const END: Self = Self { id: 0, function: None };
}

/// An entry of a table of functions.
macro_rules! dispatch {
    ($id:expr, $function:expr, $type:ty) => {
        $crate::ossl::types::Dispatch {
            id: $id,
            // SAFETY: libcrypto calls it by its id with the arguments of `core_dispatch.h`, which are those
            // of the type named here.
            function: Some(unsafe {
                ::std::mem::transmute::<$type, $crate::ossl::types::Function>($function as $type)
            }),
        }
    };
}
pub(crate) use dispatch;

/// `OSSL_ITEM`: here a reason of an error, and its text.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) id: c_uint,
    pub(crate) text: *const c_char,
}

impl Item {
    pub(crate) const END: Self = Self { id: 0, text: ptr::null() };
}

// SAFETY: the text is static.
unsafe impl Sync for Item {}

/// `OSSL_ALGORITHM`: names, properties and functions of an algorithm. A table of them ends with
/// [`END`](Self::END).
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Algorithm {
    names: *const c_char,
    properties: *const c_char,
    functions: *const Dispatch,
    description: *const c_char,
}

impl Algorithm {
    pub(crate) const END: Self = Self {
        names: ptr::null(),
        properties: ptr::null(),
        functions: ptr::null(),
        description: ptr::null(),
    };

    /// `functions` ends with [`Dispatch::END`].
    pub(crate) const fn new(
        names: &'static CStr,
        properties: &'static CStr,
        functions: &'static [Dispatch],
        description: &'static CStr,
    ) -> Self {
        assert!(!functions.is_empty() && functions[functions.len() - 1].id == 0);
        Self {
            names: names.as_ptr(),
            properties: properties.as_ptr(),
            functions: functions.as_ptr(),
            description: description.as_ptr(),
        }
    }
}

impl Algorithm {
    pub(super) const fn names_ptr(&self) -> *const c_char {
        self.names
    }

    pub(super) const fn functions(&self) -> *const Dispatch {
        self.functions
    }
}

// SAFETY: everything in it is static and never changes.
unsafe impl Send for Algorithm {}
// SAFETY: the same.
unsafe impl Sync for Algorithm {}

/// `OSSL_PARAM`: an entry of a list of parameters, which ends with [`END`](Self::END).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Param {
    pub(crate) key: *const c_char,
    pub(crate) data_type: c_uint,
    pub(crate) data: *mut c_void,
    pub(crate) data_size: usize,
    pub(crate) return_size: usize,
}

impl Param {
    pub(crate) const END: Self =
        Self { key: ptr::null(), data_type: 0, data: ptr::null_mut(), data_size: 0, return_size: 0 };

    /// An entry of a list of what may be asked for or set: a key and its type.
    pub(crate) const fn described(key: &'static CStr, data_type: c_uint, data_size: usize) -> Self {
        Self { key: key.as_ptr(), data_type, data_size, ..Self::END }
    }
}

// SAFETY: a shared one is an entry of a static description, which has no data.
unsafe impl Sync for Param {}

/// `OSSL_CORE_HANDLE`: libcrypto's object for a loaded provider.
#[repr(C)]
#[derive(Debug)]
pub struct CoreHandle {
    _opaque: [u8; 0],
}

// The types of the functions of operations and of the provider, which are ours.

pub(crate) type NewCtx = unsafe extern "C" fn(*mut c_void) -> *mut c_void;
pub(crate) type FreeCtx = unsafe extern "C" fn(*mut c_void);
pub(crate) type DupCtx = unsafe extern "C" fn(*mut c_void) -> *mut c_void;
pub(crate) type GetParams = unsafe extern "C" fn(*mut Param) -> c_int;
pub(crate) type GetCtxParams = unsafe extern "C" fn(*mut c_void, *mut Param) -> c_int;
pub(crate) type SetCtxParams = unsafe extern "C" fn(*mut c_void, *const Param) -> c_int;
pub(crate) type DescribeParams = unsafe extern "C" fn(*mut c_void) -> *const Param;
pub(crate) type DescribeCtxParams = unsafe extern "C" fn(*mut c_void, *mut c_void) -> *const Param;

pub(crate) type CipherInit = unsafe extern "C" fn(
    *mut c_void,
    key: *const u8,
    key_len: usize,
    iv: *const u8,
    iv_len: usize,
    *const Param,
) -> c_int;
pub(crate) type CipherUpdate = unsafe extern "C" fn(
    *mut c_void,
    out: *mut u8,
    out_len: *mut usize,
    out_size: usize,
    input: *const u8,
    in_len: usize,
) -> c_int;
pub(crate) type CipherFinal =
    unsafe extern "C" fn(*mut c_void, out: *mut u8, out_len: *mut usize, out_size: usize) -> c_int;

pub(crate) type DigestInit = unsafe extern "C" fn(*mut c_void, *const Param) -> c_int;
pub(crate) type DigestUpdate = unsafe extern "C" fn(*mut c_void, input: *const u8, in_len: usize) -> c_int;
pub(crate) type DigestFinal = CipherFinal;

/// `OSSL_CALLBACK`: takes a list of parameters, and what was passed with it.
pub(crate) type Callback = unsafe extern "C" fn(*const Param, *mut c_void) -> c_int;

pub(crate) type KeyNewEx = unsafe extern "C" fn(*mut c_void, *const Param) -> *mut c_void;
pub(crate) type KeyGenInit = unsafe extern "C" fn(*mut c_void, c_int, *const Param) -> *mut c_void;
pub(crate) type KeyGenSetTemplate = unsafe extern "C" fn(*mut c_void, *mut c_void) -> c_int;
pub(crate) type KeyGen = unsafe extern "C" fn(*mut c_void, Option<Callback>, *mut c_void) -> *mut c_void;
pub(crate) type KeyOperationName = unsafe extern "C" fn(c_int) -> *const c_char;
pub(crate) type KeyHas = unsafe extern "C" fn(*const c_void, c_int) -> c_int;
pub(crate) type KeyValidate = unsafe extern "C" fn(*const c_void, c_int, c_int) -> c_int;
pub(crate) type KeyMatch = unsafe extern "C" fn(*const c_void, *const c_void, c_int) -> c_int;
pub(crate) type KeyImport = unsafe extern "C" fn(*mut c_void, c_int, *const Param) -> c_int;
pub(crate) type KeyTypes = unsafe extern "C" fn(c_int) -> *const Param;
pub(crate) type KeyExport = unsafe extern "C" fn(*mut c_void, c_int, Option<Callback>, *mut c_void) -> c_int;
pub(crate) type KeyDup = unsafe extern "C" fn(*const c_void, c_int) -> *mut c_void;

/// Of key exchanges, and of mechanisms that encapsulate keys.
pub(crate) type KeyedInit = unsafe extern "C" fn(*mut c_void, *mut c_void, *const Param) -> c_int;
pub(crate) type ExchangeSetPeer = unsafe extern "C" fn(*mut c_void, *mut c_void) -> c_int;
pub(crate) type ExchangeDerive =
    unsafe extern "C" fn(*mut c_void, secret: *mut u8, secret_len: *mut usize, out_size: usize) -> c_int;
pub(crate) type KemEncapsulate = unsafe extern "C" fn(
    *mut c_void,
    out: *mut u8,
    out_len: *mut usize,
    secret: *mut u8,
    secret_len: *mut usize,
) -> c_int;
pub(crate) type KemDecapsulate = unsafe extern "C" fn(
    *mut c_void,
    secret: *mut u8,
    secret_len: *mut usize,
    input: *const u8,
    in_len: usize,
) -> c_int;
pub(crate) type KdfDerive = unsafe extern "C" fn(*mut c_void, *mut u8, usize, *const Param) -> c_int;
pub(crate) type GetCapabilities =
    unsafe extern "C" fn(*mut c_void, *const c_char, Option<Callback>, *mut c_void) -> c_int;

pub(crate) type SignatureNewCtx = unsafe extern "C" fn(*mut c_void, *const c_char) -> *mut c_void;
pub(crate) type SignatureDigestInit =
    unsafe extern "C" fn(*mut c_void, digest: *const c_char, key: *mut c_void, *const Param) -> c_int;
pub(crate) type SignatureSign = unsafe extern "C" fn(
    *mut c_void,
    out: *mut u8,
    out_len: *mut usize,
    out_size: usize,
    input: *const u8,
    in_len: usize,
) -> c_int;
pub(crate) type SignatureVerify = unsafe extern "C" fn(
    *mut c_void,
    signature: *const u8,
    signature_len: usize,
    input: *const u8,
    in_len: usize,
) -> c_int;
pub(crate) type SignatureFinal = CipherFinal;
pub(crate) type SignatureVerifyFinal = unsafe extern "C" fn(*mut c_void) -> c_int;
/// In both directions.
pub(crate) type AsymCipher = SignatureSign;
