//! The scenes of a pause and wake cycle, for any framework.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use simaccel::Error;
use simaccel::foreign::WaitStatus;

use crate::framework::{
    Ctx, Framework, IV, Job, adds_up, counting, ctr, encrypt, gives, message, parse, pauses, readable,
    sealed, wait,
};

pub(crate) fn an_operation_pauses_at_least_once_and_gives_its_result<F: Framework>() {
    let engine = F::stepped(parse(""));
    let ctx = F::ctx();
    for operation in 1..=3 {
        let mut job = encrypt::<F>(&engine, &ctx, operation);
        pauses(&mut job);
        assert_eq!(ctx.status(), WaitStatus::Ok);
        engine.device().run_until_idle();
        gives(&mut job, operation);
    }
    let stats = engine.stats();
    assert_eq!((stats.pauses, stats.resumes, stats.spurious_resumes, stats.blocked), (3, 3, 0, 0));
    adds_up(&engine);
}

pub(crate) fn a_spurious_resume_pauses_again_and_is_counted<F: Framework>() {
    for model in ["", "completion_nsec=1000"] {
        let engine = F::stepped(parse(model));
        let ctx = F::ctx();
        // Twice: the second operation finds the fd registered.
        for operation in 1..=2 {
            let mut job = encrypt::<F>(&engine, &ctx, 1);
            (0..10).for_each(|_| pauses(&mut job));
            assert_eq!(engine.stats().spurious_resumes, 9 * operation);
            engine.device().run_until_idle();
            assert_eq!(readable(&ctx), 1);
            gives(&mut job, 1);
            assert_eq!(readable(&ctx), 0, "no stale wake is left");
        }
        adds_up(&engine);
    }
}

pub(crate) fn the_fd_is_readable_when_the_request_is_done_and_no_stale_wake_is_left<F: Framework>() {
    let engine = F::stepped(parse(""));
    let ctx = F::ctx();
    for _ in 0..3 {
        let mut job = encrypt::<F>(&engine, &ctx, 5);
        pauses(&mut job);
        assert_eq!(readable(&ctx), 0);
        engine.device().run_until_idle();
        assert_eq!(readable(&ctx), 1);
        gives(&mut job, 5);
        assert_eq!(readable(&ctx), 0);
    }
    assert_eq!(engine.stats().spurious_resumes, 0);
}

pub(crate) fn one_context_has_one_fd_from_job_to_job<F: Framework>() {
    let engine = F::stepped(parse(""));
    let ctx = F::ctx();
    let mut first = None;
    for index in 0..50 {
        let mut job = encrypt::<F>(&engine, &ctx, index);
        pauses(&mut job);
        let fds: Vec<_> = ctx.fds().iter().map(|fd| std::os::fd::AsRawFd::as_raw_fd(&fd.as_fd())).collect();
        assert_eq!(fds.len(), 1);
        assert_eq!(fds, *first.get_or_insert_with(|| fds.clone()));
        engine.device().run_until_idle();
        gives(&mut job, index);
    }
}

pub(crate) fn two_engines_put_two_fds_on_one_context<F: Framework>() {
    let (first, second) = (F::stepped(parse("")), F::stepped(parse("")));
    let ctx = F::ctx();
    let sessions = (ctr(&first), ctr(&second));
    let mut job = F::job(&ctx, move || {
        let text = sessions.0.encrypt(&IV, message(3))?;
        sessions.1.decrypt(&IV, text)
    });
    pauses(&mut job);
    assert_eq!(ctx.fds().len(), 1);
    first.device().run_until_idle();
    pauses(&mut job);
    assert_eq!((ctx.fds().len(), readable(&ctx)), (2, 0), "each engine has an fd of its own");
    second.device().run_until_idle();
    assert_eq!(readable(&ctx), 1);
    assert_eq!(job.resume().unwrap().unwrap(), message(3));
    [first, second].iter().for_each(adds_up);
}

