//! Medians of several runs, saved in a file and compared with later ones.
//!
//! ```text
//!   run 1   row 1  row 2  row 3 ..
//!   run 2   row 1  row 2  row 3 ..       what disturbs the host for a while disturbs one run of each row
//!   ..        │
//!             └──► median, spread of the middle half ──► saved | compared: worse, same, better
//! ```
//!
//! Rows are compared with rows of the same device, algorithm, size, jobs, loop and rate; another baseline is
//! refused before anything runs.

use std::path::Path;

use serde_json::{Value, json};
use simaccel::grammar::Shown;

use crate::failure::Failure;
use crate::files;
use crate::plan::{Load, Pace, PlannedRow, Rate};
use crate::row::Row;

/// The version of the file.
const VERSION: u32 = 1;

/// A figure that is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Figure {
    name: &'static str,
    unit: &'static str,
    more_is_better: bool,
}

const FIGURES: [Figure; 4] = [
    Figure { name: "ops", unit: "op/s", more_is_better: true },
    Figure { name: "p50", unit: "µs", more_is_better: false },
    Figure { name: "p99", unit: "µs", more_is_better: false },
    Figure { name: "cpu", unit: "ns/op", more_is_better: false },
];

/// The figures of one run of a row, in the order of [`FIGURES`]; an open loop has no processor time.
pub(crate) type Sample = [Option<f64>; 4];

pub(crate) fn sample(row: &Row) -> Sample {
    [Some(row.ops_per_second), Some(row.latency.p50), Some(row.latency.p99), row.cpu_ns_per_op()]
}

/// The same from a JSON row of another program.
pub(crate) fn sample_of_json(row: &Value) -> Sample {
    ["/ops_per_second", "/latency_us/p50", "/latency_us/p99", "/cpu_ns_per_op"]
        .map(|key| row.pointer(key).and_then(Value::as_f64))
}

/// A figure over several runs.
#[derive(Clone, Copy, Debug)]
struct Measured {
    median: f64,
    /// The width of the middle half of the runs, in percent of the median.
    spread: f64,
}

impl Measured {
    fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let at = |share: usize| values.get((values.len().checked_sub(1)? * share).div_ceil(4)).copied();
        let (low, median, high) = (at(1)?, at(2)?, at(3)?);
        Some(Self { median, spread: if median > 0.0 { 100.0 * (high - low) / median } else { 0.0 } })
    }

    fn json(&self) -> Value {
        json!({ "median": self.median, "spread_percent": self.spread })
    }

    fn parse(json: &Value) -> Option<Self> {
        let number = |key: &str| json[key].as_f64().filter(|number| *number >= 0.0);
        Some(Self { median: number("median")?, spread: number("spread_percent")? })
    }
}

/// Medians of one row, in the order of [`FIGURES`].
#[derive(Clone, Debug)]
pub(crate) struct Medians([Option<Measured>; 4]);

impl Medians {
    pub(crate) fn of(samples: &[Sample]) -> Self {
        Self(std::array::from_fn(|index| {
            Measured::of(samples.iter().filter_map(|sample| sample[index]).collect())
        }))
    }

    fn json(&self) -> Value {
        let figures = FIGURES.iter().zip(&self.0).filter_map(|(figure, measured)| {
            measured.map(|measured| (figure.name.to_owned(), measured.json()))
        });
        Value::Object(figures.collect())
    }

    fn parse(json: &Value) -> Self {
        Self(FIGURES.map(|figure| Measured::parse(&json[figure.name])))
    }
}

/// What makes rows comparable.
fn identity(plan: &Load, row: &PlannedRow) -> Value {
    let (rate, arrivals) = match row.pace {
        Pace::Closed => (None, None),
        Pace::Open { rate, arrivals } => {
            let rate = match rate {
                Rate::PerSecond(rate) => rate.to_string(),
                Rate::Mean(rate) => rate.to_string(),
                Rate::Percent(share) => format!("{share}%"),
            };
            (Some(rate), Some(arrivals.name()))
        }
    };
    json!({
        "mode": row.mode.name(),
        "rate": rate,
        "arrivals": arrivals,
        "device": row.device.to_string(),
        "jobs": plan.in_flight(row),
        "threads": plan.threads,
    })
}

