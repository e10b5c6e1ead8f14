//! The host's side of a cell: placed, won, taken, released. The picture is at the head of `cell.rs`.
#![expect(unsafe_code, reason = "the words beside the payload and the waker name their owners")]

use super::{
    Allocator, Arm, Cell, Held, Hold, Origin, Placed, Remains, Slab, Ticket, TicketState, Vacant, claim,
    generation_of, state_of, status_of, timing, wake, with_status, word,
};
use crate::message::request::{Plain, Request, Rest};
use crate::message::status::Status;
use crate::queue::hooks::{Served, Stamp};
use crate::queue::note::{prefetch_text, text_hint};
use crate::sync::prefetch;
use crate::sync::{Access, Ordering, spin_or_yield};

/// What puts a request into a cell. (A closure cannot be told that it is always to be inlined.)
pub(crate) trait Fill {
    fn fill(self, cell: &mut Request);
}

impl Fill for &mut Request {
    #[inline]
    fn fill(self, cell: &mut Request) {
        self.load_into(cell);
    }
}

impl<R: Rest> Fill for Plain<'_, R> {
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn fill(self, cell: &mut Request) {
        self.load_into(cell);
    }
}

/// Fills a free cell, and returns where its text is, for a prefetch.
struct FillFree<F> {
    fill: F,
    is_hinted: bool,
}

impl<F: Fill> Access<Request> for FillFree<F> {
    type Output = u64;

    #[cfg_attr(not(debug_assertions), inline(always))]
    fn to(self, payload: *mut Request) -> u64 {
        // SAFETY: only `place_at` makes this, for a cell that is FREE and whose only key it has.
        let payload = unsafe { &mut *payload };
        self.fill.fill(payload);
        if self.is_hinted { text_hint(&payload.buffer) } else { 0 }
    }
}

impl Slab {
    /// Lets `fill` put a request into a free cell, which holds an empty one. `stamp`: on a device that stamps
    /// requests.
    #[inline]
    pub(crate) fn place(
        &self,
        vacant: Vacant,
        user_data: u64,
        arm: Arm,
        placed: Placed,
        stamp: Option<Stamp>,
        fill: impl Fill,
    ) -> Ticket {
        assert_eq!(vacant.slab, self.id(), "a free cell goes back to its own slab");
        self.place_at(vacant.index, user_data, arm, placed, stamp, fill)
    }

