//! Sessions: algorithm, key and options, prepared once and used by many requests.

/// Names a session of one device; stale ids are refused with [`crate::Status::InvalidSession`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionId {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}
