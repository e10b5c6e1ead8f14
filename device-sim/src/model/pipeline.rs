//! The device itself, without input and output: stages over requests, driven by a thread or by the caller.
//!
//! ```text
//!   modelled   admit ─► claim ─► decide ─┬─► execute ─────┬─► schedule ─► deliver ─► ready ─► the driver publishes
//!                               (faults) └─► backlog, for ┘   (model)                 ▲
//!                                            another worker                           │
//!   ideal      admit ─► claim ─► execute ─────────────────────────────────────────────┘
//! ```
//!
//! A *ready* request is still EXECUTING: the driver updates its counters first and publishes the results
//! then, so a thread that sees a result sees its counters. Times are nanoseconds since the device was opened,
//! and come from the driver. A kernel that panics leaves its request in `ready` with [`Status::DeviceDead`].

use std::sync::Arc;

use crate::config::{Change, Config};
use crate::kernels::lanes::{Lane, LaneKey, encrypt_cbc};
use crate::kernels::session::Session;
use crate::message::algorithm::Algorithm;
use crate::message::request::Request;
use crate::message::session_id::SessionId;
use crate::message::status::Status;
use crate::model::inputs::Inputs;
use crate::model::installed::{Installed, execute_by};
use crate::model::job::{Backlog, Job, Outcome, Returned, SWEEP_AT, is_long_whatever, takes_long};
use crate::model::plan::{Ending, Subject, Verdict};
use crate::model::sabotage::{Sabotage, Saboteur};
use crate::model::schedule::{Model, Scheduled};
use crate::model::service::Work;
use crate::queue::cell::{Slab, Ticket};
use crate::queue::entry::{Announce, Head};
use crate::queue::ready::{Ready, ReadyList, Times};
use crate::stats::ModelCounters;

/// What a call, or an operation with a key, weighs in a batch, which ends with it: it takes long, or nobody
/// knows how long, and results do not wait for the next.
const LONG_WEIGHT: u64 = 1 << 32;
/// The weight of a request in a batch when it shares a kernel call with others.
const LANE_SHARE: u64 = 32;

/// The device's state. One per worker, or one behind the stepped device's lock.
#[derive(Debug)]
pub(crate) struct Core {
    slabs: Vec<Arc<Slab>>,
    sessions: Vec<Option<(SessionId, Installed)>>,
    model: Option<Model>,
    /// Of a modelled device.
    inputs: Inputs,
    /// What other workers are to compute; `None`: there are none.
    pub(crate) backlog: Option<Backlog>,
    /// Whether other requests wait for the one that is admitted.
    pub(crate) is_behind: bool,
    /// Requests that were computed here since the driver has looked.
    pub(crate) computed: u64,
    /// Requests for the driver to publish, in this order.
    pub(crate) ready: ReadyList,
    /// Requests of `ready` that are started, and wait to be computed together.
    lanes: Vec<Lane>,
    /// Spurious wakes, for the driver to send.
    pub(crate) spurious: Vec<(usize, Ticket, Announce)>,
    /// For the driver to carry out, once the request that caused it is in `ready`.
    pub(crate) ending: Option<Ending>,
}

impl Core {
    /// A core whose port `i` has the cells `slabs[i]`.
    pub(crate) fn new(config: &Config, slabs: Vec<Arc<Slab>>, counters: &Arc<ModelCounters>) -> Self {
        let model = Model::new(config, slabs.len(), counters);
        let inputs = Inputs::new(slabs.len());
        Self {
            slabs,
            sessions: Vec::new(),
            model,
            inputs,
            backlog: None,
            is_behind: false,
            computed: 0,
            ready: ReadyList::default(),
            lanes: Vec::new(),
            spurious: Vec::new(),
            ending: None,
        }
    }

    pub(crate) fn install(&mut self, id: SessionId, installed: Installed) {
        // The started lanes find their sessions by number.
        self.run_lanes();
        let index = id.index() as usize;
        if index >= self.sessions.len() {
            self.sessions.resize_with(index + 1, || None);
        }
        self.sessions[index] = Some((id, installed));
    }

