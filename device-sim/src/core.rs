//! The device itself, without input and output: three stages over requests, driven by a thread or by the caller.
//!
//! ```text
//!   admit ──► claim ──► execute ──► schedule ──► due queue ──► deliver ──► ready ──► the driver publishes
//!                          │        (units, service time)                    ▲
//!                          └───────────── ideal: nothing to model ───────────┘
//! ```
//!
//! What is *ready* is still EXECUTING: the driver brings its accounts up to date first and shows the results then, so
//! whoever sees a result sees the counters that go with it. Times are nanoseconds since the device was opened, and
//! come from the driver. A kernel that panics leaves its request in `ready` with [`Status::DeviceDead`].

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use crate::cell::{Executing, Slab, Ticket};
use crate::config::Config;
use crate::entry::Announce;
use crate::latency::Latency;
use crate::request::{Request, Status};
use crate::session::{Session, SessionId};

/// A request that is worked on and due.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) port: usize,
    pub(crate) claimed: Executing,
    pub(crate) status: Status,
    pub(crate) announce: Announce,
    /// Bytes of input.
    pub(crate) bytes: u64,
}

/// What a session id stands for.
#[derive(Clone, Debug)]
pub(crate) enum Installed {
    Session(Arc<Session>),
    /// A kernel that panics, for tests of what happens then.
    Panics,
}

/// The device's state. One per worker, or one behind the stepped device's lock.
#[derive(Debug)]
pub(crate) struct Core {
    slabs: Vec<Arc<Slab>>,
    sessions: Vec<Option<(u32, Installed)>>,
    model: Option<Model>,
    /// To be published by the driver, in this order.
    pub(crate) ready: Vec<Ready>,
}

impl Core {
    /// A core whose port `i` has the cells `slabs[i]`.
    pub(crate) fn new(config: &Config, slabs: Vec<Arc<Slab>>) -> Self {
        let model = Latency::new(config).map(|latency| Model::new(config, latency));
        Self { slabs, sessions: Vec::new(), model, ready: Vec::new() }
    }

    pub(crate) fn install(&mut self, id: SessionId, installed: Installed) {
        let index = id.index as usize;
        if index >= self.sessions.len() {
            self.sessions.resize_with(index + 1, || None);
        }
        self.sessions[index] = Some((id.generation, installed));
    }

    pub(crate) fn remove(&mut self, id: SessionId) {
        if let Some(slot) = self.sessions.get_mut(id.index as usize)
            && slot.as_ref().is_some_and(|(generation, _)| *generation == id.generation)
        {
            *slot = None;
        }
    }

    /// Whether time matters to this core.
    pub(crate) fn is_modelled(&self) -> bool {
        self.model.is_some()
    }

    /// Claims, executes and schedules a request; returns the bytes of its input. `None`: it was revoked.
    pub(crate) fn admit(&mut self, port: usize, ticket: Ticket, announce: Announce, now: u64) -> Option<u64> {
        let slab = &self.slabs[port];
        let claimed = slab.claim(ticket)?;
        let mut bytes = 0;
        self.ready.push(Ready { port, claimed, status: Status::DeviceDead, announce, bytes });
        if let Some(ready) = self.ready.last_mut() {
            let sessions = &self.sessions;
            ready.status = slab.execute(&mut ready.claimed, |request| {
                bytes = request.buffer.len() as u64;
                execute(sessions, request)
            });
            ready.bytes = bytes;
        }
        if let Some(model) = &mut self.model
            && let Some(executed) = self.ready.pop()
        {
            model.schedule(executed, &self.slabs, now);
        }
        Some(bytes)
    }

    /// Moves what is due at `now` to `ready`.
    pub(crate) fn deliver(&mut self, now: u64) {
        if let Some(model) = &mut self.model {
            model.deliver(now, &self.slabs, &mut self.ready);
        }
    }

    /// When the next request is due.
    pub(crate) fn next_due(&self) -> Option<u64> {
        self.model.as_ref()?.next_due()
    }

    /// Claims a request and ends it with `status`, without work. `false`: it was revoked.
    pub(crate) fn refuse(&mut self, port: usize, ticket: Ticket, announce: Announce, status: Status) -> bool {
        let claimed = self.slabs[port].claim(ticket);
        let refused = claimed.map(|claimed| Ready { port, claimed, status, announce, bytes: 0 });
        let found = refused.is_some();
        self.ready.extend(refused);
        found
    }

