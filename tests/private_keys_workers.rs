//! Operations with keys on the other workers of a modelled device, in real time: whatever a fault, a reset or
//! a dropped job does at any moment, each ends once, with its result or with the reason.
//!
//! ```text
//!   job ─► first worker: schedules ─► another worker: computes ─► first worker: completes ─► job
//!             └──── a reset, a drop, after as many turns of a loop as the operation's number says ────┘
//! ```
//!
//! The moments themselves, one by one: `device-sim/src/model/pipeline/tests/keys.rs`.

mod captured;
mod engine_helpers;
#[path = "private_keys/operations.rs"]
mod operations;

use std::hint::spin_loop;
use std::sync::mpsc::channel;
use std::thread;

use simaccel::{Engine, Error, Job, Operation, Step, WaitCtx};

use self::engine_helpers::{assert_adds_up, finish, open};
use self::operations::{Action, Output, all};

const CONFIGS: [&str; 3] = [
    "workers=2;queue_pairs=1;depth=4;completion_nsec=1000;compute_units=4",
    "workers=3;queue_pairs=2;completion_nsec=1000;compute_units=4;ordering=fifo",
    "workers=2;queue_pairs=2;completion_nsec=300000;compute_units=2;timing=all",
];

/// A paused job with the operation.
fn paused(engine: &Engine, ctx: &WaitCtx, action: &Action) -> Job<Output> {
    let (action, session) = (action.clone(), action.session(engine));
    let mut job = Job::new(ctx, move || action.run(&session)).unwrap();
    assert!(matches!(job.resume().unwrap(), Step::Paused), "an operation pauses at least once");
    job
}

fn name(action: &Action) -> String {
    format!("{}, {}", action.algorithm, action.operation)
}

#[track_caller]
fn assert_right(action: &Action, output: Output) {
    assert!(action.is_right(&output.unwrap()), "{}: another result than in software", name(action));
}

/// The first worker has computed nothing. Returns what the others have.
fn computed_by_others(engine: &Engine) -> u64 {
    let workers = engine.stats().device.workers;
    assert_eq!(workers[0].computed, 0, "{workers:?}");
    workers[1..].iter().map(|worker| worker.computed).sum()
}

/// Turns of a loop before something happens to the operation of this number.
fn wait_a_little(number: usize) {
    (0..number * 7_919 % 20_000).for_each(|_| spin_loop());
}

#[test]
fn another_worker_computes_every_operation_with_a_key() {
    for config in CONFIGS {
        let engine = open(config);
        let start = |action: &Action| {
            let ctx = WaitCtx::new();
            let job = paused(&engine, &ctx, action);
            (ctx, job)
        };
        let jobs: Vec<_> = all().iter().map(start).collect();
        for ((ctx, mut job), action) in jobs.into_iter().zip(all()) {
            assert_right(action, finish(&ctx, &mut job).0);
        }
        assert_eq!(computed_by_others(&engine), all().len() as u64, "{config}");
        assert_adds_up(&engine);
    }
}

#[test]
fn a_reset_ends_an_operation_with_a_key_or_comes_too_late() {
    for config in CONFIGS {
        let engine = open(config);
        let (strike, strikes) = channel();
        let resetting = {
            let engine = engine.clone();
            thread::spawn(move || {
                for number in strikes {
                    wait_a_little(number);
                    engine.device().reset();
                }
            })
        };
        for (number, action) in (0..3).flat_map(|_| all()).enumerate() {
            let ctx = WaitCtx::new();
            let mut job = paused(&engine, &ctx, action);
            strike.send(number).unwrap();
            match finish(&ctx, &mut job).0 {
                Err(Error::Reset) => {}
                output => assert_right(action, output),
            }
        }
        drop(strike);
        resetting.join().unwrap();
        for action in all() {
            assert_right(action, action.run(&action.session(&engine)));
        }
        let computed = computed_by_others(&engine);
        assert!((all().len() as u64..=4 * all().len() as u64).contains(&computed), "{config}: {computed}");
        assert_eq!(engine.stats().device.total.in_flight, 0, "{config}");
        assert_adds_up(&engine);
    }
}

#[test]
fn a_job_that_is_dropped_leaves_nothing_of_its_operation_on_another_worker() {
    for config in CONFIGS {
        let engine = open(config);
        for (number, action) in (0..3).flat_map(|_| all()).enumerate() {
            let (ctx, other) = (WaitCtx::new(), WaitCtx::new());
            let dropped = paused(&engine, &ctx, action);
            let mut kept = paused(&engine, &other, action);
            wait_a_little(number);
            drop(dropped);
            assert_right(action, finish(&other, &mut kept).0);
        }
        engine.device().drain();
        let stats = engine.stats();
        assert_eq!(stats.abandoned, 3 * all().len() as u64, "{config}");
        assert_eq!(stats.device.total.in_flight, 0, "{config}");
        let _ = computed_by_others(&engine);
        assert_adds_up(&engine);
    }
}

/// Every second operation is struck.
#[test]
fn a_fault_strikes_an_operation_on_another_worker_as_any_other() {
    for fault in ["fail:", "short:bytes=1,", "corrupt:bit=0,", "delay:nsec=100000,", "stall:nsec=100000,"] {
        let engine = open(&format!("{};fault={fault}every=2", CONFIGS[0]));
        let mut struck = 0;
        // An empty result is neither damaged nor cut, and its request does not count for such rules.
        let has_output = |action: &&Action| action.operation != Operation::Verify;
        for action in all().iter().filter(has_output) {
            let session = action.session(&engine);
            assert_right(action, action.run(&session));
            let context = format!("{fault}: {}", name(action));
            match (fault.split(':').next().unwrap(), action.run(&session)) {
                ("fail", Err(Error::DeviceFailed)) | ("short", Err(Error::ShortOutput { .. })) => {}
                ("corrupt", Ok(output)) => assert!(!action.is_right(&output), "{context}"),
                ("delay" | "stall", output) => assert_right(action, output),
                (_, output) => panic!("{context}: {:?}", output.map(|output| output.len())),
            }
            struck += 1;
        }
        engine.device().drain();
        let stats = engine.stats();
        assert_eq!(stats.faults_injected, struck, "{fault}");
        // The first worker ends what fails.
        let by_first = if fault == "fail:" { struck } else { 0 };
        assert_eq!(stats.device.workers[0].computed, by_first, "{fault}");
        assert_adds_up(&engine);
    }
}
