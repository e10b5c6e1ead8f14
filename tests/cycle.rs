//! The whole pause/wake cycle: jobs, wait fds, the device, and back.

mod captured;
mod engine_helpers;

use std::cell::Cell;
use std::collections::HashMap;
use std::os::fd::{AsFd, AsRawFd};
use std::rc::Rc;
use std::sync::Arc;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use simaccel::{Engine, Error, Hash, Job, Step, WaitCtx, job, wait_readable};

use self::engine_helpers::{IV, assert_adds_up, ctr, expected_ctr, finish, message, open, stepped};

type CipherJob = Job<Result<Vec<u8>, Error>>;

fn encrypt_job(engine: &Engine, ctx: &WaitCtx, index: usize) -> CipherJob {
    let session = ctr(engine);
    Job::new(ctx, move || Ok(session.encrypt(&IV, message(index, 100 + index % 400))?)).unwrap()
}

/// Drives `count` jobs at once on this thread, each on its own context, through epoll.
fn through_epoll(engine: &Engine, count: usize) {
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).unwrap();
    let contexts: Vec<WaitCtx> = (0..count).map(|_| WaitCtx::new()).collect();
    let mut jobs: Vec<Option<CipherJob>> =
        (0..count).map(|index| Some(encrypt_job(engine, &contexts[index], index))).collect();
    let mut by_fd = HashMap::new();
    let mut left = count;
    let mut ready: Vec<usize> = (0..count).collect();
    while left > 0 {
        for index in std::mem::take(&mut ready) {
            let Some(job) = &mut jobs[index] else { continue };
            match job.resume().unwrap() {
                Step::Paused => {
                    for fd in contexts[index].changed_fds().added {
                        let event = EpollEvent::new(EpollFlags::EPOLLIN, index as u64);
                        epoll.add(&fd, event).unwrap();
                        assert_eq!(
                            by_fd.insert(fd.as_raw_fd(), index),
                            None,
                            "one fd belongs to one context"
                        );
                    }
                }
                Step::Finished(result) => {
                    let plain = message(index, 100 + index % 400);
                    assert_eq!(result.unwrap(), expected_ctr(&plain), "job {index}");
                    jobs[index] = None;
                    left -= 1;
                }
            }
        }
        if left > 0 {
            let mut events = [EpollEvent::empty(); 128];
            let count = epoll.wait(&mut events, EpollTimeout::NONE).unwrap();
            ready.extend(events[..count].iter().map(|event| usize::try_from(event.data()).unwrap()));
        }
    }
}

#[test]
fn thousands_of_jobs_on_one_thread_finish_through_epoll() {
    let engine = open("");
    through_epoll(&engine, 3_000);
    let stats = engine.stats();
    assert!(stats.pauses >= 3_000, "every job pauses at least once: {stats:?}");
    assert_eq!(stats.pauses, stats.resumes);
    assert_adds_up(&engine);
}

#[test]
fn more_threads_than_queue_pairs_share_the_last_one() {
    let engine = open("queue_pairs=2;depth=8;workers=2");
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| through_epoll(&engine, 150));
        }
    });
    assert_eq!(engine.stats().operations, 6 * 150);
    assert_adds_up(&engine);
}

#[test]
fn a_thread_that_ends_gives_its_queue_pair_back() {
    let engine = open("queue_pairs=2");
    for _ in 0..20 {
        let session = ctr(&engine);
        // Joined, not scoped: a scope does not wait for the end of its threads' thread-locals.
        std::thread::spawn(move || session.encrypt(&IV, message(1, 64)).unwrap()).join().unwrap();
    }
    let pairs = engine.stats().device.queue_pairs;
    assert_eq!(pairs[0].submitted, 20, "each thread got the pair that the one before had given back");
    assert_eq!(pairs[1].submitted, 0);
}

#[test]
fn one_wait_context_serves_hundreds_of_jobs_with_one_fd() {
    let engine = open("");
    let ctx = WaitCtx::new();
    let mut seen = None;
    for index in 0..500 {
        let mut job = encrypt_job(&engine, &ctx, index);
        let (result, pauses) = finish(&ctx, &mut job);
        assert_eq!(result.unwrap(), expected_ctr(&message(index, 100 + index % 400)));
        assert!(pauses >= 1);
        let fds = ctx.all_raw_fds();
        assert_eq!(fds.len(), 1);
        assert_eq!(*seen.get_or_insert(fds[0]), fds[0], "the fd stays the same from job to job");
    }
}

