//! The load generator in virtual time: its figures are those of queueing theory, and the same every time.

mod built;
mod loadgen_helpers;

use serde_json::Value;

use self::loadgen_helpers::{run, text};

#[expect(dead_code, reason = "the device's own tests use all of them")]
#[path = "../device-sim/tests/theory/formulas.rs"]
mod erlang;
#[path = "loadgen_theory/formulas.rs"]
mod formulas;
#[path = "loadgen_theory/options.rs"]
mod options;
#[path = "loadgen_theory/queues.rs"]
mod queues;
#[path = "loadgen_theory/stall.rs"]
mod stall;

/// The modes that have jobs.
const MODES: [&str; 4] = ["wake-fd", "callback", "poll", "futures"];

/// Runs it, and expects success.
#[track_caller]
fn succeed(options: &str) -> String {
    let output = run(options);
    assert_eq!(output.status.code(), Some(0), "{options}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// Runs it, and expects this exit code and one line on standard error.
#[track_caller]
fn fail(code: i32, options: &str) -> String {
    let output = run(options);
    let told = text(&output.stderr);
    assert_eq!((output.status.code(), told.lines().count()), (Some(code), 1), "{options}: {told}");
    told
}

/// The rows of its JSON report, without errors and mismatches.
#[track_caller]
fn rows(options: &str) -> Vec<Value> {
    let printed = succeed(&format!("{options} --output-format json"));
    let report: Value = serde_json::from_str(&printed).unwrap();
    let rows = report["rows"].as_array().unwrap().clone();
    for row in &rows {
        assert_eq!((&row["errors"], &row["mismatches"]), (&0.into(), &0.into()), "{options}: {row}");
    }
    rows
}

/// The only row.
#[track_caller]
fn row(options: &str) -> Value {
    let rows = rows(options);
    assert_eq!(rows.len(), 1, "{options}");
    rows.into_iter().next().unwrap()
}

/// A number behind a path of keys, as in `latency_us.p99`.
#[track_caller]
fn number(row: &Value, path: &str) -> f64 {
    let value = path.split('.').fold(row, |value, key| &value[key]);
    value.as_f64().unwrap_or_else(|| panic!("{path} in {row}"))
}
