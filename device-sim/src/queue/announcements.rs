//! The announcements of a batch: sent when results are published and no lock is held, because they may call
//! foreign code.

use std::mem;
use std::sync::Arc;

use crate::queue::cell::Ticket;
use crate::queue::entry::Announce;
use crate::queue::pair::Pair;
use crate::sync::{Ordering, fence};

/// Announcements to send after results are published: they may call foreign code.
#[derive(Debug, Default)]
pub(crate) struct Announcements {
    /// Bit `i`: queue pair `i` has completions to be reaped.
    pub(super) interrupts: u64,
    pub(super) wakes: Vec<(usize, Ticket)>,
    /// Spurious wakes; they are sent first.
    pub(crate) spurious: Vec<(usize, Ticket, Announce)>,
}

impl Announcements {
    #[inline]
    pub(crate) const fn has_interrupts(&self) -> bool {
        self.interrupts != 0
    }

    /// Raises the interrupts only, which calls no foreign code. `pairs` are all those of the device.
    pub(crate) fn raise<'a>(&mut self, pairs: impl Iterator<Item = &'a Pair>) {
        fence(Ordering::SeqCst);
        let raised = mem::take(&mut self.interrupts);
        pairs.filter(|pair| raised & 1 << pair.index() != 0).for_each(Pair::raise_interrupts);
    }

    /// Whether there are wakes, each of which takes a while.
    pub(crate) const fn has_wakes(&self) -> bool {
        !self.wakes.is_empty() || !self.spurious.is_empty()
    }

    /// Sends everything. `pairs` are all those of the device, by index.
    pub(crate) fn send(&mut self, pairs: &[Arc<Pair>]) {
        if !self.spurious.is_empty() {
            self.send_spurious(pairs);
        }
        if self.has_interrupts() {
            self.raise(pairs.iter().map(|pair| &**pair));
        }
        if !self.wakes.is_empty() {
            for (pair, ticket) in self.wakes.drain(..) {
                pairs[pair].send_wake(ticket);
            }
        }
    }

    #[cold]
    fn send_spurious(&mut self, pairs: &[Arc<Pair>]) {
        for (pair, ticket, announce) in self.spurious.drain(..) {
            pairs[pair].send_spurious(ticket, announce);
        }
    }
}

/// The positions of the ones; there are at most 64 queue pairs.
pub(crate) fn bits(mut mask: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let index = mask.checked_ilog2()?;
        mask ^= 1 << index;
        Some(index as usize)
    })
}
