//! What a mixed load of futures leaves behind on tokio's multi-thread runtime and on smol: no fd, thread,
//! job, request or buffer. Some tasks are aborted in the middle.

#[path = "../../tests/future_load/mod.rs"]
mod future_load;

use std::sync::Arc;

use simaccel::Engine;
use simaccel::future::JobDriver;
use simaccel::job::leaks;
use tokio::runtime::Builder;

use self::future_load::{CONFIGS, Census, assert_rests, mixed, open};

const THREADS: usize = 4;
const TASKS: usize = 48;
const TURNS: usize = 45;

fn on_tokio(engine: &Engine, driver: &Arc<JobDriver>) {
    let runtime = Builder::new_multi_thread().worker_threads(THREADS).enable_all().build().unwrap();
    let spawn = |task| runtime.spawn(mixed(engine.clone(), Arc::clone(driver), task, TURNS));
    let (tasks, aborted): (Vec<_>, Vec<_>) = (0..TASKS).map(|task| (spawn(task), spawn(task))).unzip();
    runtime.block_on(async {
        tokio::task::yield_now().await;
        aborted.iter().for_each(|task| task.abort());
        for task in tasks {
            task.await.unwrap();
        }
        for task in aborted {
            assert!(task.await.map_or_else(|error| error.is_cancelled(), |()| true));
        }
    });
    // What is spawned now ends with the runtime, somewhere in the middle.
    (0..TASKS).for_each(|task| drop(spawn(task)));
}

fn on_smol(engine: &Engine, driver: &Arc<JobDriver>) {
    let executor = Arc::new(smol::Executor::new());
    let (stop, stopped) = smol::channel::bounded::<()>(1);
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let (executor, stopped) = (Arc::clone(&executor), stopped.clone());
            std::thread::spawn(move || smol::block_on(executor.run(async { _ = stopped.recv().await })))
        })
        .collect();
    let spawn = |task| executor.spawn(mixed(engine.clone(), Arc::clone(driver), task, TURNS));
    let (tasks, dropped): (Vec<_>, Vec<_>) = (0..TASKS).map(|task| (spawn(task), spawn(task))).unzip();
    smol::block_on(async {
        smol::future::yield_now().await;
        drop(dropped);
        for task in tasks {
            task.await;
        }
    });
    let unfinished: Vec<_> = (0..TASKS).map(spawn).collect();
    drop((stop, unfinished));
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

fn round(config: &str, load: fn(&Engine, &Arc<JobDriver>)) {
    let engine = open(config);
    let driver = Arc::new(JobDriver::new().unwrap());
    load(&engine, &driver);
    drop(driver);
    engine.device().drain();
    assert_rests(&engine);
}

/// One test, because all that is counted belongs to the process.
#[test]
fn a_mixed_load_on_tokio_and_on_smol_leaves_nothing_behind() {
    let rounds = || {
        for load in [on_tokio, on_smol] {
            CONFIGS.into_iter().for_each(|config| round(config, load));
        }
    };
    rounds();
    let before = (Census::now(), leaks().total);
    rounds();
    assert_eq!((Census::now(), leaks().total), before);
}
