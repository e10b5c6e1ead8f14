//! A queue pair: how requests reach the device and results come back.
//!
//! ```text
//!   host                                                        device
//!   submit ──► slot ──► cell ──► submission ring ─ doorbell ──► pop, claim, execute
//!                                                                  │ due
//!   take ◄── cell (DONE) ◄──────────────────────────────────────── publish
//!     ▲                                                            │
//!     ├── Wake:   the waker ◄──────────────────────────────────────┤
//!     └── Reap:   reap ◄── completion ring ◄─ interrupt ───────────┘
//!
//!   no slot:  park ──► the line ──► a slot is free: the device takes it from there
//! ```
//!
//! [`QueuePair`] is the one submitting and reaping end; it moves between threads, and is used by one at a time.
//! [`Remote`] is everything else, from any thread and any number of them.
#![expect(clippy::result_large_err, reason = "what is refused is given back whole, without an allocation")]

mod reap;

use std::mem;
use std::sync::Arc;
use std::task::Waker;

use self::reap::Unsettled;
use crate::message::request::{Plain, Request, Rest};
use crate::message::status::Status;
use crate::queue::cell::{Allocator, Arm, Held, Placed, Remains, Ticket, TicketState, WakeState};
use crate::queue::delivery::{Delivery, Refused, RefusedReason};
use crate::queue::entry::{Announce, pack, unpack};
use crate::queue::pair::{Life, Pair};
use crate::queue::remote::Remote;
use crate::queue::ring::{Consumer, Entry, Producer};
use crate::sync::{Ordering, bump};

/// The submitting and reaping end of a queue pair.
#[derive(Debug)]
pub struct QueuePair {
    remote: Remote,
    cells: Allocator,
    submissions: Producer,
    completions: Consumer,
    unsettled: Unsettled,
    /// Slots that are free for certain.
    known_free: u64,
    /// Whether the ring may hold a completion twice: it has the room for that.
    may_repeat: bool,
    /// Whether submissions are held back, and how many are.
    holds_back: bool,
    held_back: u64,
}

/// So many submissions are held back at the most.
const HELD_BACK: u64 = 32;

impl QueuePair {
    pub(crate) fn new(
        pair: Arc<Pair>,
        cells: Allocator,
        submissions: Producer,
        completions: Consumer,
    ) -> Self {
        let may_repeat = completions.depth() > pair.slots.depth();
        Self {
            remote: Remote { pair },
            cells,
            submissions,
            completions,
            unsettled: Unsettled::default(),
            known_free: 0,
            may_repeat,
            holds_back: false,
            held_back: 0,
        }
    }

    /// Its number, from 0.
    pub fn index(&self) -> usize {
        self.remote.index()
    }

    /// The part that any thread may use; clone it freely.
    pub fn remote(&self) -> &Remote {
        &self.remote
    }

    /// Gives the device a request. Never waits.
    ///
    /// # Errors
    ///
    /// [`Refused`] with the request: no slot is free or a request is parked ([`RefusedReason::Full`]), or the
    /// device is dead or closed.
    pub fn submit(&mut self, mut request: Request, mut delivery: Delivery) -> Result<Ticket, Refused> {
        let submitted = self.submit_from(&mut request, &mut delivery);
        submitted.map_err(|reason| Refused { reason, request, delivery })
    }

    /// [`QueuePair::submit`] of what is in `request`, which is moved out of it piece by piece: what a request has no
    /// use for is not looked at. When the request has been taken, `request` holds no buffers, and `delivery` is
    /// [`Delivery::Silent`].
    ///
    /// # Errors
    ///
    /// As [`QueuePair::submit`]; `request` and `delivery` are as they were.
    pub fn submit_from(
        &mut self,
        request: &mut Request,
        delivery: &mut Delivery,
    ) -> Result<Ticket, RefusedReason> {
        let pair = &*self.remote.pair;
        if let Some(reason) = pair.refusal() {
            return Err(reason);
        }
        if pair.is_busy(request.operation, request.buffer.len()) || !self.take_slot() {
            return Err(self.full());
        }
        self.enqueue(request, delivery)
    }

