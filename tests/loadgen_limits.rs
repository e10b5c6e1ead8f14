//! Where the system ends: what the load generator does with more jobs than there is memory or fds for.
//!
//! Limits are set by `ulimit` in a shell that then becomes the load generator.

mod built;
mod captured;
mod loadgen_helpers;
#[path = "../examples/loadgen/shortage.rs"]
mod shortage;

use std::process::{Command, Output};

use serde_json::Value;
use shortage::Limits;

use self::loadgen_helpers::{count, text};

fn run(limit: &str, options: &str) -> Output {
    let command = format!("ulimit {limit}; exec '{}' {options}", built::example("loadgen").display());
    Command::new("sh").args(["-c", &command]).output().unwrap()
}

/// Expects exit code 2, nothing on standard output, and one line with these parts.
#[track_caller]
fn is_refused(limit: &str, options: &str, parts: &[&str]) {
    let output = run(limit, options);
    let told = text(&output.stderr);
    assert_eq!((output.status.code(), told.lines().count()), (Some(2), 1), "{limit}, {options}: {told}");
    assert!(output.stdout.is_empty(), "{options}");
    for part in parts {
        assert!(told.contains(part), "{limit}, {options}: {part} in {told}");
    }
}

/// The only row of a run that succeeds, and what it says on standard error.
#[track_caller]
fn row(limit: &str, options: &str) -> (Value, String) {
    let output = run(limit, &format!("{options} --output-format json"));
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{limit}, {options}: {told}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["rows"].as_array().unwrap().len(), 1, "{options}");
    let row = report["rows"][0].clone();
    assert_eq!((&row["errors"], &row["mismatches"]), (&0.into(), &0.into()), "{row}");
    (row, told)
}

/// A stack takes 64 KiB, so 1.5 GB have room for some 20,000.
#[test]
fn more_jobs_than_there_is_memory_for_are_refused_in_one_line() {
    let parts = ["--jobs: there is memory for the stacks of ", " of 100,000 jobs (64 KiB each)"];
    for options in
        ["--mode poll", "--mode callback --threads 3", "", "--find-max p99<1ms", "--sweep latency=1us,2us"]
    {
        let parts = [&parts[..], &["; raise ulimit -v, which is 1500000 KiB"]].concat();
        // A shell would read from a file.
        let options = options.replace('<', "'<'");
        is_refused("-v 1500000", &format!("{options} --jobs 100000 --size 16"), &parts);
    }
    let parts = [&parts[..], &["; raise ulimit -d, which is 1200000 KiB"]].concat();
    is_refused("-d 1200000", "--mode poll --jobs 100000 --size 16", &parts);
}

/// However little there is, nothing aborts.
#[test]
fn a_limit_on_memory_ends_in_one_line_or_in_a_report() {
    for megabytes in [100, 150, 200, 300, 400, 500, 600] {
        for options in
            ["--mode poll --jobs 1500", "--mode wake-fd --jobs 64 --size 1m", "--mode sync --threads 3"]
        {
            let output = run(&format!("-v {}", megabytes * 1000), &format!("{options} --ops 100"));
            let told = text(&output.stderr);
            match output.status.code() {
                Some(0) => {}
                Some(1 | 2) => assert_eq!(told.lines().count(), 1, "{megabytes} MB, {options}: {told}"),
                code => panic!("{megabytes} MB, {options}: {code:?} {told}"),
            }
        }
    }
}

#[test]
fn buffers_that_do_not_fit_are_refused_in_one_line() {
    let parts = [
        "--jobs: there is no memory for the buffers of 64 jobs, ",
        " MiB; raise ulimit -v, which is 400000 KiB",
    ];
    is_refused("-v 400000", "--mode sync --jobs 1 --threads 64 --size 4m", &parts);
    is_refused("-v 400000", "--mode poll --jobs 64 --size 4m", &parts);
}

