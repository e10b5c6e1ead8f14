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

#![expect(clippy::result_large_err, reason = "a refused request comes back whole, without an allocation")]

use std::cell::RefCell;
use std::sync::Arc;
use std::task::Waker;
use std::thread;

use device_sim::{
    Delivery, Operation, Refused, RefusedReason, Remote, Request, Session, Status, StreamState, Ticket,
    TicketState, WakeState,
};
use zeroize::Zeroize;

use super::config::DeliveryMode;
use super::fault::FaultKind;
use super::sabotage::{self, Sabotage};
use super::wait::{self, Armed, BlockWait, JobWait, Wait};
use super::wake_fd::WakeFd;
use super::watch::Watch;
use super::watchdog::Watchdog;
use super::{Inner, instance, software};
use crate::error::Error;
use crate::job::{Release, WaitStatus};

/// How often one looks whether a write to an eventfd has returned, before others get the processor.
const SENDING_SPINS: u32 = 500;

/// An operation that failed, with its request (and so the caller's buffers).
pub(crate) struct Failed {
    pub(crate) error: Error,
    /// `None` only where it is out of reach: in a forked child, whose parent's device holds it.
    pub(crate) request: Option<Request>,
}

impl Failed {
    pub(crate) fn new(error: Error, request: impl Into<Option<Request>>) -> Box<Self> {
        Box::new(Self { error, request: request.into() })
    }
}

/// Runs one request to its end: on the device, or in software where the configuration says so.
pub(crate) fn run(engine: &Arc<Inner>, session: &Session, request: Request) -> Result<Request, Box<Failed>> {
    if engine.is_foreign() {
        return Err(Failed::new(Error::Forked, request));
    }
    instance::of_thread(engine).counters.operations.add(1);
    if request.buffer.len() < engine.config.offload_threshold() as usize {
        instance::of_thread(engine).counters.below_threshold.add(1);
        return software::run(session, request);
    }
    match offload(engine, request) {
        Err(failed) if engine.config.fallback() && software::can_replace(&failed.error) => {
            let Some(request) = failed.request else { return Err(failed) };
            instance::of_thread(engine).counters.fallbacks.add(1);
            software::run(session, request)
        }
        outcome => outcome,
    }
}

/// Runs the request on the device, and again where it failed in a way that another try may mend.
fn offload(engine: &Arc<Inner>, request: Request) -> Result<Request, Box<Failed>> {
    let mut outcome = Rescue::prepare(engine, request).offload(engine);
    for _ in 0..engine.config.max_retries() {
        // Taken apart before the next try: while a job waits, its frames own nothing.
        let request = match outcome {
            Err(failed) if failed.error.is_device_failure() && failed.error.is_retryable() => {
                let Failed { error, request } = *failed;
                request.ok_or_else(|| Failed::new(error, None))?
            }
            outcome => return outcome,
        };
        instance::of_thread(engine).counters.retries.add(1);
        outcome = Rescue::prepare(engine, request).offload(engine);
    }
    outcome
}

/// Keeps the input of an in-place operation until the device has said that all went well.
///
/// A device with modelled latency computes first and completes later; what is reset in between must still give
/// the caller's input back. So there, and where it may be taken back late or done again, the device works out of place.
/// (The state of a multi-part message is kept for another try by [`Flight`].)
struct Rescue {
    request: Request,
    out_of_place: bool,
}

impl Rescue {
    fn prepare(engine: &Arc<Inner>, mut request: Request) -> Self {
        let changes_buffer = matches!(request.operation, Operation::Encrypt | Operation::Decrypt);
        let out_of_place = changes_buffer && engine.config.keeps_input() && request.destination.is_none();
        if out_of_place {
            // Padding, and for a piece of a message what was held back before it.
            let room = request.buffer.len() + 2 * software::EXPANSION;
            request.destination = Some(instance::of_thread(engine).buffer(room));
        }
        Self { request, out_of_place }
    }

    fn offload(self, engine: &Arc<Inner>) -> Result<Request, Box<Failed>> {
        let Self { request, out_of_place } = self;
        let outcome = match JobWait::here(engine) {
            Some(wait) => drive(engine, wait, request),
            None => {
                instance::of_thread(engine).counters.blocked.add(1);
                drive(engine, BlockWait, request)
            }
        };
        match outcome {
            Ok(mut request) => {
                if out_of_place {
                    Self::put_in_place(engine, &mut request);
                }
                Ok(request)
            }
            Err(mut failed) => {
                if let Some(request) = &mut failed.request {
                    Self::restore(engine, request, out_of_place, &failed.error);
                }
                Err(failed)
            }
        }
    }

