//! Why there is no key of the device.

use simaccel::KeyError;

use crate::error::{Failure, Reason};
use crate::ossl::params::Mismatch;

/// Why there is no key of the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The default provider may have such keys.
    Elsewhere,
    /// No provider has.
    Wrong(&'static str),
}

impl From<Mismatch> for Refusal {
    fn from(_: Mismatch) -> Self {
        Self::Wrong("a parameter has another type")
    }
}

impl From<KeyError> for Refusal {
    /// The default provider decides about a key that the device refuses, and so about this one.
    fn from(_: KeyError) -> Self {
        Self::Elsewhere
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Elsewhere => Reason::Elsewhere.into(),
            Refusal::Wrong(why) => Self::new(Reason::BadKey, why),
        }
    }
}
