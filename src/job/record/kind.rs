//! Kinds of jobs: what differs between a closure of some type and a raw job, and the root of the fibers of a
//! kind.
#![expect(unsafe_code, reason = "runs what a record says is its work, and leaves the fiber")]

use std::any::Any;
use std::convert::Infallible;
use std::ffi::c_void;
use std::ptr::NonNull;

use super::{Record, State, Unusual};
use crate::job::fiber;
use crate::job::front::Front;

/// The code that runs for a kind of job.
pub(in crate::job) trait Body: 'static {
    /// Runs the job, and catches its panic.
    ///
    /// # Safety
    ///
    /// The record's work is of this kind, and has not run yet.
    unsafe fn run(record: &Record) -> Result<(), Panic>;
}

/// A kind of job, for code that cannot name its types.
#[derive(Debug)]
pub(in crate::job) struct Kind {
    /// For reports: the type of the closure, or that it is a raw job.
    pub(in crate::job) name: fn() -> &'static str,
    /// Whether a handle drives it, and it may be discarded.
    pub(in crate::job) raw: bool,
    /// The fiber's root: [`serve`] for this kind; `None`: there is no fiber.
    pub(in crate::job) root: Option<Root>,
    /// Drops the arguments of a job that was never resumed.
    pub(in crate::job) drop_unstarted: unsafe fn(*mut c_void),
    /// Drops a result that no caller waits for.
    pub(in crate::job) drop_result: unsafe fn(*mut c_void),
}

pub(in crate::job) type Root = fn(NonNull<Record>) -> Infallible;

/// A panic on its way to the resumer.
pub(in crate::job) type Panic = Box<dyn Any + Send>;

/// The root of every fiber: runs a job, leaves with its outcome, and runs the next job of its kind when it is
/// entered again.
pub(in crate::job) fn serve<B: Body>(record: NonNull<Record>) -> Infallible {
    // SAFETY: the record lies above the fiber on the same stack and outlives it.
    let record = unsafe { record.as_ref() };
    loop {
        // SAFETY: the fiber is entered once for each prepared work, and the work is of this kind.
        if let Err(payload) = unsafe { B::run(record) } {
            record.panic.set(Some(payload));
            record.unusual.add(Unusual::PANICKED);
        }
        // The front is found here, and not through the record: see `x86_64.rs` on what waits for what.
        let front = Front::here();
        let runs_here = front.turn.fiber() == &raw const record.fiber;
        // Otherwise the thread has ended while the job ran.
        let turn = if runs_here { &front.turn } else { &record.pool().front.turn };
        // SAFETY: this is the running job.
        unsafe { record.leave(turn, State::Finished) };
    }
}

/// The kind of raw jobs.
pub(super) struct Raw;

impl Body for Raw {
    #[inline]
    unsafe fn run(record: &Record) -> Result<(), Panic> {
        let (func, args) = record.call.get();
        // SAFETY: the caller of `start` promised that the function may be called with a copy of its
        // arguments.
        record.ret.set(unsafe { fiber::call(func, args) }?);
        Ok(())
    }
}

unsafe fn nothing(_: *mut c_void) {}

pub(in crate::job) static RAW: Kind = Kind {
    name: || "raw job",
    raw: true,
    root: Some(serve::<Raw>),
    drop_unstarted: nothing,
    drop_result: nothing,
};

/// The kind of a record that has had no job yet, or whose last job was discarded.
pub(super) static NONE: Kind = Kind { raw: false, root: None, ..RAW };
