//! Cells: where a request lives from submit to take, and the two words that say who owns it.
//!
//! ```text
//!   claim word = generation (48) | short (1) | status (7) | state (8)         who owns the payload
//!
//!                  place                    claim            finish
//!        FREE ───────────────► QUEUED ───────────► EXECUTING ──────► DONE          device: ─── and ═══
//!         ▲ │ place             ▲ ┆            postpone ║ ▲ resume   ┆           host:   ┆┆┆ (a CAS each)
//!         │ └───► PARKED ─enter─┘ ┆                     ▼ ║          ┆
//!         │          ┆            ┆         HANDED   EXECUTED        ┆      HANDED: as EXECUTED, before another
//!         │          ┆            ┆            ┆        ┆            ┆      worker resumes and computes it
//!         └─ release ┴┄┄┄┄┄┄ TAKEN ┴┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┴┄┄┄┄┄┄┄┄┄┄┄┄┘             generation + 1
//!
//!   wake word = generation (48) | state (16)                      whose the waker is
//!
//!        IDLE      ARMED ───────► SENDING ───────► SENT           sender: ───
//!                    ┆               ┆                            host:   ┆┆┆
//!                    ▼               ▼
//!                CANCELLED       RELEASED   the host has let go of the cell, e.g. after it has read its token: the sender
//!                                           frees it
//!        ARMED ┄► REPLACING ┄► ARMED         the host exchanges the waker; another thread waits for that
//!        REAPABLE ┄► SENT, CANCELLED         under polling, without a waker: the finder of the completion takes the wake
//!        PLAIN ┄► CANCELLED                  the same of a plain request: the completion has the wake as long as the word
//!                                            stays so, and taking it, which is for the submitting side, writes nothing
//! ```
//!
//! The rule: only the winner of the compare-and-swap that left a state touches the payload. The device owns
//! it from `claim` (or `resume`) until `finish` (or `postpone`), and only there; the host's winner owns it in
//! TAKEN. Every word carries the generation of the request, so whatever arrives late, twice or with a copied
//! ticket fails its compare-and-swap (or its comparison, for a late completion of a plain request) and hits
//! nothing. A cell whose wake is being sent is not reused: the host or the sender frees it, whichever is
//! last, and neither waits for the other.
//!
//! This file has the words and the keys; `host`, `device` and `waking` are the operations of each side,
//! `slab` holds the cells.
#![expect(unsafe_code, reason = "the words beside the payload and the waker name their owners")]

mod device;
mod host;
mod slab;
mod waking;

use std::fmt;
use std::num::NonZeroU64;
use std::task::Waker;

pub(crate) use slab::{Allocator, Slab};

use crate::message::request::{PLAIN_BYTES, Request};
use crate::message::status::Status;
use crate::sync::{AtomicU32, AtomicU64, Ordering, Owned};

/// Names one request of one queue pair, from submit until its result is taken.
///
/// A copy is as good as the original: every change of ownership is a compare-and-swap with one winner, and
/// for the others the ticket is stale. A ticket of another queue pair is stale too.
#[must_use = "the ticket is the way to the result"]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket {
    /// Generation (48) | the slab's number, lower part (16). Never 0, so that a ticket, or the reason why
    /// there is none, fits two registers.
    name: NonZeroU64,
    /// The slab's number, upper part (32) | index (32).
    place: u64,
}

/// The number of a slab, as its tickets carry it.
#[derive(Clone, Copy, Debug)]
struct SlabTag {
    name: u64,
    place: u64,
}

impl SlabTag {
    /// A process may create 2^48 slabs, each with its own number.
    fn new(id: u64) -> Self {
        assert!(id < 1 << 48, "2^48 queue pairs were made in this process");
        Self { name: id & 0xffff, place: id >> 16 << 32 }
    }

    /// Whether a ticket belongs to this slab.
    #[inline]
    const fn is_of(self, ticket: Ticket) -> bool {
        let others = (ticket.name.get() ^ self.name) & 0xffff | (ticket.place ^ self.place) >> 32;
        others == 0
    }
}

impl Ticket {
    #[inline]
    fn new(index: u32, slab: SlabTag, generation: u64) -> Self {
        let name = NonZeroU64::new(generation << GENERATION_SHIFT | slab.name);
        Self { name: name.unwrap_or(NonZeroU64::MIN), place: slab.place | u64::from(index) }
    }

    #[inline]
    pub(crate) const fn index(self) -> u32 {
        (self.place & 0xffff_ffff) as u32
    }

    /// Where the request lies in its queue pair, from 0: a small number. For `simaccel`, and exempt from
    /// semantic versioning.
    #[doc(hidden)]
    #[inline]
    pub const fn place(self) -> usize {
        self.index() as usize
    }

    #[inline]
    pub(crate) const fn generation(self) -> u64 {
        generation_of(self.name.get())
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket")
            .field("index", &self.index())
            .field("generation", &self.generation())
            .finish()
    }
}

