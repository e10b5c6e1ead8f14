//! Forks at the moment at which other threads hold the locks of what a child inherits. The threads are not
//! there in the child, and their locks stay locked: a child that uses and drops what it has inherited is
//! refused, ends by itself, and has an engine of its own that works. In its own process, because it forks.
//!
//! ```text
//!   threads: operations, counters, callbacks, reports ..      each holds a lock for a good part of its time
//!   this one, without an instance: fork, fork, fork ..
//!               └─► the child: uses, drops, opens its own, exits with 0
//! ```
#![expect(unsafe_code, reason = "fork is a foreign call")]

mod captured;
mod engine_helpers;
mod future_helpers;

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::task::Poll;
use std::thread::{self, Scope, ScopedJoinHandle};

use nix::libc;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};
use simaccel::future::{CallFuture, InPlace, JobFuture, OpFuture, Tagged};
use simaccel::job::{self, Callback, Misuse};
use simaccel::{Aead, AeadSession, Engine, Error, Hash, HashSession, Job, WaitCtx};

use self::engine_helpers::{IV, KEY, assert_adds_up, ctr, expected_ctr, message, open, paused_job, stepped};
use self::future_helpers::{block_on, poll_once};

const FORKS: usize = 100;

/// Runs `child` in a forked child, which exits with what it returns: 0, or the number of what went wrong.
#[track_caller]
fn in_child(child: impl FnOnce() -> i32) {
    assert_eq!(end_of_child(child), 0);
}

/// What the child exits with. `-1`: it did not end by itself.
fn end_of_child(child: impl FnOnce() -> i32) -> i32 {
    // SAFETY: the child uses only this library and what the C library keeps usable after a fork, including
    // its allocator and its threads, and leaves by `_exit`.
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            // SAFETY: the signal ends a child that hangs, and its parent sees that.
            unsafe { libc::alarm(60) };
            let code = child();
            // SAFETY: ends the child without running the test harness's exit handlers.
            unsafe { libc::_exit(code) }
        }
        ForkResult::Parent { child } => match waitpid(child, None).unwrap() {
            WaitStatus::Exited(_, code) => code,
            _ => -1,
        },
    }
}

/// Threads that repeat something until this is dropped.
struct Others<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    stopped: &'scope AtomicBool,
    /// Joined: a scope does not wait for what threads do at their end.
    threads: RefCell<Vec<ScopedJoinHandle<'scope, ()>>>,
}

impl<'scope, 'env> Others<'scope, 'env> {
    fn new(scope: &'scope Scope<'scope, 'env>, stopped: &'scope AtomicBool) -> Self {
        Self { scope, stopped, threads: RefCell::default() }
    }

    fn repeat(&self, mut act: impl FnMut() + Send + 'scope) {
        let stopped = self.stopped;
        let thread = self.scope.spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                act();
            }
        });
        self.threads.borrow_mut().push(thread);
    }

    /// The same where the thread has no thread-locals any more: each operation takes a queue pair, and gives
    /// it back.
    fn repeat_at_the_end(&self, act: impl Fn() + Send + 'static, stopped: Arc<AtomicBool>) {
        struct AtEnd(Box<dyn Fn()>);
        impl Drop for AtEnd {
            fn drop(&mut self) {
                self.0();
            }
        }
        thread_local!(static AT_END: Cell<Option<AtEnd>> = const { Cell::new(None) });
        let thread = self.scope.spawn(move || {
            let act = Arc::new(act);
            let last = Arc::clone(&act);
            // Destroyed after what the operation below makes.
            AT_END.set(Some(AtEnd(Box::new(move || {
                while !stopped.load(Ordering::Relaxed) {
                    last();
                }
            }))));
            act();
        });
        self.threads.borrow_mut().push(thread);
    }
}

impl Drop for Others<'_, '_> {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        for thread in self.threads.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || thread::panicking(), "one of them has panicked");
        }
    }
}

/// What a child inherits of an engine that its only thread has not used.
struct Inherited {
    engine: Engine,
    hash: HashSession,
    aead: AeadSession,
    sealing: OpFuture<Tagged>,
    encrypting: OpFuture<InPlace>,
    calling: CallFuture<usize>,
}

impl Inherited {
    /// Made in another thread, where it copies its additional data.
    fn of(engine: &Engine) -> Self {
        let make = || {
            let aead = engine.aead(Aead::Aes256Gcm, &KEY).unwrap();
            Self {
                sealing: aead.seal_async(&IV[..12], b"additional", message(4, 60)),
                aead,
                engine: engine.clone(),
                hash: engine.hash(Hash::Sha256).unwrap(),
                encrypting: ctr(engine).encrypt_async(&IV, message(1, 60)),
                calling: engine.call_async("sum", 8, || 42),
            }
        };
        thread::scope(|scope| scope.spawn(make).join().unwrap())
    }

