//! A toy framework: each job is a thread, and the one with the baton runs.
//!
//! ```text
//!   application                                    thread of a job
//!   resume ── the baton ──────────────────────────► runs
//!   Paused ◄───────────────────────── the baton ─── pause
//!   drop ──── Unwind, with the baton ─────────────► pause unwinds, the thread ends
//! ```
//!
//! Its wait contexts are its own. Any number of threads use one, none while another does: those of its jobs,
//! and the application's.
#![expect(unsafe_code, reason = "wait contexts go from thread to thread with the baton")]

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};

use simaccel::foreign::{self, Callback, OpenFd, Paused, Release, WaitFds, WaitStatus};
use simaccel::{Config, Engine};

use crate::framework::{self, Framework, Output};

/// Threads that hand a baton over.
pub(crate) struct Baton;

/// The same, whose pause does not tell whether it was one.
pub(crate) struct Blind;

/// What the engine sees of either.
#[derive(Debug)]
struct Batons {
    tells: bool,
}

/// The baton of one job.
#[derive(Default)]
struct Handover {
    turn: Mutex<Turn>,
    changed: Condvar,
}

#[derive(Default)]
enum Turn {
    #[default]
    Application,
    Job,
    /// The job's, to unwind.
    Unwind,
    /// The job's, to give back what its frames hold, and never to run again.
    Discard,
    Ended(Output),
    Panicked(Box<dyn Any + Send>),
}

/// What a job's thread knows of itself.
struct Current {
    handover: Arc<Handover>,
    ctx: Arc<Shared>,
    number: u64,
}

thread_local! {
    static CURRENT: RefCell<Option<Current>> = const { RefCell::new(None) };
    static BLOCKED: Cell<bool> = const { Cell::new(false) };
}

/// A wait context, as its owner has it.
pub(crate) struct Ctx(Arc<Shared>);

struct Shared(RefCell<State>);

// SAFETY: only the thread that has the baton looks into it, and the baton goes from thread to thread by way
// of a mutex.
unsafe impl Send for Shared {}
// SAFETY: the same.
unsafe impl Sync for Shared {}

#[derive(Default)]
struct State {
    entries: Vec<Entry>,
    callback: Option<Callback>,
    status: WaitStatus,
    is_freed: bool,
}

struct Entry {
    key: usize,
    fd: OpenFd,
    data: Rc<dyn Any>,
    on_end: Box<dyn FnOnce()>,
}

pub(crate) struct Job {
    handover: Arc<Handover>,
    thread: Option<JoinHandle<()>>,
    number: u64,
}

struct Discarded;

impl Handover {
    /// Gives the baton away, and waits until `is_mine`.
    fn exchange(&self, turn: Turn, is_mine: impl Fn(&Turn) -> bool) -> Turn {
        let mut now = self.turn.lock().unwrap();
        *now = turn;
        self.changed.notify_all();
        let mut now = self.changed.wait_while(now, |turn| !is_mine(turn)).unwrap();
        std::mem::take(&mut *now)
    }

    fn wait(&self, is_mine: impl Fn(&Turn) -> bool) -> Turn {
        let now = self.turn.lock().unwrap();
        let mut now = self.changed.wait_while(now, |turn| !is_mine(turn)).unwrap();
        std::mem::take(&mut *now)
    }
}

const fn is_jobs(turn: &Turn) -> bool {
    matches!(turn, Turn::Job | Turn::Unwind | Turn::Discard)
}

const fn is_applications(turn: &Turn) -> bool {
    matches!(turn, Turn::Application | Turn::Ended(_) | Turn::Panicked(_))
}

/// The thread of a job.
fn run(current: Current, body: impl FnOnce() -> Output) {
    let handover = Arc::clone(&current.handover);
    let begun = handover.wait(is_jobs);
    CURRENT.set(Some(current));
    let end = match begun {
        Turn::Unwind => Turn::Application,
        _ => match panic::catch_unwind(AssertUnwindSafe(body)) {
            Ok(output) => Turn::Ended(output),
            Err(payload) if payload.is::<Discarded>() => Turn::Application,
            Err(payload) => Turn::Panicked(payload),
        },
    };
    // What the thread has of the context goes before the baton does.
    CURRENT.take();
    *handover.turn.lock().unwrap() = end;
    handover.changed.notify_all();
}

impl Job {
    /// Ends a job that is paused, without unwinding its stack. That stays as it is for ever, and its thread
    /// with it.
    fn discard(mut self) {
        self.handover.exchange(Turn::Discard, is_applications);
        drop(self.thread.take());
    }
}

impl framework::Job for Job {
    fn resume(&mut self) -> Option<Output> {
        match self.handover.exchange(Turn::Job, is_applications) {
            Turn::Ended(output) => {
                self.thread.take().unwrap().join().unwrap();
                Some(output)
            }
            Turn::Panicked(payload) => {
                self.thread.take().unwrap().join().unwrap();
                panic::resume_unwind(payload)
            }
            _ => None,
        }
    }

    fn number(&self) -> u64 {
        self.number
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.handover.exchange(Turn::Unwind, is_applications);
            thread.join().unwrap();
        }
    }
}

impl foreign::Framework for Batons {
    fn with_ctx(&self, visit: &mut dyn FnMut(&dyn foreign::Ctx)) {
        // One that does not tell whether it has paused does not know that it cannot, either.
        if self.tells && BLOCKED.get() {
            return;
        }
        let found = CURRENT.with_borrow(|current| {
            let current = current.as_ref().filter(|current| !current.ctx.0.borrow().is_freed)?;
            Some((Arc::clone(&current.ctx), current.number))
        });
        if let Some((ctx, number)) = found {
            visit(&Visited { ctx: &ctx.0, number });
        }
    }

