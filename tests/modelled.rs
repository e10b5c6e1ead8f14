//! Plain requests on a modelled device: no policy concerns them, and faults do to them what they say.
//!
//! A first operation makes what the straight way needs (the thread's poller, the context's wake fd); the ones
//! that are looked at come after it, on inputs that are kept beside the request and on larger ones.

mod captured;
mod engine_helpers;

use simaccel::{Aead, Cipher, CipherSession, Engine, Error, Job, OpError, Step, WaitCtx};

use self::engine_helpers::{IV, assert_adds_up, ctr, expected_ctr, message, open, stepped};

/// Bytes: kept beside the request, and too many for that.
const SIZES: [usize; 5] = [0, 1, 63, 64, 65];
const WAYS: [&str; 2] = ["poll", "wake"];

type Outcome = Result<Vec<u8>, OpError>;

/// Runs a job for each message, all in flight at once.
fn all(engine: &Engine, ctx: &WaitCtx, session: &CipherSession, messages: Vec<Vec<u8>>) -> Vec<Outcome> {
    let start = |message: Vec<u8>| {
        let session = session.clone();
        let mut job = Job::new(ctx, move || session.encrypt(&IV, message)).unwrap();
        assert!(matches!(job.resume().unwrap(), Step::Paused));
        job
    };
    let mut jobs: Vec<_> = messages.into_iter().map(start).collect();
    engine.device().run_until_idle();
    let _ = engine.poll(100, |_| ());
    jobs.iter_mut()
        .map(|job| match job.resume().unwrap() {
            Step::Finished(outcome) => outcome,
            Step::Paused => panic!("it was done"),
        })
        .collect()
}

/// The outcomes of an operation before, and of one for each size, on a device with this fault.
fn with_fault(way: &str, fault: &str) -> (Engine, Vec<Outcome>) {
    let model = "compute_units=8;completion_nsec=1000;timing=all;seed=1";
    let engine = stepped(&format!("delivery={way};{model};fault={fault}"));
    let (ctx, session) = (WaitCtx::new(), ctr(&engine));
    let before = all(&engine, &ctx, &session, vec![message(9, 64)]);
    assert_eq!(before[0].as_ref().ok(), Some(&expected_ctr(&message(9, 64))), "{way}, {fault}");
    let messages = SIZES.map(|size| message(size, size)).to_vec();
    let outcomes = all(&engine, &ctx, &session, messages);
    assert_adds_up(&engine);
    (engine, outcomes)
}

/// What became of the messages, in words.
fn said(outcomes: Vec<Outcome>) -> Vec<String> {
    let one = |(size, outcome): (usize, Outcome)| match outcome.map_err(OpError::into_parts) {
        Ok(output) if output == expected_ctr(&message(size, size)) => "right".to_owned(),
        Ok(_) => "wrong".to_owned(),
        Err((error, input)) if input == message(size, size) => format!("{error:?}, with its input"),
        Err((error, _)) => format!("{error:?}, without its input"),
    };
    SIZES.into_iter().zip(outcomes).map(one).collect()
}

#[test]
fn faults_that_delay_or_repeat_leave_every_result_right() {
    for way in WAYS {
        for fault in
            ["delay:nsec=500,after=1", "stall:nsec=70,every=2", "duplicate:after=1", "fail:every=999"]
        {
            let (engine, outcomes) = with_fault(way, fault);
            assert_eq!(said(outcomes), ["right"; SIZES.len()], "{way}, {fault}");
            assert_eq!(engine.stats().device.timings.total.count(), 6, "{way}, {fault}: all are timed");
        }
    }
}

#[test]
fn what_fails_or_falls_short_comes_with_its_input() {
    for way in WAYS {
        let failed = said(with_fault(way, "fail:after=1").1);
        assert_eq!(failed, vec!["DeviceFailed, with its input"; SIZES.len()], "{way}");
        let (_, forged) = with_fault(way, "fail:status=auth_failed,after=1");
        for outcome in forged {
            let (error, input) = outcome.unwrap_err().into_parts();
            assert_eq!(
                (error, input),
                (Error::AuthFailed, Vec::new()),
                "{way}: what is not authentic is gone"
            );
        }
        let short = said(with_fault(way, "short:bytes=1,after=1").1);
        let one = "ShortOutput { missing: 1 }, with its input";
        assert_eq!(short, ["right", one, one, one, one], "{way}: an empty output cannot be short");
        let corrupt = said(with_fault(way, "corrupt:after=1").1);
        assert_eq!(corrupt, ["right", "wrong", "wrong", "wrong", "wrong"], "{way}");
    }
}

