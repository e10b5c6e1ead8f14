//! Strict mode: reports which job broke a rule, and in which call.
//!
//! ```text
//!   resume, discard, drop, end of a thread ── a rule is broken (cold) ──► strict? ── no ──► nothing
//!                       │                                                   │ yes
//!                       ▼                                                   ▼
//!     the result is unchanged                             Violation ──► handler, or a line on standard error
//!                                                                            (without one, or if it panics)
//! ```
//!
//! Jobs are forgiving: misuse is a typed error or simply works (statements 6, 35, 36, 51 to 53). A program
//! that breaks a rule goes on here, and crashes or leaks with another job framework or a real device. Strict
//! mode reports what was forgiven and changes nothing else. Only a broken rule, and the end of a context that
//! a job still holds, look at the switch; a correct pause or resume never does.

use std::cell::Cell;
use std::fmt;
use std::io::{self, Write};
use std::mem;
use std::panic::{self, AssertUnwindSafe, Location};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, ThreadId};

use super::block::block_pause;
use super::misuse::Misuse;
use super::pool::Pool;
use super::raw::Handle;
use super::record::Record;
use super::wait_ctx::Shared;
use crate::process::cancel::uncancelled;
use crate::process::fork::Lock;

/// A rule about jobs that a program can break without being stopped.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// A job that has returned its result is not resumed again. The call was refused ([`Misuse::Finished`]).
    FinishedJobResumed,
    /// A job resumes and discards neither itself nor the job that resumed it. The call was refused
    /// ([`Misuse::Running`]).
    JobIsRunning,
    /// A job is finished or dropped before its thread ends, and ends when it is unwound. This one was lost
    /// with everything on its stack; [`leaks`](super::leaks) lists it too. If it was paused inside
    /// `LocalKey::with`, any borrow that it passed on now refers to freed memory
    /// ([`Job`](super::Job#soundness)).
    JobLeaked,
    /// A C job is resumed until it has finished: no call ends it earlier. This one was discarded when its
    /// thread ended or cleaned up.
    RawJobReclaimed,
    /// A handle is used only until its job has ended, on the job's thread, and not for a typed job. The call
    /// was refused ([`Misuse::Stale`]).
    StaleHandle,
    /// The unwinding that ends a dropped job passes through all its frames. This job caught it and went on.
    UnwindSwallowed,
    /// A wait context outlives the requests of its jobs. This one was freed while a job paused in it had a
    /// request in flight, or one whose result it had not yet read. (A Rust job goes on without a context, and
    /// blocks; a C job was discarded.)
    WaitCtxFreedInFlight,
    /// A wait context outlives the pauses of its jobs. This one was freed while a job was paused in it
    /// without a request.
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
                "a running job was resumed or discarded: leave that to the code that resumed it"
            }
            Self::JobLeaked => {
                "a job was leaked with everything it owns, while thread-locals that it borrows are destroyed: finish or drop \
                 it before its thread ends"
            }
            Self::RawJobReclaimed => "a paused raw job was discarded: resume it until it has finished",
            Self::StaleHandle => {
                "a handle was used that names no unfinished raw job of this thread: forget it when its job has ended"
            }
            Self::UnwindSwallowed => {
                "a dropped job caught the unwinding that ends it: let a panic that is not its own pass"
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

/// One broken rule: which job broke it, in which call. Printed, it is one line.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct Violation {
    /// The rule.
    pub rule: Rule,
    /// The type of the job's closure, or that it is a raw job; `None` for a handle that names nothing.
    pub job: Option<&'static str>,
    /// The job's token ([`Job::token`](super::Job::token)); of a handle that names nothing, its bits.
    pub token: u64,
    /// What the program did, for example `Job::resume` or `drop of WaitCtx`.
    pub call: &'static str,
    /// The location of the call; `None` for destructors, which do not know their caller.
    pub location: Option<&'static Location<'static>>,
    /// The thread that broke the rule, which also detects it.
    pub thread: ThreadId,
    /// The thread's name, if it has one: a test's name, where the test harness created the thread.
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

/// Called with each broken rule ([`set_strict_handler`]).
pub type StrictHandler = Arc<dyn Fn(&Violation) + Send + Sync>;

static STRICT: AtomicBool = AtomicBool::new(cfg!(debug_assertions));
static HANDLER: Lock<Option<StrictHandler>> = Lock::new(None);

thread_local! {
    /// Whether this thread is in the handler. No destructor, so it can always be read.
    static REPORTING: Cell<bool> = const { Cell::new(false) };
    /// The thread's id, stored before its thread-locals go, because it cannot be asked for afterwards. No
    /// destructor.
    static THREAD: Cell<Option<ThreadId>> = const { Cell::new(None) };
}

/// Stores the thread's id, for reports after its thread-locals have gone.
pub(super) fn remember_thread() {
    THREAD.set(Some(this_thread()));
}

pub(super) fn this_thread() -> ThreadId {
    THREAD.get().unwrap_or_else(|| thread::current().id())
}

/// Switches strict mode on or off, for the whole process. By default it is on where this crate is built with
/// debug assertions, and off elsewhere. An engine's configuration does the same with `strict=on`,
/// `strict=off`.
///
/// Strict mode reports each broken [`Rule`]. No result, no error and no order of events depends on it.
pub fn set_strict(on: bool) {
    STRICT.store(on, Ordering::Relaxed);
}

/// Whether strict mode is on.
pub fn is_strict() -> bool {
    STRICT.load(Ordering::Relaxed)
}

/// Sets `handler` to be called with each broken rule from here on; `None` restores one line each on standard
/// error.
///
/// The handler may be called on any thread, on several threads at a time, on the stack of a job, and while
/// its thread panics or ends. It cannot pause the job that it runs in. Rules that it breaks itself are
/// reported on standard error. When it panics, the report goes there too, and the panic ends (after the
/// message of the panic hook).
///
/// A test harness captures only what the macros print, not what is written to standard error itself. This
/// handler makes reports part of the output of the test that breaks the rule:
///
/// ```
/// use simaccel::job::set_strict_handler;
///
/// set_strict_handler(Some(std::sync::Arc::new(|violation| eprintln!("simaccel: {violation}"))));
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
    // In a forked child that has inherited the lock locked, reports are printed.
    let old = HANDLER.lock().map(|mut current| mem::replace(&mut *current, handler));
    // The old handler may own anything: dropped after the lock is free.
    drop(old);
}

