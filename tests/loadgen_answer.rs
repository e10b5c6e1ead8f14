//! The load generator's answer: its arithmetic against brute force, and its facts on devices whose limits are
//! known by construction.

#[path = "../examples/loadgen/answer/bars.rs"]
mod bars;
#[path = "../examples/loadgen/answer/break_even.rs"]
mod break_even;
mod built;
#[path = "../examples/loadgen/rings.rs"]
mod rings;
#[path = "../examples/loadgen/stations.rs"]
mod stations;
#[path = "../examples/loadgen/wrap.rs"]
mod wrap;

use std::process::Command;

use bars::Bin;
use break_even::Measured;
use rings::Rings;
use serde_json::Value;
use simaccel_device::{Config, DeviceStats, UnitStats};
use stations::{Alone, Ceiling};

/// Runs the built example, which `cargo test` puts beside the folder of the test executables.
fn run(options: &str) -> String {
    let program = built::example("loadgen");
    let output = Command::new(program).args(options.split_whitespace()).output().unwrap();
    assert!(output.status.success(), "{options}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn answer(options: &str) -> (Value, Value) {
    let report: Value = serde_json::from_str(&run(&format!("{options} --output-format json"))).unwrap();
    let answer = report["answer"].clone();
    let row = answer["row"].as_u64().and_then(|row| usize::try_from(row).ok());
    let row = row.map_or(Value::Null, |row| report["rows"][row].clone());
    (answer, row)
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("a number, not {value}"))
}

fn ceiling(of: &'static str, ops_per_second: f64) -> Ceiling {
    Ceiling { of, ops_per_second }
}

#[test]
fn break_even_is_the_first_number_of_jobs_that_is_ahead() {
    for nsec in [500.0, 50_000.0, 1e6] {
        for (company, company_nsec) in [(1, 0.0), (4, 200_000.0), (64, 1e6)] {
            let alone = Alone { nsec, company, company_nsec };
            for ceiling in [900.0, 80_000.0, 3e6] {
                for software in [1.0, 999.0, 20_000.0, 79_999.0, 80_000.0, 1e6] {
                    let rate = |jobs: usize| alone.rate(jobs).min(ceiling);
                    let first = (1..=10_000).find(|jobs| rate(*jobs) > software);
                    let found = break_even::by_model(software, ceiling, &alone);
                    assert_eq!(found, first, "{alone:?}, {ceiling} and {software}");
                }
            }
        }
    }
}

#[test]
fn break_even_by_rows_lies_between_those_behind_and_those_ahead() {
    let row = |jobs, ops_per_second| Measured { jobs, ops_per_second };
    let rows = [row(1, 100.0), row(64, 3000.0), row(64, 2000.0)];
    assert_eq!(break_even::by_rows(50.0, &rows), Some(1));
    assert_eq!(break_even::by_rows(1000.0, &rows), Some(11), "ten do exactly as much");
    assert_eq!(break_even::by_rows(2999.0, &rows), Some(30));
    assert_eq!(break_even::by_rows(3000.0, &rows), None);
    assert_eq!(break_even::by_rows(99.0, &rows[1..]), Some(64), "nothing is known of fewer");
}

/// 1,000 requests: each unit of two was busy for 5 ms, so one takes 10 µs.
fn after_a_run() -> DeviceStats {
    let mut unit = UnitStats::default();
    (unit.executed, unit.busy_nsec) = (500, 5_000_000);
    let mut stats = DeviceStats::default();
    stats.units = vec![unit; 2];
    stats.total.bytes = 4_096_000;
    stats
}

#[test]
fn each_station_can_be_the_lowest() {
    let config =
        |text: &str| Config::parse(&format!("compute_units=2;completion_nsec=10000;{text}")).unwrap();
    let lowest = |text: &str, stats: &DeviceStats| stations::lowest(&stations::rates(&config(text), stats));
    let stats = after_a_run();
    assert_eq!(lowest("", &stats), Some(ceiling("units", 200_000.0)));
    assert_eq!(lowest("ops_limit=100000", &stats), Some(ceiling("limit", 100_000.0)));
    assert_eq!(lowest("bytes_limit=409600000", &stats), Some(ceiling("limit", 100_000.0)));
    let mut front = after_a_run();
    front.front_busy_nsec = 20_000_000;
    assert_eq!(lowest("firmware_nsec=20000", &front), Some(ceiling("front", 50_000.0)));
    let mut link = after_a_run();
    (link.link_in_busy_nsec, link.link_out_busy_nsec) = (10_000_000, 25_000_000);
    assert_eq!(lowest("link_mbps=100", &link), Some(ceiling("link", 40_000.0)));
}

