//! The raw layer: jobs as C sees them. A job has a function pointer, copied arguments, an `int` as its
//! result, and a handle in place of an owner.
//!
//! The C ABI is a thin layer over this module, and owns the rules of libcrypto that concern only the ABI
//! (return codes, null pointers). Typed jobs have handles too, but only their owner drives them: this module
//! refuses them as [`Misuse::Stale`].
#![expect(unsafe_code, reason = "the contracts that C code keeps, and Rust cannot check")]

use std::alloc::Layout;
use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::fmt;
use std::mem::ManuallyDrop;
use std::panic::{self, Location};
use std::ptr::{self, NonNull};
use std::sync::Arc;

use super::exceptions;
use super::fiber::{self, Signal};
use super::front::Front;
use super::gate::InUse;
pub use super::gate::Inside;
pub use super::hooks::SwitchHooks;
pub use super::memory::{AllocFn, FreeFn};
use super::misuse::{InitError, Misuse, NoJobs, StartError};
use super::pool::Pool;
use super::record::{RAW, Record, Switched};
use super::strict::{self, Rule, Suspect};
use super::{PoolConfig, WaitCtx, WaitCtxRef, config, directory, hooks, memory};

/// A job's function. It may unwind with a Rust panic, which propagates to the resumer. Except on processors
/// other than x86-64, it may end its thread (`pthread_exit`, cancellation). Foreign exceptions end the
/// process.
pub type RawFn = unsafe extern "C-unwind" fn(args: *mut c_void) -> c_int;

/// What is kept for a job ([`hold`]). Dropping it releases it.
pub struct Held {
    data: NonNull<()>,
    release: unsafe fn(NonNull<()>),
}

impl Held {
    /// Something that `release` releases when it is called with `data`.
    ///
    /// # Safety
    ///
    /// `release` may be called with `data` once, at any time from now on, in the calling thread.
    #[inline(always)]
    pub const unsafe fn new(data: NonNull<()>, release: unsafe fn(NonNull<()>)) -> Self {
        Self { data, release }
    }
}

/// Keeps a share.
impl<T: Send + Sync + 'static> From<Arc<T>> for Held {
    fn from(share: Arc<T>) -> Self {
        unsafe fn release<T>(share: NonNull<()>) {
            // SAFETY: made of a share by `into_raw`, and released once.
            drop(unsafe { Arc::from_raw(share.cast::<T>().as_ptr()) });
        }
        let share = NonNull::new(Arc::into_raw(share).cast_mut()).expect("nothing is shared at 0");
        Self { data: share.cast(), release: release::<T> }
    }
}

impl Drop for Held {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: whoever made this has promised it.
        unsafe { (self.release)(self.data) };
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").finish_non_exhaustive()
    }
}

/// The place in a job's record for what is [held](hold). (Two words, each loaded as it was stored.)
pub(super) struct Holder {
    data: Cell<Option<NonNull<()>>>,
    release: Cell<unsafe fn(NonNull<()>)>,
}

impl Holder {
    pub(super) fn empty() -> Self {
        Self { data: Cell::new(None), release: Cell::new(|_| ()) }
    }

    /// Puts `held` here. Returns it when something is here already.
    #[inline(always)]
    fn put(&self, held: Held) -> Result<(), Held> {
        if self.data.get().is_some() {
            return Err(held);
        }
        let held = ManuallyDrop::new(held);
        self.data.set(Some(held.data));
        self.release.set(held.release);
        Ok(())
    }

    /// Takes out what is here.
    #[inline(always)]
    pub(super) fn take(&self) -> Option<Held> {
        let data = self.data.take()?;
        Some(Held { data, release: self.release.get() })
    }
}

/// Names a job among all jobs of the process, for as long as the job is unfinished. Stale handles and handles
/// of other threads are refused; a 32-bit generation tells them apart.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Handle {
    /// The generation, and one more than the index.
    bits: u64,
}

impl Handle {
    pub(super) const fn new(index: u32, generation: u32) -> Self {
        Self { bits: ((generation as u64) << 32) | (index as u64 + 1) }
    }

    /// The handle of the next job in the same place.
    #[inline]
    pub(super) const fn next(self) -> Self {
        Self { bits: self.bits.wrapping_add(1 << 32) }
    }

