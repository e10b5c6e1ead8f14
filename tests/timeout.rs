//! Requests that do not end in time: taken back, announced, counted, in every way of waiting.
//!
//! A device that takes an hour stands for one that never ends a request.

mod captured;
mod engine_helpers;

use std::cell::RefCell;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use simaccel::job::WaitStatus;
use simaccel::{Aead, Engine, Error, Hash, Job, OpError, Step, WaitCtx, WaitFd, wait_readable};

use self::engine_helpers::{
    CipherJob, IV, LEN, assert_adds_up, ctr, each_way, expected_ctr, inside_a_callback, message, open,
    paused_job, result, stepped,
};

/// Never ends a request; takes it back after 10 ms.
const NEVER: &str = "completion_nsec=3600000000000;timeout_msec=10;queue_pairs=1;compute_units=64;";
/// The timeout of [`NEVER`].
const LIMIT: Duration = Duration::from_millis(10);
const NANOSECOND: Duration = Duration::from_nanos(1);

#[track_caller]
fn pauses(job: &mut CipherJob) {
    assert!(matches!(job.resume().unwrap(), Step::Paused));
}

#[track_caller]
fn assert_timed_out(result: Result<Vec<u8>, OpError>, index: usize) {
    let (error, buffer) = result.unwrap_err().into_parts();
    assert!(error == Error::Timeout && error.is_retryable() && error.is_device_failure(), "{error}");
    assert_eq!(buffer, message(index, LEN), "the input comes back as it was");
}

fn assert_done(result: Result<Vec<u8>, OpError>, index: usize) {
    assert_eq!(result.unwrap(), expected_ctr(&message(index, LEN)));
}

fn is_readable(fd: &WaitFd) -> bool {
    poll(&mut [PollFd::new(fd.as_fd(), PollFlags::POLLIN)], PollTimeout::ZERO).unwrap() == 1
}

fn tokens(engine: &Engine) -> Vec<u64> {
    let mut tokens = Vec::new();
    engine.poll(100, |token| tokens.push(token)).unwrap();
    tokens
}

#[test]
fn a_job_is_woken_by_its_fd_when_its_time_is_over_and_not_before() {
    let engine = stepped(NEVER);
    let ctx = WaitCtx::new();
    let mut job = paused_job(&engine, &ctx, 1);
    let fd = ctx.all_fds().remove(0);
    engine.device().advance(LIMIT - NANOSECOND);
    assert!(!is_readable(&fd));
    pauses(&mut job);
    engine.device().advance(NANOSECOND);
    assert!(is_readable(&fd));
    assert_eq!(
        (engine.stats().timeouts, engine.stats().device.total.in_flight),
        (1, 0),
        "taken back already"
    );
    assert_timed_out(result(&mut job), 1);
    assert!(!is_readable(&fd), "its token is taken");
    engine.device().run_until_idle();
    assert!(!is_readable(&fd), "and the late completion hits nothing");
    assert_eq!((engine.stats().timeouts, engine.stats().device.total.wakes_sent), (1, 0));
    assert_adds_up(&engine);
}

#[test]
fn a_blocking_call_ends_in_time_with_and_without_polling() {
    for delivery in ["wake", "poll"] {
        let engine = stepped(&format!("{NEVER}delivery={delivery}"));
        for round in 1..4 {
            assert_timed_out(ctr(&engine).encrypt(&IV, message(2, LEN)), 2);
            assert_eq!((engine.device().now(), engine.stats().timeouts), (round * LIMIT, u64::from(round)));
        }
        let digest = engine.hash(Hash::Sha256).unwrap();
        assert_eq!(digest.digest(b"abc"), Err(Error::Timeout));
        let aead = engine.aead(Aead::Aes128Gcm, &[1; 16]).unwrap();
        let (error, buffer) = aead.seal(&IV[..12], b"", message(3, 20)).unwrap_err().into_parts();
        assert_eq!((error, buffer), (Error::Timeout, message(3, 20)));
        assert_adds_up(&engine);
    }
}

