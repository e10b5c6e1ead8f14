//! What a provider offers in one library context: the algorithms of each operation, as libcrypto reads them.

use std::ffi::c_int;

use crate::ossl::types::Algorithm;

/// The algorithms by operation; each list ends with [`Algorithm::END`].
#[derive(Debug)]
pub(crate) struct Offered(Vec<(c_int, Box<[Algorithm]>)>);

impl Offered {
    pub(crate) const fn new(lists: Vec<(c_int, Box<[Algorithm]>)>) -> Self {
        Self(lists)
    }

    /// The algorithms of an operation, which end with [`Algorithm::END`]; null where there are none.
    pub(crate) fn of(&self, operation: c_int) -> *const Algorithm {
        let list = self.0.iter().find(|(known, list)| *known == operation && list.len() > 1);
        list.map_or(std::ptr::null(), |(_, list)| list.as_ptr())
    }
}
