//! Strict mode: each rule broken once on purpose, with its report, and each correct use, without a report.
//!
//! The switch and the handler belong to the process: reports are sorted by thread. Tests that change them are
//! in `strict_switch.rs`.
#![allow(unsafe_code, reason = "plays the part of C code")]

mod captured;
mod engine_helpers;
mod job_helpers;

use std::cell::RefCell;
use std::ffi::{c_int, c_void};
use std::rc::Rc;
use std::thread;

use simaccel::job::raw::{self, Handle, RawFn};
use simaccel::job::{self, LeakReason, Misuse, Pause, Rule, Violation};
use simaccel::{Engine, Job, Step, WaitCtx};

use self::engine_helpers::{IV, ctr, expected_ctr, finish, message, stepped};
use self::job_helpers::raw::{paused, pauses_for_ever, pauses_once, start_without_args, waits_for_a_request};
use self::job_helpers::reports::{assert_silent, pauses_once_in, reports, reports_of, reports_of_thread};
use self::job_helpers::{Log, assert_balanced, catch, holding, swallowing};

/// Rule, token and call of each report.
fn brief(reports: &[Violation]) -> Vec<(Rule, u64, &'static str)> {
    reports.iter().map(|report| (report.rule, report.token, report.call)).collect()
}

#[track_caller]
fn assert_names(report: &Violation, name: &str) {
    assert!(report.job.is_some_and(|job| job.contains(name)), "{report:?} does not name {name}");
}

fn start_on(ctx: &WaitCtx, func: RawFn) -> Handle {
    // SAFETY: the functions here do not look at their arguments, and own nothing while they are paused.
    paused(unsafe { raw::start(func, None, Some(ctx)) })
}

#[test]
fn a_finished_job_that_is_resumed_is_named_with_the_line() {
    let said = reports(|| {
        let mut job = Job::without_ctx(|| 7).unwrap();
        job.set_token(11);
        assert_eq!(job.resume(), Ok(Step::Finished(7)));
        assert_eq!(job.resume(), Err(Misuse::Finished));
        let mut panics = Job::without_ctx(|| -> u8 { panic!("and so finishes") }).unwrap();
        panics.set_token(12);
        assert!(catch(|| assert!(panics.resume().is_ok())).is_err());
        assert_eq!(panics.resume(), Err(Misuse::Finished));
    });
    let rule = Rule::FinishedJobResumed;
    assert_eq!(brief(&said), [(rule, 11, "Job::resume"), (rule, 12, "Job::resume")]);
    for report in &said {
        assert_names(report, "a_finished_job_that_is_resumed_is_named_with_the_line::{{closure}}");
        let location = report.location.unwrap();
        assert_eq!(location.file(), file!());
        let source = include_str!("strict.rs").lines().nth(location.line() as usize - 1).unwrap();
        assert!(source.contains("Err(Misuse::Finished)"), "{source}");
    }
}

#[test]
fn a_report_is_one_complete_line() {
    let said = reports(|| {
        let mut job = Job::without_ctx(|| ()).unwrap();
        job.set_token(4711);
        assert_eq!(job.resume(), Ok(Step::Finished(())));
        assert_eq!(job.resume(), Err(Misuse::Finished));
        assert_eq!(raw::resume(Handle::from_bits(5)), Err(Misuse::Stale));
    });
    let [finished, stale] = &said[..] else { panic!("{said:?}") };
    let line = finished.to_string();
    let location = finished.location.unwrap().to_string();
    let thread = format!("thread {:?}, {:?}", thread::current().name().unwrap(), thread::current().id());
    for part in ["finished job", "Job::resume", "a_report_is_one_complete_line", "4711", &thread, &location] {
        assert!(line.contains(part), "{part} is not in: {line}");
    }
    assert!(!line.contains('\n'));
    let line = stale.to_string();
    assert!(
        line.contains("raw::resume at tests/strict.rs") && line.contains("no such job, token 5"),
        "{line}"
    );
}

