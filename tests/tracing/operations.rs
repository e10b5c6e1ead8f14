//! The span of an operation: what it says, whose child it is, that it closes.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use simaccel::{Aead, Cipher, Engine, Error, Hash, Job, Step, WaitCtx};
use tracing::Level;
use tracing::level_filters::LevelFilter;

use crate::collected::{Collected, Span, collect, collect_at};
use crate::engine_helpers::{IV, KEY, assert_adds_up, ctr, message, open, stepped};

const MODEL: &str = "completion_nsec=1000";

fn fields<'s>(span: &'s Span, names: &[&str]) -> Vec<&'s str> {
    names.iter().map(|name| span.field(name)).collect()
}

/// Runs a job on a stepped device until it has ended. Returns its result.
fn in_a_job<T: 'static>(engine: &Engine, f: impl FnOnce() -> T + 'static) -> T {
    let ctx = WaitCtx::new();
    let mut job = Job::new(&ctx, f).unwrap();
    loop {
        match job.resume().unwrap() {
            Step::Finished(value) => return value,
            Step::Paused => assert!(engine.device().step()),
        }
    }
}

fn block_on<T>(engine: &Engine, future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => return value,
            Poll::Pending => assert!(engine.device().step()),
        }
    }
}

#[test]
fn every_way_of_waiting_has_a_span_with_what_was_done() {
    let engine = stepped(MODEL);
    let expected = ["aes-256-ctr", "encrypt", "30", "ok", "0", "", ""];
    let names = ["algorithm", "operation", "bytes", "outcome", "retries", "error", "fell_back"];
    let check = |collected: &Collected, way: &str| {
        let span = collected.operation();
        assert_eq!(fields(&span, &names), expected, "{span:#?}");
        assert_eq!((span.field("way"), span.name), (way, "operation"));
        let waited: u64 = span.field("wait_ns").parse().unwrap();
        assert!(waited >= 1_000, "in the device's time: {waited}");
        span
    };
    let session = ctr(&engine);
    let blocked = collect(|_| drop(session.encrypt(&IV, message(0, 30)).unwrap()));
    assert_eq!(check(&blocked, "blocked").entered, 0);

    let in_job = session.clone();
    let job = collect(|_| drop(in_a_job(&engine, move || in_job.encrypt(&IV, message(0, 30)).unwrap())));
    assert_eq!(check(&job, "job").entered, 0, "a job pauses in it");

    let future = collect(|_| drop(block_on(&engine, session.encrypt_async(&IV, message(0, 30))).unwrap()));
    assert!(check(&future, "future").entered >= 2, "once for a poll");
    assert_adds_up(&engine);
}

/// On a device with threads the straight ways would pass the state machine by.
#[test]
fn the_straight_ways_are_traced_too() {
    for config in ["", "delivery=poll"] {
        let engine = open(config);
        let session = ctr(&engine);
        let operations = collect(|_| {
            let ctx = WaitCtx::new();
            let in_job = session.clone();
            let mut job = Job::new(&ctx, move || {
                (0..10).for_each(|index| drop(in_job.encrypt(&IV, message(index, 30)).unwrap()));
            })
            .unwrap();
            while job.resume().unwrap() == Step::Paused {
                engine.poll(8, |_| ()).unwrap();
                std::thread::yield_now();
            }
        });
        let ways: Vec<_> = operations.operations().iter().map(|span| span.field("way").to_owned()).collect();
        assert_eq!(ways, ["job"; 10], "{config}");
        assert_adds_up(&engine);
    }
}

#[test]
fn every_kind_of_session_names_its_algorithm() {
    let engine = stepped("");
    let collected = collect(|_| {
        engine.hash(Hash::Sha256).unwrap().digest(b"abc").unwrap();
        engine.hmac(Hash::Sha512, &KEY).unwrap().mac(b"abc").unwrap();
        let aead = engine.aead(Aead::Aes256Gcm, &KEY).unwrap();
        aead.seal(&[1; 12], b"header", vec![0; 5]).unwrap();
        aead.open(&[1; 12], b"header", vec![0; 5], &[0; 16]).unwrap_err();
        let mut stream = engine.cipher(Cipher::Aes128Cbc, &KEY[..16]).unwrap().encryptor(&IV);
        stream.update(vec![0; 20]).unwrap();
        stream.finish().unwrap();
        engine.call("sum", 24, || 6).unwrap();
    });
    let names = ["algorithm", "operation", "outcome", "error"];
    let told: Vec<_> = collected.operations().iter().map(|span| fields(span, &names).join(" ")).collect();
    let expected = [
        "sha256 digest ok ",
        "hmac-sha512 mac ok ",
        "aes-256-gcm encrypt ok ",
        "aes-256-gcm decrypt failed authentication failed",
        "aes-128-cbc encrypt ok ",
        "aes-128-cbc encrypt ok ",
        " sum ok ",
    ];
    assert_eq!(told, expected);
}

