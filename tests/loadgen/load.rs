//! Generated load: every mode, every algorithm, and the report.

use serde_json::Value;

use super::{Folder, MODES, json, text};

/// The rows of a JSON report.
pub(crate) fn rows(report: &Value) -> &Vec<Value> {
    report["rows"].as_array().unwrap()
}

/// Runs one row with JSON, and expects that every result was right.
#[track_caller]
pub(crate) fn row(options: &str) -> Value {
    let report = json(&Folder::new().succeed(&format!("{options} --output-format json")).stdout);
    assert_eq!(rows(&report).len(), 1, "{options}");
    let row = rows(&report)[0].clone();
    assert_eq!((count(&row, "errors"), count(&row, "mismatches")), (0, 0), "{options}: {row}");
    row
}

#[track_caller]
pub(crate) fn count(row: &Value, key: &str) -> u64 {
    row[key].as_u64().unwrap_or_else(|| panic!("{key} in {row}"))
}

fn has_jobs(mode: &str) -> bool {
    !matches!(mode, "software" | "sync")
}

/// The option, where the mode has jobs: other modes refuse it.
fn jobs(mode: &str, jobs: usize) -> String {
    if has_jobs(mode) { format!("--jobs {jobs}") } else { String::new() }
}

#[test]
fn each_mode_runs_the_operations_that_were_asked_for() {
    for mode in MODES {
        let row = row(&format!("--mode {mode} --ops 500 --size 1000 {}", jobs(mode, 16)));
        assert_eq!((&row["mode"], count(&row, "ops"), count(&row, "size")), (&mode.into(), 500, 1000));
        assert_eq!(count(&row, "jobs"), if has_jobs(mode) { 16 } else { 1 }, "{mode}");
        assert_eq!(count(&row, "pauses"), count(&row, "resumes"), "{mode}");
        assert_eq!(
            count(&row, "pauses") >= 500,
            has_jobs(mode),
            "{mode}: a job pauses at least once per request"
        );
        assert!(row["ops_per_second"].as_f64() > Some(0.0) && row["bytes_per_second"].as_f64() > Some(0.0));
        let latency = |key: &str| row["latency_us"][key].as_f64().unwrap();
        assert!(0.0 < latency("p50") && latency("p50") <= latency("p99"), "{mode}: {row}");
    }
}

#[test]
fn jobs_are_woken_in_the_way_of_their_mode() {
    for mode in ["wake-fd", "callback"] {
        let row = row(&format!("--mode {mode} --ops 300 --jobs 8"));
        assert!(count(&row, "wakes") > 0, "{row}");
    }
    assert_eq!(count(&row("--mode software --ops 10"), "wakes"), 0);
}

#[test]
fn every_algorithm_gives_what_software_gives() {
    let help = text(&Folder::new().succeed("--help").stdout);
    let list = help.lines().find_map(|line| line.strip_prefix("Algorithms: ")).unwrap();
    let names: Vec<&str> = list.trim_end_matches('.').split(", ").collect();
    let known: Vec<&str> = simaccel::Algorithm::SYMMETRIC.iter().map(|algorithm| algorithm.name()).collect();
    assert_eq!(names[..known.len()], known);
    for name in known {
        let row = row(&format!("--alg {name} --mode wake-fd --ops 40 --size 333 --jobs 7"));
        assert_eq!((&row["alg"], count(&row, "ops")), (&name.into(), 40));
    }
}

#[test]
fn openssl_spellings_of_a_name_are_taken() {
    for (given, name) in
        [("AES-128-CBC", "aes-128-cbc"), ("SHA2-256", "sha256"), ("HMAC-SHA2-512", "hmac-sha512")]
    {
        assert_eq!(row(&format!("--alg {given} --mode sync --ops 1"))["alg"], name);
    }
}

#[test]
fn extreme_sizes_are_run() {
    for (size, bytes) in [("1", 1), ("17", 17), ("1m", 1 << 20), ("64m", 64 << 20)] {
        let row = row(&format!("--alg aes-128-ctr --mode callback --ops 2 --jobs 2 --size {size}"));
        assert_eq!(count(&row, "size"), bytes);
    }
}

