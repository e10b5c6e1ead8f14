//! Does offload pay, from when on, and what limits it: the facts, from the rows.
//!
//! ```text
//!   rows ──► the quickest on the last device ──┬─► op/s, processor time ◄── software: a row, or measured aside
//!            (a closed loop, if there is one)  ├─► break-even: by the model, by the rows
//!                                              ├─► ceilings: device, jobs, rings, worker, caller, generator
//!                                              └─► late completions, where the time went, a histogram
//! ```
//!
//! `words` makes sentences of them, `json` an object.

pub(crate) mod bars;
mod break_even;
mod json;
mod words;

use std::time::Duration;

use crate::args::Mode;
use crate::own_cost::OwnCost;
use crate::row::{Row, as_f64, plain, short_device};
use crate::stations::{self, Ceiling};
use break_even::Measured;

/// How long software is measured aside, where no row has it.
pub(crate) const ASIDE: Duration = Duration::from_millis(200);

/// How many timed operations stand for all.
const ENOUGH: u64 = 100;

/// What software does in the calling thread.
#[derive(Clone, Copy, Debug)]
struct Software {
    ops_per_second: f64,
    /// Of the calling thread.
    cpu_ns: f64,
    /// How much of it is the operation itself.
    computing_ns: f64,
    /// It has no row of its own.
    is_aside: bool,
}

impl Software {
    fn of(row: &Row, is_aside: bool) -> Option<Self> {
        // Other programs' turns fall into operations and between them alike, so shares of the time are kept.
        let computing = row.latency.mean * row.ops_per_second / 1e6 / as_f64(row.threads as u64);
        let cpu_ns = row.cpu_ns_per_op()?;
        let computing_ns = cpu_ns * computing.min(1.0);
        Some(Self { ops_per_second: row.ops_per_second, cpu_ns, computing_ns, is_aside })
    }
}

/// A closed loop, and the processor time of its thread per operation.
struct Cheapest<'a> {
    row: &'a Row,
    cpu_ns: f64,
}

/// From how many jobs in flight on offload is ahead; `None`: never.
struct BreakEven {
    /// Outer `None`: nothing is modelled.
    by_model: Option<Option<usize>>,
    /// The device's ceiling, whatever is in flight.
    ceiling: Option<Ceiling>,
    /// Outer `None`: no closed loop was measured.
    by_rows: Option<Option<usize>>,
    /// By the rows, in processor time. Outer `None`: no closed loop was measured.
    by_cpu: Option<Option<usize>>,
}

/// Where the time of an operation went, on average, in nanoseconds.
struct Times {
    timed: u64,
    queue: f64,
    service: f64,
    /// From the end of the service until the host is told.
    wake: f64,
    /// From there until the job has its result.
    resume: f64,
    /// Ahead of the submission and behind the result: what the timed ones leave of all. `None`: too few were
    /// timed to stand for all.
    caller: Option<f64>,
}

/// The facts about one row.
pub(crate) struct Answer<'a> {
    rows: &'a [Row],
    index: usize,
    software: Software,
    cheapest: Option<Cheapest<'a>>,
    break_even: BreakEven,
    /// From the lowest on.
    ceilings: Vec<Ceiling>,
    times: Option<Times>,
    /// `None`: not measured.
    own_cost: Option<OwnCost>,
    /// How many times as much as one at a time, where that ran on the same device.
    pausing: Option<f64>,
}

impl<'a> Answer<'a> {
    /// `aside`: software, where it is not among the rows. `None`: no row has a device.
    pub(crate) fn of(rows: &'a [Row], aside: Option<&Row>, own_cost: Option<OwnCost>) -> Option<Self> {
        let own = rows.iter().find(|row| row.mode == Mode::Software);
        let software = own.map_or_else(|| Software::of(aside?, true), |row| Software::of(row, false))?;
        let on_device = on_device(rows);
        let index = quickest(&on_device)?;
        let row = &rows[index];
        let closed: Vec<&Row> =
            on_device.iter().map(|(_, row)| *row).filter(|row| row.paced.is_none()).collect();
        let cpu = closed.iter().filter_map(|row| Some(Cheapest { row, cpu_ns: row.cpu_ns_per_op()? }));
        let most = closed.iter().filter(|row| row.mode.has_many()).map(|row| row.ops_per_second);
        let most = most.max_by(f64::total_cmp);
        let one_at_a_time = closed.iter().find(|row| row.mode == Mode::Sync);
        Some(Self {
            rows,
            index,
            software,
            cheapest: cpu.min_by(|one, other| one.cpu_ns.total_cmp(&other.cpu_ns)),
            break_even: break_even(software, row, &closed),
            ceilings: ceilings(software, own_cost, row),
            times: times(row),
            own_cost,
            pausing: one_at_a_time.and_then(|sync| Some(most? / sync.ops_per_second)),
        })
    }

    fn row(&self) -> &'a Row {
        &self.rows[self.index]
    }

    /// How many times software's operations a second.
    fn ratio(&self) -> f64 {
        self.row().ops_per_second / self.software.ops_per_second
    }

    fn limit(&self) -> Option<Ceiling> {
        self.ceilings.first().copied()
    }

    /// The share of the lowest ceiling that was reached.
    fn reached(&self) -> Option<f64> {
        Some(self.row().ops_per_second / self.limit()?.ops_per_second)
    }
}

/// The row that the answer is about.
pub(crate) fn subject(rows: &[Row]) -> Option<&Row> {
    quickest(&on_device(rows)).map(|index| &rows[index])
}

