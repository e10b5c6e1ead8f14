//! The operations on a queue pair's requests that any thread may use: look, cancel, revoke, take.
//! [`QueuePair`] is the single end that submits and reaps.
//!
//! [`QueuePair`]: crate::QueuePair

use std::fmt;
use std::sync::Arc;
use std::task::{Poll, Waker};

use crate::message::request::Request;
use crate::message::status::Status;
use crate::queue::alert::Alert;
use crate::queue::arrivals::{Arrival, Completion};
use crate::queue::cell::{Hold, Ticket, TicketState, WakeState};
use crate::queue::entry::{generation_of, index_of, ticket_of};
use crate::queue::interrupt::Interrupt;
use crate::queue::pair::Pair;
use crate::sync::spin_or_yield;

/// The operations on a queue pair's requests that any thread may use.
#[derive(Clone)]
pub struct Remote {
    pub(crate) pair: Arc<Pair>,
}

impl Remote {
    /// The number of the queue pair, from 0.
    pub fn index(&self) -> usize {
        self.pair.index()
    }

    /// The state of a request at this moment.
    #[inline]
    pub fn state(&self, ticket: Ticket) -> TicketState {
        self.pair.slab.state(ticket)
    }

    /// The state of its wake at this moment.
    #[inline]
    pub fn wake_state(&self, ticket: Ticket) -> WakeState {
        self.pair.slab.wake_state(ticket)
    }

    /// Cancels the wake of a request. `true`: none was or will be sent for this ticket. `false`: it was sent,
    /// it is being sent, or the ticket is stale ([`Remote::wake_state`] tells which); a token is there or
    /// coming. (For a plain polled request, `true` says that it will not be reaped from here on: see
    /// [`QueuePair::submit_plain`](crate::QueuePair::submit_plain).)
    pub fn cancel_wake(&self, ticket: Ticket) -> bool {
        matches!(self.cancel(ticket), WakeState::Armed | WakeState::Idle | WakeState::Cancelled)
    }

    fn cancel(&self, ticket: Ticket) -> WakeState {
        let found = self.pair.slab.cancel_wake(ticket);
        self.pair.count_cancelled(found == WakeState::Armed);
        found
    }

    /// Replaces the waker of a request. `false`: it carries none (under polling too), or its wake was sent,
    /// is being sent or was cancelled; nothing has changed then, and the state says more.
    pub fn replace_waker(&self, ticket: Ticket, waker: Waker) -> bool {
        let replaced = self.pair.slab.replace_waker(ticket, waker);
        // Dropping the old one may run foreign code, so it goes when the words are in order.
        replaced.map(drop).is_ok()
    }

    /// Takes a request back, wherever it is. `None`: the ticket is stale.
    ///
    /// Waits while the device computes the batch that contains the request, never for modelled time, and
    /// never for a waker. The buffers hold what was computed: in place, a request that is revoked late has
    /// been computed. The caller wipes them or gives them back. Its wake, if armed, is cancelled.
    ///
    /// In a forked child a request that the device was computing at the time of the fork is lost: `None`.
    pub fn revoke(&self, ticket: Ticket) -> Option<Request> {
        let mut turns = 0_u32;
        loop {
            match self.try_revoke(ticket) {
                Poll::Ready(request) => return request,
                Poll::Pending => spin_or_yield(&mut turns),
            }
        }
    }

    /// [`QueuePair::take`](crate::QueuePair::take) from any thread.
    pub fn take(&self, ticket: Ticket) -> Option<(Request, Status)> {
        let (held, status) = self.pair.slab.hold_done(ticket)?;
        Some((self.pair.take(held), status))
    }

    /// Makes the device raise `interrupt` when it publishes completions to be reaped.
    pub fn attach(&self, interrupt: Arc<Interrupt>) {
        if !self.pair.forked() {
            self.pair.interrupts.attach(interrupt);
        }
    }

    /// Undoes [`Remote::attach`]; the device does not touch the interrupt any more when this returns.
    /// `false`: it was not attached.
    pub fn detach(&self, interrupt: &Arc<Interrupt>) -> bool {
        !self.pair.forked() && self.pair.interrupts.detach(interrupt)
    }

    /// Whether there is something to reap.
    pub fn completions_pending(&self) -> bool {
        !self.pair.completions.is_empty()
    }
}

