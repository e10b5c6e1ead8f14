//! Rare moments: code that re-enters the engine, threads that are ending, tokens and wakes without a waiter.

mod captured;
mod engine_helpers;

use std::cell::RefCell;
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use simaccel::job::{self, WaitStatus};
use simaccel::{Engine, Error, Job, Step, WaitCtx, WaitFd, wait_readable};

use self::engine_helpers::{
    IV, LEN, assert_adds_up, ctr, expected_ctr, finish, message, open, paused_job, stepped,
};

fn block(engine: &Engine) {
    let plain = message(50, 64);
    assert_eq!(ctr(engine).encrypt(&IV, plain.clone()).unwrap(), expected_ctr(&plain));
}

fn is_readable(fd: &WaitFd) -> bool {
    poll(&mut [PollFd::new(fd.as_fd(), PollFlags::POLLIN)], PollTimeout::ZERO).unwrap() == 1
}

#[test]
fn a_job_that_is_dropped_when_it_was_reaped_leaves_no_token() {
    let engine = stepped("delivery=poll");
    let ctx = WaitCtx::new();
    let mut jobs: Vec<_> = (0..3).map(|index| Some(paused_job(&engine, &ctx, index))).collect();
    engine.device().run_until_idle();
    assert_eq!(engine.poll(1, |token| assert_eq!(token, 0)).unwrap(), 1, "all were reaped, one was returned");
    jobs[1] = None;
    let mut tokens = Vec::new();
    engine.poll(10, |token| tokens.push(token)).unwrap();
    assert_eq!(tokens, [2]);
}

#[test]
fn a_token_of_an_operation_that_is_over_does_not_reach_the_next_one() {
    let engine = stepped("delivery=poll");
    let ctx = WaitCtx::new();
    let first = paused_job(&engine, &ctx, 0);
    let session = ctr(&engine);
    let mut job = Job::new(&ctx, move || {
        (0..2).map(|round| session.encrypt(&IV, message(round, 30)).unwrap()).collect::<Vec<_>>()
    })
    .unwrap();
    job.set_token(1);
    assert!(matches!(job.resume().unwrap(), Step::Paused));
    engine.device().run_until_idle();
    assert_eq!(engine.poll(1, |token| assert_eq!(token, 0)).unwrap(), 1);
    assert!(
        matches!(job.resume().unwrap(), Step::Paused),
        "resumed before its token came: the second operation"
    );
    assert_eq!(engine.poll(10, |token| panic!("a stale token: {token}")).unwrap(), 0);
    engine.device().run_until_idle();
    assert_eq!(engine.poll(10, |token| assert_eq!(token, 1)).unwrap(), 1);
    assert!(matches!(job.resume().unwrap(), Step::Finished(_)));
    drop(first);
}

#[test]
fn a_token_that_another_thread_forwarded_is_gone_with_its_job() {
    let engine = stepped("delivery=poll;queue_pairs=1");
    let ctx = WaitCtx::new();
    let job = paused_job(&engine, &ctx, 0);
    let other = paused_job(&engine, &ctx, 1);
    engine.device().run_until_idle();
    std::thread::scope(|scope| {
        scope.spawn(|| assert_eq!(engine.poll(10, |token| panic!("not ours: {token}")).unwrap(), 0));
    });
    drop(job);
    let mut tokens = Vec::new();
    engine.poll(10, |token| tokens.push(token)).unwrap();
    assert_eq!(tokens, [1]);
    drop(other);
}

#[test]
fn a_poll_that_finds_nothing_leaves_the_interrupt_fd_unreadable() {
    let engine = stepped("delivery=poll");
    let ctx = WaitCtx::new();
    let _jobs = [paused_job(&engine, &ctx, 0), paused_job(&engine, &ctx, 1)];
    let fd = engine.interrupt_fd().unwrap();
    engine.device().run_until_idle();
    // The blocking call inside finds a token left, and makes the fd readable.
    assert_eq!(engine.poll(10, |_| block(&engine)).unwrap(), 2);
    assert_eq!(engine.poll(10, |_| ()).unwrap(), 0);
    assert!(!is_readable(&fd), "an event loop would spin on it");
}

