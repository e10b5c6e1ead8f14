//! How long a request occupies a compute unit: a pure function of its size and a seeded stream.
//!
//! ```text
//!   service time = (completion_nsec + firmware_nsec + bytes / mbps) × factor        factor: mean 1, `latency_dist`
//! ```
//!
//! One seed gives one sequence, on every machine: the generator is ChaCha8, the functions are `libm`'s, and
//! times are rounded to whole nanoseconds.

use std::fmt;
use std::str::FromStr;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::config::error::ConfigError;
use crate::config::grammar;

/// How service times spread around their mean. Numbers are percents of the mean.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LatencyDist {
    /// All the same.
    #[default]
    Constant,
    /// From 0 to twice the mean, evenly.
    Uniform,
    /// Normal with this standard deviation, 1 to 33.
    Normal(u32),
    /// Exponential: memoryless.
    Exponential,
    /// Lognormal with this standard deviation, 1 to 1,000: a long tail.
    Lognormal(u32),
    /// One request in a hundred takes this much, 100 to 9,900; the others are faster accordingly.
    Bimodal(u32),
}

impl LatencyDist {
    pub(crate) const ALLOWED: &str = "constant, uniform, exponential, normal:PERCENT (1 to 33), \
        lognormal:PERCENT (1 to 1000) or bimodal:PERCENT (100 to 9900)";

    /// A factor with mean 1.
    fn factor(self, random: &mut ChaCha8Rng) -> f64 {
        match self {
            Self::Constant => 1.0,
            Self::Uniform => 2.0 * unit(random),
            Self::Normal(percent) => libm::fmax(0.0, 1.0 + share(percent) * normal(random)),
            Self::Exponential => -libm::log(1.0 - unit(random)),
            Self::Lognormal(percent) => {
                let variance = libm::log1p(share(percent) * share(percent));
                libm::exp(libm::sqrt(variance) * normal(random) - variance / 2.0)
            }
            Self::Bimodal(percent) => {
                let slow = share(percent);
                if unit(random) < 0.01 { slow } else { (1.0 - 0.01 * slow) / 0.99 }
            }
        }
    }
}

/// As in a configuration: `normal:20`.
impl fmt::Display for LatencyDist {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant => f.write_str("constant"),
            Self::Uniform => f.write_str("uniform"),
            Self::Normal(percent) => write!(f, "normal:{percent}"),
            Self::Exponential => f.write_str("exponential"),
            Self::Lognormal(percent) => write!(f, "lognormal:{percent}"),
            Self::Bimodal(percent) => write!(f, "bimodal:{percent}"),
        }
    }
}

impl FromStr for LatencyDist {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let percent = |text, range| grammar::within(text, range);
        let dist = match *grammar::parts(text, ':').collect::<Vec<_>>() {
            ["constant"] => Some(Self::Constant),
            ["uniform"] => Some(Self::Uniform),
            ["exponential"] => Some(Self::Exponential),
            ["normal", text] => percent(text, 1..=33).map(Self::Normal),
            ["lognormal", text] => percent(text, 1..=1_000).map(Self::Lognormal),
            ["bimodal", text] => percent(text, 100..=9_900).map(Self::Bimodal),
            _ => None,
        };
        dist.ok_or_else(|| grammar::refused("latency_dist", text, Self::ALLOWED))
    }
}

/// The service times of one device, one after the other.
#[derive(Debug)]
pub(crate) struct Latency {
    fixed_nsec: u64,
    mbps: u64,
    dist: LatencyDist,
    random: ChaCha8Rng,
}

impl Latency {
    /// A request takes `fixed_nsec` and what its bytes take at `mbps` (0: none), as `dist` spreads them.
    pub(crate) fn new(fixed_nsec: u64, mbps: u64, dist: LatencyDist, seed: u64) -> Self {
        let mut named = *b"........device-sim service times";
        named[..8].copy_from_slice(&seed.to_le_bytes());
        Self { fixed_nsec, mbps, dist, random: ChaCha8Rng::from_seed(named) }
    }

