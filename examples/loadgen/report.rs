//! The report: a table for people, a JSON object for programs.

use std::io::Write;

use serde_json::json;
use simaccel::{Config, Error};

use crate::answer::Answer;
use crate::args::{Format, StatsFormat};
use crate::failure::Failure;
use crate::judging::Judgement;
use crate::own_cost::OwnCost;
use crate::plan::{Expected, Load, Output};
use crate::row::{Row, plain, unlike_ideal};
use crate::table::{self, MIB};
use crate::units::{grouped, short_size};
use crate::wrap::wrapped;

/// The version of the JSON report: it changes when a key is renamed, removed or means something else.
pub(crate) const SCHEMA_VERSION: u32 = 1;

/// Everything that is printed at the end.
pub(crate) struct Report {
    /// `None` where no data was generated.
    seed: Option<u64>,
    device: Config,
    /// Times are those of the device's virtual clock.
    is_virtual: bool,
    title: String,
    pub(crate) rows: Vec<Row>,
    /// Software, measured aside.
    pub(crate) software: Option<Row>,
    /// What the generator itself costs, in the way of the row that the answer is about.
    pub(crate) own_cost: Option<OwnCost>,
    /// Of generated load.
    pub(crate) judgement: Option<Judgement>,
}

impl Report {
    pub(crate) fn new(plan: &Load) -> Self {
        let clock = if plan.is_virtual { ", in virtual time" } else { "" };
        let threads = if plan.threads > 1 { format!(", {} threads", plan.threads) } else { String::new() };
        let title = format!("{}{clock}{threads}", load(plan));
        Self {
            seed: Some(plan.seed),
            device: plan.device.clone(),
            is_virtual: plan.is_virtual,
            title,
            rows: Vec::new(),
            software: None,
            own_cost: None,
            judgement: None,
        }
    }

    pub(crate) fn of_file(device: Config, row: Row) -> Self {
        Self {
            seed: None,
            device,
            is_virtual: false,
            title: String::new(),
            rows: vec![row],
            software: None,
            own_cost: None,
            judgement: None,
        }
    }

    pub(crate) fn json(&self, with_stats: bool) -> String {
        let rows = self.rows.iter().map(|row| row.json(with_stats)).collect::<Vec<_>>();
        let (seed, device) = (self.seed, self.device.to_string());
        let answer = self.answer().map(|answer| answer.json());
        let mut json = json!({
            "schema_version": SCHEMA_VERSION,
            "seed": seed,
            "device": device,
            "rows": rows,
            "answer": answer,
        });
        if self.is_virtual {
            json["clock"] = json!("virtual");
        }
        if let Some(judgement) = &self.judgement {
            judgement.add_to(&mut json);
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
        let judged = self.judgement.as_ref().map(Judgement::text).unwrap_or_default();
        format!("{}\n{}{table}{}{judged}", self.title, self.devices(), self.closing(wide))
    }

    pub(crate) fn title(&self) -> &str {
        &self.title
    }

    pub(crate) const fn device(&self) -> &Config {
        &self.device
    }

    /// What differs from the ideal device, of the configured one and of further ones.
    fn devices(&self) -> String {
        let mut devices = vec![unlike_ideal(&self.device)];
        let own = plain(&self.device);
        for device in self.rows.iter().filter_map(|row| row.device.as_ref()).map(plain) {
            if device != own && !devices.contains(&device) {
                devices.push(device);
            }
        }
        wrapped("device ", &devices.join(", and "))
    }

    fn answer(&self) -> Option<Answer<'_>> {
        Answer::of(&self.rows, self.software.as_ref(), self.own_cost)
    }

    /// How results were checked, what became of open loops, the answer, and what it lacks.
    pub(crate) fn closing(&self, wide: bool) -> String {
        let results: u64 = self.rows.iter().map(|row| row.ops - row.errors).sum();
        let mut text = wrapped(
            "checked: ",
            &format!(
                "{} results, each compared in full with the result of software, computed beforehand",
                grouped(results)
            ),
        );
        text.extend(self.rows.iter().filter_map(Row::steady_warning));
        text.extend(self.rows.iter().filter_map(Row::open_summary));
        if wide {
            text.extend(self.rows.iter().filter_map(Row::model_summary));
        }
        text.extend(self.answer().map(|answer| answer.text()));
        text + &self.host_bound()
    }

    /// One warning about all rows whose figures are this host's and not the model's.
    fn host_bound(&self) -> String {
        let of = |row: &Row| {
            let model = row.model.as_ref().filter(|model| model.warning().is_some())?;
            Some(format!(
                "{}\u{a0}{} {:.0}\u{a0}%",
                row.mode.name(),
                row.loop_name(),
                100.0 * model.host_bound
            ))
        };
        let rows: Vec<String> = self.rows.iter().filter_map(of).collect();
        if rows.is_empty() {
            return String::new();
        }
        let rows = rows.join(", ");
        wrapped(
            "warning: ",
            &format!(
                "host-bound: for a part of the time ({rows}) this host, not the model, decided when requests \
                 completed; more workers (workers=N), a smaller load or smaller requests leave it to the model"
            ),
        )
    }
}

/// What every operation is, and the seed.
pub(crate) fn load(plan: &Load) -> String {
    let each = match plan.mix.parts() {
        [one] if one.size == 0 => String::new(),
        [one] => format!(", {} bytes per operation", short_size(one.size)),
        _ => ", by weight".to_owned(),
    };
    format!("{}{each}, seed {}", plan.mix.name(), plan.seed)
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
    let (warm_mismatches, warm_errors) = rows.iter().fold((0, 0), |(mismatches, errors), row| {
        (mismatches + row.warmed_up.mismatches, errors + row.warmed_up.errors)
    });
    if (mismatches + warm_mismatches == 0 || expected.mismatches)
        && (errors + warm_errors == 0 || expected.errors)
    {
        return Ok(());
    }
    let in_warm_up = match (warm_mismatches, warm_errors) {
        (0, 0) => String::new(),
        (wrong, failed) => format!("; in warm-up {wrong} differ, {failed} failed"),
    };
    let first = first_error.map_or_else(String::new, |error| format!(" (the first: {error})"));
    Err(Failure::Run(format!(
        "{mismatches} results differ from software, {errors} operations failed{in_warm_up}{first}"
    )))
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