#[test]
fn a_refused_submission_is_asked_for_once_and_waits() {
    for way in WAYS {
        let (engine, outcomes) = with_fault(way, "busy:nth=3");
        assert_eq!(said(outcomes), ["right"; SIZES.len()], "{way}");
        let (injected, stats) = (engine.stats().faults_injected, engine.stats().device.total);
        // Those behind it do not overtake it.
        assert_eq!((injected, stats.full, stats.parked, stats.submitted), (1, 4, 4, 6), "{way}");
        let (engine, outcomes) = with_fault(way, "busy:after=1");
        assert_eq!(said(outcomes), ["right"; SIZES.len()], "{way}");
        let stats = engine.stats();
        // The others park behind the first, with or without the fault: it has no effect on them.
        assert_eq!((stats.device.total.full, stats.faults_injected), (5, 1), "{way}");
    }
}

#[test]
fn what_is_computed_when_the_device_ends_comes_with_its_input() {
    for way in WAYS {
        let (ctx, engine) = (WaitCtx::new(), stepped(&format!("delivery={way};completion_nsec=1000")));
        let session = ctr(&engine);
        drop(all(&engine, &ctx, &session, vec![message(9, 64)]));
        for size in SIZES {
            let session = session.clone();
            let mut job = Job::new(&ctx, move || session.encrypt(&IV, message(size, size))).unwrap();
            assert!(matches!(job.resume().unwrap(), Step::Paused));
            assert!(engine.device().step(), "it is computed, and not due");
            engine.device().reset();
            let _ = engine.poll(100, |_| ());
            let Step::Finished(outcome) = job.resume().unwrap() else { panic!("a reset ends it") };
            assert_eq!(
                outcome.unwrap_err().into_parts(),
                (Error::Reset, message(size, size)),
                "{way}, {size}"
            );
        }
        assert_adds_up(&engine);
    }
}

type Operation = Box<dyn Fn(Vec<u8>) -> Outcome>;

/// One of each kind that changes its input.
fn operations(engine: &Engine) -> Vec<(&'static str, Operation)> {
    let (ctr, gcm) = (ctr(engine), engine.aead(Aead::Aes128Gcm, &[1; 16]).unwrap());
    let cbc = engine.cipher(Cipher::Aes128Cbc, &[1; 16]).unwrap();
    let xts_key: Vec<u8> = (0..32).collect();
    let (xts, unpads, opens) =
        (engine.cipher(Cipher::Aes128Xts, &xts_key).unwrap(), cbc.clone(), gcm.clone());
    vec![
        ("ctr", Box::new(move |input| ctr.encrypt(&IV, input))),
        ("cbc", Box::new(move |input| cbc.encrypt(&IV, input))),
        ("cbc backwards", Box::new(move |input| unpads.decrypt(&IV, input))),
        ("xts", Box::new(move |input| xts.encrypt(&IV, input))),
        ("gcm", Box::new(move |input| gcm.seal(&IV, b"aad", input).map(|(text, _)| text))),
        ("gcm backwards", Box::new(move |input| opens.open(&IV, b"aad", input, &[0; 16]))),
    ]
}

/// The first operation is not delayed; all the others are computed, and not due, when the device is reset.
#[test]
fn a_worker_gives_the_inputs_of_every_operation_back() {
    for (way, workers) in [("poll", 1), ("poll", 2), ("wake", 1), ("wake", 2)] {
        let model = "compute_units=64;completion_nsec=1000;fault=delay:nsec=3600000000000,after=1";
        let engine = open(&format!("delivery={way};workers={workers};{model}"));
        let (ctx, session) = (WaitCtx::new(), ctr(&engine));
        let mut first = Job::new(&ctx, move || session.encrypt(&IV, message(9, 64))).unwrap();
        while matches!(first.resume().unwrap(), Step::Paused) {
            let _ = engine.poll(1, |_| ());
        }
        let mut jobs = Vec::new();
        for size in [16, 48, 64, 80] {
            for (name, operation) in operations(&engine) {
                let mut job = Job::new(&ctx, move || operation(message(size, size))).unwrap();
                assert!(matches!(job.resume().unwrap(), Step::Paused));
                jobs.push((name, size, job));
            }
        }
        let computed = || engine.stats().device.workers.iter().map(|worker| worker.computed).sum::<u64>();
        while computed() < 1 + jobs.len() as u64 {
            std::thread::yield_now();
        }
        engine.device().reset();
        let _ = engine.poll(100, |_| ());
        for (name, size, mut job) in jobs {
            let Step::Finished(outcome) = job.resume().unwrap() else { panic!("a reset ends it") };
            let (error, input) = outcome.unwrap_err().into_parts();
            assert_eq!((error, input), (Error::Reset, message(size, size)), "{way}, {workers}, {name}");
        }
        assert_adds_up(&engine);
    }
}
