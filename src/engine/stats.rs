//! The engine's counters: each is written by one thread, and added up on request.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use simaccel_device::DeviceStats;

use super::ThreadStats;
use super::fault::FaultKind;

/// Declares the counters once: per thread, per engine, and in the snapshot.
macro_rules! counters {
    (
        by thread: { $($(#[doc = $doc:literal])+ $name:ident,)* }
        by engine: { $($(#[doc = $more:literal])+ $other:ident,)* }
    ) => {
        /// The counters of one thread's instance. Only its thread writes them.
        #[derive(Debug, Default)]
        pub(crate) struct Counters { $(pub(crate) $name: Counter,)* }

        impl Counters {
            fn absorb(&self, gone: &Self) {
                $(self.$name.add(gone.$name.get());)*
            }
        }

        /// A snapshot of an engine and its device, and of the calling thread's jobs.
        ///
        /// While nothing runs every identity holds exactly; [`EngineStats::imbalances`] checks them.
        /// [`EngineStats::to_json`] and [`EngineStats::to_prometheus`] write it for programs.
        #[non_exhaustive]
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct EngineStats {
            /// The device's counters.
            pub device: DeviceStats,
            /// The jobs of the calling thread: jobs belong to a thread, not to an engine, and are counted by
            /// thread.
            pub jobs: ThreadStats,
            $($(#[doc = $doc])+ pub $name: u64,)*
            $($(#[doc = $more])+ pub $other: u64,)*
        }

        impl EngineStats {
            fn add(&mut self, counters: &Counters) {
                $(self.$name += counters.$name.get();)*
            }

            /// The names of the engine's own counters with their values, in order.
            pub fn counters(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name),)* $((stringify!($other), self.$other),)*].into_iter()
            }

            /// What each of [`EngineStats::counters`] means, in the same order.
            pub fn meanings() -> impl Iterator<Item = &'static str> {
                [$(concat!($($doc),+),)* $(concat!($($more),+),)*].into_iter()
            }
        }
    };
}

counters! {
    by thread: {
        /// Operations that were asked for, offloaded or not.
        operations,
        /// Pauses of jobs in the engine, and waits of futures that are over.
        pauses,
        /// Resumes of jobs that had paused in the engine, and polls of futures that had waited.
        resumes,
        /// Resumes that found the request not done, or its wake still on the way; the job paused again.
        spurious_resumes,
        /// Operations that waited in their thread instead of pausing a job.
        blocked,
        /// Operations that found the ring full and queued for a slot.
        parked,
        /// Requests submitted again because the device had failed them.
        retries,
        /// Operations computed in software because the device failed or could not be reached.
        fallbacks,
        /// Operations computed in software because they were below `offload_threshold`.
        below_threshold,
        /// Operations given up by their callers (a job dropped) while in flight.
        abandoned,
        /// Operations that blocked on a stepped device until nothing was left to happen there, and were taken
        /// back.
        never_ended,
        /// Tokens handed out by `Engine::poll` and `Engine::reap`; those of a poll count when it ends.
        polled,
    }
    by engine: {
        /// Requests that were taken back because they did not end, or were not announced, within
        /// `timeout_msec`.
        timeouts,
        /// Faults that were injected, of all kinds, by the device and by the engine.
        faults_injected,
        /// Eventfds that were refused by a fault `fd_fail`.
        fd_fails,
        /// Submissions that were refused by a fault `nomem`.
        nomems,
    }
}

/// Says which of the counters above counts the faults of a kind.
macro_rules! counters_of_faults {
    ($($Kind:ident: $name:ident,)+) => {
        impl EngineStats {
            /// The names of the counters that count faults of one kind each.
            pub(super) const OF_FAULTS: [&str; FaultKind::COUNT] = [$(stringify!($name)),+];

            /// How often what this kind breaks was made to fail.
            pub(super) const fn of_fault(&self, kind: FaultKind) -> u64 {
                match kind { $(FaultKind::$Kind => self.$name,)+ }
            }

            pub(super) const fn of_fault_mut(&mut self, kind: FaultKind) -> &mut u64 {
                match kind { $(FaultKind::$Kind => &mut self.$name,)+ }
            }
        }
    };
}

counters_of_faults! {
    FdFail: fd_fails,
    NoMem: nomems,
}

impl EngineStats {
    /// The faults of all kinds, the device's and the engine's.
    pub(super) fn all_faults(&self) -> u64 {
        let own = FaultKind::ALL.into_iter().map(|kind| self.of_fault(kind));
        self.device.faults.total() + own.sum::<u64>()
    }
}

/// A counter with one writer.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    #[inline]
    pub(crate) fn add(&self, n: u64) {
        // One writer: no read-modify-write is needed.
        self.0.store(self.0.load(Ordering::Relaxed) + n, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// All instances' counters of one engine, and the sums of those that are gone.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    counted: Mutex<Counted>,
}

#[derive(Debug, Default)]
struct Counted {
    live: Vec<Arc<Counters>>,
    gone: Counters,
}

impl Registry {
    pub(crate) fn register(&self) -> Arc<Counters> {
        let counters = Arc::new(Counters::default());
        self.lock().live.push(Arc::clone(&counters));
        counters
    }

    pub(crate) fn retire(&self, counters: &Arc<Counters>) {
        let mut counted = self.lock();
        counted.live.retain(|other| !Arc::ptr_eq(other, counters));
        counted.gone.absorb(counters);
    }

    /// The sums of all instances' counters on top of `others`, which has none.
    pub(crate) fn snapshot(&self, others: EngineStats) -> EngineStats {
        let counted = self.lock();
        let mut stats = others;
        stats.add(&counted.gone);
        counted.live.iter().for_each(|counters| stats.add(counters));
        stats
    }

    fn lock(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EngineStats {
    /// The sums that are wrong while nothing runs (nothing in flight, no job of another thread paused in the
    /// engine, and none that ended with its thread); empty when all is well. Meant to be asserted when a test
    /// ends.
    pub fn imbalances(&self) -> Vec<String> {
        let mut wrong = self.device.imbalances();
        wrong.extend(self.jobs.imbalances());
        let broken = self.rules().into_iter().filter(|rule| !rule.holds());
        wrong.extend(broken.map(|Rule(text, left, _, right)| format!("{text}: {left}, {right}")));
        wrong
    }

    fn rules(&self) -> [Rule; 12] {
        use Relation::{AtMost, Equal};
        let device = &self.device.total;
        let done = device.completed + device.failed;
        let offloaded = self.operations - self.below_threshold.min(self.operations);
        let left_pauses = self.resumes + self.abandoned;
        let tries = offloaded + self.retries;
        [
            Rule("below_threshold <= operations", self.below_threshold, AtMost, self.operations),
            Rule("submitted + nomems <= tries", device.submitted + self.nomems, AtMost, tries),
            Rule("blocked <= tries", self.blocked, AtMost, tries),
            Rule("never_ended <= blocked + pauses", self.never_ended, AtMost, self.blocked + self.pauses),
            Rule("fallbacks <= operations that were offloaded", self.fallbacks, AtMost, offloaded),
            Rule("timeouts <= tries", self.timeouts, AtMost, tries),
            Rule("parked == submissions that found the ring full", self.parked, Equal, device.full),
            Rule("resumes + abandoned <= pauses", left_pauses, AtMost, self.pauses),
            Rule(
                "pauses <= resumes + abandoned + jobs that are paused",
                self.pauses,
                AtMost,
                left_pauses + self.jobs.paused + self.jobs.given_up,
            ),
            Rule("spurious_resumes <= resumes", self.spurious_resumes, AtMost, self.resumes),
            Rule("polled <= completed + failed + timeouts", self.polled, AtMost, done + self.timeouts),
            Rule("faults_injected == the sum over kinds", self.faults_injected, Equal, self.all_faults()),
        ]
    }
}

/// How two numbers must relate.
#[derive(Clone, Copy, Debug)]
enum Relation {
    AtMost,
    Equal,
}

#[derive(Clone, Copy, Debug)]
struct Rule(&'static str, u64, Relation, u64);

impl Rule {
    const fn holds(self) -> bool {
        let Self(_, left, relation, right) = self;
        match relation {
            Relation::AtMost => left <= right,
            Relation::Equal => left == right,
        }
    }
}
