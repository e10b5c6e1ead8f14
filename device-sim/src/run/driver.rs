//! Joins the core to the queue pairs: pops entries, updates counters, publishes. Worker threads and the
//! stepped device run this same code; they differ in where the time comes from.
//!
//! ```text
//!   per queue pair, in turn:   fetch from the ring ─► admin commands ─► admit a batch ─► publish
//!                              the ring is empty, a slot is free ─► admit from the FIFO ─► publish
//!
//!   publish, in this order:    counters, free slots ─► DONE in each cell ─► completion ring      (inside)
//!                              fence ─► interrupts ─► wakes                                      (signals, outside)
//! ```
//!
//! Admin commands are read after the ring or the parked requests were, and before an entry is executed. A
//! session is sent before its id is known to any caller, so whatever names it comes later in every queue.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crossbeam_channel::Receiver;

use crate::config::Config;
use crate::kernels::wipe::wipe_stack;
use crate::message::operation::Operation;
use crate::message::status::Status;
use crate::model::pipeline::Core;
use crate::model::plan::Ending;
use crate::queue::announcements::bits;
use crate::queue::cell::Ticket;
use crate::queue::entry::Announce;
use crate::queue::pair::Life;
#[cfg(all(test, loom))]
use crate::queue::pair::Pair;
use crate::queue::port::Port;
use crate::queue::ready::Ready;
use crate::run::admin::{Ack, Admin, Command};
use crate::run::clock::Clock;
use crate::run::signals::Signals;
use crate::stats::ModelCounters;
use crate::stats::timing::Timing;
use crate::sync::barrier;
use crate::sync::bump;

/// Parked requests that are admitted before it is the next queue pair's turn.
const PARKED_BATCH: usize = 32;
/// Bytes of input after which a batch is published and its wakes are sent, so that results do not wait for
/// later requests.
const BATCH_BYTES: u64 = 16 * 1024;
/// The same when so many entries wait that those of a batch are a small part: a caller with that many in
/// flight waits for all of them most of the time, and publishing costs the device some 60 ns.
const DEEP_BATCH_BYTES: u64 = 64 * 1024;
const DEEP: u64 = 16;

/// A core, its ports and its admin queue.
#[derive(Debug)]
pub(crate) struct Driver {
    core: Core,
    ports: Vec<Port>,
    commands: Receiver<Command>,
    admin: Arc<Admin>,
    /// Which of the device's admin queues is its own.
    number: usize,
    commands_seen: u64,
    /// The queue pair whose turn is next.
    next: usize,
    /// Bit `i`: port `i` has something to publish.
    touched: u64,
    life: Life,
    drains: Vec<Ack>,
    /// The time of this pass.
    now: u64,
    /// The clock, if the work itself is timed.
    stopwatch: Option<Clock>,
    counters: Arc<ModelCounters>,
}

impl Driver {
    pub(crate) fn new(
        config: &Config,
        ports: Vec<Port>,
        number: usize,
        commands: Receiver<Command>,
        admin: Arc<Admin>,
        clock: &Clock,
        counters: &Arc<ModelCounters>,
    ) -> Self {
        let slabs = ports.iter().map(|port| Arc::clone(&port.pair.slab)).collect();
        let timed = config.timing != Timing::Off && !config.is_modelled();
        let stopwatch = timed.then(|| clock.clone());
        Self {
            core: Core::new(config, slabs, counters),
            ports,
            commands,
            admin,
            number,
            commands_seen: 0,
            next: 0,
            touched: 0,
            life: Life::Open,
            drains: Vec::new(),
            now: 0,
            stopwatch,
            counters: Arc::clone(counters),
        }
    }

    /// Whether this driver has stopped: everything has ended, and nothing more is taken.
    pub(crate) fn is_closed(&self) -> bool {
        self.life == Life::Closed
    }

    #[cfg(all(test, loom))]
    pub(crate) fn doorbell(&self) -> Arc<crate::queue::doorbell::Doorbell> {
        Arc::clone(&self.ports[0].pair.doorbell)
    }

    #[cfg(all(test, loom))]
    pub(crate) fn pair(&self) -> Arc<Pair> {
        Arc::clone(&self.ports[0].pair)
    }

    pub(crate) fn is_modelled(&self) -> bool {
        self.core.is_modelled()
    }

    /// When the next request is due, or the next announcement, in nanoseconds.
    pub(crate) fn next_due(&self) -> Option<u64> {
        let announcement = self.ports.iter().filter_map(Port::next_due).min();
        self.core.next_due().into_iter().chain(announcement).min()
    }

    /// Whether an entry or a command waits at this moment.
    pub(crate) fn has_work(&self) -> bool {
        self.admin.sent(self.number) != self.commands_seen || self.ports.iter().any(Port::has_work)
    }

