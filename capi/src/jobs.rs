//! `ASYNC_start_job` and related functions: a thin layer over `simaccel::job::raw`.
//!
//! ```text
//!   ASYNC_JOB *      the 64 bits of the job's handle: index and generation; no memory behind it
//!   *job == NULL     start:  FINISH  1 · PAUSE, *job = handle · NO_JOBS · ERR
//!   *job != NULL     resume: FINISH, *job = NULL · PAUSE · ERR, *job as it was: the handle is stale, of another
//!                            thread, or of a job that runs
//! ```
//!
//! A job that is discarded (`ASYNC_cleanup_thread`, `ASYNC_WAIT_CTX_free`, the end of its thread) is not
//! unwound. Its requests are taken back, its stack and its copy of the arguments are reused; memory that its
//! frames had allocated is not freed.
#![expect(unsafe_code, reason = "the contracts of C functions, and their exported names")]

use std::ffi::{CStr, c_int, c_void};
use std::ptr;
use std::slice;
use std::sync::atomic::{AtomicBool, Ordering};

use simaccel::job::raw::{self, AllocFn, FreeFn, Handle, RawFn, RawStep};
use simaccel::job::{self, Misuse, PoolConfig, StartError};

use crate::error_queue::Reason;
use crate::guard::{boundary, caught};
use crate::wait_ctx::{AsyncWaitCtx, adopt_orphans};
use crate::{error_queue, last_error, lib_ctx, linked, stacks};

/// A job, as C sees it: a pointer that identifies it and is never dereferenced.
#[repr(C)]
#[derive(Debug)]
pub struct AsyncJob {
    opaque: [u8; 0],
}

/// The call was wrong, or impossible here; `simaccel_last_error` says why.
pub const ASYNC_ERR: c_int = 0;
/// No job is available now: try again when another job has finished.
pub const ASYNC_NO_JOBS: c_int = 1;
/// The job has paused.
pub const ASYNC_PAUSE: c_int = 2;
/// The job has finished.
pub const ASYNC_FINISH: c_int = 3;

/// Whether the preparations before the first job of the process are done.
static PREPARED: AtomicBool = AtomicBool::new(false);

#[inline]
fn prepare() {
    if !PREPARED.load(Ordering::Relaxed) {
        prepare_slow();
    }
}

#[cold]
fn prepare_slow() {
    stacks::prepare();
    lib_ctx::prepare();
    PREPARED.store(true, Ordering::Relaxed);
}

pub(crate) fn pointer(handle: Handle) -> *mut AsyncJob {
    let bits = usize::try_from(handle.to_bits()).expect("pointers have 64 bits");
    ptr::without_provenance_mut(bits)
}

pub(crate) fn handle(job: *mut AsyncJob) -> Handle {
    Handle::from_bits(job.addr() as u64)
}

/// Starts a job, or resumes `*job` (statements 25 to 38, 55).
///
/// # Safety
///
/// `job` and `ret` are null or valid for as long as the job runs; `ctx` is null or a context of this library;
/// `args` has `size` bytes; `func` keeps the contract of `simaccel::job::raw::start`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ASYNC_start_job(
    job: *mut *mut AsyncJob,
    ctx: *mut AsyncWaitCtx,
    ret: *mut c_int,
    func: Option<RawFn>,
    args: *mut c_void,
    size: usize,
) -> c_int {
    if job.is_null() {
        return refuse(START, Reason::NullArgument, "job is NULL");
    }
    let outcome = caught(|| {
        prepare();
        // SAFETY: not null, and the caller's promise.
        let current = unsafe { *job };
        if current.is_null() {
            // SAFETY: the caller's promises.
            match unsafe { start(ctx, func, args, size) } {
                // SAFETY: as above.
                Ok(step) => unsafe { store(step, job, ret) },
                Err(NotStarted::Start(StartError::NoJobs(_))) => ASYNC_NO_JOBS,
                Err(why) => why.refuse(),
            }
        } else {
            match raw::resume(handle(current)) {
                // SAFETY: the caller's promises.
                Ok(step) => unsafe { store(step, job, ret) },
                Err(misuse) => NotStarted::Start(misuse.into()).refuse(),
            }
        }
    });
    // A context may have been freed while the job ran.
    adopt_orphans();
    outcome.unwrap_or_else(|| {
        // A Rust function on the job's stack panicked: the job has finished without a result.
        // SAFETY: as above.
        unsafe { *job = ptr::null_mut() };
        error_queue::raise(START, Reason::Internal, "the job panicked");
        ASYNC_ERR
    })
}

/// Tells the caller what a step came to.
///
/// # Safety
///
/// `job` is valid, and `ret` null or valid.
#[cfg_attr(not(debug_assertions), inline(always))] // see simaccel's fiber.rs on returns
unsafe fn store(step: RawStep, job: *mut *mut AsyncJob, ret: *mut c_int) -> c_int {
    match step {
        RawStep::Paused(handle) => {
            // SAFETY: the caller's promise.
            unsafe { *job = pointer(handle) };
            ASYNC_PAUSE
        }
        RawStep::Finished(value) => {
            // SAFETY: the caller's promise.
            unsafe { *job = ptr::null_mut() };
            if !ret.is_null() {
                // SAFETY: not null, and the caller's promise.
                unsafe { *ret = value };
            }
            ASYNC_FINISH
        }
    }
}

const START: &CStr = c"ASYNC_start_job";
const INIT: &CStr = c"ASYNC_init_thread";

/// Why a job was neither started nor resumed.
enum NotStarted {
    Start(StartError),
    NoFunction,
}

impl NotStarted {
    #[cold]
    fn refuse(self) -> c_int {
        match self {
            Self::Start(error) => refuse(START, reason(&error), &error.to_string()),
            Self::NoFunction => refuse(START, Reason::NullArgument, "func is NULL"),
        }
    }
}

