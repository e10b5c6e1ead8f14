//! A job as a future.
//!
//! ```text
//!   New ── a job is idle ──► Running ── pauses ─► Paused ── woken, poll ─► Running ── ends ─► Over
//!    └── none: in line           an engine's request:  its context's callback calls the waker
//!                                fds in its context:   an FdWatch calls it when one is readable
//!                                neither:              it yields, and goes on at the next turn
//! ```

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::mem;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use super::fd_watch::FdWatch;
use super::reactor::OwnThread;
use crate::error::Error;
use crate::job::{Job, NoJobs, Place, Step, WaitCtx, WaitFd};
use crate::process::fork;

/// A job, as a future: its code runs in the polls, on its own stack, and pauses where it calls an engine.
///
/// It has a wait context of its own. A poll resumes the job when its wake has fired, whichever it waits for:
///
/// - *an operation of an engine*, whatever its `delivery`: the device calls the waker;
/// - *fds that its code has registered* ([`job::current`](crate::job::current)'s context,
///   [`job::pause`](crate::job::pause)): one that is readable; all that are registered are watched, by
///   [`OwnThread`] unless [`JobFuture::watched_by`] says otherwise; where one cannot be watched (epoll
///   refuses regular files), the pause is a yield;
/// - *the context's callback*, which other code may call, after a
///   [`job::pause_with`](crate::job::pause_with);
/// - *nothing*: a bare pause is a yield, and the job goes on at its next turn.
///
/// Where the thread may have no more jobs ([`job::init_thread`](crate::job::init_thread)), the future waits
/// in line for one, first come, first served. A future that has its turn and is not polled keeps the others
/// waiting.
///
/// *Cancel safe*: dropping it unwinds the job, as dropping a [`Job`] does, so its code is left in the middle;
/// what the closure owns is dropped. A panic of the job goes on in the poll.
///
/// The first poll makes the job, which belongs to its thread from then on, so the future is not `Send`.
/// Runtimes with many threads use a local set, or a [`JobDriver`](super::JobDriver).
///
/// ```
/// use simaccel::future::JobFuture;
/// use simaccel::{Config, Engine, Hash};
///
/// async fn digests(engine: &Engine) -> Result<usize, simaccel::Error> {
///     let session = engine.hash(Hash::Sha256)?;
///     // Ordinary code, which pauses twice.
///     let job = JobFuture::new(move || {
///         let first = session.digest(b"abc")?;
///         session.digest(first.as_bytes())
///     });
///     Ok(job.await??.as_bytes().len())
/// }
/// # let engine = Engine::stepped(Config::default()).unwrap();
/// # let mut digests = std::pin::pin!(digests(&engine));
/// # let mut context = std::task::Context::from_waker(std::task::Waker::noop());
/// # let len = loop {
/// #     if let std::task::Poll::Ready(len) = digests.as_mut().poll(&mut context) { break len }
/// #     engine.device().step();
/// # };
/// # assert_eq!(len, Ok(32));
/// ```
#[must_use = "a future does nothing unless it is polled"]
pub struct JobFuture<T: 'static, F, W: FdWatch = OwnThread> {
    // In the order in which they are dropped.
    stage: Stage<T, F>,
    ctx: WaitCtx,
    watch: W,
    wake: Arc<Wake>,
    born: u64,
    /// As its job.
    thread: PhantomData<*mut ()>,
}

enum Stage<T: 'static, F> {
    New(F, Place),
    Paused(Job<T>, On),
    Over,
}

/// What a paused job waits for.
enum On {
    /// Its callback.
    Callback,
    /// Its callback, or these fds.
    Fds(Vec<WaitFd>),
    /// Nothing.
    Turn,
}

