//! Jobs of another framework, whose functions may be found at run time.
//!
//! ```text
//!   engine ──► Framework::with_ctx ──► Ctx of the job that runs here ──► find, register (an fd), callback, set_status
//!          ──► Framework::pause                                          leaves the job until it is resumed
//! ```
//!
//! [`crate::foreign`] says what a framework promises, and what is promised to it.

use std::fmt;
use std::sync::Arc;
use std::thread;

pub use super::ctx::Paused;
use super::ctx::{CtxWait, Following, Jobs};
use super::job::CallbackWaker;
use super::job::{Callback, Release, WaitStatus, outside};
use crate::engine::function;
use crate::engine::offload::Queued;
pub(crate) use crate::engine::wake_fd::SPURIOUS;
pub use crate::engine::wake_fd::{OpenFd, WaitFds, WakeWatch};

/// A job framework.
pub trait Framework: fmt::Debug + Send + Sync {
    /// Passes the wait context of the running job to `visit`, once; or does not call it: where there is no
    /// job, where it cannot pause, and where it has no context. An operation then does not pause it.
    fn with_ctx(&self, visit: &mut dyn FnMut(&dyn Ctx));

    /// Pauses the running job, until it is resumed. It may return at once.
    ///
    /// `release` is called, once and instead of a return, where the framework ends the paused job without
    /// unwinding its stack. It takes the request back.
    fn pause(&self, release: &dyn Release) -> Paused;

    /// Whether an operation whose fd cannot be made waits in its thread. Otherwise it is an error
    /// ([`Error::WakeFd`](crate::Error::WakeFd)). Asked each time that it happens.
    fn blocks_without_fd(&self) -> bool {
        false
    }

    /// Runs `work`, once, before it returns: on a deeper stack where the running job's own is small. `work`
    /// takes up to 32 KiB, and pauses no job.
    fn outside(&self, work: &mut dyn FnMut()) {
        work();
    }
}

/// The wait context of a job.
pub trait Ctx: WaitFds {
    /// The callback, if one is set. A request calls it from any thread, from its submission until it has
    /// ended or was given up.
    fn callback(&self) -> Option<Callback>;

    /// Whether one is set.
    fn has_callback(&self) -> bool {
        self.callback().is_some()
    }

    /// Sets the status that the application may read.
    fn set_status(&self, status: WaitStatus);

    /// What [`Engine::poll`](crate::Engine::poll) returns for the job.
    fn job_number(&self) -> u64;
}

/// The jobs of a framework, on this thread.
#[derive(Clone, Debug)]
pub(crate) struct ForeignJobs(pub(crate) Arc<dyn Framework>);

/// Waits by pausing a job of a framework.
pub(crate) type ForeignWait<'e> = CtxWait<&'e ForeignJobs>;

/// Sets the status of the job's context when the job is resumed, which is when the request is looked at.
pub(crate) struct FollowingStatus {
    jobs: ForeignJobs,
    queued: Queued,
}

impl ForeignJobs {
    pub(crate) fn with_ctx<R>(&self, body: impl FnOnce(&dyn Ctx) -> R) -> Option<R> {
        let (mut body, mut result) = (Some(body), None);
        self.0.with_ctx(&mut |ctx| {
            if let Some(body) = body.take() {
                result = Some(body(ctx));
            }
        });
        result
    }

    fn set_status(&self, status: WaitStatus) {
        self.with_ctx(|ctx| ctx.set_status(status));
    }

    /// [`Framework::outside`]; in a job of ours, outside of that.
    pub(crate) fn outside<R>(&self, work: impl FnOnce() -> R) -> R {
        let (mut work, mut result) = (Some(work), None);
        self.0.outside(&mut || result = work.take().map(|work| outside(work)));
        match (result, work) {
            (Some(result), _) => result,
            // It was not called.
            (None, Some(work)) => work(),
            (None, None) => unreachable!("work that was called has returned"),
        }
    }
}

impl Jobs for &ForeignJobs {
    type Following = FollowingStatus;

    fn offer(&self, calls_back: bool) -> Option<u64> {
        // In a call's function the device is in the middle of something.
        if thread::panicking() || function::runs_here() {
            return None;
        }
        self.with_ctx(|ctx| {
            let is_called = calls_back || !ctx.has_callback();
            ctx.set_status(if is_called { WaitStatus::Ok } else { WaitStatus::Unsupported });
            ctx.job_number()
        })
    }

    fn with_fds<R>(&self, body: impl FnOnce(&dyn WaitFds) -> R) -> Option<R> {
        ForeignJobs::with_ctx(self, |ctx| body(ctx))
    }

    fn callback(&self) -> Option<Arc<CallbackWaker>> {
        self.with_ctx(|ctx| ctx.callback()).flatten().map(CallbackWaker::of)
    }

    fn has_callback(&self) -> bool {
        self.with_ctx(|ctx| ctx.has_callback()) == Some(true)
    }

    fn refused(&self) {
        ForeignJobs::set_status(self, WaitStatus::Err);
    }

    fn blocks_without_fd(&self) -> bool {
        self.0.blocks_without_fd()
    }

    fn follow(&self, queued: Queued) -> Option<FollowingStatus> {
        self.set_status(WaitStatus::Eagain);
        Some(FollowingStatus { jobs: (*self).clone(), queued })
    }

    fn pause(&self, release: &dyn Release) -> Paused {
        // While a thread panics nothing switches.
        if thread::panicking() { Paused::Refused } else { self.0.pause(release) }
    }
}

impl Following for FollowingStatus {
    fn update(&self) {
        let is_waiting = self.queued.is_waiting();
        self.jobs.set_status(if is_waiting { WaitStatus::Eagain } else { WaitStatus::Ok });
    }

    fn finish(self, late: bool) {
        self.jobs.set_status(if late { WaitStatus::Eagain } else { WaitStatus::Ok });
    }
}
