//! An allocator that looks for a secret in what is freed.
#![expect(unsafe_code, reason = "an allocator is unsafe to write")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Looks for [`SECRET`] in what is freed.
struct Looking;

static LOOKS: AtomicBool = AtomicBool::new(false);
static FOUND: AtomicUsize = AtomicUsize::new(0);

pub(crate) const SECRET: &[u8; 32] = b"a plaintext that must never leak";

// SAFETY: everything is passed on to the system's allocator unchanged; the memory it returned is initialised.
unsafe impl GlobalAlloc for Looking {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise. Zeroed, so that it may be read later.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if LOOKS.load(Ordering::Relaxed) {
            // SAFETY: the block is the caller's, of this size, and was initialised when it was allocated.
            let bytes = unsafe { std::slice::from_raw_parts(block, layout.size()) };
            FOUND.fetch_add(
                bytes.windows(SECRET.len()).filter(|bytes| is_secret(bytes)).count(),
                Ordering::Relaxed,
            );
        }
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(block, layout) }
    }
}

/// As it is, or as the number that it is lies in memory.
fn is_secret(bytes: &[u8]) -> bool {
    bytes == SECRET || bytes.iter().eq(SECRET.iter().rev())
}

#[global_allocator]
static LOOKING: Looking = Looking;

/// Reports where `body` has freed the secret.
#[track_caller]
pub(crate) fn keeps<R>(what: &str, body: impl FnOnce() -> R) -> R {
    FOUND.store(0, Ordering::Relaxed);
    LOOKS.store(true, Ordering::Relaxed);
    let result = body();
    LOOKS.store(false, Ordering::Relaxed);
    assert_eq!(FOUND.load(Ordering::Relaxed), 0, "{what}");
    result
}
