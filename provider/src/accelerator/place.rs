//! Where the engine of a process is, and how it is configured: one lock for both, which no fork leaves
//! locked.
//!
//! ```text
//!   PLACE ──► Place { forks, State { whole, opened } }     of this process; never freed
//!   SET ────► what was set last                            a child's place begins with it
//! ```
//!
//! A child finds a place of its parent, whose lock a thread of the parent may hold for ever. It makes
//! another, and takes what is set from `SET`, which is read without a lock.
#![expect(unsafe_code, reason = "the place is behind a pointer that a fork changes")]

use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use simaccel::{Engine, Error, Hash, HashSession, foreign};

use super::signals;
use crate::config::{Clock, Whole};
use crate::error::{Failure, Reason};
use crate::pausing::{self, LibcryptoJobs};

/// Two library contexts want the process's one device in different ways.
#[derive(Clone, Debug, thiserror::Error)]
#[error(
    "the process has one device, which another library context has configured differently: give both the same \
     keys, or none to one of them"
)]
pub(crate) struct Differs;

/// An instance's use of the engine.
#[derive(Debug)]
pub(crate) struct Use(());

/// How many there are.
static USERS: AtomicUsize = AtomicUsize::new(0);
/// The place of this process's engine; null before the first one, and that of a parent after a fork.
static PLACE: AtomicPtr<Place> = AtomicPtr::new(ptr::null_mut());
/// What was set last, and is in force; null for nothing. Never freed: a forked child reads it without a lock.
static SET: AtomicPtr<Whole> = AtomicPtr::new(ptr::null_mut());
/// The last of the configurations that were ever set.
static KEPT: AtomicPtr<Kept> = AtomicPtr::new(ptr::null_mut());

/// A configuration that is never freed, and the one that was kept before it. One that is set again, by
/// another load, is found here, so that loads do not add up.
#[derive(Debug)]
struct Kept {
    whole: Whole,
    before: Option<&'static Self>,
}

#[derive(Debug)]
struct Place {
    forks: u64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// What an instance has set.
    whole: Option<Whole>,
    opened: Option<Opened>,
}

/// The engine, and what was made of it without a key.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) engine: Engine,
    /// The hash functions that were used.
    pub(super) hashes: Vec<(Hash, HashSession)>,
}

impl Use {
    /// Whether there is one.
    pub(crate) fn is_any() -> bool {
        USERS.load(Ordering::Acquire) > 0
    }

    /// Uses the engine with this configuration, or with whatever there is.
    pub(crate) fn begin(whole: Option<Whole>) -> Result<Self, Differs> {
        let mut state = place().lock();
        if let Some(whole) = whole {
            match &state.whole {
                Some(before) if *before == whole => {}
                // An engine that was opened with the defaults stays.
                None if state.opened.is_some() && whole == Whole::default() => {}
                None if state.opened.is_none() => state.set(whole),
                _ => return Err(Differs),
            }
        }
        USERS.fetch_add(1, Ordering::AcqRel);
        Ok(Self(()))
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        if USERS.fetch_sub(1, Ordering::AcqRel) == 1 {
            let mut state = place().lock();
            state.whole = None;
            SET.store(ptr::null_mut(), Ordering::Release);
            let opened = state.opened.take();
            drop(state);
            drop(opened);
        }
    }
}

impl State {
    fn set(&mut self, whole: Whole) {
        SET.store(ptr::from_ref(kept(&whole)).cast_mut(), Ordering::Release);
        self.whole = Some(whole);
    }
}

/// The kept configuration that equals this one. The caller holds the lock of the place.
fn kept(whole: &Whole) -> &'static Whole {
    // SAFETY: null, or a configuration that is never freed.
    let last = unsafe { KEPT.load(Ordering::Acquire).as_ref() };
    let mut each = std::iter::successors(last, |kept| kept.before);
    if let Some(known) = each.find(|kept| kept.whole == *whole) {
        return &known.whole;
    }
    let new = Box::leak(Box::new(Kept { whole: whole.clone(), before: last }));
    KEPT.store(new, Ordering::Release);
    &new.whole
}

impl Place {
    fn new(forks: u64) -> Self {
        // SAFETY: null, or a configuration that is never freed.
        let whole = unsafe { SET.load(Ordering::Acquire).as_ref() }.cloned();
        Self { forks, state: Mutex::new(State { whole, opened: None }) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of this process.
fn place() -> &'static Place {
    let forks = foreign::forks();
    let known = PLACE.load(Ordering::Acquire);
    // SAFETY: null, or a place, which is never freed.
    if let Some(place) = unsafe { known.as_ref() }
        && place.forks == forks
    {
        return place;
    }
    let new = Box::leak(Box::new(Place::new(forks)));
    match PLACE.compare_exchange(known, new, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => new,
        // SAFETY: another thread of this process has set it, and it is never freed.
        Err(theirs) => unsafe { &*theirs },
    }
}

/// Runs `body`, which is short, with the engine, which is opened at first use.
pub(super) fn with_engine<R>(body: impl FnOnce(&mut Opened) -> R) -> Result<R, Error> {
    let State { whole, opened } = &mut *place().lock();
    let opened = match opened {
        Some(opened) => opened,
        // The stack of a job may be too small for it.
        empty => empty
            .insert(pausing::on_deep_stack(|| signals::without(|| open(whole.clone().unwrap_or_default())))?),
    };
    Ok(body(opened))
}

/// The engine, which is opened at first use.
pub(super) fn engine() -> Result<Engine, Error> {
    with_engine(|opened| opened.engine.clone())
}

/// The engine, if it is open and no thread uses the place at this moment: such a thread may wait for the
/// device, on whose thread this is called.
pub(super) fn engine_now() -> Option<Engine> {
    let state = match place().state.try_lock() {
        Ok(state) => state,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        Err(TryLockError::WouldBlock) => return None,
    };
    state.opened.as_ref().map(|opened| opened.engine.clone())
}

#[cold]
fn open(whole: Whole) -> Result<Opened, Error> {
    let engine = match whole.clock {
        Clock::Time => foreign::open(whole.engine, Arc::new(LibcryptoJobs::default())),
        Clock::Resumes(count) => {
            foreign::stepped(whole.engine, Arc::new(LibcryptoJobs::counting(count, run_device)))
        }
    };
    Ok(Opened { engine: engine?, hashes: Vec::new() })
}

/// Lets all happen on a stepped device that there is to happen.
fn run_device() {
    // The handle leaves the lock: what happens may call the application.
    let engine = place().lock().opened.as_ref().map(|opened| opened.engine.clone());
    if let Some(engine) = engine {
        engine.device().run_until_idle();
    }
}

#[cold]
pub(super) fn not_opened(error: Error) -> Failure {
    Failure::new(Reason::Device, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_that_is_set_again_takes_no_memory() {
        let whole = |path: &str| Whole { stats_file: Some(path.into()), ..Whole::default() };
        let (first, other) = (kept(&whole("/first")), kept(&whole("/other")));
        assert!(std::ptr::eq(first, kept(&whole("/first"))));
        assert!(std::ptr::eq(other, kept(&whole("/other"))));
        assert_eq!((first, other), (&whole("/first"), &whole("/other")));
    }
}
