//! Counts of jobs by row: the engine counts those of its thread, from the beginning.

use simaccel::job::ThreadStats;

/// What has happened since `before`: what a thread's earlier rows did is not this row's.
pub(crate) const fn since(mut now: ThreadStats, before: ThreadStats) -> ThreadStats {
    now.created -= before.created;
    now.finished -= before.finished;
    now.dropped -= before.dropped;
    now.discarded -= before.discarded;
    now.given_up -= before.given_up;
    now.resumes -= before.resumes;
    now.pauses -= before.pauses;
    now
}
