//! The framework: what the engine asks of libcrypto's jobs.
//!
//! ```text
//!   pause:  added = fds added since the last pause
//!           ASYNC_pause_job
//!           added > 0 before ── still > 0 ──► it has not paused: pausing is blocked here
//!                            └─ 0 ──────────► it has paused
//!           0 before ─────────────────────► it may have; after 32 of these in a row an fd is added for a probe
//! ```
//!
//! An operation that is the first in its wait context adds its fd, and so it knows. A later one adds none,
//! and takes the pause for one. Where that is wrong it comes back at once, 32 times, and then a probe tells:
//! the fd that is never readable is added for one pause. An application that resumes a job so often before
//! its fd is readable sees that fd come and go; no other does.

#![expect(unsafe_code, reason = "operations and registrations are shared with C by address")]

use std::any::Any;
use std::cell::RefCell;
use std::ffi::c_int;
use std::io::{Write, stderr};
use std::mem;
use std::process;
use std::ptr::{self, NonNull};
use std::rc::Rc;
use std::sync::Arc;

use simaccel::foreign::{self, Callback, Framework, OpenFd, Paused, Release, WaitFds, WaitStatus, WakeWatch};

use super::operation::{self, Operation};
use super::registration::{self, Registration};
use super::{callback, deep};
use crate::conduct::{self, Watched};
use crate::counters;
use crate::ossl::jobs::{Ctx, status};

/// How many pauses in a row may have been none, before a probe.
const DOUBTS: u32 = 32;

/// The jobs of whichever libcrypto an operation is called by.
#[derive(Debug, Default)]
pub(crate) struct LibcryptoJobs {
    /// `None`: time passes on the device by itself.
    counted: Option<Counted>,
}

/// Requests end by a count of resumes.
#[derive(Clone, Copy, Debug)]
struct Counted {
    resumes: u32,
    /// Lets happen on the device what there is to happen.
    run_device: fn(),
}

impl LibcryptoJobs {
    /// Those of a stepped device, which `run_device` steps. A request is complete when its job was resumed so
    /// often; so that it is, each pause leaves the job's fd readable, or calls the callback.
    pub(crate) const fn counting(resumes: u32, run_device: fn()) -> Self {
        Self { counted: Some(Counted { resumes, run_device }) }
    }
}

impl Framework for LibcryptoJobs {
    fn with_ctx(&self, visit: &mut dyn FnMut(&dyn foreign::Ctx)) {
        Operation::with_current(|operation| {
            if let Some(ctx) = operation.ctx() {
                visit(&Visited { operation, ctx, watched: RefCell::default() });
            }
        });
    }

    fn pause(&self, release: &dyn Release) -> Paused {
        let Some(this) = Operation::current() else { return Paused::Refused };
        // SAFETY: the operation of the code that runs here, whose frame has not ended.
        let operation = unsafe { this.as_ref() };
        let paused = match (operation.ctx(), operation.registration().get()) {
            (Some(ctx), Some(registration)) => {
                operation.hook().set(Some(hook(release)));
                // SAFETY: its context has it, and the context is alive while the job runs.
                let kept = unsafe { registration.as_ref() };
                match self.counted {
                    None => pause(this, operation, ctx, kept),
                    Some(counted) => counted.pause(this, operation, ctx, kept),
                }
            }
            // Nothing would tell the end of the context.
            _ => Paused::WithoutCtx,
        };
        operation.hook().set(None);
        paused
    }

    fn blocks_without_fd(&self) -> bool {
        counters::fd_refused();
        true
    }

    fn outside(&self, work: &mut dyn FnMut()) {
        if operation::is_in_job() { deep::run(work) } else { work() }
    }
}