/// The rows on the last device, each with its index.
fn on_device(rows: &[Row]) -> Vec<(usize, &Row)> {
    let Some(device) = rows.iter().rev().find_map(|row| row.device.as_ref()).map(plain) else {
        return Vec::new();
    };
    let on_it = |row: &Row| row.device.as_ref().is_some_and(|other| plain(other) == device);
    rows.iter().enumerate().filter(|(_, row)| on_it(row)).collect()
}

/// The index of the quickest closed loop, or of the quickest open one where no closed one ran.
fn quickest(rows: &[(usize, &Row)]) -> Option<usize> {
    let key = |row: &Row| (row.paced.is_none(), row.ops_per_second);
    let quickest = rows
        .iter()
        .max_by(|one, other| key(one.1).partial_cmp(&key(other.1)).unwrap_or(std::cmp::Ordering::Equal));
    quickest.map(|(index, _)| *index)
}

fn break_even(software: Software, row: &Row, closed: &[&Row]) -> BreakEven {
    let ceiling = row.model.as_ref().and_then(|model| {
        let room = row.rings().map(|rings| rings.room());
        let rings = room.map(|room| Ceiling { of: "rings", ops_per_second: model.alone.rate(room) });
        let all: Vec<Ceiling> = model.stations.iter().copied().chain(rings).collect();
        stations::lowest(&all)
    });
    let by_model = row.model.as_ref().zip(ceiling).map(|(model, ceiling)| {
        break_even::by_model(software.ops_per_second, ceiling.ops_per_second, &model.alone)
    });
    let measured = |row: &&Row| Measured { jobs: row.jobs, ops_per_second: row.ops_per_second };
    let measured: Vec<Measured> = closed.iter().map(measured).collect();
    let cheaper = |row: &&&Row| row.cpu_ns_per_op().is_some_and(|cpu| cpu < software.cpu_ns);
    let is_measured = !closed.is_empty();
    BreakEven {
        by_model,
        ceiling,
        by_rows: is_measured.then(|| break_even::by_rows(software.ops_per_second, &measured)),
        by_cpu: is_measured.then(|| closed.iter().filter(cheaper).map(|row| row.jobs).min()),
    }
}

/// What bounds the operations a second of this row, from the lowest on.
fn ceilings(software: Software, own_cost: Option<OwnCost>, row: &Row) -> Vec<Ceiling> {
    let per_second = |of, ops_per_second| Ceiling { of, ops_per_second };
    let mut all = Vec::new();
    if let Some(model) = &row.model {
        all.extend(model.stations.iter().copied());
        let held = row.rings().map_or(row.jobs, |rings| rings.hold(row.jobs));
        all.extend(stations::in_flight(&model.alone, row.jobs, held));
        let busiest = model.workers_busy.iter().copied().fold(0.0, f64::max);
        all.push(per_second("worker", row.ops_per_second / busiest));
    } else {
        // None was quicker than the quickest, and a worker computes as this thread does.
        all.push(per_second("jobs", as_f64(row.jobs as u64) * 1e6 / row.latency.min));
        all.push(per_second("worker", as_f64(row.workers() as u64) * 1e9 / software.computing_ns));
    }
    match &row.paced {
        Some(paced) if paced.sends.fall_behind() => all.push(per_second("generator", row.ops_per_second)),
        Some(paced) => all.push(per_second("rate", paced.rate)),
        // One at a time, the thread waits: its processor time bounds nothing.
        None if !row.mode.has_many() => {}
        None => {
            let cpu = row.cpu_ns_per_op().unwrap_or(0.0);
            let is_generators = own_cost.is_some_and(|own| own.cpu_ns() > cpu / 2.0);
            let at_once = as_f64(row.threads.min(processors()) as u64);
            all.push(per_second(if is_generators { "generator" } else { "caller" }, at_once * 1e9 / cpu));
        }
    }
    all.retain(|ceiling| ceiling.ops_per_second.is_finite() && ceiling.ops_per_second > 0.0);
    all.sort_by(|one, other| one.ops_per_second.total_cmp(&other.ops_per_second));
    all
}

/// Threads that this host runs at once.
fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// `None`: nothing was timed.
fn times(row: &Row) -> Option<Times> {
    let timings = &row.stats.device.timings;
    let timed = timings.total.count();
    let late = row.model.as_ref().map_or(0.0, |model| model.error.mean());
    let (queue, service, wake) = (timings.queue.mean(), timings.service.mean(), timings.wake.mean());
    (timed > 0).then(|| Times {
        timed,
        queue,
        service,
        wake: late.min(wake),
        resume: (wake - late).max(0.0),
        caller: (timed >= ENOUGH).then(|| (row.service.mean * 1e3 - timings.total.mean()).max(0.0)),
    })
}

fn jobs(jobs: usize) -> String {
    if jobs == 1 { "1 job".to_owned() } else { format!("{jobs} jobs") }
}

/// A row in a few words: its mode and its jobs.
fn about(row: &Row) -> String {
    let jobs = jobs(row.jobs);
    let threads = if row.threads > 1 { format!(" on {} threads", row.threads) } else { String::new() };
    let paced = if row.paced.is_some() { " in an open loop" } else { "" };
    format!("{} with {jobs}{threads}{paced}", row.mode.name())
}

/// Those that software runs in: as many as offload is called from.
fn calling(row: &Row) -> String {
    if row.threads == 1 {
        "the calling thread".to_owned()
    } else {
        format!("the {} calling threads", row.threads)
    }
}

/// The device of a row in a few characters.
fn device(row: &Row) -> String {
    row.device.as_ref().map_or_else(String::new, short_device)
}
