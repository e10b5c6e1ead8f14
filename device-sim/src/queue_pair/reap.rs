//! Reaping: completions off the ring, and what they have taken given back, some tens at a time.

use std::mem;

use super::{Completion, QueuePair};
use crate::cell::Ticket;
use crate::entry::{Announce, index_of, unpack};

/// So many completions are reaped before what they have freed is given back.
const SETTLE_AT: u64 = 32;
/// So many completions ahead the host has what is behind them brought: about as long as a line takes to come.
const EXPECT_AHEAD: u64 = 4;

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
            let Some((ticket, announce)) = self.pop() else {
                self.settle();
                return None;
            };
            if self.unsettled.popped >= SETTLE_AT {
                self.settle();
            }
            let reaped = self.remote.pair.slab.reap(ticket);
            if let (Some(user_data), Announce::Reap { owner }) = (reaped, announce) {
                return Some(Completion { owner, user_data, ticket });
            }
        }
    }

    /// The next completion, and with it what a fault has put behind it: that stands for no slot of its own, so it has to
    /// be out of the ring before the slot is free.
    #[inline(always)]
    fn pop(&mut self) -> Option<(Ticket, Announce)> {
        let slab = &*self.remote.pair.slab;
        let (ticket, announce) = unpack(self.completions.pop_early()?, slab);
        if let Some(ahead) = self.completions.peek(EXPECT_AHEAD) {
            slab.expect_at(index_of(ahead));
        }
        self.unsettled.popped += 1;
        self.unsettled.slots += u64::from(matches!(announce, Announce::Reap { .. }));
        if self.may_repeat {
            // Asked for, for a look at the ring may have ended between the two.
            while self.completions.readable() > 0
                && let Some(next) = self.completions.peek(0)
                && matches!(unpack(next, slab).1, Announce::Again { .. })
            {
                self.completions.pop();
                self.unsettled.popped += 1;
            }
        }
        Some((ticket, announce))
    }

    /// Frees the slots of what [`QueuePair::reap_one`] has reaped.
    #[inline]
    pub fn settle(&mut self) {
        if self.unsettled.popped > 0 {
            self.settle_some();
        }
    }

    fn settle_some(&mut self) {
        let Unsettled { slots, .. } = mem::take(&mut self.unsettled);
        self.completions.publish();
        self.remote.pair.slots.reaped(slots);
        self.remote.pair.slots_were_freed();
    }
}

/// Settles when a reap ends, by a panic of the caller's function too.
struct Settling<'a>(&'a mut QueuePair);

impl Drop for Settling<'_> {
    fn drop(&mut self) {
        self.0.settle();
    }
}