#[test]
fn a_thread_is_named_where_it_has_a_name() {
    let misuse = || assert_eq!(raw::resume(Handle::from_bits(5)), Err(Misuse::Stale));
    for name in [None, Some("a worker")] {
        let builder =
            || name.map_or_else(thread::Builder::new, |name| thread::Builder::new().name(name.to_owned()));
        let mut said = Vec::new();
        let of_me = reports(|| {
            let thread = builder().spawn(misuse).unwrap();
            let id = thread.thread().id();
            thread.join().unwrap();
            said = reports_of(id);
        });
        assert_silent(&of_me);
        assert_eq!(said[0].thread_name.as_deref(), name);
        let line = said[0].to_string();
        assert_eq!(line.contains("; thread \"a worker\", ThreadId("), name.is_some(), "{line}");
    }
}

/// Dropping a connection drops the context after its job, or before.
#[test]
fn a_struct_that_drops_its_context_first_gets_advice() {
    #[expect(dead_code, reason = "dropped")]
    struct ContextFirst(WaitCtx, Job<()>);
    #[expect(dead_code, reason = "dropped")]
    struct JobFirst(Job<()>, WaitCtx);
    let said = reports(|| {
        let ctx = WaitCtx::new();
        let job = pauses_once_in(&ctx, 61);
        drop(ContextFirst(ctx, job));
        let ctx = WaitCtx::new();
        let job = pauses_once_in(&ctx, 62);
        drop(JobFirst(job, ctx));
    });
    assert_eq!(brief(&said), [(Rule::WaitCtxFreedUnderJob, 61, "drop of WaitCtx")]);
    let line = said[0].to_string();
    assert!(line.contains("declare the job's field before the context's"), "{line}");
    let said = reports(|| {
        let engine = stepped("");
        let (ctx, session) = (WaitCtx::new(), ctr(&engine));
        let mut job = Job::new(&ctx, move || drop(session.encrypt(&IV, message(1, 80)))).unwrap();
        assert_eq!(job.resume(), Ok(Step::Paused));
        drop(ContextFirst(ctx, job));
    });
    assert!(said.len() == 1 && said[0].rule == Rule::WaitCtxFreedInFlight, "{said:?}");
    assert!(said[0].to_string().contains("declare the job's field before the context's"));
}

#[test]
fn a_stale_handle_is_named() {
    let (mut ended, mut typed) = (0, 0);
    let said = reports(|| {
        let job = paused(start_without_args(pauses_once));
        ended = job.to_bits();
        assert!(raw::resume(job).is_ok());
        assert_eq!(raw::resume(job), Err(Misuse::Stale));
        // SAFETY: refused.
        assert_eq!(unsafe { raw::discard(job) }, Err(Misuse::Stale));
        let other = Job::without_ctx(|| ()).unwrap();
        typed = other.token();
        assert_eq!(raw::resume(Handle::from_bits(typed)), Err(Misuse::Stale));
    });
    let rule = Rule::StaleHandle;
    let expected =
        [(rule, ended, "raw::resume"), (rule, ended, "raw::discard"), (rule, typed, "raw::resume")];
    assert_eq!(brief(&said), expected);
    assert_eq!((said[0].job, said[1].job), (None, None), "it names nothing any more");
    assert_names(&said[2], "a_stale_handle_is_named");
    assert!(said.iter().all(|report| report.location.unwrap().file() == file!()));
}

#[test]
fn a_handle_of_another_thread_is_named_where_it_is_used() {
    let job = paused(start_without_args(pauses_once));
    let said = reports_of_thread(move || assert_eq!(raw::resume(job), Err(Misuse::Stale)));
    assert_eq!(brief(&said), [(Rule::StaleHandle, job.to_bits(), "raw::resume")]);
    assert!(raw::resume(job).is_ok());
}

#[test]
fn a_job_that_resumes_itself_is_named() {
    unsafe extern "C-unwind" fn meddles(_: *mut c_void) -> c_int {
        let me = raw::current().unwrap();
        assert_eq!(raw::resume(me), Err(Misuse::Running));
        // SAFETY: refused.
        assert_eq!(unsafe { raw::discard(me) }, Err(Misuse::Running));
        0
    }
    let said = reports(|| assert!(start_without_args(meddles).is_ok()));
    let calls: Vec<_> = said.iter().map(|report| (report.rule, report.job, report.call)).collect();
    let rule = Rule::JobIsRunning;
    assert_eq!(calls, [(rule, Some("raw job"), "raw::resume"), (rule, Some("raw job"), "raw::discard")]);
}

