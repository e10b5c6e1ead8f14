//! The model: joins the parts that say when each request is due, and in which order requests complete.
//!
//! ```text
//!   schedule ─► stations ────────► left ───────────► due queue ──► computed? ──► order ──► ready
//!               (service time,     (plus the faults   (by time,     (if not,      (fifo,
//!                standstill of      delay and late;    then by       kept in       held back)
//!                a fault)           in_order)          arrival)      handed)
//! ```
//!
//! Where all times of a request are known when it arrives, it leaves the stations at once. Otherwise it goes
//! on in them when time passes (`advance`). Times are nanoseconds, and come from the driver.

use std::mem;
use std::sync::Arc;

use crate::config::{Change, Config};
use crate::message::algorithm::Algorithm;
use crate::message::operation::Operation;
use crate::message::request::Request;
use crate::message::status::Status;
use crate::model::due::{Due, DueQueue};
use crate::model::fault::FaultKind;
use crate::model::handed::Handed;
use crate::model::in_order::InOrder;
use crate::model::network::{Arrival, Counted, Left, Network, Served, Surroundings};
use crate::model::order::Order;
use crate::model::overdue::Overdue;
use crate::model::plan::{Plan, Verdict, carry_out};
use crate::model::sabotage::Saboteur;
use crate::model::service::{Class, ServiceTimes, Work};
use crate::queue::cell::{Slab, Ticket};
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
    network: Network<OnTheWay>,
    orders: Vec<Order<Due>>,
    /// By port: requests that leave the stations out of their order, where that is kept.
    in_order: Vec<InOrder<OnTheWay>>,
    /// Kept for its memory.
    left: Vec<Left<OnTheWay>>,
    due: DueQueue,
    /// `None`: no other worker computes.
    handed: Option<Handed>,
    pub(crate) plan: Plan,
    counters: Arc<ModelCounters>,
    sequence: u64,
    overdue: Overdue,
    sweep_at: usize,
    /// Requests, with their ports, that were swept: nothing is to be kept for them.
    pub(crate) swept: Vec<(usize, Ticket)>,
    pub(crate) sabotage: Option<Saboteur>,
}

impl Model {
    /// `None`: the device is ideal.
    pub(crate) fn new(config: &Config, ports: usize, counters: &Arc<ModelCounters>) -> Option<Self> {
        config.is_modelled().then(|| Self {
            service: ServiceTimes::new(config),
            network: Network::new(config, ports),
            orders: (0..ports).map(|port| Order::new(config.ordering, config.seed, port)).collect(),
            in_order: (0..ports).map(|_| InOrder::default()).collect(),
            left: Vec::new(),
            due: DueQueue::default(),
            handed: None,
            plan: Plan::new(config, counters),
            counters: Arc::clone(counters),
            sequence: 0,
            overdue: Overdue::default(),
            sweep_at: SWEEP_AT,
            swept: Vec::new(),
            sabotage: None,
        })
    }

    /// The class of a request, by which its service time is found.
    pub(crate) fn class(
        &self,
        operation: Operation,
        algorithm: Option<Algorithm>,
        name: Option<&str>,
    ) -> Class {
        self.service.class(operation, algorithm, name)
    }

    /// From here on other workers may compute.
    pub(crate) fn hand_over(&mut self) {
        let is_ordered = self.orders.iter().any(Order::is_kept);
        self.handed = Some(Handed::new(self.orders.len(), is_ordered));
    }

    /// Works by another configuration from here on. What is scheduled keeps its time.
    pub(crate) fn change(&mut self, change: &Change, now: u64) {
        let Change { config, faults, service, stations, limits } = change;
        // What has happened until now has happened by the old numbers.
        self.advance(now);
        if *faults {
            self.plan = Plan::new(config, &self.counters);
        }
        if *service {
            let before = mem::replace(&mut self.service, ServiceTimes::new(config));
            let after = &self.service;
            self.network.each(|work| work.class = after.class_after(&before, work));
        }
        if *stations || *limits {
            let around = &mut Around { service: &mut self.service, counters: &self.counters };
            self.network.change(config, self.orders.len(), *limits, now, around);
        }
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
        if !self.network.has_batches() {
            let _ = self.service.next(work);
        }
        self.orders[work.port].skip();
    }

