//! The usual case as straight code: a whole message, in a job, that is done when the job resumes.
//!
//! ```text
//!   submit ──► pause ──► take ──► the result
//!     │                   └─► not done, not well, no context any more: the state machine goes on with it
//!     └──► anything else: the state machine, from its beginning
//! ```
//!
//! It is written once for every kind of result. Requests differ in what they have besides their text, their
//! [`Rest`]: nothing (a cipher in place), a destination (out of place), or additional data and a tag (an
//! AEAD, a digest, a MAC). The sessions copy borrowed memory before and after.
//!
//! A modelled device computes a request some time before its end, and may still fail it: a reset, for one.
//! The caller then gets the input back. The device restores a small one; a larger one that is worked on in
//! place takes the state machine, which works out of place.
//!
//! The state machine holds all policy. This does the same for requests that no policy concerns, without a
//! [`Request`] (some two hundred unused bytes) and without what other operations may hold while they wait. It
//! also keeps a paused job's frames small: those of many jobs do not fit into the nearest cache.
//!
//! There are two variants, by how the job is woken. [`polled`] is inlined into the job's own function. A
//! switch puts the processor's record of returns out of step, so that each return from a call made before the
//! switch is mispredicted, some 5 ns; and a call passes a request and its result through memory, which costs
//! as much again. [`woken`] uses the wake fd, which it reads *before* it looks at the request: fetching what
//! the device has written takes half of a system call, and happens during the read. On an fd that is not
//! shared, a token says that the request has ended, whether or not its sender has returned from the write.

mod foreign;

use std::cell::Cell;
use std::marker::PhantomData;
use std::rc::Rc;

use simaccel_device::{Plain, Rest, SessionId, WakeState};

use super::route::By;
use super::*;
use crate::engine::table::Visit;
use crate::engine::trace;
use crate::engine::wait::ctx::{CtxWait, CtxWake, Following, Paused};
use crate::engine::wait::job::{self, FollowedStatus, Offer, OurJobs, Release, WaitKey};
use crate::engine::wake_fd::Registration;
use crate::error::OpError;
use crate::words;

/// Bytes of the longest IV of a plain request, which is copied without an allocation.
pub(in crate::engine) const MOST_IV: usize = 16;

/// A plain request in flight. Dropping it gives the request up.
struct PlainFlight<'e, F: Following = FollowedStatus> {
    engine: &'e Arc<Inner>,
    pair_index: usize,
    ticket: Ticket,
    /// What the device will write to. [`Release`] drops it too, so it is in a cell.
    wake_fd: Cell<Option<Rc<Registration>>>,
    /// What the flight becomes a part of, where it does not end as a plain one.
    following: PhantomData<F>,
}

/// The outcome of a plain request; or the arguments, when the request is not plain.
pub(crate) type Outcome<R> = Result<Result<<R as Rest>::Taken, OpError>, Given<R>>;

/// The arguments of a request.
pub(crate) type Given<R> = (Vec<u8>, R);

/// Runs a plain request on a plain engine.
#[cfg_attr(not(debug_assertions), inline(always))]
pub(crate) fn run<R: Rest>(
    engine: &Arc<Inner>,
    session: SessionId,
    operation: Operation,
    iv: &[u8],
    (buffer, rest): Given<R>,
) -> Outcome<R> {
    // A span follows an operation through the state machine, and not here.
    if trace::is_on() {
        return Err((buffer, rest));
    }
    let by = engine.route.by();
    if !by.is_straight() || iv.len() > MOST_IV {
        if by.is_foreign() && iv.len() <= MOST_IV {
            let plain = Plain { session, operation, iv, buffer, user_data: 0, rest };
            return words::in_registers(foreign::run(engine, by, plain));
        }
        return Err((buffer, rest));
    }
    match job::offer_plain(!by.is_polled()) {
        Some(offer) => {
            let user_data = offer.token();
            offered(engine, by, offer, Plain { session, operation, iv, buffer, user_data, rest })
        }
        None => Err((buffer, rest)),
    }
}

/// The parts of this are functions of their own, and return what they call: without optimisation, that is
/// what keeps a paused job's frames small.
#[cfg_attr(not(debug_assertions), inline(always))]
fn offered<R: Rest>(engine: &Arc<Inner>, by: By, offer: Offer<'_>, plain: Plain<'_, R>) -> Outcome<R> {
    if by.keeps_input() && is_too_long::<R>(engine, &plain) {
        Err((plain.buffer, plain.rest))
    } else if by.is_polled() {
        polled(engine, offer, plain)
    } else {
        words::in_registers(woken(engine, offer, plain))
    }
}