    /// Runs one of the following; a panic in it leaves the device dead. `true`: something happened.
    pub(crate) fn catch_panic(
        &mut self,
        signals: &mut Signals,
        f: impl FnOnce(&mut Self, &mut Signals) -> bool,
    ) -> bool {
        let outcome = catch_unwind(AssertUnwindSafe(|| f(self, signals)));
        outcome.unwrap_or_else(|_| {
            self.die(signals);
            true
        })
    }

    /// Publishes what is due, then admits. `true`: something happened.
    pub(crate) fn pass(&mut self, now: u64, signals: &mut Signals) -> bool {
        let delivered = self.deliver(now, signals);
        self.admit(now, signals) || delivered
    }

    /// Publishes and announces what is due at `now`.
    pub(crate) fn deliver(&mut self, now: u64, signals: &mut Signals) -> bool {
        self.now = now;
        self.core.deliver(now);
        let published = self.publish(signals);
        let announce =
            |announced, port: &mut Port| port.announce_due(now, &mut signals.announcements) || announced;
        self.ports.iter_mut().fold(published, announce)
    }

    /// Executes commands and gives the queue pairs their turns, until each had one or a batch is full; the
    /// next call continues where this one ends.
    pub(crate) fn admit(&mut self, now: u64, signals: &mut Signals) -> bool {
        self.now = now;
        self.run_commands(signals);
        let mut happened = false;
        let mut bytes = 0;
        for _ in 0..self.ports.len() {
            if let Some(worked_on) = self.turn(self.next, signals) {
                happened = true;
                bytes += worked_on;
            }
            self.next = (self.next + 1) % self.ports.len();
            if bytes >= BATCH_BYTES {
                break;
            }
        }
        self.acknowledge_drains(signals);
        happened
    }

    /// One queue pair's turn; returns the bytes computed. `None`: nothing was submitted.
    fn turn(&mut self, index: usize, signals: &mut Signals) -> Option<u64> {
        if !self.ports[index].fetch() {
            return self.admit_parked(index, signals);
        }
        if self.run_commands(signals) {
            // It may have ended everything; the rest is looked at afresh.
            return Some(0);
        }
        let enough = self.enough(index);
        let mut bytes = 0;
        while bytes < enough
            && let Some((ticket, announce)) = self.ports[index].next_fetched()
        {
            let arrived = self.submitted(index, ticket);
            bytes += self.admit_ticket(index, ticket, announce, arrived, signals);
        }
        self.publish(signals);
        Some(bytes)
    }

    /// How many bytes of input are enough for a batch of this queue pair. With modelled time a batch has one
    /// time, and must not take long.
    fn enough(&self, index: usize) -> u64 {
        let is_deep = !self.is_modelled() && self.ports[index].waiting() >= DEEP;
        if is_deep { DEEP_BATCH_BYTES } else { BATCH_BYTES }
    }

    /// Admits parked requests, as many as there are free slots. They came after everything in the ring, and
    /// before everything that will be.
    fn admit_parked(&mut self, index: usize, signals: &mut Signals) -> Option<u64> {
        if !self.ports[index].pair.slots.has_work() {
            return None;
        }
        let mut bytes = 0;
        for _ in 0..PARKED_BATCH {
            if !self.ports[index].admit_parked() {
                break;
            }
            // Now, and not before: it may have been parked a moment ago, and its session just before that.
            self.run_commands(signals);
            // Nothing, if that has ended everything in flight.
            let Some((ticket, announce)) = self.ports[index].arriving.take() else { break };
            let arrived = self.now.max(self.submitted(index, ticket));
            bytes += self.admit_ticket(index, ticket, announce, arrived, signals);
            if bytes >= BATCH_BYTES {
                break;
            }
        }
        self.publish(signals);
        Some(bytes)
    }

    /// When a request was submitted; 0 on a device that models no time.
    fn submitted(&self, index: usize, ticket: Ticket) -> u64 {
        if self.is_modelled() { self.ports[index].pair.slab.submitted(ticket) } else { 0 }
    }

    /// Takes a request to its end, or to the due queue; returns the bytes that were computed. `arrived`: when
    /// it reached the device.
    fn admit_ticket(
        &mut self,
        index: usize,
        ticket: Ticket,
        announce: Announce,
        arrived: u64,
        signals: &mut Signals,
    ) -> u64 {
        let admitted = match self.life {
            Life::Open => self.work_on(index, ticket, announce, arrived),
            Life::Dead => self.core.refuse(index, ticket, announce, Status::DeviceDead, arrived).then_some(0),
            Life::Closed => self.core.refuse(index, ticket, announce, Status::Closed, arrived).then_some(0),
        };
        if admitted.is_none() {
            self.discard(index);
        }
        if let Some(ending) = self.core.ending.take() {
            self.end_by_fault(ending, signals);
        }
        admitted.unwrap_or(0)
    }

    fn work_on(&mut self, index: usize, ticket: Ticket, announce: Announce, arrived: u64) -> Option<u64> {
        let Some(clock) = &self.stopwatch else {
            return self.core.admit(index, ticket, announce, arrived);
        };
        let admitted = self.core.admit(index, ticket, announce, clock.now());
        // Requests that are computed together with others have not ended yet.
        if !self.core.has_lanes() {
            self.record_service_end();
        }
        admitted
    }

