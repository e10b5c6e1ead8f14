//! A flight: one request on its way, as its waiter holds it.
//!
//! ```text
//!   Flight ── ticket ──► the request in its cell: buffers, wake word, claim word
//!          ── Held ───── what announces the end (the waiter's), the watch, where there is a timeout
//!
//!   progress ──► how far it is
//!   replace_waker, cancel_wake, wake_state ──► its wake
//!   take ──► the request, and how it has ended
//!   give_up (drop, a discarded job) ──► cancels the wake, waits for one under way, takes the request back
//! ```
//!
//! It holds its engine by reference in a loop that ends before the caller's reference, and as an owner where
//! it is kept ([`Hold`]). Everything else that it owns belongs to its waiter; it may change threads if the
//! waiter's part may.

use std::cell::{Cell, RefCell};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Waker;
use std::thread;

use simaccel_device::{Remote, Request, Session, Status, StreamState, Ticket, TicketState, WakeState};

use crate::engine::instance::Instance;
use crate::engine::sabotage::{self, Sabotage};
use crate::engine::trace::{Entered, Traced};
use crate::engine::wait::{self, Wake};
use crate::engine::watch::Watch;
use crate::engine::{Inner, call, table};
use crate::error::Error;

/// A handle of an engine: a reference, or an owner.
pub(crate) trait Hold: Clone {
    fn engine(&self) -> &Arc<Inner>;

    /// The session, if it is one that is held.
    fn held_session(&self) -> Option<&Session> {
        None
    }
}

impl Hold for &Arc<Inner> {
    #[inline]
    fn engine(&self) -> &Arc<Inner> {
        self
    }
}

impl Hold for Arc<Inner> {
    #[inline]
    fn engine(&self) -> &Arc<Inner> {
        self
    }
}

/// A request on its way.
pub(crate) struct Flight<E: Hold, W: Wake> {
    engine: E,
    pair_index: usize,
    ticket: Ticket,
    /// Until the request was taken or given up.
    live: Cell<bool>,
    /// Dropped by [`Flight::give_up`] too, because a discarded job's frames are never dropped.
    held: RefCell<Held<W>>,
}

/// What an operation may hold while it waits; a plain polled one holds nothing.
#[derive(Default)]
pub(crate) struct Held<W> {
    pub(super) wake: W,
    pub(super) watch: Option<Arc<Watch>>,
    /// The state at the beginning of the part, if it may have to be repeated, or given back.
    pub(super) state: Option<Box<StreamState>>,
    #[cfg(feature = "tracing")]
    pub(super) traced: Traced,
}

/// How a taken request has ended.
#[derive(Clone, Copy)]
pub(super) enum End {
    Device(Status),
    TimedOut,
}

/// The progress of a request, as its waiter sees it.
pub(super) enum Progress {
    Waiting,
    /// Done, or taken back by the watchdog: there is something to take.
    Ended,
    /// It cannot be found.
    Lost,
}

/// A request that is queued for a slot, for any thread to look at.
pub(crate) struct Queued {
    remote: Remote,
    ticket: Ticket,
    watch: Option<Arc<Watch>>,
}

impl Queued {
    /// Whether it has no slot yet, or has timed out without one.
    pub(crate) fn is_waiting(&self) -> bool {
        match self.remote.state(self.ticket) {
            TicketState::InFlight | TicketState::Done(_) => false,
            TicketState::Parked => true,
            TicketState::Stale => self.watch.as_ref().is_some_and(|watch| watch.is_unclaimed()),
        }
    }
}

impl<E: Hold, W: Wake> Flight<E, W> {
    #[inline]
    pub(super) fn new(engine: E, pair_index: usize, ticket: Ticket, held: Held<W>) -> Self {
        Self { engine, pair_index, ticket, live: Cell::new(true), held: RefCell::new(held) }
    }

    #[inline]
    pub(crate) fn engine(&self) -> &Arc<Inner> {
        self.engine.engine()
    }

    #[inline]
    fn remote(&self) -> &Remote {
        &self.engine().remotes[self.pair_index]
    }

    fn with_watch<R>(&self, body: impl FnOnce(&Watch) -> R) -> Option<R> {
        self.held.borrow().watch.as_deref().map(body)
    }

    /// Runs `body` with what the waiter holds. `body` runs no foreign code.
    #[inline]
    pub(crate) fn with_wake<R>(&self, body: impl FnOnce(&mut W) -> R) -> R {
        body(&mut self.held.borrow_mut().wake)
    }

