//! Jobs: code that pauses in the middle and resumes later, on its own stack.
//!
//! ```text
//!                    ┌──────────────────────────────────────────────┐
//!    application     │  job (its own stack)                         │
//!    Job::new ──────►│ Fresh                                        │
//!    resume() ──────►│ Running ── calls ──► an engine ── pause() ─┐ │
//!      = Paused ◄────│ Paused ◄───────────────────────────────────┘ │
//!    resume() ──────►│ Running ── pause() returns Resumed ── ... ─┐ │
//!      = Finished(T) │ ◄──────────────────────────────────────────┘ │
//!    drop ──────────►│ unwinds: destructors run, the stack is free  │
//!                    └──────────────────────────────────────────────┘
//! ```
//!
//! A job belongs to the thread that created it. A resume is legal at any time: on return, the code that
//! paused checks whether its event has happened (statement 41). Jobs nest: a running job may create and
//! resume other jobs. A job's wake is announced in its [`WaitCtx`].
//!
//! ```text
//!    Job, typed: closures, results, owners ─┐
//!                                           ├─► pool: whose turn ─► record: one job ─► fiber: the switch
//!    raw: functions, bytes, handles (for C) ─┘                  └─► stack, memory: where they lie
//!    current, block: the running job from inside · outside: its deep calls · wait_ctx, wait_fd · config, stats, misuse · strict
//!    around a switch: hooks · exceptions (C++'s) · modes (of floating point, in C jobs)
//! ```
//!
//! # What to know before holding something across a pause
//!
//! A pause gives the thread to other code while the job's frames stay. A job shares everything that belongs
//! to the thread with the other jobs of the thread (statement 56): `errno`, the signal mask, thread-locals.
//! So do not pause
//! - while holding a lock that other code on this thread takes: [`block_pause`] forbids it;
//! - in the initialiser of a thread-local, or inside `LocalKey::with` in a job that may outlive the
//!   thread-local: that is unsound, see [`Job`](Job#soundness);
//! - with foreign frames on the stack, if the job may be dropped: dropping unwinds them, and C code does not
//!   survive that.
//!
//! A leaked job (`mem::forget`, or a cycle of `Rc`s) keeps its stack for ever. So does a job that is
//! unfinished when its thread ends. [`leaks`] lists them.
//!
//! # Strict mode
//!
//! Much misuse is harmless here: a finished job refuses to be resumed, a job goes on when its context is
//! freed, and a job that a C program leaves paused is reclaimed. With another job framework, or a real
//! device, the same program crashes or leaks. *Strict mode* reports each broken [`Rule`] with the job and the
//! call, and changes nothing else. A report is one line on standard error, or a call of the handler that
//! [`set_strict_handler`] sets. Strict mode is on in debug builds ([`set_strict`]).
//!
//! | rule | kept by |
//! |---|---|
//! | a context outlives the pauses of its jobs | finishing or dropping the job, then freeing the context |
//! | no finished job, own job or stale handle is resumed | forgetting a job at its end |
//! | no job is leaked | finishing or dropping every job on its thread |
//! | an unwinding is not swallowed | catching no panic around a pause, or resuming those of others |
//! | a raw job is resumed until it has finished | the same; [`raw::discard`] is for programs without one |
//!
//! C has no call that ends a paused job. So strict mode also reports the jobs that [`raw::discard_paused_on`]
//! and [`raw::discard_paused`] reclaim (in C: when a context is freed or a thread is cleaned up), and the
//! jobs that remain when a thread ends. With libcrypto each would be a leak, or freed memory that the device
//! writes its answer to.

mod block;
mod callback;
mod config;
mod current;
mod directory;
mod exceptions;
mod fiber;
mod front;
mod gate;
mod hooks;
mod last_call;
mod line;
mod memory;
mod misuse;
mod modes;
mod outside;
mod overflow;
mod pool;
pub mod raw;
mod record;
mod sanitizer;
mod stack;
mod stats;
mod status;
mod strict;
mod table;
mod trace;
mod typed;
mod wait_ctx;
mod wait_fd;

use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;

pub use block::{PauseBlock, block_pause};
pub(crate) use callback::CallbackWaker;
pub use callback::ReplacedCallback;
pub use config::PoolConfig;
pub use current::{CurrentJob, Pause, Release, can_pause, current, pause, pause_with};
pub(crate) use current::{
    Offer, current_ctx, follow_status, is_awaited, is_running, offer, offer_plain, pause_in_flight,
    set_status,
};
pub(crate) use line::Place;
pub use misuse::{InitError, Misuse, NoJobs, StartError};
pub(crate) use outside::outside;
pub use stats::{Leak, LeakReason, Leaks, ThreadStats, leaks};
pub(crate) use status::FollowedStatus;
pub use status::WaitStatus;
pub use strict::{Rule, StrictHandler, Violation, is_strict, set_strict, set_strict_handler};
pub use wait_ctx::{Callback, Cleanup, WaitCtx, WaitCtxRef, WaitKey};
pub use wait_fd::{ChangedFds, FoundFd, WaitFd};

