//! Jobs that end without finishing: dropped, in the middle of a panic, while they unwind. All of it is safe
//! code, so at worst it may leak.

mod captured;
mod job_helpers;

use job_helpers::{Log, Noted, catch, holding};
use simaccel::job::{self, LeakReason, Misuse, Pause, PoolConfig};
use simaccel::{Job, Step, WaitCtx};
use std::cell::{Cell, RefCell};
use std::os::unix::process::ExitStatusExt;
use std::panic;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

fn pauses_and_ignores_it() {
    let _ = job::pause();
}

fn resumes_and_ignores_it<T>(job: &mut Job<T>) {
    let _ = job.resume();
}

fn panic_message(result: thread::Result<()>) -> &'static str {
    result.unwrap_err().downcast_ref::<&str>().copied().unwrap()
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
    job_helpers::passes_in_child(name, || {
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
fn a_result_without_a_waiter_is_dropped() {
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

/// Swallows this many unwindings. A named function, so that the list of leaks shows it.
fn stubborn(times: u32, log: Log) -> impl FnOnce() {
    move || {
        let _noted = Noted(log, "unwound");
        for _ in 0..times {
            let _swallowed = catch(|| while job::pause() == Pause::Resumed {});
        }
    }
}

#[test]
fn a_job_that_swallows_its_unwinding_is_unwound_again_and_then_given_up() {
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
fn a_panic_instead_of_the_unwinding_reaches_the_caller_of_drop() {
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
fn a_panic_of_the_closure_or_the_result_in_its_drop_reaches_the_caller() {
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

/// The payload of a panic, whose destructor panics too.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("the payload goes off");
    }
}

#[test]
fn a_payload_that_panics_holds_up_no_other_job() {
    let log = Log::default();
    let defiant = || {
        let mut job = Job::without_ctx(|| {
            let _ = catch(pauses_and_ignores_it);
            panic::panic_any(Bomb);
        })
        .unwrap();
        assert!(matches!(job.resume(), Ok(Step::Paused)));
        job
    };
    let outside = catch(|| {
        let _dropped = (defiant(), holding(&log, "first"), defiant(), holding(&log, "second"));
        panic!("outside");
    });
    assert_eq!(panic_message(outside), "outside");
    // The next job operation ends the deferred ones.
    drop(Job::without_ctx(|| ()).unwrap());
    let mut ended = log.borrow().clone();
    ended.sort_unstable();
    assert_eq!(ended, ["first", "second"]);
    assert_eq!(job::thread_stats().paused, 0);
}

#[test]
fn a_panic_in_a_job_reaches_its_resumer_with_its_payload() {
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
    job_helpers::passes_in_child(name, || {
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

/// This holds for the jobs of every panic, not only of the first. The thread-locals that they have used are
/// still there, however late they were first used.
#[test]
fn what_every_panic_of_a_thread_has_deferred_is_dropped_before_its_thread_locals() {
    struct Value(Arc<AtomicU32>);
    impl Drop for Value {
        fn drop(&mut self) {
            self.0.store(0, Ordering::Relaxed);
        }
    }
    thread_local! {
        static FIRST: RefCell<Option<Value>> = const { RefCell::new(None) };
        static SECOND: RefCell<Option<Value>> = const { RefCell::new(None) };
        static THIRD: RefCell<Option<Value>> = const { RefCell::new(None) };
    }
    type Key = &'static thread::LocalKey<RefCell<Option<Value>>>;
    struct Reads(Key, Arc<AtomicU32>);
    impl Drop for Reads {
        fn drop(&mut self) {
            let alive = self.0.try_with(|value| value.borrow().as_ref().unwrap().0.load(Ordering::Relaxed));
            self.1.fetch_add(alive.unwrap_or(0), Ordering::Relaxed);
        }
    }
    let panics_over_a_job = |key: Key, dropped: &Arc<AtomicU32>| {
        let reads = Reads(key, Arc::clone(dropped));
        let unwound = catch(move || {
            let mut job = Job::without_ctx(move || {
                key.set(Some(Value(Arc::new(AtomicU32::new(1)))));
                let _reads = reads;
                while job::pause() == Pause::Resumed {}
            })
            .unwrap();
            assert_eq!(job.resume(), Ok(Step::Paused));
            panic!("over a job");
        });
        assert_eq!(panic_message(unwound), "over a job");
    };
    let keys: [Key; 3] = [&FIRST, &SECOND, &THIRD];
    for panics in 1..=keys.len() {
        let dropped = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&dropped);
        let body = move || keys[..panics].iter().for_each(|key| panics_over_a_job(key, &count));
        thread::spawn(body).join().unwrap();
        assert_eq!(
            dropped.load(Ordering::Relaxed) as usize,
            panics,
            "of {panics} jobs, with their thread-locals"
        );
    }
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

#[test]
fn a_panic_in_a_destructor_of_an_unwinding_job_aborts() {
    struct Explodes;
    impl Drop for Explodes {
        fn drop(&mut self) {
            panic!("second panic");
        }
    }
    let name = "a_panic_in_a_destructor_of_an_unwinding_job_aborts";
    let status = job_helpers::in_child(name, || {
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
    ctx.set_raw_fd(
        job::WaitKey::of(&log),
        1,
        None,
        Some(Box::new(move |_, _, _, _| {
            inner.borrow_mut().push("cleanup");
            // A cleanup may pause the job that it runs in.
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
