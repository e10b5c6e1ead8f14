//! The model: when each request is due, on which compute unit, in which order, and which faults strike it.
//!
//! ```text
//!   verdict ─────────► execute ─► corrupt ─► schedule ─────────► due queue ─────► order ─────► ready
//!   (faults that are    (kernel)  (corrupt, (the unit that is   (by time,        (fifo, held
//!    decided before)               short)    free first; before, then arrival)    back)
//!                                            delay, late, never)
//! ```
//!
//! Times are nanoseconds, and come from the driver.

use std::sync::Arc;

use crate::config::Config;
use crate::message::request::Request;
use crate::message::status::Status;
use crate::model::due::{Due, DueQueue};
use crate::model::fault::FaultKind;
use crate::model::network::Network;
use crate::model::order::Order;
use crate::model::plan::{Plan, Verdict, carry_out};
use crate::model::sabotage::Saboteur;
use crate::model::service::{ServiceTimes, Work};
use crate::queue::cell::Slab;
use crate::queue::entry::Announce;
use crate::queue::ready::{Flags, Ready, ReadyList, Times};
use crate::stats::ModelCounters;
use crate::sync::bump;

/// At this length the due queue is swept of revoked requests.
const SWEEP_AT: usize = 256;

/// The model of one device.
#[derive(Debug)]
pub(crate) struct Model {
    service: ServiceTimes,
    network: Network,
    orders: Vec<Order<Due>>,
    due: DueQueue,
    pub(crate) plan: Plan,
    counters: Arc<ModelCounters>,
    sequence: u64,
    sweep_at: usize,
    pub(crate) sabotage: Option<Saboteur>,
}

impl Model {
    /// `None`: the device is ideal.
    pub(crate) fn new(config: &Config, ports: usize, counters: &Arc<ModelCounters>) -> Option<Self> {
        config.is_modelled().then(|| Self {
            service: ServiceTimes::new(config),
            network: Network::new(config),
            orders: (0..ports).map(|port| Order::new(config.ordering, config.seed, port)).collect(),
            due: DueQueue::default(),
            plan: Plan::new(config, counters),
            counters: Arc::clone(counters),
            sequence: 0,
            sweep_at: SWEEP_AT,
            sabotage: None,
        })
    }

    /// Called when a request was computed and succeeded: its result may be changed.
    pub(crate) fn spoil(&mut self, request: &mut Request, verdict: &Verdict) {
        if let Some(saboteur) = &mut self.sabotage {
            saboteur.worked(request);
        }
        self.plan.note(carry_out(request, verdict));
    }

    /// Draws for a request that is ended before any station serves it, so that its fault shifts no other
    /// request.
    pub(crate) fn skip(&mut self, work: &Work) {
        let _ = self.service.next(work);
        self.orders[work.port].skip();
    }

    /// Sends the request through the stations, and lets the host revoke it until it is due.
    pub(crate) fn schedule(
        &mut self,
        executed: Ready,
        work: &Work,
        verdict: Verdict,
        slabs: &[Arc<Slab>],
        now: u64,
    ) {
        let Ready { port, claimed, status, announce, operation, bytes, mut times, .. } = executed;
        let ended = self.serve(&mut times, verdict.before, work, now);
        let (never, late) = (verdict.never, verdict.late > 0 && !verdict.never);
        let delayed = ended.saturating_add(verdict.delay);
        let (due, gap) = if never || late {
            self.orders[port].skip();
            (delayed.saturating_add(verdict.late), 0)
        } else {
            self.orders[port].schedule(delayed)
        };
        let ticket = slabs[port].postpone(claimed, status);
        let (sequence, flags) = (self.sequence, verdict.flags);
        self.sequence += 1;
        self.due.push(Due {
            due,
            never,
            sequence,
            ticket,
            port,
            announce,
            operation,
            bytes,
            times,
            flags,
            gap,
            late,
        });
        self.sweep(slabs, now);
    }

