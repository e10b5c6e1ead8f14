//! A sweep: what if the device, or the load on it, were another one?
//!
//! ```text
//!   axes ──► places ──► a plan for each ──► run, those of one size behind each other ──► grid ──► table, words
//!                                            ▲
//!   software in the calling threads, once for each size and number of them: what the factors are multiples of
//! ```

use std::io::IsTerminal;
use std::time::Duration;

use serde_json::json;
use simaccel::Error;

use crate::args::{Format, Mode, Options};
use crate::axis::{Axis, Given, Sets};
use crate::failure::Failure;
use crate::grid::{Figures, Grid, Point};
use crate::interrupt;
use crate::load::{self, Ran};
use crate::mix::Mix;
use crate::pictures::PictureOptions;
use crate::plan::{Load, refuse_given};
use crate::report::{self, Report, SCHEMA_VERSION};
use crate::row::{Row, unlike_ideal};
use crate::searches;
use crate::units::{grouped, short_size, short_us};
use crate::workload::Workload;
use crate::{grid_table, pays};

/// All rows of a sweep together, without `--duration`.
const TOTAL: Duration = Duration::from_secs(12);

/// The least that a row runs: for less than this `--duration` is refused.
const LEAST: Duration = Duration::from_millis(10);

/// The warm-up's share of a row is one in so many.
const WARM_UP: u32 = 6;

/// Operations of each row in virtual time, without `--ops` and `--duration`.
const VIRTUAL_OPS: u64 = 20_000;

/// Values of a range, by the number of axes.
const STEPS: [usize; 2] = [8, 6];

/// Most values of one of two axes.
const MOST_OF_TWO: usize = 12;

/// What a sweep runs.
pub(crate) struct Sweep {
    axes: Vec<Axis>,
    /// Once for each size and number of threads.
    references: Vec<Reference>,
    /// In the order of the grid.
    points: Vec<Planned>,
    pictures: PictureOptions,
    /// With the statistics of each row in JSON.
    with_stats: bool,
}

/// What points of a kind are compared with.
struct Reference {
    kind: (usize, usize),
    /// `None` in virtual time, which is not compared with this host's.
    software: Option<Load>,
}

struct Planned {
    at: Vec<u64>,
    load: Load,
}

impl Sweep {
    pub(crate) fn plan(mut options: Options) -> Result<Self, Failure> {
        let axes = axes(&options)?;
        check_fixed(&options, &axes)?;
        let is_virtual = options.virtual_time.is_virtual;
        options.pictures.check()?;
        let pictures = std::mem::take(&mut options.pictures);
        let with_stats = options.stats.is_some();
        if is_virtual && options.duration.is_none() {
            // A second of virtual time may be a million operations, or one.
            options.ops.get_or_insert(VIRTUAL_OPS);
        }
        let given = (options.duration, options.ops.is_some());
        let mut base = searches::prepare(options, "--sweep")?;
        let places = Grid::places(&axes);
        let planned = |base: &Options| {
            let plan =
                |at: &Vec<u64>| Ok(Planned { at: at.clone(), load: searches::point(base, &axes, at)? });
            places.iter().map(plan).collect::<Result<Vec<_>, Failure>>()
        };
        // Planned once more with the time of a row, which depends on how many there are.
        let points = planned(&base)?;
        let mut kinds: Vec<_> = points.iter().map(|point| (kind(&point.load), &point.at)).collect();
        kinds.sort_unstable();
        kinds.dedup_by_key(|(kind, _)| *kind);
        let kinds: Vec<Vec<u64>> = kinds.into_iter().map(|(_, at)| at.clone()).collect();
        if !given.1 {
            let software = if is_virtual { 0 } else { kinds.len() };
            let rows = points.iter().map(|point| point.load.rows.len()).sum::<usize>() + software;
            let time = row_time(given.0.unwrap_or(TOTAL), rows)?;
            let warm_up = if is_virtual { Duration::ZERO } else { time / WARM_UP };
            base.duration = Some(time - warm_up);
            if !is_virtual {
                base.warm_up.by_default(warm_up);
            }
        }
        let mut references = Vec::new();
        for at in &kinds {
            let options = searches::options_at(&base, &axes, at)?;
            let software = if is_virtual { None } else { Some(software(options.clone())?) };
            references.push(Reference { kind: kind(&options.into_load()?), software });
        }
        Ok(Self { points: planned(&base)?, references, axes, pictures, with_stats })
    }

    /// The device that does not vary, for `--print-config`.
    pub(crate) fn first(&self) -> &Load {
        &self.points[0].load
    }
}

fn axes(options: &Options) -> Result<Vec<Axis>, Failure> {
    let given: &[Given] = &options.searches.sweep;
    let steps = *STEPS.get(given.len() - 1).ok_or_else(|| {
        Failure::option("--sweep", format_args!("allowed are one or two, not {}", given.len()))
    })?;
    let axes: Vec<Axis> = given.iter().map(|axis| axis.axis(steps)).collect();
    if let [one, other] = &axes[..] {
        if one.key.sets == other.key.sets {
            let why = format!("{} and {} are the same", one.key.name, other.key.name);
            return Err(Failure::option("--sweep", why));
        }
        if let Some(long) = axes.iter().find(|axis| axis.values.len() > MOST_OF_TWO) {
            let why = format!("{}: allowed are {MOST_OF_TWO} values of each of two axes", long.key.name);
            return Err(Failure::option("--sweep", why));
        }
    }
    Ok(axes)
}

