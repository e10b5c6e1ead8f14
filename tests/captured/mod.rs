//! Strict mode's reports go to the output of the test that breaks a rule: the harness captures them and shows
//! them when that test fails. Strict mode itself writes past the harness. A test that collects reports sets
//! another handler. Raw jobs that end with their thread end after the capture of its output; their reports go
//! nowhere.
//!
//! Set before `main`, because no test is reliably the first, and many tests break rules.
#![allow(unsafe_code, reason = "names the section of what runs before `main`")]

use std::panic;
use std::sync::Arc;
use std::thread;

use simaccel::job::{self, Rule};

extern "C" fn capture() {
    job::set_strict_handler(Some(Arc::new(|violation| {
        if violation.rule != Rule::RawJobReclaimed || violation.call != "end of the thread" {
            eprintln!("simaccel: {violation}");
        }
    })));
}

// The section holds pointers to functions of this type. Each is called once, on the only thread there is.
#[used]
#[unsafe(link_section = ".init_array")]
static CAPTURE: extern "C" fn() = capture;

/// Runs a test that leaks jobs in its own thread, of the same name. The jobs are reported when that thread
/// ends, while the harness still captures the output of its own thread.
#[allow(dead_code, reason = "few tests leak")]
pub(crate) fn leaking(test: impl FnOnce() + Send + 'static) {
    let name = thread::current().name().unwrap_or("a test").to_owned();
    let ended = thread::Builder::new().name(name).spawn(test).expect("a thread").join();
    ended.unwrap_or_else(|payload| panic::resume_unwind(payload));
}