use pool::Pool;
use strict::Suspect;
use typed::Live;

/// What [`Job::resume`] returned with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<T> {
    /// The job has paused: resume it when its wait context says so, or at any time.
    Paused,
    /// The job has ended with this result.
    Finished(T),
}

/// A job: a closure that may [`pause`], and is resumed until it has finished.
///
/// Dropping a paused job unwinds its stack, and so drops what the closure owns. While the thread panics, the
/// unwinding is deferred to the thread's next job operation, or to its end. A panic in the closure propagates
/// to the resumer.
///
/// # Soundness
///
/// **With thread-locals, safe code can read freed memory.** The standard library assumes that a call ends
/// before its thread does anything else, and that a thread's frames are gone before its thread-locals are. A
/// paused job breaks both assumptions, and the compiler does not know it. Three rules keep a program sound.
/// An operation of an engine counts as a pause.
///
/// 1. **The initialiser of a thread-local does not pause.** (`thread_local!` with anything but
///    `const { .. }`.) During the pause another job, or the application, would initialise it and borrow it;
///    then the paused initialiser replaces the value under that borrow. Nothing can detect this, not even
///    strict mode. Use the thread-local before the first job, or hold a [`block_pause`] in its initialiser:
///    engines then block.
/// 2. **A job that is paused inside `LocalKey::with` is finished or dropped before its thread ends.** It is
///    not forgotten (`mem::forget`, a cycle of `Rc`s). A borrow that it has passed on may still be in use
///    when the thread-local is destroyed, for example by the threads of a `thread::scope`. Strict mode
///    reports a job that is unfinished when its thread ends ([`Rule::JobLeaked`]), but the thread-local may
///    be gone by then.
/// 3. **A job that pauses inside `LocalKey::with` is not kept in another thread-local.** At the end of the
///    thread it may be unwound after the first thread-local is gone, and its destructors read it.
///
/// The last two rules do not concern thread-locals without a destructor, such as `Cell<u32>`. To keep the
/// rules, take the value out, or clone an `Rc`, instead of pausing inside `with`:
///
/// ```
/// use std::rc::Rc;
/// use simaccel::job::{self, Job, Step};
///
/// thread_local! {
///     // No operation of an engine in here pauses.
///     static NAME: Rc<str> = { let _here = job::block_pause(); "computed once".into() };
/// }
///
/// let mut job = Job::without_ctx(|| {
///     let name = NAME.with(Rc::clone); // the job's own from here on
///     let _ = job::pause();
///     name.len()
/// })?;
/// assert_eq!(job.resume()?, Step::Paused);
/// assert_eq!(job.resume()?, Step::Finished(13));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Every other misuse of jobs by safe code is an error, a panic, a leak, or the end of the process.
///
/// # Threads
///
/// A job belongs to one thread (statement 53):
///
/// ```compile_fail
/// fn send<T: Send>(_: T) {}
/// send(simaccel::Job::without_ctx(|| ()).unwrap());
/// ```
///
/// # Examples
///
/// ```
/// use simaccel::{Job, Step, WaitCtx, job};
///
/// let ctx = WaitCtx::new();
/// let mut job = Job::new(&ctx, || {
///     job::pause();
///     42
/// })?;
/// assert_eq!(job.resume()?, Step::Paused);
/// assert_eq!(job.resume()?, Step::Finished(42));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Job<T: 'static> {
    live: Option<Live<T>>,
    token: u64,
    /// The type of the closure, which is the job's name in reports.
    name: fn() -> &'static str,
    /// Not `Send`, not `Sync`.
    thread: PhantomData<*mut ()>,
}

