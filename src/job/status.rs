//! The status of a wait context: the outcome of the engine's last attempt, readable by any thread.
//!
//! ```text
//!   word = follows (1) | status (32)
//!             └─ set: a request waits for a slot, and the status is read from the request
//! ```
//!
//! When the device admits a request that was queued for a slot, no code on this side runs to record it. So a
//! status that changes by itself is not written: it *follows* its request until the request has ended, or
//! another status is set.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::wait_ctx::Shared;
use crate::process::fork::{self, Lock};

/// The outcome of the last attempt to work asynchronously, as the engine reported it (statement 22).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WaitStatus {
    /// Nothing was reported, or callbacks are not supported (0).
    #[default]
    Unsupported,
    /// The request could not be submitted (1).
    Err,
    /// The request was submitted, and its completion will call the callback (2).
    Ok,
    /// There was no room; the request has been queued, or the caller must try again (3).
    Eagain,
    /// Any other number, kept unchanged.
    Other(i32),
}

impl From<i32> for WaitStatus {
    fn from(status: i32) -> Self {
        match status {
            0 => Self::Unsupported,
            1 => Self::Err,
            2 => Self::Ok,
            3 => Self::Eagain,
            other => Self::Other(other),
        }
    }
}

impl From<WaitStatus> for i32 {
    fn from(status: WaitStatus) -> Self {
        match status {
            WaitStatus::Unsupported => 0,
            WaitStatus::Err => 1,
            WaitStatus::Ok => 2,
            WaitStatus::Eagain => 3,
            WaitStatus::Other(other) => other,
        }
    }
}

/// Returns the status of a request.
type Source = dyn Fn() -> WaitStatus + Send + Sync;

const FOLLOWS: u64 = 1 << 32;

/// A status that any thread may read.
#[derive(Default)]
pub(super) struct StatusCell(AtomicU64);

/// The request that a status follows. Only the context's thread writes it.
#[derive(Default)]
pub(super) struct Followed(Lock<Option<Arc<Source>>>);

impl StatusCell {
    #[inline]
    pub(super) fn set(&self, status: WaitStatus) {
        self.0.store(word_of(status), Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn get(&self, followed: &Followed) -> WaitStatus {
        let word = self.0.load(Ordering::Acquire);
        if word & FOLLOWS == 0 { status_of(word) } else { followed.look().unwrap_or_else(|| status_of(word)) }
    }
}

impl Followed {
    #[cold]
    fn look(&self) -> Option<WaitStatus> {
        self.0.lock()?.as_ref().map(|source| source())
    }
}

/// A status that follows a request. Dropping this freezes it.
pub(crate) struct FollowedStatus {
    shared: Rc<Shared>,
    source: Arc<Source>,
    born: u64,
}

impl FollowedStatus {
    /// Makes the status of `shared` follow what `source` returns.
    pub(super) fn new(shared: &Rc<Shared>, source: Arc<Source>) -> Self {
        // Without the lock, in a forked child whose parent read the status in another thread, it stays as it
        // is now.
        let before = shared.followed.0.lock().map(|mut followed| followed.replace(Arc::clone(&source)));
        let follows = if before.is_some() { FOLLOWS } else { 0 };
        shared.status.0.store(word_of(source()) | follows, Ordering::Release);
        drop(before);
        Self { shared: Rc::clone(shared), source, born: fork::generation() }
    }

    /// Ends the following, because the request has ended: the status becomes this one, unless another status
    /// was set.
    pub(crate) fn finish(&self, status: WaitStatus) {
        if fork::since(self.born) {
            // The lock may have been inherited locked.
            return;
        }
        let Some(mut current) = self.shared.followed.0.lock() else { return };
        // Otherwise the following has ended already, or the status now follows a later request of this
        // context.
        if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, &self.source)) {
            let word = &self.shared.status.0;
            let before = word.load(Ordering::Relaxed);
            if before & FOLLOWS != 0 {
                // A status that another thread sets at this moment takes precedence.
                let _ = word.compare_exchange(before, word_of(status), Ordering::Relaxed, Ordering::Relaxed);
            }
            *current = None;
        }
    }
}

impl Drop for FollowedStatus {
    fn drop(&mut self) {
        self.finish((self.source)());
    }
}

#[inline]
fn word_of(status: WaitStatus) -> u64 {
    u64::from(i32::from(status).cast_unsigned())
}

#[inline]
fn status_of(word: u64) -> WaitStatus {
    #[expect(clippy::cast_possible_truncation, reason = "the lower half")]
    let status = word as u32;
    status.cast_signed().into()
}