    fn restore(engine: &Arc<Inner>, request: &mut Request, out_of_place: bool, error: &Error) {
        if !out_of_place {
            // The caller's own: what an earlier try has left there is not the output of this one.
            request.destination.as_mut().map(Zeroize::zeroize);
            return;
        }
        if let Some(output) = request.destination.take() {
            instance::of_thread(engine).recycle(output);
        }
        if *error == Error::AuthFailed {
            // The same as in place: what was not authentic is gone.
            request.buffer.zeroize();
        }
    }

    fn put_in_place(engine: &Arc<Inner>, request: &mut Request) {
        if let Some(output) = request.destination.take() {
            let input = std::mem::replace(&mut request.buffer, output);
            instance::of_thread(engine).recycle(input);
        }
    }
}

/// What is left of an operation on the caller's stack while it waits.
pub(crate) struct Flight<'e> {
    engine: &'e Arc<Inner>,
    pair_index: usize,
    ticket: Ticket,
    /// `None` once the request was taken or given up; what is in here is let go by [`Release`] too, because a
    /// discarded job's frames are never dropped.
    live: RefCell<Option<Live>>,
}

struct Live {
    wake_fd: Option<Arc<WakeFd>>,
    watch: Option<Arc<Watch>>,
    /// The state that the part began with, where it may have to be done again.
    state: Option<Box<StreamState>>,
}

impl Live {
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
    fn new(engine: &'e Arc<Inner>, pair_index: usize, ticket: Ticket, live: Live) -> Self {
        Self { engine, pair_index, ticket, live: RefCell::new(Some(live)) }
    }

    pub(crate) const fn engine(&self) -> &'e Arc<Inner> {
        self.engine
    }

    fn remote(&self) -> &'e Remote {
        &self.engine.remotes[self.pair_index]
    }

    fn with_watch<R>(&self, body: impl FnOnce(&Watch) -> R) -> Option<R> {
        self.live.borrow().as_ref().and_then(|live| live.watch.as_deref()).map(body)
    }

    /// Whether the device still has to do something for this request.
    pub(crate) fn is_waiting(&self) -> bool {
        wait::is_waiting(self.remote().state(self.ticket))
    }

    fn progress(&self) -> Progress {
        match self.remote().state(self.ticket) {
            TicketState::Parked | TicketState::InFlight => Progress::Waiting,
            TicketState::Done(_) => Progress::Ended,
            TicketState::Stale if self.with_watch(Watch::is_timed_out) == Some(true) => Progress::Ended,
            TicketState::Stale => Progress::Lost,
        }
    }

    /// The device's wake, or the watchdog's where that has taken the request back.
    pub(crate) fn wake_state(&self) -> WakeState {
        match self.remote().wake_state(self.ticket) {
            WakeState::Stale => self.with_watch(Watch::wake_state).unwrap_or(WakeState::Stale),
            state => state,
        }
    }

    /// The same when `live` was taken.
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

    fn with_wake_fd<R>(&self, body: impl FnOnce(&WakeFd) -> R) -> Option<R> {
        self.live.borrow().as_ref().and_then(|live| live.wake_fd.as_deref()).map(body)
    }

    pub(crate) fn has_wake_fd(&self) -> bool {
        self.live.borrow().as_ref().is_some_and(|live| live.wake_fd.is_some())
    }

    /// Takes this request's token off the wake fd, where it has one. `false`: it is not there.
    pub(crate) fn take_token(&self) -> bool {
        self.with_wake_fd(WakeFd::take).unwrap_or(false)
    }

    /// Gives up a token that was sent and is not there.
    pub(crate) fn forgo_token(&self) {
        self.with_wake_fd(WakeFd::forgo);
    }

    pub(crate) fn calm(&self) {
        self.with_wake_fd(WakeFd::calm);
    }

    pub(crate) fn drain(&self) {
        self.with_wake_fd(WakeFd::drain);
    }

    pub(crate) fn forget_wake_fd(&self) {
        if let Some(live) = &mut *self.live.borrow_mut() {
            live.wake_fd = None;
        }
    }

    /// Takes the request, and how it has ended. `None`: it was taken back since one looked.
    fn take(&self) -> Option<(Request, End)> {
        let (mut request, end) = match self.take_from_pair() {
            Some((request, status)) => (request, End::Device(status)),
            None => (self.with_watch(Watch::claim)??, End::TimedOut),
        };
        // The request is no longer this flight's.
        let live = self.live.borrow_mut().take();
        if let Some(watch) = live.as_ref().and_then(|live| live.watch.as_deref()) {
            watch.end();
        }
        // A part whose output is short has to be done again as a whole: it counts as failed, though the device says Ok.
        if !matches!(end, End::Device(Status::Ok)) || request.residue > 0 {
            request.state = live.and_then(|live| live.state);
        }
        Some((request, end))
    }

    /// A request that was delivered by reaping carries no waker, and so no code of others that could run in here; it is
    /// taken through this thread's own end of the pair, which costs less.
    fn take_from_pair(&self) -> Option<(Request, Status)> {
        let instance = instance::of_thread(self.engine);
        let plain = self.engine.config.delivery() == DeliveryMode::Poll;
        if plain && instance.pair_index() == self.pair_index {
            instance.with_pair(|pair| pair.take(self.ticket))
        } else {
            self.remote().take(self.ticket)
        }
    }

    /// Gives the request up, wherever it is; waits at most for one batch's computation.
    fn abandon(&self) {
        let Some(live) = self.live.borrow_mut().take() else { return };
        if self.engine.is_foreign() {
            // A forked child: the parent's worker will never let go of the cell, and the fd is the parent's.
            return;
        }
        let watch = live.watch.as_deref();
        // From here on the watchdog wipes what it takes back; what it has taken back already is claimed below.
        watch.map(Watch::end);
        self.cancel_wake();
        if live.wake_fd.is_some() {
            let wake = || self.wake_state_of(watch);
            while !soon(|| wake() != WakeState::Sending) {
                thread::yield_now();
            }
            if wake() == WakeState::Sent && !sabotage::is(Sabotage::StaleWake) {
                live.settle_token();
            }
        }
        if let Some(wake_fd) = &live.wake_fd {
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
        instance::of_thread(self.engine).counters.abandoned.add(1);
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
        self.abandon();
    }
}

