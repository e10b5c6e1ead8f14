//! What a device plugs into its queue pairs: the fault plan's part on the host's side, and the timing of
//! requests.

use std::sync::Arc;

use crate::config::Config;
use crate::message::operation::Operation;
use crate::message::request::Request;
use crate::model::fault::{self, Armed, FaultKind, Occasion};
use crate::model::network::limit::Limit;
use crate::model::network::limit_mode::LimitMode;
use crate::queue::hooks::{Hooks, Served, Stamp, Taker};
use crate::queue::ready::Times;
use crate::run::clock::Clock;
use crate::stats::ModelCounters;
use crate::stats::timing::{Timer, Timing};
use crate::sync::{Mutex, lock};

/// The hooks of one queue pair.
#[derive(Debug)]
pub(crate) struct PairHooks {
    plan: Plan,
    pub(crate) timer: Timer,
}

/// What the hooks of every queue pair of a device share.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    clock: Clock,
    timing: Timing,
    is_modelled: bool,
    busy: Option<Arc<Busy>>,
    /// `limit=busy`.
    limit: Option<Arc<Mutex<Limit>>>,
    counters: Arc<ModelCounters>,
}

/// The fault plan's part on the host's side: submissions that are refused as if the ring were full.
#[derive(Debug)]
struct Busy {
    armed: Mutex<Vec<Armed>>,
    counters: Arc<ModelCounters>,
}

impl Busy {
    /// `None`: the plan has no such fault.
    fn new(config: &Config, counters: &Arc<ModelCounters>) -> Option<Arc<Self>> {
        let armed = fault::arm(&config.faults, config.seed, |kind| kind == FaultKind::Busy);
        let counters = Arc::clone(counters);
        (!armed.is_empty()).then(|| Arc::new(Self { armed: Mutex::new(armed), counters }))
    }

    #[cold]
    fn hits(&self, occasion: &Occasion<'_>) -> bool {
        // All rules are asked, because each counts its own occasions.
        let mut armed = lock(&self.armed);
        let hits = armed.iter_mut().filter_map(|armed| armed.hits(occasion).then_some(armed.kind)).count();
        (0..hits).for_each(|_| self.counters.injected(FaultKind::Busy));
        hits > 0
    }
}

impl Plan {
    pub(crate) fn new(config: &Config, clock: &Clock, counters: &Arc<ModelCounters>) -> Self {
        let limit = Limit::new(config).filter(|_| config.limit == LimitMode::Busy);
        Self {
            clock: clock.clone(),
            timing: config.timing,
            is_modelled: config.is_modelled(),
            busy: Busy::new(config, counters),
            limit: limit.map(|limit| Arc::new(Mutex::new(limit))),
            counters: Arc::clone(counters),
        }
    }

    /// The hooks of another queue pair; `None`: it needs none.
    pub(crate) fn hooks(&self) -> Option<Arc<PairHooks>> {
        // A device with faults is modelled.
        let is_needed = self.is_modelled || self.timing != Timing::Off;
        is_needed.then(|| Arc::new(PairHooks { plan: self.clone(), timer: Timer::default() }))
    }
}

impl Hooks for PairHooks {
    fn is_busy(&self, operation: Operation, call: Option<&str>, size: u64) -> bool {
        let Some(busy) = &self.plan.busy else { return false };
        busy.hits(&Occasion { operation: Some(operation), call, size, now: self.plan.clock.now() })
    }

    fn limits(&self) -> bool {
        self.plan.limit.is_some()
    }

    fn let_in(&self, bytes: u64, at: u64, now: u64, enter: &mut dyn FnMut() -> bool) -> Option<u64> {
        let mut limit = lock(self.plan.limit.as_ref()?);
        let from = at.max(limit.opens(bytes));
        (from <= now && enter()).then(|| limit.pass(at, bytes))
    }

    fn lets_in_at(&self, bytes: u64) -> Option<u64> {
        let opens = lock(self.plan.limit.as_ref()?).opens(bytes);
        (opens > self.now()).then_some(opens)
    }

    fn now(&self) -> u64 {
        self.plan.clock.now()
    }

    fn stamp(&self, number: u64) -> Stamp {
        let Plan { timing, is_modelled, clock, .. } = &self.plan;
        let is_timed = timing.wants(number);
        let submitted = if is_timed || *is_modelled { clock.now() } else { 0 };
        Stamp { submitted, is_timed }
    }

    fn note_service(&self, operation: Operation, times: Times) {
        self.timer.note_service(operation, times);
    }

    fn note_taken(&self, request: &Request, Served { submitted, served }: Served, taker: Taker) {
        let now = self.plan.clock.now();
        let note = match taker {
            Taker::Submitter => Timer::note_taken,
            Taker::Other => Timer::note_taken_elsewhere,
        };
        note(&self.timer, request.operation, submitted, served, now);
        if let Some(name) = request.call_name() {
            self.plan.counters.calls.note_taken(name, submitted, served, now);
        }
    }
}