    /// Whether the device still has work to do for this request.
    pub(crate) fn is_waiting(&self) -> bool {
        wait::is_waiting(self.remote().state(self.ticket))
    }

    /// Keeps the operation's span while the request is on its way: it ends with that, however that ends.
    #[cfg_attr(not(feature = "tracing"), inline(always))]
    pub(super) fn keep_traced(&self, _traced: Traced) {
        #[cfg(feature = "tracing")]
        {
            self.held.borrow_mut().traced = _traced;
        }
    }

    #[cfg_attr(not(feature = "tracing"), inline(always))]
    pub(super) fn take_traced(&self) -> Traced {
        #[cfg(feature = "tracing")]
        let traced = mem::take(&mut self.held.borrow_mut().traced);
        #[cfg(not(feature = "tracing"))]
        let traced = Traced::none();
        traced
    }

    /// Enters the operation's span.
    #[cfg_attr(not(feature = "tracing"), inline(always))]
    pub(super) fn entered(&self) -> Entered {
        #[cfg(feature = "tracing")]
        let entered = self.held.borrow().traced.enter();
        #[cfg(not(feature = "tracing"))]
        let entered = Traced::none().enter();
        entered
    }

    /// The request, for a later look at whether it has its slot.
    pub(crate) fn queued(&self) -> Queued {
        let watch = self.held.borrow().watch.clone();
        Queued { remote: self.remote().clone(), ticket: self.ticket, watch }
    }

    /// Prefetches the request, for a look at it in a moment.
    #[inline]
    pub(crate) fn prefetch(&self) {
        self.remote().prefetch(self.ticket);
    }

    #[inline]
    pub(super) fn progress(&self) -> Progress {
        match self.remote().state(self.ticket) {
            TicketState::Parked | TicketState::InFlight => Progress::Waiting,
            TicketState::Done(_) => Progress::Ended,
            TicketState::Stale if self.with_watch(Watch::is_timed_out) == Some(true) => Progress::Ended,
            TicketState::Stale => Progress::Lost,
        }
    }

    /// The device's wake, or the watchdog's if that has taken the request back.
    #[inline]
    pub(crate) fn wake_state(&self) -> WakeState {
        match self.remote().wake_state(self.ticket) {
            WakeState::Stale => self.with_watch(Watch::wake_state).unwrap_or(WakeState::Stale),
            state => state,
        }
    }

    pub(crate) fn cancel_wake(&self) -> bool {
        self.remote().cancel_wake(self.ticket)
    }

    /// Replaces the waker, if none was called yet.
    pub(crate) fn replace_waker(&self, waker: Waker) -> bool {
        match &self.held.borrow().watch {
            Some(watch) => watch.redirect(waker),
            None => self.remote().replace_waker(self.ticket, waker),
        }
    }

