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
    PKEY_BITS = c"bits",
    PKEY_MAX_SIZE = c"max-size",
    PKEY_SECURITY_BITS = c"security-bits",
    PKEY_DEFAULT_DIGEST = c"default-digest",
    PKEY_MANDATORY_DIGEST = c"mandatory-digest",
    PKEY_ENCODED_PUBLIC_KEY = c"encoded-pub-key",
    PKEY_GROUP_NAME = c"group",
    PKEY_PUB_KEY = c"pub",
    PKEY_PRIV_KEY = c"priv",
    PKEY_EC_PUB_X = c"qx",
    PKEY_EC_PUB_Y = c"qy",
    PKEY_EC_FIELD_TYPE = c"field-type",
    PKEY_EC_P = c"p",
    PKEY_EC_A = c"a",
    PKEY_EC_B = c"b",
    PKEY_EC_GENERATOR = c"generator",
    PKEY_EC_ORDER = c"order",
    PKEY_EC_COFACTOR = c"cofactor",
    PKEY_EC_SEED = c"seed",
    PKEY_EC_DECODED_FROM_EXPLICIT_PARAMS = c"decoded-from-explicit",
    PKEY_EC_ENCODING = c"encoding",
    PKEY_EC_POINT_CONVERSION_FORMAT = c"point-format",
    PKEY_EC_GROUP_CHECK_TYPE = c"group-check",
    PKEY_EC_INCLUDE_PUBLIC = c"include-public",
    PKEY_USE_COFACTOR_FLAG = c"use-cofactor-flag",
    PKEY_RSA_N = c"n",
    PKEY_RSA_E = c"e",
    PKEY_RSA_D = c"d",
    PKEY_RSA_PRIMES = c"primes",
    PKEY_MASKGENFUNC = c"mgf",
    PKEY_MGF1_DIGEST = c"mgf1-digest",
    PKEY_RSA_PSS_SALTLEN = c"saltlen",
    EXCHANGE_EC_ECDH_COFACTOR_MODE = c"ecdh-cofactor-mode",
    EXCHANGE_KDF_TYPE = c"kdf-type",
    EXCHANGE_KDF_DIGEST = c"kdf-digest",
    EXCHANGE_KDF_DIGEST_PROPS = c"kdf-digest-props",
    EXCHANGE_KDF_OUTLEN = c"kdf-outlen",
    EXCHANGE_KDF_UKM = c"kdf-ukm",
    SIGNATURE_ALGORITHM_ID = c"algorithm-id",
    SIGNATURE_PAD_MODE = c"pad-mode",
    SIGNATURE_DIGEST = c"digest",
    SIGNATURE_DIGEST_SIZE = c"digest-size",
    SIGNATURE_PROPERTIES = c"properties",
    SIGNATURE_MGF1_DIGEST = c"mgf1-digest",
    SIGNATURE_MGF1_PROPERTIES = c"mgf1-properties",
    SIGNATURE_PSS_SALTLEN = c"saltlen",
    ASYM_CIPHER_PAD_MODE = c"pad-mode",
    ASYM_CIPHER_OAEP_DIGEST = c"digest",
    ASYM_CIPHER_OAEP_DIGEST_PROPS = c"digest-props",
    ASYM_CIPHER_MGF1_DIGEST = c"mgf1-digest",
    ASYM_CIPHER_MGF1_DIGEST_PROPS = c"mgf1-properties",
    ASYM_CIPHER_OAEP_LABEL = c"oaep-label",
    ASYM_CIPHER_TLS_CLIENT_VERSION = c"tls-client-version",
    ASYM_CIPHER_TLS_NEGOTIATED_VERSION = c"tls-negotiated-version",
}

/// Of `OSSL_ALG_PARAM_*`: the name of a digest, and properties to fetch it by.
pub(crate) const PKEY_DIGEST: &CStr = c"digest";
pub(crate) const PKEY_PROPERTIES: &CStr = c"properties";

/// Capabilities of TLS.
pub(crate) const TLS_GROUP_NAME: &CStr = c"tls-group-name";
pub(crate) const TLS_GROUP_NAME_INTERNAL: &CStr = c"tls-group-name-internal";
pub(crate) const TLS_GROUP_ID: &CStr = c"tls-group-id";
pub(crate) const TLS_GROUP_ALG: &CStr = c"tls-group-alg";
pub(crate) const TLS_GROUP_SECURITY_BITS: &CStr = c"tls-group-sec-bits";
pub(crate) const TLS_GROUP_IS_KEM: &CStr = c"tls-group-is-kem";
pub(crate) const TLS_MIN_TLS: &CStr = c"tls-min-tls";
pub(crate) const TLS_MAX_TLS: &CStr = c"tls-max-tls";
pub(crate) const TLS_MIN_DTLS: &CStr = c"tls-min-dtls";
pub(crate) const TLS_MAX_DTLS: &CStr = c"tls-max-dtls";
/// Of OpenSSL 3.2's `core_names.h`.
pub(crate) const TLS_SIGALG_IANA_NAME: &CStr = c"tls-sigalg-iana-name";
pub(crate) const TLS_SIGALG_NAME: &CStr = c"tls-sigalg-name";
pub(crate) const TLS_SIGALG_OID: &CStr = c"tls-sigalg-oid";
pub(crate) const TLS_SIGALG_CODE_POINT: &CStr = c"tls-sigalg-code-point";
pub(crate) const TLS_SIGALG_SECURITY_BITS: &CStr = c"tls-sigalg-sec-bits";

