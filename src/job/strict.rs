//! Strict mode: says which job broke a rule, and in which call.
//!
//! ```text
//!   resume, discard, drop, end of a thread ── a rule is broken (cold) ──► strict? ── no ──► nothing
//!                       │                                                   │ yes
//!                       ▼                                                   ▼
//!     the result is what it would be anyway               Violation ──► handler, fenced ──► one line on standard error
//!                                                                                         (no handler, or it panicked)
//! ```
//!
//! Jobs forgive: misuse is a typed error or simply works (statements 6, 35, 36, 51 to 53), so a program that breaks a rule
//! goes on here and crashes, or leaks, where the framework is another and the device is real. Strict mode reports what was
//! forgiven and changes nothing else. The switch is looked at when a rule has been broken, and when a context ends that a
//! job still holds; never by a pause or a resume that is in order.

use std::cell::Cell;
use std::fmt;
use std::io::{self, Write};
use std::mem;
use std::panic::{self, AssertUnwindSafe, Location};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use super::block::block_pause;
use super::misuse::Misuse;
use super::pool::Pool;
use super::raw::Handle;
use super::record::Record;
use super::wait_ctx::Shared;
use crate::cancel::uncancelled;

/// A rule about jobs that a program can break without being stopped.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// A job that has given its result is not resumed again. The call was refused ([`Misuse::Finished`]).
    FinishedJobResumed,
    /// A job resumes and discards neither itself nor the job that resumed it. The call was refused
    /// ([`Misuse::Running`]).
    JobIsRunning,
    /// Jobs are finished or dropped before their thread ends, and end when they are told to. This one was lost with
    /// everything on its stack; [`leaks`](super::leaks) lists it too. If it was paused inside `LocalKey::with`, and has lent
    /// on what it got there, that is now freed memory ([`Job`](super::Job#soundness)).
    JobLeaked,
    /// C jobs are resumed until they have finished: there is no call that ends them before. This one was discarded
    /// when its thread ended or cleaned up.
    RawJobReclaimed,
    /// A handle is used until its job has ended, on the job's thread, and not for a typed job. The call was refused
    /// ([`Misuse::Stale`]).
    StaleHandle,
    /// The unwinding with which a dropped job ends passes through its frames; this job caught it and went on.
    UnwindSwallowed,
    /// A wait context outlives the requests of its jobs. This one was freed while a job that is paused in it had a
    /// request in flight, or not yet looked at. (A Rust job goes on without context, and blocks; a C job was discarded.)
    WaitCtxFreedInFlight,
    /// A wait context outlives the pauses of its jobs: the same for a job that has paused without a request.
    WaitCtxFreedUnderJob,
}

impl Rule {
    /// What happened, and what to do about it.
    const fn text(self) -> &'static str {
        match self {
            Self::FinishedJobResumed => {
                "a finished job was resumed: stop at its result, and make a new job for new work"
            }
            Self::JobIsRunning => {
                "a running job was resumed or discarded: leave that to whoever it returns to when it pauses"
            }
            Self::JobLeaked => {
                "a job was leaked with all it owns, and what it borrows of thread-locals goes: finish or drop it before its \
                 thread ends"
            }
            Self::RawJobReclaimed => "a paused raw job was discarded: resume it until it has finished",
            Self::StaleHandle => {
                "a handle was used that names no unfinished raw job of this thread: forget it when its job has ended"
            }
            Self::UnwindSwallowed => {
                "a dropped job caught the unwinding that ends it: let panics pass that are not its own"
            }
            Self::WaitCtxFreedInFlight => {
                "a wait context was freed while a job paused in it had a request: finish or drop the job first \
                 (in a struct, declare the job's field before the context's)"
            }
            Self::WaitCtxFreedUnderJob => {
                "a wait context was freed under a paused job: finish or drop the job first \
                 (in a struct, declare the job's field before the context's)"
            }
        }
    }
}

