//! Joins the core to the queue pairs: pops entries, updates counters, publishes. Worker threads and the
//! stepped device run this same code; they differ in where the time comes from.
//!
//! ```text
//!   ideal, per queue pair, in turn:   fetch from the ring ─► admin commands ─► admit a batch ─► publish
//!                                     the ring is empty, a slot is free ─► admit from the FIFO ─► publish
//!   modelled, of all queue pairs:     the request that has arrived first ─► admit ─► the next ... ─► publish
//!
//!   publish, in this order:    counters, free slots ─► DONE in each cell ─► completion ring      (inside)
//!                              fence ─► interrupts ─► wakes                                      (signals, outside)
//! ```
//!
//! Admin commands are read after the ring or the parked requests were, and before an entry is executed. A
//! session is sent before its id is known to any caller, so whatever names it comes later in every queue.

mod commands;
mod others;

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crossbeam_channel::Receiver;

use crate::config::Config;
use crate::message::operation::Operation;
use crate::message::status::Status;
use crate::model::pipeline::Core;
use crate::queue::announcements::bits;
use crate::queue::entry::Head;
use crate::queue::pair::Life;
#[cfg(all(test, loom))]
use crate::queue::pair::Pair;
use crate::queue::port::Port;
use crate::queue::ready::Ready;
use crate::run::admin::{Ack, Admin, Command};
use crate::run::clock::Clock;
use crate::run::hand_over::Others;
use crate::run::lateness::Lateness;
use crate::run::signals::Signals;
use crate::stats::ModelCounters;
use crate::stats::timing::Timing;
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
/// Requests that a modelled device admits before it looks what is due.
const PASS_REQUESTS: u64 = 64;
/// The same where those that are overdue complete with their pass: the host has work again soon, and the
/// price of publishing is shared by some.
const HURRIED_REQUESTS: u64 = 16;

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
    /// Of resets that wait for other workers.
    resets: Vec<Ack>,
    /// The other workers of a modelled device.
    others: Option<Others>,
    /// The time of this pass.
    now: u64,
    clock: Clock,
    /// The clock, if the work itself is timed.
    stopwatch: Option<Clock>,
    /// When the last results of this pass were published, if anything was late or due.
    published_at: Option<u64>,
    /// When the last pass began, and whether anything happened in it.
    last_pass: (u64, bool),
    /// The queue pairs that have a request at hand, and when it has arrived. Kept for its memory.
    heads: Vec<(u64, usize)>,
    /// Whether it runs by passes, on a worker: interrupts may be those of passes before.
    has_passes: bool,
    /// Whether what is overdue completes with its pass.
    hurries: bool,
    lateness: Lateness,
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
            resets: Vec::new(),
            others: None,
            now: 0,
            clock: clock.clone(),
            stopwatch,
            published_at: None,
            last_pass: (0, false),
            heads: Vec::new(),
            has_passes: false,
            hurries: false,
            lateness: Lateness::new(counters),
            counters: Arc::clone(counters),
        }
    }

    /// Whether this driver has stopped: everything has ended, and nothing more is taken.
    pub(crate) fn is_closed(&self) -> bool {
        self.life == Life::Closed && !self.core.is_ending()
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
        let parked = self.ports.iter().filter_map(|port| port.pair.short_until()).min();
        self.core.next_due().into_iter().chain(announcement).chain(parked).min()
    }

    /// Whether an entry or a command waits at this moment.
    pub(crate) fn has_work(&self) -> bool {
        self.admin.sent(self.number) != self.commands_seen
            || self.ports.iter().any(Port::has_work)
            || self.others.as_ref().is_some_and(Others::has_results)
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

    /// Admits, then publishes what is due. `true`: something happened.
    pub(crate) fn pass(&mut self, now: u64, signals: &mut Signals) -> bool {
        if !self.is_modelled() {
            return self.admit(now, signals);
        }
        self.note_busy(now);
        let collected = self.others.is_some() && self.collect(signals);
        let was_due = self.core.hurry(now);
        (self.has_passes, self.hurries) = (true, was_due.is_some());
        let admitted = self.admit(now, signals) || collected;
        self.core.hurry_no_more();
        let happened = match was_due {
            // What became due meanwhile comes with the next pass.
            Some(was_due) => self.publish_and_announce(now, signals) || admitted || was_due,
            None => {
                let until = if admitted { self.clock.now() } else { now };
                self.deliver(until, signals) || admitted
            }
        };
        let happened = happened || self.help(signals);
        self.last_pass = (now, happened);
        happened
    }

    /// The time that was read at the end of the pass, to begin the next one with, if it was.
    pub(crate) fn take_reading(&mut self) -> Option<u64> {
        self.published_at.take()
    }

    /// Until when all that has arrived was admitted: a host that is behind has not looked at everything yet.
    fn known_until(&mut self, now: u64) -> u64 {
        if !self.core.has_events() {
            return now;
        }
        let first = self.ports.iter_mut().filter_map(|port| port.look(now)).min();
        first.map_or(now, |first| now.min(first.saturating_sub(1)))
    }

    /// A pass in which something happened takes until the next one begins.
    fn note_busy(&self, now: u64) {
        if let (began, true) = self.last_pass {
            bump(&self.counters.workers[0].busy_nsec, now.saturating_sub(began));
        }
    }

    /// Publishes and announces what is due at `now`; `false`: nothing was; at most, requests went on to their
    /// next stations.
    pub(crate) fn deliver(&mut self, now: u64, signals: &mut Signals) -> bool {
        self.now = now;
        let known_until = self.known_until(now);
        let was_due = self.core.deliver(now, known_until);
        self.publish_and_announce(now, signals) || was_due
    }

    fn publish_and_announce(&mut self, now: u64, signals: &mut Signals) -> bool {
        let happened = (!self.core.ready.is_empty() || self.touched != 0) && self.publish(signals);
        let announce =
            |announced, port: &mut Port| port.announce_due(now, &mut signals.announcements) || announced;
        self.ports.iter_mut().fold(happened, announce)
    }

    /// Executes commands and admits a batch of what was submitted.
    pub(crate) fn admit(&mut self, now: u64, signals: &mut Signals) -> bool {
        self.now = now;
        self.run_commands(signals);
        let happened =
            if self.is_modelled() { self.admit_in_order(signals) } else { self.admit_in_turn(signals) };
        self.acknowledge_drains(signals);
        happened
    }

    /// Gives the queue pairs their turns, until each had one or a batch is full; the next call continues
    /// where this one ends.
    fn admit_in_turn(&mut self, signals: &mut Signals) -> bool {
        let mut happened = false;
        let mut bytes = 0;
        for _ in 0..self.ports.len() {
            if happened && self.comes_long(self.next) {
                break;
            }
            if let Some(worked_on) = self.turn(self.next, signals) {
                happened = true;
                bytes += worked_on;
            }
            self.next = (self.next + 1) % self.ports.len();
            if bytes >= BATCH_BYTES {
                break;
            }
        }
        happened
    }

    /// Whether a queue pair's turn begins with a request that takes long. What is ready is announced before
    /// it.
    fn comes_long(&mut self, index: usize) -> bool {
        let port = &mut self.ports[index];
        if port.fetch() { port.is_at_long() } else { port.pair.slots.begins_with_long() }
    }

    /// Admits requests of all queue pairs in the order of their arrival, however late the host looks at them;
    /// of several that have arrived at the same time, those of the next queue pair first.
    fn admit_in_order(&mut self, signals: &mut Signals) -> bool {
        let mut heads = mem::take(&mut self.heads);
        heads.clear();
        let count = self.ports.len();
        let in_turn = (self.next..count).chain(0..self.next);
        for index in in_turn {
            heads.extend(self.ports[index].look(self.now).map(|arrived| (arrived, index)));
        }
        let happened = !heads.is_empty();
        // It may have ended everything; the rest is looked at again.
        if happened && !self.run_commands(signals) {
            self.admit_heads(&mut heads, signals);
            self.publish(signals);
        }
        self.heads = heads;
        happened
    }

    fn admit_heads(&mut self, heads: &mut Vec<(u64, usize)>, signals: &mut Signals) {
        let most = if self.hurries { HURRIED_REQUESTS } else { PASS_REQUESTS };
        let (mut bytes, mut requests) = (0, 0);
        while let Some(place) = first_of(heads)
            && let (arrived, index) = heads[place]
            && let is_long = self.ports[index].may_take_long()
            && let Some(head) = self.ports[index].take_head()
        {
            if is_long && self.has_passes && signals.announcements.has_interrupts() {
                // Those of the passes before, for threads that sleep.
                signals.announcements.raise(self.ports.iter().map(|port| &*port.pair));
            }
            self.core.is_behind = heads.len() > 1 || self.ports[index].waiting() > 0;
            bytes += self.admit_head(index, head, arrived, signals);
            requests += 1;
            self.hand_out();
            if bytes >= BATCH_BYTES || requests == most {
                self.next = (index + 1) % self.ports.len();
                break;
            }
            match self.ports[index].look(self.now) {
                Some(arrived) => heads[place].0 = arrived,
                None => drop(heads.remove(place)),
            }
            // Entries may have been read, and perhaps a command was sent before them.
            if self.run_commands(signals) {
                break;
            }
        }
        bump(&self.counters.workers[0].computed, mem::take(&mut self.core.computed));
    }

    /// One queue pair's turn; returns the bytes computed. `None`: nothing was submitted.
    fn turn(&mut self, index: usize, signals: &mut Signals) -> Option<u64> {
        if !self.ports[index].fetch() {
            return self.admit_parked(index, signals);
        }
        if self.run_commands(signals) {
            // It may have ended everything; the rest is looked at again.
            return Some(0);
        }
        let enough = self.enough(index);
        let mut bytes = 0;
        while bytes < enough
            && let Some(head) = self.ports[index].next_fetched()
        {
            bytes += self.admit_head(index, head, self.now, signals);
        }
        self.publish(signals);
        Some(bytes)
    }

    /// How many bytes of input are enough for a batch of this queue pair.
    fn enough(&self, index: usize) -> u64 {
        if self.ports[index].waiting() >= DEEP { DEEP_BATCH_BYTES } else { BATCH_BYTES }
    }

    /// Admits parked requests, as many as there are free slots. They came after everything in the ring, and
    /// before everything that will be.
    fn admit_parked(&mut self, index: usize, signals: &mut Signals) -> Option<u64> {
        if !self.ports[index].pair.slots.has_work() {
            return None;
        }
        let mut bytes = 0;
        for number in 0..PARKED_BATCH {
            let port = &mut self.ports[index];
            if !if number == 0 { port.admit_parked() } else { port.admit_parked_short() } {
                break;
            }
            // Now, and not before: it may have been parked a moment ago, and its session just before that.
            self.run_commands(signals);
            // Nothing, if that has ended everything in flight.
            let Some(head) = self.ports[index].take_arriving() else { break };
            bytes += self.admit_head(index, head, self.now, signals);
            if bytes >= BATCH_BYTES {
                break;
            }
        }
        self.publish(signals);
        Some(bytes)
    }

    /// Takes a request to its end, or to the due queue; returns its weight in a batch. `arrived`: when it
    /// reached the device, on one that models time.
    fn admit_head(&mut self, index: usize, head: Head, arrived: u64, signals: &mut Signals) -> u64 {
        let Head { ticket, announce, .. } = head;
        let admitted = match self.life {
            Life::Open => self.work_on(index, head, arrived),
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

    /// An entry whose request was revoked frees its slot here.
    fn discard(&mut self, index: usize) {
        self.touched |= 1 << index;
        self.ports[index].discard();
    }

    fn work_on(&mut self, index: usize, head: Head, arrived: u64) -> Option<u64> {
        let Some(clock) = &self.stopwatch else {
            return self.core.admit(index, head, arrived);
        };
        let admitted = self.core.admit(index, head, clock.now());
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

    /// Publishes ready requests, and the slots of revoked ones.
    fn publish(&mut self, signals: &mut Signals) -> bool {
        self.core.run_lanes();
        let happened = !self.core.ready.is_empty();
        self.record_service_end();
        let is_modelled = self.is_modelled();
        for ready in self.core.ready.iter_mut() {
            self.touched |= 1 << ready.port;
            let port = &mut self.ports[ready.port];
            port.count(ready);
            // When it was due.
            if let Some(due) = ready.due.filter(|_| is_modelled) {
                self.lateness.add(due);
                port.note_due(ready.announce, due);
            }
            if ready.operation == Operation::Call {
                count_call(&self.ports[ready.port], &self.counters, ready);
            }
        }
        bits(self.touched).for_each(|index| self.ports[index].account());
        for ready in self.core.ready.iter_mut() {
            self.ports[ready.port].finish(ready, &mut signals.announcements);
        }
        self.core.ready.clear();
        if !self.lateness.is_empty() {
            let now = self.clock.now();
            self.lateness.published(now);
            self.published_at = Some(now);
        }
        bits(mem::take(&mut self.touched))
            .for_each(|index| self.ports[index].show(self.now, &mut signals.announcements));
        if !self.core.spurious.is_empty() {
            self.publish_spurious(signals);
        }
        happened
    }

    /// Executes pending commands outside a pass.
    pub(crate) fn run_commands_at(&mut self, now: u64, signals: &mut Signals) -> bool {
        self.now = now;
        self.run_commands(signals)
    }

    /// Executes pending commands; `true`: there were some.
    fn run_commands(&mut self, signals: &mut Signals) -> bool {
        let sent = self.admin.sent(self.number);
        if sent == self.commands_seen {
            return false;
        }
        self.commands_seen = sent;
        self.execute_commands(signals);
        true
    }

    fn acknowledge_drains(&mut self, signals: &mut Signals) {
        if !self.drains.is_empty() && self.is_idle() {
            self.ports.iter_mut().for_each(|port| port.announce(&mut signals.announcements));
            signals.acks.append(&mut self.drains);
        }
    }

    /// Whether nothing is in flight, and no parked request could be.
    fn is_idle(&self) -> bool {
        self.core.is_idle() && self.core.ready.is_empty() && !self.ports.iter().any(Port::can_go_on)
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
}

/// The place of the first of those that have arrived first.
fn first_of(heads: &[(u64, usize)]) -> Option<usize> {
    (0..heads.len()).min_by_key(|&place| heads[place].0)
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
