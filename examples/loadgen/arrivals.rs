//! When the operations of an open loop are to be sent: by a clock, whatever the device does.
//!
//! ```text
//!   linear    |   |   |   |   |   |   |   |      evenly
//!   poisson   | |     | ||   |     |  |   |      as many independent clients send (exponential gaps)
//!   bursty    ||||            ||||      ||||     16 at a time, with exponential gaps
//!             └─ the first is at once; on average all three have the same rate
//! ```
//!
//! A seed gives the same times again. Several threads share a rate: each has every n-th of even intervals, or
//! arrivals of its own that are independent of the others'.

use std::time::Duration;

use clap::ValueEnum;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Operations that arrive together where arrivals are bursty.
const BURST: u64 = 16;

/// A stream of the seed's generator that no lane of data has; those of further threads are each two below.
const STREAM: u64 = u64::MAX;

/// How arrivals are spread over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Arrivals {
    /// At even intervals
    Linear,
    /// Independent of each other, as from many clients
    Poisson,
    /// Sixteen at a time, at intervals that are independent of each other
    Bursty,
}

impl Arrivals {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Poisson => "poisson",
            Self::Bursty => "bursty",
        }
    }
}

/// The intended times of sending, counted from the start; it never ends.
pub(crate) struct Schedule {
    arrivals: Arrivals,
    /// The mean time between two arrivals, in nanoseconds.
    gap: f64,
    random: ChaCha8Rng,
    /// How many arrivals there were.
    count: u64,
    /// When the last one was, in nanoseconds.
    at: f64,
    /// When the first one is, in nanoseconds; `None`: after a gap like any other.
    first: Option<f64>,
}

impl Schedule {
    /// `rate` is in operations a second.
    pub(crate) fn new(arrivals: Arrivals, rate: f64, seed: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(STREAM);
        Self { arrivals, gap: 1e9 / rate, random, count: 0, at: 0.0, first: Some(0.0) }
    }

    /// The share of a thread, `thread` of `threads`, in all of these arrivals.
    pub(crate) fn of_thread(mut self, thread: usize, threads: usize) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "threads are few")]
        let (before, all) = (thread as f64, threads as f64);
        self.first = match self.arrivals {
            _ if thread == 0 => Some(0.0),
            Arrivals::Linear => Some(before * self.gap),
            Arrivals::Poisson | Arrivals::Bursty => None,
        };
        self.gap *= all;
        self.random.set_stream(STREAM - 2 * thread as u64);
        self
    }

    /// An exponential variate with this mean (by inversion).
    fn exponential(&mut self, mean: f64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "53 bits are all that a double has")]
        let uniform = (self.random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        -(1.0 - uniform).ln() * mean
    }

    /// The time from the last arrival to the next one, in nanoseconds.
    fn next_gap(&mut self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a small constant")]
        let burst = BURST as f64;
        match self.arrivals {
            _ if self.count == 0 && self.first.is_some() => self.first.unwrap_or_default(),
            Arrivals::Linear => self.gap,
            Arrivals::Poisson => self.exponential(self.gap),
            Arrivals::Bursty if self.count.is_multiple_of(BURST) => self.exponential(burst * self.gap),
            Arrivals::Bursty => 0.0,
        }
    }
}

impl Iterator for Schedule {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.at += self.next_gap();
        self.count += 1;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "saturates, and is not negative"
        )]
        let nanos = self.at as u64;
        Some(Duration::from_nanos(nanos))
    }
}