    pub(crate) fn remove(&mut self, id: SessionId) {
        self.run_lanes();
        if let Some(slot) = self.sessions.get_mut(id.index() as usize)
            && slot.as_ref().is_some_and(|(current, _)| *current == id)
        {
            *slot = None;
        }
    }

    /// From here on other workers compute some of the requests of a modelled device.
    pub(crate) fn hand_over(&mut self) {
        if let Some(model) = &mut self.model {
            model.hand_over();
            self.backlog = Some(Backlog::default());
        }
    }

    /// Breaks a modelled device on purpose.
    pub(crate) fn sabotage(&mut self, sabotage: Sabotage) {
        if let Some(model) = &mut self.model {
            model.sabotage = Some(Saboteur::new(sabotage));
            model.hurry_no_more();
        }
    }

    /// Works by another configuration from here on.
    pub(crate) fn change(&mut self, change: &Change, now: u64) {
        if let Some(model) = &mut self.model {
            model.change(change, now);
        }
    }

    /// Whether this core models time.
    pub(crate) fn is_modelled(&self) -> bool {
        self.model.is_some()
    }

    /// Claims, executes and schedules a request. Returns its weight in a batch: the bytes of its input, or
    /// less if it is computed together with others, by [`Core::run_lanes`]. `None`: it was revoked. `at`:
    /// when it arrived, on a device that models time; else the time now, if the work is timed.
    #[inline]
    pub(crate) fn admit(&mut self, port: usize, head: Head, at: u64) -> Option<u64> {
        if self.model.is_none() {
            self.admit_ideally(port, head, at)
        } else {
            self.admit_to_model(port, head, at)
        }
    }

    /// Admits a request that is due as soon as it is computed.
    fn admit_ideally(&mut self, port: usize, head: Head, now: u64) -> Option<u64> {
        let Head { ticket, announce, timed_from: submitted } = head;
        let slab = &*self.slabs[port];
        let claimed = slab.claim(ticket)?;
        let ready = self.ready.add(port, claimed, Status::DeviceDead, announce);
        let sessions = &self.sessions;
        let Ready { claimed, status, operation, bytes, times, .. } = ready;
        let starts = slab.execute(claimed, |request| {
            (*operation, *bytes) = (request.operation, request.buffer.len() as u64);
            *times = Times { submitted, started: now, ended: now };
            match session_of(sessions, request.session) {
                Some(session) if session.is_simple() => {
                    *status = session.execute(request);
                    false
                }
                _ => true,
            }
        });
        let bytes = *bytes;
        if starts { self.start_last(port) } else { Some(bytes) }
    }

    /// A request that is faster together with others is started; its status is not final until it has ended.
    /// One that takes long is executed, and ends its batch.
    #[inline(never)]
    fn start_last(&mut self, port: usize) -> Option<u64> {
        let place = self.ready.len() - 1;
        let (sessions, ready) = (&self.sessions, &mut self.ready[place]);
        let (mut started, mut is_long) = (None, false);
        let Ready { status, bytes, .. } = ready;
        self.slabs[port].execute(&mut ready.claimed, |request| {
            is_long = request.takes_long();
            (*status, started) = start(sessions, request, bytes);
        });
        if is_long {
            return Some(LONG_WEIGHT);
        }
        let bytes = ready.bytes;
        let Some(mut lane) = started else { return Some(bytes) };
        lane.place = place;
        self.lanes.push(lane);
        Some(bytes / LANE_SHARE)
    }