/// What varies has no other value.
fn check_fixed(options: &Options, axes: &[Axis]) -> Result<(), Failure> {
    for axis in axes {
        let given = match axis.key.sets {
            Sets::Jobs => ("--jobs", options.jobs.is_some()),
            Sets::Size => {
                check_size_applies(options, axis.key.name)?;
                ("--size", options.size.is_some())
            }
            Sets::Threads => ("--threads", options.threads.given.is_some()),
            Sets::Rate => ("--rate", options.pacing.rate.is_some()),
            Sets::Config(_) => continue,
        };
        refuse_given(&[given], &format!("not allowed together with --sweep {}", axis.key.name))?;
    }
    let find_max = ("--find-max", options.searches.find_max.is_some());
    refuse_given(&[find_max], "not allowed together with --sweep")
}

/// Operations with keys have no size.
fn check_size_applies(options: &Options, name: &str) -> Result<(), Failure> {
    let of_mix = options.mixing.mix.as_ref().and_then(Mix::with_key);
    match of_mix.or_else(|| options.alg.filter(|work| work.key().is_some())) {
        Some(work) => Err(Failure::option("--sweep", format_args!("{name} does not apply to {work}"))),
        None => Ok(()),
    }
}

fn row_time(total: Duration, rows: usize) -> Result<Duration, Failure> {
    let rows = u32::try_from(rows).unwrap_or(u32::MAX);
    let time = total / rows;
    if time < LEAST {
        let least = (LEAST * rows).as_millis();
        let why = format!("it is for all {rows} rows of the sweep together, allowed are {least}ms or more");
        return Err(Failure::option("--duration", why));
    }
    Ok(time)
}

/// What software is measured anew for: the size, and the number of threads.
fn kind(load: &Load) -> (usize, usize) {
    (load.mix.mean_size(), load.threads)
}

/// Software with the same data; the device and the pace are not its own.
fn software(mut options: Options) -> Result<Load, Failure> {
    options.mode = Some(Mode::Software);
    (options.device, options.jobs) = (None, None);
    (options.pacing.rate, options.pacing.arrivals) = (None, None);
    options.into_load()
}

/// Runs the grid, prints it, and fails when anything was wrong.
pub(crate) fn run(plan: &Sweep) -> Result<(), Failure> {
    let mut rows: Vec<Option<Row>> = plan.points.iter().map(|_| None).collect();
    let mut software = Vec::new();
    let mut first_error = None;
    let pictures = plan.pictures.open()?;
    let mut cut_short = None;
    plan.points
        .iter()
        .map(|point| &point.load)
        .max_by_key(|load| load.most_lanes())
        .map_or(Ok(()), Load::check_memory)?;
    interrupt::watch();
    let mut count = Count { done: 0, of: plan.points.len() };
    'kinds: for Reference { kind: of_kind, software: reference } in &plan.references {
        let same_kind = || plan.points.iter().enumerate().filter(|(_, point)| kind(&point.load) == *of_kind);
        let loads = || same_kind().map(|(_, point)| &point.load).chain(reference);
        let lanes = loads().map(Load::most_lanes).max().unwrap_or(1);
        let Some(any) = loads().next() else { continue };
        let mut workload = Workload::new(&any.mix, lanes, any.seed)?;
        if let Some(reference) = reference {
            software.push(last(load::rows(reference, &mut workload)?, &mut first_error)?);
        }
        for (index, point) in same_kind() {
            if interrupt::is_requested() {
                break 'kinds;
            }
            count.say(&plan.axes, &point.at);
            let row = last(load::rows(&point.load, &mut workload)?, &mut first_error)?;
            if interrupt::is_requested() {
                cut_short = Some(row);
                break 'kinds;
            }
            rows[index] = Some(row);
        }
    }
    let grid = plan.grid(&rows, &software);
    let mut report = Report::new(plan.first());
    // A page has the rows of software, or of the points where there are none.
    let points: Vec<Row> = rows.into_iter().flatten().collect();
    let is_virtual = plan.first().is_virtual;
    let others = if is_virtual {
        report.rows = points;
        Vec::new()
    } else {
        report.rows = software;
        points
    };
    let drawn = pictures.write(&report, Some(&grid));
    plan.print(&grid, if is_virtual { &[] } else { &report.rows })?;
    drawn?;
    report.rows.extend(others.into_iter().chain(cut_short));
    report::verdict(&report.rows, plan.first().expected, first_error)?;
    if interrupt::is_requested() { Err(Failure::Interrupted) } else { Ok(()) }
}

/// The row that was asked for, which is behind those that it needs.
fn last(ran: Ran, first_error: &mut Option<Error>) -> Result<Row, Failure> {
    if first_error.is_none() {
        *first_error = ran.first_error;
    }
    ran.rows.into_iter().next_back().ok_or_else(|| Failure::Run("a plan without a row".to_owned()))
}

