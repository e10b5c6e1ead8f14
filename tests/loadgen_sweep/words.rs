//! Words and tables that follow from the numbers of a grid: made-up figures.

use serde_json::{Value, json};

use crate::axes::axis;
use crate::grid::{Figures, Grid, Point};
use crate::grid_table;
use crate::pays::words;

/// A grid whose points have these factors in operations a second, and in processor time; software does
/// 100,000 operations a second in 1,000 ns each.
fn grid(axes: &[&str], factors: &[(f64, Option<f64>)]) -> Grid {
    let axes: Vec<_> = axes.iter().map(|text| axis(text)).collect();
    let places = Grid::places(&axes);
    assert_eq!(places.len(), factors.len());
    let figures = |ops: f64, cpu: Option<f64>| Figures {
        ops_per_second: 100_000.0 * ops,
        p50: 10.0,
        p99: 123_456.0,
        cpu_ns_per_op: cpu.map(|cpu| 1_000.0 * cpu),
    };
    let points = places.into_iter().zip(factors).map(|(at, (ops, cpu))| Point {
        at,
        offload: figures(*ops, *cpu),
        software: Some(figures(1.0, Some(1.0))),
        row: json!({ "mode": "wake-fd" }),
    });
    Grid { points: points.collect(), axes }
}

/// What is said of operations a second, where processor time is never saved.
fn said(axes: &[&str], factors: &[f64]) -> String {
    let factors: Vec<_> = factors.iter().map(|factor| (*factor, Some(2.0))).collect();
    let mut lines = words(&grid(axes, &factors));
    assert_eq!(lines.pop().unwrap(), "offload pays in the caller's processor time nowhere in this grid");
    lines.join("\n")
}

#[test]
fn one_axis_is_told_by_the_stretch_where_offload_pays() {
    for (axis, factors, expected) in [
        ("jobs=1,8,64", [0.1, 1.2, 1.3], "from 8 jobs in flight on"),
        ("latency=5us,50us,500us", [1.2, 1.1, 0.9], "up to a latency of 50 µs"),
        ("size=512,4k,64k", [0.2, 1.1, 0.3], "at 4k bytes"),
        ("units=1,2,4", [0.1, 1.0, 1.1], "from 4 compute units on"),
        ("units=1,2,4", [1.1, 1.0, 0.9], "up to 1 compute unit"),
        ("jobs=1,8,64", [0.1, 0.2, 0.3], "nowhere in this grid"),
        ("jobs=1,8,64", [1.1, 1.2, 1.3], "everywhere in this grid"),
        ("jobs=1,8,64", [1.1, 0.9, 1.3], "at 2 jobs of 3 values, not in one stretch (1, 64)"),
    ] {
        assert_eq!(said(&[axis], &factors), format!("offload pays in operations a second {expected}"));
    }
    let middle = said(&["size=512,1k,4k,64k"], &[0.2, 1.1, 1.1, 0.3]);
    assert_eq!(middle, "offload pays in operations a second from 1k to 4k bytes");
}

#[test]
fn processor_time_has_words_of_its_own() {
    let grid = grid(&["jobs=1,8,64"], &[(0.1, Some(3.0)), (1.2, Some(1.0)), (1.3, Some(0.4))]);
    let expected = [
        "offload pays in operations a second from 8 jobs in flight on",
        "offload pays in the caller's processor time from 64 jobs in flight on",
    ];
    assert_eq!(words(&grid), expected);
}

#[test]
fn processor_time_that_was_not_measured_is_not_compared() {
    let grid = grid(&["rate=1000,2000"], &[(0.9, None), (1.8, None)]);
    let lines = words(&grid);
    assert_eq!(lines[0], "offload pays in operations a second from 2,000 op/s sent on");
    assert!(lines[1].contains("was not measured"), "{lines:?}");
}

#[test]
fn two_axes_are_told_along_the_jobs() {
    let expected = "offload pays in operations a second\n  \
         everywhere from 1 to 64 jobs in flight with a latency of 1 µs\n  \
         from 8 jobs in flight on with a latency of 5 to 50 µs\n  \
         nowhere with a latency of 1 ms";
    let by_latency = [
        [1.1, 1.2, 1.3], //
        [0.3, 1.4, 1.7],
        [0.1, 1.1, 1.2],
        [0.1, 0.2, 0.3],
    ];
    assert_eq!(said(&["latency=1us,5us,50us,1ms", "jobs=1,8,64"], by_latency.as_flattened()), expected);
    let by_jobs: Vec<f64> = (0..3).flat_map(|jobs| by_latency.map(|row| row[jobs])).collect();
    assert_eq!(said(&["jobs=1,8,64", "latency=1us,5us,50us,1ms"], &by_jobs), expected);
}

#[test]
fn a_line_a_point_has_the_figures_of_that_point() {
    let grid = grid(&["jobs=1,8,64"], &[(0.05, Some(3.0)), (1.2, Some(0.5)), (1.3, None)]);
    let text = grid_table::text(&grid);
    let cells = |line: usize| text.lines().nth(line).unwrap().split_whitespace().collect::<Vec<_>>();
    assert_eq!(cells(3), ["1", "5,000", "10.0", "123ms", "3,000", "0.050", "3.00"]);
    assert_eq!(cells(4), ["8", "120,000", "10.0", "123ms", "500", "1.20", "*", "0.50", "*"]);
    assert_eq!(cells(5), ["64", "130,000", "10.0", "123ms", "-", "1.30", "*", "-"]);
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
}

#[test]
fn a_matrix_has_each_factor_at_its_place() {
    let factors = [(0.1, None), (1.2, None), (0.3, None), (0.04, None), (5.0, None), (2.0, None)];
    // Three values go down in either order.
    let text = grid_table::text(&grid(&["latency=5us,50us", "jobs=1,8,64"], &factors));
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["jobs", "\\", "latency", "5", "µs", "50", "µs"]);
    assert_eq!(rows[2], ["1", "0.10", "0.040"]);
    assert_eq!(rows[3], ["8", "1.20", "*", "5.00", "*"]);
    assert_eq!(rows[4], ["64", "0.30", "2.00", "*"]);
    let text = grid_table::text(&grid(&["jobs=1,8,64", "latency=5us,50us"], &factors));
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[2], ["1", "0.10", "1.20", "*"]);
    assert_eq!(rows[4], ["64", "5.00", "*", "2.00", "*"]);
}

#[test]
fn json_has_the_axes_and_each_point_with_its_row() {
    let json = grid(
        &["latency=5us,50us", "jobs=1,8"],
        &[(0.5, Some(2.0)), (1.5, Some(1.0)), (0.1, None), (2.0, None)],
    )
    .json();
    assert_eq!(json["axes"][0], json!({ "key": "latency", "unit": "ns", "values": [5_000, 50_000] }));
    assert_eq!(json["axes"][1], json!({ "key": "jobs", "unit": "", "values": [1, 8] }));
    let point = &json["points"][1];
    assert_eq!(point["at"], json!({ "latency": 5_000, "jobs": 8 }));
    assert_eq!((&point["factor"], &point["cpu_factor"]), (&json!(1.5), &json!(1.0)));
    assert_eq!(point["software_ops_per_second"], json!(100_000.0));
    assert_eq!(point["row"]["mode"], json!("wake-fd"));
    assert_eq!(json["points"][2]["cpu_factor"], Value::Null);
    assert_eq!(json["points"].as_array().unwrap().len(), 4);
}
