//! Cells: where a request lives from submit to take, and the two words that say whose it is.
//!
//! ```text
//!   claim word = generation (48) | status (8) | state (8)         who owns the payload
//!
//!                  place                    claim            finish
//!        FREE ───────────────► QUEUED ───────────► EXECUTING ──────► DONE          device: ─── and ═══
//!         ▲ │ place             ▲ ┆            postpone ║ ▲ resume   ┆           host:   ┆┆┆ (a CAS each)
//!         │ └───► PARKED ─enter─┘ ┆                     ▼ ║          ┆
//!         │          ┆            ┆                  EXECUTED        ┆
//!         │          ┆            ┆                     ┆            ┆
//!         └─ release ┴┄┄┄┄┄┄ TAKEN ┴┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┴┄┄┄┄┄┄┄┄┄┄┄┄┘             generation + 1
//!
//!   wake word = generation (48) | state (16)                      whose the waker is
//!
//!        IDLE      ARMED ───────► SENDING ───────► SENT           sender: ───
//!                    ┆               ┆                            host:   ┆┆┆
//!                    ▼               ▼
//!                CANCELLED       RELEASED   the host has let go of the cell: the sender frees it
//!        ARMED ┄► REPLACING ┄► ARMED         the host exchanges the waker; who comes meanwhile waits for it
//! ```
//!
//! The rule: the payload is touched by the winner of the compare-and-swap that left the state, and by nobody else.
//! The device owns it from `claim` (or `resume`) until `finish` (or `postpone`) and only there; the host's winner
//! owns it in TAKEN. Every word carries the generation of the request, so whatever arrives late, twice or with a
//! copied ticket fails its compare-and-swap and hits nothing. A cell whose wake is being sent is not reused: the
//! last of the host and the sender frees it, and neither waits for the other.
#![expect(unsafe_code, reason = "the payload and the waker are owned by whoever the words beside them say")]

mod slab;
mod waking;

use std::fmt;
use std::num::NonZeroU64;
use std::ops::Deref;
use std::task::Waker;

pub(crate) use slab::{Allocator, Slab};

use crate::prefetch;
use crate::request::{PLAIN_BYTES, Request, Status};
use crate::sync::{AtomicU32, AtomicU64, Ordering, Owned, be_patient};

/// Names one request of one queue pair, from submit until its result is taken.
///
/// A copy is as good as the original: every change of ownership is a compare-and-swap that one of them wins, and
/// what the others get is "stale". A ticket of another queue pair is stale too.
#[must_use = "the ticket is the way to the result"]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket {
    /// Generation (48) | tag of the slab (16). In one word, and never 0, so that a ticket, or why there is none, travels
    /// in two registers.
    name: NonZeroU64,
    index: u32,
}

impl Ticket {
    #[inline]
    fn new(index: u32, slab: u16, generation: u64) -> Self {
        let name = NonZeroU64::new(generation << GENERATION_SHIFT | u64::from(slab));
        Self { name: name.unwrap_or(NonZeroU64::MIN), index }
    }

    #[inline]
    pub(crate) const fn index(self) -> u32 {
        self.index
    }

    #[inline]
    pub(crate) const fn generation(self) -> u64 {
        generation_of(self.name.get())
    }

    #[inline]
    const fn slab(self) -> u64 {
        self.name.get() & 0xffff
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").field("index", &self.index).field("generation", &self.generation()).finish()
    }
}

/// Where a request is.
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

/// What became of the wake that a request carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WakeState {
    /// The request carries none.
    Idle,
    /// It will be sent.
    Armed,
    /// The waker is being called at this moment. It stays so after the request was taken, until the call returns.
    Sending,
    /// It was sent (or, under polling, reaped).
    Sent,
    /// It was cancelled and will not be sent.
    Cancelled,
    /// The ticket is stale, and nothing is being sent for it.
    Stale,
}

/// What a request arms when it is placed.
#[derive(Debug)]
pub(crate) enum Arm {
    /// Nothing.
    Silent,
    /// A waker, called once.
    Waker(Waker),
    /// No waker: reaping is what takes the wake.
    Reap,
}

/// The state that a request begins in.
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
}

const GENERATION_SHIFT: u32 = 16;
const GENERATION_MASK: u64 = (1 << 48) - 1;

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
    Status::from_code((word >> 8 & 0xff) as u8)
}

/// The slab of a key that has been used: slabs are numbered from 1.
const SPENT: u64 = 0;

/// A request that the device owns: the one key to its payload and to its end. Not `Clone`.
#[must_use = "a request that is never finished stays in flight"]
#[derive(Debug)]
pub(crate) struct Executing {
    ticket: Ticket,
    slab: u64,
}

