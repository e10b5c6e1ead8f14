//! How service times spread around their mean: a factor with mean 1 of a seeded stream.
//!
//! ```text
//!   service time = mean × factor        in 2^-24 ns; whole nanoseconds are given, and the rest goes to the next
//! ```
//!
//! One seed gives one sequence, on every machine and in every floating-point rounding mode: the generator is
//! ChaCha8, and the rest is integers. Over the random numbers that can be drawn, the mean of the factor is 1
//! to within 10^-8.
#![expect(clippy::cast_possible_truncation, reason = "a wide product is shifted to the width of its result")]

use std::fmt;
use std::str::FromStr;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

use crate::config::error::ConfigError;
use crate::config::grammar;
use crate::model::fixed::{exp, ln_of_ratio, minus_ln, normal};
use crate::model::transfer::Fine;

/// How service times spread around their mean. Numbers are percents of the mean.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LatencyDist {
    /// All the same.
    #[default]
    Constant,
    /// From 0 to twice the mean, evenly.
    Uniform,
    /// Normal with this standard deviation, 1 to 33. A draw below 0 counts as 0, and one above twice the mean
    /// as that, so that the mean stays; at 33 these are 0.24 % of all, and the deviation is 32.9.
    Normal(u32),
    /// Exponential: memoryless.
    Exponential,
    /// Lognormal with this standard deviation, 1 to 1,000: a long tail.
    Lognormal(u32),
    /// Some requests are slow; the others are faster accordingly.
    Bimodal {
        /// A slow request takes this much, 100 to 1,000,000.
        slow: u32,
        /// This many of all requests are slow, in thousandths of a percent, 1 to 99,000. Together they take
        /// up to 99 % of the time: the product of the two percents is at most 9,900.
        share: u32,
    },
}

/// One request in a hundred.
const ONE_PERCENT: u32 = 1_000;

impl LatencyDist {
    pub(crate) const ALLOWED: &str = "constant, uniform, exponential, normal:PERCENT (1 to 33), \
        lognormal:PERCENT (1 to 1000) or bimodal:SLOW:SHARE (percents: 100 to 1000000, 0.001 to 99, their product \
        at most 9900; SHARE is 1 if it is not given)";

    /// [`LatencyDist::Bimodal`] with one slow request in a hundred, which takes this many percent of the
    /// mean, 100 to 9,900.
    pub const fn bimodal(slow: u32) -> Self {
        Self::Bimodal { slow, share: ONE_PERCENT }
    }

    fn bimodal_of(slow: &str, share: &str) -> Option<Self> {
        let slow = grammar::within(slow, 100..=1_000_000)?;
        let share = grammar::thousandths(share).filter(|share| (1..=99_000).contains(share))?;
        let is_possible = u64::from(slow) * share <= 9_900_000;
        is_possible.then_some(Self::Bimodal { slow, share: u32::try_from(share).ok()? })
    }
}

/// As in a configuration: `normal:20`.
impl fmt::Display for LatencyDist {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Constant => f.write_str("constant"),
            Self::Uniform => f.write_str("uniform"),
            Self::Normal(percent) => write!(f, "normal:{percent}"),
            Self::Exponential => f.write_str("exponential"),
            Self::Lognormal(percent) => write!(f, "lognormal:{percent}"),
            Self::Bimodal { slow, share: ONE_PERCENT } => write!(f, "bimodal:{slow}"),
            Self::Bimodal { slow, share } => {
                write!(f, "bimodal:{slow}:")?;
                grammar::write_thousandths(f, share.into())
            }
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
            ["bimodal", slow] => Self::bimodal_of(slow, "1"),
            ["bimodal", slow, share] => Self::bimodal_of(slow, share),
            _ => None,
        };
        dist.ok_or_else(|| grammar::refused("latency_dist", text, Self::ALLOWED))
    }
}

/// 1 in Q32.
const ONE: u64 = 1 << 32;

/// A distribution, ready to draw. Factors are in Q32.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Spread {
    Constant,
    Uniform,
    /// Percents of deviation.
    Normal(i64),
    Exponential,
    /// Deviation and half of the variance of the logarithm, in Q56 and Q32.
    Lognormal(u64, i64),
    /// A number below `share` is slow.
    Bimodal {
        share: u64,
        slow: u64,
        fast: u64,
    },
}

