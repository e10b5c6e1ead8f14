//! libcrypto's jobs and wait contexts: the `ASYNC_*` functions, found in the library that has called us.
//!
//! Where simaccel's own functions of these names are what the program reaches, those are used: they replace
//! all of libcrypto's or none.
#![expect(unsafe_code, reason = "calls the ASYNC functions")]

use std::ffi::{c_int, c_void};
use std::mem;
use std::ptr::{self, NonNull};
use std::sync::{Mutex, PoisonError};

use super::library::Library;
use super::types::Function;

/// `ASYNC_JOB`.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Job {
    _opaque: [u8; 0],
}

/// `ASYNC_WAIT_CTX`.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct WaitCtx {
    _opaque: [u8; 0],
}

/// What a context calls when it ends while an fd is registered.
pub(crate) type Cleanup = unsafe extern "C" fn(*mut WaitCtx, *const c_void, c_int, *mut c_void);
/// `ASYNC_callback_fn`.
pub(crate) type CallbackFn = unsafe extern "C" fn(*mut c_void) -> c_int;

/// `ASYNC_STATUS_*` of `async.h`.
pub(crate) mod status {
    use std::ffi::c_int;

    pub(crate) const UNSUPPORTED: c_int = 0;
    pub(crate) const ERR: c_int = 1;
    pub(crate) const OK: c_int = 2;
    pub(crate) const EAGAIN: c_int = 3;
    #[cfg(test)]
    pub(crate) const ALL: &[(&str, c_int)] =
        &[("UNSUPPORTED", UNSUPPORTED), ("ERR", ERR), ("OK", OK), ("EAGAIN", EAGAIN)];
}

/// The functions. The last two are newer than the others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Jobs {
    library: Library,
    get_current_job: unsafe extern "C" fn() -> *mut Job,
    get_wait_ctx: unsafe extern "C" fn(*mut Job) -> *mut WaitCtx,
    pause_job: unsafe extern "C" fn() -> c_int,
    get_fd: unsafe extern "C" fn(*mut WaitCtx, *const c_void, *mut c_int, *mut *mut c_void) -> c_int,
    set_wait_fd:
        unsafe extern "C" fn(*mut WaitCtx, *const c_void, c_int, *mut c_void, Option<Cleanup>) -> c_int,
    clear_fd: unsafe extern "C" fn(*mut WaitCtx, *const c_void) -> c_int,
    get_changed_fds:
        unsafe extern "C" fn(*mut WaitCtx, *mut c_int, *mut usize, *mut c_int, *mut usize) -> c_int,
    get_callback:
        Option<unsafe extern "C" fn(*mut WaitCtx, *mut Option<CallbackFn>, *mut *mut c_void) -> c_int>,
    set_status: Option<unsafe extern "C" fn(*mut WaitCtx, c_int) -> c_int>,
}

/// A wait context that is alive: that of the running job.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ctx {
    jobs: &'static Jobs,
    ctx: NonNull<WaitCtx>,
}

impl Jobs {
    /// Finds them where this function of libcrypto lies. `None`: that library does not show them.
    ///
    /// They stay for ever, once for each library: a job may be paused in one when the provider is unloaded.
    pub(crate) fn find(of_libcrypto: Function) -> Option<&'static Self> {
        static FOUND: Mutex<Vec<&Jobs>> = Mutex::new(Vec::new());
        let library = Self::own().or_else(|| Library::of(of_libcrypto))?;
        let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(same) = found.iter().find(|same| same.library == library) {
            return Some(same);
        }
        let jobs = &*Box::leak(Box::new(Self::look(library)?));
        found.push(jobs);
        Some(jobs)
    }

    #[expect(clippy::missing_transmute_annotations, reason = "the fields have the types")]
    fn look(library: Library) -> Option<Self> {
        let function = |name| library.function(name);
        // SAFETY: `async.h` gives the functions with these names these types; an `Option` of one is the same
        // pointer.
        unsafe {
            Some(Self {
                library,
                get_current_job: mem::transmute::<Function, _>(function(c"ASYNC_get_current_job")?),
                get_wait_ctx: mem::transmute::<Function, _>(function(c"ASYNC_get_wait_ctx")?),
                pause_job: mem::transmute::<Function, _>(function(c"ASYNC_pause_job")?),
                get_fd: mem::transmute::<Function, _>(function(c"ASYNC_WAIT_CTX_get_fd")?),
                set_wait_fd: mem::transmute::<Function, _>(function(c"ASYNC_WAIT_CTX_set_wait_fd")?),
                clear_fd: mem::transmute::<Function, _>(function(c"ASYNC_WAIT_CTX_clear_fd")?),
                get_changed_fds: mem::transmute::<Function, _>(function(c"ASYNC_WAIT_CTX_get_changed_fds")?),
                get_callback: mem::transmute::<Option<Function>, _>(function(c"ASYNC_WAIT_CTX_get_callback")),
                set_status: mem::transmute::<Option<Function>, _>(function(c"ASYNC_WAIT_CTX_set_status")),
            })
        }
    }

    /// simaccel's own library, where its functions are the ones that the program reaches.
    fn own() -> Option<Library> {
        let library = Library::of_first(c"simaccel_async_active")?;
        let active = library.function(c"simaccel_async_active")?;
        // SAFETY: simaccel's function of this name takes nothing.
        let active = unsafe { mem::transmute::<Function, unsafe extern "C" fn() -> c_int>(active) };
        // SAFETY: the same.
        (unsafe { active() } == 1).then_some(library)
    }

    /// The job that runs here; null where none does.
    #[inline]
    pub(crate) fn current(&self) -> *mut Job {
        // SAFETY: it may be called anywhere.
        unsafe { (self.get_current_job)() }
    }

    /// The context of the job that runs here.
    #[inline]
    pub(crate) fn current_ctx(&'static self) -> Option<Ctx> {
        let job = NonNull::new(self.current())?;
        // SAFETY: the job runs, so it is alive.
        let ctx = NonNull::new(unsafe { (self.get_wait_ctx)(job.as_ptr()) })?;
        Some(Ctx { jobs: self, ctx })
    }

    /// Pauses the job that runs here until it is resumed, or does nothing: outside of a job, and where
    /// pausing is blocked.
    #[inline]
    pub(crate) fn pause(&self) {
        // SAFETY: it may be called anywhere. It fails where a switch does, and then the job has not paused.
        unsafe { (self.pause_job)() };
    }
}

