//! Delivery by polling: tokens, the interrupt fd, threads that share a pair.

mod captured;
mod engine_helpers;

use simaccel::{Engine, Job, Step, WaitCtx, wait_readable};

use self::engine_helpers::{
    CipherJob, IV, LEN, assert_adds_up, ctr, encrypt_job, expected_ctr, message, open, stepped,
};

fn index_of(token: u64) -> usize {
    usize::try_from(token).unwrap()
}

/// Runs `count` jobs on this thread by polling, sleeping on the interrupt fd when there is nothing.
fn by_polling(engine: &Engine, count: usize) {
    let ctx = WaitCtx::new();
    let mut jobs: Vec<Option<CipherJob>> =
        (0..count).map(|index| Some(encrypt_job(engine, &ctx, index))).collect();
    let mut left = count;
    let mut ready: Vec<usize> = (0..count).collect();
    while left > 0 {
        for index in std::mem::take(&mut ready) {
            let Some(job) = &mut jobs[index] else { panic!("a token of a finished job: {index}") };
            if let Step::Finished(result) = job.resume().unwrap() {
                assert_eq!(result.unwrap(), expected_ctr(&message(index, LEN)));
                jobs[index] = None;
                left -= 1;
            }
        }
        while left > 0 && engine.poll(32, |token| ready.push(index_of(token))).unwrap() == 0 {
            wait_readable(&[engine.interrupt_fd().unwrap()]).unwrap();
        }
    }
    assert!(ctx.all_fds().is_empty(), "polling needs no wake fd");
}

#[test]
fn thousands_of_jobs_finish_by_polling_without_a_wake() {
    let engine = open("delivery=poll");
    by_polling(&engine, 2_000);
    let stats = engine.stats();
    assert!(stats.parked > 0, "some waited for a slot");
    assert_eq!(stats.device.total.wakes_sent, 0, "and were not woken for it either");
    assert!(stats.polled >= 2_000);
    assert_adds_up(&engine);
}

#[test]
fn threads_that_share_a_pair_forward_each_others_completions() {
    let engine = open("delivery=poll;queue_pairs=1;depth=4");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| by_polling(&engine, 300));
        }
    });
    assert_eq!(engine.stats().operations, 1_200);
    assert_adds_up(&engine);
}

#[test]
fn poll_returns_at_most_max_and_the_rest_later() {
    let engine = stepped("delivery=poll");
    let ctx = WaitCtx::new();
    let mut jobs: Vec<CipherJob> = (0..10).map(|index| encrypt_job(&engine, &ctx, index)).collect();
    for job in &mut jobs {
        assert!(matches!(job.resume().unwrap(), Step::Paused));
    }
    assert_eq!(engine.poll(100, |_| panic!("nothing is done")).unwrap(), 0);
    engine.device().run_until_idle();
    wait_readable(&[engine.interrupt_fd().unwrap()]).unwrap();
    let mut tokens = Vec::new();
    assert_eq!(engine.poll(4, |token| tokens.push(token)).unwrap(), 4);
    assert_eq!(engine.poll(100, |token| tokens.push(token)).unwrap(), 6);
    assert_eq!(engine.poll(100, |token| tokens.push(token)).unwrap(), 0);
    tokens.sort_unstable();
    assert_eq!(tokens, (0..10).collect::<Vec<u64>>());
    for job in &mut jobs {
        assert!(matches!(job.resume().unwrap(), Step::Finished(Ok(_))));
    }
    assert_adds_up(&engine);
}

#[test]
fn jobs_may_be_resumed_from_within_poll() {
    let engine = stepped("delivery=poll");
    let ctx = WaitCtx::new();
    let session = ctr(&engine);
    let mut job = Job::new(&ctx, move || {
        (0..5).map(|round| session.encrypt(&IV, message(round, 30)).unwrap()).collect::<Vec<_>>()
    })
    .unwrap();
    assert!(matches!(job.resume().unwrap(), Step::Paused));
    let mut finished = None;
    while finished.is_none() {
        engine.device().run_until_idle();
        let polled = engine.poll(1, |_| {
            if let Step::Finished(outputs) = job.resume().unwrap() {
                finished = Some(outputs);
            }
        });
        assert_eq!(polled.unwrap(), 1);
    }
    let wanted: Vec<_> = (0..5).map(|round| expected_ctr(&message(round, 30))).collect();
    assert_eq!(finished.unwrap(), wanted);
}