impl Spread {
    pub(crate) fn of(dist: LatencyDist) -> Self {
        match dist {
            LatencyDist::Constant => Self::Constant,
            LatencyDist::Uniform => Self::Uniform,
            LatencyDist::Normal(percent) => Self::Normal(percent.into()),
            LatencyDist::Exponential => Self::Exponential,
            LatencyDist::Lognormal(percent) => lognormal(percent.into()),
            LatencyDist::Bimodal { slow, share } => bimodal(slow.into(), share.into()),
        }
    }

    /// A factor with mean 1, in Q32, below 2^24.
    fn factor(self, random: &mut ChaCha8Rng) -> u64 {
        match self {
            Self::Constant => ONE,
            Self::Uniform => random.next_u64() >> 31,
            Self::Normal(percent) => {
                let from_mean = normal(random.next_u64(), random.next_u64()) * percent / 100;
                ONE.saturating_add_signed(from_mean).min(2 * ONE)
            }
            Self::Exponential => ((minus_ln(random.next_u64() | 1) >> 23) + 1) >> 1,
            Self::Lognormal(deviation, half_variance) => {
                exp(scaled(deviation, normal(random.next_u64(), random.next_u64())) - half_variance)
            }
            Self::Bimodal { share, slow, fast } => {
                if random.next_u64() < share {
                    slow
                } else {
                    fast
                }
            }
        }
    }

    /// `mean` times the next factor.
    pub(crate) fn spread(self, mean: Fine, random: &mut ChaCha8Rng) -> Fine {
        match self {
            Self::Constant => mean,
            // At most 2^71 times 2^56.
            _ => Fine::of((mean.get() * u128::from(self.factor(random))) >> 32),
        }
    }
}

/// A normal number times a deviation in Q56.
fn scaled(deviation: u64, normal: i64) -> i64 {
    ((i128::from(deviation) * i128::from(normal)) >> 56) as i64
}

/// The logarithm has the variance ln(1 + deviation²).
fn lognormal(percent: u128) -> Spread {
    let variance = ln_of_ratio(10_000 + percent * percent, 10_000);
    let deviation = (u128::from(variance) << 56).isqrt();
    Spread::Lognormal(deviation as u64, (variance >> 25).cast_signed())
}

