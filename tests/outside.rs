//! What is deep runs outside of jobs: whatever a stepped device does because of a job, what software
//! computes in a job, and what prepares a key there, use the stack of the thread.
//!
//! ```text
//!   test's frame ── Probe::here()
//!     └── resume ─► job ─► operation ─► the thread's stack again: a function, a callback, each notes where it is
//! ```
#![allow(unsafe_code, reason = "sets hooks")]

mod captured;
mod engine_helpers;
mod job_helpers;

use std::cell::Cell;
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use simaccel::job::raw::{self, SwitchHooks};
use simaccel::job::{self, Pause};
use simaccel::{Engine, Error, Job, Step, WaitCtx};

use self::engine_helpers::{IV, assert_adds_up, ctr, expected_ctr, message, stepped};

/// An address in the frame of the caller, nearly.
#[inline(never)]
fn place() -> usize {
    let mark = black_box(0_u8);
    std::ptr::from_ref(&mark).addr()
}

/// Notes, from anywhere, whether it is called on this thread's own stack and outside of jobs.
#[derive(Clone)]
struct Probe {
    top: usize,
    seen: Arc<Mutex<Vec<bool>>>,
}

impl Probe {
    /// To be called outside of jobs.
    fn here() -> Self {
        assert!(job::current().is_none());
        Self { top: place(), seen: Arc::default() }
    }

    /// A thread of a test has 2 MiB, with the test's frame near the top.
    fn note(&self) {
        let below = self.top.wrapping_sub(place());
        self.seen.lock().unwrap().push(below < 1 << 20 && job::current().is_none());
    }

    #[track_caller]
    fn was_outside(&self, times: usize) {
        assert_eq!(std::mem::take(&mut *self.seen.lock().unwrap()), vec![true; times]);
    }

    fn call(&self, engine: &Engine) -> Result<u32, Error> {
        let probe = self.clone();
        engine.call("noted", 8, move || {
            probe.note();
            7
        })
    }
}

/// Runs a job that does not pause.
#[track_caller]
fn run<T: 'static>(f: impl FnOnce() -> T + 'static) -> T {
    let mut job = Job::new(&WaitCtx::new(), f).unwrap();
    match job.resume().unwrap() {
        Step::Finished(result) => result,
        Step::Paused => panic!("it pauses"),
    }
}

#[test]
fn a_blocked_job_does_not_run_the_device_on_its_own_stack() {
    for config in ["", "delivery=poll", "completion_nsec=500", "timeout_msec=1000"] {
        let (engine, probe) = (stepped(config), Probe::here());
        let (e, p) = (engine.clone(), probe.clone());
        run(move || {
            let _blocked = job::block_pause();
            assert_eq!(p.call(&e), Ok(7));
            assert_eq!(job::pause(), Pause::Blocked, "the job is running again");
        });
        probe.was_outside(1);
        assert_adds_up(&engine);
    }
}

#[test]
fn a_job_without_a_context_does_not_either() {
    let (engine, probe) = (stepped(""), Probe::here());
    let (e, p) = (engine.clone(), probe.clone());
    let mut job = Job::without_ctx(move || p.call(&e)).unwrap();
    assert_eq!(job.resume().unwrap(), Step::Finished(Ok(7)));
    probe.was_outside(1);
}

/// The inner job's device runs below the frames of the code that has resumed the outermost job.
#[test]
fn jobs_in_jobs_do_not_either() {
    fn nested(depth: usize, engine: Engine, probe: Probe) -> u32 {
        run(move || {
            if depth > 0 {
                let inner = nested(depth - 1, engine.clone(), probe.clone());
                let _blocked = job::block_pause();
                inner + probe.call(&engine).unwrap()
            } else {
                0
            }
        })
    }
    let (engine, probe) = (stepped(""), Probe::here());
    assert_eq!(nested(4, engine, probe.clone()), 4 * 7);
    probe.was_outside(4);
}