#[test]
fn jobs_that_share_a_context_at_the_same_time_all_finish() {
    let engine = open("completion_nsec=200000;compute_units=2");
    let ctx = WaitCtx::new();
    let mut jobs: Vec<CipherJob> = (0..40).map(|index| encrypt_job(&engine, &ctx, index)).collect();
    let mut results: Vec<Option<Vec<u8>>> = vec![None; jobs.len()];
    loop {
        for (job, result) in jobs.iter_mut().zip(&mut results).filter(|(_, result)| result.is_none()) {
            if let Step::Finished(output) = job.resume().unwrap() {
                *result = Some(output.unwrap());
            }
        }
        if results.iter().all(Option::is_some) {
            break;
        }
        wait_readable(&ctx.all_fds()).unwrap();
    }
    for (index, result) in results.into_iter().enumerate() {
        assert_eq!(result.unwrap(), expected_ctr(&message(index, 100 + index % 400)));
    }
    assert_adds_up(&engine);
}

#[test]
fn two_engines_put_two_fds_on_one_context() {
    let (first, second) = (stepped(""), stepped(""));
    let ctx = WaitCtx::new();
    let sessions = (ctr(&first), second.hash(Hash::Sha256).unwrap());
    let mut job = Job::new(&ctx, move || {
        let sealed = sessions.0.encrypt(&IV, message(3, 50)).unwrap();
        sessions.1.digest(&sealed).unwrap()
    })
    .unwrap();
    assert!(matches!(job.resume().unwrap(), Step::Paused));
    assert_eq!(ctx.changed_fds().added.len(), 1);
    first.device().run_until_idle();
    assert!(matches!(job.resume().unwrap(), Step::Paused));
    assert_eq!(ctx.all_fds().len(), 2, "each engine has an fd of its own");
    assert_eq!(ctx.changed_fds().added.len(), 1, "the first engine's fd is not new any more");
    second.device().run_until_idle();
    let Step::Finished(digest) = job.resume().unwrap() else { panic!("done after both") };
    let wanted = engine_helpers::software("offload_threshold=4294967295", |engine| {
        engine.hash(Hash::Sha256).unwrap().digest(&expected_ctr(&message(3, 50))).unwrap()
    });
    assert_eq!(digest, wanted);
}

#[test]
fn nested_jobs_on_one_context_do_not_take_each_others_wakes() {
    let engine = open("");
    let ctx = Rc::new(WaitCtx::new());
    for round in 0..200 {
        let (inner_ctx, session, inner_session) = (Rc::clone(&ctx), ctr(&engine), ctr(&engine));
        let mut outer = Job::new(&ctx, move || {
            let nested = move || inner_session.encrypt(&IV, message(round, 80)).unwrap();
            let mut inner = Job::new(&inner_ctx, nested).unwrap();
            // Both are in flight at the same time, and share the fd.
            assert!(matches!(inner.resume().unwrap(), Step::Paused));
            let own = session.encrypt(&IV, message(round + 1, 80)).unwrap();
            loop {
                match inner.resume().unwrap() {
                    Step::Finished(result) => return (own, result),
                    Step::Paused => assert_eq!(job::pause(), job::Pause::Resumed),
                }
            }
        })
        .unwrap();
        let ((own, inner), pauses) = finish(&ctx, &mut outer);
        assert_eq!(own, expected_ctr(&message(round + 1, 80)));
        assert_eq!(inner, expected_ctr(&message(round, 80)));
        assert!(pauses >= 1);
    }
    assert!(engine.stats().pauses >= 400, "each of the two pauses, each time");
    assert_adds_up(&engine);
}

#[test]
fn a_spurious_resume_pauses_again_and_is_counted() {
    for model in ["", "completion_nsec=1000"] {
        let engine = stepped(model);
        let ctx = WaitCtx::new();
        // Twice: the second operation finds the fd registered.
        for operation in 1..=2 {
            let mut job = encrypt_job(&engine, &ctx, 1);
            for _ in 0..10 {
                assert!(matches!(job.resume().unwrap(), Step::Paused), "nothing is done yet");
            }
            assert_eq!(engine.stats().spurious_resumes, 9 * operation);
            engine.device().run_until_idle();
            assert_eq!(wait_now(&ctx), 1);
            assert!(matches!(job.resume().unwrap(), Step::Finished(Ok(_))));
            assert_eq!(wait_now(&ctx), 0, "no stale wake is left");
        }
        assert_adds_up(&engine);
    }
}

