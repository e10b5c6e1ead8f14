//! A job of libcrypto (`ASYNC_start_job`) as a future on tokio: what runs in it may be any call of OpenSSL's,
//! such as `SSL_accept`, and pauses where a provider or an engine pauses it.
//!
//! ```text
//!   AsyncJob::new(f) ── poll ─► ASYNC_start_job ─► ASYNC_FINISH: the value
//!                                   │  ▲     └───► ASYNC_NO_JOBS: in line, until a job of the thread has ended
//!                                   ▼  │ readable
//!                         ASYNC_PAUSE: the fds of its ASYNC_WAIT_CTX, in tokio's reactor
//! ```
//!
//! Its fds are registered anew for each pause and forgotten before the job goes on, so edges are neither
//! missed nor kept. libcrypto cannot end a job in the middle: a future that is dropped while its job is
//! paused drives it to its end first, which blocks the thread for as long as the device takes.
#![expect(unsafe_code, reason = "calls libcrypto")]

use std::any::Any;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::ffi::{c_int, c_void};
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::ptr;
use std::task::{Context, Poll, Waker};
use std::{io, mem};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
// Links libcrypto.
use openssl_sys as _;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

const ASYNC_NO_JOBS: c_int = 1;
const ASYNC_PAUSE: c_int = 2;
const ASYNC_FINISH: c_int = 3;

#[repr(C)]
struct AsyncJobOfC {
    _opaque: [u8; 0],
}

#[repr(C)]
struct WaitCtxOfC {
    _opaque: [u8; 0],
}

unsafe extern "C" {
    fn ASYNC_start_job(
        job: *mut *mut AsyncJobOfC,
        ctx: *mut WaitCtxOfC,
        ret: *mut c_int,
        func: extern "C" fn(*mut c_void) -> c_int,
        args: *mut c_void,
        size: usize,
    ) -> c_int;
    fn ASYNC_WAIT_CTX_new() -> *mut WaitCtxOfC;
    fn ASYNC_WAIT_CTX_free(ctx: *mut WaitCtxOfC);
    fn ASYNC_WAIT_CTX_get_all_fds(ctx: *mut WaitCtxOfC, fd: *mut c_int, count: *mut usize) -> c_int;
}

thread_local! {
    /// The tasks that wait for a job of libcrypto's pool, which is the thread's.
    static LINE: RefCell<VecDeque<Waker>> = const { RefCell::new(VecDeque::new()) };
}

/// A closure in a job of libcrypto, as a future. The job belongs to the thread of the first poll, so it is
/// not `Send`: a current-thread runtime or a `LocalSet` runs it.
#[must_use = "a future does nothing unless it is polled"]
pub struct AsyncJob<T, F: FnOnce() -> T> {
    /// What the job's function gets. It does not move while the job runs.
    work: Box<Work<T, F>>,
    ctx: *mut WaitCtxOfC,
    job: *mut AsyncJobOfC,
    stage: Stage,
    /// The fds of this pause.
    fds: Vec<AsyncFd<OwnedFd>>,
    pauses: usize,
    thread: PhantomData<*mut ()>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    New,
    Paused,
    Over,
}

enum Work<T, F> {
    Todo(F),
    Done(T),
    Panicked(Box<dyn Any + Send>),
    Taken,
}

/// Runs the closure, on the job's stack. No panic leaves it.
extern "C" fn run<T, F: FnOnce() -> T>(args: *mut c_void) -> c_int {
    // SAFETY: `args` is the copy, which libcrypto has made, of the address of the future's work, whose box
    // the future keeps while the job runs and does not touch.
    let work = unsafe { &mut *args.cast::<*mut Work<T, F>>().read() };
    *work = match mem::replace(work, Work::Taken) {
        Work::Todo(f) => catch_unwind(AssertUnwindSafe(f)).map_or_else(Work::Panicked, Work::Done),
        other => other,
    };
    1
}

impl<T, F: FnOnce() -> T> AsyncJob<T, F> {
    /// A future of what `f` returns.
    pub fn new(f: F) -> Self {
        Self {
            work: Box::new(Work::Todo(f)),
            ctx: ptr::null_mut(),
            job: ptr::null_mut(),
            stage: Stage::New,
            fds: Vec::new(),
            pauses: 0,
            thread: PhantomData,
        }
    }

    /// How often the job has paused.
    pub fn pauses(&self) -> usize {
        self.pauses
    }

    /// Starts the job or goes on with it, until it pauses or ends.
    fn start(&mut self) -> c_int {
        if self.ctx.is_null() {
            // SAFETY: no arguments.
            self.ctx = unsafe { ASYNC_WAIT_CTX_new() };
        }
        let mut returned = 0;
        let mut work: *mut Work<T, F> = &raw mut *self.work;
        let args = (&raw mut work).cast::<c_void>();
        // SAFETY: all pointers are to places of this frame or of the future; libcrypto copies the argument,
        // and `run` has the types of the work.
        unsafe {
            ASYNC_start_job(
                &raw mut self.job,
                self.ctx,
                &raw mut returned,
                run::<T, F>,
                args,
                size_of_val(&work),
            )
        }
    }

