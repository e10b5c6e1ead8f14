//! `--threads`: several threads generate a row's load, each a share of it.
//!
//! ```text
//!   --jobs 64 --rate 8000 --ops 1000 --threads 4
//!      thread 0   16 jobs, 2,000 a second, 250 operations ──► its own queue pair
//!      thread 1   16 jobs, 2,000 a second, 250 operations ──► its own queue pair
//!      ..                                                     further threads share the device's last one
//! ```
//!
//! What the options say is the row's, however many threads it has, so rows of more and of fewer threads
//! compare. Without jobs each thread has one operation in flight.

use simaccel::grammar;

use crate::args::Options;
use crate::failure::Failure;
use crate::plan::{Limit, refuse_given};

/// Threads at most.
pub(crate) const MOST: usize = 256;

/// A group of options: one `#[command(flatten)]` in `Options`.
#[derive(Clone, clap::Args)]
pub(crate) struct Threads {
    /// Threads that generate the load of a row, 1 to 256, each with its own jobs, event loop and queue pair;
    /// further ones share the device's last pair. --jobs, --rate, --stages and --ops are the row's, and each
    /// thread has its share [default: 1]
    #[arg(long = "threads", value_name = "COUNT", value_parser = parse, allow_hyphen_values = true)]
    pub(crate) given: Option<usize>,
}

fn parse(text: &str) -> Result<usize, String> {
    grammar::within(text, 1..=MOST).ok_or_else(|| format!("allowed are 1 to {MOST}"))
}

impl Threads {
    pub(crate) fn count(&self) -> usize {
        self.given.unwrap_or(1)
    }

    /// Refuses it with a file, whose pieces one thread sends.
    pub(crate) fn refuse_with_input(&self) -> Result<(), Failure> {
        refuse_given(&[("--threads", self.given.is_some())], "not allowed together with --input")
    }
}

impl Options {
    /// Refuses what several threads cannot do, and what leaves one of them without a job.
    pub(crate) fn check_threads(&self) -> Result<(), Failure> {
        let threads = self.threads.count();
        if threads == 1 {
            return Ok(());
        }
        let why = |why: &str| Err(Failure::option("--threads", why));
        if self.virtual_time.is_virtual {
            return why(
                "allowed with --virtual is 1: one thread steps the device, and its own waits move the clock",
            );
        }
        let has_many = self.mode.is_none_or(crate::args::Mode::has_many);
        match self.jobs {
            Some(jobs) if has_many && jobs < threads => {
                why(&format!("each thread has a job of its own, allowed with --jobs {jobs} are 1 to {jobs}"))
            }
            _ => Ok(()),
        }
    }
}

/// A thread's part of a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share {
    pub(crate) thread: usize,
    pub(crate) of: usize,
}

impl Share {
    /// That of the only thread.
    pub(crate) const ALL: Self = Self { thread: 0, of: 1 };

    /// Of a number; the first threads have one more where it is not even.
    pub(crate) const fn of_count(self, count: usize) -> usize {
        count / self.of + (self.thread < count % self.of) as usize
    }

    /// Of a limit: its operations. All threads have the same time.
    pub(crate) fn of_limit(self, limit: Limit) -> Limit {
        let of_ops = |ops: u64| {
            let (thread, of) = (self.thread as u64, self.of as u64);
            ops / of + u64::from(thread < ops % of)
        };
        match limit {
            Limit::Time(time) => Limit::Time(time),
            Limit::Ops(ops) => Limit::Ops(of_ops(ops)),
            Limit::Either { time, ops } => Limit::Either { time, ops: of_ops(ops) },
        }
    }
}