#[test]
fn an_operation_is_a_child_of_what_its_caller_is_in() {
    let engine = stepped(MODEL);
    let session = ctr(&engine);
    let collected = collect(|collected| {
        let request = tracing::info_span!(target: "test", "request");
        request.in_scope(|| {
            session.encrypt(&IV, message(0, 30)).unwrap();
            assert_eq!(collected.current(), request.id().map(|id| id.into_u64()));
        });
        let in_job = session.clone();
        request.in_scope(|| in_a_job(&engine, move || in_job.encrypt(&IV, message(0, 30)).unwrap()));
        request.in_scope(|| block_on(&engine, session.encrypt_async(&IV, message(0, 30))).unwrap());
    });
    let (request, job) = {
        let state = collected.state();
        let id = |target: &str| *state.spans.iter().find(|(_, span)| span.target == target).unwrap().0;
        (id("test"), id("simaccel::job"))
    };
    let parents: Vec<_> = collected.operations().iter().map(|span| span.parent.unwrap()).collect();
    assert_eq!(parents, [request, job, request]);
    assert_eq!(collected.spans("simaccel::job")[0].parent, Some(request));
}

#[test]
fn retries_and_fallbacks_are_in_the_span_and_are_events_of_it() {
    let engine = stepped("completion_nsec=1000;fault=fail:times=2;max_retries=5");
    let collected = collect(|_| drop(ctr(&engine).encrypt(&IV, message(0, 30)).unwrap()));
    let span = collected.operation();
    assert_eq!(fields(&span, &["outcome", "retries", "fell_back"]), ["ok", "2", ""]);
    assert_eq!(collected.messages("simaccel::operation"), ["retried", "retried"]);
    let events = collected.events("simaccel::operation");
    assert!(events.iter().all(|event| event.level == Level::DEBUG && event.parent.is_some()), "{events:?}");
    assert_eq!(events[0].fields["error"], Error::DeviceFailed.to_string());
    assert_eq!(engine.stats().retries, 2);

    let engine = stepped("fault=fail;max_retries=1;fallback=on");
    let collected = collect(|_| drop(ctr(&engine).encrypt(&IV, message(0, 30)).unwrap()));
    assert_eq!(fields(&collected.operation(), &["outcome", "retries", "fell_back"]), ["ok", "1", "true"]);
    assert_eq!(collected.messages("simaccel::operation"), ["retried", "falls back to software"]);

    let engine = stepped("offload_threshold=1000");
    let collected = collect(|_| drop(ctr(&engine).encrypt(&IV, message(0, 30)).unwrap()));
    assert_eq!(fields(&collected.operation(), &["outcome", "way"]), ["ok", ""], "it waits for nothing");
}

#[test]
fn failures_are_named() {
    let cases = [
        ("fault=fail", Error::DeviceFailed),
        ("fault=reset", Error::Reset),
        ("fault=nomem", Error::NoMemory),
        ("fault=timeout", Error::NeverEnds),
        ("fault=timeout;timeout_msec=1", Error::Timeout),
    ];
    for (config, error) in cases {
        let engine = stepped(config);
        let collected = collect(|_| drop(ctr(&engine).encrypt(&IV, message(0, 30)).unwrap_err()));
        let span = collected.operation();
        assert_eq!(fields(&span, &["outcome", "error"]), ["failed", &error.to_string()], "{config}");
        let future = collect(|_| {
            let mut future = pin!(ctr(&engine).encrypt_async(&IV, message(0, 30)));
            let mut context = Context::from_waker(Waker::noop());
            while future.as_mut().poll(&mut context).is_pending() {
                if !engine.device().step() {
                    break;
                }
            }
        });
        let outcome = if error == Error::NeverEnds { "abandoned" } else { "failed" };
        assert_eq!(future.operation().field("outcome"), outcome, "{config}");
    }
}

