//! `loadgen --trace`: the file is Chrome's trace event format, and what it says can have happened.
//!
//! The format: <https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU>.

mod built;
mod loadgen_helpers;
mod scratch;

use std::collections::{BTreeMap, HashMap};
use std::process::Output;

use serde_json::Value;

use self::loadgen_helpers::program;
use self::scratch::Folder;

fn loadgen(folder: &Folder, options: &str, more: &[&str]) -> Output {
    folder.command(program()).args(options.split_whitespace()).args(more).output().unwrap()
}

/// A trace, and the report of the same run.
struct Traced {
    trace: Value,
    report: Value,
}

/// A microsecond has a thousand nanoseconds, and the file has three digits of it: sums are compared in them.
#[expect(clippy::cast_possible_truncation, reason = "an hour fits")]
fn nanos(micros: &Value) -> i64 {
    let micros = micros.as_f64().expect("a time is a number");
    assert!(micros.is_finite() && micros >= 0.0, "{micros}");
    (micros * 1e3).round() as i64
}

impl Traced {
    /// Runs the load generator, and checks what holds for every trace.
    #[track_caller]
    fn run(options: &str) -> Self {
        let folder = Folder::new();
        let output = loadgen(&folder, options, &["--output-format", "json", "--trace", "trace.json"]);
        assert_eq!(output.status.code(), Some(0), "{options}: {}", String::from_utf8_lossy(&output.stderr));
        let trace = serde_json::from_slice(&folder.read("trace.json")).unwrap();
        let traced = Self { trace, report: serde_json::from_slice(&output.stdout).unwrap() };
        traced.check();
        traced
    }

    fn events(&self) -> &[Value] {
        self.trace["traceEvents"].as_array().unwrap()
    }

