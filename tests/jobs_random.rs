//! Random histories of jobs that create, resume, drop and leak each other, and the counters that must add up.

mod captured;
mod job_helpers;

use job_helpers::{assert_balanced, catch};
use simaccel::job::{self, Pause};
use simaccel::{Job, Step};
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;

/// Counts the live ones.
struct Alive(Rc<Cell<u32>>);

impl Alive {
    fn new(count: &Rc<Cell<u32>>) -> Self {
        count.set(count.get() + 1);
        Self(Rc::clone(count))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
        assert_balanced();
    }
}

/// A job that creates, resumes and drops jobs between its pauses.
fn random_job(
    mut random: impl FnMut(u32) -> u32 + Clone + 'static,
    alive: &Rc<Cell<u32>>,
    depth: u32,
) -> Job<u32> {
    let (alive, mine) = (Rc::clone(alive), Alive::new(alive));
    Job::without_ctx(move || {
        let _mine = mine;
        let mut children = Vec::new();
        for _ in 0..random(6) {
            let _here = Alive::new(&alive);
            match random(5) {
                0 if depth < 3 => children.push(random_job(random.clone(), &alive, depth + 1)),
                1 => drop(children.pop()),
                2 => children.retain_mut(|child: &mut Job<u32>| child.resume() == Ok(Step::Paused)),
                3 if random(8) == 0 => panic::resume_unwind(Box::new(())),
                _ => assert_eq!(job::pause(), Pause::Resumed),
            }
            assert_balanced();
        }
        depth
    })
    .unwrap()
}

#[test]
fn random_histories_leave_nothing_behind_and_the_counters_add_up() {
    let alive = Rc::new(Cell::new(0));
    for seed in 0_u32..300 {
        let mut state = u64::from(seed).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut random = move |below: u32| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            u32::try_from(state >> 40).unwrap() % below
        };
        let mut jobs = Vec::new();
        for _ in 0..60 {
            match random(8) {
                0 | 1 => {
                    // The closure is copied: the job continues by itself from here.
                    jobs.push(random_job(random, &alive, 0));
                    random(2);
                }
                2 => drop(jobs.pop()),
                3 => {
                    let _ = catch(|| {
                        let _dropped = jobs.pop();
                        panic::resume_unwind(Box::new(()));
                    });
                }
                4 if random(5) == 0 => job::cleanup_thread(),
                _ => jobs.retain_mut(|job| {
                    let step = panic::catch_unwind(AssertUnwindSafe(|| job.resume()));
                    matches!(step, Ok(Ok(Step::Paused)))
                }),
            }
            assert_balanced();
            let stats = job::thread_stats();
            assert_eq!((stats.running, stats.ending), (0, 0), "seed {seed}");
        }
        drop(jobs);
        job::cleanup_thread();
        let stats = job::thread_stats();
        assert_eq!((alive.get(), stats.fresh, stats.paused, stats.idle), (0, 0, 0, 0), "seed {seed}");
    }
    let stats = job::thread_stats();
    assert!(stats.finished > 1000 && stats.dropped > 1000, "the histories are worth something: {stats:?}");
}
