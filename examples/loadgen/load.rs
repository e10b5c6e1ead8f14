//! Generated load: one row after the other, each by a closed or an open loop.
//!
//! ```text
//!   closed or open ── start(slot) ──► runner ──► finish(slot): counted, checked, its lane is free again
//! ```

use std::rc::Rc;
use std::time::{Duration, Instant};

use simaccel::job::ThreadStats;
use simaccel::{AnySession, Config, Engine, Error};

use crate::answer;
use crate::args::Mode;
use crate::arrivals::Schedule;
use crate::backend;
use crate::clock::Clock;
use crate::crew;
use crate::ending;
use crate::failure::Failure;
use crate::interrupt;
use crate::job_counts;
use crate::limits;
use crate::meter::{Asked, Meter, Sent};
use crate::mix::{Counts, Draw};
use crate::own_cost;
use crate::plan::{Limit, Load, Pace, PlannedRow};
use crate::progress::Progress;
use crate::repeats;
use crate::report::Report;
use crate::row::{Paced, Row};
use crate::runner::Runner;
use crate::shared_reading::Shared;
use crate::stages::Times;
use crate::threads::Share;
use crate::timeline::Timeline;
use crate::trace::{Recorder, Trace};
use crate::warmup::WarmedUp;
use crate::workload::{Lane, Workload};

/// The result of an operation is in its lane: so only a pointer comes out of a job.
type Done = Box<Lane>;

/// A threshold above every size: the engine computes in software, and its device never gets a request.
const NOTHING_OFFLOADED: &str = "offload_threshold=4294967295";

/// Runs every row, prints the report, and fails when anything was wrong.
pub(crate) fn run(plan: &Load) -> Result<(), Failure> {
    plan.files.probe()?;
    plan.check_memory()?;
    interrupt::watch();
    let mut workload = Workload::new(&plan.mix, plan.most_lanes(), plan.seed)?;
    let pictures = plan.pictures.open()?;
    let mut report = Report::new(plan);
    report.software = software_aside(plan, &mut workload)?;
    let repeated = repeats::run(plan, &mut workload)?;
    report.own_cost = match answer::subject(&repeated.ran.rows) {
        Some(row) if !interrupt::is_requested() => own_cost::aside(plan, row.mode, &mut workload)?,
        _ => None,
    };
    ending::of(plan, report, repeated, pictures)
}

/// What the rows of a plan came to.
pub(crate) struct Ran {
    pub(crate) rows: Vec<Row>,
    pub(crate) first_error: Option<Error>,
    /// Of all rows, where one is asked for.
    pub(crate) trace: Option<Trace>,
}

/// Runs every row of a plan, one after the other.
pub(crate) fn rows(plan: &Load, workload: &mut Workload) -> Result<Ran, Failure> {
    let trace = plan.trace.as_ref().map(|trace| Trace::create(trace, plan.rows.len())).transpose()?;
    let mut ran = Ran { rows: Vec::new(), first_error: None, trace };
    for planned in &plan.rows {
        workload.use_lanes(plan.lanes(planned));
        let (row, error) = run_row(plan, planned, plan.limit, &mut ran, workload)?;
        ran.rows.push(row);
        ran.first_error = ran.first_error.or(error);
        if interrupt::is_requested() {
            break;
        }
    }
    Ok(ran)
}

/// Software, measured for a short time, where rows are to be compared with it and none has it. Virtual
/// time is not compared with the host's.
fn software_aside(plan: &Load, workload: &mut Workload) -> Result<Option<Row>, Failure> {
    if plan.is_virtual || plan.rows.iter().any(|row| row.mode == Mode::Software) {
        return Ok(None);
    }
    let planned = PlannedRow { mode: Mode::Software, device: plan.device.clone(), pace: Pace::Closed };
    workload.use_lanes(plan.lanes(&planned));
    let mut aside = Ran { rows: Vec::new(), first_error: None, trace: None };
    let (row, _) = run_row(plan, &planned, plan.limit.at_most(answer::ASIDE), &mut aside, workload)?;
    Ok(Some(row))
}

