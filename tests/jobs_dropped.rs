//! How jobs end that do not finish: dropped, leaked, left behind by their thread, in the middle of a panic. All of it
//! is safe code, so none of it may do worse than leak.

mod common;

use std::cell::{Cell, OnceCell, RefCell};
use std::mem;
use std::os::unix::process::ExitStatusExt;
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use simaccel::job::{self, LeakReason, Misuse, NoJobs, Pause, PoolConfig};
use simaccel::{Job, Step, WaitCtx};

type Log = Rc<RefCell<Vec<&'static str>>>;

/// Writes its name down when it is dropped.
struct Noted(Log, &'static str);

impl Drop for Noted {
    fn drop(&mut self) {
        self.0.borrow_mut().push(self.1);
    }
}

/// A job that owns a [`Noted`] on its stack and pauses for ever.
fn holding(log: &Log, name: &'static str) -> Job<()> {
    let log = Rc::clone(log);
    let mut job = Job::without_ctx(move || {
        let _noted = Noted(log, name);
        while job::pause() == Pause::Resumed {}
    })
    .unwrap();
    assert_eq!(job.resume(), Ok(Step::Paused));
    job
}

fn pauses_and_ignores_it() {
    let _ = job::pause();
}

fn resumes_and_ignores_it<T>(job: &mut Job<T>) {
    let _ = job.resume();
}

fn panic_message(result: thread::Result<()>) -> &'static str {
    result.unwrap_err().downcast_ref::<&str>().copied().unwrap()
}

fn catch(f: impl FnOnce()) -> thread::Result<()> {
    panic::catch_unwind(AssertUnwindSafe(f))
}

#[test]
fn a_paused_job_unwinds_when_it_is_dropped() {
    let log = Log::default();
    let job = holding(&log, "local");
    assert!(log.borrow().is_empty());
    drop(job);
    assert_eq!(*log.borrow(), ["local"]);
    assert!(!thread::panicking());
    let stats = job::thread_stats();
    assert_eq!((stats.dropped, stats.paused, stats.idle), (1, 0, 1));
}

#[test]
fn unwinding_runs_every_frame_and_no_panic_hook() {
    #[inline(never)]
    fn frames(log: &Log, depth: usize) {
        const NAMES: [&str; 3] = ["outer", "middle", "inner"];
        let _noted = Noted(Rc::clone(log), NAMES[depth]);
        if depth + 1 < NAMES.len() {
            frames(log, depth + 1);
        } else {
            let _ = job::pause();
            unreachable!("the job is dropped");
        }
    }
    let name = "unwinding_runs_every_frame_and_no_panic_hook";
    common::passes_in_child(name, || {
        let hooked = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&hooked);
        panic::set_hook(Box::new(move |_| flag.store(true, Ordering::Relaxed)));
        let log = Log::default();
        let inner = Rc::clone(&log);
        let mut job = Job::without_ctx(move || frames(&inner, 0)).unwrap();
        assert_eq!(job.resume(), Ok(Step::Paused));
        drop(job);
        drop(panic::take_hook());
        assert_eq!(*log.borrow(), ["inner", "middle", "outer"]);
        assert!(!hooked.load(Ordering::Relaxed), "a drop is not a panic to report");
    });
}

#[test]
fn a_job_that_was_never_resumed_drops_its_closure() {
    let log = Log::default();
    for boxed in [false, true] {
        let (noted, large) = (Noted(Rc::clone(&log), "closure"), [0_u8; 8192]);
        if boxed {
            drop(Job::without_ctx(move || (drop(noted), large.len())).unwrap());
        } else {
            drop(Job::without_ctx(move || drop(noted)).unwrap());
        }
    }
    assert_eq!(*log.borrow(), ["closure", "closure"]);
    assert_eq!(job::thread_stats().idle, 1);
}

#[test]
fn a_result_that_nobody_waits_for_is_dropped() {
    let log = Log::default();
    let inner = Rc::clone(&log);
    let mut job = Job::without_ctx(move || {
        assert!(catch(pauses_and_ignores_it).is_err(), "the job swallows its unwinding");
        Noted(inner, "result")
    })
    .unwrap();
    assert!(matches!(job.resume(), Ok(Step::Paused)));
    drop(job);
    assert_eq!(*log.borrow(), ["result"]);
    let stats = job::thread_stats();
    assert_eq!((stats.dropped, stats.given_up, stats.idle), (1, 0, 1));
}

/// Swallows this many unwindings. Named, to be found in the list of leaks.
fn stubborn(times: u32, log: Log) -> impl FnOnce() {
    move || {
        let _noted = Noted(log, "unwound");
        for _ in 0..times {
            let _swallowed = catch(|| while job::pause() == Pause::Resumed {});
        }
    }
}