    /// [`QueuePair::submit`] of a plain request: it is put together in its cell and moved no more. Where the device closes at
    /// this very moment it may end as if it had been [held back](QueuePair::hold_back).
    ///
    /// With [`Delivery::Reap`], on a device that times nothing and whose fault plan has nothing to say about submissions, it is
    /// not written down that its completion was reaped: its wake is [armed](WakeState::Armed), and can be cancelled, until it
    /// is taken, which is possible before it is reaped, too.
    ///
    /// # Errors
    ///
    /// As [`QueuePair::submit`], with the buffer and the rest; `delivery` is dropped. That no slot is free is not counted, for whoever
    /// hears it goes on to [`QueuePair::submit`], which counts it; a refusal by the fault plan is.
    #[inline(always)]
    pub fn submit_plain<R: Rest>(
        &mut self,
        plain: Plain<'_, R>,
        delivery: Delivery,
    ) -> Result<Ticket, (RefusedReason, (Vec<u8>, R))> {
        let pair = &*self.remote.pair;
        if let Some(reason) = pair.refusal() {
            return Err((reason, plain.into_given()));
        }
        if pair.has_hooks() {
            return self.submit_looked_at(plain, delivery);
        }
        if !self.take_slot() {
            return Err((self.full_uncounted(), plain.into_given()));
        }
        let (arm, announce) = delivery.split_for_plain();
        let user_data = plain.user_data;
        let ticket =
            self.cells.place(user_data, arm, Placed::Queued, |cell: &mut Request| plain.load_into(cell));
        self.push_plain(ticket, announce);
        Ok(ticket)
    }

    #[cold]
    fn submit_looked_at<R: Rest>(
        &mut self,
        plain: Plain<'_, R>,
        delivery: Delivery,
    ) -> Result<Ticket, (RefusedReason, (Vec<u8>, R))> {
        if self.remote.pair.is_busy(plain.operation, plain.buffer.len()) {
            return Err((self.full(), plain.into_given()));
        }
        if !self.take_slot() {
            return Err((self.full_uncounted(), plain.into_given()));
        }
        let (arm, announce) = delivery.split();
        let mut request = plain.into_request();
        let pair = &*self.remote.pair;
        pair.stamp(&mut request, pair.counters.host.submitted.load(Ordering::Relaxed));
        let user_data = request.user_data;
        let load = |cell: &mut Request| request.load_into(cell);
        let ticket = self.cells.place(user_data, arm, Placed::Queued, load);
        self.push_plain(ticket, announce);
        Ok(ticket)
    }

    /// Shows the device a request that was placed. Where the device closes at this moment, the request is ended: unlike
    /// in `enqueue_as` it is not taken back.
    #[inline(always)]
    fn push_plain(&mut self, ticket: Ticket, announce: Announce) {
        if !self.push(ticket, announce) && self.remote.pair.life() == Life::Closed {
            self.remote.pair.close(ticket, announce);
        }
    }

    /// Puts the request into the line for a slot, first come first served: the device takes it from there when a slot
    /// is free, and it ends as if it had been submitted then. No caller has to come back for the slot, so a request
    /// that is abandoned in the line does not hold up those behind it. [`Remote::revoke`] leaves the line.
    ///
    /// When the device closes, those in line end with [`Status::Closed`]; with [`Delivery::Reap`] there is then no
    /// completion for them, and [`Remote::state`] tells.
    ///
    /// # Errors
    ///
    /// [`Refused`] with the request when the device is dead or closed.
    pub fn park(&mut self, mut request: Request, mut delivery: Delivery) -> Result<Ticket, Refused> {
        let parked = self.park_from(&mut request, &mut delivery);
        parked.map_err(|reason| Refused { reason, request, delivery })
    }

    /// [`QueuePair::park`] of what is in `request`, as [`QueuePair::submit_from`] takes it.
    ///
    /// # Errors
    ///
    /// As [`QueuePair::park`]; `request` and `delivery` are as they were.
    pub fn park_from(
        &mut self,
        request: &mut Request,
        delivery: &mut Delivery,
    ) -> Result<Ticket, RefusedReason> {
        let pair = &*self.remote.pair;
        if let Some(reason) = pair.refusal() {
            return Err(reason);
        }
        // What came before is before it.
        self.flush();
        let pair = &*self.remote.pair;
        let (arm, announce) = delivery.take().split();
        pair.stamp(request, pair.counters.host.parked.load(Ordering::Relaxed));
        let (vacant, user_data) = (self.cells.get(), request.user_data);
        let load = |cell: &mut Request| request.load_into(cell);
        let ticket = pair.slab.place(vacant, user_data, arm, Placed::Parked, load);
        bump(&pair.counters.host.parked, 1);
        self.known_free = 0;
        pair.slots.join(ticket, announce, &pair.slab);
        pair.line_was_joined();
        // The fence in there stands between the line and this look, and the device's last look at the line comes
        // after it has said that it closes: one of the two sees the other.
        if pair.life() == Life::Closed {
            let held = pair.slab.hold_parked(ticket);
            if held.is_some() {
                bump(&pair.counters.host.parked, 1_u64.wrapping_neg());
            }
            return self.withdraw(ticket, announce, held, request, delivery);
        }
        Ok(ticket)
    }

