//! Counters: kept by the side that causes the event, read by any thread at any time.
//!
//! ```text
//!   submitted == completed + failed + revoked + in_flight        at any quiet moment
//! ```
//!
//! `in_flight` is no counter: it is found by reading every cell, so the equation can fail.

pub(crate) mod calls;
pub(crate) mod histogram;
mod pair;
pub(crate) mod recorder;
pub(crate) mod services;
pub(crate) mod timing;

use std::iter::Sum;
use std::ops::AddAssign;

use crate::message::operation::Operation;
use crate::model::fault::{FaultCounts, FaultKind};
use crate::stats::calls::CallBook;
use crate::stats::histogram::Histogram;
use crate::stats::recorder::Recorder;
use crate::stats::services::ServiceLog;
use crate::stats::timing::Timings;
use crate::sync::{AtomicU64, Ordering};
use crate::trace;

/// Declares counters once: the fields of a struct, with their names and meanings as values.
macro_rules! counted {
    (
        $(#[$of:meta])* $name:ident {
            $($(#[doc = $doc:literal])+ $field:ident,)*
            $(; $($(#[$more:meta])+ $other:ident: $type:ty,)+)?
        }
    ) => {
        $(#[$of])*
        #[non_exhaustive]
        pub struct $name {
            $($(#[doc = $doc])+ pub $field: u64,)*
            $($($(#[$more])+ pub $other: $type,)+)?
        }

        impl $name {
            /// The names of all plain counters with their values, in order.
            pub fn counters(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($field), self.$field)),*].into_iter()
            }

            /// What each of [`Self::counters`] means, in the same order.
            pub fn meanings() -> impl Iterator<Item = &'static str> {
                [$(concat!($($doc),+)),*].into_iter()
            }

            /// The counters of [`Self::counters`], for writing.
            #[allow(dead_code, reason = "not every one of these is added up")]
            fn counters_mut(&mut self) -> impl Iterator<Item = &mut u64> {
                [$(&mut self.$field),*].into_iter()
            }

            #[allow(dead_code, reason = "not every one of these is added up")]
            fn add_counters(&mut self, other: &Self) {
                self.counters_mut().zip(other.counters()).for_each(|(sum, (_, more))| *sum += more);
            }
        }
    };
}

counted! {
    /// The work of one kind of operation.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    OperationStats {
        /// Requests that the device finished with status Ok.
        completed,
        /// Requests that the device finished with any other status than Ok.
        failed,
        /// Bytes of input of the requests that the device finished.
        bytes,
    }
}

counted! {
    /// The work of one queue pair since it was opened.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    QueuePairStats {
        /// Requests that the device got: through the submission ring, or from the parked requests.
        submitted,
        /// Requests that the device finished with status Ok.
        completed,
        /// Requests that the device finished with any other status than Ok.
        failed,
        /// Requests that were taken back before the device had finished them.
        revoked,
        /// Requests that are submitted and neither finished nor revoked at this moment.
        in_flight,
        /// Bytes of input of the requests that the device finished.
        bytes,
        /// Submissions that were refused because no slot was free or a request waited for one, for lack of
        /// tokens (`limit=busy`), or by a fault `busy`.
        full,
        /// Requests that queued for a slot.
        parked,
        /// Times that submissions were shown to the device and woke a sleeping worker. Several may be shown
        /// at a time.
        doorbells_rung,
        /// Times that submissions were shown to the device and found the worker awake.
        doorbells_suppressed,
        /// Interrupts raised.
        interrupts,
        /// Completions that were announced together with an earlier one, by interrupt coalescing.
        interrupts_coalesced,
        /// Wakers called because a request was done.
        wakes_sent,
        /// Wakers called, or interrupts raised, without a finished request: by a fault `spurious_wake`.
        wakes_spurious,
        /// Wakes that the host cancelled, or that ended with their request. Plain polled requests count when
        /// they are cancelled, reaped or not, and not when they end.
        wakes_cancelled,
        /// Wakers that panicked; they count as sent too.
        wake_panics,
        ;
        /// `completed`, `failed` and `bytes` again, by [`Operation::number`].
        operations: [OperationStats; Operation::ALL.len()],
    }
}

counted! {
    /// The work of one compute unit of a modelled device.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    UnitStats {
        /// Requests that the unit has served.
        executed,
        /// How long the unit was busy with requests, in nanoseconds of modelled time.
        busy_nsec,
    }
}

counted! {
    /// The work of one worker, a thread of the host, of a modelled device.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    WorkerStats {
        /// Requests that the worker has worked on.
        computed,
        /// How long the worker was at work and did not wait, in nanoseconds of the device's clock: it
        /// computed, and the first worker also scheduled and published.
        busy_nsec,
    }
}

impl QueuePairStats {
    /// The operations with their counts.
    pub fn by_operation(&self) -> impl Iterator<Item = (Operation, OperationStats)> {
        Operation::ALL.into_iter().zip(self.operations)
    }

    /// The sums that are wrong while nothing runs; empty when all is well.
    pub fn imbalances(&self) -> Vec<String> {
        let sum = self.operations.iter().copied().sum::<OperationStats>();
        let done = self.completed + self.failed;
        let rules = [
            Rule::equal(
                "submitted == completed + failed + revoked + in_flight",
                self.submitted,
                done + self.revoked + self.in_flight,
            ),
            Rule::equal("completed == the sum over operations", self.completed, sum.completed),
            Rule::equal("failed == the sum over operations", self.failed, sum.failed),
            Rule::equal("bytes == the sum over operations", self.bytes, sum.bytes),
            Rule::at_most("wakes_sent <= completed + failed", self.wakes_sent, done),
            Rule::at_most(
                "wake_panics <= wakes_sent + wakes_spurious",
                self.wake_panics,
                self.wakes_sent + self.wakes_spurious,
            ),
        ];
        Rule::broken(rules)
    }
}

/// A rule of bookkeeping: two numbers, and their relation.
#[derive(Clone, Copy, Debug)]
struct Rule {
    text: &'static str,
    left: u64,
    right: u64,
    holds: bool,
}

impl Rule {
    const fn equal(text: &'static str, left: u64, right: u64) -> Self {
        Self { text, left, right, holds: left == right }
    }

    const fn at_most(text: &'static str, left: u64, right: u64) -> Self {
        Self { text, left, right, holds: left <= right }
    }

    /// An event that happened `left` times leaves a trace, though perhaps one for several.
    const fn shows(text: &'static str, left: u64, right: u64) -> Self {
        Self { text, left, right, holds: left == 0 || right > 0 }
    }

    fn broken(rules: impl IntoIterator<Item = Self>) -> Vec<String> {
        let broken = rules.into_iter().filter(|rule| !rule.holds);
        broken.map(|Self { text, left, right, .. }| format!("{text}: {left}, {right}")).collect()
    }
}

impl AddAssign for OperationStats {
    fn add_assign(&mut self, other: Self) {
        self.add_counters(&other);
    }
}

impl AddAssign for QueuePairStats {
    fn add_assign(&mut self, other: Self) {
        self.add_counters(&other);
        self.operations.iter_mut().zip(other.operations).for_each(|(sum, more)| *sum += more);
    }
}

impl Sum for OperationStats {
    fn sum<I: Iterator<Item = Self>>(stats: I) -> Self {
        stats.fold(Self::default(), |mut total, stats| {
            total += stats;
            total
        })
    }
}

impl Sum for QueuePairStats {
    fn sum<I: Iterator<Item = Self>>(stats: I) -> Self {
        stats.fold(Self::default(), |mut total, stats| {
            total += stats;
            total
        })
    }
}

counted! {
    /// What was done of the calls of one name ([`Operation::Call`]).
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    CallStats {
        /// Calls that the device finished, and all was well; those whose function panicked, too.
        completed,
        /// Calls that the device finished with any other status than Ok.
        failed,
        /// Bytes of input that these calls were said to have.
        bytes,
        /// Calls whose function panicked.
        panicked,
        ;
        /// As it was given.
        name: String,
        /// Empty with `timing=off`.
        timings: Timings,
    }
}

counted! {
    /// The work of a device since it was opened.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    DeviceStats {
        /// Completions that came after their request had been revoked, and hit nothing.
        late_completions,
        /// How often a worker found nothing to do and went to sleep.
        worker_sleeps,
        /// How often the device died: a worker panicked, or a fault `dead`.
        deaths,
        /// How often the device was reset, by command or by a fault `reset`.
        resets,
        /// How long the host and not the model decided when requests completed, in nanoseconds: the time in
        /// which a request was due and not yet published. Counted when it is published.
        host_bound_nsec,
        /// How long the device has been open, in nanoseconds of its clock.
        open_nsec,
        /// Requests that waited for their tokens in the device (`limit=delay`).
        limited,
        /// How long requests waited for their tokens, in nanoseconds of modelled time (`limit=delay`).
        limited_nsec,
        /// How long the front stage was busy, in nanoseconds of modelled time (`firmware_nsec`).
        front_busy_nsec,
        /// How long the link was busy with inputs, in nanoseconds of modelled time (`link_mbps`).
        link_in_busy_nsec,
        /// How long the link was busy with outputs, in nanoseconds of modelled time (`link_mbps`).
        link_out_busy_nsec,
        /// Batches that were formed (`batch`).
        batches,
        ;
        /// The sum over all queue pairs.
        total: QueuePairStats,
        /// Each queue pair, by its index.
        queue_pairs: Vec<QueuePairStats>,
        /// Each compute unit, by its number; none on a device that models nothing.
        units: Vec<UnitStats>,
        /// Each worker, by its number; none on a device that models nothing.
        workers: Vec<WorkerStats>,
        /// Faults injected by the device.
        faults: FaultCounts,
        /// By how much requests completed later than the model has it, each from its due time until it was
        /// published: what the host has added. All zeros on a stepped device.
        completion_error: Histogram,
        /// The sum over all queue pairs and operations; empty with `timing=off`.
        timings: Timings,
        /// By queue pair.
        timings_by_pair: Vec<Timings>,
        /// By [`Operation::number`].
        timings_by_operation: [Timings; Operation::ALL.len()],
        /// The operations of the user's own, by name, in the order of their names: those that the
        /// configuration declares, and then as they come, until there are 64. What comes later, has no name,
        /// or one of more than 64 bytes, is counted under the name `other`.
        calls: Vec<CallStats>,
    }
}

/// Above this share of the time a device is called host-bound.
const HOST_BOUND: f64 = 0.05;

impl DeviceStats {
    /// For which share of the time since it was opened the host and not the model decided when requests
    /// completed.
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    pub fn host_bound(&self) -> f64 {
        self.host_bound_nsec as f64 / self.open_nsec.max(1) as f64
    }

    /// One line that warns that figures are those of this host and not those of the model, where that is so
    /// for more than 5 % of the time.
    pub fn host_bound_warning(&self) -> Option<String> {
        let share = self.host_bound();
        let most = 100.0 * share;
        (share > HOST_BOUND).then(|| {
            format!(
                "host-bound: for {most:.0} % of the time this host, not the model, decided when requests \
                 completed; more workers (workers=N), a smaller load or smaller requests leave it to the model"
            )
        })
    }

    /// The sums that are wrong while nothing runs; empty when all is well.
    pub fn imbalances(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for (index, pair) in self.queue_pairs.iter().enumerate() {
            wrong.extend(pair.imbalances().into_iter().map(|rule| format!("queue pair {index}: {rule}")));
        }
        let sum: QueuePairStats = self.queue_pairs.iter().copied().sum();
        if sum != self.total {
            wrong.push(format!("total == the sum over queue pairs: {:?}, {sum:?}", self.total));
        }
        wrong.extend(Rule::broken(self.units_and_faults()));
        let by_pair = self.timings_by_pair.iter().map(Timings::counts);
        let by_operation = self.timings_by_operation.iter().map(Timings::counts);
        wrong.extend(Rule::broken(self.timed(by_pair, "timings == the sum over queue pairs")));
        wrong.extend(Rule::broken(self.timed(by_operation, "timings == the sum over operations")));
        wrong.extend(Rule::broken(self.measured()));
        wrong.extend(Rule::broken(self.sums_of_calls()));
        wrong
    }

    /// A request that never reached a unit was not completed; no fault is injected where there is nothing to
    /// hit.
    fn units_and_faults(&self) -> impl Iterator<Item = Rule> {
        let total = &self.total;
        let executed = self.units.iter().map(|unit| unit.executed).sum();
        let units = [
            Rule::at_most("completed <= executed by the units", total.completed, executed),
            Rule::at_most("executed by the units <= submitted", executed, total.submitted),
            Rule::at_most("limited <= submitted", self.limited, total.submitted),
            Rule::at_most("batches <= submitted", self.batches, total.submitted),
        ];
        let faults = FaultKind::ALL.into_iter().filter_map(|kind| {
            let injected = self.faults.0[kind.number()];
            Some(Rule::shows("faults that left no trace", injected, self.traces_of(kind)?))
        });
        units.into_iter().filter(|_| !self.units.is_empty()).chain(faults)
    }

    /// What counts besides a fault's own counter when it was injected; `None`: nothing does.
    const fn traces_of(&self, kind: FaultKind) -> Option<u64> {
        match kind {
            FaultKind::Busy => Some(self.total.full),
            FaultKind::Timeout | FaultKind::Fail { .. } => {
                Some(self.total.revoked + self.total.failed + self.total.in_flight)
            }
            FaultKind::Dead => Some(self.deaths),
            FaultKind::Reset => Some(self.resets + self.deaths),
            FaultKind::Corrupt { .. }
            | FaultKind::Delay { .. }
            | FaultKind::DropWake
            | FaultKind::Duplicate
            | FaultKind::Late { .. }
            | FaultKind::Short { .. }
            | FaultKind::SpuriousWake
            | FaultKind::Stall { .. } => None,
        }
    }

    fn timed(&self, parts: impl Iterator<Item = [u64; 4]>, text: &'static str) -> [Rule; 4] {
        let mut sums = [0; 4];
        parts.for_each(|counts| sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count));
        let counts = self.timings.counts();
        [0, 1, 2, 3].map(|at| Rule::equal(text, counts[at], sums[at]))
    }

    fn measured(&self) -> [Rule; 4] {
        let [queue, service, wake, total] = self.timings.counts();
        let done = self.total.completed + self.total.failed;
        [
            Rule::equal("as many queue times as service times", queue, service),
            Rule::equal("as many wake times as total times", wake, total),
            Rule::at_most("no more total times than service times", total, service),
            Rule::at_most("no more service times than requests", service, done),
        ]
    }
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

/// Counters of the device as a whole: by its model, and where a fault is injected on the host's side.
#[derive(Debug)]
pub(crate) struct ModelCounters {
    pub(crate) units: Box<[UnitCounters]>,
    pub(crate) stations: StationCounters,
    faults: [AtomicU64; FaultKind::COUNT],
    pub(crate) workers: Box<[WorkerCounters]>,
    pub(crate) late: AtomicU64,
    /// Written only by the first worker.
    pub(crate) host_bound_nsec: AtomicU64,
    /// By command or by a fault.
    pub(crate) resets: AtomicU64,
    /// Recorded by the model.
    pub(crate) completion_error: Recorder,
    pub(crate) calls: CallBook,
    pub(crate) services: ServiceLog,
}

/// Written only by the model.
#[derive(Debug, Default)]
pub(crate) struct UnitCounters {
    pub(crate) executed: AtomicU64,
    pub(crate) busy_nsec: AtomicU64,
}

/// Written only by its worker.
#[derive(Debug, Default)]
pub(crate) struct WorkerCounters {
    pub(crate) computed: AtomicU64,
    pub(crate) busy_nsec: AtomicU64,
}

/// Written only by the model; the counters of the same names mean these.
#[derive(Debug, Default)]
pub(crate) struct StationCounters {
    pub(crate) limited: AtomicU64,
    pub(crate) limited_nsec: AtomicU64,
    pub(crate) front_busy_nsec: AtomicU64,
    pub(crate) link_in_busy_nsec: AtomicU64,
    pub(crate) link_out_busy_nsec: AtomicU64,
    pub(crate) batches: AtomicU64,
}

impl StationCounters {
    fn read_into(&self, stats: &mut DeviceStats) {
        stats.limited = read(&self.limited);
        stats.limited_nsec = read(&self.limited_nsec);
        stats.front_busy_nsec = read(&self.front_busy_nsec);
        stats.link_in_busy_nsec = read(&self.link_in_busy_nsec);
        stats.link_out_busy_nsec = read(&self.link_out_busy_nsec);
        stats.batches = read(&self.batches);
    }
}

impl ModelCounters {
    /// For a device with this many compute units that work, as many workers, and these names of calls.
    pub(crate) fn new(units: usize, workers: usize, calls: &[String]) -> Self {
        Self {
            units: (0..units).map(|_| UnitCounters::default()).collect(),
            stations: StationCounters::default(),
            faults: Default::default(),
            workers: (0..workers).map(|_| WorkerCounters::default()).collect(),
            late: AtomicU64::new(0),
            host_bound_nsec: AtomicU64::new(0),
            resets: AtomicU64::new(0),
            completion_error: Recorder::default(),
            calls: CallBook::new(calls),
            services: ServiceLog::new(),
        }
    }

    pub(crate) fn injected(&self, kind: FaultKind) {
        self.faults[kind.number()].fetch_add(1, Ordering::Relaxed);
        trace::fault(kind.name());
    }

    /// Fills in these counters.
    pub(crate) fn read_into(&self, stats: &mut DeviceStats) {
        let unit = |unit: &UnitCounters| UnitStats {
            executed: read(&unit.executed),
            busy_nsec: read(&unit.busy_nsec),
        };
        let worker = |worker: &WorkerCounters| WorkerStats {
            computed: read(&worker.computed),
            busy_nsec: read(&worker.busy_nsec),
        };
        stats.units = self.units.iter().map(unit).collect();
        stats.workers = self.workers.iter().map(worker).collect();
        stats.host_bound_nsec = read(&self.host_bound_nsec);
        self.stations.read_into(stats);
        stats.faults = FaultCounts(self.faults.each_ref().map(read));
        stats.late_completions = read(&self.late);
        stats.resets = read(&self.resets);
        stats.completion_error = self.completion_error.read();
        stats.calls = self.calls.read();
    }
}