    #[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
    pub(super) const fn index(self) -> u32 {
        (self.bits as u32).wrapping_sub(1)
    }

    pub(super) const fn generation(self) -> u32 {
        (self.bits >> 32) as u32
    }

    /// The handle as a number that is never 0, so that it fits a pointer.
    pub const fn to_bits(self) -> u64 {
        self.bits
    }

    /// The handle that [`to_bits`](Self::to_bits) made this number of. Other numbers give handles that name
    /// nothing.
    pub const fn from_bits(bits: u64) -> Self {
        Self { bits }
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handle({}.{})", self.index(), self.generation())
    }
}

/// What starting or resuming a raw job returned with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RawStep {
    /// The job has paused. Its handle stays the same from start to end.
    Paused(Handle),
    /// The job's function has returned this value. Its handle is stale.
    Finished(c_int),
}

/// Starts a job: takes one from the pool, copies `args`, and runs `func` until it pauses or returns. Without
/// arguments, or with empty ones, the function gets null (statement 28).
///
/// # Errors
///
/// [`StartError::NoJobs`] when no job is available, [`StartError::NoMemory`] when there is no memory for the
/// copy of the arguments, [`Misuse::Panicking`] while the thread panics.
///
/// # Panics
///
/// Panics with the payload of the job's panic.
///
/// # Safety
///
/// `func` may be called with a pointer to its own copy of `args`, aligned to 16 bytes, on a stack of the size
/// that the thread is configured for. While the job is paused it may be discarded, by [`discard`] and the
/// like, and when its thread ends. Then its frames vanish, and nothing may refer to them. A release hook that
/// resumes or drops a typed job at the end of its thread does so after thread-locals that the typed job may
/// refer to are gone.
#[inline(always)] // see fiber.rs on returns
pub unsafe fn start(func: RawFn, args: Option<&[u8]>, ctx: Option<&WaitCtx>) -> Result<RawStep, StartError> {
    let pool = Pool::here_for_raw().ok_or(NoJobs::ThreadEnded)?;
    pool.ready_to_switch()?;
    let inside = enter_to_start(pool, ctx)?;
    let record = pool.claim(ctx)?;
    let args = args.unwrap_or_default();
    // SAFETY: alignments are powers of two, and a slice is never larger than an `isize` can say.
    let layout = unsafe { Layout::from_size_align_unchecked(args.len(), 16) };
    let Some(place) = record.prepare(&RAW, layout) else {
        pool.give_up_fresh(record);
        return Err(StartError::NoMemory);
    };
    // SAFETY: the place has room for the arguments and is not part of them.
    unsafe { place.cast::<u8>().copy_from_nonoverlapping(NonNull::from(args).cast(), args.len()) };
    let place = if args.is_empty() { ptr::null_mut() } else { place.as_ptr() };
    let (before, _) = record.call.replace((func, place));
    if before as usize != func as usize {
        exceptions::note(func as usize);
    }
    record.data.set(ptr::null_mut());
    if let Some(ctx) = ctx {
        ctx.add_raw_job(pool, record.handle.get());
        directory::publish(record.handle.get(), ctx.user_data());
    }
    Ok(run(pool, record, inside))
}

/// Resumes a paused job of this thread.
///
/// # Errors
///
/// [`Misuse::Stale`] when the handle names no unfinished raw job of this thread, [`Misuse::Running`] when the
/// job is the caller or has resumed the caller, [`Misuse::Panicking`] while the thread panics.
///
/// # Panics
///
/// Panics with the payload of the job's panic.
#[inline(always)] // see fiber.rs on returns
#[track_caller]
pub fn resume(job: Handle) -> Result<RawStep, Misuse> {
    match find_to_resume(job) {
        Ok((pool, record, inside)) => Ok(run(pool, record, inside)),
        Err(misuse) => Err(strict::refused(job, misuse, ("raw::resume", Some(Location::caller())))),
    }
}

/// [`init_thread`](super::init_thread) for raw jobs, which a thread may start even after its thread-locals
/// have gone.
///
/// # Errors
///
/// As for [`init_thread`](super::init_thread); [`InitError::ThreadEnded`] when there is no memory to register
/// the end of the thread's pool.
pub fn init_thread(config: PoolConfig) -> Result<(), InitError> {
    Pool::here_for_raw().ok_or(InitError::ThreadEnded)?.configure(config)
}

