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
//!   no slot:  park ──► the FIFO ──► a slot is free: the device takes it from there
//! ```
//!
//! [`QueuePair`] is the single submitting and reaping end; it may move between threads, and one thread at a
//! time uses it. [`Remote`] is everything else, for any number of threads.
#![expect(clippy::result_large_err, reason = "what is refused is given back whole, without an allocation")]

mod reap;
mod tuned;

use std::mem;
use std::sync::Arc;

use self::reap::Unreleased;
use crate::message::request::Request;
use crate::message::status::Status;
use crate::queue::cell::{Allocator, Arm, Held, Placed, Remains, Ticket};
use crate::queue::delivery::{Delivery, Refused, RefusedReason};
use crate::queue::entry::{Announce, marked_long, pack, unpack};
use crate::queue::pair::{Life, Pair};
use crate::queue::remote::Remote;
use crate::queue::ring::{Consumer, Entry, Note, Producer};
use crate::sync::{Ordering, bump};

/// The submitting and reaping end of a queue pair.
#[derive(Debug)]
pub struct QueuePair {
    remote: Remote,
    cells: Allocator,
    submissions: Producer,
    completions: Consumer,
    unreleased: Unreleased,
    /// Slots that are certainly free.
    known_free: u64,
    /// Whether the ring may hold a completion twice, and so has room for that.
    may_repeat: bool,
    /// Whether submissions are held back, and how many.
    holds_back: bool,
    held_back: u64,
}

