//! The clock of a row: the host's, or the virtual one of a stepped device.
//!
//! ```text
//!   real       Instant::now()
//!   virtual    where the row began + the device's time, which stands still but for the wait of the runner
//! ```
//!
//! Both give an [`Instant`], so loops, meters and schedules are written once.

use std::time::Instant;

use simaccel::Engine;

#[derive(Clone)]
pub(crate) enum Clock {
    Real,
    /// Virtual time 0 of the engine's stepped device is this instant.
    Virtual(Engine, Instant),
}

impl Clock {
    /// The clock of an engine: its device's own where that is stepped.
    pub(crate) fn of(engine: &Engine, is_virtual: bool) -> Self {
        if is_virtual { Self::Virtual(engine.clone(), Instant::now()) } else { Self::Real }
    }

    pub(crate) fn now(&self) -> Instant {
        match self {
            Self::Real => Instant::now(),
            Self::Virtual(engine, zero) => *zero + engine.device().now(),
        }
    }

    pub(crate) const fn is_virtual(&self) -> bool {
        matches!(self, Self::Virtual(..))
    }
}
