//! The service times of the requests that one entry of `service`, or the general keys, are for.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::config::Config;
use crate::config::service::{Given, ServiceTime};
use crate::model::latency::Spread;
use crate::model::service::table::Table;
use crate::model::transfer::{Carry, Fine, PerByte};

/// Service times, request after request, of a random stream of its own.
#[derive(Debug)]
pub(super) struct Source {
    mean: Mean,
    spread: Spread,
    random: ChaCha8Rng,
    carry: Carry,
}

/// What a request takes on average.
#[derive(Debug)]
enum Mean {
    /// A fixed part, and one for each byte.
    Linear(Fine, PerByte),
    /// By size.
    Table(Table),
    /// As recorded; the number of the next.
    Trace(Box<[u64]>, usize),
}

impl Source {
    /// What the general keys say.
    pub(super) fn general(config: &Config) -> Self {
        let mean = Mean::Linear(Fine::nsec(config.completion_nsec), PerByte::at(config.mbps));
        let mut stream = *b"........device-sim service times";
        stream[..8].copy_from_slice(&config.seed.to_le_bytes());
        Self::new(mean, Spread::of(config.latency_dist), stream)
    }

    /// What an entry says, and the general keys for the rest.
    pub(super) fn of(entry: &ServiceTime, config: &Config) -> Self {
        let mean = match entry.given() {
            Given::Linear(nsec, mbps) => Mean::Linear(
                Fine::nsec(nsec.unwrap_or(config.completion_nsec)),
                PerByte::at(mbps.unwrap_or(config.mbps)),
            ),
            Given::Points(points) => Mean::Table(Table::new(points)),
            Given::Trace(times) => Mean::Trace(times.into(), 0),
        };
        let spread = Spread::of(entry.given_dist().unwrap_or(config.latency_dist));
        Self::new(mean, spread, stream_of(config.seed, &entry.served().to_string()))
    }

    fn new(mean: Mean, spread: Spread, stream: [u8; 32]) -> Self {
        Self { mean, spread, random: ChaCha8Rng::from_seed(stream), carry: Carry::default() }
    }

    /// The service time of the next request, in nanoseconds; this many percent of it.
    #[inline]
    pub(super) fn next(&mut self, bytes: u64, percent: u32) -> u64 {
        let time = match &mut self.mean {
            Mean::Linear(fixed, per_byte) => {
                let mean = fixed.plus(per_byte.transfer(bytes));
                self.spread.spread(mean, &mut self.random)
            }
            Mean::Table(table) => self.spread.spread(table.at(bytes), &mut self.random),
            Mean::Trace(times, next) => {
                let time = times[*next];
                *next = (*next + 1) % times.len();
                Fine::nsec(time)
            }
        };
        self.carry.whole(time.percent(percent))
    }

    /// Called for a request that another entry serves and this one could: the random numbers are used up.
    pub(super) fn pass(&mut self, bytes: u64) {
        if !matches!(self.mean, Mean::Trace(..)) {
            self.next(bytes, 100);
        }
    }
}

/// The seed of an entry's stream: that of the device, and a hash of the entry's requests (FNV-1a of 128
/// bits).
fn stream_of(seed: u64, name: &str) -> [u8; 32] {
    const START: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0100_0000_0000_0000_0000_013b;
    let hash = name.bytes().fold(START, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME));
    let mut stream = *b"........service ................";
    stream[..8].copy_from_slice(&seed.to_le_bytes());
    stream[16..].copy_from_slice(&hash.to_le_bytes());
    stream
}

#[cfg(test)]
mod tests {
    use super::*;

    fn general(text: &str) -> Source {
        Source::general(&Config::parse(text).unwrap())
    }

    #[test]
    fn the_parts_add_up() {
        let mut constant = general("completion_nsec=1500;mbps=100");
        let times = (constant.next(0, 100), constant.next(1_000_000, 100));
        assert_eq!(times, (1_500, 10_001_500), "100 MB/s: 10 ns a byte");
        assert_eq!(general("mbps=1").next(16, 100), 16_000);
        assert_eq!(general("mbps=0.5").next(16, 250), 80_000);
    }

    #[test]
    fn a_seed_is_a_sequence() {
        let draws = |seed| {
            let text = format!("completion_nsec=1000000;latency_dist=exponential;seed={seed}");
            let mut source = general(&text);
            (0..4).map(|_| source.next(0, 100)).collect::<Vec<_>>()
        };
        assert_eq!(draws(7), draws(7));
        assert_ne!(draws(7), draws(8));
    }

    #[test]
    fn nothing_of_a_short_time_is_lost() {
        let mut source = general("mbps=1500;latency_dist=exponential");
        let total: u64 = (0..1_000_000).map(|_| source.next(64, 100)).sum();
        // 42.67 ns each; the standard error of a million is 0.1 %.
        assert!((42_500_000..42_840_000).contains(&total), "{total}");
    }
}