/// For the engine's reapers.
#[doc(hidden)]
impl Remote {
    /// Makes the device call the waker of `alert`, where that is armed, when it publishes completions to be
    /// reaped.
    pub fn attach_alert(&self, alert: Arc<Alert>) {
        if !self.pair.forked() {
            self.pair.interrupts.attach_alert(alert);
        }
    }

    /// Whether all slots are free, and no request waits for one.
    pub fn is_idle(&self) -> bool {
        self.pair.slots.is_idle()
    }

    /// Undoes [`Remote::attach_alert`]. A call that is under way may go on.
    pub fn detach_alert(&self, alert: &Arc<Alert>) {
        if !self.pair.forked() {
            self.pair.interrupts.detach_alert(alert);
        }
    }
}

/// Tuned variants, and what a watchdog needs, for `simaccel`: hidden, and exempt from semantic versioning.
#[doc(hidden)]
impl Remote {
    /// [`Remote::revoke`] for a thread that cannot wait, because the device is in the middle of something
    /// there. Pending: the device owns the request.
    pub fn try_revoke(&self, ticket: Ticket) -> Poll<Option<Request>> {
        match self.pair.slab.hold(ticket) {
            Hold::Held(held) => Poll::Ready(Some(self.pair.take(held))),
            Hold::Stale => Poll::Ready(None),
            Hold::Executing if self.pair.forked() => Poll::Ready(None),
            Hold::Executing => Poll::Pending,
        }
    }

    /// [`Remote::take`] of a request that is done, with its status, and [`Remote::revoke`] of one that is
    /// not. Pending: the device owns it.
    pub fn try_end(&self, ticket: Ticket) -> Poll<Option<(Request, Option<Status>)>> {
        let Self { pair } = self;
        loop {
            if let Some((held, status)) = pair.slab.hold_done(ticket) {
                return Poll::Ready(Some((pair.take(held), Some(status))));
            }
            let waiting = pair.slab.hold_parked(ticket).or_else(|| pair.slab.hold_queued(ticket));
            if let Some(held) = waiting.or_else(|| pair.slab.hold_scheduled(ticket)) {
                return Poll::Ready(Some((pair.take(held), None)));
            }
            match self.state(ticket) {
                TicketState::Stale => return Poll::Ready(None),
                TicketState::InFlight | TicketState::Parked if pair.forked() => return Poll::Ready(None),
                TicketState::InFlight => return Poll::Pending,
                // It has got there since.
                TicketState::Parked | TicketState::Done(_) => {}
            }
        }
    }

    /// Prefetches a request, for a thread that will look at its end in a moment.
    #[inline]
    pub fn prefetch(&self, ticket: Ticket) {
        self.pair.slab.prefetch(ticket);
        self.pair.slab.prefetch_wake(ticket);
    }

    /// Reaps a completion of this queue pair (another pair's is taken for one of this): takes its wake, and
    /// returns its user data. `None`: the wake was cancelled, or the request is gone.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub fn reap(&self, arrival: Arrival) -> Option<u64> {
        if self.pair.has_hooks() {
            self.pair.slab.prefetch_text_at(index_of(arrival.0));
        }
        self.pair.slab.reap(index_of(arrival.0), generation_of(arrival.0))
    }

    /// The same, returned as a completion.
    #[inline]
    pub fn reap_completion(&self, arrival: Arrival) -> Option<Completion> {
        let (owner, ticket) = (arrival.owner(), ticket_of(arrival.0, &self.pair.slab));
        let user_data = self.reap(arrival)?;
        Some(Completion { owner, user_data, ticket })
    }

    /// When a request of a modelled device was submitted, in nanoseconds of the device's clock, for the
    /// thread that has just submitted it: its cell keeps the time until it has another request.
    pub fn submitted_at(&self, ticket: Ticket) -> u64 {
        self.pair.slab.submitted(ticket)
    }

    /// Cancels the wake of a request for a thread that announces it instead of the device: `true` only for
    /// the one call that cancelled it. Not for plain polled requests, which may have been reaped.
    pub fn take_over_wake(&self, ticket: Ticket) -> bool {
        self.cancel(ticket) == WakeState::Armed
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").field("index", &self.index()).finish_non_exhaustive()
    }
}
