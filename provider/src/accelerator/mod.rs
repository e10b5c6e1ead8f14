//! The engine of the process, which all instances of the provider share.
//!
//! ```text
//!   Use::begin ──► one user more, and the configuration        nothing is opened yet
//!   engine() ────► Place of this process ──► opened once ────► Engine: threads of the device
//!   fork ────────► in the child another Place, at its first operation; the parent's stays untouched
//!   last Use ────► the engine is given up; sessions keep it as long as they live
//! ```
//!
//! A server forks its workers after it has loaded the provider: a device that was opened before would have
//! its threads in the parent. So it is opened at the first operation. A child looks at nothing that a thread
//! of its parent may have locked, but for the configuration, which is locked while a provider is loaded.

#![expect(unsafe_code, reason = "the engine's place is behind a pointer that a fork may change")]

mod buffers;
mod key;
mod served;
mod signals;

use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use simaccel::{Engine, Error, Hash, HashSession, OpError, foreign};

pub(crate) use buffers::{Buffer, Room, Text};
pub(crate) use key::Keyed;
pub(crate) use served::Served;

use crate::algorithms::Kind;
use crate::config::{Clock, Whole};
use crate::counters::{Row, Synchronous};
use crate::error::{Failure, Reason};
use crate::instance::Instance;
use crate::ossl::jobs::Jobs;
use crate::pausing::{self, LibcryptoJobs};

/// Two library contexts want the process's one device in different ways.
#[derive(Clone, Debug, thiserror::Error)]
#[error(
    "the process has one device, which another library context has configured differently: give both the same \
     keys, or none to one of them"
)]
pub(crate) struct Differs;

/// How many instances there are.
static USERS: AtomicUsize = AtomicUsize::new(0);
/// What one of them has set.
static WHOLE: Mutex<Option<Whole>> = Mutex::new(None);
/// The place of this process's engine; null before the first one, and that of a parent after a fork.
static PLACE: AtomicPtr<Place> = AtomicPtr::new(ptr::null_mut());

/// An instance's use of the engine.
#[derive(Debug)]
pub(crate) struct Use(());

/// Where the engine of one process is. It is never freed: an operation may look at it at any time.
#[derive(Debug)]
struct Place {
    forks: u64,
    opened: Mutex<Option<Opened>>,
}

#[derive(Debug)]
struct Opened {
    engine: Engine,
    /// The hash functions that were used.
    hashes: Vec<(Hash, HashSession)>,
}

impl Use {
    /// Whether there is one.
    pub(crate) fn is_any() -> bool {
        USERS.load(Ordering::Acquire) > 0
    }

    /// Uses the engine with this configuration, or with whatever there is.
    pub(crate) fn begin(whole: Option<Whole>) -> Result<Self, Differs> {
        let mut set = WHOLE.lock().unwrap_or_else(PoisonError::into_inner);
        match (whole, &mut *set) {
            (None, _) => {}
            (Some(whole), Some(before)) if whole == *before => {}
            // An engine that was opened with the defaults stays.
            (Some(whole), None) if place().opened_with_defaults() => {
                if whole != Whole::default() {
                    return Err(Differs);
                }
            }
            (Some(whole), set @ None) => *set = Some(whole),
            (Some(_), Some(_)) => return Err(Differs),
        }
        USERS.fetch_add(1, Ordering::AcqRel);
        Ok(Self(()))
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        if USERS.fetch_sub(1, Ordering::AcqRel) == 1 {
            let mut set = WHOLE.lock().unwrap_or_else(PoisonError::into_inner);
            *set = None;
            let opened = place().lock().take();
            drop(set);
            drop(opened);
        }
    }
}

