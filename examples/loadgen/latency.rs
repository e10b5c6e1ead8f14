//! Durations of many operations: the exact minimum, mean and maximum, and percentiles.
//!
//! ```text
//!   record ──┬──► minimum, sum, maximum    exact, in nanoseconds
//!            └──► counts, three digits ──► histogram ──► percentiles, kept between the exact minimum and maximum
//! ```
//!
//! What is recorded is counted in the classes of an HdrHistogram of three digits, which a few instructions
//! find; the histogram itself is made of the counts when it is asked for.

use std::time::Duration;

use hdrhistogram::{CreationError, Histogram};
use serde_json::{Value, json};

/// The longest duration that the histogram distinguishes: an hour, in nanoseconds.
const LONGEST: u64 = 3_600_000_000_000;

/// The classes of a power of two; below twice as much each nanosecond is one.
const CLASSES: u64 = 1 << 10;

/// Up to the power of two above [`LONGEST`]; what is longer counts as that long.
const LAST: u64 = (1 << 42) - 1;
const ALL: usize = 33 << 10;

/// How long operations took.
#[derive(Clone, Debug)]
pub(crate) struct Latencies {
    /// By class.
    counts: Box<[u64]>,
    count: u64,
    /// In nanoseconds.
    min: u64,
    max: u64,
    sum: u64,
}

impl Latencies {
    pub(crate) fn new() -> Self {
        Self { counts: vec![0; ALL].into(), count: 0, min: u64::MAX, max: 0, sum: 0 }
    }

    /// Records one, in nanoseconds.
    pub(crate) fn record(&mut self, nanos: u64) {
        self.counts[class(nanos)] += 1;
        self.count += 1;
        self.min = self.min.min(nanos);
        self.max = self.max.max(nanos);
        self.sum = self.sum.saturating_add(nanos);
    }

    /// Adds those of another thread.
    pub(crate) fn add(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(sum, count)| *sum += count);
        self.count += other.count;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.sum = self.sum.saturating_add(other.sum);
    }

    /// In nanoseconds, to three digits.
    pub(crate) fn histogram(&self) -> Result<Histogram<u64>, CreationError> {
        let mut histogram = Histogram::new_with_bounds(1, LONGEST, 3)?;
        for (class, count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            // The extremes are exact, and the range is that of the classes.
            let nanos =
                shortest(class).max(self.min).max(if longest(class) >= self.max { self.max } else { 0 });
            let _ = histogram.record_n(nanos, *count);
        }
        Ok(histogram)
    }

    /// All durations together.
    pub(crate) const fn total(&self) -> Duration {
        Duration::from_nanos(self.sum)
    }

    /// Shares of 0 to 99.99 % that are evenly spread on a log scale of what is beyond them, each with the
    /// duration in microseconds that they did not exceed. Shares that differ by less than one duration are
    /// left out.
    pub(crate) fn percentiles(&self) -> Vec<(f64, f64)> {
        let count = self.count;
        let beyond = (0..=96_u8).map(|step| 10_f64.powf(-f64::from(step) / 24.0));
        #[expect(clippy::cast_precision_loss, reason = "a share does not need the last digits of a count")]
        let known = beyond.take_while(|beyond| beyond * count as f64 >= 0.999_999);
        known.map(|beyond| (1.0 - beyond, self.quantile(1.0 - beyond))).collect()
    }

    fn quantile(&self, share: f64) -> f64 {
        if share <= 0.0 {
            return micros(self.min.min(self.max));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a rank, between 1 and the count"
        )]
        let rank = ((share * self.count as f64).ceil() as u64).max(1);
        let mut below = 0;
        let found = self.counts.iter().position(|count| {
            below += count;
            below >= rank
        });
        micros(found.map_or(0, longest).clamp(self.min.min(self.max), self.max))
    }

    /// The shortest and the longest, in nanoseconds, and how many there are.
    pub(crate) fn extent(&self) -> (u64, u64, u64) {
        (self.min.min(self.max), self.max, self.count)
    }

    /// How many took at most so many nanoseconds, to three digits.
    pub(crate) fn count_up_to(&self, nanos: u64) -> u64 {
        self.counts[..=class(nanos)].iter().sum()
    }

    /// What they come to; zeros where none was recorded.
    pub(crate) fn summary(&self) -> Summary {
        let min = self.min.min(self.max);
        #[expect(clippy::cast_precision_loss, reason = "a mean does not need the last digits of a count")]
        let count = self.count.max(1) as f64;
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

/// The class of a duration. Each power of two has [`CLASSES`] of them, all of one length.
fn class(nanos: u64) -> usize {
    let nanos = nanos.min(LAST);
    let shift = (nanos | CLASSES).ilog2() - CLASSES.ilog2();
    usize::try_from((u64::from(shift) * CLASSES) + (nanos >> shift)).unwrap_or(ALL - 1)
}

/// The shortest duration of a class.
const fn shortest(class: usize) -> u64 {
    let class = class as u64;
    let shift = (class / CLASSES).saturating_sub(1);
    (class - shift * CLASSES) << shift
}

/// The longest duration of a class.
const fn longest(class: usize) -> u64 {
    shortest(class + 1) - 1
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
