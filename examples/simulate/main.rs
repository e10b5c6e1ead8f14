//! The simulation: random workloads and faults through jobs, wait contexts, engine and stepped device, each decided by a
//! seed, and everything checked after every step.
//!
//! ```text
//!   args ──► --seeds A..B: each seed lives ──► progress ──► one line: seeds, failures, hash over all histories
//!       └──► --seed N [--history]: one seed, in words
//! ```
//!
//! `cargo run --release --example simulate -- --help` lists the options. One seed gives one history: the hash is the same
//! on every machine and in every build profile. (Some seeds are run twice, to see that.)

mod args;
mod memory;
mod progress;
mod sim;
#[path = "../common/usage.rs"]
mod usage;

use std::io::{self, Write};
use std::ops::Range;
use std::process::ExitCode;

use args::{Parsed, Run};
use progress::Progress;
use sim::{Sabotage, Simulation};

#[global_allocator]
static MEMORY: memory::Counting = memory::Counting;

/// One seed in so many is run twice.
const TWICE: u64 = 512;

fn main() -> ExitCode {
    match args::parse(std::env::args_os()) {
        Ok(Parsed::Text(text)) => ended(print(&text)),
        Ok(Parsed::Run(Run { seeds, history, sabotage })) => ended(run(seeds, history, sabotage)),
        Err(line) => {
            say(&line);
            ExitCode::from(2)
        }
    }
}

/// `Ok(true)`: without a failure.
fn run(seeds: Range<u64>, history: bool, sabotage: Option<Sabotage>) -> io::Result<bool> {
    let mut simulation = Simulation::new(sabotage, history);
    let mut progress = Progress::new(&seeds);
    let (mut count, mut failures) = (0, 0_u64);
    for seed in seeds {
        let outcome = if seed % TWICE == 0 { simulation.run_twice(seed) } else { simulation.run(seed) };
        count += 1;
        outcome.printed?;
        if let Some(broken) = outcome.broken {
            failures += 1;
            progress
                .pause(|| print(&format!("seed {seed}: {broken}; again: {}\n", rerun(seed, sabotage))))?;
        }
        progress.at(count, failures);
    }
    drop(progress);
    print(&format!("seeds {count}, failures {failures}, history {}\n", hex::encode(simulation.hash())))?;
    Ok(failures == 0)
}

/// The command that shows what became of a seed.
fn rerun(seed: u64, sabotage: Option<Sabotage>) -> String {
    let sabotage = sabotage.map(|sabotage| format!(" --sabotage {}", sabotage.name())).unwrap_or_default();
    format!("cargo run --release --example simulate -- --seed {seed} --history{sabotage}")
}

fn print(text: &str) -> io::Result<bool> {
    let mut out = io::stdout();
    out.write_all(text.as_bytes()).and_then(|()| out.flush())?;
    Ok(true)
}

/// Prints a line on standard error. If that fails, the exit code has to do.
fn say(line: &str) {
    let _ = io::stderr().write_all(format!("simulate: {line}\n").as_bytes());
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
