//! The functions that libcrypto calls for ECB, CBC, CTR and XTS.
#![expect(unsafe_code, reason = "functions that libcrypto calls")]

use std::ffi::{c_int, c_void};
use std::ptr;

use super::spec::{Mode, Spec};
use super::state::State;
use super::{blocks, params, stream, tls, xts};
use crate::accelerator::{Room, Text};
use crate::algorithms::kinds;
use crate::error::Failure;
use crate::init::instance_of;
use crate::ossl::core::{Place, here};
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

/// Declares an algorithm: its functions.
macro_rules! cipher {
    ($NAME:ident, $cipher:ident, $mode:ident) => {
        pub(crate) static $NAME: &[Dispatch] = {
            static SPEC: Spec = Spec::plain(kinds::$NAME, simaccel::Cipher::$cipher, Mode::$mode);

            unsafe extern "C" fn new_ctx(provctx: *mut c_void) -> *mut c_void {
                // SAFETY: libcrypto's promise about its argument.
                fence(|| object::give(State::new(unsafe { instance_of(provctx) }, &SPEC)))
            }

            unsafe extern "C" fn get_params(list: *mut Param) -> c_int {
                // SAFETY: libcrypto's promise about its argument.
                fence(|| c_int::from(params::give(unsafe { Requests::new(list) }, &SPEC).is_ok()))
            }

            unsafe extern "C" fn settable_ctx_params(_: *mut c_void, _: *mut c_void) -> *const Param {
                params::settable(Mode::$mode).as_ptr()
            }

            &[
                dispatch!(FUNC_CIPHER_NEWCTX, new_ctx, NewCtx),
                dispatch!(FUNC_CIPHER_ENCRYPT_INIT, encrypt_init, CipherInit),
                dispatch!(FUNC_CIPHER_DECRYPT_INIT, decrypt_init, CipherInit),
                dispatch!(FUNC_CIPHER_UPDATE, update, CipherUpdate),
                dispatch!(FUNC_CIPHER_FINAL, finish, CipherFinal),
                dispatch!(FUNC_CIPHER_CIPHER, whole, CipherUpdate),
                dispatch!(FUNC_CIPHER_FREECTX, free_ctx, FreeCtx),
                dispatch!(FUNC_CIPHER_DUPCTX, dup_ctx, DupCtx),
                dispatch!(FUNC_CIPHER_GET_PARAMS, get_params, GetParams),
                dispatch!(FUNC_CIPHER_GETTABLE_PARAMS, gettable_params, DescribeParams),
                dispatch!(FUNC_CIPHER_GET_CTX_PARAMS, get_ctx_params, GetCtxParams),
                dispatch!(FUNC_CIPHER_GETTABLE_CTX_PARAMS, gettable_ctx_params, DescribeCtxParams),
                dispatch!(FUNC_CIPHER_SET_CTX_PARAMS, set_ctx_params, SetCtxParams),
                dispatch!(FUNC_CIPHER_SETTABLE_CTX_PARAMS, settable_ctx_params, DescribeCtxParams),
                Dispatch::END,
            ]
        };
    };
}

cipher!(AES_128_ECB, Aes128Ecb, Ecb);
cipher!(AES_192_ECB, Aes192Ecb, Ecb);
cipher!(AES_256_ECB, Aes256Ecb, Ecb);
cipher!(AES_128_CBC, Aes128Cbc, Cbc);
cipher!(AES_192_CBC, Aes192Cbc, Cbc);
cipher!(AES_256_CBC, Aes256Cbc, Cbc);
cipher!(AES_128_CTR, Aes128Ctr, Ctr);
cipher!(AES_192_CTR, Aes192Ctr, Ctr);
cipher!(AES_256_CTR, Aes256Ctr, Ctr);
cipher!(AES_128_XTS, Aes128Xts, Xts);
cipher!(AES_256_XTS, Aes256Xts, Xts);

/// Runs `body`, and reports its failure.
///
/// # Safety
///
/// As for [`Object::new`], with a [`State`].
unsafe fn outcome(
    ctx: *mut c_void,
    place: Place,
    body: impl FnOnce(Object<State>) -> Result<(), Failure>,
) -> c_int {
    fence(|| {
        // SAFETY: the caller's promise.
        let object = unsafe { Object::new(ctx) };
        let result = body(object);
        object.with(|state: &mut State| state.instance.outcome(result, place))
    })
}

/// Bytes at an address; `None` for null.
///
/// # Safety
///
/// `data` is null or has `len` bytes, for as long as they are used.
pub(super) unsafe fn bytes<'d>(data: *const u8, len: usize) -> Option<&'d [u8]> {
    // SAFETY: the caller's promise.
    (!data.is_null()).then(|| unsafe { std::slice::from_raw_parts(data, len) })
}

