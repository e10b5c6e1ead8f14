//! What a model costs: jobs of 64 bytes, polled, on a modelled device and on an ideal one, in turns.
//!
//! Neither the units nor the service time may be the limit, because the price of modelling is asked for.
//! 1,024 units never wait for each other here. With a service time of 1 µs, 64 jobs in flight could run 64
//! times a µs, several times as often as one thread of this host computes them; and it is far from 0, so that
//! each completion waits in the model. The fault rule counts every request and strikes none. Every request is
//! timed.

use super::{Figure, JOBS, Run};
use crate::harness::{Outcome, contest};
use crate::kernels::Ctr;
use crate::lanes::{Driven, Lanes};
use crate::ours::{Algorithm, Polled, Sessions, open};

/// The figures, by jobs in flight.
const FIGURES: [(&str, usize); 2] = [("model64_vs_ideal", JOBS), ("model64_1k_vs_ideal", 1_024)];

/// What makes the device a modelled one.
const MODEL: &str = "compute_units=1024;completion_nsec=1000;fault=fail:every=1000000000;timing=all";

pub(super) fn measure(run: &Run) -> Outcome<Vec<Figure>> {
    let wanted = FIGURES.into_iter().filter(|(key, _)| run.wants(key));
    wanted.map(|(key, jobs)| compare(key, jobs, run)).collect()
}

fn compare(key: &'static str, jobs: usize, run: &Run) -> Outcome<Figure> {
    let polled = |model: &str| {
        let engine = open(&format!("delivery=poll;depth={};{model}", 2 * jobs), &run.placement)?;
        let polled = Polled::new(engine, jobs, Algorithm::Ctr, Sessions::One)?;
        Outcome::Ok(Driven::new(polled, Lanes::new(jobs, 64, &Ctr::new())))
    };
    let (mut modelled, mut ideal) = (polled(MODEL)?, polled("")?);
    let taken = contest(run.effort, &mut [&mut modelled, &mut ideal])?;
    Ok(Figure::speed(key, taken[0], taken[1]))
}
