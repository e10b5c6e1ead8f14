//! One operation on the device: the state machine, and all policy about it, once.
//!
//! ```text
//!               ring has room
//!   Submit ─────────────────────► InFlight ─── done, and the wake taken ──► Over
//!     ▲ │                          ▲    │ └─◄── not done: wait
//!     │ │ full                     │    │ timeout_msec is over (parked too): the watchdog takes the request back
//!     │ └─► Parked (EAGAIN) ───────┘    └─────► TimedOut ─── the wake taken ──► Error::Timeout
//!     │           a slot is free: the device takes the request out of the FIFO
//!     └── max_retries: the device failed, and another try may help; after those, fallback
//! ```
//!
//! [`Offload::advance`] goes as far as it can; how its caller waits in between is up to a [`Waiter`]. While
//! the operation waits, everything that it owns is in the request's cell; the rest is a [`Flight`], and
//! dropping or releasing that gives the request up. There is no loop in it, so it may be kept, and polled by
//! a future.

mod flight;
pub(super) mod plain;
mod rescue;
mod route;

use std::borrow::BorrowMut;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use simaccel_device::{Delivery, Operation, RefusedReason, Request, Session, Status, Ticket};
use zeroize::Zeroize;

use super::fault::FaultKind;
use super::instance::Instance;
use super::software::Software;
use super::trace::{Entered, Traced};
use super::wait::blocked::Blocked;
use super::wait::foreign::ForeignWait;
use super::wait::job::{JobWait, OurJobs, is_awaited};
use super::wait::{Armed, Jobs, Pause, Submission, Waiter, Wake, go_round};
use super::watch::Watch;
use super::{Inner, call, software, table};
use crate::error::Error;

use flight::{End, Progress};
pub(crate) use flight::{Flight, Held, Hold, Queued};
pub(super) use route::Route;

/// A failed operation; its request (and so the caller's buffers) is where it was.
pub(crate) struct Failed {
    error: Error,
    /// The request is out of reach, and the caller's is empty: in a forked child, whose parent's device holds
    /// it.
    lost: bool,
}

impl Failed {
    pub(crate) const fn with_request(error: Error) -> Self {
        Self { error, lost: false }
    }

    pub(crate) const fn lost(error: Error) -> Self {
        Self { error, lost: true }
    }