#[test]
fn a_job_that_swallows_its_unwinding_is_told_again_and_then_given_up() {
    let log = Log::default();
    for times in [1, 3, 4] {
        let mut job = Job::without_ctx(stubborn(times, Rc::clone(&log))).unwrap();
        assert_eq!(job.resume(), Ok(Step::Paused));
        drop(job);
        assert_eq!(log.take(), ["unwound"], "after swallowing {times}");
    }
    let mut job = Job::without_ctx(stubborn(u32::MAX, Rc::clone(&log))).unwrap();
    job.set_token(4711);
    assert_eq!(job.resume(), Ok(Step::Paused));
    drop(job);
    assert!(log.borrow().is_empty());
    let stats = job::thread_stats();
    assert_eq!((stats.given_up, stats.dropped, stats.paused, stats.idle), (1, 3, 0, 0));
    let leaks = job::leaks();
    let leak = leaks.recent.iter().find(|leak| leak.token == 4711).unwrap();
    assert_eq!((leak.reason, leak.thread), (LeakReason::GivenUp, thread::current().id()));
    assert!(leak.name.contains("stubborn"), "{}", leak.name);
    assert!(leaks.total >= 1);
    assert_eq!(Job::without_ctx(|| 5).unwrap().resume(), Ok(Step::Finished(5)), "others are not harmed");
}

#[test]
fn a_panic_instead_of_the_unwinding_reaches_whoever_drops() {
    let mut job = Job::without_ctx(|| {
        let _swallowed = catch(pauses_and_ignores_it);
        panic!("instead");
    })
    .map(|job: Job<()>| job)
    .unwrap();
    assert_eq!(job.resume(), Ok(Step::Paused));
    assert_eq!(panic_message(catch(|| drop(job))), "instead");
    assert_eq!(job::thread_stats().idle, 1);
}

#[test]
fn a_panic_of_the_closure_or_the_result_in_its_drop_reaches_whoever_drops() {
    struct Explodes;
    impl Drop for Explodes {
        fn drop(&mut self) {
            panic!("exploded");
        }
    }
    let explodes = Explodes;
    let unstarted = Job::without_ctx(move || drop(explodes)).unwrap();
    assert_eq!(panic_message(catch(|| drop(unstarted))), "exploded");
    let mut swallowing = Job::without_ctx(|| {
        let _swallowed = catch(pauses_and_ignores_it);
        Explodes
    })
    .unwrap();
    assert!(matches!(swallowing.resume(), Ok(Step::Paused)));
    assert_eq!(panic_message(catch(|| drop(swallowing))), "exploded");
    assert_eq!(job::thread_stats().idle, 1);
    let explodes = Explodes;
    let unwound = catch(move || {
        let _unstarted = Job::without_ctx(move || drop(explodes)).unwrap();
        panic!("first");
    });
    assert_eq!(panic_message(unwound), "first", "a second panic while unwinding would abort");
}

#[test]
fn a_panic_in_a_job_reaches_whoever_resumes_it_with_its_payload() {
    let log = Log::default();
    let noted = Noted(Rc::clone(&log), "closure");
    let mut job = Job::without_ctx(move || {
        let _noted = noted;
        assert_eq!(job::pause(), Pause::Resumed);
        panic::panic_any(1234_u64);
    })
    .map(|job: Job<()>| job)
    .unwrap();
    assert_eq!(job.resume(), Ok(Step::Paused));
    let payload = catch(|| resumes_and_ignores_it(&mut job)).unwrap_err();
    assert_eq!(payload.downcast_ref::<u64>(), Some(&1234));
    assert_eq!(*log.borrow(), ["closure"]);
    assert!(job.is_finished());
    assert_eq!(job.resume(), Err(Misuse::Finished));
    let stats = job::thread_stats();
    assert_eq!((stats.finished, stats.idle), (1, 1));
}

#[test]
fn a_panic_passes_through_nested_jobs() {
    let log = Log::default();
    let (outer, inner) = (Noted(Rc::clone(&log), "outer"), Noted(Rc::clone(&log), "inner"));
    let mut job = Job::without_ctx(move || {
        let _outer = outer;
        let mut nested = Job::without_ctx(move || {
            let _inner = inner;
            assert_eq!(job::pause(), Pause::Resumed);
            panic!("deep");
        })
        .map(|job: Job<()>| job)
        .unwrap();
        while nested.resume() == Ok(Step::Paused) {}
    })
    .unwrap();
    assert_eq!(panic_message(catch(|| resumes_and_ignores_it(&mut job))), "deep");
    assert_eq!(*log.borrow(), ["inner", "outer"]);
    assert!(job::current().is_none());
    assert_eq!(job::thread_stats().idle, 2);
}

