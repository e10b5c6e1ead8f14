//! Futures on real runtimes: tokio with one thread and with many, smol, and fds of a job's own in their
//! reactors.

#[path = "../../tests/alive/mod.rs"]
mod alive;

use std::fs;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use nix::sys::eventfd::{EfdFlags, EventFd};
use simaccel::future::{AsyncIoFds, JobDriver, JobFuture, TokioFds};
use simaccel::job::{self, WaitKey};
use simaccel::{Cipher, CipherSession, Config, Engine, Error, WaitFd};
use tokio::runtime::Builder;
use tokio::task::LocalSet;

const TASKS: usize = 64;
const OPERATIONS: usize = 200;

fn session(engine: &Engine) -> CipherSession {
    engine.cipher(Cipher::Aes256Ctr, &[0x42; 32]).unwrap()
}

fn open(config: &str) -> Engine {
    Engine::open(Config::parse(config).unwrap()).unwrap()
}

/// Encrypts in place an even number of times, which gives the text back.
async fn toggles(session: CipherSession, task: usize) {
    let text: BytesMut = format!("task {task}").repeat(7).as_bytes().into();
    let iv = (task as u128).to_be_bytes();
    let mut buffer = text.clone();
    for turn in 0..OPERATIONS {
        buffer = session.encrypt_async(&iv, buffer).await.unwrap();
        assert_eq!(buffer == text, turn % 2 == 1);
    }
}

#[test]
fn tasks_of_tokio_await_operations_on_any_of_its_threads() {
    for config in ["", "delivery=poll", "queue_pairs=1;depth=4", "compute_units=32;completion_nsec=5000"] {
        for threads in [1, 2, 8] {
            let engine = open(config);
            let runtime = Builder::new_multi_thread().worker_threads(threads).enable_all().build().unwrap();
            runtime.block_on(async {
                let tasks: Vec<_> =
                    (0..TASKS).map(|task| tokio::spawn(toggles(session(&engine), task))).collect();
                for task in tasks {
                    task.await.unwrap();
                }
            });
            let stats = engine.stats();
            assert_eq!((stats.operations, stats.abandoned), ((TASKS * OPERATIONS) as u64, 0));
            assert_eq!(stats.device.total.in_flight, 0);
        }
    }
}

#[test]
fn tasks_of_smol_await_operations() {
    for config in ["", "delivery=poll", "queue_pairs=1;depth=4"] {
        let engine = open(config);
        let executor = Arc::new(smol::Executor::new());
        let tasks: Vec<_> = (0..TASKS).map(|task| executor.spawn(toggles(session(&engine), task))).collect();
        let other = Arc::clone(&executor);
        let (stop, stopped) = smol::channel::bounded::<()>(1);
        let thread =
            std::thread::spawn(move || smol::block_on(other.run(async { _ = stopped.recv().await })));
        smol::block_on(executor.run(async {
            for task in tasks {
                task.await;
            }
        }));
        drop(stop);
        thread.join().unwrap();
        assert_eq!(engine.stats().operations, (TASKS * OPERATIONS) as u64);
    }
}

#[test]
fn what_a_timeout_or_an_abort_drops_leaves_nothing_behind() {
    let engine = open("completion_nsec=3600000000000;compute_units=8;queue_pairs=1;depth=16");
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let tasks: Vec<_> = (0..300)
            .map(|task| {
                let session = session(&engine);
                tokio::spawn(async move {
                    let never = session.encrypt_async(&[0; 16], vec![1; 50]);
                    let never = tokio::time::timeout(Duration::from_millis(task % 7), never);
                    never.await.is_err()
                })
            })
            .collect();
        let (aborted, waited) = tasks.split_at(150);
        aborted.iter().for_each(|task| task.abort());
        assert_eq!(waited.len(), 150);
        for (number, task) in tasks.into_iter().enumerate() {
            match task.await {
                Ok(timed_out) => assert!(timed_out, "{number}"),
                Err(error) => assert!(error.is_cancelled() && number < 150, "{number}"),
            }
        }
    });
    drop(runtime);
    let stats = engine.stats();
    assert_eq!(stats.device.total.in_flight, 0);
    assert_eq!(stats.abandoned, stats.operations);
}

fn eventfd() -> Arc<EventFd> {
    Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK).unwrap())
}

/// Waits twice for an fd of its own, with an operation before each and between them.
fn waits_twice(session: &CipherSession, fd: &Arc<EventFd>) -> Vec<u8> {
    let mut text = vec![7; 40];
    let wait_fd: WaitFd = Arc::clone(fd).into();
    let context = job::current().unwrap().wait_ctx().unwrap();
    context.set_wait_fd(WaitKey::of(fd), wait_fd, None, None);
    for _ in 0..2 {
        text = session.encrypt(&[3; 16], text).unwrap();
        while fd.read().is_err() {
            let _ = job::pause();
        }
    }
    text
}

