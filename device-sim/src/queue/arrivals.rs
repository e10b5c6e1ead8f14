//! Completions that are taken off the ring in batches, and reaped one by one.
//!
//! ```text
//!   completion ring ──QueuePair::arrivals──► [ a | b | c | d | . | . | . | . ] ──next──► a ──Remote::reap──► its user data
//!                                              ▲ next        ▲ end
//! ```
//!
//! The reader pays the ring's costs once per batch, and the queue pair is free while the completions are
//! used.

use std::cell::Cell;

use crate::queue::cell::Ticket;
use crate::queue::entry::owner_of;
use crate::queue::ring::Entry;

/// What polling finds: a request that is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    /// As given in [`Delivery::Reap`](crate::Delivery::Reap).
    pub owner: u32,
    /// As given in [`Request::user_data`](crate::Request::user_data).
    pub user_data: u64,
    /// The request whose result can be taken.
    pub ticket: Ticket,
}

/// A completion that is off the ring and has not been reaped: its wake is still there to be taken, or to be
/// cancelled.
///
/// Neither `Copy` nor `Clone`: reaping a plain request leaves no trace in it, so this value is what can be
/// reaped only once.
#[derive(Debug)]
pub struct Arrival(pub(crate) Entry);

impl Arrival {
    /// As given in [`Delivery::Reap`](crate::Delivery::Reap).
    #[inline]
    pub const fn owner(&self) -> u32 {
        owner_of(self.0)
    }
}

/// The most completions that come off the ring together.
pub(super) const TOGETHER: usize = 8;

/// Completions off the ring, oldest first: room for some.
#[derive(Debug, Default)]
pub struct Arrivals {
    places: [Cell<Entry>; TOGETHER],
    next: Cell<usize>,
    end: Cell<usize>,
}

impl Arrivals {
    /// Takes the oldest one.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub fn next(&self) -> Option<Arrival> {
        let next = self.next.get();
        if next == self.end.get() {
            return None;
        }
        self.next.set(next + 1);
        Some(Arrival(self.places[next % TOGETHER].get()))
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.next.get() == self.end.get()
    }

    /// Replaces the entries.
    #[inline]
    pub(super) fn fill(&self, entries: impl Iterator<Item = Entry>) -> usize {
        let mut end = 0;
        for (place, entry) in self.places.iter().zip(entries) {
            place.set(entry);
            end += 1;
        }
        self.next.set(0);
        self.end.set(end);
        end
    }
}
