//! Numbers of `core_dispatch.h` and `core.h`: names as there, without `OSSL_`.

use std::ffi::{c_int, c_uint};

/// Declares constants, and for the test a list of all of them.
macro_rules! numbers {
    ($type:ty, $list:ident: $($(#[doc = $doc:literal])? $name:ident = $number:literal,)+) => {
        $($(#[doc = $doc])? pub(crate) const $name: $type = $number;)+
        #[cfg(test)]
        pub(crate) const $list: &[(&str, $type)] = &[$((stringify!($name), $name)),+];
    };
}

numbers! { c_int, DISPATCH:
    /// Functions that libcrypto passes.

    FUNC_CORE_GET_PARAMS = 2,
    FUNC_CORE_NEW_ERROR = 5,
    FUNC_CORE_SET_ERROR_DEBUG = 6,
    FUNC_CORE_VSET_ERROR = 7,
    FUNC_CRYPTO_MALLOC = 20,
    /// Functions of a provider.
    FUNC_PROVIDER_TEARDOWN = 1024,
    FUNC_PROVIDER_GETTABLE_PARAMS = 1025,
    FUNC_PROVIDER_GET_PARAMS = 1026,
    FUNC_PROVIDER_QUERY_OPERATION = 1027,
    FUNC_PROVIDER_GET_REASON_STRINGS = 1029,
    FUNC_PROVIDER_GET_CAPABILITIES = 1030,
    /// Functions of a digest.
    FUNC_DIGEST_NEWCTX = 1,
    FUNC_DIGEST_INIT = 2,
    FUNC_DIGEST_UPDATE = 3,
    FUNC_DIGEST_FINAL = 4,
    FUNC_DIGEST_FREECTX = 6,
    FUNC_DIGEST_DUPCTX = 7,
    FUNC_DIGEST_GET_PARAMS = 8,
    FUNC_DIGEST_GETTABLE_PARAMS = 11,
    /// Functions of a cipher.
    FUNC_CIPHER_NEWCTX = 1,
    FUNC_CIPHER_ENCRYPT_INIT = 2,
    FUNC_CIPHER_DECRYPT_INIT = 3,
    FUNC_CIPHER_UPDATE = 4,
    FUNC_CIPHER_FINAL = 5,
    FUNC_CIPHER_CIPHER = 6,
    FUNC_CIPHER_FREECTX = 7,
    FUNC_CIPHER_DUPCTX = 8,
    FUNC_CIPHER_GET_PARAMS = 9,
    FUNC_CIPHER_GET_CTX_PARAMS = 10,
    FUNC_CIPHER_SET_CTX_PARAMS = 11,
    FUNC_CIPHER_GETTABLE_PARAMS = 12,
    FUNC_CIPHER_GETTABLE_CTX_PARAMS = 13,
    FUNC_CIPHER_SETTABLE_CTX_PARAMS = 14,
    /// Functions of a key manager.
    FUNC_KEYMGMT_NEW = 1,
    FUNC_KEYMGMT_GEN_INIT = 2,
    FUNC_KEYMGMT_GEN_SET_TEMPLATE = 3,
    FUNC_KEYMGMT_GEN_SET_PARAMS = 4,
    FUNC_KEYMGMT_GEN_SETTABLE_PARAMS = 5,
    FUNC_KEYMGMT_GEN = 6,
    FUNC_KEYMGMT_GEN_CLEANUP = 7,
    FUNC_KEYMGMT_FREE = 10,
    FUNC_KEYMGMT_GET_PARAMS = 11,
    FUNC_KEYMGMT_GETTABLE_PARAMS = 12,
    FUNC_KEYMGMT_SET_PARAMS = 13,
    FUNC_KEYMGMT_SETTABLE_PARAMS = 14,
    FUNC_KEYMGMT_QUERY_OPERATION_NAME = 20,
    FUNC_KEYMGMT_HAS = 21,
    FUNC_KEYMGMT_VALIDATE = 22,
    FUNC_KEYMGMT_MATCH = 23,
    FUNC_KEYMGMT_IMPORT = 40,
    FUNC_KEYMGMT_IMPORT_TYPES = 41,
    FUNC_KEYMGMT_EXPORT = 42,
    FUNC_KEYMGMT_EXPORT_TYPES = 43,
    FUNC_KEYMGMT_DUP = 44,
    /// Parts of a key that a function is about.
    KEYMGMT_SELECT_PRIVATE_KEY = 0x01,
    KEYMGMT_SELECT_PUBLIC_KEY = 0x02,
    KEYMGMT_SELECT_DOMAIN_PARAMETERS = 0x04,
    KEYMGMT_SELECT_OTHER_PARAMETERS = 0x80,
    /// Functions of a key exchange.
    FUNC_KEYEXCH_NEWCTX = 1,
    FUNC_KEYEXCH_INIT = 2,
    FUNC_KEYEXCH_DERIVE = 3,
    FUNC_KEYEXCH_SET_PEER = 4,
    FUNC_KEYEXCH_FREECTX = 5,
    FUNC_KEYEXCH_DUPCTX = 6,
    FUNC_KEYEXCH_SET_CTX_PARAMS = 7,
    FUNC_KEYEXCH_SETTABLE_CTX_PARAMS = 8,
    FUNC_KEYEXCH_GET_CTX_PARAMS = 9,
    FUNC_KEYEXCH_GETTABLE_CTX_PARAMS = 10,
    /// Functions of a key encapsulation mechanism.
    FUNC_KEM_NEWCTX = 1,
    FUNC_KEM_ENCAPSULATE_INIT = 2,
    FUNC_KEM_ENCAPSULATE = 3,
    FUNC_KEM_DECAPSULATE_INIT = 4,
    FUNC_KEM_DECAPSULATE = 5,
    FUNC_KEM_FREECTX = 6,
    FUNC_KEM_DUPCTX = 7,
    FUNC_KEM_SET_CTX_PARAMS = 10,
    FUNC_KEM_SETTABLE_CTX_PARAMS = 11,
    /// Functions of a key derivation function.
    FUNC_KDF_NEWCTX = 1,
    FUNC_KDF_FREECTX = 3,
    FUNC_KDF_DERIVE = 5,
    /// Operations.
    OP_DIGEST = 1,
    OP_CIPHER = 2,
    OP_KDF = 4,
    OP_KEYMGMT = 10,
    OP_KEYEXCH = 11,
    OP_SIGNATURE = 12,
}

/// Of OpenSSL 3.5's `core_dispatch.h`: `NEW` with parameters.
pub(crate) const FUNC_KEYMGMT_NEW_EX: c_int = 17;

numbers! { c_uint, PARAM_TYPES:
    /// Types of parameters.
    PARAM_INTEGER = 1,
    PARAM_UNSIGNED_INTEGER = 2,
    PARAM_UTF8_STRING = 4,
    PARAM_OCTET_STRING = 5,
    PARAM_UTF8_PTR = 6,
    PARAM_OCTET_PTR = 7,
}

/// `EVP_CIPH_*_MODE` of `evp.h`.
pub(crate) mod modes {
    use std::ffi::c_uint;

    numbers! { c_uint, MODES:
        ECB = 0x1,
        CBC = 0x2,
        CTR = 0x5,
        GCM = 0x6,
        XTS = 0x10001,
    }
}
