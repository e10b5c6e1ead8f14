//! Operations of the user's own: the whole cycle of pause and wake around a function, which runs once or
//! never and is dropped once, whatever happens.

mod captured;
mod engine_helpers;

#[path = "statistics/exposition.rs"]
mod exposition;

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use serde_json::Value;
use simaccel::{CallStats, CipherSession, Config, Engine, EngineStats, Error, Job, Step, WaitCtx, job};

use self::engine_helpers::{IV, assert_adds_up, ctr, expected_ctr, finish, message, open, stepped};
use self::exposition::{Exposition, Kind};

/// How many functions and values there are, and how many functions have run.
#[derive(Clone, Debug, Default)]
struct Watch {
    alive: Arc<AtomicU64>,
    runs: Arc<AtomicU64>,
}

/// What a function owns, or gives.
#[derive(Debug)]
struct Canary(Arc<AtomicU64>);

impl Drop for Canary {
    fn drop(&mut self) {
        assert_ne!(self.0.fetch_sub(1, Ordering::SeqCst), 0, "dropped twice");
    }
}

impl Watch {
    fn canary(&self) -> Canary {
        self.alive.fetch_add(1, Ordering::SeqCst);
        Canary(Arc::clone(&self.alive))
    }

    /// A function that owns something and gives something.
    fn function(&self) -> impl FnOnce() -> Canary + Send + 'static {
        let (owned, watch) = (self.canary(), self.clone());
        move || {
            watch.runs.fetch_add(1, Ordering::SeqCst);
            drop(owned);
            watch.canary()
        }
    }

    fn alive(&self) -> u64 {
        self.alive.load(Ordering::SeqCst)
    }

    fn runs(&self) -> u64 {
        self.runs.load(Ordering::SeqCst)
    }
}

fn stats_of(engine: &Engine, name: &str) -> CallStats {
    let calls = engine.stats().device.calls;
    calls.into_iter().find(|call| call.name == name).unwrap_or_else(|| panic!("{name} is not counted"))
}

/// Resumes a job to its end: its thread polls, and steps.
fn polled<T>(engine: &Engine, job: &mut Job<T>) -> T {
    loop {
        if let Step::Finished(result) = job.resume().unwrap() {
            return result;
        }
        engine.device().step();
        engine.poll(100, |_| ()).unwrap();
    }
}

/// On worker threads and on a stepped device, woken and polled, in a job and out of one.
fn on_every_way<T: 'static>(
    config: &str,
    call: impl Fn(&Engine) -> T + Clone + 'static,
    see: impl Fn(T, &Engine),
) {
    for delivery in ["wake", "poll"] {
        let config = format!("{config};delivery={delivery}");
        for engine in [open(&config), stepped(&config)] {
            see(call(&engine), &engine);
            let ctx = WaitCtx::new();
            let mut job = {
                let (engine, call) = (engine.clone(), call.clone());
                Job::new(&ctx, move || call(&engine)).unwrap()
            };
            let result = if delivery == "poll" {
                polled(&engine, &mut job)
            } else if engine.device().is_stepped() {
                assert!(matches!(job.resume().unwrap(), Step::Paused));
                engine.device().run_until_idle();
                finish(&ctx, &mut job).0
            } else {
                let (result, pauses) = finish(&ctx, &mut job);
                assert!(pauses > 0, "a job pauses");
                result
            };
            see(result, &engine);
            engine.device().drain();
            engine.poll(10, |_| ()).unwrap();
            assert_adds_up(&engine);
        }
    }
}

#[test]
fn a_call_gives_its_value_on_every_way_of_waiting() {
    let call = |engine: &Engine| {
        let words = ["run", "on", "the", "device"];
        engine.call("join", 15, move || words.join(" "))
    };
    for config in ["", "completion_nsec=1000;mbps=100", "timeout_msec=3600000;max_retries=2;fallback=on"] {
        on_every_way(config, call, |joined, engine| {
            assert_eq!(joined.unwrap(), "run on the device");
            let stats = stats_of(engine, "join");
            assert_eq!((stats.failed, stats.bytes), (0, 15 * stats.completed));
            assert_eq!(engine.stats().fallbacks, 0);
        });
    }
}

