//! The report: a table for people, a JSON object for programs.

use std::io::Write;

use serde_json::json;
use simaccel::{Config, Error};

use crate::args::{Format, Mode, StatsFormat};
use crate::failure::Failure;
use crate::plan::{Expected, Load, Output};
use crate::row::{Row, short_device, unlike_ideal};
use crate::table::{self, MIB};
use crate::units::{grouped, short_size};

/// The version of the JSON report: it changes when a key is renamed, removed or means something else.
const SCHEMA_VERSION: u32 = 1;

/// Everything that is printed at the end.
pub(crate) struct Report {
    /// `None` where no data was generated.
    seed: Option<u64>,
    device: Config,
    /// Times are those of the device's virtual clock.
    is_virtual: bool,
    title: String,
    pub(crate) rows: Vec<Row>,
}

impl Report {
    pub(crate) fn new(plan: &Load) -> Self {
        let size = short_size(plan.size);
        let clock = if plan.is_virtual { ", in virtual time" } else { "" };
        let title = format!("{}, {size} bytes per operation, seed {}{clock}", plan.algorithm, plan.seed);
        Self {
            seed: Some(plan.seed),
            device: plan.device.clone(),
            is_virtual: plan.is_virtual,
            title,
            rows: Vec::new(),
        }
    }

    pub(crate) fn of_file(device: Config, row: Row) -> Self {
        Self { seed: None, device, is_virtual: false, title: String::new(), rows: vec![row] }
    }

    pub(crate) fn json(&self, with_stats: bool) -> String {
        let rows = self.rows.iter().map(|row| row.json(with_stats)).collect::<Vec<_>>();
        let (seed, device) = (self.seed, self.device.to_string());
        let mut json =
            json!({ "schema_version": SCHEMA_VERSION, "seed": seed, "device": device, "rows": rows });
        if self.is_virtual {
            json["clock"] = json!("virtual");
        }
        json.to_string()
    }

    pub(crate) fn print(&self, output: Output) -> Result<(), Failure> {
        match output.format {
            Format::Json => print(&format!("{}\n", self.json(output.stats.is_some()))),
            Format::Text => print(&format!("{}{}", self.text(output.wide), self.statistics(output.stats))),
        }
    }

    /// The statistics of the last row.
    fn statistics(&self, format: Option<StatsFormat>) -> String {
        let Some((format, row)) = format.zip(self.rows.last()) else { return String::new() };
        format!("\n# statistics of the last row, {}\n{}", row.mode.name(), row.statistics(format))
    }

    fn text(&self, wide: bool) -> String {
        let table = table::text(&self.rows, wide);
        format!("{}\ndevice {}\n{table}{}", self.title, unlike_ideal(&self.device), self.closing())
    }

    pub(crate) fn title(&self) -> &str {
        &self.title
    }

    pub(crate) const fn device(&self) -> &Config {
        &self.device
    }

    /// How results were checked, and what pausing gained, where both ways ran on one modelled device.
    pub(crate) fn closing(&self) -> String {
        let results: u64 = self.rows.iter().map(|row| row.ops - row.errors).sum();
        let mut text = format!(
            "checked: {} results, each compared in full with the result of software, computed beforehand\n",
            grouped(results)
        );
        text.extend(self.rows.iter().filter_map(Row::open_summary));
        text.extend(self.rows.iter().filter_map(Row::model_summary));
        if let [.., sync, paused, _open] = &self.rows[..]
            && (sync.mode, paused.mode) == (Mode::Sync, Mode::WakeFd)
        {
            let gain = paused.ops_per_second / sync.ops_per_second;
            let device = paused.device.as_ref().map(short_device).unwrap_or_default();
            text += &format!("pausing: {gain:.1} times the operations of one at a time, on {device}\n");
        }
        text
    }
}

/// One line about a file, for standard error.
pub(crate) fn file_line(row: &Row) -> String {
    format!(
        "{} by {}, {} in flight: {} pieces, {:.1} MiB/s; p50 {:.1} µs, p99 {:.1} µs, max {:.1} µs; {} pauses, {} resumes, {} wakes",
        row.algorithm,
        row.mode.name(),
        row.jobs,
        grouped(row.ops),
        row.bytes_per_second / MIB,
        row.latency.p50,
        row.latency.p99,
        row.latency.max,
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
