//! Jobs: statements 24 to 57 and 62 of `docs/semantics.md` for typed jobs, one test each, named after it.
#![allow(unsafe_code, reason = "reads errno, changes the signal mask and forks")]

mod captured;
mod job_helpers;

use self::job_helpers::{pauses, pausing, run, try_pausing};

use simaccel::job::{self, InitError, Misuse, NoJobs, Pause, PoolConfig};
use simaccel::{Job, Step, WaitCtx};
use std::cell::Cell;
use std::hint::black_box;
use std::os::unix::process::ExitStatusExt;
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;

fn limit(max_jobs: usize) {
    job::init_thread(PoolConfig { max_jobs, ..PoolConfig::default() }).unwrap();
}

/// The address of a variable on the current stack.
#[inline(never)]
fn here() -> usize {
    let variable = 0_u8;
    black_box(&raw const variable).addr()
}

#[test]
fn s24_jobs_are_possible_here() {
    assert!(job::is_capable());
    assert!(run(job::is_capable));
}

#[test]
fn s25_the_first_job_makes_the_pool_without_limit() {
    assert_eq!(job::thread_stats(), job::ThreadStats::default());
    let jobs: Vec<Job<u32>> = (0..200).map(pausing).collect();
    assert_eq!(job::thread_stats().fresh, 200);
    drop(jobs);
    assert_eq!(job::thread_stats().dropped, 200);
}

#[test]
fn s26_stacks_are_used_again_newest_first_and_the_limit_counts_all_jobs() {
    limit(2);
    let address = || {
        Job::without_ctx(|| {
            let address = here();
            assert_eq!(job::pause(), Pause::Resumed);
            address
        })
    };
    let finish = |mut job: Job<usize>| match job.resume().unwrap() {
        Step::Finished(address) => address,
        Step::Paused => panic!("it pauses once"),
    };
    let (mut first, mut second) = (address().unwrap(), address().unwrap());
    pauses(&mut first);
    pauses(&mut second);
    assert_eq!(address().unwrap_err(), NoJobs::Limit { max: 2 }, "paused jobs count");
    let (first, second) = (finish(first), finish(second));
    assert_ne!(first, second);
    let mut third = address().unwrap();
    pauses(&mut third);
    let mut fourth = address().unwrap();
    pauses(&mut fourth);
    assert_eq!((finish(third), finish(fourth)), (second, first));
    assert_eq!(job::thread_stats().idle, 2);
}

#[test]
fn s27_no_jobs_is_a_value_and_trying_again_works() {
    limit(1);
    let dropped = Rc::new(());
    let mut only = pausing(1);
    pauses(&mut only);
    let held = Rc::clone(&dropped);
    let refused = Job::without_ctx(move || drop(held));
    assert_eq!(refused.unwrap_err(), NoJobs::Limit { max: 1 });
    assert_eq!(Rc::strong_count(&dropped), 1, "the closure is dropped with the refusal");
    assert_eq!(job::reserve(), Err(NoJobs::Limit { max: 1 }), "which one can foresee");
    assert_eq!(only.resume(), Ok(Step::Finished(1)));
    assert_eq!(job::reserve(), Ok(()));
    assert_eq!(run(|| 5), 5);
}

#[test]
fn s29_a_job_without_context_pauses_and_resumes() {
    let mut job = Job::without_ctx(|| {
        assert!(job::current().unwrap().wait_ctx().is_none());
        let pause = job::pause();
        (pause, job::current().unwrap().wait_ctx().is_none())
    })
    .unwrap();
    assert!(job.wait_ctx().is_none());
    pauses(&mut job);
    assert_eq!(job.resume(), Ok(Step::Finished((Pause::Resumed, true))));
}

#[test]
fn s30_resuming_goes_on_with_what_the_job_was_started_with() {
    let (ctx, other) = (WaitCtx::new(), WaitCtx::new());
    let mut job = Job::new(&ctx, || {
        assert_eq!(job::pause(), Pause::Resumed);
        job::current().unwrap().wait_ctx().unwrap().set_status(job::WaitStatus::Ok);
        "mine"
    })
    .unwrap();
    pauses(&mut job);
    let mut later = Job::new(&other, || "another's").unwrap();
    assert_eq!(later.resume(), Ok(Step::Finished("another's")));
    assert_eq!(job.resume(), Ok(Step::Finished("mine")));
    assert_eq!((ctx.status(), other.status()), (job::WaitStatus::Ok, job::WaitStatus::Unsupported));
}

