//! The simulation: random workloads and faults through jobs, wait contexts, engine and stepped device, each
//! decided by a seed, and everything checked after every step.
//!
//! ```text
//!   args ──► --seeds A..B: each seed lives ──► progress ──► one line: seeds, failures, hash over all histories
//!       │                                  └─► fails? --shrink: the fewest actions that are enough
//!       └──► --seed N [--history] [--only ACTIONS]: one seed, in words
//! ```
//!
//! `cargo run --release --example simulate -- --help` lists the options. One seed gives one history: the hash
//! is the same on every machine and in every build profile. (Some seeds run twice, to check that.)

mod args;
mod memory;
mod progress;
mod sim;
#[path = "../common/usage.rs"]
mod usage;

use std::io::{self, Write};
use std::process::ExitCode;

use args::{Parsed, Run};
use progress::Progress;
use sim::{Sabotage, Shrunk, Simulation};

#[global_allocator]
static MEMORY: memory::Counting = memory::Counting;

/// One seed in this many runs twice.
const TWICE: u64 = 512;

fn main() -> ExitCode {
    match args::parse(std::env::args_os()) {
        Ok(Parsed::Text(text)) => ended(print(&text)),
        Ok(Parsed::Run(run)) => {
            let mut simulation = Simulation::new(run.sabotage, run.history);
            match &run.only {
                Some(only) => run_only(&mut simulation, run.seeds.start, only, run.sabotage),
                None => ended(run_all(&mut simulation, &run)),
            }
        }
        Err(line) => refuse(&line),
    }
}

/// `Ok(true)`: without a failure.
fn run_all(simulation: &mut Simulation, run: &Run) -> io::Result<bool> {
    let mut progress = Progress::new(&run.seeds);
    let (mut count, mut failures) = (0, 0_u64);
    for seed in run.seeds.clone() {
        let outcome = if seed % TWICE == 0 { simulation.run_twice(seed) } else { simulation.run(seed) };
        count += 1;
        outcome.printed?;
        if let Some(broken) = &outcome.broken {
            failures += 1;
            let again = rerun(seed, None, run.sabotage);
            let mut told = format!("seed {seed}: {}: {broken}; again: {again}\n", outcome.part);
            if run.shrink {
                told += &shrink(simulation, seed, run.sabotage);
            }
            progress.pause(|| print(&told))?;
        }
        progress.at(count, failures);
    }
    drop(progress);
    print(&summary(simulation, count, failures))?;
    Ok(failures == 0)
}

fn run_only(simulation: &mut Simulation, seed: u64, only: &[usize], sabotage: Option<Sabotage>) -> ExitCode {
    let outcome = match simulation.run_only(seed, only) {
        Ok(outcome) => outcome,
        Err(0) => return refuse(&format!("--only: seed {seed} has no actions")),
        Err(count) => return refuse(&format!("--only: allowed are 0 to {}, for seed {seed}", count - 1)),
    };
    let told = outcome.broken.as_ref().map(|broken| {
        let again = rerun(seed, Some(only), sabotage);
        format!("seed {seed}: {}: {broken}; again: {again}\n", outcome.part)
    });
    let failures = u64::from(told.is_some());
    let told = told.unwrap_or_default() + &summary(simulation, 1, failures);
    let printed = outcome.printed.map_err(io::Error::from).and_then(|()| print(&told));
    ended(printed.map(|_| failures == 0))
}

fn summary(simulation: &Simulation, count: u64, failures: u64) -> String {
    format!("seeds {count}, failures {failures}, history {}\n", hex::encode(simulation.hash()))
}

/// What is left of a seed that fails, in a line.
fn shrink(simulation: &mut Simulation, seed: u64, sabotage: Option<Sabotage>) -> String {
    let Some(Shrunk { only, of, broken }) = simulation.shrink(seed) else {
        return format!("seed {seed}: it does not fail when it is run alone\n");
    };
    let again = rerun(seed, Some(&only), sabotage);
    format!("seed {seed}: {} of {of} actions are enough: {broken}; again: {again}\n", only.len())
}

/// The command that shows what became of a seed.
fn rerun(seed: u64, only: Option<&[usize]>, sabotage: Option<Sabotage>) -> String {
    let list = |only: &[usize]| match only {
        [] => "none".to_owned(),
        _ => only.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
    };
    let only = only.map(|only| format!(" --only {}", list(only))).unwrap_or_default();
    let sabotage = sabotage.map(|sabotage| format!(" --sabotage {}", sabotage.name())).unwrap_or_default();
    format!("cargo run --release --example simulate -- --seed {seed}{only} --history{sabotage}")
}

fn print(text: &str) -> io::Result<bool> {
    let mut out = io::stdout();
    out.write_all(text.as_bytes()).and_then(|()| out.flush())?;
    Ok(true)
}

/// Prints a line on standard error. If that fails, the exit code must suffice.
fn say(line: &str) {
    let _ = io::stderr().write_all(format!("simulate: {line}\n").as_bytes());
}

fn refuse(line: &str) -> ExitCode {
    say(line);
    ExitCode::from(2)
}

fn ended(outcome: io::Result<bool>) -> ExitCode {
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("standard output: {error}"));
            ExitCode::FAILURE
        }
    }
}
