//! `ASYNC_WAIT_CTX_*`: wait contexts, as C sees them.
//!
//! ```text
//!   ASYNC_WAIT_CTX ── owned: WaitCtx        until it is freed: freeing drops it, cleanups run
//!                  ── look: WaitCtxRef      the same, for cleanups that use their context while it goes
//!                       └── its gate: one thread at a time is inside, a job while it runs
//!                  ── table, locked: what C has registered: key, fd, data; callback and its argument
//!                       └── get_fd and get_callback read it from any thread, at any time
//! ```
//!
//! Statement 23 in C: any thread may look up fds, callback and status at any time, as a device's thread does
//! when it wakes a job. Everything else is for one thread at a time, and is refused to other threads while a
//! job runs on the context. A context that is freed while its jobs are paused in another thread ends at once;
//! that thread discards them at its next call. A context that is freed while a job runs on it ends when the
//! job has paused or finished.
#![expect(unsafe_code, reason = "the contracts of C functions, and their exported names")]

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::fmt;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use simaccel::WaitCtx;
use simaccel::foreign::{Guard, Lock};
use simaccel::job::raw;
use simaccel::job::{Callback, Cleanup, WaitCtxRef, WaitKey, WaitStatus};

use crate::guard::boundary;
use crate::last_error;

/// Called when a context is freed, for each fd that was not cleared. It must not throw.
pub type CleanupFn =
    unsafe extern "C" fn(ctx: *mut AsyncWaitCtx, key: *const c_void, fd: c_int, data: *mut c_void);

/// Called when a job should be resumed, perhaps on another thread. Its return value is ignored. It must not
/// throw.
pub type CallbackFn = unsafe extern "C" fn(arg: *mut c_void) -> c_int;

/// A wait context, as C sees it.
pub struct AsyncWaitCtx {
    /// Empty while the context is being freed.
    owned: Cell<Option<WaitCtx>>,
    look: WaitCtxRef,
    table: Lock<Table>,
}

#[derive(Default)]
struct Table {
    /// Oldest first.
    fds: Vec<Registered>,
    registrations: u64,
    callback: Option<(CallbackFn, *mut c_void)>,
}

struct Registered {
    id: u64,
    key: usize,
    fd: c_int,
    data: *mut c_void,
}

impl AsyncWaitCtx {
    fn new() -> *mut Self {
        let owned = raw::ctx_for_threads();
        let look = WaitCtxRef::from(&owned);
        let ctx =
            Box::into_raw(Box::new(Self { owned: Cell::new(Some(owned)), look, table: Lock::default() }));
        // SAFETY: just made.
        unsafe { &*ctx }.look.set_user_data(ctx.expose_provenance());
        ctx
    }

    /// For starting a job with it; every other use goes through [inside](Self::inside).
    #[inline]
    pub(crate) fn for_job(&self) -> &WaitCtx {
        &self.look
    }

    /// Runs `body` inside the context; refused where a job of another thread runs on it.
    fn inside(&self, function: &str, body: impl FnOnce(&WaitCtx) -> bool) -> bool {
        // SAFETY: `look` holds the context until after this call.
        match unsafe { raw::enter_ctx(&self.look) } {
            Ok(_inside) => body(&self.look),
            Err(_) => foreign(function),
        }
    }