/// Whether raw jobs are possible here (statement 24): yes, for as long as the thread runs any code.
pub fn is_capable() -> bool {
    Pool::here_for_raw().is_some()
}

/// Ends a paused job without unwinding it: its release hook runs, its frames are discarded, its stack is
/// reused.
///
/// # Errors
///
/// [`Misuse::Stale`] and [`Misuse::Running`] as for [`resume`].
///
/// # Safety
///
/// No frame of the job owns anything whose destructor must run, and nothing refers to its frames afterwards.
#[track_caller]
pub unsafe fn discard(job: Handle) -> Result<(), Misuse> {
    let discarded = match Pool::existing() {
        // SAFETY: the caller's promise.
        Some(pool) => unsafe { pool.discard(job) },
        None => Err(Misuse::Stale),
    };
    let call = ("raw::discard", Some(Location::caller()));
    discarded.map_err(|misuse| strict::refused(job, misuse, call))
}

/// Discards all paused raw jobs of this thread and returns their number. This is for code that cleans up
/// after other code: strict mode reports each of the jobs ([`Rule::RawJobReclaimed`]).
///
/// # Safety
///
/// As for [`discard`], for each of them.
#[track_caller]
pub unsafe fn discard_paused() -> usize {
    let Some(pool) = Pool::existing() else { return 0 };
    pool.discard_orphans();
    let call = ("raw::discard_paused", Some(Location::caller()));
    let reclaim = |job: &Handle| {
        // SAFETY: the caller's promise.
        unsafe { pool.reclaim(*job, |_| Rule::RawJobReclaimed, call) }
    };
    pool.paused_raw().into_iter().filter(reclaim).count()
}

/// Discards the paused raw jobs that were started with `ctx`, which is about to be freed, and returns their
/// number. Strict mode reports each of the jobs ([`Rule::WaitCtxFreedInFlight`] or
/// [`Rule::WaitCtxFreedUnderJob`]): in C, the context was freed too early.
///
/// # Safety
///
/// As for [`discard`], for each of them.
#[track_caller]
pub unsafe fn discard_paused_on(ctx: &WaitCtx) -> usize {
    let Some(pool) = Pool::existing() else { return 0 };
    let call = ("raw::discard_paused_on", Some(Location::caller()));
    let reclaim = |job: &Handle| {
        // SAFETY: the caller's promise.
        unsafe { pool.reclaim(*job, Suspect::rule_of_freed_ctx, call) }
    };
    ctx.raw_jobs().into_iter().filter(reclaim).count()
}

/// The paused raw jobs of this thread.
pub fn paused() -> Vec<Handle> {
    Pool::existing().map(Pool::paused_raw).unwrap_or_default()
}

/// The unfinished raw jobs that were started with `ctx`.
pub fn unfinished_on(ctx: &WaitCtx) -> Vec<Handle> {
    ctx.raw_jobs()
}

/// The running job, raw or typed (statement 42).
pub fn current() -> Option<Handle> {
    Front::here().running().map(|record| record.handle.get())
}

/// The wait context that the job was started with; `None` when it has none, or the context was dropped
/// (statement 43).
///
/// # Errors
///
/// [`Misuse::Stale`] when the handle names no unfinished job of this thread.
pub fn wait_ctx(job: Handle) -> Result<Option<WaitCtxRef>, Misuse> {
    let record = Pool::existing().and_then(|pool| pool.find(job)).ok_or(Misuse::Stale)?;
    Ok(record.with_ctx(WaitCtxRef::new).flatten())
}

/// The user data, at the start of the job, of the context that an unfinished raw job was started with; in any
/// thread, at any time. `None` when the job has no context, the context was freed, or the handle names no
/// such job.
pub fn user_data_of_ctx(job: Handle) -> Option<usize> {
    directory::ctx(job)
}

/// Attaches `data` to an unfinished raw job of this thread, in place of earlier data. A job starts with null.
///
/// # Errors
///
/// [`Misuse::Stale`] when the handle names no such job.
pub fn set_data(job: Handle, data: *mut c_void) -> Result<(), Misuse> {
    find(job)?.data.set(data);
    Ok(())
}

