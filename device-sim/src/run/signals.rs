//! What a driver does after it has released its locks: announcements first, then acknowledgements.

use std::sync::Arc;

use crate::queue::announcements::Announcements;
use crate::queue::pair::Pair;
use crate::run::admin::Ack;

/// Kept for its memory between batches.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    pub(crate) announcements: Announcements,
    pub(crate) acks: Vec<Ack>,
}

impl Signals {
    /// Whether a thread that sleeps is told as well a moment later.
    pub(crate) const fn can_wait(&self) -> bool {
        !self.announcements.has_wakes() && self.acks.is_empty()
    }

    /// Sends everything. `pairs` are all those of the device, by index.
    pub(crate) fn send(&mut self, pairs: &[Arc<Pair>]) {
        self.announcements.send(pairs);
        self.acks.clear();
    }
}
