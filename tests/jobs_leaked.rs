//! Jobs that are never dropped, or too late: forgotten, owning themselves, left behind by their thread or
//! their process. Their stacks must stay where they are, and other jobs must not be harmed.

mod captured;
mod job_helpers;

use job_helpers::{Log, Noted, holding};
use simaccel::job::{self, LeakReason, Misuse, NoJobs, Pause, PoolConfig};
use simaccel::{Job, Step};
use std::cell::{Cell, OnceCell, RefCell};
use std::mem;
use std::rc::Rc;
use std::sync::{Mutex, mpsc};
use std::thread;

/// A place where a job can find itself.
type Place = Rc<RefCell<Option<Job<&'static str>>>>;

/// Puts a job into `place` that knows the place.
fn place_job(place: &Place, body: impl FnOnce(&Place) -> &'static str + 'static) {
    let known = Rc::clone(place);
    *place.borrow_mut() = Some(Job::without_ctx(move || body(&known)).unwrap());
}

#[test]
fn a_job_cannot_reach_itself_while_it_runs() {
    let place = Place::default();
    place_job(&place, |place| {
        assert!(place.try_borrow_mut().is_err(), "the thread that resumes it has it");
        assert_eq!(job::pause(), Pause::Resumed);
        "done"
    });
    let resume = || place.borrow_mut().as_mut().unwrap().resume();
    assert_eq!(resume(), Ok(Step::Paused));
    assert_eq!(resume(), Ok(Step::Finished("done")));
    assert_eq!(Rc::strong_count(&place), 1);

    place_job(&place, |place| {
        assert!(place.take().is_none(), "its resumer has taken it out");
        let mut other = Job::without_ctx(|| "other").unwrap();
        assert_eq!(other.resume(), Ok(Step::Finished("other")));
        *place.borrow_mut() = Some(other);
        "replaced"
    });
    let mut job = place.take().unwrap();
    assert_eq!(job.resume(), Ok(Step::Finished("replaced")));
    assert!(place.borrow().as_ref().unwrap().is_finished());
}

#[test]
fn a_job_that_owns_itself_is_leaked_and_harms_no_other() {
    let place = Place::default();
    let weak = Rc::downgrade(&place);
    place_job(&place, |_| {
        assert_eq!(job::pause(), Pause::Resumed);
        "never"
    });
    assert_eq!(place.borrow_mut().as_mut().unwrap().resume(), Ok(Step::Paused));
    drop(place);
    assert_eq!(weak.strong_count(), 1, "the job's stack owns the place, which owns the job");
    assert_eq!(job::thread_stats().paused, 1);
    assert_eq!(Job::without_ctx(|| 5).unwrap().resume(), Ok(Step::Finished(5)));
    let place = weak.upgrade().unwrap();
    let job = place.take();
    drop(place);
    drop(job);
    assert_eq!((weak.strong_count(), job::thread_stats().paused), (0, 0), "until the cycle is broken");
}

#[test]
fn a_job_that_was_never_resumed_may_own_itself() {
    let place = Place::default();
    let weak = Rc::downgrade(&place);
    place_job(&place, |_| "never");
    let job = place.take();
    drop(place);
    drop(job);
    assert_eq!(weak.strong_count(), 0);
}

#[test]
fn an_unwinding_job_may_reach_the_empty_place_it_was_in() {
    struct Looks(Place, Rc<Cell<Option<bool>>>);
    impl Drop for Looks {
        fn drop(&mut self) {
            self.1.set(Some(self.0.borrow().is_none()));
        }
    }
    let (place, empty) = (Place::default(), Rc::new(Cell::new(None)));
    let seen = Rc::clone(&empty);
    place_job(&place, move |place| {
        let _looks = Looks(Rc::clone(place), seen);
        while job::pause() == Pause::Resumed {}
        "never"
    });
    assert_eq!(place.borrow_mut().as_mut().unwrap().resume(), Ok(Step::Paused));
    let job = place.take();
    drop(job);
    assert_eq!(empty.get(), Some(true));
}

#[test]
fn a_forgotten_job_keeps_its_stack() {
    captured::leaking(|| {
        job::init_thread(PoolConfig { max_jobs: 2, ..PoolConfig::default() }).unwrap();
        let log = Log::default();
        let mut forgotten = Job::without_ctx(move || {
            let mut local = 7_u64;
            thread::scope(|scope| {
                let local = &mut local;
                scope.spawn(move || {
                    for value in 1..1000 {
                        *local = value;
                        thread::yield_now();
                    }
                });
                let _ = job::pause();
            });
        })
        .unwrap();
        assert_eq!(forgotten.resume(), Ok(Step::Paused));
        mem::forget(forgotten);
        for _ in 0..200 {
            drop(holding(&log, "other"));
            job::cleanup_thread();
            job::init_thread(PoolConfig { max_jobs: 2, ..PoolConfig::default() }).unwrap();
        }
        assert_eq!(log.borrow().len(), 200);
        let mut only = Job::without_ctx(job::pause).unwrap();
        assert!(matches!(only.resume(), Ok(Step::Paused)));
        assert_eq!(
            Job::without_ctx(|| ()).unwrap_err(),
            NoJobs::Limit { max: 2 },
            "the forgotten one counts"
        );
    });
}

