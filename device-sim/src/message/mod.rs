//! What crosses between host and device: requests, and the names of what the device can do. A leaf: it knows
//! only `std`.

pub(crate) mod algorithm;
pub(crate) mod argument;
pub(crate) mod call;
pub(crate) mod cost;
pub(crate) mod key_algorithm;
pub(crate) mod key_arguments;
pub(crate) mod key_error;
pub(crate) mod lengths;
pub(crate) mod mode;
pub(crate) mod names;
pub(crate) mod operation;
pub(crate) mod parameters;
pub(crate) mod piece;
pub(crate) mod request;
pub(crate) mod session_id;
pub(crate) mod shape;
pub(crate) mod status;
mod table;
pub(crate) mod tag;
pub(crate) mod view;
pub mod words;

pub(crate) use table::with_algorithms;
