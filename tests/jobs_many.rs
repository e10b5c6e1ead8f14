//! Jobs of many shapes, in large numbers, on many threads.
#![allow(unsafe_code, reason = "asks the kernel what kind of guard it has")]

mod captured;
mod job_helpers;

use self::job_helpers::{pauses, pausing, run};

use simaccel::job::{self, Pause};
use simaccel::{Job, Step};
use std::cell::RefCell;
use std::rc::Rc;
use std::thread;

#[test]
fn results_and_closures_of_any_shape_pass() {
    #[repr(align(256))]
    #[derive(Debug, PartialEq)]
    struct Aligned([u8; 256]);
    #[repr(align(4096))]
    #[derive(Debug, PartialEq)]
    struct AlignedNothing;

    run(|| ());
    assert_eq!(run(|| [3_u8; 512]), [3; 512]);
    assert_eq!(run(|| [4_u8; 513]), [4; 513], "on the heap");
    let large = [5_u8; 20_000];
    assert_eq!(run(move || large.iter().map(|byte| u32::from(*byte)).sum::<u32>()), 100_000);
    assert_eq!(run(|| Aligned([6; 256])), Aligned([6; 256]));
    let aligned = Aligned([7; 256]);
    assert!(run(move || (&raw const aligned).addr().is_multiple_of(256) && aligned.0[9] == 7));
    assert_eq!(run(|| AlignedNothing), AlignedNothing);
    assert_eq!(run(|| (Rc::new(8), Box::new(9))), (Rc::new(8), Box::new(9)));
}

#[test]
fn thousands_of_jobs_of_several_kinds_share_the_stacks() {
    let log = Rc::new(RefCell::new(Vec::new()));
    for round in 0_u64..500 {
        let mut small = Job::without_ctx(move || (job::pause(), round)).unwrap();
        let bytes = [round.to_le_bytes()[0]; 600];
        let mut large = Job::without_ctx(move || (job::pause(), bytes)).unwrap();
        let (inner, other) = (Rc::clone(&log), Rc::clone(&log));
        let mut owning = Job::without_ctx(move || (job::pause(), inner.borrow_mut().push(round))).unwrap();
        let mut dropped = Job::without_ctx(move || (job::pause(), other.borrow_mut().push(0))).unwrap();
        pauses(&mut small);
        pauses(&mut large);
        pauses(&mut owning);
        pauses(&mut dropped);
        assert_eq!(small.resume(), Ok(Step::Finished((Pause::Resumed, round))));
        drop(dropped);
        assert_eq!(large.resume(), Ok(Step::Finished((Pause::Resumed, bytes))));
        assert_eq!(owning.resume(), Ok(Step::Finished((Pause::Resumed, ()))));
    }
    assert_eq!(*log.borrow(), (0..500).collect::<Vec<u64>>());
    let stats = job::thread_stats();
    assert_eq!((stats.created, stats.finished, stats.dropped, stats.idle), (2000, 1500, 500, 4));
}

#[test]
fn every_thread_has_its_own_jobs() {
    let threads: Vec<_> = (0..4)
        .map(|number| {
            thread::spawn(move || {
                let mut jobs: Vec<Job<u32>> = (0..100).map(|_| pausing(number)).collect();
                for _ in 0..number {
                    jobs.iter_mut().for_each(pauses);
                }
                let sum: u32 = jobs
                    .iter_mut()
                    .map(|job| match job.resume() {
                        Ok(Step::Finished(number)) => number,
                        other => panic!("{other:?}"),
                    })
                    .sum();
                (sum, job::thread_stats().finished)
            })
        })
        .collect();
    let results: Vec<(u32, u64)> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert_eq!(results, [(0, 100), (100, 100), (200, 100), (300, 100)]);
    assert_eq!(job::thread_stats(), job::ThreadStats::default());
}

#[test]
fn tens_of_thousands_of_guarded_stacks_are_few_mappings() {
    const JOBS: usize = 20_000;
    fn mappings() -> usize {
        std::fs::read_to_string("/proc/self/maps").unwrap().lines().count()
    }
    /// Whether this kernel has guards that do not split mappings (Linux 6.13).
    fn marks_guards() -> bool {
        let page = std::alloc::Layout::from_size_align(4096, 4096).unwrap();
        // SAFETY: advice of length 0 on our own memory changes nothing; the kernel only reports whether it
        // knows the advice.
        unsafe {
            let memory = std::alloc::alloc(page);
            let known = libc::madvise(memory.cast(), 0, 102) == 0;
            std::alloc::dealloc(memory, page);
            known
        }
    }
    job_helpers::passes_in_child("tens_of_thousands_of_guarded_stacks_are_few_mappings", || {
        let before = mappings();
        let mut jobs: Vec<Job<u32>> = (0..JOBS).map(|_| pausing(1)).collect();
        jobs.iter_mut().for_each(pauses);
        let more = mappings() - before;
        assert!(!marks_guards() || more < 50, "{more} mappings");
        jobs.iter_mut().for_each(|job| assert_eq!(job.resume(), Ok(Step::Finished(1))));
        drop(jobs);
        job::cleanup_thread();
        assert!(mappings() < before + 10, "and none of them stays");
    });
}
