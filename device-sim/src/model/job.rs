//! What another worker computes: a scheduled request with its session and the faults of its result.
//!
//! ```text
//!   decide, schedule ─► Job ─► (the other worker) claim ─► compute ─► faults of the result ─► Returned
//! ```
//!
//! The request itself stays in its cell, where its host may revoke it until it is computed, and where the
//! device may end it. A job that comes too late does nothing.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::message::algorithm::Algorithm;
use crate::message::operation::Operation;
use crate::message::request::Request;
use crate::message::status::Status;
use crate::model::installed::{Installed, execute_by};
use crate::model::plan::{Spoilt, Verdict, carry_out};
use crate::model::service::Work;
use crate::queue::cell::{Executing, Slab, Ticket};

/// From this many bytes on, handing a request over costs less than computing it.
const LARGE: u64 = 8 * 1024;
/// From this many bytes on, the first worker computes nothing itself: everything else would wait for it.
const HUGE: u64 = 256 * 1024;
/// At this length the backlog is swept of revoked requests.
pub(crate) const SWEEP_AT: usize = 256;

/// The jobs that no other worker has yet.
#[derive(Debug)]
pub(crate) struct Backlog {
    pub(crate) jobs: VecDeque<Job>,
    /// How many requests that do not take long would go to another worker at once.
    pub(crate) room: usize,
    pub(crate) sweep_at: usize,
}

impl Default for Backlog {
    fn default() -> Self {
        Self { jobs: VecDeque::new(), room: 0, sweep_at: SWEEP_AT }
    }
}

impl Backlog {
    /// Whether another worker computes this: calls, whose time is not known, operations with keys, and what
    /// is huge, whenever one is free; what is large, if one is free now and the first worker has more to do:
    /// waking another costs more than what is gained otherwise.
    pub(crate) fn takes(&self, work: &Work, is_behind: bool) -> bool {
        takes_long(work) || is_behind && work.input >= LARGE && self.jobs.len() < self.room
    }
}

/// Whether the first worker must not compute this.
pub(crate) fn takes_long(work: &Work) -> bool {
    is_long_whatever(work) || work.input >= HUGE
}

/// Whether it takes long, however short its input is: a call, or an operation with a key.
pub(crate) const fn is_long_whatever(work: &Work) -> bool {
    matches!((work.operation, work.algorithm), (Operation::Call, _) | (_, Some(Algorithm::Key(_))))
}

/// A request for another worker.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) port: usize,
    pub(crate) ticket: Ticket,
    /// The first worker must not compute it.
    pub(crate) is_long: bool,
    pub(crate) installed: Option<Installed>,
    pub(crate) verdict: Verdict,
}

/// What has become of a job.
#[derive(Debug)]
pub(crate) struct Returned {
    pub(crate) port: usize,
    pub(crate) ticket: Ticket,
    pub(crate) is_long: bool,
    pub(crate) outcome: Outcome,
    pub(crate) spoilt: Spoilt,
    /// The key to a request that was not postponed yet: where the computation has panicked, nothing may end
    /// by it before the device dies of it.
    pub(crate) claimed: Option<Executing>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Computed,
    /// It was revoked, or the device has ended it.
    Gone,
    /// The device dies of it.
    Panicked,
}

impl Returned {
    pub(crate) fn gone(job: &Job) -> Self {
        let Job { port, ticket, is_long, .. } = *job;
        Self { port, ticket, is_long, outcome: Outcome::Gone, spoilt: Spoilt::default(), claimed: None }
    }
}

impl Job {
    /// Computes the request, if it is still there. `slabs`: by port.
    pub(crate) fn run(self, slabs: &[Arc<Slab>]) -> Returned {
        self.begin(slabs).map_or_else(|gone| gone, Begun::compute)
    }

    /// Claims the request. An error: it is gone.
    pub(crate) fn begin(self, slabs: &[Arc<Slab>]) -> Result<Begun<'_>, Returned> {
        let slab = &*slabs[self.port];
        match slab.resume_handed(self.ticket) {
            Some(claimed) => Ok(Begun { job: self, slab, claimed }),
            None => Err(Returned::gone(&self)),
        }
    }
}

/// A job whose request is being computed.
#[derive(Debug)]
pub(crate) struct Begun<'s> {
    job: Job,
    slab: &'s Slab,
    claimed: Executing,
}

impl Begun<'_> {
    pub(crate) fn compute(self) -> Returned {
        let Self { job, slab, mut claimed } = self;
        let mut returned = Returned::gone(&job);
        let Job { installed, verdict, .. } = job;
        let computed = catch_unwind(AssertUnwindSafe(|| {
            slab.execute(&mut claimed, |request| compute(installed.as_ref(), &verdict, request))
        }));
        match computed {
            Ok((status, spoilt)) => {
                (returned.outcome, returned.spoilt) = (Outcome::Computed, spoilt);
                let _ = slab.postpone(&mut claimed, status);
            }
            Err(_) => {
                slab.execute(&mut claimed, Request::drop_state);
                (returned.outcome, returned.claimed) = (Outcome::Panicked, Some(claimed));
            }
        }
        returned
    }
}

fn compute(installed: Option<&Installed>, verdict: &Verdict, request: &mut Request) -> (Status, Spoilt) {
    request.use_rest();
    request.residue = 0;
    let status = execute_by(installed, request);
    let spoilt = if status == Status::Ok { carry_out(request, verdict) } else { Spoilt::default() };
    (status, spoilt)
}
