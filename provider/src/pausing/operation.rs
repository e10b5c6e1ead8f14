//! One operation on its way: what it refers to, and what is known of its job.
#![expect(unsafe_code, reason = "an operation is dropped by its frame, or by the end of its wait context")]

use std::cell::Cell;
use std::fmt;
use std::ptr::NonNull;

use simaccel::foreign::Release;

use super::deep;
use super::registration::Registration;
use crate::counters::{self, Row, Synchronous};
use crate::ossl::jobs::{Ctx, Jobs};

thread_local! {
    /// The operation of the code that runs here. It has no destructor, so it can always be read.
    static CURRENT: Cell<Option<NonNull<Operation>>> = const { Cell::new(None) };
    /// Whether work of the provider runs on the stack of a job, outside of any operation.
    static IN_JOB: Cell<bool> = const { Cell::new(false) };
}

/// One operation. It lies on the heap, ahead of what it refers to, and stays there until it ends.
pub(crate) struct Operation {
    jobs: Option<&'static Jobs>,
    /// The wait context of its job, or why it does not pause.
    ctx: Result<Ctx, Synchronous>,
    /// What its wait context has of us.
    registration: Cell<Option<NonNull<Registration>>>,
    /// The same, while the application has not seen it: it was made for this operation, which has not paused.
    unseen: Cell<Option<NonNull<Registration>>>,
    /// What gives its request up, while it is paused.
    hook: Cell<Option<NonNull<dyn Release>>>,
    /// How many pauses in a row may have been none.
    doubts: Cell<u32>,
    /// Whether the context has ended while it was paused.
    is_given_up: Cell<bool>,
    /// Drops what it refers to.
    drop_held: unsafe fn(NonNull<Self>),
}

/// An operation, and what it refers to.
#[repr(C)]
struct With<H> {
    operation: Operation,
    held: Option<H>,
}

impl Operation {
    fn new(
        jobs: Option<&'static Jobs>,
        allowed: Result<(), Synchronous>,
        drop_held: unsafe fn(NonNull<Self>),
    ) -> Self {
        let ctx =
            jobs.ok_or(Synchronous::NoAsync).and_then(|jobs| jobs.current_ctx().ok_or(Synchronous::NoJob));
        let ctx = ctx.and_then(|ctx| allowed.map(|()| ctx));
        Self {
            jobs,
            ctx,
            registration: Cell::new(None),
            unseen: Cell::new(None),
            hook: Cell::new(None),
            doubts: Cell::new(0),
            is_given_up: Cell::new(false),
            drop_held,
        }
    }

    /// The wait context, if the operation may pause its job.
    pub(super) const fn ctx(&self) -> Option<Ctx> {
        match self.ctx {
            Ok(ctx) => Some(ctx),
            Err(_) => None,
        }
    }

    pub(super) const fn registration(&self) -> &Cell<Option<NonNull<Registration>>> {
        &self.registration
    }

    pub(super) const fn unseen(&self) -> &Cell<Option<NonNull<Registration>>> {
        &self.unseen
    }

    pub(super) const fn hook(&self) -> &Cell<Option<NonNull<dyn Release>>> {
        &self.hook
    }

    pub(super) const fn doubts(&self) -> &Cell<u32> {
        &self.doubts
    }

    pub(super) fn is_given_up(&self) -> bool {
        self.is_given_up.get()
    }

    /// The operation of the code that runs here.
    pub(super) fn current() -> Option<NonNull<Self>> {
        CURRENT.get()
    }

    /// Runs `body` with the operation of the code that runs here.
    pub(super) fn with_current<R>(body: impl FnOnce(&Self) -> R) -> Option<R> {
        // SAFETY: the operation of the running code is set by its frame, which has not ended.
        CURRENT.get().map(|operation| body(unsafe { operation.as_ref() }))
    }

    /// Runs `body` as code outside of this operation, which is paused meanwhile.
    pub(super) fn paused(&self, body: impl FnOnce()) {
        let here = CURRENT.replace(None);
        let in_job = IN_JOB.replace(false);
        body();
        CURRENT.set(here);
        IN_JOB.set(in_job);
    }

    /// Takes an fd back that the application was never told of, because the operation has ended without a
    /// pause. An application that finds it in the context, by asking for all of its fds, does not know it:
    /// HAProxy ends with a failed assertion.
    fn withdraw(&self) {
        if let (Some(registration), Some(ctx)) = (self.unseen.take(), self.ctx()) {
            self.registration.set(None);
            // SAFETY: made for this operation in this context, which is alive while the job runs.
            unsafe { Registration::withdraw(ctx, registration) };
        }
    }

