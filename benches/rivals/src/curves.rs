//! How costs grow with the jobs in flight, and with threads that each have their own queue pair and worker;
//! and how late a modelled device is at each service time.
//!
//! AES-128-CTR of 64 bytes, completions polled: almost no arithmetic, so the path dominates. The points of a
//! curve are measured in turns, like the sides of a comparison.

use std::path::Path;
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use simaccel::Engine;

use crate::figures::{JOBS, late};
use crate::harness::{Effort, Outcome, Side, Taken, contest};
use crate::kernels::Ctr;
use crate::lanes::{Drive, Driven, Lanes};
use crate::ours::{Algorithm, Polled, Sessions, open};
use crate::placement::Placement;
use crate::report;
use crate::svg::{self, Curve};

/// Jobs in flight of one thread.
const IN_FLIGHT: [usize; 4] = [1, 100, 10_000, 100_000];
/// Threads, queue pairs, workers.
const THREADS: [usize; 4] = [1, 2, 4, 8];

/// Measures all curves, prints them, and draws them into `file`.
pub(crate) fn draw(file: &Path, effort: Effort, placement: &Placement) -> Outcome<()> {
    let curves = [in_flight(effort, placement)?, threads(effort, placement)?, lateness(effort, placement)?];
    for Curve { what, title, points } in &curves {
        report::say(format_args!("{what}, by {title}"))?;
        for (label, value) in points {
            report::say(format_args!("{label:>9} {value:>9.1}"))?;
        }
    }
    let picture = svg::draw(&curves);
    std::fs::write(file, picture).map_err(|error| format!("{}: {error}", file.display()).into())
}

fn in_flight(effort: Effort, placement: &Placement) -> Outcome<Curve> {
    let mut sides = IN_FLIGHT
        .iter()
        .map(|&jobs| {
            let depth = jobs.next_power_of_two().max(128);
            // Two pairs: the last one is shared, and has a lock.
            let engine = open(&format!("delivery=poll;depth={depth};queue_pairs=2"), placement)?;
            let polled = Polled::new(engine, jobs, Algorithm::Ctr, Sessions::One)?;
            Ok(Whole { driven: Driven::new(polled, lanes(jobs)), jobs: jobs as u64 })
        })
        .collect::<Outcome<Vec<_>>>()?;
    let mut sides: Vec<&mut dyn Side> = sides.iter_mut().map(|side| side as &mut dyn Side).collect();
    curve("jobs in flight", &IN_FLIGHT, &contest(effort, &mut sides)?)
}

fn threads(effort: Effort, placement: &Placement) -> Outcome<Curve> {
    let mut sides = THREADS
        .iter()
        .map(|&threads| {
            // One more pair: the last one is shared by all threads that find no other.
            let config = format!("delivery=poll;depth=128;queue_pairs={};workers={threads}", threads + 1);
            let engine = Engine::open(simaccel::Config::parse(&config)?);
            Ok(Threads { engine: engine?, threads, placement: *placement })
        })
        .collect::<Outcome<Vec<_>>>()?;
    let mut sides: Vec<&mut dyn Side> = sides.iter_mut().map(|side| side as &mut dyn Side).collect();
    curve("threads and queue pairs, 64 jobs each", &THREADS, &contest(effort, &mut sides)?)
}

fn curve(title: &'static str, at: &[usize], taken: &[Taken]) -> Outcome<Curve> {
    let points = at.iter().map(ToString::to_string).zip(taken.iter().map(|taken| taken.best)).collect();
    Ok(Curve { what: "ns per operation", title, points })
}

fn lateness(effort: Effort, placement: &Placement) -> Outcome<Curve> {
    let at = late::SERVICE.iter().map(ToString::to_string);
    let points = at.zip(late::medians(effort, placement)?).collect();
    Ok(Curve { what: "ns late, median", title: "service time in µs", points })
}

fn lanes(count: usize) -> Lanes {
    Lanes::new(count, 64, &Ctr::new())
}

/// A side whose runs are long enough to have every job in flight ten times.
struct Whole {
    driven: Driven<Polled>,
    jobs: u64,
}

impl Side for Whole {
    fn run(&mut self, ops: u64) -> Outcome<f64> {
        self.driven.run(ops.max(10 * self.jobs))
    }

    fn check(&mut self) -> Outcome<()> {
        self.driven.check()
    }
}

/// Threads that all do the same at the same time on one engine, wherever the system runs them.
struct Threads {
    engine: Engine,
    threads: usize,
    placement: Placement,
}

impl Side for Threads {
    /// From the start of the first thread to the end of the last one.
    fn run(&mut self, ops: u64) -> Outcome<f64> {
        let each = ops.div_ceil(self.threads as u64).max(10 * JOBS as u64);
        let ready = Barrier::new(self.threads);
        let times = self.placement.anywhere(|| {
            thread::scope(|scope| {
                let one = || one_thread(&self.engine, each, &ready).map_err(|error| error.to_string());
                let all: Vec<_> = (0..self.threads).map(|_| scope.spawn(one)).collect();
                let joined =
                    all.into_iter().map(|thread| thread.join().map_err(|_| "a thread has panicked")?);
                joined.collect::<Result<Vec<(Instant, Instant)>, String>>()
            })
        })??;
        let begun = times.iter().map(|(begun, _)| *begun).min();
        let ended = times.iter().map(|(_, ended)| *ended).max();
        let time = begun.zip(ended).map(|(begun, ended)| ended - begun).ok_or("there was no thread")?;
        Ok(time.as_nanos() as f64 / (each * self.threads as u64) as f64)
    }
}

/// Returns when it began and ended.
fn one_thread(engine: &Engine, ops: u64, ready: &Barrier) -> Outcome<(Instant, Instant)> {
    let prepared = prepare(engine);
    // In any case: the others wait for it.
    ready.wait();
    let (mut polled, mut lanes) = prepared?;
    let begun = Instant::now();
    polled.drive(&mut lanes, ops)?;
    Ok((begun, Instant::now()))
}

/// Runs every job once, and checks the results.
fn prepare(engine: &Engine) -> Outcome<(Polled, Lanes)> {
    let mut lanes = lanes(JOBS);
    let mut polled = Polled::new(engine.clone(), JOBS, Algorithm::Ctr, Sessions::One)?;
    polled.drive(&mut lanes, JOBS as u64)?;
    lanes.check()?;
    Ok((polled, lanes))
}