#[test]
fn the_report_without_a_mode_has_every_row() {
    let report = json(&Folder::new().succeed("--ops 60 --output-format json --seed 42").stdout);
    assert_eq!(report["seed"], 42);
    let modes: Vec<&str> = rows(&report).iter().map(|row| row["mode"].as_str().unwrap()).collect();
    assert_eq!(
        modes,
        ["software", "sync", "wake-fd", "callback", "poll", "futures", "sync", "wake-fd", "wake-fd"]
    );
    let loops = rows(&report).iter().filter(|row| row["loop"] == "closed").count();
    assert_eq!((loops, &rows(&report)[8]["arrivals"]), (8, &"poisson".into()));
    let share =
        rows(&report)[8]["rate"].as_f64().unwrap() / rows(&report)[7]["ops_per_second"].as_f64().unwrap();
    assert!((share - 0.7).abs() < 1e-9, "{share}");
    for row in &rows(&report)[6..] {
        let device = row["device"].as_str().unwrap();
        assert!(device.contains("completion_nsec=50000") && device.contains("compute_units=4"), "{device}");
    }
    // A given device is the only one.
    let report = json(&Folder::new().succeed("--ops 60 --output-format json --device depth=8").stdout);
    assert!(report["device"].as_str().unwrap().contains("depth=8"));
    assert_eq!(rows(&report).len(), MODES.len());
}

#[test]
fn a_duration_ends_a_row() {
    let row = row("--mode wake-fd --duration 50ms --jobs 4");
    assert!(count(&row, "ops") >= 1);
}

/// The model's service time is a lower bound of every latency.
#[test]
fn a_modelled_device_is_as_slow_as_it_says() {
    for mode in ["sync", "wake-fd", "callback", "poll", "futures"] {
        let device = "--device completion_nsec=2000000;compute_units=4";
        let row = row(&format!("--mode {mode} {device} --ops 16 {}", jobs(mode, 8)));
        assert!(row["latency_us"]["min"].as_f64() >= Some(2000.0), "{mode}: {row}");
    }
}

#[test]
fn many_more_jobs_than_slots_all_finish() {
    for mode in ["wake-fd", "callback", "poll", "futures"] {
        let row =
            row(&format!("--mode {mode} --device depth=4;queue_pairs=1 --jobs 600 --ops 3000 --size 64"));
        assert_eq!(count(&row, "ops"), 3000, "{mode}");
    }
}

/// Errors are counted in the report, reported in one line, and make the exit code 1.
#[test]
fn failing_operations_are_counted_and_fail_the_run() {
    let options = "--mode wake-fd --ops 40 --jobs 4 --device fault=nomem:every=2 --output-format json";
    let output = Folder::new().run(&options.split_whitespace().collect::<Vec<_>>());
    assert_eq!(output.status.code(), Some(1));
    let report = json(&output.stdout);
    assert_eq!((count(&rows(&report)[0], "ops"), count(&rows(&report)[0], "errors")), (40, 20));
    let told = text(&output.stderr);
    assert!(told.contains("20 operations failed") && told.lines().count() == 1, "{told}");
}

/// Runs one row with JSON. Returns its exit code, the row, and the message.
fn failing(options: &str) -> (Option<i32>, Value, String) {
    let options = format!("{options} --output-format json");
    let output = Folder::new().run(&options.split_whitespace().collect::<Vec<_>>());
    (output.status.code(), rows(&json(&output.stdout))[0].clone(), text(&output.stderr))
}

#[test]
fn one_in_a_hundred_fails_exactly_when_it_is_asked_for() {
    for mode in ["sync", "wake-fd", "callback", "poll", "futures"] {
        let jobs = jobs(mode, 16);
        let options = format!("--mode {mode} --ops 1000 --size 64 {jobs} --device fault=fail:every=100");
        let (code, row, told) = failing(&options);
        assert_eq!((code, count(&row, "ops"), count(&row, "errors")), (Some(1), 1000, 10), "{mode}: {row}");
        assert!(told.contains("10 operations failed") && told.lines().count() == 1, "{told}");
        let (code, row, told) = failing(&format!("{options} --expect-errors"));
        assert_eq!((code, count(&row, "errors"), told.as_str()), (Some(0), 10, ""), "{mode}: {row}");
        assert_eq!(count(&row, "mismatches"), 0);
    }
}

