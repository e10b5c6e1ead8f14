//! The runs of a plan: one, or several where medians are asked for, in turns with another program's.
//!
//! ```text
//!   one run        rows
//!   a baseline     rows, rows, rows, rows, rows
//!   --against      rows, theirs, rows, theirs, ..
//! ```
//!
//! The report shows that run of each row whose rate is the median; errors and mismatches count in all of
//! them.

use std::path::PathBuf;

use crate::against::Other;
use crate::baseline::{self, Comparison, Medians, Sample};
use crate::failure::Failure;
use crate::files::row_name;
use crate::interrupt;
use crate::judging::Judgement;
use crate::load::{self, Ran};
use crate::plan::Load;
use crate::row::Row;
use crate::whole_file::WholeFile;
use crate::workload::Workload;

/// What the runs came to.
pub(crate) struct Repeated {
    /// The runs that are shown, and the first error of all.
    pub(crate) ran: Ran,
    /// The runs that are not.
    pub(crate) others: Vec<Row>,
    pub(crate) judgement: Judgement,
    /// Whether the baseline could be saved that is asked for.
    pub(crate) saved: Result<(), Failure>,
}

pub(crate) fn run(plan: &Load, workload: &mut Workload) -> Result<Repeated, Failure> {
    let judging = &plan.judging;
    let before = judging.load_baseline(plan)?;
    if let Some(path) = &judging.save_baseline {
        WholeFile::create("--save-baseline", path)?;
    }
    let mut other = judging.against.as_deref().map(|program| Other::new(program, plan)).transpose()?;
    let mut runs: Vec<Vec<Row>> = Vec::new();
    let (mut first_error, mut trace) = (None, None);
    for _ in 0..judging.runs() {
        let ran = load::rows(plan, workload)?;
        first_error = first_error.or(ran.first_error);
        // With more than one run there is none.
        trace = ran.trace;
        runs.push(ran.rows);
        if interrupt::is_requested() {
            break;
        }
        if let Some(other) = &mut other {
            let ran = other.run();
            // A terminal sends the signal to both programs.
            if interrupt::is_requested() {
                break;
            }
            ran?;
        }
    }
    let medians = medians(&runs);
    let (rows, others) = shown(runs);
    if interrupt::is_requested() {
        let missing = plan.rows.len() - rows.len();
        let judgement = Judgement { is_interrupted: true, missing, ..Judgement::default() };
        return Ok(Repeated { ran: Ran { rows, first_error, trace }, others, judgement, saved: Ok(()) });
    }
    let names: Vec<String> = rows.iter().enumerate().map(|(index, row)| row_name(index, row)).collect();
    let mut judgement = Judgement::of(judging, &rows);
    let compare = |against: &std::path::Path, before: &[Medians]| {
        Comparison::new(against.display().to_string(), judging.noise(), names, (before, &medians))
    };
    judgement.comparison = match (&judging.baseline, before, &judging.against, &other) {
        (Some(path), Some(before), ..) => {
            let note = before.elsewhere.map(|there| format!("the baseline is of another machine: {there}"));
            Some(compare(path, &before.rows).with_note(note))
        }
        (.., Some(program), Some(other)) => Some(compare(program, &other.medians())),
        _ => None,
    };
    let save = |path: &PathBuf| baseline::save(path, plan, &medians, judging.runs());
    let saved = judging.save_baseline.as_ref().map_or(Ok(()), save);
    Ok(Repeated { ran: Ran { rows, first_error, trace }, others, judgement, saved })
}

fn medians(runs: &[Vec<Row>]) -> Vec<Medians> {
    let rows = runs.first().map_or(0, Vec::len);
    let samples = |index| runs.iter().filter_map(move |run| run.get(index)).map(baseline::sample);
    (0..rows).map(|index| Medians::of(&samples(index).collect::<Vec<Sample>>())).collect()
}

/// Each row's run with the median rate, and the rest.
fn shown(runs: Vec<Vec<Row>>) -> (Vec<Row>, Vec<Row>) {
    let (mut shown, mut others) = (Vec::new(), Vec::new());
    let mut runs: Vec<_> = runs.into_iter().map(Vec::into_iter).collect();
    loop {
        let mut same: Vec<Row> = runs.iter_mut().filter_map(Iterator::next).collect();
        if same.is_empty() {
            return (shown, others);
        }
        same.sort_by(|one, other| one.ops_per_second.total_cmp(&other.ops_per_second));
        shown.push(same.remove(same.len() / 2));
        others.append(&mut same);
    }
}