/// # Safety
///
/// As for [`ASYNC_start_job`].
#[cfg_attr(not(debug_assertions), inline(always))] // see simaccel's fiber.rs on returns
unsafe fn start(
    ctx: *mut AsyncWaitCtx,
    func: Option<RawFn>,
    args: *mut c_void,
    size: usize,
) -> Result<RawStep, NotStarted> {
    let Some(func) = func else { return Err(NotStarted::NoFunction) };
    // SAFETY: null, or a context that the caller has not freed.
    let ctx = unsafe { ctx.as_ref() }.map(AsyncWaitCtx::for_job);
    if isize::try_from(size).is_err() {
        return Err(NotStarted::Start(StartError::NoMemory));
    }
    // SAFETY: the caller's promise: `size` bytes, which are only copied.
    let args = (!args.is_null()).then(|| unsafe { slice::from_raw_parts(args.cast::<u8>(), size) });
    // SAFETY: the caller's promise.
    unsafe { raw::start(func, args, ctx) }.map_err(NotStarted::Start)
}

const fn reason(error: &StartError) -> Reason {
    match error {
        StartError::NoMemory => Reason::NoMemory,
        StartError::Misuse(Misuse::Stale | Misuse::Running | Misuse::CtxElsewhere) => Reason::InvalidArgument,
        _ => Reason::Internal,
    }
}

/// Reports the reason, here and on libcrypto's error queue.
#[cold]
fn refuse(function: &'static CStr, reason: Reason, why: &str) -> c_int {
    last_error::set(&format!("{}: {why}", function.to_string_lossy()));
    error_queue::raise(function, reason, why);
    ASYNC_ERR
}

/// Pauses the running job; outside a job, and while pausing is blocked, it returns at once (statements 39 to
/// 41). Always returns 1, except 0 in a job of Rust code that is being dropped.
#[unsafe(no_mangle)]
pub extern "C" fn ASYNC_pause_job() -> c_int {
    // No boundary: nothing in there panics, and this becomes a jump, see simaccel's fiber.rs on returns.
    raw::pause()
}

/// The running job; null outside (statement 42).
#[unsafe(no_mangle)]
pub extern "C" fn ASYNC_get_current_job() -> *mut AsyncJob {
    boundary(|| raw::current().map_or(ptr::null_mut(), pointer))
}

/// The wait context that `job`, of any thread, was started with; null without one, when it was freed, or when
/// `job` names no unfinished job (statement 43).
///
/// # Safety
///
/// None is needed: the pointer is not dereferenced.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ASYNC_get_wait_ctx(job: *mut AsyncJob) -> *mut AsyncWaitCtx {
    boundary(|| match raw::user_data_of_ctx(handle(job)) {
        Some(ctx) => ptr::with_exposed_provenance_mut(ctx),
        None => ptr::null_mut(),
    })
}

/// Forbids pausing in the running job, once more (statements 44, 45).
#[unsafe(no_mangle)]
pub extern "C" fn ASYNC_block_pause() {
    boundary(raw::block_pause);
}

/// Takes back one [`ASYNC_block_pause`] (statements 44, 45).
#[unsafe(no_mangle)]
pub extern "C" fn ASYNC_unblock_pause() {
    boundary(raw::unblock_pause);
}

/// Sets the limits of this thread's jobs (statements 47 to 49). Returns 1, or 0 for impossible numbers.
#[unsafe(no_mangle)]
pub extern "C" fn ASYNC_init_thread(max_size: usize, init_size: usize) -> c_int {
    boundary(|| {
        prepare();
        adopt_orphans();
        let config = PoolConfig { max_jobs: max_size, initial_jobs: init_size, ..PoolConfig::default() };
        match raw::init_thread(config) {
            Ok(()) => 1,
            Err(error) => refuse(INIT, Reason::InvalidPoolSize, &error.to_string()),
        }
    })
}

/// Frees this thread's idle jobs, and discards its paused ones (statements 50, 51).
#[unsafe(no_mangle)]
pub extern "C" fn ASYNC_cleanup_thread() {
    boundary(|| {
        adopt_orphans();
        // SAFETY: by calling this, C code has left its jobs to be discarded.
        unsafe { raw::discard_paused() };
        job::cleanup_thread();
    });
}

/// Returns 1: jobs are possible here (statement 24).
#[unsafe(no_mangle)]
pub extern "C" fn ASYNC_is_capable() -> c_int {
    boundary(|| {
        linked::note_call();
        prepare();
        c_int::from(raw::is_capable())
    })
}

/// Sets the functions that supply the stacks of all jobs of the process (statements 57 to 60); null leaves
/// that function as it is. Returns 1, or 0 once a stack has been asked for.
///
/// # Safety
///
/// As for `simaccel::job::raw::set_mem_functions`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ASYNC_set_mem_functions(alloc: Option<AllocFn>, free: Option<FreeFn>) -> c_int {
    // SAFETY: the caller's promise.
    boundary(|| c_int::from(unsafe { raw::set_mem_functions(alloc, free) }))
}

/// The functions in force; either pointer may be null (statement 61).
///
/// # Safety
///
/// The pointers are null or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ASYNC_get_mem_functions(alloc: *mut Option<AllocFn>, free: *mut Option<FreeFn>) {
    boundary(|| {
        let (alloc_now, free_now) = raw::mem_functions();
        if !alloc.is_null() {
            // SAFETY: not null, and the caller's promise.
            unsafe { *alloc = Some(alloc_now) };
        }
        if !free.is_null() {
            // SAFETY: not null, and the caller's promise.
            unsafe { *free = Some(free_now) };
        }
    });
}
