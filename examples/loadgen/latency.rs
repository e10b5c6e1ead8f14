//! Durations of many operations: the exact minimum, mean and maximum, and percentiles.
//!
//! ```text
//!   record ──┬──► minimum, sum, maximum       exact, in nanoseconds
//!            └──► histogram, three digits ──► percentiles, kept between the exact minimum and maximum
//! ```

use std::time::Duration;

use hdrhistogram::{CreationError, Histogram};
use serde_json::{Value, json};

/// The longest duration that the histogram distinguishes: an hour, in nanoseconds.
const LONGEST: u64 = 3_600_000_000_000;

/// How long operations took.
#[derive(Clone, Debug)]
pub(crate) struct Latencies {
    /// In nanoseconds.
    pub(crate) recorded: Histogram<u64>,
    min: u64,
    max: u64,
    sum: u64,
}

impl Latencies {
    pub(crate) fn new() -> Result<Self, CreationError> {
        let recorded = Histogram::new_with_bounds(1, LONGEST, 3)?;
        Ok(Self { recorded, min: u64::MAX, max: 0, sum: 0 })
    }

    pub(crate) fn record(&mut self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.recorded.saturating_record(nanos);
        self.min = self.min.min(nanos);
        self.max = self.max.max(nanos);
        self.sum = self.sum.saturating_add(nanos);
    }

    /// Adds those of another thread.
    pub(crate) fn add(&mut self, other: &Self) {
        // Both have the same bounds, so nothing is out of range.
        let _ = self.recorded.add(&other.recorded);
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.sum = self.sum.saturating_add(other.sum);
    }

    /// All durations together.
    pub(crate) const fn total(&self) -> Duration {
        Duration::from_nanos(self.sum)
    }

    /// Shares of 0 to 99.99 % that are evenly spread on a log scale of what is beyond them, each with the
    /// duration in microseconds that they did not exceed. Shares that differ by less than one duration are
    /// left out.
    pub(crate) fn percentiles(&self) -> Vec<(f64, f64)> {
        let count = self.recorded.len();
        let beyond = (0..=96_u8).map(|step| 10_f64.powf(-f64::from(step) / 24.0));
        #[expect(clippy::cast_precision_loss, reason = "a share does not need the last digits of a count")]
        let known = beyond.take_while(|beyond| beyond * count as f64 >= 0.999_999);
        known.map(|beyond| (1.0 - beyond, self.quantile(1.0 - beyond))).collect()
    }

    fn quantile(&self, share: f64) -> f64 {
        micros(self.recorded.value_at_quantile(share).clamp(self.min.min(self.max), self.max))
    }

    /// The shortest and the longest, in nanoseconds, and how many there are.
    pub(crate) fn extent(&self) -> (u64, u64, u64) {
        (self.min.min(self.max), self.max, self.recorded.len())
    }

    /// How many took at most so many nanoseconds, to three digits.
    pub(crate) fn count_up_to(&self, nanos: u64) -> u64 {
        self.recorded.count_between(0, nanos)
    }

    /// What they come to; zeros where none was recorded.
    pub(crate) fn summary(&self) -> Summary {
        let min = self.min.min(self.max);
        #[expect(clippy::cast_precision_loss, reason = "a mean does not need the last digits of a count")]
        let count = self.recorded.len().max(1) as f64;
        Summary {
            min: micros(min),
            mean: micros(self.sum) / count,
            p50: self.quantile(0.50),
            p90: self.quantile(0.90),
            p99: self.quantile(0.99),
            p999: self.quantile(0.999),
            max: micros(self.max),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a hundred days in nanoseconds are below 2^53")]
fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1000.0
}

/// Durations in microseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Summary {
    pub(crate) min: f64,
    pub(crate) mean: f64,
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) max: f64,
}

impl Summary {
    pub(crate) fn json(&self) -> Value {
        json!({
            "min": self.min,
            "mean": self.mean,
            "p50": self.p50,
            "p90": self.p90,
            "p99": self.p99,
            "p999": self.p999,
            "max": self.max,
        })
    }
}
