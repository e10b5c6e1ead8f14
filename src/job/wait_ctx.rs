//! Wait contexts: where the code that runs in a job announces what the application must wait for.
//!
//! ```text
//!   engine (inside the job)                         application (outside)
//!   set_wait_fd(key, fd, data, cleanup) ──┐    ┌──► all_fds()      what to poll now
//!   clear_fd(key)                         │    │    changed_fds()  what to add to and remove from a poll set
//!   set_callback, set_status              ▼    │
//!                      ┌──────────────────────────────┐
//!     newest first ──► │ key 2  fd 11  Added          │   Added ─resume─► Plain ─clear─► Deleted ─resume─► gone
//!                      │ key 1  fd 20  Plain          │     └────clear──────────────────────────────────► gone
//!                      │ key 2  fd 10  Deleted        │   drop of the context: cleanups of all entries but
//!                      └──────────────────────────────┘   Deleted ones, newest first
//! ```
//!
//! The rules are statements 1 to 23 of `docs/semantics.md`. The context never calls the callback, and closes
//! no descriptor unless it holds the last handle to it ([`WaitFd`](super::WaitFd)); both belong to the code
//! that registered them. No borrow is held while foreign code runs (cleanups, callbacks of loops, destructors
//! of custom data and descriptors), so that code may use the context.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::mem;
use std::ops::Deref;
use std::os::fd::RawFd;
use std::panic::{self, AssertUnwindSafe};
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::callback::{CallbackCell, CallbackWaker, ReplacedCallback};
use super::gate::{Gate, Inside};
use super::pool::{Pool, drop_payload, raise};
use super::raw::Handle;
use super::status::{Followed, StatusCell, WaitStatus};
use super::strict;
use super::wait_fd::Registered;
use crate::process::cancel::uncancelled;

mod fds;

/// Identifies a registration by an address, usually that of an object that lives as long as the registering
/// engine. Keys are compared by address alone (statement 10).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WaitKey(usize);

impl WaitKey {
    /// The key with the address of `object`. It is unique while `object` does not move; zero-sized types
    /// share addresses.
    pub fn of<T: ?Sized>(object: &T) -> Self {
        Self(std::ptr::from_ref(object).addr())
    }

    /// The key with this address; 0 is a key like any other.
    pub const fn from_addr(addr: usize) -> Self {
        Self(addr)
    }

    /// The address.
    pub const fn addr(self) -> usize {
        self.0
    }
}

impl fmt::Debug for WaitKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WaitKey({:#x})", self.0)
    }
}

/// Called when the wait context ends, once for each registration that was not cleared. It receives the
/// context, and the registration's key, descriptor and custom data. [`WaitCtx`] says what happens when it
/// panics.
pub type Cleanup = Box<dyn FnOnce(&WaitCtx, WaitKey, RawFd, Option<Rc<dyn Any>>)>;

/// Called by an engine, from any thread, when the job should be resumed (statement 22). The call may come
/// before `resume` has returned [`Step::Paused`](super::Step::Paused).
pub type Callback = Arc<dyn Fn() + Send + Sync>;

/// Where a job's wakes are announced: descriptors to poll, or a callback. An application has one for each
/// connection, and uses it for one job after the other. A job whose context is dropped goes on without one;
/// if it was paused, strict mode reports that ([`Rule`](super::Rule)). In a struct that owns both, declare
/// the job before the context: fields are dropped in the order of their declaration.
///
/// Dropping it corresponds to `ASYNC_WAIT_CTX_free`. Cleanups run newest first, and each sees the entries
/// that are left, its own among them. When one panics the others still run; then the first panic continues,
/// unless the thread is already panicking.
///
/// It belongs to one thread (statement 23):
///
/// ```compile_fail
/// fn send<T: Send>(_: T) {}
/// send(simaccel::WaitCtx::new());
/// ```
///
/// # Examples
///
/// ```
/// use simaccel::WaitCtx;
/// use simaccel::job::WaitKey;
///
/// let ctx = WaitCtx::new();
/// let engine = String::from("the identity of an engine");
/// let (reader, writer) = std::io::pipe()?;
/// ctx.set_wait_fd(WaitKey::of(&engine), std::os::fd::OwnedFd::from(reader), None, None);
/// assert_eq!((ctx.all_fds().len(), ctx.changed_fds().added.len()), (1, 1));
///
/// assert!(!ctx.is_woken());
/// drop(writer);
/// assert_eq!(simaccel::wait_readable(&ctx.all_fds())?, 1);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct WaitCtx {
    shared: Rc<Shared>,
    /// Whether this is the application's handle, whose drop ends the context, or a reference from inside a
    /// job.
    owner: bool,
}

