//! The open loop: when it sends, what it counts, and what it shows that a closed loop hides.

use std::time::Duration;

use serde_json::Value;

use super::arrivals::{Arrivals, Schedule};
use super::load::{count, row, rows};
use super::{Folder, json, text};

use crate::loadgen_helpers::number;

const WITH_JOBS: [&str; 4] = ["wake-fd", "callback", "poll", "futures"];

/// A latency of a row, in microseconds.
fn latency(row: &Value, key: &str) -> f64 {
    number(&row["latency_us"][key])
}

/// The first times of a schedule.
fn times(arrivals: Arrivals, rate: f64, seed: u64) -> Vec<Duration> {
    Schedule::new(arrivals, rate, seed).take(160_000).collect()
}

#[test]
fn arrivals_have_the_rate_that_was_asked_for_and_their_own_shape() {
    for (arrivals, name, variation) in [
        (Arrivals::Linear, "linear", 0.0),
        (Arrivals::Poisson, "poisson", 1.0),
        (Arrivals::Bursty, "bursty", 1.0),
    ] {
        let times = times(arrivals, 50_000.0, 7);
        assert_eq!((times[0], arrivals.name()), (Duration::ZERO, name));
        let mean = times.last().unwrap().as_secs_f64() / 160_000.0;
        assert!((mean * 50_000.0 - 1.0).abs() < 0.03, "{name}: {mean}");
        // Of a burst, the whole arrives at once.
        let together = if arrivals == Arrivals::Bursty { 16 } else { 1 };
        let groups: Vec<&[Duration]> = times.chunk_by(|one, other| one == other).collect();
        let are_whole = groups.iter().filter(|group| group.len() == together).count();
        assert!(are_whole * 1000 >= groups.len() * 999, "{name}");
        let gaps = groups.windows(2).map(|two| (two[1][0] - two[0][0]).as_secs_f64() / together as f64);
        let variance = gaps.clone().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        assert!((variance.sqrt() / mean - variation).abs() < 0.05, "{name}: {variance}");
    }
}

#[test]
fn a_seed_gives_the_same_arrivals_again() {
    for arrivals in [Arrivals::Poisson, Arrivals::Bursty] {
        assert_eq!(times(arrivals, 1000.0, 1), times(arrivals, 1000.0, 1));
        assert_ne!(times(arrivals, 1000.0, 1), times(arrivals, 1000.0, 2));
    }
    assert_eq!(times(Arrivals::Linear, 1000.0, 1), times(Arrivals::Linear, 1000.0, 2));
}

/// Threads share a rate: evenly spread sends take turns, others are independent, and all together have the
/// rate and the shape of one.
#[test]
fn threads_share_the_arrivals_of_a_rate() {
    let share = |arrivals, thread, of| -> Vec<Duration> {
        Schedule::new(arrivals, 40_000.0, 7).of_thread(thread, of).take(40_000).collect()
    };
    let together = |arrivals| {
        let mut all: Vec<Duration> = (0..4).flat_map(|thread| share(arrivals, thread, 4)).collect();
        all.sort();
        all
    };
    let one: Vec<Duration> = Schedule::new(Arrivals::Linear, 40_000.0, 7).take(160_000).collect();
    assert_eq!(together(Arrivals::Linear), one);
    for arrivals in [Arrivals::Linear, Arrivals::Poisson, Arrivals::Bursty] {
        assert_eq!(share(arrivals, 0, 1), times(arrivals, 40_000.0, 7)[..40_000]);
    }
    for (arrivals, at_once) in [(Arrivals::Poisson, 1.0), (Arrivals::Bursty, 16.0)] {
        assert_ne!(share(arrivals, 1, 4)[1], share(arrivals, 2, 4)[1]);
        // Where all threads send.
        let (all, end) =
            (together(arrivals), (0..4).map(|thread| share(arrivals, thread, 4)[39_999]).min().unwrap());
        let all = &all[..all.partition_point(|at| *at < end)];
        let mean = end.as_secs_f64() / all.len() as f64;
        assert!((mean * 40_000.0 - 1.0).abs() < 0.03, "{}: {mean}", arrivals.name());
        let starts: Vec<Duration> = all.iter().copied().fold(Vec::new(), |mut starts, at| {
            if starts.last() != Some(&at) {
                starts.push(at);
            }
            starts
        });
        let gaps = starts.windows(2).map(|two| (two[1] - two[0]).as_secs_f64());
        let mean = gaps.clone().sum::<f64>() / gaps.len() as f64;
        assert!((mean * 40_000.0 / at_once - 1.0).abs() < 0.05, "{}: {mean}", arrivals.name());
        let variance = gaps.clone().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        assert!((variance.sqrt() / mean - 1.0).abs() < 0.05, "{}: {variance}", arrivals.name());
    }
}

