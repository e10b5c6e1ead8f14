//! The real work.

/// The state of a multi-part message between its pieces.
#[derive(Debug)]
pub struct StreamState {}
