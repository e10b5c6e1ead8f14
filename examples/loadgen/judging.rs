//! What a run has to hold: thresholds, and a baseline.
//!
//! ```text
//!   --threshold   rows ──► Condition ──► held, or not: exit code 3
//!   --baseline    rows, five short runs each ──► medians ──► compared ──► worse than noise: exit code 4
//!   --against     the same, with runs of another program in between instead of a file
//! ```

use std::path::PathBuf;

use serde_json::{Value, json};
use simaccel::grammar;

use crate::baseline::{Baseline, Comparison};
use crate::condition::Condition;
use crate::failure::Failure;
use crate::files::row_name;
use crate::plan::{Limit, Load, refuse_given};
use crate::row::Row;
use crate::units::time_us;

/// Runs of each row where medians are saved or compared.
const RUNS: u32 = 5;

/// The default of `--noise`, in percent.
const NOISE: f64 = 5.0;

/// A group of options: what the rows are measured by.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Judging {
    /// What each row has to hold, as in 'p99<2ms', 'ops>50000' or 'errors<1'; repeatable. METRIC is min,
    /// mean, p50, p90, p99, p999, max, ops or errors
    #[arg(long = "threshold", value_name = "METRIC<VALUE", allow_hyphen_values = true)]
    thresholds: Vec<Condition>,
    /// Runs each row five times, for a fifth of its time each, and saves the medians
    #[arg(long, value_name = "FILE")]
    pub(crate) save_baseline: Option<PathBuf>,
    /// Runs each row five times, for a fifth of its time each, and compares the medians with saved ones
    #[arg(long, value_name = "FILE")]
    pub(crate) baseline: Option<PathBuf>,
    /// Compares with another build of this program instead, which runs in turns with this one
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) against: Option<PathBuf>,
    /// A change up to so many percent is noise, or up to the spread of the runs where that is larger
    /// [default: 5]
    #[arg(long, value_name = "PERCENT", value_parser = parse_percent, allow_hyphen_values = true)]
    noise: Option<f64>,
    /// Exit code 4 when a row is worse than the baseline by more than noise
    #[arg(long)]
    pub(crate) fail_on_regression: bool,
}

#[expect(clippy::cast_precision_loss, reason = "a percentage has few digits")]
fn parse_percent(text: &str) -> Result<f64, String> {
    let percent = grammar::thousandths(text).map(|thousandths| thousandths as f64 / 1e3);
    percent.filter(|percent| *percent <= 1000.0).ok_or_else(|| "allowed are 0 to 1000, as in 2.5".to_owned())
}

impl Judging {
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if self.baseline.is_some() {
            refuse_given(&[("--against", self.against.is_some())], "not allowed together with --baseline")?;
        }
        if self.baseline.is_none() && self.against.is_none() {
            let comparing =
                [("--noise", self.noise.is_some()), ("--fail-on-regression", self.fail_on_regression)];
            refuse_given(&comparing, "only allowed together with --baseline or --against")?;
        }
        Ok(())
    }

    /// Refuses these with an option that runs something else than rows.
    pub(crate) fn refuse_with(&self, option: &str) -> Result<(), Failure> {
        let given = [
            ("--threshold", !self.thresholds.is_empty()),
            ("--save-baseline", self.save_baseline.is_some()),
            ("--baseline", self.baseline.is_some()),
            ("--against", self.against.is_some()),
            ("--noise", self.noise.is_some()),
            ("--fail-on-regression", self.fail_on_regression),
        ];
        refuse_given(&given, &format!("not allowed together with {option}"))
    }

    pub(crate) fn noise(&self) -> f64 {
        self.noise.unwrap_or(NOISE)
    }

    /// The option that has each row run more than once, for medians.
    pub(crate) fn runs_often(&self) -> Option<&'static str> {
        let given = [
            ("--save-baseline", self.save_baseline.is_some()),
            ("--baseline", self.baseline.is_some()),
            ("--against", self.against.is_some()),
        ];
        given.into_iter().find_map(|(option, is_given)| is_given.then_some(option))
    }

    /// How often each row runs.
    pub(crate) fn runs(&self) -> u32 {
        self.runs_often().map_or(1, |_| RUNS)
    }

    /// The limit of one of these runs; together they take the time of one.
    pub(crate) fn share_of(&self, limit: Limit) -> Limit {
        match limit {
            Limit::Time(time) => Limit::Time(time / self.runs()),
            Limit::Ops(ops) => Limit::Ops(ops.div_ceil(u64::from(self.runs()))),
            Limit::Either { time, ops } => {
                Limit::Either { time: time / self.runs(), ops: ops.div_ceil(u64::from(self.runs())) }
            }
        }
    }

    /// What `--baseline` names, if it fits what is going to run.
    pub(crate) fn load_baseline(&self, plan: &Load) -> Result<Option<Baseline>, Failure> {
        self.baseline.as_deref().map(|path| Baseline::load(path, plan)).transpose()
    }
}