    /// After a panic: the stream whose piece was half worked on does not go on.
    pub(crate) fn bury(&mut self) {
        if let Some(Ready { port, claimed, status: Status::DeviceDead, .. }) = self.ready.last_mut() {
            self.slabs[*port].execute(claimed, |request| request.state = None);
        }
    }

    /// Ends everything that is scheduled with `status`, due or not, and frees the units.
    pub(crate) fn fail_scheduled(&mut self, status: Status) {
        let Some(model) = &mut self.model else { return };
        let scheduled_from = self.ready.len();
        model.deliver(u64::MAX, &self.slabs, &mut self.ready);
        self.ready[scheduled_from..].iter_mut().for_each(|ready| ready.status = status);
        model.free_units();
    }
}

fn execute(sessions: &[Option<(u32, Installed)>], request: &mut Request) -> Status {
    let SessionId { index, generation } = request.session;
    match sessions.get(index as usize) {
        Some(Some((current, installed))) if *current == generation => match installed {
            Installed::Session(session) => session.execute(request),
            Installed::Panics => panic!("a session made to panic was used"),
        },
        _ => {
            request.state = None;
            Status::InvalidSession
        }
    }
}

/// Service times on a number of compute units, first come first served.
#[derive(Debug)]
struct Model {
    latency: Latency,
    units: usize,
    /// When each unit that has ever worked is free again.
    free_at: BinaryHeap<Reverse<u64>>,
    due: BinaryHeap<Reverse<Due>>,
    sequence: u64,
    /// At this length those that were revoked are swept out.
    sweep_at: usize,
}

/// A request that is worked on and not yet due. Ordered by time, then by arrival.
#[derive(Debug)]
struct Due {
    due: u64,
    sequence: u64,
    port: usize,
    ticket: Ticket,
    announce: Announce,
    bytes: u64,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.due, self.sequence).cmp(&(other.due, other.sequence))
    }
}

const SWEEP_AT: usize = 256;

impl Model {
    fn new(config: &Config, latency: Latency) -> Self {
        Self {
            latency,
            units: config.compute_units,
            free_at: BinaryHeap::new(),
            due: BinaryHeap::new(),
            sequence: 0,
            sweep_at: SWEEP_AT,
        }
    }

    /// Gives the request to the unit that is free first, and lets the host revoke it until it is due.
    fn schedule(&mut self, executed: Ready, slabs: &[Arc<Slab>], now: u64) {
        let Ready { port, claimed, status, announce, bytes } = executed;
        let due = self.occupy_unit(now, bytes);
        let ticket = slabs[port].postpone(claimed, status);
        self.due.push(Reverse(Due { due, sequence: self.sequence, port, ticket, announce, bytes }));
        self.sequence += 1;
        self.sweep(slabs);
    }

    fn occupy_unit(&mut self, now: u64, bytes: u64) -> u64 {
        let free_at =
            if self.free_at.len() < self.units { 0 } else { self.free_at.pop().map_or(0, |at| at.0) };
        let due = free_at.max(now).saturating_add(self.latency.next(bytes));
        self.free_at.push(Reverse(due));
        due
    }

    fn deliver(&mut self, now: u64, slabs: &[Arc<Slab>], ready: &mut Vec<Ready>) {
        while self.next_due().is_some_and(|due| due <= now) {
            let Some(Reverse(next)) = self.due.pop() else { return };
            let Due { port, ticket, announce, bytes, .. } = next;
            // What was revoked meanwhile is gone, its slot is free, and this late completion hits nothing.
            if let Some((claimed, status)) = slabs[port].resume(ticket) {
                ready.push(Ready { port, claimed, status, announce, bytes });
            }
        }
    }

    fn next_due(&self) -> Option<u64> {
        self.due.peek().map(|next| next.0.due)
    }

    fn free_units(&mut self) {
        self.free_at.clear();
    }

    /// Those who submit and revoke for the whole of a long service time must not fill the memory.
    fn sweep(&mut self, slabs: &[Arc<Slab>]) {
        if self.due.len() >= self.sweep_at {
            self.due.retain(|Reverse(due)| slabs[due.port].is_postponed(due.ticket));
            self.sweep_at = (2 * self.due.len()).max(SWEEP_AT);
        }
    }
}