#[test]
fn a_job_leaked_on_an_ended_thread_keeps_its_stack_for_references_to_it() {
    let (address, pointer) = mpsc::channel();
    let (go, may_go) = mpsc::channel::<()>();
    let (done, result) = mpsc::channel();
    let token = 0x5eed_1eaf;
    let thread = thread::spawn(move || {
        let mut job = Job::without_ctx(move || {
            let cell = Mutex::new([1_u64; 64]);
            thread::scope(|scope| {
                let cell = &cell;
                scope.spawn(move || {
                    address.send(()).unwrap();
                    may_go.recv().unwrap();
                    let mut numbers = cell.lock().unwrap();
                    numbers.iter_mut().for_each(|number| *number += 1);
                    done.send(numbers.iter().sum::<u64>()).unwrap();
                });
                let _ = job::pause();
            });
        })
        .unwrap();
        job.set_token(token);
        assert_eq!(job.resume(), Ok(Step::Paused));
        mem::forget(job);
        let mut idle = Job::without_ctx(|| ()).unwrap();
        assert_eq!(idle.resume(), Ok(Step::Finished(())));
    });
    pointer.recv().unwrap();
    thread.join().unwrap();
    go.send(()).unwrap();
    assert_eq!(result.recv(), Ok(128), "the thread of the leaked job has ended, its stack is still there");
    let leaks = job::leaks();
    let leak = leaks.recent.iter().find(|leak| leak.token == token).unwrap();
    assert_eq!(leak.reason, LeakReason::ThreadEnded);
    assert!(leak.name.contains("a_job_leaked_on_an_ended_thread"), "{}", leak.name);
}

/// Does something with jobs when its thread ends.
struct AtTheEnd(RefCell<Option<Box<dyn FnOnce()>>>);

impl Drop for AtTheEnd {
    fn drop(&mut self) {
        if let Some(act) = self.0.take() {
            act();
        }
    }
}

thread_local! {
    static BEFORE: AtTheEnd = const { AtTheEnd(RefCell::new(None)) };
    static AFTER: AtTheEnd = const { AtTheEnd(RefCell::new(None)) };
    static KEPT: OnceCell<RefCell<Job<()>>> = const { OnceCell::new() };
}

#[test]
fn thread_locals_that_are_older_than_the_first_job_find_it_gone() {
    let (sender, receiver) = mpsc::channel();
    let thread = thread::spawn(move || {
        BEFORE.with(|_| ());
        let log = Log::default();
        let (mut paused, kept) = (holding(&log, "job"), holding(&log, "kept"));
        let fresh = Job::without_ctx({
            let noted = Noted(Rc::clone(&log), "fresh");
            move || drop(noted)
        })
        .unwrap();
        let act = move || {
            let none = Job::without_ctx(|| ()).unwrap_err();
            let resumed = paused.resume();
            let outside = (job::current().is_none(), job::pause(), job::is_capable(), job::can_pause());
            drop((paused, kept, fresh));
            let log = log.take();
            drop(job::block_pause());
            let init = job::init_thread(PoolConfig::default());
            job::cleanup_thread();
            sender.send((none, resumed, outside, log, init, job::thread_stats().created)).unwrap();
        };
        BEFORE.with(|before| *before.0.borrow_mut() = Some(Box::new(act)));
    });
    thread.join().unwrap();
    let (none, resumed, outside, log, init, created) = receiver.recv().unwrap();
    assert_eq!(none, NoJobs::ThreadEnded);
    assert_eq!(resumed, Err(Misuse::ThreadEnded));
    assert_eq!(outside, (true, Pause::NotInJob, false, false));
    assert_eq!(log, ["fresh"], "paused jobs may refer to what is gone: they are neither resumed nor unwound");
    assert_eq!(init, Err(job::InitError::ThreadEnded));
    assert_eq!(created, 0);
}

#[test]
fn thread_locals_that_are_younger_than_the_first_job_still_have_jobs() {
    let (sender, receiver) = mpsc::channel();
    let thread = thread::spawn(move || {
        let log = Log::default();
        let job = holding(&log, "job");
        let act = move || {
            drop(job);
            let mut other = Job::without_ctx(|| 5).unwrap();
            sender.send((log.take(), other.resume())).unwrap();
        };
        AFTER.with(|after| *after.0.borrow_mut() = Some(Box::new(act)));
    });
    thread.join().unwrap();
    assert_eq!(receiver.recv().unwrap(), (vec!["job"], Ok(Step::Finished(5))));
}

#[test]
fn a_job_may_be_kept_in_a_thread_local() {
    let thread = thread::spawn(|| {
        KEPT.with(|kept| {
            let job = kept.get_or_init(|| RefCell::new(holding(&Log::default(), "kept")));
            assert_eq!(job.borrow_mut().resume(), Ok(Step::Paused));
        });
    });
    thread.join().unwrap();
}

#[test]
fn the_first_job_of_a_thread_may_be_made_at_its_end() {
    let (sender, receiver) = mpsc::channel();
    let thread = thread::spawn(move || {
        let act = move || {
            let mut job = Job::without_ctx(job::pause).unwrap();
            assert!(matches!(job.resume(), Ok(Step::Paused)));
            sender.send(job.resume()).unwrap();
        };
        BEFORE.with(|before| *before.0.borrow_mut() = Some(Box::new(act)));
    });
    thread.join().unwrap();
    assert_eq!(receiver.recv().unwrap(), Ok(Step::Finished(Pause::Resumed)));
}

#[test]
fn a_process_may_exit_from_inside_a_job() {
    let name = "a_process_may_exit_from_inside_a_job";
    let status = job_helpers::in_child(name, || {
        KEPT.with(|kept| {
            let job = kept.get_or_init(|| RefCell::new(Job::without_ctx(|| std::process::exit(17)).unwrap()));
            let paused = holding(&Log::default(), "other");
            BEFORE.with(|before| *before.0.borrow_mut() = Some(Box::new(move || drop(paused))));
            let _ = job.borrow_mut().resume();
        });
    });
    if let Some(status) = status {
        assert_eq!(status.code(), Some(17));
    }
}
