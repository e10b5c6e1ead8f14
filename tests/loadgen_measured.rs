//! The load generator's figures on the real clock, held to two other measurements of the same run: its trace,
//! which keeps each operation by itself, and the engine's histograms and the units' services, whose stamps
//! the device takes by its own clock.
//!
//! ```text
//!   application   sent ─────────────────────────────────────────────────────────────► ended      report, trace
//!   device              submitted ──── started ═══ service ═══ ended ──── published              engine, trace
//! ```
//!
//! However late a busy host lets any of this happen, the order holds for every operation, so it holds for the
//! shortest, the longest, the sum, and for the k-th of all. No figure is compared with a time that was hoped
//! for.

mod built;
mod loadgen_helpers;
mod scratch;

use serde_json::Value;

use self::loadgen_helpers::number;
use self::scratch::Folder;

/// A service of the model, in nanoseconds.
const SERVICE: i64 = 200_000;

/// What the device's clock may be off by on the generator's: both are read one after the other, sixteen
/// times, and the best counts. A service is longer.
const CLOCKS: i64 = 50_000;

/// What the digits of a figure leave open: a percentile has three, a sum of means the last of 2^53.
const DIGITS: f64 = 1.0 / 1000.0;

struct Run {
    row: Value,
    /// From sending to end, of each operation, in nanoseconds, in the order of the ends.
    operations: Vec<(i64, i64)>,
    services: Vec<(i64, i64)>,
    of_row: Value,
}

#[expect(clippy::cast_possible_truncation, reason = "an hour fits")]
fn nanos(micros: &Value) -> i64 {
    (micros.as_f64().expect("a time is a number") * 1e3).round() as i64
}