/// Whether the device changes more of the input than it can restore.
#[inline]
fn is_too_long<R: Rest>(engine: &Inner, plain: &Plain<'_, R>) -> bool {
    let changes_input = plain.operation.output().has_text() && !R::IS_APART;
    changes_input && plain.buffer.len() > engine.restorable
}

#[cfg_attr(not(debug_assertions), inline(always))]
fn polled<R: Rest>(engine: &Arc<Inner>, offer: Offer<'_>, plain: Plain<'_, R>) -> Outcome<R> {
    let operation = plain.operation;
    match table::visit(engine, SubmitPolled { engine, plain }) {
        Ok(aloft) => {
            let without_ctx = offer.take(&aloft);
            Ok(aloft.land_polled::<R>(operation, without_ctx))
        }
        Err(given) => Err(given),
    }
}

#[inline(never)]
fn woken<R: Rest>(engine: &Arc<Inner>, offer: Offer<'_>, plain: Plain<'_, R>) -> Outcome<R> {
    let operation = plain.operation;
    match submit_woken(engine, &offer, plain) {
        Ok(aloft) => {
            let without_ctx = offer.take(&aloft);
            Ok(aloft.land_woken::<R>(operation, without_ctx))
        }
        Err(given) => Err(given),
    }
}

#[cfg_attr(not(debug_assertions), inline(always))]
fn submit_woken<'e, R: Rest>(
    engine: &'e Arc<Inner>,
    offer: &Offer<'_>,
    plain: Plain<'_, R>,
) -> Result<PlainFlight<'e>, Given<R>> {
    match offer.registered(WaitKey::from_addr(engine.wait_key())).and_then(Registration::of) {
        Some(wake_fd) => table::visit(engine, SubmitWoken { engine, plain, wake_fd, following: PhantomData }),
        None => Err((plain.buffer, plain.rest)),
    }
}

/// Submits a request that will be polled for.
struct SubmitPolled<'e, 'p, R> {
    engine: &'e Arc<Inner>,
    plain: Plain<'p, R>,
}

impl<'e, R: Rest> Visit for SubmitPolled<'e, '_, R> {
    type Output = Result<PlainFlight<'e>, Given<R>>;

    #[cfg_attr(not(debug_assertions), inline(always))]
    fn visit(self, instance: Option<&Instance>) -> Self::Output {
        match instance.and_then(|instance| Some((instance, instance.known_owner()?))) {
            Some((instance, owner)) => {
                PlainFlight::submit(self.engine, instance, self.plain, Delivery::Reap { owner }, None)
            }
            None => Err((self.plain.buffer, self.plain.rest)),
        }
    }
}

/// Submits a request that will write to a wake fd.
struct SubmitWoken<'e, 'p, R, F> {
    engine: &'e Arc<Inner>,
    plain: Plain<'p, R>,
    wake_fd: Rc<Registration>,
    following: PhantomData<F>,
}

impl<'e, R: Rest, F: Following> Visit for SubmitWoken<'e, '_, R, F> {
    type Output = Result<PlainFlight<'e, F>, Given<R>>;

    #[cfg_attr(not(debug_assertions), inline(always))]
    fn visit(self, instance: Option<&Instance>) -> Self::Output {
        let Some(instance) = instance else { return Err((self.plain.buffer, self.plain.rest)) };
        let delivery = Delivery::Wake(self.wake_fd.waker());
        PlainFlight::submit(self.engine, instance, self.plain, delivery, Some(self.wake_fd))
    }
}

/// Takes the result of a successful request; this thread's pair does not know requests of another pair.
struct Take<R>(Ticket, PhantomData<R>);

impl<R: Rest> Visit for Take<R> {
    type Output = Option<R::Taken>;

    #[cfg_attr(not(debug_assertions), inline(always))]
    fn visit(self, instance: Option<&Instance>) -> Option<R::Taken> {
        let instance = instance?;
        let taken = instance.own_pair()?.take_plain::<R>(self.0)?;
        instance.counters.resumes.add(1);
        Some(taken)
    }
}

impl<'e, F: Following> PlainFlight<'e, F> {
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn submit<R: Rest>(
        engine: &'e Arc<Inner>,
        instance: &Instance,
        plain: Plain<'_, R>,
        delivery: Delivery,
        wake_fd: Option<Rc<Registration>>,
    ) -> Result<Self, Given<R>> {
        let Some(mut pair) = instance.own_pair() else { return Err((plain.buffer, plain.rest)) };
        let ticket = match pair.submit_plain(plain, delivery) {
            Ok(ticket) => ticket,
            Err((_, given)) => return Err(given),
        };
        instance.counters.operations.add(1);
        instance.counters.pauses.add(1);
        let (pair_index, wake_fd) = (instance.pair_index(), Cell::new(wake_fd));
        Ok(Self { engine, pair_index, ticket, wake_fd, following: PhantomData })
    }

