//! What the admin queue asks of a driver, and how everything in flight ends: by a reset, a fault, a panic, or
//! because the device closes.
//!
//! ```text
//!   commands ─► install, remove, change, sabotage        at once
//!            ─► drain                                    acknowledged when nothing is in flight
//!            ─► reset, die, stop ──┐
//!   a fault's ending ──────────────┼─► end_all: life ─► scheduled requests fail ─► rings are refused ─► publish
//!   a panic in a pass ─────────────┘
//! ```

use super::Driver;
use crate::kernels::wipe::wipe_stack;
use crate::message::status::Status;
use crate::model::plan::Ending;
use crate::queue::cell::Ticket;
use crate::queue::entry::{Announce, Head};
use crate::queue::pair::Life;
use crate::queue::port::Port;
use crate::run::admin::Command;
use crate::run::signals::Signals;
use crate::sync::barrier;
use crate::sync::bump;

impl Driver {
    /// Executes what was sent.
    pub(super) fn execute_commands(&mut self, signals: &mut Signals) {
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Install(id, installed) => self.core.install(id, installed),
                Command::Remove(id) => {
                    self.core.remove(id);
                    // A worker that is always busy does not get to it otherwise.
                    wipe_stack();
                }
                Command::Change(change, ack) => {
                    self.core.change(&change, self.now);
                    if change.limits {
                        self.ports.iter_mut().for_each(Port::forget_limit);
                    }
                    signals.acks.push(ack);
                }
                Command::Sabotage(sabotage) => self.core.sabotage(sabotage),
                Command::Drain(ack) => self.drains.push(ack),
                Command::Die => self.end_all(Life::Dead, Status::DeviceDead, signals),
                Command::Reset(ack) => {
                    self.end_all(Life::Open, Status::Reset, signals);
                    let waiting = if self.core.is_ending() { &mut self.resets } else { &mut signals.acks };
                    waiting.push(ack);
                }
                Command::Stop => self.end_all(Life::Closed, Status::Closed, signals),
            }
        }
    }

    /// Requests that are admitted already keep their place before the end.
    pub(super) fn end_by_fault(&mut self, ending: Ending, signals: &mut Signals) {
        match ending {
            Ending::Reset => {
                bump(&self.counters.resets, 1);
                self.end_all(Life::Open, ending.status(), signals);
            }
            Ending::Dead => {
                self.admin.note_death();
                self.end_all(Life::Dead, ending.status(), signals);
            }
        }
    }

    /// After a panic: its request ends with [`Status::DeviceDead`], and so does everything until a reset.
    pub(super) fn die(&mut self, signals: &mut Signals) {
        self.admin.died(self.number);
        // It may have panicked while it published.
        self.core.ready.forget_finished();
        self.core.end_panicked();
        self.end_all(Life::Dead, Status::DeviceDead, signals);
    }

    /// Ends everything in flight with `status`; ready requests keep their own.
    pub(super) fn end_all(&mut self, life: Life, status: Status, signals: &mut Signals) {
        if self.life == Life::Closed {
            return;
        }
        self.life = life;
        self.ports.iter().for_each(|port| port.pair.set_life(life));
        // Between the word and the last look at the rings, like the doorbell's fence on the other side.
        barrier::heavy();
        self.core.fail_scheduled(status);
        for index in 0..self.ports.len() {
            self.refuse_all(index, status);
            if life == Life::Closed {
                self.evict_all(index, status);
            }
        }
        self.publish(signals);
        self.ports.iter_mut().for_each(Port::forget_freed);
        // Jobs whose requests have ended are dropped.
        self.hand_out();
        self.ports.iter_mut().for_each(|port| port.announce(&mut signals.announcements));
    }

    /// The device closes: parked requests will not get a slot. The completion ring has no room for them, so
    /// polled ones end without a completion.
    fn evict_all(&mut self, index: usize, status: Status) {
        loop {
            let pair = &self.ports[index].pair;
            let Some((ticket, announce)) = pair.slots.evict(&pair.slab) else { return };
            let announce =
                if matches!(announce, Announce::Reap { .. }) { Announce::Silent } else { announce };
            if !self.refuse(index, ticket, announce, status) {
                self.discard(index);
            }
        }
    }

    fn refuse_all(&mut self, index: usize, status: Status) {
        while let Some(Head { ticket, announce, .. }) = self.ports[index].next() {
            if !self.refuse(index, ticket, announce, status) {
                self.discard(index);
            }
        }
    }

    fn refuse(&mut self, index: usize, ticket: Ticket, announce: Announce, status: Status) -> bool {
        let arrived = self.ports[index].pair.slab.submitted(ticket);
        self.core.refuse(index, ticket, announce, status, arrived)
    }
}
