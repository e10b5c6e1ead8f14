//! The functions that libcrypto calls for key exchanges, and the tables of them.
#![expect(unsafe_code, reason = "functions that libcrypto calls")]

use std::ffi::{c_int, c_void};

use super::{Exchange, Spec};
use crate::accelerator::Room;
use crate::context::{dup_ctx, free_ctx, outcome};
use crate::instance::instance_of;
use crate::keymgmt;
use crate::kinds;
use crate::ossl::core::here;
use crate::ossl::fence::fence;
use crate::ossl::ids::{
    FUNC_KEYEXCH_DERIVE, FUNC_KEYEXCH_DUPCTX, FUNC_KEYEXCH_FREECTX, FUNC_KEYEXCH_GET_CTX_PARAMS,
    FUNC_KEYEXCH_GETTABLE_CTX_PARAMS, FUNC_KEYEXCH_INIT, FUNC_KEYEXCH_NEWCTX, FUNC_KEYEXCH_SET_CTX_PARAMS,
    FUNC_KEYEXCH_SET_PEER, FUNC_KEYEXCH_SETTABLE_CTX_PARAMS, PARAM_INTEGER, PARAM_OCTET_PTR,
    PARAM_OCTET_STRING, PARAM_UNSIGNED_INTEGER, PARAM_UTF8_STRING,
};
use crate::ossl::keys;
use crate::ossl::object::{self, Object};
use crate::ossl::params::{Params, Requests};
use crate::ossl::types::{
    DescribeCtxParams, Dispatch, DupCtx, ExchangeDerive, ExchangeSetPeer, FreeCtx, GetCtxParams, KeyedInit,
    NewCtx, Param, SetCtxParams, dispatch,
};

/// Declares an algorithm: its functions, and those that not every one has.
macro_rules! exchange {
    ($NAME:ident, $spec:expr $(, $id:ident: $function:ident => $Type:ty)*) => {
        pub(crate) static $NAME: &[Dispatch] = {
            static SPEC: Spec = $spec;

            unsafe extern "C" fn new_ctx(provctx: *mut c_void) -> *mut c_void {
                // SAFETY: libcrypto's promise about its argument.
                fence(|| object::give(Exchange::new(unsafe { instance_of(provctx) }, &SPEC)))
            }

            &[
                dispatch!(FUNC_KEYEXCH_NEWCTX, new_ctx, NewCtx),
                dispatch!(FUNC_KEYEXCH_INIT, init, KeyedInit),
                dispatch!(FUNC_KEYEXCH_SET_PEER, set_peer, ExchangeSetPeer),
                dispatch!(FUNC_KEYEXCH_DERIVE, derive, ExchangeDerive),
                dispatch!(FUNC_KEYEXCH_FREECTX, free_ctx::<Exchange>, FreeCtx),
                dispatch!(FUNC_KEYEXCH_DUPCTX, dup_ctx::<Exchange>, DupCtx),
                $(dispatch!($id, $function, $Type),)*
                Dispatch::END,
            ]
        };
    };
}

exchange!(
    ECDH,
    Spec { name: "ECDH", derives: kinds::ECDH_DERIVE, is_ecdh: true },
    FUNC_KEYEXCH_SET_CTX_PARAMS: set_ctx_params => SetCtxParams,
    FUNC_KEYEXCH_SETTABLE_CTX_PARAMS: settable => DescribeCtxParams,
    FUNC_KEYEXCH_GET_CTX_PARAMS: get_ctx_params => GetCtxParams,
    FUNC_KEYEXCH_GETTABLE_CTX_PARAMS: gettable => DescribeCtxParams
);

exchange!(X25519, Spec { name: "X25519", derives: kinds::X25519_DERIVE, is_ecdh: false });

unsafe extern "C" fn init(ctx: *mut c_void, key: *mut c_void, params: *const Param) -> c_int {
    // SAFETY: libcrypto's promises about its arguments.
    unsafe {
        outcome(ctx, here!(), |object: Object<Exchange>| {
            let (key, params) = (keymgmt::held(key), Params::new(params));
            object.with(|exchange| exchange.init(key, params))
        })
    }
}

unsafe extern "C" fn set_peer(ctx: *mut c_void, peer: *mut c_void) -> c_int {
    // SAFETY: libcrypto's promises about its arguments.
    unsafe {
        outcome(ctx, here!(), |object: Object<Exchange>| {
            object.with(|exchange| exchange.set_peer(keymgmt::held(peer)))
        })
    }
}

unsafe extern "C" fn derive(
    ctx: *mut c_void,
    secret: *mut u8,
    secret_len: *mut usize,
    out_size: usize,
) -> c_int {
    // SAFETY: libcrypto's promises about its arguments.
    unsafe {
        outcome(ctx, here!(), |object: Object<Exchange>| {
            let len = if secret.is_null() {
                object.with(|exchange| exchange.len())?
            } else {
                Exchange::derive(object, Room::new(secret, out_size))?
            };
            secret_len.write(len);
            Ok(())
        })
    }
}

unsafe extern "C" fn set_ctx_params(ctx: *mut c_void, params: *const Param) -> c_int {
    // SAFETY: libcrypto's promises about its arguments.
    unsafe {
        outcome(ctx, here!(), |object: Object<Exchange>| {
            object.with(|exchange| exchange.set(Params::new(params)))
        })
    }
}

unsafe extern "C" fn get_ctx_params(ctx: *mut c_void, list: *mut Param) -> c_int {
    // SAFETY: libcrypto's promises about its arguments.
    unsafe {
        outcome(ctx, here!(), |object: Object<Exchange>| {
            object.with(|exchange| exchange.get(Requests::new(list)))
        })
    }
}

static SETTABLE: [Param; 7] = [
    Param::described(keys::EXCHANGE_EC_ECDH_COFACTOR_MODE, PARAM_INTEGER, size_of::<c_int>()),
    Param::described(keys::EXCHANGE_KDF_TYPE, PARAM_UTF8_STRING, 0),
    Param::described(keys::EXCHANGE_KDF_DIGEST, PARAM_UTF8_STRING, 0),
    Param::described(keys::EXCHANGE_KDF_DIGEST_PROPS, PARAM_UTF8_STRING, 0),
    Param::described(keys::EXCHANGE_KDF_OUTLEN, PARAM_UNSIGNED_INTEGER, size_of::<usize>()),
    Param::described(keys::EXCHANGE_KDF_UKM, PARAM_OCTET_STRING, 0),
    Param::END,
];

unsafe extern "C" fn settable(_: *mut c_void, _: *mut c_void) -> *const Param {
    SETTABLE.as_ptr()
}

static GETTABLE: [Param; 6] = [
    Param::described(keys::EXCHANGE_EC_ECDH_COFACTOR_MODE, PARAM_INTEGER, size_of::<c_int>()),
    Param::described(keys::EXCHANGE_KDF_TYPE, PARAM_UTF8_STRING, 0),
    Param::described(keys::EXCHANGE_KDF_DIGEST, PARAM_UTF8_STRING, 0),
    Param::described(keys::EXCHANGE_KDF_OUTLEN, PARAM_UNSIGNED_INTEGER, size_of::<usize>()),
    Param::described(keys::EXCHANGE_KDF_UKM, PARAM_OCTET_PTR, 0),
    Param::END,
];

unsafe extern "C" fn gettable(_: *mut c_void, _: *mut c_void) -> *const Param {
    GETTABLE.as_ptr()
}