#[test]
fn tokens_that_a_panic_left_behind_are_announced() {
    let engine = stepped("delivery=poll");
    let ctx = WaitCtx::new();
    let _jobs = [paused_job(&engine, &ctx, 0), paused_job(&engine, &ctx, 1)];
    engine.device().run_until_idle();
    let fd = engine.interrupt_fd().unwrap();
    let polled = catch_unwind(AssertUnwindSafe(|| engine.poll(10, |token| panic!("token {token}"))));
    assert!(polled.is_err());
    assert!(is_readable(&fd), "the second token is still to be returned");
    assert_eq!(engine.poll(10, |token| assert_eq!(token, 1)).unwrap(), 1);
}

#[test]
fn polling_from_within_poll_returns_each_token_once() {
    let engine = stepped("delivery=poll");
    let ctx = WaitCtx::new();
    let _jobs: Vec<_> = (0..6).map(|index| paused_job(&engine, &ctx, index)).collect();
    engine.device().run_until_idle();
    let tokens = RefCell::new(Vec::new());
    let inner = |token| tokens.borrow_mut().push(token);
    let outer = |token| {
        tokens.borrow_mut().push(token);
        engine.poll(2, inner).unwrap();
    };
    assert_eq!(engine.poll(10, outer).unwrap(), 2);
    assert_eq!(tokens.take(), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn jobs_and_blocking_calls_and_sessions_may_come_and_go_in_the_poll_closure() {
    let engine = stepped("delivery=poll;depth=2;queue_pairs=1");
    let ctx = WaitCtx::new();
    let mut jobs: Vec<_> = (0..4).map(|index| Some(paused_job(&engine, &ctx, index))).collect();
    let mut left = 4;
    while left > 0 {
        engine.device().run_until_idle();
        let told = |token: u64| {
            let mut job = jobs[usize::try_from(token).unwrap()].take().unwrap();
            assert!(matches!(job.resume().unwrap(), Step::Finished(Ok(_))));
            block(&engine);
            drop(paused_job(&engine, &ctx, 9));
            left -= 1;
        };
        engine.poll(1, told).unwrap();
    }
    engine.device().run_until_idle();
    engine.poll(1, |token| panic!("a stale token: {token}")).unwrap();
    assert_adds_up(&engine);
}

/// Encrypts when it is dropped.
struct EncryptOnDrop(Engine);

impl Drop for EncryptOnDrop {
    fn drop(&mut self) {
        block(&self.0);
    }
}

#[test]
fn callbacks_that_use_the_engine_when_they_are_dropped() {
    for config in ["", "delivery=poll", "completion_nsec=1000"] {
        let engine = stepped(config);
        let last = EncryptOnDrop(engine.clone());
        let ctx = WaitCtx::new();
        ctx.set_callback(Some(Arc::new(move || assert!(!last.0.config().fallback()))));
        let mut job = paused_job(&engine, &ctx, 1);
        // From here on the request has the last reference.
        ctx.set_callback(None);
        engine.device().step();
        let _ = job.resume();
        drop(job);
        drop(ctx);
        engine.device().run_until_idle();
        engine.poll(10, |_| ()).unwrap();
        assert_adds_up(&engine);
    }
}

#[test]
fn a_blocking_call_in_the_last_moments_of_a_thread_comes_back() {
    thread_local! {
        static LAST: RefCell<Option<EncryptOnDrop>> = const { RefCell::new(None) };
    }
    for config in ["", "delivery=poll"] {
        let engine = open(&format!("completion_nsec=2000000;{config}"));
        let theirs = engine.clone();
        let thread = std::thread::spawn(move || {
            // Created before the engine keeps anything for this thread, and so dropped after that.
            LAST.set(Some(EncryptOnDrop(theirs.clone())));
            block(&theirs);
        });
        thread.join().unwrap();
        engine.device().drain();
        assert_eq!(engine.stats().operations, 2);
        assert_adds_up(&engine);
    }
}

/// The rule for initialisers of thread-locals: a blocked pause makes the operation block. So no other job
/// finds the thread-local half initialised, and the value is created once.
#[test]
fn an_operation_in_an_initialiser_blocks_where_pausing_is_blocked() {
    thread_local! {
        static ENGINE: Engine = open("completion_nsec=200000");
        static MADE: Vec<u8> = {
            let _here = job::block_pause();
            ENGINE.with(|engine| ctr(engine).encrypt(&IV, message(3, LEN)).unwrap())
        };
    }
    let engine = ENGINE.with(Engine::clone);
    let session = ctr(&engine);
    let ctx = WaitCtx::new();
    let mut job = Job::new(&ctx, move || {
        let made = MADE.with(Vec::clone);
        (made, session.encrypt(&IV, message(4, LEN)).unwrap())
    })
    .unwrap();
    assert!(matches!(job.resume(), Ok(Step::Paused)));
    assert_eq!(engine.stats().blocked, 1, "it is the job's own operation that has paused");
    let seen = MADE.with(|made| made.as_ptr().addr());
    let (results, _) = finish(&ctx, &mut job);
    assert_eq!(results, (expected_ctr(&message(3, LEN)), expected_ctr(&message(4, LEN))));
    assert_eq!(MADE.with(|made| made.as_ptr().addr()), seen);
}

#[test]
fn two_jobs_on_one_context_leave_no_wake_behind() {
    let engine = open("");
    let ctx = WaitCtx::new();
    let mut spurious = 0;
    for round in 0..3_000 {
        let mut jobs: Vec<_> = (0..3).map(|index| Some(paused_job(&engine, &ctx, index))).collect();
        while jobs.iter().any(Option::is_some) {
            wait_readable(&ctx.all_fds()).unwrap();
            for slot in &mut jobs {
                if let Some(job) = slot
                    && matches!(job.resume().unwrap(), Step::Finished(Ok(_)))
                {
                    *slot = None;
                }
            }
        }
        spurious += u64::from(is_readable(&ctx.all_fds()[0]));
        assert_eq!(spurious, 0, "round {round}: a wake without a waiter");
    }
    engine.device().drain();
    assert!(!is_readable(&ctx.all_fds()[0]));
}

#[test]
fn a_submission_that_finds_no_memory_says_so_on_the_context() {
    let engine = stepped("fault=nomem:nth=1");
    let ctx = WaitCtx::new();
    let session = ctr(&engine);
    let (result, _) = finish(&ctx, &mut Job::new(&ctx, move || session.encrypt(&IV, message(1, 9))).unwrap());
    assert_eq!(result.unwrap_err().error(), &Error::NoMemory);
    assert_eq!(ctx.status(), WaitStatus::Err);
}

#[test]
fn a_polling_thread_without_an_eventfd_gets_an_error_or_software() {
    for (fallback, succeeds) in [("off", false), ("on", true)] {
        let engine = open(&format!("delivery=poll;fault=fd_fail:times=2;fallback={fallback}"));
        let ctx = WaitCtx::new();
        let session = ctr(&engine);
        let mut job = Job::new(&ctx, move || session.encrypt(&IV, message(1, 9))).unwrap();
        let Step::Finished(result) = job.resume().unwrap() else { panic!("there was nothing to wait on") };
        assert_eq!(result.is_ok(), succeeds);
        assert!(matches!(engine.interrupt_fd(), Err(Error::WakeFd(_))));
        engine.interrupt_fd().unwrap();
        block(&engine);
    }
}

#[test]
fn a_blocking_call_on_a_stepped_device_needs_no_eventfd() {
    let engine = stepped("delivery=poll;queue_pairs=1;depth=2");
    let ctx = WaitCtx::new();
    let jobs = Mutex::new(vec![paused_job(&engine, &ctx, 0), paused_job(&engine, &ctx, 1)]);
    std::thread::scope(|scope| {
        // This thread's jobs fill the ring with completions that are not reaped.
        scope.spawn(|| block(&engine));
    });
    drop(jobs);
}
