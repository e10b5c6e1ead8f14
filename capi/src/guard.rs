//! The boundary: every exported function runs in it, so that no panic reaches C.

use std::any::Any;
use std::ffi::c_int;
use std::panic::{self, AssertUnwindSafe};
use std::{mem, ptr};

use crate::last_error::{self, SimaccelResult};

/// What a function returns after a panic.
pub(crate) trait Refused {
    const REFUSED: Self;
}

impl Refused for () {
    const REFUSED: Self = ();
}

/// 0: `ASYNC_ERR`, and failure of every other `ASYNC_*` function.
impl Refused for c_int {
    const REFUSED: Self = 0;
}

impl Refused for SimaccelResult {
    const REFUSED: Self = Self::Internal;
}

impl<T> Refused for *mut T {
    const REFUSED: Self = ptr::null_mut();
}

/// Runs `body`; a panic in it becomes the thread's last error, and returns the type's refusal.
#[cfg_attr(not(debug_assertions), inline(always))] // see simaccel's fiber.rs on returns
pub(crate) fn boundary<R: Refused>(body: impl FnOnce() -> R) -> R {
    caught(body).unwrap_or(R::REFUSED)
}

/// Runs `body`; `None` when it panicked.
#[cfg_attr(not(debug_assertions), inline(always))]
pub(crate) fn caught<R>(body: impl FnOnce() -> R) -> Option<R> {
    match panic::catch_unwind(AssertUnwindSafe(body)) {
        Ok(value) => Some(value),
        Err(payload) => {
            note(payload);
            None
        }
    }
}

#[cold]
fn note(payload: Box<dyn Any + Send>) {
    let said = match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (_, Some(text)) => text.clone(),
        _ => "no message".to_owned(),
    };
    last_error::set(&format!("a panic was stopped: {said}"));
    // A payload of a user's type may panic again when it is dropped.
    if let Err(again) = panic::catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        mem::forget(again);
    }
}
