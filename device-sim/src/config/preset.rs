//! Presets: a device's numbers under a name that says what they imitate.

use std::fmt;
use std::str::FromStr;

use super::{Config, ConfigError, grammar};
use crate::model::latency::LatencyDist;
use crate::model::order::CompletionOrder;

/// A documented set of numbers; each can be overridden by its own key. Queue pairs, depth, workers, timing,
/// faults and seed are unchanged, except for the depth of `saturated`.
///
/// | preset | imitates | numbers |
/// |---|---|---|
/// | `ideal` | a device as quick as the processor | no model of time |
/// | `look-aside` | a look-aside PCI Express card: tens of microseconds, much in parallel | `compute_units=16;completion_nsec=20000;firmware_nsec=2000;mbps=1500;latency_dist=lognormal:20` |
/// | `slow-card` | an old or remote device (a smart card, a security module on a network): milliseconds, one in a hundred ten times as long | `compute_units=2;completion_nsec=2000000;mbps=20;latency_dist=bimodal:1000;ordering=fifo` |
/// | `saturated` | a card whose other users leave little: short rings, long and irregular queues | `compute_units=1;completion_nsec=100000;mbps=500;latency_dist=exponential;intc_thresh=4;intc_nsec=200000;depth=4` |
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preset {
    /// As quick as the processor.
    #[default]
    Ideal,
    /// A look-aside card.
    LookAside,
    /// Milliseconds for each request.
    SlowCard,
    /// Full all the time.
    Saturated,
}

impl Preset {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Ideal, Self::LookAside, Self::SlowCard, Self::Saturated];

    const ALLOWED: &str = "ideal, look-aside, slow-card or saturated";

    /// As in a configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ideal => "ideal",
            Self::LookAside => "look-aside",
            Self::SlowCard => "slow-card",
            Self::Saturated => "saturated",
        }
    }

    /// The default configuration with the preset's numbers.
    pub fn config(self) -> Config {
        let mut config = Config::default();
        self.apply(&mut config);
        config
    }

    /// Sets the preset's numbers.
    pub(super) fn apply(self, config: &mut Config) {
        let ideal = Config::default();
        config.compute_units = ideal.compute_units;
        config.completion_nsec = ideal.completion_nsec;
        config.firmware_nsec = ideal.firmware_nsec;
        config.mbps = ideal.mbps;
        config.latency_dist = ideal.latency_dist;
        config.ordering = ideal.ordering;
        config.intc_thresh = ideal.intc_thresh;
        config.intc_nsec = ideal.intc_nsec;
        match self {
            Self::Ideal => {}
            Self::LookAside => {
                config.compute_units = 16;
                config.completion_nsec = 20_000;
                config.firmware_nsec = 2_000;
                config.mbps = 1_500.into();
                config.latency_dist = LatencyDist::Lognormal(20);
            }
            Self::SlowCard => {
                config.compute_units = 2;
                config.completion_nsec = 2_000_000;
                config.mbps = 20.into();
                config.latency_dist = LatencyDist::bimodal(1_000);
                config.ordering = CompletionOrder::Fifo;
            }
            Self::Saturated => {
                config.compute_units = 1;
                config.completion_nsec = 100_000;
                config.mbps = 500.into();
                config.latency_dist = LatencyDist::Exponential;
                config.intc_thresh = 4;
                config.intc_nsec = 200_000;
                config.depth = 4;
            }
        }
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Preset {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let found = Self::ALL.into_iter().find(|preset| preset.name() == text);
        found.ok_or_else(|| grammar::refused("preset", text, Self::ALLOWED))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_come_first_wherever_they_stand() {
        let config = Config::parse("completion_nsec=7; preset = slow-card ;seed=3").unwrap();
        let expected = Config { completion_nsec: 7, seed: 3, ..Preset::SlowCard.config() };
        assert_eq!(config, expected);
        assert_eq!(Config::parse("preset=ideal").unwrap(), Config::default());
    }

    /// The table in the documentation lists the numbers.
    #[test]
    fn every_preset_is_what_its_table_says() {
        let tables = include_str!("preset.rs");
        for preset in Preset::ALL.into_iter().skip(1) {
            let row = tables.lines().find(|line| line.starts_with(&format!("/// | `{preset}`"))).unwrap();
            let numbers = row.rsplit('`').nth(1).unwrap();
            assert_eq!(Config::parse(numbers).unwrap(), preset.config(), "{preset}");
            assert_eq!(preset.config().check(), Ok(()));
        }
    }
}