#[test]
fn a_panic_goes_on_in_the_caller_and_the_device_lives() {
    let call = |engine: &Engine| {
        let caught = catch_unwind(AssertUnwindSafe(|| engine.call("panics", 1, || panic_any(42_u8))));
        caught.unwrap_err().downcast_ref::<u8>().copied()
    };
    let quiet = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| ()));
    on_every_way("", call, |carried, engine| {
        assert_eq!(carried, Some(42));
        assert_eq!(engine.call("works", 1, || 7_u8), Ok(7));
        assert_eq!(engine.stats().device.deaths, 0);
        let stats = stats_of(engine, "panics");
        assert_eq!((stats.panicked, stats.failed), (stats.completed, 0));
    });
    // Out of a job it goes to the thread that resumes the job.
    let (engine, ctx) = (stepped(""), WaitCtx::new());
    let mut job = {
        let engine = engine.clone();
        Job::new(&ctx, move || engine.call::<(), _>("panics", 1, || panic_any("out"))).unwrap()
    };
    assert!(matches!(job.resume().unwrap(), Step::Paused));
    engine.device().run_until_idle();
    let caught = catch_unwind(AssertUnwindSafe(|| job.resume())).unwrap_err();
    std::panic::set_hook(quiet);
    assert_eq!(caught.downcast_ref::<&str>(), Some(&"out"));
    assert_adds_up(&engine);
}

/// A job that calls, paused.
fn paused(engine: &Engine, ctx: &WaitCtx, watch: &Watch) -> Job<Result<Canary, Error>> {
    let (engine, function) = (engine.clone(), watch.function());
    let mut job = Job::new(ctx, move || engine.call("canary", 8, function)).unwrap();
    assert!(matches!(job.resume().unwrap(), Step::Paused));
    job
}

#[test]
fn a_dropped_job_drops_its_function_or_its_value_wherever_the_call_is() {
    let (engine, ctx, watch) =
        (stepped("queue_pairs=1;depth=2;completion_nsec=1000"), WaitCtx::new(), Watch::default());
    let [mut first, mut second, mut parked, mut left] = [(); 4].map(|()| Some(paused(&engine, &ctx, &watch)));
    assert_eq!((watch.alive(), engine.stats().parked), (4, 2));
    drop(parked.take());
    assert_eq!((watch.alive(), watch.runs()), (3, 0), "parked");
    drop(first.take());
    assert_eq!((watch.alive(), watch.runs()), (2, 0), "queued");
    assert!(engine.device().step());
    assert_eq!((watch.alive(), watch.runs()), (2, 1), "it has run, and is not due");
    drop(second.take());
    assert_eq!((watch.alive(), watch.runs()), (1, 1), "its value is gone");
    engine.device().run_until_idle();
    drop(left.take());
    assert_eq!((watch.alive(), watch.runs()), (0, 2), "done, and not taken");
    assert_adds_up(&engine);
}

/// A job that is dropped unwinds, and a second panic would end the process.
#[test]
fn a_panic_in_the_drop_of_a_function_or_a_value_ends_with_the_drop_of_the_job() {
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            std::panic::resume_unwind(Box::new("dropped"));
        }
    }
    for (config, steps) in [("", 0), ("", 1), ("completion_nsec=1000", 1), ("delivery=poll", 0)] {
        let (engine, ctx) = (stepped(config), WaitCtx::new());
        let (calling, owned) = (engine.clone(), Panics);
        let mut job = Job::new(&ctx, move || calling.call("gives", 8, move || owned).map(drop)).unwrap();
        assert!(matches!(job.resume().unwrap(), Step::Paused));
        (0..steps).for_each(|_| assert!(engine.device().step()));
        drop(job);
        assert_eq!(engine.stats().abandoned, 1, "{config}");
        assert_eq!(engine.call("works", 1, || 7_u8), Ok(7));
        assert_adds_up(&engine);
    }
}

#[test]
fn a_job_that_is_dropped_while_its_function_runs_waits_for_its_end() {
    let (engine, ctx, watch) = (open(""), WaitCtx::new(), Watch::default());
    let ((started, has_started), (release, released)) = (channel(), channel());
    let (value, calling) = (watch.canary(), engine.clone());
    let function = move || {
        started.send(()).unwrap();
        released.recv().unwrap();
        value
    };
    let mut job = Job::new(&ctx, move || calling.call("waits", 1, function)).unwrap();
    assert!(matches!(job.resume().unwrap(), Step::Paused));
    has_started.recv().unwrap();
    let releaser = thread::spawn(move || release.send(()).unwrap());
    drop(job);
    assert_eq!(watch.alive(), 0, "it has ended, and its value is gone");
    releaser.join().unwrap();
    engine.device().drain();
    assert_adds_up(&engine);
}

