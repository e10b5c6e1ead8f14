//! Operations with private keys in every way of waiting: in jobs, blocked, polled; dropped in the middle, on
//! full rings, in many threads, on the smallest stack, across a fork.

mod captured;
mod engine_helpers;
mod future_helpers;
mod job_helpers;
#[path = "private_keys/operations.rs"]
mod operations;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Poll, Wake, Waker};
use std::thread;

use simaccel::foreign::{StartedKey, start_key};
use simaccel::job::{self, InitError, PoolConfig};
use simaccel::{Engine, Error, Job, Operation, Step, WaitCtx, Zeroizing, wait_readable};

use self::engine_helpers::{assert_adds_up, finish, open, stepped};
use self::future_helpers::Flag;
use self::operations::{Action, Output, all, few};

/// A paused job with the operation.
fn paused(engine: &Engine, ctx: &WaitCtx, action: &Action) -> Job<Output> {
    let (action, session) = (action.clone(), action.session(engine));
    let mut job = Job::new(ctx, move || action.run(&session)).unwrap();
    assert!(matches!(job.resume().unwrap(), Step::Paused), "an operation pauses at least once");
    job
}

fn started(engine: &Engine, action: &Action) -> StartedKey {
    let (operation, arguments, input) = action.parts();
    start_key(&action.session(engine), operation, arguments, input)
}

#[track_caller]
fn assert_right(action: &Action, output: Output) {
    let (algorithm, operation) = (action.algorithm, action.operation);
    assert!(action.is_right(&output.unwrap()), "{algorithm}, {operation}: another result than in software");
}

/// How often each operation was completed.
fn completed(engine: &Engine) -> BTreeMap<String, u64> {
    let total = engine.stats().device.total;
    let counts = total.by_operation().map(|(operation, counts)| (operation.to_string(), counts.completed));
    counts.filter(|(_, count)| *count > 0).collect()
}

fn wanted() -> BTreeMap<String, u64> {
    let mut wanted = BTreeMap::new();
    for action in all() {
        *wanted.entry(action.operation.to_string()).or_default() += 1;
    }
    wanted
}

/// Every operation once: all are counted by kind, and every pause is resumed.
#[track_caller]
fn assert_counted(engine: &Engine, pauses: u64) {
    let stats = engine.stats();
    assert_eq!(completed(engine), wanted());
    assert_eq!((stats.operations, stats.pauses, stats.resumes), (all().len() as u64, pauses, pauses));
    assert_eq!((stats.fallbacks, stats.abandoned, stats.retries), (0, 0, 0));
    assert_adds_up(engine);
}

const CONFIGS: [&str; 3] = ["", "completion_nsec=1000", "completion_nsec=1000;timeout_msec=60000"];

#[test]
fn every_operation_of_every_key_is_in_the_list() {
    let kinds = wanted();
    let names: Vec<&str> = kinds.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        ["decapsulate", "decrypt", "derive", "encapsulate", "encrypt", "generate", "sign", "verify"]
    );
    assert!(all().len() > 30, "{kinds:?}");
}

#[test]
fn a_job_pauses_once_in_each_operation_and_is_woken_by_its_fd() {
    for config in CONFIGS {
        let engine = open(config);
        for action in all() {
            let ctx = WaitCtx::new();
            let mut job = paused(&engine, &ctx, action);
            assert!(wait_readable(&ctx.all_fds()).unwrap() > 0);
            let Step::Finished(output) = job.resume().unwrap() else { panic!("it was woken") };
            assert_right(action, output);
        }
        assert_counted(&engine, all().len() as u64);
    }
}

#[test]
fn a_job_is_woken_by_its_callback() {
    for config in CONFIGS {
        let engine = stepped(config);
        for action in all() {
            let (ctx, calls) = (WaitCtx::new(), Arc::new(Flag::default()));
            let counted = Arc::clone(&calls);
            ctx.set_callback(Some(Arc::new(move || counted.wake_by_ref())));
            let mut job = paused(&engine, &ctx, action);
            engine.device().run_until_idle();
            assert_eq!((calls.calls(), ctx.all_fds().len()), (1, 0));
            let Step::Finished(output) = job.resume().unwrap() else { panic!("it was woken") };
            assert_right(action, output);
        }
        assert_counted(&engine, all().len() as u64);
    }
}

#[test]
fn a_job_is_handed_out_by_a_poll() {
    for config in CONFIGS {
        let engine = stepped(&format!("delivery=poll;{config}"));
        for (token, action) in all().iter().enumerate() {
            let ctx = WaitCtx::new();
            let mut job = paused(&engine, &ctx, action);
            job.set_token(token as u64);
            engine.device().run_until_idle();
            let mut tokens = Vec::new();
            engine.poll(9, |token| tokens.push(token)).unwrap();
            let Step::Finished(output) = job.resume().unwrap() else { panic!("it was handed out") };
            assert_right(action, output);
            assert_eq!(tokens.len(), 1);
        }
        assert_counted(&engine, all().len() as u64);
    }
}

