//! Wait contexts: statements 1 to 23 of `docs/semantics.md`, one test each, named after it.

mod captured;
#[path = "wait_fds/foreign_code.rs"]
mod foreign_code;
mod job_helpers;

use std::any::Any;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use simaccel::job::{self, ChangedFds, Cleanup, Pause, WaitKey, WaitStatus};
use simaccel::{Job, Step, WaitCtx};

const A: WaitKey = WaitKey::from_addr(0xa);
const B: WaitKey = WaitKey::from_addr(0xb);
const C: WaitKey = WaitKey::from_addr(0xc);

type Log = Rc<RefCell<Vec<i32>>>;

fn set(ctx: &WaitCtx, key: WaitKey, fd: i32) {
    ctx.set_raw_fd(key, fd, None, None);
}

/// A cleanup that logs the descriptor it was called for.
fn logs_to(log: &Log) -> Option<Cleanup> {
    let log = Rc::clone(log);
    Some(Box::new(move |_, _, fd, _| log.borrow_mut().push(fd)))
}

fn changed(added: &[i32], deleted: &[i32]) -> ChangedFds<i32> {
    let mut changed = ChangedFds::default();
    changed.added.extend_from_slice(added);
    changed.deleted.extend_from_slice(deleted);
    changed
}

/// A job that pauses as often as it is resumed, and runs `steps` in between.
fn stepping(ctx: &WaitCtx, steps: Vec<fn(&WaitCtx)>) -> Job<()> {
    Job::new(ctx, move || {
        for step in steps {
            step(&job::current().unwrap().wait_ctx().unwrap());
            assert_eq!(job::pause(), Pause::Resumed);
        }
    })
    .unwrap()
}

fn pauses(job: &mut Job<()>) {
    assert_eq!(job.resume(), Ok(Step::Paused));
}

fn finishes(job: &mut Job<()>) {
    assert_eq!(job.resume(), Ok(Step::Finished(())));
}

#[test]
fn s01_a_new_context_is_empty() {
    let ctx = WaitCtx::new();
    assert_eq!(ctx.all_raw_fds(), []);
    assert_eq!(ctx.num_fds(), 0);
    assert_eq!(ctx.changed_raw_fds(), ChangedFds::default());
    assert!(ctx.callback().is_none());
    assert_eq!(ctx.status(), WaitStatus::Unsupported);
    assert_eq!(i32::from(ctx.status()), 0);
}

#[test]
fn s02_freeing_what_holds_nothing_calls_nothing() {
    let calls = Arc::new(AtomicU32::new(0));
    let ctx = WaitCtx::new();
    let counter = Arc::clone(&calls);
    ctx.set_callback(Some(Arc::new(move || {
        counter.fetch_add(1, Ordering::Relaxed);
    })));
    set(&ctx, A, 3);
    drop(ctx);
    assert_eq!(calls.load(Ordering::Relaxed), 0);
    assert_eq!(Arc::strong_count(&calls), 1, "the callback went with the context");
}

#[test]
fn s03_free_runs_cleanups_newest_first() {
    let log = Log::default();
    let ctx = WaitCtx::new();
    let data: Rc<dyn Any> = Rc::new(77_u8);
    ctx.set_raw_fd(A, 1, None, logs_to(&log));
    set(&ctx, B, 2);
    let inner = Rc::clone(&log);
    let cleanup: Cleanup = Box::new(move |_, key, fd, data| {
        assert_eq!(key, C);
        assert_eq!(data.unwrap().downcast_ref::<u8>(), Some(&77));
        inner.borrow_mut().push(fd);
    });
    ctx.set_raw_fd(C, 3, Some(data), Some(cleanup));
    drop(ctx);
    assert_eq!(*log.borrow(), [3, 1]);
}

#[test]
fn s04_cleared_entries_get_no_cleanup() {
    let log = Log::default();
    let ctx = WaitCtx::new();
    ctx.set_raw_fd(A, 1, None, logs_to(&log));
    ctx.set_raw_fd(B, 2, None, logs_to(&log));
    let mut job = stepping(&ctx, vec![|_| (), |ctx| assert!(ctx.clear_fd(A)), |_| ()]);
    pauses(&mut job);
    pauses(&mut job);
    assert_eq!(ctx.changed_raw_fds().deleted, [1], "the deletion is still unreported");
    drop(ctx);
    assert_eq!(*log.borrow(), [2]);
    drop(job);
}