#[test]
fn a_job_that_took_its_result_early_leaves_no_token_behind() {
    let engine = stepped("delivery=poll");
    let ctx = WaitCtx::new();
    let mut job = encrypt_job(&engine, &ctx, 7);
    assert!(matches!(job.resume().unwrap(), Step::Paused));
    engine.device().run_until_idle();
    assert!(matches!(job.resume().unwrap(), Step::Finished(Ok(_))), "done, though not reaped");
    assert_eq!(engine.poll(10, |token| panic!("stale token {token}")).unwrap(), 0);
    assert_adds_up(&engine);
}

#[test]
fn a_dropped_job_leaves_no_token_and_frees_its_slot() {
    let engine = stepped("delivery=poll;depth=2;queue_pairs=1");
    let ctx = WaitCtx::new();
    for round in 0..50 {
        let mut job = encrypt_job(&engine, &ctx, round);
        assert!(matches!(job.resume().unwrap(), Step::Paused));
        if round % 2 == 0 {
            engine.device().run_until_idle();
        }
        drop(job);
        engine.device().run_until_idle();
        assert_eq!(engine.poll(10, |token| panic!("stale token {token}")).unwrap(), 0);
    }
    assert_eq!(engine.stats().parked, 0, "no slot was lost");
    assert_adds_up(&engine);
}

#[test]
fn a_blocking_call_goes_through_a_ring_full_of_unreaped_completions() {
    for engine in
        [open("delivery=poll;depth=2;queue_pairs=1"), stepped("delivery=poll;depth=2;queue_pairs=1")]
    {
        let ctx = WaitCtx::new();
        let mut jobs: Vec<CipherJob> = (0..2).map(|index| encrypt_job(&engine, &ctx, index)).collect();
        for job in &mut jobs {
            assert!(matches!(job.resume().unwrap(), Step::Paused));
        }
        let plain = message(5, 64);
        assert_eq!(ctr(&engine).encrypt(&IV, plain.clone()).unwrap(), expected_ctr(&plain));
        // The two were reaped before; their tokens were kept, and the interrupt announces them.
        engine.device().drain();
        let mut tokens = Vec::new();
        while tokens.len() < 2 {
            if engine.poll(10, |token| tokens.push(token)).unwrap() == 0 {
                wait_readable(&[engine.interrupt_fd().unwrap()]).unwrap();
            }
        }
        for job in &mut jobs {
            assert!(matches!(job.resume().unwrap(), Step::Finished(Ok(_))));
        }
        assert_adds_up(&engine);
    }
}

/// Requests that jobs submit inside a poll reach the device several at a time. A call that waits inside the
/// poll must not wait for the rest of them.
#[test]
fn a_call_that_blocks_in_a_poll_does_not_wait_for_what_is_held_back() {
    let engine = open("delivery=poll");
    let ctx = WaitCtx::new();
    let mut first = encrypt_job(&engine, &ctx, 0);
    assert!(matches!(first.resume().unwrap(), Step::Paused));
    let mut second = encrypt_job(&engine, &ctx, 1);
    let session = ctr(&engine);
    let mut done = Vec::new();
    while !done.contains(&1) {
        let called = engine.poll(1, |token| {
            if token == 0 {
                assert!(matches!(second.resume().unwrap(), Step::Paused), "submitted, and held back");
            }
            let blocked = session.encrypt(&IV, message(2, LEN)).unwrap();
            assert_eq!(blocked, expected_ctr(&message(2, LEN)));
            done.push(token);
        });
        if called.unwrap() == 0 {
            wait_readable(&[engine.interrupt_fd().unwrap()]).unwrap();
        }
    }
    assert_eq!(done, [0, 1]);
    for mut job in [first, second] {
        assert!(matches!(job.resume().unwrap(), Step::Finished(Ok(_))));
    }
    assert_adds_up(&engine);
}