#[test]
fn a_job_that_its_thread_leaves_behind_is_named_and_listed() {
    const TOKEN: u64 = 0x1eaf_0001;
    let said = reports_of_thread(|| {
        let mut job = Job::without_ctx(job::pause).unwrap();
        job.set_token(TOKEN);
        assert_eq!(job.resume(), Ok(Step::Paused));
        std::mem::forget(job);
        // It never ran, so only the closure is lost.
        std::mem::forget(Job::without_ctx(|| ()).unwrap());
    });
    assert_eq!(brief(&said), [(Rule::JobLeaked, TOKEN, "end of the thread")]);
    assert_names(&said[0], "job::current::pause");
    let leaks = job::leaks();
    let leak = leaks.recent.iter().find(|leak| leak.token == TOKEN).unwrap();
    assert_eq!((leak.reason, leak.thread), (LeakReason::ThreadEnded, said[0].thread));
    assert_eq!(Some(leak.name), said[0].job);
}

#[test]
fn a_job_that_swallows_its_unwinding_is_named_once() {
    for times in [1, 3] {
        let said = reports(|| drop(swallowing(times, 21)));
        assert_eq!(brief(&said), [(Rule::UnwindSwallowed, 21, "drop of Job")], "{times} times");
        assert_names(&said[0], "swallowing");
    }
    let said = reports(|| {
        let mut obeys_late = Job::without_ctx(|| {
            let _swallowed = catch(|| assert_ne!(job::pause(), Pause::Resumed, "it is dropped"));
            while job::pause() == Pause::Resumed {}
        })
        .unwrap();
        obeys_late.set_token(24);
        assert_eq!(obeys_late.resume(), Ok(Step::Paused));
        drop(obeys_late);
    });
    assert_eq!(brief(&said), [(Rule::UnwindSwallowed, 24, "drop of Job")]);
    let said = reports(|| {
        let mut replaces = Job::without_ctx(|| -> u8 {
            let _swallowed = catch(|| assert_ne!(job::pause(), Pause::Resumed, "it is dropped"));
            panic!("instead");
        })
        .unwrap();
        replaces.set_token(22);
        assert_eq!(replaces.resume(), Ok(Step::Paused));
        assert!(catch(|| drop(replaces)).is_err());
    });
    assert_eq!(brief(&said), [(Rule::UnwindSwallowed, 22, "drop of Job")]);
}

#[test]
fn a_job_that_never_unwinds_is_named_as_leaked_too() {
    const TOKEN: u64 = 0x1eaf_0002;
    let said = reports(|| drop(swallowing(u32::MAX, TOKEN)));
    let expected = [(Rule::UnwindSwallowed, TOKEN, "drop of Job"), (Rule::JobLeaked, TOKEN, "drop of Job")];
    assert_eq!(brief(&said), expected);
    let leaks = job::leaks();
    assert!(leaks.recent.iter().any(|leak| leak.token == TOKEN && leak.reason == LeakReason::GivenUp));
    assert_balanced();
}

#[test]
fn an_unwinding_that_was_put_off_is_said_to_be() {
    let said = reports(|| {
        let job = swallowing(1, 23);
        let unwound = catch(|| {
            let _job = job;
            panic!("over the job");
        });
        assert!(unwound.is_err());
        job::cleanup_thread();
    });
    let call = "drop of Job, deferred while its thread panicked";
    assert_eq!(brief(&said), [(Rule::UnwindSwallowed, 23, call)]);
}

#[test]
fn a_context_freed_with_a_request_in_flight_is_named() {
    // How far the request has got: queued, executed, done; and waiting for a slot.
    let moments: [fn(&Engine); 3] = [
        |_| (),
        |engine| assert!(engine.device().step()),
        |engine| {
            engine.device().run_until_idle();
        },
    ];
    for delivery in ["wake", "poll"] {
        for reach in moments {
            let said = reports(|| {
                let engine = stepped(&format!("completion_nsec=1000;delivery={delivery}"));
                let (ctx, session) = (WaitCtx::new(), ctr(&engine));
                let mut job = Job::new(&ctx, move || session.encrypt(&IV, message(1, 80))).unwrap();
                job.set_token(31);
                assert!(matches!(job.resume(), Ok(Step::Paused)));
                reach(&engine);
                drop(ctx);
                let result = loop {
                    match job.resume().unwrap() {
                        Step::Finished(result) => break result,
                        Step::Paused => engine.device().run_until_idle(),
                    };
                    engine.poll(1, |_| ()).unwrap();
                };
                assert_eq!(result.unwrap(), expected_ctr(&message(1, 80)));
            });
            assert_eq!(brief(&said), [(Rule::WaitCtxFreedInFlight, 31, "drop of WaitCtx")]);
            assert_names(&said[0], "a_context_freed_with_a_request_in_flight_is_named::{{closure}}");
        }
    }
}

