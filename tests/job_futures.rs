//! Jobs as futures: what resumes them, the line for jobs, dropping, and the thread for jobs of other threads.

mod captured;
mod engine_helpers;
mod future_helpers;

use std::cell::Cell;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;

use nix::sys::eventfd::{EfdFlags, EventFd};
use simaccel::future::{DrivenJob, FdWatch, JobDriver, JobFuture};
use simaccel::job::{self, PoolConfig, Release, WaitKey, thread_stats};
use simaccel::{Error, WaitFd};

use self::engine_helpers::{
    IV, assert_adds_up, ctr, expected_ctr, message, open, open_fds, stepped, threads,
};
use self::future_helpers::{Executor, Flag, block_on, drive, poll_once};

/// Three operations, one after the other, in ordinary code.
fn three(session: &simaccel::CipherSession, index: usize) -> Vec<u8> {
    (0..3).fold(message(index, 70), |text, _| session.encrypt(&IV, text).unwrap())
}

#[test]
fn a_job_is_resumed_when_its_wake_fires_and_not_before() {
    for delivery in ["", "delivery=poll;"] {
        let engine = stepped(&format!("{delivery}completion_nsec=1000"));
        let session = ctr(&engine);
        let mut future = JobFuture::new(move || three(&session, 1));
        assert!(poll_once(&mut future).is_pending());
        // Polls without a wake do not resume it.
        (0..5).for_each(|_| assert!(poll_once(&mut future).is_pending()));
        assert_eq!(engine.stats().spurious_resumes, 0);
        assert_eq!(drive(&engine, future), Ok(expected_ctr(&message(1, 70))), "{delivery}");
        let stats = engine.stats();
        assert_eq!((stats.pauses, stats.resumes, stats.spurious_resumes, stats.blocked), (3, 3, 0, 0));
        assert_adds_up(&engine);
    }
}

#[test]
fn many_jobs_run_on_one_thread() {
    for delivery in ["", "delivery=poll"] {
        let engine = open(delivery);
        let done = Rc::new(Cell::new(0));
        let mut executor = Executor::new();
        for index in 0..200 {
            let (session, done) = (ctr(&engine), Rc::clone(&done));
            executor.spawn(async move {
                let text = JobFuture::new(move || three(&session, index)).await.unwrap();
                assert_eq!(text, expected_ctr(&message(index, 70)));
                done.set(done.get() + 1);
            });
        }
        executor.run();
        assert_eq!(done.get(), 200);
        assert_adds_up(&engine);
    }
}

fn eventfd() -> Arc<EventFd> {
    Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK).unwrap())
}

/// Registers an fd with the running job's context.
fn wait_for(fd: &Arc<EventFd>) {
    let fd: WaitFd = Arc::clone(fd).into();
    job::current().unwrap().wait_ctx().unwrap().set_wait_fd(WaitKey::of(&fd), fd, None, None);
}

#[test]
fn a_job_waits_for_any_of_its_fds() {
    let fds = [eventfd(), eventfd(), eventfd()];
    let in_job = fds.clone();
    let resumes = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&resumes);
    let mut future = JobFuture::new(move || {
        in_job.iter().for_each(wait_for);
        let mut order = Vec::new();
        while order.len() < 3 {
            let _ = job::pause();
            counted.fetch_add(1, Ordering::SeqCst);
            order.extend((0..3).filter(|at| in_job[*at].read().is_ok()));
        }
        order
    });
    let flag = Arc::new(Flag::default());
    let waker = Waker::from(Arc::clone(&flag));
    let mut poll = || Pin::new(&mut future).poll(&mut Context::from_waker(&waker));
    for (turn, at) in [2, 0, 1].into_iter().enumerate() {
        assert!(poll().is_pending());
        assert_eq!(resumes.load(Ordering::SeqCst), turn);
        fds[at].write(1).unwrap();
        flag.sleep();
    }
    assert_eq!(poll(), Poll::Ready(Ok(vec![2, 0, 1])));
    assert_eq!(resumes.load(Ordering::SeqCst), 3, "it was resumed for nothing else");
}