/// A job as reports name it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Suspect {
    pub(super) job: Option<&'static str>,
    pub(super) token: u64,
    /// Whether it is paused with something to give back.
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

    /// The rule that is broken when this paused job's context is freed.
    pub(super) const fn rule_of_freed_ctx(self) -> Rule {
        if self.has_request { Rule::WaitCtxFreedInFlight } else { Rule::WaitCtxFreedUnderJob }
    }
}

/// The name of a call, and its location if known.
pub(super) type Call = (&'static str, Option<&'static Location<'static>>);

/// The drop of a job.
pub(super) const DROP: Call = ("drop of Job", None);
/// The drop of a job, deferred because its thread panicked.
pub(super) const LATE_DROP: Call = ("drop of Job, deferred while its thread panicked", None);
/// The end of a context in another thread, detected by the thread of its jobs.
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

/// Reports a refused call on a handle, and returns the reason.
#[cold]
pub(super) fn refused(handle: Handle, misuse: Misuse, call: Call) -> Misuse {
    let rule = match misuse {
        Misuse::Stale => Rule::StaleHandle,
        Misuse::Running => Rule::JobIsRunning,
        Misuse::CtxElsewhere | Misuse::Finished | Misuse::Panicking | Misuse::ThreadEnded => return misuse,
    };
    let found = Pool::existing().and_then(|pool| pool.find(handle)).map(Suspect::of);
    let unknown = Suspect { job: None, token: handle.to_bits(), has_request: false };
    report(rule, found.unwrap_or(unknown), call);
    misuse
}

/// Reports the jobs that are paused in a wait context that is being freed. Jobs hold their context, so a
/// context without jobs costs one comparison.
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
    let handler = if REPORTING.get() { None } else { HANDLER.lock().and_then(|handler| handler.clone()) };
    let Some(handler) = handler else { return print(violation) };
    REPORTING.set(true);
    // A report must not pause in the middle, because `catch_unwind` must not catch the unwinding of a paused
    // job.
    let block = block_pause();
    // The handler is moved in: if it was replaced during the call, its destructor runs here.
    let outcome = panic::catch_unwind(AssertUnwindSafe(move || handler(violation)));
    drop(block);
    REPORTING.set(false);
    if let Err(payload) = outcome {
        // The payload's destructor may panic as well.
        mem::forget(payload);
        print(violation);
    }
}

/// Prints with one write for the whole line, so that lines of other processes do not mix with it. If standard
/// error is closed, the line is lost.
fn print(violation: &Violation) {
    let line = format!("simaccel: {violation}\n");
    let _ = uncancelled(|| io::stderr().write_all(line.as_bytes()));
}
