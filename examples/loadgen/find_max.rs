//! The highest rate of an open loop at which a condition holds.
//!
//! ```text
//!   closed loop ──► its rate: the first probe
//!        holds: up by a quarter, until it does not     fails: down by half, until it holds
//!                          └──────► then between the two, until they are 2 % apart
//!
//!   a probe holds   condition held, nothing dropped, less than 1 % of the sends late
//!   it fails        once more, because a noisy host is not the device; in virtual time there is no noise
//! ```

use std::fmt::Write;
use std::io::IsTerminal;
use std::time::Duration;

use serde_json::{Value, json};
use simaccel::Error;

use crate::args::{Format, Options};
use crate::condition::Condition;
use crate::failure::Failure;
use crate::interrupt;
use crate::load;
use crate::plan::{Load, Rate, refuse_given};
use crate::rate_search::{self, Found, RESOLUTION};
use crate::report::{self, SCHEMA_VERSION};
use crate::row::{Row, as_f64, unlike_ideal};
use crate::searches;
use crate::units::{grouped, short_size, time_us};
use crate::workload::Workload;

/// How long each rate is tried, without `--duration`.
const PROBE: Duration = Duration::from_millis(500);

/// The share of late sends at which it is the generator that does not keep up.
const LATE_SHARE: f64 = 0.01;

/// What a search runs.
pub(crate) struct FindMax {
    condition: Condition,
    /// Of each probe, but for its rate.
    options: Options,
    pub(crate) closed: Load,
    with_stats: bool,
}

/// A rate that was tried.
struct Probe {
    /// In operations a second.
    rate: u32,
    /// `None`: it holds.
    why: Option<Why>,
    row: Row,
}

/// Why a rate does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    Condition,
    Dropped,
    Late,
}

impl FindMax {
    pub(crate) fn plan(mut options: Options) -> Result<Self, Failure> {
        let Some(condition) = options.searches.find_max.take() else {
            return Err(Failure::option("--find-max", "takes a condition"));
        };
        if !condition.bounds_load() {
            let why = "allowed is an upper bound on a latency or on errors, as in p99<1ms";
            return Err(Failure::option("--find-max", why));
        }
        let pictures = ("--report and --svg", options.pictures.any());
        refuse_given(&[pictures], "not allowed together with --find-max")?;
        let rate = ("--rate", options.pacing.rate.is_some());
        refuse_given(&[rate], "not allowed together with --find-max, which looks for it")?;
        let with_stats = options.stats.is_some();
        let mut options = searches::prepare(options, "--find-max")?;
        if options.ops.is_none() {
            options.duration.get_or_insert(PROBE);
        }
        if !options.virtual_time.is_virtual {
            options.warm_up.by_default(PROBE / 5);
        }
        let mut closed = options.clone();
        closed.pacing.arrivals = None;
        // Everything but the rate is checked before the first row runs.
        probe(&options, 1)?;
        Ok(Self { condition, closed: closed.into_load()?, options, with_stats })
    }
}

fn probe(options: &Options, rate: u32) -> Result<Load, Failure> {
    let mut options = options.clone();
    options.pacing.rate = Some(Rate::PerSecond(rate));
    options.into_load()
}

