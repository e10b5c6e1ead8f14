//! Whether a device has a model of time.

use std::fmt;
use std::str::FromStr;

use super::{ConfigError, grammar};

/// Whether a device has a model of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ModelMode {
    /// If anything needs it: a service time, a station, an order, coalescing, or a fault.
    #[default]
    Auto,
    /// In any case, so that the device can be changed while it runs
    /// ([`Device::reconfigure`](crate::Device::reconfigure)).
    On,
}

impl ModelMode {
    const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::On => "on",
        }
    }
}

impl fmt::Display for ModelMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ModelMode {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let found = [Self::Auto, Self::On].into_iter().find(|mode| mode.name() == text);
        found.ok_or_else(|| grammar::refused("model", text, "auto or on"))
    }
}