/// Saved medians.
pub(crate) struct Baseline {
    pub(crate) rows: Vec<Medians>,
    /// Where it was measured, if that is not here.
    pub(crate) elsewhere: Option<String>,
}

impl Baseline {
    /// Fails unless the file is a baseline of what the plan runs.
    pub(crate) fn load(path: &Path, plan: &Load) -> Result<Self, Failure> {
        let shown = path.display().to_string();
        let failed = |why: &dyn std::fmt::Display| {
            Failure::option("--baseline", format_args!("{}: {why}", Shown(&shown)))
        };
        let text = std::fs::read(path).map_err(|error| failed(&error))?;
        let json: Value = serde_json::from_slice(&text).map_err(|error| failed(&error))?;
        if json["baseline_version"] != VERSION {
            return Err(failed(&"not a baseline that --save-baseline has written"));
        }
        let differs = |what: &str, before: &Value, now: &Value| {
            let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            failed(&format_args!("not comparable: {what} is {} there, {} here", shown(before), shown(now)))
        };
        for (what, now) in [("algorithm", json!(plan.mix.name())), ("size", json!(plan.mix.mean_size()))] {
            if json[what] != now {
                return Err(differs(what, &json[what], &now));
            }
        }
        let rows = json["rows"].as_array().map_or(&[][..], Vec::as_slice);
        if rows.len() != plan.rows.len() {
            return Err(differs("the number of rows", &json!(rows.len()), &json!(plan.rows.len())));
        }
        for (index, (row, planned)) in rows.iter().zip(&plan.rows).enumerate() {
            let now = identity(plan, planned);
            for what in ["mode", "device", "rate", "arrivals", "jobs", "threads"] {
                let before = match &row["identity"][what] {
                    // A file of before there were threads has one.
                    Value::Null if what == "threads" => &json!(1),
                    before => before,
                };
                if *before != now[what] {
                    return Err(differs(&format!("{what} of row {}", index + 1), before, &now[what]));
                }
            }
        }
        let here = machine();
        let elsewhere = (json["machine"] != here).then(|| json["machine"].to_string());
        Ok(Self { rows: rows.iter().map(|row| Medians::parse(&row["medians"])).collect(), elsewhere })
    }
}

/// Saves the medians of each row.
pub(crate) fn save(path: &Path, plan: &Load, medians: &[Medians], runs: u32) -> Result<(), Failure> {
    let rows =
        plan.rows.iter().zip(medians).map(
            |(planned, medians)| json!({ "identity": identity(plan, planned), "medians": medians.json() }),
        );
    let json = json!({
        "baseline_version": VERSION,
        "loadgen_version": env!("CARGO_PKG_VERSION"),
        "machine": machine(),
        "algorithm": plan.mix.name(),
        "size": plan.mix.mean_size(),
        "runs": runs,
        "rows": rows.collect::<Vec<_>>(),
    });
    files::write("--save-baseline", path, format!("{json:#}\n").as_bytes())
}

/// What a figure depends on beside the program.
fn machine() -> Value {
    let system = nix::sys::utsname::uname().ok();
    let text = |part: Option<&std::ffi::OsStr>| part.map(|part| part.to_string_lossy().into_owned());
    json!({
        "processors": std::thread::available_parallelism().map_or(0, usize::from),
        "kernel": text(system.as_ref().map(|system| system.release())),
        "architecture": text(system.as_ref().map(|system| system.machine())),
    })
}