/// The state of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TicketState {
    /// Waiting for a slot; the device takes it when one is free.
    Parked,
    /// Submitted, and not yet done.
    InFlight,
    /// Done: the result can be taken.
    Done(Status),
    /// Taken, revoked, or never of this queue pair.
    Stale,
}

/// The state of a request's wake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WakeState {
    /// The request carries none.
    Idle,
    /// It will be sent. For a plain polled request
    /// ([`QueuePair::submit_plain`](crate::QueuePair::submit_plain)): or its completion was reaped.
    Armed,
    /// The waker is being called at this moment. The state lasts until the call returns, also after the
    /// request was taken.
    Sending,
    /// It was sent (or, under polling, reaped).
    Sent,
    /// It was cancelled and will not be sent.
    Cancelled,
    /// The ticket is stale, and nothing is being sent for it.
    Stale,
}

/// The wake that a request arms when it is placed.
#[derive(Debug)]
pub(crate) enum Arm {
    /// Nothing.
    Silent,
    /// A waker, called once.
    Waker(Waker),
    /// No waker: reaping takes the wake.
    Reap,
    /// The same, without recording the reap, which saves a locked instruction. There is no waker, and no
    /// memory of other threads depends on the owner of the wake.
    ReapPlain,
}

/// The initial state of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Placed {
    /// Waiting for a slot.
    Parked,
    /// For the device to claim, once its entry is in the ring.
    Queued,
}

mod claim {
    pub(super) const FREE: u64 = 0;
    pub(super) const PARKED: u64 = 1;
    pub(super) const HANDED: u64 = 2;
    pub(super) const QUEUED: u64 = 3;
    pub(super) const EXECUTING: u64 = 4;
    pub(super) const EXECUTED: u64 = 5;
    pub(super) const DONE: u64 = 6;
    pub(super) const TAKEN: u64 = 7;
}

mod wake {
    pub(super) const IDLE: u64 = 0;
    pub(super) const ARMED: u64 = 1;
    pub(super) const SENDING: u64 = 2;
    pub(super) const SENT: u64 = 3;
    pub(super) const CANCELLED: u64 = 4;
    pub(super) const RELEASED: u64 = 5;
    pub(super) const REPLACING: u64 = 6;
    pub(super) const REAPABLE: u64 = 7;
    pub(super) const PLAIN: u64 = 8;
}

/// What `Cell::timing` says. Written by the side that has the payload, and so read by the one that has it
/// next.
mod timing {
    pub(super) const UNTIMED: u32 = 0;
    pub(super) const TIMED: u32 = 1;
    /// It was served, more than some four seconds after its submission.
    pub(super) const SERVED_LATE: u32 = 2;
}

const GENERATION_SHIFT: u32 = 16;
/// In the status of a request whose result is incomplete, beside its code.
const SHORT: u64 = 0x80 << 8;

const fn word(generation: u64, state: u64) -> u64 {
    generation << GENERATION_SHIFT | state
}

const fn generation_of(word: u64) -> u64 {
    word >> GENERATION_SHIFT
}

const fn state_of(word: u64) -> u64 {
    word & 0xff
}

const fn with_status(word: u64, status: Status) -> u64 {
    word | (status as u64) << 8
}

const fn status_of(word: u64) -> Status {
    Status::from_code((word >> 8 & 0x7f) as u8)
}

/// The slab of a used key: slabs are numbered from 1.
const SPENT: u64 = 0;

/// A request that the device owns: the only key to its payload and to its end. Not `Clone`.
#[must_use = "a request that is never finished stays in flight"]
#[derive(Debug)]
pub(crate) struct Executing {
    ticket: Ticket,
    slab: u64,
}

impl Executing {
    #[inline]
    pub(crate) const fn ticket(&self) -> Ticket {
        self.ticket
    }

    /// Whether it has been used.
    #[inline]
    pub(crate) const fn is_spent(&self) -> bool {
        self.slab == SPENT
    }

    /// A key that opens nothing.
    pub(crate) const fn spent() -> Self {
        Self { ticket: Ticket { name: NonZeroU64::MIN, place: 0 }, slab: SPENT }
    }
}

/// A wake that is being sent: the only key to its end. Not `Clone`.
#[must_use = "a wake that never ends holds its cell for ever"]
#[derive(Debug)]
pub(crate) struct Sending {
    ticket: Ticket,
    slab: u64,
}

/// A free cell that only its holder may fill. Not `Clone`.
#[must_use = "a free cell that is dropped is never used again"]
#[derive(Debug)]
pub(crate) struct Vacant {
    index: u32,
    slab: u64,
}

/// A request that the host has won: the only key to its payload and to its cell's end. Not `Clone`.
#[must_use = "a cell that is never let go of is never used again"]
#[derive(Debug)]
pub(crate) struct Held {
    ticket: Ticket,
    slab: u64,
    /// The state that it was won from.
    pub(crate) from: Origin,
}