/// What the rows have come to, for the report and the exit code.
#[derive(Default)]
pub(crate) struct Judgement {
    pub(crate) is_interrupted: bool,
    /// Rows that were planned and not run.
    pub(crate) missing: usize,
    pub(crate) thresholds: Vec<Judged>,
    pub(crate) comparison: Option<Comparison>,
}

/// A condition, and what each row has of it.
pub(crate) struct Judged {
    condition: Condition,
    found: Vec<(String, Option<f64>)>,
}

impl Judged {
    fn fails(&self) -> impl Iterator<Item = &(String, Option<f64>)> {
        self.found.iter().filter(|(_, found)| !self.condition.holds(*found))
    }

    fn is_held(&self) -> bool {
        self.fails().next().is_none()
    }

    /// What was asked for, and what was found.
    fn line(&self) -> String {
        let metric = self.condition.metric;
        let fails = self.fails().map(|(name, found)| {
            let found = found.map_or_else(
                || "nothing ended".to_owned(),
                |found| if metric.is_latency() { time_us(found) } else { format!("{found:.0}") },
            );
            format!("{name}: {found}")
        });
        let fails: Vec<String> = fails.collect();
        let told = match fails.len() {
            0 => format!("held by all {} rows", self.found.len()),
            _ => format!("not held by {}", fails.join(", ")),
        };
        format!("threshold {}: {told}", self.condition)
    }

    fn json(&self) -> Value {
        let rows = self.found.iter().map(
            |(name, found)| json!({ "row": name, "found": found, "held": self.condition.holds(*found) }),
        );
        json!({
            "condition": self.condition.to_string(),
            "held": self.is_held(),
            "rows": rows.collect::<Vec<_>>(),
        })
    }
}

impl Judgement {
    /// A run that was interrupted is judged by nothing.
    pub(crate) fn of(judging: &Judging, rows: &[Row]) -> Self {
        let thresholds = judging.thresholds.iter().map(|&condition| {
            let found = rows.iter().enumerate();
            let found = found.map(|(index, row)| (row_name(index, row), row.figure(condition.metric)));
            Judged { condition, found: found.collect() }
        });
        Self { thresholds: thresholds.collect(), ..Self::default() }
    }

    /// Adds its keys to a report.
    pub(crate) fn add_to(&self, report: &mut Value) {
        report["interrupted"] = self.is_interrupted.into();
        if !self.thresholds.is_empty() {
            report["thresholds"] = self.thresholds.iter().map(Judged::json).collect();
        }
        if let Some(comparison) = &self.comparison {
            report["baseline"] = comparison.json();
        }
    }

    /// Lines for the end of a text report.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for judged in &self.thresholds {
            text += &format!("{}\n", judged.line());
        }
        if let Some(comparison) = &self.comparison {
            text += &comparison.text();
        }
        if self.is_interrupted {
            text += &format!(
                "interrupted: the last row is shorter than was asked for, {} further rows did not run\n",
                self.missing
            );
        }
        text
    }

    /// The exit code: an interruption first, then thresholds, then a regression.
    pub(crate) fn verdict(&self, judging: &Judging) -> Result<(), Failure> {
        if self.is_interrupted {
            return Err(Failure::Interrupted);
        }
        let failed: Vec<String> =
            self.thresholds.iter().filter(|judged| !judged.is_held()).map(Judged::line).collect();
        if !failed.is_empty() {
            return Err(Failure::Threshold(failed.join("; ")));
        }
        match &self.comparison {
            Some(comparison) if judging.fail_on_regression && comparison.has_regressed() => {
                Err(Failure::Regression(comparison.regressions()))
            }
            _ => Ok(()),
        }
    }
}