    /// Sends a request through the stations that is computed, or handed over. The host may revoke it until it
    /// is due. Returns its times and when it was due, if it is overdue already and completes now.
    #[inline]
    pub(crate) fn schedule(
        &mut self,
        scheduled: Scheduled,
        work: &Work,
        verdict: &Verdict,
        slabs: &[Arc<Slab>],
    ) -> Option<(Times, u64)> {
        let Scheduled { ticket, announce, submitted, at } = scheduled;
        let Work { port, operation, input: bytes, .. } = *work;
        let times = Times { submitted, started: at, ended: at };
        let (never, late) = (verdict.never, verdict.late > 0 && !verdict.never);
        let (sequence, flags) = (self.sequence, verdict.flags);
        self.sequence += 1;
        let gap = if never || late {
            self.orders[port].skip();
            0
        } else {
            self.orders[port].enter()
        };
        let due = Due {
            due: u64::MAX,
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
        };
        let more = verdict.delay.saturating_add(verdict.late);
        let completes = self.send(at, verdict, work, OnTheWay { due, more, place: 0 });
        if completes.is_none() {
            self.sweep(slabs, at);
        }
        completes
    }

    /// Sends a request through the stations.
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn send(
        &mut self,
        at: u64,
        verdict: &Verdict,
        work: &Work,
        mut request: OnTheWay,
    ) -> Option<(Times, u64)> {
        let around = &mut Around { service: &mut self.service, counters: &self.counters };
        let service = (!self.network.has_batches()).then(|| around.service(work));
        let arrival = Arrival { work: *work, standstill: verdict.before, service, never: verdict.never };
        match &mut self.network {
            Network::Direct(direct) => {
                let served = direct.arrive(at, &arrival, around);
                request.serve(served);
                self.place_or_complete(request)
            }
            Network::Events(events) => {
                if self.orders[request.due.port].is_kept() && request.keeps_order() {
                    request.place = self.in_order[request.due.port].enter();
                }
                events.enter(at, arrival, request, around);
                None
            }
        }
    }

    /// Lets time pass in the stations.
    fn advance(&mut self, now: u64) {
        let Network::Events(events) = &mut self.network else { return };
        let around = &mut Around { service: &mut self.service, counters: &self.counters };
        let mut left = mem::take(&mut self.left);
        events.advance(now, around, &mut left);
        for Left { served, content: mut request } in left.drain(..) {
            request.serve(served);
            let port = request.due.port;
            if self.orders[port].is_kept() && request.keeps_order() {
                self.in_order[port].ready(request.place, request);
                self.place_next(port);
            } else {
                self.place(request);
            }
        }
        self.left = left;
    }

    /// Places those that have left the stations, and whose turn it is.
    fn place_next(&mut self, port: usize) {
        while let Some(request) = self.in_order[port].next() {
            self.place(request);
        }
    }

    /// A request has left the stations: it is known when it is due.
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn place(&mut self, request: OnTheWay) {
        let due = self.time_of(request);
        self.due.push(due);
    }

    /// The same for one that may be overdue as it comes.
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn place_or_complete(&mut self, request: OnTheWay) -> Option<(Times, u64)> {
        let due = self.time_of(request);
        if due.is_plain() && self.overdue.is(due.due, due.sequence) && self.orders[due.port].pass() {
            return Some((due.times, due.due));
        }
        if !due.never {
            self.overdue.close_from(due.due);
        }
        self.due.push(due);
        None
    }

    #[cfg_attr(not(debug_assertions), inline(always))]
    fn time_of(&mut self, request: OnTheWay) -> Due {
        let keeps_order = request.keeps_order();
        let OnTheWay { mut due, more, .. } = request;
        due.due = due.times.ended.saturating_add(more);
        if keeps_order {
            due.due = self.orders[due.port].place(due.due);
        }
        due
    }

    /// Moves what is due at `now` to `ready`, on a device where what is overdue as it comes may complete at
    /// once; it does so from now on, until [`Model::hurry_no_more`]. `false`: nothing was due.
    pub(crate) fn hurry(&mut self, now: u64, slabs: &[Arc<Slab>], ready: &mut ReadyList) -> bool {
        let was_due = self.deliver(now, now, slabs, ready);
        let last = ready.last().and_then(|last| last.due);
        self.overdue.begin(now, last.unwrap_or(0));
        was_due
    }

    pub(crate) fn hurry_no_more(&mut self) {
        self.overdue.end();
    }

    /// Whether requests that are overdue as they come may complete at once: all their times are known then,
    /// nothing else computes, and nothing looks at them on the way.
    pub(crate) fn can_hurry(&self) -> bool {
        !self.has_events() && self.handed.is_none() && self.sabotage.is_none()
    }

