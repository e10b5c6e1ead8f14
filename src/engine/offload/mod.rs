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
//! The waiter (a job, a blocked thread, a future) goes round this machine by way of [`Wait`]. While it waits,
//! everything that the operation owns is in the request's cell; what is left on the caller's stack is a
//! [`Flight`], and dropping or releasing that gives the request up.

mod flight;
pub(super) mod plain;
mod rescue;

use std::mem;
use std::rc::Rc;
use std::sync::Arc;

use simaccel_device::{Delivery, Operation, RefusedReason, Request, Session, Status, Ticket};
use zeroize::Zeroize;

use super::fault::FaultKind;
use super::instance::Instance;
use super::wait::{BlockWait, JobWait, Wait};
use super::watchdog::Watchdog;
use super::{Inner, software, table};
use crate::error::Error;
use crate::job::{self, WaitStatus};

pub(super) use flight::PATIENCE;
use flight::{End, Progress};
pub(crate) use flight::{Flight, Held, Told};

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
    let outcome = match job::offer(!engine.polled).map(|offer| offer.token()) {
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
    *request = flight.take_back()?;
    table::of_thread(flight.engine()).counters.never_ended.add(1);
    Some(Failed::with_request(Error::NeverEnds))
}

/// What a look at the request shows after a pause.
enum Look {
    Ended(Result<(), Failed>),
    Waits(Rc<Instance>),
}

#[inline(always)]
fn look<W: Wait>(flight: &Flight<'_>, wait: &mut W, request: &mut Request) -> Look {
    let engine = flight.engine();
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
    loop {
        match flight.progress() {
            Progress::Ended => {
                if wait.take_wake(flight)
                    && let Some(end) = flight.take(&instance, request)
                {
                    wait.done(flight);
                    return Look::Ended(finish(end, request));
                }
            }
            Progress::Waiting => {}
            Progress::Lost => return Look::Ended(Err(Failed::lost(Error::Closed))),
        }
        if !wait.spurious(flight) {
            return Look::Waits(instance);
        }
    }
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
        Err(reason) => park(instance, wait, request, reason, &mut delivery, held)?,
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
    held: &mut Held,
) -> Result<Ticket, Failed> {
    if reason != RefusedReason::Full {
        return Err(refused(wait, refusal_error(reason)));
    }
    instance.counters.parked.add(1);
    let parked = instance.with_pair(|pair| pair.park_from(request, delivery));
    let ticket = parked.map_err(|reason| refused(wait, refusal_error(reason)))?;
    wait.has_parked(instance.remote(), ticket, held);
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
