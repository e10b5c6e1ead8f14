//! A point on the device itself, in virtual time: a closed loop of requests without work of their own.

use std::time::Duration;

use simaccel_device::{Call, Config, Delivery, Device, QueuePair, Request};

use super::points::Point;
use crate::failure::Failure;

/// The name of the requests.
const NAME: &str = "fit";

/// Turns of all jobs until the device is taken to be in its rhythm, and the turns that are measured.
const WARM_UP: usize = 8;
const MEASURED: usize = 16;

/// Nanoseconds an operation, on average, on a device with these keys.
pub(super) fn nsec_each(keys: &str, point: &Point) -> Result<f64, Failure> {
    let depth = point.jobs.next_power_of_two().max(2);
    let text = format!("{keys};queue_pairs=1;depth={depth};operation={NAME}");
    let failed = |error: &dyn std::fmt::Display| Failure::Run(format!("the device for the fit: {error}"));
    let config = Config::parse(&text).map_err(|error| failed(&error))?;
    let device = Device::stepped(&config).map_err(|error| failed(&error))?;
    let mut pair = device.take_queue_pairs().pop().ok_or_else(|| failed(&"it has no queue pair"))?;
    let mut ends: Vec<Duration> = Vec::new();
    for _ in 0..point.jobs {
        submit(&mut pair, point)?;
    }
    let wanted = (WARM_UP + MEASURED + 1) * point.jobs;
    let mut done = Vec::new();
    while ends.len() < wanted {
        if !device.step() {
            return Err(failed(&"it has stopped"));
        }
        pair.reap(usize::MAX, &mut |completion| done.push(completion.ticket));
        for ticket in done.drain(..) {
            pair.take(ticket);
            ends.push(device.now());
            submit(&mut pair, point)?;
        }
    }
    Ok(slope(&ends[WARM_UP * point.jobs..wanted], point.jobs))
}

fn submit(pair: &mut QueuePair, point: &Point) -> Result<(), Failure> {
    let request = Request::of_call(Call::new(NAME, point.bytes as u64, || ()));
    let submitted = pair.submit(request, Delivery::Reap { owner: 0 });
    submitted.map(|_| ()).map_err(|error| Failure::Run(format!("the device for the fit: {error}")))
}

/// From the mean of one turn's ends to that of a later turn's: where in the rhythm a turn begins is the same
/// for both.
#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn slope(ends: &[Duration], jobs: usize) -> f64 {
    let mean = |turn: &[Duration]| {
        let from = ends[0];
        turn.iter().map(|end| (*end - from).as_nanos() as f64).sum::<f64>() / turn.len() as f64
    };
    let (first, last) = (mean(&ends[..jobs]), mean(&ends[MEASURED * jobs..]));
    (last - first) / (MEASURED * jobs) as f64
}
