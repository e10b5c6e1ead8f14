//! Keeping a thread from being cancelled (`pthread_cancel`) in the middle of this code.
//!
//! The C library acts on a cancellation in certain system calls: `read`, `write`, `close`. It unwinds the stack by force,
//! and where it meets a `catch_unwind`, or a frame that is not to be unwound, the process ends. Callers in C may cancel their
//! threads; what a thread does in here is short, so the cancellation waits until the thread is back in the caller's code.
#![expect(unsafe_code, reason = "a thread's cancelability is the C library's")]

use std::ffi::c_int;
use std::ptr;

/// `PTHREAD_CANCEL_DISABLE`, in all of Linux's C libraries.
const DISABLE: c_int = 1;

unsafe extern "C" {
    fn pthread_setcancelstate(state: c_int, before: *mut c_int) -> c_int;
}

/// Runs `body` with cancellation disabled.
#[inline]
pub fn uncancelled<R>(body: impl FnOnce() -> R) -> R {
    let mut before = DISABLE;
    // SAFETY: a valid state, and a place for the one before.
    unsafe { pthread_setcancelstate(DISABLE, &raw mut before) };
    let _restore = Restore(before);
    body()
}

/// Puts back the state that was in force, after a panic too.
struct Restore(c_int);

impl Drop for Restore {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: a state that was in force.
        unsafe { pthread_setcancelstate(self.0, ptr::null_mut()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> c_int {
        let mut state = -1;
        // SAFETY: as above.
        unsafe {
            pthread_setcancelstate(DISABLE, &raw mut state);
            pthread_setcancelstate(state, ptr::null_mut());
        }
        state
    }

    #[test]
    fn the_state_before_comes_back() {
        let outside = state();
        assert_ne!(outside, DISABLE);
        assert_eq!(uncancelled(|| (state(), uncancelled(state), state())), (DISABLE, DISABLE, DISABLE));
        assert_eq!(state(), outside);
        let panicked = std::panic::catch_unwind(|| uncancelled(|| std::panic::resume_unwind(Box::new(()))));
        assert!(panicked.is_err());
        assert_eq!(state(), outside);
    }
}
