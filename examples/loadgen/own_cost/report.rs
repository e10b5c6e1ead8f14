//! `--own-cost`: several contests in each way of waiting, and a table of them.

use serde_json::json;

use super::{Contest, OwnCost, SLICE};
use crate::args::{Format, Mode};
use crate::failure::Failure;
use crate::interrupt;
use crate::plan::{Limit, Load};
use crate::report::{self, SCHEMA_VERSION};
use crate::units::grouped;
use crate::workload::Workload;

/// Contests of a way of waiting.
const CONTESTS: usize = 11;

/// The contests of a way of waiting.
struct Several(Vec<OwnCost>);

impl Several {
    /// The lower quartile, the median and the upper quartile of a figure.
    fn quartiles(&self, figure: impl Fn(&OwnCost) -> f64) -> [f64; 3] {
        let mut values: Vec<f64> = self.0.iter().map(figure).collect();
        values.sort_by(f64::total_cmp);
        [1, 2, 3].map(|quarter| values[(values.len() - 1) * quarter / 4])
    }

    fn median(&self, figure: impl Fn(&OwnCost) -> f64) -> f64 {
        self.quartiles(figure)[1]
    }

    /// The contest whose figure is the median, with the medians of all times.
    fn middle(&self) -> Option<OwnCost> {
        let mut middle = *self.0.first()?;
        let cost = |side: fn(&OwnCost) -> super::Cost| super::Cost {
            time: self.median(|one| side(one).time),
            cpu: self.median(|one| side(one).cpu),
        };
        middle.bare = cost(|one| one.bare);
        middle.unchecked = cost(|one| one.unchecked);
        middle.checked = cost(|one| one.checked);
        Some(middle)
    }
}

pub(crate) fn run(plan: &Load) -> Result<(), Failure> {
    interrupt::watch();
    let mut workload = Workload::new(&plan.mix, plan.most_lanes(), plan.seed)?;
    let modes = [Mode::Sync, Mode::WakeFd, Mode::Callback, Mode::Poll, Mode::Futures];
    let planned = |mode: &Mode| plan.rows.iter().any(|row| row.mode == *mode);
    let mut all = Vec::new();
    for mode in modes.into_iter().filter(planned) {
        let Some(several) = contests(plan, mode, &mut workload)? else { return Err(Failure::Interrupted) };
        all.push(several);
    }
    match plan.output.format {
        Format::Text => report::print(&text(plan, &all)),
        Format::Json => report::print(&format!("{}\n", json(plan, &all))),
    }
}

/// `None`: a signal has ended them.
fn contests(plan: &Load, mode: Mode, workload: &mut Workload) -> Result<Option<Several>, Failure> {
    let most = match plan.limit {
        Limit::Ops(ops) | Limit::Either { ops, .. } => ops,
        Limit::Time(_) => u64::MAX,
    };
    let contest = Contest::new(plan, mode)?;
    let all = (0..CONTESTS).map(|_| contest.hold(SLICE, most, workload));
    Ok(all.collect::<Result<Option<Vec<_>>, _>>()?.map(Several))
}

fn text(plan: &Load, all: &[Several]) -> String {
    let head = [
        "mode",
        "jobs",
        "bare",
        "checked",
        "adds",
        "half between",
        "unchecked",
        "cpu bare",
        "checked",
        "check",
    ];
    let mut text = format!("{}, an ideal device\n{}", report::load(plan), line(&head.map(str::to_owned)));
    for several in all {
        let Some(middle) = several.middle() else { continue };
        let percent = |share: f64| format!("{:.1} %", 100.0 * share);
        let [lower, added, upper] = several.quartiles(OwnCost::added);
        let nanos = |nanos: f64| format!("{} ns", grouped(format_args!("{nanos:.0}")));
        text += &line(&[
            middle.mode.name().to_owned(),
            middle.jobs.to_string(),
            nanos(middle.bare.time),
            nanos(middle.checked.time),
            percent(added),
            format!("{:.1} {:.1}", 100.0 * lower, 100.0 * upper),
            percent(several.median(OwnCost::added_unchecked)),
            nanos(middle.bare.cpu),
            nanos(middle.checked.cpu),
            nanos(several.median(OwnCost::check_cpu_ns)),
        ]);
    }
    text + LEGEND
}

const LEGEND: &str = "
bare: the time of an operation in a loop that only resumes jobs and starts the next ones; checked: in the generator's closed
loop; adds: how much longer that is, and the quartiles of it; unchecked: the same without the comparison of results; cpu:
processor time of the calling thread; check: how much of it the comparison takes. All are medians of 11 contests of 7 rounds
of 5 ms, in turns; the best round of each side counts.
";

fn line(cells: &[String; 10]) -> String {
    let [mode, jobs, rest @ ..] = cells;
    let rest: String = rest.iter().map(|cell| format!("{cell:>13}")).collect();
    format!("{mode:<9}{jobs:>4}{rest}\n")
}

fn json(plan: &Load, all: &[Several]) -> serde_json::Value {
    let modes = all.iter().filter_map(|several| {
        let [lower, added, upper] = several.quartiles(OwnCost::added);
        let mut json = several.middle()?.json();
        json["added"] = json!(added);
        json["added_half"] = json!([lower, upper]);
        json["added_unchecked"] = json!(several.median(OwnCost::added_unchecked));
        Some(json)
    });
    json!({
        "schema_version": SCHEMA_VERSION,
        "seed": plan.seed,
        "device": plan.device.to_string(),
        "rows": [],
        "own_cost": modes.collect::<Vec<_>>(),
    })
}
