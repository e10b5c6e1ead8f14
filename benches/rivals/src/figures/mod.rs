//! The figures, one file for each group that is measured together.

mod idle;
mod memory;
mod offload;
mod polling;
mod switch;
mod wake_fd;

pub(crate) use memory::{Counted, count_memory};

use crate::harness::{Effort, Outcome, Taken};
use crate::placement::Placement;

/// Jobs in flight where a figure does not say otherwise.
pub(crate) const JOBS: usize = 64;

/// What came of one figure.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    pub(crate) key: &'static str,
    pub(crate) ours: f64,
    /// `None` where the figure is a number for itself.
    pub(crate) rival: Option<f64>,
    pub(crate) value: f64,
    /// The same by the medians of all rounds, where there are rounds of both sides.
    pub(crate) typical: Option<f64>,
    pub(crate) unit: &'static str,
}

impl Figure {
    /// How many times as fast as the rival, of nanoseconds per operation.
    fn speed(key: &'static str, ours: Taken, rival: Taken) -> Self {
        let (value, typical) = (rival.best / ours.best, Some(rival.median / ours.median));
        Self { key, ours: ours.best, rival: Some(rival.best), value, typical, unit: "ns" }
    }

    /// The same for a rival whose best round is luck: by medians alone.
    fn typical_speed(key: &'static str, ours: Taken, rival: Taken) -> Self {
        let by_medians = |taken: Taken| Taken { best: taken.median, ..taken };
        Self::speed(key, by_medians(ours), by_medians(rival))
    }

    /// How many times as long as the rival.
    fn cost(key: &'static str, ours: Taken, rival: Taken) -> Self {
        let (value, typical) = (ours.best / rival.best, Some(ours.median / rival.median));
        Self { key, ours: ours.best, rival: Some(rival.best), value, typical, unit: "ns" }
    }

    /// A number for itself, beside which the rival's may stand.
    fn number(key: &'static str, ours: f64, rival: Option<f64>, unit: &'static str) -> Self {
        Self { key, ours, rival, value: ours, typical: None, unit }
    }
}

/// What every group is measured with.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) effort: Effort,
    pub(crate) placement: Placement,
    /// The keys that were asked for.
    pub(crate) wanted: Vec<&'static str>,
}

impl Run {
    fn wants(&self, key: &str) -> bool {
        self.wanted.contains(&key)
    }
}

/// Measures what is wanted of one group.
type Group = fn(&Run) -> Outcome<Vec<Figure>>;

/// Measures what is wanted, group by group; calls `report` with the figures of each.
pub(crate) fn measure(run: &Run, mut report: impl FnMut(Vec<Figure>)) -> Outcome<()> {
    let groups: [(&str, Group); 6] = [
        ("job switches", switch::measure),
        ("memory", memory::measure),
        ("wake fds", wake_fd::measure),
        ("polling", polling::measure),
        ("offload and kernels", offload::measure),
        ("idle wake", idle::measure),
    ];
    for (name, group) in groups {
        report(group(run).map_err(|error| format!("{name}: {error}"))?);
    }
    Ok(())
}