    /// `None` in a forked child, where another thread of the parent was in it.
    fn table(&self, function: &str) -> Option<Guard<'_, Table>> {
        let table = self.table.lock();
        if table.is_none() {
            foreign(function);
        }
        table
    }

    fn set_wait_fd(
        &self,
        key: *const c_void,
        fd: c_int,
        data: *mut c_void,
        cleanup: Option<CleanupFn>,
    ) -> bool {
        const NAME: &str = "ASYNC_WAIT_CTX_set_wait_fd";
        self.inside(NAME, |ctx| {
            let id = {
                let Some(mut table) = self.table(NAME) else { return false };
                table.registrations += 1;
                let id = table.registrations;
                table.fds.push(Registered { id, key: key.addr(), fd, data });
                id
            };
            let cleanup = self.cleanup(id, key, data, cleanup);
            ctx.set_raw_fd(WaitKey::from_addr(key.addr()), fd, None, Some(cleanup));
            true
        })
    }

    /// The cleanup of a registration when the context ends.
    fn cleanup(&self, id: u64, key: *const c_void, data: *mut c_void, cleanup: Option<CleanupFn>) -> Cleanup {
        let this = ptr::from_ref(self);
        Box::new(move |_, _, fd, _| {
            if let Some(cleanup) = cleanup {
                // SAFETY: the caller that registered it promised that it may be called with these arguments.
                unsafe { cleanup(this.cast_mut(), key, fd, data) };
            }
            // SAFETY: the cleanups run before the context's memory is freed.
            let table = unsafe { &*this }.table.lock();
            if let Some(mut table) = table {
                table.fds.retain(|registered| registered.id != id);
            }
        })
    }

    fn clear_fd(&self, key: *const c_void) -> bool {
        const NAME: &str = "ASYNC_WAIT_CTX_clear_fd";
        self.inside(NAME, |ctx| {
            // Free again before what the engine drops there: that may come back into this context.
            if self.table(NAME).is_none() || !ctx.clear_fd(WaitKey::from_addr(key.addr())) {
                return false;
            }
            let Some(mut table) = self.table(NAME) else { return false };
            if let Some(at) = table.fds.iter().rposition(|registered| registered.key == key.addr()) {
                table.fds.remove(at);
            }
            true
        })
    }

    fn set_callback(&self, callback: Option<CallbackFn>, arg: *mut c_void) -> bool {
        let call = callback.map(|callback| Call { callback, arg });
        let mut replaced = None;
        const NAME: &str = "ASYNC_WAIT_CTX_set_callback";
        let is_inside = self.inside(NAME, |ctx| {
            let Some(mut table) = self.table(NAME) else { return false };
            table.callback = callback.map(|callback| (callback, arg));
            drop(table);
            replaced =
                Some(ctx.replace_callback(call.map(|call| -> Callback { Arc::new(move || call.make()) })));
            true
        });
        // Waits for a running call, which may use the context.
        drop(replaced);
        is_inside
    }

    /// Discards the jobs that are paused on the context, runs the cleanups, frees the memory. `false`: a job
    /// runs on it in another thread, and nothing has happened.
    ///
    /// # Safety
    ///
    /// `this` is a context that is not used again, except by the cleanups.
    unsafe fn end(this: *mut Self) -> bool {
        // SAFETY: the caller's promise.
        let ctx = unsafe { &*this };
        // SAFETY: `look` holds the context until the stay is given away with it, or is dropped.
        let Ok(inside) = (unsafe { raw::enter_ctx_to_end_it(&ctx.look) }) else { return false };
        // Otherwise a cleanup frees the context that it is called for, which is being freed.
        if let Some(owned) = ctx.owned.take() {
            // SAFETY: by freeing this context, C code has left its jobs to be discarded.
            unsafe { raw::end_ctx(owned) };
            // SAFETY: created by `new`, and this is its last use.
            let Self { look, .. } = *unsafe { Box::from_raw(this) };
            raw::leave_ctx(inside, look);
        }
        true
    }
}

impl fmt::Debug for AsyncWaitCtx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AsyncWaitCtx").field(&self.look).finish()
    }
}

/// A callback with its argument; the application shares it between threads.
struct Call {
    callback: CallbackFn,
    arg: *mut c_void,
}

impl Call {
    fn make(&self) {
        // SAFETY: the caller that set the callback promised that it may be called with its argument, from any
        // thread.
        unsafe { (self.callback)(self.arg) };
    }
}

// SAFETY: a caller that sets a callback knows that other threads call it.
unsafe impl Send for Call {}
// SAFETY: as above.
unsafe impl Sync for Call {}

#[cold]
fn foreign(function: &str) -> bool {
    last_error::set(&format!("{function}: a job runs on the wait context in another thread"));
    false
}

/// A context that was freed while a job ran on it in another thread.
struct Orphan(*mut AsyncWaitCtx);

// SAFETY: only the thread that has taken an orphan off the list uses it.
unsafe impl Send for Orphan {}

static ORPHANS: Lock<Vec<Orphan>> = Lock::new(Vec::new());
static ORPHAN_COUNT: AtomicUsize = AtomicUsize::new(0);

/// Ends the contexts that were freed while a job ran on them, once none runs.
#[inline]
pub(crate) fn adopt_orphans() {
    if ORPHAN_COUNT.load(Ordering::Relaxed) > 0 {
        adopt_orphans_slow();
    }
}

#[cold]
fn adopt_orphans_slow() {
    boundary(|| {
        let orphans = ORPHANS.lock().map(|mut orphans| std::mem::take(&mut *orphans)).unwrap_or_default();
        // SAFETY: its user has freed it, and only this thread has taken it off the list.
        let is_left = |orphan: &Orphan| !unsafe { AsyncWaitCtx::end(orphan.0) };
        leave_behind(orphans.into_iter().filter(is_left).collect());
    });
}

