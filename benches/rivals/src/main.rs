//! simaccel compared with its peers: libcrypto's jobs, crossbeam-channel, tokio, and the bare kernels.
//!
//! ```text
//!   cargo run --release --manifest-path benches/rivals/Cargo.toml            the table
//!   ... -- --only cycle_1,pair --contests 5 --json FILE                      some of it, and for programs
//!   ... -- --curves FILE.svg                                                 how costs grow
//!
//!   targets   what is measured, and how far it shall get
//!   figures/  the groups that are measured together ──┐
//!   ours, awaited   simaccel's sides, public interface ├──► harness: in turns, best round of each ──► report
//!   peers/    the other sides                          │
//!   kernels   the bare kernels, lanes: what is worked on, and whether the results are right
//! ```
//!
//! A separate crate outside of the workspace, so that the rivals' dependencies never touch the project's. It
//! links libcrypto (header package `libssl-dev` on Debian). It measures, and fails on no result.

mod args;
mod awaited;
mod curves;
mod epoll;
mod figures;
mod harness;
mod kernels;
mod lanes;
mod libcrypto;
mod ours;
mod peers;
mod placement;
mod report;
mod svg;
mod targets;

use std::process::ExitCode;

use crate::args::Task;
use crate::figures::Run;
use crate::harness::{Effort, Outcome};
use crate::placement::Placement;

fn main() -> ExitCode {
    let task = match args::parse(std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()))
    {
        Ok(task) => task,
        Err(message) => {
            report::complain(&message);
            return ExitCode::from(2);
        }
    };
    match perform(task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::complain(&error);
            ExitCode::FAILURE
        }
    }
}

fn perform(task: Task) -> Outcome<()> {
    match task {
        Task::Help => report::say(args::HELP)?,
        Task::Count(side) => figures::count_memory(side)?,
        Task::Curves(file, effort) => curves::draw(&file, effort, &Placement::take()?)?,
        Task::Measure { wanted, effort, contests, json } => {
            let Effort { rounds, slice } = effort;
            let version = libcrypto::version();
            report::say(format_args!(
                "beside {version}; {contests} contests of {rounds} rounds of {slice:?}"
            ))?;
            let run = Run { effort, contest: 0, placement: Placement::take()?, wanted };
            let all = figures::measure(&run, contests)?;
            report::print(&all)?;
            if let Some(file) = json {
                report::write_json(&all, &file)?;
            }
        }
    }
    Ok(())
}
