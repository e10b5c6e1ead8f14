//! The values of an axis: ranges, lists, units, and what is refused.

use crate::axis::{Axis, Given};
use crate::grid::Grid;

pub(crate) fn axis(text: &str) -> Axis {
    Given::parse(text).unwrap_or_else(|why| panic!("{text}: {why}")).axis(8)
}

fn values(text: &str) -> Vec<u64> {
    axis(text).values
}

#[test]
fn a_range_of_more_than_a_decade_is_geometric() {
    assert_eq!(values("jobs=1..64"), [1, 2, 3, 6, 11, 20, 35, 64]);
    assert_eq!(values("units=1..1000:4"), [1, 10, 100, 1000]);
    assert_eq!(values("latency=1us..500us:4"), [1_000, 7_900, 63_000, 500_000]);
}

#[test]
fn a_shorter_range_is_linear() {
    assert_eq!(values("jobs=1..10:4"), [1, 4, 7, 10]);
    assert_eq!(values("jobs=1..4"), [1, 2, 3, 4]);
    assert_eq!(values("latency=0us..30us:4"), [0, 10_000, 20_000, 30_000]);
    assert_eq!(values("rate=1000..2000:3"), [1_000, 1_500, 2_000]);
}

#[test]
fn depths_and_geometric_sizes_are_powers_of_two() {
    assert_eq!(values("depth=2..16"), [2, 4, 8, 16]);
    assert_eq!(values("size=64..64k:6"), [64, 256, 1024, 4096, 16384, 65536]);
    assert_eq!(values("size=1k..2k:3"), [1024, 1536, 2048]);
}

#[test]
fn a_range_that_ends_at_the_largest_number_does_not_overflow() {
    assert_eq!(values(&format!("seed=1..{}:2", u64::MAX)), [1, u64::MAX]);
    assert_eq!(values(&format!("seed={}..{}:3", u64::MAX - 1, u64::MAX)), [u64::MAX - 1, u64::MAX]);
}

#[test]
fn a_list_is_sorted_and_has_no_value_twice() {
    assert_eq!(values("jobs=10,1,5,2,5"), [1, 2, 5, 10]);
    assert_eq!(values("size=4k,512,1m"), [512, 4096, 1 << 20]);
    assert_eq!(values("jobs=7"), [7]);
}

#[test]
fn a_time_has_a_unit_and_one_is_enough() {
    assert_eq!(values("latency=500ns,2.5us,1ms,1s"), [500, 2_500, 1_000_000, 1_000_000_000]);
    assert_eq!(values("latency=5..10us:2"), [5_000, 10_000]);
    assert_eq!(values("latency=5,10,20us"), [5_000, 10_000, 20_000]);
    assert_eq!(values("completion_nsec=5,10"), [5, 10]);
    assert_eq!(values("firmware_nsec=1us,2us"), [1_000, 2_000]);
}

#[test]
fn values_are_shown_in_the_unit_of_their_axis() {
    let shown = |text: &str| {
        let axis = axis(text);
        axis.values.iter().map(|value| axis.key.label(*value)).collect::<Vec<_>>()
    };
    assert_eq!(
        shown("latency=0ns,999ns,2.4us,50us,1.5ms,2s"),
        ["0 ns", "999 ns", "2.4 µs", "50 µs", "1.5 ms", "2 s"]
    );
    assert_eq!(shown("size=512,4k,1m"), ["512", "4k", "1m"]);
    assert_eq!(shown("rate=1000"), ["1,000"]);
    let phrase = |text: &str| {
        let axis = axis(text);
        axis.key.phrase(axis.values[0])
    };
    assert_eq!(phrase("jobs=8"), "8 jobs in flight");
    assert_eq!(phrase("jobs=1"), "1 job in flight");
    assert_eq!(phrase("latency=50us"), "a latency of 50 µs");
    assert_eq!(phrase("units=4"), "4 compute units");
    assert_eq!(phrase("intc_nsec=5us"), "intc_nsec=5 µs");
}

#[test]
fn a_bad_axis_is_told_what_is_allowed() {
    for (text, names) in [
        ("", "KEY=A..B:STEPS"),
        ("jobs", "KEY=A..B"),
        ("colour=1..2", "latency, units, depth, jobs, size, rate, threads, queue_pairs"),
        ("latency_dist=1..2", "allowed as KEY"),
        ("jobs=", "whole numbers"),
        ("jobs=1..", "whole numbers"),
        ("jobs=..4", "whole numbers"),
        ("jobs=a..b", "whole numbers"),
        ("jobs=-1..4", "whole numbers"),
        ("jobs=1,,4", "whole numbers"),
        ("jobs=1.5", "whole numbers"),
        ("jobs=4..1", "has to go up"),
        ("jobs=4..4", "has to go up"),
        ("jobs=1..4:1", "2 to 64"),
        ("jobs=1..4:65", "2 to 64"),
        ("jobs=1..4:many", "2 to 64"),
        ("latency=5..10", "times, as in"),
        ("latency=5h", "times, as in"),
        ("latency=0.5ns", "times, as in"),
        ("latency=18446744073709551615s", "times, as in"),
        ("size=1..65m", "1 to 64m"),
    ] {
        let why = Given::parse(text).expect_err(text);
        assert!(why.contains(names), "{text}: {why}");
        assert!(!why.contains('\n'), "{text}: {why}");
    }
}

#[test]
fn the_last_axis_varies_first() {
    let axes = [axis("latency=5us,50us"), axis("jobs=1,8,64")];
    let places: Vec<[u64; 2]> = Grid::places(&axes).iter().map(|at| [at[0], at[1]]).collect();
    assert_eq!(places, [[5_000, 1], [5_000, 8], [5_000, 64], [50_000, 1], [50_000, 8], [50_000, 64]]);
}
