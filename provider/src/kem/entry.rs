//! The functions that libcrypto calls for key encapsulation, and the tables of them.
#![expect(unsafe_code, reason = "functions that libcrypto calls")]

use std::ffi::{c_int, c_void};

use simaccel::KeyAlgorithm;

use super::{Kem, Spec};
use crate::accelerator::{Room, Text};
use crate::context::{dup_ctx, free_ctx, outcome};
use crate::error::{Failure, Reason};
use crate::instance::instance_of;
use crate::keymgmt;
use crate::kinds;
use crate::ossl::core::here;
use crate::ossl::fence::fence;
use crate::ossl::ids::{
    FUNC_KEM_DECAPSULATE, FUNC_KEM_DECAPSULATE_INIT, FUNC_KEM_DUPCTX, FUNC_KEM_ENCAPSULATE,
    FUNC_KEM_ENCAPSULATE_INIT, FUNC_KEM_FREECTX, FUNC_KEM_NEWCTX, FUNC_KEM_SET_CTX_PARAMS,
    FUNC_KEM_SETTABLE_CTX_PARAMS, PARAM_OCTET_STRING,
};
use crate::ossl::keys;
use crate::ossl::object::{self, Object};
use crate::ossl::params::Params;
use crate::ossl::types::{
    DescribeCtxParams, Dispatch, DupCtx, FreeCtx, KemDecapsulate, KemEncapsulate, KeyedInit, NewCtx, Param,
    SetCtxParams, dispatch,
};

/// Declares an algorithm: what is different about it, and so its functions.
macro_rules! kem {
    ($NAME:ident, $settable:expr, $spec:expr) => {
        pub(crate) static $NAME: &[Dispatch] = {
            static SPEC: Spec = $spec;
            static SETTABLE: &[Param] = $settable;

            unsafe extern "C" fn new_ctx(provctx: *mut c_void) -> *mut c_void {
                // SAFETY: libcrypto's promise about its argument.
                fence(|| object::give(Kem::new(unsafe { instance_of(provctx) }, &SPEC)))
            }

            unsafe extern "C" fn settable(_: *mut c_void, _: *mut c_void) -> *const Param {
                SETTABLE.as_ptr()
            }

            &[
                dispatch!(FUNC_KEM_NEWCTX, new_ctx, NewCtx),
                dispatch!(FUNC_KEM_ENCAPSULATE_INIT, encapsulate_init, KeyedInit),
                dispatch!(FUNC_KEM_ENCAPSULATE, encapsulate, KemEncapsulate),
                dispatch!(FUNC_KEM_DECAPSULATE_INIT, decapsulate_init, KeyedInit),
                dispatch!(FUNC_KEM_DECAPSULATE, decapsulate, KemDecapsulate),
                dispatch!(FUNC_KEM_FREECTX, free_ctx::<Kem>, FreeCtx),
                dispatch!(FUNC_KEM_DUPCTX, dup_ctx::<Kem>, DupCtx),
                dispatch!(FUNC_KEM_SET_CTX_PARAMS, set_ctx_params, SetCtxParams),
                dispatch!(FUNC_KEM_SETTABLE_CTX_PARAMS, settable, DescribeCtxParams),
                Dispatch::END,
            ]
        };
    };
}

kem!(
    ML_KEM_768,
    &[Param::described(keys::KEM_IKME, PARAM_OCTET_STRING, 0), Param::END],
    Spec {
        algorithm: KeyAlgorithm::MlKem768,
        encapsulates: kinds::ML_KEM_768_ENCAPSULATE,
        decapsulates: kinds::ML_KEM_768_DECAPSULATE,
        given_len: 32,
    }
);

kem!(
    X25519_ML_KEM_768,
    &[Param::END],
    Spec {
        algorithm: KeyAlgorithm::X25519MlKem768,
        encapsulates: kinds::X25519_ML_KEM_768_ENCAPSULATE,
        decapsulates: kinds::X25519_ML_KEM_768_DECAPSULATE,
        given_len: 0,
    }
);

unsafe extern "C" fn encapsulate_init(ctx: *mut c_void, key: *mut c_void, params: *const Param) -> c_int {
    // SAFETY: libcrypto's promises about its arguments.
    unsafe {
        outcome(ctx, here!(), |object: Object<Kem>| {
            object.with(|kem| kem.init(keymgmt::held(key), false, Params::new(params)))
        })
    }
}

unsafe extern "C" fn decapsulate_init(ctx: *mut c_void, key: *mut c_void, params: *const Param) -> c_int {
    // SAFETY: libcrypto's promises about its arguments.
    unsafe {
        outcome(ctx, here!(), |object: Object<Kem>| {
            object.with(|kem| kem.init(keymgmt::held(key), true, Params::new(params)))
        })
    }
}

/// The room that a length says there is; none without a length.
///
/// # Safety
///
/// `data` has room for as many bytes as `len` says, if neither is null.
unsafe fn room(data: *mut u8, len: *const usize) -> Result<Room, Failure> {
    let missing = || Failure::new(Reason::Parameter, "an output or its length is NULL");
    // SAFETY: the caller's promise.
    unsafe {
        let size = len.as_ref().filter(|_| !data.is_null()).ok_or_else(missing)?;
        Ok(Room::new(data, *size))
    }
}

unsafe extern "C" fn encapsulate(
    ctx: *mut c_void,
    out: *mut u8,
    out_len: *mut usize,
    secret: *mut u8,
    secret_len: *mut usize,
) -> c_int {
    // SAFETY: libcrypto's promises about its arguments.
    unsafe {
        outcome(ctx, here!(), |object: Object<Kem>| {
            let lens = object.with(|kem| (kem.ciphertext_len(), kem.secret_len()));
            if out.is_null() {
                if out_len.is_null() && secret_len.is_null() {
                    return Err(Reason::Parameter.into());
                }
            } else {
                Kem::encapsulate(object, room(out, out_len)?, room(secret, secret_len)?)?;
            }
            if let Some(len) = out_len.as_mut() {
                *len = lens.0;
            }
            if let Some(len) = secret_len.as_mut() {
                *len = lens.1;
            }
            Ok(())
        })
    }
}

unsafe extern "C" fn decapsulate(
    ctx: *mut c_void,
    secret: *mut u8,
    secret_len: *mut usize,
    input: *const u8,
    in_len: usize,
) -> c_int {
    // SAFETY: libcrypto's promises about its arguments.
    unsafe {
        outcome(ctx, here!(), |object: Object<Kem>| {
            let len = object.with(|kem| kem.secret_len());
            if secret.is_null() {
                secret_len.as_mut().map(|place| *place = len).ok_or(Reason::Parameter)?;
                return Ok(());
            }
            // As there: a length may be missing, and the room is then as long as it has to be.
            let size = secret_len.as_ref().map_or(len, |size| *size);
            Kem::decapsulate(object, Text::new(input, in_len)?, Room::new(secret, size))?;
            if let Some(place) = secret_len.as_mut() {
                *place = len;
            }
            Ok(())
        })
    }
}

unsafe extern "C" fn set_ctx_params(ctx: *mut c_void, params: *const Param) -> c_int {
    // SAFETY: libcrypto's promises about its arguments.
    unsafe { outcome(ctx, here!(), |object: Object<Kem>| object.with(|kem| kem.set(Params::new(params)))) }
}
