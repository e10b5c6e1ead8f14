//! Faults that only a timeout or a retry can correct: requests that never end, wakes that never come, results
//! that come short, late or twice.

mod captured;
mod engine_helpers;

use std::time::Duration;

use simaccel::{Engine, Error, OpError, Step, WaitCtx, wait_readable};

use self::engine_helpers::{
    IV, LEN, assert_adds_up, ctr, each_way, expected_ctr, message, open, paused_job, result, stepped,
};

/// The same by polling: three jobs that sleep on the interrupt, and a blocking call.
fn polling(engine: &Engine) -> Vec<Result<Vec<u8>, OpError>> {
    let ctx = WaitCtx::new();
    let mut results = Vec::new();
    for index in 0..3 {
        let mut job = paused_job(engine, &ctx, index);
        results.push(loop {
            while engine.poll(1, |_| ()).unwrap() == 0 {
                wait_readable(&[engine.interrupt_fd().unwrap()]).unwrap();
            }
            if let Step::Finished(result) = job.resume().unwrap() {
                break result;
            }
        });
    }
    results.push(ctr(engine).encrypt(&IV, message(3, LEN)));
    results
}

/// On real devices, ideal and modelled, woken and polled: `check` sees the results of every way of waiting.
fn every_way(config: &str, check: impl Fn(&Engine, Vec<Result<Vec<u8>, OpError>>)) {
    for model in ["", "completion_nsec=10000"] {
        let engine = open(&format!("{config};{model}"));
        check(&engine, each_way(&engine));
        let engine = open(&format!("{config};{model};delivery=poll"));
        check(&engine, polling(&engine));
    }
}

fn all_timed_out(engine: &Engine, results: Vec<Result<Vec<u8>, OpError>>) {
    for (index, result) in results.into_iter().enumerate() {
        let lost = result.map_err(OpError::into_parts);
        assert_eq!(lost, Err((Error::Timeout, message(index, LEN))), "the input comes back as it was");
    }
    assert_eq!(engine.stats().timeouts, 4);
    assert_adds_up(engine);
}

fn all_done(engine: &Engine, results: Vec<Result<Vec<u8>, OpError>>) {
    for (index, result) in results.into_iter().enumerate() {
        assert_eq!(result.unwrap(), expected_ctr(&message(index, LEN)));
    }
    engine.device().drain();
    engine.poll(100, |_| ()).unwrap();
    assert_adds_up(engine);
}

#[test]
fn requests_that_never_end_and_wakes_that_never_come_are_timeouts() {
    every_way("fault=timeout;timeout_msec=5", all_timed_out);
    every_way("fault=drop_wake;timeout_msec=5", |engine, results| {
        // A caller that polls or blocks may look at the right moment, and then needs no wake.
        let needs_a_wake = |index| index < 2 && engine.stats().polled == 0;
        let mut late = 0;
        for (index, result) in results.into_iter().enumerate() {
            match result.map_err(OpError::into_parts) {
                Ok(output) => {
                    assert_eq!(output, expected_ctr(&message(index, LEN)));
                    assert!(!needs_a_wake(index), "it was woken");
                }
                Err(lost) => {
                    assert_eq!(lost, (Error::Timeout, message(index, LEN)), "not what was computed");
                    late += 1;
                }
            }
        }
        assert_eq!(engine.stats().timeouts, late);
    });
}

#[test]
fn on_a_stepped_device_lost_wakes_are_found_within_twice_the_period() {
    let period = Duration::from_millis(10);
    for delivery in ["wake", "poll"] {
        let engine = stepped(&format!("fault=drop_wake;timeout_msec=10;delivery={delivery}"));
        let ctx = WaitCtx::new();
        let mut job = paused_job(&engine, &ctx, 1);
        // Sleeping by polling means that the interrupt is armed.
        assert_eq!(engine.poll(10, |_| ()).unwrap(), 0);
        engine.device().advance(period - Duration::from_nanos(1));
        assert_eq!(engine.stats().timeouts, 0);
        engine.device().advance(period);
        let fds = if delivery == "poll" { vec![engine.interrupt_fd().unwrap()] } else { ctx.all_fds() };
        assert_eq!(wait_readable(&fds).unwrap(), 1);
        let (error, buffer) = result(&mut job).unwrap_err().into_parts();
        assert_eq!((error, buffer), (Error::Timeout, message(1, LEN)));
        assert_eq!((engine.stats().timeouts, engine.device().run_until_idle()), (1, 0));
        engine.poll(10, |token| panic!("a token that is over: {token}")).unwrap();
        assert_adds_up(&engine);
    }
}

