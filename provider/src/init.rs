//! `OSSL_provider_init`, and the functions of the provider itself.
#![expect(unsafe_code, reason = "functions that libcrypto calls")]

use std::ffi::{c_int, c_void};
use std::sync::Arc;

use crate::accelerator::Served;
use crate::accelerator::place::Use;
use crate::algorithms;
use crate::capabilities::get_capabilities;
use crate::conduct::{self, Strict};
use crate::config::Read;
use crate::counters;
use crate::error::{Failure, REASONS, Reason};
use crate::instance::{Instance, instance_of};
use crate::ossl::core::{Core, here};
use crate::ossl::fence::{self, fence};
use crate::ossl::ids::{
    FUNC_PROVIDER_GET_CAPABILITIES, FUNC_PROVIDER_GET_PARAMS, FUNC_PROVIDER_GET_REASON_STRINGS,
    FUNC_PROVIDER_GETTABLE_PARAMS, FUNC_PROVIDER_QUERY_OPERATION, FUNC_PROVIDER_TEARDOWN, PARAM_INTEGER,
    PARAM_UTF8_PTR,
};
use crate::ossl::keys;
use crate::ossl::params::{Mismatch, Requests, Wanted};
use crate::ossl::types::{
    Algorithm, CoreHandle, DescribeParams, Dispatch, FreeCtx, GetCapabilities, GetCtxParams, Item, Param,
    dispatch,
};

type QueryOperation = unsafe extern "C" fn(*mut c_void, c_int, *mut c_int) -> *const Algorithm;
type GetReasonStrings = unsafe extern "C" fn(*mut c_void) -> *const Item;

/// The provider's own functions.
static FUNCTIONS: &[Dispatch] = &[
    dispatch!(FUNC_PROVIDER_TEARDOWN, teardown, FreeCtx),
    dispatch!(FUNC_PROVIDER_GETTABLE_PARAMS, gettable_params, DescribeParams),
    dispatch!(FUNC_PROVIDER_GET_PARAMS, get_params, GetCtxParams),
    dispatch!(FUNC_PROVIDER_QUERY_OPERATION, query_operation, QueryOperation),
    dispatch!(FUNC_PROVIDER_GET_REASON_STRINGS, reason_strings, GetReasonStrings),
    dispatch!(FUNC_PROVIDER_GET_CAPABILITIES, get_capabilities, GetCapabilities),
    Dispatch::END,
];

/// What libcrypto calls when it loads the provider, once for each library context: 1, or 0 with the reason on
/// the error queue.
///
/// # Safety
///
/// libcrypto calls it, with what `core.h` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn OSSL_provider_init(
    handle: *const CoreHandle,
    table: *const Dispatch,
    functions: *mut *const Dispatch,
    provctx: *mut *mut c_void,
) -> c_int {
    fence(|| {
        fence::quiet_panics();
        // SAFETY: the caller's promise.
        let core = unsafe { Core::new(handle, table) };
        match instance(core) {
            Ok(instance) => {
                // SAFETY: the caller's promise.
                unsafe {
                    functions.write(FUNCTIONS.as_ptr());
                    provctx.write(Arc::into_raw(instance).cast_mut().cast());
                }
                1
            }
            Err(failure) => {
                core.raise(failure.reason as u32, &failure.detail, here!());
                0
            }
        }
    })
}

fn instance(core: Core) -> Result<Arc<Instance>, Failure> {
    let mistake = |error: &dyn std::error::Error| Failure::new(Reason::Configuration, error.to_string());
    let Read { settings, whole } = Read::of(&core).map_err(|error| mistake(&error))?;
    let counted = whole.as_ref().and_then(|whole| whole.stats_file.as_deref());
    let is_strict = whole.as_ref().is_some_and(|whole| whole.strict != Strict::Off);
    counters::start(counted, counted.is_some() || is_strict)
        .map_err(|error| Failure::new(Reason::Configuration, format!("stats_file: {error}")))?;
    counters::serve(Box::new(Served));
    match &whole {
        Some(whole) => conduct::start(whole.strict),
        None if !Use::is_any() => conduct::start(Strict::default()),
        None => {}
    }
    let used = Use::begin(whole).map_err(|error| mistake(&error))?;
    let offered = algorithms::of_kinds(settings.algorithms, core.release());
    Ok(Instance::new(core, settings, offered, used))
}

unsafe extern "C" fn teardown(provctx: *mut c_void) {
    // SAFETY: libcrypto gives its share back, and does not use it again.
    fence(|| drop(unsafe { Arc::from_raw(provctx.cast::<Instance>().cast_const()) }));
}

static GETTABLE: &[Param] = &[
    Param::described(keys::PROV_NAME, PARAM_UTF8_PTR, 0),
    Param::described(keys::PROV_VERSION, PARAM_UTF8_PTR, 0),
    Param::described(keys::PROV_BUILDINFO, PARAM_UTF8_PTR, 0),
    Param::described(keys::PROV_STATUS, PARAM_INTEGER, size_of::<c_int>()),
    Param::END,
];

unsafe extern "C" fn gettable_params(_: *mut c_void) -> *const Param {
    GETTABLE.as_ptr()
}

unsafe extern "C" fn get_params(provctx: *mut c_void, list: *mut Param) -> c_int {
    fence(|| {
        // SAFETY: libcrypto's promises about its arguments.
        let (instance, requests) = unsafe { (instance_of(provctx), Requests::new(list)) };
        let given = requests.each().try_for_each(|mut wanted| give(&mut wanted));
        instance.outcome(given.map_err(Failure::from), here!())
    })
}

/// The version, with its end.
const VERSION: &std::ffi::CStr = {
    match std::ffi::CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(version) => version,
        Err(_) => panic!(),
    }
};

fn give(wanted: &mut Wanted<'_>) -> Result<(), Mismatch> {
    match wanted.key() {
        key if key == keys::PROV_NAME => wanted.give_text(c"simaccel: a simulated crypto accelerator"),
        key if key == keys::PROV_VERSION || key == keys::PROV_BUILDINFO => wanted.give_text(VERSION),
        key if key == keys::PROV_STATUS => wanted.give_flag(true),
        _ => Ok(()),
    }
}

unsafe extern "C" fn query_operation(
    provctx: *mut c_void,
    operation: c_int,
    no_store: *mut c_int,
) -> *const Algorithm {
    // SAFETY: null or room for a number.
    if let Some(no_store) = unsafe { no_store.as_mut() } {
        *no_store = 0;
    }
    // SAFETY: libcrypto's promise about its argument. The list lives as long as the instance, of which
    // libcrypto holds a share.
    fence(|| unsafe { instance_of(provctx) }.offered().of(operation))
}

unsafe extern "C" fn reason_strings(_: *mut c_void) -> *const Item {
    REASONS.as_ptr()
}