#[test]
fn a_wrong_result_fails_the_run_unless_it_was_asked_for() {
    for (alg, mode) in [("aes-128-ctr", "wake-fd"), ("aes-256-gcm", "sync"), ("sha256", "callback")] {
        let jobs = jobs(mode, 8);
        let options = format!("--alg {alg} --mode {mode} --ops 500 {jobs} --device fault=corrupt:every=50");
        let (code, row, told) = failing(&options);
        assert_eq!(
            (code, count(&row, "mismatches"), count(&row, "errors")),
            (Some(1), 10, 0),
            "{alg}: {row}"
        );
        assert!(told.contains("10 results differ from software"), "{told}");
        let (code, row, _) = failing(&format!("{options} --expect-errors"));
        assert_eq!((code, count(&row, "mismatches")), (Some(0), 10), "{alg}: {row}");
    }
}

#[test]
fn a_model_says_what_it_promised_and_how_that_was_kept() {
    for mode in ["sync", "wake-fd"] {
        let jobs = jobs(mode, 8);
        let device = "--device completion_nsec=100000;compute_units=2";
        let row = row(&format!("--mode {mode} --ops 200 {jobs} {device}"));
        let number = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("{value} in {row}"));
        let model = &row["model"];
        assert_eq!(number(&model["mean_service_us"]), 100.0);
        assert_eq!(number(&model["ceiling_ops_per_second"]), 20_000.0);
        assert!(number(&row["ops_per_second"]) <= 20_000.0, "{row}");
        let late = &model["completion_error_us"];
        assert_eq!(number(&late["count"]), 200.0);
        assert_eq!((&row["late_us"], &row["host_bound"]), (late, &model["host_bound"]));
        assert!(number(&late["p50"]) <= number(&late["p99"]) && number(&late["p99"]) <= number(&late["max"]));
        let share = number(&model["host_bound"]);
        assert!((0.0..=1.0).contains(&share), "{model}");
        assert_eq!(model["host_bound_warning"].is_string(), share > 0.05, "{model}");
        let busy = model["workers_busy"].as_array().unwrap();
        assert!(busy.len() == 1 && number(&busy[0]) > 0.0 && number(&busy[0]) <= 1.0, "{model}");
        let law = &row["littles_law"];
        let (in_flight, rate_by_latency) = (number(&law["in_flight"]), number(&law["rate_by_latency"]));
        assert!((in_flight / rate_by_latency - 1.0).abs() < 1e-6, "both are the same area: {law}");
        assert!(in_flight <= if mode == "sync" { 1.0 } else { 8.0 }, "{law}");
    }
}

#[test]
fn a_preset_is_printed_in_full() {
    let output = Folder::new().succeed("--mode sync --ops 2 --wide --device preset=saturated");
    let told = text(&output.stdout);
    let device = told.lines().nth(1).unwrap();
    for number in
        ["compute_units=1", "completion_nsec=100000", "mbps=500", "latency_dist=exponential", "depth=4"]
    {
        assert!(device.contains(number), "{number} in {device}");
    }
    assert!(told.contains("model: sync on 1 × 100 µs: at most "), "{told}");
}

#[test]
fn statistics_are_written_where_they_are_asked_for() {
    let report = json(&Folder::new().succeed("--ops 30 --output-format json --stats json").stdout);
    for row in rows(&report) {
        let stats = &row["stats"];
        // An open loop may have dropped some.
        let ops = count(row, "ops");
        assert!(ops == 30 || row["loop"] == "open", "{row}");
        assert_eq!(stats["engine"]["operations"], ops, "{row}");
        let submitted = if row["mode"] == "software" { 0 } else { ops };
        assert_eq!(stats["device"]["total"]["submitted"], submitted, "{row}");
    }
    let device = "--device timing=all;completion_nsec=1000";
    let told =
        text(&Folder::new().succeed(&format!("--mode sync --ops 30 {device} --stats prometheus")).stdout);
    let (table, statistics) = told.split_once("# statistics of the last row, sync\n").unwrap();
    assert!(table.contains("checked: 30 results"), "{table}");
    for line in [
        "# TYPE simaccel_operations_total counter",
        "simaccel_operations_total 30",
        "simaccel_operation_completed_total{queue_pair=\"0\",op=\"encrypt\"} 30",
        "simaccel_operation_total_seconds_count{op=\"encrypt\"} 30",
    ] {
        assert!(statistics.lines().any(|other| other == line), "{line} in\n{statistics}");
    }
    let told = text(&Folder::new().succeed("--mode wake-fd --ops 30 --stats json").stdout);
    let stats = json(told.lines().last().unwrap().as_bytes());
    assert_eq!(stats["jobs"]["finished"], 30);
}
