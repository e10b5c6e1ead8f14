//! The functions that libcrypto calls for keys, and the tables of them.
#![expect(unsafe_code, reason = "functions that libcrypto calls")]

use std::ffi::{c_char, c_int, c_void};
use std::ptr;
use std::sync::Arc;

use simaccel::KeyAlgorithm;

use super::describe;
use super::generate::Generator;
use super::object::{Held, KeyObject};
use super::selection::Selection;
use super::spec::{Family, Mutable, Raw, Spec};
use super::theirs::Passed;
use crate::context::{free_ctx, given, outcome};
use crate::error::Failure;
use crate::instance::instance_of;
use crate::kinds;
use crate::ossl::core::here;
use crate::ossl::fence::fence;
use crate::ossl::ids::{
    FUNC_KEYMGMT_DUP, FUNC_KEYMGMT_EXPORT, FUNC_KEYMGMT_EXPORT_TYPES, FUNC_KEYMGMT_FREE, FUNC_KEYMGMT_GEN,
    FUNC_KEYMGMT_GEN_CLEANUP, FUNC_KEYMGMT_GEN_INIT, FUNC_KEYMGMT_GEN_SET_PARAMS,
    FUNC_KEYMGMT_GEN_SET_TEMPLATE, FUNC_KEYMGMT_GEN_SETTABLE_PARAMS, FUNC_KEYMGMT_GET_PARAMS,
    FUNC_KEYMGMT_GETTABLE_PARAMS, FUNC_KEYMGMT_HAS, FUNC_KEYMGMT_IMPORT, FUNC_KEYMGMT_IMPORT_TYPES,
    FUNC_KEYMGMT_MATCH, FUNC_KEYMGMT_NEW, FUNC_KEYMGMT_NEW_EX, FUNC_KEYMGMT_QUERY_OPERATION_NAME,
    FUNC_KEYMGMT_SET_PARAMS, FUNC_KEYMGMT_SETTABLE_PARAMS, FUNC_KEYMGMT_VALIDATE, OP_KEYEXCH, OP_SIGNATURE,
};
use crate::ossl::object::{self, Object};
use crate::ossl::params::{Params, Requests};
use crate::ossl::types::{
    Callback, DescribeCtxParams, DescribeParams, Dispatch, FreeCtx, GetCtxParams, KeyDup, KeyExport, KeyGen,
    KeyGenInit, KeyGenSetTemplate, KeyHas, KeyImport, KeyMatch, KeyNewEx, KeyOperationName, KeyTypes,
    KeyValidate, NewCtx, Param, SetCtxParams, dispatch,
};

/// What a `void *` of a key is.
///
/// # Safety
///
/// `key` is an object that one of these tables has made, and is not freed meanwhile.
pub(crate) unsafe fn held(key: *const c_void) -> Held {
    // SAFETY: the caller's promise.
    unsafe { object::shared::<KeyObject>(key) }.held()
}

