//! Overflows: a job that runs into its guard is named in one line, then the process ends as it would have
//! without the handler. The program's other handlers still get their own faults.
#![allow(
    unsafe_code,
    reason = "installs handlers, faults on purpose, makes threads that Rust knows nothing of"
)]

mod captured;
mod job_helpers;

use self::job_helpers::{child_output, pauses, pausing, run};

use simaccel::Job;
use simaccel::job::{self, PoolConfig, raw};
use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::hint::black_box;
use std::mem::MaybeUninit;
use std::os::unix::process::ExitStatusExt;
use std::process::Output;
use std::rc::Rc;
use std::{fs, ptr};

/// Uses this many bytes of stack, step by step.
#[inline(never)]
fn deep(bytes: usize) -> usize {
    let frame = black_box([1_u8; 512]);
    if bytes <= frame.len() { frame.len() } else { frame.len() + deep(bytes - frame.len()) }
}

fn lines(output: &Output) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.stderr);
    text.lines().filter(|line| line.contains("overflowed its stack")).map(str::to_owned).collect()
}

/// Installs a handler of the program.
fn install(signal: c_int, handler: usize, flags: c_int) {
    // SAFETY: all zero is an action with an empty mask.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    (action.sa_sigaction, action.sa_flags) = (handler, flags);
    // SAFETY: the handlers of these tests do nothing but leave, or note that they were called.
    assert_eq!(unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) }, 0);
}

extern "C" fn leaves_with_7(_: c_int) {
    // SAFETY: ends the process at once.
    unsafe { libc::_exit(7) };
}

extern "C" fn leaves_with_8_at(_: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel's, handed on.
    let complete = !context.is_null() && unsafe { (*info).si_addr() }.addr() == 0xdead0;
    // SAFETY: ends the process at once.
    unsafe { libc::_exit(if complete { 8 } else { 9 }) };
}

fn faults_at(address: usize) {
    // SAFETY: none; the write must fault.
    unsafe { ptr::with_exposed_provenance_mut::<u8>(address).write_volatile(1) };
}

#[test]
fn a_typed_job_is_named_with_its_size_and_the_key() {
    let name = "a_typed_job_is_named_with_its_size_and_the_key";
    let body = || {
        job::init_thread(PoolConfig { stack_size: 128 * 1024, ..PoolConfig::default() }).unwrap();
        let mut below = pausing(1);
        pauses(&mut below);
        let mut job = Job::without_ctx(|| deep(1 << 20)).unwrap();
        job.set_token(4711);
        let _ = job.resume();
    };
    let Some(output) = child_output(name, body) else { return };
    assert_eq!(output.status.signal(), Some(libc::SIGSEGV));
    let lines = lines(&output);
    let [line] = &lines[..] else { panic!("one line, and not {lines:?}") };
    assert!(line.starts_with(
        "simaccel: a job has overflowed its stack of 131072 bytes: raise PoolConfig::stack_size"
    ));
    assert!(line.contains(name) && line.ends_with(", token 4711)"), "{line}");
}

#[test]
fn a_raw_job_is_named_by_its_function_and_the_inner_one_of_two() {
    let name = "a_raw_job_is_named_by_its_function_and_the_inner_one_of_two";
    unsafe extern "C-unwind" fn overflows(_: *mut c_void) -> c_int {
        c_int::try_from(deep(1 << 20)).unwrap()
    }
    let body = || {
        raw::set_default_sizes(48 * 1024, 64 * 1024).unwrap();
        println!("function {:p}", overflows as *const c_void);
        // SAFETY: it may be called like this; that it overflows is what is tested.
        run(|| unsafe { raw::start(overflows, None, None) }.is_ok());
    };
    let Some(output) = child_output(name, body) else { return };
    assert_eq!(output.status.signal(), Some(libc::SIGSEGV));
    let lines = lines(&output);
    let [line] = &lines[..] else { panic!("one line, and not {lines:?}") };
    assert!(line.contains("stack of 49152 bytes: raise SIMACCEL_STACK_SIZE"), "{line}");
    let text = String::from_utf8_lossy(&output.stdout);
    let function = text.lines().find_map(|line| line.split_once("function ")).unwrap().1;
    assert!(line.contains("job: raw job") && line.ends_with(&format!("function {function})")), "{line}");
}

#[test]
fn a_handler_of_the_program_is_called_all_the_same() {
    let name = "a_handler_of_the_program_is_called_all_the_same";
    let body = || {
        install(libc::SIGSEGV, leaves_with_7 as extern "C" fn(c_int) as usize, 0);
        run(|| deep(1 << 20));
    };
    let Some(output) = child_output(name, body) else { return };
    assert_eq!((output.status.code(), lines(&output).len()), (Some(7), 1));
}

#[test]
fn a_fault_elsewhere_is_the_programs_alone() {
    let name = "a_fault_elsewhere_is_the_programs_alone";
    let body = || {
        let handler = leaves_with_8_at as extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) as usize;
        install(libc::SIGSEGV, handler, libc::SA_SIGINFO);
        run(|| faults_at(0xdead0));
    };
    let Some(output) = child_output(name, body) else { return };
    assert_eq!((output.status.code(), lines(&output).len()), (Some(8), 0));
}

#[test]
fn a_handler_that_comes_later_takes_its_place() {
    let name = "a_handler_that_comes_later_takes_its_place";
    let body = || {
        run(|| ());
        install(libc::SIGSEGV, leaves_with_7 as extern "C" fn(c_int) as usize, libc::SA_ONSTACK);
        run(|| deep(1 << 20));
    };
    let Some(output) = child_output(name, body) else { return };
    assert_eq!((output.status.code(), lines(&output).len()), (Some(7), 0));
}