fn run_row(
    plan: &Load,
    planned: &PlannedRow,
    limit: Limit,
    ran: &mut Ran,
    workload: &mut Workload,
) -> Result<(Row, Option<Error>), Failure> {
    let (mode, device) = (planned.mode, &plan.timed(&planned.device)?);
    let closed_rate = ran.rows.last().map_or(0.0, |row| row.ops_per_second);
    let traced = ran.trace.as_ref().map(Trace::of_row);
    let in_flight = limits::in_flight(mode, plan.in_flight(planned), plan.threads)?;
    let (warmed, measured, mut stats) = crew::with(plan, planned, workload, |run| {
        let task = |limit, engine, traced| {
            let progress = Progress::rows(mode.name(), limit, plan.threads);
            Task { limit, in_flight, closed_rate, engine, progress, traced }
        };
        let warmed = match plan.warm_up {
            Some(limit) => Some(run(task(limit, open(mode, device)?, None))?.meter),
            None => None,
        };
        let engine = if plan.is_virtual { stepped(device)? } else { open(mode, device)? };
        let mut measured = run(task(limit, engine.clone(), traced))?;
        engine.device().drain();
        measured.recorders.iter_mut().for_each(Recorder::finish);
        Ok((warmed, measured, engine.stats()))
    })?;
    let Measured { meter, paced, by_part, recorders, jobs } = measured;
    if let Some(trace) = &mut ran.trace {
        let pace = if planned.pace.is_open() { "open" } else { "closed" };
        trace.add_row(ran.rows.len(), &format!("{}, {pace} loop", mode.name()), &recorders);
    }
    stats.jobs = jobs;
    let mut row = Row::new(mode, device, plan.mix.name(), plan.mix.mean_size(), in_flight, &meter, stats);
    row.threads = plan.threads;
    row.mix = plan.mix.json(&by_part);
    row.paced = paced;
    row.warmed_up = warmed.as_ref().map(WarmedUp::of).unwrap_or_default();
    let first_error = warmed.and_then(|meter| meter.first_error).or(meter.first_error);
    Ok((row, first_error))
}

/// What the threads of a row are told to run.
#[derive(Clone)]
pub(crate) struct Task {
    limit: Limit,
    /// Operations at most, of all threads.
    in_flight: usize,
    /// What the closed loop in the row before has reached, in operations a second.
    closed_rate: f64,
    engine: Engine,
    progress: Progress,
    /// When the trace began, and how many events the row may have, where one is asked for.
    traced: Option<(Instant, usize)>,
}

/// What a row, or its warm-up, has come to.
pub(crate) struct Measured {
    meter: Meter,
    /// `None` in a closed loop.
    paced: Option<Paced>,
    /// One of each thread, where a trace is asked for.
    recorders: Vec<Recorder>,
    /// What ended of each part of the mix.
    by_part: Vec<Counts>,
    /// The jobs of the thread.
    jobs: ThreadStats,
}

impl Measured {
    /// Adds what another thread has measured.
    pub(crate) fn add(&mut self, other: Self) {
        self.meter.add(other.meter);
        if let Some((paced, others)) = self.paced.as_mut().zip(other.paced) {
            paced.add(&others);
        }
        self.by_part.iter_mut().zip(&other.by_part).for_each(|(sum, counts)| sum.add(counts));
        self.jobs = job_counts::sum(self.jobs, &other.jobs);
        self.recorders.extend(other.recorders);
    }
}

/// So many operations of a closed loop on an engine that is open, in this thread, with so many jobs;
/// `checks`: results are compared with software's.
pub(crate) fn turn(
    plan: &Load,
    planned: &PlannedRow,
    (ops, in_flight, checks): (u64, usize, bool),
    engine: &Engine,
    workload: &mut Workload,
) -> Result<Meter, Failure> {
    let (limit, engine) = (Limit::Ops(ops), engine.clone());
    let task =
        Task { limit, in_flight, closed_rate: 0.0, engine, progress: Progress::hidden(), traced: None };
    let mut run = Run::prepare(plan, planned, &task, Share::ALL, workload)?;
    run.checks = checks;
    Ok(run.run_through(plan, planned, &task, None)?.meter)
}