#[test]
fn jobs_and_rings_limit_by_the_time_of_one() {
    let config = Config::parse("completion_nsec=10000;link_nsec=5000;intc_thresh=4;intc_nsec=80000").unwrap();
    let stats = after_a_run();
    let polled = stations::alone(&config, &stats, false);
    assert_eq!((polled.with(1), polled.rate(1)), (20_000.0, 50_000.0), "there and back, and the service");
    let woken = stations::alone(&config, &stats, true);
    assert_eq!([1, 3, 4].map(|jobs| woken.with(jobs)), [100_000.0, 100_000.0, 20_000.0]);
    let all = stations::in_flight(&polled, 64, 16);
    assert_eq!(all, [ceiling("jobs", 3_200_000.0), ceiling("rings", 800_000.0)]);
    assert_eq!(stations::in_flight(&polled, 16, 16).len(), 1, "rings that hold all do not limit");
}

/// By brute force: jobs are dealt out to threads in turn, and each goes into its thread's ring while that has
/// room.
#[test]
fn rings_hold_what_fits_the_pair_of_each_thread() {
    for (depth, pairs) in [(1, 1), (4, 2), (16, 4), (64, 3)] {
        for threads in 1..=9 {
            for jobs in 0..=300 {
                let mut filled = vec![0; pairs];
                for index in 0..jobs {
                    let pair = (index % threads).min(pairs - 1);
                    filled[pair] = (filled[pair] + 1).min(depth);
                }
                let rings = Rings { depth, pairs, threads };
                assert_eq!(rings.hold(jobs), filled.iter().sum::<usize>(), "{rings:?} and {jobs} jobs");
                assert!(rings.hold(jobs) <= rings.room());
                assert_eq!(rings.room(), filled.len().min(threads) * depth);
            }
        }
    }
}

#[test]
fn a_histogram_has_all_and_its_bins_follow_each_other() {
    let times: Vec<u64> = (0..1000_u64).map(|n| 1000 + n * n * 7).collect();
    let count_up_to = |nsec| times.iter().filter(|time| **time <= nsec).count() as u64;
    let (min, max) = (times[0], times[999]);
    let bins = bars::bins(min, max, 1000, count_up_to);
    assert!((8..=12).contains(&bins.len()));
    assert_eq!((bins[0].from, bins[bins.len() - 1].to), (min, max));
    assert!(bins.windows(2).all(|pair| pair[0].to == pair[1].from && pair[0].from < pair[0].to));
    assert_eq!(bins.iter().map(|bin| bin.count).sum::<u64>(), 1000);
    for bin in &bins[1..] {
        let inside = times.iter().filter(|time| **time > bin.from && **time <= bin.to).count() as u64;
        assert_eq!(bin.count, inside);
    }
    assert_eq!(bars::bins(5, 5, 3, |_| 3).iter().map(|bin| bin.count).sum::<u64>(), 3);
    assert!(bars::bins(0, 0, 0, |_| 0).is_empty());
}

#[test]
fn a_bar_shows_something_as_something_and_nothing_as_nothing() {
    let bin = |count| Bin { from: 1, to: 2, count };
    let text = bars::text(&[bin(1_000_000), bin(500_000), bin(1), bin(0)], "", |nsec| nsec.to_string());
    let blocks = |line: &str| line.chars().filter(|c| ('▏'..='█').contains(c) || *c == '█').count();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!([0, 1, 3].map(|at| lines[at].matches('█').count()), [48, 24, 0]);
    assert!(lines[2].ends_with("<0.1 % ▏") && lines[3].ends_with("0 %"), "{text}");
    assert_eq!(blocks(lines[3]), 0);
}

#[test]
fn lines_are_wrapped_between_words_and_lose_none() {
    let text = "some words and 50\u{a0}µs ".repeat(40);
    let wrapped = wrap::labelled("label", text.trim_end());
    assert!(wrapped.lines().count() > 5);
    for line in wrapped.lines() {
        assert!(line.chars().count() <= wrap::WIDTH && !line.ends_with("50"), "{line:?}");
    }
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>().join(" ");
    assert_eq!(words(&wrapped), format!("label {}", words(&text)));
    let warned = format!("{}{}rest\n", wrap::wrapped("warning: ", text.trim_end()), wrapped);
    let (warnings, rest) = wrap::split_warnings(&warned);
    assert_eq!((warnings.len(), words(&warnings[0])), (1, words(&text)));
    assert_eq!(rest, format!("{wrapped}rest\n"));
}

