//! Foreign code that may panic: a waker that is called or dropped where other work must go on.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A waker is foreign code, and one that panics does not keep the others from being called.
pub(super) fn catch(wake: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(wake)) {
        // Dropping a foreign payload could panic again.
        mem::forget(payload);
    }
}