/// One broken rule: by which job, in which call. Printed, it is one line.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct Violation {
    /// The rule.
    pub rule: Rule,
    /// The type of the job's closure, or that it is a raw job; `None` where a handle names nothing.
    pub job: Option<&'static str>,
    /// The job's token ([`Job::token`](super::Job::token)); of a handle that names nothing, its bits.
    pub token: u64,
    /// What the program did, for example `Job::resume` or `drop of WaitCtx`.
    pub call: &'static str,
    /// Where, if the call was a function's: destructors do not know their caller.
    pub location: Option<&'static Location<'static>>,
    /// The thread that did it, which is the one that found out.
    pub thread: ThreadId,
    /// Its name, if it has one: that of a test, where the test harness has made the thread.
    pub thread_name: Option<String>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, job, token, call, location, thread, thread_name } = self;
        write!(f, "{} ({call}", rule.text())?;
        if let Some(location) = location {
            write!(f, " at {location}")?;
        }
        match job {
            Some(job) => write!(f, "; job: {job}, token {token}; ")?,
            None => write!(f, "; no such job, token {token}; ")?,
        }
        match thread_name {
            Some(name) => write!(f, "thread {name:?}, {thread:?})"),
            None => write!(f, "{thread:?})"),
        }
    }
}

/// Told of each broken rule ([`set_strict_handler`]).
pub type StrictHandler = Arc<dyn Fn(&Violation) + Send + Sync>;

static STRICT: AtomicBool = AtomicBool::new(cfg!(debug_assertions));
static HANDLER: Mutex<Option<StrictHandler>> = Mutex::new(None);

thread_local! {
    /// Whether this thread is in the handler; no destructor, so that it can always be read.
    static REPORTING: Cell<bool> = const { Cell::new(false) };
    /// The thread's id, from when its thread-locals were about to go: then it can no longer be asked for. No destructor.
    static THREAD: Cell<Option<ThreadId>> = const { Cell::new(None) };
}

/// Notes the thread's id, for reports of what happens after its thread-locals have gone.
pub(super) fn remember_thread() {
    THREAD.set(Some(this_thread()));
}

pub(super) fn this_thread() -> ThreadId {
    THREAD.get().unwrap_or_else(|| thread::current().id())
}

/// Switches strict mode on or off, for the whole process. At first it is on where this crate is built with debug
/// assertions, and off elsewhere. An engine's configuration does the same with `strict=on`, `strict=off`.
///
/// Strict mode reports each broken [`Rule`]. No result, no error and no order of events depends on it.
pub fn set_strict(on: bool) {
    STRICT.store(on, Ordering::Relaxed);
}

/// Whether strict mode is on.
pub fn is_strict() -> bool {
    STRICT.load(Ordering::Relaxed)
}

/// Has `handler` told of broken rules from here on; with `None` it is again one line each on standard error.
///
/// It may be called on any thread, several at a time, also on the stack of a job and while its thread panics or ends. It
/// cannot pause the job that it runs in, and what it breaks itself goes to standard error. When it panics the report
/// goes there too, and the panic no further (after the message of the panic hook).
///
/// A test harness does not capture what is written to standard error itself, only what the macros print. This has reports
/// captured with the output of the test that breaks the rule:
///
/// ```
/// simaccel::job::set_strict_handler(Some(std::sync::Arc::new(|violation| eprintln!("simaccel: {violation}"))));
/// ```
///
/// # Examples
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use simaccel::job::{self, Job, Misuse, Rule, Step};
///
/// let broken = Arc::new(Mutex::new(Vec::new()));
/// let rules = Arc::clone(&broken);
/// job::set_strict(true);
/// job::set_strict_handler(Some(Arc::new(move |violation| rules.lock().unwrap().push(violation.rule))));
///
/// let mut job = Job::without_ctx(|| 7)?;
/// assert_eq!(job.resume(), Ok(Step::Finished(7)));
/// assert_eq!(job.resume(), Err(Misuse::Finished));
/// assert_eq!(*broken.lock().unwrap(), [Rule::FinishedJobResumed]);
/// # Ok::<(), job::NoJobs>(())
/// ```
pub fn set_strict_handler(handler: Option<StrictHandler>) {
    let old = mem::replace(&mut *current_handler(), handler);
    // It may own anything: let it go when the lock is free.
    drop(old);
}

/// A job as reports name it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Suspect {
    pub(super) job: Option<&'static str>,
    pub(super) token: u64,
    /// It is paused with something that it would have to give back.
    pub(super) has_request: bool,
}