/// A tenth of a millisecond a request is far above what this host needs for one, so the device decides.
#[test]
fn the_limit_is_the_station_that_was_made_the_narrowest() {
    for (device, options, limit, rate) in [
        ("completion_nsec=200000;compute_units=1", "--jobs 16", "units", 5_000.0),
        ("firmware_nsec=200000", "--jobs 16", "front", 5_000.0),
        ("link_mbps=10", "--jobs 16 --size 2k", "link", 5_000.0),
        ("ops_limit=5000", "--jobs 16", "limit", 5_000.0),
        ("completion_nsec=800000;compute_units=64", "--jobs 4", "jobs", 5_000.0),
        ("completion_nsec=800000;compute_units=64;depth=4", "--jobs 32", "rings", 5_000.0),
        // Each thread has a ring of its own while there are any, and the last is shared.
        ("completion_nsec=1600000;compute_units=64;depth=4", "--jobs 32 --threads 2", "rings", 5_000.0),
        (
            "completion_nsec=1600000;compute_units=64;depth=4;queue_pairs=2",
            "--jobs 32 --threads 3",
            "rings",
            5_000.0,
        ),
        ("completion_nsec=1600000;compute_units=64;depth=4", "--jobs 8 --threads 2", "jobs", 5_000.0),
    ] {
        let (answer, row) = answer(&format!("--mode poll --ops 300 --device {device} {options}"));
        assert_eq!(answer["limit"]["of"], limit, "{device}: {answer}");
        let ceiling = number(&answer["limit"]["ops_per_second"]);
        assert!((ceiling / rate - 1.0).abs() < 0.05, "{device}: {answer}");
        let reached = number(&row["ops_per_second"]) / ceiling;
        assert!((number(&answer["reached"]) / reached - 1.0).abs() < 1e-9, "{device}: {answer}");
        let ceilings = answer["ceilings"].as_array().unwrap();
        let rates: Vec<f64> = ceilings.iter().map(|ceiling| number(&ceiling["ops_per_second"])).collect();
        assert!(rates.is_sorted() && rates[0] == ceiling, "{answer}");
    }
}

#[test]
fn a_slow_device_is_behind_and_never_breaks_even() {
    let (answer, row) =
        answer("--mode wake-fd --ops 40 --jobs 4 --device completion_nsec=2000000;compute_units=1");
    assert_eq!(answer["software"]["measured"], "aside");
    assert_eq!(answer["ops_per_second"]["ahead"], false, "{answer}");
    let ratio = number(&row["ops_per_second"]) / number(&answer["software"]["ops_per_second"]);
    assert!((number(&answer["ops_per_second"]["ratio"]) / ratio - 1.0).abs() < 1e-9);
    let even = &answer["break_even"];
    assert!(even["by_model"]["jobs"].is_null() && even["by_model"]["ceiling"]["of"] == "units", "{answer}");
    assert!(even["by_rows"].is_object() && even["by_rows"]["jobs"].is_null(), "{answer}");
    let time = &answer["time_us"];
    assert!(number(&time["service"]) >= 2000.0 && number(&time["timed"]) >= 1.0, "sampled unasked: {answer}");
}

/// A device that takes a microsecond for what costs software hundreds.
#[test]
fn a_quick_device_with_many_units_breaks_even_by_its_model() {
    let options = "--alg sha512 --size 1m --mode sync --ops 4 --device completion_nsec=1000;compute_units=64";
    let (answer, _) = answer(options);
    assert_eq!(answer["break_even"]["by_model"]["jobs"], 1, "{answer}");
    assert_eq!(answer["cpu_ns_per_op"]["ahead"], true, "{answer}");
    assert_eq!(answer["break_even"]["cpu"]["jobs"], 1, "{answer}");
}

#[test]
fn what_is_not_there_is_null() {
    let (software, _) = answer("--mode software --ops 20");
    assert!(software.is_null());
    let (ideal, row) = answer("--mode poll --ops 200");
    assert!(ideal["break_even"]["by_model"].is_null() && ideal["late_us"].is_null(), "{ideal}");
    assert!(ideal["time_us"].is_null() && ideal["host_bound"].is_null(), "an ideal device is not timed");
    let counts = ideal["histogram"].as_array().unwrap().iter().map(|bin| bin["count"].as_u64().unwrap());
    assert_eq!(counts.sum::<u64>(), row["ops"].as_u64().unwrap());
    let (open, _) = answer("--mode poll --rate 500 --ops 20 --device completion_nsec=1000");
    assert!(open["ops_per_second"]["ahead"].is_null(), "it does what it is asked for: {open}");
    assert!(open["cpu_ns_per_op"].is_null() && open["break_even"]["by_rows"].is_null(), "{open}");
    let (untimed, _) = answer("--mode sync --ops 2 --device completion_nsec=1000;timing=off");
    assert!(untimed["time_us"].is_null(), "it was switched off");
}

#[test]
fn every_line_fits_a_terminal() {
    for options in [
        "--ops 50",
        "--ops 20 --device completion_nsec=50000;compute_units=4 --jobs 8",
        "--mode poll --ops 2000 --rate 1000000000 --size 64",
        "--ops 50 --threads 13",
        "--mode poll --ops 200 --device completion_nsec=50000;depth=4 --threads 3",
    ] {
        for line in run(options).lines() {
            assert!(line.chars().count() <= wrap::WIDTH, "{options}: {line}");
        }
    }
}
