//! The other workers of a modelled device, from the first worker's side: what they get, and what comes back. The
//! picture is at the head of `run/hand_over.rs`.

use super::Driver;
use crate::message::status::Status;
use crate::model::job::Outcome;
use crate::queue::pair::Life;
use crate::run::hand_over::Others;
use crate::run::signals::Signals;

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
            self.core.returned(&returned);
            if returned.outcome == Outcome::Panicked && self.life == Life::Open {
                self.admin.died(self.number);
                self.end_all(Life::Dead, Status::DeviceDead, signals);
            }
        }
        if happened {
            self.hand_out();
            self.publish(signals);
            if !self.core.is_ending() {
                signals.acks.append(&mut self.resets);
            }
        }
        happened
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
            backlog.room = others.room();
        }
    }
}