/// The shared part. Jobs hold it too, so that they notice a freed context.
///
/// The fields that every operation reads come first.
#[derive(Default)]
#[repr(C)]
pub(super) struct Shared {
    changes: Cell<Changes>,
    /// Readable by any thread, like everything about the callback: in C, other threads may read it while a
    /// job runs.
    pub(super) status: StatusCell,
    freed: Cell<bool>,
    has_callback: AtomicBool,
    /// Whether the callback is that of a future, which engines call under polling too.
    is_awaited: Cell<bool>,
    /// Oldest first; every list that a caller gets is reversed.
    entries: RefCell<Vec<Entry>>,
    callback: CallbackCell,
    pub(super) followed: Followed,
    user_data: Cell<usize>,
    /// Unfinished raw jobs that were started with this context.
    raw_jobs: RefCell<Vec<Handle>>,
    /// The pool of these jobs, if there are any.
    home: Cell<Option<NonNull<Pool>>>,
    /// The thread that is inside the context, where several threads use it.
    pub(super) gate: Gate,
}

/// How many entries were added, and deleted, since the last reset. One word, because every resume reads both.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Changes(u64);

impl Changes {
    const ADDED: u64 = 1;
    const DELETED: u64 = 1 << 32;

    const fn added(self) -> usize {
        (self.0 & (Self::DELETED - 1)) as usize
    }

    const fn deleted(self) -> usize {
        (self.0 >> 32) as usize
    }
}

struct Entry {
    key: WaitKey,
    fd: Registered,
    data: Option<Rc<dyn Any>>,
    cleanup: Option<Cleanup>,
    mark: Mark,
    /// Its cleanup is being called.
    ending: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    /// Registered since the last reset.
    Added,
    /// Registered before it.
    Plain,
    /// Cleared since the last reset; kept so that it can be reported.
    Deleted,
}

impl WaitCtx {
    /// An empty context: no descriptors, no callback, status [`WaitStatus::Unsupported`] (statement 1).
    pub fn new() -> Self {
        Self { shared: Rc::default(), owner: true }
    }

    /// An empty context that several threads may use, one at a time.
    pub(super) fn with_gate() -> Self {
        Self { shared: Rc::new(Shared { gate: Gate::open(), ..Shared::default() }), owner: true }
    }

    /// Sets or, with `None`, removes the callback (statement 20). Engines that find a callback call it and
    /// create no descriptor.
    ///
    /// The callback runs on the device's thread, perhaps before `resume` has returned. The job that it wakes
    /// waits until it has returned. It should pass the wake on and return. It must not wait for an operation,
    /// or for a lock that is held around `resume`, around this call, or while a job or context ends: it would
    /// wait for ever. On a stepped device, the job that it runs in cannot pause until it has returned.
    ///
    /// A wake looks the callback up when it is sent. When this returns, the old callback is not called any
    /// more: this waits for a call that runs in another thread. Dropping the context waits in the same way,
    /// and so does the end or drop of a job, for the calls that wake that job. *Inside* a callback, of
    /// whatever context, none of these waits: calls that have begun in other threads may then still be
    /// running.
    ///
    /// A request may be submitted with a callback, and its wake may find none. Then nothing is called. The
    /// next resume finds the request done, or registers a descriptor for the rest of the wait. So an
    /// application that removes a callback while a job is paused resumes that job once. A callback that is
    /// set while a request waits with a descriptor is used from the next request on.
    pub fn set_callback(&self, callback: Option<Callback>) {
        drop(self.replace_callback(callback));
    }

    /// Like [`set_callback`](Self::set_callback), but the caller chooses when to wait, by dropping the
    /// result.
    pub fn replace_callback(&self, callback: Option<Callback>) -> ReplacedCallback {
        self.shared.callback.replace(callback, &self.shared.has_callback)
    }

    /// The callback (statement 21).
    pub fn callback(&self) -> Option<Callback> {
        self.shared.callback.get()
    }

    /// A waker for one request, where a callback is set.
    pub(crate) fn callback_waker(&self) -> Option<Arc<CallbackWaker>> {
        self.shared.callback.waker()
    }

    /// Whether a callback is set.
    pub(crate) fn has_callback(&self) -> bool {
        self.shared.has_callback()
    }

