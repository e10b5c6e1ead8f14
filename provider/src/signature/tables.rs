//! Which functions each scheme has.
#![expect(unsafe_code, reason = "tables of functions that libcrypto calls")]

use super::ecdsa::Ecdsa;
use super::eddsa::Ed25519;
use super::entry::{self, Ctx};
use super::ml_dsa::MlDsa;
use super::rsa::Rsa;
use crate::context::{dup_ctx, free_ctx};
use crate::ossl::ids::*;
use crate::ossl::types::{
    DescribeCtxParams, DescribeParams, DigestUpdate, Dispatch, DupCtx, FreeCtx, GetCtxParams, KeyedInit,
    SetCtxParams, SignatureDigestInit, SignatureFinal, SignatureNewCtx, SignatureSign, SignatureVerify,
    SignatureVerifyFinal, dispatch,
};

/// Declares a table: what all have, and groups of functions that some have.
macro_rules! table {
    ($NAME:ident, $Scheme:ty $(, $ID:ident $function:ident $Type:ty)*) => {
        pub(crate) static $NAME: &[Dispatch] = &[
            dispatch!(FUNC_SIGNATURE_NEWCTX, entry::new_ctx::<$Scheme>, SignatureNewCtx),
            dispatch!(FUNC_SIGNATURE_FREECTX, free_ctx::<Ctx<$Scheme>>, FreeCtx),
            dispatch!(FUNC_SIGNATURE_DUPCTX, dup_ctx::<Ctx<$Scheme>>, DupCtx),
            dispatch!(FUNC_SIGNATURE_GET_CTX_PARAMS, entry::get_params::<$Scheme>, GetCtxParams),
            dispatch!(FUNC_SIGNATURE_GETTABLE_CTX_PARAMS, entry::gettable::<$Scheme>, DescribeCtxParams),
            dispatch!(FUNC_SIGNATURE_SET_CTX_PARAMS, entry::set_params::<$Scheme>, SetCtxParams),
            dispatch!(FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, entry::settable::<$Scheme>, DescribeCtxParams),
            dispatch!(FUNC_SIGNATURE_DIGEST_SIGN_INIT, entry::digest_sign_init::<$Scheme>, SignatureDigestInit),
            dispatch!(FUNC_SIGNATURE_DIGEST_VERIFY_INIT, entry::digest_verify_init::<$Scheme>, SignatureDigestInit),
            $(dispatch!($ID, entry::$function::<$Scheme>, $Type),)*
            Dispatch::END,
        ];
    };
    // Digests, and messages that are hashed here in parts.
    ($NAME:ident, $Scheme:ty; hashes $(, $ID:ident $function:ident $Type:ty)*) => {
        table!($NAME, $Scheme,
            FUNC_SIGNATURE_SIGN_INIT sign_init KeyedInit,
            FUNC_SIGNATURE_SIGN sign SignatureSign,
            FUNC_SIGNATURE_VERIFY_INIT verify_init KeyedInit,
            FUNC_SIGNATURE_VERIFY verify SignatureVerify,
            FUNC_SIGNATURE_DIGEST_SIGN_UPDATE digest_sign_update DigestUpdate,
            FUNC_SIGNATURE_DIGEST_SIGN_FINAL digest_sign_final SignatureFinal,
            FUNC_SIGNATURE_DIGEST_VERIFY_UPDATE digest_verify_update DigestUpdate,
            FUNC_SIGNATURE_DIGEST_VERIFY_FINAL digest_verify_final DigestUpdate,
            FUNC_SIGNATURE_GET_CTX_MD_PARAMS no_md_params GetCtxParams,
            FUNC_SIGNATURE_GETTABLE_CTX_MD_PARAMS describe_no_md_params DescribeParams,
            FUNC_SIGNATURE_SET_CTX_MD_PARAMS set_no_md_params SetCtxParams,
            FUNC_SIGNATURE_SETTABLE_CTX_MD_PARAMS describe_no_md_params DescribeParams
            $(, $ID $function $Type)*);
    };
}

table!(RSA, Rsa; hashes,
    FUNC_SIGNATURE_VERIFY_RECOVER_INIT recover_init KeyedInit,
    FUNC_SIGNATURE_VERIFY_RECOVER recover SignatureSign);
table!(ECDSA, Ecdsa; hashes);
// OpenSSL before 3.4 takes a table for broken that signs without FUNC_SIGNATURE_SIGN_INIT.
table!(ED25519_OLD, Ed25519,
    FUNC_SIGNATURE_DIGEST_SIGN digest_sign SignatureSign,
    FUNC_SIGNATURE_DIGEST_VERIFY digest_verify SignatureVerify);
table!(ED25519, Ed25519,
    FUNC_SIGNATURE_SIGN_INIT sign_init KeyedInit,
    FUNC_SIGNATURE_VERIFY_INIT verify_init KeyedInit,
    FUNC_SIGNATURE_SIGN_MESSAGE_INIT sign_message_init KeyedInit,
    FUNC_SIGNATURE_SIGN sign SignatureSign,
    FUNC_SIGNATURE_VERIFY_MESSAGE_INIT verify_message_init KeyedInit,
    FUNC_SIGNATURE_VERIFY verify SignatureVerify,
    FUNC_SIGNATURE_DIGEST_SIGN digest_sign SignatureSign,
    FUNC_SIGNATURE_DIGEST_VERIFY digest_verify SignatureVerify);

/// Declares the table of an ML-DSA.
macro_rules! ml_dsa {
    ($NAME:ident, $Scheme:ty) => {
        table!($NAME, $Scheme,
            FUNC_SIGNATURE_SIGN_MESSAGE_INIT sign_message_init KeyedInit,
            FUNC_SIGNATURE_SIGN_MESSAGE_UPDATE sign_message_update DigestUpdate,
            FUNC_SIGNATURE_SIGN_MESSAGE_FINAL sign_message_final SignatureFinal,
            FUNC_SIGNATURE_SIGN sign SignatureSign,
            FUNC_SIGNATURE_VERIFY_MESSAGE_INIT verify_message_init KeyedInit,
            FUNC_SIGNATURE_VERIFY_MESSAGE_UPDATE verify_message_update DigestUpdate,
            FUNC_SIGNATURE_VERIFY_MESSAGE_FINAL verify_message_final SignatureVerifyFinal,
            FUNC_SIGNATURE_VERIFY verify SignatureVerify,
            FUNC_SIGNATURE_DIGEST_SIGN digest_sign SignatureSign,
            FUNC_SIGNATURE_DIGEST_VERIFY digest_verify SignatureVerify);
    };
}

ml_dsa!(ML_DSA_44, MlDsa<44>);
ml_dsa!(ML_DSA_65, MlDsa<65>);