    /// Everything about a request follows from its arrival, and nothing from the time of this call.
    fn admit_to_model(&mut self, port: usize, head: Head, at: u64) -> Option<u64> {
        let Head { ticket, announce, timed_from: submitted } = head;
        let model = self.model.as_mut()?;
        let slab = &self.slabs[port];
        let claimed = slab.claim(ticket)?;
        let ready = self.ready.add(port, claimed, Status::DeviceDead, announce);
        let (sessions, inputs) = (&self.sessions, &mut self.inputs);
        let mut verdict = Verdict::default();
        let mut work = Work::of_port(port);
        // Its session, if another worker computes.
        let mut out = None;
        ready.due = None;
        let Ready { claimed, status, operation, bytes, times, due, .. } = ready;
        *status = slab.execute(claimed, |request| {
            let algorithm = algorithm_of(sessions, request);
            work = work_of(algorithm, model, request, port);
            (*operation, *bytes) = (work.operation, work.input);
            *times = Times { submitted, started: at, ended: at };
            model.plan.decide(&Subject { request, algorithm, announce, now: at }, &mut verdict);
            if verdict.is_computed()
                && self.backlog.as_ref().is_some_and(|backlog| backlog.takes(&work, self.is_behind))
            {
                out = Some(installed(sessions, request.session).cloned());
                return Status::DeviceDead;
            }
            inputs.keep(request);
            let status = compute(sessions, model, &verdict, request);
            // Its host takes it back when nothing else can happen.
            if verdict.never || request.is_short() {
                inputs.add_latest(request);
            }
            status
        });
        let weight = match work.operation {
            _ if out.is_some() => 0,
            _ if is_long_whatever(&work) => LONG_WEIGHT,
            _ => work.input,
        };
        self.computed += u64::from(out.is_none());
        if verdict.spurious_wake {
            self.spurious.push((port, ticket, announce));
        }
        if verdict.ending.is_some() {
            self.ending = verdict.ending;
            inputs.forget_latest();
            model.skip(&work);
        } else if let Some((served, when)) =
            model.schedule(Scheduled { ticket, announce, submitted, at }, &work, &verdict, &self.slabs)
        {
            (*times, *due) = (served, Some(when));
            inputs.forget_latest();
        } else {
            inputs.store(port, ticket);
            // Now the host may revoke it.
            let _ = match out {
                Some(_) => slab.hand_over(claimed),
                None => slab.postpone(claimed, *status),
            };
            self.ready.forget_last();
        }
        if let (Some(installed), Some(backlog)) = (out, &mut self.backlog) {
            let is_long = takes_long(&work);
            backlog.jobs.push_back(Job { port, ticket, is_long, installed, verdict });
        }
        Some(weight)
    }

    /// Whether requests in `ready` wait to be computed.
    pub(crate) fn has_lanes(&self) -> bool {
        !self.lanes.is_empty()
    }

    /// Computes the requests that wait for each other, before anything of `ready` is published.
    pub(crate) fn run_lanes(&mut self) {
        if self.has_lanes() {
            let sessions = &self.sessions;
            encrypt_cbc(&mut self.lanes, |lane| key_of(sessions, lane));
            self.end_lanes(Status::Ok);
        }
    }

    fn end_lanes(&mut self, status: Status) {
        for lane in self.lanes.drain(..) {
            let ready = &mut self.ready[lane.place];
            self.slabs[ready.port].execute(&mut ready.claimed, |request| lane.put_back(request.into()));
            ready.status = status;
        }
    }

    /// Another worker is done with a job. `true`: the device has ended its request before.
    pub(crate) fn returned(&mut self, mut returned: Returned) -> bool {
        let Some(model) = &mut self.model else { return false };
        model.plan.note(returned.spoilt);
        if let Some(claimed) = &mut returned.claimed {
            let _ = self.slabs[returned.port].postpone(claimed, Status::DeviceDead);
        }
        if model.sabotage.is_some() {
            sabotage(model, &returned, &self.slabs[returned.port]);
        }
        let from = self.ready.len();
        let was_ended = model.returned(returned.port, returned.ticket, &self.slabs, &mut self.ready);
        self.forget_inputs(from);
        was_ended
    }

    /// The next job for another worker. Those that were revoked meanwhile, or that the device has ended, are
    /// dropped.
    pub(crate) fn next_job(&mut self) -> Option<Job> {
        while let Some(job) = self.backlog.as_mut()?.jobs.pop_front() {
            if self.slabs[job.port].is_handed(job.ticket) {
                return Some(job);
            }
            self.returned(Returned::gone(&job));
        }
        None
    }

    /// Computes a job here, after all.
    pub(crate) fn compute(&mut self, job: Job) -> Returned {
        self.computed += 1;
        job.run(&self.slabs)
    }

