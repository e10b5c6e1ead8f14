//! Reaping: takes completions off the ring, and releases their slots in batches.

use std::mem;

use super::QueuePair;
use crate::queue::arrivals::{Completion, TOGETHER};
use crate::queue::entry::{index_of, is_repeated};
use crate::queue::ring::Entry;

/// How many completions are reaped before their slots are released.
const RELEASE_AT: u64 = 32;

/// What [`QueuePair::release_reaped`] will release: entries in the completion ring, and slots.
#[derive(Debug, Default)]
pub(super) struct Unreleased {
    pub(super) popped: u64,
    pub(super) slots: u64,
}

impl QueuePair {
    /// Takes at most `max` completions off the ring and passes them to `f`; returns how many. Each frees a
    /// slot. A completion whose wake was cancelled, or whose request is gone, frees its slot and is not
    /// passed on.
    pub fn reap(&mut self, max: usize, f: &mut dyn FnMut(Completion)) -> usize {
        let releasing = Releasing(self);
        let mut given = 0;
        while given < max {
            let Some(completion) = releasing.0.reap_one() else { break };
            given += 1;
            f(completion);
        }
        given
    }

    /// Prefetches what the next completions refer to, each once: that takes about as long as processing some
    /// of them.
    #[inline]
    pub(super) fn prefetch_next(&mut self) {
        let slab = &*self.remote.pair.slab;
        let next = self.completions.coming(2 * TOGETHER as u64);
        next.for_each(|word| slab.prefetch_at(index_of([word, 0])));
    }

    /// Releases when enough have accumulated, or there was none.
    #[inline]
    pub(super) fn release_after(&mut self, popped: u64) {
        if popped == 0 || self.unreleased.popped >= RELEASE_AT {
            self.release_reaped();
        }
    }

    /// The next completion, and a duplicate that a fault has put after it: that stands for no slot of its
    /// own, so it has to leave the ring before the slot is free.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<Entry> {
        let entry = self.completions.pop()?;
        self.unreleased.popped += 1;
        self.unreleased.slots += u64::from(!is_repeated(entry));
        if self.may_repeat {
            // Asked for, because a look at the ring may have ended between the two.
            while self.completions.readable() > 0 && self.completions.peek().is_some_and(is_repeated) {
                self.completions.pop();
                self.unreleased.popped += 1;
            }
        }
        Some(entry)
    }

    pub(super) fn release_some(&mut self) {
        let Unreleased { slots, .. } = mem::take(&mut self.unreleased);
        self.completions.publish();
        let pair = &*self.remote.pair;
        pair.slots.reaped(slots);
        // The thread that parks has this queue pair to itself, so a parked request is visible without a
        // fence.
        if pair.slots.has_waiters() {
            pair.slots_were_freed();
        }
    }
}

/// Releases when a reap ends, also by a panic of the caller's function.
struct Releasing<'a>(&'a mut QueuePair);

impl Drop for Releasing<'_> {
    fn drop(&mut self) {
        self.0.release_reaped();
    }
}
