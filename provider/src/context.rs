//! What the contexts of all operations have in common: how a call reports its failure, and how a context is
//! copied and freed.
//!
//! ```text
//!   libcrypto ─► entry of an operation ─► outcome: fence, no panic goes on ─► body, with the Object
//!                                              └─ 1, or 0 and the failure on the thread's error queue
//!                DUPCTX ─► dup_ctx ─► CopyContext::copied ─► given: an object, or null and its failure there
//!                FREECTX ► free_ctx
//! ```
#![expect(unsafe_code, reason = "functions that libcrypto calls")]

use std::ffi::{c_int, c_void};
use std::ptr;

use crate::error::Failure;
use crate::instance::Instance;
use crate::ossl::core::{Place, here};
use crate::ossl::fence::fence;
use crate::ossl::object::{self, Object};

/// An object that libcrypto has for an operation.
pub(crate) trait Context: Sized {
    fn instance(&self) -> &Instance;
}

/// One that can be copied.
pub(crate) trait CopyContext: Context {
    /// A second object that goes on from here.
    fn copied(&mut self) -> Result<Self, Failure>;
}

/// Runs `body`, and reports its failure.
///
/// # Safety
///
/// As for [`Object::new`], with a `C`.
#[cfg_attr(not(debug_assertions), inline(always))]
pub(crate) unsafe fn outcome<C: Context>(
    ctx: *mut c_void,
    place: Place,
    body: impl FnOnce(Object<C>) -> Result<(), Failure>,
) -> c_int {
    fence(|| {
        // SAFETY: `ctx` was made from a `C`, and libcrypto neither frees it nor uses it in another thread
        // during this call, as the caller promises.
        let object = unsafe { Object::new(ctx) };
        let result = body(object);
        object.with(|ctx: &mut C| ctx.instance().outcome(result, place))
    })
}

/// Gives an object to libcrypto; null for a failure, which is reported.
pub(crate) fn given<T>(instance: &Instance, made: Result<T, Failure>, place: Place) -> *mut c_void {
    made.map_or_else(
        |failure| {
            instance.outcome(Err(failure), place);
            ptr::null_mut()
        },
        object::give,
    )
}

pub(crate) unsafe extern "C" fn free_ctx<C: Context>(ctx: *mut c_void) {
    // SAFETY: libcrypto calls this once, with null or what `given` has made from a `C`, and does not use that
    // again.
    fence(|| unsafe { object::free::<C>(ctx) });
}

pub(crate) unsafe extern "C" fn dup_ctx<C: CopyContext>(ctx: *mut c_void) -> *mut c_void {
    fence(|| {
        // SAFETY: libcrypto passes what `given` has made from a `C`, and neither frees it nor uses it in
        // another thread during the call.
        let object = unsafe { Object::<C>::new(ctx) };
        object.with(|ctx| {
            let copy = ctx.copied();
            given(ctx.instance(), copy, here!())
        })
    })
}