    /// Drops the jobs of revoked requests: submitting and revoking during a long computation must not fill
    /// the memory.
    pub(crate) fn sweep_backlog(&mut self) {
        let Some(backlog) = &mut self.backlog else { return };
        if backlog.jobs.len() < backlog.sweep_at {
            return;
        }
        let mut gone = Vec::new();
        backlog.jobs.retain(|job| {
            let is_there = self.slabs[job.port].is_handed(job.ticket);
            if !is_there {
                gone.push(Returned::gone(job));
            }
            is_there
        });
        backlog.sweep_at = (2 * backlog.jobs.len()).max(SWEEP_AT);
        for gone in gone {
            self.returned(gone);
        }
    }

    /// Whether something ends only when another worker is done with it.
    pub(crate) fn is_ending(&self) -> bool {
        self.model.as_ref().is_some_and(Model::is_ending)
    }

    /// Whether nothing waits for its time, or for another worker.
    pub(crate) fn is_idle(&self) -> bool {
        self.next_due().is_none() && self.model.as_ref().is_none_or(Model::is_caught_up)
    }

    /// Moves what is due at `now` to `ready`; `false`: nothing was due. `known_until`: all that has arrived
    /// until then was admitted.
    pub(crate) fn deliver(&mut self, now: u64, known_until: u64) -> bool {
        let Some(model) = &mut self.model else { return false };
        let from = self.ready.len();
        let was_due = model.deliver(now, known_until, &self.slabs, &mut self.ready);
        self.forget_inputs(from);
        was_due
    }

    /// These have completed, and others were revoked before.
    fn forget_inputs(&mut self, from: usize) {
        let Self { ready, inputs, model, .. } = self;
        ready[from..].iter().for_each(|ready| inputs.forget(ready.port, ready.claimed.ticket()));
        let swept = model.iter_mut().flat_map(|model| model.swept.drain(..));
        ready.gone().chain(swept).for_each(|(port, ticket)| inputs.forget(port, ticket));
    }

    /// The same at the beginning of a pass; what is overdue when it is admitted in this pass goes to `ready`
    /// at once. `None`: this device does not do that.
    pub(crate) fn hurry(&mut self, now: u64) -> Option<bool> {
        let model = self.model.as_mut().filter(|model| model.can_hurry())?;
        let from = self.ready.len();
        let was_due = model.hurry(now, &self.slabs, &mut self.ready);
        self.forget_inputs(from);
        Some(was_due)
    }

    pub(crate) fn hurry_no_more(&mut self) {
        if let Some(model) = &mut self.model {
            model.hurry_no_more();
        }
    }

    /// Whether requests wait in stations of the model, for time to pass.
    pub(crate) fn has_events(&self) -> bool {
        self.model.as_ref().is_some_and(Model::has_events)
    }

    /// When the next request is due.
    pub(crate) fn next_due(&self) -> Option<u64> {
        self.model.as_ref()?.next_due()
    }

    /// Claims a request and ends it with `status`, without work. `false`: it was revoked.
    pub(crate) fn refuse(
        &mut self,
        port: usize,
        ticket: Ticket,
        announce: Announce,
        status: Status,
        now: u64,
    ) -> bool {
        let slab = &self.slabs[port];
        let Some(claimed) = slab.claim(ticket) else { return false };
        let ready = self.ready.add(port, claimed, status, announce);
        (ready.bytes, ready.times, ready.due) = (0, Times::default(), None);
        let (model, sessions) = (&mut self.model, &self.sessions);
        ready.operation = slab.execute(&mut ready.claimed, |request| {
            if let Some(model) = model {
                let algorithm = algorithm_of(sessions, request);
                let work = work_of(algorithm, model, request, port);
                model.plan.pass_over(&Subject { request, algorithm, announce, now });
                model.skip(&work);
            }
            request.operation
        });
        true
    }

    /// After a panic: ends the stream whose piece was half computed.
    pub(crate) fn end_panicked(&mut self) {
        // Whether the panic came from them or from elsewhere: they were not finished.
        self.end_lanes(Status::DeviceDead);
        let inputs = &mut self.inputs;
        if let Some(Ready { port, claimed, status: Status::DeviceDead, .. }) = self.ready.last_mut() {
            self.slabs[*port].execute(claimed, |request| {
                request.drop_state();
                inputs.restore_latest(request);
            });
        }
        inputs.forget_latest();
    }