/// Of OpenSSL 4.0's `core_names.h`: the degree of a curve's field.
pub(crate) const PKEY_EC_FIELD_DEGREE: &CStr = c"field-degree";
/// Of OpenSSL 3.6's `core_names.h`: NIST's category of security.
pub(crate) const PKEY_SECURITY_CATEGORY: &CStr = c"security-category";
/// Of OpenSSL 3.5's `core_names.h`: what an ML-KEM or ML-DSA key is expanded from.
pub(crate) const PKEY_SEED: &CStr = c"seed";
/// Of OpenSSL 3.2's `core_names.h`: what a private key of a DHKEM is derived from.
pub(crate) const PKEY_DHKEM_IKM: &CStr = c"dhkem-ikm";
/// Of OpenSSL 3.2's `core_names.h`: what an encapsulation takes instead of random bytes.
pub(crate) const KEM_IKME: &CStr = c"ikme";
/// Of OpenSSL 3.4's `core_names.h`: an RSA key is made of its primes alone.
pub(crate) const PKEY_RSA_DERIVE_FROM_PQ: &CStr = c"rsa-derive-from-pq";

/// An RSA key's primes.
pub(crate) const RSA_FACTORS: [&CStr; 10] = [
    c"rsa-factor1",
    c"rsa-factor2",
    c"rsa-factor3",
    c"rsa-factor4",
    c"rsa-factor5",
    c"rsa-factor6",
    c"rsa-factor7",
    c"rsa-factor8",
    c"rsa-factor9",
    c"rsa-factor10",
];
/// The private exponents for each of them.
pub(crate) const RSA_EXPONENTS: [&CStr; 10] = [
    c"rsa-exponent1",
    c"rsa-exponent2",
    c"rsa-exponent3",
    c"rsa-exponent4",
    c"rsa-exponent5",
    c"rsa-exponent6",
    c"rsa-exponent7",
    c"rsa-exponent8",
    c"rsa-exponent9",
    c"rsa-exponent10",
];
/// The coefficients of the second and of later ones.
pub(crate) const RSA_COEFFICIENTS: [&CStr; 9] = [
    c"rsa-coefficient1",
    c"rsa-coefficient2",
    c"rsa-coefficient3",
    c"rsa-coefficient4",
    c"rsa-coefficient5",
    c"rsa-coefficient6",
    c"rsa-coefficient7",
    c"rsa-coefficient8",
    c"rsa-coefficient9",
];

/// Of OpenSSL 3.4's `core_names.h`; earlier ones do not ask for it.
pub(crate) const CIPHER_AEAD_IV_GENERATED: &CStr = c"iv-generated";
/// Of OpenSSL 4.0's `core_names.h`; earlier ones do not ask for it.
pub(crate) const CIPHER_ENCRYPT_THEN_MAC: &CStr = c"encrypt-then-mac";

/// Of OpenSSL 3.2's `core_names.h`: 1 for an ECDSA nonce that message and key determine.
pub(crate) const SIGNATURE_NONCE_TYPE: &CStr = c"nonce-type";
/// Of OpenSSL 3.2's `core_names.h`: the variant of EdDSA.
pub(crate) const SIGNATURE_INSTANCE: &CStr = c"instance";
/// Of OpenSSL 3.2's `core_names.h`: what is signed with every message.
pub(crate) const SIGNATURE_CONTEXT_STRING: &CStr = c"context-string";
/// Of OpenSSL 3.4's `core_names.h`: the signature that a message is compared with at its end.
pub(crate) const SIGNATURE_SIGNATURE: &CStr = c"signature";
// Of OpenSSL 3.5's `core_names.h`, for ML-DSA.
pub(crate) const SIGNATURE_DETERMINISTIC: &CStr = c"deterministic";
pub(crate) const SIGNATURE_TEST_ENTROPY: &CStr = c"test-entropy";
pub(crate) const SIGNATURE_MESSAGE_ENCODING: &CStr = c"message-encoding";
pub(crate) const SIGNATURE_MU: &CStr = c"mu";
/// Of OpenSSL 3.2's `core_names.h`: wrong padding gives a text that is made up.
pub(crate) const ASYM_CIPHER_IMPLICIT_REJECTION: &CStr = c"implicit-rejection";