    /// The same, for the side that has just taken the free cell with this index out of this slab's list.
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn place_at(
        &self,
        index: u32,
        user_data: u64,
        arm: Arm,
        placed: Placed,
        stamp: Option<Stamp>,
        fill: impl Fill,
    ) -> Ticket {
        let cell = self.cell_at(index);
        let generation = generation_of(cell.claim.load(Ordering::Relaxed));
        // A thread that sees these also sees that the wake word of the previous request was left (see
        // `reap`).
        cell.user_data.store(user_data, Ordering::Release);
        let (wake, waker) = match arm {
            Arm::Silent => (wake::IDLE, None),
            Arm::Reap => (wake::REAPABLE, None),
            Arm::ReapPlain => (wake::PLAIN, None),
            Arm::Waker(waker) => (wake::ARMED, Some(waker)),
        };
        // The cell is FREE, and its place in the list, which the caller has used up, was the only key to it.
        let text = cell.payload.access(FillFree { fill, is_hinted: stamp.is_some() });
        if waker.is_some() {
            // SAFETY: the cell is this thread's, as above; no wake is armed in a free cell, so no sender
            // looks at the waker.
            cell.waker.with_mut(|slot| unsafe { *slot = waker });
        }
        if let Some(Stamp { submitted, is_timed }) = stamp {
            cell.submitted.store(submitted, Ordering::Relaxed);
            let timing = if is_timed { timing::TIMED } else { timing::UNTIMED };
            cell.timing.store(timing, Ordering::Relaxed);
            cell.text.store(text, Ordering::Relaxed);
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
        self.place(vacant, user_data, arm, placed, None, &mut request)
    }

    /// Prefetches what the other side has written last of a request, to be read and written here soon.
    #[inline]
    pub(crate) fn prefetch(&self, ticket: Ticket) {
        self.prefetch_at(ticket.index());
    }

    /// The same for the request that has this place.
    #[inline]
    pub(crate) fn prefetch_at(&self, index: u32) {
        if let Some(cell) = self.cell_if_first(index) {
            prefetch::to_write(cell);
        }
    }

    /// The same for its wake.
    #[inline]
    pub(crate) fn prefetch_wake(&self, ticket: Ticket) {
        if let Some(cell) = self.cell(ticket) {
            prefetch::to_write(&cell.wake);
        }
    }

    /// The same for the text of the request that has this place, where a device stamps requests.
    #[inline]
    pub(crate) fn prefetch_text_at(&self, index: u32) {
        let hint = |cell: &Cell| cell.text.load(Ordering::Relaxed);
        self.cell_if_first(index).map(hint).into_iter().for_each(prefetch_text);
    }

    /// PARKED to QUEUED, with a slot; `false` when the request is no longer parked. Called by the device.
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

    /// Wins a request that is scheduled, and not done.
    pub(crate) fn hold_scheduled(&self, ticket: Ticket) -> Option<Held> {
        let won = [claim::EXECUTED, claim::HANDED]
            .into_iter()
            .find_map(|from| self.swap(ticket, from, claim::TAKEN));
        won.map(|_| self.held(ticket, Origin::Executed))
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
                claim::EXECUTED | claim::HANDED => Origin::Executed,
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
        let cell = self.cell_at(held.ticket.index());
        // SAFETY: the state is TAKEN, and `held`, borrowed mutably, is the only key to it.
        cell.payload.with_mut(|payload| unsafe { (*payload).unload_into(into) });
        into.user_data = cell.user_data.load(Ordering::Relaxed);
    }

    /// Releases an unloaded cell: ends its wake, and frees it unless the sender of the wake will.
    pub(crate) fn release(&self, held: Held) -> Remains {
        assert_eq!(held.slab, self.id(), "a cell is let go of in its own slab");
        self.leave_to_wake(self.cell_at(held.ticket.index()), held.ticket)
    }

    /// When a timed request that is done was submitted and served; on a device that stamps requests.
    /// `request`: as it was unloaded.
    pub(crate) fn served(&self, held: &Held, request: &Request) -> Option<Served> {
        self.cell_at(held.ticket.index()).served(request)
    }

    /// All of the above for a request that is done: wins it, moves it out, releases the cell. `note` gets the
    /// cell before that.
    #[inline]
    pub(crate) fn take_done(
        &self,
        ticket: Ticket,
        into: &mut Request,
        note: impl FnOnce(&Cell, &Request),
    ) -> Option<(Status, Remains)> {
        let cell = self.cell(ticket)?;
        let status = cell.swap_claim(ticket.generation(), claim::DONE, claim::TAKEN)?;
        // SAFETY: the state is TAKEN, and this is the taker.
        cell.payload.with_mut(|payload| unsafe { (*payload).unload_into(into) });
        note(cell, into);
        into.user_data = cell.user_data.load(Ordering::Relaxed);
        Some((status, self.leave_to_wake(cell, ticket)))
    }

    /// The same for a successful request whose wake was sent or is being sent (or belongs to a plain polled
    /// one). Takes what `R` says; anything else is wiped. Returns no cell if the sender gives it back.
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn take_plain<R: Rest>(
        &self,
        ticket: Ticket,
        note: impl FnOnce(&Cell, &Request),
    ) -> Option<(R::Taken, Option<Vacant>)> {
        let cell = self.cell(ticket)?;
        let wake = cell.wake.load(Ordering::Acquire);
        let is = |state: u64| wake == word(ticket.generation(), state);
        if !is(wake::PLAIN) && !is(wake::SENT) {
            return if is(wake::SENDING) {
                self.take_plain_from_sender::<R>(cell, ticket, note)
            } else {
                None
            };
        }
        let taken = take_plain_of::<R>(cell, ticket, note)?;
        // A wake that was sent stays sent, and nothing depends on any other: the cell is free.
        Some((taken, Some(self.free(cell, ticket))))
    }

    #[inline(never)]
    fn take_plain_from_sender<R: Rest>(
        &self,
        cell: &Cell,
        ticket: Ticket,
        note: impl FnOnce(&Cell, &Request),
    ) -> Option<(R::Taken, Option<Vacant>)> {
        let taken = take_plain_of::<R>(cell, ticket, note)?;
        Some((taken, self.leave_to_wake(cell, ticket).vacant))
    }

    /// TAKEN, and unloaded, by the caller, which has no other key to it any more.
    #[inline]
    fn leave_to_wake(&self, cell: &Cell, ticket: Ticket) -> Remains {
        match state_of(cell.wake.load(Ordering::Acquire)) {
            wake::SENT | wake::IDLE | wake::PLAIN => {
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
                state @ (wake::ARMED | wake::REAPABLE) => {
                    cancelled = cell.swap_wake(ticket.generation(), state, wake::CANCELLED);
                }
                wake::SENDING => {
                    if cell.swap_wake(ticket.generation(), wake::SENDING, wake::RELEASED) {
                        return Remains { vacant: None, cancelled: false, waker: None };
                    }
                }
                wake::REPLACING if !self.is_inherited() => spin_or_yield(&mut turns),
                // No thread will leave that state any more: the cell is not reused.
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
            claim::QUEUED | claim::HANDED | claim::EXECUTING | claim::EXECUTED => TicketState::InFlight,
            claim::DONE => TicketState::Done(status_of(claim)),
            _ => TicketState::Stale,
        }
    }

    /// Requests between submit and done, counted one by one.
    pub(crate) fn in_flight(&self) -> u64 {
        let submitted = |cell: &&Cell| {
            matches!(
                state_of(cell.claim.load(Ordering::Acquire)),
                claim::QUEUED | claim::HANDED | claim::EXECUTING | claim::EXECUTED
            )
        };
        self.cells().filter(submitted).count() as u64
    }

    fn held(&self, ticket: Ticket, from: Origin) -> Held {
        Held { ticket, slab: self.id(), from }
    }
}

impl Cell {
    /// When its request was submitted and served, if it is timed. Called by the side that has the payload, on
    /// a device that stamps requests.
    #[inline]
    pub(crate) fn served(&self, request: &Request) -> Option<Served> {
        let submitted = self.submitted.load(Ordering::Relaxed);
        let served = match request.served_after() {
            Some(after) => submitted + after,
            None if self.timing.load(Ordering::Relaxed) == timing::SERVED_LATE => {
                self.served.load(Ordering::Relaxed)
            }
            None => return None,
        };
        Some(Served { submitted, served })
    }
}

/// The most frequent operations of the submitting side, compiled for a list of free cells that is known to
/// belong to its own slab.
impl Allocator {
    /// [`Slab::place`] in a free cell.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(crate) fn place(
        &mut self,
        user_data: u64,
        arm: Arm,
        placed: Placed,
        stamp: Option<Stamp>,
        fill: impl Fill,
    ) -> Ticket {
        let index = self.take_index();
        self.slab().place_at(index, user_data, arm, placed, stamp, fill)
    }

    /// The result of a successful request whose wake was sent or is being sent, or which is a plain one;
    /// anything that `R` does not take is wiped. `note` gets it, and its cell, before that.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(crate) fn take_plain<R: Rest>(
        &mut self,
        ticket: Ticket,
        note: impl FnOnce(&Cell, &Request),
    ) -> Option<R::Taken> {
        let (taken, vacant) = self.slab().take_plain::<R>(ticket, note)?;
        if let Some(vacant) = vacant {
            self.put_index(vacant.index);
        }
        Some(taken)
    }
}

/// Wins a successful request, and takes what `R` says; anything else is wiped.
#[cfg_attr(not(debug_assertions), inline(always))]
fn take_plain_of<R: Rest>(
    cell: &Cell,
    ticket: Ticket,
    note: impl FnOnce(&Cell, &Request),
) -> Option<R::Taken> {
    let done = with_status(word(ticket.generation(), claim::DONE), Status::Ok);
    let taken = word(ticket.generation(), claim::TAKEN);
    cell.claim.compare_exchange(done, taken, Ordering::AcqRel, Ordering::Relaxed).ok()?;
    Some(cell.payload.with_mut(|payload| {
        // SAFETY: the state is TAKEN, and this is the taker.
        let request = unsafe { &mut *payload };
        note(cell, request);
        R::take_from(request)
    }))
}
