//! What an operation of generated load is: an algorithm, and which of its operations.
//!
//! ```text
//!   the device's table ──► Work::all ─┬─► names: --alg, --mix, --list, the help, error lines
//!                                     └─► what a lane holds, and which session runs it
//! ```

use std::fmt;

use simaccel_device::{Algorithm, Operation};

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Work {
    pub(crate) algorithm: Algorithm,
    pub(crate) operation: Operation,
}

impl Work {
    /// All that the device can do, in the order of its table.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        Algorithm::SYMMETRIC.iter().map(|&algorithm| Self::usual(algorithm))
    }

    /// What an algorithm is mostly used for: the first operation of the table.
    pub(crate) const fn usual(algorithm: Algorithm) -> Self {
        Self { algorithm, operation: algorithm.operations()[0] }
    }

    /// What a name stands for.
    pub(crate) fn parse(name: &str) -> Result<Self, String> {
        let known = |algorithm: &Algorithm| Algorithm::SYMMETRIC.contains(algorithm);
        let algorithm = name.parse().ok().filter(known);
        let algorithm = algorithm.ok_or_else(|| format!("allowed are {}", Self::names()))?;
        Ok(Self::usual(algorithm))
    }

    /// Every name that the help lists.
    pub(crate) fn names() -> String {
        Self::all().map(|work| work.to_string()).collect::<Vec<_>>().join(", ")
    }
}

/// As `--alg` takes it.
impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.algorithm.name())
    }
}
