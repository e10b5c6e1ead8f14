//! The ways of waiting: each runs all operations to their end and resumes only jobs that were woken.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use simaccel::{Engine, Job, Step, WaitCtx, WaitFd};

use super::outcome::{Outcome, Work};
use super::work;

/// How the end of an operation is announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Fd,
    Callback,
    Block,
    Poll,
}

impl Way {
    pub(crate) const ALL: [Self; 4] = [Self::Fd, Self::Callback, Self::Block, Self::Poll];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Fd => "job, wake fd",
            Self::Callback => "job, callback",
            Self::Block => "blocking caller",
            Self::Poll => "job, polling",
        }
    }
}

/// A job, and what wakes it.
struct Waiting {
    job: Option<Job<Outcome>>,
    ctx: WaitCtx,
    calls: Arc<AtomicU64>,
    handled: u64,
    called: bool,
    outcome: Option<Outcome>,
}

/// Runs everything; the outcomes are in the order of the operations.
pub(crate) fn run(engine: &Engine, way: Way) -> Vec<Outcome> {
    let few = !engine.device().is_stepped();
    let work = work::all(engine, few);
    if way == Way::Block {
        return work.into_iter().map(|work| work()).collect();
    }
    let mut jobs: Vec<Waiting> =
        work.into_iter().enumerate().map(|(at, work)| Waiting::new(at, work, way)).collect();
    jobs.iter_mut().for_each(Waiting::resume);
    while jobs.iter().any(|waiting| waiting.outcome.is_none()) {
        if way == Way::Poll {
            hand_out(engine, &mut jobs);
        }
        let mut told = false;
        for waiting in &mut jobs {
            if waiting.outcome.is_none() && waiting.is_told(way) {
                waiting.resume();
                told = true;
            }
        }
        assert!(told || engine.device().step(), "{way:?}: a job waits, and nothing happens any more");
    }
    for waiting in &jobs {
        assert!(way == Way::Poll || !any_readable(&waiting.ctx.all_fds()), "{way:?}: a wake is left behind");
    }
    jobs.into_iter().filter_map(|waiting| waiting.outcome).collect()
}

/// As an event loop does: polls when the interrupt says so.
fn hand_out(engine: &Engine, jobs: &mut [Waiting]) {
    let Ok(fd) = engine.interrupt_fd() else { return };
    // The first poll tells the engine that this thread will sleep on the interrupt.
    if any_readable(&[fd]) || engine.stats().polled == 0 {
        let polled = engine.poll(100, |token| {
            let at = usize::try_from(token).unwrap();
            assert!(!std::mem::replace(&mut jobs[at].called, true), "token {token} was handed out twice");
        });
        polled.unwrap();
    }
}

impl Waiting {
    fn new(at: usize, work: Work, way: Way) -> Self {
        let ctx = WaitCtx::new();
        let calls = Arc::new(AtomicU64::new(0));
        if way == Way::Callback {
            let calls = Arc::clone(&calls);
            ctx.set_callback(Some(Arc::new(move || {
                calls.fetch_add(1, Ordering::Relaxed);
            })));
        }
        let mut job = Job::new(&ctx, work).unwrap();
        job.set_token(at as u64);
        Self { job: Some(job), ctx, calls, handled: 0, called: false, outcome: None }
    }

    fn is_told(&self, way: Way) -> bool {
        match way {
            Way::Fd => any_readable(&self.ctx.all_fds()),
            Way::Callback => self.calls.load(Ordering::Relaxed) > self.handled,
            Way::Poll => self.called,
            Way::Block => false,
        }
    }

    fn resume(&mut self) {
        self.handled = self.calls.load(Ordering::Relaxed);
        self.called = false;
        let Some(job) = &mut self.job else { return };
        if let Step::Finished(outcome) = job.resume().unwrap() {
            self.outcome = Some(outcome);
            self.job = None;
        }
    }
}

fn any_readable(fds: &[WaitFd]) -> bool {
    let mut polled: Vec<PollFd<'_>> =
        fds.iter().map(|fd| PollFd::new(fd.as_fd(), PollFlags::POLLIN)).collect();
    poll(&mut polled, PollTimeout::ZERO).unwrap() > 0
}
