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
    pub(crate) interrupts: u64,
    /// The same, where the interrupts were raised and the alerts, which call foreign code, are still to come.
    alerts: u64,
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
        self.alerts |= raised;
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
        for index in bits(mem::take(&mut self.alerts)) {
            pairs[index].interrupts.alert();
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

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::task::{Wake, Waker};

    use super::*;
    use crate::queue::alert::Alert;
    use crate::queue::cell::Slab;
    use crate::queue::doorbell::Doorbell;
    use crate::queue::ring::ring;

    #[derive(Default)]
    struct Calls(AtomicUsize);

    impl Wake for Calls {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn interrupts_are_raised_in_the_middle_of_a_pass_and_alerts_after_it() {
        let (slab, doorbell) = (Slab::new(2).0, Arc::new(Doorbell::default()));
        let pairs = [Arc::new(Pair::new(0, 2, slab, doorbell, ring(2).0.view(), None))];
        let calls = Arc::new(Calls::default());
        let alert = Alert::new(Waker::from(Arc::clone(&calls)));
        pairs[0].interrupts.attach_alert(Arc::clone(&alert));
        alert.arm();
        let mut announcements = Announcements { interrupts: 1, ..Announcements::default() };
        announcements.raise(pairs.iter().map(|pair| &**pair));
        assert_eq!((announcements.has_interrupts(), calls.0.load(Ordering::Relaxed)), (false, 0));
        announcements.send(&pairs);
        assert_eq!(calls.0.load(Ordering::Relaxed), 1);
        announcements.send(&pairs);
        assert_eq!(calls.0.load(Ordering::Relaxed), 1, "once");
    }
}
