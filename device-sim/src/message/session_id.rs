//! The id of a session in a request.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// Names a session of one device; stale ids, and those of another device, are refused with
/// [`Status::InvalidSession`](crate::Status::InvalidSession).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId {
    /// Number (38), unique for each session of the process | index (26). One word, so that a plain request
    /// and its claim word share a cache line.
    word: u64,
}

const INDEX_BITS: u32 = 26;

impl SessionId {
    /// No session of any device; for requests that go to [`Session::execute`](crate::Session::execute)
    /// directly.
    pub const NONE: Self = Self { word: u64::MAX };
    /// The most sessions of a device at a time.
    pub(crate) const MOST: u32 = (1 << INDEX_BITS) - 1;

    /// The id of the session at this index, which is below [`SessionId::MOST`].
    pub(crate) fn new(index: u32) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self::at(index, NEXT.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) const fn at(index: u32, number: u64) -> Self {
        Self { word: number << INDEX_BITS | index as u64 }
    }

    #[inline]
    pub(crate) const fn index(self) -> u32 {
        (self.word & 0x3ff_ffff) as u32
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({}/{})", self.index(), self.word >> INDEX_BITS)
    }
}
