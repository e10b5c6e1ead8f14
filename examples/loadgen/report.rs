//! The report: a table for people, a JSON object for programs.

use std::io::Write;
use std::time::Duration;

use comfy_table::{CellAlignment, LineStyle, Table, TableStyle};
use serde_json::{Value, json};
use simaccel::{Config, EngineStats, Error, Mbps};
use simaccel_device::Algorithm;

use crate::args::{Format, Mode, StatsFormat};
use crate::failure::Failure;
use crate::meter::Meter;
use crate::plan::{Expected, Load, Output};
use crate::queueing::Model;
use crate::units::{grouped, short_size, short_time};

const MIB: f64 = 1_048_576.0;

/// One row: a mode on a device, and its results.
pub(crate) struct Row {
    mode: Mode,
    /// `None` where no device took part.
    device: Option<Config>,
    algorithm: Algorithm,
    size: usize,
    jobs: usize,
    pub(crate) ops: u64,
    pub(crate) ops_per_second: f64,
    pub(crate) bytes_per_second: f64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) errors: u64,
    pub(crate) mismatches: u64,
    /// Little's law: the mean number in flight, and rate times mean latency.
    littles_law: (f64, f64),
    /// `None` where nothing is modelled.
    model: Option<Model>,
    stats: EngineStats,
}

impl Row {
    pub(crate) fn new(
        mode: Mode,
        device: &Config,
        algorithm: Algorithm,
        size: usize,
        jobs: usize,
        meter: &Meter,
        stats: EngineStats,
    ) -> Self {
        let rate = |count: f64| count / meter.elapsed().as_secs_f64().max(1e-9);
        Self {
            mode,
            device: (mode != Mode::Software).then(|| device.clone()),
            model: Model::of(device.device(), &stats),
            algorithm,
            size,
            jobs,
            ops: meter.ops,
            ops_per_second: rate(as_f64(meter.ops)),
            bytes_per_second: rate(as_f64(meter.bytes)),
            p50: meter.latency_us(0.50),
            p99: meter.latency_us(0.99),
            errors: meter.errors,
            mismatches: meter.mismatches,
            littles_law: meter.littles_law(),
            stats,
        }
    }

    fn json(&self, with_stats: bool) -> Value {
        let (in_flight, rate_by_latency) = self.littles_law;
        let mut json = json!({
            "mode": self.mode.name(),
            "device": self.device.as_ref().map_or_else(|| "none".to_owned(), Config::to_string),
            "alg": self.algorithm.to_string(),
            "size": self.size,
            "jobs": self.jobs,
            "ops": self.ops,
            "ops_per_second": self.ops_per_second,
            "bytes_per_second": self.bytes_per_second,
            "latency_us": { "p50": self.p50, "p99": self.p99 },
            "pauses": self.stats.pauses,
            "resumes": self.stats.resumes,
            "wakes": self.stats.device.total.wakes_sent,
            "spurious_resumes": self.stats.spurious_resumes,
            "errors": self.errors,
            "mismatches": self.mismatches,
            "littles_law": { "in_flight": in_flight, "rate_by_latency": rate_by_latency },
            "model": self.model.as_ref().map(|model| model.json(self.ops_per_second)),
        });
        if with_stats {
            json["stats"] = self.stats_json();
        }
        json
    }

    /// The engine writes JSON; `null` could only come from a bug there.
    fn stats_json(&self) -> Value {
        serde_json::from_str(&self.stats.to_json()).unwrap_or_default()
    }

    /// The engine's statistics, for the end of a text report.
    pub(crate) fn statistics(&self, format: StatsFormat) -> String {
        match format {
            StatsFormat::Json => format!("{}\n", self.stats.to_json()),
            StatsFormat::Prometheus => self.stats.to_prometheus(),
        }
    }

