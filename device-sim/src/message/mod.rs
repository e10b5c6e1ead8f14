//! What crosses between host and device: requests, and the names of what the device can do. A leaf: it knows only `std`.

pub(crate) mod algorithm;
pub(crate) mod operation;
pub(crate) mod request;
