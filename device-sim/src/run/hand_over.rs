//! Several workers for one model: the first schedules, computes what is small, and delivers; the others
//! compute what is large, and calls.
//!
//! ```text
//!   first worker                                                another worker
//!   claim ─► decide ─► schedule ─► HANDED, in the backlog
//!                                    └── two each at most ────►  resume (or it is gone) ─► compute ─► EXECUTED
//!   due and computed ─► publish  ◄────── results, doorbell ───────────────────────────────┘
//! ```
//!
//! What is large is handed over only while other requests wait for the first worker. What no other worker has
//! begun, the first one computes when it has nothing else to do, unless it takes long.
//!
//! A request is EXECUTING only while it is computed: in the backlog and on the way it is HANDED, and the host
//! may revoke it. Everything that the workers share is in the request's cell and in two channels.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, TryRecvError, unbounded};

use crate::kernels::wipe::{set_apart_deep, wipe_worker_stack};
use crate::model::job::{Job, Outcome, Returned};
use crate::queue::cell::Slab;
use crate::queue::doorbell::Doorbell;
use crate::queue::pair::Pair;
use crate::run::clock::Clock;
use crate::stats::ModelCounters;
use crate::sync::bump;

/// Jobs on their way to each of the other workers: the one that it computes, and the next.
const EACH: usize = 2;

/// The first worker's end.
#[derive(Debug)]
pub(crate) struct Others {
    jobs: Sender<Job>,
    /// The other workers' end: what they have not begun is computed here when there is nothing else to do.
    begun_by_none: Receiver<Job>,
    results: Receiver<Returned>,
    workers: usize,
    /// Sent, and not returned; and how many of these are long.
    out: usize,
    long: usize,
}

impl Others {
    /// How many jobs may be sent now.
    pub(crate) const fn room(&self) -> usize {
        EACH * self.workers - self.out
    }

    /// How many that do not take long: none is sent to wait behind those that do.
    pub(crate) const fn room_beside_long(&self) -> usize {
        if self.long < self.workers { self.room() } else { 0 }
    }

    pub(crate) fn send(&mut self, job: Job) {
        self.out += 1;
        self.long += usize::from(job.is_long);
        // They are there as long as this end is.
        let _ = self.jobs.send(job);
    }

    pub(crate) fn receive(&mut self) -> Option<Returned> {
        let returned = self.results.try_recv().ok()?;
        self.out -= 1;
        self.long -= usize::from(returned.is_long);
        Some(returned)
    }

    /// Takes back a job that no other worker has begun, if none of those that are out is long.
    pub(crate) fn take_back(&mut self) -> Option<Job> {
        if self.long > 0 {
            return None;
        }
        let job = self.begun_by_none.try_recv().ok()?;
        self.out -= 1;
        Some(job)
    }

    pub(crate) fn has_results(&self) -> bool {
        !self.results.is_empty()
    }
}

/// Everything that another worker's thread owns.
#[derive(Debug)]
pub(crate) struct Helper {
    pub(crate) number: usize,
    jobs: Receiver<Job>,
    results: Sender<Returned>,
    slabs: Vec<Arc<Slab>>,
    /// The first worker's.
    doorbell: Arc<Doorbell>,
    clock: Clock,
    counters: Arc<ModelCounters>,
}

/// The end of the first worker, and this many others.
pub(crate) fn hand_over(
    others: usize,
    pairs: &[Arc<Pair>],
    doorbell: &Arc<Doorbell>,
    clock: &Clock,
    counters: &Arc<ModelCounters>,
) -> (Others, Vec<Helper>) {
    let (jobs, to_be_done) = unbounded();
    let (done, results) = unbounded();
    let helper = |number| Helper {
        number,
        jobs: to_be_done.clone(),
        results: done.clone(),
        slabs: pairs.iter().map(|pair| Arc::clone(&pair.slab)).collect(),
        doorbell: Arc::clone(doorbell),
        clock: clock.clone(),
        counters: Arc::clone(counters),
    };
    let helpers = (1..=others).map(helper).collect();
    let begun_by_none = to_be_done;
    (Others { jobs, begun_by_none, results, workers: others, out: 0, long: 0 }, helpers)
}

impl Helper {
    /// Runs until the first worker has ended.
    pub(crate) fn run(self) {
        while let Some(job) = self.next() {
            let began = self.clock.now();
            let returned = set_apart_deep(|| job.run(&self.slabs));
            let counters = &self.counters.workers[self.number];
            bump(&counters.busy_nsec, self.clock.now().saturating_sub(began));
            bump(&counters.computed, u64::from(returned.outcome != Outcome::Gone));
            // Where the first worker has ended, there is nothing to tell.
            let _ = self.results.send(returned);
            self.doorbell.ring();
        }
        wipe_worker_stack();
    }

    fn next(&self) -> Option<Job> {
        match self.jobs.try_recv() {
            Ok(job) => Some(job),
            Err(TryRecvError::Disconnected) => None,
            Err(TryRecvError::Empty) => {
                wipe_worker_stack();
                self.jobs.recv().ok()
            }
        }
    }
}