#[test]
fn s05_a_cleanup_may_use_its_context() {
    let seen = Log::default();
    let ctx = WaitCtx::new();
    ctx.set_status(WaitStatus::Ok);
    set(&ctx, A, 1);
    let log = Rc::clone(&seen);
    let last: Cleanup = Box::new(move |ctx, _, _, _| log.borrow_mut().extend(ctx.all_raw_fds()));
    ctx.set_raw_fd(B, 2, None, Some(last));
    let log = Rc::clone(&seen);
    let first: Cleanup = Box::new(move |ctx, key, fd, _| {
        assert_eq!(ctx.fd(key).unwrap().number, fd, "the entry is there while it is cleaned up");
        assert_eq!(ctx.all_raw_fds(), [3, 2, 1]);
        assert_eq!(ctx.status(), WaitStatus::Ok);
        assert!(ctx.clear_fd(key));
        assert!(ctx.clear_fd(A));
        let log = Rc::clone(&log);
        let late: Cleanup = Box::new(move |_, _, fd, _| log.borrow_mut().push(fd));
        ctx.set_raw_fd(A, 9, None, Some(late));
    });
    ctx.set_raw_fd(C, 3, None, Some(first));
    drop(ctx);
    assert_eq!(*seen.borrow(), [9, 2], "what a cleanup registers is cleaned up; what it clears is gone");
}

#[test]
fn s06_a_context_may_be_freed_while_its_job_is_paused() {
    let log = Log::default();
    let ctx = WaitCtx::new();
    let late = Rc::clone(&log);
    let mut job = Job::new(&ctx, move || {
        let job = job::current().unwrap();
        let held = job.wait_ctx().unwrap();
        held.set_raw_fd(A, 1, None, logs_to(&late));
        assert_eq!(job::pause(), Pause::Resumed);
        assert!(job.wait_ctx().is_none());
        assert!(held.is_freed());
        assert_eq!(held.all_raw_fds(), []);
        held.set_raw_fd(B, 2, None, logs_to(&late));
        assert_eq!(held.all_raw_fds(), []);
        assert_eq!(job::pause(), Pause::Resumed);
    })
    .unwrap();
    pauses(&mut job);
    assert!(job.wait_ctx().is_some());
    drop(ctx);
    assert_eq!(*log.borrow(), [1]);
    assert!(job.wait_ctx().is_none());
    pauses(&mut job);
    assert_eq!(*log.borrow(), [1, 2], "a registration that comes too late ends at once");
    finishes(&mut job);
}

#[test]
fn s07_set_wait_fd_pushes_newest_first() {
    let ctx = WaitCtx::new();
    set(&ctx, A, 1);
    set(&ctx, B, 2);
    set(&ctx, C, 3);
    assert_eq!(ctx.all_raw_fds(), [3, 2, 1]);
    assert_eq!(ctx.changed_raw_fds(), changed(&[3, 2, 1], &[]));
    assert_eq!(ctx.num_changed(), (3, 0));
}

#[test]
fn s08_the_same_key_twice_hides_the_older() {
    let ctx = WaitCtx::new();
    set(&ctx, A, 10);
    set(&ctx, B, 20);
    set(&ctx, A, 11);
    assert_eq!(ctx.all_raw_fds(), [11, 20, 10]);
    assert_eq!(ctx.fd(A).unwrap().number, 11);
    assert!(ctx.clear_fd(A));
    assert_eq!(ctx.all_raw_fds(), [20, 10]);
    assert_eq!(ctx.fd(A).unwrap().number, 10);
}

#[test]
fn s09_any_descriptor_and_the_null_key_are_accepted() {
    let ctx = WaitCtx::new();
    let null = WaitKey::from_addr(0);
    ctx.set_raw_fd(null, -1, None, None);
    let found = ctx.fd(null).unwrap();
    assert_eq!(found.number, -1);
    assert!(found.data.is_none());
    assert_eq!(ctx.all_raw_fds(), [-1]);
}

