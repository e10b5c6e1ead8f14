//! `--trace`: what a row did, moment by moment, in Chrome's trace event format, which Perfetto opens.
//!
//! ```text
//!   start ─► wait ─► finish      the generator's moments, while the row runs: recorder (sampled, bounded)
//!                                                                               │ the row has ended
//!   the device's log of what its units served, counters of its statistics ──────┤
//!                                                                               ▼
//!                                          events: two processes a row, a track each ──► FILE, whole or absent
//! ```
//!
//! Without the option nothing is recorded, and the row asks one question for each operation.

mod events;
mod recorder;
mod sampled;

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use serde_json::{Value, json};
use simaccel::grammar;

use crate::failure::Failure;
use crate::plan::refuse_given;
use crate::whole_file::WholeFile;
pub(crate) use recorder::{Recorder, Wait, Waiting};

/// Events of a trace without `--trace-events`.
const EVENTS: usize = 20_000;

/// What can be asked for: with less than a thousand a thread, nine rows would have no room for operations.
const ALLOWED: std::ops::RangeInclusive<usize> = 1_000..=1_000_000;

#[derive(Clone, Args)]
pub(crate) struct TraceOptions {
    /// Writes what happened, moment by moment, in Chrome's trace format, for ui.perfetto.dev
    #[arg(long, value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,
    /// Events in --trace at most, 1000 to 1000000; what is more is sampled evenly [default: 20000]
    #[arg(long, value_name = "COUNT", value_parser = parse_events, allow_hyphen_values = true)]
    pub(crate) trace_events: Option<usize>,
}

fn parse_events(text: &str) -> Result<usize, String> {
    let [least, most] = [ALLOWED.start(), ALLOWED.end()];
    grammar::within(text, ALLOWED).ok_or_else(|| format!("allowed are {least} to {most}"))
}

/// What is to be written, and where.
#[derive(Clone, Debug)]
pub(crate) struct TracePlan {
    path: PathBuf,
    events: usize,
}

impl TraceOptions {
    pub(crate) fn refuse_with_input(&self) -> Result<(), Failure> {
        self.refuse_with("--input")
    }

    pub(crate) fn refuse_with(&self, option: &str) -> Result<(), Failure> {
        let given = [("--trace", self.trace.is_some()), ("--trace-events", self.trace_events.is_some())];
        refuse_given(&given, &format!("not allowed together with {option}"))
    }

    pub(crate) fn plan(&self, threads: usize) -> Result<Option<TracePlan>, Failure> {
        let Some(path) = self.trace.clone() else {
            let given = [("--trace-events", self.trace_events.is_some())];
            return refuse_given(&given, "only allowed together with --trace").map(|()| None);
        };
        let least = ALLOWED.start() * threads;
        let events = self.trace_events.unwrap_or_else(|| EVENTS.max(least));
        if events < least {
            let why = format!("allowed with --threads {threads} are {least} to {}", ALLOWED.end());
            return Err(Failure::option("--trace-events", why));
        }
        Ok(Some(TracePlan { path, events }))
    }
}

/// The trace of all rows.
pub(crate) struct Trace {
    file: WholeFile,
    epoch: Instant,
    events: usize,
    /// Events of a row at most.
    share: usize,
    /// Whether an event was written already.
    has_events: bool,
    /// What there is to know of each row, or of each thread of it.
    rows: Vec<Value>,
    flows: u64,
    failed: Option<Failure>,
}

impl Trace {
    /// A trace of so many rows; the file is there when it is complete.
    pub(crate) fn create(plan: &TracePlan, rows: usize) -> Result<Self, Failure> {
        let mut file = WholeFile::create("--trace", &plan.path)?;
        file.write(b"{\"traceEvents\":[\n")?;
        let share = plan.events / rows.max(1);
        let (epoch, rows) = (Instant::now(), Vec::new());
        Ok(Self { file, epoch, events: plan.events, share, has_events: false, rows, flows: 0, failed: None })
    }

    /// When the trace begins, and how many events a row may have.
    pub(crate) const fn of_row(&self) -> (Instant, usize) {
        (self.epoch, self.share)
    }

    /// Adds a row, as each of its threads has recorded it.
    pub(crate) fn add_row(&mut self, row: usize, name: &str, threads: &[Recorder]) {
        for (thread, recorder) in threads.iter().enumerate() {
            let of_threads = if threads.len() > 1 { format!(", thread {thread}") } else { String::new() };
            self.add(&format!("{} {name}{of_threads}", row + 1), recorder);
            if let Some(about) = self.rows.last_mut() {
                about["row"] = row.into();
                about["thread"] = thread.into();
            }
        }
    }

    fn add(&mut self, name: &str, recorder: &Recorder) {
        let Self { file, has_events, rows, flows, failed, .. } = self;
        let about = events::of_row(name, rows.len(), recorder, flows, &mut |event| {
            let comma = if *has_events { ",\n" } else { "" };
            *has_events = true;
            if failed.is_none() {
                *failed = file.write(format!("{comma}{event}").as_bytes()).err();
            }
        });
        rows.push(about);
    }

    /// Puts the file into its place. What has failed before is told here, when the report is out.
    pub(crate) fn commit(mut self) -> Result<(), Failure> {
        if let Some(failure) = self.failed.take() {
            return Err(failure);
        }
        let other =
            json!({ "generator": "simaccel loadgen", "events_at_most": self.events, "rows": self.rows });
        self.file.write(format!("\n],\"displayTimeUnit\":\"ns\",\"otherData\":{other}}}\n").as_bytes())?;
        self.file.commit()
    }
}
