//! Memory functions for stacks: statements 48, 52 and 58 to 61 of `docs/semantics.md`, each in its own
//! process, because the functions are set for the process, once.
#![allow(unsafe_code, reason = "plays the part of C code")]

mod captured;
mod job_helpers;

use self::job_helpers::raw::{paused, pauses_for_ever, pauses_once, returns_seven, start_without_args};

use simaccel::Job;
use simaccel::job::raw::{self, RawStep};
use simaccel::job::{self, NoJobs, PoolConfig, StartError};
use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);

static FREED: AtomicUsize = AtomicUsize::new(0);

static FREED_NULL: AtomicUsize = AtomicUsize::new(0);

static ASKED_FOR: AtomicUsize = AtomicUsize::new(0);

static FAILING: AtomicBool = AtomicBool::new(false);

/// Returns 1 MiB, whatever is asked for, or nothing.
unsafe extern "C" fn counting_alloc(size: *mut usize) -> *mut c_void {
    // SAFETY: the caller passes a valid pointer.
    ASKED_FOR.store(unsafe { size.read() }, Ordering::Relaxed);
    if FAILING.load(Ordering::Relaxed) {
        return ptr::null_mut();
    }
    ALLOCATED.fetch_add(1, Ordering::Relaxed);
    // SAFETY: as above.
    unsafe { size.write(1 << 20) };
    // SAFETY: a plain allocation.
    unsafe { libc::malloc(1 << 20) }
}

unsafe extern "C" fn counting_free(memory: *mut c_void) {
    let count = if memory.is_null() { &FREED_NULL } else { &FREED };
    count.fetch_add(1, Ordering::Relaxed);
    // SAFETY: the memory came from `counting_alloc`, or is null.
    unsafe { libc::free(memory) };
}

fn set_counting_functions() -> bool {
    // SAFETY: the functions allocate and free plain memory, and no job here needs more of it than there is.
    unsafe { raw::set_mem_functions(Some(counting_alloc), Some(counting_free)) }
}

fn counts() -> (usize, usize, usize) {
    let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
    (count(&ALLOCATED), count(&FREED), count(&FREED_NULL))
}

#[test]
fn s48_failing_to_make_jobs_in_advance_is_no_error() {
    job_helpers::passes_in_child("s48_failing_to_make_jobs_in_advance_is_no_error", || {
        assert!(set_counting_functions());
        FAILING.store(true, Ordering::Relaxed);
        let config = PoolConfig { max_jobs: 2, initial_jobs: 2, ..PoolConfig::default() };
        assert_eq!(job::init_thread(config), Ok(()));
        assert_eq!(job::thread_stats().idle, 0);
        assert_eq!(start_without_args(returns_seven), Err(StartError::NoJobs(NoJobs::NoStack)));
        assert_eq!(Job::without_ctx(|| ()).unwrap_err(), NoJobs::NoStack);
        FAILING.store(false, Ordering::Relaxed);
        assert_eq!(start_without_args(returns_seven), Ok(RawStep::Finished(7)));
    });
}

#[test]
fn s52_the_end_of_a_thread_frees_its_jobs() {
    job_helpers::passes_in_child("s52_the_end_of_a_thread_frees_its_jobs", || {
        assert!(set_counting_functions());
        let thread = thread::spawn(|| {
            let (one, two) =
                (paused(start_without_args(pauses_once)), paused(start_without_args(pauses_once)));
            assert_eq!(raw::resume(one), Ok(RawStep::Finished(7)));
            assert_eq!(raw::resume(two), Ok(RawStep::Finished(7)));
            let _left_paused = paused(start_without_args(pauses_for_ever));
            counts()
        });
        assert_eq!(thread.join().unwrap(), (2, 0, 0));
        assert_eq!(counts(), (2, 2, 0), "idle and paused raw jobs alike");
    });
}

#[test]
fn s58_memory_functions_are_fixed_by_the_first_stack() {
    job_helpers::passes_in_child("s58_memory_functions_are_fixed_by_the_first_stack", || {
        assert!(set_counting_functions());
        // SAFETY: leaves both as they are.
        assert!(unsafe { raw::set_mem_functions(None, None) });
        let ours = raw::mem_functions();
        FAILING.store(true, Ordering::Relaxed);
        assert_eq!(Job::without_ctx(|| ()).unwrap_err(), NoJobs::NoStack);
        assert!(!set_counting_functions(), "a failed attempt closes the door too");
        job::cleanup_thread();
        assert!(!set_counting_functions(), "and a cleanup does not open it");
        assert!(ptr::fn_addr_eq(raw::mem_functions().0, ours.0));
        FAILING.store(false, Ordering::Relaxed);
        let elsewhere = thread::spawn(|| {
            assert_eq!(start_without_args(returns_seven), Ok(RawStep::Finished(7)));
        });
        elsewhere.join().unwrap();
        assert_eq!(counts(), (1, 1, 1), "they serve every thread");
    });
}