#[test]
fn two_jobs_wait_for_one_fd() {
    let fd = eventfd();
    let mut executor = Executor::new();
    for _ in 0..2 {
        let fd = Arc::clone(&fd);
        executor.spawn(async move {
            let job = JobFuture::new(move || {
                wait_for(&fd);
                while fd.read().is_err() {
                    let _ = job::pause();
                }
                fd.write(1).unwrap();
            });
            job.await.unwrap();
        });
    }
    let writer = thread::spawn(move || fd.write(1).unwrap());
    executor.run();
    writer.join().unwrap();
}

#[test]
fn a_job_waits_for_its_fds_and_for_operations_in_turn() {
    let engine = open("");
    let (session, fd) = (ctr(&engine), eventfd());
    let in_job = Arc::clone(&fd);
    let writer = thread::spawn(move || fd.write(1).unwrap());
    let done = block_on(JobFuture::new(move || {
        let text = session.encrypt(&IV, message(1, 9)).unwrap();
        wait_for(&in_job);
        while in_job.read().is_err() {
            let _ = job::pause();
        }
        session.encrypt(&IV, text).unwrap()
    }));
    writer.join().unwrap();
    assert_eq!(done, Ok(message(1, 9)));
}

#[test]
fn a_pause_for_nothing_is_a_yield() {
    let turns = Rc::new(Cell::new(0));
    let mut executor = Executor::new();
    for _ in 0..2 {
        let turns = Rc::clone(&turns);
        executor.spawn(async move {
            let job = JobFuture::new(move || {
                for turn in 0..10 {
                    // The other one has had its turn in between.
                    assert!((2 * turn..2 * turn + 2).contains(&turns.get()), "{turn}: {}", turns.get());
                    turns.set(turns.get() + 1);
                    let _ = job::pause();
                }
            });
            job.await.unwrap();
        });
    }
    executor.run();
    assert_eq!(turns.get(), 20);
}

/// Reports every fd as readable at once.
struct Readable;