#[test]
fn reaping_returns_tokens_without_arming_the_interrupt() {
    let engine = stepped("delivery=poll");
    let ctx = WaitCtx::new();
    let mut job = encrypt_job(&engine, &ctx, 7);
    assert!(matches!(job.resume().unwrap(), Step::Paused));
    assert_eq!(engine.reap(8, |token| panic!("nothing is done: {token}")).unwrap(), 0);
    engine.device().run_until_idle();
    let mut tokens = Vec::new();
    assert_eq!(engine.reap(8, |token| tokens.push(token)).unwrap(), 1);
    assert_eq!(tokens, [7]);
    assert_eq!(engine.stats().device.total.interrupts, 0, "no thread asked for one");
    assert!(matches!(job.resume().unwrap(), Step::Finished(Ok(_))));
    // After a poll that armed the interrupt, reaping disarms it.
    let mut job = encrypt_job(&engine, &ctx, 8);
    assert!(matches!(job.resume().unwrap(), Step::Paused));
    assert_eq!(engine.poll(8, |_| ()).unwrap(), 0);
    assert_eq!(engine.reap(8, |_| ()).unwrap(), 0);
    engine.device().run_until_idle();
    assert_eq!(engine.stats().device.total.interrupts, 0);
    assert_eq!(engine.reap(8, |token| tokens.push(token)).unwrap(), 1);
    assert!(matches!(job.resume().unwrap(), Step::Finished(Ok(_))));
    assert_adds_up(&engine);
}

/// A poll in a job may begin in one poll of the application and end in another, in any order. Requests that
/// are submitted outside of all polls are not held back.
#[test]
fn a_poll_that_pauses_in_a_job_leaves_nothing_held_back() {
    let engine = open("delivery=poll");
    let ctx = WaitCtx::new();
    let session = ctr(&engine);
    let mut first = encrypt_job(&engine, &ctx, 0);
    assert!(matches!(first.resume().unwrap(), Step::Paused));
    let inside = engine.clone();
    let mut polling = Job::new(&ctx, move || {
        let mut told = Vec::new();
        while told.is_empty() {
            let poll = inside.poll(1, |token| {
                session.encrypt(&IV, message(1, LEN)).unwrap();
                told.push(token);
            });
            poll.unwrap();
        }
        told
    })
    .unwrap();
    polling.set_token(1);
    assert_eq!(polling.resume().unwrap(), Step::Paused, "in its poll, in its operation");
    let mut told = None;
    while told.is_none() {
        let poll = engine.poll(1, |token| {
            assert_eq!(token, 1);
            if let Step::Finished(tokens) = polling.resume().unwrap() {
                told = Some(tokens);
            }
        });
        poll.unwrap();
    }
    assert_eq!(told, Some(vec![0]));
    assert!(matches!(first.resume().unwrap(), Step::Finished(Ok(_))));
    // No thread polls now.
    let mut last = encrypt_job(&engine, &ctx, 2);
    assert!(matches!(last.resume().unwrap(), Step::Paused));
    while engine.stats().device.total.in_flight > 0 {
        std::thread::yield_now();
    }
    assert!(matches!(last.resume().unwrap(), Step::Finished(Ok(_))));
    assert_adds_up(&engine);
}

#[test]
fn resuming_to_the_end_in_a_poll_does_not_wait_for_held_back_requests() {
    let engine = open("delivery=poll");
    let ctx = WaitCtx::new();
    let mut first = encrypt_job(&engine, &ctx, 0);
    assert!(matches!(first.resume().unwrap(), Step::Paused));
    let (mut second, mut third) = (encrypt_job(&engine, &ctx, 1), encrypt_job(&engine, &ctx, 2));
    let mut done = 0;
    while done == 0 {
        let poll = engine.poll(1, |_| {
            while matches!(second.resume().unwrap(), Step::Paused) {}
            assert!(matches!(third.resume().unwrap(), Step::Paused));
            engine.device().drain();
            assert!(matches!(third.resume().unwrap(), Step::Finished(Ok(_))), "drained: it is done");
            done += 1;
        });
        poll.unwrap();
    }
    assert!(matches!(first.resume().unwrap(), Step::Finished(Ok(_))));
    assert_adds_up(&engine);
}