impl<T: 'static> Job<T> {
    /// Creates a job that announces its wakes in `ctx`. The job does not run before its first resume. The
    /// closure, and later its result, lie on the job's own stack, or on the heap when either is larger than
    /// 512 bytes.
    ///
    /// # Errors
    ///
    /// [`NoJobs`] when the thread's limit of jobs is reached, or when there is no memory for another stack;
    /// `f` is dropped.
    #[inline]
    pub fn new<F>(ctx: &WaitCtx, f: F) -> Result<Self, NoJobs>
    where
        F: FnOnce() -> T + 'static,
    {
        Live::new(Some(ctx), f).map(Self::from_live::<F>)
    }

    /// Creates a job without a wait context: engines block in it instead of pausing (statement 29).
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    #[inline]
    pub fn without_ctx<F>(f: F) -> Result<Self, NoJobs>
    where
        F: FnOnce() -> T + 'static,
    {
        Live::new(None, f).map(Self::from_live::<F>)
    }

    /// Runs the job until it pauses or finishes.
    ///
    /// # Errors
    ///
    /// [`Misuse::Finished`] when the job has finished already; [`Misuse::Panicking`] while the thread
    /// unwinds; [`Misuse::ThreadEnded`] in destructors of thread-locals. The job is unchanged.
    ///
    /// # Panics
    ///
    /// Panics with the payload of the job's panic, if the job panics. The job has then finished.
    #[inline(always)] // see fiber.rs on returns
    #[track_caller]
    pub fn resume(&mut self) -> Result<Step<T>, Misuse> {
        if self.live.is_none() {
            return Err(self.refuse_finished(Location::caller()));
        }
        Live::resume(&mut self.live)
    }

    /// The number that names the job to its engines; `Engine::poll` passes it to its closure. The default is
    /// the bits of the job's [`raw::Handle`].
    pub fn token(&self) -> u64 {
        self.token
    }

    /// Sets the token.
    pub fn set_token(&mut self, token: u64) {
        self.token = token;
        if let Some(live) = &self.live {
            live.record().token.set(token);
        }
    }

    /// The job's wait context; `None` when the job has none, when it was dropped, or when the job has
    /// finished.
    pub fn wait_ctx(&self) -> Option<WaitCtxRef> {
        self.live.as_ref()?.record().with_ctx(WaitCtxRef::new)?
    }

    /// Whether the job has returned its result, or panicked.
    pub fn is_finished(&self) -> bool {
        self.live.is_none()
    }

    /// Whether it has paused for a request, or for whatever else has a release hook.
    pub(crate) fn is_in_flight(&self) -> bool {
        self.live.as_ref().is_some_and(|live| live.record().in_flight.get())
    }

    fn from_live<F>(live: Live<T>) -> Self {
        let token = live.record().token.get();
        Self { live: Some(live), token, name: std::any::type_name::<F>, thread: PhantomData }
    }

    #[cold]
    fn refuse_finished(&self, location: &'static Location<'static>) -> Misuse {
        let suspect = Suspect::named((self.name)(), self.token);
        strict::report(Rule::FinishedJobResumed, suspect, ("Job::resume", Some(location)));
        Misuse::Finished
    }
}

impl<T: 'static> Drop for Job<T> {
    fn drop(&mut self) {
        if let Some(live) = self.live.take() {
            live.abandon();
        }
    }
}

impl<T: 'static> fmt::Debug for Job<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.live.as_ref().map(|live| live.record().state.get());
        f.debug_struct("Job").field("token", &self.token).field("state", &state).finish()
    }
}

/// The payload that unwinds a dropped job.
struct Unwinding;

/// Sets the limits and sizes of this thread's jobs. A later call replaces them: the new limits apply at once
/// and count all jobs of the thread, and idle stacks of other sizes are freed (statements 47 to 49).
///
/// # Errors
///
/// [`InitError`] for limits or sizes that are not possible. Too little memory for the initial jobs is no
/// error.
pub fn init_thread(config: PoolConfig) -> Result<(), InitError> {
    Pool::here().ok_or(InitError::ThreadEnded)?.configure(config)
}

/// Frees the stacks that no unfinished job of this thread needs, and forgets the configuration. Unfinished
/// jobs go on (statements 50, 51). The end of the thread does the same (statement 52).
pub fn cleanup_thread() {
    if let Some(pool) = Pool::existing() {
        pool.clean_up();
    }
}

/// Ensures that the next [`Job::new`] of this thread finds a job, so that no closure is lost to a refusal.
///
/// # Errors
///
/// [`NoJobs`], as [`Job::new`] would return it.
pub fn reserve() -> Result<(), NoJobs> {
    Pool::here().ok_or(NoJobs::ThreadEnded)?.reserve()
}

/// Whether this thread can run jobs (statement 24): yes, unless it is ending.
pub fn is_capable() -> bool {
    Pool::here().is_some()
}

/// The counters of this thread's jobs.
pub fn thread_stats() -> ThreadStats {
    Pool::existing().map(Pool::stats).unwrap_or_default()
}
