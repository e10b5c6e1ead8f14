//! The token bucket: a request that comes too early waits, or is refused.
//!
//! ```text
//!   theoretical arrival time (TAT): when the bucket would be full again
//!   a request of cost C may start at s  if  TAT ≤ s + burst − C;   then TAT = max(TAT, s) + C
//! ```

use std::collections::VecDeque;

use super::Load;
use super::setup::FRACTION;
use super::stations::Station;

/// Both buckets of a device. A request takes its tokens from both at the same time, and nothing overtakes.
pub(crate) struct Bucket {
    rates: Vec<Rate>,
    waiting: VecDeque<Load>,
}

/// A bucket, in 2^-20 ns.
pub(crate) struct Rate {
    /// Tokens a second.
    per_second: u64,
    burst: u128,
    /// Whether bytes are its tokens, and not requests.
    counts_bytes: bool,
    full_at: u128,
}

impl Rate {
    pub(crate) fn new(per_second: u64, burst: u64, counts_bytes: bool) -> Self {
        let mut rate = Self { per_second, burst: 0, counts_bytes, full_at: 0 };
        rate.burst = rate.cost_of(burst);
        rate
    }

    fn cost_of(&self, tokens: u64) -> u128 {
        u128::from(tokens) * 1_000_000_000 * FRACTION / u128::from(self.per_second)
    }

    fn cost(&self, bytes: u64) -> u128 {
        self.cost_of(if self.counts_bytes { bytes } else { 1 })
    }

    /// The first whole nanosecond at which there are enough tokens. More than the whole bucket: when it is full.
    fn ready(&self, bytes: u64) -> u64 {
        let cost = self.cost(bytes).min(self.burst);
        let at = (self.full_at + cost).saturating_sub(self.burst).div_ceil(FRACTION);
        u64::try_from(at).unwrap_or(u64::MAX)
    }

    fn charge(&mut self, now: u64, bytes: u64) {
        self.full_at = self.full_at.max(u128::from(now) * FRACTION) + self.cost(bytes);
    }
}

impl Bucket {
    pub(crate) fn new(rates: Vec<Rate>) -> Self {
        Self { rates, waiting: VecDeque::new() }
    }

    /// Whether there are tokens now; if so, takes them.
    pub(crate) fn admits(&mut self, now: u64, bytes: u64) -> bool {
        let admits = self.ready(bytes) <= now;
        if admits {
            self.rates.iter_mut().for_each(|rate| rate.charge(now, bytes));
        }
        admits
    }

    fn ready(&self, bytes: u64) -> u64 {
        self.rates.iter().map(|rate| rate.ready(bytes)).max().unwrap_or(0)
    }
}

impl Station for Bucket {
    fn take(&mut self, _: u64, load: Load) {
        self.waiting.push_back(load);
    }

    fn settle(&mut self, now: u64) -> Vec<Load> {
        let mut left = Vec::new();
        while let Some(bytes) = self.waiting.front().map(Load::input)
            && self.admits(now, bytes)
        {
            left.extend(self.waiting.pop_front());
        }
        left
    }

    fn next(&self) -> Option<u64> {
        self.waiting.front().map(|load| self.ready(load.input()))
    }
}
