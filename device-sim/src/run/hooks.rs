//! What a device plugs into its queue pairs: the fault plan's part on the host's side, and the timing of
//! requests.

use std::sync::Arc;

use crate::config::{Change, Config};
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
use crate::sync::{AtomicBool, Mutex, Ordering, lock};

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
    host: Arc<HostSide>,
    counters: Arc<ModelCounters>,
}

/// What makes submissions find the ring full: faults, and a limit. It may change at any time.
#[derive(Debug)]
struct HostSide {
    /// Whether there are any such faults, so that a submission need not look.
    has_busy: AtomicBool,
    busy: Mutex<Vec<Armed>>,
    /// `limit=busy`.
    has_limit: AtomicBool,
    limit: Mutex<Option<Limit>>,
}

impl HostSide {
    fn new(config: &Config) -> Arc<Self> {
        let side = Self {
            has_busy: AtomicBool::new(false),
            busy: Mutex::default(),
            has_limit: AtomicBool::new(false),
            limit: Mutex::default(),
        };
        side.set_faults(config);
        side.set_limit(config);
        Arc::new(side)
    }

    fn set_faults(&self, config: &Config) {
        let armed = fault::arm(&config.faults, config.seed, |kind| kind == FaultKind::Busy);
        let mut busy = lock(&self.busy);
        self.has_busy.store(!armed.is_empty(), Ordering::Release);
        *busy = armed;
    }

    fn set_limit(&self, config: &Config) {
        let limit = Limit::new(config).filter(|_| config.limit == LimitMode::Busy);
        let mut current = lock(&self.limit);
        self.has_limit.store(limit.is_some(), Ordering::Release);
        *current = limit;
    }

    #[cold]
    fn hits(&self, occasion: &Occasion<'_>) -> bool {
        // All rules are asked, because each counts its own occasions.
        lock(&self.busy).iter_mut().filter_map(|rule| rule.hits(occasion).then_some(())).count() > 0
    }
}

impl Plan {
    pub(crate) fn new(config: &Config, clock: &Clock, counters: &Arc<ModelCounters>) -> Self {
        Self {
            clock: clock.clone(),
            timing: config.timing,
            is_modelled: config.is_modelled(),
            host: HostSide::new(config),
            counters: Arc::clone(counters),
        }
    }

    /// Works by another configuration from here on.
    pub(crate) fn change(&self, change: &Change) {
        if change.faults {
            self.host.set_faults(&change.config);
        }
        if change.limits {
            self.host.set_limit(&change.config);
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
    fn may_be_busy(&self) -> bool {
        self.plan.host.has_busy.load(Ordering::Acquire)
    }

    fn is_busy(&self, operation: Operation, call: Option<&str>, size: u64) -> bool {
        let Plan { host, clock, .. } = &self.plan;
        self.may_be_busy()
            && host.hits(&Occasion { operation: Some(operation), call, size, now: clock.now() })
    }

    fn note_busy(&self) {
        self.plan.counters.injected(FaultKind::Busy);
    }

    fn limits(&self) -> bool {
        self.plan.host.has_limit.load(Ordering::Acquire)
    }

    fn let_in(&self, bytes: u64, at: u64, now: u64, enter: &mut dyn FnMut() -> bool) -> Option<u64> {
        let mut limit = lock(&self.plan.host.limit);
        let limit = limit.as_mut()?;
        let from = at.max(limit.opens(bytes));
        (from <= now && enter()).then(|| limit.pass(at, bytes))
    }

    fn lets_in_at(&self, bytes: u64) -> Option<u64> {
        let opens = lock(&self.plan.host.limit).as_ref()?.opens(bytes);
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