/// The hook of a paused operation, which is called only while that is paused.
fn hook(release: &dyn Release) -> NonNull<dyn Release> {
    let hook: NonNull<dyn Release + '_> = NonNull::from(release);
    // SAFETY: only the lifetime changes. It is taken away when the pause ends.
    unsafe { mem::transmute::<NonNull<dyn Release + '_>, NonNull<dyn Release>>(hook) }
}

/// Pauses the job until it is resumed, once.
fn pause(this: NonNull<Operation>, operation: &Operation, ctx: Ctx, registration: &Registration) -> Paused {
    let added = ctx.added();
    let probe = if added == 0 && operation.doubts().get() >= DOUBTS { probe(ctx) } else { None };
    leave(this, operation, ctx, registration);
    let tells = added > 0 || probe.is_some();
    let has_paused = !tells || ctx.added() == 0;
    if let Some(probe) = probe {
        ctx.clear(probe_key());
        // SAFETY: made by `make`, and its context does not have it any more.
        drop(unsafe { Box::from_raw(probe.as_ptr()) });
    }
    operation.doubts().set(if tells { 0 } else { operation.doubts().get() + 1 });
    if !has_paused {
        return Paused::Refused;
    }
    operation.unseen().set(None);
    Paused::Resumed
}

/// Leaves the job, and comes back when it is resumed.
fn leave(this: NonNull<Operation>, operation: &Operation, ctx: Ctx, registration: &Registration) {
    registration.add(this);
    if let Some(watched) = registration.watched() {
        watched.pauses();
    }
    operation.paused(|| ctx.pause());
    if operation.is_given_up() {
        // The context, and what the frames here refer to, is gone: there is nothing to go back to.
        resumed_after_free();
    }
    if let Some(watched) = registration.watched() {
        watched.resumed();
    }
    registration.remove(this);
}

impl Counted {
    /// Pauses the job as often as it is to be resumed, and lets the device go on after the last time.
    fn pause(
        self,
        this: NonNull<Operation>,
        operation: &Operation,
        ctx: Ctx,
        registration: &Registration,
    ) -> Paused {
        for _ in 0..self.resumes {
            match ctx.callback() {
                Some((function, argument)) => {
                    callback::of(function, argument, registration.watched().cloned())();
                }
                None => registration.make_readable(),
            }
            // There is nothing to find out: where the job does not pause, the count ends all the same.
            operation.doubts().set(0);
            pause(this, operation, ctx, registration);
        }
        (self.run_device)();
        Paused::Resumed
    }
}

#[cold]
fn resumed_after_free() -> ! {
    conduct::resumed_after_free();
    // A panic of `eprintln!`, without a reader, would go on in the job.
    let _ = stderr().write_all(b"simaccel: a job was resumed after its wait context was freed\n");
    process::abort()
}

/// The key of the fd that is added for a probe.
fn probe_key() -> usize {
    static PROBE: u8 = 0;
    ptr::from_ref(&PROBE).addr()
}

/// Adds an fd, which the next pause will have counted. `None`: there is no fd, or no memory.
#[cold]
fn probe(ctx: Ctx) -> Option<NonNull<Registration>> {
    let fd = registration::never_readable()?;
    Registration::make(ctx, probe_key(), fd, None, None, None)
}

/// The wait context of an operation's job.
struct Visited<'o> {
    operation: &'o Operation,
    ctx: Ctx,
    /// Of a context whose fd is about to be registered.
    watched: RefCell<Option<Arc<Watched>>>,
}

impl Visited<'_> {
    /// Notes the registration that the operation will pause in.
    fn note(&self, registration: Option<NonNull<Registration>>) -> Option<NonNull<Registration>> {
        if registration.is_some() {
            self.operation.registration().set(registration);
        }
        registration
    }

    /// The same, of one that was made for this operation.
    fn note_new(&self, registration: Option<NonNull<Registration>>) {
        self.operation.unseen().set(self.note(registration));
    }
}

/// Notes the wakes of an fd.
#[derive(Debug)]
struct Wakes(Arc<Watched>);

impl WakeWatch for Wakes {
    fn waking(&self) {
        self.0.woken();
    }
}

impl WaitFds for Visited<'_> {
    fn find(&self, key: usize) -> Option<Rc<dyn Any>> {
        let registration = self.note(Registration::find(self.ctx, key))?;
        // SAFETY: its context has it, and the context is alive while the job runs.
        unsafe { registration.as_ref() }.data()
    }

    fn register(&self, key: usize, fd: OpenFd, data: Rc<dyn Any>, on_end: Box<dyn FnOnce()>) {
        counters::fd_opened();
        let on_end = Box::new(|| {
            on_end();
            counters::fd_closed();
        });
        let watched = self.watched.take();
        self.note_new(Registration::make(self.ctx, key, fd, Some(data), Some(on_end), watched));
    }

    fn wake_watch(&self) -> Option<Arc<dyn WakeWatch>> {
        let watched = Watched::begin(self.ctx.address());
        *self.watched.borrow_mut() = Some(Arc::clone(&watched));
        Some(Arc::new(Wakes(watched)))
    }
}

impl foreign::Ctx for Visited<'_> {
    fn callback(&self) -> Option<Callback> {
        let (function, argument) = self.ctx.callback()?;
        let (registration, is_new) = registration::of_end(self.ctx)?;
        if is_new {
            self.note_new(Some(registration));
        } else {
            self.note(Some(registration));
        }
        // SAFETY: its context has it, and the context is alive while the job runs.
        let watched = unsafe { registration.as_ref() }.watched().cloned();
        Some(callback::of(function, argument, watched))
    }

    fn has_callback(&self) -> bool {
        self.ctx.callback().is_some()
    }

    fn set_status(&self, status: WaitStatus) {
        self.ctx.set_status(number(status));
    }

    fn job_number(&self) -> u64 {
        // A provider is not polled. The engine asks once for each request that it is about to submit.
        counters::armed();
        0
    }
}

const fn number(status: WaitStatus) -> c_int {
    match status {
        WaitStatus::Unsupported => status::UNSUPPORTED,
        WaitStatus::Err => status::ERR,
        WaitStatus::Ok => status::OK,
        WaitStatus::Eagain => status::EAGAIN,
        WaitStatus::Other(number) => number,
    }
}
