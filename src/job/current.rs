//! The running job, seen from inside.
#![expect(unsafe_code, reason = "keeps a release hook for as long as its frame is paused")]

use std::any::Any;
use std::ffi::c_int;
use std::marker::PhantomData;
use std::mem;
use std::panic;
use std::ptr;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;

use super::fiber::{Signal, Turn};
use super::front::Front;
use super::pool::Pool;
use super::raw::Handle;
use super::record::{Record, State};
use super::status::FollowedStatus;
use super::wait_ctx::Shared;
use super::{Unwinding, WaitCtxRef, WaitKey, WaitStatus};

/// What [`pause`] did.
#[must_use = "only `Resumed` means that the job has paused"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// The job has paused and was resumed. That says nothing about the reason (statement 41).
    Resumed,
    /// There is no job to pause.
    NotInJob,
    /// Pausing is blocked in this job ([`block_pause`](super::block_pause)).
    Blocked,
    /// The thread is panicking, or the job is being dropped.
    Panicking,
}

/// What to do when a raw job is discarded while it is paused: give back what its frames would have given
/// back.
pub trait Release {
    /// Called once, on the stack of the caller that discards the job.
    fn release(&self);
}

/// Pauses the running job: its [`resume`](super::Job::resume) returns [`Step::Paused`](super::Step::Paused),
/// and this call returns when the job is resumed. The wait context's list of changes then starts empty
/// (statement 18).
///
/// Outside a job, with pausing blocked, and while the thread panics, this returns at once and changes nothing
/// (statement 39).
///
/// If the job is dropped while it is paused, this call does not return but unwinds.
#[inline(always)] // see fiber.rs on returns
pub fn pause() -> Pause {
    pause_here(None).0
}

/// Like [`pause`], for frames that hold something which must be given back when a raw job is discarded while
/// it is paused here. Typed jobs unwind instead, and `release` is not called.
#[inline(always)] // see fiber.rs on returns
pub fn pause_with(release: &dyn Release) -> Pause {
    pause_here(Some(release)).0
}

/// Whether [`pause`] would pause now.
pub fn can_pause() -> bool {
    running().is_some_and(|record| record.blocks.get() == 0) && !thread::panicking()
}

/// The job that runs here; `None` outside a job (statement 42).
#[inline]
pub fn current() -> Option<CurrentJob> {
    running().map(|record| CurrentJob {
        handle: record.handle.get(),
        token: record.token.get(),
        thread: PhantomData,
    })
}

/// A reference to the job that [`current`] found running. It does not keep the job alive.
#[derive(Debug)]
pub struct CurrentJob {
    handle: Handle,
    token: u64,
    /// Not `Send`, not `Sync`.
    thread: PhantomData<*mut ()>,
}

impl CurrentJob {
    /// The job's token ([`Job::token`](super::Job::token)) at the time [`current`] was called.
    pub fn token(&self) -> u64 {
        self.token
    }

    /// The job's handle.
    pub fn handle(&self) -> Handle {
        self.handle
    }

    /// The job's wait context; `None` when the job has none, when it was dropped, or when the job has ended
    /// (statement 43).
    #[inline]
    pub fn wait_ctx(&self) -> Option<WaitCtxRef> {
        Pool::existing()?.find(self.handle)?.with_ctx(WaitCtxRef::new)?
    }
}

/// The job that runs here, if it can pause and has a wait context: everything that an engine asks before it
/// pauses a job, in one look. Sets the status of the context to [`WaitStatus::Ok`]; to
/// [`WaitStatus::Unsupported`] where it has a callback and the engine does not call back.
#[inline]
pub(crate) fn offer<'a>(calls_back: bool) -> Option<Offer<'a>> {
    offered(calls_back, true)
}

/// The same for an engine that cannot do without polling: not a job that is awaited.
#[inline]
pub(crate) fn offer_plain<'a>(calls_back: bool) -> Option<Offer<'a>> {
    offered(calls_back, false)
}

/// Whether the job that runs here is a future's: its callback is called under polling too.
pub(crate) fn is_awaited() -> bool {
    running().is_some_and(|record| record.with_ctx(|ctx| ctx.is_awaited()) == Some(true))
}

