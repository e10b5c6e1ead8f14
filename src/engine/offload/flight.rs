//! A flight: what is left of an operation on its caller's stack while it waits.
//!
//! ```text
//!   Flight ── ticket ──► the request in its cell: buffers, wake word, claim word
//!          ── Held ───── what announces the end: wake fd or callback
//!                        the watch, where there is a timeout; the status that follows a parked request
//!
//!   take ──► the request, and how it has ended
//!   drop, Release (a discarded job) ──► abandon: cancels the wake, waits for one under way, takes the request back
//! ```

use std::cell::{Cell, RefCell};
use std::mem;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;
use std::thread;

use simaccel_device::{Remote, Request, Status, StreamState, Ticket, TicketState, WakeState};

use crate::engine::instance::Instance;
use crate::engine::sabotage::{self, Sabotage};
use crate::engine::wait;
use crate::engine::wake_fd::Registration;
use crate::engine::watch::Watch;
use crate::engine::{Inner, table};
use crate::job::{CallbackWaker, FollowedStatus, Release, WaitStatus};

/// How often the waiter for a token that is being written yields the processor before it does without the token.
pub(in crate::engine) const PATIENCE: u32 = 16;

/// What is left of an operation on the caller's stack while it waits.
pub(crate) struct Flight<'e> {
    engine: &'e Arc<Inner>,
    pair_index: usize,
    ticket: Ticket,
    /// Until the request was taken or given up.
    live: Cell<bool>,
    /// [`Release`] lets go of it too, because a discarded job's frames are never dropped.
    held: RefCell<Held>,
}

/// What an operation may hold while it waits; a plain one that is polled holds nothing.
#[derive(Default)]
pub(crate) struct Held {
    pub(in crate::engine) told: Told,
    /// While the status of the job's context follows the request.
    pub(in crate::engine) status: Option<Box<FollowedStatus>>,
    pub(super) watch: Option<Arc<Watch>>,
    /// The state that the part began with, where it may have to be done again.
    pub(super) state: Option<Box<StreamState>>,
}

/// What in the job's context announces the end.
#[derive(Default)]
pub(crate) enum Told {
    #[default]
    Nobody,
    WakeFd(Rc<Registration>),
    Callback(Arc<CallbackWaker>),
}

impl Held {
    pub(in crate::engine) fn watch(&self) -> Option<Arc<Watch>> {
        self.watch.clone()
    }

    #[inline]
    const fn wake_fd(&self) -> Option<&Rc<Registration>> {
        match &self.told {
            Told::WakeFd(wake_fd) => Some(wake_fd),
            Told::Nobody | Told::Callback(_) => None,
        }
    }

    const fn callback(&self) -> Option<&Arc<CallbackWaker>> {
        match &self.told {
            Told::Callback(callback) => Some(callback),
            Told::Nobody | Told::WakeFd(_) => None,
        }
    }
}

/// How a request that was taken has ended.
#[derive(Clone, Copy)]
pub(super) enum End {
    Device(Status),
    TimedOut,
}

/// How far a request is, as its waiter sees it.
pub(super) enum Progress {
    Waiting,
    /// Done, or taken back by the watchdog: there is something to take.
    Ended,
    /// It is nowhere.
    Lost,
}

impl<'e> Flight<'e> {
    #[inline]
    pub(super) fn new(engine: &'e Arc<Inner>, pair_index: usize, ticket: Ticket, held: Held) -> Self {
        Self { engine, pair_index, ticket, live: Cell::new(true), held: RefCell::new(held) }
    }

