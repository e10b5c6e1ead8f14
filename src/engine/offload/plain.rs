//! The usual way, in a straight line: a whole message that is worked on in place, in a job, and that is done when the job
//! goes on.
//!
//! ```text
//!   submit ──► pause ──► take ──► the buffer
//!     │                   └─► not done, not well, no context any more: the state machine goes on with it
//!     └──► anything else: the state machine, from its beginning
//! ```
//!
//! All policy is the state machine's. This does the same for requests that no policy concerns, without a [`Request`] (some
//! two hundred bytes that they have no use for) and without what else an operation may hold while it waits. A paused job's
//! frames are small so, too: those of many jobs do not fit into the nearest cache.
//!
//! There are two, by how the job is woken. [`polled`] is inlined into the job's own function: a switch leaves the processor's
//! record of returns askew, so that each return from a call that was made before the switch is mispredicted, some 5 ns. And a
//! call passes a request and its result through memory, which costs as much again. [`woken`] is by the wake fd, which it reads
//! *before* it looks at the request: what the device has written of that takes as long to come as half of a system call, and
//! comes meanwhile. On an fd that is not shared, a token says that the request has ended, whether or not its sender has
//! returned from the write.

use std::cell::Cell;

use simaccel_device::{Plain, SessionId, WakeState};

use super::*;
use crate::engine::table::Visit;
use crate::engine::wait::job::{self, JobWake, Offer, Release};
use crate::engine::wake_fd::Registration;
use crate::error::OpError;
use crate::words;

/// A plain request in flight. Dropping it gives the request up.
struct Aloft<'e> {
    engine: &'e Arc<Inner>,
    pair_index: usize,
    ticket: Ticket,
    /// What the device will write to. Let go of by [`Release`] too, so in a cell.
    wake_fd: Cell<Option<Rc<Registration>>>,
}

/// What comes of a request that is plain; or its buffer, because it is not.
type Outcome = Result<Result<Vec<u8>, OpError>, Vec<u8>>;

/// Runs a request that is plain, on an engine that is.
#[inline(always)]
pub(crate) fn run(
    engine: &Arc<Inner>,
    session: SessionId,
    operation: Operation,
    iv: &[u8],
    buffer: Vec<u8>,
) -> Outcome {
    if !engine.is_plain {
        return Err(buffer);
    }
    let Some(offer) = job::offer(!engine.polled) else { return Err(buffer) };
    let plain = Plain { session, operation, iv, buffer, user_data: offer.token() };
    if engine.polled {
        polled(engine, offer, plain)
    } else {
        words::in_registers(woken(engine, offer, plain))
    }
}

#[inline(always)]
fn polled(engine: &Arc<Inner>, offer: Offer<'_>, plain: Plain<'_>) -> Outcome {
    let operation = plain.operation;
    let aloft = table::visit(engine, SubmitPolled { engine, plain })?;
    let without_ctx = offer.take(&aloft);
    match aloft.take() {
        Some(buffer) => {
            mem::forget(aloft);
            Ok(Ok(buffer))
        }
        None => Ok(words::in_registers(aloft.go_on(operation, without_ctx, 0))),
    }
}

#[inline(never)]
fn woken(engine: &Arc<Inner>, offer: Offer<'_>, plain: Plain<'_>) -> Outcome {
    let operation = plain.operation;
    let Some(wake_fd) = offer.registered(engine.wait_key()).and_then(Registration::of) else {
        return Err(plain.buffer);
    };
    let aloft = table::visit(engine, SubmitWoken { engine, plain, wake_fd })?;
    let without_ctx = offer.take(&aloft);
    let mut in_hand = 0;
    if !without_ctx && let Some(buffer) = aloft.take_woken(&mut in_hand) {
        mem::forget(aloft);
        return Ok(Ok(buffer));
    }
    Ok(aloft.go_on(operation, without_ctx, in_hand))
}

/// Submits what will be polled for.
struct SubmitPolled<'e, 'p> {
    engine: &'e Arc<Inner>,
    plain: Plain<'p>,
}

impl<'e> Visit for SubmitPolled<'e, '_> {
    type Output = Result<Aloft<'e>, Vec<u8>>;

    #[inline(always)]
    fn visit(self, instance: Option<&Instance>) -> Self::Output {
        match instance.and_then(|instance| Some((instance, instance.known_owner()?))) {
            Some((instance, owner)) => {
                Aloft::submit(self.engine, instance, self.plain, Delivery::Reap { owner }, None)
            }
            None => Err(self.plain.buffer),
        }
    }
}