/// Searches, prints what was found, and fails when a result was wrong.
pub(crate) fn run(plan: &FindMax) -> Result<(), Failure> {
    let widest = probe(&plan.options, 1)?;
    let closed = &plan.closed;
    widest.check_memory()?;
    let lanes = closed.most_lanes().max(widest.most_lanes());
    let mut workload = Workload::new(&closed.mix, lanes, closed.seed)?;
    let mut first_error = None;
    interrupt::watch();
    let closed_row = one_row(closed, &mut workload, &mut first_error)?;
    let (mut probes, mut cut_short) = (Vec::new(), None);
    let mut holds = |rate: u32| -> Result<bool, Failure> {
        let load = probe(&plan.options, rate)?;
        for _ in 0..plan.tries() {
            if interrupt::is_requested() {
                return Err(Failure::Interrupted);
            }
            let row = one_row(&load, &mut workload, &mut first_error)?;
            if interrupt::is_requested() {
                cut_short = Some(row);
                return Err(Failure::Interrupted);
            }
            let why = plan.why(&row);
            say(rate, why.is_none());
            probes.push(Probe { rate, why, row });
            if why.is_none() {
                return Ok(true);
            }
        }
        Ok(false)
    };
    let found = match rate_search::highest(closed_row.ops_per_second, &mut holds) {
        Err(Failure::Interrupted) => so_far(&probes),
        found => found?,
    };
    // In the order of their rates; those of one rate as they were tried.
    probes.sort_by_key(|probe| probe.rate);
    plan.print(&closed_row, &probes, found)?;
    let rows: Vec<Row> =
        probes.into_iter().map(|probe| probe.row).chain([closed_row]).chain(cut_short).collect();
    report::verdict(&rows, closed.expected, first_error)?;
    if interrupt::is_requested() { Err(Failure::Interrupted) } else { Ok(()) }
}

/// What the probes of a search have found that a signal has ended.
fn so_far(probes: &[Probe]) -> Found {
    let rates =
        |holds: bool| probes.iter().filter(move |probe| probe.why.is_none() == holds).map(|probe| probe.rate);
    let highest = rates(true).max();
    Found { highest, fails_at: rates(false).filter(|rate| Some(*rate) > highest).min() }
}

fn one_row(load: &Load, workload: &mut Workload, first_error: &mut Option<Error>) -> Result<Row, Failure> {
    let ran = load::rows(load, workload)?;
    if first_error.is_none() {
        *first_error = ran.first_error;
    }
    ran.rows.into_iter().next_back().ok_or_else(|| Failure::Run("a plan without a row".to_owned()))
}

/// On standard error, where that is a terminal.
fn say(rate: u32, holds: bool) {
    if std::io::stderr().is_terminal() {
        let result = if holds { "holds" } else { "does not hold" };
        // It does not matter to the search whether it is seen.
        let _ = report::print_aside(&format!("{} op/s: {result}\n", grouped(rate)));
    }
}

impl FindMax {
    /// How often a rate that fails is tried.
    const fn tries(&self) -> usize {
        if self.closed.is_virtual { 1 } else { 2 }
    }

    /// A generator that does not keep up is named first: latencies count from the intended time, so they are
    /// then its own.
    fn why(&self, row: &Row) -> Option<Why> {
        let sends = row.paced.as_ref().map(|paced| paced.sends).unwrap_or_default();
        if as_f64(sends.late + sends.dropped_late) >= LATE_SHARE * as_f64(sends.intended) {
            Some(Why::Late)
        } else if !self.condition.holds(row.figure(self.condition.metric)) {
            Some(Why::Condition)
        } else {
            (sends.dropped() > 0).then_some(Why::Dropped)
        }
    }

    fn print(&self, closed: &Row, probes: &[Probe], found: Found) -> Result<(), Failure> {
        match self.closed.output.format {
            Format::Json => report::print(&format!("{}\n", self.json(closed, probes, found))),
            Format::Text => report::print(&self.text(closed, probes, found)),
        }
    }

    fn json(&self, closed: &Row, probes: &[Probe], found: Found) -> Value {
        let tried = probes.iter().map(|probe| {
            json!({
                "rate": probe.rate,
                "holds": probe.why.is_none(),
                "why": probe.why.map(Why::name),
                "row": probe.row.json(self.with_stats),
            })
        });
        let mut json = json!({
            "schema_version": SCHEMA_VERSION,
            "seed": self.closed.seed,
            "device": self.closed.device.to_string(),
            "rows": [closed.json(self.with_stats)],
            "interrupted": interrupt::is_requested(),
            "find_max": {
                "condition": self.condition.to_string(),
                "rate": found.highest,
                "fails_at": found.fails_at,
                "limited_by": limit(probes, found).map(Why::name),
                "resolution": RESOLUTION,
                "probes": tried.collect::<Vec<_>>(),
            },
        });
        if self.closed.is_virtual {
            json["clock"] = json!("virtual");
        }
        json
    }

