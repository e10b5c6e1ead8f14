//! On one processor, a worker may be preempted in the write that makes a job's fd readable, and the
//! application runs at that moment. A readable fd must still be worth a resume. Counted, not timed. Alone in
//! its program, because the processors belong to the process.

mod captured;
mod engine_helpers;

use std::os::fd::AsFd;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::unistd::Pid;
use simaccel::{Engine, Step, WaitCtx};

use self::engine_helpers::{LEN, assert_adds_up, expected_ctr, message, open, paused_job};

fn on_one_processor() {
    let this = Pid::from_raw(0);
    let all = sched_getaffinity(this).unwrap();
    let first = (0..CpuSet::count()).find(|cpu| all.is_set(*cpu).unwrap()).unwrap();
    let mut one = CpuSet::new();
    one.set(first).unwrap();
    sched_setaffinity(this, &one).unwrap();
}

/// Runs operations in this many jobs at a time, each on its own context, and resumes what epoll reports.
fn run(engine: &Engine, jobs: usize, operations: usize) {
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).unwrap();
    let contexts: Vec<WaitCtx> = (0..jobs).map(|_| WaitCtx::new()).collect();
    let mut running: Vec<_> = contexts.iter().map(|ctx| Some(paused_job(engine, ctx, 0))).collect();
    for (at, ctx) in contexts.iter().enumerate() {
        for fd in ctx.changed_fds().added {
            epoll.add(fd, EpollEvent::new(EpollFlags::EPOLLIN, at as u64)).unwrap();
        }
    }
    let (mut started, mut finished) = (jobs, 0);
    while finished < operations {
        let mut events = [EpollEvent::empty(); 64];
        let count = epoll.wait(&mut events, EpollTimeout::NONE).unwrap();
        for event in &events[..count] {
            let at = usize::try_from(event.data()).unwrap();
            let Some(job) = &mut running[at] else { panic!("a readable fd without a waiter") };
            let Step::Finished(output) = job.resume().unwrap() else { continue };
            assert_eq!(output.unwrap(), expected_ctr_of_0());
            finished += 1;
            running[at] = (started < operations).then(|| paused_job(engine, &contexts[at], 0));
            started += usize::from(running[at].is_some());
        }
    }
}

/// A dropped job takes its token along, wherever its sender is.
fn drop_early(engine: &Engine, rounds: usize) {
    let ctx = WaitCtx::new();
    for round in 0..rounds {
        let job = paused_job(engine, &ctx, 0);
        (0..round % 4).for_each(|_| std::thread::yield_now());
        drop(job);
        let fds = ctx.all_fds();
        let mut ready = [PollFd::new(fds[0].as_fd(), PollFlags::POLLIN)];
        assert_eq!(poll(&mut ready, PollTimeout::ZERO), Ok(0), "round {round}: a token without a waiter");
    }
}

fn expected_ctr_of_0() -> Vec<u8> {
    thread_local!(static EXPECTED: Vec<u8> = expected_ctr(&message(0, LEN)));
    EXPECTED.with(Clone::clone)
}

#[test]
fn a_readable_fd_is_worth_a_resume() {
    on_one_processor();
    // With a watch on each request they take the longer path.
    for config in ["compute_units=4;completion_nsec=50000", "compute_units=4", "timeout_msec=3600000"] {
        for (jobs, operations) in [(1, 1_000), (64, 5_000)] {
            let engine = open(config);
            drop_early(&engine, 200);
            run(&engine, jobs, operations);
            assert_adds_up(&engine);
            let stats = engine.stats();
            let vain = stats.spurious_resumes;
            println!("{config}, {jobs} jobs: {vain} of {} resumes were in vain", stats.resumes);
            assert!(vain * 100 < stats.resumes, "{config}, {jobs} jobs: {vain} of {}", stats.resumes);
        }
    }
}
