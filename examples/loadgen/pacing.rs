//! The options of an open loop, and how they go together.

use crate::args::{Mode, parse_rate};
use crate::arrivals::Arrivals;
use crate::failure::Failure;
use crate::plan::{Rate, refuse_given};

/// A group of options: one `#[command(flatten)]` in `Options`, one check that the plan calls.
#[derive(Clone, clap::Args)]
pub(crate) struct Pacing {
    /// An open loop: operations sent a second, 1 to 1000000000, or a share of what the closed loop before it
    /// reaches, 1% to 1000%. --jobs is then how many are in flight at most [default: 512]; a send that finds
    /// none free, or is more than 1 ms late, is dropped
    #[arg(long, value_name = "OPS|N%", value_parser = parse_rate, allow_hyphen_values = true)]
    pub(crate) rate: Option<Rate>,
    /// How the sends of --rate are spread over time [default: poisson]
    #[arg(long, value_enum)]
    pub(crate) arrivals: Option<Arrivals>,
}

impl Pacing {
    /// Refuses an open loop that nothing could run.
    pub(crate) fn check(&self, mode: Option<Mode>) -> Result<(), Failure> {
        if self.rate.is_none() {
            let given = [("--arrivals", self.arrivals.is_some())];
            return refuse_given(&given, "only allowed together with --rate");
        }
        match mode {
            Some(mode) if !mode.has_jobs() => {
                let why = format!(
                    "--mode {} sends one at a time, allowed are wake-fd, callback and poll",
                    mode.name()
                );
                Err(Failure::option("--rate", why))
            }
            _ => Ok(()),
        }
    }

    /// Refuses it with a file, which has no pace.
    pub(crate) fn refuse_with_input(&self) -> Result<(), Failure> {
        let given = [("--rate", self.rate.is_some()), ("--arrivals", self.arrivals.is_some())];
        refuse_given(&given, "not allowed together with --input")
    }
}