impl FdWatch for Readable {
    fn poll_readable(&mut self, _fds: &[WaitFd], _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn forget(&mut self) {}
}

#[test]
fn an_fd_that_stays_readable_or_cannot_be_watched_leaves_other_tasks_their_turns() {
    let may_end = Rc::new(Cell::new(false));
    let pausing = |fd: WaitFd| {
        let may_end = Rc::clone(&may_end);
        move || {
            job::current().unwrap().wait_ctx().unwrap().set_wait_fd(WaitKey::of(&fd), fd, None, None);
            let mut pauses = 0;
            while !may_end.get() {
                pauses += 1;
                assert!(pauses < 1_000, "the job keeps the turn");
                let _ = job::pause();
            }
        }
    };
    // An epoll refuses it.
    let file = OwnedFd::from(File::open("/proc/self/exe").unwrap());
    let mut unwatchable = JobFuture::new(pausing(file.into()));
    let mut readable = JobFuture::watched_by(Readable, pausing(eventfd().into()));
    let flag = Arc::new(Flag::default());
    let waker = Waker::from(Arc::clone(&flag));
    for turn in 0..5 {
        assert_eq!(flag.calls(), 2 * turn);
        assert!(Pin::new(&mut unwatchable).poll(&mut Context::from_waker(&waker)).is_pending());
        assert!(Pin::new(&mut readable).poll(&mut Context::from_waker(&waker)).is_pending());
    }
    may_end.set(true);
    assert_eq!(
        (poll_once(&mut unwatchable), poll_once(&mut readable)),
        (Poll::Ready(Ok(())), Poll::Ready(Ok(())))
    );
}

struct Nothing;

impl Release for Nothing {
    fn release(&self) {}
}

#[test]
fn a_job_waits_for_the_callback_of_its_context() {
    let flag = Arc::new(Flag::default());
    let waker = Waker::from(Arc::clone(&flag));
    let mut future = JobFuture::new(|| {
        let callback = job::current().unwrap().wait_ctx().unwrap().callback().unwrap();
        let sender = thread::spawn(move || callback());
        let _ = job::pause_with(&Nothing);
        sender.join().unwrap();
    });
    let mut polls = 0;
    while Pin::new(&mut future).poll(&mut Context::from_waker(&waker)).is_pending() {
        polls += 1;
        flag.sleep();
    }
    assert!(polls <= 1);
}

#[test]
fn jobs_are_waited_for_in_line_and_given_up_places_move_up() {
    job::init_thread(PoolConfig { max_jobs: 2, ..PoolConfig::default() }).unwrap();
    let engine = stepped("completion_nsec=1000");
    let order = Rc::new(Cell::new(Vec::new()));
    let flags: Vec<_> = (0..6).map(|_| Arc::new(Flag::default())).collect();
    let mut futures: Vec<_> = (0..6)
        .map(|index| {
            let (session, order) = (ctr(&engine), Rc::clone(&order));
            Some(JobFuture::new(move || {
                let mut so_far = order.take();
                so_far.push(index);
                order.set(so_far);
                three(&session, index)
            }))
        })
        .collect();
    let poll = |future: &mut JobFuture<_, _>, flag: &Arc<Flag>| {
        Pin::new(future).poll(&mut Context::from_waker(&Waker::from(Arc::clone(flag))))
    };
    for (future, flag) in futures.iter_mut().zip(&flags) {
        assert!(poll(future.as_mut().unwrap(), flag).is_pending());
    }
    assert_eq!((thread_stats().paused, thread_stats().created), (2, 2));
    // One in line, and one that is paused, are given up.
    futures[2] = None;
    futures[0] = None;
    assert_eq!(flags[3].calls(), 1, "the first in line was woken");
    let mut seen = [0; 6];
    while futures.iter().any(Option::is_some) {
        let woken: Vec<_> = (0..6).filter(|at| flags[*at].calls() > seen[*at]).collect();
        if woken.is_empty() {
            assert!(engine.device().step(), "jobs are idle, and no future is woken");
        }
        for at in woken {
            seen[at] = flags[at].calls();
            let Some(future) = &mut futures[at] else { continue };
            if let Poll::Ready(done) = poll(future, &flags[at]) {
                assert_eq!(done, Ok(expected_ctr(&message(at, 70))));
                futures[at] = None;
            }
        }
    }
    assert_eq!(order.take(), [0, 1, 3, 4, 5]);
    assert_eq!(thread_stats().idle, 2);
    job::init_thread(PoolConfig::default()).unwrap();
}

#[test]
fn a_dropped_future_unwinds_its_job() {
    struct Guard(Rc<Cell<u32>>);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
    let engine = stepped("completion_nsec=1000");
    for polls in 0..3 {
        let dropped = Rc::new(Cell::new(0));
        let (owned, inside, session) = (Guard(Rc::clone(&dropped)), Rc::clone(&dropped), ctr(&engine));
        let mut future = JobFuture::new(move || {
            let _frame = Guard(inside);
            let _owned = owned;
            three(&session, 1)
        });
        for _ in 0..polls {
            assert!(poll_once(&mut future).is_pending());
            engine.device().run_until_idle();
        }
        let before = engine.stats().abandoned;
        drop(future);
        let begun = u32::from(polls > 0);
        assert_eq!((dropped.get(), engine.stats().abandoned - before), (1 + begun, u64::from(begun)));
    }
    assert_eq!(thread_stats().paused, 0);
    assert_adds_up(&engine);
}

#[test]
fn a_panic_of_a_job_goes_on_in_the_poll() {
    let engine = open("");
    let session = ctr(&engine);
    let future = JobFuture::new(move || -> u8 {
        session.encrypt(&IV, vec![1]).unwrap();
        panic!("deliberate")
    });
    let panic = catch_unwind(AssertUnwindSafe(|| block_on(future))).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"deliberate"));
}

#[test]
fn a_future_that_was_ready_is_closed() {
    let mut future = JobFuture::new(|| 7);
    assert_eq!(poll_once(&mut future), Poll::Ready(Ok(7)));
    assert_eq!(poll_once(&mut future), Poll::Ready(Err(Error::Closed)));
}

