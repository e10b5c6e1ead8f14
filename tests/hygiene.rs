//! What a process leaves behind (fds, threads, mappings), and what it does to itself (fork, fd numbers,
//! exhaustion).
//!
//! One test function, because the counts belong to the process.

mod captured;
mod engine_helpers;

use std::os::fd::AsRawFd;

use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::wait::{WaitStatus, waitpid};
use simaccel::{Engine, Error, Job, Step, WaitCtx, job};

use self::engine_helpers::{
    IV, assert_adds_up, ctr, expected_ctr, finish, mappings, message, open, open_fds, stepped, threads,
};

/// Operations of the long run.
const MILLION: usize = 1_000_000;

type CipherJob = Job<Result<Vec<u8>, Error>>;

fn encrypt_job(engine: &Engine, ctx: &WaitCtx, index: usize) -> CipherJob {
    let session = ctr(engine);
    Job::new(ctx, move || Ok(session.encrypt(&IV, message(index, 48))?)).unwrap()
}

#[test]
fn the_process_is_left_as_it_was() {
    // First, because the threads of a scope stay in the list for a moment.
    a_watchdog_is_one_thread_where_it_is_wanted_and_ends_with_its_engine();
    nothing_is_left_after_a_million_operations();
    fd_numbers_above_1024_work();
    an_exhausted_pool_is_a_value_and_can_be_retried();
    a_forked_child_is_refused_and_does_not_hang();
    a_forked_child_may_open_its_own_engine();
    a_child_does_not_touch_inherited_fds();
    a_poll_that_forks_inside_ends_in_the_child();
}

/// A bit of everything: jobs finished, dropped and leaked, contexts, engines, threads.
fn mixed_run(operations: usize) {
    let engine = stepped("delivery=poll");
    let ctx = WaitCtx::new();
    let session = ctr(&engine);
    for round in 0..operations / 100 {
        let mut jobs: Vec<_> = (0..100)
            .map(|_| {
                let session = session.clone();
                Job::new(&ctx, move || session.encrypt(&IV, vec![1; 32]).map(drop)).unwrap()
            })
            .collect();
        for job in &mut jobs {
            assert!(matches!(job.resume().unwrap(), Step::Paused));
        }
        if round % 10 == 0 {
            jobs.truncate(90); // one in a hundred is dropped while paused
        }
        while !jobs.is_empty() {
            engine.device().run_until_idle();
            engine.poll(1_000, |_| ()).unwrap();
            jobs.retain_mut(|job| matches!(job.resume().unwrap(), Step::Paused));
        }
    }
    engine.device().run_until_idle();
    engine.poll(1_000, |_| ()).unwrap();
    assert_adds_up(&engine);
}

/// The same on worker threads with wake fds, in threads that end.
fn threaded_run(operations: usize) {
    let engine = open("workers=2;queue_pairs=2");
    let threads = (0..3).map(|thread| {
        let engine = engine.clone();
        std::thread::spawn(move || {
            for index in 0..operations / 30 {
                let ctx = WaitCtx::new();
                for round in 0..10 {
                    let mut job = encrypt_job(&engine, &ctx, thread + index);
                    if round == 9 {
                        assert!(matches!(job.resume().unwrap(), Step::Paused));
                    } else {
                        finish(&ctx, &mut job).0.unwrap();
                    }
                }
            }
        })
    });
    // Joined, not scoped: a scope does not wait for its threads to be gone.
    threads.collect::<Vec<_>>().into_iter().for_each(|thread| thread.join().unwrap());
    engine.device().drain();
    assert_adds_up(&engine);
}

fn nothing_is_left_after_a_million_operations() {
    // Once before, because lazily created things (allocator arenas, the stack pool's first chunk) are not
    // leaks.
    mixed_run(1_000);
    threaded_run(300);
    let before = (open_fds(), threads());
    let mapped = mappings();
    mixed_run(MILLION);
    threaded_run(MILLION / 50);
    assert_eq!((open_fds(), threads()), before, "fds and threads");
    // The allocator may map an arena or two more; a leak of stacks or rings would be hundreds.
    assert!(mappings() <= mapped + 20, "{mapped} mappings before, {} after", mappings());
}

fn fd_numbers_above_1024_work() {
    let engine = open("");
    let null = std::fs::File::open("/dev/null").unwrap();
    let mut fillers = Vec::new();
    while fillers.last().is_none_or(|last: &std::fs::File| last.as_raw_fd() < 1_100) {
        fillers.push(null.try_clone().unwrap());
    }
    // The first contexts fill the gaps below.
    let mut contexts = Vec::new();
    while contexts.last().is_none_or(|ctx: &WaitCtx| ctx.all_raw_fds()[0] <= 1_024) {
        assert!(contexts.len() < 50, "the fd numbers do not grow");
        let ctx = WaitCtx::new();
        let (result, pauses) = finish(&ctx, &mut encrypt_job(&engine, &ctx, 5));
        assert_eq!(result.unwrap(), expected_ctr(&message(5, 48)));
        assert!(pauses > 0);
        contexts.push(ctx);
    }
}

