//! The load generator: runs the whole pause and wake cycle on real data and reports the cost.
//!
//! ```text
//!                     ┌─ no --input: rows of a table ──────────┐    ┌─ --input FILE: the file's bytes ────┐
//!   args ──► plan ──► │ workload: seeded lanes, checked        │ or │ file: pieces ──► jobs, in order out │
//!                     │ in a closed or an open loop            │    │                                     │
//!                     └──────────────────┬─────────────────────┘    └──────────────────┬──────────────────┘
//!                                        └────► runner: keeps jobs in flight ◄──────────┘
//!                                                  │ one file per way of waiting in modes/
//!                                                  ▼
//!                                        meter ──► row ──► report (table or JSON)
//! ```
//!
//! `cargo run --release --example loadgen` needs no options; `--help` lists them.

mod against;
mod alg;
mod answer;
mod args;
mod arrivals;
mod axis;
mod backend;
mod baseline;
mod clock;
mod closed;
mod completions;
mod condition;
mod crew;
mod csv;
mod ending;
mod failure;
mod file;
mod files;
mod find_max;
mod fit;
mod grid;
mod grid_table;
mod hgrm;
mod interrupt;
mod interval_log;
mod job_counts;
mod judging;
mod keys;
mod latency;
mod limits;
mod list;
mod load;
mod meter;
mod mix;
mod modes;
mod open;
mod own_cost;
mod pacing;
mod pays;
mod pictures;
mod plan;
mod progress;
mod queueing;
mod rate_search;
mod repeats;
mod report;
mod rings;
mod row;
mod runner;
mod searches;
mod shared_reading;
mod shortage;
mod stages;
mod stations;
mod steady;
mod sweep;
mod table;
mod threads;
mod timeline;
mod trace;
mod units;
#[path = "../common/usage.rs"]
mod usage;
mod virtual_time;
mod warmup;
mod whole_file;
mod work;
mod workload;
mod wrap;

use std::process::ExitCode;

use args::Parsed;
use failure::Failure;
use plan::Plan;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure::say(&failure.one_line());
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run() -> Result<(), Failure> {
    match args::parse(std::env::args_os())? {
        Parsed::Text(text) => report::print(&text),
        Parsed::Plan(plan) => match *plan {
            Plan::Load(plan) => load::run(&plan),
            Plan::File(plan) => file::run(&plan),
            Plan::Sweep(plan) => sweep::run(&plan),
            Plan::FindMax(plan) => find_max::run(&plan),
            Plan::OwnCost(plan) => own_cost::run(&plan),
        },
    }
}
