//! One operation on the device: the state machine, and all policy about it, once.
//!
//! ```text
//!               ring has room
//!   Submit ─────────────────────► InFlight ─── pause, done and the wake taken ──► Done
//!     ▲ │                          ▲    │ └─◄── pause, not done
//!     │ │ full                     │    │ timeout_msec is over (parked too): the watchdog takes the request back
//!     │ └─► Parked (EAGAIN) ───────┘    └─────► TimedOut ─── pause, and the wake taken ──► Error::Timeout
//!     │           a slot is free: the device takes the request out of the line
//!     └── max_retries: the device failed, and another try may help; after those, fallback
//! ```
//!
//! Whoever waits (a job, a blocked thread, a future) goes round this machine by way of [`Wait`]. While it waits,
//! everything that the operation owns is in the request's cell; what is left on the caller's stack is a
//! [`Flight`], and dropping or releasing that gives the request up.

pub(super) mod plain;
mod rescue;

use std::cell::{Cell, RefCell};
use std::mem;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;
use std::thread;

use device_sim::{
    Delivery, Operation, RefusedReason, Remote, Request, Session, Status, StreamState, Ticket, TicketState,
    WakeState,
};
use zeroize::Zeroize;

use super::fault::FaultKind;
use super::instance::Instance;
use super::sabotage::{self, Sabotage};
use super::wait::{self, BlockWait, JobWait, Wait};
use super::wake_fd::Registration;
use super::watch::Watch;
use super::watchdog::Watchdog;
use super::{Inner, software, table};
use crate::error::Error;
use crate::job::{self, Release, WaitStatus};

/// How often one looks whether a write to an eventfd has returned, before others get the processor.
const SENDING_SPINS: u32 = 500;

/// An operation that failed; its request (and so the caller's buffers) is where it was.
pub(crate) struct Failed {
    error: Error,
    /// The request is out of reach, and the caller's is empty: in a forked child, whose parent's device holds it.
    lost: bool,
}

impl Failed {
    pub(crate) const fn with_request(error: Error) -> Self {
        Self { error, lost: false }
    }

    const fn lost(error: Error) -> Self {
        Self { error, lost: true }
    }

    pub(crate) fn into_error(self) -> Error {
        self.error
    }

    fn may_be_retried(&self) -> bool {
        !self.lost && self.error.is_device_failure() && self.error.is_retryable()
    }

    fn may_be_replaced(&self) -> bool {
        !self.lost && software::can_replace(&self.error)
    }
}

/// Runs one request to its end: on the device, or in software where the configuration says so.
#[inline(never)]
pub(crate) fn run(engine: &Arc<Inner>, session: &Session, request: &mut Request) -> Result<(), Failed> {
    if engine.is_foreign() {
        return Err(Failed::with_request(Error::Forked));
    }
    let instance = table::of_thread(engine);
    instance.counters.operations.add(1);
    if request.buffer.len() < engine.config.offload_threshold() as usize {
        instance.counters.below_threshold.add(1);
        return software::run(session, request);
    }
    match offload(engine, instance, request) {
        Ok(()) => Ok(()),
        Err(failed) => again(engine, session, request, failed),
    }
}

/// What failed in a way that another try may mend is tried again on the device; and then in software, if that is to be.
#[cold]
fn again(
    engine: &Arc<Inner>,
    session: &Session,
    request: &mut Request,
    mut failed: Failed,
) -> Result<(), Failed> {
    for _ in 0..engine.config.max_retries() {
        if !failed.may_be_retried() {
            break;
        }
        let instance = table::of_thread(engine);
        instance.counters.retries.add(1);
        match offload(engine, instance, request) {
            Ok(()) => return Ok(()),
            Err(again) => failed = again,
        }
    }
    if !engine.config.fallback() || !failed.may_be_replaced() {
        return Err(failed);
    }
    table::of_thread(engine).counters.fallbacks.add(1);
    software::run(session, request)
}

