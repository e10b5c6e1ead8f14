//! What the generator itself costs: its closed loop beside a bare loop over the engine with the same jobs, in
//! turns, in one thread, on one engine.
//!
//! ```text
//!   a contest:  round 1:  A B C     round 2:  B C A     round 3:  C A B    ...    the best round of each counts
//!
//!   A  bare        resume and start again, nothing else                               bare.rs
//!   B  unchecked   the generator without the comparison of results with software's    closed.rs
//!   C  checked     the generator as it runs
//! ```
//!
//! A busy machine only ever slows a round down, so the best round says most; taking turns spreads slow phases
//! of the machine over all sides. A report has one contest about its quickest row; `--own-cost` has several
//! about each way of waiting.

mod bare;
mod report;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use simaccel::{Config, Engine};

use crate::args::{Mode, Options};
use crate::failure::Failure;
use crate::interrupt;
use crate::limits;
use crate::load;
use crate::meter::{self, Meter};
use crate::mix::Draw;
use crate::plan::{Limit, Load, Pace, PlannedRow, delivering, refuse_given};
use crate::row::as_f64;
use crate::workload::Workload;
use bare::Bare;
pub(crate) use report::run;

/// Rounds of a contest.
const ROUNDS: usize = 7;

/// How long a side runs in a round.
const SLICE: Duration = Duration::from_millis(5);

/// The most jobs in flight.
const MOST_JOBS: usize = 64;

/// A group of options: one `#[command(flatten)]` in `Options`.
#[derive(Clone, clap::Args)]
pub(crate) struct OwnCostOption {
    /// Measures what this generator adds to a bare loop over the engine, on the ideal device, in each way of
    /// waiting or that of --mode, and runs no rows
    #[arg(long)]
    pub(crate) own_cost: bool,
}

impl Options {
    /// The load of which `--own-cost` is measured.
    pub(crate) fn into_own_cost(self) -> Result<Load, Failure> {
        const OPTION: &str = "--own-cost";
        self.files.refuse_with(OPTION)?;
        self.judging.refuse_with(OPTION)?;
        self.trace.refuse_with(OPTION)?;
        self.warm_up.refuse_with(OPTION)?;
        self.pictures.refuse_with(OPTION)?;
        let others = [
            ("--device", self.device.is_some()),
            ("--duration", self.duration.is_some()),
            ("--rate", self.pacing.rate.is_some()),
            ("--stages", self.pacing.stages.is_some()),
            ("--threads", self.threads.given.is_some()),
            ("--virtual", self.virtual_time.is_virtual),
            ("--sweep", !self.searches.sweep.is_empty()),
            ("--find-max", self.searches.find_max.is_some()),
            ("--stats", self.stats.is_some()),
            ("--wide", self.wide),
            ("--expect-errors", self.expect_errors),
        ];
        refuse_given(&others, "not allowed together with --own-cost")?;
        if self.mode == Some(Mode::Software) {
            return Err(Failure::option(OPTION, "--mode software has no engine to loop over"));
        }
        self.into_load()
    }
}

/// Nanoseconds per operation, of the best round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// By the clock.
    pub(crate) time: f64,
    /// Processor time of the calling thread.
    pub(crate) cpu: f64,
}

impl Cost {
    const NONE: Self = Self { time: f64::INFINITY, cpu: f64::INFINITY };

    fn of(ops: u64, time: Duration, cpu: Duration) -> Self {
        let each = |time: Duration| time.as_secs_f64() * 1e9 / as_f64(ops.max(1));
        Self { time: each(time), cpu: each(cpu) }
    }

    const fn or_better(self, other: Self) -> Self {
        Self { time: self.time.min(other.time), cpu: self.cpu.min(other.cpu) }
    }

    fn json(self) -> Value {
        json!({ "time": self.time, "cpu": self.cpu })
    }
}

/// What the three sides of a contest need for an operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OwnCost {
    pub(crate) mode: Mode,
    pub(crate) jobs: usize,
    pub(crate) bare: Cost,
    pub(crate) unchecked: Cost,
    pub(crate) checked: Cost,
}

impl OwnCost {
    /// What the generator adds to the time of a bare loop, as a share of it; 0 where it is no slower.
    pub(crate) fn added(&self) -> f64 {
        (self.checked.time / self.bare.time - 1.0).max(0.0)
    }

    /// The same without the check of results.
    pub(crate) fn added_unchecked(&self) -> f64 {
        (self.unchecked.time / self.bare.time - 1.0).max(0.0)
    }

    /// Processor time of the calling thread per operation beyond a bare loop's, in nanoseconds.
    pub(crate) fn cpu_ns(&self) -> f64 {
        (self.checked.cpu - self.bare.cpu).max(0.0)
    }

