//! How often which durations occurred.

use std::fmt;

/// How often which durations occurred, in nanoseconds; values are kept to within 1 %.
#[derive(Clone, PartialEq)]
pub struct Histogram {
    recorded: hdrhistogram::Histogram<u64>,
    sum: u64,
}

impl Eq for Histogram {}

/// Two digits are enough for a person.
const DIGITS: u8 = 2;

impl Default for Histogram {
    fn default() -> Self {
        let recorded = hdrhistogram::Histogram::new(DIGITS).expect("2 digits are allowed");
        Self { recorded, sum: 0 }
    }
}

impl Histogram {
    pub(crate) fn record(&mut self, nsec: u64) {
        // It grows as needed, so it refuses no value.
        let recorded = self.recorded.record(nsec);
        debug_assert!(recorded.is_ok(), "{recorded:?}");
        self.sum = self.sum.saturating_add(nsec);
    }

    /// Adds that many durations that are about this long, and not their sum.
    pub(crate) fn add_many(&mut self, nsec: u64, count: u64) {
        if count > 0 {
            let recorded = self.recorded.record_n(nsec, count);
            debug_assert!(recorded.is_ok(), "{recorded:?}");
        }
    }

    pub(crate) const fn add_sum(&mut self, nsec: u64) {
        self.sum = self.sum.saturating_add(nsec);
    }

    pub(crate) fn add(&mut self, other: &Self) {
        let added = self.recorded.add(&other.recorded);
        debug_assert!(added.is_ok(), "{added:?}");
        self.sum = self.sum.saturating_add(other.sum);
    }

    /// How many durations were recorded.
    pub fn count(&self) -> u64 {
        self.recorded.len()
    }

    /// All durations together, exactly, in nanoseconds.
    pub const fn sum(&self) -> u64 {
        self.sum
    }

    /// The shortest, in nanoseconds; 0 of none.
    pub fn min(&self) -> u64 {
        if self.count() == 0 { 0 } else { self.recorded.min() }
    }

    /// The longest, in nanoseconds; 0 of none.
    pub fn max(&self) -> u64 {
        self.recorded.max()
    }

    /// Their mean, in nanoseconds; 0 of none.
    #[expect(clippy::cast_precision_loss, reason = "a mean of nanoseconds")]
    pub fn mean(&self) -> f64 {
        if self.count() == 0 { 0.0 } else { self.sum as f64 / self.count() as f64 }
    }

    /// The duration that this share of them does not exceed, in nanoseconds: 0.5 for the median.
    pub fn quantile(&self, share: f64) -> u64 {
        self.recorded.value_at_quantile(share)
    }

    /// How many are at most this long, in nanoseconds.
    pub fn count_up_to(&self, nsec: u64) -> u64 {
        self.recorded.count_between(0, nsec)
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (p50, p99) = (self.quantile(0.5), self.quantile(0.99));
        write!(f, "Histogram(count {}, p50 {p50} ns, p99 {p99} ns, max {} ns)", self.count(), self.max())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_keeps_counts_and_sums_exactly_and_values_to_a_percent() {
        let mut histogram = Histogram::default();
        assert_eq!((histogram.count(), histogram.min(), histogram.max()), (0, 0, 0));
        for nsec in [0, 5, 1_000, 1_000, 3_600_000_000_000, u64::MAX] {
            histogram.record(nsec);
        }
        assert_eq!((histogram.count(), histogram.sum(), histogram.min()), (6, u64::MAX, 0));
        assert_eq!((histogram.count_up_to(4), histogram.count_up_to(2_000)), (1, 4));
        assert!(histogram.quantile(0.5).abs_diff(1_000) <= 10);
        let mut twice = histogram.clone();
        twice.add(&histogram);
        assert_eq!(twice.count(), 12);
    }
}
