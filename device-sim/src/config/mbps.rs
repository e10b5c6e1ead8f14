//! Rates with a fraction, exactly.

use std::fmt;

use super::grammar;

/// A rate in 10^6 bytes a second, with up to three decimals: 0.001 to 1,000,000, or 0, at which size does not
/// matter. A whole number converts; [`Mbps::thousandths`] makes any other.
///
/// ```
/// use simaccel_device::{Config, Mbps};
///
/// let config = Config::builder().mbps(Mbps::thousandths(62_500)).build()?;
/// assert_eq!(config, Config::parse("mbps=62.5")?);
/// assert_eq!(Config::builder().mbps(67).build()?.mbps(), Mbps::from(67));
/// # Ok::<(), simaccel_device::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mbps(u64);

impl Mbps {
    /// Size does not matter.
    pub const NONE: Self = Self(0);

    /// The largest: 1,000,000.
    const MOST: Self = Self(1_000_000_000);

    /// This many 10^3 bytes a second.
    pub const fn thousandths(thousandths: u64) -> Self {
        Self(thousandths)
    }

    /// In 10^3 bytes a second.
    pub const fn in_thousandths(self) -> u64 {
        self.0
    }

    /// As in a configuration. `None`: this is none, or too large.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        grammar::thousandths(text).map(Self).filter(|mbps| *mbps <= Self::MOST)
    }
}

/// This many 10^6 bytes a second.
impl From<u64> for Mbps {
    fn from(mbps: u64) -> Self {
        Self(mbps.saturating_mul(1_000))
    }
}

/// As in a configuration: `62.5`.
impl fmt::Display for Mbps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        grammar::write_thousandths(f, self.0)
    }
}
