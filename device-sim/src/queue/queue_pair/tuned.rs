//! Tuned variants of submitting, parking, taking and reaping, for `simaccel`: hidden, and exempt from
//! semantic versioning. All other users call the five documented methods of [`QueuePair`].

use std::mem;
use std::task::Waker;

use super::QueuePair;
use crate::message::request::{Plain, Request, Rest};
use crate::message::status::Status;
use crate::queue::arrivals::{Arrival, Arrivals, Completion, TOGETHER};
use crate::queue::cell::{Cell, Placed, Remains, Ticket};
use crate::queue::delivery::{Delivery, RefusedReason};
use crate::queue::entry::{Announce, pack};
use crate::queue::hooks::Taker;
use crate::queue::pair::Life;
use crate::queue::ring::Note;
use crate::queue::slots::Parked;
use crate::sync::{Ordering, bump};

#[doc(hidden)]
impl QueuePair {
    /// [`QueuePair::submit`] of the content of `request`, which is moved out piece by piece, without parts
    /// that a request does not use. After a successful submit `request` holds no buffers, and `delivery` is
    /// [`Delivery::Silent`].
    ///
    /// # Errors
    ///
    /// As [`QueuePair::submit`]; `request` and `delivery` are unchanged.
    pub fn submit_from(
        &mut self,
        request: &mut Request,
        delivery: &mut Delivery,
    ) -> Result<Ticket, RefusedReason> {
        let pair = &*self.remote.pair;
        if let Some(reason) = pair.refusal() {
            return Err(self.refused(reason, request));
        }
        if pair.is_busy(request) {
            return Err(self.busy());
        }
        if !self.take_slot() || !self.take_tokens(request.size()) {
            return Err(self.full());
        }
        self.enqueue(request, delivery)
    }

    /// [`QueuePair::park`] of the content of `request`, as in [`QueuePair::submit_from`].
    ///
    /// # Errors
    ///
    /// As [`QueuePair::park`]; `request` and `delivery` are unchanged.
    pub fn park_from(
        &mut self,
        request: &mut Request,
        delivery: &mut Delivery,
    ) -> Result<Ticket, RefusedReason> {
        let pair = &*self.remote.pair;
        if let Some(reason) = pair.refusal() {
            return Err(reason);
        }
        // Earlier submissions come before it.
        self.flush();
        let pair = &*self.remote.pair;
        let (arm, announce) = delivery.take().split();
        let stamp = pair.stamp(pair.counters.host.parked.load(Ordering::Relaxed));
        let (vacant, user_data) = (self.cells.get(), request.user_data);
        let (bytes, is_long) = (request.size(), request.takes_long());
        let ticket = pair.slab.place(vacant, user_data, arm, Placed::Parked, stamp, &mut *request);
        bump(&pair.counters.host.parked, 1);
        self.known_free = 0;
        pair.slots.join(Parked { ticket, announce, bytes, is_long }, &pair.slab);
        pair.fifo_was_joined();
        // The fence in there is between the parking and this look, and the device's last look at the parked
        // requests comes after it has announced its close: one of the two sees the other.
        if pair.life() == Life::Closed {
            let held = pair.slab.hold_parked(ticket);
            if held.is_some() {
                bump(&pair.counters.host.parked, 1_u64.wrapping_neg());
            }
            return self.withdraw(ticket, announce, held, request, delivery);
        }
        Ok(ticket)
    }

