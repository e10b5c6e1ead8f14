//! The functions that libcrypto calls for ciphers, and the tables of them.
#![expect(unsafe_code, reason = "functions that libcrypto calls")]

use std::ffi::{c_int, c_void};
use std::ptr;

use super::gcm::Gcm;
use super::object::{Call, Cipher};
use super::params;
use super::spec::{Mode, Spec};
use super::state::State;
use crate::accelerator::{Room, Text};
use crate::context::{dup_ctx, free_ctx, outcome};
use crate::error::Failure;
use crate::instance::instance_of;
use crate::kinds;
use crate::ossl::core::here;
use crate::ossl::fence::fence;
use crate::ossl::ids::{
    FUNC_CIPHER_CIPHER, FUNC_CIPHER_DECRYPT_INIT, FUNC_CIPHER_DUPCTX, FUNC_CIPHER_ENCRYPT_INIT,
    FUNC_CIPHER_FINAL, FUNC_CIPHER_FREECTX, FUNC_CIPHER_GET_CTX_PARAMS, FUNC_CIPHER_GET_PARAMS,
    FUNC_CIPHER_GETTABLE_CTX_PARAMS, FUNC_CIPHER_GETTABLE_PARAMS, FUNC_CIPHER_NEWCTX,
    FUNC_CIPHER_SET_CTX_PARAMS, FUNC_CIPHER_SETTABLE_CTX_PARAMS, FUNC_CIPHER_UPDATE,
};
use crate::ossl::object::{self, Object};
use crate::ossl::params::{Params, Requests};
use crate::ossl::types::{
    CipherFinal, CipherInit, CipherUpdate, DescribeCtxParams, DescribeParams, Dispatch, DupCtx, FreeCtx,
    GetCtxParams, GetParams, NewCtx, Param, SetCtxParams, dispatch,
};

/// Declares an algorithm: the type of its objects, what is different about it, and so its functions.
macro_rules! cipher {
    ($NAME:ident, $Object:ty, $mode:ident, $spec:expr) => {
        pub(crate) static $NAME: &[Dispatch] = {
            static SPEC: Spec = $spec;

            unsafe extern "C" fn new_ctx(provctx: *mut c_void) -> *mut c_void {
                // SAFETY: libcrypto's promise about its argument.
                fence(|| object::give(<$Object>::new(unsafe { instance_of(provctx) }, &SPEC)))
            }

            unsafe extern "C" fn get_params(list: *mut Param) -> c_int {
                // SAFETY: libcrypto's promise about its argument.
                fence(|| c_int::from(params::give(unsafe { Requests::new(list) }, &SPEC).is_ok()))
            }

            unsafe extern "C" fn settable_ctx_params(_: *mut c_void, _: *mut c_void) -> *const Param {
                <$Object>::settable(Mode::$mode).as_ptr()
            }

            &[
                dispatch!(FUNC_CIPHER_NEWCTX, new_ctx, NewCtx),
                dispatch!(FUNC_CIPHER_ENCRYPT_INIT, encrypt_init::<$Object>, CipherInit),
                dispatch!(FUNC_CIPHER_DECRYPT_INIT, decrypt_init::<$Object>, CipherInit),
                dispatch!(FUNC_CIPHER_UPDATE, update::<$Object>, CipherUpdate),
                dispatch!(FUNC_CIPHER_FINAL, finish::<$Object>, CipherFinal),
                dispatch!(FUNC_CIPHER_CIPHER, whole::<$Object>, CipherUpdate),
                dispatch!(FUNC_CIPHER_FREECTX, free_ctx::<$Object>, FreeCtx),
                dispatch!(FUNC_CIPHER_DUPCTX, dup_ctx::<$Object>, DupCtx),
                dispatch!(FUNC_CIPHER_GET_PARAMS, get_params, GetParams),
                dispatch!(FUNC_CIPHER_GETTABLE_PARAMS, gettable_params, DescribeParams),
                dispatch!(FUNC_CIPHER_GET_CTX_PARAMS, get_ctx_params::<$Object>, GetCtxParams),
                dispatch!(FUNC_CIPHER_GETTABLE_CTX_PARAMS, gettable_ctx_params::<$Object>, DescribeCtxParams),
                dispatch!(FUNC_CIPHER_SET_CTX_PARAMS, set_ctx_params::<$Object>, SetCtxParams),
                dispatch!(FUNC_CIPHER_SETTABLE_CTX_PARAMS, settable_ctx_params, DescribeCtxParams),
                Dispatch::END,
            ]
        };
    };
}

/// Algorithms without authentication.
macro_rules! plain {
    ($($NAME:ident, $cipher:ident, $mode:ident;)+) => {
        $(cipher!($NAME, State, $mode, Spec::plain(kinds::$NAME, simaccel::Cipher::$cipher, Mode::$mode));)+
    };
}

/// Algorithms of GCM.
macro_rules! gcm {
    ($($NAME:ident, $aead:ident;)+) => {
        $(cipher!($NAME, Gcm, Gcm, Spec::gcm(kinds::$NAME, simaccel::Aead::$aead));)+
    };
}

