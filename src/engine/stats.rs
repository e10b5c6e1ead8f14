//! The engine's counters: written by one thread each, added up when somebody asks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use device_sim::DeviceStats;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// The counters of one thread's instance. Only its thread writes them.
        #[derive(Debug, Default)]
        pub(crate) struct Counters { $(pub(crate) $name: Counter,)* }

        /// A snapshot of an engine and its device.
        ///
        /// At a quiet moment every identity holds exactly:
        /// `device.submitted == device.completed + device.failed + device.revoked + device.in_flight` and
        /// `pauses == resumes` when no job is paused in the engine or was dropped there.
        #[non_exhaustive]
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct EngineStats {
            /// The device's counters.
            pub device: DeviceStats,
            /// Faults that were injected, of all kinds.
            pub faults_injected: u64,
            /// Eventfds that were refused by a fault `fd_fail`.
            pub fd_fails: u64,
            /// Submissions that were refused by a fault `nomem`.
            pub nomems: u64,
            /// Requests that were taken back because they did not end, or were not announced, within `timeout_msec`.
            pub timeouts: u64,
            $($(#[$doc])* pub $name: u64,)*
        }

        impl EngineStats {
            fn add(&mut self, counters: &Counters) {
                $(self.$name += counters.$name.get();)*
            }
        }
    };
}

counters! {
    /// Operations that were asked for, offloaded or not.
    operations,
    /// Pauses of jobs in the engine.
    pauses,
    /// Resumes of jobs that had paused in the engine.
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
    /// Tokens handed out by `Engine::poll`.
    polled,
}

/// A counter with one writer.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
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
    live: Mutex<(Vec<Arc<Counters>>, EngineStats)>,
}

impl Registry {
    pub(crate) fn register(&self) -> Arc<Counters> {
        let counters = Arc::new(Counters::default());
        self.live.lock().unwrap_or_else(PoisonError::into_inner).0.push(Arc::clone(&counters));
        counters
    }

    pub(crate) fn retire(&self, counters: &Arc<Counters>) {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.0.retain(|other| !Arc::ptr_eq(other, counters));
        live.1.add(counters);
    }

    /// The sums of all instances' counters on top of `others`, which has none.
    pub(crate) fn snapshot(&self, others: EngineStats) -> EngineStats {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        let EngineStats { device, faults_injected, fd_fails, nomems, timeouts, .. } = others;
        let mut stats = EngineStats { device, faults_injected, fd_fails, nomems, timeouts, ..live.1.clone() };
        live.0.iter().for_each(|counters| stats.add(counters));
        stats
    }
}