/// Rows now and before.
pub(crate) struct Comparison {
    against: String,
    /// In percent; a larger spread of the runs takes its place.
    noise: f64,
    note: Option<String>,
    rows: Vec<(String, Vec<Change>)>,
}

struct Change {
    figure: Figure,
    before: f64,
    now: f64,
    noise: f64,
}

impl Change {
    fn percent(&self) -> f64 {
        if self.before > 0.0 { 100.0 * (self.now - self.before) / self.before } else { 0.0 }
    }

    fn verdict(&self) -> &'static str {
        // By the factor, so that a tenth is as far away as ten times: noise may be more than 100 %.
        let factor = 1.0 + self.noise / 100.0;
        let (less, more) = (self.now * factor < self.before, self.now > self.before * factor);
        match (less, more) {
            (false, false) => "same",
            (_, more) if more == self.figure.more_is_better => "better",
            _ => "worse",
        }
    }

    fn is_worse(&self) -> bool {
        self.verdict() == "worse"
    }

    fn text(&self) -> String {
        let Figure { name, unit, .. } = self.figure;
        format!(
            "{name} {:.1} → {:.1} {unit}, {:+.1} % (noise {:.1} %): {}",
            self.before,
            self.now,
            self.percent(),
            self.noise,
            self.verdict()
        )
    }

    fn json(&self) -> Value {
        json!({
            "metric": self.figure.name,
            "before": self.before,
            "now": self.now,
            "change_percent": self.percent(),
            "noise_percent": self.noise,
            "verdict": self.verdict(),
        })
    }
}

impl Comparison {
    /// `before` and `now` have the rows in the same order.
    pub(crate) fn new(
        against: String,
        noise: f64,
        names: Vec<String>,
        (before, now): (&[Medians], &[Medians]),
    ) -> Self {
        let rows = names.into_iter().zip(before.iter().zip(now)).map(|(name, (before, now))| {
            let pairs = FIGURES.into_iter().zip(before.0.into_iter().zip(now.0));
            let changes = pairs.filter_map(|(figure, (before, now))| {
                let (before, now) = (before?, now?);
                let noise = noise.max(before.spread).max(now.spread);
                Some(Change { figure, before: before.median, now: now.median, noise })
            });
            (name, changes.collect())
        });
        Self { against, noise, note: None, rows: rows.collect() }
    }

    /// A line ahead of the comparison.
    pub(crate) fn with_note(self, note: Option<String>) -> Self {
        Self { note, ..self }
    }

    fn worse(&self) -> impl Iterator<Item = (&str, &Change)> {
        let all = self
            .rows
            .iter()
            .flat_map(|(name, changes)| changes.iter().map(move |change| (name.as_str(), change)));
        all.filter(|(_, change)| change.is_worse())
    }

    pub(crate) fn has_regressed(&self) -> bool {
        self.worse().next().is_some()
    }

    /// In one line.
    pub(crate) fn regressions(&self) -> String {
        let worse = self.worse().map(|(name, change)| format!("{name} {}", change.text()));
        format!("worse than {}: {}", Shown(&self.against), worse.collect::<Vec<_>>().join("; "))
    }

    pub(crate) fn text(&self) -> String {
        let mut text = format!(
            "compared with {}: medians of the runs; noise is {} % or their spread\n",
            self.against, self.noise
        );
        if let Some(note) = &self.note {
            text += &format!("  warning: {note}\n");
        }
        for (name, changes) in &self.rows {
            for change in changes {
                text += &format!("  {name}  {}\n", change.text());
            }
        }
        text
    }

    pub(crate) fn json(&self) -> Value {
        let rows = self.rows.iter().map(|(name, changes)| {
            json!({ "row": name, "metrics": changes.iter().map(Change::json).collect::<Vec<_>>() })
        });
        json!({
            "against": self.against,
            "noise_percent": self.noise,
            "regressed": self.has_regressed(),
            "note": self.note,
            "rows": rows.collect::<Vec<_>>(),
        })
    }
}
