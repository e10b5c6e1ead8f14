//! A forked child that inherits futures: operations in every state, jobs, a driver's thread. What waits there
//! ends as forked, nothing hangs, and the parent's go on. One test, in its own process, because it forks.
#![expect(unsafe_code, reason = "fork is a foreign call")]

mod captured;
mod engine_helpers;
mod future_helpers;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use nix::libc;
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};
use simaccel::future::{CallFuture, DrivenJob, InPlace, JobDriver, JobFuture, OpFuture, Reaper, Tagged};
use simaccel::job::{self, WaitKey};
use simaccel::{Aead, CipherSession, Engine, Error, WaitFd};

use self::engine_helpers::{IV, KEY, assert_adds_up, ctr, expected_ctr, message, open, stepped};
use self::future_helpers::{Flag, block_on, drive, poll_once};

type Boxed<T> = Pin<Box<dyn Future<Output = T>>>;

fn eventfd() -> Arc<EventFd> {
    Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK).unwrap())
}

/// Waits in its job until `fd` is readable. `false`: it was resumed before.
fn awaiting_fd(fd: &Arc<EventFd>) -> Boxed<Result<bool, Error>> {
    let fd = Arc::clone(fd);
    Box::pin(JobFuture::new(move || {
        let handle: WaitFd = Arc::clone(&fd).into();
        job::current().unwrap().wait_ctx().unwrap().set_wait_fd(WaitKey::of(&handle), handle, None, None);
        let _ = job::pause();
        fd.read().is_ok()
    }))
}

fn encrypting(session: CipherSession) -> Boxed<Result<Result<Vec<u8>, Error>, Error>> {
    Box::pin(JobFuture::new(move || Ok(session.encrypt(&IV, message(5, 70))?)))
}

/// What the child inherits. All of it is polled with one waker.
struct Inherited {
    flag: Arc<Flag>,
    reaper: Pin<Box<Reaper>>,
    waiting: Vec<OpFuture<InPlace>>,
    reaped: OpFuture<InPlace>,
    unpolled: OpFuture<Tagged>,
    call: CallFuture<usize>,
    job: Boxed<Result<Result<Vec<u8>, Error>, Error>>,
    fd: Arc<EventFd>,
    fd_job: Boxed<Result<bool, Error>>,
    dropped_fd_job: Boxed<Result<bool, Error>>,
    driver: JobDriver,
    driven: DrivenJob<Vec<u8>>,
    unwanted: DrivenJob<Vec<u8>>,
}

impl Inherited {
    fn begin(modelled: &Engine, plain: &Engine) -> Self {
        let flag = Arc::new(Flag::default());
        let waker = Waker::from(Arc::clone(&flag));
        let mut context = Context::from_waker(&waker);
        let session = ctr(modelled);
        let encrypt = |index| session.encrypt_async(&IV, message(index, 60));
        // The second one waits for a slot.
        let mut waiting = vec![encrypt(0), encrypt(1), encrypt(2).with_timeout(Duration::from_secs(3_600))];
        for future in &mut waiting {
            assert!(Pin::new(future).poll(&mut context).is_pending());
        }
        let mut reaper = Box::pin(plain.reaper().unwrap());
        assert!(reaper.as_mut().poll(&mut context).is_pending());
        let mut reaped = ctr(plain).encrypt_async(&IV, message(3, 60));
        assert!(Pin::new(&mut reaped).poll(&mut context).is_pending());
        let aead = modelled.aead(Aead::Aes256Gcm, &KEY).unwrap();
        let unpolled = aead.seal_async(&IV[..12], b"additional", message(4, 60));
        let mut call = modelled.call_async("sum", 8, || 42);
        assert!(Pin::new(&mut call).poll(&mut context).is_pending());
        let fd = eventfd();
        let (mut job, mut fd_job, mut dropped_fd_job) =
            (encrypting(ctr(plain)), awaiting_fd(&fd), awaiting_fd(&fd));
        assert!(job.as_mut().poll(&mut context).is_pending());
        assert!(fd_job.as_mut().poll(&mut context).is_pending());
        assert!(dropped_fd_job.as_mut().poll(&mut context).is_pending());
        let driver = JobDriver::new().unwrap();
        let [driven, unwanted] = [7, 8].map(|index| {
            let session = ctr(plain);
            driver.spawn(move || session.encrypt(&IV, message(index, 70)).unwrap())
        });
        // The driver's thread has come to these, and sleeps.
        block_on(driver.spawn(|| ())).unwrap();
        Self {
            flag,
            reaper,
            waiting,
            reaped,
            unpolled,
            call,
            job,
            fd,
            fd_job,
            dropped_fd_job,
            driver,
            driven,
            unwanted,
        }
    }

