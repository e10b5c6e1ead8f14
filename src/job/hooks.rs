//! Switch hooks: how a program keeps something per job that otherwise belongs to the thread (statement 55: the
//! default library context of libcrypto). Without hooks a switch pays one load for them.
#![expect(unsafe_code, reason = "calls the functions of C programs")]

use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

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

/// What is to be undone when the job has left.
pub(super) type Entered = Option<(&'static SwitchHooks, usize)>;

pub(super) fn set(hooks: Option<&'static SwitchHooks>) {
    let hooks = hooks.map_or(ptr::null_mut(), |hooks| ptr::from_ref(hooks).cast_mut());
    HOOKS.store(hooks, Ordering::Release);
}

#[inline]
pub(super) fn enter(local: &Cell<usize>) -> Entered {
    let hooks = HOOKS.load(Ordering::Acquire);
    if hooks.is_null() { None } else { enter_slow(hooks, local) }
}

#[inline]
pub(super) fn leave(entered: Entered, local: &Cell<usize>) {
    match entered {
        // SAFETY: whoever set the hooks promised that they may be called around every switch.
        Some((hooks, outer)) => local.set(unsafe { (hooks.leave)(outer) }),
        None => {
            let hooks = HOOKS.load(Ordering::Acquire);
            if !hooks.is_null() {
                leave_late(hooks, local);
            }
        }
    }
}

/// The hooks came while the job ran.
#[cold]
fn leave_late(hooks: *const SwitchHooks, local: &Cell<usize>) {
    // SAFETY: only `set` stores here, and it stores references that live for ever; as in `leave`.
    local.set(unsafe { ((*hooks).leave)(0) });
}

#[cold]
fn enter_slow(hooks: *const SwitchHooks, local: &Cell<usize>) -> Entered {
    // SAFETY: only `set` stores here, and it stores references that live for ever.
    let hooks: &'static SwitchHooks = unsafe { &*hooks };
    // SAFETY: as in `leave`.
    Some((hooks, unsafe { (hooks.enter)(local.get()) }))
}
