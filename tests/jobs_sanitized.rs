//! AddressSanitizer's marks on a job's stack are cleared with the frames that they were for, however those
//! ended. The test runs itself again with the sanitizer's library preloaded, and marks frames as a compiler
//! would.
#![allow(unsafe_code, reason = "calls the sanitizer, and starts raw jobs")]

mod captured;
mod job_helpers;

use self::job_helpers::{catch, pauses};

use simaccel::job::raw::{self, RawStep};
use simaccel::job::{self, Pause};
use simaccel::{Job, Step};
use std::cell::Cell;
use std::ffi::{CStr, c_int, c_void};
use std::hint::black_box;
use std::panic::resume_unwind;
use std::process::Command;
use std::{env, mem};

fn function(name: &CStr) -> *mut c_void {
    // SAFETY: looks a name up.
    unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) }
}

const MARKED: usize = 256;

thread_local!(static PLACE: Cell<usize> = const { Cell::new(0) });

/// Marks a part of its own frame, pauses there, and continues with `then`.
fn marks_and_pauses(then: fn()) -> Pause {
    let variable = black_box([0_u64; 2 * MARKED / 8]);
    let place = variable.as_ptr().addr().next_multiple_of(8);
    // SAFETY: the sanitizer's header declares it so.
    let poison: unsafe extern "C" fn(usize, usize) =
        unsafe { mem::transmute(function(c"__asan_poison_memory_region")) };
    // SAFETY: the bytes are of the variable, which is not used again.
    unsafe { poison(place, MARKED) };
    PLACE.set(place);
    let pause = job::pause();
    then();
    black_box(&variable);
    pause
}

#[track_caller]
fn is_marked() -> bool {
    // SAFETY: the sanitizer's header declares it so.
    let poisoned: unsafe extern "C" fn(usize, usize) -> *mut c_void =
        unsafe { mem::transmute(function(c"__asan_region_is_poisoned")) };
    // SAFETY: it looks at marks, not at memory.
    !unsafe { poisoned(PLACE.get(), MARKED) }.is_null()
}

fn body() {
    let mut dropped = Job::without_ctx(|| marks_and_pauses(|| ())).unwrap();
    pauses(&mut dropped);
    assert!(is_marked());
    drop(dropped);
    assert!(!is_marked(), "a job that was dropped");

    let mut panics = Job::without_ctx(|| marks_and_pauses(|| resume_unwind(Box::new("a panic")))).unwrap();
    pauses(&mut panics);
    assert!(is_marked());
    let unwound = catch(|| panic!("resumed: {:?}", panics.resume())).unwrap_err();
    assert_eq!(unwound.downcast_ref::<&str>(), Some(&"a panic"));
    assert!(!is_marked(), "a job that has panicked");

    unsafe extern "C-unwind" fn raw_job(_: *mut c_void) -> c_int {
        c_int::from(marks_and_pauses(|| ()) == Pause::Resumed)
    }
    // SAFETY: it may be called like this, and discarded.
    let started = unsafe { raw::start(raw_job, None, None) };
    let Ok(RawStep::Paused(handle)) = started else { panic!("it pauses: {started:?}") };
    assert!(is_marked());
    // SAFETY: nothing on its stack has a destructor.
    unsafe { raw::discard(handle) }.unwrap();
    assert!(!is_marked(), "a job that was discarded");

    let mut finishes = Job::without_ctx(|| marks_and_pauses(|| ())).unwrap();
    pauses(&mut finishes);
    assert_eq!(finishes.resume(), Ok(Step::Finished(Pause::Resumed)));
    assert!(is_marked(), "a frame that returns takes its marks away itself");
}

#[test]
fn marks_go_with_the_frames_that_do_not_return() {
    if !function(c"__asan_region_is_poisoned").is_null() {
        return body();
    }
    let compiler = Command::new("cc").arg("-print-file-name=libasan.so").output();
    let library = String::from_utf8(compiler.expect("a C compiler (on Debian: gcc)").stdout).unwrap();
    assert!(library.starts_with('/'), "the compiler has no AddressSanitizer (on Debian: libgcc-VERSION-dev)");
    let mut again = Command::new(env::current_exe().unwrap());
    again.args(["marks_go_with_the_frames_that_do_not_return", "--exact", "--test-threads=1"]);
    again.env("LD_PRELOAD", library.trim()).env("ASAN_OPTIONS", "detect_leaks=0");
    let output = again.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
