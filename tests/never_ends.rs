//! A call that blocks on a stepped device with nothing left to happen, before its request has ended, returns
//! an error at once, with the input, in every way of blocking. There is no error while the request can still
//! end.

mod captured;
mod engine_helpers;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use simaccel::job::{self, Pause};
use simaccel::{Aead, Engine, Error, Hash, Job, OpError, Step, WaitCtx};

use self::engine_helpers::{
    IV, LEN, assert_adds_up, ctr, expected_ctr, message, paused_job, result, stepped,
};

/// Blocks. Returns the error, after checking the input that came back with it.
#[track_caller]
fn fails_to_block(engine: &Engine) -> Error {
    let input = message(3, LEN);
    let (error, buffer) = ctr(engine).encrypt(&IV, input.clone()).unwrap_err().into_parts();
    assert_eq!(buffer, input);
    error
}

#[track_caller]
fn blocks(engine: &Engine) {
    assert_eq!(ctr(engine).encrypt(&IV, message(3, LEN)).unwrap(), expected_ctr(&message(3, LEN)));
}

#[test]
fn a_blocking_call_whose_request_never_ends_is_an_error_at_once() {
    for delivery in ["wake", "poll"] {
        for order in ["unordered", "fifo", "reorder:99:3"] {
            let engine = stepped(&format!("fault=timeout:nth=1;delivery={delivery};ordering={order}"));
            let error = fails_to_block(&engine);
            assert_eq!(error, Error::NeverEnds);
            assert!(!error.is_retryable() && error.to_string().contains("timeout_msec"), "{error}");
            blocks(&engine);
            let stats = engine.stats();
            assert_eq!((stats.never_ended, stats.blocked, stats.device.total.revoked), (1, 2, 1));
            assert_adds_up(&engine);
        }
    }
}

#[test]
fn every_operation_gives_its_input_back() {
    let engine = stepped("fault=timeout");
    let aead = engine.aead(Aead::Aes128Gcm, &[1; 16]).unwrap();
    let (error, buffer) = aead.seal(&[2; 12], b"aad", message(1, 40)).unwrap_err().into_parts();
    assert_eq!((error, buffer), (Error::NeverEnds, message(1, 40)));
    let (error, buffer) =
        engine.hash(Hash::Sha256).unwrap().digest_owned(message(2, 40)).unwrap_err().into_parts();
    assert_eq!((error, buffer), (Error::NeverEnds, message(2, 40)));
    let mut into = [0; 40];
    assert_eq!(ctr(&engine).encrypt_slice(&IV, &message(3, 40), &mut into), Err(Error::NeverEnds));
    assert_eq!(into, [0; 40]);
    assert_eq!(engine.stats().never_ended, 3);
    assert_adds_up(&engine);
}

#[test]
fn what_can_end_yet_is_waited_for() {
    for (config, error) in [
        ("fault=timeout;timeout_msec=5", Some(Error::Timeout)),
        ("fault=dead", Some(Error::DeviceDead)),
        ("fault=timeout;timeout_msec=5;fallback=on", None),
        ("fault=late;fault=stall:nsec=3600000000000;fault=drop_wake", None),
        ("fault=busy;depth=2;intc_thresh=9;intc_nsec=1000", None),
        ("fault=duplicate;ordering=reorder:99:9;delivery=poll", None),
    ] {
        let engine = stepped(config);
        match error {
            Some(error) => assert_eq!(fails_to_block(&engine), error, "{config}"),
            None => blocks(&engine),
        }
        assert_eq!(engine.stats().never_ended, 0, "{config}");
        assert_adds_up(&engine);
    }
}

#[test]
fn a_request_that_waits_for_a_ring_of_endless_ones_never_ends_either() {
    for delivery in ["wake", "poll"] {
        let engine = stepped(&format!("fault=timeout:times=2;depth=2;delivery={delivery}"));
        let ctx = WaitCtx::new();
        let jobs = [paused_job(&engine, &ctx, 3), paused_job(&engine, &ctx, 3)];
        assert_eq!(fails_to_block(&engine), Error::NeverEnds);
        assert_eq!(engine.stats().parked, 1);
        // With a slot, its request runs.
        drop(jobs);
        blocks(&engine);
        assert_adds_up(&engine);
    }
}

#[test]
fn a_job_that_has_to_block_has_the_error_too() {
    let engine = stepped("fault=timeout:times=2");
    // Its context is dropped while it waits.
    let ctx = WaitCtx::new();
    let mut freed = paused_job(&engine, &ctx, 3);
    drop(ctx);
    assert_eq!(result(&mut freed).map_err(Error::from), Err(Error::NeverEnds));
    // It may not pause.
    let ctx = WaitCtx::new();
    let session = ctr(&engine);
    let mut held = Job::new(&ctx, move || {
        let _block = job::block_pause();
        assert_ne!(job::pause(), Pause::Resumed);
        session.encrypt(&IV, message(3, LEN)).map_err(Error::from)
    })
    .unwrap();
    assert_eq!(held.resume(), Ok(Step::Finished(Err(Error::NeverEnds))));
    // A job that pauses waits until it is resumed.
    let mut pauses = paused_job(&engine, &ctx, 3);
    engine.device().run_until_idle();
    assert!(ctx.is_woken());
    assert_eq!(result(&mut pauses).unwrap(), expected_ctr(&message(3, LEN)));
    assert_eq!(engine.stats().never_ended, 2);
    assert_adds_up(&engine);
}

/// The device has worked in place on small inputs; the first operation makes what the straight way needs. (A
/// polled job needs no context to pause.)
#[test]
fn a_small_input_comes_back_to_a_job_as_well() {
    for size in [1, 40, 64, 65] {
        let engine = stepped("fault=timeout:nth=2");
        let (ctx, session) = (WaitCtx::new(), ctr(&engine));
        let mut job = Job::new(&ctx, move || {
            session.encrypt(&IV, message(1, 16)).unwrap();
            session.encrypt(&IV, message(3, size)).map_err(OpError::into_parts)
        })
        .unwrap();
        assert!(matches!(job.resume(), Ok(Step::Paused)));
        engine.device().run_until_idle();
        assert!(matches!(job.resume(), Ok(Step::Paused)));
        engine.device().run_until_idle();
        drop(ctx);
        let outcome = job.resume().unwrap();
        assert_eq!(outcome, Step::Finished(Err((Error::NeverEnds, message(3, size)))));
        assert_adds_up(&engine);
    }
}

/// Other threads step the device too, share the pair, and reap each other's completions; no request is given
/// up because of that.
#[test]
fn threads_that_share_a_stepped_device_do_not_give_up_what_another_brings_to_its_end() {
    const THREADS: usize = 4;
    const CALLS: usize = 300;
    for config in ["queue_pairs=1;depth=2", "queue_pairs=2;depth=2;delivery=poll", "completion_nsec=1000"] {
        let engine = stepped(config);
        let right = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    let ctx = WaitCtx::new();
                    for _ in 0..CALLS {
                        let job = paused_job(&engine, &ctx, 3);
                        blocks(&engine);
                        drop(job);
                        right.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!((right.into_inner(), engine.stats().never_ended), (THREADS * CALLS, 0), "{config}");
        engine.device().run_until_idle();
    }
}
