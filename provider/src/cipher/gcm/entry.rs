//! The functions that libcrypto calls for GCM.
#![expect(unsafe_code, reason = "functions that libcrypto calls")]

use std::ffi::{c_int, c_void};
use std::ptr;

use super::{Gcm, message, params, record};
use crate::accelerator::{Room, Text};
use crate::algorithms::kinds;
use crate::cipher::entry::bytes;
use crate::cipher::params::{GETTABLE, give};
use crate::cipher::spec::Spec;
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
macro_rules! gcm {
    ($NAME:ident, $aead:ident) => {
        pub(crate) static $NAME: &[Dispatch] = {
            static SPEC: Spec = Spec::gcm(kinds::$NAME, simaccel::Aead::$aead);

            unsafe extern "C" fn new_ctx(provctx: *mut c_void) -> *mut c_void {
                // SAFETY: libcrypto's promise about its argument.
                fence(|| object::give(Gcm::new(unsafe { instance_of(provctx) }, &SPEC)))
            }

            unsafe extern "C" fn get_params(list: *mut Param) -> c_int {
                // SAFETY: libcrypto's promise about its argument.
                fence(|| c_int::from(give(unsafe { Requests::new(list) }, &SPEC).is_ok()))
            }

            &[
                dispatch!(FUNC_CIPHER_NEWCTX, new_ctx, NewCtx),
                dispatch!(FUNC_CIPHER_ENCRYPT_INIT, encrypt_init, CipherInit),
                dispatch!(FUNC_CIPHER_DECRYPT_INIT, decrypt_init, CipherInit),
                dispatch!(FUNC_CIPHER_UPDATE, update, CipherUpdate),
                dispatch!(FUNC_CIPHER_FINAL, finish, CipherFinal),
                dispatch!(FUNC_CIPHER_CIPHER, either, CipherUpdate),
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

gcm!(AES_128_GCM, Aes128Gcm);
gcm!(AES_192_GCM, Aes192Gcm);
gcm!(AES_256_GCM, Aes256Gcm);

/// Runs `body`, and reports its failure.
///
/// # Safety
///
/// As for [`Object::new`], with a [`Gcm`].
unsafe fn outcome(
    ctx: *mut c_void,
    place: Place,
    body: impl FnOnce(Object<Gcm>) -> Result<(), Failure>,
) -> c_int {
    fence(|| {
        // SAFETY: the caller's promise.
        let object = unsafe { Object::new(ctx) };
        let result = body(object);
        object.with(|gcm: &mut Gcm| gcm.instance.outcome(result, place))
    })
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
            object.with(|gcm| gcm.init(encrypts, key, iv).and_then(|()| gcm.set(params)))
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

/// A record, additional data or text. Returns the bytes of output.
///
/// # Safety
///
/// libcrypto's promises about the arguments of an update.
unsafe fn process(
    object: Object<Gcm>,
    out: *mut u8,
    out_size: usize,
    input: *const u8,
    in_len: usize,
) -> Result<usize, Failure> {
    // SAFETY: the caller's promises.
    let (text, room) = unsafe { (Text::new(input, in_len)?, Room::new(out, out_size)) };
    if !out.is_null() {
        room.check(in_len)?;
    }
    if let Some(aad) = object.with(|gcm| gcm.record.take()) {
        return record::run(object, aad, text, room, ptr::eq(out, input));
    }
    if in_len == 0 {
        return object.with(Gcm::begin).map(|()| 0);
    }
    if out.is_null() {
        return object.with(|gcm| gcm.add_aad(text)).map(|()| in_len);
    }
    message::update(object, text, room)
}

/// The end of a message. A record that was announced has not come: no other one begins with its IV.
fn end(object: Object<Gcm>) -> Result<(), Failure> {
    if object.with(|gcm| gcm.record.take()).is_some() {
        object.with(Gcm::end_message);
        return Err(crate::error::Reason::NotNow.into());
    }
    message::finish(object)
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
            out_len.write(0);
            if in_len > 0 {
                out_len.write(process(object, out, out_size, input, in_len)?);
            }
            Ok(())
        })
    }
}

unsafe extern "C" fn finish(ctx: *mut c_void, _: *mut u8, out_len: *mut usize, _: usize) -> c_int {
    // SAFETY: libcrypto's promises about its arguments.
    unsafe {
        outcome(ctx, here!(), |object| {
            out_len.write(0);
            end(object)
        })
    }
}

/// `EVP_Cipher`: an update, or without input the end. Its length is that of the input, of a record too.
unsafe extern "C" fn either(
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
            if input.is_null() {
                end(object)?;
            } else {
                process(object, out, out_size, input, in_len)?;
            }
            out_len.write(in_len);
            Ok(())
        })
    }
}

unsafe extern "C" fn free_ctx(ctx: *mut c_void) {
    // SAFETY: an object of ours, or null, which libcrypto does not use again.
    fence(|| unsafe { object::free::<Gcm>(ctx) });
}

unsafe extern "C" fn dup_ctx(ctx: *mut c_void) -> *mut c_void {
    fence(|| {
        // SAFETY: libcrypto's promise about its argument.
        let object = unsafe { Object::<Gcm>::new(ctx) };
        match object.with(Gcm::copied) {
            Ok(copy) => object::give(copy),
            Err(failure) => {
                object.with(|gcm| gcm.instance.outcome(Err(failure), here!()));
                ptr::null_mut()
            }
        }
    })
}

unsafe extern "C" fn gettable_params(_: *mut c_void) -> *const Param {
    GETTABLE.as_ptr()
}

unsafe extern "C" fn gettable_ctx_params(_: *mut c_void, _: *mut c_void) -> *const Param {
    params::GETTABLE_CTX.as_ptr()
}

unsafe extern "C" fn settable_ctx_params(_: *mut c_void, _: *mut c_void) -> *const Param {
    params::SETTABLE_CTX.as_ptr()
}

unsafe extern "C" fn get_ctx_params(ctx: *mut c_void, list: *mut Param) -> c_int {
    // SAFETY: libcrypto's promises about its arguments.
    unsafe {
        let requests = Requests::new(list);
        outcome(ctx, here!(), |object| object.with(|gcm| gcm.give(requests)))
    }
}

unsafe extern "C" fn set_ctx_params(ctx: *mut c_void, list: *const Param) -> c_int {
    // SAFETY: libcrypto's promises about its arguments.
    unsafe {
        let params = Params::new(list);
        outcome(ctx, here!(), |object| object.with(|gcm| gcm.set(params)))
    }
}