/// A token on the fd names no request; the counts decide. No request waits for a token that another one has
/// read.
#[test]
fn jobs_that_share_an_fd_take_a_token_each() {
    let engine = stepped("");
    let ctx = WaitCtx::new();
    for round in 0..20 {
        let mut jobs: Vec<_> = (0..4).map(|index| encrypt_job(&engine, &ctx, index)).collect();
        jobs.iter_mut().for_each(|job| assert!(matches!(job.resume().unwrap(), Step::Paused)));
        engine.device().run_until_idle();
        if round % 2 == 0 {
            drop(jobs.remove(round % 4));
        }
        while let Some(mut job) = jobs.pop() {
            assert_eq!(wait_now(&ctx), 1, "round {round}: {} wait", jobs.len() + 1);
            assert!(matches!(job.resume().unwrap(), Step::Finished(Ok(_))));
        }
        assert_eq!(wait_now(&ctx), 0, "round {round}");
    }
    assert_adds_up(&engine);
}

/// How many of the context's fds are readable now.
fn wait_now(ctx: &WaitCtx) -> i32 {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    let fds = ctx.all_fds();
    let mut polled: Vec<PollFd> = fds.iter().map(|fd| PollFd::new(fd.as_fd(), PollFlags::POLLIN)).collect();
    poll(&mut polled, PollTimeout::ZERO).unwrap()
}

#[test]
fn the_fd_is_readable_when_the_request_is_done_and_cleared_on_resume() {
    let engine = stepped("");
    let ctx = WaitCtx::new();
    let mut job = encrypt_job(&engine, &ctx, 5);
    assert!(matches!(job.resume().unwrap(), Step::Paused));
    assert_eq!(wait_now(&ctx), 0);
    engine.device().run_until_idle();
    assert_eq!(wait_now(&ctx), 1);
    assert!(matches!(job.resume().unwrap(), Step::Finished(Ok(_))));
    assert_eq!(wait_now(&ctx), 0);
}

#[test]
fn a_stray_write_to_the_fd_is_one_spurious_resume_and_then_gone() {
    for model in ["", "completion_nsec=1000"] {
        let engine = stepped(model);
        let ctx = WaitCtx::new();
        for _ in 0..2 {
            let mut job = encrypt_job(&engine, &ctx, 1);
            assert!(matches!(job.resume().unwrap(), Step::Paused));
            nix::unistd::write(&ctx.all_fds()[0], &7_u64.to_ne_bytes()).unwrap();
            assert_eq!(wait_now(&ctx), 1);
            assert!(matches!(job.resume().unwrap(), Step::Paused));
            assert_eq!(wait_now(&ctx), 0, "a stray token does not make the loop spin");
            engine.device().run_until_idle();
            assert_eq!(wait_now(&ctx), 1);
            assert!(matches!(job.resume().unwrap(), Step::Finished(Ok(_))));
        }
    }
}

#[test]
fn an_application_that_reads_the_fd_itself_does_no_harm() {
    let engine = stepped("");
    let ctx = WaitCtx::new();
    for _ in 0..3 {
        let mut job = encrypt_job(&engine, &ctx, 1);
        assert!(matches!(job.resume().unwrap(), Step::Paused));
        engine.device().run_until_idle();
        nix::unistd::read(&ctx.all_fds()[0], &mut [0; 8]).unwrap();
        assert!(matches!(job.resume().unwrap(), Step::Finished(Ok(_))));
        assert_eq!(wait_now(&ctx), 0);
    }
}