    /// Records the end of the work, if it is timed and was not recorded before.
    fn record_service_end(&mut self) {
        let Some(clock) = &self.stopwatch else { return };
        let running =
            |ready: &&mut Ready| ready.times.submitted.is_some() && ready.times.ended == ready.times.started;
        self.core.ready.iter_mut().filter(running).for_each(|ready| ready.times.ended = clock.now());
    }

    /// Requests that are admitted already keep their place before the end.
    fn end_by_fault(&mut self, ending: Ending, signals: &mut Signals) {
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

    /// Publishes ready requests, and the slots of revoked ones.
    fn publish(&mut self, signals: &mut Signals) -> bool {
        self.core.run_lanes();
        let happened = !self.core.ready.is_empty();
        self.record_service_end();
        for ready in self.core.ready.iter_mut() {
            self.touched |= 1 << ready.port;
            self.ports[ready.port].count(ready);
            if ready.operation == Operation::Call {
                count_call(&self.ports[ready.port], &self.counters, ready);
            }
        }
        bits(self.touched).for_each(|index| self.ports[index].account());
        for ready in self.core.ready.iter_mut() {
            self.ports[ready.port].finish(ready, &mut signals.announcements);
        }
        self.core.ready.clear();
        bits(mem::take(&mut self.touched))
            .for_each(|index| self.ports[index].show(self.now, &mut signals.announcements));
        if !self.core.spurious.is_empty() {
            self.publish_spurious(signals);
        }
        happened
    }

    #[cold]
    fn publish_spurious(&mut self, signals: &mut Signals) {
        let ports = &self.ports;
        let spurious = self.core.spurious.drain(..);
        signals
            .announcements
            .spurious
            .extend(spurious.map(|(port, ticket, announce)| (ports[port].pair.index(), ticket, announce)));
    }

    /// Executes pending commands; `true`: there were some.
    pub(crate) fn run_commands(&mut self, signals: &mut Signals) -> bool {
        let sent = self.admin.sent(self.number);
        if sent == self.commands_seen {
            return false;
        }
        self.commands_seen = sent;
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Install(id, installed) => self.core.install(id, installed),
                Command::Remove(id) => {
                    self.core.remove(id);
                    // A worker that is always busy does not get to it otherwise.
                    wipe_stack();
                }
                Command::Sabotage(sabotage) => self.core.sabotage(sabotage),
                Command::Drain(ack) => self.drains.push(ack),
                Command::Die => self.end_all(Life::Dead, Status::DeviceDead, signals),
                Command::Reset(ack) => {
                    self.end_all(Life::Open, Status::Reset, signals);
                    signals.acks.push(ack);
                }
                Command::Stop => self.end_all(Life::Closed, Status::Closed, signals),
            }
        }
        true
    }

    /// After a panic: its request ends with [`Status::DeviceDead`], and so does everything until a reset.
    fn die(&mut self, signals: &mut Signals) {
        self.admin.died(self.number);
        // It may have panicked while it published.
        self.core.ready.forget_finished();
        self.core.end_panicked();
        self.end_all(Life::Dead, Status::DeviceDead, signals);
    }

    /// Ends everything in flight with `status`; ready requests keep their own.
    fn end_all(&mut self, life: Life, status: Status, signals: &mut Signals) {
        if self.is_closed() {
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
        while let Some((ticket, announce)) = self.ports[index].next() {
            if !self.refuse(index, ticket, announce, status) {
                self.discard(index);
            }
        }
    }

    fn refuse(&mut self, index: usize, ticket: Ticket, announce: Announce, status: Status) -> bool {
        let arrived = self.submitted(index, ticket);
        self.core.refuse(index, ticket, announce, status, arrived)
    }

    /// An entry whose request was revoked frees its slot here.
    fn discard(&mut self, index: usize) {
        self.touched |= 1 << index;
        self.ports[index].discard();
    }

    fn acknowledge_drains(&mut self, signals: &mut Signals) {
        if !self.drains.is_empty() && self.is_idle() {
            self.ports.iter_mut().for_each(|port| port.announce(&mut signals.announcements));
            signals.acks.append(&mut self.drains);
        }
    }

    /// Whether nothing is in flight, and no parked request could be.
    fn is_idle(&self) -> bool {
        self.core.next_due().is_none() && !self.ports.iter().any(Port::has_work)
    }
}

/// A call counts by its name, too.
#[cold]
fn count_call(port: &Port, counters: &ModelCounters, ready: &mut Ready) {
    let Ready { claimed, status, bytes, times, .. } = ready;
    port.pair.slab.execute(claimed, |request| {
        if let Some(call) = &mut request.call {
            counters.calls.note_finished(call, *status, *bytes, *times);
        }
    });
}
