//! The model: when each request is due, on which compute unit, in which order, and which faults strike it.
//!
//! ```text
//!   verdict ─────────► execute ─► corrupt ─► schedule ─────────► due queue ─────► order ─────► ready
//!   (faults that are    (kernel)  (corrupt, (the unit that is   (by time,        (fifo, held
//!    decided before)               short)    free first; stall,  then arrival)    back)
//!                                            delay, late, never)
//! ```
//!
//! Times are nanoseconds, and come from the driver.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use zeroize::Zeroize;

use crate::config::Config;
use crate::message::operation::Operation;
use crate::message::request::Request;
use crate::message::status::Status;
use crate::model::fault::{self, Armed, FaultKind, Occasion, Target};
use crate::model::latency::Latency;
use crate::model::order::Order;
use crate::model::sabotage::Saboteur;
use crate::queue::cell::{Slab, Ticket};
use crate::queue::entry::Announce;
use crate::queue::ready::{Flags, Ready, ReadyList, Times};
use crate::stats::ModelCounters;
use crate::sync::{bump, lock};

/// At this length the due queue is swept of revoked requests.
const SWEEP_AT: usize = 256;

/// The model of one device.
#[derive(Debug)]
pub(crate) struct Model {
    latency: Latency,
    /// When each unit is free again, and its number.
    units: BinaryHeap<Reverse<(u64, usize)>>,
    orders: Vec<Order<Due>>,
    due: BinaryHeap<Reverse<Due>>,
    faults: Vec<Armed>,
    counters: Arc<ModelCounters>,
    sequence: u64,
    sweep_at: usize,
    pub(crate) sabotage: Option<Saboteur>,
}

/// The faults of a request that are decided before it is computed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Verdict {
    /// It is not computed, and ends with this status.
    pub(crate) fail: Option<Status>,
    /// It is not computed, and the device ends with it.
    pub(crate) ending: Option<Ending>,
    /// An extra wake is sent at once.
    pub(crate) spurious_wake: bool,
    /// Additional time on its unit, and after it.
    stall: u64,
    delay: u64,
    late: u64,
    never: bool,
    flags: Flags,
}

/// How a fault ends everything in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The device is reset, and goes on.
    Reset,
    /// The device is dead until it is reset.
    Dead,
}

impl Ending {
    pub(crate) const fn status(self) -> Status {
        match self {
            Self::Reset => Status::Reset,
            Self::Dead => Status::DeviceDead,
        }
    }
}

/// A request that is computed and not yet complete. Ordered by time, then by arrival; those that never end
/// come last.
#[derive(Debug)]
struct Due {
    due: u64,
    /// It never ends. (The end of the clock is a time.)
    never: bool,
    sequence: u64,
    ticket: Ticket,
    port: usize,
    announce: Announce,
    operation: Operation,
    bytes: u64,
    times: Times,
    flags: Flags,
    /// How many requests of its queue pair must overtake it.
    gap: u32,
    /// Its completion comes, whether or not it is revoked.
    late: bool,
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
        (self.never, self.due, self.sequence).cmp(&(other.never, other.due, other.sequence))
    }
}

impl Model {
    /// `None`: the device is ideal.
    pub(crate) fn new(config: &Config, ports: usize, counters: &Arc<ModelCounters>) -> Option<Self> {
        config.is_modelled().then(|| Self {
            latency: Latency::new(
                config.completion_nsec + config.firmware_nsec,
                config.mbps,
                config.latency_dist,
                config.seed,
            ),
            units: (0..config.compute_units).map(|unit| Reverse((0, unit))).collect(),
            orders: (0..ports).map(|port| Order::new(config.ordering, config.seed, port)).collect(),
            due: BinaryHeap::new(),
            faults: fault::arm(&config.faults, config.seed, |kind| kind != FaultKind::Busy),
            counters: Arc::clone(counters),
            sequence: 0,
            sweep_at: SWEEP_AT,
            sabotage: None,
        })
    }

    /// Decides everything about a request that is decided before it is computed.
    pub(crate) fn decide(&mut self, request: &Request, announce: Announce, now: u64) -> Verdict {
        let mut verdict = Verdict::default();
        if self.faults.is_empty() {
            return verdict;
        }
        let occasion = Occasion::of(request, now);
        for armed in &mut self.faults {
            if verdict.may(armed.kind, announce) && armed.hits(&occasion) {
                verdict.add(armed.kind);
                self.counters.injected(armed.kind);
            }
        }
        verdict
    }

