//! What a mixed load of futures leaves behind on a hand-written executor, on several threads: no fd, thread,
//! job, request or buffer. (The runtimes have the same load in `runtimes/tests/left_behind.rs`.)

mod captured;
mod future_helpers;
mod future_load;

use std::sync::Arc;
use std::thread;

use simaccel::Engine;
use simaccel::future::{JobDriver, JobFuture};
use simaccel::job::{leaks, thread_stats};

use self::future_helpers::{Executor, poll_once};
use self::future_load::{CONFIGS, Census, assert_rests, mixed, open};

const THREADS: usize = 4;
const TASKS: usize = 12;
const TURNS: usize = 45;

/// One thread's share. Its last tasks are dropped in the middle.
fn of_thread(engine: &Engine, driver: &Arc<JobDriver>, thread: usize) {
    let mut executor = Executor::new();
    for task in 0..TASKS {
        let (engine, driver) = (engine.clone(), Arc::clone(driver));
        executor.spawn(mixed(engine, driver, thread * TASKS + task, TURNS));
    }
    let hash = engine.hash(simaccel::Hash::Sha256).unwrap();
    executor.spawn(async move {
        let digests = JobFuture::new(move || [hash.digest(b"abc").unwrap(), hash.digest(b"abc").unwrap()]);
        let [one, other] = digests.await.unwrap();
        assert_eq!(one, other);
    });
    executor.run();
    for task in 0..TASKS {
        let mut unfinished = Box::pin(mixed(engine.clone(), Arc::clone(driver), task, TURNS));
        (0..=task).any(|_| poll_once(&mut unfinished).is_ready());
    }
    assert_eq!((thread_stats().paused, thread_stats().fresh), (0, 0));
}

fn round(config: &str) {
    let engine = open(config);
    let driver = Arc::new(JobDriver::new().unwrap());
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let (engine, driver) = (engine.clone(), Arc::clone(&driver));
            thread::spawn(move || of_thread(&engine, &driver, thread))
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    drop(driver);
    engine.device().drain();
    assert_rests(&engine);
}

/// One test, because all that is counted belongs to the process.
#[test]
fn a_mixed_load_on_an_executor_of_ones_own_leaves_nothing_behind() {
    CONFIGS.into_iter().for_each(round);
    let before = (Census::now(), leaks().total);
    CONFIGS.into_iter().for_each(round);
    assert_eq!((Census::now(), leaks().total), before);
}