    /// The events with this letter and, unless that is empty, this name.
    fn of<'a>(&'a self, ph: &'a str, name: &'a str) -> impl Iterator<Item = &'a Value> {
        self.events()
            .iter()
            .filter(move |event| event["ph"] == ph && (name.is_empty() || event["name"] == name))
    }

    fn rows(&self) -> &[Value] {
        self.trace["otherData"]["rows"].as_array().unwrap()
    }

    fn check(&self) {
        let cap = self.trace["otherData"]["events_at_most"].as_u64().unwrap();
        assert!(self.events().len() as u64 <= cap, "{} events", self.events().len());
        self.check_times();
        self.check_tracks();
        self.check_flows();
        for counter in self.of("C", "") {
            let values = counter["args"].as_object().unwrap().values();
            assert!(values.map(|value| value.as_i64().unwrap()).all(|value| value >= 0), "{counter}");
        }
        for instant in self.of("i", "") {
            assert!(instant["args"]["count"].as_u64().unwrap() > 0, "{instant}");
        }
        for (index, reported) in self.report["rows"].as_array().unwrap().iter().enumerate() {
            let threads: Vec<&Value> = self.rows().iter().filter(|row| row["row"] == index).collect();
            assert_eq!(reported["threads"], threads.len(), "{reported}");
            let seen: u64 = threads.iter().map(|row| row["operations"]["seen"].as_u64().unwrap()).sum();
            assert_eq!(reported["ops"], seen, "{reported}");
        }
        for row in self.rows() {
            for kind in ["operations", "sleeps", "services", "samples", "faults", "errors"] {
                let [seen, kept, left_out] =
                    ["seen", "kept", "left_out"].map(|key| row[kind][key].as_u64().unwrap());
                assert_eq!(seen, kept + left_out, "{kind}: {row}");
            }
        }
        let kept: u64 = self.rows().iter().map(|row| row["operations"]["kept"].as_u64().unwrap()).sum();
        assert_eq!(self.of("X", "operation").count() as u64, kept);
    }

    /// Everything happens within its row, and has a known letter.
    fn check_times(&self) {
        let mut spans = HashMap::new();
        for row in self.rows() {
            let span = (nanos(&row["began_us"]), nanos(&row["ended_us"]));
            assert!(span.0 <= span.1, "{row}");
            spans.insert(row["application_pid"].as_u64().unwrap(), span);
            row["device_pid"].as_u64().map(|pid| spans.insert(pid, span));
        }
        for event in self.events() {
            assert!(["M", "X", "s", "f", "C", "i"].contains(&event["ph"].as_str().unwrap()), "{event}");
            if event["ph"] == "M" {
                continue;
            }
            let (began, ended) = spans[&event["pid"].as_u64().unwrap()];
            let from = nanos(&event["ts"]);
            let until = from + if event["ph"] == "X" { nanos(&event["dur"]) } else { 0 };
            assert!(began <= from && until <= ended, "{event}: {began} to {ended}");
        }
    }

    /// Spans of a track are apart, or one is within the other; and every track has a name.
    fn check_tracks(&self) {
        let mut tracks: BTreeMap<(u64, u64), Vec<(i64, i64)>> = BTreeMap::new();
        for span in self.of("X", "") {
            let from = nanos(&span["ts"]);
            let track = (span["pid"].as_u64().unwrap(), span["tid"].as_u64().unwrap());
            tracks.entry(track).or_default().push((from, from + nanos(&span["dur"])));
        }
        let of = |event: &Value| (event["pid"].as_u64().unwrap(), event["tid"].as_u64().unwrap());
        let named: Vec<_> = self.of("M", "thread_name").map(of).collect();
        for (track, spans) in &mut tracks {
            assert!(named.contains(track), "{track:?} has no name");
            spans.sort_by_key(|&(from, until)| (from, -until));
            let mut open: Vec<i64> = Vec::new();
            for &(from, until) in spans.iter() {
                while open.last().is_some_and(|end| *end <= from) {
                    open.pop();
                }
                assert!(
                    open.last().is_none_or(|end| until <= *end),
                    "{track:?}: {from} to {until}, {open:?}"
                );
                open.push(until);
            }
        }
    }

    /// Each flow begins once and ends once, later, on the track of its operation.
    fn check_flows(&self) {
        let by_id = |ph| -> HashMap<u64, (&Value, i64)> {
            let all: Vec<_> = self.of(ph, "operation").collect();
            let by_id: HashMap<_, _> = all
                .iter()
                .map(|flow| (flow["id"].as_u64().unwrap(), (&flow["tid"], nanos(&flow["ts"]))))
                .collect();
            assert_eq!(by_id.len(), all.len(), "an id is used twice");
            by_id
        };
        let (begun, ended) = (by_id("s"), by_id("f"));
        assert_eq!(begun.len(), ended.len());
        for (id, (track, from)) in &begun {
            let (end_track, until) = ended[id];
            assert_eq!((*track, true), (end_track, *from <= until), "flow {id}");
        }
    }

    /// How many of these are on the tracks whose name begins so.
    fn on_tracks(&self, thread: &str, span: &str) -> usize {
        let names = self
            .of("M", "thread_name")
            .filter(|event| event["args"]["name"].as_str().unwrap().starts_with(thread));
        let tracks: Vec<_> = names.map(|event| (&event["pid"], &event["tid"])).collect();
        self.of("X", span).filter(|event| tracks.contains(&(&event["pid"], &event["tid"]))).count()
    }
}

const DEVICE: &str = "--device completion_nsec=200000;compute_units=4";

#[test]
fn every_operation_of_a_short_row_is_there_in_every_way_of_waiting() {
    for mode in ["wake-fd", "callback", "poll", "futures"] {
        let traced = Traced::run(&format!("--mode {mode} --ops 200 --jobs 8 {DEVICE}"));
        assert_eq!(traced.on_tracks("job slot", "operation"), 200, "{mode}");
        assert_eq!(traced.on_tracks("job slot", "resume"), 200, "{mode}");
        assert_eq!(traced.of("s", "").count(), 200, "{mode}");
        assert_eq!(traced.on_tracks("compute unit", "service"), 200, "{mode}");
        assert!(traced.on_tracks("event loop", "sleep") > 0, "{mode}");
        let most =
            traced.of("C", "in flight").map(|counter| counter["args"]["operations"].as_u64().unwrap()).max();
        assert_eq!(most, Some(8), "{mode}");
        assert!(traced.of("C", "requests in the rings").count() > 0, "{mode}");
        let units = traced
            .of("M", "thread_name")
            .filter(|event| event["args"]["name"].as_str().unwrap().starts_with("compute unit"));
        assert_eq!(units.count(), 4, "{mode}");
    }
}