#[test]
fn a_callback_is_called_once_when_the_time_is_over() {
    let engine = stepped(NEVER);
    let (ctx, calls) = (WaitCtx::new(), Arc::new(AtomicUsize::new(0)));
    let counting = Arc::clone(&calls);
    ctx.set_callback(Some(Arc::new(move || {
        counting.fetch_add(1, Ordering::Relaxed);
    })));
    let mut job = paused_job(&engine, &ctx, 1);
    engine.device().run_until_idle();
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    assert_timed_out(result(&mut job), 1);
    assert_adds_up(&engine);
}

#[test]
fn a_callback_may_resume_the_job_that_timed_out() {
    thread_local! {
        static JOB: RefCell<Option<(WaitCtx, CipherJob)>> = const { RefCell::new(None) };
        static RESULT: RefCell<Option<Result<Vec<u8>, OpError>>> = const { RefCell::new(None) };
    }
    let engine = stepped(NEVER);
    let ctx = WaitCtx::new();
    ctx.set_callback(Some(Arc::new(|| {
        let (_ctx, mut job) = JOB.take().unwrap();
        RESULT.set(Some(result(&mut job)));
        panic!("and a panic goes no further");
    })));
    let job = paused_job(&engine, &ctx, 4);
    JOB.set(Some((ctx, job)));
    engine.device().run_until_idle();
    assert_timed_out(RESULT.take().expect("the callback was called"), 4);
    assert_timed_out(ctr(&engine).encrypt(&IV, message(5, LEN)), 5);
    assert_adds_up(&engine);
}

#[test]
fn polling_returns_the_token_of_a_timed_out_job_once() {
    let engine = stepped(&format!("{NEVER}delivery=poll"));
    let ctx = WaitCtx::new();
    let mut jobs: Vec<_> = (0..4).map(|index| paused_job(&engine, &ctx, index)).collect();
    assert!(tokens(&engine).is_empty());
    let fd = engine.interrupt_fd().unwrap();
    assert!(!is_readable(&fd));
    engine.device().advance(LIMIT);
    assert!(is_readable(&fd), "the thread said that it would sleep");
    assert_timed_out(result(&mut jobs[2]), 2);
    drop(jobs.remove(1));
    assert_eq!(tokens(&engine), [0, 3], "neither for what was claimed nor for what was dropped");
    assert!(tokens(&engine).is_empty());
    assert!(!is_readable(&fd));
    assert_timed_out(result(&mut jobs[0]), 0);
    assert_timed_out(result(&mut jobs[2]), 3);
    assert_adds_up(&engine);
}

#[test]
fn a_request_that_waits_for_a_slot_times_out_too() {
    for delivery in ["wake", "poll"] {
        let engine = stepped(&format!("{NEVER}depth=2;delivery={delivery}"));
        let contexts: Vec<_> = (0..4).map(|_| WaitCtx::new()).collect();
        let mut jobs: Vec<_> =
            contexts.iter().enumerate().map(|(index, ctx)| paused_job(&engine, ctx, index)).collect();
        assert_eq!(contexts[3].status(), WaitStatus::Eagain);
        // Before the device has had time to admit any request.
        engine.device().advance(LIMIT);
        for (index, job) in jobs.iter_mut().enumerate() {
            assert_timed_out(result(job), index);
        }
        assert_eq!((engine.stats().timeouts, engine.stats().parked), (4, 2));
        // A blocking call that waits for the slots of two jobs that will not be resumed.
        let leaked: Vec<_> = contexts.iter().take(2).map(|ctx| paused_job(&engine, ctx, 1)).collect();
        assert_timed_out(ctr(&engine).encrypt(&IV, message(9, LEN)), 9);
        drop(leaked);
        engine.device().run_until_idle();
        assert_adds_up(&engine);
    }
}