    /// Takes a request that is done. `None`: it is not done, or no longer there.
    ///
    /// A wake that is still armed is cancelled; one that is being sent goes on without the request.
    pub fn take(&mut self, ticket: Ticket) -> Option<(Request, Status)> {
        let mut request = Request::empty();
        let (status, waker) = self.take_into(ticket, &mut request)?;
        drop(waker);
        Some((request, status))
    }

    /// [`QueuePair::take`], into `request`: what the request made no use of stays there as it is. Best the one that was
    /// submitted, by [`QueuePair::submit_from`]. The waker is the request's, if it was not called; dropping it may run
    /// anybody's code.
    #[inline]
    pub fn take_into(&mut self, ticket: Ticket, request: &mut Request) -> Option<(Status, Option<Waker>)> {
        let pair = &*self.remote.pair;
        let (status, Remains { vacant, cancelled, waker }) = pair.slab.take_done(ticket, request)?;
        if let Some(vacant) = vacant {
            self.cells.put(vacant);
        }
        pair.note_taken(request);
        pair.count_cancelled(cancelled);
        Some((status, waker))
    }

    /// [`QueuePair::take`] of a request that has ended with [`Status::Ok`] and whose wake was sent or is being sent, or its
    /// completion reaped, for a caller that needs only what its [`Rest`] says; anything else is wiped. `None`:
    /// [`QueuePair::take`] knows more. That is always so on a device with a fault that may end a request short of its
    /// output.
    #[inline(always)]
    pub fn take_plain<R: Rest>(&mut self, ticket: Ticket) -> Option<R::Taken> {
        if self.remote.pair.has_hooks() {
            self.take_looked_at::<R>(ticket)
        } else {
            self.cells.take_plain::<R>(ticket)
        }
    }

    /// [`QueuePair::take_plain`] of a text alone: a tag and the rest of the result are wiped.
    #[inline(always)]
    pub fn take_buffer(&mut self, ticket: Ticket) -> Option<Vec<u8>> {
        self.take_plain::<()>(ticket)
    }

    #[cold]
    fn take_looked_at<R: Rest>(&mut self, ticket: Ticket) -> Option<R::Taken> {
        let remote = &self.remote;
        let is_ready = remote.state(ticket) == TicketState::Done(Status::Ok)
            && matches!(remote.wake_state(ticket), WakeState::Sent | WakeState::Sending)
            && !remote.pair.may_fall_short();
        if !is_ready {
            return None;
        }
        let mut request = Request::empty();
        let _ = self.take_into(ticket, &mut request)?;
        Some(R::take_from(&mut request))
    }

    /// Takes a slot, if need be one that has only to be settled.
    #[inline(always)]
    fn take_slot(&mut self) -> bool {
        let Pair { slots, slab, .. } = &*self.remote.pair;
        slots.take(&mut self.known_free, slab) || self.take_settled_slot()
    }

    #[cold]
    fn take_settled_slot(&mut self) -> bool {
        self.settle();
        let Pair { slots, slab, .. } = &*self.remote.pair;
        slots.take(&mut self.known_free, slab)
    }

    #[cold]
    fn full(&mut self) -> RefusedReason {
        bump(&self.remote.pair.counters.host.full, 1);
        self.full_uncounted()
    }

    #[cold]
    fn full_uncounted(&mut self) -> RefusedReason {
        // Whoever waits for a completion now waits for what is held back.
        self.flush();
        RefusedReason::Full
    }

    /// Whether submissions are held back from here on, to be shown to the device several at a time: by
    /// [`QueuePair::flush`], or when some have come together (32). It saves the device's looking at each, and the submitting
    /// thread the wait for the cache line that says how many there are. Returns whether they were. For a thread that
    /// submits in a loop and does not wait in between; what is held back already stays so. A submission for which there is
    /// no slot, and one that is parked, show them too; [`Device::drain`](crate::Device::drain) and [`Device::reset`](crate::Device::reset)
    /// do not see them before they are shown.
    ///
    /// A device that closes meanwhile does not meet them: [`QueuePair::flush`] ends them with [`Status::Closed`]; with
    /// [`Delivery::Reap`] there is then no completion for them, and [`Remote::state`] tells. Their wakers are then called by
    /// whoever shows them: by [`QueuePair::flush`], by the submission that was one too many, or by dropping this.
    pub fn hold_back(&mut self, hold: bool) -> bool {
        mem::replace(&mut self.holds_back, hold)
    }