    /// In the child. 0, or the number of what went wrong.
    fn use_up(self) -> i32 {
        let Self { mut reaper, waiting, mut reaped, mut unpolled, mut call, mut job, mut fd_job, .. } = self;
        let Self { dropped_fd_job, driver, mut driven, unwanted, .. } = self;
        for mut future in waiting {
            if !matches!(poll_once(&mut future), Poll::Ready(Err(error)) if *error.error() == Error::Forked) {
                return 1;
            }
        }
        if reaper.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
            return 2;
        }
        if !matches!(poll_once(&mut reaped), Poll::Ready(Err(error)) if *error.error() == Error::Forked) {
            return 3;
        }
        let Poll::Ready(Err(error)) = poll_once(&mut unpolled) else { return 4 };
        if error.into_parts() != (Error::Forked, message(4, 60)) {
            return 5;
        }
        if poll_once(&mut call) != Poll::Ready(Err(Error::Forked)) {
            return 6;
        }
        if poll_once(&mut job) != Poll::Ready(Ok(Err(Error::Forked))) {
            return 7;
        }
        if poll_once(&mut fd_job) != Poll::Ready(Ok(false)) {
            return 8;
        }
        drop((dropped_fd_job, fd_job));
        if poll_once(&mut driven) != Poll::Ready(Err(Error::Forked)) {
            return 9;
        }
        drop(unwanted);
        if block_on(driver.spawn(|| 5)) != Err(Error::Forked) {
            return 10;
        }
        drop((reaper, reaped, unpolled, call, job, driven, driver));
        of_its_own()
    }
}

/// What the child begins by itself works there.
fn of_its_own() -> i32 {
    let engine = open("");
    if block_on(ctr(&engine).encrypt_async(&IV, message(1, 70))).unwrap() != expected_ctr(&message(1, 70)) {
        return 20;
    }
    let fd = eventfd();
    let mut job = awaiting_fd(&fd);
    if poll_once(&mut job).is_ready() {
        return 21;
    }
    fd.write(1).unwrap();
    if block_on(job) != Ok(true) {
        return 22;
    }
    let (driver, session) = (JobDriver::new().unwrap(), ctr(&engine));
    let sealed = block_on(driver.spawn(move || session.encrypt(&IV, message(1, 70)).unwrap()));
    if sealed.unwrap() == expected_ctr(&message(1, 70)) { 0 } else { 23 }
}

#[test]
fn futures_end_in_a_forked_child_and_go_on_in_the_parent() {
    let modelled = stepped("completion_nsec=1000;queue_pairs=1;depth=2");
    let plain = stepped("");
    let inherited = Inherited::begin(&modelled, &plain);
    // SAFETY: the child uses only this library and what the C library keeps usable after a fork, including
    // its allocator and its threads, and leaves by `_exit`.
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            // SAFETY: the signal ends a child that hangs, and its parent sees that.
            unsafe { libc::alarm(60) };
            let code = inherited.use_up();
            // SAFETY: ends the child without running the test harness's exit handlers.
            unsafe { libc::_exit(code) }
        }
        ForkResult::Parent { child } => {
            assert_eq!(waitpid(child, None).unwrap(), WaitStatus::Exited(child, 0));
        }
    }
    let Inherited { flag, reaper, waiting, reaped, unpolled, call, job, fd, mut fd_job, .. } = inherited;
    let Inherited { dropped_fd_job, driver, driven, unwanted, .. } = inherited;
    for (index, future) in waiting.into_iter().enumerate() {
        assert_eq!(drive(&modelled, future).unwrap(), expected_ctr(&message(index, 60)));
    }
    assert_eq!(drive(&modelled, call), Ok(42));
    assert!(drive(&modelled, unpolled).is_ok());
    drop(dropped_fd_job);
    let seen = flag.calls();
    fd.write(1).unwrap();
    while flag.calls() == seen {
        flag.sleep();
    }
    let woken = fd_job.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert_eq!(woken, Poll::Ready(Ok(true)), "the child has left its registration alone");
    drop(unwanted);
    plain.device().run_until_idle();
    drop(reaper);
    assert_eq!(block_on(driven), Ok(expected_ctr(&message(7, 70))));
    assert_eq!(drive(&plain, reaped).unwrap(), expected_ctr(&message(3, 60)));
    assert_eq!(drive(&plain, job).unwrap().unwrap(), expected_ctr(&message(5, 70)));
    drop(driver);
    assert_adds_up(&modelled);
    assert_adds_up(&plain);
}