pub(crate) fn jobs_that_share_a_context_take_a_token_each<F: Framework>() {
    let engine = F::stepped(parse(""));
    let ctx = F::ctx();
    for round in 0..8 {
        let mut jobs: Vec<_> = (0..4).map(|index| encrypt::<F>(&engine, &ctx, index)).collect();
        jobs.iter_mut().for_each(pauses);
        assert_eq!(ctx.fds().len(), 1);
        engine.device().run_until_idle();
        if round % 2 == 0 {
            // Taken out of the order, so that the rest keep their indices.
            drop(jobs.pop());
        }
        while let Some(mut job) = jobs.pop() {
            assert_eq!(readable(&ctx), 1, "round {round}: {} wait", jobs.len() + 1);
            gives(&mut job, jobs.len());
        }
        assert_eq!(readable(&ctx), 0, "round {round}");
    }
    adds_up(&engine);
}

pub(crate) fn a_full_ring_queues_the_request_and_says_so<F: Framework>() {
    let engine = F::stepped(parse("depth=2;queue_pairs=1;completion_nsec=1000;compute_units=1"));
    let contexts = [(); 3].map(|()| F::ctx());
    let mut jobs: Vec<_> =
        contexts.iter().enumerate().map(|(index, ctx)| encrypt::<F>(&engine, ctx, index)).collect();
    jobs.iter_mut().for_each(pauses);
    let statuses = contexts.each_ref().map(Ctx::status);
    assert_eq!(statuses, [WaitStatus::Ok, WaitStatus::Ok, WaitStatus::Eagain]);
    assert_eq!(engine.stats().parked, 1);
    // One slot is free, and the request has it.
    engine.device().advance(Duration::from_nanos(1_000));
    gives(&mut jobs[0], 0);
    pauses(&mut jobs[2]);
    assert_eq!(contexts[2].status(), WaitStatus::Ok, "it is under way");
    engine.device().run_until_idle();
    gives(&mut jobs[1], 1);
    gives(&mut jobs[2], 2);
    adds_up(&engine);
}

pub(crate) fn a_request_that_never_ends_times_out<F: Framework>() {
    let engine = F::stepped(parse("timeout_msec=5;fault=timeout:nth=1"));
    let ctx = F::ctx();
    let mut job = encrypt::<F>(&engine, &ctx, 1);
    pauses(&mut job);
    engine.device().run_until_idle();
    assert_eq!(readable(&ctx), 1, "the watchdog wakes the job");
    let error = job.resume().unwrap().unwrap_err();
    assert!(matches!(error.error(), Error::Timeout), "{error}");
    assert_eq!(error.into_parts().1, message(1), "the buffer comes back");
    assert_eq!(readable(&ctx), 0);
    let mut next = encrypt::<F>(&engine, &ctx, 2);
    pauses(&mut next);
    engine.device().run_until_idle();
    gives(&mut next, 2);
    assert_eq!(engine.stats().timeouts, 1);
    adds_up(&engine);
}

pub(crate) fn a_failure_of_the_device_gives_the_buffer_back<F: Framework>() {
    let engine = F::stepped(parse("fault=fail:nth=1"));
    let ctx = F::ctx();
    let mut job = encrypt::<F>(&engine, &ctx, 1);
    pauses(&mut job);
    engine.device().run_until_idle();
    let error = job.resume().unwrap().unwrap_err();
    assert!(matches!(error.error(), Error::DeviceFailed), "{error}");
    assert_eq!(readable(&ctx), 0);
    adds_up(&engine);
}

pub(crate) fn a_failure_is_tried_again_and_then_computed_in_software<F: Framework>() {
    let engine = F::stepped(parse("max_retries=1;fallback=on;fault=fail:every=1"));
    let ctx = F::ctx();
    let mut job = encrypt::<F>(&engine, &ctx, 1);
    for _ in 0..2 {
        pauses(&mut job);
        engine.device().run_until_idle();
        assert_eq!(readable(&ctx), 1);
    }
    gives(&mut job, 1);
    let stats = engine.stats();
    assert_eq!((stats.pauses, stats.retries, stats.fallbacks), (2, 1, 1));
    assert_eq!(readable(&ctx), 0);
    adds_up(&engine);
}