#[test]
fn a_job_waits_for_its_own_fds_in_tokios_reactor() {
    let engine = open("");
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let local = LocalSet::new();
    local.block_on(&runtime, async {
        let shared = eventfd();
        let jobs: Vec<_> = (0..20)
            .map(|index| {
                let (session, fd) = (session(&engine), eventfd());
                // Two wait for one fd.
                let fd = if index < 2 { Arc::clone(&shared) } else { fd };
                let writer = Arc::clone(&fd);
                tokio::task::spawn_local(async move {
                    for _ in 0..2 {
                        tokio::task::yield_now().await;
                        writer.write(1).unwrap();
                    }
                    // The shared one is read by two.
                    let job = JobFuture::watched_by(TokioFds::default(), move || waits_twice(&session, &fd));
                    let mut job = job;
                    loop {
                        tokio::select! {
                            done = &mut job => return done.unwrap(),
                            () = tokio::time::sleep(Duration::from_millis(1)) => writer.write(1).unwrap(),
                        };
                    }
                })
            })
            .collect();
        for job in jobs {
            assert_eq!(job.await.unwrap(), vec![7; 40]);
        }
    });
}

#[test]
fn a_job_waits_for_its_own_fds_in_async_ios_reactor() {
    let engine = open("");
    let executor = smol::LocalExecutor::new();
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let (session, fd) = (session(&engine), eventfd());
            let writer = Arc::clone(&fd);
            executor.spawn(async move {
                let mut job =
                    JobFuture::watched_by(AsyncIoFds::default(), move || waits_twice(&session, &fd));
                loop {
                    let sleep = async {
                        smol::Timer::after(Duration::from_millis(1)).await;
                        None
                    };
                    match futures_lite::future::or(async { Some((&mut job).await) }, sleep).await {
                        Some(done) => return done.unwrap(),
                        None => _ = writer.write(1).unwrap(),
                    }
                }
            })
        })
        .collect();
    smol::block_on(executor.run(async {
        for task in tasks {
            assert_eq!(task.await, vec![7; 40]);
        }
    }));
}

#[test]
fn a_driver_serves_a_runtime_of_many_threads() {
    let engine = open("");
    let driver = Arc::new(JobDriver::new().unwrap());
    let runtime = Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    runtime.block_on(async {
        let tasks: Vec<_> = (0..200_u8)
            .map(|byte| {
                let (driver, session) = (Arc::clone(&driver), session(&engine));
                tokio::spawn(async move {
                    let job = driver.spawn(move || -> Result<Vec<u8>, Error> {
                        let once = session.encrypt(&[byte; 16], vec![byte; 90])?;
                        Ok(session.encrypt(&[byte; 16], once)?)
                    });
                    assert_eq!(job.await.unwrap().unwrap(), vec![byte; 90]);
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

/// In a process of its own, because the tests of one share their threads and fds.
#[test]
fn no_fd_and_no_thread_is_left_behind() {
    const VARIABLE: &str = "SIMACCEL_TEST_LEFT_BEHIND";
    if std::env::var_os(VARIABLE).is_none() {
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        let name = "no_fd_and_no_thread_is_left_behind";
        assert!(command.args(["--exact", name]).env(VARIABLE, "1").status().unwrap().success());
        return;
    }
    let count = || (fs::read_dir("/proc/self/fd").unwrap().count(), alive::threads());
    let before = count();
    for _ in 0..3 {
        let engine = open("");
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            tokio::spawn(toggles(session(&engine), 1)).await.unwrap();
            let unfinished = session(&engine).encrypt_async(&[0; 16], vec![1]);
            drop(unfinished);
        });
        let local = LocalSet::new();
        let (fd, session) = (eventfd(), session(&engine));
        local.block_on(&runtime, async {
            fd.write(1).unwrap();
            let job = JobFuture::watched_by(TokioFds::default(), move || {
                let text = session.encrypt(&[3; 16], vec![7; 40]).unwrap();
                let wait_fd: WaitFd = OwnedFd::from(std::io::pipe().unwrap().0).into();
                let context = job::current().unwrap().wait_ctx().unwrap();
                context.set_wait_fd(WaitKey::of(&wait_fd), wait_fd.clone(), None, None);
                let _ = job::pause();
                text.len()
            });
            assert_eq!(job.await.unwrap(), 40);
        });
    }
    assert_eq!(count(), before);
}