#[test]
fn s10_keys_compare_by_address() {
    let ctx = WaitCtx::new();
    let twins = [7_u64, 7];
    set(&ctx, WaitKey::of(&twins[0]), 1);
    assert!(ctx.fd(WaitKey::of(&twins[1])).is_none());
    assert_eq!(ctx.fd(WaitKey::from_addr((&raw const twins[0]).addr())).unwrap().number, 1);
}

#[test]
fn s11_fd_finds_the_newest_or_nothing() {
    let ctx = WaitCtx::new();
    assert!(ctx.fd(A).is_none());
    let data: Rc<dyn Any> = Rc::new("older");
    ctx.set_raw_fd(A, 1, Some(data), None);
    let data: Rc<dyn Any> = Rc::new("newer");
    ctx.set_raw_fd(A, 2, Some(Rc::clone(&data)), None);
    let found = ctx.fd(A).unwrap();
    assert_eq!(found.number, 2);
    assert!(Rc::ptr_eq(&found.data.unwrap(), &data));
    assert!(ctx.fd(B).is_none());
}

#[test]
fn s12_all_fds_lists_the_live_ones_newest_first() {
    let ctx = WaitCtx::new();
    let mut job = stepping(&ctx, vec![|ctx| (1..=3).for_each(|fd| set(ctx, A, fd)), |_| ()]);
    pauses(&mut job);
    pauses(&mut job);
    assert!(ctx.clear_fd(A));
    assert_eq!(ctx.all_raw_fds(), [2, 1], "deleted ones are not listed, although they are still kept");
    assert_eq!(ctx.num_fds(), 2);
    let mut each = Vec::new();
    ctx.for_each_raw_fd(|fd| {
        each.push(fd);
        assert!(ctx.clear_fd(A), "the loop may change what it goes through");
    });
    assert_eq!(each, [2, 1]);
    assert_eq!(ctx.num_fds(), 0);
}

#[test]
fn s13_asking_for_changes_resets_nothing() {
    let ctx = WaitCtx::new();
    set(&ctx, A, 1);
    set(&ctx, B, 2);
    for _ in 0..3 {
        assert_eq!(ctx.num_changed(), (2, 0));
        assert_eq!(ctx.changed_raw_fds(), changed(&[2, 1], &[]));
    }
}

#[test]
fn s14_an_entry_is_added_or_plain_or_deleted() {
    let ctx = WaitCtx::new();
    let clears = |ctx: &WaitCtx| assert!(ctx.clear_fd(A));
    let mut job = stepping(&ctx, vec![|ctx| set(ctx, A, 1), |_| (), clears, |_| ()]);
    pauses(&mut job);
    assert_eq!(ctx.changed_raw_fds(), changed(&[1], &[]));
    pauses(&mut job);
    assert_eq!(ctx.changed_raw_fds(), changed(&[], &[]));
    assert_eq!(ctx.all_raw_fds(), [1]);
    pauses(&mut job);
    assert_eq!(ctx.changed_raw_fds(), changed(&[], &[1]));
    pauses(&mut job);
    assert_eq!(ctx.changed_raw_fds(), changed(&[], &[]));
    finishes(&mut job);
}

#[test]
fn s15_clearing_a_new_entry_leaves_no_trace() {
    let log = Log::default();
    let ctx = WaitCtx::new();
    ctx.set_raw_fd(A, 1, None, logs_to(&log));
    set(&ctx, B, 2);
    assert!(ctx.clear_fd(A));
    assert_eq!(ctx.changed_raw_fds(), changed(&[2], &[]));
    assert_eq!(ctx.num_changed(), (1, 0));
    assert_eq!(ctx.all_raw_fds(), [2]);
    drop(ctx);
    assert_eq!(*log.borrow(), []);
}

