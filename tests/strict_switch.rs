//! The switch and the handler of strict mode: on, off, set by an engine, a handler that panics or breaks
//! rules itself.
//!
//! Both belong to the process, so most tests run in their own process.
#![allow(unsafe_code, reason = "plays the part of C code")]

mod captured;
mod engine_helpers;
mod job_helpers;

use std::process::Output;
use std::sync::{Arc, Mutex};
use std::thread;

use simaccel::job::raw::{self, Handle};
use simaccel::job::{self, Misuse, Pause, Rule};
use simaccel::{Job, Step, WaitCtx};

use self::engine_helpers::stepped;
use self::job_helpers::raw::{paused, start_without_args, waits_for_a_request};
use self::job_helpers::reports::{assert_silent, collect, pauses_once_in, reports, reports_of};
use self::job_helpers::{assert_balanced, catch, child_output, passes_in_child, swallowing};

/// Breaks each rule that a thread can break and go on.
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
    assert!(
        lines.iter().all(|line| line.contains("strict_switch::")
            || line.contains("job_helpers::")
            || line.contains("raw")),
        "{lines:?}"
    );
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
fn opening_an_engine_sets_the_switch_if_configured() {
    passes_in_child("opening_an_engine_sets_the_switch_if_configured", || {
        for (config, on) in [("strict=on", true), ("", true), ("strict=off", false), ("depth=4", false)] {
            drop(stepped(config));
            assert_eq!(job::is_strict(), on, "{config}");
        }
        drop(engine_helpers::open("strict=on"));
        assert!(job::is_strict());
    });
}

#[test]
fn a_panic_of_the_handler_is_caught_and_the_line_written() {
    let output = child_output("a_panic_of_the_handler_is_caught_and_the_line_written", || {
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
            assert_eq!(job_helpers::run(|| 5), 5);
            job::cleanup_thread();
            assert_eq!(raw::resume(Handle::from_bits(9)), Err(Misuse::Stale));
        })));
        break_rules();
        job_helpers::run(break_rules);
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