#[test]
fn s31_a_pause_gives_no_result_and_leaves_no_current_job() {
    let mut job = pausing(2);
    for _ in 0..2 {
        assert_eq!(job.resume(), Ok(Step::Paused));
        assert!(job::current().is_none());
        assert!(!job.is_finished());
    }
    assert_eq!(job.resume(), Ok(Step::Finished(2)));
}

#[test]
fn s32_finishing_gives_the_result_and_the_job_back() {
    let mut job = Job::without_ctx(|| String::from("result")).unwrap();
    assert_eq!(job::thread_stats().idle, 0);
    assert_eq!(job.resume(), Ok(Step::Finished(String::from("result"))));
    assert!(job.is_finished());
    assert!(job::current().is_none());
    let stats = job::thread_stats();
    assert_eq!((stats.finished, stats.idle), (1, 1), "before the owner lets go");
    drop(job);
    assert_eq!(job::thread_stats(), stats);
}

#[test]
fn s33_a_job_from_the_pool_is_as_good_as_new() {
    limit(1);
    let mut first = Job::without_ctx(|| {
        std::mem::forget(job::block_pause());
        job::current().unwrap().token()
    })
    .unwrap();
    first.set_token(99);
    assert_eq!(first.resume(), Ok(Step::Finished(99)));
    let mut second = Job::without_ctx(|| (job::can_pause(), job::current().unwrap().token())).unwrap();
    let token = second.token();
    assert_ne!(token, 99);
    assert_ne!(token, first.token());
    assert_eq!(second.resume(), Ok(Step::Finished((true, token))));
}

#[test]
fn s34_a_job_may_start_another() {
    let nested = run(|| {
        let outer = job::current().unwrap().token();
        let mut inner = Job::without_ctx(|| {
            let inner = job::current().unwrap().token();
            assert_eq!(job::pause(), Pause::Resumed);
            inner
        })
        .unwrap();
        pauses(&mut inner);
        assert_eq!(job::current().unwrap().token(), outer, "the inner pause leads back here");
        let token = inner.token();
        assert_eq!(inner.resume(), Ok(Step::Finished(token)));
        assert_eq!(job::current().unwrap().token(), outer);
        token != outer
    });
    assert!(nested);
    assert!(job::current().is_none());
    assert_eq!(job::thread_stats().finished, 2);
}

#[test]
fn s35_a_job_may_resume_another_that_is_paused() {
    let mut other = pausing(3);
    pauses(&mut other);
    let mut job = Job::without_ctx(move || {
        pauses(&mut other);
        let me = job::current().unwrap().token();
        assert_eq!(job::pause(), Pause::Resumed);
        pauses(&mut other);
        assert_eq!(job::current().unwrap().token(), me);
        other
    })
    .unwrap();
    pauses(&mut job);
    let Ok(Step::Finished(mut other)) = job.resume() else { panic!("it has nothing more to wait for") };
    assert_eq!(other.resume(), Ok(Step::Finished(3)), "and outside again");
}

#[test]
fn s36_a_finished_job_refuses_to_be_resumed() {
    let mut finished = pausing(0);
    assert_eq!(finished.resume(), Ok(Step::Finished(0)));
    assert_eq!(finished.resume(), Err(Misuse::Finished));
    let mut other = pausing(1);
    pauses(&mut other);
    assert_eq!(finished.resume(), Err(Misuse::Finished), "also while its stack serves another");
    assert_eq!(other.resume(), Ok(Step::Finished(1)));
    assert_eq!(job::thread_stats().idle, 1);
}

#[test]
fn s37_paused_jobs_do_not_stop_others_from_starting() {
    let mut paused = pausing(1);
    pauses(&mut paused);
    assert_eq!(run(|| 7), 7);
    let inner = run(move || {
        pauses(&mut pausing(1));
        paused.resume()
    });
    assert_eq!(inner, Ok(Step::Finished(1)));
}

#[test]
fn s38_a_failed_start_leaves_the_pool_as_it_was() {
    limit(1);
    let mut job = pausing(1);
    pauses(&mut job);
    let before = job::thread_stats();
    for _ in 0..10 {
        assert_eq!(try_pausing(1).unwrap_err(), NoJobs::Limit { max: 1 });
    }
    assert_eq!(job::thread_stats(), before);
}

#[test]
fn s39_pausing_outside_or_blocked_returns_at_once() {
    assert_eq!(job::pause(), Pause::NotInJob, "before the thread's first job");
    assert!(!job::can_pause());
    let ctx = WaitCtx::new();
    ctx.set_raw_fd(job::WaitKey::of(&ctx), 4, None, None);
    let mut job = Job::new(&ctx, || {
        let block = job::block_pause();
        assert_eq!((job::pause(), job::can_pause()), (Pause::Blocked, false));
        drop(block);
        assert!(job::can_pause());
    })
    .unwrap();
    assert_eq!(job.resume(), Ok(Step::Finished(())));
    assert_eq!(job::pause(), Pause::NotInJob, "after it");
    assert_eq!(ctx.changed_raw_fds().added, [4], "nothing was reset");
}