#[inline(always)]
fn offered<'a>(calls_back: bool, takes_awaited: bool) -> Option<Offer<'a>> {
    let front = Front::here();
    let record = front.running()?;
    if record.blocks.get() > 0 || thread::panicking() {
        return None;
    }
    let ready = |ctx: &Rc<Shared>| {
        !ctx.is_freed() && {
            let is_called = calls_back || !ctx.has_callback();
            ctx.status.set(if is_called || ctx.is_awaited() {
                WaitStatus::Ok
            } else {
                WaitStatus::Unsupported
            });
            is_called || takes_awaited || !ctx.is_awaited()
        }
    };
    (record.with_ctx(ready) == Some(true)).then_some(Offer { front, record })
}

/// A job that can pause.
pub(crate) struct Offer<'a> {
    front: &'a Front,
    record: &'a Record,
}

impl Offer<'_> {
    /// The job's token.
    #[inline]
    pub(crate) fn token(&self) -> u64 {
        self.record.token.get()
    }

    /// The custom data of the newest registration under `key` in the job's wait context. `None` also where a
    /// callback is set, because a callback takes precedence.
    pub(crate) fn registered(&self, key: WaitKey) -> Option<Rc<dyn Any>> {
        self.record.with_ctx(|ctx| ctx.registered(key))?
    }

    /// [`pause_in_flight`] for an engine that has run no foreign code since [`offer`]: nothing has changed.
    #[inline(always)] // see fiber.rs on returns
    pub(crate) fn take(self, release: &dyn Release) -> bool {
        !pause_now(self.front, self.record, Some(release))
    }
}

/// Whether a job runs here.
pub(crate) fn is_running() -> bool {
    running().is_some()
}

/// The wait context of the job that runs here.
#[inline]
pub(crate) fn current_ctx() -> Option<WaitCtxRef> {
    running()?.with_ctx(WaitCtxRef::new)?
}

/// Sets the status of the running job's wait context, if it has one.
#[inline]
pub(crate) fn set_status(status: WaitStatus) {
    if let Some(record) = running() {
        record.with_ctx(|ctx| ctx.set_status(status));
    }
}

/// Makes the status of the running job's wait context, if it has one, follow a request. The status is what
/// `source` returns until the result is dropped or another status is set.
pub(crate) fn follow_status(
    source: impl Fn() -> WaitStatus + Send + Sync + 'static,
) -> Option<FollowedStatus> {
    running()?.with_ctx(|ctx| (!ctx.is_freed()).then(|| FollowedStatus::new(ctx, Arc::new(source))))?
}

/// [`pause_with`], and whether the job has lost its wait context: all that an engine needs while its request
/// is in flight, in one look at the job.
#[inline(always)] // see fiber.rs on returns
pub(crate) fn pause_in_flight(release: &dyn Release) -> (Pause, bool) {
    let (pause, has_ctx) = pause_here(Some(release));
    (pause, !has_ctx)
}

#[inline]
fn has_ctx(record: &Record) -> bool {
    record.with_ctx(|ctx| !ctx.is_freed()) == Some(true)
}

#[inline]
fn running<'a>() -> Option<&'a Record> {
    Front::here().running()
}

/// Pauses. The second value is whether the job has a wait context.
#[inline(always)]
fn pause_here(release: Option<&dyn Release>) -> (Pause, bool) {
    let front = Front::here();
    let Some(record) = front.running() else { return (Pause::NotInJob, false) };
    if record.blocks.get() > 0 {
        return (Pause::Blocked, has_ctx(record));
    }
    if thread::panicking() {
        return (Pause::Panicking, has_ctx(record));
    }
    (Pause::Resumed, pause_now(front, record, release))
}

