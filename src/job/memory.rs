//! The memory functions of the process (statements 58 to 61). A program that sets them before the first stack
//! is allocated supplies the memory of every job's stack.
//!
//! ```text
//!   open ──set──► open (other functions) ──first stack asked for──► closed: set is refused
//! ```
#![expect(unsafe_code, reason = "the default functions hand out C memory")]

use std::ffi::c_void;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};

use super::config::DEFAULT_STACK;
use crate::process::fork::Lock;

/// Allocates a stack: `size` holds the wanted size in bytes on entry and the real size on return. Null means
/// that there is no memory. It must not unwind.
pub type AllocFn = unsafe extern "C" fn(size: *mut usize) -> *mut c_void;

/// Frees what the matching [`AllocFn`] returned; called with null when that returned null. It must not
/// unwind.
pub type FreeFn = unsafe extern "C" fn(memory: *mut c_void);

#[derive(Clone, Copy, Debug)]
pub(super) struct Functions {
    pub(super) alloc: AllocFn,
    pub(super) free: FreeFn,
}

/// The minimum size of a stack from these functions, in bytes: the job's record, and enough frames to run
/// anything.
pub(super) const MIN_FOREIGN: usize = 8 * 1024;

/// The size to ask for where the user has not chosen one: what libcrypto asks for (statement 59).
const DEFAULT_FOREIGN: usize = 32 * 1024;

/// How much memory to ask the functions for, where our own stack would have `size` bytes.
pub(super) fn wanted(size: usize) -> usize {
    if size == DEFAULT_STACK { DEFAULT_FOREIGN } else { size }
}

const OPEN: u8 = 0;
const OPEN_CUSTOM: u8 = 1;
const CLOSED: u8 = 2;
const CLOSED_CUSTOM: u8 = 3;

static PHASE: AtomicU8 = AtomicU8::new(OPEN);
static FUNCTIONS: Lock<Functions> = Lock::new(DEFAULTS);
/// Custom functions from the first stack on: each stack asks for them, without the lock.
static CLOSED_FUNCTIONS: OnceLock<Functions> = OnceLock::new();
const DEFAULTS: Functions = Functions { alloc: default_alloc, free: default_free };

/// Sets the functions; `None` leaves that one as it is. Returns `false` once a stack has been asked for, and
/// in a forked child that has inherited the lock locked.
pub(super) fn set(alloc: Option<AllocFn>, free: Option<FreeFn>) -> bool {
    let Some(mut functions) = FUNCTIONS.lock() else { return false };
    if PHASE.load(Ordering::Relaxed) >= CLOSED {
        return false;
    }
    functions.alloc = alloc.unwrap_or(functions.alloc);
    functions.free = free.unwrap_or(functions.free);
    if alloc.is_some() || free.is_some() {
        PHASE.store(OPEN_CUSTOM, Ordering::Relaxed);
    }
    true
}

/// The functions in force.
pub(super) fn get() -> Functions {
    match CLOSED_FUNCTIONS.get() {
        Some(functions) => *functions,
        None => FUNCTIONS.lock().map_or(DEFAULTS, |functions| *functions),
    }
}

/// The functions for a new stack, if any were set. From this call on they can no longer be set, even if the
/// allocation fails.
pub(super) fn custom_for_new_stack() -> Option<Functions> {
    match PHASE.load(Ordering::Relaxed) {
        CLOSED => None,
        CLOSED_CUSTOM => Some(get()),
        _ => {
            let functions = FUNCTIONS.lock()?;
            let custom = matches!(PHASE.load(Ordering::Relaxed), OPEN_CUSTOM | CLOSED_CUSTOM);
            if custom {
                // Under the lock, so nothing waits here for another thread.
                let _ = CLOSED_FUNCTIONS.set(*functions);
            }
            PHASE.store(if custom { CLOSED_CUSTOM } else { CLOSED }, Ordering::Relaxed);
            custom.then_some(*functions)
        }
    }
}

/// What `raw::mem_functions` reports before any function is set. Our own stacks come from guarded mappings; a
/// program that wraps the defaults gets plain memory.
unsafe extern "C" fn default_alloc(size: *mut usize) -> *mut c_void {
    // SAFETY: the caller passes a valid pointer, as the type asks.
    unsafe { libc::malloc(*size) }
}

unsafe extern "C" fn default_free(memory: *mut c_void) {
    // SAFETY: the memory came from `default_alloc`, or is null.
    unsafe { libc::free(memory) }
}