impl Executing {
    /// Whether it has been used.
    #[inline]
    pub(crate) const fn is_spent(&self) -> bool {
        self.slab == SPENT
    }

    /// A key to nothing.
    pub(crate) const fn spent() -> Self {
        Self { ticket: Ticket { name: NonZeroU64::MIN, index: 0 }, slab: SPENT }
    }
}

/// A wake that is being sent: the one key to its end. Not `Clone`.
#[must_use = "a wake that never ends holds its cell for ever"]
#[derive(Debug)]
pub(crate) struct Sending {
    ticket: Ticket,
    slab: u64,
}

/// A free cell that its holder alone may fill. Not `Clone`.
#[must_use = "a free cell that is dropped is never used again"]
#[derive(Debug)]
pub(crate) struct Vacant {
    index: u32,
    slab: u64,
}

/// A request that the host has won: the one key to its payload and to its cell's end. Not `Clone`.
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

/// What came of an attempt to win a request.
#[derive(Debug)]
pub(crate) enum Hold {
    Held(Held),
    /// The device owns it for the length of a batch; try again.
    Executing,
    Stale,
}

/// What is left of a cell that its host has let go of.
#[derive(Debug)]
pub(crate) struct Remains {
    /// For an allocator; `None` while a wake is being sent, whose sender gives it back.
    pub(crate) vacant: Option<Vacant>,
    /// Whether letting go cancelled the wake.
    pub(crate) cancelled: bool,
    /// The waker that was not called; dropping it may run anybody's code, so it goes last.
    pub(crate) waker: Option<Waker>,
}

/// One request's home. On the first cache line is all that the device needs of a plain request that is reaped; on the
/// last one is what then stays with the host.
#[repr(C, align(128))]
pub(crate) struct Cell {
    claim: AtomicU64,
    /// The request, or an empty one.
    payload: Owned<Request>,
    wake: OwnLine<AtomicU64>,
    user_data: AtomicU64,
    waker: Owned<Option<Waker>>,
    next_free: AtomicU32,
}

#[repr(align(64))]
struct OwnLine<T>(T);

const _: () = assert!(
    size_of::<AtomicU64>() + PLAIN_BYTES <= 64 || cfg!(loom),
    "a plain request and its claim word share a line"
);

impl<T> Deref for OwnLine<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

// SAFETY: the two cells inside are reached only by the owner that the claim and wake words name, and ownership
// passes by compare-and-swap with acquire and release; a request and a waker may themselves move between threads.
unsafe impl Sync for Cell {}

impl fmt::Debug for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cell").field("claim", &self.claim).field("wake", &*self.wake).finish_non_exhaustive()
    }
}

impl Drop for Cell {
    /// A request that nobody took leaves no plaintext behind.
    fn drop(&mut self) {
        // SAFETY: `&mut self` excludes everybody else.
        self.payload.with_mut(|payload| unsafe { (*payload).wipe() });
    }
}

