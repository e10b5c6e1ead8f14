//! Jobs in flight on one thread: the application's side of the pause and wake cycle.
//!
//! ```text
//!   start(slot, work) ──► Job::resume ──┬─► Paused ───► the mode watches the job's wait context
//!                             ▲         └─► Finished ─► pop_finished() returns (slot, result)
//!                             │
//!   wait() ── the mode says which job may go on: by fd, by callback, by token
//! ```
//!
//! Modes without jobs run the work where it is started; the rest of the program sees no difference.

use std::collections::VecDeque;
use std::time::Duration;

use simaccel::job::{self, PoolConfig};
use simaccel::{Engine, Error, Job, Step, WaitCtx};

use crate::args::Mode;
use crate::clock::Clock;
use crate::failure::Failure;
use crate::limits;
use crate::modes::{self, Ready, Wakes};
use crate::trace::{Wait, Waiting};

/// Jobs in flight, one per slot.
pub(crate) struct Runner<T: 'static> {
    /// Declared before the contexts: a job is dropped before the context that it waits on.
    slots: Vec<Option<Job<T>>>,
    contexts: Vec<WaitCtx>,
    /// How paused jobs are woken; `None`: there are no jobs.
    wakes: Option<Box<dyn Wakes>>,
    ready: Vec<Ready>,
    finished: VecDeque<(usize, T)>,
    /// The clock by which waits are timed, if they are, and the last one.
    pub(crate) timed_by: Option<Clock>,
    pub(crate) last_wait: Option<Wait>,
}

impl<T: 'static> Runner<T> {
    /// A runner of up to `jobs` jobs, all woken in the way of `mode`.
    pub(crate) fn new(mode: Mode, engine: &Engine, jobs: usize) -> Result<Self, Failure> {
        let mut runner = Self {
            slots: Vec::new(),
            contexts: Vec::new(),
            wakes: modes::wakes(mode, engine)?,
            ready: Vec::new(),
            finished: VecDeque::new(),
            timed_by: None,
            last_wait: None,
        };
        if let Some(wakes) = &mut runner.wakes {
            let contexts = if wakes.needs_fds() { limits::contexts_for(jobs)? } else { jobs };
            runner.slots.resize_with(jobs, || None);
            runner.contexts.resize_with(contexts, WaitCtx::new);
            runner.contexts.iter().enumerate().for_each(|(index, ctx)| wakes.attach(index, ctx));
            // Idle jobs keep their stacks, so no operation of a run maps one.
            let pool = PoolConfig { max_jobs: jobs, ..PoolConfig::default() };
            job::init_thread(pool).map_err(|error| Failure::Run(error.to_string()))?;
        }
        Ok(runner)
    }

    /// Runs `work` in a job on `slot`, until it pauses or finishes.
    pub(crate) fn start(&mut self, slot: usize, work: impl FnOnce() -> T + 'static) -> Result<(), Failure> {
        if self.wakes.is_none() {
            self.finished.push_back((slot, work()));
            return Ok(());
        }
        let ctx = &self.contexts[slot % self.contexts.len()];
        let mut job = Job::new(ctx, work).map_err(Failure::engine)?;
        job.set_token(slot as u64);
        self.slots[slot] = Some(job);
        self.resume(slot)
    }

    /// Resumes what is ready. Waits for it until something is, or at most for a time. Without a time call it
    /// only while a job is in flight and none has finished.
    pub(crate) fn wait(&mut self, most: Option<Duration>) -> Result<(), Failure> {
        let Some(wakes) = &mut self.wakes else { return Ok(()) };
        let mut ready = std::mem::take(&mut self.ready);
        let waiting = self.timed_by.as_ref().map(Waiting::begin);
        wakes.wait(&mut ready, most)?;
        self.last_wait = waiting.zip(self.timed_by.as_ref()).map(|(waiting, clock)| waiting.end(clock));
        for wake in ready.drain(..) {
            match wake {
                Ready::Slot(slot) => self.resume(slot)?,
                // Several jobs may share a context, and the wake does not name one: all are resumed.
                Ready::Context(index) => {
                    for slot in (index..self.slots.len()).step_by(self.contexts.len()) {
                        self.resume(slot)?;
                    }
                }
            }
        }
        self.ready = ready;
        Ok(())
    }

    /// Whether operations run in jobs; otherwise they block the thread that starts them.
    pub(crate) const fn has_jobs(&self) -> bool {
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

    /// Resumes the job on `slot`. A wake that came after its job had finished finds none, which is no error.
    fn resume(&mut self, slot: usize) -> Result<(), Failure> {
        let Some(job) = self.slots.get_mut(slot).and_then(Option::as_mut) else { return Ok(()) };
        match job.resume().map_err(|misuse| Failure::engine(Error::from(misuse)))? {
            Step::Paused => {
                let index = slot % self.contexts.len();
                if let Some(wakes) = &mut self.wakes {
                    wakes.paused(index, &self.contexts[index])?;
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