    /// [`QueuePair::submit`] of a plain request: it is assembled in its cell and not moved again. If the
    /// device closes at this very moment, it may end as if it had been [held back](QueuePair::hold_back).
    ///
    /// With [`Delivery::Reap`] the reaping of its completion is not recorded. Its wake stays
    /// [armed](crate::WakeState::Armed), and can be cancelled, until the request is taken, which is possible
    /// before it is reaped, too.
    ///
    /// # Errors
    ///
    /// As [`QueuePair::submit`], with the buffer and the rest; `delivery` is dropped. A lack of slots is not
    /// counted, because the caller goes on to [`QueuePair::submit`], which counts it. While the fault plan
    /// has a rule for submissions, all are refused so.
    #[cfg_attr(not(debug_assertions), inline(always))]
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
            return self.submit_stamped(plain, delivery);
        }
        if !self.take_slot() {
            return Err((self.full_uncounted(), plain.into_given()));
        }
        let (arm, announce) = delivery.split_for_plain();
        let user_data = plain.user_data;
        let ticket = self.cells.place(user_data, arm, Placed::Queued, None, plain);
        self.push_plain(ticket, announce, None);
        Ok(ticket)
    }

    /// The same on a device that stamps requests, or whose fault plan may refuse them.
    #[inline(never)]
    fn submit_stamped<R: Rest>(
        &mut self,
        plain: Plain<'_, R>,
        delivery: Delivery,
    ) -> Result<Ticket, (RefusedReason, (Vec<u8>, R))> {
        // Where rules count submissions, it comes as one that is counted once.
        let stamp = self.remote.pair.stamp_unruled();
        let Some((stamp, is_limited)) = stamp.filter(|_| self.take_slot()) else {
            return Err((self.full_uncounted(), plain.into_given()));
        };
        if is_limited && !self.take_tokens(plain.buffer.len() as u64) {
            return Err((self.full_uncounted(), plain.into_given()));
        }
        let (arm, announce) = delivery.split_for_plain();
        let user_data = plain.user_data;
        let ticket = self.cells.place(user_data, arm, Placed::Queued, Some(stamp), plain);
        let note = self.note_of(ticket);
        self.push_plain(ticket, announce, note);
        Ok(ticket)
    }

    /// Shows a placed request to the device. If the device closes at this moment, the request ends: unlike in
    /// `enqueue_as` it is not taken back.
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn push_plain(&mut self, ticket: Ticket, announce: Announce, note: Option<Note>) {
        if !self.push(pack(ticket, announce), note) && self.remote.pair.life() == Life::Closed {
            self.remote.pair.close(ticket, announce);
        }
    }

    /// Sets whether submissions are held back from here on, to be shown to the device in batches: by
    /// [`QueuePair::flush`], or after 32. Returns the previous setting. It saves the device a look at each,
    /// and the submitting thread the wait for the cache line with their number. For a thread that submits in
    /// a loop and does not wait in between; what is held back already stays so. A submission without a free
    /// slot, and a parked one, also show them. [`Device::drain`](crate::Device::drain) and
    /// [`Device::reset`](crate::Device::reset) do not see held-back requests.
    ///
    /// If the device closes before they are shown, it does not meet them: [`QueuePair::flush`] ends them with
    /// [`Status::Closed`]; with [`Delivery::Reap`] there is then no completion for them, and
    /// [`Remote::state`] tells. The thread that shows them then calls their wakers: in [`QueuePair::flush`],
    /// in the submission that was one too many, or when this is dropped.
    pub fn hold_back(&mut self, hold: bool) -> bool {
        mem::replace(&mut self.holds_back, hold)
    }

    /// Shows held-back submissions to the device.
    #[inline]
    pub fn flush(&mut self) {
        if self.held_back > 0 {
            self.flush_some();
        }
    }

    /// [`QueuePair::take`], into `request`: parts that the request did not use are left unchanged there. Best
    /// the one that was submitted by [`QueuePair::submit_from`]. The waker belongs to the request, if it was
    /// not called; dropping it may run foreign code.
    #[inline]
    pub fn take_into(&mut self, ticket: Ticket, request: &mut Request) -> Option<(Status, Option<Waker>)> {
        let pair = &*self.remote.pair;
        let mut served = None;
        let note = |cell: &Cell, request: &Request| {
            served = if pair.has_hooks() { cell.served(request) } else { None };
        };
        let (status, Remains { vacant, cancelled, waker }) = pair.slab.take_done(ticket, request, note)?;
        if let Some(vacant) = vacant {
            self.cells.put(vacant);
        }
        pair.note_taken(request, served, Taker::Submitter);
        pair.count_cancelled(cancelled);
        Some((status, waker))
    }

    /// [`QueuePair::take`] of a request that has ended with [`Status::Ok`] and whose wake was sent or is
    /// being sent, or its completion reaped, for a caller that needs only what its [`Rest`] says; anything
    /// else is wiped. `None`: use [`QueuePair::take`]. That is so for an incomplete result, too.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub fn take_plain<R: Rest>(&mut self, ticket: Ticket) -> Option<R::Taken> {
        if self.remote.pair.has_hooks() {
            self.take_noted::<R>(ticket)
        } else {
            self.cells.take_plain::<R>(ticket, |_, _| ())
        }
    }

    /// [`QueuePair::take_plain`] of a text only: a tag and the rest of the result are wiped.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub fn take_buffer(&mut self, ticket: Ticket) -> Option<Vec<u8>> {
        self.take_plain::<()>(ticket)
    }

    /// The same on a device that may time requests.
    #[inline(never)]
    fn take_noted<R: Rest>(&mut self, ticket: Ticket) -> Option<R::Taken> {
        let pair = &*self.remote.pair;
        let note = |cell: &Cell, request: &Request| {
            pair.note_taken(request, cell.served(request), Taker::Submitter);
        };
        self.cells.take_plain::<R>(ticket, note)
    }

    /// [`QueuePair::reap`] of one completion. Its slot becomes free later: in a batch, or when the ring is
    /// found empty, or by [`QueuePair::release_reaped`]. Until then
    /// [`Remote::completions_pending`](crate::Remote::completions_pending) may report something to reap, and
    /// parked requests wait.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub fn reap_one(&mut self) -> Option<Completion> {
        if self.remote.pair.forked() {
            return None;
        }
        loop {
            self.prefetch_next();
            let popped = self.pop();
            self.completions.look_ahead(TOGETHER as u64);
            self.release_after(u64::from(popped.is_some()));
            let entry = popped?;
            if let Some(completion) = self.remote.reap_completion(Arrival(entry)) {
                return Some(completion);
            }
        }
    }

    /// Takes some completions off the ring, to be reaped one by one by [`Remote::reap`]; `false`: there are
    /// none. Those that are still in `into` are lost. As with [`QueuePair::reap_one`], their slots become
    /// free a little later, or by [`QueuePair::release_reaped`].
    ///
    /// What will be read after these is prefetched from the device's processor.
    ///
    /// [`Remote::reap`]: crate::Remote::reap
    pub fn arrivals(&mut self, into: &Arrivals) -> bool {
        if self.remote.pair.forked() {
            return false;
        }
        debug_assert!(into.is_empty(), "those that are there would be lost");
        self.prefetch_next();
        let count = if self.may_repeat {
            into.fill(self.pop().into_iter())
        } else {
            let count = into.fill(self.completions.entries(TOGETHER));
            self.completions.pass(count as u64);
            self.unreleased.popped += count as u64;
            self.unreleased.slots += count as u64;
            count
        };
        self.completions.look_ahead(TOGETHER as u64);
        self.release_after(count as u64);
        count > 0
    }

    /// Frees the slots of what [`QueuePair::reap_one`] has reaped, and [`QueuePair::arrivals`] has taken off
    /// the ring.
    #[inline]
    pub fn release_reaped(&mut self) {
        if self.unreleased.popped > 0 {
            self.release_some();
        }
    }
}