/// Goes round the state machine until the request is done.
fn drive<W: Wait>(engine: &Arc<Inner>, mut wait: W, mut request: Request) -> Result<Request, Box<Failed>> {
    request.user_data = wait.token();
    let flight = submit(engine, &mut wait, request)?;
    loop {
        wait.pause(&flight);
        if engine.is_foreign() {
            return Err(Failed::new(Error::Forked, None));
        }
        match flight.progress() {
            Progress::Ended => {
                if wait.take_wake(&flight)
                    && let Some((request, end)) = flight.take()
                {
                    wait.done(engine);
                    return finish(end, request);
                }
                wait.spurious(&flight);
            }
            Progress::Waiting => wait.spurious(&flight),
            Progress::Lost => return Err(Failed::new(Error::Closed, None)),
        }
    }
}

/// Into the ring, or into the line for a slot.
fn submit<'e, W: Wait>(
    engine: &'e Arc<Inner>,
    wait: &mut W,
    request: Request,
) -> Result<Flight<'e>, Box<Failed>> {
    if engine.fails(FaultKind::NoMem, Some((request.operation, request.buffer.len()))) {
        return Err(refused(wait, Error::NoMemory, request));
    }
    let Armed { delivery, wake_fd } = match wait.arm(engine) {
        Ok(armed) => armed,
        Err(error) => return Err(refused(wait, error, request)),
    };
    let (delivery, watch) = watched(engine.watchdog.as_ref(), delivery, &request);
    let instance = instance::of_thread(engine);
    let state = request.state.as_ref().filter(|_| engine.config.may_repeat()).cloned();
    let mut status = WaitStatus::Ok;
    let submitted = instance.with_pair(|pair| match pair.submit(request, delivery) {
        Err(Refused { reason: RefusedReason::Full, request, delivery }) => {
            status = WaitStatus::Eagain;
            instance.counters.parked.add(1);
            pair.park(request, delivery)
        }
        outcome => outcome,
    });
    match submitted {
        Ok(ticket) => {
            wait.set_status(status);
            if let Some(watch) = &watch {
                watch.begin(instance.pair_index(), ticket);
            }
            Ok(Flight::new(engine, instance.pair_index(), ticket, Live { wake_fd, watch, state }))
        }
        Err(refusal) => Err(refused(wait, refusal_error(refusal.reason), refusal.request)),
    }
}

/// How a request is delivered where there is a watchdog, and its watch.
fn watched(
    watchdog: Option<&Watchdog>,
    delivery: Delivery,
    request: &Request,
) -> (Delivery, Option<Arc<Watch>>) {
    let Some(watchdog) = watchdog else { return (delivery, None) };
    let (delivery, watch) = watchdog.watch(delivery, request.user_data);
    (delivery, Some(watch))
}

const fn refusal_error(reason: RefusedReason) -> Error {
    match reason {
        RefusedReason::DeviceDead => Error::DeviceDead,
        _ => Error::Closed,
    }
}

fn refused<W: Wait>(wait: &mut W, error: Error, request: Request) -> Box<Failed> {
    wait.set_status(WaitStatus::Err);
    Failed::new(error, request)
}

/// The end of a request, as the caller's result.
fn finish(end: End, request: Request) -> Result<Request, Box<Failed>> {
    let error = match end {
        End::Device(Status::Ok) if request.residue > 0 => {
            Some(Error::ShortOutput { missing: request.residue })
        }
        End::Device(status) => software::error_of(status),
        End::TimedOut => Some(Error::Timeout),
    };
    match error {
        None => Ok(request),
        Some(error) => Err(Failed::new(error, request)),
    }
}