/// A write into the guard of a paused job does not mean that this job's stack was too small.
#[test]
fn a_stray_write_into_a_guard_is_no_overflow() {
    let name = "a_stray_write_into_a_guard_is_no_overflow";
    let body = || {
        let kib = |count: usize| count * 1024;
        let config = PoolConfig { stack_size: kib(64), guard_size: kib(64), ..PoolConfig::default() };
        job::init_thread(config).unwrap();
        let near_the_top = Rc::new(Cell::new(0));
        let place = Rc::clone(&near_the_top);
        let mut job = Job::without_ctx(move || {
            let variable = 0_u8;
            place.set(black_box(&raw const variable).addr());
            job::pause()
        })
        .unwrap();
        pauses(&mut job);
        faults_at(near_the_top.get() - kib(96));
    };
    let Some(output) = child_output(name, body) else { return };
    assert_eq!((output.status.signal(), lines(&output).len()), (Some(libc::SIGSEGV), 0));
}

#[test]
fn what_is_sent_is_handed_on() {
    let name = "what_is_sent_is_handed_on";
    let body = || {
        install(libc::SIGSEGV, libc::SIG_IGN, 0);
        install(libc::SIGBUS, libc::SIG_DFL, 0);
        run(|| ());
        // SAFETY: it is ignored.
        unsafe { libc::raise(libc::SIGSEGV) };
        println!("ignored");
        // SAFETY: ends the process.
        unsafe { libc::raise(libc::SIGBUS) };
        println!("alive");
    };
    let Some(output) = child_output(name, body) else { return };
    assert_eq!((output.status.signal(), lines(&output).len()), (Some(libc::SIGBUS), 0));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("ignored") && !text.contains("alive"), "{text}");
}

#[test]
fn an_ignored_fault_still_ends_the_process() {
    let name = "an_ignored_fault_still_ends_the_process";
    let body = || {
        install(libc::SIGSEGV, libc::SIG_IGN, 0);
        run(|| faults_at(0xdead0));
    };
    let Some(output) = child_output(name, body) else { return };
    assert_eq!((output.status.signal(), lines(&output).len()), (Some(libc::SIGSEGV), 0));
}

/// Rust's own handler, which was installed before, still reports.
#[test]
fn an_overflow_of_the_threads_own_stack_is_rusts_to_name() {
    let name = "an_overflow_of_the_threads_own_stack_is_rusts_to_name";
    let body = || {
        run(|| ());
        deep(1 << 30);
    };
    let Some(output) = child_output(name, body) else { return };
    assert_eq!(output.status.signal(), Some(libc::SIGABRT));
    let lines = lines(&output);
    assert!(lines.len() == 1 && lines[0].starts_with("thread '"), "{lines:?}");
}

/// Runs a function in a thread that Rust has not created.
fn in_a_foreign_thread(body: extern "C" fn(*mut c_void) -> *mut c_void) {
    let mut thread = MaybeUninit::uninit();
    // SAFETY: there is room for the thread's name, and the function needs no argument.
    let made = unsafe { libc::pthread_create(thread.as_mut_ptr(), ptr::null(), body, ptr::null_mut()) };
    assert_eq!(made, 0);
    // SAFETY: just made, and joined once.
    assert_eq!(unsafe { libc::pthread_join(thread.assume_init(), ptr::null_mut()) }, 0);
}

fn has_signal_stack() -> bool {
    let mut stack = MaybeUninit::uninit();
    // SAFETY: reads the one in force; there is room for it.
    assert_eq!(unsafe { libc::sigaltstack(ptr::null(), stack.as_mut_ptr()) }, 0);
    // SAFETY: just filled in.
    unsafe { stack.assume_init() }.ss_flags & libc::SS_DISABLE == 0
}

#[test]
fn a_foreign_thread_has_a_signal_stack_from_its_first_job_to_its_end() {
    let name = "a_foreign_thread_has_a_signal_stack_from_its_first_job_to_its_end";
    extern "C" fn body(_: *mut c_void) -> *mut c_void {
        let before = has_signal_stack();
        run(|| ());
        println!("signal stack {before} {}", has_signal_stack());
        ptr::null_mut()
    }
    extern "C" fn quiet(_: *mut c_void) -> *mut c_void {
        run(|| ());
        ptr::null_mut()
    }
    let mappings = || fs::read_to_string("/proc/self/maps").unwrap().lines().count();
    let Some(output) = child_output(name, || {
        in_a_foreign_thread(body);
        (0..8).for_each(|_| in_a_foreign_thread(quiet));
        let before = mappings();
        (0..200).for_each(|_| in_a_foreign_thread(quiet));
        let after = mappings();
        println!("mappings {before} {after}");
        assert!(after < before + 100, "they go with their threads");
    }) else {
        return;
    };
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).contains("signal stack false true"));
}

#[test]
fn a_foreign_threads_job_is_named() {
    let name = "a_foreign_threads_job_is_named";
    extern "C" fn body(_: *mut c_void) -> *mut c_void {
        run(|| deep(1 << 20));
        ptr::null_mut()
    }
    let Some(output) = child_output(name, || in_a_foreign_thread(body)) else { return };
    assert_eq!((output.status.signal(), lines(&output).len()), (Some(libc::SIGSEGV), 1));
}
