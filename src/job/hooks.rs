//! Switch hooks: how a program keeps something per job that otherwise belongs to the thread (statement 55: the
//! default library context of libcrypto). A pool is told of the first hooks
//! by a flag among those that its switches look at anyway; so without hooks they cost nothing.
#![expect(unsafe_code, reason = "calls the functions of C programs")]

use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::pool::Flags;

/// Called around every switch into a job, on the resumer's stack, for all jobs of the process.
///
/// ```text
///   outer = enter(word)      the job's word: 0 at its start, then what `leave` returned last
///   ... the job runs ...
///   word  = leave(outer)
/// ```
///
/// `enter` puts the job's setting in force and returns the resumer's; `leave` puts the resumer's back and returns
/// the job's. They must not unwind, and must not start, resume, pause or discard jobs.
///
/// Hooks that are set while jobs run get `leave(0)` when those jobs leave: a word that they never returned, for the
/// setting that was in force before there were hooks.
#[derive(Clone, Copy, Debug)]
pub struct SwitchHooks {
    /// Before the switch.
    pub enter: unsafe extern "C" fn(job: usize) -> usize,
    /// After it.
    pub leave: unsafe extern "C" fn(outer: usize) -> usize,
}

static HOOKS: AtomicPtr<SwitchHooks> = AtomicPtr::new(ptr::null_mut());

/// Who is told when there are hooks for the first time: the flags of all pools.
static POOLS: Mutex<Pools> = Mutex::new(Pools { flags: Vec::new(), hooked: false });

struct Pools {
    flags: Vec<&'static Flags>,
    hooked: bool,
}

/// What a job keeps for the hooks.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Those that its running switch has begun with.
    hooks: Cell<Option<&'static SwitchHooks>>,
    /// The job's word; its resumer's while it runs with hooks.
    word: Cell<usize>,
}

pub(super) fn set(hooks: Option<&'static SwitchHooks>) {
    let hooks = hooks.map_or(ptr::null_mut(), |hooks| ptr::from_ref(hooks).cast_mut());
    let mut pools = pools();
    HOOKS.store(hooks, Ordering::Release);
    if !pools.hooked && !hooks.is_null() {
        pools.hooked = true;
        pools.flags.iter().for_each(|flags| flags.raise(Flags::HOOKED));
    }
}

/// Raises [`Flags::HOOKED`] when there are hooks, now or later; it stays.
///
/// # Safety
///
/// `flags` stays where it is until [`unsubscribe`] is called with it.
pub(super) unsafe fn subscribe(flags: &Flags) {
    // SAFETY: only the lifetime changes, and the caller promises as much of it as is used.
    let flags = unsafe { &*ptr::from_ref(flags) };
    let mut pools = pools();
    if pools.hooked {
        flags.raise(Flags::HOOKED);
    }
    pools.flags.push(flags);
}

pub(super) fn unsubscribe(flags: &Flags) {
    pools().flags.retain(|other| !ptr::eq(*other, flags));
}

fn pools() -> MutexGuard<'static, Pools> {
    POOLS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Before a switch into a job, `fresh` if it is the first.
#[cold]
pub(super) fn enter(kept: &Kept, fresh: bool) {
    if fresh {
        kept.word.set(0);
    }
    // SAFETY: only `set` stores here, and it stores references that live for ever.
    let hooks: Option<&'static SwitchHooks> = unsafe { HOOKS.load(Ordering::Acquire).as_ref() };
    kept.hooks.set(hooks);
    if let Some(hooks) = hooks {
        // SAFETY: whoever set the hooks promised that they may be called around every switch.
        kept.word.set(unsafe { (hooks.enter)(kept.word.get()) });
    }
}

/// After it.
#[cold]
pub(super) fn leave(kept: &Kept) {
    if let Some(hooks) = kept.hooks.take() {
        // SAFETY: as in `enter`.
        return kept.word.set(unsafe { (hooks.leave)(kept.word.get()) });
    }
    // SAFETY: as in `enter`.
    if let Some(hooks) = unsafe { HOOKS.load(Ordering::Acquire).as_ref() } {
        // They came while the job ran.
        // SAFETY: as in `enter`.
        kept.word.set(unsafe { (hooks.leave)(0) });
    }
}