/// The states that the host can win a request from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Parked,
    Queued,
    Executed,
    Done,
}

/// The result of an attempt to win a request.
#[derive(Debug)]
pub(crate) enum Hold {
    Held(Held),
    /// The device owns it for the duration of a batch; try again.
    Executing,
    Stale,
}

/// What is left of a cell that its host has released.
#[derive(Debug)]
pub(crate) struct Remains {
    /// For an allocator; `None` while a wake is being sent, because its sender gives it back.
    pub(crate) vacant: Option<Vacant>,
    /// Whether the release cancelled the wake.
    pub(crate) cancelled: bool,
    /// The waker that was not called; dropping it may run foreign code, so it goes last.
    pub(crate) waker: Option<Waker>,
}

/// The place of one request. The first cache line has everything that the device needs of a plain polled
/// request; the last one has what then stays with the host.
#[repr(C, align(128))]
pub(crate) struct Cell {
    claim: AtomicU64,
    /// The request, or an empty one.
    payload: Owned<Request>,
    _next_line: NextLine,
    wake: AtomicU64,
    user_data: AtomicU64,
    waker: Owned<Option<Waker>>,
    /// When the request was submitted, on a device that stamps requests; and when its service ended, if that
    /// was long after.
    submitted: AtomicU64,
    served: AtomicU64,
    /// Whether that is timed, and was noted.
    timing: AtomicU32,
    next_free: AtomicU32,
    /// Where the text lies, on a device that stamps requests: a hint, see [`note`](crate::queue::note).
    text: AtomicU64,
}

/// Begins a cache line.
#[repr(align(64))]
struct NextLine;

const _: () = assert!(
    size_of::<AtomicU64>() + PLAIN_BYTES <= 64 || cfg!(loom),
    "a plain request and its claim word share a line"
);

// SAFETY: only the owner that the claim and wake words name reaches the two cells inside, and ownership
// passes by compare-and-swap with acquire and release; a request and a waker may themselves move between
// threads.
unsafe impl Sync for Cell {}

impl fmt::Debug for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cell").field("claim", &self.claim).field("wake", &self.wake).finish_non_exhaustive()
    }
}

impl Drop for Cell {
    /// A request that was not taken leaves no plaintext behind.
    fn drop(&mut self) {
        // SAFETY: `&mut self` excludes all other access.
        self.payload.with_mut(|payload| unsafe { (*payload).wipe() });
    }
}

impl Cell {
    fn new() -> Self {
        Self {
            claim: AtomicU64::new(word(1, claim::FREE)),
            payload: Owned::new(Request::empty()),
            _next_line: NextLine,
            wake: AtomicU64::new(word(1, wake::IDLE)),
            user_data: AtomicU64::new(0),
            waker: Owned::new(None),
            submitted: AtomicU64::new(0),
            served: AtomicU64::new(0),
            timing: AtomicU32::new(timing::UNTIMED),
            next_free: AtomicU32::new(0),
            text: AtomicU64::new(0),
        }
    }

    /// Moves the claim word of `generation` from one state to another, keeping its status.
    #[inline]
    fn swap_claim(&self, generation: u64, from: u64, to: u64) -> Option<Status> {
        let old = self.claim.load(Ordering::Acquire);
        if generation_of(old) != generation || state_of(old) != from {
            return None;
        }
        let new = old & !0xff | to;
        self.claim.compare_exchange(old, new, Ordering::AcqRel, Ordering::Relaxed).ok()?;
        Some(status_of(old))
    }

    /// Stores the successor of a wake word that no thread changes any more, except a late attempt to cancel a
    /// PLAIN one: what a compare-and-swap writes comes directly after what it has read, and so before this.
    #[inline]
    fn leave_wake(&self, word: u64) {
        // Loom orders a store only after what its thread has seen.
        #[cfg(loom)]
        self.wake.swap(word, Ordering::Relaxed);
        #[cfg(not(loom))]
        self.wake.store(word, Ordering::Relaxed);
    }

    #[inline]
    fn swap_wake(&self, generation: u64, from: u64, to: u64) -> bool {
        let (from, to) = (word(generation, from), word(generation, to));
        self.wake.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

/// Both sides.
impl Slab {
    /// TAKEN, and no wake on its way: the cell is free.
    #[inline]
    fn free(&self, cell: &Cell, ticket: Ticket) -> Vacant {
        let generation = word(ticket.generation(), 0);
        // Never 0.
        let next = generation.checked_add(word(1, 0)).unwrap_or(word(1, 0));
        cell.leave_wake(next | wake::IDLE);
        cell.claim.store(next | claim::FREE, Ordering::Release);
        Vacant { index: ticket.index(), slab: self.id() }
    }

    fn swap(&self, ticket: Ticket, from: u64, to: u64) -> Option<Status> {
        self.cell(ticket)?.swap_claim(ticket.generation(), from, to)
    }
}