/// The engine for a mode: on its own device, or computing in the calling thread.
pub(crate) fn open(mode: Mode, device: &Config) -> Result<Engine, Failure> {
    let opened = match mode {
        Mode::Software => Config::parse(NOTHING_OFFLOADED).map_err(Error::from).and_then(Engine::stepped),
        _ => Engine::open(device.clone()),
    };
    opened.map_err(Failure::engine)
}

/// An engine on a device in virtual time.
fn stepped(device: &Config) -> Result<Engine, Failure> {
    Engine::stepped(device.clone()).map_err(Failure::engine)
}

/// A thread's part of a row while it runs.
pub(crate) struct Run<'a> {
    pub(crate) runner: Runner<Done>,
    /// One for each part of the mix.
    sessions: Vec<Rc<AnySession>>,
    draw: Draw,
    by_part: Vec<Counts>,
    workload: &'a mut Workload,
    share: Share,
    pub(crate) limit: Limit,
    /// Whether results are compared with software's.
    checks: bool,
    /// When it starts, where threads have agreed on that.
    pub(crate) starts: Option<Instant>,
    /// When the operation on each slot was started.
    asked: Vec<Sent>,
    pub(crate) outstanding: u64,
    pub(crate) shared: Shared,
    /// When what has been done since the last wait began: starts, then resumptions that share a reading.
    pub(crate) begun: Option<Instant>,
    pub(crate) meter: Meter,
    progress: Progress,
    /// `None`: no one asks for a trace.
    trace: Option<Box<Recorder>>,
    jobs_before: ThreadStats,
}

impl<'a> Run<'a> {
    /// All that a thread's share needs, in that thread.
    pub(crate) fn prepare(
        plan: &Load,
        planned: &PlannedRow,
        task: &Task,
        share: Share,
        workload: &'a mut Workload,
    ) -> Result<Self, Failure> {
        let Task { limit, engine, progress, traced, .. } = task;
        let in_flight = share.of_count(task.in_flight);
        let clock = Clock::of(engine, plan.is_virtual);
        // One thread looks at the device for all.
        let has_device = planned.mode != Mode::Software && share.thread == 0;
        let trace = traced.map(|(epoch, events)| {
            Box::new(Recorder::new((epoch, events / share.of), &clock, engine, has_device, in_flight))
        });
        let jobs_before = simaccel::job::thread_stats();
        let mut run = Self {
            runner: Runner::new(planned.mode, engine, in_flight)?,
            draw: Draw::new(&plan.mix, plan.seed, share.thread),
            by_part: vec![Counts::default(); plan.mix.parts().len()],
            sessions: workload.sessions(engine)?,
            workload,
            share,
            limit: share.of_limit(*limit),
            checks: true,
            starts: None,
            asked: vec![Sent::default(); in_flight],
            outstanding: 0,
            shared: Shared::new(),
            begun: None,
            meter: Meter::new(planned.pace.is_open(), clock.clone()),
            progress: progress.of_thread(share.thread),
            trace,
            jobs_before,
        };
        run.runner.timed_by = run.trace.is_some().then_some(clock);
        run.meter.timeline = plan.pictures.any().then(Timeline::new);
        Ok(run)
    }

