//! The token buckets: a request that comes too early waits, or is refused.
//!
//! ```text
//!   T: when the bucket is full again        burst B tokens, n of them are asked for, L a second
//!
//!   ───────────┬───────────────────┬─────────────► time
//!              E = T − (B − n)/L   T               before E there are fewer than n tokens
//! ```
//!
//! Times are in parts of a nanosecond, as many as the limit is, so that nothing is rounded.

use std::collections::VecDeque;

use super::Load;
use super::stations::Station;

/// Both buckets of a device. A request takes its tokens from both at the same time, and none overtakes.
pub(crate) struct Bucket {
    rates: Vec<Rate>,
    waiting: VecDeque<Load>,
}

/// One bucket.
pub(crate) struct Rate {
    /// Tokens a second.
    limit: i128,
    burst: i128,
    /// Whether bytes are its tokens, and not requests.
    counts_bytes: bool,
    /// *T*, in nanoseconds / `limit`.
    full_at: i128,
}

const SECOND: i128 = 1_000_000_000;

impl Rate {
    pub(crate) fn new(limit: u64, burst: u64, counts_bytes: bool) -> Self {
        Self { limit: limit.into(), burst: burst.into(), counts_bytes, full_at: 0 }
    }

    fn tokens(&self, bytes: u64) -> i128 {
        if self.counts_bytes { bytes.into() } else { 1 }
    }

    /// *E*, in nanoseconds / `limit`. A request for more than the whole bucket waits until it is full.
    fn earliest(&self, bytes: u64) -> i128 {
        self.full_at - (self.burst - self.tokens(bytes)).max(0) * SECOND
    }

    /// The first whole nanosecond that is not before *E*.
    fn ready(&self, bytes: u64) -> i128 {
        -(-self.earliest(bytes)).div_euclid(self.limit)
    }

    /// A request passes in the nanosecond that begins at `from`.
    fn take(&mut self, from: i128, bytes: u64) {
        self.full_at = self.full_at.max(from * self.limit) + self.tokens(bytes) * SECOND;
    }
}

impl Bucket {
    pub(crate) fn new(rates: Vec<Rate>) -> Self {
        Self { rates, waiting: VecDeque::new() }
    }

    /// Whether there are tokens now for a request that came at `came`; if so, takes them.
    pub(crate) fn admits(&mut self, now: u64, came: u64, bytes: u64) -> bool {
        let admits = self.ready(bytes) <= now;
        if admits {
            let earliest = self.rates.iter().map(|rate| rate.earliest(bytes).div_euclid(rate.limit)).max();
            let from = earliest.unwrap_or(0).max(came.into());
            self.rates.iter_mut().for_each(|rate| rate.take(from, bytes));
        }
        admits
    }

    fn ready(&self, bytes: u64) -> u64 {
        let ready = self.rates.iter().map(|rate| rate.ready(bytes)).max().unwrap_or(0).max(0);
        u64::try_from(ready).unwrap_or(u64::MAX)
    }
}

impl Station for Bucket {
    fn take(&mut self, _: u64, load: Load) {
        self.waiting.push_back(load);
    }

    fn settle(&mut self, now: u64) -> Vec<Load> {
        let mut left = Vec::new();
        while let Some(load) = self.waiting.front() {
            let (came, bytes) = (load.requests[0].arrival.at, load.input());
            if !self.admits(now, came, bytes) {
                break;
            }
            left.extend(self.waiting.pop_front());
        }
        left
    }

    fn next(&self) -> Option<u64> {
        self.waiting.front().map(|load| self.ready(load.input()))
    }
}