fn an_exhausted_pool_is_a_value_and_can_be_retried() {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let limits = job::PoolConfig { max_jobs: 3, initial_jobs: 1, ..Default::default() };
            job::init_thread(limits).unwrap();
            let engine = stepped("");
            let ctx = WaitCtx::new();
            let mut jobs: Vec<_> = (0..3).map(|index| encrypt_job(&engine, &ctx, index)).collect();
            let session = ctr(&engine);
            let attempt = || {
                let session = session.clone();
                Job::new(&ctx, move || session.encrypt(&IV, vec![1; 16]).map(drop))
            };
            assert!(attempt().is_err(), "the fourth");
            let mut first = jobs.remove(0);
            assert!(matches!(first.resume().unwrap(), Step::Paused));
            engine.device().run_until_idle();
            assert!(matches!(first.resume().unwrap(), Step::Finished(Ok(_))));
            assert!(attempt().is_ok(), "one has finished");
        });
    });
}

/// Forks; the child runs `body` and exits with 0 if it returned true.
#[expect(unsafe_code, reason = "fork")]
fn in_child(body: impl FnOnce() -> bool) {
    // SAFETY: the child runs on a copy of this thread alone. `body` takes no lock that another thread of the
    // parent may hold (that is what these tests check), and it leaves by `_exit`.
    match unsafe { nix::unistd::fork() }.unwrap() {
        nix::unistd::ForkResult::Child => {
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body));
            // SAFETY: ends the process without running the parent's exit handlers.
            unsafe { libc_exit(if matches!(outcome, Ok(true)) { 0 } else { 1 }) }
        }
        nix::unistd::ForkResult::Parent { child } => {
            assert_eq!(waitpid(child, None).unwrap(), WaitStatus::Exited(child, 0));
        }
    }
}

#[expect(unsafe_code, reason = "_exit")]
unsafe fn libc_exit(code: i32) -> ! {
    // SAFETY: never returns; nothing of the process is used after.
    unsafe { libc::_exit(code) }
}

/// A stepped device has an alarm instead.
fn a_watchdog_is_one_thread_where_it_is_wanted_and_ends_with_its_engine() {
    let before = threads();
    for (is_stepped, config, expected) in
        [(false, "", 1), (false, "timeout_msec=1000", 2), (true, "", 0), (true, "timeout_msec=1000", 0)]
    {
        let engine = if is_stepped { stepped(config) } else { open(config) };
        ctr(&engine).encrypt(&IV, message(1, 20)).unwrap();
        assert_eq!(threads(), before + expected, "{config}");
        drop(engine);
        assert_eq!(threads(), before, "{config}");
    }
}

fn a_forked_child_is_refused_and_does_not_hang() {
    forks("");
    forks("timeout_msec=3600000");
}

fn forks(config: &str) {
    let engine = open(&format!("completion_nsec=100000000;{config}"));
    let (ctx, session) = (WaitCtx::new(), ctr(&engine));
    let [mut job, mut dropped] = [6, 7].map(|index| Some(encrypt_job(&engine, &ctx, index)));
    for job in [&mut job, &mut dropped] {
        assert!(matches!(job.as_mut().unwrap().resume().unwrap(), Step::Paused));
    }
    let calling = engine.clone();
    let mut call = Some(Job::new(&ctx, move || calling.call("fork", 1, || 7_u8)).unwrap());
    assert!(matches!(call.as_mut().unwrap().resume().unwrap(), Step::Paused));
    let mut all = Some((engine, session));
    in_child(|| {
        let (engine, session) = all.take().unwrap();
        let new_operation = session.encrypt(&IV, message(1, 20)).unwrap_err().into_parts();
        let inherited = match job.as_mut().unwrap().resume() {
            Ok(Step::Finished(Err(error))) => error == Error::Forked,
            _ => false,
        };
        let new_call = engine.call("fork", 1, || 7_u8);
        let calls_are_refused = new_call == Err(Error::Forked)
            && matches!(call.as_mut().unwrap().resume(), Ok(Step::Finished(Err(Error::Forked))));
        drop((job.take(), dropped.take(), call.take()));
        let refused = new_operation == (Error::Forked, message(1, 20))
            && inherited
            && calls_are_refused
            && engine.poll(1, |_| ()) == Err(Error::Forked)
            && engine.hash(simaccel::Hash::Sha256).is_err()
            && engine.stats() == simaccel::EngineStats::default();
        // The last handle in this process; its drop does not wait for the parent's threads.
        drop((engine, session));
        refused
    });
    let (result, _) = finish(&ctx, job.as_mut().unwrap());
    assert_eq!(result.unwrap(), expected_ctr(&message(6, 48)), "the parent has not noticed");
    assert_eq!(finish(&ctx, &mut call.take().unwrap()).0, Ok(7), "nor has the function");
    drop(dropped);
    let (engine, _session) = all.unwrap();
    engine.device().drain();
    assert_adds_up(&engine);
}