#[test]
fn each_job_of_a_freed_context_is_named() {
    let said = reports(|| {
        let engine = stepped("depth=2;queue_pairs=1;completion_nsec=1000");
        let (ctx, other) = (WaitCtx::new(), WaitCtx::new());
        let start = |ctx, token| {
            let session = ctr(&engine);
            let mut job = Job::new(ctx, move || session.encrypt(&IV, message(1, 80)).map(drop)).unwrap();
            job.set_token(token);
            assert!(matches!(job.resume(), Ok(Step::Paused)));
            job
        };
        let _jobs = [start(&other, 40), start(&ctx, 41), start(&ctx, 42)];
        let _plain = pauses_once_in(&ctx, 44);
        let _fresh = Job::new(&ctx, || ()).unwrap();
        drop(ctx);
    });
    // The last waits for a slot. The other context is dropped after its job, as locals are.
    let mut said = brief(&said);
    said.sort_by_key(|(_, token, _)| *token);
    let expected = [
        (Rule::WaitCtxFreedInFlight, 41, "drop of WaitCtx"),
        (Rule::WaitCtxFreedInFlight, 42, "drop of WaitCtx"),
        (Rule::WaitCtxFreedUnderJob, 44, "drop of WaitCtx"),
    ];
    assert_eq!(said, expected);
}

#[test]
fn a_context_freed_under_a_job_that_paused_by_itself_is_named() {
    let said = reports(|| {
        let ctx = WaitCtx::new();
        let mut job = pauses_once_in(&ctx, 51);
        drop(ctx);
        assert_eq!(job.resume(), Ok(Step::Finished(())));
    });
    assert_eq!(brief(&said), [(Rule::WaitCtxFreedUnderJob, 51, "drop of WaitCtx")]);
}

#[test]
fn a_job_whose_request_has_ended_has_none_when_it_pauses_by_itself() {
    let said = reports(|| {
        let engine = stepped("");
        let (ctx, session) = (WaitCtx::new(), ctr(&engine));
        let mut job = Job::new(&ctx, move || {
            session.encrypt(&IV, message(1, 80)).unwrap();
            let _ = simaccel::job::pause();
        })
        .unwrap();
        job.set_token(52);
        assert_eq!(job.resume(), Ok(Step::Paused));
        engine.device().run_until_idle();
        assert_eq!(job.resume(), Ok(Step::Paused), "by itself");
        drop(ctx);
        assert_eq!(job.resume(), Ok(Step::Finished(())));
    });
    assert_eq!(brief(&said), [(Rule::WaitCtxFreedUnderJob, 52, "drop of WaitCtx")]);
}

#[test]
fn a_context_freed_before_its_raw_jobs_have_finished_is_named() {
    let mut jobs = [0; 2];
    let said = reports(|| {
        let ctx = WaitCtx::new();
        jobs = [waits_for_a_request as RawFn, pauses_for_ever].map(|func| start_on(&ctx, func).to_bits());
        // SAFETY: the functions own nothing.
        assert_eq!(unsafe { raw::discard_paused_on(&ctx) }, 2);
        drop(ctx);
        let ctx = WaitCtx::new();
        let job = start_on(&ctx, waits_for_a_request);
        drop(ctx);
        // SAFETY: as above.
        assert_eq!(unsafe { raw::discard(job) }, Ok(()));
    });
    let call = "raw::discard_paused_on";
    assert_eq!(
        brief(&said)[..2],
        [(Rule::WaitCtxFreedInFlight, jobs[0], call), (Rule::WaitCtxFreedUnderJob, jobs[1], call)]
    );
    assert_eq!((said.len(), said[2].rule, said[2].call), (3, Rule::WaitCtxFreedInFlight, "drop of WaitCtx"));
    assert!(said.iter().all(|report| report.job == Some("raw job")));
    assert_balanced();
}

