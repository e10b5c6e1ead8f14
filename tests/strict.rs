//! Strict mode: each rule broken once on purpose, with what is said of it, and each right use, of which nothing is said.
//!
//! The switch and the handler are the process's. Tests that share them sort reports by thread; those that change them run
//! in a process of their own.
#![allow(unsafe_code, reason = "plays the part of C code")]

mod common;
mod support;

use std::cell::RefCell;
use std::ffi::{c_int, c_void};
use std::process::Output;
use std::rc::Rc;
use std::sync::{Arc, Mutex, Once};
use std::thread::{self, ThreadId};

use simaccel::job::raw::{self, Handle, RawFn};
use simaccel::job::{self, LeakReason, Misuse, Pause, Rule, Violation};
use simaccel::{Engine, Job, Step, WaitCtx};

use self::common::raw::{paused, pauses_for_ever, pauses_once, start_without_args, waits_for_a_request};
use self::common::{Log, assert_balanced, catch, child_output, holding, passes_in_child, swallowing};
use self::support::{IV, ctr, expected_ctr, finish, message, stepped};

static REPORTS: Mutex<Vec<Violation>> = Mutex::new(Vec::new());

fn collect() {
    job::set_strict(true);
    job::set_strict_handler(Some(Arc::new(|violation| REPORTS.lock().unwrap().push(violation.clone()))));
}

/// What was said of `thread` since it was last asked.
fn reports_of(thread: ThreadId) -> Vec<Violation> {
    REPORTS.lock().unwrap().extract_if(.., |violation| violation.thread == thread).collect()
}

/// What is said while `body` runs in this thread.
fn reports(body: impl FnOnce()) -> Vec<Violation> {
    static COLLECT: Once = Once::new();
    COLLECT.call_once(collect);
    let me = thread::current().id();
    reports_of(me);
    body();
    reports_of(me)
}

/// What is said of a thread of its own that runs `body`, up to its end.
fn reports_of_thread(body: impl FnOnce() + Send + 'static) -> Vec<Violation> {
    let mut of_thread = Vec::new();
    let of_me = reports(|| {
        let thread = thread::spawn(body);
        let id = thread.thread().id();
        thread.join().unwrap();
        of_thread = reports_of(id);
    });
    assert_silent(&of_me);
    of_thread
}

#[track_caller]
fn assert_silent(reports: &[Violation]) {
    assert!(reports.is_empty(), "{reports:?}");
}

/// Rule, token and call of each.
fn brief(reports: &[Violation]) -> Vec<(Rule, u64, &'static str)> {
    reports.iter().map(|report| (report.rule, report.token, report.call)).collect()
}

#[track_caller]
fn assert_names(report: &Violation, name: &str) {
    assert!(report.job.is_some_and(|job| job.contains(name)), "{report:?} does not name {name}");
}