/// `slow` in percent, `share` in thousandths of a percent.
fn bimodal(slow: u64, share: u64) -> Spread {
    const ALL: u64 = 100_000;
    // The time that is left for the others, of 100 x 100,000.
    let left = u128::from((100 * ALL).saturating_sub(slow * share));
    let others = u128::from(100 * (ALL - share.min(ALL - 1)));
    Spread::Bimodal {
        share: ((u128::from(share) << 64) / u128::from(ALL)) as u64,
        slow: (slow * ONE).div_ceil(100),
        fast: (((left << 32) + others / 2) / others) as u64,
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::rand_core::SeedableRng;

    use super::*;

    const DRAWS: u32 = 200_000;

    fn random() -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(3)
    }

    fn spread(dist: &str) -> Spread {
        Spread::of(dist.parse().unwrap())
    }

    fn real(factor: u64) -> f64 {
        factor as f64 / ONE as f64
    }

    /// Mean and standard deviation of the factors.
    fn moments(factors: &[f64]) -> (f64, f64) {
        let count = factors.len() as f64;
        let mean = factors.iter().sum::<f64>() / count;
        let variance = factors.iter().map(|factor| (factor - mean) * (factor - mean)).sum::<f64>() / count;
        (mean, variance.sqrt())
    }

    #[test]
    fn the_mean_is_kept_and_the_spread_is_what_was_asked_for() {
        let two_points = |share: f64, slow: f64| {
            let fast = (1.0 - share * slow) / (1.0 - share);
            (share * (slow - 1.0).powi(2) + (1.0 - share) * (fast - 1.0).powi(2)).sqrt()
        };
        let expected = [
            ("constant", 0.0),
            ("uniform", 1.0 / 3.0_f64.sqrt()),
            ("normal:20", 0.2),
            ("normal:33", 0.329),
            ("exponential", 1.0),
            ("lognormal:50", 0.5),
            ("bimodal:1000", two_points(0.01, 10.0)),
            ("bimodal:300:20", two_points(0.2, 3.0)),
            ("bimodal:10000:0.5", two_points(0.005, 100.0)),
        ];
        for (dist, deviation) in expected {
            let mut random = random();
            let factors: Vec<f64> = (0..DRAWS).map(|_| real(spread(dist).factor(&mut random))).collect();
            let (mean, found) = moments(&factors);
            // Four standard errors.
            assert!(
                (mean - 1.0).abs() < 4.0 * deviation / f64::from(DRAWS).sqrt() + 1e-9,
                "{dist}: mean {mean}"
            );
            assert!(
                (found / deviation - 1.0).abs() < 0.05 || deviation == 0.0,
                "{dist}: deviation {found}, not {deviation}"
            );
        }
    }

    /// Means over random numbers that are evenly spaced, so that there is no sampling error. The trapezoids
    /// of a logarithm and of tails are what is left of the error.
    #[test]
    fn the_mean_over_all_random_numbers_is_one() {
        const STEPS: u64 = 1 << 20;
        let evenly = |factor: &dyn Fn(u64) -> f64| {
            (0..STEPS).map(|n| factor((2 * n + 1) << (63 - 20))).sum::<f64>() / STEPS as f64
        };
        // The midpoints of -ln miss ln(2) / 2 of the first step.
        let exponential = evenly(&|x| real(((minus_ln(x) >> 23) + 1) >> 1));
        let expected = 1.0 - std::f64::consts::LN_2 / 2.0 / STEPS as f64;
        assert!((exponential - expected).abs() < 1e-8, "exponential {exponential}, not {expected}");
        for dist in ["bimodal:1000", "bimodal:300:20", "bimodal:100000:0.05", "bimodal:100:99"] {
            let Spread::Bimodal { share, slow, fast } = spread(dist) else { panic!("{dist}") };
            let share = share as f64 / 2.0_f64.powi(64);
            let mean = share * real(slow) + (1.0 - share) * real(fast);
            assert!((mean - 1.0).abs() < 1e-8, "{dist} {mean}");
        }
        // Both random numbers of a normal draw, 2^11 of each.
        let squares = |factor: &dyn Fn(u64, u64) -> f64| {
            let at = |n: u64| (2 * n + 1) << (63 - 11);
            let sum: f64 = (0..1 << 22).map(|n| factor(at(n >> 11), at(n & 0x7ff))).sum();
            sum / f64::from(1 << 22)
        };
        for percent in [1, 20, 33] {
            let mean = squares(&|a, b| {
                let from_mean = normal(a, b) * percent / 100;
                real(ONE.saturating_add_signed(from_mean).min(2 * ONE))
            });
            assert!((mean - 1.0).abs() < 1e-9, "normal:{percent} {mean}");
        }
    }

    /// The exact mean of a lognormal factor is 1; so what is compared is each factor with that of the
    /// formula.
    #[test]
    fn a_lognormal_factor_is_that_of_its_formula() {
        for percent in [1, 75, 1_000] {
            let Spread::Lognormal(deviation, half_variance) = spread(&format!("lognormal:{percent}")) else {
                panic!("{percent}")
            };
            let variance = (f64::from(percent) / 100.0).powi(2).ln_1p();
            let mut random = random();
            let (mut sum, mut expected_sum) = (0.0, 0.0);
            for _ in 0..1_000_000 {
                let (first, second) = (random.next_u64(), random.next_u64());
                let of = exp(scaled(deviation, normal(first, second)) - half_variance);
                let exact = variance.sqrt() * (normal(first, second) as f64 / ONE as f64) - variance / 2.0;
                sum += real(of);
                expected_sum += exact.exp();
            }
            let off = sum / expected_sum - 1.0;
            assert!(off.abs() < 1e-8, "lognormal:{percent}: off by {off:e}");
        }
    }

    #[test]
    fn a_distribution_prints_what_parses_back_and_nonsense_is_refused() {
        for text in [
            "constant",
            "uniform",
            "exponential",
            "normal:33",
            "lognormal:1000",
            "bimodal:100",
            "bimodal:9900",
            "bimodal:1000:0.5",
            "bimodal:1000000:0.009",
            "bimodal:100:99",
        ] {
            assert_eq!(text.parse::<LatencyDist>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "normal",
            "normal:0",
            "normal:34",
            "uniform:3",
            "bimodal:99",
            "bimodal:9901",
            "bimodal:100:0",
            "bimodal:1000:10",
            "bimodal:100:99.1",
            "bimodal:100:1:1",
            "pareto",
            "lognormal:x",
        ] {
            assert!(text.parse::<LatencyDist>().is_err(), "{text}");
        }
        assert_eq!("bimodal:700:1.000".parse(), Ok(LatencyDist::bimodal(700)));
    }
}
