//! The options of an open loop, and how they go together.

use crate::args::parse_rate;
use crate::arrivals::Arrivals;
use crate::failure::Failure;
use crate::plan::{Rate, refuse_given};
use crate::stages::Stages;

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
    /// An open loop whose rate changes: stages TIME:RATE, or TIME:RATE..RATE for a ramp, as in
    /// 2s:1000,500ms:1000..5000,1s:0. One row runs them all
    #[arg(long, value_name = "STAGES", value_parser = Stages::parse, allow_hyphen_values = true)]
    pub(crate) stages: Option<Stages>,
}

impl Pacing {
    /// The rate of an open loop, on average.
    pub(crate) fn rate(&self) -> Option<Rate> {
        self.rate.or_else(|| self.stages.as_ref().map(|stages| Rate::Mean(stages.mean_rate())))
    }

    /// Refuses what says nothing, or says it twice.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if self.stages.is_some() {
            return refuse_given(&[("--rate", self.rate.is_some())], "not allowed together with --stages");
        }
        let given = [("--arrivals", self.arrivals.is_some() && self.rate.is_none())];
        refuse_given(&given, "only allowed together with --rate or --stages")
    }

    /// Refuses it with a file, which has no pace.
    pub(crate) fn refuse_with_input(&self) -> Result<(), Failure> {
        let given = [
            ("--rate", self.rate.is_some()),
            ("--arrivals", self.arrivals.is_some()),
            ("--stages", self.stages.is_some()),
        ];
        refuse_given(&given, "not allowed together with --input")
    }
}
