//! Host to device: "there is work". A real wake only when the worker sleeps.
//!
//! ```text
//!   host                                worker
//!   publish the entry                   asleep = true
//!   fence                               fence
//!   asleep?  no ── suppressed           anything published?  yes ── asleep = false, work
//!            yes ─ asleep = false,                           no ─── wait for the event, or the time given
//!                  set the event        asleep = false
//! ```
//!
//! The argument is the two fences: whichever comes first in their single order, either the host sees `asleep`
//! or the worker sees the entry. Nothing is lost, and a host that finds the worker awake pays a load; the
//! worker, which is about to sleep, pays for both fences (see `barrier`).

use std::time::Duration;

use crate::sync::barrier;
use crate::sync::{AtomicBool, AtomicU64, Event, Ordering, Padded, bump};

/// One per worker.
#[derive(Debug, Default)]
pub(crate) struct Doorbell {
    asleep: Padded<AtomicBool>,
    event: Event,
    sleeps: AtomicU64,
}

impl Doorbell {
    /// Names the calling thread as the one that sleeps here.
    pub(crate) fn answer(&self) {
        self.event.adopt();
    }

    /// Rings, after something was published; `true` when the worker slept and had to be woken.
    #[inline]
    pub(crate) fn ring(&self) -> bool {
        barrier::light();
        if !self.asleep.load(Ordering::Relaxed) {
            return false;
        }
        self.wake()
    }

    #[cold]
    fn wake(&self) -> bool {
        let woken = self.asleep.swap(false, Ordering::AcqRel);
        if woken {
            self.event.set();
        }
        woken
    }

    /// Sleeps until rung, at most for `timeout`, unless `has_work`; may return early without a reason.
    pub(crate) fn sleep(&self, timeout: Option<Duration>, has_work: impl FnOnce() -> bool) {
        // A swap and not a store, so that it is ordered after every ring's swap: a ring that came too late to
        // wake the previous sleep must not hide this one from its next ring.
        self.asleep.swap(true, Ordering::Relaxed);
        barrier::heavy();
        if !has_work() {
            bump(&self.sleeps, 1);
            self.event.wait(timeout);
        }
        self.asleep.store(false, Ordering::Relaxed);
    }

    /// How often the worker has gone to sleep.
    pub(crate) fn sleeps(&self) -> u64 {
        self.sleeps.load(Ordering::Relaxed)
    }
}