#[test]
fn a_caller_outside_a_job_blocks() {
    for config in CONFIGS.into_iter().chain(["delivery=poll", "delivery=poll;completion_nsec=1000"]) {
        for engine in [open(config), stepped(config)] {
            all().iter().for_each(|action| assert_right(action, action.run(&action.session(&engine))));
            assert_eq!(engine.stats().blocked, all().len() as u64);
            assert_counted(&engine, 0);
        }
    }
}

#[test]
fn a_started_operation_is_polled() {
    for config in CONFIGS.into_iter().chain(["delivery=poll"]) {
        let engine = stepped(config);
        for action in all() {
            let calls = Arc::new(Flag::default());
            let waker = Waker::from(Arc::clone(&calls));
            let mut started = started(&engine, action);
            assert!(started.poll(&waker).is_pending());
            engine.device().run_until_idle();
            assert_eq!(calls.calls(), 1);
            let Poll::Ready(output) = started.poll(&waker) else { panic!("it was woken") };
            assert_right(action, output);
        }
        assert_counted(&engine, all().len() as u64);
    }
}

#[test]
fn below_the_threshold_it_is_computed_in_software() {
    let engine = stepped("offload_threshold=4294967295");
    for action in all() {
        let Poll::Ready(output) = started(&engine, action).poll(Waker::noop()) else { panic!("it is over") };
        assert_right(action, output);
    }
    let stats = engine.stats();
    assert_eq!((stats.below_threshold, stats.device.total.submitted), (all().len() as u64, 0));
}

/// The device has it, or has ended it, when job, operation or engine go. Nothing is lost, and nothing hangs.
#[test]
fn whatever_is_dropped_in_the_middle_is_given_up() {
    for config in CONFIGS {
        for is_over in [false, true] {
            let engine = stepped(config);
            let mut others = Vec::new();
            for action in all() {
                let ctx = WaitCtx::new();
                let (job, mut polled) = (paused(&engine, &ctx, action), started(&engine, action));
                assert!(polled.poll(Waker::noop()).is_pending());
                if is_over {
                    engine.device().run_until_idle();
                }
                drop((job, polled));
                others.push((paused(&engine, &ctx, action), ctx));
            }
            engine.device().run_until_idle();
            let stats = engine.stats();
            assert_eq!(stats.abandoned, 2 * all().len() as u64, "{config}");
            assert_adds_up(&engine);
            let device = engine.clone();
            drop(engine);
            for ((mut job, _ctx), action) in others.into_iter().zip(all()) {
                let Step::Finished(output) = job.resume().unwrap() else { panic!("it is over") };
                assert_right(action, output);
            }
            assert_adds_up(&device);
        }
    }
}

/// The last handle of the engine goes while an operation is in flight: the job keeps its session, and that
/// the device.
#[test]
fn an_operation_outlives_its_engines_handles() {
    for action in all() {
        let (engine, ctx) = (open("completion_nsec=1000"), WaitCtx::new());
        let mut job = paused(&engine, &ctx, action);
        let mut polled = started(&engine, action);
        let is_pending = polled.poll(Waker::noop()).is_pending();
        drop(engine);
        let (output, _) = finish(&ctx, &mut job);
        assert_right(action, output);
        assert!(is_pending);
    }
}

/// Many more than the rings hold, in jobs and polled.
#[test]
fn full_rings_make_operations_wait_and_lose_none() {
    for config in ["depth=2;queue_pairs=1;completion_nsec=1000", "depth=4;queue_pairs=2"] {
        let engine = stepped(config);
        let ctx: Vec<WaitCtx> = all().iter().map(|_| WaitCtx::new()).collect();
        let mut jobs: Vec<_> =
            all().iter().zip(&ctx).map(|(action, ctx)| Some(paused(&engine, ctx, action))).collect();
        let mut polled: Vec<_> = all().iter().map(|action| Some(started(&engine, action))).collect();
        assert!(polled.iter_mut().flatten().all(|started| started.poll(Waker::noop()).is_pending()));
        while jobs.iter().any(Option::is_some) || polled.iter().any(Option::is_some) {
            engine.device().run_until_idle();
            for ((job, started), action) in jobs.iter_mut().zip(&mut polled).zip(all()) {
                if let Some(Step::Finished(output)) = job.as_mut().map(|job| job.resume().unwrap()) {
                    assert_right(action, output);
                    *job = None;
                }
                if let Some(Poll::Ready(output)) = started.as_mut().map(|started| started.poll(Waker::noop()))
                {
                    assert_right(action, output);
                    *started = None;
                }
            }
        }
        let stats = engine.stats();
        assert!(stats.parked > 0 && stats.operations == 2 * all().len() as u64, "{config}: {stats:?}");
        assert_adds_up(&engine);
    }
}

