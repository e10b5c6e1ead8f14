//! Requests that are computed and due, until they are published.

use std::ops::{Deref, DerefMut};

use crate::message::operation::Operation;
use crate::message::status::Status;
use crate::queue::cell::{Executing, Ticket};
use crate::queue::entry::Announce;

/// A request that is computed and due.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) port: usize,
    pub(crate) claimed: Executing,
    pub(crate) status: Status,
    pub(crate) announce: Announce,
    pub(crate) operation: Operation,
    /// Bytes of input.
    pub(crate) bytes: u64,
    pub(crate) times: Times,
    /// When the model has it complete; `None`: it ends otherwise. Not in use where no time is modelled.
    pub(crate) due: Option<u64>,
    pub(crate) flags: Flags,
}

/// When a request was submitted (`None`: it is not timed), begun and ended, in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Times {
    pub(crate) submitted: Option<u64>,
    pub(crate) started: u64,
    pub(crate) ended: u64,
}

/// The faults of a completion.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Flags {
    /// Nothing is announced.
    pub(crate) drop_wake: bool,
    /// It is completed twice.
    pub(crate) duplicate: bool,
    /// Nothing is announced, by sabotage: no counter knows of it.
    pub(crate) is_secret: bool,
}

impl Flags {
    #[inline]
    pub(crate) const fn is_none(self) -> bool {
        !self.drop_wake && !self.duplicate
    }
}

impl Ready {
    /// No request.
    fn blank() -> Self {
        Self {
            port: 0,
            claimed: Executing::spent(),
            status: Status::DeviceDead,
            announce: Announce::Silent,
            operation: Operation::Encrypt,
            bytes: 0,
            times: Times::default(),
            due: None,
            flags: Flags::default(),
        }
    }
}

/// The requests that are due, in the order of their publication. Entries are filled and read in place: a move
/// of newly written data waits for the writes.
#[derive(Debug, Default)]
pub(crate) struct ReadyList {
    places: Vec<Ready>,
    len: usize,
    /// Requests, with their ports, that were revoked before they were due.
    gone: Vec<(usize, Ticket)>,
}

impl ReadyList {
    /// Adds a request that is about to be computed; the caller fills in the rest as soon as it is known.
    #[inline]
    pub(crate) fn add(
        &mut self,
        port: usize,
        claimed: Executing,
        status: Status,
        announce: Announce,
    ) -> &mut Ready {
        let place = self.next();
        place.port = port;
        place.claimed = claimed;
        place.status = status;
        place.announce = announce;
        place.flags = Flags::default();
        place
    }

    pub(crate) fn push(&mut self, ready: Ready) {
        *self.next() = ready;
    }

    /// A request is not there that would be due.
    pub(crate) fn note_gone(&mut self, port: usize, ticket: Ticket) {
        self.gone.push((port, ticket));
    }

    /// Those; each once.
    pub(crate) fn gone(&mut self) -> impl Iterator<Item = (usize, Ticket)> + '_ {
        self.gone.drain(..)
    }

    #[inline]
    fn next(&mut self) -> &mut Ready {
        if self.len == self.places.len() {
            self.grow();
        }
        self.len += 1;
        &mut self.places[self.len - 1]
    }

    /// Removes the request that was added last, whose key is used up.
    #[inline]
    pub(crate) fn forget_last(&mut self) {
        self.len = self.len.saturating_sub(1);
    }

    /// Removes published requests, when they were not removed after the publication.
    #[cold]
    pub(crate) fn forget_finished(&mut self) {
        let mut kept = 0;
        for at in 0..self.len {
            if !self.places[at].claimed.is_spent() {
                self.places.swap(kept, at);
                kept += 1;
            }
        }
        self.len = kept;
    }

    /// Removes the published requests.
    pub(crate) fn clear(&mut self) {
        self.len = 0;
    }

    #[cold]
    fn grow(&mut self) {
        let places = (2 * self.places.len()).max(32);
        self.places.resize_with(places, Ready::blank);
    }
}

impl Deref for ReadyList {
    type Target = [Ready];

    #[inline]
    fn deref(&self) -> &[Ready] {
        &self.places[..self.len]
    }
}

impl DerefMut for ReadyList {
    #[inline]
    fn deref_mut(&mut self) -> &mut [Ready] {
        &mut self.places[..self.len]
    }
}
