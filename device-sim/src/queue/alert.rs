//! Device to host, for a task in place of a thread: a waker that is called when completions are published, if
//! it is armed. As an [`Interrupt`](crate::Interrupt), without an fd.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Waker;

use crate::sync::{AtomicBool, Ordering, fence};

/// A waker and an armed flag: for a task that reaps the completions of a queue pair.
#[derive(Debug)]
pub struct Alert {
    waker: Waker,
    armed: AtomicBool,
}

impl Alert {
    /// A disarmed one. The waker is called by the device, and cloned while a lock is held: it is a pointer to
    /// something of the caller's own, which calls foreign code in `wake` alone.
    pub fn new(waker: Waker) -> Arc<Self> {
        Arc::new(Self { waker, armed: AtomicBool::new(false) })
    }

    /// Makes the next completion call the waker. Look at
    /// [`Remote::completions_pending`](crate::Remote::completions_pending) once more before sleeping: what
    /// was published before this call calls nothing.
    pub fn arm(&self) {
        self.set(true);
        fence(Ordering::SeqCst);
    }

    /// Undoes [`Alert::arm`].
    pub fn disarm(&self) {
        self.set(false);
    }

    fn set(&self, armed: bool) {
        // Loom orders a store only after what its thread has seen.
        #[cfg(loom)]
        self.armed.swap(armed, Ordering::Relaxed);
        #[cfg(not(loom))]
        self.armed.store(armed, Ordering::Relaxed);
    }

    /// The waker to call, if it is armed; disarms it.
    pub(crate) fn take(&self) -> Option<Waker> {
        let is_armed = self.armed.load(Ordering::Relaxed) && self.armed.swap(false, Ordering::AcqRel);
        is_armed.then(|| self.waker.clone())
    }
}

/// Calls a waker, and stops its panic.
pub(crate) fn call(waker: Waker) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| waker.wake())) {
        // Dropping a foreign payload could panic once more.
        std::mem::forget(payload);
    }
}