#[test]
fn what_ends_in_time_is_not_watched_any_more_however_slow_the_application() {
    let engine = stepped("completion_nsec=1000000;timeout_msec=10");
    let ctx = WaitCtx::new();
    let mut job = paused_job(&engine, &ctx, 1);
    engine.device().run_until_idle();
    assert_eq!(engine.device().now(), Duration::from_millis(1), "no deadline is left to run to");
    engine.device().advance(1_000 * LIMIT);
    assert_done(result(&mut job), 1);

    // By polling no caller sleeps, so a completion in the ring is not lost, and neither is a token that was
    // returned.
    let engine = stepped("completion_nsec=1000000;timeout_msec=10;delivery=poll");
    let mut jobs: Vec<_> = (0..2).map(|index| paused_job(&engine, &ctx, index)).collect();
    engine.device().advance(LIMIT / 2);
    assert_eq!(engine.poll(1, |_| ()).unwrap(), 1);
    jobs.push(paused_job(&engine, &ctx, 2));
    engine.device().advance(1_000 * LIMIT);
    for (index, job) in jobs.iter_mut().enumerate() {
        assert_done(result(job), index);
    }
    assert_eq!(engine.stats().timeouts, 0);
    assert_adds_up(&engine);
}

#[test]
fn a_request_that_is_due_at_its_deadline_is_in_time() {
    let engine = stepped("completion_nsec=10000000;timeout_msec=10");
    let ctx = WaitCtx::new();
    let mut job = paused_job(&engine, &ctx, 1);
    engine.device().run_until_idle();
    assert_done(result(&mut job), 1);
    assert_eq!((engine.device().now(), engine.stats().timeouts), (LIMIT, 0));
}

#[test]
fn jobs_that_are_never_resumed_do_not_exhaust_the_ring() {
    captured::leaking(|| {
        for delivery in ["wake", "poll"] {
            let engine = stepped(&format!("{NEVER}depth=2;delivery={delivery}"));
            let ctx = WaitCtx::new();
            for index in 0..40 {
                std::mem::forget(paused_job(&engine, &ctx, index));
                if index % 2 == 1 {
                    engine.device().advance(LIMIT);
                }
            }
            let stats = engine.stats();
            assert_eq!((stats.timeouts, stats.parked, stats.abandoned), (40, 0, 0), "{delivery}");
            assert_adds_up(&engine);
            assert_eq!(tokens(&engine).len(), if delivery == "poll" { 40 } else { 0 });
        }
    });
}

#[test]
fn jobs_of_a_thread_that_has_ended_are_taken_back_as_well() {
    for delivery in ["wake", "poll"] {
        let engine = stepped(&format!("{NEVER}depth=4;delivery={delivery}"));
        thread::scope(|scope| {
            scope.spawn(|| {
                let ctx = WaitCtx::new();
                (0..4).for_each(|index| std::mem::forget(paused_job(&engine, &ctx, index)));
                std::mem::forget(ctx);
            });
        });
        assert_eq!(engine.stats().device.total.in_flight, 4);
        engine.device().advance(LIMIT);
        assert_eq!((engine.stats().timeouts, engine.stats().device.total.in_flight), (4, 0));
        let ctx = WaitCtx::new();
        drop(paused_job(&engine, &ctx, 1));
        assert_eq!((engine.stats().parked, tokens(&engine)), (0, vec![]), "{delivery}");
    }
}

#[test]
fn a_dropped_job_takes_the_token_of_its_timeout_along_and_no_other() {
    let engine = stepped(NEVER);
    let ctx = WaitCtx::new();
    let first = paused_job(&engine, &ctx, 1);
    engine.device().advance(LIMIT / 2);
    let mut second = paused_job(&engine, &ctx, 2);
    let fd = ctx.all_fds().remove(0);
    engine.device().advance(LIMIT / 2);
    assert!(is_readable(&fd));
    drop(first);
    assert!(!is_readable(&fd));
    let third = paused_job(&engine, &ctx, 3);
    engine.device().advance(LIMIT / 2);
    assert!(is_readable(&fd), "the second's");
    drop(third);
    assert!(is_readable(&fd), "the third had none");
    assert_timed_out(result(&mut second), 2);
    assert!(!is_readable(&fd));
    assert_eq!((engine.stats().timeouts, engine.stats().abandoned), (2, 2));
    engine.device().run_until_idle();
    assert_eq!(engine.stats().timeouts, 2, "what was given up is not watched");
    assert_adds_up(&engine);
}