#[test]
fn an_engine_that_goes_takes_calls_along() {
    let (ctx, watch) = (WaitCtx::new(), Watch::default());
    let engine = stepped("completion_nsec=1000");
    let jobs: Vec<_> = (0..5).map(|_| paused(&engine, &ctx, &watch)).collect();
    engine.device().step();
    engine.device().reset();
    for mut job in jobs {
        assert!(matches!(job.resume().unwrap(), Step::Finished(Err(Error::Reset))));
    }
    drop(engine);
    assert_eq!(watch.alive(), 0);
}

#[test]
fn a_function_that_has_not_run_is_tried_again_and_one_that_has_is_not() {
    let watch = Watch::default();
    let call = |config: &str| {
        let engine = stepped(&format!("operation=canary;completion_nsec=1000;{config}"));
        let before = watch.runs();
        let outcome = engine.call("canary", 8, watch.function()).map(drop);
        assert_eq!(watch.alive(), 0, "{config}");
        assert_adds_up(&engine);
        (outcome, watch.runs() - before, engine.stats())
    };
    let (outcome, runs, stats) = call("fault=fail:op=canary,times=2;max_retries=2");
    assert_eq!((outcome, runs, stats.retries), (Ok(()), 1, 2));
    let (outcome, runs, stats) = call("fault=fail:op=canary,times=2;max_retries=1");
    assert_eq!((outcome, runs, stats.retries), (Err(Error::DeviceFailed), 0, 1));
    for late in ["timeout", "late", "delay:nsec=50000000"] {
        let (outcome, runs, stats) = call(&format!("fault={late};timeout_msec=5;max_retries=2;fallback=on"));
        let counted = (stats.retries, stats.fallbacks, stats.timeouts);
        assert_eq!((outcome, runs, counted), (Err(Error::Timeout), 1, (0, 0, 1)), "{late}");
    }
    let (outcome, runs, stats) = call("fault=nomem:op=canary;max_retries=2");
    assert_eq!((outcome, runs, stats.nomems), (Err(Error::NoMemory), 0, 1));
    let (outcome, runs, _) = call("fault=timeout:op=canary");
    assert_eq!((outcome, runs), (Err(Error::NeverEnds), 1));
}

#[test]
fn fallback_and_threshold_run_the_function_in_the_calling_thread() {
    let here = thread::current().id();
    for config in ["fault=dead;fallback=on", "fault=fail;fallback=on", "fault=nomem;fallback=on"] {
        let engine = open(config);
        assert_eq!(engine.call("where", 100, || thread::current().id()), Ok(here), "{config}");
        assert_eq!(engine.stats().fallbacks, 1);
    }
    let engine = open("offload_threshold=100");
    assert_eq!(engine.call("where", 99, || thread::current().id()), Ok(here));
    assert_ne!(engine.call("where", 100, || thread::current().id()), Ok(here));
    assert_eq!(engine.stats().below_threshold, 1);
    // A job does not pause in what it computes itself.
    let (ctx, calling) = (WaitCtx::new(), engine.clone());
    let mut job = Job::new(&ctx, move || calling.call("pause", 1, job::can_pause)).unwrap();
    assert!(matches!(job.resume().unwrap(), Step::Finished(Ok(false))));
    let panicking = catch_unwind(AssertUnwindSafe(|| {
        engine.call::<(), _>("panics", 1, || std::panic::resume_unwind(Box::new(3_u8)))
    }));
    assert_eq!(panicking.unwrap_err().downcast_ref::<u8>(), Some(&3));
}

/// Every kind of fault, with and without the cures.
#[test]
fn under_every_fault_nothing_is_leaked_and_no_function_runs_twice() {
    let kinds: Vec<_> = EngineStats::default().faults().map(|(kind, _)| kind).collect();
    for kind in kinds {
        for cure in ["", ";max_retries=1", ";fallback=on", ";max_retries=1;fallback=on"] {
            for delivery in ["wake", "poll"] {
                let config = format!(
                    "completion_nsec=1000;timeout_msec=5;delivery={delivery};fault={kind}:nth=2{cure}"
                );
                under_fault(&config);
            }
        }
    }
}

