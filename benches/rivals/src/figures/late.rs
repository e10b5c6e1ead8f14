//! How late a modelled device is: what it adds to the configured service time, with the default
//! configuration, one request at a time. The device measures it itself, from the time a request is due until
//! its end is published.

use std::time::Duration;

use simaccel::Engine;

use super::{Figure, Run};
use crate::harness::{Effort, Outcome};
use crate::ours::{Algorithm, open, session};
use crate::placement::Placement;

/// Service times, in microseconds: shorter and longer than the worker watches the clock, and than it looks
/// for work.
pub(crate) const SERVICE: [u64; 11] = [10, 20, 50, 60, 100, 150, 200, 500, 1_000, 2_000, 10_000];
/// The minimum of requests at each.
const FEWEST: u64 = 15;

pub(super) fn measure(run: &Run) -> Outcome<Vec<Figure>> {
    if !run.wants("late") {
        return Ok(Vec::new());
    }
    let late = medians(run.effort, &run.placement)?;
    let most = late.into_iter().fold(0.0, f64::max);
    Ok(vec![Figure::number("late", most, None, "ns")])
}

/// The median lateness at each service time, in nanoseconds.
pub(crate) fn medians(effort: Effort, placement: &Placement) -> Outcome<Vec<f64>> {
    SERVICE.iter().map(|&micros| median(micros, effort, placement)).collect()
}

fn median(micros: u64, effort: Effort, placement: &Placement) -> Outcome<f64> {
    let service = Duration::from_micros(micros);
    let engine = open(&format!("compute_units=4;completion_nsec={}", service.as_nanos()), placement)?;
    let (ops, warm_up) = (FEWEST.max((4 * effort.slice.as_nanos() / service.as_nanos()) as u64), 5);
    run(&engine, ops + warm_up)?;
    let late = engine.stats().device.completion_error;
    if late.count() < ops {
        return Err(format!("{ops} requests, and the device knows of {}", late.count()).into());
    }
    Ok(late.quantile(0.5) as f64)
}

fn run(engine: &Engine, ops: u64) -> Outcome<()> {
    let session = session(engine, Algorithm::Ctr)?;
    let mut buffer = vec![7; 64];
    for _ in 0..ops {
        buffer = session.encrypt(&[1; 16], buffer)?;
    }
    Ok(())
}