#[test]
fn a_panic_prints_its_backtrace_on_a_default_stack() {
    let name = "a_panic_prints_its_backtrace_on_a_default_stack";
    common::passes_in_child(name, || {
        let backtrace =
            Job::without_ctx(|| std::backtrace::Backtrace::force_capture().to_string()).unwrap().resume();
        let Ok(Step::Finished(backtrace)) = backtrace else { panic!("it does not pause") };
        assert!(backtrace.contains("a_panic_prints_its_backtrace"), "{backtrace}");
    });
}

#[test]
fn while_the_thread_panics_a_drop_is_deferred_to_the_next_job_operation() {
    let log = Log::default();
    let operations: [fn(); 5] = [
        || drop(Job::without_ctx(|| ()).unwrap()),
        || job::cleanup_thread(),
        || assert!(matches!(job::raw::resume(job::raw::Handle::from_bits(0)), Err(Misuse::Stale))),
        || drop(holding(&Log::default(), "other")),
        || job::init_thread(PoolConfig::default()).unwrap(),
    ];
    for operation in operations {
        let (one, two) = (holding(&log, "one"), holding(&log, "two"));
        let unwound = catch(|| {
            let (_one, _two) = (one, two);
            panic!("unwinds over two jobs");
        });
        assert_eq!(panic_message(unwound), "unwinds over two jobs");
        assert!(log.borrow().is_empty(), "nothing switches while the thread panics");
        assert_eq!(job::thread_stats().paused, 2);
        operation();
        let mut unwound = log.take();
        unwound.sort_unstable();
        assert_eq!(unwound, ["one", "two"]);
        assert_eq!(job::thread_stats().paused, 0);
    }
}