#[test]
fn s40_a_pause_says_what_it_did() {
    struct PausesWhenDropped(Rc<Cell<Option<Pause>>>);
    impl Drop for PausesWhenDropped {
        fn drop(&mut self) {
            self.0.set(Some(job::pause()));
        }
    }
    let seen = Rc::new(Cell::new(None));
    let guard = PausesWhenDropped(Rc::clone(&seen));
    let mut job = Job::without_ctx(move || {
        let _guard = guard;
        panic!("unwinds through the guard");
    })
    .unwrap();
    let resumed: Result<Result<Step<()>, Misuse>, _> = panic::catch_unwind(AssertUnwindSafe(|| job.resume()));
    assert_eq!(resumed.unwrap_err().downcast_ref::<&str>(), Some(&"unwinds through the guard"));
    assert_eq!(seen.get(), Some(Pause::Panicking), "nothing switches while the thread panics");

    let guard = PausesWhenDropped(Rc::clone(&seen));
    let mut job = Job::without_ctx(move || drop(guard)).unwrap();
    pauses(&mut job);
    assert_eq!(job.resume(), Ok(Step::Finished(())));
    assert_eq!(seen.get(), Some(Pause::Resumed), "in a destructor that runs for another reason it does");
}

#[test]
fn s41_any_resume_is_legal() {
    let ready = Rc::new(Cell::new(false));
    let seen = Rc::clone(&ready);
    let mut job = Job::without_ctx(move || {
        let mut waits = 0;
        while !seen.get() {
            assert_eq!(job::pause(), Pause::Resumed);
            waits += 1;
        }
        waits
    })
    .unwrap();
    (0..5).for_each(|_| pauses(&mut job));
    ready.set(true);
    assert_eq!(job.resume(), Ok(Step::Finished(5)), "four of the five were spurious");
}

#[test]
fn s42_the_current_job_is_the_running_one() {
    assert!(job::current().is_none());
    let mut job = Job::without_ctx(|| {
        let current = job::current().unwrap();
        let _block = job::block_pause();
        assert_eq!(job::current().unwrap().handle(), current.handle(), "also while it is blocked");
        (current.token(), current.handle())
    })
    .unwrap();
    let token = job.token();
    let Ok(Step::Finished((seen, handle))) = job.resume() else { panic!("it does not pause") };
    assert_eq!(seen, token);
    assert_eq!(handle.to_bits(), token, "the token is the handle, until another is set");
    assert!(job::current().is_none());
}

#[test]
fn s43_the_context_is_there_until_the_job_has_finished() {
    let ctx = WaitCtx::new();
    let mut job = Job::new(&ctx, || {
        let current = job::current().unwrap();
        current.wait_ctx().unwrap().set_raw_fd(job::WaitKey::from_addr(1), 8, None, None);
        assert_eq!(job::pause(), Pause::Resumed);
        current
    })
    .unwrap();
    pauses(&mut job);
    assert_eq!(job.wait_ctx().unwrap().all_raw_fds(), [8]);
    let Ok(Step::Finished(current)) = job.resume() else { panic!("it pauses once") };
    assert!(current.wait_ctx().is_none());
    assert!(job.wait_ctx().is_none());
    let mut next = Job::new(&ctx, job::pause).unwrap();
    pauses(&mut next);
    assert!(current.wait_ctx().is_none(), "also when the stack serves the next one");
}

#[test]
fn s44_blocks_add_up_and_are_of_no_effect_outside() {
    let outside = job::block_pause();
    let mut job = Job::without_ctx(|| {
        let (one, two) = (job::block_pause(), job::block_pause());
        assert_eq!(job::pause(), Pause::Blocked);
        drop(one);
        assert_eq!(job::pause(), Pause::Blocked);
        drop(two);
        job::raw::unblock_pause();
        job::raw::unblock_pause();
        let last = job::block_pause();
        assert_eq!(job::pause(), Pause::Blocked, "too many ends are not counted in advance");
        drop(last);
        assert_eq!(job::pause(), Pause::Resumed);
    })
    .unwrap();
    pauses(&mut job);
    drop(outside);
    assert_eq!(job.resume(), Ok(Step::Finished(())));
}