/// Declares an algorithm: what is different about it, and so its functions. Entries behind the lists are
/// those that not every algorithm has.
macro_rules! keys {
    ($NAME:ident, $spec:expr, imported: $types:expr, gettable: $gettable:expr, generatable: $generatable:expr
        $(, $id:ident: $function:expr => $Type:ty)*) => {
        pub(crate) static $NAME: &[Dispatch] = {
            static SPEC: Spec = $spec;

            unsafe extern "C" fn new(provctx: *mut c_void) -> *mut c_void {
                // SAFETY: libcrypto's promise about its argument.
                fence(|| object::give(KeyObject::new(unsafe { instance_of(provctx) }, &SPEC)))
            }

            /// What the parameters say, a legacy object, is for the default provider alone: libcrypto then
            /// imports.
            unsafe extern "C" fn new_ex(provctx: *mut c_void, _: *const Param) -> *mut c_void {
                // SAFETY: the same.
                unsafe { new(provctx) }
            }

            unsafe extern "C" fn gen_init(
                provctx: *mut c_void,
                selection: c_int,
                params: *const Param,
            ) -> *mut c_void {
                // SAFETY: libcrypto's promises about its arguments.
                unsafe { begin(provctx, &SPEC, selection, params) }
            }

            unsafe extern "C" fn types(selection: c_int) -> *const Param {
                let types: fn(Selection) -> &'static [Param] = $types;
                types(Selection(selection)).as_ptr()
            }

            unsafe extern "C" fn gettable(_: *mut c_void) -> *const Param {
                $gettable.as_ptr()
            }

            unsafe extern "C" fn gen_settable(_: *mut c_void, _: *mut c_void) -> *const Param {
                $generatable.as_ptr()
            }

            &[
                dispatch!(FUNC_KEYMGMT_NEW, new, NewCtx),
                dispatch!(FUNC_KEYMGMT_NEW_EX, new_ex, KeyNewEx),
                dispatch!(FUNC_KEYMGMT_FREE, free, FreeCtx),
                dispatch!(FUNC_KEYMGMT_GEN_INIT, gen_init, KeyGenInit),
                dispatch!(FUNC_KEYMGMT_GEN_SET_PARAMS, gen_set_params, SetCtxParams),
                dispatch!(FUNC_KEYMGMT_GEN_SETTABLE_PARAMS, gen_settable, DescribeCtxParams),
                dispatch!(FUNC_KEYMGMT_GEN, generate, KeyGen),
                dispatch!(FUNC_KEYMGMT_GEN_CLEANUP, free_ctx::<Generator>, FreeCtx),
                dispatch!(FUNC_KEYMGMT_HAS, has, KeyHas),
                dispatch!(FUNC_KEYMGMT_MATCH, matches, KeyMatch),
                dispatch!(FUNC_KEYMGMT_VALIDATE, validate, KeyValidate),
                dispatch!(FUNC_KEYMGMT_IMPORT, import, KeyImport),
                dispatch!(FUNC_KEYMGMT_IMPORT_TYPES, types, KeyTypes),
                dispatch!(FUNC_KEYMGMT_EXPORT, export, KeyExport),
                dispatch!(FUNC_KEYMGMT_EXPORT_TYPES, types, KeyTypes),
                dispatch!(FUNC_KEYMGMT_DUP, dup, KeyDup),
                dispatch!(FUNC_KEYMGMT_GET_PARAMS, get_params, GetCtxParams),
                dispatch!(FUNC_KEYMGMT_GETTABLE_PARAMS, gettable, DescribeParams),
                $(dispatch!($id, $function, $Type),)*
                Dispatch::END,
            ]
        };
    };
}

/// An algorithm whose keys are strings of bytes.
macro_rules! raw {
    ($NAME:ident, $name:literal, $generates:ident, $raw:expr, $types:ident, $gettable:ident, $generatable:ident
        $(, $id:ident: $function:expr => $Type:ty)*) => {
        keys!(
            $NAME,
            Spec { name: $name, generates: kinds::$generates, family: Family::Raw($raw) },
            imported: |selection| if selection.has_pair() { &describe::$types } else { describe::none() },
            gettable: describe::$gettable,
            generatable: describe::$generatable
            $(, $id: $function => $Type)*
        );
    };
}

const fn rsa_types(selection: Selection) -> &'static [Param] {
    if selection.has_pair() { &describe::RSA } else { describe::none() }
}

keys!(
    RSA,
    Spec { name: "RSA", generates: kinds::RSA_GENERATE, family: Family::Rsa { is_pss: false } },
    imported: rsa_types,
    gettable: describe::RSA_GETTABLE,
    generatable: describe::RSA_GENERATABLE,
    FUNC_KEYMGMT_QUERY_OPERATION_NAME: rsa_operation => KeyOperationName
);

keys!(
    RSA_PSS,
    Spec { name: "RSA-PSS", generates: kinds::RSA_GENERATE, family: Family::Rsa { is_pss: true } },
    imported: rsa_types,
    gettable: describe::RSA_GETTABLE,
    generatable: describe::RSA_PSS_GENERATABLE,
    FUNC_KEYMGMT_QUERY_OPERATION_NAME: rsa_operation => KeyOperationName
);

keys!(
    EC,
    Spec { name: "EC", generates: kinds::EC_GENERATE, family: Family::Ec },
    imported: describe::ec,
    gettable: describe::EC_GETTABLE,
    generatable: describe::EC_GENERATABLE,
    FUNC_KEYMGMT_QUERY_OPERATION_NAME: ec_operation => KeyOperationName,
    FUNC_KEYMGMT_GEN_SET_TEMPLATE: gen_set_template => KeyGenSetTemplate,
    FUNC_KEYMGMT_SET_PARAMS: set_params => SetCtxParams,
    FUNC_KEYMGMT_SETTABLE_PARAMS: ec_settable => DescribeParams
);

raw!(
    X25519, "X25519", X25519_GENERATE,
    Raw {
        algorithm: KeyAlgorithm::X25519,
        public_len: 32,
        private_len: 32,
        seed_len: 0,
        signs: false,
        bits: 253,
        security_bits: 128,
        category: 0,
        max_size: 32,
        mutable: Mutable::Always,
    },
    RAW, RAW_GETTABLE, CURVE_GENERATABLE,
    FUNC_KEYMGMT_SET_PARAMS: set_params => SetCtxParams,
    FUNC_KEYMGMT_SETTABLE_PARAMS: raw_settable => DescribeParams
);

