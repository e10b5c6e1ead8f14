//! The requests that wait until they are due, in the order in which they will be.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::message::operation::Operation;
use crate::queue::cell::Ticket;
use crate::queue::entry::Announce;
use crate::queue::ready::{Flags, Times};

/// A request that is computed and not yet complete. Ordered by time, then by arrival; those that never end
/// come last.
#[derive(Debug)]
pub(crate) struct Due {
    pub(crate) due: u64,
    /// It never ends. (The end of the clock is a time.)
    pub(crate) never: bool,
    pub(crate) sequence: u64,
    pub(crate) ticket: Ticket,
    pub(crate) port: usize,
    pub(crate) announce: Announce,
    pub(crate) operation: Operation,
    pub(crate) bytes: u64,
    pub(crate) times: Times,
    pub(crate) flags: Flags,
    /// How many requests of its queue pair must overtake it.
    pub(crate) gap: u32,
    /// Its completion comes, whether or not it is revoked.
    pub(crate) late: bool,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.never, self.due, self.sequence).cmp(&(other.never, other.due, other.sequence))
    }
}

/// What waits for its time.
#[derive(Debug, Default)]
pub(crate) struct DueQueue {
    heap: BinaryHeap<Reverse<Due>>,
}

impl DueQueue {
    pub(crate) fn push(&mut self, due: Due) {
        self.heap.push(Reverse(due));
    }

    /// Takes the next request that is due at `now`.
    pub(crate) fn pop(&mut self, now: u64) -> Option<Due> {
        if self.next_due()? <= now { self.heap.pop().map(|Reverse(due)| due) } else { None }
    }

    /// When the next request is due, of those that ever are.
    pub(crate) fn next_due(&self) -> Option<u64> {
        self.heap.peek().filter(|next| !next.0.never).map(|next| next.0.due)
    }

    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    /// Takes all, in no order.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Due> + '_ {
        self.heap.drain().map(|Reverse(due)| due)
    }

    /// Puts these in, where nothing else is.
    pub(crate) fn fill(&mut self, all: Vec<Due>) {
        self.heap = all.into_iter().map(Reverse).collect();
    }
}