    /// Takes the request, and how it has ended. `None`: it is not done, or was taken back since the last
    /// look.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(super) fn take(&self, instance: &Instance, request: &mut Request) -> Option<End> {
        let end = match self.take_from_pair(instance, request) {
            Some(status) => End::Device(status),
            None => self.take_timed_out(request)?,
        };
        // The request is no longer this flight's.
        self.live.set(false);
        self.with_watch(|watch| self.engine().outside(|| watch.end()));
        // A part with a short output has to be repeated as a whole: it counts as failed, though the device's
        // status is Ok.
        if !matches!(end, End::Device(Status::Ok)) || request.residue > 0 {
            request.state = self.held.borrow_mut().state.take();
        }
        let wake = self.with_wake(mem::take);
        wake.ended(self.engine(), matches!(end, End::TimedOut));
        Some(end)
    }

    #[cold]
    fn take_timed_out(&self, request: &mut Request) -> Option<End> {
        *request = self.with_watch(Watch::claim)??;
        Some(End::TimedOut)
    }

    /// Takes it through this thread's own end of the pair, which costs less, unless the request is on another
    /// pair.
    #[inline]
    fn take_from_pair(&self, instance: &Instance, request: &mut Request) -> Option<Status> {
        if instance.pair_index() == self.pair_index {
            let (status, waker) = instance.with_pair(|pair| pair.take_into(self.ticket, request))?;
            // Dropping a waker that was not called may run foreign code.
            drop(waker);
            return Some(status);
        }
        self.take_from_another_pair(request)
    }

    #[cold]
    fn take_from_another_pair(&self, request: &mut Request) -> Option<Status> {
        let (taken, status) = self.remote().take(self.ticket)?;
        *request = taken;
        Some(status)
    }

    /// Takes the request back unchanged, wherever it is. `None`: it is watched, or gone.
    #[cold]
    pub(super) fn take_back(&self) -> Option<Request> {
        if self.with_watch(|_| ()).is_some() {
            return None;
        }
        let mut request = self.remote().revoke(self.ticket)?;
        self.live.set(false);
        request.state = self.held.borrow_mut().state.take();
        Some(request)
    }

    /// Takes the request, with how it has ended, or takes it back unchanged, wherever it is. Waits at most
    /// for one batch's computation.
    ///
    /// # Errors
    /// The request is out of reach: in a forked child, or in a function that runs in its own batch.
    #[cold]
    pub(super) fn cancel(&self, request: &mut Request) -> Result<Option<End>, Error> {
        let Held { wake, watch, state, .. } = mem::take(&mut *self.held.borrow_mut());
        let was_live = self.live.replace(false);
        if !was_live || self.engine().is_inherited() {
            return Err(if was_live { Error::Forked } else { Error::Closed });
        }
        let watch = watch.as_deref();
        if let Some(watch) = watch {
            self.engine().outside(|| watch.end());
        }
        self.cancel_wake();
        wake.give_up(&|| match self.remote().wake_state(self.ticket) {
            WakeState::Stale => watch.map_or(WakeState::Stale, Watch::wake_state),
            state => state,
        });
        let (back, end) = match watch.and_then(Watch::claim) {
            Some(late) => (late, Some(End::TimedOut)),
            None => call::end(self.engine(), self.remote(), self.ticket)
                .map(|(request, status)| (request, status.map(End::Device)))?,
        };
        *request = back;
        // A pause ends with a resume, or is given up.
        let counters = &table::of_thread(self.engine()).counters;
        counters.pauses.add(W::COUNTS_LATER.into());
        if end.is_some() {
            counters.resumes.add(1)
        } else {
            counters.abandoned.add(1)
        }
        match end {
            Some(End::Device(Status::Ok)) => {}
            // A device that computes only what it completes at once has not met it.
            None if !self.engine().keeps_input => {}
            _ => request.state = state,
        }
        Ok(end)
    }

    /// Gives the request up, wherever it is, and drops all that the flight holds. Waits at most for one
    /// batch's computation, and for a running call of the waiter's callback.
    #[cold]
    pub(crate) fn give_up(&self) {
        let Held { wake, watch, .. } = mem::take(&mut *self.held.borrow_mut());
        if !self.live.replace(false) || self.engine().is_inherited() {
            // In a forked child the parent's worker never releases the cell, and the fd is the parent's.
            return;
        }
        let watch = watch.as_deref();
        // From here on the watchdog wipes what it takes back; what it has taken back already is claimed
        // below.
        if let Some(watch) = watch {
            self.engine().outside(|| watch.end());
        }
        self.cancel_wake();
        wake.give_up(&|| match self.remote().wake_state(self.ticket) {
            WakeState::Stale => watch.map_or(WakeState::Stale, Watch::wake_state),
            state => state,
        });
        let take_back = || call::take_back(self.engine(), self.remote(), self.ticket);
        let request = watch.and_then(Watch::claim).or_else(take_back);
        // Counted first, because dropping a call may run foreign code, and panic.
        let counters = &table::of_thread(self.engine()).counters;
        counters.pauses.add(W::COUNTS_LATER.into());
        counters.abandoned.add(1);
        if let Some(mut request) = request {
            wipe(&mut request);
            if sabotage::is(Sabotage::LeakedBuffer) {
                std::mem::forget(request);
            }
        }
    }
}

impl<E: Hold, W: Wake> Drop for Flight<E, W> {
    fn drop(&mut self) {
        if self.live.get() {
            self.give_up();
        }
    }
}

/// Wipes a request, and drops a call with it, which is foreign code. The thread panics where a job is being
/// dropped, and another panic that left this would end the process.
#[cold]
fn wipe(request: &mut Request) {
    if !thread::panicking() {
        return request.wipe();
    }
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| request.wipe())) {
        // Dropping a foreign payload could panic again.
        mem::forget(payload);
    }
}
