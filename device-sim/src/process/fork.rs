//! Detects that this process is a forked child: none of the parent's threads run there, and its locks may be
//! held for ever.
//!
//! A handler that the C library calls in the child increments a count; an object compares it with the count
//! at its creation. File descriptors lie in a [`NotInherited`], which a child can neither use nor close. What
//! parent and child both use lies behind a [`Lock`], which knows of which process its holder is:
//!
//! ```text
//!   FREE ── lock ──► the holder's generation ── the guard is dropped ──► FREE
//!                      │  the same as here: its thread lives, and the lock is waited for
//!                      └─ another: a thread of the parent has it for ever, and `lock` returns `None`
//! ```
#![expect(
    unsafe_code,
    reason = "registering the handler is a foreign call; a child leaves what it has inherited undropped; a \
              lock lends what it guards"
)]

use std::cell::UnsafeCell;
use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::process::cancel::uncancelled;

static GENERATION: AtomicU64 = AtomicU64::new(0);
static INSTALLED: AtomicBool = AtomicBool::new(false);

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

/// A lock for short critical sections that parent and child of a fork both enter. It is no faster than a
/// mutex, and not fair: a thread that waits yields the processor.
pub struct Lock<T> {
    /// [`FREE`], or the generation of the process whose thread has it.
    holder: AtomicU64,
    value: UnsafeCell<T>,
}

/// No process has this generation.
const FREE: u64 = u64::MAX;

// SAFETY: the value is reached through a guard alone, and there is one guard at a time.
unsafe impl<T: Send> Sync for Lock<T> {}

/// Lends what a [`Lock`] guards.
#[derive(Debug)]
pub struct Guard<'l, T> {
    lock: &'l Lock<T>,
    /// Its threads share the value as those of a reference to it.
    lent: PhantomData<&'l mut T>,
}

impl<T> Lock<T> {
    /// A free lock.
    pub const fn new(value: T) -> Self {
        Self { holder: AtomicU64::new(FREE), value: UnsafeCell::new(value) }
    }

    /// Waits until no other thread of this process has it. `None`: a thread of the parent had it at the time
    /// of the fork, and may have left the value half changed.
    pub fn lock(&self) -> Option<Guard<'_, T>> {
        let here = generation();
        loop {
            match self.holder.compare_exchange_weak(FREE, here, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return Some(Guard { lock: self, lent: PhantomData }),
                Err(holder) if holder != FREE && holder != here => return None,
                // SAFETY: the call takes nothing, and lets another thread run.
                Err(_) => _ = unsafe { libc::sched_yield() },
            }
        }
    }
}

impl<T: Default> Default for Lock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the lock is held until this guard is dropped, and gives no other guard meanwhile.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the lock is held until this guard is dropped, and gives no other guard meanwhile.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        self.lock.holder.store(FREE, Ordering::Release);
    }
}

impl<T> fmt::Debug for Lock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lock").field("holder", &self.holder).finish_non_exhaustive()
    }
}

/// Registers the handler; afterwards costs a load. Threads that are here at once register it once each, and
/// then a fork counts for more than one: nothing waits here for a thread that a child does not have.
fn install() {
    if INSTALLED.load(Ordering::Acquire) {
        return;
    }
    // Nothing forks in miri, which knows no such handlers.
    if !cfg!(miri) {
        // SAFETY: the handler is a plain function that lives as long as the program, and all it does is an
        // atomic addition, which is allowed between fork and exec.
        let refused = unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
        assert_eq!(refused, 0, "no memory to register a fork handler");
    }
    INSTALLED.store(true, Ordering::Release);
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn a_lock_lets_one_thread_in_at_a_time() {
        const TURNS: usize = if cfg!(miri) { 30 } else { 20_000 };
        let lock = Lock::new(0);
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| (0..TURNS).for_each(|_| *lock.lock().unwrap() += 1));
            }
        });
        assert_eq!(*lock.lock().unwrap(), 3 * TURNS);
    }

    #[test]
    fn what_a_thread_of_the_parent_holds_is_refused_and_not_waited_for() {
        let lock = Lock::new(7);
        // As a child finds it: held in another generation.
        lock.holder.store(generation() + 1, Ordering::Relaxed);
        assert!(lock.lock().is_none());
        lock.holder.store(FREE, Ordering::Relaxed);
        assert_eq!(lock.lock().as_deref(), Some(&7));
    }
}
