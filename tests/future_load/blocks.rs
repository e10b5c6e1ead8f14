//! An allocator that counts the blocks of one length.
#![expect(unsafe_code, reason = "hands every call on to the system's allocator, and counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The length: nothing else is as long.
pub(crate) const LEN: usize = 4_093;

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

static BLOCKS: AtomicUsize = AtomicUsize::new(0);

/// How many there are.
pub(crate) fn count() -> usize {
    BLOCKS.load(Ordering::SeqCst)
}

fn is_counted(len: usize) -> usize {
    usize::from(len == LEN)
}

// SAFETY: every method calls the system allocator's with the same arguments.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        BLOCKS.fetch_add(is_counted(layout.size()), Ordering::SeqCst);
        // SAFETY: the caller keeps the same promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        BLOCKS.fetch_sub(is_counted(layout.size()), Ordering::SeqCst);
        // SAFETY: the caller keeps the same promise.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, len: usize) -> *mut u8 {
        BLOCKS.fetch_add(is_counted(len), Ordering::SeqCst);
        BLOCKS.fetch_sub(is_counted(layout.size()), Ordering::SeqCst);
        // SAFETY: the caller keeps the same promise.
        unsafe { System.realloc(block, layout, len) }
    }
}