    pub(crate) const fn error(&self) -> &Error {
        &self.error
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
pub(crate) fn run(
    engine: &Arc<Inner>,
    software: &impl Software,
    request: &mut Request,
) -> Result<(), Failed> {
    let mut traced = Traced::begin(engine, request, || software.algorithm(&engine));
    if let Some(outcome) = without_device(&engine, software, request) {
        traced.end(engine, error_in(&outcome), 0);
        return outcome;
    }
    if let Some(jobs) = &engine.foreign
        && let Some(number) = jobs.offer(!engine.polled)
    {
        traced.waits_in("foreign");
        return run_in(engine, software, request, traced, ForeignWait::new(jobs, engine.polled, number));
    }
    // A future's job is called back, and not polled for.
    let polled = engine.polled && !is_awaited();
    match OurJobs.offer(!polled) {
        Some(number) => {
            traced.waits_in("job");
            run_in(engine, software, request, traced, JobWait::new(OurJobs, polled, number))
        }
        None => {
            traced.waits_in("blocked");
            run_in(engine, software, request, traced, Blocked)
        }
    }
}

#[cfg_attr(not(debug_assertions), inline(always))]
fn run_in(
    engine: &Arc<Inner>,
    software: &impl Software,
    request: &mut Request,
    traced: Traced,
    mut waiter: impl Pause,
) -> Result<(), Failed> {
    let mut operation = Offload::new(engine, software, request);
    operation.traced = traced;
    go_round(&mut operation, &mut waiter)
}

/// Counts the operation, and completes it here if it bypasses the device.
fn without_device(
    hold: &impl Hold,
    software: &impl Software,
    request: &mut Request,
) -> Option<Result<(), Failed>> {
    let engine = hold.engine();
    if engine.is_inherited() {
        return Some(Err(Failed::with_request(Error::Forked)));
    }
    let is_below = request.size() < engine.config.offload_threshold().into();
    table::with(engine, |instance| {
        instance.counters.operations.add(1);
        instance.counters.below_threshold.add(is_below.into());
    });
    if is_below {
        return Some(software::run(hold, software, request));
    }
    call::is_inside(engine).then(|| Err(Failed::with_request(Error::Inside)))
}

/// One operation on its way through the states. It holds its engine, its session and its request by
/// reference, or owns them, as its user chooses.
pub(crate) struct Offload<E: Hold, S, R, W: Wake> {
    engine: E,
    /// What computes in place of the device. `None`: no policy concerns this operation.
    session: Option<S>,
    request: R,
    stage: Stage<E, W>,
    retries: u32,
    /// Whether the device works out of place in this try, to keep the input.
    keeps_input: bool,
    /// How long each try may take.
    limit: Option<Duration>,
    /// Its span, while its request is not in flight.
    traced: Traced,
}

/// What a cancelled operation has come to.
pub(crate) enum TakenBack {
    /// Its request was not done, and is back.
    Request,
    Ended(Result<(), Failed>),
}

enum Stage<E: Hold, W: Wake> {
    Submit,
    InFlight(Flight<E, W>),
    Over,
}

/// How far an operation has come.
pub(crate) enum Advance<'o, E: Hold, W: Wake> {
    /// The request is in flight, or queued for a slot.
    Waits(&'o Flight<E, W>),
    /// The operation is over: the request is where it was, with its result or unchanged.
    Over(Result<(), Failed>),
}

/// The result of a look at a request, or of an attempt to submit it.
enum Look {
    Waits,
    Ended(Result<(), Failed>),
}

impl<E: Hold, S: Software, R: BorrowMut<Request>, W: Wake> Offload<E, S, R, W> {
    pub(crate) const fn new(engine: E, session: S, request: R) -> Self {
        Self::at(Stage::Submit, engine, Some(session), request)
    }

    /// An operation that no policy concerns, with its request in flight already.
    pub(super) const fn in_flight(engine: E, flight: Flight<E, W>, request: R) -> Self {
        Self::at(Stage::InFlight(flight), engine, None, request)
    }

    const fn at(stage: Stage<E, W>, engine: E, session: Option<S>, request: R) -> Self {
        let traced = Traced::none();
        Self { engine, session, request, stage, retries: 0, keeps_input: false, limit: None, traced }
    }

    /// Counts the operation, and ends it here if the device is not to see it. For one that is
    /// [new](Self::new), once.
    pub(crate) fn begin(&mut self) -> Option<Result<(), Failed>> {
        let session = self.session.as_ref()?;
        let hold = &self.engine;
        self.traced = Traced::begin(hold.engine(), self.request.borrow_mut(), || session.algorithm(hold));
        self.traced.waits_in("future");
        let outcome = without_device(&self.engine, session, self.request.borrow_mut())?;
        self.traced.end(self.engine.engine(), error_in(&outcome), 0);
        Some(outcome)
    }

    /// Enters the operation's span, for as long as the guard lives: not across a pause.
    pub(crate) fn entered(&self) -> Entered {
        match &self.stage {
            Stage::InFlight(flight) => flight.entered(),
            Stage::Submit | Stage::Over => self.traced.enter(),
        }
    }

    /// Replaces the engine's limit for each try.
    pub(crate) fn set_limit(&mut self, limit: Duration) {
        self.limit = Some(limit);
    }

    /// What it holds, and its request; the request of one that is in flight is given up.
    pub(crate) fn into_parts(self) -> (E, R) {
        (self.engine, self.request)
    }

    pub(crate) const fn hold(&self) -> &E {
        &self.engine
    }

    pub(crate) fn request_mut(&mut self) -> &mut Request {
        self.request.borrow_mut()
    }

    /// How often another try was made.
    pub(crate) const fn retries(&self) -> u32 {
        self.retries
    }

    pub(crate) const fn flight(&self) -> Option<&Flight<E, W>> {
        match &self.stage {
            Stage::InFlight(flight) => Some(flight),
            Stage::Submit | Stage::Over => None,
        }
    }

    /// Goes as far as it can without waiting. A newly submitted request always waits.
    ///
    /// `may_end`: whether a request in flight can still end on its stepped device. A request that cannot is
    /// taken back, and ends with [`Error::NeverEnds`].
    #[inline]
    pub(crate) fn advance<P: Waiter<Wake = W>>(
        &mut self,
        waiter: &mut P,
        may_end: bool,
    ) -> Advance<'_, E, W> {
        loop {
            let look = match &self.stage {
                Stage::Submit => self.submit(waiter),
                Stage::InFlight(flight) => look(flight, waiter, self.request.borrow_mut(), may_end),
                Stage::Over => return Advance::Over(Err(Failed::lost(Error::Closed))),
            };
            let Look::Ended(outcome) = look else { break };
            if let Stage::InFlight(flight) = &self.stage {
                self.traced = flight.take_traced();
            }
            match self.after_try(outcome) {
                Some(outcome) => {
                    self.traced.end(self.engine.engine(), error_in(&outcome), self.retries);
                    self.stage = Stage::Over;
                    return Advance::Over(outcome);
                }
                None => self.stage = Stage::Submit,
            }
        }
        match &self.stage {
            Stage::InFlight(flight) => Advance::Waits(flight),
            Stage::Submit | Stage::Over => unreachable!("only a flight is waited for"),
        }
    }

    /// Ends the operation: takes its request, or takes it back with the input. Waits at most for one batch's
    /// computation.
    #[cold]
    pub(crate) fn cancel(&mut self) -> TakenBack {
        let Stage::InFlight(flight) = mem::replace(&mut self.stage, Stage::Over) else {
            return TakenBack::Request;
        };
        let (engine, request) = (self.engine.engine(), self.request.borrow_mut());
        let mut traced = flight.take_traced();
        let end = match flight.cancel(request) {
            Ok(end) => end,
            Err(error) => {
                let outcome = Err(Failed::lost(error));
                traced.end(engine, error_in(&outcome), self.retries);
                return TakenBack::Ended(outcome);
            }
        };
        let outcome = end.map_or(Err(Failed::with_request(Error::Closed)), |end| finish(end, request));
        if mem::take(&mut self.keeps_input) {
            rescue::finish(engine, request, &outcome);
        } else if outcome.is_err() {
            request.destination.as_mut().map(Zeroize::zeroize);
        }
        if end.is_none() {
            traced.cancelled();
            return TakenBack::Request;
        }
        traced.end(engine, error_in(&outcome), self.retries);
        TakenBack::Ended(outcome)
    }

    /// One try on the device.
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn submit<P: Waiter<Wake = W>>(&mut self, waiter: &mut P) -> Look {
        let (engine, request) = (self.engine.engine(), self.request.borrow_mut());
        let flight = table::with(engine, |instance| {
            let keeps_input = engine.keeps_input || self.limit.is_some();
            self.keeps_input = keeps_input && rescue::prepare(instance, request)?;
            submit(&self.engine, instance, waiter, request, self.limit)
        });
        match flight {
            Ok(flight) => {
                flight.keep_traced(mem::take(&mut self.traced));
                self.stage = Stage::InFlight(flight);
                Look::Waits
            }
            Err(error) => {
                waiter.set_status(Submission::<E, W>::Refused);
                Look::Ended(Err(Failed::with_request(error)))
            }
        }
    }

    /// Restores the buffers, and decides what comes after a try. `None`: another try.
    #[inline]
    fn after_try(&mut self, outcome: Result<(), Failed>) -> Option<Result<(), Failed>> {
        let request = self.request.borrow_mut();
        if mem::take(&mut self.keeps_input) {
            rescue::finish(self.engine.engine(), request, &outcome);
        } else if outcome.is_err() {
            // The caller's own buffer: an earlier try's output there is not this one's.
            request.destination.as_mut().map(Zeroize::zeroize);
        }
        match outcome {
            Ok(()) => Some(Ok(())),
            Err(failed) => self.after_failure(failed),
        }
    }

    /// After a failure that another try may mend: tries again on the device, then in software, as configured.
    #[cold]
    fn after_failure(&mut self, failed: Failed) -> Option<Result<(), Failed>> {
        let Some(session) = &self.session else { return Some(Err(failed)) };
        if self.request.borrow_mut().call.as_mut().is_some_and(|call| call.has_run()) {
            // A function runs once.
            return Some(Err(failed));
        }
        let engine = self.engine.engine();
        if failed.may_be_retried() && self.retries < engine.config.max_retries() {
            self.retries += 1;
            table::with(engine, |instance| instance.counters.retries.add(1));
            self.traced.retried(engine, failed.error(), self.retries);
            return None;
        }
        if !engine.config.fallback() || !failed.may_be_replaced() {
            return Some(Err(failed));
        }
        table::with(engine, |instance| instance.counters.fallbacks.add(1));
        self.traced.falls_back(engine, failed.error());
        Some(software::run(&self.engine, session, self.request.borrow_mut()))
    }
}

/// An outcome, as a span has it.
#[inline]
fn error_in(outcome: &Result<(), Failed>) -> Result<(), &Error> {
    outcome.as_ref().copied().map_err(Failed::error)
}

#[cfg_attr(not(debug_assertions), inline(always))]
fn look<E: Hold, P: Waiter>(
    flight: &Flight<E, P::Wake>,
    waiter: &mut P,
    request: &mut Request,
    may_end: bool,
) -> Look {
    let engine = flight.engine();
    if engine.is_inherited() {
        return Look::Ended(Err(Failed::lost(Error::Forked)));
    }
    match flight.progress() {
        Progress::Ended => {
            if waiter.take_wake(flight)
                && let Some(end) = table::with(engine, |instance| flight.take(instance, request))
            {
                return Look::Ended(finish(end, request));
            }
        }
        Progress::Waiting => {}
        Progress::Lost => return Look::Ended(Err(Failed::lost(Error::Closed))),
    }
    if !may_end && let Some(failed) = take_back(flight, request) {
        return Look::Ended(Err(failed));
    }
    Look::Waits
}

/// Takes back a request that nothing on its stepped device can end any more. `None`: the watchdog, or another
/// thread, has ended it or is about to.
#[cold]
fn take_back<E: Hold, W: Wake>(flight: &Flight<E, W>, request: &mut Request) -> Option<Failed> {
    *request = flight.take_back()?;
    table::with(flight.engine(), |instance| instance.counters.never_ended.add(1));
    Some(Failed::with_request(Error::NeverEnds))
}

/// Submits to the ring, or queues for a slot.
#[cfg_attr(not(debug_assertions), inline(always))]
fn submit<E: Hold, P: Waiter>(
    hold: &E,
    instance: &Instance,
    waiter: &mut P,
    request: &mut Request,
    limit: Option<Duration>,
) -> Result<Flight<E, P::Wake>, Error> {
    let engine = hold.engine();
    if !engine.faults.is_empty() && engine.fails(FaultKind::NoMem, Some(request)) {
        return Err(Error::NoMemory);
    }
    let Armed { wake, mut delivery, user_data } = waiter.arm(engine, instance)?;
    request.user_data = user_data;
    let mut held = Held { wake, ..Held::default() };
    if let Some(limit) = limit.or(engine.limit) {
        held.watch = Some(watch(engine, limit, &mut delivery, user_data)?);
    }
    if engine.may_repeat || (P::Wake::CAN_BE_CANCELLED && engine.keeps_input) {
        held.state = request.state.as_ref().map(|state| engine.outside(|| state.clone()));
    }
    let submitted = instance.with_pair(|pair| pair.submit_from(request, &mut delivery));
    let (ticket, has_parked) = match submitted {
        Ok(ticket) => (ticket, false),
        Err(reason) => (park(engine, instance, request, reason, &mut delivery)?, true),
    };
    if let Some(watch) = &held.watch {
        // The list of what is watched is deep, here and at the end.
        engine.outside(|| watch.begin(instance.pair_index(), ticket));
    }
    let flight = Flight::new(hold.clone(), instance.pair_index(), ticket, held);
    if has_parked {
        waiter.set_status(Submission::Queued(&flight));
    }
    Ok(flight)
}

/// Handles a refused submission: when the ring is full the request queues for a slot.
#[cold]
fn park(
    engine: &Inner,
    instance: &Instance,
    request: &mut Request,
    reason: RefusedReason,
    delivery: &mut Delivery,
) -> Result<Ticket, Error> {
    if reason != RefusedReason::Full {
        return Err(refusal_error(reason));
    }
    instance.counters.parked.add(1);
    if instance.group().is_some() {
        // What the thread's futures have in the completion ring has slots.
        instance.reap(engine);
    }
    instance.with_pair(|pair| pair.park_from(request, delivery)).map_err(refusal_error)
}

/// Makes the watchdog watch a request, which is then delivered through its watch.
#[cold]
fn watch(
    engine: &Inner,
    limit: Duration,
    delivery: &mut Delivery,
    user_data: u64,
) -> Result<Arc<Watch>, Error> {
    // Its first use starts a thread, which is deep.
    let watchdog = engine.outside(|| engine.watchdog())?;
    let given = mem::replace(delivery, Delivery::Silent);
    let (watched, watch) = watchdog.watch(limit, given, user_data);
    *delivery = watched;
    Ok(watch)
}

const fn refusal_error(reason: RefusedReason) -> Error {
    match reason {
        RefusedReason::DeviceDead => Error::DeviceDead,
        _ => Error::Closed,
    }
}

/// The same for a request that was taken without a flight.
pub(super) fn finished(status: Status, request: &Request) -> Result<(), Failed> {
    finish(End::Device(status), request)
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