#[track_caller]
fn run(options: &str) -> Run {
    let folder = Folder::new();
    let device = format!("completion_nsec={SERVICE};compute_units=4;timing=all");
    let output = folder
        .command(built::example("loadgen"))
        .args(options.split_whitespace())
        .args(["--warmup", "0", "--size", "64", "--device", &device])
        .args(["--output-format", "json", "--stats", "json"])
        .args(["--trace", "trace.json", "--trace-events", "1000000"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{options}: {}", String::from_utf8_lossy(&output.stderr));
    let trace: Value = serde_json::from_slice(&folder.read("trace.json")).unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let spans = |name: &str| {
        let events = trace["traceEvents"].as_array().unwrap().iter();
        let of_name = events.filter(|event| event["ph"] == "X" && event["name"] == name);
        let span = |event: &Value| (nanos(&event["ts"]), nanos(&event["ts"]) + nanos(&event["dur"]));
        of_name.map(span).collect::<Vec<_>>()
    };
    Run {
        row: report["rows"][0].clone(),
        operations: spans("operation"),
        services: spans("service"),
        of_row: trace["otherData"]["rows"][0].clone(),
    }
}

fn sorted(values: impl Iterator<Item = i64>) -> Vec<i64> {
    let mut values: Vec<i64> = values.collect();
    values.sort_unstable();
    values
}

fn near(found: f64, expected: f64) -> bool {
    (found - expected).abs() <= expected * DIGITS + 0.002
}

#[expect(clippy::cast_precision_loss, reason = "a second in nanoseconds is below 2^53")]
fn micros(nanos: i64) -> f64 {
    nanos as f64 / 1e3
}

impl Run {
    /// The spans of the operations are what the report sums up.
    fn check_by_trace(&self, figures: &Value) {
        let spans = sorted(self.operations.iter().map(|(sent, ended)| ended - sent));
        assert_eq!(Some(spans.len() as u64), self.row["ops"].as_u64(), "{}", self.row);
        assert_eq!(self.of_row["operations"]["seen"], self.row["ops"]);
        // Both ends are written in microseconds with three digits, so a span may be off by one nanosecond.
        let exact = |key: &str, nanos: i64| {
            assert!((number(&figures[key]) - micros(nanos)).abs() < 0.0021, "{key}, {nanos}: {figures}");
        };
        exact("min", spans[0]);
        exact("max", spans[spans.len() - 1]);
        let sum: i64 = spans.iter().sum();
        let count = number(&self.row["ops"]);
        assert!((number(&figures["mean"]) - micros(sum) / count).abs() < 0.0021, "{sum}: {figures}");
        for (key, share) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999)] {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank")]
            let rank = ((count * share).ceil() as usize).clamp(1, spans.len());
            assert!(near(number(&figures[key]), micros(spans[rank - 1])), "{key} {spans:?}: {figures}");
        }
    }

    /// Each operation was longer than the device had its request, and ended with it.
    fn check_by_engine(&self, figures: &Value) {
        let stats = &self.row["stats"];
        let total = &stats["device"]["timings_by_operation"]["encrypt"]["total_nsec"];
        assert_eq!(total["count"], self.row["ops"], "timing=all: {total}");
        assert_eq!(stats["engine"]["operations"], self.row["ops"]);
        let sum = number(&figures["mean"]) * 1e3 * number(&self.row["ops"]);
        assert!(sum >= number(&total["sum"]) * (1.0 - DIGITS), "{figures}: {total}");
        // The engine's steps are as long as a sixteenth of a value, and a percentile is the end of its step.
        for key in ["min", "p50", "p90", "p99", "p999", "max"] {
            let (ours, theirs) = (number(&figures[key]) * 1e3, number(&total[key]));
            assert!(ours >= theirs * (1.0 - 1.0 / 16.0), "{key}: {figures}: {total}");
        }
        // A service takes what the model says, and no operation less.
        assert!(number(&figures["min"]) >= micros(SERVICE) * (1.0 - DIGITS), "{figures}");
    }

    /// The k-th service begins after the k-th sending, and ends before the k-th operation has ended.
    fn check_by_services(&self) {
        assert_eq!(self.services.len(), self.operations.len());
        let column = |spans: &[(i64, i64)], end: fn(&(i64, i64)) -> i64| sorted(spans.iter().map(end));
        let begins = [&self.operations, &self.services].map(|spans| column(spans, |span| span.0));
        let ends = [&self.operations, &self.services].map(|spans| column(spans, |span| span.1));
        for (sent, started) in begins[0].iter().zip(&begins[1]) {
            assert!(*started >= sent - CLOCKS, "a service begins at {started}, ahead of {sent}");
        }
        for (done, ended) in ends[0].iter().zip(&ends[1]) {
            assert!(*done >= ended - CLOCKS, "an operation ends at {done}, ahead of {ended}");
        }
        for (started, ended) in &self.services {
            assert!((ended - started - SERVICE).abs() <= 2, "{started} to {ended}");
        }
    }

    /// The rate is that of the operations from the beginning of the row to the last end.
    fn check_rate(&self) {
        let last = self.operations.iter().map(|(_, ended)| *ended).max().unwrap();
        let first = self.operations.iter().map(|(sent, _)| *sent).min().unwrap();
        let elapsed = number(&self.row["ops"]) / number(&self.row["ops_per_second"]) * 1e9;
        let least = micros(last - first) * 1e3 * (1.0 - DIGITS);
        let most = micros(last - nanos(&self.of_row["began_us"])) * 1e3 * (1.0 + DIGITS);
        assert!((least..=most).contains(&elapsed), "{least} to {most}: {elapsed}");
    }
}

#[test]
fn a_closed_loop_agrees_with_its_trace_and_with_the_engine() {
    for (mode, jobs) in
        [("sync", ""), ("wake-fd", "--jobs 9"), ("callback", "--jobs 16"), ("poll", "--jobs 23")]
    {
        let run = run(&format!("--mode {mode} --ops 400 {jobs}"));
        assert_eq!(run.row["latency_us"], run.row["service_us"]);
        run.check_by_trace(&run.row["latency_us"]);
        run.check_by_engine(&run.row["latency_us"]);
        run.check_by_services();
        run.check_rate();
    }
}

/// Spans of the trace are from the sending, so service times are held to it; latencies are no shorter.
#[test]
fn an_open_loop_agrees_with_its_trace_and_with_the_engine() {
    for mode in ["wake-fd", "callback", "poll", "futures"] {
        let run = run(&format!("--mode {mode} --ops 300 --rate 3000 --jobs 40"));
        run.check_by_trace(&run.row["service_us"]);
        run.check_by_engine(&run.row["service_us"]);
        run.check_by_services();
        for key in ["min", "mean", "p50", "p90", "p99", "max"] {
            let [latency, service] = ["latency_us", "service_us"].map(|times| number(&run.row[times][key]));
            assert!(latency >= service * (1.0 - DIGITS), "{key}: {}", run.row);
        }
    }
}