impl Place {
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Opened>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn opened_with_defaults(&self) -> bool {
        self.lock().is_some()
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
    let new = Box::leak(Box::new(Place { forks, opened: Mutex::new(None) }));
    match PLACE.compare_exchange(known, new, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => new,
        // SAFETY: another thread of this process has set it, and it is never freed.
        Err(theirs) => unsafe { &*theirs },
    }
}

/// Runs `body`, which is short, with the engine, which is opened at first use.
fn with_engine<R>(body: impl FnOnce(&mut Opened) -> R) -> Result<R, Error> {
    if let Some(opened) = &mut *place().lock() {
        return Ok(body(opened));
    }
    // In this order, as everywhere: a library context that is being loaded may look at the place.
    let set = WHOLE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut opened = place().lock();
    let opened = match &mut *opened {
        Some(opened) => opened,
        empty => {
            let whole = set.clone().unwrap_or_default();
            // The stack of a job may be too small for it.
            let engine = pausing::on_deep_stack(|| signals::without(|| open(whole)))?;
            empty.insert(Opened { engine, hashes: Vec::new() })
        }
    };
    drop(set);
    Ok(body(opened))
}

/// The engine, which is opened at first use.
fn engine() -> Result<Engine, Error> {
    with_engine(|opened| opened.engine.clone())
}

#[cold]
fn open(whole: Whole) -> Result<Engine, Error> {
    match whole.clock {
        Clock::Time => foreign::open(whole.engine, Arc::new(LibcryptoJobs::default())),
        Clock::Resumes(count) => {
            foreign::stepped(whole.engine, Arc::new(LibcryptoJobs::counting(count, run_device)))
        }
    }
}

/// Lets all happen on a stepped device that there is to happen.
fn run_device() {
    // The handle leaves the lock: what happens may call the application.
    let engine = place().lock().as_ref().map(|opened| opened.engine.clone());
    if let Some(engine) = engine {
        engine.device().run_until_idle();
    }
}

/// The session of a hash function, which has no key.
pub(crate) fn hash(instance: &Instance, hash: Hash) -> Result<HashSession, Failure> {
    let session = pausing::apart(instance.jobs(), || {
        let known = |opened: &mut Opened| {
            opened.hashes.iter().find(|(known, _)| *known == hash).map(|(_, session)| session.clone())
        };
        if let Some(session) = with_engine(known)? {
            return Ok(session);
        }
        let session = engine()?.hash(hash)?;
        with_engine(|opened| opened.hashes.push((hash, session.clone())))?;
        Ok(session)
    });
    session.map_err(not_opened)
}

#[cold]
fn not_opened(error: Error) -> Failure {
    Failure::new(Reason::Device, error.to_string())
}

/// What an operation has to know of the instance that it is called in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pass {
    jobs: Option<&'static Jobs>,
    /// Whether it may pause its job.
    allowed: Result<(), Synchronous>,
    row: Row,
    bytes: usize,
}

impl Pass {
    /// For an operation on so many bytes.
    pub(crate) fn new(instance: &Instance, kind: Kind, bytes: usize) -> Self {
        let settings = instance.settings();
        let allowed = if settings.never_pause.has(kind) {
            Err(Synchronous::NeverPause)
        } else if bytes < usize::try_from(settings.async_min_bytes).unwrap_or(usize::MAX) {
            Err(Synchronous::TooSmall)
        } else {
            Ok(())
        };
        Self { jobs: instance.jobs(), allowed, row: kind.row, bytes }
    }
}

/// Runs one operation of the engine, with what it refers to. It pauses the job that runs here, if there is
/// one and the settings allow it.
///
/// What frames own besides stays where it is for ever if the job is never resumed: see [`pausing`].
pub(crate) fn run<H, R>(
    pass: Pass,
    held: H,
    body: impl FnOnce(&mut H) -> Result<R, OpError>,
) -> (H, Result<R, Failure>) {
    let (held, result) = pausing::run(pass.jobs, pass.allowed, (pass.row, pass.bytes), held, body);
    (held, result.map_err(failed))
}

/// The failure, after its text was wiped.
#[cold]
fn failed(error: OpError) -> Failure {
    let (error, text) = error.into_parts();
    Buffer::recycle(text);
    error.into()
}