#[test]
fn s45_a_block_ends_with_its_job() {
    let mut careless = Job::without_ctx(|| {
        job::raw::block_pause();
        std::mem::forget(job::block_pause());
        job::block_pause()
    })
    .unwrap();
    let Ok(Step::Finished(guard)) = careless.resume() else { panic!("it cannot pause") };
    let mut next = Job::without_ctx(|| {
        let pause = job::pause();
        let _own = job::block_pause();
        (pause, run(|| drop(guard)), job::pause())
    })
    .unwrap();
    pauses(&mut next);
    let expected = (Pause::Resumed, (), Pause::Blocked);
    assert_eq!(
        next.resume(),
        Ok(Step::Finished(expected)),
        "and a guard that outlives its job lifts no other block"
    );
}

#[test]
fn s47_init_thread_checks_its_numbers() {
    let config = |max_jobs, initial_jobs| PoolConfig { max_jobs, initial_jobs, ..PoolConfig::default() };
    let try_init = |max, initial| job::init_thread(config(max, initial));
    assert_eq!(try_init(1, 2), Err(InitError::InitialAboveMax { initial: 2, max: 1 }));
    assert_eq!(try_init(0, 1), Err(InitError::InitialAboveMax { initial: 1, max: 0 }));
    let too_many = i32::MAX as usize + 1;
    assert_eq!(try_init(too_many, 0), Err(InitError::MaxTooLarge { max: too_many }));
    let stack = |stack_size, guard_size| PoolConfig { stack_size, guard_size, ..PoolConfig::default() };
    assert!(matches!(job::init_thread(stack(1000, 0)), Err(InitError::StackSize { size: 1000, .. })));
    assert!(matches!(job::init_thread(stack(usize::MAX, 0)), Err(InitError::StackSize { .. })));
    assert!(matches!(job::init_thread(stack(65536, usize::MAX)), Err(InitError::GuardSize { .. })));
    assert_eq!(job::thread_stats().idle, 0, "a refused configuration changes nothing");
    assert_eq!(try_init(i32::MAX as usize, 0), Ok(()));
    assert_eq!(try_init(0, 0), Ok(()), "no limit");
    assert_eq!(try_init(3, 3), Ok(()));
    assert_eq!(job::thread_stats().idle, 3, "made in advance");
}

#[test]
fn s49_a_second_init_counts_the_jobs_of_the_first() {
    limit(2);
    let mut old: Vec<Job<u32>> = (0..2).map(|_| pausing(1)).collect();
    old.iter_mut().for_each(pauses);
    job::init_thread(PoolConfig { max_jobs: 2, stack_size: 128 * 1024, ..PoolConfig::default() }).unwrap();
    assert_eq!(try_pausing(0).unwrap_err(), NoJobs::Limit { max: 2 });
    assert_eq!(old.pop().unwrap().resume(), Ok(Step::Finished(1)));
    let used = run(|| deep(96 * 1024));
    assert_eq!(used, 96 * 1024, "stacks of the new size take the place of the old ones");
    let mut new = pausing(1);
    pauses(&mut new);
    assert_eq!(try_pausing(0).unwrap_err(), NoJobs::Limit { max: 2 });
    assert_eq!(old.pop().unwrap().resume(), Ok(Step::Finished(1)));
    limit(1);
    assert_eq!(try_pausing(0).unwrap_err(), NoJobs::Limit { max: 1 }, "a lower limit holds at once");
    assert_eq!(new.resume(), Ok(Step::Finished(1)));
}

/// Uses this many bytes of stack, and returns that number.
#[inline(never)]
fn deep(bytes: usize) -> usize {
    const FRAME: usize = 4096;
    let frame = [0_u8; FRAME];
    black_box(&frame);
    if bytes > FRAME { FRAME + deep(bytes - FRAME) } else { bytes }
}

#[test]
fn s50_cleanup_frees_what_is_idle_and_may_be_repeated() {
    job::cleanup_thread();
    job::init_thread(PoolConfig { max_jobs: 4, initial_jobs: 4, ..PoolConfig::default() }).unwrap();
    assert_eq!(job::thread_stats().idle, 4);
    job::cleanup_thread();
    job::cleanup_thread();
    assert_eq!(job::thread_stats().idle, 0);
    let jobs: Vec<Job<u32>> = (0..5).map(pausing).collect();
    assert_eq!(jobs.len(), 5, "the limit is forgotten, and jobs are made anew");
}

