//! The device's time, in nanoseconds since it was opened: the real one, or one that the user of a stepped
//! device moves.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::sync::{AtomicU64, Ordering};

/// Where the time comes from. Clones show the same time.
#[derive(Clone, Debug)]
pub(crate) enum Clock {
    Real(Instant),
    Virtual(Arc<AtomicU64>),
}

impl Clock {
    pub(crate) fn real() -> Self {
        Self::Real(Instant::now())
    }

    pub(crate) fn stepped() -> Self {
        Self::Virtual(Arc::new(AtomicU64::new(0)))
    }

    /// Nanoseconds.
    pub(crate) fn now(&self) -> u64 {
        match self {
            Self::Real(opened) => nanoseconds(opened.elapsed()),
            Self::Virtual(now) => now.load(Ordering::Relaxed),
        }
    }

    /// Moves a virtual clock.
    pub(crate) fn set(&self, nsec: u64) {
        if let Self::Virtual(now) = self {
            now.store(nsec, Ordering::Relaxed);
        }
    }
}

/// Nanoseconds; the end of the clock, if it is more than that.
pub(crate) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