    /// The fds that libcrypto's jobs wait for.
    fn numbers(&self) -> Vec<c_int> {
        let mut count = 0;
        // SAFETY: the context is this future's; without a place for them only the count is given.
        unsafe { ASYNC_WAIT_CTX_get_all_fds(self.ctx, ptr::null_mut(), &raw mut count) };
        let mut numbers = vec![-1; count];
        // SAFETY: there is room for all.
        unsafe { ASYNC_WAIT_CTX_get_all_fds(self.ctx, numbers.as_mut_ptr(), &raw mut count) };
        numbers
    }

    /// Whether one of the fds of this pause is readable; if not, the waker will be called.
    fn is_readable(&mut self, context: &mut Context<'_>) -> io::Result<bool> {
        if self.fds.is_empty() {
            for number in self.numbers() {
                // SAFETY: the job is paused, and what it waits for stays open until it goes on.
                let duplicate = unsafe { BorrowedFd::borrow_raw(number) }.try_clone_to_owned()?;
                // SAFETY: an `OwnedFd` has one number for all its life, and is open for as long.
                let fd = unsafe { AsyncFd::register_with_interest(duplicate, Interest::READABLE) };
                self.fds.push(fd.map_err(io::Error::from)?);
            }
        }
        if self.fds.is_empty() {
            // It has paused for nothing: its next turn.
            context.waker().wake_by_ref();
            return Ok(false);
        }
        let polled = self.fds.iter().map(|fd| fd.poll_read_ready(context).is_ready());
        Ok(polled.fold(false, |so_far, ready| so_far | ready))
    }
}

fn wake_the_line() {
    // Outside of the borrow: a waker is foreign code.
    let first = LINE.with_borrow_mut(VecDeque::pop_front);
    if let Some(waker) = first {
        waker.wake();
    }
}

impl<T, F: FnOnce() -> T> Future for AsyncJob<T, F> {
    /// An error: the fds could not be watched, or libcrypto could not run the job.
    type Output = io::Result<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // The closure is in a box, and is not pinned there.
        let this = self.get_mut();
        loop {
            if this.stage == Stage::Paused {
                // The first look at a pause for nothing gives the turn away, the next one goes on.
                let had_fds = !this.fds.is_empty();
                if !this.is_readable(context)? && (had_fds || !this.fds.is_empty()) {
                    return Poll::Pending;
                }
                this.fds.clear();
            }
            match this.start() {
                ASYNC_PAUSE => {
                    this.pauses += 1;
                    this.stage = Stage::Paused;
                    if !this.is_readable(context)? {
                        return Poll::Pending;
                    }
                }
                ASYNC_NO_JOBS => {
                    LINE.with_borrow_mut(|line| line.push_back(context.waker().clone()));
                    return Poll::Pending;
                }
                ASYNC_FINISH => {
                    this.stage = Stage::Over;
                    wake_the_line();
                    return match mem::replace(&mut *this.work, Work::Taken) {
                        Work::Done(value) => Poll::Ready(Ok(value)),
                        Work::Panicked(panic) => resume_unwind(panic),
                        Work::Todo(_) | Work::Taken => Poll::Ready(Err(io::ErrorKind::Other.into())),
                    };
                }
                _ => {
                    this.stage = Stage::Over;
                    return Poll::Ready(Err(io::Error::other("ASYNC_start_job has failed")));
                }
            }
        }
    }
}

impl<T, F: FnOnce() -> T> Unpin for AsyncJob<T, F> {}

impl<T, F: FnOnce() -> T> Drop for AsyncJob<T, F> {
    fn drop(&mut self) {
        self.fds.clear();
        while self.stage == Stage::Paused {
            let numbers = self.numbers();
            // SAFETY: the job is paused, and what it waits for stays open until it goes on.
            let fds: Vec<_> = numbers.iter().map(|fd| unsafe { BorrowedFd::borrow_raw(*fd) }).collect();
            let mut polled: Vec<_> = fds.iter().map(|fd| PollFd::new(*fd, PollFlags::POLLIN)).collect();
            // An interrupted wait resumes the job too early, and it pauses again.
            let _ = poll(&mut polled, PollTimeout::NONE);
            if self.start() != ASYNC_PAUSE {
                self.stage = Stage::Over;
                wake_the_line();
            }
        }
        if !self.ctx.is_null() {
            // SAFETY: the context is this future's, and no job is paused with it.
            unsafe { ASYNC_WAIT_CTX_free(self.ctx) };
        }
    }
}

impl<T, F: FnOnce() -> T> fmt::Debug for AsyncJob<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncJob").field("pauses", &self.pauses).finish_non_exhaustive()
    }
}
