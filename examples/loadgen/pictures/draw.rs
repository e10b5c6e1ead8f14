//! Which pictures there are of a report, each with the name of its file.

use super::axis::{Axis, Unit};
use super::chart::{Chart, Series};
use super::heat;
use super::svg::Picture;
use crate::grid::Grid;
use crate::report::Report;
use crate::row::{Drawn, Row, short_device};
use crate::units::{grouped, short_time};

const TIME: &str = "time since the start of the row (s)";

/// A picture, and the name of its file without the ending.
pub(super) struct Named {
    pub(super) name: String,
    pub(super) picture: Picture,
}

pub(super) fn all(report: &Report, grid: Option<&Grid>) -> Vec<Named> {
    let rows: Vec<(&Row, &Drawn)> =
        report.rows.iter().filter_map(|row| Some((row, row.drawn.as_ref()?))).collect();
    let named = |name: &str, picture| Named { name: name.to_owned(), picture };
    let mut all: Vec<_> =
        grid.and_then(heat::draw).map(|picture| named("sweep", picture)).into_iter().collect();
    if rows.is_empty() {
        return all;
    }
    all.push(named("percentiles", percentiles(&rows)));
    all.push(named("throughput", throughput(&rows)));
    all.push(named("in-flight", in_flight(&rows)));
    let latencies = rows.iter().enumerate().map(|(index, (row, drawn))| Named {
        name: format!("latency-{}", index + 1),
        picture: latency(index + 1, row, drawn, &rows),
    });
    all.extend(latencies);
    all
}

/// A row in a few words: what tells it from the others.
pub(super) fn name(row: &Row) -> String {
    let mut name = row.mode.name().to_owned();
    if row.jobs > 1 {
        name += &format!(", {} jobs", grouped(row.jobs));
    }
    if let Some(paced) = &row.paced {
        name += &format!(", open at {} op/s", grouped(format_args!("{:.0}", paced.rate)));
    }
    if let Some(device) = &row.device {
        name += &format!(", {}", short_device(device));
    }
    name
}

fn series(row: &Row, points: impl Iterator<Item = (f64, f64)>) -> Series {
    Series { name: name(row), points: points.map(Some).collect() }
}

fn percentiles(rows: &[(&Row, &Drawn)]) -> Picture {
    let values = rows.iter().flat_map(|(_, drawn)| drawn.percentiles.iter().map(|(_, micros)| *micros));
    Chart {
        title: "Latency by percentile".to_owned(),
        x: Axis::shares("share of operations that took at most so long (%, log scale)"),
        y: Axis::of_latencies(values),
        series: rows
            .iter()
            .map(|(row, drawn)| {
                series(row, drawn.percentiles.iter().map(|(share, micros)| (1.0 / (1.0 - share), *micros)))
            })
            .collect(),
        height: 260.0,
    }
    .draw()
}

/// The longest row, in seconds.
fn longest(rows: &[(&Row, &Drawn)]) -> f64 {
    rows.iter().map(|(_, drawn)| drawn.samples.ended().as_secs_f64()).fold(0.0, f64::max)
}

fn throughput(rows: &[(&Row, &Drawn)]) -> Picture {
    let values = rows.iter().flat_map(|(_, drawn)| drawn.samples.rates().map(|(_, rate)| rate));
    Chart {
        title: "Throughput over time".to_owned(),
        x: Axis::linear_until(TIME, longest(rows)),
        y: Axis::of_rates(values),
        series: rows.iter().map(|(row, drawn)| series(row, drawn.samples.rates())).collect(),
        height: 260.0,
    }
    .draw()
}

fn in_flight(rows: &[(&Row, &Drawn)]) -> Picture {
    let values = rows.iter().flat_map(|(_, drawn)| drawn.samples.in_flight().map(|(_, jobs)| jobs));
    Chart {
        title: "In flight over time".to_owned(),
        x: Axis::linear_until(TIME, longest(rows)),
        y: Axis::linear("operations in flight, mean of a sample", values.fold(1.0, f64::max), Unit::Count),
        series: rows.iter().map(|(row, drawn)| series(row, drawn.samples.in_flight())).collect(),
        height: 260.0,
    }
    .draw()
}

/// One row's; the latency axis is the same for all rows, so that they can be compared.
fn latency(number: usize, row: &Row, drawn: &Drawn, rows: &[(&Row, &Drawn)]) -> Picture {
    let values = rows.iter().flat_map(|(_, drawn)| {
        drawn.samples.iter().flat_map(|(_, sample)| [sample.quantile(0.5), sample.max()]).flatten()
    });
    let line = |name: &str, of: &dyn Fn(&crate::timeline::Sample) -> Option<f64>| Series {
        name: name.to_owned(),
        points: drawn.samples.iter().map(|(at, sample)| Some((at, of(sample)?))).collect(),
    };
    let period = short_time(drawn.samples.period());
    Chart {
        title: format!("Row {number}: {}", name(row)),
        x: Axis::linear_until(TIME, drawn.samples.ended().as_secs_f64()),
        y: Axis::of_latencies(values),
        series: vec![
            line(&format!("p50 of each {period}"), &|sample| sample.quantile(0.5)),
            line("p99", &|sample| sample.quantile(0.99)),
            line("max; interrupted where nothing ended", &|sample| sample.max()),
        ],
        height: 180.0,
    }
    .draw()
}