    /// Ends everything that is scheduled with `status`, due or not, and frees the units.
    pub(crate) fn fail_scheduled(&mut self, status: Status) {
        let Self { model: Some(model), slabs, inputs, ready, .. } = self else { return };
        let from = ready.len();
        model.fail_all(status, slabs, ready);
        for Ready { port, claimed, .. } in &mut ready[from..] {
            let ticket = claimed.ticket();
            slabs[*port].execute(claimed, |request| inputs.restore(*port, ticket, request));
        }
        ready.gone().for_each(|(port, ticket)| inputs.forget(port, ticket));
    }
}

/// Computes a request, or starts one that is faster together with others; its status is not final until it
/// has ended.
fn start(
    sessions: &[Option<(SessionId, Installed)>],
    request: &mut Request,
    bytes: &mut u64,
) -> (Status, Option<Lane>) {
    let Some(session) = session_of(sessions, request.session) else {
        *bytes = request.size();
        return (execute(sessions, request), None);
    };
    match session.lane(request.message()) {
        Some(Ok(mut lane)) => {
            lane.session = request.session.index();
            (Status::DeviceDead, Some(lane))
        }
        Some(Err(status)) => (status, None),
        None => (session.execute(request), None),
    }
}

/// The key of a lane that was started.
fn key_of<'s>(sessions: &'s [Option<(SessionId, Installed)>], lane: &Lane) -> LaneKey<'s> {
    let key = match sessions.get(lane.session as usize) {
        Some(Some((_, Installed::Session(session)))) => session.lane_key(),
        _ => None,
    };
    key.expect("lanes are run before a session goes")
}

fn session_of(sessions: &[Option<(SessionId, Installed)>], id: SessionId) -> Option<&Arc<Session>> {
    match sessions.get(id.index() as usize) {
        Some(Some((current, Installed::Session(session)))) if *current == id => Some(session),
        _ => None,
    }
}

/// The algorithm of a request's session.
#[inline]
fn algorithm_of(sessions: &[Option<(SessionId, Installed)>], request: &Request) -> Option<Algorithm> {
    session_of(sessions, request.session).map(|session| session.algorithm())
}

/// What the model knows of a request of this port.
#[inline]
fn work_of(algorithm: Option<Algorithm>, model: &Model, request: &Request, port: usize) -> Work {
    let class = model.class(request.operation, algorithm, request.call_name());
    Work { port, operation: request.operation, algorithm, class, input: request.size() }
}

/// Computes a request as the verdict says.
fn compute(
    sessions: &[Option<(SessionId, Installed)>],
    model: &mut Model,
    verdict: &Verdict,
    request: &mut Request,
) -> Status {
    request.forget_residue();
    if let Some(status) = verdict.ending.map(Ending::status).or(verdict.fail) {
        request.state = None;
        return status;
    }
    let status = execute(sessions, request);
    if status == Status::Ok {
        model.spoil(request, verdict);
    }
    status
}

fn execute(sessions: &[Option<(SessionId, Installed)>], request: &mut Request) -> Status {
    execute_by(installed(sessions, request.session), request)
}

fn installed(sessions: &[Option<(SessionId, Installed)>], id: SessionId) -> Option<&Installed> {
    let (current, installed) = sessions.get(id.index() as usize)?.as_ref()?;
    (*current == id).then_some(installed)
}

/// Breaks a result that another worker has computed, for tests of the checks that must detect it.
#[cold]
fn sabotage(model: &mut Model, returned: &Returned, slab: &Slab) {
    if returned.outcome == Outcome::Computed
        && let Some((mut claimed, status)) = slab.resume(returned.ticket)
    {
        if let Some(saboteur) = model.sabotage.as_mut().filter(|_| status == Status::Ok) {
            slab.execute(&mut claimed, |request| saboteur.worked(request));
        }
        let _ = slab.postpone(&mut claimed, status);
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
