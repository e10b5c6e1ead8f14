//! The single entry to atomics, locks, parking and shared memory: the standard library's, or loom's under
//! `cfg(loom)`.

pub(crate) mod barrier;
pub mod gate;
pub(crate) mod marks;
pub(crate) mod prefetch;
pub(crate) mod ticks;
pub(crate) mod uses;

use std::ops::Deref;
use std::sync::PoisonError;
use std::time::Duration;

#[cfg(loom)]
pub(crate) use loom::{
    hint::spin_loop,
    sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence},
    sync::{Mutex, MutexGuard},
    thread::yield_now,
};
#[cfg(not(loom))]
pub(crate) use std::{
    hint::spin_loop,
    sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence},
    sync::{Mutex, MutexGuard},
    thread::yield_now,
};

/// Memory whose owner is decided by an atomic word beside it; the same shape as loom's, which checks the
/// claim.
#[derive(Debug)]
pub(crate) struct Owned<T>(UnsafeCell<T>);

#[cfg(loom)]
use loom::cell::UnsafeCell;
#[cfg(not(loom))]
use std::cell::UnsafeCell;

impl<T> Owned<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// Passes the pointer; code that dereferences it argues why no other code does.
    pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        #[cfg(loom)]
        return self.0.with_mut(f);
        #[cfg(not(loom))]
        f(self.0.get())
    }

    /// The same where a call costs too much: a closure cannot be told that it is always to be inlined.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(crate) fn access<A: Access<T>>(&self, access: A) -> A::Output {
        #[cfg(loom)]
        return self.0.with_mut(|value| access.to(value));
        #[cfg(not(loom))]
        access.to(self.0.get())
    }
}

/// What is done with an [`Owned`] value.
pub(crate) trait Access<T> {
    type Output;

    fn to(self, value: *mut T) -> Self::Output;
}

/// Keeps the writes of one side off the cache lines of the other (two lines: processors prefetch in pairs).
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Padded<T>(pub(crate) T);

impl<T> Deref for Padded<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// Locks even after a panic of an earlier holder: nothing here is left half-done across a panic.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What one thread sleeps on and others set; a set before the sleep ends it at once.
#[cfg(not(loom))]
#[derive(Debug, Default)]
pub(crate) struct Event {
    sleeper: std::sync::OnceLock<std::thread::Thread>,
}

#[cfg(not(loom))]
impl Event {
    /// Names the calling thread as the one that sleeps here.
    pub(crate) fn adopt(&self) {
        let _ = self.sleeper.set(std::thread::current());
    }

    pub(crate) fn set(&self) {
        if let Some(sleeper) = self.sleeper.get() {
            sleeper.unpark();
        }
    }

    /// Sleeps until set, at most for `timeout`; may return early without a reason.
    pub(crate) fn wait(&self, timeout: Option<Duration>) {
        match timeout {
            Some(timeout) => std::thread::park_timeout(timeout),
            None => std::thread::park(),
        }
    }
}

/// As above, without timeouts. (Loom's own `park` forgets an `unpark` that finds the thread waiting for a
/// lock.)
#[cfg(loom)]
#[derive(Debug, Default)]
pub(crate) struct Event {
    set: Mutex<bool>,
    changed: loom::sync::Condvar,
}

#[cfg(loom)]
impl Event {
    pub(crate) fn adopt(&self) {}

    pub(crate) fn set(&self) {
        *lock(&self.set) = true;
        self.changed.notify_one();
    }

    pub(crate) fn wait(&self, _timeout: Option<Duration>) {
        let mut set = lock(&self.set);
        while !*set {
            set = self.changed.wait(set).unwrap_or_else(PoisonError::into_inner);
        }
        *set = false;
    }
}

/// Waits a little for another thread that needs a few instructions, or a batch; if it takes longer, yields
/// the processor.
pub(crate) fn spin_or_yield(turns: &mut u32) {
    *turns = turns.saturating_add(1);
    if *turns < 32 { spin_loop() } else { yield_now() }
}

/// Adds to a counter that only the calling side writes: a load and a store, no locked instruction.
#[inline]
pub(crate) fn bump(counter: &AtomicU64, by: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
}
