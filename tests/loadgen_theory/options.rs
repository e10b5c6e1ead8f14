//! `--virtual` as an option: what it goes together with, and that a seed prints the same again.

use super::{MODES, fail, number, row, rows, succeed};

#[test]
fn a_seed_prints_the_same_report_again() {
    let device = "--device completion_nsec=50000;compute_units=3;latency_dist=exponential";
    for options in [
        "--ops 3000".to_owned(),
        format!("--rate 80% --arrivals bursty --duration 30ms {device}"),
        format!("--ops 2000 --jobs 40 {device};depth=4;queue_pairs=1 --stats json"),
        format!("--ops 500 {device};fault=delay:nsec=700000,every=7 --output-format json --stats json"),
    ] {
        let report = || succeed(&format!("--virtual --size 64 {options}"));
        assert_eq!(report(), report(), "{options}");
    }
}

/// Constant service times leave nothing to chance: every figure is known.
#[test]
fn constant_service_times_give_exact_figures_in_every_mode() {
    for mode in MODES {
        let device = "--device completion_nsec=50000;compute_units=4";
        let row = row(&format!("--virtual --mode {mode} --jobs 8 --ops 800 --size 64 {device}"));
        // Two rounds of four units: the first four take one service time, all others two.
        let exact = (4.0 * 50.0 + 796.0 * 100.0) / 800.0;
        let figures = ["min", "mean", "p50", "max"].map(|key| number(&row, &format!("latency_us.{key}")));
        assert_eq!(figures, [50.0, exact, 100.0, 100.0], "{mode}: {row}");
        assert_eq!(number(&row, "ops_per_second"), 80_000.0, "{mode}: {row}");
        assert_eq!(number(&row, "late_us.max"), 0.0, "{mode}: {row}");
        assert!(row["cpu_ns_per_op"].is_null(), "{mode}: {row}");
    }
}

/// An operation that finds the device idle takes its service time; it is sent when it was to be.
#[test]
fn an_open_loop_sends_at_the_intended_time() {
    for mode in MODES {
        let device = "--device completion_nsec=50000;compute_units=1";
        let pace = "--rate 10000 --arrivals linear --duration 100ms";
        let row = row(&format!("--virtual --mode {mode} {pace} --size 64 {device}"));
        assert_eq!(
            [number(&row, "ops"), number(&row, "late_sends"), number(&row, "dropped")],
            [1000.0, 0.0, 0.0]
        );
        for time in ["latency_us", "service_us"] {
            let figures = ["min", "mean", "max"].map(|key| number(&row, &format!("{time}.{key}")));
            assert_eq!(figures, [50.0; 3], "{mode}: {time}: {row}");
        }
    }
}

#[test]
fn without_a_mode_and_a_device_every_mode_with_jobs_runs_on_a_modelled_one() {
    let rows = rows("--virtual --ops 200 --size 64");
    let named: Vec<_> = rows.iter().map(|row| (row["mode"].as_str(), row["loop"].as_str())).collect();
    let closed = MODES.map(|mode| (Some(mode), Some("closed")));
    assert_eq!(named, [&closed[..], &[(Some("poll"), Some("open"))]].concat());
    assert!(rows.iter().all(|row| row["device"].as_str().unwrap().contains("completion_nsec=50000")));
}

#[test]
fn the_report_says_that_time_is_virtual() {
    assert!(succeed("--virtual --ops 9").lines().next().unwrap().ends_with(", in virtual time"));
    for (options, expected) in [("--virtual --mode poll --ops 9", "virtual"), ("--mode poll --ops 9", "")] {
        let report = succeed(&format!("{options} --output-format json"));
        let report: serde_json::Value = serde_json::from_str(&report).unwrap();
        assert_eq!(report["clock"].as_str().unwrap_or_default(), expected, "{options}");
    }
}

#[test]
fn what_has_no_virtual_time_is_refused() {
    for (options, allowed) in [
        ("--mode sync", "allowed are wake-fd, callback, poll and futures"),
        ("--mode software", "allowed are wake-fd, callback, poll and futures"),
        ("--device preset=ideal", "allowed is a modelled one"),
        ("--alg sha256 --input /dev/null", "not allowed together with --input"),
    ] {
        let told = fail(2, &format!("--virtual {options}"));
        assert!(told.starts_with("loadgen: --virtual: ") && told.contains(allowed), "{told}");
    }
}

/// A fault plan makes a device a modelled one, on which nothing has to take time: a row by time would never
/// end.
#[test]
fn time_that_stands_still_ends_the_run_with_an_error() {
    let told = fail(1, "--virtual --mode poll --jobs 1 --size 1 --device fault=delay:nth=4000000000");
    assert!(told.contains("virtual time: it stands still"), "{told}");
}
