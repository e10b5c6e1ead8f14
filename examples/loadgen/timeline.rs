//! A row over time: what ended in each slice of it, how long that took, how much was in flight.
//!
//! ```text
//!   record(at, ..) ──► counts of the slice ── at >= end of the slice ──► samples (kept sparse)
//!                                                                          │ 100 of them
//!                       slices twice as long  ◄────────────────────────────┘ neighbours are merged
//! ```
//!
//! Slices start with 1 ms and double, so a row of any length ends with 50 to 100 samples, and nothing has to
//! know beforehand how long it runs. A slice in which nothing ended is a sample, too: it shows a halt.

use std::time::Duration;

/// The length of a slice at first.
const SHORTEST: Duration = Duration::from_millis(1);

/// The samples of a row at most.
const MOST: usize = 100;

/// Buckets per power of two: a percentile is at most 1/32 too long.
const STEPS: u64 = 32;

/// Buckets up to an hour in nanoseconds, which is below 2^42.
const BUCKETS: usize = 38 * 32;

/// A slice of a row.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Sample {
    pub(crate) ops: u64,
    pub(crate) errors: u64,
    /// The mean number in flight, times seconds.
    area: f64,
    /// In nanoseconds; exact.
    max: u64,
    /// Bucket and count, in the order of buckets.
    counts: Vec<(u16, u32)>,
}

impl Sample {
    /// The latency that a share of the operations did not exceed, in microseconds; `None` where none ended.
    pub(crate) fn quantile(&self, share: f64) -> Option<f64> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a rank, between 1 and the count"
        )]
        let rank = ((self.ops as f64 * share).ceil() as u64).clamp(1, self.ops.max(1));
        let mut below = 0;
        let found = self.counts.iter().find(|(_, count)| {
            below += u64::from(*count);
            below >= rank
        });
        found.map(|(bucket, _)| micros(highest_in(*bucket).min(self.max)))
    }

    /// The longest latency, in microseconds; `None` where none ended.
    pub(crate) fn max(&self) -> Option<f64> {
        (self.ops > 0).then(|| micros(self.max))
    }

    /// Adds another slice: the one that follows, or that of another thread.
    fn merge(&mut self, other: &Self) {
        self.ops += other.ops;
        self.errors += other.errors;
        self.area += other.area;
        self.max = self.max.max(other.max);
        self.counts.extend_from_slice(&other.counts);
        self.counts.sort_unstable();
        self.counts.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            kept.1 = if same { kept.1.saturating_add(next.1) } else { kept.1 };
            same
        });
    }
}

/// The samples of a row.
pub(crate) struct Timeline {
    period: Duration,
    samples: Vec<Sample>,
    /// The slice that is not over.
    current: Sample,
    counts: Box<[u32; BUCKETS]>,
    /// When it is over.
    next: Duration,
    /// What [`Timeline::record`] was last told.
    last: (Duration, f64),
}

impl Timeline {
    pub(crate) fn new() -> Self {
        Self {
            period: SHORTEST,
            samples: Vec::new(),
            current: Sample::default(),
            counts: Box::new([0; BUCKETS]),
            next: SHORTEST,
            last: (Duration::ZERO, 0.0),
        }
    }

    /// An operation has ended at a time since the row's start, after `took`. `area` is the number in flight,
    /// integrated from the start, in seconds.
    pub(crate) fn record(&mut self, at: Duration, took: Duration, failed: bool, area: f64) {
        while at >= self.next {
            self.close(at, area);
        }
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.counts[bucket(nanos)] += 1;
        self.current.ops += 1;
        self.current.errors += u64::from(failed);
        self.current.max = self.current.max.max(nanos);
        self.current.area += area - self.last.1;
        self.last = (at, area);
    }

    /// Closes the slice. What was in flight between the last operation and this one belongs to both slices,
    /// by their shares of that time.
    #[cold]
    fn close(&mut self, at: Duration, area: f64) {
        let gap = at.saturating_sub(self.last.0).as_secs_f64();
        let share = self.next.saturating_sub(self.last.0).as_secs_f64() / gap.max(1e-12);
        let here = (area - self.last.1) * share.min(1.0);
        self.current.area += here;
        self.last = (self.next, self.last.1 + here);
        self.push();
        self.next += self.period;
        if self.samples.len() == MOST {
            self.coarsen();
        }
    }

    fn push(&mut self) {
        if self.current.ops > 0 {
            self.current.counts = self.taken();
            self.counts.fill(0);
        }
        self.samples.push(std::mem::take(&mut self.current));
    }

    /// The counts of the slice that are not 0.
    fn taken(&self) -> Vec<(u16, u32)> {
        let counts = (0_u16..).zip(self.counts.iter());
        counts.filter(|(_, count)| **count > 0).map(|(bucket, count)| (bucket, *count)).collect()
    }