    /// Makes engines call the callback under polling too.
    pub(crate) fn set_awaited(&self) {
        self.shared.is_awaited.set(true);
    }

    /// Sets the status; only engines set it, and nothing checks it (statement 22).
    pub fn set_status(&self, status: WaitStatus) {
        self.shared.status.set(status);
    }

    /// The status (statement 22).
    pub fn status(&self) -> WaitStatus {
        self.shared.status.get(&self.shared.followed)
    }

    /// Sets the user data: a word for code that wraps contexts and finds them again through a [`WaitCtxRef`].
    pub fn set_user_data(&self, user_data: usize) {
        self.shared.user_data.set(user_data);
    }

    /// The user data; 0 until it is set.
    pub fn user_data(&self) -> usize {
        self.shared.user_data.get()
    }

    /// Whether the application has dropped the context; only a [`WaitCtxRef`] can see that.
    pub fn is_freed(&self) -> bool {
        self.shared.freed.get()
    }

    #[inline]
    pub(super) fn share(&self) -> Rc<Shared> {
        Rc::clone(&self.shared)
    }

    /// Whether raw jobs of this pool may be started with this context: not while other pools have unfinished
    /// ones on it.
    #[inline]
    pub(super) fn is_free_for(&self, pool: &Pool) -> bool {
        self.shared.home.get() == Some(NonNull::from(pool)) || self.shared.raw_jobs.borrow().is_empty()
    }

    #[inline]
    pub(super) fn add_raw_job(&self, pool: &Pool, job: Handle) {
        self.shared.home.set(Some(NonNull::from(pool)));
        self.shared.raw_jobs.borrow_mut().push(job);
    }

    /// How many unfinished raw jobs were started with this context.
    pub fn num_raw_jobs(&self) -> usize {
        self.shared.raw_jobs.borrow().len()
    }

    /// The pool of the unfinished raw jobs on this context, if there are any.
    pub(super) fn home(&self) -> Option<NonNull<Pool>> {
        self.shared.home.get().filter(|_| !self.shared.raw_jobs.borrow().is_empty())
    }

    #[inline]
    pub(super) fn gate(&self) -> &Gate {
        &self.shared.gate
    }

    /// How many owners the context has, jobs and references included.
    pub(super) fn owners(&self) -> usize {
        Rc::strong_count(&self.shared)
    }

    pub(super) fn raw_jobs(&self) -> Vec<Handle> {
        self.shared.raw_jobs.borrow().clone()
    }

    /// Runs the cleanups, newest first. They may change the list.
    fn free(&self) {
        let mut first_panic = None;
        let mut catching = |step: &mut dyn FnMut()| match panic::catch_unwind(AssertUnwindSafe(step)) {
            Err(payload) if first_panic.is_none() => first_panic = Some(payload),
            Err(payload) => drop_payload(payload),
            Ok(()) => {}
        };
        while let Some(ending) = self.shared.begin_end_of_newest() {
            let mut ending = Some(ending);
            catching(&mut || {
                if let Some(Ending { key, fd, data, cleanup: Some(cleanup), is_due: true }) = ending.take() {
                    uncancelled(|| cleanup(self, key, fd, data));
                }
            });
            let mut ended = self.shared.finish_end();
            catching(&mut || drop(ended.take()));
        }
        self.shared.freed.set(true);
        catching(&mut || self.shared.callback.close(&self.shared.has_callback));
        raise(first_panic);
    }
}

impl Drop for WaitCtx {
    fn drop(&mut self) {
        if self.owner {
            strict::ctx_freed(&self.shared);
            self.free();
        }
    }
}

impl Default for WaitCtx {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for WaitCtx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitCtx")
            .field("fds", &self.all_raw_fds())
            .field("changed", &self.changed_raw_fds())
            .field("callback", &self.has_callback())
            .field("status", &self.status())
            .field("freed", &self.is_freed())
            .finish()
    }
}

/// A reference to the wait context of a job. Dropping it frees nothing, and the context may end while it is
/// held ([`WaitCtx::is_freed`]).
#[derive(Debug)]
pub struct WaitCtxRef(WaitCtx);

impl WaitCtxRef {
    /// A reference to `shared`, unless the application has dropped the context.
    pub(super) fn new(shared: &Rc<Shared>) -> Option<Self> {
        (!shared.freed.get()).then(|| Self(WaitCtx { shared: Rc::clone(shared), owner: false }))
    }
}

