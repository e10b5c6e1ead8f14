//! The service times of the requests that one entry of `service`, or the general keys, are for.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::config::Mbps;
use crate::model::latency::{LatencyDist, Spread};
use crate::model::transfer::{Carry, Fine, PerByte};

/// Service times, request after request, of a random stream of its own.
#[derive(Debug)]
pub(crate) struct Source {
    mean: Mean,
    spread: Spread,
    random: ChaCha8Rng,
    carry: Carry,
}

/// What a request takes on the average, by its size.
#[derive(Debug)]
enum Mean {
    Linear { fixed: Fine, per_byte: PerByte },
}

impl Mean {
    fn of(&self, bytes: u64) -> Fine {
        match self {
            Self::Linear { fixed, per_byte } => fixed.plus(per_byte.transfer(bytes)),
        }
    }
}

impl Source {
    /// A request takes `fixed_nsec` and what its bytes take at this rate, as `dist` spreads them.
    pub(crate) fn linear(fixed_nsec: u64, rate: Mbps, dist: LatencyDist, stream: [u8; 32]) -> Self {
        let mean = Mean::Linear { fixed: Fine::nsec(fixed_nsec), per_byte: PerByte::at(rate) };
        let random = ChaCha8Rng::from_seed(stream);
        Self { mean, spread: Spread::of(dist), random, carry: Carry::default() }
    }

    /// The service time of the next request, in nanoseconds.
    pub(crate) fn next(&mut self, bytes: u64) -> u64 {
        let time = self.spread.spread(self.mean.of(bytes), &mut self.random);
        self.carry.whole(time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn linear(fixed_nsec: u64, mbps: u64, dist: &str, seed: u8) -> Source {
        Source::linear(fixed_nsec, mbps.into(), dist.parse().unwrap(), [seed; 32])
    }

    #[test]
    fn the_parts_add_up() {
        let mut constant = linear(1_500, 100, "constant", 0);
        assert_eq!(
            (constant.next(0), constant.next(1_000_000)),
            (1_500, 10_001_500),
            "100 MB/s: 10 ns a byte"
        );
        assert_eq!(linear(0, 1, "constant", 0).next(16), 16_000);
    }

    #[test]
    fn a_seed_is_a_sequence() {
        let draws = |seed| {
            let mut source = linear(1_000_000, 0, "exponential", seed);
            (0..4).map(|_| source.next(0)).collect::<Vec<_>>()
        };
        assert_eq!(draws(7), draws(7));
        assert_ne!(draws(7), draws(8));
    }

    #[test]
    fn nothing_of_a_short_time_is_lost() {
        let mut source = linear(0, 1_500, "exponential", 3);
        let total: u64 = (0..1_000_000).map(|_| source.next(64)).sum();
        // 42.67 ns each; the standard error of a million is 0.1 %.
        assert!((42_500_000..42_840_000).contains(&total), "{total}");
    }
}
