//! Generated load: keeps every job of a runner busy until the row is over.

use std::rc::Rc;
use std::time::Instant;

use simaccel::{AnySession, Config, Engine, Error, Parameters};

use crate::args::Mode;
use crate::backend;
use crate::failure::Failure;
use crate::meter::Meter;
use crate::plan::{Limit, Load};
use crate::progress::Progress;
use crate::report::{self, Report};
use crate::row::Row;
use crate::runner::Runner;
use crate::workload::{Lane, Workload};

/// The result of an operation.
type Done = (Box<Lane>, Result<(), Error>);

/// A threshold above every size: the engine computes in software, and its device never gets a request.
const NOTHING_OFFLOADED: &str = "offload_threshold=4294967295";

/// Runs every row, prints the report, and fails when anything was wrong.
pub(crate) fn run(plan: &Load) -> Result<(), Failure> {
    let has_jobs = plan.rows.iter().any(|(mode, _)| mode.has_jobs());
    let lanes = if has_jobs { plan.jobs } else { plan.jobs.min(64) };
    let mut workload = Workload::new(plan.algorithm, plan.size, lanes, plan.seed)?;
    let mut report = Report::new(plan);
    let mut first_error = None;
    for (mode, device) in &plan.rows {
        let (row, error) = run_row(plan, *mode, device, &mut workload)?;
        report.rows.push(row);
        first_error = first_error.or(error);
    }
    report.print(plan.output)?;
    report::verdict(&report.rows, plan.expected, first_error)
}

fn run_row(
    plan: &Load,
    mode: Mode,
    device: &Config,
    workload: &mut Workload,
) -> Result<(Row, Option<Error>), Failure> {
    let engine = open(mode, device)?;
    let session = engine.session(plan.algorithm, &workload.key, Parameters::default());
    let session = session.map_err(Failure::engine)?;
    let in_flight = if mode.has_jobs() { plan.jobs } else { 1 };
    let mut run = Run {
        runner: Runner::new(mode, &engine, in_flight)?,
        session: Rc::new(session),
        workload,
        limit: plan.limit,
        asked: vec![Instant::now(); in_flight],
        outstanding: 0,
        meter: Meter::new()?,
        progress: Progress::rows(mode.name(), plan.limit),
    };
    run.run_through()?;
    let meter = run.meter;
    engine.device().drain();
    let row = Row::new(mode, device, plan.algorithm, plan.size, in_flight, &meter, engine.stats());
    Ok((row, meter.first_error))
}

/// The engine for a mode: on its own device, or computing in the calling thread.
pub(crate) fn open(mode: Mode, device: &Config) -> Result<Engine, Failure> {
    let opened = match mode {
        Mode::Software => Config::parse(NOTHING_OFFLOADED).map_err(Error::from).and_then(Engine::stepped),
        _ => Engine::open(device.clone()),
    };
    opened.map_err(Failure::engine)
}

/// One row while it runs.
struct Run<'a> {
    runner: Runner<Done>,
    session: Rc<AnySession>,
    workload: &'a mut Workload,
    limit: Limit,
    /// When the operation on each slot was started.
    asked: Vec<Instant>,
    outstanding: u64,
    meter: Meter,
    progress: Progress,
}

impl Run<'_> {
    fn run_through(&mut self) -> Result<(), Failure> {
        let started = self.meter.start();
        for slot in 0..self.asked.len() {
            if self.wants_more(started) {
                self.start(slot)?;
            }
        }
        while self.outstanding > 0 {
            while let Some((slot, done)) = self.runner.pop_finished() {
                let now = self.finish(slot, done);
                if self.wants_more(now) {
                    self.start(slot)?;
                }
            }
            if self.outstanding > 0 {
                self.runner.wait()?;
            }
        }
        Ok(())
    }

    /// The first operation always runs, however short the time.
    fn wants_more(&self, now: Instant) -> bool {
        match self.limit {
            Limit::Ops(ops) => self.meter.ops + self.outstanding < ops,
            Limit::Time(time) => self.meter.is_before(now, time) || self.meter.ops + self.outstanding == 0,
        }
    }

    fn start(&mut self, slot: usize) -> Result<(), Failure> {
        let Some(mut lane) = self.workload.idle.pop_front() else { return Ok(()) };
        let session = Rc::clone(&self.session);
        self.outstanding += 1;
        self.asked[slot] = self.meter.ask();
        self.runner.start(slot, move || {
            let result = backend::run(&session, &mut lane);
            (lane, result)
        })
    }

    /// Counts the operation, checks its result, and returns its lane. Returns the time.
    fn finish(&mut self, slot: usize, (lane, result): Done) -> Instant {
        self.outstanding -= 1;
        let succeeded = result.is_ok();
        let now = self.meter.record(self.asked[slot], lane.input.len(), result);
        if succeeded && !lane.is_right() {
            self.meter.mismatches += 1;
        }
        self.workload.idle.push_back(lane);
        self.progress.at(now, self.meter.ops);
        now
    }
}