#[test]
fn raw_jobs_that_are_reclaimed_with_their_thread_are_named() {
    let said = reports(|| {
        let _job = paused(start_without_args(waits_for_a_request));
        for reclaimed in [1, 0] {
            // SAFETY: the function owns nothing.
            assert_eq!(unsafe { raw::discard_paused() }, reclaimed);
        }
    });
    let calls = |said: &[Violation]| said.iter().map(|report| (report.rule, report.call)).collect::<Vec<_>>();
    assert_eq!(calls(&said), [(Rule::RawJobReclaimed, "raw::discard_paused")]);
    assert_eq!(said[0].location.unwrap().file(), file!());
    let said = reports_of_thread(|| {
        let _job = paused(start_without_args(waits_for_a_request));
    });
    assert_eq!(calls(&said), [(Rule::RawJobReclaimed, "end of the thread")]);
}

#[test]
fn right_use_is_not_spoken_of() {
    let engine = stepped("completion_nsec=1000");
    let encrypts = |ctx: &WaitCtx| {
        let session = ctr(&engine);
        let mut job = Job::new(ctx, move || session.encrypt(&IV, message(1, 80)).map(drop)).unwrap();
        assert!(matches!(job.resume(), Ok(Step::Paused)));
        job
    };
    let said = reports(|| {
        // Finished, then freed.
        let ctx = WaitCtx::new();
        let mut job = encrypts(&ctx);
        engine.device().run_until_idle();
        finish(&ctx, &mut job).0.unwrap();
        drop((ctx, job));
        // Dropped, then freed: paused with and without a request, and never run.
        let ctx = WaitCtx::new();
        drop(encrypts(&ctx));
        drop(pauses_once_in(&ctx, 1));
        drop(Job::new(&ctx, || ()).unwrap());
        drop(ctx);
        // Freed before the job has run, and by the job itself.
        let ctx = WaitCtx::new();
        let place = Rc::new(RefCell::new(None));
        let inner = Rc::clone(&place);
        let mut fresh = Job::new(&ctx, || ()).unwrap();
        let mut frees = Job::new(&ctx, move || drop(inner.take())).unwrap();
        *place.borrow_mut() = Some(ctx);
        assert_eq!(frees.resume(), Ok(Step::Finished(())));
        assert_eq!(fresh.resume(), Ok(Step::Finished(())));
        // A reference to a context is not a job.
        let ctx = WaitCtx::new();
        let job = pauses_once_in(&ctx, 1);
        let look = job.wait_ctx();
        drop(job);
        drop(ctx);
        assert!(look.unwrap().is_freed());
        // Raw jobs: finished, discarded one by one; nothing left to reclaim.
        let ctx = WaitCtx::new();
        assert!(raw::resume(start_on(&ctx, pauses_once)).is_ok());
        // SAFETY: the function owns nothing.
        unsafe {
            assert_eq!(raw::discard(start_on(&ctx, waits_for_a_request)), Ok(()));
            assert_eq!(raw::discard_paused_on(&ctx) + raw::discard_paused(), 0);
        }
        drop(ctx);
        assert!(catch(|| job_helpers::run(|| panic!("passes through"))).is_err());
    });
    assert_silent(&said);
}

#[test]
fn a_drop_that_a_panic_puts_off_is_right_use() {
    let log = Log::default();
    let said = reports(|| {
        let unwound = catch(|| {
            let ctx = WaitCtx::new();
            let _first = pauses_once_in(&ctx, 1);
            let _held = holding(&log, "job");
            let _last = pauses_once_in(&ctx, 2);
            panic!("over jobs, then their context");
        });
        assert!(unwound.is_err() && log.borrow().is_empty(), "none could be unwound before the context went");
        job::cleanup_thread();
        assert_eq!(*log.borrow(), ["job"]);
    });
    assert_silent(&said);
}

#[test]
fn a_thread_that_ends_in_order_is_not_spoken_of() {
    let said = reports_of_thread(|| {
        let ctx = WaitCtx::new();
        let mut job = pauses_once_in(&ctx, 1);
        assert_eq!(job.resume(), Ok(Step::Finished(())));
        let _dropped = pauses_once_in(&ctx, 2);
        assert!(raw::resume(start_on(&ctx, pauses_once)).is_ok());
    });
    assert_silent(&said);
}