/// Pauses a job that can pause. Returns whether it has a wait context afterwards.
#[inline(always)]
fn pause_now(front: &Front, record: &Record, release: Option<&dyn Release>) -> bool {
    // Only raw jobs can be discarded, or have floating-point modes of their own.
    let raw = record.kind().raw;
    let hook = release.filter(|_| raw);
    if raw {
        record.modes.pause();
    }
    record.in_flight.set(release.is_some());
    if let Some(hook) = hook {
        keep_hook(record, hook);
    }
    // SAFETY: the running job is the caller.
    let signal = unsafe { record.leave(&front.turn, State::Paused) };
    if hook.is_some() {
        record.release.set(None);
    }
    if raw {
        record.modes.resumed();
    }
    if signal == Signal::Unwind {
        unwind();
    }
    let has_ctx = record.with_ctx(|ctx| {
        ctx.reset_changes();
        !ctx.is_freed()
    });
    has_ctx == Some(true)
}

#[inline]
fn keep_hook(record: &Record, hook: &dyn Release) {
    // SAFETY: only the lifetime changes. The pointer is followed while the caller's frame is paused in
    // `pause_here`, and forgotten before that returns or unwinds.
    let hook = unsafe { mem::transmute::<&dyn Release, &'static dyn Release>(hook) };
    record.release.set(Some(ptr::from_ref(hook)));
}

#[cold]
fn unwind() -> ! {
    panic::resume_unwind(Box::new(Unwinding))
}

/// The part of [`pause`] for C before the switch. `None` where pausing returns at once.
#[inline]
pub(super) fn turn_for_c<'a>() -> Option<&'a Turn> {
    let front = Front::here();
    let record = front.running().filter(|record| record.blocks.get() == 0 && !thread::panicking())?;
    record.state.set(State::Paused);
    record.in_flight.set(false);
    record.modes.pause();
    Some(&front.turn)
}

/// The part after the switch. Returns 1; or 0 when the job is to be unwound, which foreign frames do not
/// allow.
#[inline]
pub(super) fn back_for_c(signal: Signal) -> c_int {
    if signal == Signal::Unwind {
        return 0;
    }
    if let Some(record) = running() {
        record.modes.resumed();
        record.with_ctx(|ctx| ctx.reset_changes());
    }
    1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{Job, Step, WaitCtx, block_pause};

    struct Nothing;

    impl Release for Nothing {
        fn release(&self) {}
    }

    #[test]
    #[cfg_attr(miri, ignore = "miri knows no switch between stacks")]
    fn a_pause_in_flight_is_a_pause_and_a_look_at_the_context() {
        let in_flight = || pause_in_flight(&Nothing);
        assert_eq!(in_flight(), (Pause::NotInJob, true));

        let ctx = WaitCtx::new();
        let mut job = Job::new(&ctx, move || {
            let blocked = block_pause();
            let first = in_flight();
            drop(blocked);
            [first, in_flight(), in_flight()]
        })
        .unwrap();
        assert_eq!(job.resume(), Ok(Step::Paused));
        assert_eq!(job.resume(), Ok(Step::Paused));
        // Deliberate misuse. `eprintln!` is captured by the test harness; strict mode's own line is not.
        crate::job::set_strict_handler(Some(std::sync::Arc::new(|violation| eprintln!("{violation}"))));
        drop(ctx);
        let came = [(Pause::Blocked, false), (Pause::Resumed, false), (Pause::Resumed, true)];
        assert_eq!(job.resume(), Ok(Step::Finished(came)));
    }

    #[test]
    #[cfg_attr(miri, ignore = "miri knows no switch between stacks")]
    fn an_offer_begins_with_a_status_of_ok() {
        let offer = || super::offer(true).map(|offer| offer.token());
        assert_eq!(offer(), None);
        let ctx = WaitCtx::new();
        let mut job = Job::new(&ctx, || {
            let offer = || super::offer(true).map(|offer| offer.token());
            set_status(WaitStatus::Eagain);
            let blocked = block_pause();
            let refused = offer();
            let _ = pause();
            drop(blocked);
            let _ = pause();
            (refused, offer())
        })
        .unwrap();
        job.set_token(9);
        assert_eq!(job.resume(), Ok(Step::Paused));
        assert_eq!(ctx.status(), WaitStatus::Eagain, "nothing was offered while pausing was blocked");
        assert_eq!(job.resume(), Ok(Step::Finished((None, Some(9)))));
        assert_eq!(ctx.status(), WaitStatus::Ok);
    }
}
