//! A call at the end of the thread, before the destructors of all thread-locals that exist at its
//! registration.
//!
//! ```text
//!   registered:   A    B    call    C    call     A, B, C: destructors of thread-locals, at their first use
//!   run:          7    6     5     4     3 ...    the newest first
//! ```
//!
//! A thread-local's destructor is registered once, at its first use, so a thread-local cannot be moved ahead
//! of later ones. The C library's list takes any number of registrations. Where there is no such list, the
//! thread's first registration has to do.
#![cfg_attr(
    all(target_env = "gnu", not(miri)),
    expect(unsafe_code, reason = "registers a function with the C library")
)]

use super::pool;

#[cfg(all(target_env = "gnu", not(miri)))]
pub(super) fn register() {
    use std::ffi::{c_int, c_void};
    use std::ptr;

    unsafe extern "C" {
        fn __cxa_thread_atexit_impl(
            call: unsafe extern "C" fn(*mut c_void),
            object: *mut c_void,
            dso: *const c_void,
        ) -> c_int;
        /// Names the executable or library that contains this code: the C library keeps it loaded until the
        /// call.
        static __dso_handle: u8;
    }

    unsafe extern "C" fn call(_: *mut c_void) {
        pool::last_call();
    }

    // SAFETY: `call` needs no object, does not unwind, and stays mapped, because the handle is that of its
    // own library. Without memory for the registration nothing is called, and the jobs are leaked.
    unsafe { __cxa_thread_atexit_impl(call, ptr::null_mut(), (&raw const __dso_handle).cast()) };
}

#[cfg(not(all(target_env = "gnu", not(miri))))]
pub(super) fn register() {
    struct Call;

    impl Drop for Call {
        fn drop(&mut self) {
            pool::last_call();
        }
    }

    thread_local!(static CALL: Call = const { Call });

    // In a thread whose thread-locals are gone there is nothing to call.
    let _ = CALL.try_with(|_| ());
}
