//! What becomes of the rows: printed, written, judged, and an exit code.
//!
//! ```text
//!   rows ──► report ──► files ──► verdict        each is tried; the first that fails is the exit code's
//! ```

use simaccel::Error;

use crate::failure::Failure;
use crate::pictures::Pictures;
use crate::plan::Load;
use crate::report::{self, Report};

pub(crate) fn of(
    plan: &Load,
    report: &Report,
    pictures: Pictures,
    first_error: Option<Error>,
) -> Result<(), Failure> {
    let printed = if plan.files.takes_output() { Ok(()) } else { report.print(plan.output) };
    let written = plan.files.write(&report.rows);
    let drawn = pictures.write(report, None);
    printed?;
    drawn?;
    written?;
    report::verdict(&report.rows, plan.expected, first_error)
}
