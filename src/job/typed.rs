//! The layout of a closure and its result in a job: in place of a raw job's arguments, one after the other.
#![expect(unsafe_code, reason = "moves closures and results in and out of a job's stack by type")]

use std::alloc::{self, Layout};
use std::ffi::c_void;
use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};
use std::thread;

use super::fiber::Signal;
use super::front::Front;
use super::misuse::{Misuse, NoJobs};
use super::pool::Pool;
use super::record::{Body, Kind, Panic, Record, State, Switched, serve};
use super::strict::{self, Rule, Suspect};
use super::{Step, WaitCtx};
use crate::words::read;
use std::marker::PhantomData;
use std::panic::{self, AssertUnwindSafe, Location};

/// A typed job that has not finished. This is its only owner.
pub(super) struct Live<T> {
    record: NonNull<Record>,
    result: PhantomData<T>,
}

/// The closure until the job begins, and the result when it has ended.
#[repr(C)]
union Storage<F, T> {
    closure: ManuallyDrop<F>,
    result: ManuallyDrop<T>,
}

struct Typed<F, T>(PhantomData<(F, T)>);

impl<T: 'static> Live<T> {
    /// Creates a job that will run `f`.
    #[inline]
    pub(super) fn new<F>(ctx: Option<&WaitCtx>, f: F) -> Result<Self, NoJobs>
    where
        F: FnOnce() -> T + 'static,
    {
        let record = Pool::here_and_ready().ok_or(NoJobs::ThreadEnded)?.claim(ctx)?;
        let layout = Layout::new::<Storage<F, T>>();
        let Some(args) = record.prepare(&Typed::<F, T>::KIND, layout) else {
            alloc::handle_alloc_error(layout)
        };
        let f = ManuallyDrop::new(f);
        // SAFETY: the place is for this layout and no other, and `f` is not used again.
        unsafe { args.cast::<F>().write(read(ptr::from_ref(&f).cast::<F>())) };
        Ok(Self { record: NonNull::from(record), result: PhantomData })
    }

    #[inline]
    pub(super) fn record(&self) -> &Record {
        // SAFETY: a stack stays mapped until its job is put back, which is the last thing this type does, and
        // the record lies on the stack.
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
        let front = Front::here();
        let switched = if front.is_fast_path() {
            front.counters.resumes.bump();
            record.enter_from_outside(front, Signal::Continue)
        } else {
            this.resume_slow(front, Location::caller())?
        };
        match switched {
            Switched::Paused => {
                front.counters.pauses.bump();
                Ok(Step::Paused)
            }
            Switched::Finished => {
                let this = live.take().ok_or(Misuse::Finished)?;
                Ok(Step::Finished(this.finish()))
            }
        }
    }

    /// Runs the job from within another job or itself, or after something that has to be handled first.
    #[cold]
    fn resume_slow(&self, front: &Front, location: &'static Location<'static>) -> Result<Switched, Misuse> {
        let record = self.record();
        if record.state.get() == State::Running {
            strict::report(Rule::JobIsRunning, Suspect::of(record), ("Job::resume", Some(location)));
            return Err(Misuse::Running);
        }
        front.ready()?;
        front.counters.resumes.bump();
        Ok(record.enter(front, Signal::Continue))
    }

    /// Ends a job whose owner was dropped.
    pub(super) fn abandon(self) {
        self.record().pool().abandon(self.record());
    }

    /// Takes the outcome of a job that has ended.
    #[inline(always)] // returns its result in registers
    fn finish(self) -> T {
        let (record, pool) = (self.record(), self.record().pool());
        pool.front.counters.finished.bump();
        if !record.is_plain() || !pool.can_put_back_fast(record) {
            return self.finish_slow();
        }
        pool.put_back_fast(record);
        // SAFETY: the job has returned, so its result lies here, and this is the only time that it is taken.
        // Its stack is idle and unchanged: the next job has not begun.
        unsafe { read(record.base().cast::<T>().as_ptr()) }
    }

    #[cold]
    fn finish_slow(self) -> T {
        let (record, pool) = (self.record(), self.record().pool());
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
    unsafe fn run(record: &Record) -> Result<(), Panic> {
        let args = record.args_of(Layout::new::<Storage<F, T>>());
        // The closure is moved here and not before `catch_unwind`: unoptimised code would keep each copy of
        // it on the stack.
        panic::catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: the closure lies here until the job begins, which is now, and once.
            let closure = unsafe { read(args.cast::<F>().as_ptr()) };
            let result = closure();
            // SAFETY: the place is large enough for either, and the closure has left it.
            unsafe { args.cast::<T>().write(result) };
        }))
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