    /// The service time of the next request, in nanoseconds.
    pub(crate) fn next(&mut self, bytes: u64) -> u64 {
        let transfer = bytes.saturating_mul(1_000).checked_div(self.mbps).unwrap_or(0);
        let mean = self.fixed_nsec.saturating_add(transfer);
        if self.dist == LatencyDist::Constant {
            return mean;
        }
        whole(mean, self.dist.factor(&mut self.random))
    }
}

/// `nsec` times `factor`, to the nearest nanosecond.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a conversion from a float saturates, factors are not negative, and 2^53 ns are 104 days"
)]
fn whole(nsec: u64, factor: f64) -> u64 {
    libm::rint(nsec as f64 * factor) as u64
}

fn share(percent: u32) -> f64 {
    f64::from(percent) / 100.0
}

/// Uniform in [0, 1), in steps of 2^-53.
#[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
fn unit(random: &mut ChaCha8Rng) -> f64 {
    (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

/// Standard normal (Box and Muller 1958; one of the two).
fn normal(random: &mut ChaCha8Rng) -> f64 {
    let (radius, angle) = (1.0 - unit(random), unit(random));
    libm::sqrt(-2.0 * libm::log(radius)) * libm::cos(2.0 * std::f64::consts::PI * angle)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWS: u32 = 200_000;

    /// A millisecond, spread.
    fn spread_out(dist: &str, seed: u64) -> Latency {
        Latency::new(1_000_000, 0, dist.parse().unwrap(), seed)
    }

    /// Mean and standard deviation of many draws around 1 ms.
    fn spread(dist: &str) -> (f64, f64) {
        let mut latency = spread_out(dist, 3);
        let draws: Vec<f64> =
            (0..DRAWS).map(|_| f64::from(u32::try_from(latency.next(0)).unwrap()) / 1e6).collect();
        let mean = draws.iter().sum::<f64>() / f64::from(DRAWS);
        let variance = draws.iter().map(|draw| (draw - mean) * (draw - mean)).sum::<f64>() / f64::from(DRAWS);
        (mean, variance.sqrt())
    }

    #[test]
    fn the_mean_is_kept_and_the_spread_is_what_was_asked_for() {
        let expected = [
            ("constant", 0.0),
            ("uniform", 1.0 / 3.0_f64.sqrt()),
            ("normal:20", 0.2),
            ("exponential", 1.0),
            ("lognormal:50", 0.5),
            ("bimodal:1000", 0.01_f64.mul_add(81.0, 0.99 * (1.0 - 0.9 / 0.99_f64).powi(2)).sqrt()),
        ];
        for (dist, deviation) in expected {
            let (mean, found) = spread(dist);
            assert!((mean - 1.0).abs() < 0.01, "{dist}: mean {mean}");
            assert!((found - deviation).abs() < 0.02, "{dist}: deviation {found}, not {deviation}");
        }
    }

    #[test]
    fn the_parts_add_up() {
        let mut constant = Latency::new(1_500, 100, LatencyDist::Constant, 0);
        assert_eq!(
            (constant.next(0), constant.next(1_000_000)),
            (1_500, 10_001_500),
            "100 MB/s: 10 ns a byte"
        );
        assert_eq!(Latency::new(0, 1, LatencyDist::Constant, 0).next(16), 16_000);
    }

    #[test]
    fn a_seed_is_a_sequence() {
        let draws = |seed: u64| {
            let mut latency = spread_out("exponential", seed);
            (0..4).map(|_| latency.next(0)).collect::<Vec<_>>()
        };
        assert_eq!(draws(7), draws(7));
        assert_ne!(draws(7), draws(8));
    }

    #[test]
    fn a_distribution_prints_what_parses_back_and_nonsense_is_refused() {
        for text in ["constant", "uniform", "exponential", "normal:33", "lognormal:1000", "bimodal:100"] {
            assert_eq!(text.parse::<LatencyDist>().unwrap().to_string(), text);
        }
        for text in
            ["", "normal", "normal:0", "normal:34", "uniform:3", "bimodal:99", "pareto", "lognormal:x"]
        {
            assert!(text.parse::<LatencyDist>().is_err(), "{text}");
        }
    }
}