    /// Moves what is due at `now` to `ready`; `false`: nothing was due. `known_until`: all that has arrived
    /// until then is known, and the stations may serve it.
    pub(crate) fn deliver(
        &mut self,
        now: u64,
        known_until: u64,
        slabs: &[Arc<Slab>],
        ready: &mut ReadyList,
    ) -> bool {
        self.advance(known_until);
        let mut was_due = false;
        while let Some(next) = self.due.pop(now) {
            was_due = true;
            let next = match &mut self.handed {
                Some(handed) => handed.keep(next, &slabs[next.port]),
                None => Some(next),
            };
            if let Some(next) = next {
                self.end(next, slabs, ready);
            }
        }
        was_due
    }

    /// A request is due and computed.
    fn end(&mut self, mut due: Due, slabs: &[Arc<Slab>], ready: &mut ReadyList) {
        if let Some(saboteur) = &mut self.sabotage {
            saboteur.due(&mut due.flags, &slabs[due.port], due.ticket);
        }
        let counters = &self.counters;
        let at = due.due;
        if due.late {
            complete(due, at, slabs, counters, ready);
        } else {
            let gap = due.gap;
            self.orders[due.port].due(due, gap, |due| complete(due, at, slabs, counters, ready));
        }
    }

    /// Another worker has computed a request, or has not found it any more. `true`: the device has ended it
    /// before.
    pub(crate) fn returned(
        &mut self,
        port: usize,
        ticket: Ticket,
        slabs: &[Arc<Slab>],
        ready: &mut ReadyList,
    ) -> bool {
        let Some(handed) = &mut self.handed else { return false };
        if let Some((due, status)) = handed.ended(ticket) {
            let from = ready.len();
            complete(due, 0, slabs, &self.counters, ready);
            ready[from..].iter_mut().for_each(|ended| (ended.status, ended.due) = (status, None));
            return true;
        }
        let mut next = handed.returned(port, ticket);
        while let Some(due) = next.take().or_else(|| self.handed.as_mut()?.next(port, &slabs[port])) {
            self.end(due, slabs, ready);
        }
        false
    }

    /// Whether nothing that is due waits for another worker.
    pub(crate) fn is_caught_up(&self) -> bool {
        self.handed.as_ref().is_none_or(Handed::is_empty)
    }

    /// Whether something ends only when another worker is done with it.
    pub(crate) fn is_ending(&self) -> bool {
        self.handed.as_ref().is_some_and(Handed::is_ending)
    }

    /// Whether requests wait in stations, for time to pass.
    pub(crate) const fn has_events(&self) -> bool {
        matches!(self.network, Network::Events(_))
    }

    /// When the next request is due, of those that ever are, or goes on in the stations.
    pub(crate) fn next_due(&self) -> Option<u64> {
        let due = self.due.next_due();
        match &self.network {
            Network::Direct(_) => due,
            Network::Events(events) => due.into_iter().chain(events.next()).min(),
        }
    }

    /// Ends everything that is scheduled with `status`, due or not, and frees the units.
    pub(crate) fn fail_all(&mut self, status: Status, slabs: &[Arc<Slab>], ready: &mut ReadyList) {
        let from = ready.len();
        let held = self.orders.iter_mut().flat_map(Order::clear);
        let on_the_way = self.network.clear().into_iter();
        let on_the_way = on_the_way.chain(self.in_order.iter_mut().flat_map(InOrder::drain));
        let on_the_way = on_the_way.map(|request| request.due);
        let handed = self.handed.as_mut().map(Handed::drain).unwrap_or_default();
        let all = self.due.drain().into_iter().chain(held).chain(on_the_way).chain(handed);
        let mut all: Vec<Due> = all.collect();
        all.sort_unstable();
        for due in all {
            self.fail(Due { flags: Flags::default(), ..due }, status, slabs, ready);
        }
        ready[from..].iter_mut().for_each(|ended| (ended.status, ended.due) = (status, None));
    }

    /// Ends a scheduled request, at once or when another worker has computed it.
    fn fail(&mut self, due: Due, status: Status, slabs: &[Arc<Slab>], ready: &mut ReadyList) {
        let Due { ticket, port, announce, operation, bytes, times, flags, .. } = due;
        let slab = &slabs[port];
        let Some(handed) = self.handed.as_mut().filter(|_| slab.is_out(ticket)) else {
            return complete(due, 0, slabs, &self.counters, ready);
        };
        match slab.resume_handed(ticket) {
            Some(claimed) => {
                let due = None;
                ready.push(Ready { port, claimed, status, announce, operation, bytes, times, due, flags });
            }
            // Its result is still to come, or it was revoked this moment, and hits nothing then.
            None => handed.end_later(due, status),
        }
    }