plain! {
    AES_128_ECB, Aes128Ecb, Ecb;
    AES_192_ECB, Aes192Ecb, Ecb;
    AES_256_ECB, Aes256Ecb, Ecb;
    AES_128_CBC, Aes128Cbc, Cbc;
    AES_192_CBC, Aes192Cbc, Cbc;
    AES_256_CBC, Aes256Cbc, Cbc;
    AES_128_CTR, Aes128Ctr, Ctr;
    AES_192_CTR, Aes192Ctr, Ctr;
    AES_256_CTR, Aes256Ctr, Ctr;
    AES_128_XTS, Aes128Xts, Xts;
    AES_256_XTS, Aes256Xts, Xts;
}

gcm! {
    AES_128_GCM, Aes128Gcm;
    AES_192_GCM, Aes192Gcm;
    AES_256_GCM, Aes256Gcm;
}

/// Bytes at an address; `None` for null.
///
/// # Safety
///
/// `data` is null or has `len` bytes, for as long as they are used.
unsafe fn bytes<'d>(data: *const u8, len: usize) -> Option<&'d [u8]> {
    // SAFETY: the caller's promise.
    (!data.is_null()).then(|| unsafe { std::slice::from_raw_parts(data, len) })
}

/// # Safety
///
/// libcrypto's promises about the arguments of an init, of an object that is a `C`.
unsafe fn init<C: Cipher>(
    ctx: *mut c_void,
    encrypts: bool,
    key: (*const u8, usize),
    iv: (*const u8, usize),
    params: *const Param,
) -> c_int {
    // SAFETY: the caller's promises.
    unsafe {
        let (key, iv, params) = (bytes(key.0, key.1), bytes(iv.0, iv.1), Params::new(params));
        outcome(ctx, here!(), |object: Object<C>| {
            object.with(|cipher| cipher.init(encrypts, key, iv).and_then(|()| cipher.set(params)))
        })
    }
}

unsafe extern "C" fn encrypt_init<C: Cipher>(
    ctx: *mut c_void,
    key: *const u8,
    key_len: usize,
    iv: *const u8,
    iv_len: usize,
    params: *const Param,
) -> c_int {
    // SAFETY: libcrypto's promises about its arguments.
    unsafe { init::<C>(ctx, true, (key, key_len), (iv, iv_len), params) }
}

unsafe extern "C" fn decrypt_init<C: Cipher>(
    ctx: *mut c_void,
    key: *const u8,
    key_len: usize,
    iv: *const u8,
    iv_len: usize,
    params: *const Param,
) -> c_int {
    // SAFETY: libcrypto's promises about its arguments.
    unsafe { init::<C>(ctx, false, (key, key_len), (iv, iv_len), params) }
}

/// # Safety
///
/// libcrypto's promises about the arguments of an update.
unsafe fn call(out: *mut u8, out_size: usize, input: *const u8, in_len: usize) -> Result<Call, Failure> {
    // SAFETY: the caller's promises.
    let (text, room) = unsafe { (Text::new(input, in_len)?, Room::new(out, out_size)) };
    let (has_input, has_output) = (!input.is_null(), !out.is_null());
    Ok(Call { text, room, has_input, has_output, in_place: ptr::eq(out, input) })
}

unsafe extern "C" fn update<C: Cipher>(
    ctx: *mut c_void,
    out: *mut u8,
    out_len: *mut usize,
    out_size: usize,
    input: *const u8,
    in_len: usize,
) -> c_int {
    // SAFETY: libcrypto's promises about its arguments.
    unsafe {
        outcome(ctx, here!(), |object: Object<C>| {
            out_len.write(C::update(object, call(out, out_size, input, in_len)?)?);
            Ok(())
        })
    }
}

unsafe extern "C" fn finish<C: Cipher>(
    ctx: *mut c_void,
    out: *mut u8,
    out_len: *mut usize,
    out_size: usize,
) -> c_int {
    // SAFETY: libcrypto's promises about its arguments.
    unsafe {
        outcome(ctx, here!(), |object: Object<C>| {
            out_len.write(C::finish(object, Room::new(out, out_size))?);
            Ok(())
        })
    }
}

/// `EVP_Cipher`.
unsafe extern "C" fn whole<C: Cipher>(
    ctx: *mut c_void,
    out: *mut u8,
    out_len: *mut usize,
    out_size: usize,
    input: *const u8,
    in_len: usize,
) -> c_int {
    // SAFETY: libcrypto's promises about its arguments.
    unsafe {
        outcome(ctx, here!(), |object: Object<C>| {
            out_len.write(C::whole(object, call(out, out_size, input, in_len)?)?);
            Ok(())
        })
    }
}

unsafe extern "C" fn gettable_params(_: *mut c_void) -> *const Param {
    params::GETTABLE.as_ptr()
}

unsafe extern "C" fn gettable_ctx_params<C: Cipher>(_: *mut c_void, _: *mut c_void) -> *const Param {
    C::gettable().as_ptr()
}

unsafe extern "C" fn get_ctx_params<C: Cipher>(ctx: *mut c_void, list: *mut Param) -> c_int {
    // SAFETY: libcrypto's promises about its arguments.
    unsafe {
        let requests = Requests::new(list);
        outcome(ctx, here!(), |object: Object<C>| object.with(|cipher| cipher.give(requests)))
    }
}

unsafe extern "C" fn set_ctx_params<C: Cipher>(ctx: *mut c_void, list: *const Param) -> c_int {
    // SAFETY: libcrypto's promises about its arguments.
    unsafe {
        let params = Params::new(list);
        outcome(ctx, here!(), |object: Object<C>| object.with(|cipher| cipher.set(params)))
    }
}