fn under_fault(config: &str) {
    let (engine, ctx, watch) = (stepped(config), WaitCtx::new(), Watch::default());
    let mut jobs = Vec::new();
    for _ in 0..4 {
        let (engine, function) = (engine.clone(), watch.function());
        jobs.push(Job::new(&ctx, move || engine.call("canary", 8, function)).unwrap());
    }
    let mut given = 0;
    while !jobs.is_empty() {
        jobs.retain_mut(|job| match job.resume().unwrap() {
            Step::Paused => true,
            Step::Finished(outcome) => {
                given += u64::from(outcome.is_ok());
                false
            }
        });
        engine.device().run_until_idle();
        if config.contains("delivery=poll") {
            // A fault may have refused the interrupt's fd.
            let _ = engine.poll(100, |_| ());
        }
    }
    assert_eq!(watch.alive(), 0, "{config}");
    assert!(given <= watch.runs() && watch.runs() <= 4, "{config}: {} values of {}", given, watch.runs());
    assert_adds_up(&engine);
    let blocking = engine.call("canary", 8, watch.function());
    drop(blocking);
    drop(engine);
    assert_eq!(watch.alive(), 0, "{config}");
}

/// The function runs for longer than the limit, by the device's clock.
#[test]
fn a_function_that_runs_when_its_time_is_over_ends_and_its_call_after_it() {
    let (engine, watch) = (open("timeout_msec=1;max_retries=3;fallback=on"), Watch::default());
    let (function, clock) = (watch.function(), engine.clone());
    let outcome = engine.call("slow", 1, move || {
        let begun = clock.device().now();
        while clock.device().now() < begun + Duration::from_millis(5) {
            thread::yield_now();
        }
        function()
    });
    assert!(matches!(&outcome, Ok(_) | Err(Error::Timeout)), "{outcome:?}");
    drop(outcome);
    engine.device().drain();
    assert_eq!((watch.runs(), watch.alive()), (1, 0));
    assert_adds_up(&engine);
}

/// The call's own time is over first.
#[test]
fn other_requests_time_out_while_a_function_runs() {
    for delivery in ["wake", "poll"] {
        let engine = open(&format!("timeout_msec=5;delivery={delivery}"));
        let ((started, has_started), (release, released)) = (channel(), channel());
        let calling = engine.clone();
        let caller = thread::spawn(move || {
            calling.call("waits", 1, move || {
                started.send(()).unwrap();
                released.recv().unwrap();
            })
        });
        has_started.recv().unwrap();
        let queued = ctr(&engine).encrypt(&IV, message(1, 20));
        assert_eq!(queued.unwrap_err().error(), &Error::Timeout);
        release.send(()).unwrap();
        assert!(matches!(caller.join().unwrap(), Ok(()) | Err(Error::Timeout)));
        engine.device().drain();
        engine.poll(10, |_| ()).unwrap();
        assert_adds_up(&engine);
    }
}

#[test]
fn a_function_that_asks_its_own_engine_is_refused_and_another_engine_serves_it() {
    on_every_way(
        "",
        |engine| {
            let (own, session, other) = (engine.clone(), ctr(engine), open(""));
            engine.call("nested", 1, move || {
                let encrypted = session.encrypt(&IV, message(1, 20)).map_err(Error::from);
                let called = own.call("inner", 1, || ());
                (encrypted, called, other.call("inner", 1, || 5_u8))
            })
        },
        |outcome, engine| {
            let (encrypted, called, elsewhere) = outcome.unwrap();
            assert_eq!((encrypted, called), (Err(Error::Inside), Err(Error::Inside)));
            assert_eq!(elsewhere, Ok(5));
            assert_eq!(ctr(engine).encrypt(&IV, message(2, 20)).unwrap(), expected_ctr(&message(2, 20)));
        },
    );
}

/// A job that encrypts, on the context of this thread.
fn encrypting(session: CipherSession) -> Job<Result<Vec<u8>, Error>> {
    thread_local!(static CTX: WaitCtx = WaitCtx::new());
    CTX.with(|ctx| Job::new(ctx, move || session.encrypt(&IV, message(1, 20)).map_err(Error::from))).unwrap()
}

/// Also where the thread and the context were used before, so that the usual case needs no state machine.
#[test]
fn a_job_that_a_function_runs_is_refused_by_its_own_engine_too() {
    for delivery in ["wake", "poll"] {
        let engine = stepped(&format!("delivery={delivery}"));
        let session = ctr(&engine);
        let runs = || polled(&engine, &mut encrypting(session.clone()));
        assert_eq!([runs(), runs()], [(); 2].map(|()| Ok(expected_ctr(&message(1, 20)))));
        let outcome = {
            let session = session.clone();
            engine.call("runs", 1, move || match encrypting(session).resume() {
                Ok(Step::Finished(outcome)) => outcome.map(|_| "a result"),
                other => Ok(if other.is_ok() { "a pause" } else { "a misuse" }),
            })
        };
        assert_eq!(outcome, Ok(Err(Error::Inside)), "{delivery}");
        assert_eq!(runs(), Ok(expected_ctr(&message(1, 20))), "outside it is served again");
        assert_adds_up(&engine);
    }
}

