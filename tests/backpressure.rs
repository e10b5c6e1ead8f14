//! A full ring: callers queue for a slot, first come first served, without busy retries.

mod support;

use simaccel::job::WaitStatus;
use simaccel::{Engine, Error, Job, Step, WaitCtx};

use self::support::{IV, assert_adds_up, ctr, expected_ctr, finish, message, open, stepped};

type CipherJob = Job<Result<Vec<u8>, Error>>;

fn encrypt_job(engine: &Engine, ctx: &WaitCtx, index: usize) -> CipherJob {
    let session = ctr(engine);
    Job::new(ctx, move || Ok(session.encrypt(&IV, message(index, 90))?)).unwrap()
}

/// Paused jobs, each on its own context, on a stepped device with two slots.
fn crowd(count: usize) -> (Engine, Vec<(WaitCtx, CipherJob)>) {
    let engine = stepped("depth=2;queue_pairs=1;completion_nsec=1000;compute_units=1");
    let mut jobs = Vec::new();
    for index in 0..count {
        let ctx = WaitCtx::new();
        let mut job = encrypt_job(&engine, &ctx, index);
        assert!(matches!(job.resume().unwrap(), Step::Paused));
        jobs.push((ctx, job));
    }
    (engine, jobs)
}

/// Whether the context's fd is readable now.
fn is_woken(ctx: &WaitCtx) -> bool {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use std::os::fd::BorrowedFd;
    #[expect(unsafe_code, reason = "poll takes fds as borrows")]
    // SAFETY: the context keeps its fd open for this call.
    let fd = unsafe { BorrowedFd::borrow_raw(ctx.all_fds()[0]) };
    poll(&mut [PollFd::new(fd, PollFlags::POLLIN)], PollTimeout::ZERO).unwrap() == 1
}

#[test]
fn the_ring_takes_its_depth_and_the_rest_wait_with_status_eagain() {
    let (engine, jobs) = crowd(5);
    let statuses: Vec<_> = jobs.iter().map(|(ctx, _)| ctx.status()).collect();
    let (ok, again) = (WaitStatus::Ok, WaitStatus::Eagain);
    assert_eq!(statuses, [ok, ok, again, again, again]);
    assert_eq!((engine.stats().parked, engine.stats().device.total.in_flight), (3, 2));
}

#[test]
fn slots_are_granted_first_come_first_served() {
    let (engine, mut jobs) = crowd(6);
    let mut finished = Vec::new();
    while finished.len() < jobs.len() {
        engine.device().run_until_idle();
        let woken: Vec<usize> = (0..jobs.len()).filter(|&index| is_woken(&jobs[index].0)).collect();
        assert!(!woken.is_empty(), "somebody is woken as long as somebody waits");
        // In the wrong order on purpose: who has a slot has it, whenever he comes for it.
        for index in woken.into_iter().rev() {
            if let Step::Finished(result) = jobs[index].1.resume().unwrap() {
                assert_eq!(result.unwrap(), expected_ctr(&message(index, 90)));
                finished.push(index);
            }
        }
    }
    assert_eq!(finished, [1, 0, 3, 2, 5, 4], "pairs in order of arrival");
    assert_adds_up(&engine);
}

#[test]
fn nobody_overtakes_those_who_wait() {
    let (engine, mut jobs) = crowd(3);
    engine.device().run_until_idle();
    // Two slots were freed; one is granted to the third job, which has not come for it yet. The other is free.
    let late: Vec<(WaitCtx, CipherJob)> = (10..12)
        .map(|index| {
            let ctx = WaitCtx::new();
            let mut job = encrypt_job(&engine, &ctx, index);
            assert!(matches!(job.resume().unwrap(), Step::Paused));
            (ctx, job)
        })
        .collect();
    assert_eq!(late[0].0.status(), WaitStatus::Ok, "the free slot");
    assert_eq!(late[1].0.status(), WaitStatus::Eagain, "not the slot that is granted");
    assert!(matches!(jobs[2].1.resume().unwrap(), Step::Paused));
    assert_eq!(jobs[2].0.status(), WaitStatus::Ok);
}

#[test]
fn a_dropped_waiter_passes_its_turn_on() {
    let (engine, mut jobs) = crowd(5);
    drop(jobs.remove(3)); // waiting, not granted
    engine.device().run_until_idle(); // frees two slots: granted to the third job and the last
    drop(jobs.remove(2)); // granted, not used
    engine.device().run_until_idle();
    let mut left = 3;
    while left > 0 {
        engine.device().run_until_idle();
        jobs.retain_mut(|(_, job)| {
            let finished = matches!(job.resume().unwrap(), Step::Finished(Ok(_)));
            left -= usize::from(finished);
            !finished
        });
    }
    assert_adds_up(&engine);
    assert_eq!(engine.stats().abandoned, 2);
}

#[test]
fn abandoned_jobs_do_not_use_up_the_ring() {
    let engine = open("depth=2;queue_pairs=1");
    let ctx = WaitCtx::new();
    for index in 0..500 {
        let mut job = encrypt_job(&engine, &ctx, index);
        assert!(matches!(job.resume().unwrap(), Step::Paused));
        if index % 2 == 0 {
            // Leaked: nobody will ever resume or drop it.
            std::mem::forget(job);
        }
    }
    let plain = message(1, 64);
    assert_eq!(ctr(&engine).encrypt(&IV, plain.clone()).unwrap(), expected_ctr(&plain));
}

#[test]
fn blocking_callers_and_jobs_share_a_tiny_ring() {
    let engine = open("depth=2;queue_pairs=1;completion_nsec=50000;compute_units=1");
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let engine = &engine;
            scope.spawn(move || {
                let ctx = WaitCtx::new();
                for round in 0..25 {
                    let plain = message(thread * 100 + round, 70);
                    assert_eq!(ctr(engine).encrypt(&IV, plain.clone()).unwrap(), expected_ctr(&plain));
                    let (result, _) = finish(&ctx, &mut encrypt_job(engine, &ctx, round));
                    assert_eq!(result.unwrap(), expected_ctr(&message(round, 90)));
                }
            });
        }
    });
    assert!(engine.stats().parked > 0, "the ring was full at times");
    assert_adds_up(&engine);
}