    /// The wait context has ended while this was paused: gives the request up, and drops what it refers to.
    /// The operation itself stays, so that a job that is resumed all the same finds it.
    ///
    /// # Safety
    ///
    /// It is paused, and its frames do not run any more.
    pub(super) unsafe fn give_up(operation: NonNull<Self>) {
        // SAFETY: it lies where it was, and nothing frees it.
        let this = unsafe { operation.as_ref() };
        this.is_given_up.set(true);
        if let Some(hook) = this.hook.take() {
            // SAFETY: it lies in a frame of the paused job, which libcrypto keeps.
            unsafe { hook.as_ref() }.release();
        }
        // SAFETY: the caller's promise, and the request that has used it was given up.
        unsafe { (this.drop_held)(operation) };
    }
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation").field("ctx", &self.ctx).finish_non_exhaustive()
    }
}

/// # Safety
///
/// `operation` is the head of a [`With<H>`], and no code uses what it holds any more.
unsafe fn drop_held<H>(operation: NonNull<Operation>) {
    let with = operation.cast::<With<H>>().as_ptr();
    // SAFETY: the caller's promise; the operation is first in it.
    drop(unsafe { (&raw mut (*with).held).replace(None) });
}

/// Runs `body`, which does one operation of the engine, with what that refers to; gives both back.
///
/// `allowed`: whether the operation may pause its job. It is counted in a row, with bytes. Nothing else may
/// be owned by the frames of the caller: see the head of [`pausing`](super).
#[cfg_attr(not(debug_assertions), inline)]
pub(crate) fn run<H, R>(
    jobs: Option<&'static Jobs>,
    allowed: Result<(), Synchronous>,
    (row, bytes): (Row, usize),
    held: H,
    body: impl FnOnce(&mut H) -> R,
) -> (H, R) {
    let mut counted = counters::Operation::begin(row, bytes);
    let operation = Operation::new(jobs, allowed, drop_held::<H>);
    if let Err(reason) = operation.ctx {
        counted.not_pausing(reason);
    }
    let with = Running::begin(Box::new(With { operation, held: Some(held) }));
    // SAFETY: this frame's, and only the end of the wait context, after which this frame does not run, uses
    // it elsewhere.
    let held = unsafe { (*with.with.as_ptr()).held.as_mut() };
    let result = body(held.expect("held until it ends"));
    (with.end(), result)
}

/// An operation whose frame is there.
struct Running<H> {
    with: NonNull<With<H>>,
    before: Option<NonNull<Operation>>,
}

impl<H> Running<H> {
    fn begin(with: Box<With<H>>) -> Self {
        let with = NonNull::from(Box::leak(with));
        Self { with, before: CURRENT.replace(Some(with.cast())) }
    }

    fn end(self) -> H {
        // SAFETY: made from a box by `begin`, whose drop frees it.
        let with = unsafe { &mut *self.with.as_ptr() };
        with.operation.withdraw();
        with.held.take().expect("held until it ends")
    }
}

impl<H> Drop for Running<H> {
    fn drop(&mut self) {
        CURRENT.set(self.before);
        // SAFETY: made from a box by `begin`, and the frame that has used it ends.
        drop(unsafe { Box::from_raw(self.with.as_ptr()) });
    }
}

/// Runs `work` of the provider that is no operation. What is deep in it leaves the stack of a job, by way of
/// [`on_deep_stack`].
pub(crate) fn apart<R>(jobs: Option<&'static Jobs>, work: impl FnOnce() -> R) -> R {
    let is_in_job = jobs.is_some_and(|jobs| !jobs.current().is_null());
    let before = IN_JOB.replace(is_in_job);
    let reset = Reset(before);
    let result = work();
    drop(reset);
    result
}

/// Runs `work`, which pauses nothing, on the thread's deep stack if the code here runs on that of a job.
pub(crate) fn on_deep_stack<R>(work: impl FnOnce() -> R) -> R {
    if is_in_job() { on_own_stack(work) } else { work() }
}

/// Runs `work`, which pauses nothing and is deeper than the stack of a thread may be, on the thread's deep
/// stack.
pub(crate) fn on_own_stack<R>(work: impl FnOnce() -> R) -> R {
    let (mut work, mut result) = (Some(work), None);
    deep::run(&mut || result = work.take().map(|work| work()));
    result.expect("it has run")
}

struct Reset(bool);

impl Drop for Reset {
    fn drop(&mut self) {
        IN_JOB.set(self.0);
    }
}

/// Whether the code here runs on the stack of a job.
pub(super) fn is_in_job() -> bool {
    IN_JOB.get()
        || Operation::with_current(|operation| operation.jobs.is_some_and(|jobs| !jobs.current().is_null()))
            == Some(true)
}
