//! What the limit of a device does with a request that it has no tokens for.

use std::fmt;
use std::str::FromStr;

use crate::config::error::ConfigError;
use crate::config::grammar;

/// What happens to a request that the device's limit has no tokens for.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LimitMode {
    /// It waits in the device, before all its other stations.
    #[default]
    Delay,
    /// Its submission is refused, as by a full ring.
    Busy,
}

impl LimitMode {
    pub(crate) const ALLOWED: &str = "delay or busy";
}

impl fmt::Display for LimitMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Delay => "delay",
            Self::Busy => "busy",
        })
    }
}

impl FromStr for LimitMode {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        match text {
            "delay" => Ok(Self::Delay),
            "busy" => Ok(Self::Busy),
            _ => Err(grammar::refused("limit", text, Self::ALLOWED)),
        }
    }
}
