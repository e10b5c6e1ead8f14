//! An allocator that counts the bytes in use, so that a lost buffer is noticed.
#![expect(unsafe_code, reason = "hands every call on to the system's allocator, and counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicI64, Ordering};

pub(crate) struct Counting;

static IN_USE: AtomicI64 = AtomicI64::new(0);

/// Bytes that were allocated and not freed, by the whole process.
pub(crate) fn in_use() -> i64 {
    IN_USE.load(Ordering::Relaxed)
}

fn count(bytes: usize, sign: i64) {
    // A layout has at most isize::MAX bytes.
    IN_USE.fetch_add(sign * i64::try_from(bytes).unwrap_or(0), Ordering::Relaxed);
}

// SAFETY: every method calls the system allocator's with the same arguments.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the same promise.
        let block = unsafe { System.alloc(layout) };
        if !block.is_null() {
            count(layout.size(), 1);
        }
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(layout.size(), -1);
        // SAFETY: the caller keeps the same promise.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller keeps the same promise.
        let moved = unsafe { System.realloc(block, layout, size) };
        if !moved.is_null() {
            count(layout.size(), -1);
            count(size, 1);
        }
        moved
    }
}
