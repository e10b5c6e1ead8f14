//! Jobs or futures in flight on one thread: the application's side of the pause and wake cycle.
//!
//! ```text
//!   start(slot, work) ────────────► Job::resume ──┬─► Paused ───► the mode watches the job's wait context
//!   start_future(slot, future) ──► Future::poll ──┤
//!                                       ▲         └─► Finished ─► pop_finished() returns (slot, result)
//!                                       │
//!                                resume_ready(), some at a time
//!                                       ▲
//!   wait() ── the mode says which may go on: by fd, by callback, by token, by waker
//! ```
//!
//! Modes with one operation at a time run the work where it is started; the rest of the program sees no
//! difference.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use simaccel::{Engine, Error, Job, Step, WaitCtx};

use crate::args::Mode;
use crate::clock::Clock;
use crate::failure::Failure;
use crate::limits;
use crate::modes::{self, Wakes};
use crate::trace::{Wait, Waiting};

/// What is in flight on a slot.
enum Flight<T: 'static> {
    Job(Job<T>),
    Future(Pin<Box<dyn Future<Output = T>>>),
}

/// What is in flight, one per slot.
pub(crate) struct Runner<T: 'static> {
    /// Declared before the contexts: a job is dropped before the context that it waits on.
    slots: Vec<Option<Flight<T>>>,
    /// One for each slot with jobs.
    contexts: Vec<WaitCtx>,
    /// One for each slot with futures.
    wakers: Vec<Waker>,
    /// How what waits is woken; `None`: one is in flight at a time.
    wakes: Option<Box<dyn Wakes>>,
    /// What the mode has said last; empty between two waits.
    woken: Vec<usize>,
    /// The slots of jobs that may go on, and were not resumed yet.
    ready: VecDeque<usize>,
    finished: VecDeque<(usize, T)>,
    /// The clock by which waits are timed, if they are, and the last one.
    pub(crate) timed_by: Option<Clock>,
    pub(crate) last_wait: Option<Wait>,
}

impl<T: 'static> Runner<T> {
    /// A runner of up to `jobs` jobs or futures, all woken in the way of `mode`.
    pub(crate) fn new(mode: Mode, engine: &Engine, jobs: usize) -> Result<Self, Failure> {
        let mut runner = Self {
            slots: Vec::new(),
            contexts: Vec::new(),
            wakers: Vec::new(),
            wakes: modes::wakes(mode, engine)?,
            woken: Vec::new(),
            ready: VecDeque::new(),
            finished: VecDeque::new(),
            timed_by: None,
            last_wait: None,
        };
        if let Some(wakes) = &mut runner.wakes {
            runner.slots.resize_with(jobs, || None);
            runner.wakers = (0..jobs).map_while(|slot| wakes.waker(slot)).collect();
        }
        if let (Some(wakes), true) = (&mut runner.wakes, mode.has_jobs()) {
            limits::make_stacks(jobs, limits::REST_OF_A_THREAD)?;
            runner.contexts.resize_with(jobs, WaitCtx::new);
            runner.contexts.iter().enumerate().for_each(|(index, ctx)| wakes.attach(index, ctx));
        }
        Ok(runner)
    }

    /// Runs `work` in a job on `slot`, until it pauses or finishes.
    pub(crate) fn start(&mut self, slot: usize, work: impl FnOnce() -> T + 'static) -> Result<(), Failure> {
        if self.wakes.is_none() {
            self.finished.push_back((slot, work()));
            return Ok(());
        }
        let ctx = &self.contexts[slot];
        let mut job = Job::new(ctx, work).map_err(Failure::engine)?;
        job.set_token(slot as u64);
        self.slots[slot] = Some(Flight::Job(job));
        self.resume(slot)
    }

    /// Whether operations are awaited: then they are futures, not work.
    pub(crate) const fn awaits(&self) -> bool {
        !self.wakers.is_empty()
    }

    /// Polls a future on `slot`, and again whenever it is woken.
    pub(crate) fn start_future(
        &mut self,
        slot: usize,
        future: impl Future<Output = T> + 'static,
    ) -> Result<(), Failure> {
        self.slots[slot] = Some(Flight::Future(Box::pin(future)));
        self.resume(slot)
    }

    /// Waits until some job may go on, or at most for a time. Without a time call it only while a job is in
    /// flight, none has finished, and none is known to be ready.
    pub(crate) fn wait(&mut self, most: Option<Duration>) -> Result<(), Failure> {
        let Some(wakes) = &mut self.wakes else { return Ok(()) };
        let waiting = self.timed_by.as_ref().map(Waiting::begin);
        wakes.wait(&mut self.woken, most)?;
        self.last_wait = waiting.zip(self.timed_by.as_ref()).map(|(waiting, clock)| waiting.end(clock));
        self.ready.extend(self.woken.drain(..));
        Ok(())
    }

    /// Resumes up to so many of the jobs that may go on.
    pub(crate) fn resume_ready(&mut self, most: usize) -> Result<(), Failure> {
        for _ in 0..most {
            let Some(slot) = self.ready.pop_front() else { break };
            self.resume(slot)?;
        }
        Ok(())
    }

    /// How many jobs may go on that were not resumed yet.
    pub(crate) fn ready(&self) -> usize {
        self.ready.len()
    }

    /// Whether there is a result that was not taken yet.
    pub(crate) fn has_finished(&self) -> bool {
        !self.finished.is_empty()
    }

    /// Whether many are in flight at once; otherwise they block the thread that starts them.
    pub(crate) const fn has_many(&self) -> bool {
        self.wakes.is_some()
    }

    /// Whether there is a job on `slot` that has not ended.
    pub(crate) fn is_paused(&self, slot: usize) -> bool {
        self.slots.get(slot).is_some_and(Option::is_some)
    }

    /// The oldest result that was not taken yet.
    pub(crate) fn pop_finished(&mut self) -> Option<(usize, T)> {
        self.finished.pop_front()
    }

    /// Resumes what is on `slot`. A wake that came after that had finished finds nothing, which is no error.
    fn resume(&mut self, slot: usize) -> Result<(), Failure> {
        let Some(flight) = self.slots.get_mut(slot).and_then(Option::as_mut) else { return Ok(()) };
        let step = match flight {
            Flight::Job(job) => job.resume().map_err(|misuse| Failure::engine(Error::from(misuse)))?,
            Flight::Future(future) => {
                match future.as_mut().poll(&mut Context::from_waker(&self.wakers[slot])) {
                    Poll::Ready(result) => Step::Finished(result),
                    Poll::Pending => Step::Paused,
                }
            }
        };
        match step {
            Step::Paused => {
                if let Some(wakes) = &mut self.wakes {
                    wakes.paused(slot, self.contexts.get(slot))?;
                }
            }
            Step::Finished(result) => {
                self.slots[slot] = None;
                self.finished.push_back((slot, result));
            }
        }
        Ok(())
    }
}
