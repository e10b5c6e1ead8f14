//! A hundred thousand operations in flight on one thread, by polling and by callback, without an fd each.
//!
//! The device is stepped and stands still until all are in flight, so they really are at once.

mod captured;
mod engine_helpers;

use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::channel;

use sha2::{Digest, Sha256};
use simaccel::job::{self, PoolConfig};
use simaccel::{Engine, Hash, Job, OpError, Step, Tag, WaitCtx};

use self::engine_helpers::{assert_adds_up, message, open_fds, stepped};

const MANY: usize = 100_000;

type Digesting = Job<Result<(Vec<u8>, Tag), OpError>>;

/// Jobs that each digest a message of their own, all paused.
fn start(engine: &Engine, ctx_of: impl Fn(usize) -> WaitCtx) -> (Vec<WaitCtx>, Vec<Option<Digesting>>) {
    job::init_thread(PoolConfig { max_jobs: MANY, initial_jobs: MANY, ..PoolConfig::default() }).unwrap();
    let session = Rc::new(engine.hash(Hash::Sha256).unwrap());
    let contexts: Vec<WaitCtx> = (0..MANY).map(ctx_of).collect();
    let started = contexts.iter().enumerate().map(|(index, ctx)| {
        let session = Rc::clone(&session);
        let mut job = Job::new(ctx, move || session.digest_owned(message(index, 24))).unwrap();
        job.set_token(index as u64);
        assert!(matches!(job.resume().unwrap(), Step::Paused), "the device stands still");
        Some(job)
    });
    let jobs = started.collect();
    (contexts, jobs)
}

/// Takes the result of a job, which comes once, and is the right one.
fn finish(jobs: &mut [Option<Digesting>], index: usize) {
    let mut job = jobs[index].take().unwrap_or_else(|| panic!("job {index} is told of twice"));
    let Step::Finished(result) = job.resume().unwrap() else { panic!("job {index} is told of too early") };
    let (input, digest) = result.unwrap();
    assert_eq!(input, message(index, 24));
    assert_eq!(digest.as_bytes(), Sha256::digest(&input).as_slice(), "job {index}");
}

#[track_caller]
fn all_are_in_flight(engine: &Engine) {
    assert_eq!(job::thread_stats().paused, MANY as u64);
    let stats = engine.stats();
    assert_eq!((stats.device.total.in_flight, stats.parked), (MANY as u64, 0), "the rings hold them all");
}

/// One test, because another one's fds would count, too.
#[test]
fn a_hundred_thousand_are_in_flight_without_an_fd_each() {
    let device = "queue_pairs=1;depth=131072;compute_units=4;completion_nsec=50000";
    let before = open_fds();

    let engine = stepped(&format!("{device};delivery=poll"));
    let (contexts, mut jobs) = start(&engine, |_| WaitCtx::new());
    all_are_in_flight(&engine);
    // The interrupt of the thread.
    assert!(open_fds() <= before + 1, "{} fds, {before} before", open_fds());
    engine.device().run_until_idle();
    let mut left = MANY;
    while left > 0 {
        let mut ready = Vec::new();
        assert!(engine.poll(256, |token| ready.push(usize::try_from(token).unwrap())).unwrap() > 0);
        left -= ready.len();
        ready.into_iter().for_each(|index| finish(&mut jobs, index));
    }
    assert!(jobs.iter().all(Option::is_none) && contexts.iter().all(|ctx| ctx.all_fds().is_empty()));
    assert_adds_up(&engine);
    drop((contexts, jobs, engine));
    assert_eq!(open_fds(), before);

    let engine = stepped(device);
    let (woken, wakes) = channel();
    let (contexts, mut jobs) = start(&engine, |index| {
        let (ctx, woken) = (WaitCtx::new(), woken.clone());
        ctx.set_callback(Some(Arc::new(move || woken.send(index).unwrap())));
        ctx
    });
    all_are_in_flight(&engine);
    assert_eq!(open_fds(), before, "callbacks need none");
    engine.device().run_until_idle();
    wakes.try_iter().for_each(|index| finish(&mut jobs, index));
    assert!(jobs.iter().all(Option::is_none) && contexts.iter().all(|ctx| ctx.all_fds().is_empty()));
    assert_eq!(engine.stats().device.total.wakes_sent, MANY as u64);
    assert_adds_up(&engine);
}
