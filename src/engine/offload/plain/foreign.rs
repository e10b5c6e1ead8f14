//! The straight path for jobs of another framework, which their wake fd wakes.
//!
//! The first operation of a wait context registers that fd, in the state machine. So does one with a
//! callback, and one that cannot pause.

use std::thread;

use super::*;
use crate::engine::function;
use crate::engine::wait::foreign::{FollowingStatus, ForeignJobs};
use crate::engine::wait::job::WaitStatus;

/// Runs a plain request, or gives it back.
#[inline(never)]
pub(super) fn run<R: Rest>(engine: &Arc<Inner>, by: By, mut plain: Plain<'_, R>) -> Outcome<R> {
    let Some((jobs, operation)) = engine.foreign.as_ref().map(|jobs| (jobs, plain.operation)) else {
        return Err((plain.buffer, plain.rest));
    };
    let is_refused = by.is_polled()
        || by.keeps_input() && is_too_long::<R>(engine, &plain)
        || engine.is_inherited()
        // In a call's function the device is in the middle of something; a panicking thread switches none.
        || function::runs_here()
        || thread::panicking();
    let offered = if is_refused { None } else { offer(engine, jobs) };
    let Some((number, wake_fd)) = offered else { return Err((plain.buffer, plain.rest)) };
    plain.user_data = number;
    let following = PhantomData::<FollowingStatus>;
    let aloft = table::visit(engine, SubmitWoken { engine, plain, wake_fd, following })?;
    let paused = Jobs::pause(&jobs, &aloft);
    Ok(aloft.land_foreign::<R>(jobs, operation, paused))
}

/// The number of the job that runs here and can pause, and the fd that wakes it. Sets the status of a
/// submitted request.
fn offer(engine: &Inner, jobs: &ForeignJobs) -> Option<(u64, Rc<Registration>)> {
    jobs.with_ctx(|ctx| {
        if ctx.has_callback() {
            return None;
        }
        let wake_fd = Registration::find(ctx, engine.wait_key())?;
        ctx.set_status(WaitStatus::Ok);
        Some((ctx.job_number(), wake_fd))
    })?
}

impl PlainFlight<'_, FollowingStatus> {
    /// After the pause, which may have been none.
    fn land_foreign<R: Rest>(
        self,
        jobs: &ForeignJobs,
        operation: Operation,
        paused: Paused,
    ) -> Result<R::Taken, OpError> {
        let mut in_hand = 0;
        let is_to_look = matches!(paused, Paused::Resumed | Paused::Perhaps);
        if is_to_look && let Some(taken) = self.take_woken::<R>(&mut in_hand) {
            mem::forget(self);
            return Ok(taken);
        }
        self.go_on::<R, _>(jobs, operation, paused, in_hand)
    }
}
