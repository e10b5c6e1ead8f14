//! What raw jobs carry: data that the caller attaches, and what is kept while a frame that owns nothing
//! refers to it.
#![allow(unsafe_code, reason = "plays the part of C code")]

mod captured;
mod job_helpers;

use self::job_helpers::raw::{paused, pauses_for_ever, pauses_once, returns_seven, start_without_args};

use simaccel::job::raw::{self, Held, RawStep};
use simaccel::job::{self, Misuse, Pause, Release};
use simaccel::{Job, Step, WaitCtx};
use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

#[test]
fn data_is_attached_to_one_job_until_it_ends() {
    let (mut one, mut other) = (1, 2);
    let (one, other) = ((&raw mut one).cast::<c_void>(), (&raw mut other).cast::<c_void>());
    let jobs = [0; 2].map(|_| paused(start_without_args(pauses_for_ever)));
    assert_eq!(raw::data(jobs[0]), Ok(ptr::null_mut()));
    assert_eq!(raw::set_data(jobs[0], one), Ok(()));
    assert_eq!(raw::set_data(jobs[1], other), Ok(()));
    assert_eq!((raw::data(jobs[0]), raw::data(jobs[1])), (Ok(one), Ok(other)));
    assert_eq!(raw::resume(jobs[0]), Ok(RawStep::Paused(jobs[0])));
    assert_eq!(raw::set_data(jobs[1], ptr::null_mut()), Ok(()));
    assert_eq!((raw::data(jobs[0]), raw::data(jobs[1])), (Ok(one), Ok(ptr::null_mut())));

    thread::spawn(move || assert_eq!(raw::data(jobs[0]), Err(Misuse::Stale))).join().unwrap();
    // SAFETY: the functions own nothing.
    assert_eq!(unsafe { raw::discard_paused() }, 2);
    assert_eq!(raw::data(jobs[0]), Err(Misuse::Stale));
    assert_eq!(raw::set_data(jobs[0], one), Err(Misuse::Stale));
    let next = [0; 2].map(|_| paused(start_without_args(pauses_once)));
    assert_eq!(next.map(raw::data), [Ok(ptr::null_mut()); 2], "the next job on a stack begins without data");
    assert_eq!(next.map(raw::resume), [Ok(RawStep::Finished(7)); 2]);
}

#[test]
fn typed_jobs_have_no_data() {
    let ctx = WaitCtx::new();
    let mut job = Job::new(&ctx, || {
        let handle = job::current().unwrap().handle();
        (raw::set_data(handle, ptr::null_mut()), raw::data(handle))
    })
    .unwrap();
    assert_eq!(job.resume(), Ok(Step::Finished((Err(Misuse::Stale), Err(Misuse::Stale)))));
}

static DROPPED: AtomicU32 = AtomicU32::new(0);
static RELEASED_BEFORE: AtomicU32 = AtomicU32::new(0);

struct Counted;

impl Drop for Counted {
    fn drop(&mut self) {
        DROPPED.fetch_add(1, Ordering::Relaxed);
    }
}

/// Records how many had been dropped when it ran.
struct Notes;

impl Release for Notes {
    fn release(&self) {
        RELEASED_BEFORE.store(DROPPED.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

unsafe extern "C-unwind" fn holds(_: *mut c_void) -> c_int {
    assert!(raw::hold(Arc::new(Counted).into()).is_ok());
    while job::pause_with(&Notes) == Pause::Resumed {}
    0
}

unsafe extern "C-unwind" fn holds_and_lets_go(_: *mut c_void) -> c_int {
    assert!(raw::hold(Arc::new(Counted).into()).is_ok());
    let second = Arc::new(7_u8);
    let back: Held = raw::hold(Arc::clone(&second).into()).unwrap_err();
    assert_eq!(Arc::strong_count(&second), 2, "one at a time, and it comes back");
    drop(back);
    assert_eq!(Arc::strong_count(&second), 1);
    let before = DROPPED.load(Ordering::Relaxed);
    raw::release_held();
    assert_eq!(DROPPED.load(Ordering::Relaxed), before + 1);
    raw::release_held();
    assert!(raw::hold(Arc::new(Counted).into()).is_ok());
    raw::release_held();
    assert_eq!(DROPPED.load(Ordering::Relaxed), before + 2);
    7
}

/// One test, because the counts belong to the process.
#[test]
fn what_a_job_holds_goes_after_its_release_hook() {
    assert!(raw::hold(Arc::new(Counted).into()).is_err(), "there is no job to hold it");
    assert_eq!(DROPPED.load(Ordering::Relaxed), 1);
    raw::release_held();
    assert_eq!(start_without_args(holds_and_lets_go), Ok(RawStep::Finished(7)));
    assert_eq!(DROPPED.load(Ordering::Relaxed), 3);

    let job = paused(start_without_args(holds));
    assert_eq!(raw::resume(job), Ok(RawStep::Paused(job)));
    // SAFETY: the function owns nothing.
    assert_eq!(unsafe { raw::discard(job) }, Ok(()));
    assert_eq!((RELEASED_BEFORE.load(Ordering::Relaxed), DROPPED.load(Ordering::Relaxed)), (3, 4));
    assert_eq!(start_without_args(returns_seven), Ok(RawStep::Finished(7)));

    let leaves_it_paused = || {
        paused(start_without_args(holds));
    };
    thread::spawn(leaves_it_paused).join().unwrap();
    assert_eq!((RELEASED_BEFORE.load(Ordering::Relaxed), DROPPED.load(Ordering::Relaxed)), (4, 5));
}