    /// Corrupts the result of a successful request.
    pub(crate) fn corrupt(&mut self, request: &mut Request, input: u64, now: u64) {
        if let Some(saboteur) = &mut self.sabotage {
            saboteur.worked(request);
        }
        let occasion = Occasion { operation: Some(request.operation), call: None, size: input, now };
        for armed in &mut self.faults {
            let (target, kind) = match armed.kind {
                FaultKind::Corrupt { target, .. } => (target, armed.kind),
                FaultKind::Short { .. } => (Target::Any, armed.kind),
                _ => continue,
            };
            let Some(corrupted_part) = corrupted_part(request, target) else { continue };
            if armed.hits(&occasion) {
                self.counters.injected(kind);
                match kind {
                    FaultKind::Corrupt { bit, .. } => flip(request, corrupted_part, bit, armed),
                    FaultKind::Short { bytes } => cut(request, corrupted_part, bytes),
                    _ => {}
                }
            }
        }
    }

    /// Assigns the request to the first free unit, and lets the host revoke it until it is due.
    pub(crate) fn schedule(&mut self, executed: Ready, verdict: Verdict, slabs: &[Arc<Slab>], now: u64) {
        let Ready { port, claimed, status, announce, operation, bytes, mut times, .. } = executed;
        let ended = self.occupy_unit(&mut times, verdict.stall, bytes, now);
        let (never, late) = (verdict.never, verdict.late > 0 && !verdict.never);
        let (due, gap) = match (never, late) {
            (true, _) => (ended, 0),
            (_, true) => (ended.saturating_add(verdict.late), 0),
            _ => self.orders[port].schedule(ended.saturating_add(verdict.delay)),
        };
        let ticket = slabs[port].postpone(claimed, status);
        let (sequence, flags) = (self.sequence, verdict.flags);
        self.sequence += 1;
        let waiting =
            Due { due, never, sequence, ticket, port, announce, operation, bytes, times, flags, gap, late };
        self.due.push(Reverse(waiting));
        self.sweep(slabs, now);
    }

    fn occupy_unit(&mut self, times: &mut Times, stall: u64, bytes: u64, now: u64) -> u64 {
        let Some(Reverse((free_at, unit))) = self.units.pop() else { return now };
        times.started = free_at.max(now).saturating_add(stall);
        times.ended = times.started.saturating_add(self.latency.next(bytes));
        self.units.push(Reverse((times.ended, unit)));
        let counters = &self.counters.units[unit];
        bump(&counters.executed, 1);
        bump(&counters.busy_nsec, times.ended - times.started);
        times.ended
    }

    /// Moves what is due at `now` to `ready`.
    pub(crate) fn deliver(&mut self, now: u64, slabs: &[Arc<Slab>], ready: &mut ReadyList) {
        while self.next_due().is_some_and(|due| due <= now) {
            let Some(Reverse(mut next)) = self.due.pop() else { return };
            if let Some(saboteur) = &mut self.sabotage {
                saboteur.due(&mut next.flags, &slabs[next.port], next.ticket);
            }
            lock(&self.counters.completion_error).record(now - next.due);
            let counters = &self.counters;
            if next.late {
                complete(next, slabs, counters, ready);
            } else {
                let gap = next.gap;
                self.orders[next.port].due(next, gap, |due| complete(due, slabs, counters, ready));
            }
        }
    }

    /// When the next request is due, of those that ever are.
    pub(crate) fn next_due(&self) -> Option<u64> {
        self.due.peek().filter(|next| !next.0.never).map(|next| next.0.due)
    }

    /// Ends everything that is scheduled with `status`, due or not, and frees the units.
    pub(crate) fn fail_all(&mut self, status: Status, slabs: &[Arc<Slab>], ready: &mut ReadyList) {
        let from = ready.len();
        let held = self.orders.iter_mut().flat_map(Order::clear);
        let mut all: Vec<Due> = self.due.drain().map(|Reverse(due)| due).chain(held).collect();
        all.sort_unstable();
        all.into_iter().for_each(|due| complete(due, slabs, &self.counters, ready));
        for ended in &mut ready[from..] {
            ended.status = status;
            ended.flags = Flags::default();
        }
        self.units = (0..self.units.len()).map(|unit| Reverse((0, unit))).collect();
    }