    /// How much of it checks results.
    pub(crate) fn check_cpu_ns(&self) -> f64 {
        (self.checked.cpu - self.unchecked.cpu).clamp(0.0, self.cpu_ns())
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "mode": self.mode.name(),
            "jobs": self.jobs,
            "added": self.added(),
            "added_unchecked": self.added_unchecked(),
            "bare_ns": self.bare.json(),
            "unchecked_ns": self.unchecked.json(),
            "checked_ns": self.checked.json(),
        })
    }
}

/// One contest beside the rows of a plan, about their quickest; `None` where that says nothing, or a signal
/// has ended the run.
pub(crate) fn aside(plan: &Load, mode: Mode, workload: &mut Workload) -> Result<Option<OwnCost>, Failure> {
    if plan.is_virtual || mode == Mode::Software {
        return Ok(None);
    }
    let most = match plan.limit {
        Limit::Time(time) => (time / 20, u64::MAX),
        Limit::Ops(ops) => (SLICE, ops),
        Limit::Either { time, ops } => (time / 20, ops),
    };
    Contest::new(plan, mode)?.hold(SLICE.min(most.0), most.1, workload)
}

/// The sides of a contest, before it.
struct Contest<'a> {
    plan: &'a Load,
    planned: PlannedRow,
    engine: Engine,
    jobs: usize,
}

/// Which side runs.
#[derive(Clone, Copy)]
enum Side {
    Bare,
    Unchecked,
    Checked,
}

impl<'a> Contest<'a> {
    fn new(plan: &'a Load, mode: Mode) -> Result<Self, Failure> {
        let device = delivering(&Config::default(), mode)?;
        let engine = load::open(mode, &device)?;
        let planned = PlannedRow { mode, device, pace: Pace::Closed };
        let jobs = limits::in_flight(mode, plan.in_flight(&planned).min(MOST_JOBS), 1)?;
        Ok(Self { plan, planned, engine, jobs })
    }

    /// Holds it with rounds of this length, of at most so many operations.
    fn hold(&self, slice: Duration, most: u64, workload: &mut Workload) -> Result<Option<OwnCost>, Failure> {
        workload.use_lanes(self.plan.lanes(&self.planned));
        let ops = self.fitting(slice, most, workload)?;
        let sides = [Side::Bare, Side::Unchecked, Side::Checked];
        let mut best = [Cost::NONE; 3];
        for round in 0..ROUNDS {
            for turn in 0..sides.len() {
                let at = (round + turn) % sides.len();
                best[at] = best[at].or_better(self.run(sides[at], ops, workload)?);
                if interrupt::is_requested() {
                    return Ok(None);
                }
            }
        }
        let [bare, unchecked, checked] = best;
        Ok(Some(OwnCost { mode: self.planned.mode, jobs: self.jobs, bare, unchecked, checked }))
    }

    /// How many operations of a bare loop fit into a round.
    fn fitting(&self, slice: Duration, most: u64, workload: &mut Workload) -> Result<u64, Failure> {
        let mut ops = most.min(4);
        loop {
            let each = self.run(Side::Bare, ops, workload)?.time.max(1.0);
            let fit = slice.as_secs_f64() * 1e9 / each;
            if fit < 4.0 * as_f64(ops) || ops == most {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
                return Ok((fit as u64).clamp(1, most));
            }
            ops = most.min(2 * ops);
        }
    }

    fn run(&self, side: Side, ops: u64, workload: &mut Workload) -> Result<Cost, Failure> {
        let Side::Bare = side else {
            let checks = matches!(side, Side::Checked);
            let turn = (ops, self.jobs, checks);
            let meter = load::turn(self.plan, &self.planned, turn, &self.engine, workload)?;
            return self.cost_of(&meter);
        };
        let mut bare = self.bare(workload)?;
        let (started, cpu) = (Instant::now(), meter::thread_cpu());
        let ran = bare.run(ops);
        let cost = Cost::of(ops, started.elapsed(), meter::thread_cpu().saturating_sub(cpu));
        let wrong = bare.end(workload);
        ran?;
        if wrong > 0 {
            return Err(Failure::Run(format!("{wrong} results of a bare loop differ from software")));
        }
        Ok(cost)
    }

    fn cost_of(&self, meter: &Meter) -> Result<Cost, Failure> {
        if meter.errors + meter.mismatches > 0 {
            let (errors, wrong) = (meter.errors, meter.mismatches);
            let why =
                format!("the generator's own cost: {wrong} results differ from software, {errors} failed");
            return Err(Failure::Run(why));
        }
        Ok(Cost::of(meter.ops, meter.elapsed(), meter.cpu().unwrap_or_default()))
    }

    fn bare(&self, workload: &mut Workload) -> Result<Bare, Failure> {
        let sessions = workload.sessions(&self.engine)?;
        let draw = Draw::new(&self.plan.mix, self.plan.seed, 0);
        Bare::new(self.planned.mode, &self.engine, self.jobs, (&sessions, draw), workload)
    }
}
