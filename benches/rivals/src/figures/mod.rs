//! The figures, one file for each group that is measured together.

mod awaiting;
mod idle;
pub(crate) mod late;
mod memory;
mod modelled;
mod offload;
mod polling;
mod switch;
mod wake_fd;

pub(crate) use memory::{Counted, count_memory};

use crate::harness::{Effort, Outcome, Taken};
use crate::placement::Placement;

/// Jobs in flight unless a figure says otherwise.
pub(crate) const JOBS: usize = 64;

/// The result of one figure, in one contest or in all.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    pub(crate) key: &'static str,
    pub(crate) ours: f64,
    /// `None` for an absolute number.
    pub(crate) rival: Option<f64>,
    pub(crate) value: f64,
    /// The range of half of the contests.
    pub(crate) half: [f64; 2],
    pub(crate) unit: &'static str,
}

impl Figure {
    fn new(key: &'static str, ours: f64, rival: Option<f64>, value: f64, unit: &'static str) -> Self {
        Self { key, ours, rival, value, half: [value; 2], unit }
    }

    /// How many times as fast as the rival, from nanoseconds per operation.
    fn speed(key: &'static str, ours: Taken, rival: Taken) -> Self {
        Self::new(key, ours.best, Some(rival.best), rival.best / ours.best, "ns")
    }

    /// The same for a rival whose best round is luck: from medians only.
    fn typical_speed(key: &'static str, ours: Taken, rival: Taken) -> Self {
        Self::new(key, ours.median, Some(rival.median), rival.median / ours.median, "ns")
    }

    /// How many times as long as the rival.
    fn cost(key: &'static str, ours: Taken, rival: Taken) -> Self {
        Self::new(key, ours.best, Some(rival.best), ours.best / rival.best, "ns")
    }

    /// An absolute number, with the rival's for comparison.
    fn number(key: &'static str, ours: f64, rival: Option<f64>, unit: &'static str) -> Self {
        Self::new(key, ours, rival, ours, unit)
    }

    /// The result of all contests: the median of each number.
    fn of_all(contests: &[Self]) -> Option<Self> {
        let middle = |number: fn(&Self) -> f64| quartiles(contests.iter().map(number).collect());
        let Self { key, unit, rival, .. } = contests.first()?;
        let [lower, value, upper] = middle(|figure| figure.value);
        let [_, ours, _] = middle(|figure| figure.ours);
        let rival = rival.map(|_| middle(|figure| figure.rival.unwrap_or_default())[1]);
        Some(Self { key, ours, rival, value, half: [lower, upper], unit })
    }
}

/// The lower quartile, the median and the upper quartile, interpolated between two values where necessary.
fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| {
        let (place, rest) = ((values.len() - 1) * quarter / 4, (values.len() - 1) * quarter % 4);
        let (below, above) = (values[place], values[(place + 1).min(values.len() - 1)]);
        below + (above - below) * rest as f64 / 4.0
    })
}

/// The parameters of every group.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// The effort of one contest.
    pub(crate) effort: Effort,
    /// The number of the contest, from 0.
    pub(crate) contest: usize,
    pub(crate) placement: Placement,
    /// The requested keys.
    pub(crate) wanted: Vec<&'static str>,
}

impl Run {
    fn wants(&self, key: &str) -> bool {
        self.wanted.contains(&key)
    }
}

/// Measures the requested figures of one group.
type Group = fn(&Run) -> Outcome<Vec<Figure>>;

/// Measures the requested figures in several contests, each with all of them: so a slow phase of the machine
/// affects every figure a little, and none for all of its time.
pub(crate) fn measure(run: &Run, contests: usize) -> Outcome<Vec<Figure>> {
    let mut all = Vec::new();
    for contest in 0..contests {
        all.extend(measure_once(&Run { contest, ..run.clone() })?);
    }
    let of_key = |key: &&'static str| {
        Figure::of_all(&all.iter().filter(|figure| figure.key == *key).cloned().collect::<Vec<_>>())
    };
    Ok(run.wanted.iter().filter_map(of_key).collect())
}

fn measure_once(run: &Run) -> Outcome<Vec<Figure>> {
    let groups: [(&str, Group); 9] = [
        ("job switches", switch::measure),
        ("memory", memory::measure),
        ("wake fds", wake_fd::measure),
        ("polling", polling::measure),
        ("awaiting", awaiting::measure),
        ("a model", modelled::measure),
        ("offload and kernels", offload::measure),
        ("idle wake", idle::measure),
        ("lateness", late::measure),
    ];
    let mut figures = Vec::new();
    for (name, group) in groups {
        figures.extend(group(run).map_err(|error| format!("{name}: {error}"))?);
    }
    Ok(figures)
}

#[cfg(test)]
mod tests {
    use super::quartiles;

    #[test]
    fn quartiles_lie_where_they_should() {
        for (values, expected) in [
            (vec![7.0], [7.0, 7.0, 7.0]),
            (vec![2.0, 1.0], [1.25, 1.5, 1.75]),
            (vec![3.0, 1.0, 2.0], [1.5, 2.0, 2.5]),
            (vec![4.0, 3.0, 2.0, 1.0], [1.75, 2.5, 3.25]),
            ((1..=11).map(f64::from).collect(), [3.5, 6.0, 8.5]),
        ] {
            assert_eq!(quartiles(values), expected);
        }
    }
}
