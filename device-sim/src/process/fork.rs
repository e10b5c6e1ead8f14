//! Detects that this process is a forked child: none of the parent's threads run there, and its locks may be
//! held for ever.
//!
//! A handler that the C library calls in the child increments a count; an object compares it with the count
//! at its creation. File descriptors lie in a [`NotInherited`], which a child can neither use nor close.
#![expect(
    unsafe_code,
    reason = "registering the handler is a foreign call; a child leaves what it has inherited undropped"
)]

use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::process::cancel::uncancelled;

static GENERATION: AtomicU64 = AtomicU64::new(0);
static INSTALL: Once = Once::new();

extern "C" fn in_child() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
}

/// How many forks lie between this process and the first one that called this, or opened a device.
///
/// Remember it; a different number later means that this is a child. A child that was created without the C
/// library's `fork` (by a raw `clone` call) is not detected.
pub fn generation() -> u64 {
    install();
    GENERATION.load(Ordering::Relaxed)
}

/// Whether this is a child of the process in which [`generation`] returned `remembered`. Costs a load.
#[inline]
pub fn since(remembered: u64) -> bool {
    GENERATION.load(Ordering::Relaxed) != remembered
}

/// A value that a forked child neither uses nor drops.
///
/// It is for file descriptors. A child may have closed the inherited numbers, and may have its own files
/// under them.
#[derive(Debug)]
pub struct NotInherited<T> {
    value: ManuallyDrop<T>,
    born: u64,
}

impl<T> NotInherited<T> {
    /// Keeps `value` for this process.
    pub fn new(value: T) -> Self {
        Self { value: ManuallyDrop::new(value), born: generation() }
    }

    /// The value; `None` in a forked child. Costs a load and a comparison.
    #[inline]
    pub fn get(&self) -> Option<&T> {
        (!since(self.born)).then_some(&*self.value)
    }
}

/// The fd, also in a forked child, which has it under the same number unless it has closed it.
impl<T: AsFd> AsFd for NotInherited<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.value.as_fd()
    }
}

impl<T> Drop for NotInherited<T> {
    fn drop(&mut self) {
        if !since(self.born) {
            // SAFETY: the value was not dropped before, and it cannot be used after this.
            uncancelled(|| unsafe { ManuallyDrop::drop(&mut self.value) });
        }
    }
}

/// Registers the handler, once per process; afterwards costs a load.
fn install() {
    INSTALL.call_once(|| {
        // Nothing forks in miri, which knows no such handlers.
        if cfg!(miri) {
            return;
        }
        // SAFETY: the handler is a plain function that lives as long as the program, and all it does is an
        // atomic addition, which is allowed between fork and exec.
        let refused = unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
        assert_eq!(refused, 0, "no memory to register a fork handler");
    });
}
