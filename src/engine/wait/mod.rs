//! How a caller waits: the seam between an operation and its caller.
//!
//! ```text
//!                         arm                    pause                   take_wake
//!   ctx::CtxWait          callback, or else      leaves the job          reads its token, or cancels the wake, or
//!     job: ours           the wake fd; polled:                           waits for the callback's return;
//!     foreign: others     the completion ring                            polled: takes it with the result
//!   blocked::Blocked      this thread's waker    spins, then sleeps;     cancels the wake
//!                         (nothing, stepped)     stepped: steps, and
//!                                                gives up where that
//!                                                can end nothing
//!   waker::WakerWait      the waker of the poll  is not a loop: returns  cancels the wake
//!                                                to its poll
//! ```
//!
//! An operation is one state machine (see `offload`) that starts a request, leaves it in a [`Flight`], and
//! looks at it on demand. A [`Waiter`] demands it. A waiter that can give control away until a look may be
//! worth it is a [`Pause`], and [`go_round`] is the loop of all of those.

pub(super) mod blocked;
pub(super) mod ctx;
pub(crate) mod foreign;
pub(super) mod job;
pub(super) mod waker;

use std::borrow::BorrowMut;
use std::sync::Arc;

use simaccel_device::{Delivery, Request, TicketState, WakeState};

pub(crate) use self::ctx::Jobs;
use super::Inner;
use super::instance::Instance;
use super::offload::{Advance, Failed, Flight, Hold, Offload};
use super::software::Software;
use crate::error::Error;

/// One way of waiting for the device.
pub(crate) trait Waiter {
    /// What it arms.
    type Wake: Wake;

    /// Arms a wake for the request that is about to be submitted.
    fn arm(&mut self, engine: &Arc<Inner>, instance: &Instance) -> Result<Armed<Self::Wake>, Error>;

    /// Takes the wake of a request that is done, or cancels it. Returns `false` when the wake is on its way,
    /// so that the waiter waits once more.
    fn take_wake<E: Hold>(&mut self, flight: &Flight<E, Self::Wake>) -> bool;

    /// Reports the request's status to the application. Called when the request is not simply submitted.
    fn set_status<E: Hold>(&mut self, status: Submission<'_, E, Self::Wake>);
}

/// A waiter that can give control away.
pub(crate) trait Pause: Waiter {
    /// Gives control away until a look may be worth it; returning early is always allowed. Returns `false`
    /// when nothing is left to happen on a stepped device, so that a request that still waits will wait for
    /// ever.
    fn pause<E: Hold>(&mut self, flight: &Flight<E, Self::Wake>) -> bool;
}

/// An armed wake.
pub(crate) struct Armed<W> {
    /// What its flight holds.
    pub(super) wake: W,
    /// How the device is to announce that the request is done.
    pub(super) delivery: Delivery,
    /// The user data of the request's completion.
    pub(super) user_data: u64,
}

/// What announces the end of a request to its waiter, as its flight holds it.
pub(crate) trait Wake: Default {
    /// Whether its wait counts as a pause when it is over. (A paused job's counts at once: jobs that are
    /// paused are counted beside it.)
    const COUNTS_LATER: bool = false;
    /// Whether its waiter may take the request back with all that went in.
    const CAN_BE_CANCELLED: bool = false;

    /// Called when the request was taken. `late`: from the watchdog.
    fn ended(self, engine: &Arc<Inner>, late: bool);

    /// Called before the request is taken back. Its wake was cancelled, unless that came too late, which
    /// `state` tells. Returns when nothing of the wake is left for the next request, or still coming.
    fn give_up(self, state: &dyn Fn() -> WakeState);
}

/// The status of a request that was not simply submitted.
pub(crate) enum Submission<'f, E: Hold, W: Wake> {
    /// It was refused.
    Refused,
    /// It is queued for a slot, and in flight when it gets one.
    Queued(&'f Flight<E, W>),
}

/// Runs the state machine until the operation is over.
#[cfg_attr(not(debug_assertions), inline(always))]
pub(crate) fn go_round<E, S, R, P>(
    operation: &mut Offload<E, S, R, P::Wake>,
    waiter: &mut P,
) -> Result<(), Failed>
where
    E: Hold,
    S: Software,
    R: BorrowMut<Request>,
    P: Pause,
{
    let mut may_end = true;
    loop {
        match operation.advance(waiter, may_end) {
            Advance::Over(outcome) => return outcome,
            Advance::Waits(flight) => may_end = waiter.pause(flight),
        }
    }
}

/// Whether a ticket in this state still waits for the device.
pub(crate) const fn is_waiting(state: TicketState) -> bool {
    matches!(state, TicketState::Parked | TicketState::InFlight)
}