/// The most submissions that are held back.
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
            unreleased: Unreleased::default(),
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

    /// The part that any thread may use; cheap to clone.
    pub fn remote(&self) -> &Remote {
        &self.remote
    }

    /// Submits a request to the device. Never waits.
    ///
    /// # Errors
    ///
    /// [`Refused`] with the request: no slot is free or a request is parked ([`RefusedReason::Full`]), or the
    /// device is dead or closed.
    pub fn submit(&mut self, mut request: Request, mut delivery: Delivery) -> Result<Ticket, Refused> {
        let submitted = self.submit_from(&mut request, &mut delivery);
        submitted.map_err(|reason| Refused { reason, request, delivery })
    }

    /// Parks the request until a slot is free, first come, first served: the device then takes it, and it
    /// ends as if it had been submitted at that time. No caller has to come back for the slot, so an
    /// abandoned parked request does not hold up later ones. [`Remote::revoke`] removes it.
    ///
    /// When the device closes, parked requests end with [`Status::Closed`]; with [`Delivery::Reap`] there is
    /// then no completion for them, and [`Remote::state`] tells.
    ///
    /// # Errors
    ///
    /// [`Refused`] with the request when the device is dead or closed.
    pub fn park(&mut self, mut request: Request, mut delivery: Delivery) -> Result<Ticket, Refused> {
        let parked = self.park_from(&mut request, &mut delivery);
        parked.map_err(|reason| Refused { reason, request, delivery })
    }

    /// Takes a request that is done. `None`: it is not done, or no longer there.
    ///
    /// A wake that is still armed is cancelled; one that is being sent continues without the request.
    pub fn take(&mut self, ticket: Ticket) -> Option<(Request, Status)> {
        let mut request = Request::empty();
        let (status, waker) = self.take_into(ticket, &mut request)?;
        drop(waker);
        Some((request, status))
    }

    /// Takes a slot, if need be by releasing what was reaped.
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn take_slot(&mut self) -> bool {
        let Pair { slots, slab, .. } = &*self.remote.pair;
        slots.take(&mut self.known_free, slab) || self.take_released_slot()
    }

    #[cold]
    fn take_released_slot(&mut self) -> bool {
        self.release_reaped();
        let Pair { slots, slab, .. } = &*self.remote.pair;
        slots.take(&mut self.known_free, slab)
    }

    /// With a slot: takes the tokens of a submission of this many bytes, if the device limits those. `false`:
    /// there are too few, and the slot is free again.
    #[inline]
    fn take_tokens(&mut self, bytes: u64) -> bool {
        let pair = &*self.remote.pair;
        let has = pair.lets_in(bytes);
        if !has {
            pair.slots.put_back(&mut self.known_free);
        }
        has
    }

    /// A refusal by the fault plan, which has an effect where there is a slot.
    #[cold]
    fn busy(&mut self) -> RefusedReason {
        self.release_reaped();
        let Pair { slots, slab, .. } = &*self.remote.pair;
        if slots.has_room(slab) {
            self.remote.pair.note_busy();
        }
        self.full()
    }

    /// The fault plan counts what a dead device refuses, too.
    #[cold]
    fn refused(&self, reason: RefusedReason, request: &Request) -> RefusedReason {
        if reason == RefusedReason::DeviceDead {
            let _ = self.remote.pair.is_busy(request);
        }
        reason
    }

    #[cold]
    fn full(&mut self) -> RefusedReason {
        bump(&self.remote.pair.counters.host.full, 1);
        self.full_uncounted()
    }

    #[cold]
    fn full_uncounted(&mut self) -> RefusedReason {
        // A thread that waits for a completion now waits for the held-back requests.
        self.flush();
        RefusedReason::Full
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

    /// Shows all entries to the device, and rings.
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn show(&mut self) {
        self.submissions.publish();
        let pair = &*self.remote.pair;
        let rung = pair.doorbell.ring();
        let counters = &pair.counters.host;
        bump(if rung { &counters.doorbells_rung } else { &counters.doorbells_suppressed }, 1);
    }

    /// With a slot: places the request, shows the entry, rings.
    #[inline]
    fn enqueue(&mut self, request: &mut Request, delivery: &mut Delivery) -> Result<Ticket, RefusedReason> {
        // Separate, because this is the path of submissions in millions.
        if let Delivery::Reap { owner } = *delivery {
            *delivery = Delivery::Silent;
            return self.enqueue_as(Arm::Reap, Announce::Reap { owner }, request, delivery);
        }
        let (arm, announce) = delivery.take().split();
        self.enqueue_as(arm, announce, request, delivery)
    }

    #[cfg_attr(not(debug_assertions), inline(always))]
    fn enqueue_as(
        &mut self,
        arm: Arm,
        announce: Announce,
        request: &mut Request,
        delivery: &mut Delivery,
    ) -> Result<Ticket, RefusedReason> {
        let pair = &*self.remote.pair;
        let stamp = pair.stamp(pair.counters.host.submitted.load(Ordering::Relaxed));
        let (vacant, user_data, is_long) = (self.cells.get(), request.user_data, request.takes_long());
        let ticket = pair.slab.place(vacant, user_data, arm, Placed::Queued, stamp, &mut *request);
        let note = self.note_of(ticket);
        let entry = if is_long { marked_long(pack(ticket, announce)) } else { pack(ticket, announce) };
        if self.push(entry, note) {
            return Ok(ticket);
        }
        let pair = &*self.remote.pair;
        // The doorbell's fence is between the entry and this look, and the device's last look at the ring
        // comes after it has announced its close: one of the two sees the other, and no entry stays behind.
        if pair.life() == Life::Closed {
            let held = pair.slab.hold_queued(ticket);
            if held.is_some() {
                bump(&pair.counters.host.submitted, 1_u64.wrapping_neg());
            }
            return self.withdraw(ticket, announce, held, request, delivery);
        }
        Ok(ticket)
    }

    /// Puts a placed request into the ring, and shows it unless it is held back, which returns `true`.
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn push(&mut self, entry: Entry, note: Option<Note>) -> bool {
        bump(&self.remote.pair.counters.host.submitted, 1);
        if self.holds_back {
            self.put(entry, note);
            self.held_back += 1;
            if self.held_back == HELD_BACK {
                self.flush_some();
            }
            return true;
        }
        // Before it is in the ring, whose last entries are the held-back ones.
        self.flush();
        self.put(entry, note);
        self.show();
        false
    }

    /// What the device is told beside the entry of a placed request, if it stamps requests.
    #[inline]
    fn note_of(&self, ticket: Ticket) -> Option<Note> {
        let pair = &*self.remote.pair;
        pair.has_hooks().then(|| pair.slab.note(ticket))
    }

    #[cfg_attr(not(debug_assertions), inline(always))]
    fn put(&mut self, entry: Entry, note: Option<Note>) {
        let submissions = &mut self.submissions;
        let has_room = match note {
            Some(note) => submissions.push_noted(entry, note),
            None => submissions.push(entry),
        };
        assert!(has_room, "a slot is room in the ring");
    }

    /// The device closed while the request was on its way; it was taken back, unless the device has met it. A
    /// refused request is not counted.
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
        let Remains { vacant, waker, .. } = self.remote.pair.slab.release(held);
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
