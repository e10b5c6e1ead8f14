//! Another build of this program, which runs the same rows in turns with this one.
//!
//! ```text
//!   our options ── without files, judging and the report's form ──► PROGRAM .. --output-format json ──► its rows
//! ```

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::{ArgAction, CommandFactory};
use serde_json::Value;
use simaccel::grammar::Shown;

use crate::args::Options;
use crate::baseline::{Medians, Sample, sample_of_json};
use crate::failure::Failure;
use crate::plan::{Limit, Load};

/// Options that are not passed on: what is written and judged is ours, and the limit is that of one run.
const OURS: &[&str] = &[
    "csv",
    "hgrm",
    "log",
    "report",
    "svg",
    "trace",
    "threshold",
    "save-baseline",
    "baseline",
    "against",
    "noise",
    "fail-on-regression",
    "output-format",
    "stats",
    "wide",
    "verbose",
    "duration",
    "ops",
];

pub(crate) struct Other {
    program: PathBuf,
    options: Vec<OsString>,
    /// Mode and loop of each row.
    rows: Vec<(String, bool)>,
    samples: Vec<Vec<Sample>>,
}

impl Other {
    pub(crate) fn new(program: &Path, plan: &Load) -> Result<Self, Failure> {
        // A name without a slash would be looked up in PATH.
        let found = program.canonicalize().map_err(|error| {
            let shown = program.display().to_string();
            Failure::option("--against", format_args!("{}: {error}", Shown(&shown)))
        })?;
        let mut options = passed_on(std::env::args_os().skip(1));
        let limit = match plan.limit {
            Limit::Ops(ops) | Limit::Either { ops, .. } => ["--ops".to_owned(), ops.to_string()],
            Limit::Time(time) => ["--duration".to_owned(), format!("{}ms", time.as_millis().max(1))],
        };
        options
            .extend(limit.into_iter().chain(["--output-format".into(), "json".into()]).map(OsString::from));
        let rows: Vec<_> =
            plan.rows.iter().map(|row| (row.mode.name().to_owned(), row.pace.is_open())).collect();
        let samples = vec![Vec::new(); rows.len()];
        Ok(Self { program: found, options, rows, samples })
    }

    /// One run of every row.
    pub(crate) fn run(&mut self) -> Result<(), Failure> {
        let failed = |why: &dyn std::fmt::Display| {
            let shown = self.program.display().to_string();
            Failure::Run(format!("--against: {}: {why}", Shown(&shown)))
        };
        let output = Command::new(&self.program).args(&self.options).output();
        let output = output.map_err(|error| failed(&error))?;
        if !output.status.success() {
            let told = String::from_utf8_lossy(&output.stderr);
            return Err(failed(&format_args!(
                "{}: {}",
                output.status,
                told.lines().last().unwrap_or_default()
            )));
        }
        let report: Value = serde_json::from_slice(&output.stdout).map_err(|error| failed(&error))?;
        let rows = report["rows"].as_array().map_or(&[][..], Vec::as_slice);
        let theirs = rows.iter().map(|row| {
            (row["mode"].as_str().unwrap_or_default().to_owned(), row["loop"].as_str() == Some("open"))
        });
        if theirs.collect::<Vec<_>>() != self.rows {
            return Err(failed(&"it does not run the same rows"));
        }
        for (samples, row) in self.samples.iter_mut().zip(rows) {
            samples.push(sample_of_json(row));
        }
        Ok(())
    }

    pub(crate) fn medians(&self) -> Vec<Medians> {
        self.samples.iter().map(|samples| Medians::of(samples)).collect()
    }
}

/// The options without [`OURS`] and their values.
fn passed_on(given: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let command = Options::command();
    let takes_value = |name: &str| {
        let option = command.get_arguments().find(|argument| argument.get_long() == Some(name));
        option.is_some_and(|option| matches!(option.get_action(), ArgAction::Set | ArgAction::Append))
    };
    let (mut kept, mut skips) = (Vec::new(), false);
    for argument in given {
        if std::mem::take(&mut skips) {
            continue;
        }
        match ours(&argument) {
            Some((name, has_value)) => skips = !has_value && takes_value(name),
            None => kept.push(argument),
        }
    }
    kept
}

/// Which of [`OURS`] it is, and whether its value is joined to it.
fn ours(argument: &OsStr) -> Option<(&'static str, bool)> {
    let text = argument.as_bytes().strip_prefix(b"--")?;
    OURS.iter().find_map(|name| match text.strip_prefix(name.as_bytes())? {
        [] => Some((*name, false)),
        [b'=', ..] => Some((*name, true)),
        _ => None,
    })
}
