//! The callback of a wait context: which one is called, when, and how its removal waits.

mod captured;
mod engine_helpers;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use simaccel::job::{Callback, WaitStatus};
use simaccel::{Job, Step, WaitCtx, wait_readable};

use self::engine_helpers::{
    CipherJob, LEN, assert_adds_up, expected_ctr, finish, inside_a_callback, message, open, paused_job,
    stepped,
};

#[track_caller]
fn finishes(job: &mut CipherJob, index: usize) {
    let Step::Finished(output) = job.resume().unwrap() else { panic!("it is not done") };
    assert_eq!(output.unwrap(), expected_ctr(&message(index, LEN)));
}

/// A callback that counts, and its count.
fn counting() -> (Option<Callback>, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    let callback: Callback = Arc::new(move || {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    (Some(callback), calls)
}

fn calls(count: &AtomicUsize) -> usize {
    count.load(Ordering::Relaxed)
}

/// Calls `end` while the callback of a paused job runs on the worker. Returns whether the callback had
/// returned by then.
fn returns_before(end: impl FnOnce(CipherJob, WaitCtx)) -> bool {
    let engine = open("workers=1");
    let ctx = WaitCtx::new();
    let has_returned = Arc::new(AtomicBool::new(false));
    let (begun, has_begun) = channel();
    let returning = Arc::clone(&has_returned);
    ctx.set_callback(Some(Arc::new(move || {
        begun.send(()).unwrap();
        // Long enough for a caller that does not wait to find it running.
        (0..2_000).for_each(|_| thread::yield_now());
        returning.store(true, Ordering::Release);
    })));
    let job = paused_job(&engine, &ctx, 0);
    has_begun.recv().unwrap();
    end(job, ctx);
    has_returned.load(Ordering::Acquire)
}

#[test]
fn no_callback_runs_when_what_ends_it_has_returned() {
    assert!(returns_before(|job, _ctx| drop(job)), "the job was dropped");
    assert!(returns_before(|mut job, _ctx| finishes(&mut job, 0)), "the job has finished");
    assert!(returns_before(|_job, ctx| drop(ctx)), "the context was dropped, before its job");
    assert!(returns_before(|_job, ctx| ctx.set_callback(None)), "it was removed");
    assert!(returns_before(|_job, ctx| ctx.set_callback(counting().0)), "it was replaced");
}

#[test]
fn a_spurious_call_is_over_when_its_job_is() {
    for _ in 0..50 {
        let engine = open("workers=1;fault=spurious_wake:every=1");
        let ctx = WaitCtx::new();
        let running = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&running);
        ctx.set_callback(Some(Arc::new(move || {
            counter.fetch_add(1, Ordering::Relaxed);
            (0..20).for_each(|_| thread::yield_now());
            counter.fetch_sub(1, Ordering::Relaxed);
        })));
        let mut job = paused_job(&engine, &ctx, 1);
        while !matches!(job.resume().unwrap(), Step::Finished(Ok(_))) {}
        assert_eq!(calls(&running), 0);
        let job = paused_job(&engine, &ctx, 2);
        drop(job);
        assert_eq!(calls(&running), 0);
    }
}

#[test]
fn what_ends_inside_a_callback_does_not_wait_for_another() {
    let engine = open("workers=1");
    let ctx = WaitCtx::new();
    let (begun, has_begun) = channel();
    let (go_on, may_go_on) = channel::<()>();
    let may_go_on = std::sync::Mutex::new(may_go_on);
    ctx.set_callback(Some(Arc::new(move || {
        begun.send(()).unwrap();
        may_go_on.lock().unwrap().recv().unwrap();
    })));
    let job = paused_job(&engine, &ctx, 0);
    has_begun.recv().unwrap();
    // A wait would never end.
    inside_a_callback(move || {
        ctx.set_callback(None);
        drop(job);
        drop(ctx);
    });
    go_on.send(()).unwrap();
}

#[test]
fn a_call_may_end_what_it_was_called_for() {
    thread_local!(static PARTS: RefCell<Option<(CipherJob, WaitCtx)>> = const { RefCell::new(None) });
    let engine = stepped("");
    let (_, count) = counting();
    let ctx = WaitCtx::new();
    let counter = Arc::clone(&count);
    ctx.set_callback(Some(Arc::new(move || {
        counter.fetch_add(1, Ordering::Relaxed);
        let (job, ctx) = PARTS.take().unwrap();
        ctx.set_callback(None);
        drop(job);
        drop(ctx);
    })));
    let job = paused_job(&engine, &ctx, 0);
    PARTS.set(Some((job, ctx)));
    engine.device().run_until_idle();
    assert_eq!((calls(&count), Arc::strong_count(&count)), (1, 1), "called once, and dropped");
    assert_adds_up(&engine);
}

#[test]
fn a_callback_cannot_pause_the_job_that_it_runs_in() {
    let engine = stepped("");
    let ctx = WaitCtx::new();
    ctx.set_callback(Some(Arc::new(|| assert!(!simaccel::job::can_pause(), "it might never return"))));
    let mut job = paused_job(&engine, &ctx, 3);
    let outer = WaitCtx::new();
    let other = engine.clone();
    let mut stepping = Job::new(&outer, move || other.device().run_until_idle()).unwrap();
    assert!(matches!(stepping.resume().unwrap(), Step::Finished(_)));
    finishes(&mut job, 3);
    assert_eq!(engine.stats().device.total.wake_panics, 0);
}

#[test]
fn the_callback_of_the_time_of_the_wake_is_called() {
    let engine = stepped("completion_nsec=1000");
    let ctx = WaitCtx::new();
    let (old, old_count) = counting();
    let (new, new_count) = counting();
    ctx.set_callback(old);
    let mut job = paused_job(&engine, &ctx, 1);
    ctx.set_callback(None);
    ctx.set_callback(new);
    engine.device().run_until_idle();
    assert_eq!((calls(&old_count), calls(&new_count)), (0, 1));
    assert_eq!(Arc::strong_count(&old_count), 1, "the old one is gone");
    finishes(&mut job, 1);
    assert_adds_up(&engine);
}

#[test]
fn a_callback_that_was_removed_is_not_called_and_the_next_resume_makes_an_fd() {
    for timeout in ["", ";timeout_msec=3600000"] {
        let engine = stepped(&format!("completion_nsec=1000{timeout}"));
        let ctx = WaitCtx::new();
        let (callback, count) = counting();
        ctx.set_callback(callback);
        let mut job = paused_job(&engine, &ctx, 1);
        ctx.set_callback(None);
        assert_eq!(ctx.all_raw_fds(), [], "none was asked for yet");
        assert!(matches!(job.resume().unwrap(), Step::Paused));
        assert_eq!((ctx.changed_fds().added.len(), ctx.all_fds().len()), (1, 1));
        engine.device().run_until_idle();
        assert_eq!(wait_readable(&ctx.all_fds()).unwrap(), 1);
        finishes(&mut job, 1);
        assert_eq!(calls(&count), 0);
        assert_adds_up(&engine);
    }
}

#[test]
fn a_callback_that_was_removed_is_not_called_and_a_resume_finds_the_request_done() {
    for timeout in ["", ";timeout_msec=3600000"] {
        let engine = stepped(&format!("completion_nsec=1000{timeout}"));
        let ctx = WaitCtx::new();
        let (callback, count) = counting();
        ctx.set_callback(callback);
        let mut job = paused_job(&engine, &ctx, 1);
        ctx.set_callback(None);
        engine.device().run_until_idle();
        finishes(&mut job, 1);
        assert_eq!((calls(&count), ctx.all_fds().len()), (0, 0));
        assert_adds_up(&engine);
    }
}

#[test]
fn removing_a_callback_while_the_device_works_loses_no_job() {
    for timeout in ["", ";timeout_msec=3600000"] {
        let engine = open(&format!("workers=2{timeout}"));
        for round in 0..500 {
            let ctx = WaitCtx::new();
            ctx.set_callback(counting().0);
            let mut job = paused_job(&engine, &ctx, round);
            (0..round % 7).for_each(|_| thread::yield_now());
            ctx.set_callback(None);
            // The first resume needs no wake; each later one waits for it.
            let output = match job.resume().unwrap() {
                Step::Finished(output) => output,
                Step::Paused => {
                    assert!(wait_readable(&ctx.all_fds()).unwrap() > 0);
                    finish(&ctx, &mut job).0
                }
            };
            assert_eq!(output.unwrap(), expected_ctr(&message(round, LEN)));
        }
        assert_adds_up(&engine);
    }
}

#[test]
fn a_request_that_has_an_fd_keeps_to_it() {
    let engine = stepped("completion_nsec=1000");
    let ctx = WaitCtx::new();
    let mut job = paused_job(&engine, &ctx, 1);
    let (callback, count) = counting();
    ctx.set_callback(callback);
    assert!(matches!(job.resume().unwrap(), Step::Paused));
    engine.device().run_until_idle();
    assert_eq!((wait_readable(&ctx.all_fds()).unwrap(), calls(&count)), (1, 0));
    finishes(&mut job, 1);
    let mut job = paused_job(&engine, &ctx, 2);
    engine.device().run_until_idle();
    assert_eq!(calls(&count), 1, "the next request is the callback's");
    finishes(&mut job, 2);
    assert_adds_up(&engine);
}

type Seen = Rc<RefCell<Vec<WaitStatus>>>;

thread_local! {
    /// Contexts for callbacks, which own none, and what the callbacks saw there.
    static LOOKS: RefCell<Vec<(Rc<WaitCtx>, Seen)>> = const { RefCell::new(Vec::new()) };
}

/// Makes the context's callback record its status.
fn status_in_callbacks(ctx: &Rc<WaitCtx>) -> Seen {
    let seen = Seen::default();
    let at = LOOKS.with_borrow_mut(|looks| {
        looks.push((Rc::clone(ctx), Rc::clone(&seen)));
        looks.len() - 1
    });
    ctx.set_callback(Some(Arc::new(move || {
        LOOKS.with_borrow(|looks| looks[at].1.borrow_mut().push(looks[at].0.status()));
    })));
    seen
}

#[test]
fn a_parked_request_is_eagain_until_it_is_in_the_ring_and_ok_from_then_on() {
    for timeout in ["", ";timeout_msec=3600000"] {
        let engine = stepped(&format!("depth=2;queue_pairs=1;compute_units=1;completion_nsec=1000{timeout}"));
        let contexts: Vec<Rc<WaitCtx>> = (0..4).map(|_| Rc::new(WaitCtx::new())).collect();
        let seen: Vec<_> = contexts.iter().map(status_in_callbacks).collect();
        let mut jobs: Vec<_> =
            contexts.iter().enumerate().map(|(index, ctx)| paused_job(&engine, ctx, index)).collect();
        let all = || contexts.iter().map(|ctx| ctx.status()).collect::<Vec<_>>();
        assert_eq!(all(), [WaitStatus::Ok, WaitStatus::Ok, WaitStatus::Eagain, WaitStatus::Eagain]);
        while engine.device().step() && all()[2] == WaitStatus::Eagain {}
        assert_eq!(all()[2], WaitStatus::Ok, "it has a slot");
        engine.device().run_until_idle();
        assert_eq!(all(), [WaitStatus::Ok; 4]);
        for seen in seen {
            assert_eq!(*seen.borrow(), [WaitStatus::Ok], "called once, with OK");
        }
        jobs.iter_mut().enumerate().for_each(|(index, job)| finishes(job, index));
        assert_eq!(all(), [WaitStatus::Ok; 4]);
        assert_adds_up(&engine);
    }
}

#[test]
fn a_status_that_follows_a_request_stays_as_it_was_when_the_request_is_given_up() {
    let engine = stepped("depth=2;queue_pairs=1;compute_units=1;completion_nsec=1000");
    let contexts: Vec<WaitCtx> = (0..4).map(|_| WaitCtx::new()).collect();
    let mut jobs: Vec<_> =
        contexts.iter().enumerate().map(|(index, ctx)| paused_job(&engine, ctx, index)).collect();
    while engine.device().step() && contexts[2].status() == WaitStatus::Eagain {}
    contexts[3].set_status(WaitStatus::Other(7));
    drop(jobs.split_off(2));
    let left = [contexts[2].status(), contexts[3].status()];
    assert_eq!(left, [WaitStatus::Ok, WaitStatus::Other(7)]);
    engine.device().run_until_idle();
    jobs.iter_mut().enumerate().for_each(|(index, job)| finishes(job, index));
    assert_adds_up(&engine);
}

#[test]
fn a_parked_request_that_times_out_was_never_ok() {
    let engine =
        stepped("depth=2;queue_pairs=1;compute_units=1;completion_nsec=3600000000000;timeout_msec=1");
    let contexts: Vec<Rc<WaitCtx>> = (0..3).map(|_| Rc::new(WaitCtx::new())).collect();
    let seen: Vec<_> = contexts.iter().map(status_in_callbacks).collect();
    let mut jobs: Vec<_> =
        contexts.iter().enumerate().map(|(index, ctx)| paused_job(&engine, ctx, index)).collect();
    engine.device().advance(Duration::from_millis(1));
    assert_eq!(contexts[2].status(), *seen[2].borrow().first().expect("called"));
    for job in &mut jobs {
        assert!(matches!(job.resume().unwrap(), Step::Finished(Err(_))));
    }
    assert_eq!(seen.iter().map(|seen| seen.borrow().len()).collect::<Vec<_>>(), [1, 1, 1]);
}

#[test]
fn a_callback_that_polling_does_not_call_is_unsupported() {
    for config in ["delivery=poll", "delivery=poll;timeout_msec=3600000"] {
        let engine = stepped(&format!("depth=2;queue_pairs=1;{config}"));
        let contexts: Vec<WaitCtx> = (0..4).map(|_| WaitCtx::new()).collect();
        let (callback, count) = counting();
        for ctx in &contexts[..3] {
            ctx.set_callback(callback.clone());
        }
        let mut jobs: Vec<_> =
            contexts.iter().enumerate().map(|(index, ctx)| paused_job(&engine, ctx, index)).collect();
        let all = || contexts.iter().map(WaitCtx::status).collect::<Vec<_>>();
        let [no, again] = [WaitStatus::Unsupported, WaitStatus::Eagain];
        assert_eq!(all(), [no, no, no, again], "the third is parked, and no callback will tell");
        let mut left = jobs.len();
        while left > 0 {
            // Not until it is idle: by then, completions that were not reaped would be late.
            engine.device().advance(Duration::from_micros(1));
            let _ = engine.poll(10, |_| ()).unwrap();
            for (index, job) in jobs.iter_mut().enumerate().filter(|(_, job)| !job.is_finished()) {
                if let Step::Finished(output) = job.resume().unwrap() {
                    assert_eq!(output.unwrap(), expected_ctr(&message(index, LEN)));
                    left -= 1;
                }
            }
        }
        assert_eq!((all(), calls(&count)), (vec![no, no, no, WaitStatus::Ok], 0));
        contexts[0].set_callback(None);
        let job = paused_job(&engine, &contexts[0], 0);
        assert_eq!(contexts[0].status(), WaitStatus::Ok, "without one there is nothing to support");
        drop(job);
    }
}