fn a_forked_child_may_open_its_own_engine() {
    let engine = open("");
    ctr(&engine).encrypt(&IV, message(1, 20)).unwrap();
    in_child(|| {
        let own = open("");
        let ctx = WaitCtx::new();
        let (result, pauses) = finish(&ctx, &mut encrypt_job(&own, &ctx, 3));
        result.unwrap() == expected_ctr(&message(3, 48)) && pauses > 0
    });
}

/// The child's poll ends, and the parent's returns every token.
#[expect(unsafe_code, reason = "fork")]
fn a_poll_that_forks_inside_ends_in_the_child() {
    let engine = stepped("delivery=poll");
    let ctx = WaitCtx::new();
    let mut jobs: Vec<_> = (0..20).map(|index| encrypt_job(&engine, &ctx, index)).collect();
    for job in &mut jobs {
        assert!(matches!(job.resume().unwrap(), Step::Paused));
    }
    engine.device().run_until_idle();
    let mut forked = None;
    let polled = engine.poll(100, |_| {
        // SAFETY: as in `in_child`.
        forked = forked.or_else(|| Some(unsafe { nix::unistd::fork() }.unwrap()));
    });
    let Some(nix::unistd::ForkResult::Parent { child }) = forked else {
        // SAFETY: as in `in_child`.
        unsafe { libc_exit(if polled == Err(Error::Forked) { 0 } else { 1 }) }
    };
    assert_eq!(polled, Ok(20));
    assert_eq!(waitpid(child, None).unwrap(), WaitStatus::Exited(child, 0));
    for mut job in jobs {
        assert!(matches!(job.resume().unwrap(), Step::Finished(Ok(_))));
    }
}

fn a_child_does_not_touch_inherited_fds() {
    touches_no_inherited_fds("completion_nsec=1000000");
    touches_no_inherited_fds("completion_nsec=1000000;delivery=poll");
}

/// The child closes what it has inherited, as daemons do, and opens its own files under those numbers.
/// Meanwhile it uses and drops everything of the parent's.
fn touches_no_inherited_fds(config: &str) {
    let engine = open(config);
    let (idle, ctx) = (WaitCtx::new(), WaitCtx::new());
    let interrupt_fd = engine.interrupt_fd().unwrap().as_raw_fd();
    let mut finished = encrypt_job(&engine, &idle, 1);
    assert_eq!(resumed_to_the_end(&engine, &mut finished), expected_ctr(&message(1, 48)));
    let mut jobs = [2, 3].map(|index| Some(encrypt_job(&engine, &ctx, index)));
    for job in &mut jobs {
        assert!(matches!(job.as_mut().unwrap().resume().unwrap(), Step::Paused));
    }
    let mut all = Some((engine, idle, ctx));
    in_child(|| {
        let (engine, idle, ctx) = all.take().unwrap();
        close_all_but_the_first_three();
        let own: Vec<_> =
            (0..64).map(|_| EventFd::from_value_and_flags(5, EfdFlags::EFD_NONBLOCK).unwrap()).collect();
        let hits = [idle.all_raw_fds(), ctx.all_raw_fds(), vec![interrupt_fd]].concat();
        let are_hit = hits.iter().all(|fd| own.iter().any(|own| own.as_raw_fd() == *fd));
        let forked = matches!(jobs[0].as_mut().unwrap().resume(), Ok(Step::Finished(Err(Error::Forked))));
        let refused = engine.poll(1, |_| ()) == Err(Error::Forked);
        drop((jobs[0].take(), idle, ctx, jobs[1].take(), engine));
        // What the thread keeps of the engine goes when it uses another one.
        ctr(&open("")).encrypt(&IV, message(1, 20)).unwrap();
        are_hit && forked && refused && own.iter().all(|own| own.read() == Ok(5))
    });
    let (engine, ..) = all.as_ref().unwrap();
    for (job, index) in jobs.iter_mut().zip([2, 3]) {
        let result = resumed_to_the_end(engine, job.as_mut().unwrap());
        assert_eq!(result, expected_ctr(&message(index, 48)), "the parent has not noticed");
    }
}

fn resumed_to_the_end(engine: &Engine, job: &mut CipherJob) -> Vec<u8> {
    loop {
        if let Step::Finished(result) = job.resume().unwrap() {
            return result.unwrap();
        }
        let _ = engine.poll(2, |_| ());
        std::thread::yield_now();
    }
}

#[expect(unsafe_code, reason = "close_range")]
fn close_all_but_the_first_three() {
    // SAFETY: in a child process, which uses none of these any more.
    assert_eq!(unsafe { libc::close_range(3, libc::c_uint::MAX, 0) }, 0);
}
