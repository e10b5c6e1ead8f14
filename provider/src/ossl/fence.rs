//! The fence: every function that libcrypto calls runs in it, so that no panic reaches C.
//!
//! A job of libcrypto has 32 KiB of stack and no guard behind them, and the standard library's report of a
//! panic with a backtrace takes 22 KiB. [`quiet_panics`] makes it a line, in this library and nowhere else: a
//! shared library has its own copy of the standard library's state.

use std::any::Any;
use std::ffi::c_int;
use std::io::Write;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;
use std::{mem, ptr};

/// What a function returns after a panic.
pub(crate) trait Refused {
    const REFUSED: Self;
}

impl Refused for () {
    const REFUSED: Self = ();
}

/// 0 is failure of every function of the provider interface.
impl Refused for c_int {
    const REFUSED: Self = 0;
}

impl<T> Refused for *mut T {
    const REFUSED: Self = ptr::null_mut();
}

impl<T> Refused for *const T {
    const REFUSED: Self = ptr::null();
}

/// Runs `body`; a panic in it returns the type's refusal.
#[cfg_attr(not(debug_assertions), inline(always))]
pub(crate) fn fence<R: Refused>(body: impl FnOnce() -> R) -> R {
    match panic::catch_unwind(AssertUnwindSafe(body)) {
        Ok(value) => value,
        Err(payload) => {
            forget(payload);
            R::REFUSED
        }
    }
}

#[cold]
fn forget(payload: Box<dyn Any + Send>) {
    // A payload may panic again when it is dropped.
    if let Err(again) = panic::catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        mem::forget(again);
    }
}

/// Makes the report of a panic in this library one line on standard error.
pub(crate) fn quiet_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        panic::set_hook(Box::new(|info| {
            let place = info.location().map_or(("", 0), |place| (place.file(), place.line()));
            // Where standard error is closed the line is lost.
            let _ = writeln!(std::io::stderr(), "simaccel: a panic was stopped: {}:{}", place.0, place.1);
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Panics again when it is dropped.
    struct Mine;

    impl Drop for Mine {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }

    #[test]
    fn a_panic_is_a_refusal_whatever_it_carries() {
        assert_eq!(fence(|| 1), 1);
        let refused: c_int = fence(|| panic!("in a function of the provider"));
        assert_eq!(refused, 0);
        let refused: *mut u8 = fence(|| panic::panic_any(Mine));
        assert!(refused.is_null());
    }
}