/// The device owns the request of a call until it shows its result, and does not go on before the function
/// has returned. The request before it is in a batch of its own.
#[test]
fn a_function_drops_the_job_before_it_and_its_own_job() {
    thread_local!(static JOBS: RefCell<Vec<Box<dyn Any>>> = const { RefCell::new(Vec::new()) });
    for config in ["", "completion_nsec=1000", "delivery=poll", "timeout_msec=1000"] {
        let (engine, ctx, watch) = (stepped(config), WaitCtx::new(), Watch::default());
        let mut before = encrypting(ctr(&engine));
        assert!(matches!(before.resume().unwrap(), Step::Paused));
        let (calling, function) = (engine.clone(), watch.function());
        let dropping = move || {
            drop(JOBS.take());
            function()
        };
        let mut own = Job::new(&ctx, move || calling.call("drops", 8, dropping)).unwrap();
        assert!(matches!(own.resume().unwrap(), Step::Paused));
        JOBS.set(vec![Box::new(before), Box::new(own)]);
        while watch.runs() == 0 {
            assert!(engine.device().step(), "{config}");
        }
        assert_eq!(engine.stats().abandoned, 2, "{config}");
        engine.device().run_until_idle();
        assert_eq!(watch.alive(), 0, "its value is gone: {config}");
        if config.contains("poll") {
            assert_eq!(engine.poll(10, |_| ()), Ok(0));
        }
        assert_adds_up(&engine);
        assert_eq!(engine.call("works", 1, || 7_u8), Ok(7));
    }
}

#[test]
fn a_name_is_in_both_texts_whatever_it_is() {
    let odd = "a \"name\"\\with\nall";
    let engine = stepped("operation=declared;timing=all;completion_nsec=2000");
    engine.call(odd, 3, || ()).unwrap();
    let stats = engine.stats();
    let json: Value = serde_json::from_str(&stats.to_json()).unwrap();
    let calls = &json["device"]["calls"];
    assert_eq!(calls[odd]["completed"], 1, "{calls}");
    assert_eq!((&calls[odd]["bytes"], &calls["declared"]["completed"]), (&Value::from(3), &Value::from(0)));
    assert_eq!(calls[odd]["timings"]["service_nsec"]["count"], 1, "{calls}");
    let text = stats.to_prometheus();
    let exposition = Exposition::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    for (name, expected) in [(odd, 1.0), ("declared", 0.0)] {
        assert_eq!(exposition.value("simaccel_call_completed_total", &[("op", name)]), Some(expected));
    }
    assert_eq!(exposition.kind("simaccel_call_service_seconds"), Some(Kind::Histogram));
    let kept = exposition.value("simaccel_call_service_seconds_count", &[("op", odd)]);
    assert_eq!(kept, Some(1.0));
    let all = [("queue_pair", "0"), ("op", "call")];
    assert_eq!(exposition.value("simaccel_operation_completed_total", &all), Some(1.0));
}

#[test]
fn names_are_bounded_and_a_rule_about_one_that_is_not_declared_is_refused() {
    let engine = open("");
    for number in 0..200 {
        engine.call(&format!("name-{number}"), 1, || ()).unwrap();
    }
    assert_eq!(engine.stats().device.calls.len(), 65);
    assert_eq!(stats_of(&engine, "other").completed, 200 - 64);
    assert_adds_up(&engine);
    for rule in ["fail:op=compres", "nomem:op=compres"] {
        let error = Config::parse(&format!("operation=compress;fault={rule}")).unwrap_err().to_string();
        assert!(error.contains(rule) && error.contains("operation=NAME"), "{error}");
        Config::parse(&format!("operation=compres;fault={rule}")).unwrap();
    }
}

/// Many threads, many jobs each.
#[test]
fn many_calls_at_a_time_from_many_threads() {
    let (engine, watch) = (open("workers=2;queue_pairs=2;depth=4"), Watch::default());
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (engine, watch) = (engine.clone(), watch.clone());
            thread::spawn(move || {
                let ctx = WaitCtx::new();
                for round in 0..50 {
                    let mut jobs: Vec<_> = (0..8).map(|_| paused(&engine, &ctx, &watch)).collect();
                    jobs.truncate(8 - round % 3);
                    jobs.iter_mut().for_each(|job| drop(finish(&ctx, job).0.unwrap()));
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    engine.device().drain();
    assert_eq!(watch.alive(), 0);
    assert_adds_up(&engine);
}