#[test]
fn what_is_given_up_is_not_watched_any_more() {
    for delivery in ["wake", "poll"] {
        let engine = stepped(&format!("timeout_msec=10;delivery={delivery}"));
        drop(paused_job(&engine, &WaitCtx::new(), 1));
        engine.device().run_until_idle();
        assert_eq!(engine.device().now(), Duration::ZERO, "no deadline is left to run to");
        assert_eq!((engine.stats().timeouts, engine.stats().abandoned), (0, 1));
    }
}

#[test]
fn two_timeouts_on_one_context_are_two_tokens() {
    let engine = stepped(NEVER);
    let ctx = WaitCtx::new();
    let mut jobs = [1, 2].map(|index| paused_job(&engine, &ctx, index));
    let fd = ctx.all_fds().remove(0);
    engine.device().advance(LIMIT);
    assert_timed_out(result(&mut jobs[0]), 1);
    assert!(is_readable(&fd), "the other's token was given back");
    assert_timed_out(result(&mut jobs[1]), 2);
    assert!(!is_readable(&fd));
}

#[test]
fn a_job_whose_context_is_gone_times_out_by_blocking() {
    for (delivery, after) in [("wake", false), ("wake", true), ("poll", false), ("poll", true)] {
        let engine = stepped(&format!("{NEVER}delivery={delivery}"));
        let ctx = WaitCtx::new();
        let mut job = paused_job(&engine, &ctx, 6);
        drop(ctx);
        if after || delivery == "poll" {
            engine.device().advance(LIMIT);
        }
        assert_timed_out(result(&mut job), 6);
        assert_eq!((engine.device().now(), engine.stats().timeouts), (LIMIT, 1));
        assert_adds_up(&engine);
    }
}

#[test]
fn retries_come_first_each_with_its_own_time() {
    let engine = stepped(&format!("{NEVER}max_retries=2"));
    assert_timed_out(ctr(&engine).encrypt(&IV, message(1, LEN)), 1);
    assert_eq!(engine.device().now(), 3 * LIMIT);
    assert_eq!((engine.stats().timeouts, engine.stats().retries, engine.stats().operations), (3, 2, 1));

    let ctx = WaitCtx::new();
    let mut job = paused_job(&engine, &ctx, 2);
    for _ in 0..2 {
        engine.device().advance(LIMIT);
        pauses(&mut job);
    }
    engine.device().advance(LIMIT);
    assert_timed_out(result(&mut job), 2);
    assert_eq!((engine.stats().timeouts, engine.stats().retries, engine.stats().spurious_resumes), (6, 4, 0));
    assert_adds_up(&engine);
}

#[test]
fn a_retry_may_be_dropped_in_the_middle() {
    for delivery in ["wake", "poll"] {
        let engine = stepped(&format!("{NEVER}max_retries=5;delivery={delivery}"));
        let ctx = WaitCtx::new();
        let mut job = paused_job(&engine, &ctx, 2);
        engine.device().advance(LIMIT);
        pauses(&mut job);
        drop(job);
        assert_eq!((engine.stats().retries, engine.stats().abandoned), (1, 1));
        engine.device().run_until_idle();
        assert_eq!((engine.stats().timeouts, tokens(&engine)), (1, vec![]));
        assert_adds_up(&engine);
    }
}