/// What the callback of the context refers to.
#[derive(Default)]
struct Wake {
    called: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Wake {
    /// One that is the callback of `ctx`.
    fn of(ctx: &WaitCtx) -> Arc<Self> {
        let wake = Arc::new(Self::default());
        let called = Arc::clone(&wake);
        ctx.set_callback(Some(Arc::new(move || called.call())));
        wake
    }

    fn call(&self) {
        self.called.store(true, Ordering::SeqCst);
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Whether it was called since the last question; if not, `waker` will be.
    fn is_called(&self, waker: &Waker) -> bool {
        // A waker is foreign code, when it is cloned and when it is dropped.
        let waker = waker.clone();
        let replaced = self.waker.lock().unwrap_or_else(PoisonError::into_inner).replace(waker);
        drop(replaced);
        // Looked at after the waker is in place.
        self.called.swap(false, Ordering::SeqCst)
    }
}

impl<T: 'static, F: FnOnce() -> T + 'static> JobFuture<T, F> {
    /// A future of what `f` returns. It begins at its first poll.
    pub fn new(f: F) -> Self {
        Self::watched_by(OwnThread::default(), f)
    }
}

impl<T: 'static, F: FnOnce() -> T + 'static, W: FdWatch> JobFuture<T, F, W> {
    /// The same, with fds watched by `watch`.
    pub fn watched_by(watch: W, f: F) -> Self {
        let ctx = WaitCtx::new();
        let wake = Wake::of(&ctx);
        ctx.set_awaited();
        let (stage, born) = (Stage::New(f, Place::default()), fork::generation());
        Self { stage, ctx, watch, wake, born, thread: PhantomData }
    }

    /// The wait context of the job: for what its code does not reach through
    /// [`job::current`](crate::job::current).
    pub fn wait_ctx(&self) -> &WaitCtx {
        &self.ctx
    }

    /// Whether a paused job is to be resumed.
    fn is_woken(&mut self, on: &On, context: &mut Context<'_>) -> bool {
        if fork::since(self.born) {
            // What it has waited for stays with the parent, and the job's code finds that. A thread of the
            // parent may have the lock of the wake for ever.
            self.born = fork::generation();
            self.wake = Wake::of(&self.ctx);
            return true;
        }
        if self.wake.is_called(context.waker()) {
            return true;
        }
        match on {
            On::Callback => false,
            On::Turn => true,
            // An fd that cannot be watched is looked at by the job's own code.
            On::Fds(fds) => self.watch.poll_readable(fds, context).is_ready(),
        }
    }

    fn make(f: F, ctx: &WaitCtx) -> Result<Job<T>, NoJobs> {
        Job::new(ctx, f)
    }

    /// Resumes the job until it waits, or ends.
    fn run(&mut self, mut job: Job<T>, context: &mut Context<'_>) -> Poll<Result<T, Error>> {
        loop {
            if let Step::Finished(value) = job.resume()? {
                return Poll::Ready(Ok(value));
            }
            let fds = self.ctx.all_fds();
            let on = match (fds.is_empty(), job.is_in_flight()) {
                (false, _) => On::Fds(fds),
                (true, true) => On::Callback,
                (true, false) => return self.give_turn_away(job, context),
            };
            if !self.is_woken(&on, context) {
                self.stage = Stage::Paused(job, on);
                return Poll::Pending;
            }
            self.watch.forget();
            if matches!(on, On::Fds(_)) {
                // One that stays readable, or cannot be watched, would keep the turn for ever.
                return self.give_turn_away(job, context);
            }
        }
    }

    fn give_turn_away(&mut self, job: Job<T>, context: &mut Context<'_>) -> Poll<Result<T, Error>> {
        self.stage = Stage::Paused(job, On::Turn);
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<T: 'static, F: FnOnce() -> T + 'static, W: FdWatch> Future for JobFuture<T, F, W> {
    /// An error: the job could not be made or resumed ([`Error::NoJobs`], [`Error::Misuse`]), or the future
    /// was ready before ([`Error::Closed`]).
    type Output = Result<T, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // Nothing here is pinned: the closure is moved into the job.
        let this = self.get_mut();
        let job = match mem::replace(&mut this.stage, Stage::Over) {
            Stage::New(f, mut place) => match place.reserve(context.waker()) {
                Poll::Pending => {
                    this.stage = Stage::New(f, place);
                    return Poll::Pending;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
                Poll::Ready(Ok(())) => Self::make(f, &this.ctx)?,
            },
            Stage::Paused(job, on) => {
                if !this.is_woken(&on, context) {
                    this.stage = Stage::Paused(job, on);
                    return Poll::Pending;
                }
                this.watch.forget();
                job
            }
            Stage::Over => return Poll::Ready(Err(Error::Closed)),
        };
        this.run(job, context)
    }
}

impl<T: 'static, F, W: FdWatch> Unpin for JobFuture<T, F, W> {}

impl<T: 'static, F, W: FdWatch> fmt::Debug for JobFuture<T, F, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match &self.stage {
            Stage::New(..) => "New",
            Stage::Paused(..) => "Paused",
            Stage::Over => "Over",
        };
        f.debug_struct("JobFuture").field("stage", &stage).finish_non_exhaustive()
    }
}