fn pauses_once_in(ctx: &WaitCtx, token: u64) -> Job<()> {
    let mut job = Job::new(ctx, || assert_eq!(job::pause(), Pause::Resumed)).unwrap();
    job.set_token(token);
    assert_eq!(job.resume(), Ok(Step::Paused));
    job
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
fn a_report_is_one_line_that_says_it_all() {
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
    for part in ["finished job", "Job::resume", "a_report_is_one_line", "4711", "ThreadId", &location] {
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
        // Never run, so nothing is lost but the closure.
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
    let call = "drop of Job, put off while its thread panicked";
    assert_eq!(brief(&said), [(Rule::UnwindSwallowed, 23, call)]);
}

#[test]
fn a_context_freed_with_a_request_in_flight_is_named() {
    // Up to which moment the request has come: queued, executed, done; and waiting for a slot.
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
    // The last waits for a slot. The other context goes after its job, as locals do.
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
        // Freed before the job has run at all, and by the job itself.
        let ctx = WaitCtx::new();
        let place = Rc::new(RefCell::new(None));
        let inner = Rc::clone(&place);
        let mut fresh = Job::new(&ctx, || ()).unwrap();
        let mut frees = Job::new(&ctx, move || drop(inner.take())).unwrap();
        *place.borrow_mut() = Some(ctx);
        assert_eq!(frees.resume(), Ok(Step::Finished(())));
        assert_eq!(fresh.resume(), Ok(Step::Finished(())));
        // A look at a context is not a job.
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
        assert!(catch(|| common::run(|| panic!("passes through"))).is_err());
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

/// Breaks each rule that can be broken in a thread that goes on, whatever is said of it.
fn break_rules() {
    let mut job = Job::without_ctx(|| 7).unwrap();
    assert_eq!(job.resume(), Ok(Step::Finished(7)));
    assert_eq!(job.resume(), Err(Misuse::Finished));
    assert_eq!(raw::resume(Handle::from_bits(3)), Err(Misuse::Stale));
    let ctx = WaitCtx::new();
    let mut job = pauses_once_in(&ctx, 1);
    drop(ctx);
    assert_eq!(job.resume(), Ok(Step::Finished(())));
    drop(swallowing(1, 1));
    let _job = paused(start_without_args(waits_for_a_request));
    // SAFETY: the function owns nothing.
    assert_eq!(unsafe { raw::discard_paused() }, 1);
    assert_balanced();
}

/// How many rules [`break_rules`] breaks.
const BROKEN: usize = 5;

fn lines(output: &Output) -> Vec<String> {
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    text.lines().filter(|line| line.starts_with("simaccel: ")).map(str::to_owned).collect()
}

#[test]
fn it_is_on_in_debug_builds_and_writes_lines() {
    let output = child_output("it_is_on_in_debug_builds_and_writes_lines", || {
        assert_eq!(job::is_strict(), cfg!(debug_assertions));
        break_rules();
    });
    let Some(output) = output else { return };
    let lines = lines(&output);
    assert_eq!(lines.len(), if cfg!(debug_assertions) { BROKEN } else { 0 }, "{lines:?}");
    assert!(lines.iter().all(|line| line.contains("strict::") || line.contains("raw")), "{lines:?}");
}

#[test]
fn switched_off_it_is_silent_and_nothing_else_changes() {
    let output = child_output("switched_off_it_is_silent_and_nothing_else_changes", || {
        collect();
        break_rules();
        assert_eq!(reports_of(thread::current().id()).len(), BROKEN);
        job::set_strict(false);
        break_rules();
        assert_silent(&reports_of(thread::current().id()));
        job::set_strict_handler(None);
        break_rules();
    });
    if let Some(output) = output {
        assert!(lines(&output).is_empty(), "{output:?}");
    }
}

#[test]
fn opening_an_engine_sets_the_switch_where_it_is_told_to() {
    passes_in_child("opening_an_engine_sets_the_switch_where_it_is_told_to", || {
        for (config, on) in [("strict=on", true), ("", true), ("strict=off", false), ("depth=4", false)] {
            drop(stepped(config));
            assert_eq!(job::is_strict(), on, "{config}");
        }
        drop(support::open("strict=on"));
        assert!(job::is_strict());
    });
}

#[test]
fn a_handler_that_panics_is_fenced_and_the_line_written() {
    let output = child_output("a_handler_that_panics_is_fenced_and_the_line_written", || {
        struct Explodes;
        impl Drop for Explodes {
            fn drop(&mut self) {
                panic!("the payload, too");
            }
        }
        job::set_strict(true);
        job::set_strict_handler(Some(Arc::new(|_| std::panic::panic_any(Explodes))));
        break_rules();
        let unwound = catch(|| {
            struct Breaks;
            impl Drop for Breaks {
                fn drop(&mut self) {
                    assert_eq!(raw::resume(Handle::from_bits(3)), Err(Misuse::Panicking));
                    // SAFETY: refused.
                    assert_eq!(unsafe { raw::discard(Handle::from_bits(3)) }, Err(Misuse::Stale));
                }
            }
            let _breaks = Breaks;
            panic!("the handler panics while the thread does");
        });
        assert!(unwound.is_err());
        job::set_strict_handler(None);
        break_rules();
    });
    if let Some(output) = output {
        assert_eq!(lines(&output).len(), BROKEN + 1 + BROKEN, "{output:?}");
    }
}

#[test]
fn a_handler_may_use_jobs_and_break_rules_and_cannot_pause() {
    static SAID: Mutex<Vec<Rule>> = Mutex::new(Vec::new());
    let output = child_output("a_handler_may_use_jobs_and_break_rules_and_cannot_pause", || {
        job::set_strict(true);
        job::set_strict_handler(Some(Arc::new(|violation| {
            SAID.lock().unwrap().push(violation.rule);
            assert_ne!(job::pause(), Pause::Resumed, "a report does not leave in the middle");
            assert_eq!(common::run(|| 5), 5);
            job::cleanup_thread();
            assert_eq!(raw::resume(Handle::from_bits(9)), Err(Misuse::Stale));
        })));
        break_rules();
        common::run(break_rules);
        assert_eq!(SAID.lock().unwrap().len(), 2 * BROKEN);
        // Replaced while it runs, it is dropped at its end.
        job::set_strict_handler(Some(Arc::new(|_| job::set_strict_handler(None))));
        assert_eq!(raw::resume(Handle::from_bits(9)), Err(Misuse::Stale));
        assert_eq!(raw::resume(Handle::from_bits(10)), Err(Misuse::Stale));
    });
    if let Some(output) = output {
        let lines = lines(&output);
        assert_eq!(lines.len(), 2 * BROKEN + 1, "its own, and what came after it: {lines:?}");
        assert!(lines.iter().all(|line| line.contains("token 9;") || line.contains("token 10;")));
    }
}

#[test]
fn handlers_run_on_many_threads_at_once() {
    let said: usize = thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| (0..50).map(|_| reports(break_rules).len()).sum::<usize>()))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(said, 4 * 50 * BROKEN);
}