#[test]
fn s16_clearing_an_older_entry_is_reported() {
    let log = Log::default();
    let ctx = WaitCtx::new();
    ctx.set_raw_fd(A, 1, None, logs_to(&log));
    let mut job = stepping(&ctx, vec![|_| (), |_| ()]);
    pauses(&mut job);
    pauses(&mut job);
    assert!(ctx.clear_fd(A));
    assert!(ctx.fd(A).is_none());
    assert_eq!(ctx.all_raw_fds(), []);
    assert_eq!(ctx.changed_raw_fds(), changed(&[], &[1]));
    finishes(&mut job);
    assert_eq!(ctx.changed_raw_fds(), changed(&[], &[]));
    drop(ctx);
    assert_eq!(*log.borrow(), [], "no cleanup, now or when the context ends");
}

#[test]
fn s17_clearing_an_unknown_key_says_so() {
    let ctx = WaitCtx::new();
    assert!(!ctx.clear_fd(A));
    set(&ctx, A, 1);
    assert!(!ctx.clear_fd(B));
    let mut job = stepping(&ctx, vec![|_| (), |ctx| assert!(ctx.clear_fd(A))]);
    pauses(&mut job);
    pauses(&mut job);
    assert!(!ctx.clear_fd(A), "it is deleted already");
    assert_eq!(ctx.changed_raw_fds(), changed(&[], &[1]));
}

#[test]
fn s18a_changes_last_until_the_next_resume() {
    let ctx = WaitCtx::new();
    let mut job = stepping(&ctx, vec![|ctx| set(ctx, A, 1), |ctx| assert_eq!(ctx.num_changed(), (0, 0))]);
    pauses(&mut job);
    assert_eq!(ctx.changed_raw_fds(), changed(&[1], &[]));
    set(&ctx, B, 2);
    assert_eq!(ctx.changed_raw_fds(), changed(&[2, 1], &[]), "also what the application does meanwhile");
    pauses(&mut job);
    assert_eq!(ctx.changed_raw_fds(), changed(&[], &[]));
}

#[test]
fn s18b_finishing_resets_nothing() {
    let ctx = WaitCtx::new();
    let mut first = Job::new(&ctx, || {
        let ctx = job::current().unwrap().wait_ctx().unwrap();
        set(&ctx, A, 6);
        assert_eq!(job::pause(), Pause::Resumed);
        assert!(ctx.clear_fd(A));
    })
    .unwrap();
    pauses(&mut first);
    finishes(&mut first);
    assert_eq!(ctx.changed_raw_fds(), changed(&[], &[6]));
    let mut second = stepping(&ctx, vec![|ctx| set(ctx, A, 5)]);
    pauses(&mut second);
    assert_eq!(ctx.changed_raw_fds(), changed(&[5], &[6]), "merged with what the first job left");
    finishes(&mut second);
    assert_eq!(ctx.changed_raw_fds(), changed(&[], &[]));
}

#[test]
fn s18c_a_pause_that_does_not_pause_resets_nothing() {
    let ctx = WaitCtx::new();
    set(&ctx, A, 1);
    assert_eq!(job::pause(), Pause::NotInJob);
    let mut job = Job::new(&ctx, || {
        let _block = job::block_pause();
        assert_eq!(job::pause(), Pause::Blocked);
    })
    .unwrap();
    finishes(&mut job);
    assert_eq!(ctx.changed_raw_fds(), changed(&[1], &[]));
}

#[test]
fn s18e_giving_a_job_up_resets_nothing() {
    let ctx = WaitCtx::new();
    let mut first = stepping(&ctx, vec![|ctx| set(ctx, A, 1)]);
    pauses(&mut first);
    assert_eq!(ctx.changed_raw_fds(), changed(&[1], &[]));
    drop(first);
    assert_eq!(ctx.changed_raw_fds(), changed(&[1], &[]), "dropping it is not resuming it");
    let mut second = stepping(&ctx, vec![|ctx| set(ctx, B, 2)]);
    pauses(&mut second);
    assert_eq!(ctx.changed_raw_fds(), changed(&[2, 1], &[]), "known already, and listed once more");
    finishes(&mut second);
    assert_eq!((ctx.changed_raw_fds(), ctx.all_raw_fds()), (changed(&[], &[]), vec![2, 1]));
}