/// The advice names what is short.
#[test]
fn the_advice_is_about_the_limit_that_was_reached() {
    let free = Limits { mappings: 100, most_mappings: 65_530, address_space: None, data: None };
    for (limits, advice) in [
        (
            Limits { mappings: 65_528, address_space: Some(1 << 30), ..free },
            "raise vm.max_map_count, which is 65530",
        ),
        (Limits { address_space: Some(1 << 30), ..free }, "raise ulimit -v, which is 1048576 KiB"),
        (Limits { data: Some(2 << 30), ..free }, "raise ulimit -d, which is 2097152 KiB"),
        (
            Limits { address_space: Some(3 << 30), data: Some(2 << 30), ..free },
            "raise ulimit -d, which is 2097152 KiB",
        ),
        (
            Limits { address_space: Some(1 << 30), data: Some(2 << 30), ..free },
            "raise ulimit -v, which is 1048576 KiB",
        ),
        (free, "the machine has no more memory, or may not promise more (vm.overcommit_memory)"),
    ] {
        assert_eq!(limits.advice(), advice, "{limits:?}");
    }
    assert!((10..shortage::most_mappings()).contains(&shortage::mappings()));
}

/// A wake fd is of one job, so no job is resumed for the end of another's operation.
#[test]
fn wake_fd_has_as_many_in_flight_as_there_are_fds() {
    // Operations end one by one.
    let device = "--device 'completion_nsec=100000;compute_units=1'";
    for (threads, least, most) in [(1, 40, 70), (3, 30, 70)] {
        let options = format!("--mode wake-fd --jobs 2000 --ops 1000 --size 64 --threads {threads} {device}");
        let (row, told) = row("-n 140", &options);
        let jobs = count(&row["jobs"]);
        assert!((least..most).contains(&jobs), "{row}");
        assert_eq!(count(&row["ops"]), 1000, "{row}");
        assert!(count(&row["resumes"]) <= 1100, "{} resumes for 1000 operations", row["resumes"]);
        let expected =
            format!("loadgen: --jobs: there is room for the file descriptors of {jobs} of 2,000 jobs, ");
        assert!(
            told.starts_with(&expected) && told.contains("raise ulimit -n, whose hard limit is 140"),
            "{told}"
        );
        assert_eq!(told.lines().count(), 1, "{told}");
    }
    // The soft limit is raised.
    let (row, told) = row("-Sn 140", "--mode wake-fd --jobs 300 --ops 600 --size 64");
    assert_eq!((count(&row["jobs"]), told.as_str()), (300, ""));
}

/// Callbacks and polling need no fds.
#[test]
fn other_ways_of_waiting_need_no_fds() {
    for mode in ["callback", "poll", "futures"] {
        let (row, told) = row("-n 40", &format!("--mode {mode} --jobs 2000 --ops 4000 --size 64"));
        assert_eq!((count(&row["jobs"]), count(&row["ops"]), told.as_str()), (2000, 4000, ""), "{mode}");
    }
}

/// A unit that takes a microsecond serves a hundred thousand that were sent at once: the last one has been in
/// flight for a tenth of a second, and half of them are on average. There are 40 fds.
#[test]
fn a_hundred_thousand_jobs_are_in_flight_at_once_without_an_fd_each() {
    let device = "--device 'completion_nsec=1000;compute_units=1;depth=131072'";
    for mode in ["callback", "poll", "futures"] {
        let options = format!("--virtual --mode {mode} --jobs 100000 --ops 100000 --size 16 {device}");
        let (row, told) = row("-n 40", &options);
        assert_eq!(
            (count(&row["jobs"]), count(&row["ops"]), told.as_str()),
            (100_000, 100_000, ""),
            "{mode}"
        );
        let number = |value: &Value| value.as_f64().unwrap();
        assert_eq!(number(&row["latency_us"]["max"]), 100_000.0, "{mode}: {row}");
        assert!((number(&row["in_flight_mean"]) - 50_000.5).abs() < 1e-3, "{mode}: {row}");
    }
}

#[test]
fn without_any_fd_wake_fd_is_refused() {
    let parts = [
        "--jobs: there is room for the file descriptors of 0 of 64 jobs",
        "raise ulimit -n",
        "callback, poll or futures",
    ];
    is_refused("-n 60", "--mode wake-fd", &parts);
}