#[test]
fn retries_end_when_one_succeeds_and_only_what_another_try_may_mend_is_tried_again() {
    let engine = stepped("completion_nsec=1000000;max_retries=3");
    let ctx = WaitCtx::new();
    let mut job = paused_job(&engine, &ctx, 3);
    for _ in 0..3 {
        engine.device().step();
        engine.device().reset();
        pauses(&mut job);
    }
    engine.device().run_until_idle();
    assert_done(result(&mut job), 3);
    assert_eq!(engine.stats().retries, 3);

    let mut job = paused_job(&engine, &ctx, 4);
    for _ in 0..3 {
        engine.device().reset();
        pauses(&mut job);
    }
    engine.device().reset();
    let (error, buffer) = result(&mut job).unwrap_err().into_parts();
    assert_eq!((error, buffer), (Error::Reset, message(4, LEN)), "once more than it is tried again");
    assert_eq!(engine.stats().retries, 6);

    let (error, _) = ctr(&engine).encrypt(&IV[..3], message(1, LEN)).unwrap_err().into_parts();
    assert!(matches!(error, Error::InvalidArgument(_)));
    let aead = engine.aead(Aead::Aes256Gcm, &[2; 32]).unwrap();
    let error = aead.open(&IV[..12], b"", message(1, 30), &[0; 16]).unwrap_err().into_parts();
    assert_eq!(error, (Error::AuthFailed, Vec::new()));
    let panicking = engine.panicking_hash(Hash::Sha256).unwrap();
    assert_eq!(panicking.digest(b"boom"), Err(Error::DeviceDead));
    assert_eq!(engine.stats().retries, 6, "the caller's mistakes, a forgery, a dead device");
}

#[test]
fn software_takes_over_after_a_timeout_where_that_is_on() {
    let engine = stepped(&format!("{NEVER}fallback=on;max_retries=1"));
    let ctx = WaitCtx::new();
    let session = ctr(&engine);
    let mut job = Job::new(&ctx, move || {
        let mut stream = session.encryptor(&IV);
        let mut output = stream.update(message(1, 45)).unwrap();
        output.extend(stream.update(message(2, 45)).unwrap());
        output.extend(stream.finish().unwrap());
        output
    })
    .unwrap();
    let mut pauses = 0;
    let output = loop {
        match job.resume().unwrap() {
            Step::Finished(output) => break output,
            Step::Paused => pauses += 1,
        }
        engine.device().advance(LIMIT);
    };
    assert_eq!(output, expected_ctr(&[message(1, 45), message(2, 45)].concat()));
    let stats = engine.stats();
    assert_eq!((pauses, stats.timeouts, stats.retries, stats.fallbacks), (6, 6, 3, 3));
    assert_adds_up(&engine);
}

#[test]
fn a_part_that_times_out_poisons_its_stream() {
    let engine = stepped(NEVER);
    let mut stream = ctr(&engine).encryptor(&IV);
    assert_timed_out(stream.update(message(1, LEN)), 1);
    assert_eq!(stream.update(message(1, LEN)).unwrap_err().error(), &Error::StreamPoisoned);
}

#[test]
fn borrowed_and_out_of_place_buffers_survive_a_timeout() {
    let engine = stepped(NEVER);
    let session = ctr(&engine);
    let mut output = [7; 90];
    assert_eq!(session.encrypt_slice(&IV, &message(1, LEN), &mut output), Err(Error::Timeout));
    assert_eq!(output, [7; 90]);
    let (error, source, destination) =
        session.encrypt_to(&IV, message(1, LEN), vec![1]).unwrap_err().into_buffers();
    assert_eq!((error, source, destination.is_some()), (Error::Timeout, message(1, LEN), true));
}

