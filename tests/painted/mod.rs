//! Stacks that show how much of them was used.
//!
//! ```text
//!   memory functions ─► a painted stack ─► the jobs of one thread ─► what is not paint any more was used
//! ```
#![allow(unsafe_code, reason = "supplies stacks")]

use std::alloc::{Layout, alloc, dealloc};
use std::cell::Cell;
use std::ffi::c_void;
use std::thread;

use simaccel::job::{self, PoolConfig, raw};

/// The bytes of a painted stack. Not the default, for which memory functions are asked for less.
const STACK: usize = 96 * 1024;
const PAINT: u8 = 0xa5;

thread_local!(static USED: Cell<usize> = const { Cell::new(0) });

fn layout() -> Layout {
    Layout::from_size_align(STACK, 4096).expect("an alignment, and a size that is a multiple of it")
}

unsafe extern "C" fn paint(size: *mut usize) -> *mut c_void {
    // SAFETY: the caller's size, and fresh memory of the layout's.
    unsafe {
        assert_eq!(size.read(), STACK);
        let stack = alloc(layout());
        stack.write_bytes(PAINT, STACK);
        stack.cast()
    }
}

unsafe extern "C" fn look(stack: *mut c_void) {
    // SAFETY: what `paint` has returned, and nothing runs on it any more.
    unsafe {
        let bytes = std::slice::from_raw_parts(stack.cast::<u8>(), STACK);
        let untouched = bytes.iter().take_while(|byte| **byte == PAINT).count();
        USED.set(USED.get().max(STACK - untouched));
        dealloc(stack.cast(), layout());
    }
}

/// Makes all stacks of this process painted ones. Before its first job.
pub(crate) fn install() {
    // SAFETY: they keep the rules of such functions.
    assert!(unsafe { raw::set_mem_functions(Some(paint), Some(look)) });
}

/// Runs `body` in a thread, which runs jobs. Returns how many bytes of its stack the job with the most has
/// used, what the library keeps there included.
pub(crate) fn most_used(body: impl FnOnce() + Send + 'static) -> usize {
    let run = move || {
        job::init_thread(PoolConfig { stack_size: STACK, ..PoolConfig::default() }).unwrap();
        body();
        job::cleanup_thread();
        USED.get()
    };
    thread::spawn(run).join().unwrap()
}