impl Ctx {
    /// [`Jobs::pause`].
    #[inline]
    pub(crate) fn pause(&self) {
        self.jobs.pause();
    }

    /// Its address, which only names it.
    pub(crate) fn address(&self) -> usize {
        self.ctx.addr().get()
    }

    /// What is registered under `key`.
    #[inline]
    pub(crate) fn find(&self, key: usize) -> Option<NonNull<c_void>> {
        let (mut fd, mut data) = (-1, ptr::null_mut());
        let key = ptr::without_provenance(key);
        // SAFETY: the context is alive, and the results are our own memory.
        let is_found = unsafe { (self.jobs.get_fd)(self.ctx.as_ptr(), key, &raw mut fd, &raw mut data) } == 1;
        NonNull::new(data).filter(|_| is_found)
    }

    /// Registers an fd with its data. `false`: there is no memory.
    ///
    /// # Safety
    ///
    /// `cleanup` may be called with `data`, once, when the context ends.
    pub(crate) unsafe fn register(
        &self,
        key: usize,
        fd: c_int,
        data: NonNull<c_void>,
        cleanup: Cleanup,
    ) -> bool {
        let (key, data) = (ptr::without_provenance(key), data.as_ptr());
        // SAFETY: the context is alive; the rest is the caller's promise.
        unsafe { (self.jobs.set_wait_fd)(self.ctx.as_ptr(), key, fd, data, Some(cleanup)) == 1 }
    }

    /// Takes a registration away, without calling its cleanup.
    pub(crate) fn clear(&self, key: usize) {
        // SAFETY: the context is alive.
        unsafe { (self.jobs.clear_fd)(self.ctx.as_ptr(), ptr::without_provenance(key)) };
    }

    /// How many fds were added since the job last paused.
    pub(crate) fn added(&self) -> usize {
        let (mut added, mut deleted) = (0, 0);
        // SAFETY: the context is alive, the numbers are our own memory, and null pointers ask for those
        // alone.
        unsafe {
            (self.jobs.get_changed_fds)(
                self.ctx.as_ptr(),
                ptr::null_mut(),
                &raw mut added,
                ptr::null_mut(),
                &raw mut deleted,
            );
        }
        added
    }

    /// The application's callback, if one is set.
    #[inline]
    pub(crate) fn callback(&self) -> Option<(CallbackFn, *mut c_void)> {
        let get_callback = self.jobs.get_callback?;
        let (mut callback, mut argument) = (None, ptr::null_mut());
        // SAFETY: the context is alive, and the results are our own memory.
        let is_set = unsafe { get_callback(self.ctx.as_ptr(), &raw mut callback, &raw mut argument) } == 1;
        callback.filter(|_| is_set).map(|callback| (callback, argument))
    }

    #[inline]
    pub(crate) fn set_status(&self, status: c_int) {
        if let Some(set_status) = self.jobs.set_status {
            // SAFETY: the context is alive.
            unsafe { set_status(self.ctx.as_ptr(), status) };
        }
    }
}
