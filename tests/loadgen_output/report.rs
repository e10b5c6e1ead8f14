//! The JSON report is what its schema says.

use serde_json::{Value, json};

use super::folder::{Folder, json, text};
use super::schema::faults;

/// Runs whose reports have everything that a report can have.
const RUNS: &[&str] = &[
    "--ops 60",
    "--ops 60 --stats json --seed 18446744073709551615",
    "--ops 60 --device compute_units=2;completion_nsec=1000;timing=all --mode sync",
    "--ops 60 --device compute_units=2;completion_nsec=1000 --mode wake-fd --rate 5000 --arrivals bursty",
    "--ops 60 --rate 70%",
    "--ops 60 --device fault=fail:nth=3 --expect-errors --mode poll",
    "--ops 60 --device fault=fail --expect-errors --mode callback",
    "--alg sha256 --mode software --ops 60",
    "--ops 60 --sweep latency=1us,5us --sweep size=512,1k --stats json",
    "--ops 60 --sweep rate=2000,4000",
    "--ops 60 --sweep threads=1,2",
    "--ops 60 --virtual --sweep jobs=1,2 --sweep units=1,2",
    "--ops 200 --virtual --find-max p99<1ms",
    "--ops 200 --virtual --find-max p99<1us",
];

fn schema() -> Value {
    json(include_bytes!("../../examples/loadgen/schema.json"))
}

#[test]
fn reports_are_as_the_schema_says() {
    for options in RUNS {
        let report = json(&Folder::new().succeed(&format!("{options} --output-format json")).stdout);
        assert_eq!(faults(&schema(), &report), [""; 0], "{options}: {report}");
    }
    let options =
        format!("--alg sha256 --output-format json --input {}/Cargo.toml", env!("CARGO_MANIFEST_DIR"));
    let of_a_file = Folder::new().succeed(&options);
    assert_eq!(faults(&schema(), &json(&of_a_file.stderr)), [""; 0], "{}", text(&of_a_file.stderr));
}

/// Every object that has no open end names all its keys, and every key is one that a report has.
#[test]
fn the_schema_notices_what_is_missing_wrong_or_new() {
    let report = json(&Folder::new().succeed("--ops 60 --output-format json --mode sync").stdout);
    let broken = |pointer: &str, value: Value| {
        let mut report = report.clone();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        report.pointer_mut(parent).unwrap()[key] = value;
        faults(&schema(), &report)
    };
    for (pointer, value) in [
        ("/schema_version", json!(2)),
        ("/seed", json!(-1)),
        ("/rows/0/loop", json!("half-open")),
        ("/rows/0/mode", json!("turbo")),
        ("/rows/0/rate", json!("fast")),
        ("/rows/0/ops", json!(1.5)),
        ("/rows/0/latency_us/p99", json!(null)),
        ("/rows/0/latency_us/p12", json!(1.0)),
        ("/rows/0/host_bound", json!(1.5)),
        ("/rows/0/late_us", json!({ "count": 1 })),
        ("/answer/reached", json!(-1)),
        ("/answer/limit", json!({ "of": "weather", "ops_per_second": 1.0 })),
        ("/thresholds", json!([{ "condition": "p99<2ms", "held": true }])),
    ] {
        assert_eq!(broken(pointer, value).len(), 1, "{pointer}");
    }
    let mut report = report.clone();
    report["rows"][0].as_object_mut().unwrap().remove("cpu_ns_per_op");
    assert_eq!(faults(&schema(), &report).len(), 1);
}