/// Whatever is intended is done or dropped, and no latency is below its service time.
#[test]
fn an_open_loop_accounts_for_every_intended_operation() {
    for mode in WITH_JOBS {
        for arrivals in ["linear", "poisson", "bursty"] {
            let row = row(&format!("--mode {mode} --rate 5000 --arrivals {arrivals} --ops 400 --size 64"));
            assert_eq!((&row["loop"], &row["arrivals"]), (&"open".into(), &arrivals.into()));
            assert_eq!((number(&row["rate"]), count(&row, "jobs")), (5000.0, 512));
            assert_eq!(count(&row, "ops") + count(&row, "dropped"), 400, "{mode}: {row}");
            assert!(
                count(&row, "ops") > 0 && count(&row, "late_sends") <= count(&row, "ops"),
                "{mode}: {row}"
            );
            assert!(count(&row, "dropped_late") <= count(&row, "dropped"), "{mode}: {row}");
            for key in ["min", "mean", "p50", "p90", "p99", "p999", "max"] {
                // Equal ones may fall into neighbouring steps of the histogram.
                let (latency, service) = (latency(&row, key), number(&row["service_us"][key]));
                assert!(latency * 1.001 >= service && service > 0.0, "{mode}: {key}: {row}");
            }
            assert!(number(&row["cpu_ns_per_op"]) > 0.0, "{row}");
            let law = &row["littles_law"];
            let (counted, by_rate) = (number(&law["in_flight"]), number(&law["rate_by_latency"]));
            assert!((counted / by_rate - 1.0).abs() < 1e-6, "both are the same area: {mode}: {row}");
        }
    }
}

#[test]
fn a_closed_loop_has_one_time_and_drops_nothing() {
    let row = row("--mode callback --ops 200");
    assert_eq!((&row["loop"], &row["latency_us"]), (&"closed".into(), &row["service_us"]));
    assert_eq!((count(&row, "late_sends"), count(&row, "dropped")), (0, 0));
    assert!(row["rate"].is_null() && row["arrivals"].is_null());
}

#[test]
fn a_share_is_one_of_what_the_closed_loop_has_reached() {
    let report = json(&Folder::new().succeed("--rate 40% --ops 300 --output-format json").stdout);
    let names: Vec<_> =
        rows(&report).iter().map(|row| (row["mode"].as_str(), row["loop"].as_str())).collect();
    let expected = WITH_JOBS.map(|mode| ["closed", "open"].map(|paced| (Some(mode), Some(paced))));
    assert_eq!(names, expected.concat());
    for pair in rows(&report).chunks(2) {
        let (closed, open) = (&pair[0], &pair[1]);
        let share = number(&open["rate"]) / number(&closed["ops_per_second"]);
        assert!((share - 0.4).abs() < 1e-9, "{share}");
        assert_eq!(count(closed, "ops"), 300);
    }
    let report = json(&Folder::new().succeed("--rate 900 --ops 9 --output-format json").stdout);
    assert_eq!(rows(&report).len(), 4, "a rate by itself needs no closed loop");
}

/// Coordinated omission. One stall of the device: in a closed loop it hits the few operations in flight,
/// because no more are sent; in an open loop it hits all that were to be sent meanwhile.
#[test]
fn a_stall_shows_in_an_open_loop_and_hides_in_a_closed_one() {
    let device = "--device completion_nsec=100000;compute_units=1;fault=stall:nsec=300000000,nth=20";
    let closed = row(&format!("--mode wake-fd {device} --size 64 --ops 2000 --jobs 2"));
    let open = row(&format!("--mode wake-fd {device} --size 64 --ops 2000 --jobs 1000 --rate 2000"));
    for row in [&closed, &open] {
        assert!(latency(row, "max") >= 300_000.0, "the stalled operation itself: {row}");
    }
    assert!(latency(&open, "p90") > latency(&closed, "p99"), "{open} and {closed}");
    assert!(latency(&open, "mean") > latency(&closed, "mean"), "{open} and {closed}");
}

/// Four jobs on a device that can do a hundred operations a second, and fifty times as many arrivals.
#[test]
fn what_finds_no_free_job_is_dropped_and_counted() {
    let options = "--mode callback --rate 5000 --ops 2000 --jobs 4 --size 64 --device completion_nsec=10000000;compute_units=1";
    let row = row(options);
    let full = count(&row, "dropped") - count(&row, "dropped_late");
    assert!(full > 0 && count(&row, "ops") + count(&row, "dropped") == 2000, "{row}");
    assert!(number(&row["in_flight_mean"]) <= 4.0, "{row}");
    let told = text(&Folder::new().succeed(options).stdout);
    assert!(told.contains("because all 4 jobs were in flight"), "{told}");
}

/// A billion a second is more than the generator can send, and it does not catch up.
#[test]
fn a_generator_that_does_not_keep_up_says_so() {
    let options = "--mode poll --rate 1000000000 --ops 20000 --size 64";
    let row = row(options);
    assert!(count(&row, "dropped_late") > 0, "{row}");
    // All were intended at once, and are sent one after the other: that is in the latency alone.
    assert!(latency(&row, "mean") > number(&row["service_us"]["mean"]), "{row}");
    let told = text(&Folder::new().succeed(options).stdout);
    let warnings: Vec<&str> = told.lines().filter(|line| line.contains("does not keep up")).collect();
    assert_eq!(warnings.len(), 1, "{told}");
    assert!(warnings[0].starts_with("warning: poll: the generator does not keep up: "), "{told}");
}

/// Both times are there, each with its name.
#[test]
fn latency_and_service_time_stand_side_by_side() {
    let told = text(&Folder::new().succeed("--mode poll --rate 2000 --ops 50").stdout);
    for label in
        ["latency, from the intended time of sending: p50 ", "service, from the sending itself: p50 "]
    {
        assert_eq!(told.lines().filter(|line| line.trim().starts_with(label)).count(), 1, "{told}");
    }
    assert!(told.contains("open loop  poll, asked for 2,000 op/s (poisson), reached "), "{told}");
}