fn is_send<T: Send + 'static>(job: T) -> T {
    job
}

#[test]
fn a_driver_runs_jobs_of_any_thread() {
    let engine = open("");
    let driver = Arc::new(JobDriver::new().unwrap());
    let threads: Vec<_> = (0..4)
        .map(|index| {
            let (driver, session) = (Arc::clone(&driver), ctr(&engine));
            thread::spawn(move || {
                let jobs: Vec<DrivenJob<_>> = (0..20)
                    .map(|turn| {
                        let session = session.clone();
                        is_send(driver.spawn(move || three(&session, 20 * index + turn)))
                    })
                    .collect();
                for (turn, job) in jobs.into_iter().enumerate() {
                    assert_eq!(block_on(job), Ok(expected_ctr(&message(20 * index + turn, 70))));
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let panics = driver.spawn(|| -> u8 { panic!("deliberate") });
    let panic = catch_unwind(AssertUnwindSafe(|| block_on(panics))).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"deliberate"));
    assert_eq!(block_on(driver.spawn(|| 5)), Ok(5), "it goes on after a panic");
    assert_adds_up(&engine);
}

#[test]
fn a_driver_keeps_to_its_number_of_jobs() {
    let engine = open("");
    let driver = JobDriver::with_config(PoolConfig { max_jobs: 3, ..PoolConfig::default() }).unwrap();
    let jobs: Vec<_> = (0..50)
        .map(|index| {
            let session = ctr(&engine);
            driver.spawn(move || (three(&session, index), thread_stats().created))
        })
        .collect();
    for (index, job) in jobs.into_iter().enumerate() {
        assert_eq!(block_on(job).unwrap().0, expected_ctr(&message(index, 70)));
    }
    let (paused, idle) = block_on(driver.spawn(|| (thread_stats().paused, thread_stats().idle))).unwrap();
    assert!(paused + idle <= 3, "{paused} {idle}");
}

#[test]
fn a_dropped_driven_job_is_unwound_and_so_are_those_of_a_dropped_driver() {
    let engine = stepped("completion_nsec=1000");
    let driver = JobDriver::new().unwrap();
    let owned = Arc::new(());
    let keep = |driver: &JobDriver| {
        let (session, owned) = (ctr(&engine), Arc::clone(&owned));
        driver.spawn(move || {
            let text = three(&session, 1);
            drop(owned);
            text
        })
    };
    drop(keep(&driver));
    let left = keep(&driver);
    // The driver's thread has come to this, and so to those before.
    block_on(driver.spawn(|| ())).unwrap();
    assert_eq!(Arc::strong_count(&owned), 2, "the one that was dropped is gone");
    drop(driver);
    assert_eq!(Arc::strong_count(&owned), 1);
    assert_eq!(block_on(left), Err(Error::Closed));
    assert_adds_up(&engine);
}

/// In a process of its own, because the tests of one share their threads and fds.
#[test]
fn no_fd_and_no_thread_is_left_behind() {
    const VARIABLE: &str = "SIMACCEL_TEST_LEFT_BEHIND";
    if std::env::var_os(VARIABLE).is_none() {
        let name = "no_fd_and_no_thread_is_left_behind";
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        let status = command.args(["--exact", name]).env(VARIABLE, "1").status().unwrap();
        assert!(status.success());
        return;
    }
    let count = || (open_fds(), threads());
    let before = count();
    for _ in 0..3 {
        let engine = open("");
        let driver = JobDriver::new().unwrap();
        let fd = eventfd();
        let (session, in_job) = (ctr(&engine), Arc::clone(&fd));
        let job = driver.spawn(move || {
            wait_for(&in_job);
            while in_job.read().is_err() {
                let _ = job::pause();
            }
            three(&session, 1)
        });
        fd.write(1).unwrap();
        assert_eq!(block_on(job), Ok(expected_ctr(&message(1, 70))));
        let never = eventfd();
        let mut waits = JobFuture::new(move || {
            wait_for(&never);
            let _ = job::pause();
        });
        assert!(poll_once(&mut waits).is_pending());
    }
    assert_eq!(count(), before);
}