    /// Runs the load until the limit, from this moment on where threads have agreed on one.
    pub(crate) fn run_through(
        mut self,
        plan: &Load,
        planned: &PlannedRow,
        task: &Task,
        starts: Option<Instant>,
    ) -> Result<Measured, Failure> {
        self.starts = starts;
        let paced = match planned.pace {
            Pace::Closed => {
                self.run_closed()?;
                None
            }
            Pace::Open { rate, arrivals } => {
                let rate = rate.of(task.closed_rate);
                let schedule = |rate| {
                    let all = Schedule::new(arrivals, rate, plan.seed);
                    all.of_thread(self.share.thread, self.share.of)
                };
                let times = match plan.stages.clone() {
                    Some(stages) => Times::staged(schedule(1.0), stages),
                    None => Times::Even(schedule(rate)),
                };
                let by_stage = self.run_open(times, plan.stages.clone())?;
                Some(Paced::new(rate, arrivals, by_stage, plan.stages.clone()))
            }
        };
        self.meter.stop();
        let jobs = job_counts::since(simaccel::job::thread_stats(), self.jobs_before);
        let recorders = self.trace.map(|recorder| *recorder).into_iter().collect();
        Ok(Measured { meter: self.meter, paced, by_part: self.by_part, recorders, jobs })
    }

    /// Operations that can be in flight.
    pub(crate) const fn slots(&self) -> usize {
        self.asked.len()
    }

    /// Starts an operation on a free slot.
    pub(crate) fn start(&mut self, slot: usize, asked: Asked) -> Result<(), Failure> {
        let part = self.draw.next();
        let Some(mut lane) = self.workload.take(part) else { return Ok(()) };
        let session = Rc::clone(&self.sessions[part]);
        self.outstanding += 1;
        self.asked[slot] = self.meter.ask(asked);
        if self.runner.awaits() {
            self.runner.start_future(slot, backend::awaited(session, lane))?;
        } else {
            self.runner.start(slot, move || {
                lane.failed = backend::run(&session, &mut lane).err();
                lane
            })?;
        }
        if let Some(trace) = &mut self.trace {
            trace.started(slot, asked.sent, self.outstanding, self.runner.is_paused(slot));
        }
        Ok(())
    }

    /// Waits until a job may go on, or at most for a time ([`Runner::wait`]).
    pub(crate) fn wait(&mut self, most: Option<Duration>) -> Result<(), Failure> {
        self.begun = None;
        self.runner.wait(most)?;
        if let Some(trace) = &mut self.trace {
            trace.waited(self.runner.last_wait.take());
        }
        Ok(())
    }

    /// Resumes some of the jobs that may go on, unless something has ended already. Counts what has ended at
    /// one reading of the clock, which it returns, and puts the slots to `free`.
    pub(crate) fn reap(&mut self, free: &mut impl Extend<usize>) -> Result<Option<Instant>, Failure> {
        if !self.runner.has_finished() {
            self.resume_some()?;
        }
        if !self.runner.has_finished() {
            return Ok(None);
        }
        let now = self.meter.clock.now();
        if let Some(begun) = self.begun.take() {
            self.shared.took(now.duration_since(begun));
        }
        while let Some((slot, done)) = self.runner.pop_finished() {
            self.finish(slot, done, now);
            free.extend([slot]);
        }
        self.progress.at(now, self.meter.ops, &self.meter);
        Ok(Some(now))
    }

    /// Resumes as many as may share a reading.
    fn resume_some(&mut self) -> Result<(), Failure> {
        if self.begun.is_none() && self.runner.ready() > 1 {
            self.begun = Some(self.meter.clock.now());
        }
        if let Some(trace) = &mut self.trace {
            trace.resuming(self.meter.clock.now());
        }
        self.runner.resume_ready(self.shared.most())
    }

    /// Counts the operation, checks its result, and returns its lane.
    fn finish(&mut self, slot: usize, mut lane: Done, now: Instant) {
        self.outstanding -= 1;
        let failed = lane.failed.take();
        let succeeded = failed.is_none();
        let error = self.trace.as_ref().and_then(|_| failed.as_ref().map(Error::to_string));
        self.meter.record(self.asked[slot], now, lane.len(), failed);
        let counts = &mut self.by_part[lane.part];
        counts.ops += 1;
        counts.errors += u64::from(!succeeded);
        if succeeded && self.checks && !lane.is_right() {
            counts.mismatches += 1;
            self.meter.mismatches += 1;
        }
        self.workload.put(lane);
        if let Some(trace) = &mut self.trace {
            trace.finished(slot, now, self.outstanding, error);
        }
    }
}