#[test]
fn whoever_steps_in_a_job_runs_the_device_outside() {
    let (engine, probe) = (stepped("completion_nsec=100"), Probe::here());
    let ctx = WaitCtx::new();
    let (e, p) = (engine.clone(), probe.clone());
    let mut calls = Job::new(&ctx, move || p.call(&e)).unwrap();
    type Way = fn(&Engine);
    let ways: [Way; 4] = [
        |engine| assert!(engine.device().step()),
        |engine| engine.device().advance(std::time::Duration::from_millis(1)),
        |engine| assert!(engine.device().run_until_idle() > 0),
        |engine| engine.device().drain(),
    ];
    for way in ways {
        assert_eq!(calls.resume().unwrap(), Step::Paused);
        let e = engine.clone();
        run(move || way(&e));
        probe.was_outside(1);
        engine.device().run_until_idle();
        assert_eq!(calls.resume().unwrap(), Step::Finished(Ok(7)));
        let (e, p) = (engine.clone(), probe.clone());
        calls = Job::new(&ctx, move || p.call(&e)).unwrap();
    }
}

#[test]
fn a_callback_of_a_step_in_a_job_is_called_outside() {
    let (engine, probe) = (stepped(""), Probe::here());
    let ctx = WaitCtx::new();
    let called = probe.clone();
    ctx.set_callback(Some(Arc::new(move || called.note())));
    let session = ctr(&engine);
    let mut waits = Job::new(&ctx, move || session.encrypt(&IV, message(1, 90)).unwrap()).unwrap();
    assert_eq!(waits.resume().unwrap(), Step::Paused);
    let e = engine.clone();
    run(move || while e.device().step() {});
    probe.was_outside(1);
    // A reset and the end of the engine call back, too.
    assert_eq!(waits.resume().unwrap(), Step::Finished(expected_ctr(&message(1, 90))));
    let session = ctr(&engine);
    let mut waits = Job::new(&ctx, move || session.encrypt(&IV, message(1, 90)).is_err()).unwrap();
    assert_eq!(waits.resume().unwrap(), Step::Paused);
    let e = engine.clone();
    run(move || e.device().reset());
    probe.was_outside(1);
    assert_eq!(waits.resume().unwrap(), Step::Finished(true));
}

#[test]
fn software_computes_outside() {
    for config in ["offload_threshold=1000", "fault=fail;fallback=on", "fault=nomem;fallback=on"] {
        let (engine, probe) = (stepped(config), Probe::here());
        let (e, p) = (engine.clone(), probe.clone());
        run(move || {
            let _blocked = job::block_pause();
            assert_eq!(p.call(&e), Ok(7));
        });
        probe.was_outside(1);
        assert_adds_up(&engine);
    }
}

#[test]
fn it_is_no_pause_and_counts_as_none() {
    let engine = stepped("completion_nsec=100");
    let session = ctr(&engine);
    let before = job::thread_stats();
    run(move || {
        let _blocked = job::block_pause();
        assert_eq!(session.encrypt(&IV, message(2, 70)).unwrap(), expected_ctr(&message(2, 70)));
        let during = job::thread_stats();
        assert_eq!((during.running, during.paused), (1, 0));
    });
    let after = job::thread_stats();
    assert_eq!((after.resumes - before.resumes, after.pauses - before.pauses), (1, 0));
    assert_eq!((after.finished - before.finished, after.imbalances()), (1, vec![]));
    assert_adds_up(&engine);
}

#[test]
fn a_panic_comes_back_to_the_job() {
    let engine = stepped("");
    let e = engine.clone();
    let caught = run(move || {
        let _blocked = job::block_pause();
        let panics = || e.call::<(), _>("panics", 1, || panic!("deep down"));
        let caught = catch_unwind(AssertUnwindSafe(panics)).unwrap_err();
        assert_eq!(ctr(&e).encrypt(&IV, message(4, 50)).unwrap(), expected_ctr(&message(4, 50)));
        caught
    });
    assert_eq!(caught.downcast_ref::<&str>(), Some(&"deep down"));
    assert_adds_up(&engine);
}