fn leave_behind(left: Vec<Orphan>) {
    // `None` in a forked child: they stay for good.
    let Some(mut orphans) = ORPHANS.lock() else { return };
    orphans.extend(left);
    ORPHAN_COUNT.store(orphans.len(), Ordering::Relaxed);
}

/// Runs `body` on a context; for null, returns 0 and sets the last error.
///
/// # Safety
///
/// `ctx` is null or a context of this library that was not freed.
unsafe fn with(ctx: *mut AsyncWaitCtx, name: &str, body: impl FnOnce(&AsyncWaitCtx) -> bool) -> c_int {
    boundary(|| {
        // SAFETY: the caller's promise.
        let Some(ctx) = (unsafe { ctx.as_ref() }) else {
            last_error::set(&format!("{name}: ctx is NULL"));
            return 0;
        };
        c_int::from(body(ctx))
    })
}

/// Stores `value` if `place` is not null.
///
/// # Safety
///
/// `place` is null or valid.
unsafe fn put<T>(place: *mut T, value: T) {
    if !place.is_null() {
        // SAFETY: not null, and the caller's promise.
        unsafe { place.write(value) };
    }
}

/// An empty context (statement 1).
#[unsafe(no_mangle)]
pub extern "C" fn ASYNC_WAIT_CTX_new() -> *mut AsyncWaitCtx {
    boundary(AsyncWaitCtx::new)
}

/// Discards the jobs that are paused on the context, calls the cleanups, newest first, and frees it
/// (statements 2 to 6, 23).
///
/// # Safety
///
/// `ctx` is null, or a context of this library that is not used again, except by the cleanups.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ASYNC_WAIT_CTX_free(ctx: *mut AsyncWaitCtx) {
    boundary(|| {
        // SAFETY: null, or a context that was not freed.
        if !ctx.is_null() && !unsafe { AsyncWaitCtx::end(ctx) } {
            // SAFETY: not ended, and no other thread ends it before it is on the list. Any thread may do
            // this.
            unsafe { &*ctx }.look.set_callback(None);
            leave_behind(vec![Orphan(ctx)]);
        }
    });
}

/// Registers an fd (statements 7 to 10). Returns 1, or 0 for a null context and where a job of another thread
/// runs on it.
///
/// # Safety
///
/// `ctx` is null or a context of this library; `cleanup` may be called when it is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ASYNC_WAIT_CTX_set_wait_fd(
    ctx: *mut AsyncWaitCtx,
    key: *const c_void,
    fd: c_int,
    custom_data: *mut c_void,
    cleanup: Option<CleanupFn>,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { with(ctx, "ASYNC_WAIT_CTX_set_wait_fd", |ctx| ctx.set_wait_fd(key, fd, custom_data, cleanup)) }
}

/// The newest fd under `key` and its data (statement 11). Returns 1, or 0 where there is none. Any thread may
/// call it.
///
/// # Safety
///
/// `ctx` is null or a context of this library; `fd` and `custom_data` are null or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ASYNC_WAIT_CTX_get_fd(
    ctx: *mut AsyncWaitCtx,
    key: *const c_void,
    fd: *mut c_int,
    custom_data: *mut *mut c_void,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        const NAME: &str = "ASYNC_WAIT_CTX_get_fd";
        with(ctx, NAME, |ctx| {
            let Some(table) = ctx.table(NAME) else { return false };
            let found = table.fds.iter().rev().find(|registered| registered.key == key.addr());
            if let Some(found) = found {
                put(fd, found.fd);
                put(custom_data, found.data);
            }
            found.is_some()
        })
    }
}

/// Lists all live fds, newest first, in `fd` unless it is null, and stores their number (statement 12).
/// Returns 1, or 0 for a null context or count, and where a job of another thread runs on it.
///
/// # Safety
///
/// `ctx` is null or a context of this library; `fd` is null or has room; `numfds` is null or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ASYNC_WAIT_CTX_get_all_fds(
    ctx: *mut AsyncWaitCtx,
    fd: *mut c_int,
    numfds: *mut usize,
) -> c_int {
    const NAME: &str = "ASYNC_WAIT_CTX_get_all_fds";
    // SAFETY: the caller's promise.
    unsafe {
        with(ctx, NAME, |ctx| {
            if numfds.is_null() {
                last_error::set("ASYNC_WAIT_CTX_get_all_fds: numfds is NULL");
                return false;
            }
            ctx.inside(NAME, |ctx| {
                let mut count = 0;
                ctx.for_each_raw_fd(|live| {
                    if !fd.is_null() {
                        fd.add(count).write(live);
                    }
                    count += 1;
                });
                numfds.write(count);
                true
            })
        })
    }
}