pub(crate) fn a_callback_wakes_in_place_of_the_fd<F: Framework>() {
    let engine = F::stepped(parse(""));
    let ctx = F::ctx();
    let (callback, calls) = counting();
    ctx.set_callback(Some(callback));
    for operation in 1..=3 {
        let mut job = encrypt::<F>(&engine, &ctx, operation);
        pauses(&mut job);
        engine.device().run_until_idle();
        assert_eq!(calls.load(Ordering::SeqCst), operation, "once for each operation");
        gives(&mut job, operation);
    }
    assert_eq!(readable(&ctx), 0);
    adds_up(&engine);
}

pub(crate) fn a_callback_that_is_removed_is_followed_by_the_fd<F: Framework>() {
    let engine = F::stepped(parse(""));
    let ctx = F::ctx();
    let (callback, calls) = counting();
    ctx.set_callback(Some(callback));
    let mut job = encrypt::<F>(&engine, &ctx, 1);
    pauses(&mut job);
    ctx.set_callback(None);
    // The resume that an application owes it.
    pauses(&mut job);
    engine.device().run_until_idle();
    assert_eq!((readable(&ctx), calls.load(Ordering::SeqCst)), (1, 0));
    gives(&mut job, 1);
    assert_eq!(readable(&ctx), 0);
    adds_up(&engine);
}

pub(crate) fn an_fd_that_cannot_be_made_is_an_error<F: Framework>() {
    let engine = F::stepped(parse("fault=fd_fail:nth=1"));
    let ctx = F::ctx();
    let mut job = encrypt::<F>(&engine, &ctx, 1);
    let error = job.resume().unwrap().unwrap_err();
    assert!(matches!(error.error(), Error::WakeFd(_)), "{error}");
    assert_eq!((ctx.status(), ctx.fds().len()), (WaitStatus::Err, 0));
    let mut next = encrypt::<F>(&engine, &ctx, 2);
    pauses(&mut next);
    engine.device().run_until_idle();
    gives(&mut next, 2);
}

pub(crate) fn a_job_that_is_discarded_gives_its_request_up<F: Framework>() {
    let engine = F::stepped(parse("fault=timeout:nth=1"));
    let ctx = F::ctx();
    let mut job = encrypt::<F>(&engine, &ctx, 1);
    pauses(&mut job);
    engine.device().run_until_idle();
    assert_eq!(engine.stats().device.total.in_flight, 1, "it never ends");
    drop(job);
    assert_eq!(engine.stats().abandoned, 1);
    adds_up(&engine);
    let mut next = encrypt::<F>(&engine, &ctx, 2);
    pauses(&mut next);
    engine.device().run_until_idle();
    gives(&mut next, 2);
    adds_up(&engine);
}

pub(crate) fn a_request_that_is_done_leaves_no_wake_when_its_job_is_discarded<F: Framework>() {
    let engine = F::stepped(parse(""));
    let ctx = F::ctx();
    let mut job = encrypt::<F>(&engine, &ctx, 1);
    pauses(&mut job);
    engine.device().run_until_idle();
    assert_eq!(readable(&ctx), 1);
    drop(job);
    assert_eq!(readable(&ctx), 0, "the token went with the request");
    adds_up(&engine);
}

pub(crate) fn a_context_that_ends_is_done_without<F: Framework>() {
    let engine = F::stepped(parse(""));
    let ctx = F::ctx();
    let mut job = encrypt::<F>(&engine, &ctx, 1);
    pauses(&mut job);
    let fd = ctx.fds().pop().unwrap();
    drop(ctx);
    // The job blocks from here on, and steps the device itself.
    gives(&mut job, 1);
    assert_eq!(Arc::strong_count(&fd), 1, "the engine does not keep the fd");
    adds_up(&engine);
}

