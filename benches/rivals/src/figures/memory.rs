//! The memory of a paused job: resident memory before and after, in a new process for each side and round.
//!
//! A process that has had many jobs keeps their stacks for later ones, so its own growth would say nothing.
//! The program starts itself with `--count-memory SIDE`, and the child prints its counts.

use std::fs;
use std::process::Command;

use simaccel::{Job, Step, WaitCtx, job};

use super::{Figure, Run};
use crate::harness::Outcome;
use crate::libcrypto;
use crate::report::say;

/// Paused jobs of either side.
const JOBS: usize = 100_000;
/// The most mappings that this many guarded jobs may have, to meet the aim.
const MAPPINGS: usize = 100;

/// The side to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counted {
    Ours,
    Libcrypto,
}

impl Counted {
    pub(crate) const NAMES: &'static str = "ours, libcrypto";

    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name {
            "ours" => Some(Self::Ours),
            "libcrypto" => Some(Self::Libcrypto),
            _ => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Libcrypto => "libcrypto",
        }
    }
}

/// The counts of a child.
struct Growth {
    bytes_per_job: f64,
    page_table_bytes_per_job: f64,
    mappings: usize,
}

pub(super) fn measure(run: &Run) -> Outcome<Vec<Figure>> {
    // Memory does not depend on other processes: once is enough.
    if !run.wants("rss_per_job") || run.contest > 0 {
        return Ok(Vec::new());
    }
    let mut best = [f64::INFINITY; 2];
    let mut ours = None;
    for _ in 0..7 {
        for (best, side) in best.iter_mut().zip([Counted::Ours, Counted::Libcrypto]) {
            let growth = in_child(side)?;
            *best = best.min(growth.bytes_per_job);
            if side == Counted::Ours {
                ours = Some(growth);
            }
        }
    }
    if let Some(Growth { page_table_bytes_per_job, mappings, .. }) = ours {
        let verdict = if mappings < MAPPINGS { "met" } else { "missed" };
        say(format_args!(
            "{JOBS} guarded jobs paused: {mappings} mappings (below {MAPPINGS}: {verdict}); \
             page tables beside: {page_table_bytes_per_job:.0} bytes per job"
        ))?;
    }
    Ok(vec![Figure::number("rss_per_job", best[0], Some(best[1]), "B")])
}

fn in_child(side: Counted) -> Outcome<Growth> {
    let program = std::env::current_exe()?;
    let output = Command::new(program).args(["--count-memory", side.name()]).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    let text = String::from_utf8(output.stdout)?;
    let mut numbers = text.split_whitespace();
    let mut next = || numbers.next().ok_or("the child has printed too little");
    Ok(Growth {
        bytes_per_job: next()?.parse()?,
        page_table_bytes_per_job: next()?.parse()?,
        mappings: next()?.parse()?,
    })
}

/// In the child: pauses jobs, and prints bytes per job, bytes of page tables per job, and all mappings of the
/// process.
pub(crate) fn count_memory(side: Counted) -> Outcome<()> {
    match side {
        Counted::Ours => {
            let ctx = WaitCtx::new();
            report(|jobs: &mut Vec<Job<()>>| {
                let mut job = Job::new(&ctx, || {
                    let _ = job::pause();
                })?;
                let paused = job.resume()? == Step::Paused;
                jobs.push(job);
                Ok(paused)
            })
        }
        Counted::Libcrypto => {
            let (ctx, _pool) = (libcrypto::WaitCtx::new()?, libcrypto::Pool::new(0)?);
            report(|jobs: &mut Vec<libcrypto::Job<()>>| {
                let mut job = libcrypto::Job::new();
                let paused = job.step(&ctx, |()| libcrypto::pause(), ())? == libcrypto::Step::Paused;
                jobs.push(job);
                Ok(paused)
            })
        }
    }
}

fn report<J>(mut pause_one: impl FnMut(&mut Vec<J>) -> Outcome<bool>) -> Outcome<()> {
    let mut jobs = Vec::with_capacity(JOBS);
    let before = (status("VmRSS:")?, status("VmPTE:")?);
    for _ in 0..JOBS {
        if !pause_one(&mut jobs)? {
            return Err("a job has not paused".into());
        }
    }
    let per_job = |after: f64, before: f64| (after - before) / JOBS as f64;
    let mappings = fs::read_to_string("/proc/self/maps")?.lines().count();
    let (rss, page_tables) = (per_job(status("VmRSS:")?, before.0), per_job(status("VmPTE:")?, before.1));
    say(format_args!("{rss} {page_tables} {mappings}"))
}

/// A line of the process's status, in bytes.
fn status(name: &str) -> Outcome<f64> {
    let text = fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)).ok_or("no such line in the status")?;
    let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes * 1024.0)
}
