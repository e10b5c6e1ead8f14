//! The requests that wait until they are due, in the order in which they will be.
//!
//! ```text
//!   push ──► the request in a place of its own, its time and the place's number in a calendar ──► pop
//!       └──► or, if it never ends, in a list
//! ```

use crate::message::operation::Operation;
use crate::model::calendar::Calendar;
use crate::queue::cell::Ticket;
use crate::queue::entry::Announce;
use crate::queue::ready::{Flags, Times};

/// A request that is computed and not yet complete. Ordered by time, then by arrival; those that never end
/// come last.
#[derive(Clone, Copy, Debug)]
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

impl Due {
    /// What a place has before its first request.
    const fn blank(ticket: Ticket) -> Self {
        Self {
            due: 0,
            never: false,
            sequence: 0,
            ticket,
            port: 0,
            announce: Announce::Silent,
            operation: Operation::Call,
            bytes: 0,
            times: Times { submitted: None, started: 0, ended: 0 },
            flags: Flags { drop_wake: false, duplicate: false, is_secret: false },
            gap: 0,
            late: false,
        }
    }
}

impl Due {
    /// Whether no fault changes how it completes.
    #[inline]
    pub(crate) const fn is_plain(&self) -> bool {
        !self.never && !self.late && self.gap == 0 && self.flags.is_none() && !self.flags.is_secret
    }
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
    /// The numbers of places.
    calendar: Calendar<u32>,
    places: Vec<Due>,
    free: Vec<u32>,
    never: Vec<Due>,
}

impl DueQueue {
    /// Inlined, so that the parts are written to their place one by one: a move of newly written data waits
    /// for the writes.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(crate) fn push(&mut self, due: Due) {
        if due.never {
            return self.never.push(due);
        }
        if self.free.is_empty() {
            self.grow(due.ticket);
        }
        let Some(place) = self.free.pop() else { return };
        self.places[place as usize] = due;
        self.calendar.push(due.due, due.sequence, place);
    }

    /// Makes a free place.
    #[cold]
    fn grow(&mut self, ticket: Ticket) {
        let place = self.places.len();
        self.places.push(Due::blank(ticket));
        self.free.push(u32::try_from(place).expect("fewer requests are in flight than there are cells"));
    }

    /// Takes the next request that is due at `now`.
    pub(crate) fn pop(&mut self, now: u64) -> Option<Due> {
        if self.next_due()? > now {
            return None;
        }
        let (.., place) = self.calendar.pop()?;
        self.free.push(place);
        Some(self.places[place as usize])
    }

    /// When the next request is due, of those that ever are.
    pub(crate) fn next_due(&self) -> Option<u64> {
        self.calendar.next_time()
    }

    pub(crate) fn len(&self) -> usize {
        self.calendar.len() + self.never.len()
    }

    /// Takes all, in no order.
    pub(crate) fn drain(&mut self) -> Vec<Due> {
        let waiting = self.calendar.drain().map(|place| self.places[place as usize]);
        let all = waiting.chain(self.never.drain(..)).collect();
        self.places.clear();
        self.free.clear();
        all
    }

    /// Puts these in, where nothing else is.
    pub(crate) fn fill(&mut self, mut all: Vec<Due>) {
        all.sort_unstable();
        all.into_iter().for_each(|due| self.push(due));
    }
}