    pub(crate) const fn engine(&self) -> &'e Arc<Inner> {
        self.engine
    }

    fn remote(&self) -> &'e Remote {
        &self.engine.remotes[self.pair_index]
    }

    fn with_watch<R>(&self, body: impl FnOnce(&Watch) -> R) -> Option<R> {
        self.held.borrow().watch.as_deref().map(body)
    }

    /// Whether the device still has to do something for this request.
    pub(crate) fn is_waiting(&self) -> bool {
        wait::is_waiting(self.remote().state(self.ticket))
    }

    /// The pause is over, and it will be looked at.
    #[inline]
    pub(crate) fn expect(&self) {
        self.remote().expect(self.ticket);
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

    /// The device's wake, or the watchdog's where that has taken the request back.
    #[inline]
    pub(crate) fn wake_state(&self) -> WakeState {
        match self.remote().wake_state(self.ticket) {
            WakeState::Stale => self.with_watch(Watch::wake_state).unwrap_or(WakeState::Stale),
            state => state,
        }
    }

    /// The same when what was held was taken.
    fn wake_state_of(&self, watch: Option<&Watch>) -> WakeState {
        match self.remote().wake_state(self.ticket) {
            WakeState::Stale => watch.map_or(WakeState::Stale, Watch::wake_state),
            state => state,
        }
    }

    pub(crate) fn cancel_wake(&self) -> bool {
        self.remote().cancel_wake(self.ticket)
    }

    /// Has another waker called, if none was yet.
    pub(crate) fn replace_waker(&self, waker: Waker) -> bool {
        match &self.held.borrow().watch {
            Some(watch) => watch.redirect(waker),
            None => self.remote().replace_waker(self.ticket, waker),
        }
    }

    /// Returns when the callback, for which the wake is being sent, has returned.
    pub(crate) fn await_callback(&self) {
        if let Some(callback) = self.held.borrow().callback() {
            callback.await_sent();
        }
    }

    /// The callback is not called for this request any more, and does not run for it.
    pub(crate) fn retire_callback(&self) {
        if let Some(callback) = self.held.borrow().callback() {
            callback.retire();
        }
    }

    pub(crate) fn has_callback(&self) -> bool {
        self.held.borrow().callback().is_some()
    }

    /// Sets what announces the end from here on, in place of what did before.
    pub(crate) fn tell(&self, told: Told) {
        self.retire_callback();
        self.held.borrow_mut().told = told;
    }

    #[inline]
    fn with_wake_fd<R>(&self, body: impl FnOnce(&Rc<Registration>) -> R) -> Option<R> {
        self.held.borrow().wake_fd().map(body)
    }

    pub(crate) fn has_wake_fd(&self) -> bool {
        self.held.borrow().wake_fd().is_some()
    }

    /// Whether other requests may have tokens on this request's wake fd.
    pub(crate) fn shares_wake_fd(&self) -> bool {
        self.with_wake_fd(Registration::is_shared).unwrap_or(false)
    }

    /// Reads the tokens on the wake fd, if there is one. The caller finds out which requests they belong to.
    pub(crate) fn read_tokens(&self) -> u64 {
        self.with_wake_fd(|wake_fd| wake_fd.read()).unwrap_or(0)
    }

    /// Takes this request's token, which was sent, out of those in hand.
    #[inline]
    pub(crate) fn settle(&self, in_hand: u64) {
        self.with_wake_fd(|wake_fd| wake_fd.settle(in_hand));
    }

    /// Leaves the tokens in hand to the requests that they belong to.
    pub(crate) fn give_back(&self, in_hand: u64) {
        self.with_wake_fd(|wake_fd| wake_fd.give_back(in_hand));
    }

    pub(crate) fn calm(&self) {
        self.with_wake_fd(Registration::calm);
    }

    /// Takes the request, and how it has ended. `None`: it is not done, or was taken back since the last
    /// look.
    #[inline(always)]
    pub(super) fn take(&self, instance: &Instance, request: &mut Request) -> Option<End> {
        let end = match self.take_from_pair(instance, request) {
            Some(status) => End::Device(status),
            None => self.take_timed_out(request)?,
        };
        // The request is no longer this flight's.
        self.live.set(false);
        self.with_watch(Watch::end);
        if let Some(status) = self.held.borrow_mut().status.take() {
            status.finish(if matches!(end, End::Device(_)) { WaitStatus::Ok } else { WaitStatus::Eagain });
        }
        // A part whose output is short has to be done again as a whole: it counts as failed, though the device says Ok.
        if !matches!(end, End::Device(Status::Ok)) || request.residue > 0 {
            request.state = self.held.borrow_mut().state.take();
        }
        Some(end)
    }

    #[cold]
    fn take_timed_out(&self, request: &mut Request) -> Option<End> {
        *request = self.with_watch(Watch::claim)??;
        Some(End::TimedOut)
    }

    /// Through this thread's own end of the pair, which costs less, unless the request is on another pair.
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

    /// Takes the request back as it was, wherever it is. `None`: it is watched, or gone.
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

    /// Gives the request up, wherever it is; waits at most for one batch's computation.
    #[cold]
    fn abandon(&self) {
        let mut held = mem::take(&mut *self.held.borrow_mut());
        if !self.live.replace(false) {
            return;
        }
        if self.engine.is_foreign() {
            // A forked child: the parent's worker will never let go of the cell, and the fd is the parent's.
            return;
        }
        // As it is before the request goes.
        drop(held.status.take());
        let watch = held.watch.as_deref();
        // From here on the watchdog wipes what it takes back; what it has taken back already is claimed below.
        watch.map(Watch::end);
        self.cancel_wake();
        if let Some(callback) = held.callback() {
            callback.retire();
        }
        if let Some(wake_fd) = held.wake_fd() {
            self.settle_unread(wake_fd, || self.wake_state_of(watch));
            // A spurious wake is not left to the next operation either.
            wake_fd.calm();
        }
        let request = watch.and_then(Watch::claim).or_else(|| self.remote().revoke(self.ticket));
        if let Some(mut request) = request {
            request.wipe();
            if sabotage::is(Sabotage::LeakedBuffer) {
                std::mem::forget(request);
            }
        }
        table::of_thread(self.engine).counters.abandoned.add(1);
    }

    /// Takes the token of a request that is given up, if one was sent, so that none is left to the next request. A token
    /// that is being written arrives, however long its writer is preempted.
    #[cold]
    fn settle_unread(&self, wake_fd: &Rc<Registration>, wake_state: impl Fn() -> WakeState) {
        let mut turns = 0;
        while wake_state() == WakeState::Sending {
            if !wake_fd.is_shared() {
                let in_hand = wake_fd.read();
                if in_hand > 0 {
                    return wake_fd.settle(in_hand);
                }
            }
            turns += 1;
            if turns < PATIENCE { thread::yield_now() } else { wake_fd.nap() }
        }
        if wake_state() == WakeState::Sent && !sabotage::is(Sabotage::StaleWake) {
            wake_fd.settle(0);
        }
    }
}

impl Release for Flight<'_> {
    fn release(&self) {
        self.abandon();
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        if self.live.get() {
            self.abandon();
        }
    }
}