    fn use_up(mut self) -> i32 {
        if self.hash.digest(&message(1, 60)) != Err(Error::Forked) {
            return 1;
        }
        let mut text = message(2, 60);
        if self.aead.seal(&IV[..12], b"additional", text.clone()).map_err(|error| error.into_parts())
            != Err((Error::Forked, text.clone()))
        {
            return 2;
        }
        match poll_once(&mut self.sealing) {
            Poll::Ready(Err(error)) if *error.error() == Error::Forked => {}
            _ => return 3,
        }
        match poll_once(&mut self.encrypting) {
            Poll::Ready(Err(error)) if *error.error() == Error::Forked => {}
            _ => return 4,
        }
        if poll_once(&mut self.calling) != Poll::Ready(Err(Error::Forked)) {
            return 5;
        }
        let late = self.aead.seal_async(&IV[..12], b"additional", std::mem::take(&mut text));
        drop(late);
        if self.engine.stats() != Default::default() || self.engine.device().stats() != Default::default() {
            return 6;
        }
        if self.engine.poll(1, |_| ()).is_ok()
            || self.engine.interrupt_fd().is_ok()
            || self.engine.reaper().is_ok()
        {
            return 7;
        }
        drop(self);
        of_its_own()
    }
}

/// What the child begins by itself works there. It starts no thread: the standard library takes a lock of its
/// own in each new one, which a thread that began or ended in the parent at that moment has for ever.
fn of_its_own() -> i32 {
    let engine = stepped("");
    let session = ctr(&engine);
    if session.encrypt(&IV, message(1, 70)).unwrap() != expected_ctr(&message(1, 70)) {
        return 20;
    }
    let mut job = JobFuture::new(move || session.encrypt(&IV, message(1, 70)).unwrap());
    loop {
        match poll_once(&mut job) {
            Poll::Ready(done) if done == Ok(expected_ctr(&message(1, 70))) => return 0,
            Poll::Ready(_) => return 21,
            Poll::Pending => _ = engine.device().run_until_idle(),
        }
    }
}

#[test]
fn a_child_gets_past_the_locks_of_an_inherited_engine() {
    for config in ["queue_pairs=3", "queue_pairs=3;completion_nsec=1;timing=all;timeout_msec=3600000"] {
        let engine = open(config);
        let stopped = Arc::new(AtomicBool::new(false));
        thread::scope(|scope| {
            let others = Others::new(scope, &stopped);
            for _ in 0..2 {
                let hash = engine.hash(Hash::Sha256).unwrap();
                let digest = move || _ = hash.digest(b"abc").unwrap();
                others.repeat_at_the_end(digest, Arc::clone(&stopped));
            }
            others.repeat(|| _ = engine.stats());
            others.repeat(|| assert_eq!(engine.call("sum", 8, || 42), Ok(42)));
            for _ in 0..FORKS {
                let inherited = Inherited::of(&engine);
                in_child(|| inherited.use_up());
            }
        });
        // A request counts as completed shortly after its wake.
        engine.device().drain();
        assert_adds_up(&engine);
    }
}

#[test]
fn a_child_gets_past_the_locks_of_an_inherited_job() {
    let stopped = AtomicBool::new(false);
    let engine = open("");
    thread::scope(|scope| {
        let others = Others::new(scope, &stopped);
        let session = ctr(&engine);
        let mut future = JobFuture::new(move || {
            let _ = job::pause();
            session.encrypt(&IV, message(1, 70)).is_err()
        });
        assert!(poll_once(&mut future).is_pending());
        let wake: Callback = future.wait_ctx().callback().unwrap();
        others.repeat(move || wake());
        let mut future = Some(future);
        for _ in 0..FORKS {
            in_child(|| {
                let done = block_on(future.take().unwrap());
                if done == Ok(true) { of_its_own() } else { 1 }
            });
        }
        drop(future);
    });
}

#[test]
fn a_child_does_not_wait_for_a_callback_of_its_parent() {
    let engine = open("");
    let ctx = WaitCtx::new();
    let ((called, calls), (go, gone)) = (channel(), channel::<()>());
    let gone = std::sync::Mutex::new(gone);
    ctx.set_callback(Some(Arc::new(move || {
        called.send(()).unwrap();
        let _ = gone.lock().unwrap().recv();
    })));
    let job = paused_job(&engine, &ctx, 1);
    calls.recv().unwrap();
    let replaced = ctx.replace_callback(None);
    let mut all = Some((replaced, job, ctx));
    let end = end_of_child(|| {
        drop(all.take());
        of_its_own()
    });
    go.send(()).unwrap();
    assert_eq!(end, 0);
    drop(all);
    engine.device().drain();
    assert_adds_up(&engine);
}

#[test]
fn a_child_gets_past_the_locks_of_reports() {
    fn misuse() {
        let mut job = Job::without_ctx(|| ()).unwrap();
        job.resume().unwrap();
        assert_eq!(job.resume(), Err(Misuse::Finished));
    }
    let stopped = AtomicBool::new(false);
    job::set_strict(true);
    job::set_strict_handler(Some(Arc::new(|_| ())));
    thread::scope(|scope| {
        let others = Others::new(scope, &stopped);
        others.repeat(misuse);
        others.repeat(|| job::set_strict_handler(Some(Arc::new(|_| ()))));
        others.repeat(|| _ = job::leaks());
        for _ in 0..FORKS {
            in_child(|| {
                // A lock that is held for ever hides the handler, and reports are printed.
                // SAFETY: the child prints nothing that is to be read.
                unsafe { libc::close(libc::STDERR_FILENO) };
                misuse();
                job::set_strict_handler(Some(Arc::new(|_| ())));
                let _ = job::leaks();
                of_its_own()
            });
        }
    });
}