#[test]
fn s18d_the_reset_is_for_the_context_of_the_start() {
    let (own, other) = (WaitCtx::new(), WaitCtx::new());
    let mut job = stepping(&own, vec![|_| ()]);
    pauses(&mut job);
    set(&own, A, 1);
    set(&other, A, 2);
    finishes(&mut job);
    assert_eq!(own.changed_raw_fds(), changed(&[], &[]));
    assert_eq!(other.changed_raw_fds(), changed(&[2], &[]));
}

#[test]
fn s19_a_number_may_be_both_added_and_deleted() {
    let ctx = WaitCtx::new();
    set(&ctx, A, 3);
    let swaps = |ctx: &WaitCtx| {
        assert!(ctx.clear_fd(A));
        set(ctx, A, 3);
    };
    let mut job = stepping(&ctx, vec![|_| (), swaps]);
    pauses(&mut job);
    pauses(&mut job);
    assert_eq!(ctx.changed_raw_fds(), changed(&[3], &[3]));
    assert_eq!(ctx.all_raw_fds(), [3]);
}

#[test]
fn s20_a_callback_is_stored_and_removed() {
    let calls = Arc::new(AtomicU32::new(0));
    let ctx = WaitCtx::new();
    let counter = Arc::clone(&calls);
    ctx.set_callback(Some(Arc::new(move || {
        counter.fetch_add(1, Ordering::Relaxed);
    })));
    let callback = ctx.callback().unwrap();
    std::thread::spawn(move || callback()).join().unwrap();
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    ctx.set_callback(None);
    assert!(ctx.callback().is_none());
}

#[test]
fn s21_without_a_callback_there_is_none() {
    let ctx = WaitCtx::new();
    assert!(ctx.callback().is_none());
    ctx.set_callback(Some(Arc::new(|| ())));
    assert!(ctx.callback().is_some());
    assert!(WaitCtx::new().callback().is_none(), "a callback belongs to one context");
}

#[test]
fn s22_the_status_keeps_any_number_and_only_engines_change_it() {
    let called = Arc::new(AtomicU32::new(0));
    let ctx = WaitCtx::new();
    let counter = Arc::clone(&called);
    ctx.set_callback(Some(Arc::new(move || {
        counter.fetch_add(1, Ordering::Relaxed);
    })));
    for number in [0, 1, 2, 3, 4, -1, 12345, i32::MIN, i32::MAX] {
        ctx.set_status(WaitStatus::from(number));
        let mut job = stepping(&ctx, vec![|_| ()]);
        pauses(&mut job);
        finishes(&mut job);
        assert_eq!(i32::from(ctx.status()), number);
    }
    assert_eq!(WaitStatus::from(3), WaitStatus::Eagain);
    assert_eq!(called.load(Ordering::Relaxed), 0, "jobs call no callback");
}

#[test]
fn s23_a_context_stays_on_its_thread() {
    assert!(!is_send!(WaitCtx));
    assert!(!is_send!(&WaitCtx), "not even to look at");
    assert!(!is_send!(job::WaitCtxRef));
    assert!(is_send!(WaitKey));
}

#[test]
fn one_context_serves_one_job_after_the_other() {
    let ctx = WaitCtx::new();
    let keys: Vec<u64> = (0..3).collect();
    for round in 0..300 {
        let key = WaitKey::of(&keys[round % keys.len()]);
        let mut job = Job::new(&ctx, move || {
            let ctx = job::current().unwrap().wait_ctx().unwrap();
            if ctx.fd(key).is_none() {
                set(&ctx, key, i32::try_from(round).unwrap());
            }
            assert_eq!(job::pause(), Pause::Resumed);
        })
        .unwrap();
        pauses(&mut job);
        finishes(&mut job);
    }
    assert_eq!(ctx.all_raw_fds(), [2, 1, 0], "each engine registered once and kept its descriptor");
}

#[test]
fn user_data_finds_the_wrapper_of_a_context() {
    let ctx = WaitCtx::new();
    assert_eq!(ctx.user_data(), 0);
    ctx.set_user_data(4711);
    let mut job = Job::new(&ctx, || job::current().unwrap().wait_ctx().unwrap().user_data()).unwrap();
    assert_eq!(job.resume(), Ok(Step::Finished(4711)));
}
