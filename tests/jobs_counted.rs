//! The counters of a thread's jobs: they add up from outside and from inside, however a job ends.
#![allow(unsafe_code, reason = "plays the part of C code")]

mod captured;
mod job_helpers;

use job_helpers::raw::{paused, start_without_args, waits_for_a_request};
use job_helpers::{Log, assert_balanced, catch, swallowing};
use simaccel::job::{self, Pause, raw};
use simaccel::{Job, Step};

/// Checks the counters when it is dropped.
struct Looks;

impl Drop for Looks {
    fn drop(&mut self) {
        assert_balanced();
    }
}

#[test]
fn pauses_are_counted() {
    let mut job = Job::without_ctx(|| {
        for _ in 0..3 {
            assert_eq!(job::pause(), Pause::Resumed);
            assert_balanced();
        }
        Looks
    })
    .unwrap();
    for paused in 1..=3 {
        assert!(matches!(job.resume(), Ok(Step::Paused)));
        let stats = job::thread_stats();
        assert_eq!((stats.resumes, stats.pauses, stats.finished), (paused, paused, 0));
    }
    assert!(matches!(job.resume(), Ok(Step::Finished(Looks))));
    let stats = job::thread_stats();
    assert_eq!((stats.resumes, stats.pauses, stats.finished), (4, 3, 1));
}

#[test]
fn the_books_balance_at_any_moment_of_every_end() {
    let looks = Looks;
    drop(Job::without_ctx(move || drop(looks)).unwrap());
    let mut unwinds = Job::without_ctx(|| {
        let _looks = Looks;
        while job::pause() == Pause::Resumed {}
    })
    .unwrap();
    assert_eq!(unwinds.resume(), Ok(Step::Paused));
    drop(unwinds);
    let mut swallows = Job::without_ctx(|| {
        for _ in 0..2 {
            let _swallowed = catch(|| while job::pause() == Pause::Resumed {});
            assert_balanced();
            drop(job_helpers::holding(&Log::default(), "dropped by one that is being dropped"));
        }
        Looks
    })
    .unwrap();
    assert!(matches!(swallows.resume(), Ok(Step::Paused)));
    drop(swallows);
    let discarded = paused(start_without_args(waits_for_a_request));
    // SAFETY: the function owns nothing.
    assert_eq!(unsafe { raw::discard(discarded) }, Ok(()));
    drop(swallowing(u32::MAX, 1));
    assert!(catch(|| job_helpers::run(|| panic!("ends it"))).is_err());
    assert_balanced();
    let stats = job::thread_stats();
    assert_eq!((stats.resumes, stats.pauses, stats.finished, stats.ending), (7, 6, 1, 0));
    assert_eq!((stats.dropped, stats.discarded, stats.given_up), (5, 1, 1));
}
