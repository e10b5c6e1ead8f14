//! What the host adds to the model's times: how late each completion is, and for how much of the time the
//! host and not the model decides when requests complete.
//!
//! ```text
//!   due by the model      1        2     3                      4
//!   published                               1,2,3                  4
//!   lateness              ├────────┼─────┼──┤                   ├──┤     one a request
//!   host-bound            ├─────────────────┤                   ├──┤     the time that they cover together
//! ```

use std::collections::VecDeque;
use std::sync::Arc;

use crate::stats::ModelCounters;
use crate::sync::bump;

/// The lateness of one device.
#[derive(Debug)]
pub(crate) struct Lateness {
    /// When the requests of this batch were due.
    batch: Vec<u64>,
    covered: Covered,
    counters: Arc<ModelCounters>,
}

impl Lateness {
    pub(crate) fn new(counters: &Arc<ModelCounters>) -> Self {
        Self { batch: Vec::new(), covered: Covered::default(), counters: Arc::clone(counters) }
    }

    /// A request that was due then is published with this batch.
    pub(crate) fn add(&mut self, due: u64) {
        self.batch.push(due);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }

    /// The batch is published.
    pub(crate) fn published(&mut self, now: u64) {
        let Self { batch, covered, counters } = self;
        let first = batch.iter().fold(now, |first, due| first.min(*due));
        bump(&counters.host_bound_nsec, covered.add(first, now));
        batch.iter().for_each(|due| counters.completion_error.record(now.saturating_sub(*due)));
        batch.clear();
    }
}

/// The time that many intervals cover together. They come in the order of their ends, and each may reach back
/// before those that came earlier.
#[derive(Debug, Default)]
struct Covered {
    /// Apart from each other, in order.
    parts: VecDeque<(u64, u64)>,
    /// Before this, nothing is added any more.
    closed: u64,
}

/// How many parts are remembered, for intervals that reach back to them.
const MOST_PARTS: usize = 64;

impl Covered {
    /// Adds an interval; returns by how much more time is covered.
    fn add(&mut self, start: u64, end: u64) -> u64 {
        let start = start.max(self.closed);
        let end = self.parts.back().map_or(end, |&(_, until)| until.max(end));
        if start >= end {
            return 0;
        }
        let (mut added, mut from) = (end - start, start);
        while let Some(&(earlier, until)) = self.parts.back()
            && until >= start
        {
            added -= until - earlier.max(start);
            from = from.min(earlier);
            self.parts.pop_back();
        }
        self.parts.push_back((from, end));
        if self.parts.len() > MOST_PARTS {
            self.closed = self.parts.pop_front().map_or(self.closed, |(_, until)| until);
        }
        added
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{Rng, SeedableRng};

    use super::*;

    #[test]
    fn time_that_several_intervals_cover_counts_once() {
        let mut covered = Covered::default();
        assert_eq!(covered.add(10, 12), 2);
        assert_eq!(covered.add(11, 15), 3, "they overlap");
        assert_eq!(covered.add(20, 20), 0, "it is empty");
        assert_eq!(covered.add(18, 22), 4);
        assert_eq!(covered.add(5, 30), 5 + 3 + 8, "around those that came before");
        assert_eq!(covered.add(29, 30), 0);
    }

    #[test]
    fn an_interval_that_ends_before_the_last_one_adds_nothing_within_it() {
        let mut covered = Covered::default();
        assert_eq!(covered.add(100, 200), 100);
        assert_eq!(covered.add(150, 190), 0);
        assert_eq!(covered.add(90, 180), 10);
        assert_eq!(covered.add(200, 203), 3);
    }

    #[test]
    fn the_time_that_random_intervals_cover_is_what_marking_every_nanosecond_finds() {
        let mut random = ChaCha8Rng::seed_from_u64(15);
        for _ in 0..200 {
            let (mut covered, mut marked, mut end, mut sum) = (Covered::default(), vec![false; 4_000], 0, 0);
            for _ in 0..60 {
                end += u64::from(random.next_u32() % 60);
                let start = end.saturating_sub(u64::from(random.next_u32() % 90));
                sum += covered.add(start, end);
                (start..end).for_each(|at| marked[usize::try_from(at).unwrap()] = true);
                assert_eq!(sum, marked.iter().filter(|&&is| is).count() as u64);
            }
        }
    }

    #[test]
    fn what_is_forgotten_is_not_counted_twice() {
        let mut covered = Covered::default();
        let apart: u64 = (0..2 * MOST_PARTS as u64).map(|n| covered.add(10 * n, 10 * n + 1)).sum();
        assert_eq!(apart, 2 * MOST_PARTS as u64);
        let end = 20 * MOST_PARTS as u64;
        let rest = covered.add(0, end);
        assert_eq!(covered.parts.len(), 1);
        assert!(apart + rest < end && rest > end / 3, "{rest} of {end}");
    }

    #[test]
    fn every_request_of_a_batch_is_as_late_as_its_due_time_says() {
        let counters = Arc::new(ModelCounters::new(1, 1, &[]));
        let mut lateness = Lateness::new(&counters);
        lateness.published(5);
        [100, 40, 70].into_iter().for_each(|due| lateness.add(due));
        lateness.published(140);
        lateness.add(150);
        lateness.published(150);
        let recorded = counters.completion_error.read();
        assert_eq!((recorded.count(), recorded.sum(), recorded.min()), (4, 40 + 100 + 70, 0));
        assert_eq!(counters.host_bound_nsec.load(crate::sync::Ordering::Relaxed), 100, "from 40 until 140");
    }
}
