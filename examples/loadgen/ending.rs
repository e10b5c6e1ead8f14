//! What becomes of the rows: printed, written, judged, and an exit code.
//!
//! ```text
//!   rows ──► report ──► files ──► wrong results 1 ──► interrupted 130 ──► thresholds 3 ──► a regression 4
//!            each is tried; the first that fails gives the exit code
//! ```

use crate::failure::Failure;
use crate::pictures::Pictures;
use crate::plan::Load;
use crate::repeats::Repeated;
use crate::report::{self, Report};
use crate::trace::Trace;

pub(crate) fn of(
    plan: &Load,
    mut report: Report,
    repeated: Repeated,
    pictures: Pictures,
) -> Result<(), Failure> {
    report.rows = repeated.ran.rows;
    report.judgement = Some(repeated.judgement);
    let printed = if plan.files.takes_output() { Ok(()) } else { report.print(plan.output) };
    let written = plan.files.write(&report.rows);
    let drawn = pictures.write(&report, None);
    let traced = repeated.ran.trace.map_or(Ok(()), Trace::commit);
    printed?;
    drawn?;
    written?;
    traced?;
    repeated.saved?;
    report::verdict(&report.rows, plan.expected, repeated.ran.first_error.clone())?;
    report::verdict(&repeated.others, plan.expected, repeated.ran.first_error)?;
    report.judgement.map_or(Ok(()), |judgement| judgement.verdict(&plan.judging))
}
