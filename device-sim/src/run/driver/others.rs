//! The other workers of a modelled device, from the first worker's side: what they get, and what comes back.
//! The picture is at the head of `run/hand_over.rs`.

use std::mem;

use super::Driver;
use crate::message::status::Status;
use crate::model::job::{Outcome, Returned};
use crate::queue::pair::Life;
use crate::run::hand_over::Others;
use crate::run::signals::Signals;
use crate::sync::bump;

impl Driver {
    /// Lets other workers compute, too.
    pub(crate) fn employ(&mut self, others: Others) {
        self.core.hand_over();
        self.others = Some(others);
        self.hand_out();
    }

    /// Takes what the other workers have computed, and gives them more.
    pub(super) fn collect(&mut self, signals: &mut Signals) -> bool {
        let mut happened = false;
        while let Some(returned) = self.others.as_mut().and_then(Others::receive) {
            happened = true;
            self.note_returned(returned, signals);
        }
        if happened {
            self.end_returned(signals);
        }
        happened
    }

    /// With nothing else to do, computes what no other worker has begun.
    pub(super) fn help(&mut self, signals: &mut Signals) -> bool {
        let Some(job) = self.others.as_mut().and_then(Others::take_back) else { return false };
        if signals.announcements.has_interrupts() {
            // Threads that sleep do not wait for it.
            signals.announcements.raise(self.ports.iter().map(|port| &*port.pair));
        }
        let returned = self.core.compute(job);
        bump(&self.counters.workers[0].computed, mem::take(&mut self.core.computed));
        self.note_returned(returned, signals);
        self.end_returned(signals);
        true
    }

    fn note_returned(&mut self, returned: Returned, signals: &mut Signals) {
        let has_panicked = returned.outcome == Outcome::Panicked;
        // A computation that a reset has ended is not the end of the device after it.
        let was_ended = self.core.returned(returned);
        if has_panicked && !was_ended && self.life == Life::Open {
            self.admin.died(self.number);
            self.end_all(Life::Dead, Status::DeviceDead, signals);
        }
    }

    fn end_returned(&mut self, signals: &mut Signals) {
        self.hand_out();
        self.publish(signals);
        if !self.core.is_ending() {
            signals.acks.append(&mut self.resets);
        }
    }

    /// Gives the other workers what they have room for.
    pub(super) fn hand_out(&mut self) {
        let Some(others) = &mut self.others else { return };
        self.core.sweep_backlog();
        while others.room() > 0
            && let Some(job) = self.core.next_job()
        {
            others.send(job);
        }
        if let Some(backlog) = &mut self.core.backlog {
            backlog.room = others.room_beside_long();
        }
    }
}
