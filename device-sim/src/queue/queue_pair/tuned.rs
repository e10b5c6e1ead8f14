//! Tuned variants of submitting, parking, taking and reaping, for `simaccel`: hidden, and exempt from semantic versioning.
//! Everybody else uses the five methods of [`QueuePair`] that its documentation shows.

use std::mem;
use std::task::Waker;

use super::QueuePair;
use crate::message::request::{Plain, Request, Rest};
use crate::message::status::Status;
use crate::queue::arrivals::{Arrival, Arrivals, Completion, TOGETHER};
use crate::queue::cell::{Placed, Remains, Ticket, TicketState, WakeState};
use crate::queue::delivery::{Delivery, RefusedReason};
use crate::queue::entry::Announce;
use crate::queue::pair::Life;
use crate::sync::{Ordering, bump};

#[doc(hidden)]
impl QueuePair {
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
        if pair.is_refused_as_busy(request) || !self.take_slot() {
            return Err(self.full());
        }
        self.enqueue(request, delivery)
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
        pair.fifo_was_joined();
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
        if self.remote.pair.is_busy(plain.operation, None, plain.buffer.len() as u64) {
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

    /// [`QueuePair::reap`] of one, whose slot becomes free later: together with those of some tens of others, or when the
    /// ring is found empty, or by [`QueuePair::release_reaped`]. Until then
    /// [`Remote::completions_pending`](crate::Remote::completions_pending) may say that there is something to reap, and
    /// those who wait for a slot wait.
    #[inline(always)]
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

    /// Takes some completions off the ring, to be reaped one by one by [`Remote::reap`]; `false`: there are none. Those that
    /// are still in `into` are lost. As with [`QueuePair::reap_one`], their slots become free a little later, or by
    /// [`QueuePair::release_reaped`].
    ///
    /// What will be looked at when these have been reaped is brought meanwhile, from the device's processor.
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

    /// Frees the slots of what [`QueuePair::reap_one`] has reaped, and [`QueuePair::arrivals`] taken off the ring.
    #[inline]
    pub fn release_reaped(&mut self) {
        if self.unreleased.popped > 0 {
            self.release_some();
        }
    }
}