pub(crate) fn an_operation_outside_of_a_job_blocks<F: Framework>() {
    let engine = F::stepped(parse("completion_nsec=1000"));
    assert_eq!(ctr(&engine).encrypt(&IV, message(1)).unwrap(), sealed(1));
    assert_eq!((engine.stats().pauses, engine.stats().blocked), (0, 1));
    adds_up(&engine);
}

/// Where the framework does not tell, the engine finds out.
pub(crate) fn an_operation_that_cannot_pause_blocks<F: Framework>() {
    for (model, callback) in [("", false), ("completion_nsec=1000", false), ("", true)] {
        let engine = F::stepped(parse(model));
        let ctx = F::ctx();
        ctx.set_callback(callback.then(|| counting().0));
        for _ in 0..2 {
            let session = ctr(&engine);
            let mut job = F::job(&ctx, move || F::without_pauses(|| session.encrypt(&IV, message(1))));
            gives(&mut job, 1);
            assert_eq!(readable(&ctx), 0, "and leaves no wake");
        }
        ctx.set_callback(None);
        let mut next = encrypt::<F>(&engine, &ctx, 2);
        pauses(&mut next);
        engine.device().run_until_idle();
        gives(&mut next, 2);
        adds_up(&engine);
    }
}

/// A job that steps a device runs functions of other jobs' calls, while the device is locked.
pub(crate) fn a_function_of_a_call_does_not_pause_the_job_that_it_runs_on<F: Framework>() {
    let (engine, other) = (F::stepped(parse("")), F::open(parse("")));
    let (ctx, session) = (F::ctx(), ctr(&other));
    let calling = engine.clone();
    let mut first = F::job(&ctx, move || {
        let encrypted = calling.call("encrypts", 1, move || session.encrypt(&IV, message(3)));
        encrypted.unwrap()
    });
    pauses(&mut first);
    let (stepping, ctx) = (engine.clone(), F::ctx());
    let mut second = F::job(&ctx, move || {
        stepping.device().run_until_idle();
        Ok(Vec::new())
    });
    assert_eq!(second.resume().expect("it has not paused").unwrap(), []);
    gives(&mut first, 3);
    assert_eq!((other.stats().blocked, other.stats().pauses), (1, 0));
    adds_up(&engine);
}

pub(crate) fn many_jobs_finish_on_a_device_with_workers<F: Framework>() {
    let engine = F::open(parse("completion_nsec=20000;workers=2;depth=8"));
    let contexts: Vec<_> = (0..30).map(|_| F::ctx()).collect();
    for round in 0..5 {
        let mut jobs: Vec<_> =
            contexts.iter().map(|ctx| Some((encrypt::<F>(&engine, ctx, round), ctx))).collect();
        while jobs.iter().any(Option::is_some) {
            for slot in &mut jobs {
                let Some((job, ctx)) = slot else { continue };
                match job.resume() {
                    None => wait(*ctx),
                    Some(output) => {
                        assert_eq!(output.unwrap(), sealed(round));
                        *slot = None;
                    }
                }
            }
        }
        assert!(contexts.iter().all(|ctx| readable(ctx) == 0));
    }
    let session = ctr(&engine);
    let mut blocked = F::job(&contexts[0], move || F::without_pauses(|| session.encrypt(&IV, message(1))));
    gives(&mut blocked, 1);
    assert_eq!(readable(&contexts[0]), 0);
    adds_up(&engine);
}

pub(crate) fn polling_hands_out_the_number_of_each_job<F: Framework>() {
    let engine = F::stepped(parse("delivery=poll"));
    let ctx = F::ctx();
    let mut jobs: Vec<_> = (0..4).map(|index| encrypt::<F>(&engine, &ctx, index)).collect();
    jobs.iter_mut().for_each(pauses);
    engine.device().run_until_idle();
    let mut handed_out = Vec::new();
    engine.poll(10, |number| handed_out.push(number)).unwrap();
    assert_eq!(handed_out, jobs.iter().map(Job::number).collect::<Vec<_>>());
    assert!(ctx.fds().is_empty(), "nothing is written");
    jobs.iter_mut().enumerate().for_each(|(index, job)| gives(job, index));
    adds_up(&engine);
}
