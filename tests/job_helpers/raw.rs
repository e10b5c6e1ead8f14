//! Raw jobs without arguments, and how to start them.
#![allow(dead_code, unsafe_code, reason = "starts raw jobs; each test file uses a part of this")]

use std::ffi::{c_int, c_void};

use simaccel::job::raw::{self, Handle, RawFn, RawStep};
use simaccel::job::{self, Pause, Release, StartError};

use super::assert_balanced;

pub(crate) fn start_without_args(func: RawFn) -> Result<RawStep, StartError> {
    // SAFETY: the functions here do not read their arguments, and own nothing while they are paused.
    unsafe { raw::start(func, None, None) }
}

pub(crate) fn paused(step: Result<RawStep, StartError>) -> Handle {
    match step.unwrap() {
        RawStep::Paused(job) => job,
        RawStep::Finished(ret) => panic!("the job has finished with {ret}"),
    }
}

pub(crate) unsafe extern "C-unwind" fn returns_seven(_: *mut c_void) -> c_int {
    7
}

pub(crate) unsafe extern "C-unwind" fn pauses_once(_: *mut c_void) -> c_int {
    assert_eq!(job::pause(), Pause::Resumed);
    7
}

pub(crate) unsafe extern "C-unwind" fn pauses_for_ever(_: *mut c_void) -> c_int {
    while job::pause() == Pause::Resumed {}
    0
}

/// What a paused frame would give back, as an engine gives back its request.
struct Request;

impl Release for Request {
    fn release(&self) {
        assert_balanced();
    }
}

pub(crate) unsafe extern "C-unwind" fn waits_for_a_request(_: *mut c_void) -> c_int {
    while job::pause_with(&Request) == Pause::Resumed {}
    0
}
