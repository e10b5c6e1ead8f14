//! How many operations share a reading of the clock: one costs as much as a third of an operation.
//!
//! ```text
//!   clock     read                        read                            read
//!   thread      │ start, start, ...         │ resume, resume, ...           │ count and check all that ended ─► again
//!               └ the beginning of each     ┊ (the event loop may wait)     └ the end of each
//! ```
//!
//! So a latency is never too short, and too long by at most what the others of both groups took: their
//! starts ahead of its own, their resumptions behind its own. A group has up to [`MOST`] operations, and
//! fewer where they take long, as where jobs compute in software. One in flight has readings of its own.

use std::time::Duration;

/// The most that share a reading.
const MOST: usize = 8;

/// A group that takes longer than this makes the next one smaller.
const LONG: Duration = Duration::from_micros(4);

pub(crate) struct Shared {
    most: usize,
}

impl Shared {
    pub(crate) const fn new() -> Self {
        Self { most: MOST }
    }

    /// How many may share the next reading.
    pub(crate) const fn most(&self) -> usize {
        self.most
    }

    /// A group has taken so long.
    pub(crate) fn took(&mut self, time: Duration) {
        if time > LONG {
            self.most = (self.most / 2).max(1);
        } else if time < LONG / 2 {
            self.most = (self.most * 2).min(MOST);
        }
    }
}
