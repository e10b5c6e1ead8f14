//! What can be changed while a device runs.
//!
//! ```text
//!   text ──► items ──► each may be changed? ──► the configuration in force, with them ──► check() ──► the device
//! ```

use super::grammar::{Items, Key};
use super::{Config, ConfigError, Shown};
use crate::model::fault::Fault;

/// Why a device cannot be changed. Nothing has changed then.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// A key or a value is not one, or does not fit the others.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The key is decided when a device is opened.
    #[error(
        "{} is decided when a device is opened: what can be changed while it runs is {allowed}",
        Shown(key)
    )]
    Fixed {
        /// Its name.
        key: String,
        /// The keys that can be changed, separated by commas.
        allowed: String,
    },
    /// This process inherited the device across a fork.
    #[error("the device belongs to the parent process")]
    Forked,
    /// The device was opened without anything that it would have to model.
    #[error("an ideal device has no model that could be changed: open it with model=on")]
    Ideal,
}

/// The keys that can be changed, by the part of the model that they belong to.
const FAULTS: &[&str] = &["fault"];
const SERVICE: &[&str] = &["completion_nsec", "mbps", "latency_dist", "service", "warmup"];
const STATIONS: &[&str] = &["firmware_nsec", "link_mbps", "link_nsec", "batch", "batch_nsec", "arbitration"];
const LIMITS: &[&str] = &["ops_limit", "ops_burst", "bytes_limit", "bytes_burst", "limit"];

/// The value of a repeatable key that removes all its values.
const NONE: &str = "none";

/// A configuration that comes into force while its device runs, and what is new in it.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) config: Config,
    /// The fault plan, which starts again.
    pub(crate) faults: bool,
    /// The service times, which start again.
    pub(crate) service: bool,
    /// What the stations are.
    pub(crate) stations: bool,
    /// The token buckets, which are full.
    pub(crate) limits: bool,
}

impl Config {
    /// The names of the keys that can be changed while a device runs
    /// ([`Device::reconfigure`](crate::Device::reconfigure)).
    pub fn changeable() -> impl Iterator<Item = &'static str> {
        [FAULTS, SERVICE, STATIONS, LIMITS].into_iter().flatten().copied()
    }

    /// These items on top of this configuration.
    pub(crate) fn change(&self, text: &str) -> Result<Change, ChangeError> {
        let items = Items::parse(text)?;
        let mut config = self.clone();
        for (key, _) in items.iter() {
            Self::may_change(key)?;
        }
        let (faults, services) = (items.has("fault"), items.has("service"));
        if faults {
            config.faults.clear();
        }
        if services {
            config.services.clear();
        }
        let is_none = |key: &str, value: &str| ["fault", "service"].contains(&key) && value == NONE;
        for (key, value) in items.iter().filter(|(key, value)| !is_none(key, value)) {
            config.set(key, value)?;
        }
        config.check()?;
        let differs = |keys| self.values(keys) != config.values(keys);
        // A file may have changed.
        let service = services || differs(SERVICE);
        let (stations, limits) = (differs(STATIONS), differs(LIMITS));
        Ok(Change { config, faults, service, stations, limits })
    }

    /// These faults in place of all others.
    pub(crate) fn with_faults(&self, faults: &[Fault]) -> Result<Change, ChangeError> {
        // Typed values are checked by the rules that hold for text.
        let parsed = faults.iter().map(|fault| Fault::parse(&fault.to_string())).collect::<Result<_, _>>()?;
        let config = Self { faults: parsed, ..self.clone() };
        config.check()?;
        Ok(Change { config, faults: true, service: false, stations: false, limits: false })
    }

    fn may_change(key: &str) -> Result<(), ChangeError> {
        if Self::changeable().any(|name| name == key) {
            return Ok(());
        }
        let known = Self::KEYS.iter().any(|known| known.name == key);
        if known {
            let allowed = Self::changeable().collect::<Vec<_>>().join(", ");
            return Err(ChangeError::Fixed { key: key.to_owned(), allowed });
        }
        let known = Key::names(Self::KEYS);
        Err(ConfigError::UnknownKey { key: key.to_owned(), known }.into())
    }

    /// Values of these keys, as displayed.
    fn values(&self, keys: &[&str]) -> Vec<(String, String)> {
        let items = Items::parse(&self.to_string()).unwrap_or_default();
        let of_keys = items.iter().filter(|(key, _)| keys.contains(key));
        of_keys.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }
}
