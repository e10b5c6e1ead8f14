//! What crosses the rings: a ticket and how its end is to be announced, in two words.
//!
//! ```text
//!   word 0 = owner (32) | index (32)        word 1 = unused (13) | long (1) | announcement (2) | generation (48)
//! ```
//!
//! A request that may take long says so in its entry: the device announces what is ready before it computes
//! such a one, and knows that before it claims the request.

use crate::queue::cell::{Slab, Ticket};
use crate::queue::ring::Entry;

/// How the end of a request is announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Announce {
    /// Not at all.
    Silent,
    /// By the waker in its cell.
    Wake,
    /// By an entry in the completion ring.
    Reap { owner: u32 },
    /// By a second entry in the completion ring, after that of `Reap`: a fault. It stands for no slot.
    Again { owner: u32 },
}

/// A request that is taken from what is at hand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub(crate) ticket: Ticket,
    pub(crate) announce: Announce,
    /// When it was submitted, if it is timed.
    pub(crate) timed_from: Option<u64>,
}

const KIND_SHIFT: u32 = 48;
const SILENT: u64 = 0;
const WAKE: u64 = 1;
const REAP: u64 = 2;
const AGAIN: u64 = 3;
const KINDS: u64 = 0b11;
const LONG: u64 = 1 << (KIND_SHIFT + 2);

/// Packs an entry.
#[inline]
pub(crate) fn pack(ticket: Ticket, announce: Announce) -> Entry {
    let (kind, owner) = match announce {
        Announce::Silent => (SILENT, 0),
        Announce::Wake => (WAKE, 0),
        Announce::Reap { owner } => (REAP, owner),
        Announce::Again { owner } => (AGAIN, owner),
    };
    [u64::from(owner) << 32 | u64::from(ticket.index()), kind << KIND_SHIFT | ticket.generation()]
}

/// The entry of a request that takes long.
#[inline]
pub(crate) const fn marked_long([word, kind]: Entry) -> Entry {
    [word, kind | LONG]
}

/// Whether the request takes long.
#[inline]
pub(crate) const fn is_long([_, kind]: Entry) -> bool {
    kind & LONG != 0
}

/// The place of the entry's cell.
#[inline]
pub(crate) const fn index_of([word, _]: Entry) -> u32 {
    (word & 0xffff_ffff) as u32
}

/// The owner to announce it to, under polling.
#[inline]
pub(crate) const fn owner_of([word, _]: Entry) -> u32 {
    (word >> 32) as u32
}

/// Whether it stands for no slot of its own.
#[inline]
pub(crate) const fn is_repeated([_, kind]: Entry) -> bool {
    kind >> KIND_SHIFT == AGAIN
}

/// The generation of the entry's request.
#[inline]
pub(crate) const fn generation_of([_, kind]: Entry) -> u64 {
    kind & ((1 << KIND_SHIFT) - 1)
}

/// The ticket of an entry of the pair whose cells are `slab`.
#[inline]
pub(crate) fn ticket_of(entry: Entry, slab: &Slab) -> Ticket {
    slab.ticket(index_of(entry), generation_of(entry))
}

/// Unpacks an entry of the pair whose cells are `slab`.
#[inline]
pub(crate) fn unpack([word, kind]: Entry, slab: &Slab) -> (Ticket, Announce) {
    let ticket = ticket_of([word, kind], slab);
    let announce = match kind >> KIND_SHIFT & KINDS {
        WAKE => Announce::Wake,
        REAP => Announce::Reap { owner: owner_of([word, kind]) },
        AGAIN => Announce::Again { owner: owner_of([word, kind]) },
        _ => Announce::Silent,
    };
    (ticket, announce)
}
