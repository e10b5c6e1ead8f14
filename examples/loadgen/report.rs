//! The report: one table for people, one JSON object for programs.

use std::io::Write;

use comfy_table::{CellAlignment, LineStyle, Table, TableStyle};
use device_sim::Algorithm;
use serde_json::{Value, json};
use simaccel::{Config, EngineStats, Error};

use crate::args::{Format, Mode};
use crate::failure::Failure;
use crate::meter::Meter;
use crate::plan::Load;
use crate::units::{grouped, short_nanos, short_size};

const MIB: f64 = 1_048_576.0;

/// One row: a mode on a device, and what came of it.
pub(crate) struct Row {
    mode: Mode,
    /// `None` where no device had a part.
    device: Option<Config>,
    algorithm: Algorithm,
    size: usize,
    jobs: usize,
    pub(crate) ops: u64,
    pub(crate) ops_per_second: f64,
    pub(crate) bytes_per_second: f64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pauses: u64,
    resumes: u64,
    wakes: u64,
    spurious_resumes: u64,
    pub(crate) errors: u64,
    pub(crate) mismatches: u64,
}

impl Row {
    pub(crate) fn new(
        mode: Mode,
        device: &Config,
        algorithm: Algorithm,
        size: usize,
        jobs: usize,
        meter: &Meter,
        stats: &EngineStats,
    ) -> Self {
        let rate = |count: f64| count / meter.elapsed().as_secs_f64().max(1e-9);
        Self {
            mode,
            device: (mode != Mode::Software).then(|| device.clone()),
            algorithm,
            size,
            jobs,
            ops: meter.ops,
            ops_per_second: rate(as_f64(meter.ops)),
            bytes_per_second: rate(as_f64(meter.bytes)),
            p50: meter.latency_us(0.50),
            p99: meter.latency_us(0.99),
            pauses: stats.pauses,
            resumes: stats.resumes,
            wakes: stats.device.total.wakes_sent,
            spurious_resumes: stats.spurious_resumes,
            errors: meter.errors,
            mismatches: meter.mismatches,
        }
    }

    fn json(&self) -> Value {
        json!({
            "mode": self.mode.name(),
            "device": self.device.as_ref().map_or_else(|| "none".to_owned(), Config::to_string),
            "alg": self.algorithm.to_string(),
            "size": self.size,
            "jobs": self.jobs,
            "ops": self.ops,
            "ops_per_second": self.ops_per_second,
            "bytes_per_second": self.bytes_per_second,
            "latency_us": { "p50": self.p50, "p99": self.p99 },
            "pauses": self.pauses,
            "resumes": self.resumes,
            "wakes": self.wakes,
            "spurious_resumes": self.spurious_resumes,
            "errors": self.errors,
            "mismatches": self.mismatches,
        })
    }

    fn cells(&self) -> [String; 13] {
        [
            self.mode.name().to_owned(),
            self.device.as_ref().map_or_else(|| "-".to_owned(), short_device),
            grouped(self.jobs),
            grouped(format_args!("{:.0}", self.ops_per_second)),
            format!("{:.1}", self.bytes_per_second / MIB),
            format!("{:.1}", self.p50),
            format!("{:.1}", self.p99),
            grouped(self.pauses),
            grouped(self.resumes),
            grouped(self.wakes),
            grouped(self.spurious_resumes),
            grouped(self.errors),
            grouped(self.mismatches),
        ]
    }
}

const HEADER: [&str; 13] = [
    "mode",
    "device",
    "jobs",
    "op/s",
    "MiB/s",
    "p50 µs",
    "p99 µs",
    "pauses",
    "resumes",
    "wakes",
    "spurious",
    "errors",
    "mismatches",
];

/// Everything that is said at the end.
pub(crate) struct Report {
    seed: u64,
    device: Config,
    title: String,
    pub(crate) rows: Vec<Row>,
}

