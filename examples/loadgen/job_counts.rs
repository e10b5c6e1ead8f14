//! Counts of jobs by row: each thread counts its own, from the beginning.

use simaccel::job::ThreadStats;

/// Those of two threads together.
pub(crate) const fn sum(mut one: ThreadStats, other: &ThreadStats) -> ThreadStats {
    one.created += other.created;
    one.finished += other.finished;
    one.dropped += other.dropped;
    one.discarded += other.discarded;
    one.given_up += other.given_up;
    one.resumes += other.resumes;
    one.pauses += other.pauses;
    one.fresh += other.fresh;
    one.running += other.running;
    one.ending += other.ending;
    one.paused += other.paused;
    one.idle += other.idle;
    one
}

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
