//! The engine's configuration: one grammar for text everywhere, the device's keys and the engine's together.
//!
//! `key=value` pairs separated by `;`, blanks around either ignored:
//! `compute_units=4;completion_nsec=50000;fallback=on`.
//!
//! | key | unit, range | default | meaning |
//! |---|---|---|---|
//! | `delivery` | `wake`, `poll` | `wake` | how a job learns of its completion: wake fd or callback, or [`Engine::poll`](super::Engine::poll) |
//! | `fallback` | `on`, `off` | `off` | compute in software when the device fails or cannot be reached; counted |
//! | `offload_threshold` | bytes, 0 to 2^32 - 1 | 0 | smaller requests are computed in software in the calling thread; counted |
//! | `strict` | `on`, `off` | as it is | the process's strict mode ([`job::set_strict`](crate::job::set_strict)), set when an engine is opened |
//! | `fault` | repeatable | none | `fd_fail`: an eventfd cannot be made (`EMFILE`); `nomem`: a submission finds no memory; else a fault of the device ([`device_sim::FaultKind`]) |
//!
//! The device's keys are those of [`device_sim::Config`]. When a fault happens is said by the fields of
//! [`device_sim::Selection`], the same for all kinds: `fault=fd_fail:nth=3`.

use std::fmt;
use std::str::FromStr;

use device_sim::{ConfigError, Fault};

use super::fault::FaultRule;

/// The engine's own keys.
const KEYS: &str = "delivery, fallback, offload_threshold, strict";

/// How jobs learn that their requests are done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeliveryMode {
    /// The device wakes each job: by its wait context's callback if one is set, by its wake fd otherwise.
    #[default]
    Wake,
    /// The device fills the completion ring; [`Engine::poll`](super::Engine::poll) reaps it.
    Poll,
}

impl DeliveryMode {
    fn parse(value: &str) -> Result<Self, ConfigError> {
        match value {
            "wake" => Ok(Self::Wake),
            "poll" => Ok(Self::Poll),
            _ => Err(refused("delivery", value, "wake or poll")),
        }
    }
}

fn switch(key: &'static str, value: &str) -> Result<bool, ConfigError> {
    match value {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(refused(key, value, "on or off")),
    }
}

pub(super) fn refused(key: &'static str, value: &str, allowed: &'static str) -> ConfigError {
    ConfigError::Value { key, value: value.to_owned(), allowed }
}

/// Configuration of an engine and the device behind it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    device: device_sim::Config,
    delivery: DeliveryMode,
    fallback: bool,
    offload_threshold: u32,
    strict: Option<bool>,
    faults: Vec<FaultRule>,
}

impl Config {
    /// The engine's own keys, separated by commas; the device's are [`device_sim::Config::KEYS`].
    pub const KEYS: &str = KEYS;

    /// Reads `key=value;key=value` on top of the defaults.
    ///
    /// # Errors
    /// The first key that is unknown, or the first value that is out of range, with what is allowed.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        for pair in device_sim::Config::pairs(text) {
            let (key, value) = pair?;
            config.set(key, value)?;
        }
        config.device.validate()?;
        Ok(config)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), ConfigError> {
        match key {
            "delivery" => self.delivery = DeliveryMode::parse(value)?,
            "fallback" => self.fallback = switch("fallback", value)?,
            "offload_threshold" => {
                let allowed = "0 to 4294967295 (bytes)";
                self.offload_threshold =
                    value.parse().map_err(|_| refused("offload_threshold", value, allowed))?;
            }
            "strict" => self.strict = Some(switch("strict", value)?),
            "fault" => match FaultRule::parse(value)? {
                Some(rule) => self.faults.push(rule),
                None => self.device.faults.push(Fault::parse(value)?),
            },
            _ if self.device.set(key, value)? => {}
            _ => {
                let known = format!("{}, {KEYS}", device_sim::Config::KEYS);
                return Err(ConfigError::UnknownKey { key: key.to_owned(), known });
            }
        }
        Ok(())
    }

    /// The device's part.
    pub const fn device(&self) -> &device_sim::Config {
        &self.device
    }

    /// How jobs learn of completions.
    pub const fn delivery(&self) -> DeliveryMode {
        self.delivery
    }

    /// Whether software takes over when the device fails.
    pub const fn fallback(&self) -> bool {
        self.fallback
    }

    /// Requests below this many bytes are computed in software in the calling thread.
    pub const fn offload_threshold(&self) -> u32 {
        self.offload_threshold
    }

    /// What opening an engine makes of the process's strict mode; `None` leaves it as it is.
    pub const fn strict(&self) -> Option<bool> {
        self.strict
    }

    pub(crate) fn faults(&self) -> &[FaultRule] {
        &self.faults
    }
}

impl FromStr for Config {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        Self::parse(text)
    }
}

impl fmt::Display for Config {
    /// The text that [`Config::parse`] turns into this configuration.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let delivery = match self.delivery {
            DeliveryMode::Wake => "wake",
            DeliveryMode::Poll => "poll",
        };
        let fallback = if self.fallback { "on" } else { "off" };
        write!(f, "{};delivery={delivery};fallback={fallback}", self.device)?;
        write!(f, ";offload_threshold={}", self.offload_threshold)?;
        if let Some(strict) = self.strict {
            write!(f, ";strict={}", if strict { "on" } else { "off" })?;
        }
        self.faults.iter().try_for_each(|fault| write!(f, ";fault={fault}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_prints_what_parses_back() {
        let text = " depth = 128 ; delivery=poll;fallback=on;offload_threshold=256;strict=off;fault=fd_fail:nth=3 ;fault=nomem:every=2 ";
        let config = Config::parse(text).unwrap();
        assert_eq!(
            (config.delivery(), config.fallback(), config.offload_threshold()),
            (DeliveryMode::Poll, true, 256)
        );
        assert_eq!(config.strict(), Some(false));
        assert_eq!(Config::parse(&config.to_string()).unwrap(), config);
        assert_eq!(Config::parse("").unwrap(), Config::default());
    }

    #[test]
    fn nonsense_is_refused_by_name_in_one_line() {
        let texts = [
            "colour=blue",
            "delivery=pigeon",
            "fallback=maybe",
            "offload_threshold=-1",
            "strict=very",
            "depth=65",
            "depth",
            "fault=fire",
        ];
        for text in texts {
            let message = Config::parse(text).unwrap_err().to_string();
            let name = text.split('=').next().unwrap();
            assert!(message.contains(name) && !message.contains('\n'), "{text}: {message}");
        }
    }
}