/// The data that [`set_data`] has attached to the job.
///
/// # Errors
///
/// As for [`set_data`].
#[inline]
pub fn data(job: Handle) -> Result<*mut c_void, Misuse> {
    Ok(find(job)?.data.get())
}

/// The same for a caller that resumes the job next: prefetches what it goes on with.
///
/// # Errors
///
/// As for [`set_data`].
#[inline]
pub fn data_to_resume(job: Handle) -> Result<*mut c_void, Misuse> {
    let record = find(job)?;
    record.prefetch();
    Ok(record.data.get())
}

/// Keeps `held` for the running job until [`release_held`]. When the job is discarded, `held` is dropped
/// after the release hook: a frame that may be discarded can own nothing. The job calls [`release_held`]
/// before its function returns.
///
/// # Errors
///
/// Returns `held` when no job runs, and in a job that holds something already.
#[inline(always)]
pub fn hold(held: Held) -> Result<(), Held> {
    match Front::here().running() {
        Some(record) => record.held.put(held),
        None => Err(held),
    }
}

/// Drops what the running job [holds](hold), if it holds anything.
#[inline(always)]
pub fn release_held() {
    if let Some(record) = Front::here().running() {
        drop(record.held.take());
    }
}

/// A number that no other living thread has. It is even, and not 0.
#[inline(always)]
pub fn thread() -> usize {
    Front::thread()
}

/// Creates a context that several threads may use, one at a time: the one that is [inside](enter_ctx). A job
/// is inside while it runs. Only the thread inside may use the context, or hold and drop references to it;
/// any thread may read its status. All its unfinished raw jobs belong to one thread.
pub fn ctx_for_threads() -> WaitCtx {
    WaitCtx::with_gate()
}

/// Enters a context [for threads](ctx_for_threads), to read or change it and to leave it at once. Waits for
/// another thread that does the same.
///
/// # Errors
///
/// [`Misuse::CtxElsewhere`] when a job of another thread runs on it, or another thread is freeing it.
///
/// # Safety
///
/// The context has an owner until the stay is dropped, or passed to [`leave_ctx`].
pub unsafe fn enter_ctx(ctx: &WaitCtx) -> Result<Inside, Misuse> {
    ctx.gate().enter_briefly().map_err(|InUse| Misuse::CtxElsewhere)
}

/// Enters a context for as long as its cleanups take. Other threads are refused during that time.
///
/// # Errors
///
/// As for [`enter_ctx`].
///
/// # Safety
///
/// As for [`enter_ctx`].
pub unsafe fn enter_ctx_to_end_it(ctx: &WaitCtx) -> Result<Inside, Misuse> {
    ctx.gate().enter().map_err(|InUse| Misuse::CtxElsewhere)
}

/// Ends a context that the caller is inside of: discards the jobs that are paused on it, and runs the
/// cleanups. Jobs of another thread are left to that thread, which discards them at its next call for raw
/// jobs.
///
/// # Safety
///
/// As for [`discard`], for each of the jobs.
#[track_caller]
pub unsafe fn end_ctx(ctx: WaitCtx) {
    // SAFETY: the caller's promise.
    unsafe { discard_paused_on(&ctx) };
    ctx.raw_jobs().into_iter().for_each(directory::withdraw);
    if let Some(home) = ctx.home().filter(|home| Pool::existing().map(NonNull::from) != Some(*home)) {
        // SAFETY: the pool has unfinished jobs on the context, and keeps them for as long as this thread is
        // inside.
        unsafe { home.as_ref() }.leave_orphans(ctx.raw_jobs());
    }
}

/// Gives up a reference to a context, from inside, and leaves it. The context need not have another owner.
pub fn leave_ctx(inside: Inside, look: WaitCtxRef) {
    look.leave(inside);
}

/// [`pause`](super::pause) for C. Returns 1, except when a typed job is being dropped and cannot be unwound
/// through C frames: then it returns 0. For the same reason, the process ends if the destructor of a cleared
/// wait fd's custom data panics here.
#[inline]
pub fn pause() -> c_int {
    fiber::leave_for_c()
}

/// Forbids pausing in the running job, once more (statement 44). [`block_pause`](super::block_pause) does the
/// same with a guard.
pub fn block_pause() {
    std::mem::forget(super::block_pause());
}

