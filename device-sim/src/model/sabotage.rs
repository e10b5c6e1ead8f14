//! Sabotage: a modelled device that is silently wrong, for tests of the checks that must detect it.
//!
//! A fault ([`crate::FaultKind`]) is counted, so a check can account for it. Sabotage is a bug: no counter
//! knows of it.

use std::sync::Arc;
use std::task::{Wake, Waker};

use crate::message::request::Request;
use crate::queue::cell::{Slab, Ticket};
use crate::queue::ready::Flags;

/// What is broken, in every seventh request.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// It is done, and its wake gets lost.
    LostCompletion,
    /// Its wake is sent twice.
    DoubleCompletion,
    /// A byte of its text is wrong.
    WrongByte,
}

const EVERY: u64 = 7;

/// Sabotage at work.
#[derive(Debug)]
pub(crate) struct Saboteur {
    sabotage: Sabotage,
    seen: u64,
}

impl Saboteur {
    pub(crate) const fn new(sabotage: Sabotage) -> Self {
        Self { sabotage, seen: 0 }
    }

    fn is_hit(&mut self) -> bool {
        self.seen += 1;
        self.seen.is_multiple_of(EVERY)
    }

    /// Called when a request was computed.
    pub(crate) fn worked(&mut self, request: &mut Request) {
        let gives_text = request.operation.output().has_text();
        if self.sabotage == Sabotage::WrongByte && gives_text && self.is_hit() {
            let text = request.destination.as_mut().unwrap_or(&mut request.buffer);
            text.iter_mut().take(1).for_each(|byte| *byte ^= 1);
        }
    }

    /// Called when a request is due.
    pub(crate) fn due(&mut self, flags: &mut Flags, slab: &Slab, ticket: Ticket) {
        let sabotage = self.sabotage;
        match sabotage {
            Sabotage::LostCompletion if self.is_hit() => {
                flags.is_secret = !flags.drop_wake;
                flags.drop_wake = true;
            }
            Sabotage::DoubleCompletion if self.is_hit() => {
                let twice = slab.copy_waker(ticket).map(|waker| Waker::from(Arc::new(Twice(waker))));
                let replaced = twice.map(|waker| slab.replace_waker(ticket, waker));
                drop(replaced);
            }
            _ => {}
        }
    }
}

/// Calls its waker twice.
struct Twice(Waker);

impl Wake for Twice {
    fn wake(self: Arc<Self>) {
        // By value, both times: a wake by reference is a spurious one.
        [self.0.clone(), self.0.clone()].into_iter().for_each(Waker::wake);
    }
}