/// # Safety
///
/// libcrypto's promises about the arguments of an init.
unsafe fn init(
    ctx: *mut c_void,
    encrypts: bool,
    key: (*const u8, usize),
    iv: (*const u8, usize),
    params: *const Param,
) -> c_int {
    // SAFETY: the caller's promises.
    unsafe {
        let (key, iv, params) = (bytes(key.0, key.1), bytes(iv.0, iv.1), Params::new(params));
        outcome(ctx, here!(), |object| {
            object.with(|state| state.init(encrypts, key, iv).and_then(|()| state.set(params)))
        })
    }
}

unsafe extern "C" fn encrypt_init(
    ctx: *mut c_void,
    key: *const u8,
    key_len: usize,
    iv: *const u8,
    iv_len: usize,
    params: *const Param,
) -> c_int {
    // SAFETY: libcrypto's promises about its arguments.
    unsafe { init(ctx, true, (key, key_len), (iv, iv_len), params) }
}

unsafe extern "C" fn decrypt_init(
    ctx: *mut c_void,
    key: *const u8,
    key_len: usize,
    iv: *const u8,
    iv_len: usize,
    params: *const Param,
) -> c_int {
    // SAFETY: libcrypto's promises about its arguments.
    unsafe { init(ctx, false, (key, key_len), (iv, iv_len), params) }
}

unsafe extern "C" fn update(
    ctx: *mut c_void,
    out: *mut u8,
    out_len: *mut usize,
    out_size: usize,
    input: *const u8,
    in_len: usize,
) -> c_int {
    // SAFETY: libcrypto's promises about its arguments.
    unsafe {
        outcome(ctx, here!(), |object| {
            let (text, room) = (Text::new(input, in_len)?, Room::new(out, out_size));
            out_len.write(match object.with(|state| state.spec.mode) {
                Mode::Ctr => stream::update(object, text, room)?,
                Mode::Xts => xts::update(object, text, room)?,
                _ if object.with(|state| state.tls_version > 0) => {
                    tls::update(object, text, room, ptr::eq(out, input))?
                }
                _ => blocks::update(object, text, room)?,
            });
            Ok(())
        })
    }
}

unsafe extern "C" fn finish(ctx: *mut c_void, out: *mut u8, out_len: *mut usize, out_size: usize) -> c_int {
    // SAFETY: libcrypto's promises about its arguments.
    unsafe {
        outcome(ctx, here!(), |object| {
            out_len.write(match object.with(|state| state.spec.mode) {
                Mode::Ctr => stream::finish(object)?,
                Mode::Xts => 0,
                _ => blocks::finish(object, Room::new(out, out_size))?,
            });
            Ok(())
        })
    }
}

/// `EVP_Cipher`.
unsafe extern "C" fn whole(
    ctx: *mut c_void,
    out: *mut u8,
    out_len: *mut usize,
    out_size: usize,
    input: *const u8,
    in_len: usize,
) -> c_int {
    // SAFETY: libcrypto's promises about its arguments.
    unsafe {
        outcome(ctx, here!(), |object| {
            let (text, room) = (Text::new(input, in_len)?, Room::new(out, out_size));
            out_len.write(match object.with(|state| state.spec.mode) {
                Mode::Ctr => stream::update(object, text, room)?,
                Mode::Xts => xts::update(object, text, room)?,
                _ => blocks::whole(object, text, room)?,
            });
            Ok(())
        })
    }
}

unsafe extern "C" fn free_ctx(ctx: *mut c_void) {
    // SAFETY: an object of ours, or null, which libcrypto does not use again.
    fence(|| unsafe { object::free::<State>(ctx) });
}

unsafe extern "C" fn dup_ctx(ctx: *mut c_void) -> *mut c_void {
    // SAFETY: libcrypto's promise about its argument.
    fence(|| object::give(unsafe { Object::<State>::new(ctx) }.with(|state| state.clone())))
}

unsafe extern "C" fn gettable_params(_: *mut c_void) -> *const Param {
    params::GETTABLE.as_ptr()
}

unsafe extern "C" fn gettable_ctx_params(_: *mut c_void, _: *mut c_void) -> *const Param {
    params::GETTABLE_CTX.as_ptr()
}

unsafe extern "C" fn get_ctx_params(ctx: *mut c_void, list: *mut Param) -> c_int {
    // SAFETY: libcrypto's promises about its arguments.
    unsafe {
        let requests = Requests::new(list);
        outcome(ctx, here!(), |object| Ok(object.with(|state| state.give(requests))?))
    }
}

unsafe extern "C" fn set_ctx_params(ctx: *mut c_void, list: *const Param) -> c_int {
    // SAFETY: libcrypto's promises about its arguments.
    unsafe {
        let params = Params::new(list);
        outcome(ctx, here!(), |object| object.with(|state| state.set(params)))
    }
}