/// Runs the request on the device. While a job waits, its frames own nothing, so the instance goes along.
#[inline(always)]
fn offload(engine: &Arc<Inner>, instance: Rc<Instance>, request: &mut Request) -> Result<(), Failed> {
    let rescued = engine.keeps_input && rescue::prepare(&instance, request)?;
    let outcome = match job::offer().map(|offer| offer.token()) {
        Some(token) if engine.polled => drive(engine, instance, JobWait::<true>::new(token), request),
        offer => drive_slowly(engine, instance, offer, request),
    };
    if rescued {
        rescue::finish(engine, request, &outcome);
    } else if outcome.is_err() {
        // The caller's own: what an earlier try has left there is not the output of this one.
        request.destination.as_mut().map(Zeroize::zeroize);
    }
    outcome
}

/// A wait that costs system calls: out of the way of the one that does not.
#[inline(never)]
fn drive_slowly(
    engine: &Arc<Inner>,
    instance: Rc<Instance>,
    offer: Option<u64>,
    request: &mut Request,
) -> Result<(), Failed> {
    if let Some(token) = offer {
        return drive(engine, instance, JobWait::<false>::new(token), request);
    }
    instance.counters.blocked.add(1);
    drive(engine, instance, BlockWait, request)
}

/// What is left of an operation on the caller's stack while it waits.
pub(crate) struct Flight<'e> {
    engine: &'e Arc<Inner>,
    pair_index: usize,
    ticket: Ticket,
    /// Until the request was taken or given up.
    live: Cell<bool>,
    /// Let go of by [`Release`] too, because a discarded job's frames are never dropped.
    held: RefCell<Held>,
}

/// What an operation may hold while it waits; a plain one that is polled holds nothing.
#[derive(Default)]
pub(crate) struct Held {
    pub(super) wake_fd: Option<Rc<Registration>>,
    watch: Option<Arc<Watch>>,
    /// The state that the part began with, where it may have to be done again.
    state: Option<Box<StreamState>>,
}

impl Held {
    /// Takes this request's token off the wake fd, or gives up one that was sent and is not there.
    fn settle_token(&self) {
        if let Some(wake_fd) = &self.wake_fd
            && !wake_fd.take()
        {
            wake_fd.forgo();
        }
    }
}

/// How a request that was taken has ended.
#[derive(Clone, Copy)]
enum End {
    Device(Status),
    TimedOut,
}

/// How far a request is, to whoever waits for it.
enum Progress {
    Waiting,
    /// Done, or taken back by the watchdog: there is something to take.
    Ended,
    /// It is nowhere.
    Lost,
}