/// Lists what was added and deleted since the job was last resumed, newest first (statements 13 to 19).
/// Returns 1, or 0 for a null context or count, and where a job of another thread runs on it.
///
/// # Safety
///
/// `ctx` is null or a context of this library; `addfd` and `delfd` are null or have room; the counts are null
/// or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ASYNC_WAIT_CTX_get_changed_fds(
    ctx: *mut AsyncWaitCtx,
    addfd: *mut c_int,
    numaddfds: *mut usize,
    delfd: *mut c_int,
    numdelfds: *mut usize,
) -> c_int {
    const NAME: &str = "ASYNC_WAIT_CTX_get_changed_fds";
    // SAFETY: the caller's promise.
    unsafe {
        with(ctx, NAME, |ctx| {
            if numaddfds.is_null() || numdelfds.is_null() {
                last_error::set("ASYNC_WAIT_CTX_get_changed_fds: a count is NULL");
                return false;
            }
            ctx.inside(NAME, |ctx| {
                let (added, deleted) = ctx.num_changed();
                numaddfds.write(added);
                numdelfds.write(deleted);
                if !(addfd.is_null() && delfd.is_null()) {
                    let changed = ctx.changed_raw_fds();
                    if !addfd.is_null() {
                        addfd.copy_from_nonoverlapping(changed.added.as_ptr(), changed.added.len());
                    }
                    if !delfd.is_null() {
                        delfd.copy_from_nonoverlapping(changed.deleted.as_ptr(), changed.deleted.len());
                    }
                }
                true
            })
        })
    }
}

/// Clears the newest fd under `key`; its cleanup is not called (statements 15 to 17). Returns 1, or 0 where
/// there is none, for a null context, and where a job of another thread runs on it.
///
/// # Safety
///
/// `ctx` is null or a context of this library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ASYNC_WAIT_CTX_clear_fd(ctx: *mut AsyncWaitCtx, key: *const c_void) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { with(ctx, "ASYNC_WAIT_CTX_clear_fd", |ctx| ctx.clear_fd(key)) }
}

/// Sets the callback, or removes it if it is null (statement 20). Returns 1, or 0 for a null context, and
/// where a job of another thread runs on it.
///
/// # Safety
///
/// `ctx` is null or a context of this library; `callback` may be called with `callback_arg` from any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ASYNC_WAIT_CTX_set_callback(
    ctx: *mut AsyncWaitCtx,
    callback: Option<CallbackFn>,
    callback_arg: *mut c_void,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { with(ctx, "ASYNC_WAIT_CTX_set_callback", |ctx| ctx.set_callback(callback, callback_arg)) }
}

/// The callback and its argument (statement 21). Returns 1, or 0 where there is none, and for a null context.
/// Any thread may call it.
///
/// # Safety
///
/// `ctx` is null or a context of this library; the other pointers are null or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ASYNC_WAIT_CTX_get_callback(
    ctx: *mut AsyncWaitCtx,
    callback: *mut Option<CallbackFn>,
    callback_arg: *mut *mut c_void,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        const NAME: &str = "ASYNC_WAIT_CTX_get_callback";
        with(ctx, NAME, |ctx| {
            let found = ctx.table(NAME).and_then(|table| table.callback);
            if let Some((function, arg)) = found {
                put(callback, Some(function));
                put(callback_arg, arg);
            }
            found.is_some()
        })
    }
}

/// Sets the status, to any number (statement 22). Returns 1, or 0 for a null context. Any thread may call it.
///
/// # Safety
///
/// `ctx` is null or a context of this library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ASYNC_WAIT_CTX_set_status(ctx: *mut AsyncWaitCtx, status: c_int) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        with(ctx, "ASYNC_WAIT_CTX_set_status", |ctx| {
            ctx.look.set_status(WaitStatus::from(status));
            true
        })
    }
}

/// The status (statement 22); 0 (`ASYNC_STATUS_UNSUPPORTED`) for a null context. Any thread may call it.
///
/// # Safety
///
/// `ctx` is null or a context of this library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ASYNC_WAIT_CTX_get_status(ctx: *mut AsyncWaitCtx) -> c_int {
    // SAFETY: null, or a context that the caller has not freed.
    boundary(|| unsafe { ctx.as_ref() }.map_or(0, |ctx| ctx.look.status().into()))
}