    fn pause(&self, release: &dyn Release) -> Paused {
        let handover = CURRENT.with_borrow(|current| Some(Arc::clone(&current.as_ref()?.handover)));
        let Some(handover) = handover.filter(|_| !BLOCKED.get()) else {
            return if self.tells { Paused::Refused } else { Paused::Perhaps };
        };
        match handover.exchange(Turn::Application, is_jobs) {
            Turn::Unwind => panic::resume_unwind(Box::new(Discarded)),
            Turn::Discard => {
                release.release();
                handover.exchange(Turn::Application, |_| false);
            }
            _ => {}
        }
        let is_freed = CURRENT.with_borrow(|current| current.as_ref().unwrap().ctx.0.borrow().is_freed);
        match (is_freed, self.tells) {
            (true, _) => Paused::WithoutCtx,
            (false, true) => Paused::Resumed,
            (false, false) => Paused::Perhaps,
        }
    }
}

/// The wait context of the job that runs here.
struct Visited<'a> {
    ctx: &'a RefCell<State>,
    number: u64,
}

impl WaitFds for Visited<'_> {
    fn find(&self, key: usize) -> Option<Rc<dyn Any>> {
        let state = self.ctx.borrow();
        let newest = state.entries.iter().rev().find(|entry| entry.key == key)?;
        Some(Rc::clone(&newest.data))
    }

    fn register(&self, key: usize, fd: OpenFd, data: Rc<dyn Any>, on_end: Box<dyn FnOnce()>) {
        self.ctx.borrow_mut().entries.push(Entry { key, fd, data, on_end });
    }
}

impl foreign::Ctx for Visited<'_> {
    fn callback(&self) -> Option<Callback> {
        self.ctx.borrow().callback.clone()
    }

    fn set_status(&self, status: WaitStatus) {
        self.ctx.borrow_mut().status = status;
    }

    fn job_number(&self) -> u64 {
        self.number
    }
}

impl framework::Ctx for Ctx {
    fn fds(&self) -> Vec<OpenFd> {
        self.0.0.borrow().entries.iter().map(|entry| Arc::clone(&entry.fd)).collect()
    }

    fn set_callback(&self, callback: Option<Callback>) {
        self.0.0.borrow_mut().callback = callback;
    }

    fn status(&self) -> WaitStatus {
        self.0.0.borrow().status
    }
}

impl Drop for Ctx {
    fn drop(&mut self) {
        let entries = {
            let mut state = self.0.0.borrow_mut();
            state.is_freed = true;
            std::mem::take(&mut state.entries)
        };
        entries.into_iter().rev().for_each(|entry| (entry.on_end)());
    }
}

fn start(ctx: &Ctx, body: impl FnOnce() -> Output + Send + 'static) -> Job {
    let handover = Arc::new(Handover::default());
    let number = Arc::as_ptr(&handover).addr() as u64;
    let current = Current { handover: Arc::clone(&handover), ctx: Arc::clone(&ctx.0), number };
    let thread = thread::spawn(move || run(current, body));
    Job { handover, thread: Some(thread), number }
}

fn without_pauses(body: impl FnOnce() -> Output) -> Output {
    BLOCKED.set(true);
    let output = body();
    BLOCKED.set(false);
    output
}

macro_rules! framework {
    ($name:ident, tells: $tells:literal) => {
        impl Framework for $name {
            type Ctx = Ctx;
            type Job = Job;

            fn stepped(config: Config) -> Engine {
                foreign::stepped(config, Arc::new(Batons { tells: $tells })).unwrap()
            }

            fn open(config: Config) -> Engine {
                foreign::open(config, Arc::new(Batons { tells: $tells })).unwrap()
            }

            fn ctx() -> Ctx {
                Ctx(Arc::new(Shared(RefCell::default())))
            }

            fn job(ctx: &Ctx, body: impl FnOnce() -> Output + Send + 'static) -> Job {
                start(ctx, body)
            }

            fn without_pauses(body: impl FnOnce() -> Output) -> Output {
                without_pauses(body)
            }
        }
    };
}

framework!(Baton, tells: true);
framework!(Blind, tells: false);

mod tests {
    use super::*;
    use crate::framework::{adds_up, encrypt, gives, parse, pauses, readable};

    #[test]
    fn a_job_that_is_ended_without_unwinding_gives_its_request_up() {
        // Under way for ever; done, with the wake sent; not seen by the device yet, the last in the line for
        // a slot.
        for (config, steps, woken) in
            [("fault=timeout:every=1,times=3", true, 0), ("", true, 1), ("depth=2;queue_pairs=1", false, 0)]
        {
            let engine = Baton::stepped(parse(config));
            let ctx = Baton::ctx();
            let mut jobs = [1, 2, 3].map(|index| encrypt::<Baton>(&engine, &ctx, index));
            jobs.iter_mut().for_each(pauses);
            if steps {
                engine.device().run_until_idle();
            }
            assert_eq!(readable(&ctx), woken, "{config}");
            jobs.into_iter().for_each(Job::discard);
            assert_eq!((readable(&ctx), engine.stats().abandoned), (0, 3), "{config}");
            adds_up(&engine);
            let mut next = encrypt::<Baton>(&engine, &ctx, 2);
            pauses(&mut next);
            engine.device().run_until_idle();
            gives(&mut next, 2);
            assert_eq!(readable(&ctx), 0, "{config}");
        }
    }
}