/// A service of the device lies within the operation that waits for it: with one job, each has its own.
#[test]
fn the_devices_clock_is_the_traces() {
    let traced = Traced::run(&format!("--mode wake-fd --ops 50 --jobs 1 {DEVICE}"));
    let spans = |name| -> Vec<(i64, i64)> {
        traced
            .of("X", name)
            .map(|span| (nanos(&span["ts"]), nanos(&span["ts"]) + nanos(&span["dur"])))
            .collect()
    };
    let (operations, services) = (spans("operation"), spans("service"));
    assert_eq!(operations.len(), services.len());
    // They may be out of step by as much as the two clocks were read apart.
    let slack = 20_000;
    let mut services = services;
    services.sort_unstable();
    for (operation, service) in operations.iter().zip(&services) {
        assert_eq!(service.1 - service.0, 200_000);
        assert!(
            operation.0 <= service.0 + slack && service.1 <= operation.1 + slack,
            "{operation:?} {service:?}"
        );
    }
}

#[test]
fn what_is_not_in_a_job_has_neither_a_flow_nor_an_event_loop() {
    let traced = Traced::run(&format!("--mode sync --ops 30 {DEVICE}"));
    assert_eq!((traced.on_tracks("job slot", "operation"), traced.of("s", "").count()), (30, 0));
    assert_eq!(traced.on_tracks("compute unit", "service"), 30);
    let traced = Traced::run("--mode software --ops 30");
    assert_eq!((traced.on_tracks("job slot", "operation"), traced.of("s", "").count()), (30, 0));
    assert!(traced.rows()[0]["device_pid"].is_null());
}

#[test]
fn all_rows_and_an_open_loop_share_the_cap() {
    // In virtual time, where no send is late: on a busy host an open loop drops what it cannot send in time,
    // and the rest may fit.
    let traced = Traced::run(
        "--virtual --ops 3000 --trace-events 2000 --rate 50% --mode wake-fd --device completion_nsec=20000",
    );
    assert_eq!(traced.rows().len(), 2);
    assert!(traced.report["rows"].as_array().unwrap().iter().all(|row| row["ops"] == 3000));
    for row in traced.rows() {
        let operations = &row["operations"];
        assert!(operations["left_out"].as_u64().unwrap() > 0, "{row}");
        let [first, every, kept] =
            ["first", "then_every", "kept"].map(|key| operations[key].as_u64().unwrap());
        assert!(first > 5 && every > 1 && kept > first, "{row}");
    }
    let all = Traced::run("--ops 500 --trace-events 1000");
    assert_eq!(all.rows().len(), 9);
    assert!(all.rows().iter().all(|row| row["operations"]["kept"].as_u64().unwrap() > 0), "{:?}", all.rows());
}

/// Operations of a long row are sampled evenly: behind the first ones, as many in each quarter.
#[test]
fn a_sample_is_even() {
    let traced = Traced::run(
        "--virtual --ops 20000 --jobs 4 --mode poll --trace-events 4000 --device completion_nsec=10000",
    );
    let row = &traced.rows()[0]["operations"];
    let first = usize::try_from(row["first"].as_u64().unwrap()).unwrap();
    let mut times: Vec<i64> = traced.of("X", "operation").map(|span| nanos(&span["ts"])).collect();
    times.sort_unstable();
    let later = &times[first..];
    let (from, until) = (later[0], later[later.len() - 1]);
    let quarters: Vec<usize> = (0..4)
        .map(|quarter| {
            let edge = |quarter: i64| from + (until - from + 1) * quarter / 4;
            later.iter().filter(|time| (edge(quarter)..edge(quarter + 1)).contains(time)).count()
        })
        .collect();
    let [least, most] = [quarters.iter().min(), quarters.iter().max()].map(Option::unwrap);
    assert!(*least > 10 && most - least <= 2, "{quarters:?}");
}

