//! `--threads`: every thread does its share, and what they have measured is added up.
//!
//! What is asserted are counts; times are this host's.

mod built;
mod captured;
mod loadgen_helpers;
mod scratch;

use serde_json::Value;

use self::loadgen_helpers::{count, number, run, text};
use self::scratch::Folder;

/// The JSON report of a run in which all is well.
#[track_caller]
fn report(options: &str) -> Value {
    let output = run(&format!("{options} --output-format json"));
    assert_eq!(output.status.code(), Some(0), "{options}: {}", text(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    for row in report["rows"].as_array().unwrap() {
        assert_eq!((count(&row["errors"]), count(&row["mismatches"])), (0, 0), "{options}: {row}");
    }
    report
}

/// Its only row.
#[track_caller]
fn row(options: &str) -> Value {
    let report = report(options);
    assert_eq!(report["rows"].as_array().unwrap().len(), 1, "{options}");
    report["rows"][0].clone()
}

/// What each queue pair was given.
fn submitted(row: &Value) -> Vec<u64> {
    let pairs = row["stats"]["device"]["queue_pairs"].as_array().unwrap();
    let mut submitted: Vec<u64> = pairs.iter().map(|pair| count(&pair["submitted"])).collect();
    submitted.sort_unstable();
    submitted
}

/// Expects exit code 2 and one line that names the option.
#[track_caller]
fn is_refused(options: &str, why: &str) {
    let output = run(options);
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{options}: {told}");
    assert!(told.contains("--threads") && told.contains(why), "{options}: {told}");
    assert_eq!(told.lines().count(), 1, "{options}: {told}");
}

/// Operations and jobs are shared out, each thread to a queue pair; threads beyond the pairs share the last.
#[test]
fn every_thread_does_its_share_on_its_queue_pair() {
    for mode in ["sync", "wake-fd", "callback", "poll", "futures"] {
        for (threads, expected) in [(1, [0, 0, 0, 1003]), (3, [0, 334, 334, 335]), (6, [167, 167, 168, 501])]
        {
            let options =
                format!("--mode {mode} --ops 1003 --size 64 --jobs 13 --threads {threads} --stats json");
            let options = if mode == "sync" { options.replace("--jobs 13", "") } else { options };
            // On a busy host the warm-up's usual time may be too short for all of its operations.
            let row = row(&format!("{options} --warmup 60s"));
            let jobs = if mode == "sync" { threads } else { 13 };
            assert_eq!((count(&row["threads"]), count(&row["jobs"])), (threads, jobs), "{mode}");
            assert_eq!((count(&row["ops"]), count(&row["warmup"]["ops"])), (1003, 100), "{mode}: {row}");
            let given = submitted(&row);
            if threads < 6 {
                assert_eq!(given, expected, "{mode}: {row}");
            } else {
                // Which of the threads share a pair is up to them.
                assert_eq!(given.iter().sum::<u64>(), 1003, "{mode}: {row}");
                assert!(given[..3].iter().all(|given| (167..=168).contains(given)), "{mode}: {given:?}");
            }
            let created = if ["sync", "futures"].contains(&mode) { 0 } else { 1003 };
            let stats = &row["stats"];
            assert_eq!(count(&stats["engine"]["operations"]), 1003, "{mode}: {row}");
            assert_eq!(
                [&stats["jobs"]["created"], &stats["jobs"]["finished"]].map(count),
                [created; 2],
                "{mode}"
            );
            assert!(number(&row["cpu_ns_per_op"]) > 0.0, "{row}");
        }
    }
}

/// The area under the number in flight and the sum of the latencies are added up by themselves, and agree.
#[test]
fn what_is_in_flight_is_that_of_all_threads() {
    for mode in ["software", "sync", "callback"] {
        let jobs = if mode == "callback" { "--jobs 9" } else { "" };
        let row = row(&format!("--mode {mode} --duration 200ms --threads 3 {jobs}"));
        let law = &row["littles_law"];
        let (counted, by_rate) = (number(&law["in_flight"]), number(&law["rate_by_latency"]));
        assert!(counted > 0.0 && counted <= number(&row["jobs"]), "{mode}: {row}");
        assert!((counted / by_rate - 1.0).abs() < 0.2, "{mode}: {row}");
    }
}

/// Fewer operations than threads, and a time: each thread runs one at least in a time, and only its own of a
/// number.
#[test]
fn few_operations_are_not_repeated_by_each_thread() {
    assert_eq!(count(&row("--mode poll --ops 2 --threads 5")["ops"]), 2);
    assert!(count(&row("--mode poll --duration 1ms --threads 5 --warmup 0")["ops"]) >= 5);
}

#[test]
fn an_open_loop_shares_its_rate_out() {
    for (mode, arrivals) in
        [("wake-fd", "poisson"), ("poll", "linear"), ("callback", "bursty"), ("sync", "linear")]
    {
        let options =
            format!("--mode {mode} --rate 3000 --arrivals {arrivals} --ops 601 --size 64 --threads 3");
        let row = row(&options);
        assert_eq!(number(&row["rate"]), 3000.0, "{row}");
        assert_eq!(count(&row["ops"]) + count(&row["dropped"]), 601, "{mode}: {row}");
        assert!(count(&row["ops"]) > 0, "{row}");
    }
    // A schedule intends what it does, however many threads send it.
    let intended = |threads: u32| {
        let options =
            format!("--mode poll --rate 2000 --arrivals linear --duration 300ms --threads {threads}");
        let row = row(&options);
        count(&row["ops"]) + count(&row["dropped"])
    };
    assert_eq!([1, 2, 5].map(intended), [600; 3]);
}

#[test]
fn stages_and_mixes_are_shared_out_too() {
    let options = "--mode poll --stages 100ms:1000,200ms:1000..3000 --arrivals linear --threads 2";
    let row = row(options);
    let stages = row["stages"].as_array().unwrap();
    let intended: Vec<u64> = stages.iter().map(|stage| count(&stage["intended"])).collect();
    assert_eq!(intended, [100, 400], "{row}");
    let dropped: u64 = stages.iter().map(|stage| count(&stage["dropped"])).sum();
    assert_eq!(count(&row["ops"]) + dropped, 500, "{row}");
    let row = self::row("--mode poll --ops 2000 --threads 2 --mix sha256/64:1,aes-256-ctr/1k:3");
    let parts: Vec<u64> = row["mix"].as_array().unwrap().iter().map(|part| count(&part["ops"])).collect();
    assert_eq!(parts.iter().sum::<u64>(), 2000, "{row}");
    assert!((400..600).contains(&parts[0]), "{row}");
}

/// Every result is checked, whichever thread it is of.
#[test]
fn results_of_every_thread_are_checked() {
    let device = "--device fault=corrupt:every=1";
    let output = run(&format!("--mode poll --ops 300 --warmup 0 --threads 3 --output-format json {device}"));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((count(&report["rows"][0]["mismatches"]), output.status.code()), (300, Some(1)));
    let device = "--device fault=fail:every=3";
    let output =
        run(&format!("--mode wake-fd --ops 300 --warmup 0 --threads 3 --output-format json {device}"));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((count(&report["rows"][0]["errors"]), output.status.code()), (100, Some(1)), "{report}");
}

/// The files have the operations of all threads.
#[test]
fn files_and_pictures_are_of_all_threads() {
    let folder = Folder::new();
    let path = |name: &str| folder.path(name).display().to_string();
    let files = [("--csv", "rows.csv"), ("--hgrm", "out.hgrm"), ("--report", "out.html")];
    let files: String = files.iter().map(|(option, name)| format!(" {option} {}", path(name))).collect();
    row(&format!("--mode poll --ops 700 --threads 3 {files}"));
    let csv = folder.read_text("rows.csv");
    let mut lines = csv.lines().map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
    let (head, line) = (lines.next().unwrap(), lines.next().unwrap());
    let cell = |name: &str| line[head.iter().position(|column| column == name).unwrap()].as_str();
    assert_eq!((cell("threads"), cell("ops"), cell("jobs")), ("3", "700", "64"));
    let hgrm = folder.read_text("out.hgrm");
    assert!(hgrm.lines().any(|line| line.starts_with("#[Max") && line.contains("700")), "{hgrm}");
    assert!(folder.read_text("out.html").contains("seed 1, 3 threads"));
}

/// A baseline is of a number of threads; one of before there were any is of one.
#[test]
fn a_baseline_of_other_threads_is_refused() {
    let folder = Folder::new();
    let path = folder.path("base.json");
    let options = "--mode poll --ops 200 --size 64";
    row(&format!("{options} --threads 2 --save-baseline {}", path.display()));
    let compare = |threads| run(&format!("{options} --threads {threads} --baseline {}", path.display()));
    assert_eq!(compare(2).status.code(), Some(0));
    let output = compare(1);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("threads of row 1 is 2 there, 1 here"), "{}", text(&output.stderr));
    // Files of before.
    row(&format!("{options} --save-baseline {}", path.display()));
    let saved = std::fs::read_to_string(&path).unwrap();
    let mut saved: Value = serde_json::from_str(&saved).unwrap();
    assert_eq!(saved["rows"][0]["identity"].as_object_mut().unwrap().remove("threads"), Some(1.into()));
    std::fs::write(&path, saved.to_string()).unwrap();
    assert_eq!(compare(1).status.code(), Some(0));
}

#[test]
fn what_threads_cannot_do_is_refused() {
    for value in ["0", "257", "x", "-1"] {
        is_refused(&format!("--threads={value}"), "allowed are 1 to 256");
    }
    is_refused("--threads 4 --jobs 3", "allowed with --jobs 3 are 1 to 3");
    is_refused("--threads 2 --virtual", "one thread steps the device");
    let output = run("--threads 3 --trace t.json --trace-events 2999");
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert_eq!(told, "loadgen: --trace-events: allowed with --threads 3 are 3000 to 1000000\n");
    is_refused("--threads 2 --input x --alg sha256", "not allowed together with --input");
    is_refused("--threads 2 --fit x", "not allowed together with --fit");
    is_refused("--threads 100 --size 64m", "100 jobs of 64m bytes need 19200 MiB of buffers");
    assert_eq!(count(&row("--threads 1 --virtual --mode poll --ops 10")["ops"]), 10);
}