#[test]
fn what_is_given_up_is_told_from_what_is_taken_back() {
    let engine = stepped(MODEL);
    let session = ctr(&engine);
    let outcome = |collected: &Collected| collected.operation().field("outcome").to_owned();
    let mut context = Context::from_waker(Waker::noop());

    let dropped = collect(|_| {
        let mut future = session.encrypt_async(&IV, message(0, 30));
        assert!(pin!(&mut future).poll(&mut context).is_pending());
    });
    assert_eq!(outcome(&dropped), "abandoned");
    let cancelled = collect(|_| {
        let mut future = session.encrypt_async(&IV, message(0, 30));
        assert!(pin!(&mut future).poll(&mut context).is_pending());
        future.cancel();
    });
    assert_eq!(outcome(&cancelled), "cancelled");
    let too_late = collect(|_| {
        let mut future = session.encrypt_async(&IV, message(0, 30));
        assert!(pin!(&mut future).poll(&mut context).is_pending());
        engine.device().run_until_idle();
        future.cancel();
    });
    assert_eq!(outcome(&too_late), "ok");
    let limited = collect(|_| {
        let future = session.encrypt_async(&IV, message(0, 30)).with_timeout(Duration::from_nanos(10));
        block_on(&engine, future).unwrap_err();
    });
    assert_eq!(limited.operation().field("error"), Error::Timeout.to_string());
    let unpolled = collect(|_| drop(session.encrypt_async(&IV, message(0, 30))));
    assert!(unpolled.operations().is_empty(), "it was never made");

    let in_job = session.clone();
    let job = collect(|_| {
        let ctx = WaitCtx::new();
        let mut job = Job::new(&ctx, move || in_job.encrypt(&IV, message(0, 30))).unwrap();
        assert!(matches!(job.resume().unwrap(), Step::Paused));
    });
    assert_eq!(outcome(&job), "abandoned");
    assert_eq!(job.spans("simaccel::job")[0].field("outcome"), "dropped");
    engine.device().run_until_idle();
    assert_adds_up(&engine);
}

/// As many spans as operations, and the same sums.
#[test]
fn spans_add_up_with_the_statistics() {
    let engine = stepped(
        "completion_nsec=1000;depth=2;queue_pairs=1;max_retries=1;fallback=on;fault=fail:every=3;fault=nomem:every=7",
    );
    let collected = collect(|_| {
        let session = ctr(&engine);
        let mut jobs: Vec<_> = (0..20)
            .map(|index| {
                let (ctx, session) = (WaitCtx::new(), session.clone());
                let job = Job::new(&ctx, move || {
                    (0..5).for_each(|part| drop(session.encrypt(&IV, message(index, 10 * part)).unwrap()));
                });
                (job.unwrap(), ctx)
            })
            .collect();
        while !jobs.is_empty() {
            jobs.retain_mut(|(job, _)| matches!(job.resume().unwrap(), Step::Paused));
            engine.device().step();
        }
    });
    let (spans, stats) = (collected.operations(), engine.stats());
    let sum = |name: &str| spans.iter().map(|span| span.field(name).parse::<u64>().unwrap()).sum::<u64>();
    assert_eq!(spans.len() as u64, stats.operations);
    assert_eq!(sum("retries"), stats.retries);
    let fell_back = spans.iter().filter(|span| span.field("fell_back") == "true").count() as u64;
    assert_eq!(fell_back, stats.fallbacks);
    assert!(stats.retries > 0 && stats.fallbacks > 0 && stats.parked > 0, "{stats:?}");
    assert_eq!(collected.spans("simaccel::job").len(), 20);
    let faults = collected.messages("simaccel::fault").len() as u64;
    assert_eq!(faults, stats.faults_injected);
    let paused = collected.messages("simaccel::job").iter().filter(|message| *message == "paused").count();
    assert_eq!(paused as u64, stats.pauses);
    assert_adds_up(&engine);
}

/// Below the level of operations there are none, and what is above it is there.
#[test]
fn levels() {
    let engine = stepped("fault=fail:times=1;max_retries=1");
    let collected =
        collect_at(LevelFilter::DEBUG, |_| drop(ctr(&engine).encrypt(&IV, message(0, 30)).unwrap()));
    assert!(collected.operations().is_empty());
    assert_eq!(collected.messages("simaccel::operation"), ["retried"]);
    let off = collect_at(LevelFilter::OFF, |_| drop(ctr(&engine).encrypt(&IV, message(0, 30)).unwrap()));
    assert!(off.state().events.is_empty() && off.state().spans.is_empty());
}

/// Neither keys nor texts, initialisation vectors or tags.
#[test]
fn nothing_secret_is_told() {
    let collected = collect(|_| {
        let engine = stepped("fault=fail:every=2;fallback=on");
        let (key, text) = ([0xa7; 32], vec![0xb3; 64]);
        let session = engine.aead(Aead::Aes256Gcm, &key).unwrap();
        in_a_job(&engine, move || {
            let (sealed, tag) = session.seal(&[0xc9; 12], &[0xd1; 20], text).unwrap();
            session.open(&[0xc9; 12], &[0xd1; 20], sealed, tag.as_bytes()).unwrap()
        });
    });
    let state = collected.state();
    let told: Vec<_> = state.spans.values().map(|span| &span.fields).collect();
    let told = format!("{told:?}{:?}", state.events);
    for secret in ["a7a7", "b3b3", "c9c9", "d1d1", "167, 167", "179, 179", "201, 201", "209, 209"] {
        assert!(!told.contains(secret), "{told}");
    }
}
