//! The JSON report is what its schema says.

use serde_json::{Value, json};

use super::folder::{Folder, json, text};
use super::schema::{Met, faults, faults_and_met, is_described, properties};

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
    "--ops 300 --device compute_units=2;completion_nsec=1000;timing=all --mode poll",
    "--ops 60 --mix aes-256-ctr/4k:2,sha256/1k:1 --mode sync",
    "--stages 20ms:1000,20ms:2000..3000 --mode callback",
    "--ops 600 --mode sync",
    "--ops 600 --mode sync --threshold p99<10s --threshold ops>1",
    "--ops 600 --mode sync --save-baseline before.json",
    "--ops 600 --mode sync --baseline before.json",
    "--ops 60 --own-cost",
];

/// What no run of a test has for certain: a host that is too slow, a baseline of another machine.
const RARE: [&str; 2] = ["model/host_bound_warning", "baseline/note"];

fn schema() -> Value {
    json(include_bytes!("../../examples/loadgen/schema.json"))
}

#[test]
fn reports_are_as_the_schema_says() {
    let (folder, schema, mut met) = (Folder::new(), schema(), Met::new());
    for options in RUNS {
        let report = json(&folder.succeed(&format!("{options} --output-format json")).stdout);
        assert_eq!(faults_and_met(&schema, &report, &mut met), [""; 0], "{options}: {report}");
    }
    let options =
        format!("--alg sha256 --output-format json --input {}/Cargo.toml", env!("CARGO_MANIFEST_DIR"));
    let of_a_file = folder.succeed(&options);
    assert_eq!(faults(&schema, &json(&of_a_file.stderr)), [""; 0], "{}", text(&of_a_file.stderr));
    let is_met = |rule: &Value| met.contains(&std::ptr::from_ref(rule));
    let all = properties(&schema);
    let unmet: Vec<_> = all.iter().filter(|(_, rule)| !is_met(rule)).map(|(at, _)| at.as_str()).collect();
    let unmet: Vec<_> = unmet.into_iter().filter(|at| !RARE.contains(at)).collect();
    assert_eq!(unmet, [""; 0], "no report has these");
    assert!(RARE.iter().all(|rare| all.iter().any(|(at, _)| at == rare)), "the schema has these");
}

/// Every key says what it is; the objects with closed ends have no other.
#[test]
fn every_key_of_the_schema_is_described() {
    let schema = schema();
    let all = properties(&schema);
    assert!(all.len() > 150, "{}", all.len());
    let silent: Vec<_> = all.iter().filter(|(_, rule)| !is_described(&schema, rule)).collect();
    assert!(silent.is_empty(), "{silent:?}");
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
