//! A full ring: callers queue for a slot, first come, first served, without busy retries.

mod captured;
mod engine_helpers;

use simaccel::job::WaitStatus;
use simaccel::{Engine, Step, WaitCtx};

use self::engine_helpers::{
    CipherJob, IV, LEN, assert_adds_up, ctr, encrypt_job, expected_ctr, finish, message, open, stepped,
};

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
    use std::os::fd::AsFd;
    let fds = ctx.all_fds();
    poll(&mut [PollFd::new(fds[0].as_fd(), PollFlags::POLLIN)], PollTimeout::ZERO).unwrap() == 1
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
fn slots_are_given_first_come_first_served_and_each_job_is_woken_once() {
    let (engine, mut jobs) = crowd(6);
    let mut woken = Vec::new();
    while engine.device().step() {
        let new = (0..jobs.len()).filter(|&index| is_woken(&jobs[index].0) && !woken.contains(&index));
        woken.extend(new.collect::<Vec<_>>());
    }
    assert_eq!(woken, [0, 1, 2, 3, 4, 5], "in order of arrival");
    for (index, (_, job)) in jobs.iter_mut().enumerate() {
        let Step::Finished(result) = job.resume().unwrap() else { panic!("woken when done, not before") };
        assert_eq!(result.unwrap(), expected_ctr(&message(index, LEN)));
    }
    assert_eq!(engine.stats().spurious_resumes, 0, "no job had to come back for a slot");
    assert_adds_up(&engine);
}

#[test]
fn no_request_overtakes_a_waiting_one() {
    let (engine, jobs) = crowd(3);
    while !is_woken(&jobs[0].0) {
        assert!(engine.device().step());
    }
    // A slot is free now, and the third job waits for it: a later request queues behind it.
    let ctx = WaitCtx::new();
    let mut late = encrypt_job(&engine, &ctx, 10);
    assert!(matches!(late.resume().unwrap(), Step::Paused));
    assert_eq!(ctx.status(), WaitStatus::Eagain);
    while !is_woken(&ctx) {
        assert!(engine.device().step());
    }
    assert!(is_woken(&jobs[2].0), "the third job was first");
}

#[test]
fn a_waiter_that_leaves_the_queue_delays_no_other() {
    let (engine, mut jobs) = crowd(6);
    drop(jobs.remove(4));
    drop(jobs.remove(2));
    drop(jobs.remove(0)); // in the ring
    engine.device().run_until_idle();
    for (_, job) in &mut jobs {
        assert!(matches!(job.resume().unwrap(), Step::Finished(Ok(_))));
    }
    assert_adds_up(&engine);
    assert_eq!(engine.stats().abandoned, 3);
}

#[test]
fn abandoned_jobs_do_not_use_up_the_ring() {
    captured::leaking(|| {
        let engine = open("depth=2;queue_pairs=1");
        let ctx = WaitCtx::new();
        for index in 0..500 {
            let mut job = encrypt_job(&engine, &ctx, index);
            assert!(matches!(job.resume().unwrap(), Step::Paused));
            if index % 2 == 0 {
                // Leaked: it is never resumed or dropped.
                std::mem::forget(job);
            }
        }
        let plain = message(1, 64);
        assert_eq!(ctr(&engine).encrypt(&IV, plain.clone()).unwrap(), expected_ctr(&plain));
    });
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
                    assert_eq!(result.unwrap(), expected_ctr(&message(round, LEN)));
                }
            });
        }
    });
    assert!(engine.stats().parked > 0, "the ring was full at times");
    assert_adds_up(&engine);
}

/// A request without tokens parks, as with a full ring, and the clock goes on to the time at which it has
/// them.
#[test]
fn what_is_above_the_limit_of_a_busy_device_waits_with_status_eagain() {
    let engine = stepped("queue_pairs=1;completion_nsec=1000;ops_limit=1000;ops_burst=2;limit=busy");
    let mut jobs = Vec::new();
    for index in 0..4 {
        let ctx = WaitCtx::new();
        let mut job = encrypt_job(&engine, &ctx, index);
        assert!(matches!(job.resume().unwrap(), Step::Paused));
        jobs.push((ctx, job));
    }
    let statuses: Vec<_> = jobs.iter().map(|(ctx, _)| ctx.status()).collect();
    let (ok, again) = (WaitStatus::Ok, WaitStatus::Eagain);
    assert_eq!(statuses, [ok, ok, again, again]);
    let mut woken = Vec::new();
    while engine.device().step() {
        let new = (0..jobs.len()).filter(|&index| is_woken(&jobs[index].0) && !woken.contains(&index));
        for index in new.collect::<Vec<_>>() {
            woken.push(index);
            let micros = [1, 1, 1_001, 2_001][index];
            assert_eq!(engine.device().now().as_micros(), micros, "{index}");
        }
    }
    assert_eq!(woken, [0, 1, 2, 3]);
    for (index, (_, job)) in jobs.iter_mut().enumerate() {
        let Step::Finished(result) = job.resume().unwrap() else { panic!("woken when done, not before") };
        assert_eq!(result.unwrap(), expected_ctr(&message(index, LEN)));
    }
    assert_eq!((engine.stats().parked, engine.stats().device.total.full), (2, 2));
    // A blocked caller steps the device until it has its tokens.
    let session = ctr(&engine);
    for index in 0..5 {
        assert_eq!(session.encrypt(&IV, message(index, LEN)).unwrap(), expected_ctr(&message(index, LEN)));
    }
    assert_eq!(engine.device().now().as_micros(), 7_001);
    assert_adds_up(&engine);
}
