//! How a closure and its result lie in a job: in place of the arguments of a raw job, one after the other.
#![expect(unsafe_code, reason = "moves closures and results in and out of a job's stack by type")]

use std::alloc::{self, Layout};
use std::ffi::c_void;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::thread;

use super::fiber::Signal;
use super::misuse::{Misuse, NoJobs};
use super::pool::Pool;
use super::record::{Body, Kind, Record, State, Switched, serve};
use super::strict::{self, Rule, Suspect};
use super::{Step, WaitCtx};
use std::marker::PhantomData;
use std::panic::{self, Location};

/// A typed job that has not finished. Whoever holds it is its only owner.
pub(super) struct Live<T> {
    record: NonNull<Record>,
    result: PhantomData<T>,
}

/// Where the closure lies until the job begins, and the result when it has ended.
#[repr(C)]
union Storage<F, T> {
    closure: ManuallyDrop<F>,
    result: ManuallyDrop<T>,
}

struct Typed<F, T>(PhantomData<(F, T)>);

impl<T: 'static> Live<T> {
    /// A job that will run `f`.
    #[inline]
    pub(super) fn new<F>(ctx: Option<&WaitCtx>, f: F) -> Result<Self, NoJobs>
    where
        F: FnOnce() -> T + 'static,
    {
        let record = Pool::here().ok_or(NoJobs::ThreadEnded)?.claim(ctx)?;
        let layout = Layout::new::<Storage<F, T>>();
        let Some(args) = record.prepare(&Typed::<F, T>::KIND, layout) else {
            alloc::handle_alloc_error(layout)
        };
        // SAFETY: the place is for this layout and nobody else's.
        unsafe { args.cast::<F>().write(f) };
        Ok(Self { record: NonNull::from(record), result: PhantomData })
    }

    #[inline]
    pub(super) fn record(&self) -> &Record {
        // SAFETY: an unfinished job's stack stays mapped, and the record lies on it.
        unsafe { self.record.as_ref() }
    }

    /// Runs the job until it pauses or ends. `Ok(Finished)` consumes `live`, and so does a panic in the job.
    #[inline(always)] // see fiber.rs on returns
    #[track_caller]
    pub(super) fn resume(live: &mut Option<Self>) -> Result<Step<T>, Misuse> {
        let Some(this) = live else { return Err(Misuse::Finished) };
        let record = this.record();
        if thread::panicking() {
            return Err(Misuse::Panicking);
        }
        let Some(pool) = Pool::existing() else { return Err(Misuse::ThreadEnded) };
        // Outside of jobs none is running.
        if pool.running().is_some() && record.state.get() == State::Running {
            let call = ("Job::resume", Some(Location::caller()));
            strict::report(Rule::JobIsRunning, Suspect::of(record), call);
            return Err(Misuse::Running);
        }
        pool.ready_to_enter(record)?;
        pool.counters.resumes.bump();
        match record.enter_after_hooks(pool, Signal::Continue) {
            Switched::Paused => {
                pool.counters.pauses.bump();
                Ok(Step::Paused)
            }
            Switched::Finished => {
                let this = live.take().ok_or(Misuse::Finished)?;
                Ok(Step::Finished(this.finish(pool)))
            }
        }
    }

    /// Ends a job that nobody wants any more.
    pub(super) fn abandon(self) {
        self.record().pool().abandon(self.record());
    }

    /// Takes the outcome of a job that has ended.
    #[inline]
    fn finish(self, pool: &Pool) -> T {
        let record = self.record();
        pool.counters.finished.bump();
        if !record.has_plain_result() {
            return self.finish_slow(pool);
        }
        // SAFETY: the job has returned, so its result lies here, and this is the only time that it is taken.
        let result = unsafe { record.args_of(Layout::new::<()>()).cast::<T>().read() };
        pool.put_back(record);
        pool.run_deferred();
        result
    }

    #[cold]
    fn finish_slow(self, pool: &Pool) -> T {
        let record = self.record();
        let outcome = match record.take_panic() {
            Some(payload) => Err(payload),
            // SAFETY: as in `finish`.
            None => Ok(unsafe { record.args().cast::<T>().read() }),
        };
        record.free_args();
        pool.put_back(record);
        pool.run_deferred();
        outcome.unwrap_or_else(|payload| panic::resume_unwind(payload))
    }
}

impl<F: FnOnce() -> T + 'static, T: 'static> Body for Typed<F, T> {
    #[inline]
    unsafe fn run(record: &Record) {
        let args = record.args_of(Layout::new::<Storage<F, T>>());
        // SAFETY: the closure lies here until the job begins, which is now, and once.
        let closure = unsafe { args.cast::<F>().read() };
        let result = closure();
        // SAFETY: the place is large enough for either, and the closure has left it.
        unsafe { args.cast::<T>().write(result) };
    }
}

impl<F: FnOnce() -> T + 'static, T: 'static> Typed<F, T> {
    const KIND: Kind = Kind {
        name: std::any::type_name::<F>,
        raw: false,
        root: Some(serve::<Self>),
        drop_unstarted: Self::drop_unstarted,
        drop_result: Self::drop_result,
    };

    unsafe fn drop_unstarted(args: *mut c_void) {
        // SAFETY: the caller knows that the job has not begun, so the closure is still here.
        unsafe { args.cast::<F>().drop_in_place() };
    }

    unsafe fn drop_result(args: *mut c_void) {
        // SAFETY: the caller knows that the job has returned, so its result lies here.
        unsafe { args.cast::<T>().drop_in_place() };
    }
}