#[test]
fn s51_paused_jobs_survive_a_cleanup() {
    let ctx = WaitCtx::new();
    let mut idle = pausing(0);
    let mut job = Job::new(&ctx, || {
        assert_eq!(job::pause(), Pause::Resumed);
        job::cleanup_thread();
        assert_eq!(job::pause(), Pause::Resumed);
        job::current().unwrap().wait_ctx().is_some()
    })
    .unwrap();
    pauses(&mut job);
    assert_eq!(idle.resume(), Ok(Step::Finished(0)));
    job::cleanup_thread();
    assert_eq!(job::thread_stats().idle, 0);
    pauses(&mut job);
    assert_eq!(job.resume(), Ok(Step::Finished(true)));
    let stats = job::thread_stats();
    assert_eq!((stats.finished, stats.idle), (2, 0), "its stack is not pooled again");
}

#[test]
fn s53_a_job_stays_on_its_thread() {
    assert!(!is_send!(Job<()>));
    assert!(!is_send!(&Job<()>));
    assert!(!is_send!(job::CurrentJob));
    assert!(!is_send!(job::PauseBlock));
}

#[test]
fn s54_one_job_runs_and_any_number_is_paused() {
    let mut jobs: Vec<Job<u32>> = (0..2000).map(|number| pausing(number % 3)).collect();
    let mut round = 0;
    while !jobs.is_empty() {
        jobs.retain_mut(|job| match job.resume().unwrap() {
            Step::Paused => true,
            Step::Finished(times) => {
                assert_eq!(times, round);
                false
            }
        });
        round += 1;
        let stats = job::thread_stats();
        assert_eq!((stats.running, stats.paused), (0, jobs.len() as u64));
    }
    assert_eq!(run(|| job::thread_stats().running), 1);
}

thread_local! {
    static SHARED: Cell<u32> = const { Cell::new(0) };
}

#[test]
fn s56_the_state_of_the_thread_is_shared_by_its_jobs() {
    fn errno() -> i32 {
        // SAFETY: the address of errno is valid on every thread.
        unsafe { *libc::__errno_location() }
    }
    fn set_errno(value: i32) {
        // SAFETY: as above.
        unsafe { *libc::__errno_location() = value };
    }
    fn change_mask(how: i32) -> bool {
        // SAFETY: the sets are initialised before they are used, and nothing sends the signal.
        unsafe {
            let mut set = std::mem::zeroed();
            let mut old = std::mem::zeroed();
            libc::sigemptyset(&mut set);
            libc::sigaddset(&mut set, libc::SIGWINCH);
            libc::pthread_sigmask(how, &set, &mut old);
            libc::sigismember(&old, libc::SIGWINCH) == 1
        }
    }
    let mut job = Job::without_ctx(|| {
        change_mask(libc::SIG_BLOCK);
        SHARED.set(1);
        set_errno(41);
        assert_eq!(job::pause(), Pause::Resumed);
        (errno(), SHARED.get(), change_mask(libc::SIG_BLOCK))
    })
    .unwrap();
    pauses(&mut job);
    assert_eq!((errno(), SHARED.get(), change_mask(libc::SIG_UNBLOCK)), (41, 1, true));
    SHARED.set(2);
    set_errno(42);
    assert_eq!(job.resume(), Ok(Step::Finished((42, 2, false))));
}

#[test]
fn s57_an_overflow_is_a_clean_fault() {
    let overflows = |config: PoolConfig| {
        move || {
            job::init_thread(config).unwrap();
            let mut below = Job::without_ctx(job::pause).unwrap();
            pauses(&mut below);
            run(|| deep(1 << 20));
        }
    };
    let name = "s57_an_overflow_is_a_clean_fault";
    let Some(status) = job_helpers::in_child(name, overflows(PoolConfig::default())) else { return };
    assert_eq!(status.signal(), Some(libc::SIGSEGV));
    assert_eq!(run(|| deep(48 * 1024)), 48 * 1024, "what fits does not fault");
}

#[test]
fn s62_a_fork_copies_paused_jobs() {
    job_helpers::passes_in_child("s62_a_fork_copies_paused_jobs", || {
        let mut job = Job::without_ctx(|| {
            assert_eq!(job::pause(), Pause::Resumed);
            std::process::id()
        })
        .unwrap();
        pauses(&mut job);
        // SAFETY: the child runs on memory of its own and leaves with `_exit`.
        let child = unsafe { libc::fork() };
        let Ok(Step::Finished(process)) = job.resume() else { panic!("it pauses once") };
        let right = process == std::process::id() && run(|| 5) == 5;
        if child == 0 {
            // SAFETY: ends the process at once.
            unsafe { libc::_exit(i32::from(!right)) };
        }
        let mut status = -1;
        // SAFETY: waits for our own child.
        assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
        assert_eq!(status, 0, "the child resumes its copy");
        assert!(right, "and the parent its own");
    });
}