#[test]
fn a_request_that_never_ends_costs_no_slot_without_a_resume() {
    captured::leaking(|| {
        for delivery in ["wake", "poll"] {
            let engine =
                stepped(&format!("fault=timeout;timeout_msec=10;depth=2;queue_pairs=1;delivery={delivery}"));
            let ctx = WaitCtx::new();
            for index in 0..20 {
                std::mem::forget(paused_job(&engine, &ctx, index));
                std::mem::forget(paused_job(&engine, &ctx, index));
                engine.device().run_until_idle();
            }
            assert_eq!((engine.stats().timeouts, engine.stats().parked), (40, 0));
            assert_adds_up(&engine);
        }
    });
}

#[test]
fn another_try_mends_every_passing_fault() {
    for fault in ["timeout", "drop_wake", "fail", "short", "reset", "late:nsec=50000000"] {
        // On a busy machine 5 ms may pass before the device has run; so there are far more retries than
        // faults.
        let separator = if fault.contains(':') { ',' } else { ':' };
        let config = format!("fault={fault}{separator}every=2;timeout_msec=5;max_retries=100");
        every_way(&config, |engine, results| {
            all_done(engine, results);
            assert!(engine.stats().faults_injected > 0, "{fault}");
        });
    }
}

#[test]
fn a_stream_survives_what_is_tried_again() {
    let plain = message(4, 300);
    for cure in ["max_retries=3", "fallback=on"] {
        for fault in ["timeout", "drop_wake", "fail", "short", "reset"] {
            let engine =
                stepped(&format!("fault={fault}:every=2;timeout_msec=5;{cure};completion_nsec=1000"));
            let mut stream = ctr(&engine).encryptor(&IV);
            let mut output = Vec::new();
            for piece in plain.chunks(37) {
                output.extend(stream.update(piece.to_vec()).unwrap());
            }
            output.extend(stream.finish().unwrap());
            assert_eq!(output, expected_ctr(&plain), "{cure}, {fault}");
            let stats = engine.stats();
            // A blocking caller of a stepped device looks for itself, and misses no wake.
            assert!(stats.retries + stats.fallbacks > 0 || fault == "drop_wake", "{cure}, {fault}");
        }
    }
}

#[test]
fn what_comes_late_or_twice_or_for_nothing_hits_nothing_that_is_watched() {
    every_way("fault=duplicate;fault=spurious_wake;timeout_msec=3600000", |engine, results| {
        all_done(engine, results);
        assert_eq!((engine.stats().timeouts, engine.stats().retries), (0, 0));
    });
    let engine = stepped("fault=late:nsec=50000000,every=2;timeout_msec=10;completion_nsec=1000");
    let ctx = WaitCtx::new();
    let mut jobs: Vec<_> = (0..8).map(|index| paused_job(&engine, &ctx, index)).collect();
    engine.device().advance(Duration::from_millis(10));
    for (index, job) in jobs.iter_mut().enumerate() {
        match result(job).map_err(OpError::into_parts) {
            Ok(output) => assert_eq!((output, index % 2), (expected_ctr(&message(index, LEN)), 0)),
            Err(lost) => assert_eq!((lost, index % 2), ((Error::Timeout, message(index, LEN)), 1)),
        }
    }
    engine.device().run_until_idle();
    assert_eq!(engine.stats().timeouts, 4);
    assert_adds_up(&engine);
}