impl Sweep {
    fn grid(&self, rows: &[Option<Row>], software: &[Row]) -> Grid {
        let points = self.points.iter().zip(rows).filter_map(|(point, row)| {
            let row = row.as_ref()?;
            let of_kind = |software: &&Row| (software.size, software.threads) == (row.size, row.threads);
            let software = software.iter().find(of_kind).map(figures);
            Some(Point {
                at: point.at.clone(),
                offload: figures(row),
                software,
                row: row.json(self.with_stats),
            })
        });
        Grid { points: points.collect(), axes: self.axes.clone() }
    }

    fn print(&self, grid: &Grid, software: &[Row]) -> Result<(), Failure> {
        let first = self.first();
        let is_interrupted = interrupt::is_requested();
        let words = if is_interrupted {
            vec![format!("interrupted: {} of {} points ran", grid.points.len(), self.points.len())]
        } else {
            pays::words(grid)
        };
        match first.output.format {
            Format::Json => {
                let rows: Vec<_> = software.iter().map(|row| row.json(self.with_stats)).collect();
                let mut sweep = grid.json();
                sweep["words"] = json!(words);
                let mut json = json!({
                    "schema_version": SCHEMA_VERSION,
                    "seed": first.seed,
                    "device": first.device.to_string(),
                    "rows": rows,
                    "interrupted": is_interrupted,
                    "sweep": sweep,
                });
                if first.is_virtual {
                    json["clock"] = json!("virtual");
                }
                report::print(&format!("{json}\n"))
            }
            Format::Text => {
                let mut text = self.head(software);
                text += &grid_table::text(grid);
                text.extend(words.iter().map(|line| format!("{line}\n")));
                report::print(&text)
            }
        }
    }

    /// What does not vary, and what software does.
    fn head(&self, software: &[Row]) -> String {
        let first = self.first();
        let varies = |sets: Sets| self.axes.iter().any(|axis| axis.key.sets == sets);
        let mut parts = Vec::new();
        if varies(Sets::Size) {
            parts.push(first.mix.name_of_any_size());
        } else {
            parts.push(first.mix.name());
            let size = first.mix.mean_size();
            parts.extend((size > 0).then(|| format!("{} bytes per operation", short_size(size))));
        }
        let row = first.rows.last();
        parts.extend(row.map(|row| format!("mode {}", row.mode.name())));
        if !varies(Sets::Jobs) {
            parts.extend(row.map(|row| format!("{} jobs in flight at most", grouped(first.in_flight(row)))));
        }
        parts.push(format!("seed {}", first.seed));
        if first.is_virtual {
            parts.push("in virtual time".to_owned());
        }
        if !varies(Sets::Threads) && first.threads > 1 {
            parts.push(format!("{} threads", first.threads));
        }
        let keys = self.axes.iter().filter_map(|axis| match axis.key.sets {
            Sets::Config(key) => Some(key),
            _ => None,
        });
        let keys: Vec<&str> = keys.collect();
        let fixed = unlike_ideal(&first.device);
        let is_fixed = |pair: &&str| !keys.iter().any(|key| pair.split('=').next() == Some(*key));
        let fixed: Vec<&str> = fixed.split(';').filter(is_fixed).collect();
        let device = if fixed.is_empty() { "ideal".to_owned() } else { fixed.join(";") };
        let varying: Vec<&str> = self.axes.iter().map(|axis| axis.key.name).collect();
        let mut text =
            format!("{}\ndevice {device}; what varies: {}\n", parts.join(", "), varying.join(" and "));
        for row in software {
            text += &format!(
                "software{}{}: {} op/s, p50 {} µs, cpu {} ns/op\n",
                if row.size == 0 { String::new() } else { format!(", {} bytes", short_size(row.size)) },
                match row.threads {
                    1 if !varies(Sets::Threads) => String::new(),
                    1 => ", 1 thread".to_owned(),
                    threads => format!(", {threads} threads"),
                },
                grouped(format_args!("{:.0}", row.ops_per_second)),
                short_us(row.latency.p50),
                row.cpu_ns_per_op().map_or_else(|| "-".to_owned(), |cpu| grouped(format_args!("{cpu:.0}"))),
            );
        }
        text
    }
}

fn figures(row: &Row) -> Figures {
    Figures {
        ops_per_second: row.ops_per_second,
        p50: row.latency.p50,
        p99: row.latency.p99,
        cpu_ns_per_op: row.cpu_ns_per_op(),
    }
}

/// How far the sweep is, on standard error, where that is a terminal.
struct Count {
    done: usize,
    of: usize,
}

impl Count {
    fn say(&mut self, axes: &[Axis], at: &[u64]) {
        self.done += 1;
        if std::io::stderr().is_terminal() {
            let values = axes.iter().zip(at).map(|(axis, value)| axis.key.phrase(*value));
            let values = values.collect::<Vec<_>>().join(", ");
            // It does not matter to the sweep whether it is seen.
            let _ = report::print_aside(&format!("point {} of {}: {values}\n", self.done, self.of));
        }
    }
}
