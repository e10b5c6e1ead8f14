//! Switch hooks: they let a program keep something per job that otherwise belongs to the thread (statement
//! 55: the default library context of libcrypto). The C++ runtime's [`exceptions`](super::exceptions) use the
//! same path. Without either, a switch pays one load.
#![expect(unsafe_code, reason = "calls the functions of C programs")]

use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use super::exceptions::Exceptions;
use super::trace;

/// Functions called around every switch into a job, on the resumer's stack, for all jobs of the process.
///
/// ```text
///   outer = enter(word)      the job's word: 0 at its start, then what `leave` returned last
///   ... the job runs ...
///   word  = leave(outer)
/// ```
///
/// `enter` puts the job's setting in force and returns the resumer's. `leave` puts the resumer's back and
/// returns the job's. They must not unwind, and must not start, resume, pause or discard jobs.
///
/// Hooks that are set while jobs run get `leave(0)` when those jobs leave: the job has no word yet, and 0
/// stands for the setting before there were hooks.
#[derive(Clone, Copy, Debug)]
pub struct SwitchHooks {
    /// Called before the switch.
    pub enter: unsafe extern "C" fn(job: usize) -> usize,
    /// Called after the switch.
    pub leave: unsafe extern "C" fn(outer: usize) -> usize,
}

static HOOKS: AtomicPtr<SwitchHooks> = AtomicPtr::new(ptr::null_mut());

/// Whether there ever were hooks, or there is a sanitizer or a C++ runtime. From then on switches take the
/// path that looks at them. A flag, because a fork could leave a list of threads locked.
static EVER: AtomicBool = AtomicBool::new(false);

/// What a job keeps for the hooks.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// The hooks that its running switch began with.
    hooks: Cell<Option<&'static SwitchHooks>>,
    /// The job's word; the resumer's while the job runs with hooks.
    word: Cell<usize>,
    exceptions: Exceptions,
}

pub(super) fn set(hooks: Option<&'static SwitchHooks>) {
    let hooks = hooks.map_or(ptr::null_mut(), |hooks| ptr::from_ref(hooks).cast_mut());
    HOOKS.store(hooks, Ordering::Release);
    if !hooks.is_null() {
        watch();
    }
}

/// Makes all later switches take the path that looks at hooks.
pub(super) fn watch() {
    EVER.store(true, Ordering::Release);
}

/// Whether switches take that path, which they also do where there is a subscriber to their
/// [spans](trace).
#[inline]
pub(super) fn ever() -> bool {
    EVER.load(Ordering::Acquire) || trace::is_on()
}

/// Called before a switch into a job; `fresh` at the job's first.
#[cold]
pub(super) fn enter(kept: &Kept, fresh: bool) {
    if fresh {
        kept.word.set(0);
        kept.exceptions.begin();
    }
    // SAFETY: only `set` stores here, and it stores references that live for ever.
    let hooks: Option<&'static SwitchHooks> = unsafe { HOOKS.load(Ordering::Acquire).as_ref() };
    kept.hooks.set(hooks);
    if let Some(hooks) = hooks {
        // SAFETY: the caller that set the hooks promised that they may be called around every switch.
        kept.word.set(unsafe { (hooks.enter)(kept.word.get()) });
    }
    kept.exceptions.enter();
}

/// Called after the switch.
#[cold]
pub(super) fn leave(kept: &Kept) {
    kept.exceptions.leave();
    if let Some(hooks) = kept.hooks.take() {
        // SAFETY: as in `enter`.
        return kept.word.set(unsafe { (hooks.leave)(kept.word.get()) });
    }
    // SAFETY: as in `enter`.
    if let Some(hooks) = unsafe { HOOKS.load(Ordering::Acquire).as_ref() } {
        // The hooks were set while the job ran. SAFETY: as in `enter`.
        kept.word.set(unsafe { (hooks.leave)(0) });
    }
}
