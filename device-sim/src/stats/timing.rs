//! How long things take: histograms of sampled requests.
//!
//! ```text
//!   submit ──────────► a unit begins ──────────► it ends ──────────► the host takes the result
//!          │  queue    │          service        │       wake       │
//!          └───────────────────── total ────────────────────────────┘
//! ```
//!
//! On a device without a model of time the service is the work itself. The time between the end of the
//! service and the completion (its turn in the order, a fault's delay, a late timer) is part of the wake.

use std::fmt;
use std::str::FromStr;

use crate::config::error::ConfigError;
use crate::config::grammar;
use crate::message::operation::Operation;
use crate::queue::ready::Times;
use crate::stats::histogram::Histogram;
use crate::sync::{Mutex, lock};

/// Which requests are timed. Timing a request costs some clock reads and a lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Timing {
    /// None.
    #[default]
    Off,
    /// One in 64 of each queue pair.
    Sampled,
    /// All.
    All,
}

impl Timing {
    pub(crate) const ALLOWED: &str = "off, sampled (one in 64) or all";

    /// Whether the request with this number is timed.
    pub(crate) const fn wants(self, number: u64) -> bool {
        match self {
            Self::Off => false,
            Self::Sampled => number.is_multiple_of(64),
            Self::All => true,
        }
    }
}

impl fmt::Display for Timing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::Sampled => "sampled",
            Self::All => "all",
        })
    }
}

impl FromStr for Timing {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        match text {
            "off" => Ok(Self::Off),
            "sampled" => Ok(Self::Sampled),
            "all" => Ok(Self::All),
            _ => Err(grammar::refused("timing", text, Self::ALLOWED)),
        }
    }
}

/// Where the time of requests went. Failed requests count too; revoked ones do not.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    /// From the submission until a compute unit (or a worker) begins.
    pub queue: Histogram,
    /// From there until it has done its work.
    pub service: Histogram,
    /// From there until the host takes the result.
    pub wake: Histogram,
    /// From the submission until the host takes the result.
    pub total: Histogram,
}

impl Timings {
    /// The histograms with their names, in the order of a request's life.
    pub fn histograms(&self) -> [(&'static str, &Histogram); 4] {
        let Self { queue, service, wake, total } = self;
        [("queue", queue), ("service", service), ("wake", wake), ("total", total)]
    }

    pub(crate) fn note_service(&mut self, times: Times, submitted: u64) {
        self.queue.record(times.started.saturating_sub(submitted));
        self.service.record(times.ended.saturating_sub(times.started));
    }

    pub(crate) fn note_taken(&mut self, submitted: u64, served: u64, now: u64) {
        self.wake.record(now.saturating_sub(served));
        self.total.record(now.saturating_sub(submitted));
    }

    /// How many durations each histogram has.
    pub(crate) fn counts(&self) -> [u64; 4] {
        self.histograms().map(|(_, histogram)| histogram.count())
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.queue.add(&other.queue);
        self.service.add(&other.service);
        self.wake.add(&other.wake);
        self.total.add(&other.total);
    }
}

/// The timings of one queue pair, by operation. Created when the first request is timed.
#[derive(Debug, Default)]
pub(crate) struct Timer {
    by_operation: Mutex<[Option<Box<Timings>>; Operation::ALL.len()]>,
}

impl Timer {
    /// Records what the device knows of a request.
    #[inline]
    pub(crate) fn note_service(&self, operation: Operation, times: Times) {
        if let Some(submitted) = times.submitted {
            self.note_timed_service(operation, times, submitted);
        }
    }

    #[cold]
    fn note_timed_service(&self, operation: Operation, times: Times, submitted: u64) {
        self.with(operation, |timings| timings.note_service(times, submitted));
    }

    /// Records what the host knows of a request.
    pub(crate) fn note_taken(&self, operation: Operation, submitted: u64, served: u64, now: u64) {
        self.with(operation, |timings| timings.note_taken(submitted, served, now));
    }

    pub(crate) fn read(&self, operation: Operation) -> Timings {
        lock(&self.by_operation)[operation.number()].as_deref().cloned().unwrap_or_default()
    }

    fn with(&self, operation: Operation, f: impl FnOnce(&mut Timings)) {
        f(lock(&self.by_operation)[operation.number()].get_or_insert_default());
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn one_in_64_is_sampled() {
        let timed = |timing: Timing| (0..640).filter(|&number| timing.wants(number)).count();
        assert_eq!([Timing::Off, Timing::Sampled, Timing::All].map(timed), [0, 10, 640]);
        for text in ["off", "sampled", "all"] {
            assert_eq!(text.parse::<Timing>().unwrap().to_string(), text);
        }
        assert!("some".parse::<Timing>().is_err());
    }
}