impl Suspect {
    pub(super) fn of(record: &Record) -> Self {
        Self {
            job: Some((record.kind().name)()),
            token: record.token.get(),
            has_request: record.in_flight.get(),
        }
    }

    pub(super) const fn named(job: &'static str, token: u64) -> Self {
        Self { job: Some(job), token, has_request: false }
    }

    /// Which rule is broken when this paused job's context goes.
    pub(super) const fn rule_of_freed_ctx(self) -> Rule {
        if self.has_request { Rule::WaitCtxFreedInFlight } else { Rule::WaitCtxFreedUnderJob }
    }
}

/// A call that knows where it stands.
pub(super) type Call = (&'static str, Option<&'static Location<'static>>);

/// The end of a job that was dropped.
pub(super) const DROP: Call = ("drop of Job", None);
/// The same, when the thread no longer panicked.
pub(super) const LATE_DROP: Call = ("drop of Job, put off while its thread panicked", None);
/// A context's end in another thread, found out by that of its jobs.
pub(super) const FREED_ELSEWHERE: Call = ("drop of WaitCtx in another thread", None);
pub(super) const THREAD_END: Call = ("end of the thread", None);

/// Reports that a job broke a rule, if strict mode is on.
#[cold]
pub(super) fn report(rule: Rule, suspect: Suspect, (call, location): Call) {
    if is_strict() {
        let Suspect { job, token, .. } = suspect;
        let (thread, thread_name) = match THREAD.get() {
            Some(thread) => (thread, None),
            None => (thread::current().id(), thread::current().name().map(str::to_owned)),
        };
        hand_over(&Violation { rule, job, token, call, location, thread, thread_name });
    }
}

/// Reports a call on a handle that was refused for this reason, and hands the reason on.
#[cold]
pub(super) fn refused(handle: Handle, misuse: Misuse, call: Call) -> Misuse {
    let rule = match misuse {
        Misuse::Stale => Rule::StaleHandle,
        Misuse::Running => Rule::JobIsRunning,
        Misuse::CtxElsewhere | Misuse::Finished | Misuse::Panicking | Misuse::ThreadEnded => return misuse,
    };
    let found = Pool::existing().and_then(|pool| pool.find(handle)).map(Suspect::of);
    let nobody = Suspect { job: None, token: handle.to_bits(), has_request: false };
    report(rule, found.unwrap_or(nobody), call);
    misuse
}

/// A wait context is being freed: reports the jobs that are paused in it. Jobs hold their context, so one that is held by
/// nobody else costs no more than the question.
pub(super) fn ctx_freed(ctx: &Rc<Shared>) {
    if Rc::strong_count(ctx) > 1 && is_strict() {
        report_paused_on(ctx);
    }
}

#[cold]
fn report_paused_on(ctx: &Rc<Shared>) {
    let paused = Pool::existing().map(|pool| pool.paused_on(ctx)).unwrap_or_default();
    for suspect in paused {
        report(suspect.rule_of_freed_ctx(), suspect, ("drop of WaitCtx", None));
    }
}

fn hand_over(violation: &Violation) {
    let handler = if REPORTING.get() { None } else { current_handler().clone() };
    let Some(handler) = handler else { return print(violation) };
    REPORTING.set(true);
    // A report does not leave in the middle; and the fence must not catch the unwinding of a job that has.
    let block = block_pause();
    // The handler is moved in: a caller that has replaced it meanwhile leaves its destructor to us.
    let outcome = panic::catch_unwind(AssertUnwindSafe(move || handler(violation)));
    drop(block);
    REPORTING.set(false);
    if let Err(payload) = outcome {
        // Its destructor may panic as well.
        mem::forget(payload);
        print(violation);
    }
}

/// One write for the whole line, so that lines of other processes do not mix with it. Where standard error is closed
/// there is nobody to tell.
fn print(violation: &Violation) {
    let line = format!("simaccel: {violation}\n");
    let _ = uncancelled(|| io::stderr().write_all(line.as_bytes()));
}

fn current_handler() -> MutexGuard<'static, Option<StrictHandler>> {
    HANDLER.lock().unwrap_or_else(PoisonError::into_inner)
}