impl Report {
    pub(crate) fn new(plan: &Load) -> Self {
        let size = short_size(plan.size);
        let title = format!("{}, {size} bytes per operation, seed {}", plan.algorithm, plan.seed);
        Self { seed: plan.seed, device: plan.device.clone(), title, rows: Vec::new() }
    }

    pub(crate) fn of_file(seed: u64, device: Config, row: Row) -> Self {
        Self { seed, device, title: String::new(), rows: vec![row] }
    }

    pub(crate) fn json(&self) -> String {
        let rows = self.rows.iter().map(Row::json).collect::<Vec<_>>();
        json!({ "seed": self.seed, "device": self.device.to_string(), "rows": rows }).to_string()
    }

    pub(crate) fn print(&self, format: Format) -> Result<(), Failure> {
        match format {
            Format::Json => print(&format!("{}\n", self.json())),
            Format::Text => print(&self.text()),
        }
    }

    fn text(&self) -> String {
        let mut table = Table::new();
        let rule = LineStyle::none().fill('─');
        table.load_style(TableStyle::new().header_separator(rule)).set_header(HEADER);
        table.column_iter_mut().skip(2).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
        table.add_rows(self.rows.iter().map(Row::cells));
        format!("{}\ndevice {}\n{}\n{}", self.title, self.device, table.trim_fmt(), self.closing())
    }

    /// How results were checked, and what pausing gained where both ways ran on one modelled device.
    fn closing(&self) -> String {
        let results: u64 = self.rows.iter().map(|row| row.ops - row.errors).sum();
        let mut text = format!(
            "checked: {} results, each compared in full with the result of software, computed beforehand\n",
            grouped(results)
        );
        if let [.., sync, paused] = &self.rows[..]
            && (sync.mode, paused.mode) == (Mode::Sync, Mode::WakeFd)
        {
            let gain = paused.ops_per_second / sync.ops_per_second;
            let device = paused.device.as_ref().map(short_device).unwrap_or_default();
            text += &format!("pausing: {gain:.1} times the operations of one at a time, on {device}\n");
        }
        text
    }
}

/// A device in a few characters: what it models.
fn short_device(config: &Config) -> String {
    let device = config.device();
    match device.completion_nsec {
        0 => "ideal".to_owned(),
        nanos => format!("{} × {}", device.compute_units, short_nanos(nanos)),
    }
}

/// One line about a file, for standard error.
pub(crate) fn file_line(row: &Row) -> String {
    format!(
        "{} by {}, {} in flight: {} pieces, {:.1} MiB/s; p50 {:.1} µs, p99 {:.1} µs; {} pauses, {} resumes, {} wakes",
        row.algorithm,
        row.mode.name(),
        row.jobs,
        grouped(row.ops),
        row.bytes_per_second / MIB,
        row.p50,
        row.p99,
        grouped(row.pauses),
        grouped(row.resumes),
        grouped(row.wakes)
    )
}

/// Fails when a result was wrong or an operation failed.
pub(crate) fn verdict(rows: &[Row], first_error: Option<Error>) -> Result<(), Failure> {
    let mismatches: u64 = rows.iter().map(|row| row.mismatches).sum();
    let errors: u64 = rows.iter().map(|row| row.errors).sum();
    if mismatches == 0 && errors == 0 {
        return Ok(());
    }
    let first = first_error.map_or_else(String::new, |error| format!(" (the first: {error})"));
    Err(Failure::Run(format!("{mismatches} results differ from software, {errors} operations failed{first}")))
}

/// Writes to standard output.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    print_bytes(text.as_bytes())
}

/// Writes to standard output; a reader that went away is a failure, not a panic.
pub(crate) fn print_bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(bytes).and_then(|()| out.flush());
    written.map_err(|error| Failure::Run(format!("standard output: {error}")))
}

#[expect(clippy::cast_precision_loss, reason = "a rate does not need the last digits of a count")]
fn as_f64(count: u64) -> f64 {
    count as f64
}
