//! The device's time, in nanoseconds since it was opened: the real one, or one that the user of a stepped
//! device moves.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::sync::ticks::Ticks;
use crate::sync::{AtomicU64, Ordering};

/// Where the time comes from. Clones show the same time.
#[derive(Clone, Debug)]
pub(crate) enum Clock {
    Real(RealClock),
    Virtual(Arc<AtomicU64>),
}

/// The real one: the processor's counter where that is a clock, else the system's.
#[derive(Clone, Debug)]
pub(crate) struct RealClock {
    opened: Instant,
    ticks: Option<Arc<Ticks>>,
}

impl Clock {
    pub(crate) fn real() -> Self {
        Self::Real(RealClock { opened: Instant::now(), ticks: Ticks::new().map(Arc::new) })
    }

    pub(crate) fn stepped() -> Self {
        Self::Virtual(Arc::new(AtomicU64::new(0)))
    }

    /// Nanoseconds.
    #[inline]
    pub(crate) fn now(&self) -> u64 {
        match self {
            Self::Real(RealClock { ticks: Some(ticks), .. }) => ticks.now(),
            Self::Real(RealClock { opened, .. }) => nanoseconds(opened.elapsed()),
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
