//! The limit of a device: token buckets for requests and for bytes, in the form of the generic cell rate
//! algorithm.
//!
//! ```text
//!           burst of 3                    T: when the bucket is full again
//!   ├────────┬────────┬────────┤          passes at  T − (burst − cost) / limit, or now if that is later
//!   now                        T          then       T := max(T, now) + cost / limit
//! ```
//!
//! T is kept as a whole number of 1/limit ns, so that nothing is lost on average.

use super::{Counted, Surroundings};
use crate::config::Config;

/// The buckets of one device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit {
    requests: Option<Bucket>,
    bytes: Option<Bucket>,
}

/// When a request may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Earliest {
    /// In whole nanoseconds, rounded down and up.
    floor: u64,
    ceil: u64,
}

impl Limit {
    /// `None`: there is no limit.
    pub(crate) fn new(config: &Config) -> Option<Self> {
        let requests = Bucket::new(config.ops_limit, config.ops_burst);
        let bytes = Bucket::new(config.bytes_limit, config.bytes_burst);
        (requests.is_some() || bytes.is_some()).then_some(Self { requests, bytes })
    }

    fn each(&mut self, bytes: u64) -> impl Iterator<Item = (&mut Bucket, u64)> {
        self.requests
            .iter_mut()
            .map(|bucket| (bucket, 1))
            .chain(self.bytes.iter_mut().map(move |bucket| (bucket, bytes)))
    }

    fn earliest(&self, bytes: u64) -> Earliest {
        let requests = self.requests.map(|bucket| bucket.earliest(1));
        let bytes = self.bytes.map(|bucket| bucket.earliest(bytes));
        let both = requests.into_iter().chain(bytes);
        both.reduce(|one, other| Earliest {
            floor: one.floor.max(other.floor),
            ceil: one.ceil.max(other.ceil),
        })
        .unwrap_or(Earliest { floor: 0, ceil: 0 })
    }

    /// When a request of this many bytes, which is there at `at`, passes. It takes its tokens.
    pub(crate) fn pass(&mut self, at: u64, bytes: u64) -> u64 {
        let earliest = self.earliest(bytes);
        let from = at.max(earliest.floor);
        self.each(bytes).for_each(|(bucket, cost)| bucket.take(from, cost));
        at.max(earliest.ceil)
    }

    /// When such a request has its tokens, if no other takes them.
    pub(crate) fn opens(&self, bytes: u64) -> u64 {
        self.earliest(bytes).ceil
    }

    /// [`Limit::pass`], counted.
    pub(crate) fn delay(&mut self, at: u64, bytes: u64, around: &mut impl Surroundings) -> u64 {
        let passes = self.pass(at, bytes);
        if passes > at {
            around.count(Counted::Limit { nsec: passes - at });
        }
        passes
    }
}

/// One bucket. Times are in 1/`limit` ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bucket {
    /// A second.
    limit: u64,
    burst: u64,
    full_at: u128,
}

const SECOND: u128 = 1_000_000_000;

impl Bucket {
    /// `None`: there is no limit.
    fn new(limit: u64, burst: u64) -> Option<Self> {
        (limit > 0).then_some(Self { limit, burst, full_at: 0 })
    }

    fn earliest(&self, cost: u64) -> Earliest {
        let slack = u128::from(self.burst.saturating_sub(cost)) * SECOND;
        let at = self.full_at.saturating_sub(slack);
        let limit = u128::from(self.limit);
        Earliest { floor: whole(at / limit), ceil: whole(at.div_ceil(limit)) }
    }

    fn take(&mut self, from: u64, cost: u64) {
        let from = u128::from(from) * u128::from(self.limit);
        self.full_at = self.full_at.max(from).saturating_add(u128::from(cost) * SECOND);
    }
}

fn whole(nsec: u128) -> u64 {
    u64::try_from(nsec).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(text: &str) -> Limit {
        Limit::new(&Config::parse(text).unwrap()).unwrap()
    }

    #[test]
    fn a_burst_passes_at_once_and_then_the_rate_holds() {
        let mut limit = limit("ops_limit=1000;ops_burst=3");
        let passed: Vec<u64> = (0..6).map(|_| limit.pass(0, 64)).collect();
        assert_eq!(passed, [0, 0, 0, 1_000_000, 2_000_000, 3_000_000]);
        // The bucket is full after three of its periods, and no fuller later.
        let passed: Vec<u64> = (0..4).map(|_| limit.pass(1_000_000_000, 64)).collect();
        assert_eq!(passed, [1_000_000_000, 1_000_000_000, 1_000_000_000, 1_001_000_000]);
    }

    #[test]
    fn no_fraction_of_a_period_is_lost() {
        for ops in [3_u64, 7, 999_999_937, 600_000_000] {
            let mut limit = limit(&format!("ops_limit={ops}"));
            let last = (0..=10_000).map(|_| limit.pass(0, 0)).last().unwrap();
            assert_eq!(last, (10_000 * 1_000_000_000_u64).div_ceil(ops), "{ops}");
        }
    }

    #[test]
    fn bytes_count_and_a_request_above_the_burst_waits_for_the_full_bucket() {
        // A byte a microsecond.
        let mut limit = limit("bytes_limit=1000000;bytes_burst=100");
        assert_eq!(limit.pass(0, 60), 0);
        assert_eq!(limit.pass(0, 60), 20_000, "40 are left");
        assert_eq!(limit.pass(0, 250), 120_000, "all of 220 bytes before it are paid");
        assert_eq!(limit.pass(0, 1), 271_000, "370 were taken, and 99 may be owed");
    }

    #[test]
    fn the_later_bucket_decides_and_both_are_charged() {
        let mut limit = limit("ops_limit=1000000;bytes_limit=1000000;bytes_burst=10");
        assert_eq!(limit.pass(0, 10), 0);
        assert_eq!(limit.pass(0, 10), 10_000, "for its bytes");
        assert_eq!(limit.pass(0, 0), 11_000, "for its number");
    }

    #[test]
    fn a_look_takes_nothing() {
        let mut limit = limit("ops_limit=1000");
        assert_eq!((limit.opens(5), limit.pass(3, 5)), (0, 3));
        assert_eq!((limit.opens(5), limit.opens(5)), (1_000_003, 1_000_003));
        assert_eq!(limit.pass(2_000_000, 5), 2_000_000);
    }

    #[test]
    fn extreme_numbers_do_not_overflow() {
        let mut limit = limit("bytes_limit=1;bytes_burst=1;ops_limit=1");
        assert_eq!(limit.pass(u64::MAX, u64::MAX), u64::MAX);
        assert_eq!(limit.pass(u64::MAX, u64::MAX), u64::MAX);
        assert_eq!(limit.opens(0), u64::MAX);
    }
}
