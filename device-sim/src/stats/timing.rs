//! How long things take: histograms of sampled requests.
//!
//! ```text
//!   submit ──────────► a unit begins ──────────► it ends ──────────► the host takes the result
//!          │  queue    │          service        │       wake       │
//!          └───────────────────── total ────────────────────────────┘
//! ```
//!
//! On a device without a model of time the service is the work itself. With a link, the way back is part of
//! the service, for a request is served when it has left the last station. The time between the end of the
//! service and the completion (its turn in the order, a fault's delay, a late timer) is part of the wake.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use crate::config::error::ConfigError;
use crate::config::grammar;
use crate::message::operation::Operation;
use crate::queue::ready::Times;
use crate::stats::histogram::Histogram;
use crate::stats::recorder::Recorder;
use crate::sync::{Mutex, Padded, lock};

/// Which requests are timed. Timing a request costs two clock reads, and on an ideal device two more.
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
    /// From there until it has done its work, and the link (if there is one) has carried the result back.
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
    by_operation: [OnceLock<Box<Recorded>>; Operation::ALL.len()],
}

/// What is recorded without a lock, because one side at a time records it.
#[derive(Debug, Default)]
struct Recorded {
    device: Padded<ByDevice>,
    host: Padded<ByHost>,
    /// By any other thread that takes a result.
    elsewhere: Mutex<Timings>,
}

/// What the device records.
#[derive(Debug, Default)]
struct ByDevice {
    queue: Recorder,
    service: Recorder,
}

/// What the submitting side records.
#[derive(Debug, Default)]
struct ByHost {
    wake: Recorder,
    total: Recorder,
}

impl Timer {
    /// Records what the device knows of a request. Called by the device.
    #[inline]
    pub(crate) fn note_service(&self, operation: Operation, times: Times) {
        if let Some(submitted) = times.submitted {
            let ByDevice { queue, service } = &*self.of(operation).device;
            queue.record(times.started.saturating_sub(submitted));
            service.record(times.ended.saturating_sub(times.started));
        }
    }

    /// Records what the host knows of a request. Called by the submitting side.
    #[inline]
    pub(crate) fn note_taken(&self, operation: Operation, submitted: u64, served: u64, now: u64) {
        let ByHost { wake, total } = &*self.of(operation).host;
        wake.record(now.saturating_sub(served));
        total.record(now.saturating_sub(submitted));
    }

    /// The same, by any thread.
    #[cold]
    pub(crate) fn note_taken_elsewhere(&self, operation: Operation, submitted: u64, served: u64, now: u64) {
        lock(&self.of(operation).elsewhere).note_taken(submitted, served, now);
    }

    pub(crate) fn read(&self, operation: Operation) -> Timings {
        let Some(recorded) = self.by_operation[operation.number()].get() else { return Timings::default() };
        let mut timings = lock(&recorded.elsewhere).clone();
        // What comes last is read first: a thread that records meanwhile has recorded the rest before.
        recorded.host.total.add_to(&mut timings.total);
        recorded.host.wake.add_to(&mut timings.wake);
        recorded.device.service.add_to(&mut timings.service);
        recorded.device.queue.add_to(&mut timings.queue);
        timings
    }

    #[inline]
    fn of(&self, operation: Operation) -> &Recorded {
        self.by_operation[operation.number()].get_or_init(Box::default)
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