impl WaitCtxRef {
    /// Drops the reference from inside the context, and leaves the context.
    pub(super) fn leave(self, inside: Inside) {
        let is_last = self.owners() == 1;
        drop(self);
        if is_last {
            // The gate went with the context.
            std::mem::forget(inside);
        }
    }
}

/// For code that keeps a reference to its own context because it hands out pointers to it.
impl From<&WaitCtx> for WaitCtxRef {
    fn from(ctx: &WaitCtx) -> Self {
        Self(WaitCtx { shared: Rc::clone(&ctx.shared), owner: false })
    }
}

impl Deref for WaitCtxRef {
    type Target = WaitCtx;

    fn deref(&self) -> &WaitCtx {
        &self.0
    }
}

impl Shared {
    #[inline]
    pub(super) fn is_freed(&self) -> bool {
        self.freed.get()
    }

    #[inline]
    pub(super) fn set_status(&self, status: WaitStatus) {
        if !self.freed.get() {
            self.status.set(status);
        }
    }

    #[inline]
    pub(super) fn has_callback(&self) -> bool {
        self.has_callback.load(Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn is_awaited(&self) -> bool {
        self.is_awaited.get()
    }

    /// The custom data of the newest registration under `key`, where no callback is set.
    #[inline]
    pub(super) fn registered(&self, key: WaitKey) -> Option<Rc<dyn Any>> {
        if self.has_callback() {
            return None;
        }
        let entries = self.entries.borrow();
        entries.iter().rev().find(|entry| entry.is_live(key))?.data.clone()
    }

    /// Forgets what was added and deleted, because the job resumes (statement 18).
    #[inline]
    pub(super) fn reset_changes(&self) {
        if self.changes.get().0 != 0 {
            self.reset_changes_slow();
        }
    }

    #[cold]
    fn reset_changes_slow(&self) {
        self.changes.set(Changes::default());
        let mut deleted = Vec::new();
        self.entries.borrow_mut().retain_mut(|entry| match entry.mark {
            Mark::Added => {
                entry.mark = Mark::Plain;
                true
            }
            Mark::Plain => true,
            Mark::Deleted => {
                // The handle's drop may run foreign code, too.
                let fd = mem::replace(&mut entry.fd, Registered::Number(-1));
                deleted.push((fd, entry.data.take(), entry.cleanup.take()));
                false
            }
        });
        // Their destructors run here, when the list is consistent again.
        drop(deleted);
    }

    fn more(&self, one: u64) {
        self.changes.set(Changes(self.changes.get().0 + one));
    }

    fn fewer(&self, one: u64) {
        self.changes.set(Changes(self.changes.get().0 - one));
    }

    #[inline]
    pub(super) fn remove_raw_job(&self, handle: Handle) {
        let mut jobs = self.raw_jobs.borrow_mut();
        if let Some(at) = jobs.iter().rposition(|job| *job == handle) {
            jobs.swap_remove(at);
        }
    }

    /// Marks the newest entry as ending and returns what its cleanup needs. The cleanup of a deleted entry is
    /// not due.
    fn begin_end_of_newest(&self) -> Option<Ending> {
        let mut entries = self.entries.borrow_mut();
        let newest = entries.last_mut()?;
        newest.ending = true;
        let (cleanup, is_due) = (newest.cleanup.take(), newest.is_registered());
        Some(Ending { key: newest.key, fd: newest.fd.number(), data: newest.data.clone(), cleanup, is_due })
    }

    /// Removes the ending entry from the list, unless its cleanup has cleared it.
    fn finish_end(&self) -> Option<Entry> {
        let mut entries = self.entries.borrow_mut();
        let at = entries.iter().rposition(|entry| entry.ending)?;
        match entries[at].mark {
            Mark::Added => self.fewer(Changes::ADDED),
            Mark::Plain => {}
            Mark::Deleted => self.fewer(Changes::DELETED),
        }
        Some(entries.remove(at))
    }
}

/// The arguments of a cleanup.
struct Ending {
    key: WaitKey,
    fd: RawFd,
    data: Option<Rc<dyn Any>>,
    /// Dropped where no borrow is held, called or not: it may own anything.
    cleanup: Option<Cleanup>,
    /// Whether the cleanup is to be called.
    is_due: bool,
}

impl Entry {
    fn is_registered(&self) -> bool {
        self.mark != Mark::Deleted
    }

    fn is_live(&self, key: WaitKey) -> bool {
        self.key == key && self.is_registered()
    }
}