    /// Shows the device what was held back.
    #[inline]
    pub fn flush(&mut self) {
        if self.held_back > 0 {
            self.flush_some();
        }
    }

    fn flush_some(&mut self) {
        let shown = mem::take(&mut self.held_back);
        self.show();
        let pair = &*self.remote.pair;
        if pair.life() == Life::Closed {
            let late = self.submissions.last(shown).map(|entry| unpack(entry, &pair.slab));
            late.for_each(|(ticket, announce)| pair.close(ticket, announce));
        }
    }

    /// Shows the device all entries, and rings.
    #[inline(always)]
    fn show(&mut self) {
        self.submissions.publish();
        let pair = &*self.remote.pair;
        let rung = pair.doorbell.ring();
        let counters = &pair.counters.host;
        bump(if rung { &counters.doorbells_rung } else { &counters.doorbells_suppressed }, 1);
    }

    /// Has a slot: places the request, shows the entry, rings.
    #[inline]
    fn enqueue(&mut self, request: &mut Request, delivery: &mut Delivery) -> Result<Ticket, RefusedReason> {
        // Apart from the others, as it is what submissions in millions ask for.
        if let Delivery::Reap { owner } = *delivery {
            *delivery = Delivery::Silent;
            return self.enqueue_as(Arm::Reap, Announce::Reap { owner }, request, delivery);
        }
        let (arm, announce) = delivery.take().split();
        self.enqueue_as(arm, announce, request, delivery)
    }

    #[inline(always)]
    fn enqueue_as(
        &mut self,
        arm: Arm,
        announce: Announce,
        request: &mut Request,
        delivery: &mut Delivery,
    ) -> Result<Ticket, RefusedReason> {
        let pair = &*self.remote.pair;
        pair.stamp(request, pair.counters.host.submitted.load(Ordering::Relaxed));
        let (vacant, user_data) = (self.cells.get(), request.user_data);
        let load = |cell: &mut Request| request.load_into(cell);
        let ticket = pair.slab.place(vacant, user_data, arm, Placed::Queued, load);
        if self.push(ticket, announce) {
            return Ok(ticket);
        }
        let pair = &*self.remote.pair;
        // The doorbell's fence stands between the entry and this look, and the device's last look at the ring comes
        // after it has said that it closes: one of the two sees the other, and no entry stays behind.
        if pair.life() == Life::Closed {
            let held = pair.slab.hold_queued(ticket);
            if held.is_some() {
                bump(&pair.counters.host.submitted, 1_u64.wrapping_neg());
            }
            return self.withdraw(ticket, announce, held, request, delivery);
        }
        Ok(ticket)
    }

    /// Puts a request that was placed into the ring, and shows it unless it is held back, which is `true`.
    #[inline(always)]
    fn push(&mut self, ticket: Ticket, announce: Announce) -> bool {
        bump(&self.remote.pair.counters.host.submitted, 1);
        let entry = pack(ticket, announce);
        if self.holds_back {
            self.put(entry);
            self.held_back += 1;
            if self.held_back == HELD_BACK {
                self.flush_some();
            }
            return true;
        }
        // Before it is in the ring, whose last entries are those that were held back.
        self.flush();
        self.put(entry);
        self.show();
        false
    }

    #[inline(always)]
    fn put(&mut self, entry: Entry) {
        assert!(self.submissions.push(entry), "a slot is room in the ring");
    }

    /// The device closed while the request was on its way; it was taken back, unless the device has met it. What was
    /// refused was never there: it counts nowhere.
    #[cold]
    fn withdraw(
        &mut self,
        ticket: Ticket,
        announce: Announce,
        held: Option<Held>,
        request: &mut Request,
        delivery: &mut Delivery,
    ) -> Result<Ticket, RefusedReason> {
        let Some(mut held) = held else { return Ok(ticket) };
        self.remote.pair.slab.unload(&mut held, request);
        let Remains { vacant, waker, .. } = self.remote.pair.slab.let_go(held);
        if let Some(vacant) = vacant {
            self.cells.put(vacant);
        }
        *delivery = Delivery::join(announce, waker);
        Err(RefusedReason::Closed)
    }
}

impl Drop for QueuePair {
    fn drop(&mut self) {
        if !self.remote.pair.forked() {
            self.flush();
        }
    }
}