    /// Merges neighbours. The number of samples is even, so the current slice begins with its new period.
    fn coarsen(&mut self) {
        self.period *= 2;
        self.samples = merged_pairs(&self.samples);
        self.next = self.period * (u32::try_from(self.samples.len()).unwrap_or(u32::MAX) + 1);
    }

    /// Adds those of another thread that began at the same time, when both have ended.
    pub(crate) fn add(&mut self, other: &Self) {
        let sum = self.samples().added(other.samples());
        (self.period, self.samples) = (sum.period, sum.samples);
        self.current = Sample::default();
        self.last.0 = sum.ended;
    }

    /// The samples of a row that has ended, and how long each is. The last one is cut off where the row ends.
    pub(crate) fn samples(&self) -> Samples {
        let mut samples = self.samples.clone();
        if self.current.ops > 0 {
            samples.push(Sample { counts: self.taken(), ..self.current.clone() });
        }
        Samples { period: self.period, ended: self.last.0, samples }
    }
}

/// The samples of a row, all of the same length but the last.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Samples {
    period: Duration,
    /// When the last operation ended.
    ended: Duration,
    samples: Vec<Sample>,
}

impl Samples {
    /// With those of another thread, slice by slice. Both periods are a millisecond times a power of two.
    fn added(mut self, mut other: Self) -> Self {
        let period = self.period.max(other.period);
        self.widen(period);
        other.widen(period);
        let longest = self.samples.len().max(other.samples.len());
        self.samples.resize_with(longest, Sample::default);
        self.samples.iter_mut().zip(&other.samples).for_each(|(sum, sample)| sum.merge(sample));
        self.ended = self.ended.max(other.ended);
        self
    }

    fn widen(&mut self, period: Duration) {
        while self.period < period {
            self.samples = merged_pairs(&self.samples);
            self.period *= 2;
        }
    }

    /// How long the samples are.
    pub(crate) const fn period(&self) -> Duration {
        self.period
    }

    /// When the last operation ended.
    pub(crate) const fn ended(&self) -> Duration {
        self.ended
    }

    /// Each sample and the middle of its slice, in seconds since the row's start.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (f64, &Sample)> {
        self.samples.iter().enumerate().map(|(index, sample)| {
            let (from, to) = self.slice(index);
            (f64::midpoint(from, to), sample)
        })
    }

    /// Operations a second in each slice.
    pub(crate) fn rates(&self) -> impl Iterator<Item = (f64, f64)> {
        self.per_second(|sample| {
            #[expect(clippy::cast_precision_loss, reason = "a rate does not need the last digits of a count")]
            let ops = sample.ops as f64;
            ops
        })
    }

    /// The mean number in flight in each slice.
    pub(crate) fn in_flight(&self) -> impl Iterator<Item = (f64, f64)> {
        self.per_second(|sample| sample.area)
    }

    fn per_second(&self, of: impl Fn(&Sample) -> f64) -> impl Iterator<Item = (f64, f64)> {
        self.samples.iter().enumerate().map(move |(index, sample)| {
            let (from, to) = self.slice(index);
            (f64::midpoint(from, to), of(sample) / (to - from).max(1e-9))
        })
    }

    fn slice(&self, index: usize) -> (f64, f64) {
        #[expect(clippy::cast_precision_loss, reason = "at most 100")]
        let from = self.period.as_secs_f64() * index as f64;
        (from, (from + self.period.as_secs_f64()).min(self.ended.as_secs_f64()).max(from))
    }
}

fn merged_pairs(samples: &[Sample]) -> Vec<Sample> {
    let pairs = samples.chunks(2).map(|pair| {
        let mut merged = pair[0].clone();
        pair[1..].iter().for_each(|next| merged.merge(next));
        merged
    });
    pairs.collect()
}

/// Nanoseconds below 32 have a bucket each; above, every power of two has 32 buckets.
fn bucket(nanos: u64) -> usize {
    let Some(octave) = nanos.checked_ilog2().and_then(|log| log.checked_sub(5)) else {
        return usize::try_from(nanos).unwrap_or_default();
    };
    let step = (nanos >> octave) - STEPS;
    let bucket = u64::from(octave + 1) * STEPS + step;
    usize::try_from(bucket).map_or(BUCKETS - 1, |bucket| bucket.min(BUCKETS - 1))
}

/// The longest latency of a bucket, in nanoseconds.
fn highest_in(bucket: u16) -> u64 {
    let (octave, step) = (u64::from(bucket) / STEPS, u64::from(bucket) % STEPS);
    if octave == 0 { step } else { ((STEPS + step + 1) << (octave - 1)) - 1 }
}

#[expect(clippy::cast_precision_loss, reason = "a hundred days in nanoseconds are below 2^53")]
fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1000.0
}
