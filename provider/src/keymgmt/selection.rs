//! The parts of a key that a call is about.

use std::ffi::c_int;

use crate::ossl::ids::{
    KEYMGMT_SELECT_DOMAIN_PARAMETERS, KEYMGMT_SELECT_OTHER_PARAMETERS, KEYMGMT_SELECT_PRIVATE_KEY,
    KEYMGMT_SELECT_PUBLIC_KEY,
};

/// `OSSL_KEYMGMT_SELECT_*`, added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Selection(pub(super) c_int);

impl Selection {
    /// All parts.
    pub(super) const ALL: Self = Self(
        KEYMGMT_SELECT_PRIVATE_KEY
            | KEYMGMT_SELECT_PUBLIC_KEY
            | KEYMGMT_SELECT_DOMAIN_PARAMETERS
            | KEYMGMT_SELECT_OTHER_PARAMETERS,
    );

    /// The public key.
    pub(super) const PUBLIC: Self = Self(KEYMGMT_SELECT_PUBLIC_KEY);

    pub(super) const fn has_private(self) -> bool {
        self.0 & KEYMGMT_SELECT_PRIVATE_KEY != 0
    }

    pub(super) const fn has_public(self) -> bool {
        self.0 & KEYMGMT_SELECT_PUBLIC_KEY != 0
    }

    /// Whether it has one of both.
    pub(super) const fn has_pair(self) -> bool {
        self.has_private() || self.has_public()
    }

    pub(super) const fn has_domain(self) -> bool {
        self.0 & KEYMGMT_SELECT_DOMAIN_PARAMETERS != 0
    }

    pub(super) const fn has_others(self) -> bool {
        self.0 & KEYMGMT_SELECT_OTHER_PARAMETERS != 0
    }
}