    fn text(&self, closed: &Row, probes: &[Probe], found: Found) -> String {
        let plan = &self.closed;
        let mut text = format!(
            "{}{}, mode {}, seed {}{}\ndevice {}\n",
            plan.mix.name(),
            match plan.mix.mean_size() {
                0 => String::new(),
                size => format!(", {} bytes per operation", short_size(size)),
            },
            closed.mode.name(),
            plan.seed,
            if plan.is_virtual { ", in virtual time" } else { "" },
            unlike_ideal(&plan.device),
        );
        let _ = writeln!(
            text,
            "closed loop, {} jobs in flight: {} op/s, p50 {}, p99 {}",
            grouped(closed.jobs),
            whole(closed.ops_per_second),
            time_us(closed.latency.p50),
            time_us(closed.latency.p99),
        );
        text += &table(probes);
        text += &self.words(probes, found);
        if interrupt::is_requested() {
            text += "interrupted: the search has not come to its end\n";
        }
        text
    }

    fn words(&self, probes: &[Probe], found: Found) -> String {
        let condition = &self.condition;
        let percent = RESOLUTION * 100.0;
        let why = limit(probes, found).map(|why| why.words(condition));
        match (found.highest, found.fails_at, why) {
            (Some(highest), Some(fails_at), Some(why)) => format!(
                "{condition} holds up to {} op/s, to {percent} %; at {} op/s {why}\n",
                grouped(highest),
                grouped(fails_at),
            ),
            (Some(highest), ..) => {
                format!("{condition} holds at {} op/s, the highest rate that was tried\n", grouped(highest))
            }
            (None, Some(fails_at), Some(why)) => format!(
                "{condition} holds at no rate that was tried: at {} op/s, the lowest of them, {why}\n",
                grouped(fails_at)
            ),
            (None, ..) => format!("{condition} was tried at no rate\n"),
        }
    }
}

impl Why {
    const fn name(self) -> &'static str {
        match self {
            Self::Condition => "condition",
            Self::Dropped => "dropped",
            Self::Late => "late",
        }
    }

    fn words(self, condition: &Condition) -> String {
        match self {
            Self::Condition => format!("{} is beyond it", condition.metric.name()),
            Self::Dropped => {
                "sends are dropped, because all jobs are in flight or the generator is late".to_owned()
            }
            Self::Late => "the generator does not keep up: 1 % of the sends or more are late".to_owned(),
        }
    }
}

/// What was wrong at the lowest rate that fails, when it was tried last.
fn limit(probes: &[Probe], found: Found) -> Option<Why> {
    let fails_at = found.fails_at?;
    probes.iter().rev().find(|probe| probe.rate == fails_at)?.why
}

fn table(probes: &[Probe]) -> String {
    let mut text = format!(
        " {:>11} {:>11} {:>9} {:>9} {:>8} {:>8}  {}\n",
        "op/s sent", "op/s done", "p50", "p99", "late", "dropped", "holds"
    );
    for probe in probes {
        let sends = probe.row.paced.as_ref().map(|paced| paced.sends).unwrap_or_default();
        let share = |count: u64| format!("{:.1} %", 100.0 * as_f64(count) / as_f64(sends.intended.max(1)));
        let _ = writeln!(
            text,
            " {:>11} {:>11} {:>9} {:>9} {:>8} {:>8}  {}",
            grouped(probe.rate),
            whole(probe.row.ops_per_second),
            time_us(probe.row.latency.p50),
            time_us(probe.row.latency.p99),
            share(sends.late),
            share(sends.dropped()),
            probe.why.map_or_else(|| "yes".to_owned(), |why| format!("no: {}", why.name())),
        );
    }
    text
}

fn whole(number: f64) -> String {
    grouped(format_args!("{number:.0}"))
}