#[test]
fn s58_without_functions_the_door_closes_too() {
    job_helpers::passes_in_child("s58_without_functions_the_door_closes_too", || {
        assert_eq!(start_without_args(returns_seven), Ok(RawStep::Finished(7)));
        assert!(!set_counting_functions());
        job::cleanup_thread();
        assert_eq!(start_without_args(returns_seven), Ok(RawStep::Finished(7)));
        assert_eq!(counts(), (0, 0, 0));
    });
}

#[test]
fn s59_the_allocator_is_asked_for_a_size_and_says_the_real_one() {
    unsafe extern "C-unwind" fn uses_half_a_megabyte(_: *mut c_void) -> c_int {
        let frame = [1_u8; 1 << 19];
        std::hint::black_box(&frame).iter().map(|byte| c_int::from(*byte)).sum()
    }
    job_helpers::passes_in_child("s59_the_allocator_is_asked_for_a_size_and_says_the_real_one", || {
        assert!(set_counting_functions());
        assert_eq!(start_without_args(uses_half_a_megabyte), Ok(RawStep::Finished(1 << 19)));
        assert_eq!(ASKED_FOR.load(Ordering::Relaxed), 32768);
        job::init_thread(PoolConfig { stack_size: 256 * 1024, ..PoolConfig::default() }).unwrap();
        assert_eq!(start_without_args(returns_seven), Ok(RawStep::Finished(7)));
        assert_eq!(ASKED_FOR.load(Ordering::Relaxed), 256 * 1024, "or for what the user has chosen");
        assert_eq!(counts(), (2, 1, 0));
    });
}

#[test]
fn s60_free_is_called_with_null_when_there_was_no_memory() {
    job_helpers::passes_in_child("s60_free_is_called_with_null_when_there_was_no_memory", || {
        assert!(set_counting_functions());
        FAILING.store(true, Ordering::Relaxed);
        assert_eq!(start_without_args(returns_seven), Err(StartError::NoJobs(NoJobs::NoStack)));
        assert_eq!(counts(), (0, 0, 1));
    });
}

#[test]
fn s60_memory_that_is_too_small_is_given_back() {
    unsafe extern "C" fn too_little(size: *mut usize) -> *mut c_void {
        // SAFETY: the caller passes a valid pointer.
        unsafe { size.write(100) };
        // SAFETY: a plain allocation.
        unsafe { libc::malloc(100) }
    }
    job_helpers::passes_in_child("s60_memory_that_is_too_small_is_given_back", || {
        // SAFETY: the functions allocate and free plain memory.
        assert!(unsafe { raw::set_mem_functions(Some(too_little), Some(counting_free)) });
        assert_eq!(start_without_args(returns_seven), Err(StartError::NoJobs(NoJobs::NoStack)));
        assert_eq!(counts(), (0, 1, 0));
    });
}

#[test]
fn s61_the_functions_in_force_can_be_read() {
    job_helpers::passes_in_child("s61_the_functions_in_force_can_be_read", || {
        let (alloc, free) = raw::mem_functions();
        let mut size = 1000;
        // SAFETY: the defaults can be called like any allocation function.
        let memory = unsafe { alloc(&mut size) };
        assert!(!memory.is_null() && size == 1000);
        // SAFETY: as above; null is accepted.
        unsafe {
            memory.cast::<u8>().write_bytes(1, size);
            free(memory);
            free(ptr::null_mut());
        }
        // SAFETY: `free` stays as it is, and suits the memory of `counting_alloc`.
        assert!(unsafe { raw::set_mem_functions(Some(counting_alloc), None) });
        let (new_alloc, same_free) = raw::mem_functions();
        assert!(ptr::fn_addr_eq(new_alloc, counting_alloc as raw::AllocFn));
        assert!(ptr::fn_addr_eq(same_free, free));
        assert_eq!(start_without_args(returns_seven), Ok(RawStep::Finished(7)));
        assert_eq!(ALLOCATED.load(Ordering::Relaxed), 1);
    });
}
