//! The running job, seen from inside.
#![expect(unsafe_code, reason = "keeps a release hook for as long as its frame is paused")]

use std::ffi::c_int;
use std::marker::PhantomData;
use std::mem;
use std::panic;
use std::rc::Rc;
use std::thread;

use super::fiber::{Exit, Signal};
use super::pool::Pool;
use super::raw::Handle;
use super::record::{Record, State};
use super::wait_ctx::Shared;
use super::{Unwinding, WaitCtxRef, WaitStatus};

/// What [`pause`] did.
#[must_use = "only `Resumed` means that the job has paused"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// The job has paused and was resumed. That says nothing about why (statement 41).
    Resumed,
    /// There is no job to pause.
    NotInJob,
    /// Pausing is blocked in this job ([`block_pause`](super::block_pause)).
    Blocked,
    /// The thread unwinds from a panic, or the job is being dropped.
    Panicking,
}

/// What is to be done when a raw job is discarded while it is paused: take back what its frames would have returned.
pub trait Release {
    /// Called once, on the stack of whoever discards the job.
    fn release(&self);
}

/// Pauses the running job: its [`resume`](super::Job::resume) returns [`Step::Paused`](super::Step::Paused), and
/// this call returns when the job is resumed. The wait context's list of changes begins anew then (statement 18).
///
/// Outside a job, with pausing blocked, and while the thread panics it returns at once and changes nothing
/// (statement 39).
///
/// If the job is dropped meanwhile, this call does not return but unwinds.
#[inline(always)] // see fiber.rs on returns
pub fn pause() -> Pause {
    pause_here(None)
}

/// Like [`pause`], for frames that hold something which must be given back when the job is a raw one and is
/// discarded while it is paused here. Typed jobs unwind instead, and `release` is not called.
#[inline(always)] // see fiber.rs on returns
pub fn pause_with(release: &dyn Release) -> Pause {
    // SAFETY: only the lifetime changes. The pointer is followed while the caller's frame is paused in this very
    // call, and forgotten before the call returns or unwinds.
    let release = unsafe { mem::transmute::<&dyn Release, &'static dyn Release>(release) };
    pause_here(Some(release))
}

/// Whether [`pause`] would pause now.
pub fn can_pause() -> bool {
    running().is_some_and(|record| record.blocks.get() == 0) && !thread::panicking()
}

/// The job that runs here; `None` outside (statement 42).
#[inline]
pub fn current() -> Option<CurrentJob> {
    running().map(|record| CurrentJob {
        handle: record.handle(),
        token: record.token.get(),
        thread: PhantomData,
    })
}

/// A job, as [`current`] found it running. It may be kept; it does not keep the job.
#[derive(Debug)]
pub struct CurrentJob {
    handle: Handle,
    token: u64,
    /// Not `Send`, not `Sync`.
    thread: PhantomData<*mut ()>,
}

impl CurrentJob {
    /// The job's token ([`Job::token`](super::Job::token)), as it was when [`current`] was called.
    pub fn token(&self) -> u64 {
        self.token
    }

    /// The job's handle.
    pub fn handle(&self) -> Handle {
        self.handle
    }

    /// The job's wait context; `None` without one, when it was dropped, or when the job has ended (statement 43).
    #[inline]
    pub fn wait_ctx(&self) -> Option<WaitCtxRef> {
        Pool::existing()?.find(self.handle)?.with_ctx(WaitCtxRef::new)?
    }
}

/// The token of the job that runs here, if it can pause and has a wait context, whose status is then
/// [`WaitStatus::Ok`]: all that an engine asks before it offers to pause it, in one look.
#[inline]
pub(crate) fn offer() -> Option<u64> {
    let record = running()?;
    if record.blocks.get() > 0 || thread::panicking() {
        return None;
    }
    let ready = |ctx: &Rc<Shared>| !ctx.is_freed() && {
        ctx.set_status(WaitStatus::Ok);
        true
    };
    (record.with_ctx(ready) == Some(true)).then(|| record.token.get())
}

/// The wait context of the job that runs here.
#[inline]
pub(crate) fn current_ctx() -> Option<WaitCtxRef> {
    running()?.with_ctx(WaitCtxRef::new)?
}

/// Whether the job that runs here has no wait context (any more).
#[inline]
pub(crate) fn is_without_ctx() -> bool {
    !running().is_some_and(has_ctx)
}

/// Sets the status of the running job's wait context, if it has one.
#[inline]
pub(crate) fn set_status(status: WaitStatus) {
    if let Some(record) = running() {
        record.with_ctx(|ctx| ctx.set_status(status));
    }
}

#[inline]
fn has_ctx(record: &Record) -> bool {
    record.with_ctx(|ctx| !ctx.is_freed()) == Some(true)
}

#[inline]
fn running<'a>() -> Option<&'a Record> {
    Pool::existing()?.running()
}

#[inline(always)]
fn pause_here(release: Option<&'static dyn Release>) -> Pause {
    let Some(record) = running() else { return Pause::NotInJob };
    if record.blocks.get() > 0 {
        return Pause::Blocked;
    }
    if thread::panicking() {
        return Pause::Panicking;
    }
    record.release.set(release.map(std::ptr::from_ref));
    let signal = record.leave(State::Paused);
    record.release.set(None);
    if signal == Signal::Unwind {
        panic::resume_unwind(Box::new(Unwinding));
    }
    record.with_ctx(|ctx| ctx.reset_changes());
    Pause::Resumed
}

/// [`pause`] for C, up to the switch: where to leave the running job. `None` where pausing returns at once.
#[inline]
pub(super) fn way_out_for_c() -> Option<*const Exit> {
    let record = running().filter(|record| record.blocks.get() == 0 && !thread::panicking())?;
    record.release.set(None);
    Some(record.way_out(State::Paused))
}

/// And behind it: 1; 0 when the job is to be unwound, which foreign frames do not allow.
#[inline]
pub(super) fn back_for_c(signal: Signal) -> c_int {
    if signal == Signal::Unwind {
        return 0;
    }
    if let Some(record) = running() {
        record.with_ctx(|ctx| ctx.reset_changes());
    }
    1
}