raw!(
    ED25519, "ED25519", ED25519_GENERATE,
    Raw {
        algorithm: KeyAlgorithm::Ed25519,
        public_len: 32,
        private_len: 32,
        seed_len: 0,
        signs: true,
        bits: 256,
        security_bits: 128,
        category: 0,
        max_size: 64,
        mutable: Mutable::Never,
    },
    RAW, SIGNER_GETTABLE, CURVE_GENERATABLE,
    FUNC_KEYMGMT_SET_PARAMS: set_params => SetCtxParams,
    FUNC_KEYMGMT_SETTABLE_PARAMS: never_settable => DescribeParams
);

raw!(
    ML_KEM_768, "ML-KEM-768", ML_KEM_768_GENERATE,
    Raw {
        algorithm: KeyAlgorithm::MlKem768,
        public_len: 1184,
        private_len: 2400,
        seed_len: 64,
        signs: false,
        bits: 768,
        security_bits: 192,
        category: 3,
        max_size: 1088,
        mutable: Mutable::Once,
    },
    SEEDED, SEEDED_GETTABLE, SEEDED_GENERATABLE,
    FUNC_KEYMGMT_SET_PARAMS: set_params => SetCtxParams,
    FUNC_KEYMGMT_SETTABLE_PARAMS: raw_settable => DescribeParams
);

raw!(
    X25519_ML_KEM_768, "X25519MLKEM768", X25519_ML_KEM_768_GENERATE,
    Raw {
        algorithm: KeyAlgorithm::X25519MlKem768,
        public_len: 1216,
        private_len: 2432,
        seed_len: 96,
        signs: false,
        bits: 768,
        security_bits: 192,
        category: 3,
        max_size: 1120,
        mutable: Mutable::Once,
    },
    RAW, RAW_GETTABLE, RAW_GENERATABLE,
    FUNC_KEYMGMT_SET_PARAMS: set_params => SetCtxParams,
    FUNC_KEYMGMT_SETTABLE_PARAMS: raw_settable => DescribeParams
);

raw!(
    ML_DSA_44,
    "ML-DSA-44",
    ML_DSA_44_GENERATE,
    Raw {
        algorithm: KeyAlgorithm::MlDsa44,
        public_len: 1312,
        private_len: 2560,
        seed_len: 32,
        signs: true,
        bits: 8 * 1312,
        security_bits: 128,
        category: 2,
        max_size: 2420,
        mutable: Mutable::Never,
    },
    SEEDED,
    SEEDED_SIGNER_GETTABLE,
    SEEDED_GENERATABLE
);

raw!(
    ML_DSA_65,
    "ML-DSA-65",
    ML_DSA_65_GENERATE,
    Raw {
        algorithm: KeyAlgorithm::MlDsa65,
        public_len: 1952,
        private_len: 4032,
        seed_len: 32,
        signs: true,
        bits: 8 * 1952,
        security_bits: 192,
        category: 3,
        max_size: 3309,
        mutable: Mutable::Never,
    },
    SEEDED,
    SEEDED_SIGNER_GETTABLE,
    SEEDED_GENERATABLE
);

unsafe extern "C" fn rsa_operation(_: c_int) -> *const c_char {
    c"RSA".as_ptr()
}

unsafe extern "C" fn ec_operation(operation: c_int) -> *const c_char {
    match operation {
        OP_KEYEXCH => c"ECDH".as_ptr(),
        OP_SIGNATURE => c"ECDSA".as_ptr(),
        _ => ptr::null(),
    }
}

unsafe extern "C" fn ec_settable(_: *mut c_void) -> *const Param {
    describe::EC_SETTABLE.as_ptr()
}

unsafe extern "C" fn raw_settable(_: *mut c_void) -> *const Param {
    describe::RAW_SETTABLE.as_ptr()
}

unsafe extern "C" fn never_settable(_: *mut c_void) -> *const Param {
    describe::none().as_ptr()
}

unsafe extern "C" fn free(key: *mut c_void) {
    // SAFETY: an object of ours, or null, which libcrypto does not use again.
    fence(|| unsafe { object::free::<KeyObject>(key) });
}

