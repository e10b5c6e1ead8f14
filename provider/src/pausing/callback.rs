//! The application's callback, as the engine calls it.
#![expect(unsafe_code, reason = "calls the application's function, from any thread")]

use std::ffi::c_void;
use std::fmt;
use std::sync::Arc;

use simaccel::foreign::Callback;

use crate::conduct::Watched;
use crate::ossl::jobs::CallbackFn;

/// A callback of a wait context, with its argument.
struct OfApplication {
    function: CallbackFn,
    argument: *mut c_void,
    watched: Option<Arc<Watched>>,
}

// SAFETY: an application that sets a callback allows any thread to call it (ASYNC_WAIT_CTX_set_callback(3)).
unsafe impl Send for OfApplication {}
// SAFETY: the same.
unsafe impl Sync for OfApplication {}

impl fmt::Debug for OfApplication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OfApplication").finish_non_exhaustive()
    }
}

impl OfApplication {
    fn call(&self) {
        if self.watched.as_ref().is_some_and(|watched| !watched.woken()) {
            return;
        }
        // SAFETY: it is called while a request of a job of the context is under way, so the context is alive.
        // What the function returns has no meaning for an engine.
        unsafe { (self.function)(self.argument) };
    }
}

/// The engine's form of a callback.
pub(super) fn of(function: CallbackFn, argument: *mut c_void, watched: Option<Arc<Watched>>) -> Callback {
    let callback = OfApplication { function, argument, watched };
    Arc::new(move || callback.call())
}