/// In virtual time the same run gives the same trace.
#[test]
fn virtual_time_has_a_trace_of_its_own() {
    let run = || {
        let traced = Traced::run(&format!("--virtual --mode wake-fd --ops 300 --jobs 8 {DEVICE}"));
        let rings = traced.of("C", "requests in the rings");
        let most = rings.map(|counter| counter["args"]["requests"].as_u64().unwrap()).max();
        // All four units end at once. A look comes when the first of their jobs has sent again: four wait.
        assert_eq!(most, Some(5));
        let began = nanos(&traced.rows()[0]["began_us"]);
        let spans = traced.of("X", "operation").map(|span| (nanos(&span["ts"]) - began, nanos(&span["dur"])));
        let services =
            traced.of("X", "service").map(|span| (nanos(&span["ts"]) - began, nanos(&span["dur"])));
        (spans.collect::<Vec<_>>(), services.collect::<Vec<_>>())
    };
    let (operations, services) = run();
    assert_eq!((operations.len(), services.len()), (300, 300));
    assert!(services.iter().all(|(_, took)| *took == 200_000), "{services:?}");
    assert_eq!(run(), (operations, services));
}

#[test]
fn faults_and_errors_are_instants() {
    let options = format!("--mode wake-fd --ops 200 --jobs 4 --expect-errors {DEVICE};fault=fail:nth=5");
    let traced = Traced::run(&options);
    let counted = |begins: &str| -> u64 {
        let instants = traced.of("i", "").filter(|event| event["name"].as_str().unwrap().starts_with(begins));
        instants.map(|event| event["args"]["count"].as_u64().unwrap()).sum()
    };
    let errors = traced.report["rows"][0]["errors"].as_u64().unwrap();
    assert!(errors > 0, "{}", traced.report);
    assert_eq!(counted("error: "), errors);
    assert_eq!(counted("fault: fail"), errors);
}

#[test]
fn options_that_cannot_go_together_are_told() {
    let folder = Folder::new();
    for (options, expected) in [
        ("--trace-events 2000", "--trace-events: only allowed together with --trace"),
        ("--trace x --trace-events 999", "--trace-events"),
        ("--trace x --trace-events 1000001", "allowed are 1000 to 1000000"),
        ("--alg sha256 --input x --trace y", "--trace: not allowed together with --input"),
        ("--trace /nowhere/t.json --ops 1 --mode sync", "--trace: /nowhere/t.json: "),
    ] {
        let output = loadgen(&folder, options, &[]);
        let line = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{options}: {line}");
        assert!(line.contains(expected) && line.lines().count() == 1, "{options}: {line}");
    }
    assert!(folder.names().is_empty(), "{:?}", folder.names());
}

/// Each thread is a process of its own, with its event loop and its slots; the device stands beside the
/// first.
#[test]
fn each_thread_has_tracks_of_its_own() {
    let device = "--device completion_nsec=20000;compute_units=2;fault=fail:every=10 --expect-errors";
    for mode in ["wake-fd", "callback", "poll", "futures", "sync"] {
        let jobs = if mode == "sync" { "" } else { "--jobs 6" };
        let options = format!("--mode {mode} --threads 3 --ops 300 --warmup 0 {jobs} {device}");
        let traced = Traced::run(&options);
        let rows = traced.rows();
        assert_eq!(rows.len(), 3, "{mode}");
        let slots = if mode == "sync" { 1 } else { 2 };
        let mut errors = 0;
        for (thread, row) in rows.iter().enumerate() {
            let pid = &row["application_pid"];
            let name = |kind: &str| {
                let named = traced.of("M", kind).filter(|event| event["pid"] == *pid);
                named.map(|event| event["args"]["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
            };
            let process = format!("1 {mode}, closed loop, thread {thread}: application");
            assert_eq!(
                (name("process_name"), row["operations"]["seen"].as_u64()),
                (vec![process], Some(100))
            );
            let tracks = name("thread_name").iter().filter(|name| name.starts_with("job slot ")).count();
            assert_eq!(tracks, slots, "{mode}: {row}");
            assert_eq!(row["device_pid"].is_u64(), thread == 0, "{row}");
            errors += row["errors"]["seen"].as_u64().unwrap();
        }
        assert_eq!((errors, &traced.report["rows"][0]["errors"]), (30, &30.into()), "{mode}");
        // Each request is served once, whichever thread has sent it; those that fail are not.
        let served = traced.of("X", "service").map(|service| service["args"]["requests"].as_u64().unwrap());
        let (served, row) = (served.sum::<u64>(), &rows[0]["services"]);
        assert_eq!((row["left_out"].as_u64(), served >= 270), (Some(0), true), "{mode}: {served} {row}");
    }
}
