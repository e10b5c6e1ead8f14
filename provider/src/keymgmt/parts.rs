//! What keys consist of, whichever algorithm they are of.

use super::ec::EcParts;
use super::raw::RawParts;
use super::rsa::RsaParts;
use super::selection::Selection;
use super::spec::Spec;
use crate::ossl::list::List;
use crate::ossl::params::{Mismatch, Wanted};

/// What a key consists of.
#[derive(Clone, Debug)]
pub(super) enum Parts {
    Rsa(RsaParts),
    Ec(EcParts),
    Raw(RawParts),
}

impl Parts {
    /// `None`: there is no such thing.
    pub(super) fn export(&self, spec: &Spec, selection: Selection) -> Option<List> {
        match (self, spec.raw()) {
            (Self::Rsa(parts), _) => parts.export(selection),
            (Self::Ec(parts), _) => parts.export(selection),
            (Self::Raw(parts), raw) => parts.export(raw?, selection),
        }
    }

    pub(super) fn has(&self, selection: Selection) -> bool {
        match self {
            Self::Rsa(parts) => parts.has(selection),
            Self::Ec(parts) => parts.has(selection),
            Self::Raw(parts) => parts.has(selection),
        }
    }

    pub(super) fn matches(&self, other: &Self, selection: Selection) -> bool {
        match (self, other) {
            (Self::Rsa(parts), Self::Rsa(others)) => parts.matches(others, selection),
            (Self::Ec(parts), Self::Ec(others)) => parts.matches(others, selection),
            (Self::Raw(parts), Self::Raw(others)) => parts.matches(others, selection),
            _ => false,
        }
    }

    pub(super) fn give(&self, spec: &Spec, wanted: &mut Wanted<'_>) -> Result<(), Mismatch> {
        match (self, spec.raw()) {
            (Self::Rsa(parts), _) => parts.give(wanted),
            (Self::Ec(parts), _) => parts.give(wanted),
            (Self::Raw(parts), raw) => raw.map_or(Ok(()), |raw| parts.give(raw, wanted)),
        }
    }
}
