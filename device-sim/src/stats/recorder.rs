//! A histogram that is written without a lock: by one side at a time, and read by any thread.
//!
//! ```text
//!   chunk 0   [ 0 | 1 | 2 | ... 127 ]         a counter for each nanosecond
//!   chunk 1   [ 128 | 129 | ... 255 ]         likewise
//!   chunk 2   [ 256 | 258 | ... 510 ]         one for two
//!   chunk k   [ 128 << k - 1 | ...  ]         one for 2^(k - 1), that is, to within 1 %
//! ```
//!
//! The counters are those of a [`Histogram`], so that what is read is what it would have recorded. A chunk is
//! made when something falls into it: what takes place between 1 µs and 1 ms needs ten.

use std::sync::OnceLock;

use crate::stats::histogram::Histogram;
use crate::sync::{AtomicU64, Ordering, bump};

/// Counters of one chunk, a power of two: how many values of one magnitude are told apart.
const PLACES: usize = 128;
const BITS: u32 = PLACES.ilog2();
/// As many as 64 bits need.
const CHUNKS: usize = 58;

type Chunk = [AtomicU64; PLACES];

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct Recorder {
    chunks: [OnceLock<Box<Chunk>>; CHUNKS],
    sum: AtomicU64,
}

impl Default for Recorder {
    fn default() -> Self {
        Self { chunks: [const { OnceLock::new() }; CHUNKS], sum: AtomicU64::new(0) }
    }
}

impl Recorder {
    /// Called by one side at a time.
    #[inline]
    pub(crate) fn record(&self, nsec: u64) {
        let (chunk, place) = place_of(nsec);
        let chunk = self.chunks[chunk].get_or_init(new_chunk);
        bump(&chunk[place], 1);
        let sum = self.sum.load(Ordering::Relaxed).saturating_add(nsec);
        self.sum.store(sum, Ordering::Relaxed);
    }

    /// Adds what was recorded to `histogram`.
    pub(crate) fn add_to(&self, histogram: &mut Histogram) {
        for (number, chunk) in self.chunks.iter().enumerate() {
            for (place, counter) in chunk.get().into_iter().flat_map(|chunk| chunk.iter().enumerate()) {
                histogram.add_many(value_of(number, place), counter.load(Ordering::Relaxed));
            }
        }
        histogram.add_sum(self.sum.load(Ordering::Relaxed));
    }

    pub(crate) fn read(&self) -> Histogram {
        let mut histogram = Histogram::default();
        self.add_to(&mut histogram);
        histogram
    }
}

#[cold]
fn new_chunk() -> Box<Chunk> {
    // Not by way of an array, which an unoptimised build moves about on the stack, perhaps a job's.
    let zeros: Box<[AtomicU64]> = (0..PLACES).map(|_| AtomicU64::new(0)).collect();
    zeros.try_into().expect("so many as a chunk has")
}

/// The chunk of a value, and the place there.
#[inline]
fn place_of(nsec: u64) -> (usize, usize) {
    // How many low bits are not kept.
    let dropped = (u64::BITS - BITS - 1).saturating_sub(nsec.leading_zeros());
    let kept = usize::try_from(nsec >> dropped).unwrap_or_default();
    (dropped as usize + kept / PLACES, kept % PLACES)
}

/// The largest value that has this place. (In a histogram the end of the clock stands for itself, and for
/// nothing smaller.)
const fn value_of(chunk: usize, place: usize) -> u64 {
    match chunk.checked_sub(1) {
        None => place as u64,
        Some(dropped) => (((PLACES + place) as u64) << dropped) + ((1 << dropped) - 1),
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_what_a_histogram_records() {
        let around = |bit: u32| [0, 1, 2].map(|more| (1_u64 << bit).wrapping_sub(1).wrapping_add(more));
        let values = (0..64).flat_map(around).chain([1_000, 1_007, 1_008, 3_600_000_000_000, u64::MAX]);
        let (recorder, mut histogram) = (Recorder::default(), Histogram::default());
        for (count, value) in values.enumerate() {
            (0..=count % 3).for_each(|_| {
                recorder.record(value);
                histogram.record(value);
            });
            assert_eq!(recorder.read(), histogram, "{value}");
        }
        for share in [0.0, 0.01, 0.25, 0.5, 0.9, 1.0] {
            assert_eq!(recorder.read().quantile(share), histogram.quantile(share), "{share}");
        }
        assert_eq!(recorder.read().max(), histogram.max());
        assert_eq!(recorder.read().min(), histogram.min());
    }

    #[test]
    fn every_place_has_its_own_values() {
        for chunk in 0..CHUNKS {
            for place in 0..PLACES {
                assert_eq!(place_of(value_of(chunk, place)), (chunk, place));
            }
        }
        assert_eq!(place_of(u64::MAX), (CHUNKS - 1, PLACES - 1));
    }
}
