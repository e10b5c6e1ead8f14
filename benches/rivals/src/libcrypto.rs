//! libcrypto's jobs and wait contexts, through its C functions: a thin safe layer.
#![expect(unsafe_code, reason = "calls libcrypto")]

use std::ffi::{c_char, c_int, c_void};
use std::marker::PhantomData;
use std::os::fd::RawFd;
use std::ptr;

use crate::harness::Outcome;

const ASYNC_PAUSE: c_int = 2;
const ASYNC_FINISH: c_int = 3;

#[repr(C)]
struct AsyncJob {
    opaque: [u8; 0],
}

#[repr(C)]
struct AsyncWaitCtx {
    opaque: [u8; 0],
}

type Cleanup = extern "C" fn(*mut AsyncWaitCtx, *const c_void, c_int, *mut c_void);

#[link(name = "crypto")]
unsafe extern "C" {
    fn ASYNC_init_thread(max_size: usize, init_size: usize) -> c_int;
    fn ASYNC_cleanup_thread();
    fn ASYNC_start_job(
        job: *mut *mut AsyncJob,
        ctx: *mut AsyncWaitCtx,
        ret: *mut c_int,
        func: extern "C" fn(*mut c_void) -> c_int,
        args: *mut c_void,
        size: usize,
    ) -> c_int;
    fn ASYNC_pause_job() -> c_int;
    fn ASYNC_get_current_job() -> *mut AsyncJob;
    fn ASYNC_get_wait_ctx(job: *mut AsyncJob) -> *mut AsyncWaitCtx;
    fn ASYNC_WAIT_CTX_new() -> *mut AsyncWaitCtx;
    fn ASYNC_WAIT_CTX_free(ctx: *mut AsyncWaitCtx);
    fn ASYNC_WAIT_CTX_set_wait_fd(
        ctx: *mut AsyncWaitCtx,
        key: *const c_void,
        fd: c_int,
        custom_data: *mut c_void,
        cleanup: Option<Cleanup>,
    ) -> c_int;
    fn ASYNC_WAIT_CTX_get_fd(
        ctx: *mut AsyncWaitCtx,
        key: *const c_void,
        fd: *mut c_int,
        custom_data: *mut *mut c_void,
    ) -> c_int;
    fn OpenSSL_version(what: c_int) -> *const c_char;
}

/// The library's version text.
pub(crate) fn version() -> String {
    // SAFETY: the library returns a constant string for every number.
    let text = unsafe { std::ffi::CStr::from_ptr(OpenSSL_version(0)) };
    text.to_string_lossy().into_owned()
}

/// The thread's pool of jobs. Dropping this frees it; it stays on its thread.
#[derive(Debug)]
pub(crate) struct Pool(PhantomData<*mut ()>);

impl Pool {
    /// A pool without a limit, with `initial` jobs created in advance.
    pub(crate) fn new(initial: usize) -> Outcome<Self> {
        // A maximum of 0 is no limit, but allows no initial jobs.
        let max = if initial == 0 { 0 } else { usize::MAX >> 1 };
        // SAFETY: takes plain numbers, may be called at any time.
        let made = unsafe { ASYNC_init_thread(max, initial) };
        if made == 1 { Ok(Self(PhantomData)) } else { Err("ASYNC_init_thread failed".into()) }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // SAFETY: frees the pool's idle jobs; jobs in use are not touched.
        unsafe { ASYNC_cleanup_thread() };
    }
}

/// A wait context.
#[derive(Debug)]
pub(crate) struct WaitCtx(*mut AsyncWaitCtx);

/// The key of our registrations: its address.
static KEY: u8 = 0;

impl WaitCtx {
    pub(crate) fn new() -> Outcome<Self> {
        // SAFETY: no arguments.
        let ctx = unsafe { ASYNC_WAIT_CTX_new() };
        if ctx.is_null() { Err("ASYNC_WAIT_CTX_new failed".into()) } else { Ok(Self(ctx)) }
    }

    /// Registers `fd`, which the caller still owns.
    pub(crate) fn set_wait_fd(&self, fd: RawFd) -> Outcome<()> {
        let key = (&raw const KEY).cast();
        // SAFETY: the context lives, the key is only compared, and there is no cleanup to be called.
        let set = unsafe { ASYNC_WAIT_CTX_set_wait_fd(self.0, key, fd, ptr::null_mut(), None) };
        if set == 1 { Ok(()) } else { Err("ASYNC_WAIT_CTX_set_wait_fd failed".into()) }
    }
}

impl Drop for WaitCtx {
    fn drop(&mut self) {
        // SAFETY: created by `new` and freed once; a job that refers to it is not resumed any more, because
        // that takes a borrow of it.
        unsafe { ASYNC_WAIT_CTX_free(self.0) };
    }
}

/// The fd that [`WaitCtx::set_wait_fd`] registered in the running job's context, found as an engine finds it.
pub(crate) fn current_wait_fd() -> Option<RawFd> {
    let mut fd = -1;
    let mut data = ptr::null_mut();
    // SAFETY: each function takes the result of the previous one, if that was not null, and two places to
    // write.
    unsafe {
        let job = ASYNC_get_current_job();
        if job.is_null() {
            return None;
        }
        let ctx = ASYNC_get_wait_ctx(job);
        let key = (&raw const KEY).cast();
        (!ctx.is_null() && ASYNC_WAIT_CTX_get_fd(ctx, key, &mut fd, &mut data) == 1).then_some(fd)
    }
}

/// Pauses the running job.
pub(crate) fn pause() {
    // SAFETY: outside a job it does nothing; in one, only the thread that has started the job resumes it.
    unsafe { ASYNC_pause_job() };
}

/// The outcome of a step of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Paused,
    Finished,
}

/// A job between its start and its end: none at first. `A` is the argument of its body, copied as in C.
///
/// Dropped while the job is paused, its stack is lost: libcrypto cannot free it.
#[derive(Debug)]
pub(crate) struct Job<A> {
    job: *mut AsyncJob,
    args: PhantomData<A>,
}

impl<A: Copy> Job<A> {
    pub(crate) const fn new() -> Self {
        Self { job: ptr::null_mut(), args: PhantomData }
    }

    /// Starts a job that runs `body(args)`, or resumes the paused one.
    #[inline]
    pub(crate) fn step(&mut self, ctx: &WaitCtx, body: fn(A), args: A) -> Outcome<Step> {
        let mut call = (body, args);
        let mut ret = 0;
        // SAFETY: the pair is copied before the call returns, `run` reads it with its type, and all pointers
        // are valid during the call. What `args` borrows lives as long as this value, and the job runs only
        // here.
        let outcome = unsafe {
            let call = (&raw mut call).cast();
            ASYNC_start_job(&mut self.job, ctx.0, &mut ret, run::<A>, call, size_of::<(fn(A), A)>())
        };
        match outcome {
            ASYNC_PAUSE => Ok(Step::Paused),
            ASYNC_FINISH => {
                self.job = ptr::null_mut();
                Ok(Step::Finished)
            }
            other => Err(format!("ASYNC_start_job returned {other}").into()),
        }
    }
}

/// The C function of every job. A panic in it ends the process.
extern "C" fn run<A: Copy>(args: *mut c_void) -> c_int {
    // SAFETY: libcrypto's copy of the pair that `step` has passed; its allocator aligns for every type.
    let (body, args) = unsafe { args.cast::<(fn(A), A)>().read() };
    body(args);
    1
}
