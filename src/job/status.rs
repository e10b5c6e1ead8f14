//! The status of a wait context: how the engine's last attempt went, as any thread may see it.
//!
//! ```text
//!   word = follows (1) | status (32)
//!             └─ set: a request waits for a slot, and what is asked for is looked up where the request is
//! ```
//!
//! The device admits a request that has queued for a slot, and no code on this side runs then to record it. So a status
//! that changes by itself is not written: it *follows* its request until that has ended, or another status is set.

use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

use super::wait_ctx::Shared;
use crate::fork;

/// How the last attempt to work asynchronously went, as the engine reported it (statement 22).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WaitStatus {
    /// Nothing was reported, or callbacks are not supported (0).
    #[default]
    Unsupported,
    /// The request could not be submitted (1).
    Err,
    /// The request was submitted and its completion will call back (2).
    Ok,
    /// There was no room; the caller has been queued, or must try again (3).
    Eagain,
    /// Any other number, kept as it is.
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

/// Says how far a request is.
type Source = dyn Fn() -> WaitStatus + Send + Sync;

const FOLLOWS: u64 = 1 << 32;

/// A status that any thread may ask for.
#[derive(Default)]
pub(super) struct StatusCell(AtomicU64);

/// What a status follows. Written by the context's thread alone.
#[derive(Default)]
pub(super) struct Followed(RwLock<Option<Arc<Source>>>);

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
        // Held by a writer only while it begins or ends to follow; or, in a forked child, for ever.
        self.0.try_read().ok()?.as_ref().map(|source| source())
    }

    fn write(&self) -> RwLockWriteGuard<'_, Option<Arc<Source>>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A status that follows a request. Dropped, it stays as it is then.
pub(crate) struct FollowedStatus {
    shared: Rc<Shared>,
    source: Arc<Source>,
    born: u64,
}

impl FollowedStatus {
    /// Has the status of `shared` follow what `source` says.
    pub(super) fn new(shared: &Rc<Shared>, source: Arc<Source>) -> Self {
        let before = shared.followed.write().replace(Arc::clone(&source));
        shared.status.0.store(word_of(source()) | FOLLOWS, Ordering::Release);
        drop(before);
        Self { shared: Rc::clone(shared), source, born: fork::generation() }
    }

    /// The request has ended: from here on the status is this one, unless another was set.
    pub(crate) fn finish(&self, status: WaitStatus) {
        if fork::since(self.born) {
            // The lock may have been inherited locked.
            return;
        }
        let mut current = self.shared.followed.write();
        // Else it has been settled, or another request of this context has joined a queue since, and that is followed.
        if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, &self.source)) {
            let word = &self.shared.status.0;
            let before = word.load(Ordering::Relaxed);
            if before & FOLLOWS != 0 {
                // A status that another thread sets at this moment prevails.
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
