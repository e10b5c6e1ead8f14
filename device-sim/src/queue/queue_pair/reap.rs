//! Reaping: completions off the ring, and what they have taken given back, some tens at a time.

use std::mem;

use super::QueuePair;
use crate::queue::arrivals::{Completion, TOGETHER};
use crate::queue::entry::{index_of, is_repeated};
use crate::queue::ring::Entry;

/// So many completions are reaped before what they have freed is given back.
const RELEASE_AT: u64 = 32;

/// What [`QueuePair::release_reaped`] is to give back: places in the completion ring, and slots.
#[derive(Debug, Default)]
pub(super) struct Unreleased {
    pub(super) popped: u64,
    pub(super) slots: u64,
}

impl QueuePair {
    /// Takes at most `max` completions off the ring and hands them to `f`; returns how many. Each frees a slot.
    /// Those whose wake was cancelled, or whose request is gone, free theirs and are not handed out.
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

    /// Has what is behind the next completions brought, each once: it takes about as long to come as some of them take.
    #[inline]
    pub(super) fn prefetch_next(&mut self) {
        let slab = &*self.remote.pair.slab;
        let next = self.completions.coming(2 * TOGETHER as u64);
        next.for_each(|word| slab.prefetch_at(index_of([word, 0])));
    }

    /// Settles when enough have come together, or there was none.
    #[inline]
    pub(super) fn release_after(&mut self, popped: u64) {
        if popped == 0 || self.unreleased.popped >= RELEASE_AT {
            self.release_reaped();
        }
    }

    /// The next completion, and with it what a fault has put behind it: that stands for no slot of its own, so it has to
    /// be out of the ring before the slot is free.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<Entry> {
        let entry = self.completions.pop()?;
        self.unreleased.popped += 1;
        self.unreleased.slots += u64::from(!is_repeated(entry));
        if self.may_repeat {
            // Asked for, for a look at the ring may have ended between the two.
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
        // Who joins the line has this queue pair to himself meanwhile: whoever waits is seen without a fence.
        if pair.slots.someone_waits() {
            pair.slots_were_freed();
        }
    }
}

/// Settles when a reap ends, by a panic of the caller's function too.
struct Releasing<'a>(&'a mut QueuePair);

impl Drop for Releasing<'_> {
    fn drop(&mut self) {
        self.0.release_reaped();
    }
}
