//! The cost of a job alone: start, pause, resume, finish; one pause and resume. One thread, its processor
//! time.

use simaccel::{Job, Step, WaitCtx, job};

use super::{Figure, Run};
use crate::harness::{Outcome, Side, by_cpu, contest};
use crate::libcrypto;

pub(super) fn measure(run: &Run) -> Outcome<Vec<Figure>> {
    let mut figures = Vec::new();
    for (key, jobs) in [("cycle_1", 1), ("cycle_100", 100), ("cycle_10k", 10_000)] {
        if run.wants(key) {
            let taken =
                contest(run.effort, &mut [&mut OurCycle::new(jobs), &mut LibcryptoCycle::new(jobs)?])?;
            figures.push(Figure::speed(key, taken[0], taken[1]));
        }
    }
    if run.wants("pair") {
        let taken = contest(run.effort, &mut [&mut OurPair::new()?, &mut LibcryptoPair::new()?])?;
        figures.push(Figure::speed("pair", taken[0], taken[1]));
    }
    Ok(figures)
}

/// Starts jobs until this many are paused, then finishes them all, and repeats. Like libcrypto's, they stay
/// in their slots: a job that is moved at once is copied in other pieces than it was written in, and the
/// processor waits longer for that than for a switch.
struct OurCycle {
    ctx: WaitCtx,
    jobs: Vec<Option<Job<u64>>>,
}

impl OurCycle {
    fn new(jobs: usize) -> Self {
        Self { ctx: WaitCtx::new(), jobs: (0..jobs).map(|_| None).collect() }
    }

    fn turn(&mut self) -> Outcome<()> {
        let Self { ctx, jobs } = self;
        for (number, slot) in jobs.iter_mut().enumerate() {
            let number = number as u64;
            let job = slot.insert(Job::new(ctx, move || {
                let _ = job::pause();
                number
            })?);
            ensure(job.resume()? == Step::Paused)?;
        }
        for (number, slot) in jobs.iter_mut().enumerate() {
            let Some(job) = slot else { return ensure(false) };
            ensure(job.resume()? == Step::Finished(number as u64))?;
        }
        Ok(())
    }
}

impl Side for OurCycle {
    fn run(&mut self, ops: u64) -> Outcome<f64> {
        let jobs = self.jobs.len() as u64;
        let turns = ops.div_ceil(jobs);
        by_cpu(turns * jobs, || (0..turns).try_for_each(|_| self.turn()))
    }
}

struct LibcryptoCycle {
    ctx: libcrypto::WaitCtx,
    jobs: Vec<libcrypto::Job<u64>>,
    _pool: libcrypto::Pool,
}

fn pause_once(_number: u64) {
    libcrypto::pause();
}

impl LibcryptoCycle {
    fn new(jobs: usize) -> Outcome<Self> {
        let pool = libcrypto::Pool::new(0)?;
        let slots = (0..jobs).map(|_| libcrypto::Job::new()).collect();
        Ok(Self { ctx: libcrypto::WaitCtx::new()?, jobs: slots, _pool: pool })
    }

    fn turn(&mut self) -> Outcome<()> {
        let Self { ctx, jobs, .. } = self;
        for (number, job) in jobs.iter_mut().enumerate() {
            ensure(job.step(ctx, pause_once, number as u64)? == libcrypto::Step::Paused)?;
        }
        for (number, job) in jobs.iter_mut().enumerate() {
            ensure(job.step(ctx, pause_once, number as u64)? == libcrypto::Step::Finished)?;
        }
        Ok(())
    }
}

impl Side for LibcryptoCycle {
    fn run(&mut self, ops: u64) -> Outcome<f64> {
        let jobs = self.jobs.len() as u64;
        let turns = ops.div_ceil(jobs);
        by_cpu(turns * jobs, || (0..turns).try_for_each(|_| self.turn()))
    }
}

/// One job that pauses for ever.
struct OurPair {
    job: Job<()>,
    _ctx: WaitCtx,
}

impl OurPair {
    fn new() -> Outcome<Self> {
        let forever = || {
            loop {
                let _ = job::pause();
            }
        };
        let ctx = WaitCtx::new();
        Ok(Self { job: Job::new(&ctx, forever)?, _ctx: ctx })
    }
}

impl Side for OurPair {
    fn run(&mut self, ops: u64) -> Outcome<f64> {
        let Self { job, .. } = self;
        by_cpu(ops, || (0..ops).try_for_each(|_| ensure(job.resume()? == Step::Paused)))
    }
}

/// The job stays paused in the end, and keeps its stack: one for each contest.
struct LibcryptoPair {
    ctx: libcrypto::WaitCtx,
    job: libcrypto::Job<()>,
    _pool: libcrypto::Pool,
}

fn pause_for_ever((): ()) {
    loop {
        libcrypto::pause();
    }
}

impl LibcryptoPair {
    fn new() -> Outcome<Self> {
        let pool = libcrypto::Pool::new(0)?;
        Ok(Self { ctx: libcrypto::WaitCtx::new()?, job: libcrypto::Job::new(), _pool: pool })
    }
}

impl Side for LibcryptoPair {
    fn run(&mut self, ops: u64) -> Outcome<f64> {
        let Self { ctx, job, .. } = self;
        by_cpu(ops, || {
            (0..ops).try_for_each(|_| ensure(job.step(ctx, pause_for_ever, ())? == libcrypto::Step::Paused))
        })
    }
}

fn ensure(as_it_should: bool) -> Outcome<()> {
    if as_it_should { Ok(()) } else { Err("a job has not paused, or not finished, as it should".into()) }
}