/// The same keys, in many threads, on a device with several workers: each waits in another way.
#[test]
fn threads_share_keys_and_engine() {
    for config in ["workers=2;queue_pairs=4", "completion_nsec=2000;compute_units=4", "depth=2;queue_pairs=1"]
    {
        let engine = open(config);
        let threads: Vec<_> = (0..6)
            .map(|number| {
                let engine = engine.clone();
                thread::spawn(move || {
                    for action in few() {
                        let session = action.session(&engine);
                        for _ in 0..5 {
                            let output = if number % 2 == 0 {
                                action.run(&session)
                            } else {
                                let ctx = WaitCtx::new();
                                finish(&ctx, &mut paused(&engine, &ctx, &action)).0
                            };
                            assert_right(&action, output);
                        }
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let stats = engine.stats();
        assert_eq!(stats.operations, 6 * 5 * few().len() as u64);
        assert_adds_up(&engine);
    }
}

fn smallest() -> usize {
    match job::init_thread(PoolConfig { stack_size: 0, ..PoolConfig::default() }) {
        Err(InitError::StackSize { min, .. }) => min,
        other => panic!("no bytes are too few: {other:?}"),
    }
}

/// A pausing job, one that may not pause, and work in software: all on the smallest stack that there is.
#[test]
fn the_smallest_stack_holds_every_operation_with_a_key() {
    job_helpers::passes_in_child("the_smallest_stack_holds_every_operation_with_a_key", || {
        job::init_thread(PoolConfig { stack_size: smallest(), ..PoolConfig::default() }).unwrap();
        for config in [
            "",
            "completion_nsec=1000;timing=all",
            "fault=fail:every=2;max_retries=3;fallback=on",
            "fault=fail;fallback=on",
            "offload_threshold=4294967295",
        ] {
            let engine = stepped(config);
            for action in all() {
                for blocked in [false, true] {
                    let (action, session) = (action.clone(), action.session(&engine));
                    let ctx = WaitCtx::new();
                    let mut job = Job::new(&ctx, move || {
                        let _blocked = blocked.then(job::block_pause);
                        assert_right(&action, action.run(&session));
                    })
                    .unwrap();
                    while let Step::Paused = job.resume().unwrap() {
                        engine.device().run_until_idle();
                    }
                }
            }
            assert_adds_up(&engine);
        }
    });
}

/// What is dropped in the middle on the smallest stack unwinds there.
#[test]
fn the_smallest_stack_holds_a_drop_in_the_middle_of_an_operation_with_a_key() {
    job_helpers::passes_in_child(
        "the_smallest_stack_holds_a_drop_in_the_middle_of_an_operation_with_a_key",
        || {
            job::init_thread(PoolConfig { stack_size: smallest(), ..PoolConfig::default() }).unwrap();
            let engine = stepped("completion_nsec=1000");
            let ctx = WaitCtx::new();
            all().iter().for_each(|action| drop(paused(&engine, &ctx, action)));
            engine.device().run_until_idle();
            assert_eq!(engine.stats().abandoned, all().len() as u64);
            assert_adds_up(&engine);
        },
    );
}

/// Refusals: they say what does not fit, count as operations, and leave nothing behind.
#[test]
fn what_does_not_fit_the_key_is_explained_in_every_way() {
    let engine = stepped("completion_nsec=1000");
    let action = all().iter().find(|action| action.operation == Operation::Derive).unwrap();
    let session = action.session(&engine);
    let (operation, arguments, input) = action.parts();
    let is_explained = |output: Result<Zeroizing<Vec<u8>>, Error>| {
        let error = output.unwrap_err();
        assert!(matches!(error, Error::InvalidArgument(_)) && error.to_string().contains("peer"), "{error}");
    };
    is_explained(session.run(operation, arguments.clone(), &input[1..]));
    let mut polled = start_key(&session, operation, arguments.clone(), input[1..].to_vec());
    assert!(polled.poll(Waker::noop()).is_pending());
    engine.device().run_until_idle();
    let Poll::Ready(output) = polled.poll(Waker::noop()) else { panic!("it is over") };
    is_explained(output);
    let ctx = WaitCtx::new();
    let mut job = Job::new(&ctx, move || session.run(operation, arguments, &input[1..])).unwrap();
    assert!(matches!(job.resume().unwrap(), Step::Paused));
    engine.device().run_until_idle();
    let Step::Finished(output) = job.resume().unwrap() else { panic!("it is over") };
    is_explained(output);
    assert_adds_up(&engine);
}