    /// How close the run came to the model, and whether its own counts add up; `None` without a model.
    fn model_summary(&self) -> Option<String> {
        let (model, device) = (self.model.as_ref()?, self.device.as_ref()?);
        let (in_flight, rate_by_latency) = self.littles_law;
        let warning = model.warning().map(|warning| format!("warning: {}: {warning}\n", self.mode.name()));
        Some(format!(
            "model: {} on {}: {}; in flight L = {in_flight:.2}, λW = {rate_by_latency:.2}\n{}",
            self.mode.name(),
            short_device(device),
            model.summary(self.ops_per_second),
            warning.unwrap_or_default(),
        ))
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
            grouped(self.stats.pauses),
            grouped(self.stats.resumes),
            grouped(self.stats.device.total.wakes_sent),
            grouped(self.stats.spurious_resumes),
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

/// Everything that is printed at the end.
pub(crate) struct Report {
    /// `None` where no data was generated.
    seed: Option<u64>,
    device: Config,
    title: String,
    pub(crate) rows: Vec<Row>,
}

impl Report {
    pub(crate) fn new(plan: &Load) -> Self {
        let size = short_size(plan.size);
        let title = format!("{}, {size} bytes per operation, seed {}", plan.algorithm, plan.seed);
        Self { seed: Some(plan.seed), device: plan.device.clone(), title, rows: Vec::new() }
    }

    pub(crate) fn of_file(device: Config, row: Row) -> Self {
        Self { seed: None, device, title: String::new(), rows: vec![row] }
    }

    pub(crate) fn json(&self, with_stats: bool) -> String {
        let rows = self.rows.iter().map(|row| row.json(with_stats)).collect::<Vec<_>>();
        json!({ "seed": self.seed, "device": self.device.to_string(), "rows": rows }).to_string()
    }

    pub(crate) fn print(&self, output: Output) -> Result<(), Failure> {
        match output.format {
            Format::Json => print(&format!("{}\n", self.json(output.stats.is_some()))),
            Format::Text => print(&format!("{}{}", self.text(), self.statistics(output.stats))),
        }
    }

    /// The statistics of the last row.
    fn statistics(&self, format: Option<StatsFormat>) -> String {
        let Some((format, row)) = format.zip(self.rows.last()) else { return String::new() };
        format!("\n# statistics of the last row, {}\n{}", row.mode.name(), row.statistics(format))
    }

    fn text(&self) -> String {
        let mut table = Table::new();
        let rule = LineStyle::none().fill('─');
        table.load_style(TableStyle::new().header_separator(rule)).set_header(HEADER);
        table.column_iter_mut().skip(2).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
        table.add_rows(self.rows.iter().map(Row::cells));
        format!("{}\ndevice {}\n{}\n{}", self.title, self.device, table.trim_fmt(), self.closing())
    }

    /// How results were checked, and what pausing gained, where both ways ran on one modelled device.
    fn closing(&self) -> String {
        let results: u64 = self.rows.iter().map(|row| row.ops - row.errors).sum();
        let mut text = format!(
            "checked: {} results, each compared in full with the result of software, computed beforehand\n",
            grouped(results)
        );
        text.extend(self.rows.iter().filter_map(Row::model_summary));
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
    let takes = match (device.completion() + device.firmware(), device.mbps()) {
        (Duration::ZERO, Mbps::NONE) => "ideal".to_owned(),
        (Duration::ZERO, mbps) => format!("{} × {mbps} MB/s", device.compute_units()),
        (time, _) => format!("{} × {}", device.compute_units(), short_time(time)),
    };
    if device.faults().is_empty() { takes } else { format!("{takes}, faults") }
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
        grouped(row.stats.pauses),
        grouped(row.stats.resumes),
        grouped(row.stats.device.total.wakes_sent)
    )
}

/// Fails when a result was wrong or an operation failed, and that was not expected.
pub(crate) fn verdict(rows: &[Row], expected: Expected, first_error: Option<Error>) -> Result<(), Failure> {
    let mismatches: u64 = rows.iter().map(|row| row.mismatches).sum();
    let errors: u64 = rows.iter().map(|row| row.errors).sum();
    if (mismatches == 0 || expected.mismatches) && (errors == 0 || expected.errors) {
        return Ok(());
    }
    let first = first_error.map_or_else(String::new, |error| format!(" (the first: {error})"));
    Err(Failure::Run(format!("{mismatches} results differ from software, {errors} operations failed{first}")))
}

/// Writes to standard output.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    print_bytes(text.as_bytes())
}

/// Writes to standard output. A missing reader is a failure, not a panic.
pub(crate) fn print_bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(bytes).and_then(|()| out.flush());
    written.map_err(|error| Failure::Run(format!("standard output: {error}")))
}

/// Writes a report to standard error.
pub(crate) fn print_aside(text: &str) -> Result<(), Failure> {
    let written = std::io::stderr().write_all(text.as_bytes());
    written.map_err(|error| Failure::Run(format!("standard error: {error}")))
}

#[expect(clippy::cast_precision_loss, reason = "a rate does not need the last digits of a count")]
pub(crate) fn as_f64(count: u64) -> f64 {
    count as f64
}