impl<'e> Flight<'e> {
    #[inline]
    fn new(engine: &'e Arc<Inner>, pair_index: usize, ticket: Ticket, held: Held) -> Self {
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
    fn progress(&self) -> Progress {
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
    pub(crate) fn replace_waker(&self, waker: Waker) {
        if self.with_watch(|_| ()).is_some() {
            self.with_watch(|watch| watch.redirect(waker));
        } else {
            self.remote().replace_waker(self.ticket, waker);
        }
    }

    /// Whether the wake that is being sent is sent within the time of a few such writes.
    pub(crate) fn is_sent_soon(&self) -> bool {
        soon(|| self.wake_state() != WakeState::Sending)
    }

    /// Waits until a callback that runs on the device has returned. On a stepped device it may be running below
    /// us, on this very stack, and cannot return before we do.
    pub(crate) fn await_callback(&self) {
        if self.engine.device.is_stepped() {
            return;
        }
        while self.wake_state() == WakeState::Sending {
            thread::yield_now();
        }
    }

    #[inline]
    fn with_wake_fd<R>(&self, body: impl FnOnce(&Rc<Registration>) -> R) -> Option<R> {
        self.held.borrow().wake_fd.as_ref().map(body)
    }

    pub(crate) fn has_wake_fd(&self) -> bool {
        self.held.borrow().wake_fd.is_some()
    }

    /// Takes this request's token off the wake fd, where it has one. `false`: it is not there.
    #[inline]
    pub(crate) fn take_token(&self) -> bool {
        self.with_wake_fd(Registration::take).unwrap_or(false)
    }

    /// Gives up a token that was sent and is not there.
    pub(crate) fn forgo_token(&self) {
        self.with_wake_fd(Registration::forgo);
    }

    pub(crate) fn calm(&self) {
        self.with_wake_fd(|wake_fd| wake_fd.calm());
    }

    pub(crate) fn drain(&self) {
        self.with_wake_fd(|wake_fd| wake_fd.drain());
    }

    pub(crate) fn forget_wake_fd(&self) {
        self.held.borrow_mut().wake_fd = None;
    }

    /// Takes the request, and how it has ended. `None`: it is not done, or was taken back since one looked.
    #[inline(always)]
    fn take(&self, instance: &Instance, request: &mut Request) -> Option<End> {
        let end = match self.take_from_pair(instance, request) {
            Some(status) => End::Device(status),
            None => self.take_timed_out(request)?,
        };
        // The request is no longer this flight's.
        self.live.set(false);
        self.with_watch(Watch::end);
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

    /// Through this thread's own end of the pair, which costs less, unless that is another one.
    #[inline]
    fn take_from_pair(&self, instance: &Instance, request: &mut Request) -> Option<Status> {
        if instance.pair_index() == self.pair_index {
            let (status, waker) = instance.with_pair(|pair| pair.take_into(self.ticket, request))?;
            // Anybody's code, where it was not called.
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

    /// Gives the request up, wherever it is; waits at most for one batch's computation.
    #[cold]
    fn abandon(&self) {
        let held = mem::take(&mut *self.held.borrow_mut());
        if !self.live.replace(false) {
            return;
        }
        if self.engine.is_foreign() {
            // A forked child: the parent's worker will never let go of the cell, and the fd is the parent's.
            return;
        }
        let watch = held.watch.as_deref();
        // From here on the watchdog wipes what it takes back; what it has taken back already is claimed below.
        watch.map(Watch::end);
        self.cancel_wake();
        if held.wake_fd.is_some() {
            let wake = || self.wake_state_of(watch);
            while !soon(|| wake() != WakeState::Sending) {
                thread::yield_now();
            }
            if wake() == WakeState::Sent && !sabotage::is(Sabotage::StaleWake) {
                held.settle_token();
            }
        }
        if let Some(wake_fd) = &held.wake_fd {
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
}

/// Whether `so` comes true within the time of a few writes to an eventfd.
fn soon(so: impl Fn() -> bool) -> bool {
    (0..SENDING_SPINS).any(|_| {
        std::hint::spin_loop();
        so()
    })
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

/// Goes round the state machine until the request is done.
#[inline(always)]
fn drive<W: Wait>(
    engine: &Arc<Inner>,
    instance: Rc<Instance>,
    mut wait: W,
    request: &mut Request,
) -> Result<(), Failed> {
    request.user_data = wait.token();
    let mut held = Held::default();
    let ticket = submit(engine, &instance, &mut wait, request, &mut held)?;
    let flight = Flight::new(engine, instance.pair_index(), ticket, held);
    wait_for(&flight, instance, wait, request)
}

/// Pauses, as often as it takes.
#[inline(always)]
fn wait_for<W: Wait>(
    flight: &Flight<'_>,
    mut instance: Rc<Instance>,
    mut wait: W,
    request: &mut Request,
) -> Result<(), Failed> {
    loop {
        wait.will_pause(&instance);
        // A paused job's frames own nothing, and the instance may be another one when it goes on.
        drop(instance);
        let may_end = wait.pause(flight);
        instance = match look(flight, &mut wait, request) {
            Look::Ended(outcome) => return outcome,
            Look::Waits(instance) => instance,
        };
        if !may_end && let Some(failed) = take_back(flight, request) {
            return Err(failed);
        }
    }
}

/// Takes back a request that nothing on its stepped device can end any more. `None`: the watchdog, or another thread, has
/// ended it meanwhile or is about to.
#[cold]
fn take_back(flight: &Flight<'_>, request: &mut Request) -> Option<Failed> {
    if flight.with_watch(|_| ()).is_some() {
        return None;
    }
    *request = flight.remote().revoke(flight.ticket)?;
    flight.live.set(false);
    request.state = flight.held.borrow_mut().state.take();
    table::of_thread(flight.engine).counters.never_ended.add(1);
    Some(Failed::with_request(Error::NeverEnds))
}

/// What a look at the request shows after a pause.
enum Look {
    Ended(Result<(), Failed>),
    Waits(Rc<Instance>),
}

#[inline(always)]
fn look<W: Wait>(flight: &Flight<'_>, wait: &mut W, request: &mut Request) -> Look {
    let engine = flight.engine;
    if engine.is_foreign() {
        return Look::Ended(Err(Failed::lost(Error::Forked)));
    }
    let instance = table::of_thread(engine);
    wait.has_paused(flight, &instance);
    if wait.takes_at_once()
        && let Some(end) = flight.take(&instance, request)
    {
        return Look::Ended(finish(end, request));
    }
    match flight.progress() {
        Progress::Ended => {
            if wait.take_wake(flight)
                && let Some(end) = flight.take(&instance, request)
            {
                wait.done(engine);
                return Look::Ended(finish(end, request));
            }
            wait.spurious(flight);
        }
        Progress::Waiting => wait.spurious(flight),
        Progress::Lost => return Look::Ended(Err(Failed::lost(Error::Closed))),
    }
    Look::Waits(instance)
}

/// Into the ring, or into the line for a slot.
#[inline(always)]
fn submit<W: Wait>(
    engine: &Arc<Inner>,
    instance: &Instance,
    wait: &mut W,
    request: &mut Request,
    held: &mut Held,
) -> Result<Ticket, Failed> {
    if engine.has_faults && engine.fails(FaultKind::NoMem, Some((request.operation, request.buffer.len()))) {
        return Err(refused(wait, Error::NoMemory));
    }
    let mut delivery = Delivery::Silent;
    if let Err(error) = wait.arm(engine, instance, held, &mut delivery) {
        return Err(refused(wait, error));
    }
    if let Some(watchdog) = &engine.watchdog {
        watch(watchdog, &mut delivery, request, held);
    }
    if engine.may_repeat {
        held.state.clone_from(&request.state);
    }
    let submitted = instance.with_pair(|pair| pair.submit_from(request, &mut delivery));
    let ticket = match submitted {
        Ok(ticket) => ticket,
        Err(reason) => park(instance, wait, request, reason, &mut delivery)?,
    };
    if let Some(watch) = &held.watch {
        watch.begin(instance.pair_index(), ticket);
    }
    Ok(ticket)
}

/// A submission was refused: where the ring was full the request queues for a slot.
#[cold]
fn park<W: Wait>(
    instance: &Instance,
    wait: &mut W,
    request: &mut Request,
    reason: RefusedReason,
    delivery: &mut Delivery,
) -> Result<Ticket, Failed> {
    if reason != RefusedReason::Full {
        return Err(refused(wait, refusal_error(reason)));
    }
    instance.counters.parked.add(1);
    let parked = instance.with_pair(|pair| pair.park_from(request, delivery));
    let ticket = parked.map_err(|reason| refused(wait, refusal_error(reason)))?;
    wait.set_status(WaitStatus::Eagain);
    Ok(ticket)
}

/// Has the watchdog watch a request, which is then delivered by way of its watch.
#[cold]
fn watch(watchdog: &Watchdog, delivery: &mut Delivery, request: &Request, held: &mut Held) {
    let given = mem::replace(delivery, Delivery::Silent);
    let (watched, watch) = watchdog.watch(given, request.user_data);
    *delivery = watched;
    held.watch = Some(watch);
}

const fn refusal_error(reason: RefusedReason) -> Error {
    match reason {
        RefusedReason::DeviceDead => Error::DeviceDead,
        _ => Error::Closed,
    }
}

#[cold]
fn refused<W: Wait>(wait: &mut W, error: Error) -> Failed {
    wait.set_status(WaitStatus::Err);
    Failed::with_request(error)
}

/// The end of a request, as the caller's result.
#[inline]
fn finish(end: End, request: &Request) -> Result<(), Failed> {
    if matches!(end, End::Device(Status::Ok)) && request.residue == 0 { Ok(()) } else { fail(end, request) }
}

#[cold]
fn fail(end: End, request: &Request) -> Result<(), Failed> {
    let error = match end {
        End::Device(Status::Ok) if request.residue > 0 => {
            Some(Error::ShortOutput { missing: request.residue })
        }
        End::Device(status) => software::error_of(status),
        End::TimedOut => Some(Error::Timeout),
    };
    match error {
        None => Ok(()),
        Some(error) => Err(Failed::with_request(error)),
    }
}
