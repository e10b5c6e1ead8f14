//! From how many jobs in flight on a device is ahead of software.
//!
//! ```text
//!   op/s   ceiling ─────────────────╭───────────
//!          software ─ ─ ─ ─ ─ ─╭╯─ ─ ─ ─ ─ ─ ─ ─
//!                          ╭───╯  jobs / alone
//!                      ╭───╯
//!            jobs      1 2 3   ▲ break-even
//! ```

use crate::stations::Alone;

/// The least number in flight with which a device with this ceiling does more than `software` operations a
/// second; `None`: with none.
pub(crate) fn by_model(software: f64, ceiling: f64, alone: &Alone) -> Option<usize> {
    if ceiling <= software {
        return None;
    }
    let waiting = above(software * alone.with(1) / 1e9);
    let company = usize::try_from(alone.company).unwrap_or(usize::MAX);
    // Those that wait for company reach it below the number that is company, or not at all.
    if waiting < company { Some(waiting) } else { Some(company.max(above(software * alone.nsec / 1e9))) }
}

/// A closed loop that was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Measured {
    pub(crate) jobs: usize,
    pub(crate) ops_per_second: f64,
}

/// The least number in flight by what was measured: between the most jobs that were behind and the fewest
/// that were ahead, operations are taken to grow as the jobs do. `None`: none was ahead.
pub(crate) fn by_rows(software: f64, rows: &[Measured]) -> Option<usize> {
    let ahead = rows.iter().filter(|row| row.ops_per_second > software).min_by_key(|row| row.jobs)?;
    let behind = rows.iter().filter(|row| row.ops_per_second <= software && row.jobs < ahead.jobs);
    let Some(behind) = behind.max_by_key(|row| row.jobs) else { return Some(ahead.jobs) };
    let each = behind.ops_per_second / as_f64(behind.jobs);
    Some(above(software / each).clamp(behind.jobs + 1, ahead.jobs))
}

/// The least whole number above this one.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
fn above(number: f64) -> usize {
    (number.floor() as usize).saturating_add(1)
}

#[expect(clippy::cast_precision_loss, reason = "jobs are few")]
fn as_f64(jobs: usize) -> f64 {
    jobs as f64
}