    /// Removes revoked requests: submitting and revoking during a whole long service time must not fill the
    /// memory.
    fn sweep(&mut self, slabs: &[Arc<Slab>], now: u64) {
        if self.due.len() < self.sweep_at {
            return;
        }
        let (mut kept, mut again) = (Vec::new(), Vec::new());
        for Reverse(due) in self.due.drain() {
            if due.late || slabs[due.port].is_postponed(due.ticket) {
                kept.push(Reverse(due));
            } else if !due.never {
                again.extend(self.orders[due.port].gone());
            }
        }
        kept.extend(again.into_iter().map(|due| Reverse(Due { due: now, gap: 0, ..due })));
        self.due = kept.into();
        self.sweep_at = (2 * self.due.len()).max(SWEEP_AT);
    }
}

impl Verdict {
    /// Whether a fault of this kind can act on a request with this announcement, and is decided here.
    fn may(&self, kind: FaultKind, announce: Announce) -> bool {
        match kind {
            FaultKind::Busy | FaultKind::Corrupt { .. } | FaultKind::Short { .. } => false,
            FaultKind::DropWake | FaultKind::SpuriousWake => announce != Announce::Silent,
            _ => true,
        }
    }

    fn add(&mut self, kind: FaultKind) {
        match kind {
            FaultKind::Dead => self.ending = Some(Ending::Dead),
            FaultKind::Reset => self.ending = self.ending.or(Some(Ending::Reset)),
            FaultKind::Fail { status } => self.fail = self.fail.or(Some(status)),
            FaultKind::Delay { nsec } => self.delay = self.delay.saturating_add(nsec),
            FaultKind::Late { nsec } => self.late = self.late.saturating_add(nsec),
            FaultKind::Stall { nsec } => self.stall = self.stall.saturating_add(nsec),
            FaultKind::Timeout => self.never = true,
            FaultKind::DropWake => self.flags.drop_wake = true,
            FaultKind::Duplicate => self.flags.duplicate = true,
            FaultKind::SpuriousWake => self.spurious_wake = true,
            FaultKind::Busy | FaultKind::Corrupt { .. } | FaultKind::Short { .. } => {}
        }
    }
}

/// A request that was revoked before is gone, its slot is free, and this completion hits nothing.
fn complete(due: Due, slabs: &[Arc<Slab>], counters: &ModelCounters, ready: &mut ReadyList) {
    let Due { ticket, port, announce, operation, bytes, times, flags, .. } = due;
    match slabs[port].resume(ticket) {
        Some((claimed, status)) => {
            ready.push(Ready { port, claimed, status, announce, operation, bytes, times, flags });
        }
        None => bump(&counters.late, 1),
    }
}

/// The result of a request that a fault corrupts.
#[derive(Clone, Copy, Debug)]
enum Corrupted {
    Text,
    Tag,
}

/// The result that `target` means, if the request has it.
fn corrupted_part(request: &Request, target: Target) -> Option<Corrupted> {
    let output = request.operation.output();
    let text = output.has_text() && !request.destination.as_ref().unwrap_or(&request.buffer).is_empty();
    let tag = output.has_tag() && !request.tag.as_bytes().is_empty();
    match target {
        Target::Text | Target::Any if text => Some(Corrupted::Text),
        Target::Tag | Target::Any if tag => Some(Corrupted::Tag),
        _ => None,
    }
}

fn flip(request: &mut Request, corrupted_part: Corrupted, bit: Option<u64>, armed: &mut Armed) {
    let result = match corrupted_part {
        Corrupted::Text => request.destination.as_mut().unwrap_or(&mut request.buffer).as_mut_slice(),
        Corrupted::Tag => request.tag.as_bytes_mut(),
    };
    let bits = 8 * result.len() as u64;
    let bit = bit.map_or_else(|| armed.draw(bits), |bit| bit % bits);
    let byte = usize::try_from(bit / 8).ok().and_then(|byte| result.get_mut(byte));
    if let Some(byte) = byte {
        *byte ^= 1 << (bit % 8);
    }
}

fn cut(request: &mut Request, corrupted_part: Corrupted, bytes: u64) {
    let missing = usize::try_from(bytes).unwrap_or(usize::MAX);
    let left = match corrupted_part {
        Corrupted::Text => {
            let text = request.destination.as_mut().unwrap_or(&mut request.buffer);
            let left = text.len().saturating_sub(missing);
            request.residue = text.len() - left;
            text[left..].zeroize();
            text.truncate(left);
            return;
        }
        Corrupted::Tag => request.tag.as_bytes().len().saturating_sub(missing),
    };
    request.residue = request.tag.as_bytes().len() - left;
    request.tag.truncate(left);
}