impl Cell {
    fn new() -> Self {
        Self {
            claim: AtomicU64::new(word(1, claim::FREE)),
            payload: Owned::new(Request::empty()),
            wake: OwnLine(AtomicU64::new(word(1, wake::IDLE))),
            user_data: AtomicU64::new(0),
            waker: Owned::new(None),
            next_free: AtomicU32::new(0),
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

    #[inline]
    fn swap_wake(&self, generation: u64, from: u64, to: u64) -> bool {
        let (from, to) = (word(generation, from), word(generation, to));
        self.wake.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

/// The host's side.
impl Slab {
    /// Has `fill` put a request into a free cell, where there is an empty one.
    #[inline]
    pub(crate) fn place(
        &self,
        vacant: Vacant,
        user_data: u64,
        arm: Arm,
        placed: Placed,
        fill: impl FnOnce(&mut Request),
    ) -> Ticket {
        assert_eq!(vacant.slab, self.id(), "a free cell goes back to its own slab");
        self.place_at(vacant.index, user_data, arm, placed, fill)
    }

    /// The same, for who has just taken the free cell of this index out of this slab's list.
    #[inline(always)]
    fn place_at(
        &self,
        index: u32,
        user_data: u64,
        arm: Arm,
        placed: Placed,
        fill: impl FnOnce(&mut Request),
    ) -> Ticket {
        let cell = self.cell_at(index);
        let generation = generation_of(cell.claim.load(Ordering::Relaxed));
        cell.user_data.store(user_data, Ordering::Relaxed);
        let (wake, waker) = match arm {
            Arm::Silent => (wake::IDLE, None),
            Arm::Reap => (wake::ARMED, None),
            Arm::Waker(waker) => (wake::ARMED, Some(waker)),
        };
        // SAFETY: the cell is FREE, and its place in the list, which the caller has used up, was the only key to it.
        cell.payload.with_mut(|payload| fill(unsafe { &mut *payload }));
        if waker.is_some() {
            // SAFETY: as above; no wake is armed in a free cell, so no sender looks at the waker.
            cell.waker.with_mut(|slot| unsafe { *slot = waker });
        }
        cell.wake.store(word(generation, wake), Ordering::Relaxed);
        let claim = match placed {
            Placed::Parked => word(generation, claim::PARKED),
            Placed::Queued => word(generation, claim::QUEUED),
        };
        cell.claim.store(claim, Ordering::Release);
        Ticket::new(index, self.tag(), generation)
    }

    /// [`Slab::place`] of a request.
    #[cfg(test)]
    pub(crate) fn place_request(
        &self,
        vacant: Vacant,
        mut request: Request,
        arm: Arm,
        placed: Placed,
    ) -> Ticket {
        let user_data = request.user_data;
        self.place(vacant, user_data, arm, placed, |cell| request.load_into(cell))
    }

    /// Has the processor bring what the other side has written last of a request, to be read and written here soon.
    #[inline]
    pub(crate) fn expect(&self, ticket: Ticket) {
        self.expect_at(ticket.index);
    }

    /// The same of whatever request has this place.
    #[inline]
    pub(crate) fn expect_at(&self, index: u32) {
        if let Some(cell) = self.cell_if_first(index) {
            prefetch::to_write(cell);
        }
    }

    /// The same for its wake.
    #[inline]
    pub(crate) fn expect_wake(&self, ticket: Ticket) {
        if let Some(cell) = self.cell(ticket) {
            prefetch::to_write(&cell.wake);
        }
    }

    /// PARKED to QUEUED, with a slot; `false` when the request is no longer parked. The device's.
    pub(crate) fn enter(&self, ticket: Ticket) -> bool {
        self.swap(ticket, claim::PARKED, claim::QUEUED).is_some()
    }

    /// Wins a request that is done.
    pub(crate) fn hold_done(&self, ticket: Ticket) -> Option<(Held, Status)> {
        let status = self.swap(ticket, claim::DONE, claim::TAKEN)?;
        Some((self.held(ticket, Origin::Done), status))
    }

    /// Wins a request that the device has not met.
    pub(crate) fn hold_queued(&self, ticket: Ticket) -> Option<Held> {
        self.swap(ticket, claim::QUEUED, claim::TAKEN).map(|_| self.held(ticket, Origin::Queued))
    }

    /// Wins a request that still waits for a slot.
    pub(crate) fn hold_parked(&self, ticket: Ticket) -> Option<Held> {
        self.swap(ticket, claim::PARKED, claim::TAKEN).map(|_| self.held(ticket, Origin::Parked))
    }

    /// Wins a request wherever it is, unless the device owns it at this moment.
    pub(crate) fn hold(&self, ticket: Ticket) -> Hold {
        let Some(cell) = self.cell(ticket) else { return Hold::Stale };
        loop {
            let old = cell.claim.load(Ordering::Acquire);
            if generation_of(old) != ticket.generation() {
                return Hold::Stale;
            }
            let from = match state_of(old) {
                claim::PARKED => Origin::Parked,
                claim::QUEUED => Origin::Queued,
                claim::EXECUTED => Origin::Executed,
                claim::DONE => Origin::Done,
                claim::EXECUTING => return Hold::Executing,
                _ => return Hold::Stale,
            };
            if cell.swap_claim(ticket.generation(), state_of(old), claim::TAKEN).is_some() {
                return Hold::Held(self.held(ticket, from));
            }
        }
    }

    /// Moves the payload out, and its user data.
    pub(crate) fn unload(&self, held: &mut Held, into: &mut Request) {
        assert_eq!(held.slab, self.id(), "a request is unloaded from its own slab");
        let cell = self.cell_at(held.ticket.index);
        // SAFETY: the state is TAKEN, and `held`, borrowed mutably, is the only key to it.
        cell.payload.with_mut(|payload| unsafe { (*payload).unload_into(into) });
        into.user_data = cell.user_data.load(Ordering::Relaxed);
    }

    /// Lets go of an unloaded cell: ends its wake, and frees it unless the sender of the wake will.
    pub(crate) fn let_go(&self, held: Held) -> Remains {
        assert_eq!(held.slab, self.id(), "a cell is let go of in its own slab");
        self.leave_to_wake(self.cell_at(held.ticket.index), held.ticket)
    }

    /// All of the above for a request that is done: wins it, moves it out, lets go of the cell.
    #[inline]
    pub(crate) fn take_done(&self, ticket: Ticket, into: &mut Request) -> Option<(Status, Remains)> {
        let cell = self.cell(ticket)?;
        let status = cell.swap_claim(ticket.generation(), claim::DONE, claim::TAKEN)?;
        // SAFETY: the state is TAKEN, and who brought it there is here.
        cell.payload.with_mut(|payload| unsafe { (*payload).unload_into(into) });
        into.user_data = cell.user_data.load(Ordering::Relaxed);
        Some((status, self.leave_to_wake(cell, ticket)))
    }

    /// The same of a request that has gone well, whose wake was sent, and of which nothing is wanted but its buffer; the rest
    /// is wiped.
    #[inline(always)]
    fn take_buffer(&self, ticket: Ticket) -> Option<(Vec<u8>, Vacant)> {
        let cell = self.cell(ticket)?;
        if cell.wake.load(Ordering::Acquire) != word(ticket.generation(), wake::SENT) {
            return None;
        }
        let done = with_status(word(ticket.generation(), claim::DONE), Status::Ok);
        let taken = word(ticket.generation(), claim::TAKEN);
        cell.claim.compare_exchange(done, taken, Ordering::AcqRel, Ordering::Relaxed).ok()?;
        let buffer = cell.payload.with_mut(|payload| {
            // SAFETY: the state is TAKEN, and who brought it there is here.
            let request = unsafe { &mut *payload };
            let buffer = std::mem::take(&mut request.buffer);
            request.clear_rest();
            buffer
        });
        // A wake that was sent stays so: the cell is nobody's.
        Some((buffer, self.free(cell, ticket)))
    }

    /// TAKEN, and unloaded, by the caller, who has no other key to it any more.
    #[inline]
    fn leave_to_wake(&self, cell: &Cell, ticket: Ticket) -> Remains {
        match state_of(cell.wake.load(Ordering::Acquire)) {
            wake::SENT | wake::IDLE => {
                Remains { vacant: Some(self.free(cell, ticket)), cancelled: false, waker: None }
            }
            _ => self.leave_to_unsent_wake(cell, ticket),
        }
    }

    #[inline(never)]
    fn leave_to_unsent_wake(&self, cell: &Cell, ticket: Ticket) -> Remains {
        let mut cancelled = false;
        let mut turns = 0;
        loop {
            match state_of(cell.wake.load(Ordering::Acquire)) {
                wake::ARMED => {
                    cancelled = cell.swap_wake(ticket.generation(), wake::ARMED, wake::CANCELLED);
                }
                wake::SENDING => {
                    if cell.swap_wake(ticket.generation(), wake::SENDING, wake::RELEASED) {
                        return Remains { vacant: None, cancelled: false, waker: None };
                    }
                }
                wake::REPLACING if !self.is_inherited() => be_patient(&mut turns),
                // Nobody will leave that state any more: the cell is not used again.
                wake::REPLACING => return Remains { vacant: None, cancelled, waker: None },
                wake::CANCELLED => {
                    // SAFETY: in CANCELLED no sender comes any more, and the key to TAKEN was used up here.
                    let waker = cell.waker.with_mut(|waker| unsafe { (*waker).take() });
                    return Remains { vacant: Some(self.free(cell, ticket)), cancelled, waker };
                }
                _ => return Remains { vacant: Some(self.free(cell, ticket)), cancelled, waker: None },
            }
        }
    }

    pub(crate) fn is_parked(&self, ticket: Ticket) -> bool {
        self.state(ticket) == TicketState::Parked
    }

    #[inline]
    pub(crate) fn state(&self, ticket: Ticket) -> TicketState {
        let Some(cell) = self.cell(ticket) else { return TicketState::Stale };
        let claim = cell.claim.load(Ordering::Acquire);
        if generation_of(claim) != ticket.generation() {
            return TicketState::Stale;
        }
        match state_of(claim) {
            claim::PARKED => TicketState::Parked,
            claim::QUEUED | claim::EXECUTING | claim::EXECUTED => TicketState::InFlight,
            claim::DONE => TicketState::Done(status_of(claim)),
            _ => TicketState::Stale,
        }
    }

    /// Requests between submit and done, counted one by one.
    pub(crate) fn in_flight(&self) -> u64 {
        let submitted = |cell: &&Cell| {
            matches!(
                state_of(cell.claim.load(Ordering::Acquire)),
                claim::QUEUED | claim::EXECUTING | claim::EXECUTED
            )
        };
        self.cells().filter(submitted).count() as u64
    }

    fn held(&self, ticket: Ticket, from: Origin) -> Held {
        Held { ticket, slab: self.id(), from }
    }

    /// TAKEN, and no wake on its way: the cell is nobody's.
    #[inline]
    fn free(&self, cell: &Cell, ticket: Ticket) -> Vacant {
        // Never 0.
        let next = (ticket.generation().wrapping_add(1) & GENERATION_MASK).max(1);
        cell.wake.store(word(next, wake::IDLE), Ordering::Relaxed);
        cell.claim.store(word(next, claim::FREE), Ordering::Release);
        Vacant { index: ticket.index, slab: self.id() }
    }

    fn swap(&self, ticket: Ticket, from: u64, to: u64) -> Option<Status> {
        self.cell(ticket)?.swap_claim(ticket.generation(), from, to)
    }
}

/// What the submitting side does most, where the list of free cells lies and what comes out of it and goes back is known to
/// be its own slab's.
impl Allocator {
    /// [`Slab::place`] in a free cell.
    #[inline(always)]
    pub(crate) fn place(
        &mut self,
        user_data: u64,
        arm: Arm,
        placed: Placed,
        fill: impl FnOnce(&mut Request),
    ) -> Ticket {
        let index = self.take_index();
        self.slab().place_at(index, user_data, arm, placed, fill)
    }

    /// The buffer of a request that has gone well and whose wake was sent; whatever else came of it is wiped.
    #[inline(always)]
    pub(crate) fn take_buffer(&mut self, ticket: Ticket) -> Option<Vec<u8>> {
        let (buffer, vacant) = self.slab().take_buffer(ticket)?;
        self.put_index(vacant.index);
        Some(buffer)
    }
}

/// The device's side.
impl Slab {
    /// The ticket that an entry of the submission ring stands for.
    #[inline]
    pub(crate) fn ticket(&self, index: u32, generation: u64) -> Ticket {
        Ticket::new(index, self.tag(), generation)
    }

    /// QUEUED to EXECUTING: the payload is the device's. `None`: it was revoked.
    pub(crate) fn claim(&self, ticket: Ticket) -> Option<Executing> {
        self.swap(ticket, claim::QUEUED, claim::EXECUTING)?;
        Some(Executing { ticket, slab: self.id() })
    }

    /// Works on the payload.
    #[inline]
    pub(crate) fn execute<R>(&self, claimed: &mut Executing, f: impl FnOnce(&mut Request) -> R) -> R {
        let cell = self.executing_cell(claimed);
        cell.payload.with_mut(|payload| {
            // SAFETY: the state is EXECUTING, and `claimed`, borrowed mutably, is the only key to it.
            f(unsafe { &mut *payload })
        })
    }

    /// EXECUTING to DONE: the payload is the host's, and the key of no use any more.
    #[inline]
    pub(crate) fn finish(&self, claimed: &mut Executing, status: Status) -> Ticket {
        self.leave(claimed, claim::DONE, status)
    }

    /// EXECUTING to EXECUTED: worked on, and not yet due. The host may revoke it.
    pub(crate) fn postpone(&self, mut claimed: Executing, status: Status) -> Ticket {
        self.leave(&mut claimed, claim::EXECUTED, status)
    }

    /// EXECUTED to EXECUTING, to be finished at once. `None`: it was revoked, and its slot is free already.
    pub(crate) fn resume(&self, ticket: Ticket) -> Option<(Executing, Status)> {
        let status = self.swap(ticket, claim::EXECUTED, claim::EXECUTING)?;
        Some((Executing { ticket, slab: self.id() }, status))
    }

    /// Whether a postponed request still waits for its time.
    pub(crate) fn is_postponed(&self, ticket: Ticket) -> bool {
        self.cell(ticket).is_some_and(|cell| {
            let claim = cell.claim.load(Ordering::Acquire);
            generation_of(claim) == ticket.generation() && state_of(claim) == claim::EXECUTED
        })
    }

    #[inline]
    fn leave(&self, claimed: &mut Executing, state: u64, status: Status) -> Ticket {
        let cell = self.executing_cell(claimed);
        claimed.slab = SPENT;
        let claim = with_status(word(claimed.ticket.generation(), state), status);
        cell.claim.store(claim, Ordering::Release);
        claimed.ticket
    }

    #[inline]
    fn executing_cell(&self, claimed: &Executing) -> &Cell {
        assert_eq!(claimed.slab, self.id(), "a request is finished in its own slab");
        self.cell_at(claimed.ticket.index)
    }
}