#[test]
fn on_a_real_device_every_way_of_waiting_times_out() {
    let engine = open(NEVER);
    for (index, result) in each_way(&engine).into_iter().enumerate() {
        assert_timed_out(result, index);
    }
    assert_eq!(engine.stats().timeouts, 4);
    assert_adds_up(&engine);

    let engine = open(&format!("{NEVER}delivery=poll"));
    let ctx = WaitCtx::new();
    let mut jobs: Vec<_> = (0..5).map(|index| paused_job(&engine, &ctx, index)).collect();
    let mut left = jobs.len();
    while left > 0 {
        let polled = engine.poll(10, |token| {
            let index = usize::try_from(token).unwrap();
            assert_timed_out(result(&mut jobs[index]), index);
            left -= 1;
        });
        if polled.unwrap() == 0 {
            wait_readable(&[engine.interrupt_fd().unwrap()]).unwrap();
        }
    }
    assert_timed_out(ctr(&engine).encrypt(&IV, message(6, LEN)), 6);
    assert_eq!(engine.stats().timeouts, 6);
    assert_adds_up(&engine);
}

#[test]
fn on_a_real_device_timeouts_race_with_completions() {
    for delivery in ["wake", "poll"] {
        let engine = open(&format!(
            "completion_nsec=1000000;latency_dist=exponential;compute_units=64;timeout_msec=1;delivery={delivery}"
        ));
        let ctx = WaitCtx::new();
        let mut late = 0;
        for round in 0..10 {
            let mut jobs: Vec<_> = (0..64).map(|index| Some(paused_job(&engine, &ctx, index))).collect();
            if round % 3 == 0 {
                jobs.truncate(48);
            }
            while jobs.iter().any(Option::is_some) {
                if delivery == "poll" {
                    if engine.poll(100, |_| ()).unwrap() == 0 {
                        wait_readable(&[engine.interrupt_fd().unwrap()]).unwrap();
                    }
                } else {
                    wait_readable(&ctx.all_fds()).unwrap();
                }
                for (index, slot) in jobs.iter_mut().enumerate() {
                    let Some(job) = slot else { continue };
                    let Step::Finished(result) = job.resume().unwrap() else { continue };
                    match result {
                        Ok(output) => assert_eq!(output, expected_ctr(&message(index, LEN))),
                        Err(error) => {
                            assert_timed_out(Err(error), index);
                            late += 1;
                        }
                    }
                    *slot = None;
                }
            }
        }
        engine.device().drain();
        engine.poll(1_000, |_| ()).unwrap();
        assert!(engine.stats().timeouts >= late, "{delivery}: those of dropped jobs come on top");
        assert_adds_up(&engine);
        assert!(!ctx.all_fds().iter().any(is_readable), "no token is left");
    }
}

#[test]
fn the_last_handle_of_an_engine_may_drop_where_a_callback_runs() {
    for config in
        ["completion_nsec=3600000000000;timeout_msec=1", "completion_nsec=10000;timeout_msec=3600000"]
    {
        for _ in 0..20 {
            let engine = open(config);
            let ctx = WaitCtx::new();
            let (called, is_called) = channel();
            let (go_on, may_go_on) = channel::<()>();
            let session = ctr(&engine);
            let mut job = Job::new(&ctx, move || session.encrypt(&IV, message(1, 30)).map(drop)).unwrap();
            // It waits until it is the engine's last owner, and drops the engine while it holds a lock.
            let last = Mutex::new((Some(engine), may_go_on));
            ctx.set_callback(Some(Arc::new(move || {
                let mut last = last.lock().unwrap();
                called.send(thread::current().name().map(str::to_owned)).unwrap();
                last.1.recv().unwrap();
                drop(last.0.take());
            })));
            assert!(matches!(job.resume().unwrap(), Step::Paused));
            let name = is_called.recv().unwrap();
            let expected = if config.ends_with("=1") { "simaccel-watchdog" } else { "device-sim-0" };
            assert_eq!(name.as_deref(), Some(expected));
            // Outside a callback, the job's end would wait for the callback, which waits for this.
            inside_a_callback(move || drop((job, ctx)));
            go_on.send(()).unwrap();
            is_called.recv().expect_err("the callback has returned, and was dropped");
        }
    }
}
