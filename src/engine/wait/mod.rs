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
//!                                                to who polls
//! ```
//!
//! An operation is one state machine (see `offload`) that starts a request, leaves it in a [`Flight`], and looks at it when
//! asked. Who asks is a [`Waiter`]. One that can leave its caller until it may be worth looking is a [`Pause`], and
//! [`go_round`] is the loop of all of those.

pub(super) mod blocked;
mod ctx;
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

    /// Takes the wake of a request that is done, or cancels it. `false`: it is on its way, so wait once more.
    fn take_wake<E: Hold>(&mut self, flight: &Flight<E, Self::Wake>) -> bool;

    /// Tells the application how its request fares. Called where it is not simply submitted.
    fn set_status<E: Hold>(&mut self, status: Submission<'_, E, Self::Wake>);
}

/// A waiter that can leave its caller.
pub(crate) trait Pause: Waiter {
    /// Gives control away until it may be worth looking; returning early is always allowed. `false`: nothing is left to
    /// happen on a stepped device, so a request that still waits after that will wait for ever.
    fn pause<E: Hold>(&mut self, flight: &Flight<E, Self::Wake>) -> bool;
}

/// A wake that is armed.
pub(crate) struct Armed<W> {
    /// What its flight holds.
    pub(super) wake: W,
    /// How the device is to announce that the request is done.
    pub(super) delivery: Delivery,
    /// What reaping hands out for the caller.
    pub(super) user_data: u64,
}

/// What announces the end of a request to its waiter, as its flight holds it.
pub(crate) trait Wake: Default {
    /// The request was taken. `late`: from the watchdog.
    fn ended(self, engine: &Arc<Inner>, late: bool);

    /// The request is about to be taken back, and its wake was cancelled unless that came too late, which `state` tells.
    /// Returns when nothing of it is left to the next request, nor coming.
    fn give_up(self, state: &dyn Fn() -> WakeState);
}

/// How a request fares that was not simply submitted.
pub(crate) enum Submission<'f, E: Hold, W: Wake> {
    /// It was not taken.
    Refused,
    /// It has queued for a slot, and is under way when it gets one.
    Queued(&'f Flight<E, W>),
}

/// Goes round the state machine until the operation is over.
#[inline(always)]
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
