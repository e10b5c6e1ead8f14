//! The sleep of one blocked thread, and the wake that ends it.
//!
//! ```text
//!   AWAKE ── sleep ──► ASLEEP ── wake: under the lock, for the sleeper may be on its way ──► WOKEN ── sleep returns ──► AWAKE
//!     └────────────────────── wake: one swap ─────────────────────────────────────────────────┘
//! ```
//!
//! `std::thread::park` would do, but it needs a thread handle. For a thread that std has not started, such as
//! those of C programs, std creates a handle; it never frees the main thread's, and leak checkers report
//! that.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Wake;

const AWAKE: u8 = 0;
const ASLEEP: u8 = 1;
/// Woken since the last sleep.
const WOKEN: u8 = 2;

/// A waker that ends the sleep of one blocked thread.
#[derive(Debug, Default)]
pub(crate) struct ThreadWaker {
    state: AtomicU8,
    lock: Mutex<()>,
    woken: Condvar,
}

impl ThreadWaker {
    /// Sleeps until woken; returns at once after a wake since the last sleep. Only one thread sleeps here.
    pub(crate) fn sleep(&self) {
        let mut guard = self.lock();
        let fell_asleep =
            self.state.compare_exchange(AWAKE, ASLEEP, Ordering::AcqRel, Ordering::Acquire).is_ok();
        while fell_asleep && self.state.load(Ordering::Acquire) == ASLEEP {
            guard = self.woken.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
        drop(guard);
        // Not a store: a second wake may have come, and what happened before it has to be visible.
        self.state.swap(AWAKE, Ordering::AcqRel);
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.lock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for ThreadWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.state.swap(WOKEN, Ordering::AcqRel) == ASLEEP {
            // The sleeper holds the lock until it waits.
            drop(self.lock());
            self.woken.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::task::Waker;
    use std::thread;

    use super::*;

    #[test]
    fn a_wake_before_the_sleep_ends_it_at_once_and_two_are_one() {
        let sleeper = Arc::new(ThreadWaker::default());
        let waker = Waker::from(Arc::clone(&sleeper));
        waker.wake_by_ref();
        waker.wake();
        sleeper.sleep();
        assert_eq!(sleeper.state.load(Ordering::Relaxed), AWAKE);
    }

    /// Two threads send each other to sleep: a lost wake is a hang.
    #[test]
    fn no_wake_is_lost() {
        const TURNS: usize = if cfg!(miri) { 20 } else { 20_000 };
        let sleepers = [(); 2].map(|()| Arc::new(ThreadWaker::default()));
        let turn = Arc::new(AtomicUsize::new(0));
        let players = [0, 1].map(|me: usize| {
            let (sleepers, turn) = (sleepers.clone(), Arc::clone(&turn));
            thread::spawn(move || {
                for round in 0..TURNS {
                    while turn.load(Ordering::Relaxed) != 2 * round + me {
                        sleepers[me].sleep();
                    }
                    turn.fetch_add(1, Ordering::Relaxed);
                    sleepers[1 - me].wake_by_ref();
                }
            })
        });
        players.into_iter().for_each(|player| player.join().unwrap());
        assert_eq!(turn.load(Ordering::Relaxed), 2 * TURNS);
    }
}