#[test]
fn a_deferred_drop_happens_at_the_end_of_the_thread() {
    let dropped = Arc::new(AtomicU32::new(0));
    struct Counts(Arc<AtomicU32>);
    impl Drop for Counts {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let count = Arc::clone(&dropped);
    let thread = thread::spawn(move || {
        let paused = |count: &Arc<AtomicU32>| {
            let counts = Counts(Arc::clone(count));
            let mut job = Job::without_ctx(move || {
                let _counts = counts;
                while job::pause() == Pause::Resumed {}
            })
            .unwrap();
            assert_eq!(job.resume(), Ok(Step::Paused));
            job
        };
        let _jobs = [paused(&count), paused(&count), paused(&count)];
        panic!("the thread dies with three jobs");
    });
    assert!(thread.join().is_err());
    assert_eq!(dropped.load(Ordering::Relaxed), 3);
}

#[test]
fn while_the_thread_panics_no_job_is_resumed() {
    type Resumed = Result<Step<()>, Misuse>;
    struct Resumes(Job<()>, Rc<Cell<Option<Resumed>>>);
    impl Drop for Resumes {
        fn drop(&mut self) {
            self.1.set(Some(self.0.resume()));
        }
    }
    let log = Log::default();
    let seen = Rc::new(Cell::new(None));
    let resumes = Resumes(holding(&log, "job"), Rc::clone(&seen));
    let unwound = catch(|| {
        let _resumes = resumes;
        panic!("outside");
    });
    assert_eq!(panic_message(unwound), "outside");
    assert_eq!(seen.take(), Some(Err(Misuse::Panicking)));
    job::cleanup_thread();
    assert_eq!(*log.borrow(), ["job"]);
}

#[test]
fn a_job_that_owns_jobs_takes_them_along() {
    let log = Log::default();
    let inner = Rc::clone(&log);
    let mut job = Job::without_ctx(move || {
        let _jobs = [holding(&inner, "first"), holding(&inner, "second")];
        let _noted = Noted(inner, "owner");
        while job::pause() == Pause::Resumed {}
    })
    .unwrap();
    assert_eq!(job.resume(), Ok(Step::Paused));
    drop(job);
    let mut unwound = log.take();
    assert_eq!(unwound.remove(0), "owner");
    unwound.sort_unstable();
    assert_eq!(unwound, ["first", "second"], "deferred while the owner unwinds, done when it has");
    assert_eq!(job::thread_stats().idle, 3);

    let inner = Rc::clone(&log);
    let mut panics = Job::without_ctx(move || {
        let _job = holding(&inner, "owned");
        panic!("owner");
    })
    .map(|job: Job<()>| job)
    .unwrap();
    assert_eq!(panic_message(catch(|| resumes_and_ignores_it(&mut panics))), "owner");
    assert_eq!(*log.borrow(), ["owned"]);
}

#[test]
fn a_job_may_drop_another() {
    let log = Log::default();
    let other = holding(&log, "other");
    let inner = Rc::clone(&log);
    let mut job = Job::without_ctx(move || {
        drop(other);
        inner.borrow_mut().push("goes on");
        assert_eq!(job::pause(), Pause::Resumed);
    })
    .unwrap();
    assert_eq!(job.resume(), Ok(Step::Paused));
    assert_eq!(*log.borrow(), ["other", "goes on"]);
    assert_eq!(job.resume(), Ok(Step::Finished(())));
}

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
        assert!(place.try_borrow_mut().is_err(), "whoever resumes it has it");
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
fn a_job_that_owns_itself_is_leaked_and_harms_nobody() {
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
    assert_eq!((weak.strong_count(), job::thread_stats().paused), (0, 0), "until somebody breaks the circle");
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
    assert_eq!(Job::without_ctx(|| ()).unwrap_err(), NoJobs::Limit { max: 2 }, "the forgotten one counts");
}

#[test]
fn a_job_leaked_on_an_ended_thread_keeps_its_stack_for_those_who_refer_to_it() {
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
    let status = common::in_child(name, || {
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

#[test]
fn a_panic_in_a_destructor_of_an_unwinding_job_aborts_as_ever() {
    struct Explodes;
    impl Drop for Explodes {
        fn drop(&mut self) {
            panic!("second panic");
        }
    }
    let name = "a_panic_in_a_destructor_of_an_unwinding_job_aborts_as_ever";
    let status = common::in_child(name, || {
        let mut job = Job::without_ctx(|| {
            let _explodes = Explodes;
            let _ = job::pause();
        })
        .unwrap();
        assert_eq!(job.resume(), Ok(Step::Paused));
        drop(job);
    });
    if let Some(status) = status {
        assert_eq!(status.signal(), Some(libc::SIGABRT));
    }
}

#[test]
fn a_panic_caught_inside_a_destructor_of_an_unwinding_job_is_harmless() {
    struct Catches(Log);
    impl Drop for Catches {
        fn drop(&mut self) {
            assert!(catch(|| panic!("caught")).is_err());
            assert_eq!(job::pause(), Pause::Panicking);
            self.0.borrow_mut().push("caught");
        }
    }
    let log = Log::default();
    let catches = Catches(Rc::clone(&log));
    let mut job = Job::without_ctx(move || {
        let _catches = catches;
        let _ = job::pause();
    })
    .unwrap();
    assert_eq!(job.resume(), Ok(Step::Paused));
    drop(job);
    assert_eq!(*log.borrow(), ["caught"]);
    assert!(!thread::panicking());
}

#[test]
fn contexts_and_jobs_may_be_dropped_in_any_order_and_inside_jobs() {
    let log = Log::default();
    let ctx = WaitCtx::new();
    let inner = Rc::clone(&log);
    ctx.set_wait_fd(
        job::WaitKey::of(&log),
        1,
        None,
        Some(Box::new(move |_, _, _, _| {
            inner.borrow_mut().push("cleanup");
            // A cleanup is free to pause the job that it runs in.
            assert_eq!(job::pause(), Pause::Resumed);
            inner.borrow_mut().push("cleanup resumed");
        })),
    );
    let mut on_ctx = Job::new(&ctx, || while job::pause() == Pause::Resumed {}).unwrap();
    assert_eq!(on_ctx.resume(), Ok(Step::Paused));
    let mut frees = Job::without_ctx(move || drop(ctx)).unwrap();
    assert_eq!(frees.resume(), Ok(Step::Paused));
    assert_eq!(*log.borrow(), ["cleanup"]);
    assert!(on_ctx.wait_ctx().is_some(), "it has not ended yet");
    assert_eq!(frees.resume(), Ok(Step::Finished(())));
    assert!(on_ctx.wait_ctx().is_none());
    drop(on_ctx);
    assert_eq!(*log.borrow(), ["cleanup", "cleanup resumed"]);
}

#[test]
fn dropping_thousands_in_any_order_leaves_nothing_behind() {
    let log = Log::default();
    let mut jobs: Vec<Job<()>> = (0..2000).map(|_| holding(&log, "job")).collect();
    let mut seed = 1_usize;
    while !jobs.is_empty() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        drop(jobs.swap_remove((seed >> 33) % jobs.len()));
    }
    assert_eq!(log.borrow().len(), 2000);
    let stats = job::thread_stats();
    assert_eq!((stats.created, stats.dropped, stats.paused, stats.idle), (2000, 2000, 0, 2000));
    job::cleanup_thread();
    assert_eq!(job::thread_stats().idle, 0);
}
