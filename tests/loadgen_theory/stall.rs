//! Coordinated omission, in exact numbers: a device that stops for one second, once.
//!
//! ```text
//!   open     |  |  |  |  |  |  |  |  |    sends go on: those of a second find the device stopped, and those behind
//!   closed   ├┤├┤├──── 1 s ────┤├┤├┤      the jobs wait: their number is all that the second hits
//! ```

use super::{MODES, number, row};

/// One unit that takes 100 µs, and stops for one second before request 5,000.
const DEVICE: &str = "--size 64 --ops 10000 --device completion_nsec=100000;compute_units=1;fault=stall:nsec=1000000000,nth=5000";

const FIGURES: [&str; 7] = ["min", "mean", "p50", "p90", "p99", "p999", "max"];

/// Latencies of the open loop in microseconds, ascending: a send each millisecond, first come, first served.
fn expected() -> Vec<f64> {
    let mut free_at = 0.0_f64;
    let mut latencies: Vec<f64> = (0..10_000_u32)
        .map(|number| {
            let sent = f64::from(number) * 1000.0;
            let stopped = if number == 4999 { 1e6 } else { 0.0 };
            free_at = free_at.max(sent) + stopped + 100.0;
            free_at - sent
        })
        .collect();
    latencies.sort_by(f64::total_cmp);
    latencies
}

/// A percentile of the report: the exact one, which its histogram rounds up by less than a thousandth.
#[track_caller]
fn assert_percentile(found: f64, exact: f64, what: &str) {
    assert!((exact..exact * 1.001).contains(&found), "{what}: {found}, not {exact}");
}

#[test]
fn an_open_loop_shows_a_stall_of_one_second_in_its_percentiles() {
    let expected = expected();
    // The stalled one itself, and the exact height of the percentiles.
    assert_eq!(expected.last(), Some(&1_000_100.0));
    assert_eq!(expected.iter().filter(|latency| **latency > 100.0).count(), 1112);
    for mode in MODES {
        let row = row(&format!("--virtual --mode {mode} --rate 1000 --arrivals linear --jobs 2000 {DEVICE}"));
        let [min, mean, p50, p90, p99, p999, max] =
            FIGURES.map(|key| number(&row, &format!("latency_us.{key}")));
        let exact_mean = expected.iter().sum::<f64>() / 10_000.0;
        assert!((mean / exact_mean - 1.0).abs() < 1e-12, "{mode}: {mean}, not {exact_mean}");
        assert_eq!((min, max), (100.0, 1_000_100.0), "{mode}: {row}");
        for (found, rank, what) in
            [(p50, 5000, "p50"), (p90, 9000, "p90"), (p99, 9900, "p99"), (p999, 9990, "p999")]
        {
            assert_percentile(found, expected[rank - 1], &format!("{mode}: {what}"));
        }
        assert!(p99 > 900_000.0 && p999 > 990_000.0, "{mode}: {row}");
    }
}

#[test]
fn a_closed_loop_shows_the_same_stall_in_its_maximum_alone() {
    for mode in MODES {
        let row = row(&format!("--virtual --mode {mode} --jobs 2 {DEVICE}"));
        let figure = |key: &str| number(&row, &format!("latency_us.{key}"));
        // Both jobs wait once for all: everything else takes two service times, and the first takes one.
        assert_eq!((figure("min"), figure("max")), (100.0, 1_000_200.0), "{mode}: {row}");
        for key in ["p50", "p90", "p99", "p999"] {
            assert_percentile(figure(key), 200.0, &format!("{mode}: {key}"));
        }
        let exact_mean = (100.0 + 9997.0 * 200.0 + 2.0 * 1_000_200.0) / 10_000.0;
        assert!((figure("mean") / exact_mean - 1.0).abs() < 1e-12, "{mode}: {row}");
    }
}