#[test]
fn an_application_that_reads_a_shared_fd_leaves_no_job_unwoken() {
    for model in ["", "completion_nsec=1000"] {
        let engine = stepped(model);
        let ctx = WaitCtx::new();
        for order in [[0, 1], [1, 0]] {
            let mut jobs = [1, 2].map(|index| encrypt_job(&engine, &ctx, index));
            for job in &mut jobs {
                assert!(matches!(job.resume().unwrap(), Step::Paused));
            }
            engine.device().run_until_idle();
            nix::unistd::read(&ctx.all_fds()[0], &mut [0; 8]).unwrap();
            for (left, at) in [(1, order[0]), (0, order[1])] {
                assert!(matches!(jobs[at].resume().unwrap(), Step::Finished(Ok(_))));
                assert_eq!(wait_now(&ctx), left, "{order:?}: readable while a job waits");
            }
        }
        assert_adds_up(&engine);
    }
}

#[test]
fn without_a_job_a_context_or_leave_to_pause_a_call_blocks() {
    let engine = open("completion_nsec=20000");
    let plain = message(9, 333);
    assert_eq!(ctr(&engine).encrypt(&IV, plain.clone()).unwrap(), expected_ctr(&plain));

    let (session, input) = (ctr(&engine), plain.clone());
    let mut job = Job::without_ctx(move || session.encrypt(&IV, input).unwrap()).unwrap();
    let Step::Finished(output) = job.resume().unwrap() else { panic!("no context: must not pause") };
    assert_eq!(output, expected_ctr(&plain));

    let ctx = WaitCtx::new();
    let (session, input) = (ctr(&engine), plain.clone());
    let mut job = Job::new(&ctx, move || {
        let _block = job::block_pause();
        session.encrypt(&IV, input).unwrap()
    })
    .unwrap();
    assert!(matches!(job.resume().unwrap(), Step::Finished(_)), "pause is blocked");
    assert_eq!((engine.stats().pauses, engine.stats().blocked), (0, 3));
}

#[test]
fn a_blocking_call_on_a_stepped_device_advances_it() {
    let engine = stepped("completion_nsec=5000000000;compute_units=1");
    let before = engine.device().now();
    let plain = message(2, 64);
    assert_eq!(ctr(&engine).encrypt(&IV, plain.clone()).unwrap(), expected_ctr(&plain));
    assert_eq!((engine.device().now() - before).as_secs(), 5, "five virtual seconds, no real ones");
}

#[test]
fn callbacks_from_the_workers_wake_every_job_once_per_pause() {
    let engine = open("workers=2");
    let (sender, receiver) = std::sync::mpsc::channel();
    let contexts: Vec<WaitCtx> = (0..200).map(|_| WaitCtx::new()).collect();
    let mut jobs: Vec<Option<CipherJob>> = Vec::new();
    for (index, ctx) in contexts.iter().enumerate() {
        let sender = sender.clone();
        ctx.set_callback(Some(Arc::new(move || sender.send(index).unwrap())));
        let mut job = encrypt_job(&engine, ctx, index);
        assert!(matches!(job.resume().unwrap(), Step::Paused));
        jobs.push(Some(job));
    }
    for _ in 0..jobs.len() {
        let index = receiver.recv().unwrap();
        let mut job = jobs[index].take().expect("called back once per job");
        let Step::Finished(result) = job.resume().unwrap() else { panic!("called back when done") };
        assert_eq!(result.unwrap(), expected_ctr(&message(index, 100 + index % 400)));
    }
    assert_adds_up(&engine);
}

#[test]
fn a_callback_that_resumes_the_job_on_the_stepping_thread_finishes_it() {
    // The stepped device calls back inside `run_until_idle`, on the job's thread: the callback has not
    // returned yet when the job takes its result.
    thread_local! {
        static JOB: Cell<Option<CipherJob>> = const { Cell::new(None) };
        static OUTPUT: Cell<Option<Vec<u8>>> = const { Cell::new(None) };
    }
    let engine = stepped("");
    let ctx = WaitCtx::new();
    ctx.set_callback(Some(Arc::new(|| {
        let mut job = JOB.take().unwrap();
        if let Step::Finished(output) = job.resume().unwrap() {
            OUTPUT.set(Some(output.unwrap()));
        }
    })));
    let mut job = encrypt_job(&engine, &ctx, 4);
    assert!(matches!(job.resume().unwrap(), Step::Paused));
    JOB.set(Some(job));
    engine.device().run_until_idle();
    assert_eq!(OUTPUT.take().expect("finished in the callback"), expected_ctr(&message(4, 104)));
    assert_adds_up(&engine);
}
