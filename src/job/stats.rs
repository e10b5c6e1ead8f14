//! Statistics of jobs: counters for each thread, and a process-wide list of lost jobs.

use std::cell::Cell;
use std::thread::ThreadId;

use super::strict;
use crate::process::fork::Lock;

macro_rules! thread_stats {
    ($($(#[doc = $doc:literal])+ $name:ident,)*) => {
        /// The jobs of one thread. At any moment (except inside switch hooks, which run in the middle of a
        /// switch) `created == finished + dropped + discarded + given_up + fresh + running + paused` and
        /// `resumes + ending == pauses + finished + running`.
        #[non_exhaustive]
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct ThreadStats {
            $($(#[doc = $doc])+ pub $name: u64,)*
        }

        impl ThreadStats {
            /// The names of all counters with their values, in order.
            pub fn counters(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name)),*].into_iter()
            }

            /// What each of [`ThreadStats::counters`] means, in the same order.
            pub fn meanings() -> impl Iterator<Item = &'static str> {
                [$(concat!($($doc),+)),*].into_iter()
            }
        }
    };
}

thread_stats! {
    /// Jobs created.
    created,
    /// Jobs whose function has returned or panicked. When a C job has ended its thread, all jobs that ran.
    finished,
    /// Jobs dropped before they had finished, whose stack was unwound.
    dropped,
    /// Raw jobs discarded before they had finished.
    discarded,
    /// Jobs that refused to unwind; their stacks are lost.
    given_up,
    /// Resumes, first ones included: switches into a job that continue it. Switches that unwind a job do not
    /// count.
    resumes,
    /// Resumes that returned because the job paused.
    pauses,
    /// Jobs created and not yet resumed.
    fresh,
    /// Running jobs: the current one, jobs that wait for one that they have resumed, and jobs that are
    /// ending.
    running,
    /// Running jobs that were not resumed: they were dropped or discarded, and unwind, or their release hook
    /// runs.
    ending,
    /// Paused jobs. Leaked jobs count here until the thread ends; then [`leaks`] lists them.
    paused,
    /// Stacks without a job.
    idle,
}

impl ThreadStats {
    /// The sums that are wrong; always empty unless there is a bug.
    pub fn imbalances(&self) -> Vec<String> {
        let ended = self.finished + self.dropped + self.discarded + self.given_up;
        let rules = [
            (
                "created == finished + dropped + discarded + given_up + fresh + running + paused",
                self.created,
                ended + self.fresh + self.running + self.paused,
            ),
            (
                "resumes + ending == pauses + finished + running",
                self.resumes + self.ending,
                self.pauses + self.finished + self.running,
            ),
        ];
        let broken = rules.into_iter().filter(|(_, left, right)| left != right);
        broken.map(|(rule, left, right)| format!("jobs: {rule}: {left}, {right}")).collect()
    }
}

/// Why a job was lost.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeakReason {
    /// It swallowed its unwinding again and again, or the program is built with `panic = "abort"` and cannot
    /// unwind.
    GivenUp,
    /// It was unfinished when its thread ended.
    ThreadEnded,
}

/// A job that was lost with everything on its stack.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leak {
    /// The type of the job's closure, or that it was a raw job.
    pub name: &'static str,
    /// The job's token.
    pub token: u64,
    /// The thread it belonged to.
    pub thread: ThreadId,
    /// Why.
    pub reason: LeakReason,
}

#[derive(Debug)]
pub(super) struct Counters {
    pub(super) created: Count,
    pub(super) finished: Count,
    pub(super) dropped: Count,
    pub(super) discarded: Count,
    pub(super) given_up: Count,
    pub(super) resumes: Count,
    pub(super) pauses: Count,
    pub(super) ending: Count,
}

#[derive(Debug)]
pub(super) struct Count(Cell<u64>);

impl Count {
    const fn none() -> Self {
        Self(Cell::new(0))
    }

    #[inline]
    pub(super) fn bump(&self) {
        self.0.set(self.0.get() + 1);
    }

    pub(super) fn take_back(&self) {
        self.0.set(self.0.get() - 1);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.get()
    }
}

impl Counters {
    pub(super) const fn new() -> Self {
        Self {
            created: Count::none(),
            finished: Count::none(),
            dropped: Count::none(),
            discarded: Count::none(),
            given_up: Count::none(),
            resumes: Count::none(),
            pauses: Count::none(),
            ending: Count::none(),
        }
    }

    pub(super) fn totals(&self) -> ThreadStats {
        ThreadStats {
            created: self.created.get(),
            finished: self.finished.get(),
            dropped: self.dropped.get(),
            discarded: self.discarded.get(),
            given_up: self.given_up.get(),
            resumes: self.resumes.get(),
            pauses: self.pauses.get(),
            ending: self.ending.get(),
            ..ThreadStats::default()
        }
    }
}

/// The jobs that this process has lost.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leaks {
    /// How many.
    pub total: u64,
    /// The last 64 of them, oldest first.
    pub recent: Vec<Leak>,
}

const KEPT: usize = 64;

static LEAKS: Lock<Leaks> = Lock::new(Leaks { total: 0, recent: Vec::new() });

/// The jobs that this process has lost, and before a fork its parent. None are known in a forked child if
/// another thread of the parent lost one at that moment.
pub fn leaks() -> Leaks {
    LEAKS.lock().map(|leaks| leaks.clone()).unwrap_or_default()
}

#[cold]
pub(super) fn report_leak(name: &'static str, token: u64, reason: LeakReason) {
    let thread = strict::this_thread();
    let Some(mut leaks) = LEAKS.lock() else { return };
    leaks.total += 1;
    if leaks.recent.len() == KEPT {
        leaks.recent.remove(0);
    }
    leaks.recent.push(Leak { name, token, thread, reason });
}