/// Runs `body` with an object; a failure is reported.
///
/// # Safety
///
/// As for [`held`]; null is no key.
unsafe fn with(
    key: *const c_void,
    place: crate::ossl::core::Place,
    body: impl FnOnce(&KeyObject) -> Result<(), Failure>,
) -> c_int {
    fence(|| {
        if key.is_null() {
            return 0;
        }
        // SAFETY: the caller's promise.
        let object = unsafe { object::shared::<KeyObject>(key) };
        object.instance.outcome(body(object), place)
    })
}

/// The same, of a question.
///
/// # Safety
///
/// As for [`with`].
unsafe fn whether(key: *const c_void, question: impl FnOnce(&KeyObject) -> bool) -> c_int {
    // SAFETY: the caller's promise.
    fence(|| c_int::from(!key.is_null() && question(unsafe { object::shared::<KeyObject>(key) })))
}

unsafe extern "C" fn has(key: *const c_void, selection: c_int) -> c_int {
    // SAFETY: libcrypto's promise about its argument.
    unsafe { whether(key, |object| object.has(Selection(selection))) }
}

unsafe extern "C" fn matches(key: *const c_void, other: *const c_void, selection: c_int) -> c_int {
    // SAFETY: libcrypto's promises about its arguments.
    unsafe {
        whether(key, |object| {
            !other.is_null() && object.matches(object::shared::<KeyObject>(other), Selection(selection))
        })
    }
}

unsafe extern "C" fn validate(key: *const c_void, selection: c_int, how: c_int) -> c_int {
    // SAFETY: libcrypto's promise about its argument.
    unsafe { whether(key, |object| object.is_valid(Selection(selection), how)) }
}

unsafe extern "C" fn import(key: *mut c_void, selection: c_int, params: *const Param) -> c_int {
    // SAFETY: libcrypto's promises about its arguments.
    unsafe { with(key, here!(), |object| object.import(Selection(selection), Params::new(params))) }
}

unsafe extern "C" fn export(
    key: *mut c_void,
    selection: c_int,
    callback: Option<Callback>,
    argument: *mut c_void,
) -> c_int {
    // SAFETY: libcrypto's promises about its arguments.
    unsafe {
        with(key, here!(), |object| object.export(Selection(selection), Passed::new(callback, argument)))
    }
}

unsafe extern "C" fn dup(key: *const c_void, selection: c_int) -> *mut c_void {
    fence(|| {
        if key.is_null() {
            return ptr::null_mut();
        }
        // SAFETY: libcrypto's promise about its argument.
        let copy = unsafe { object::shared::<KeyObject>(key) }.copied(Selection(selection));
        copy.map_or(ptr::null_mut(), object::give)
    })
}

unsafe extern "C" fn get_params(key: *mut c_void, list: *mut Param) -> c_int {
    // SAFETY: libcrypto's promises about its arguments.
    unsafe { with(key, here!(), |object| object.give(Requests::new(list))) }
}

unsafe extern "C" fn set_params(key: *mut c_void, params: *const Param) -> c_int {
    // SAFETY: libcrypto's promises about its arguments.
    unsafe { with(key, here!(), |object| object.set(Params::new(params))) }
}

/// # Safety
///
/// libcrypto's promises about the arguments of `GEN_INIT`.
unsafe fn begin(
    provctx: *mut c_void,
    spec: &'static Spec,
    selection: c_int,
    params: *const Param,
) -> *mut c_void {
    fence(|| {
        // SAFETY: the caller's promises.
        let (instance, params) = unsafe { (instance_of(provctx), Params::new(params)) };
        let begun = Generator::new(Arc::clone(&instance), spec, Selection(selection), params);
        given(&instance, begun, here!())
    })
}

unsafe extern "C" fn gen_set_params(generator: *mut c_void, params: *const Param) -> c_int {
    // SAFETY: libcrypto's promises about its arguments.
    unsafe {
        outcome(generator, here!(), |object: Object<Generator>| {
            object.with(|generator| generator.set(Params::new(params)))
        })
    }
}

unsafe extern "C" fn gen_set_template(generator: *mut c_void, template: *mut c_void) -> c_int {
    // SAFETY: libcrypto's promises about its arguments.
    unsafe {
        outcome(generator, here!(), |object: Object<Generator>| {
            let template = held(template);
            object.with(|generator| generator.like(template))
        })
    }
}

unsafe extern "C" fn generate(
    generator: *mut c_void,
    callback: Option<Callback>,
    argument: *mut c_void,
) -> *mut c_void {
    fence(|| {
        // SAFETY: libcrypto's promises about its arguments.
        let (generator, progress) =
            unsafe { (Object::<Generator>::new(generator), Passed::new(callback, argument)) };
        let made = Generator::run(generator, progress);
        generator.with(|generator| given(&generator.instance, made, here!()))
    })
}