    /// The result of a successful request. `None`: nothing has changed.
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn take<R: Rest>(&self) -> Option<R::Taken> {
        if self.engine.is_inherited() {
            return None;
        }
        table::visit(self.engine, Take::<R>(self.ticket, PhantomData))
    }

    /// The same, with its token. The tokens that were read stay in hand when nothing is taken.
    fn take_woken<R: Rest>(&self, in_hand: &mut u64) -> Option<R::Taken> {
        if self.engine.is_inherited() {
            return None;
        }
        let remote = &self.engine.remotes[self.pair_index];
        remote.prefetch(self.ticket);
        let wake_fd = self.wake_fd.take()?;
        *in_hand = wake_fd.read();
        let is_told =
            *in_hand > 0 && !wake_fd.is_shared() || remote.wake_state(self.ticket) == WakeState::Sent;
        if is_told && let Some(taken) = self.take::<R>() {
            wake_fd.take_own(*in_hand);
            return Some(taken);
        }
        self.wake_fd.set(Some(wake_fd));
        None
    }

    fn into_flight(self) -> Flight<&'e Arc<Inner>, CtxWake<F>> {
        let flight = self.as_flight();
        mem::forget(self);
        flight
    }

    /// From here on the flight owns what this held.
    fn as_flight(&self) -> Flight<&'e Arc<Inner>, CtxWake<F>> {
        let held = Held { wake: CtxWake::of(self.wake_fd.take()), ..Held::default() };
        Flight::new(self.engine, self.pair_index, self.ticket, held)
    }

    /// After the pause, leaves the rest to the state machine.
    #[cold]
    fn go_on<R: Rest, J: Jobs<Following = F>>(
        self,
        jobs: J,
        operation: Operation,
        paused: Paused,
        in_hand: u64,
    ) -> Result<R::Taken, OpError> {
        let (engine, flight) = (self.engine, self.into_flight());
        let mut wait = CtxWait::resumed(jobs, &flight, paused, in_hand);
        let mut request = Request::new(SessionId::NONE, operation, Vec::new());
        let mut rest = Offload::<_, &Session, _, _>::in_flight(engine, flight, &mut request);
        let outcome = go_round(&mut rest, &mut wait);
        result::<R>(engine, outcome, &mut request)
    }
}

impl PlainFlight<'_> {
    /// After the pause.
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn land_polled<R: Rest>(self, operation: Operation, without_ctx: bool) -> Result<R::Taken, OpError> {
        match self.take::<R>() {
            Some(taken) => {
                mem::forget(self);
                Ok(taken)
            }
            None => words::in_registers(self.go_on::<R, _>(OurJobs, operation, paused(without_ctx), 0)),
        }
    }

    /// After the pause.
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn land_woken<R: Rest>(self, operation: Operation, without_ctx: bool) -> Result<R::Taken, OpError> {
        let mut in_hand = 0;
        if !without_ctx && let Some(taken) = self.take_woken::<R>(&mut in_hand) {
            mem::forget(self);
            return Ok(taken);
        }
        self.go_on::<R, _>(OurJobs, operation, paused(without_ctx), in_hand)
    }
}

/// How a pause of ours has ended, which was one.
const fn paused(without_ctx: bool) -> Paused {
    if without_ctx { Paused::WithoutCtx } else { Paused::Resumed }
}

/// The result of a request that the state machine has ended.
fn result<R: Rest>(
    engine: &Inner,
    outcome: Result<(), Failed>,
    request: &mut Request,
) -> Result<R::Taken, OpError> {
    match outcome {
        Ok(()) => Ok(R::take_from(request)),
        Err(failed) => {
            let changes_input = request.operation.output().has_text() && !R::IS_APART;
            if failed.error == Error::AuthFailed && engine.keeps_input && changes_input {
                // Whether or not the device has changed it.
                request.buffer.zeroize();
            } else if let Some(input) = request.take_input() {
                mem::replace(&mut request.buffer, input).zeroize();
            }
            let buffer = mem::take(&mut request.buffer);
            Err(OpError::new(failed.into_error(), buffer, request.destination.take()))
        }
    }
}

impl<F: Following> Release for PlainFlight<'_, F> {
    fn release(&self) {
        drop(self.as_flight());
    }
}

impl<F: Following> Drop for PlainFlight<'_, F> {
    fn drop(&mut self) {
        drop(self.as_flight());
    }
}