    /// Removes revoked requests: submitting and revoking during a whole long service time must not fill the
    /// memory.
    #[inline]
    fn sweep(&mut self, slabs: &[Arc<Slab>], now: u64) {
        if self.due.len() + self.network.len() >= self.sweep_at {
            self.sweep_all(slabs, now);
        }
    }

    #[cold]
    fn sweep_all(&mut self, slabs: &[Arc<Slab>], now: u64) {
        let keeps = |due: &Due| due.late || slabs[due.port].is_scheduled(due.ticket);
        let (mut kept, mut again) = (Vec::new(), Vec::new());
        for due in self.due.drain() {
            if keeps(&due) {
                kept.push(due);
                continue;
            }
            self.swept.push((due.port, due.ticket));
            if !due.never {
                again.extend(self.orders[due.port].gone());
            }
        }
        kept.extend(again.into_iter().map(|due| Due { due: now, gap: 0, ..due }));
        self.due.fill(kept);
        self.sweep_stations(keeps, now);
        self.sweep_at = (2 * (self.due.len() + self.network.len())).max(SWEEP_AT);
    }

    /// The same in the stations, for what is not begun there.
    fn sweep_stations(&mut self, keeps: impl Fn(&Due) -> bool, now: u64) {
        let Network::Events(events) = &mut self.network else { return };
        for request in events.retain(|request| keeps(&request.due)) {
            let port = request.due.port;
            self.swept.push((port, request.due.ticket));
            if !request.keeps_order() {
                continue;
            }
            if self.orders[port].is_kept() {
                self.in_order[port].gone(request.place);
                self.place_next(port);
            }
            let again = self.orders[port].gone();
            again.into_iter().for_each(|due| self.due.push(Due { due: now, gap: 0, ..due }));
        }
    }
}

/// A request that goes to the stations.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scheduled {
    pub(crate) ticket: Ticket,
    pub(crate) announce: Announce,
    /// `None`: it is not timed.
    pub(crate) submitted: Option<u64>,
    /// When it has arrived.
    pub(crate) at: u64,
}

/// A request in the stations, or one that has left them before its turn.
#[derive(Debug)]
struct OnTheWay {
    /// Complete but for the times.
    due: Due,
    /// How much later than its service it is due, by a fault.
    more: u64,
    /// In the order of its queue pair, where that is kept.
    place: u64,
}

impl OnTheWay {
    const fn serve(&mut self, served: Served) {
        (self.due.times.started, self.due.times.ended) = (served.started, served.ended);
    }

    /// Whether its completion comes in the order of its queue pair.
    const fn keeps_order(&self) -> bool {
        !self.due.never && !self.due.late
    }
}

/// What the stations ask for, and what counts for them.
struct Around<'a> {
    service: &'a mut ServiceTimes,
    counters: &'a ModelCounters,
}

impl Surroundings for Around<'_> {
    fn service(&mut self, work: &Work) -> u64 {
        self.service.next(work)
    }

    #[inline]
    fn count(&mut self, counted: Counted) {
        match counted {
            Counted::Unit { unit, requests, at, nsec } => {
                bump(&self.counters.units[unit].executed, requests);
                bump(&self.counters.units[unit].busy_nsec, nsec);
                self.counters.services.note(unit, requests, at, nsec);
            }
            Counted::Front { nsec } => bump(&self.counters.stations.front_busy_nsec, nsec),
            Counted::LinkIn { nsec } => bump(&self.counters.stations.link_in_busy_nsec, nsec),
            Counted::LinkOut { nsec } => bump(&self.counters.stations.link_out_busy_nsec, nsec),
            Counted::Limit { nsec } => {
                bump(&self.counters.stations.limited, 1);
                bump(&self.counters.stations.limited_nsec, nsec);
            }
            Counted::Batch => bump(&self.counters.stations.batches, 1),
        }
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
        None => {
            bump(&counters.late, 1);
            ready.note_gone(port, ticket);
        }
    }
}

/// Counts the faults of a completion that have an effect.
#[cold]
fn note(flags: Flags, announce: Announce, counters: &ModelCounters) {
    if flags.drop_wake && !flags.is_secret {
        counters.injected(FaultKind::DropWake);
    }
    // A second wake comes after the first.
    if flags.duplicate && !(flags.drop_wake && announce == Announce::Wake) {
        counters.injected(FaultKind::Duplicate);
    }
}