/// Takes back one [`block_pause`]; does nothing when the running job has none (statement 44).
pub fn unblock_pause() {
    if let Some(record) = Front::here().running() {
        record.blocks.set(record.blocks.get().saturating_sub(1));
    }
}

/// Sets, or with `None` removes, the functions that are called around every switch of the process. A switch
/// that began with functions ends with the same ones. A switch that began without functions ends with
/// `leave(0)` of functions that were set during it.
///
/// # Safety
///
/// The functions keep the rules of [`SwitchHooks`].
pub unsafe fn set_switch_hooks(hooks: Option<&'static SwitchHooks>) {
    hooks::set(hooks);
}

/// Sets the sizes, in bytes, of stacks and of the guards below them, for
/// [`PoolConfig::default`](super::PoolConfig::default) and for threads that do not call
/// [`init_thread`](super::init_thread). C code does not probe its stack, and may jump over a guard of one
/// page. The sizes apply to threads whose first job is created later.
///
/// # Errors
///
/// [`InitError`] for sizes that are not possible; nothing is changed.
pub fn set_default_sizes(stack_size: usize, guard_size: usize) -> Result<(), InitError> {
    config::set_default_sizes(stack_size, guard_size)
}

/// Sets the functions that supply the stacks of all jobs of the process; `None` leaves that one as it is.
/// Once a stack has been asked for, returns `false` and changes nothing (statement 58).
///
/// # Safety
///
/// `alloc` returns writable memory of the size that it reports, for the caller's use until `free`. Neither
/// function unwinds; both may be called from any thread. Such stacks have no guard except what `alloc`
/// provides: no job, C or Rust, may need more than there is.
pub unsafe fn set_mem_functions(alloc: Option<AllocFn>, free: Option<FreeFn>) -> bool {
    memory::set(alloc, free)
}

/// The functions in force: those that were set, or the defaults `malloc` and `free` (statement 61). Our own
/// stacks do not come from the defaults but from guarded mappings.
pub fn mem_functions() -> (AllocFn, FreeFn) {
    let functions = memory::get();
    (functions.alloc, functions.free)
}

#[inline]
fn find<'a>(job: Handle) -> Result<&'a Record, Misuse> {
    let record = Pool::existing().and_then(|pool| pool.find(job)).ok_or(Misuse::Stale)?;
    if record.kind().raw { Ok(record) } else { Err(Misuse::Stale) }
}

#[inline(always)] // see fiber.rs on returns
fn find_to_resume<'a>(job: Handle) -> Result<(&'a Pool, &'a Record, Inside), Misuse> {
    let pool = Pool::existing().ok_or(Misuse::Stale)?;
    pool.ready_to_switch()?;
    let record = pool.find_paused_raw(job)?;
    let inside = record.enter_ctx().map_err(|InUse| Misuse::CtxElsewhere)?;
    Ok((pool, record, inside))
}

/// Enters the context of a job that is about to be started.
#[inline(always)] // see fiber.rs on returns
fn enter_to_start(pool: &Pool, ctx: Option<&WaitCtx>) -> Result<Inside, Misuse> {
    let Some(ctx) = ctx else { return Ok(Inside::nothing()) };
    let inside = ctx.gate().enter().map_err(|InUse| Misuse::CtxElsewhere)?;
    if ctx.is_free_for(pool) { Ok(inside) } else { Err(Misuse::CtxElsewhere) }
}

#[inline(always)] // see fiber.rs on returns
fn run(pool: &Pool, record: &Record, inside: Inside) -> RawStep {
    pool.front.counters.resumes.bump();
    record.modes.enter();
    match record.enter(&pool.front, Signal::Continue) {
        Switched::Paused => {
            record.modes.paused();
            pool.front.counters.pauses.bump();
            RawStep::Paused(record.handle.get())
        }
        Switched::Finished => {
            record.modes.ended();
            RawStep::Finished(finish(pool, record, inside))
        }
    }
}

#[inline]
fn finish(pool: &Pool, record: &Record, inside: Inside) -> c_int {
    pool.front.counters.finished.bump();
    let panic = record.take_panic();
    let ret = record.ret.get();
    pool.release_inside(record, inside);
    pool.run_deferred();
    if let Some(payload) = panic {
        panic::resume_unwind(payload);
    }
    ret
}
