//! Our jobs: the one place where the engine meets them.

use std::any::Any;
use std::rc::Rc;
use std::sync::Arc;

use super::ctx::{CtxWait, Following, Jobs, Paused};
use crate::engine::offload::Queued;
use crate::engine::wake_fd::{OpenFd, WaitFds};
use crate::job::{self, Cleanup, Pause, WaitCtx};
pub(crate) use crate::job::{
    Callback, CallbackWaker, FollowedStatus, Offer, Release, ThreadStats, WaitFd, WaitKey, WaitStatus,
    is_awaited, is_running, offer, offer_plain, outside, set_strict, thread_stats,
};

/// Waits by pausing the job that runs here.
pub(crate) type JobWait = CtxWait<OurJobs>;

/// The jobs of this crate.
#[derive(Debug)]
pub(crate) struct OurJobs;

impl Jobs for OurJobs {
    type Following = FollowedStatus;

    #[inline]
    fn offer(&self, calls_back: bool) -> Option<u64> {
        Some(offer(calls_back)?.token())
    }

    fn with_fds<R>(&self, body: impl FnOnce(&dyn WaitFds) -> R) -> Option<R> {
        job::current_ctx().map(|ctx| body(&*ctx))
    }

    fn callback(&self) -> Option<Arc<CallbackWaker>> {
        job::current_ctx().filter(|ctx| ctx.has_callback())?.callback_waker()
    }

    fn has_callback(&self) -> bool {
        job::current_ctx().is_some_and(|ctx| ctx.has_callback())
    }

    fn refused(&self) {
        job::set_status(WaitStatus::Err);
    }

    fn follow(&self, queued: Queued) -> Option<FollowedStatus> {
        job::follow_status(move || if queued.is_waiting() { WaitStatus::Eagain } else { WaitStatus::Ok })
    }

    #[cfg_attr(not(debug_assertions), inline(always))]
    fn pause(&self, release: &dyn Release) -> Paused {
        match job::pause_in_flight(release) {
            (Pause::Resumed, false) => Paused::Resumed,
            (Pause::Resumed, true) => Paused::WithoutCtx,
            _ => Paused::Refused,
        }
    }
}

/// It follows by itself.
impl Following for FollowedStatus {
    fn update(&self) {}

    fn finish(self, late: bool) {
        Self::finish(&self, if late { WaitStatus::Eagain } else { WaitStatus::Ok });
    }
}

impl WaitFds for WaitCtx {
    fn find(&self, key: usize) -> Option<Rc<dyn Any>> {
        self.fd(WaitKey::from_addr(key))?.data
    }

    fn register(&self, key: usize, fd: OpenFd, data: Rc<dyn Any>, on_end: Box<dyn FnOnce()>) {
        let cleanup: Cleanup = Box::new(move |_, _, _, _| on_end());
        self.set_wait_fd(WaitKey::from_addr(key), fd, Some(data), Some(cleanup));
    }
}
