//! Reaping: completions off the ring, and what they have taken given back, some tens at a time.

use std::mem;

use super::QueuePair;
use crate::queue::arrivals::{Arrival, Arrivals, Completion, TOGETHER};
use crate::queue::entry::{index_of, is_repeated};
use crate::queue::ring::Entry;

/// So many completions are reaped before what they have freed is given back.
const SETTLE_AT: u64 = 32;

/// What [`QueuePair::settle`] is to give back: places in the completion ring, and slots.
#[derive(Debug, Default)]
pub(super) struct Unsettled {
    popped: u64,
    slots: u64,
}

impl QueuePair {
    /// Takes at most `max` completions off the ring and hands them to `f`; returns how many. Each frees a slot.
    /// Those whose wake was cancelled, or whose request is gone, free theirs and are not handed out.
    pub fn reap(&mut self, max: usize, f: &mut dyn FnMut(Completion)) -> usize {
        let settling = Settling(self);
        let mut given = 0;
        while given < max {
            let Some(completion) = settling.0.reap_one() else { break };
            given += 1;
            f(completion);
        }
        given
    }

    /// [`QueuePair::reap`] of one, whose slot becomes free later: together with those of some tens of others, or when the
    /// ring is found empty, or by [`QueuePair::settle`]. Until then
    /// [`Remote::completions_pending`](crate::Remote::completions_pending) may say that there is something to reap, and
    /// those who wait for a slot wait.
    #[inline(always)]
    pub fn reap_one(&mut self) -> Option<Completion> {
        if self.remote.pair.forked() {
            return None;
        }
        loop {
            self.expect_next();
            let popped = self.pop();
            self.completions.look_ahead(TOGETHER as u64);
            self.settle_after(u64::from(popped.is_some()));
            let entry = popped?;
            if let Some(completion) = self.remote.reap_completion(Arrival(entry)) {
                return Some(completion);
            }
        }
    }

    /// Takes some completions off the ring, to be reaped one by one by [`Remote::reap`]; `false`: there are none. Those that
    /// are still in `into` are lost. As with [`QueuePair::reap_one`], their slots become free a little later, or by
    /// [`QueuePair::settle`].
    ///
    /// What will be looked at when these have been reaped is brought meanwhile, from the device's processor.
    ///
    /// [`Remote::reap`]: crate::Remote::reap
    pub fn arrivals(&mut self, into: &Arrivals) -> bool {
        if self.remote.pair.forked() {
            return false;
        }
        debug_assert!(into.is_empty(), "those that are there would be lost");
        self.expect_next();
        let count = if self.may_repeat {
            into.fill(self.pop().into_iter())
        } else {
            let count = into.fill(self.completions.entries(TOGETHER));
            self.completions.pass(count as u64);
            self.unsettled.popped += count as u64;
            self.unsettled.slots += count as u64;
            count
        };
        self.completions.look_ahead(TOGETHER as u64);
        self.settle_after(count as u64);
        count > 0
    }

    /// Has what is behind the next completions brought, each once: it takes about as long to come as some of them take.
    #[inline]
    fn expect_next(&mut self) {
        let slab = &*self.remote.pair.slab;
        let next = self.completions.coming(2 * TOGETHER as u64);
        next.for_each(|word| slab.expect_at(index_of([word, 0])));
    }

    /// Settles when enough have come together, or there was none.
    #[inline]
    fn settle_after(&mut self, popped: u64) {
        if popped == 0 || self.unsettled.popped >= SETTLE_AT {
            self.settle();
        }
    }

    /// The next completion, and with it what a fault has put behind it: that stands for no slot of its own, so it has to
    /// be out of the ring before the slot is free.
    #[inline]
    fn pop(&mut self) -> Option<Entry> {
        let entry = self.completions.pop()?;
        self.unsettled.popped += 1;
        self.unsettled.slots += u64::from(!is_repeated(entry));
        if self.may_repeat {
            // Asked for, for a look at the ring may have ended between the two.
            while self.completions.readable() > 0 && self.completions.peek().is_some_and(is_repeated) {
                self.completions.pop();
                self.unsettled.popped += 1;
            }
        }
        Some(entry)
    }

    /// Frees the slots of what [`QueuePair::reap_one`] has reaped, and [`QueuePair::arrivals`] taken off the ring.
    #[inline]
    pub fn settle(&mut self) {
        if self.unsettled.popped > 0 {
            self.settle_some();
        }
    }

    fn settle_some(&mut self) {
        let Unsettled { slots, .. } = mem::take(&mut self.unsettled);
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
struct Settling<'a>(&'a mut QueuePair);

impl Drop for Settling<'_> {
    fn drop(&mut self) {
        self.0.settle();
    }
}
