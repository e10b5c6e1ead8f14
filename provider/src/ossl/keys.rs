//! Keys of parameters: names of `core_names.h`, without `OSSL_` and `_PARAM`.

use std::ffi::CStr;

/// Declares keys, and for the test a list of all of them.
macro_rules! keys {
    ($($name:ident = $key:literal,)+) => {
        $(pub(crate) const $name: &CStr = $key;)+
        #[cfg(test)]
        pub(crate) const ALL: &[(&str, &CStr)] = &[$((stringify!($name), $name)),+];
    };
}

keys! {
    PROV_NAME = c"name",
    PROV_VERSION = c"version",
    PROV_BUILDINFO = c"buildinfo",
    PROV_STATUS = c"status",
    CIPHER_PADDING = c"padding",
    CIPHER_USE_BITS = c"use-bits",
    CIPHER_TLS_VERSION = c"tls-version",
    CIPHER_TLS_MAC = c"tls-mac",
    CIPHER_TLS_MAC_SIZE = c"tls-mac-size",
    CIPHER_MODE = c"mode",
    CIPHER_BLOCK_SIZE = c"blocksize",
    CIPHER_AEAD = c"aead",
    CIPHER_CUSTOM_IV = c"custom-iv",
    CIPHER_CTS = c"cts",
    CIPHER_TLS1_MULTIBLOCK = c"tls-multi",
    CIPHER_HAS_RAND_KEY = c"has-randkey",
    CIPHER_KEYLEN = c"keylen",
    CIPHER_IVLEN = c"ivlen",
    CIPHER_IV = c"iv",
    CIPHER_UPDATED_IV = c"updated-iv",
    CIPHER_NUM = c"num",
    CIPHER_AEAD_TAG = c"tag",
    CIPHER_AEAD_TAGLEN = c"taglen",
    CIPHER_AEAD_TLS1_AAD = c"tlsaad",
    CIPHER_AEAD_TLS1_AAD_PAD = c"tlsaadpad",
    CIPHER_AEAD_TLS1_IV_FIXED = c"tlsivfixed",
    CIPHER_AEAD_TLS1_GET_IV_GEN = c"tlsivgen",
    CIPHER_AEAD_TLS1_SET_IV_INV = c"tlsivinv",
    DIGEST_BLOCK_SIZE = c"blocksize",
    DIGEST_SIZE = c"size",
    DIGEST_XOF = c"xof",
    DIGEST_ALGID_ABSENT = c"algid-absent",
}

/// Of OpenSSL 3.4's `core_names.h`; earlier ones do not ask for it.
pub(crate) const CIPHER_AEAD_IV_GENERATED: &CStr = c"iv-generated";
/// Of OpenSSL 4.0's `core_names.h`; earlier ones do not ask for it.
pub(crate) const CIPHER_ENCRYPT_THEN_MAC: &CStr = c"encrypt-then-mac";