    fn serve(&mut self, times: &mut Times, before: u64, work: &Work, now: u64) -> u64 {
        let service = self.service.next(work);
        let served = self.network.arrive(now, before, service);
        (times.started, times.ended) = (served.started, served.ended);
        let counters = &self.counters.units[served.unit];
        bump(&counters.executed, 1);
        bump(&counters.busy_nsec, served.ended - served.started);
        served.ended
    }

    /// Moves what is due at `now` to `ready`.
    pub(crate) fn deliver(&mut self, now: u64, slabs: &[Arc<Slab>], ready: &mut ReadyList) {
        while let Some(mut next) = self.due.pop(now) {
            if let Some(saboteur) = &mut self.sabotage {
                saboteur.due(&mut next.flags, &slabs[next.port], next.ticket);
            }
            let counters = &self.counters;
            let at = next.due;
            if next.late {
                complete(next, at, slabs, counters, ready);
            } else {
                let gap = next.gap;
                self.orders[next.port].due(next, gap, |due| complete(due, at, slabs, counters, ready));
            }
        }
    }

    /// When the next request is due, of those that ever are.
    pub(crate) fn next_due(&self) -> Option<u64> {
        self.due.next_due()
    }

    /// Ends everything that is scheduled with `status`, due or not, and frees the units.
    pub(crate) fn fail_all(&mut self, status: Status, slabs: &[Arc<Slab>], ready: &mut ReadyList) {
        let from = ready.len();
        let held = self.orders.iter_mut().flat_map(Order::clear);
        let mut all: Vec<Due> = self.due.drain().into_iter().chain(held).collect();
        all.sort_unstable();
        let unharmed = all.into_iter().map(|due| Due { flags: Flags::default(), ..due });
        unharmed.for_each(|due| complete(due, 0, slabs, &self.counters, ready));
        ready[from..].iter_mut().for_each(|ended| (ended.status, ended.due) = (status, None));
        self.network.clear();
    }

    /// Removes revoked requests: submitting and revoking during a whole long service time must not fill the
    /// memory.
    fn sweep(&mut self, slabs: &[Arc<Slab>], now: u64) {
        if self.due.len() < self.sweep_at {
            return;
        }
        let (mut kept, mut again) = (Vec::new(), Vec::new());
        for due in self.due.drain() {
            if due.late || slabs[due.port].is_postponed(due.ticket) {
                kept.push(due);
            } else if !due.never {
                again.extend(self.orders[due.port].gone());
            }
        }
        kept.extend(again.into_iter().map(|due| Due { due: now, gap: 0, ..due }));
        self.due.fill(kept);
        self.sweep_at = (2 * self.due.len()).max(SWEEP_AT);
    }
}

/// A request that was revoked before is gone, its slot is free, and this completion hits nothing. `at`: the
/// time that the model has reached, because a request that was held back is due when it is overtaken.
fn complete(due: Due, at: u64, slabs: &[Arc<Slab>], counters: &ModelCounters, ready: &mut ReadyList) {
    let Due { ticket, port, announce, operation, bytes, times, flags, .. } = due;
    match slabs[port].resume(ticket) {
        Some((claimed, status)) => {
            if !flags.is_none() {
                note(flags, announce, counters);
            }
            let due = Some(at.max(due.due));
            ready.push(Ready { port, claimed, status, announce, operation, bytes, times, due, flags });
        }
        None => bump(&counters.late, 1),
    }
}

/// Counts the faults of a completion that have an effect.
#[cold]
fn note(flags: Flags, announce: Announce, counters: &ModelCounters) {
    if flags.drop_wake {
        counters.injected(FaultKind::DropWake);
    }
    // A second wake comes after the first.
    if flags.duplicate && !(flags.drop_wake && announce == Announce::Wake) {
        counters.injected(FaultKind::Duplicate);
    }
}