/// Submits what will write to a wake fd.
struct SubmitWoken<'e, 'p> {
    engine: &'e Arc<Inner>,
    plain: Plain<'p>,
    wake_fd: Rc<Registration>,
}

impl<'e> Visit for SubmitWoken<'e, '_> {
    type Output = Result<Aloft<'e>, Vec<u8>>;

    #[inline(always)]
    fn visit(self, instance: Option<&Instance>) -> Self::Output {
        let Some(instance) = instance else { return Err(self.plain.buffer) };
        let delivery = Delivery::Wake(self.wake_fd.waker());
        Aloft::submit(self.engine, instance, self.plain, delivery, Some(self.wake_fd))
    }
}

/// Takes the buffer of a request that has gone well; another pair's is not known to this thread's.
struct Take(Ticket);

impl Visit for Take {
    type Output = Option<Vec<u8>>;

    #[inline(always)]
    fn visit(self, instance: Option<&Instance>) -> Option<Vec<u8>> {
        let instance = instance?;
        let buffer = instance.own_pair()?.take_buffer(self.0)?;
        instance.counters.resumes.add(1);
        Some(buffer)
    }
}

impl<'e> Aloft<'e> {
    #[inline(always)]
    fn submit(
        engine: &'e Arc<Inner>,
        instance: &Instance,
        plain: Plain<'_>,
        delivery: Delivery,
        wake_fd: Option<Rc<Registration>>,
    ) -> Result<Self, Vec<u8>> {
        let Some(mut pair) = instance.own_pair() else { return Err(plain.buffer) };
        let ticket = match pair.submit_plain(plain, delivery) {
            Ok(ticket) => ticket,
            Err((_, buffer)) => return Err(buffer),
        };
        instance.counters.operations.add(1);
        instance.counters.pauses.add(1);
        Ok(Self { engine, pair_index: instance.pair_index(), ticket, wake_fd: Cell::new(wake_fd) })
    }

    /// The buffer of a request that has gone well. `None`: nothing has changed.
    #[inline(always)]
    fn take(&self) -> Option<Vec<u8>> {
        if self.engine.is_foreign() {
            return None;
        }
        table::visit(self.engine, Take(self.ticket))
    }

    /// The same, with its token. The tokens that were read are in hand when there is no buffer.
    fn take_woken(&self, in_hand: &mut u64) -> Option<Vec<u8>> {
        if self.engine.is_foreign() {
            return None;
        }
        let remote = &self.engine.remotes[self.pair_index];
        remote.expect(self.ticket);
        let wake_fd = self.wake_fd.take()?;
        *in_hand = wake_fd.read();
        let is_told =
            *in_hand > 0 && !wake_fd.is_shared() || remote.wake_state(self.ticket) == WakeState::Sent;
        if is_told && let Some(buffer) = self.take() {
            wake_fd.settle(*in_hand);
            return Some(buffer);
        }
        self.wake_fd.set(Some(wake_fd));
        None
    }

    /// The pause is over, and the rest is the state machine's.
    #[cold]
    fn go_on(self, operation: Operation, without_ctx: bool, in_hand: u64) -> Result<Vec<u8>, OpError> {
        let (engine, flight) = (self.engine, self.into_flight());
        let mut wait = JobWait::resumed(&flight, without_ctx, in_hand);
        let mut request = Request::new(SessionId::NONE, operation, Vec::new());
        let mut rest = Offload::<_, &Session, _, _>::in_flight(engine, flight, &mut request);
        let outcome = go_round(&mut rest, &mut wait);
        match outcome {
            Ok(()) => Ok(request.buffer),
            Err(failed) => Err(OpError::new(failed.into_error(), request.buffer, None)),
        }
    }

    fn into_flight(self) -> Flight<&'e Arc<Inner>, JobWake> {
        let flight = self.as_flight();
        mem::forget(self);
        flight
    }

    /// What the flight holds is this one's no more.
    fn as_flight(&self) -> Flight<&'e Arc<Inner>, JobWake> {
        let held = Held { wake: JobWake::of(self.wake_fd.take()), ..Held::default() };
        Flight::new(self.engine, self.pair_index, self.ticket, held)
    }
}

impl Release for Aloft<'_> {
    fn release(&self) {
        drop(self.as_flight());
    }
}

impl Drop for Aloft<'_> {
    fn drop(&mut self) {
        drop(self.as_flight());
    }
}
