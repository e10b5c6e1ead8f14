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
//! | `timeout_msec` | milliseconds, 0 to 3,600,000 | 0 (off) | a request that has not ended within it, or whose wake never comes, is taken back and ends as [`Error::Timeout`](crate::Error::Timeout), within twice the time; counted |
//! | `max_retries` | 0 to 100 | 0 | a request that the device failed, in a way that another try may mend, is submitted again up to so often; counted |
//! | `fault` | repeatable | none | `fd_fail`: an eventfd cannot be made (`EMFILE`); `nomem`: a submission finds no memory; else a fault of the device ([`simaccel_device::FaultKind`]) |
//!
//! The device's keys are those of [`simaccel_device::Config`]. When a fault happens is said by the fields of
//! [`simaccel_device::Selection`], the same for all kinds: `fault=fd_fail:nth=3`.
//!
//! `timeout_msec` goes by the device's clock: the virtual one of a stepped device, where an alarm and no thread is
//! behind it, the real one of any other, where it costs a thread (`simaccel-watchdog`). Each try of `max_retries` has
//! its own time, and retries come before `fallback`. Both make the device work out of place, so that the input is
//! there for another try and to be given back.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use simaccel_device::{ConfigError, Fault};

use super::fault::FaultRule;

/// The engine's own keys.
const KEYS: &str = "delivery, fallback, offload_threshold, timeout_msec, max_retries, strict";

/// How jobs learn that their requests are done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeliveryMode {
    /// The device wakes each job: by its wait context's callback if one is set, by its wake fd otherwise.
    #[default]
    Wake,
    /// The device fills the completion ring; [`Engine::poll`](super::Engine::poll) reaps it. Callbacks are not called: the
    /// status of a context that has one is [`Unsupported`](crate::job::WaitStatus::Unsupported).
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

/// A whole number of at most `max`.
fn number(key: &'static str, value: &str, max: u32, allowed: &'static str) -> Result<u32, ConfigError> {
    let number = value.parse().ok().filter(|number| *number <= max);
    number.ok_or_else(|| refused(key, value, allowed))
}

pub(super) fn refused(key: &'static str, value: &str, allowed: &'static str) -> ConfigError {
    ConfigError::Value { key, value: value.to_owned(), allowed }
}

/// Configuration of an engine and the device behind it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    device: simaccel_device::Config,
    delivery: DeliveryMode,
    fallback: bool,
    offload_threshold: u32,
    strict: Option<bool>,
    timeout_msec: u32,
    max_retries: u32,
    faults: Vec<FaultRule>,
}

impl Config {
    /// The engine's own keys, separated by commas; the device's are [`simaccel_device::Config::KEYS`].
    pub const KEYS: &str = KEYS;

    /// Reads `key=value;key=value` on top of the defaults.
    ///
    /// # Errors
    /// The first key that is unknown, or the first value that is out of range, with what is allowed.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        for pair in simaccel_device::Config::pairs(text) {
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
                self.offload_threshold = number("offload_threshold", value, u32::MAX, allowed)?;
            }
            "timeout_msec" => {
                let allowed = "0 (off) to 3600000 (milliseconds)";
                self.timeout_msec = number("timeout_msec", value, 3_600_000, allowed)?;
            }
            "max_retries" => self.max_retries = number("max_retries", value, 100, "0 to 100")?,
            "strict" => self.strict = Some(switch("strict", value)?),
            "fault" => match FaultRule::parse(value)? {
                Some(rule) => self.faults.push(rule),
                None => self.device.faults.push(Fault::parse(value)?),
            },
            _ if self.device.set(key, value)? => {}
            _ => {
                let known = format!("{}, {KEYS}", simaccel_device::Config::KEYS);
                return Err(ConfigError::UnknownKey { key: key.to_owned(), known });
            }
        }
        Ok(())
    }

    /// The device's part.
    pub const fn device(&self) -> &simaccel_device::Config {
        &self.device
    }

    /// How jobs learn of completions.
    pub const fn delivery(&self) -> DeliveryMode {
        self.delivery
    }

    /// The same configuration with this delivery.
    #[must_use]
    pub const fn with_delivery(mut self, delivery: DeliveryMode) -> Self {
        self.delivery = delivery;
        self
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

    /// How long a request may take, by the device's clock; `None`: for ever.
    pub fn timeout(&self) -> Option<Duration> {
        (self.timeout_msec > 0).then(|| Duration::from_millis(self.timeout_msec.into()))
    }

    /// How often a request that the device failed is submitted again.
    pub const fn max_retries(&self) -> u32 {
        self.max_retries
    }

    /// Whether the input must outlive the device's work on it: it may be needed again.
    pub(crate) const fn keeps_input(&self) -> bool {
        self.fallback || self.timeout_msec > 0 || self.max_retries > 0 || self.device.is_modelled()
    }

    /// Whether the work may have to be done again, from the state that it began with.
    pub(crate) const fn may_repeat(&self) -> bool {
        self.fallback || self.max_retries > 0
    }

    /// Whether all there is to do about an operation is to submit it and to wait. Nothing else takes such a request back:
    /// that it was reaped is not written down.
    pub(crate) fn is_plain(&self) -> bool {
        let asks_for_more = self.keeps_input() || self.may_repeat() || !self.faults.is_empty();
        self.offload_threshold == 0 && !asks_for_more
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
        write!(f, ";timeout_msec={};max_retries={}", self.timeout_msec, self.max_retries)?;
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
        let text = " depth = 128 ; delivery=poll;fallback=on;offload_threshold=256;timeout_msec=250;max_retries=3;strict=off;fault=fd_fail:nth=3 ;fault=nomem:every=2 ";
        let config = Config::parse(text).unwrap();
        assert_eq!(
            (config.delivery(), config.fallback(), config.offload_threshold()),
            (DeliveryMode::Poll, true, 256)
        );
        assert_eq!(config.strict(), Some(false));
        assert_eq!((config.timeout(), config.max_retries()), (Some(Duration::from_millis(250)), 3));
        assert_eq!(Config::parse("timeout_msec=0").unwrap().timeout(), None);
        assert_eq!(Config::parse(&config.to_string()).unwrap(), config);
        assert_eq!(Config::parse("").unwrap(), Config::default());
    }

    #[test]
    fn the_input_is_kept_wherever_it_may_be_needed_again() {
        let kept = |text: &str| {
            let config = Config::parse(text).unwrap();
            (config.keeps_input(), config.may_repeat())
        };
        assert_eq!((kept(""), kept("mbps=100")), ((false, false), (true, false)));
        assert_eq!((kept("fallback=on"), kept("max_retries=1")), ((true, true), (true, true)));
        assert_eq!(kept("timeout_msec=1"), (true, false));
    }

    #[test]
    fn nonsense_is_refused_by_name_in_one_line() {
        let texts = [
            "colour=blue",
            "delivery=pigeon",
            "fallback=maybe",
            "offload_threshold=-1",
            "strict=very",
            "timeout_msec=3600001",
            "timeout_msec=1s",
            "max_retries=101",
            "depth=65",
            "depth",
            "fault=fire",
            "delivery=poll;delivery=wake",
            "strict=on;depth=2;strict=on",
            "fault=nomem:op=mac,op=digest",
            "fault=nomem:size=9..3",
        ];
        for text in texts {
            let message = Config::parse(text).unwrap_err().to_string();
            let name = text.split('=').next().unwrap();
            assert!(message.contains(name) && !message.contains('\n'), "{text}: {message}");
        }
    }
}