/// Destructors that run while a job is unwound, or while its thread panics, may block, too.
#[test]
fn a_destructor_that_blocks_in_a_dropped_job_runs_the_device_outside() {
    struct Blocks(Engine, Probe);
    impl Drop for Blocks {
        fn drop(&mut self) {
            assert_eq!(self.1.call(&self.0), Ok(7));
        }
    }
    let (engine, probe) = (stepped(""), Probe::here());
    let blocks = Blocks(engine.clone(), probe.clone());
    let mut dropped = Job::new(&WaitCtx::new(), move || {
        let _blocks = blocks;
        let _ = job::pause();
    })
    .unwrap();
    assert_eq!(dropped.resume().unwrap(), Step::Paused);
    drop(dropped);
    probe.was_outside(1);

    let blocks = Blocks(engine.clone(), probe.clone());
    let panics = || {
        run::<()>(move || {
            let _blocks = blocks;
            panic!("with a destructor");
        })
    };
    assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
    probe.was_outside(1);
    assert_adds_up(&engine);
}

/// A callback runs while the job that steps has left: other jobs may begin, and block in turn.
#[test]
fn jobs_run_while_a_job_has_left() {
    let (engine, inner) = (stepped(""), stepped("completion_nsec=50"));
    let ctx = WaitCtx::new();
    let probe = Probe::here();
    let p = probe.clone();
    ctx.set_callback(Some(Arc::new(move || {
        let (inner, p) = (inner.clone(), p.clone());
        assert_eq!(run(move || (p.call(&inner), p.call(&inner))), (Ok(7), Ok(7)));
    })));
    let session = ctr(&engine);
    let mut waits = Job::new(&ctx, move || session.encrypt(&IV, message(5, 40)).unwrap()).unwrap();
    assert_eq!(waits.resume().unwrap(), Step::Paused);
    let session = ctr(&engine);
    run(move || {
        let _blocked = job::block_pause();
        assert_eq!(session.encrypt(&IV, message(6, 40)).unwrap(), expected_ctr(&message(6, 40)));
    });
    probe.was_outside(2);
    assert_eq!(waits.resume().unwrap(), Step::Finished(expected_ctr(&message(5, 40))));
}

/// The hooks of a program see a switch out of the job and back, as around a pause: what the device calls
/// has the setting of the thread, and the job has its own again afterwards. Also when the job itself has
/// set the hooks.
#[test]
fn hooks_keep_the_jobs_setting_meanwhile() {
    thread_local!(static SETTING: Cell<usize> = const { Cell::new(0) });
    unsafe extern "C" fn enter(job: usize) -> usize {
        SETTING.replace(job)
    }
    unsafe extern "C" fn leave(outer: usize) -> usize {
        SETTING.replace(outer)
    }
    static HOOKS: SwitchHooks = SwitchHooks { enter, leave };
    let passes = |set_hooks: fn()| {
        let engine = stepped("");
        let e = engine.clone();
        run(move || {
            set_hooks();
            let inner = run(move || {
                SETTING.set(30);
                let _blocked = job::block_pause();
                let outside = e.call("reads", 1, || SETTING.get());
                (outside, SETTING.get())
            });
            assert_eq!(inner, (Ok(0), 30));
            assert_eq!(SETTING.get(), 0);
        });
        assert_adds_up(&engine);
    };
    // SAFETY: the hooks touch a thread-local and nothing else.
    let set_hooks = || unsafe { raw::set_switch_hooks(Some(&HOOKS)) };
    job_helpers::passes_in_child("hooks_keep_the_jobs_setting_meanwhile", || {
        passes(set_hooks);
        passes(|| ());
    });
}
