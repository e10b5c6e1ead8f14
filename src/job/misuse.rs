//! What a caller can do wrong, and what can run out: one small typed error per question.

use thiserror::Error;

/// A job could not be made. Nothing was queued and nothing is broken: try again when another job has finished
/// (statement 27).
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum NoJobs {
    /// All jobs that this thread may have are in use.
    #[error("all {max} jobs of this thread are in use")]
    Limit {
        /// The limit given to [`init_thread`](super::init_thread), in jobs.
        max: usize,
    },
    /// The kernel, or the memory functions of the process, gave no memory for another stack.
    #[error("no memory for another job stack")]
    NoStack,
    /// The thread is ending: its thread-local destructors run, and jobs are no longer made.
    #[error("the thread is ending and makes no more jobs")]
    ThreadEnded,
}

/// An operation that cannot be carried out on this job, here and now. The job and the thread are unharmed.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[repr(usize)]
pub enum Misuse {
    /// The job has already given its result (statement 36).
    #[error("the job has finished and cannot be resumed")]
    Finished,
    /// The handle names no unfinished raw job of this thread: the job has finished, was discarded, belongs to
    /// another thread (statement 53), or is owned by a typed [`Job`](super::Job).
    #[error("the handle names no unfinished raw job of this thread")]
    Stale,
    /// The job is running: it is the caller itself, or it has resumed the caller (statement 35).
    #[error("the job is running: a job cannot resume or discard itself or the job that resumed it")]
    Running,
    /// The wait context has unfinished jobs in another thread (statement 23).
    #[error("the wait context has unfinished jobs in another thread")]
    CtxElsewhere,
    /// The thread is unwinding from a panic; nothing switches until it has ended.
    #[error("the thread is panicking, and nothing switches while it does")]
    Panicking,
    /// The thread is ending: its thread-local destructors run, and what a paused job refers to may be gone.
    #[error("the thread is ending and runs no more jobs")]
    ThreadEnded,
}

/// Why a raw job was not started.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum StartError {
    /// There is no job to be had now.
    #[error(transparent)]
    NoJobs(#[from] NoJobs),
    /// There is no memory for the copy of the arguments (statement 38).
    #[error("no memory for the arguments of a job")]
    NoMemory,
    /// The call is not allowed here.
    #[error(transparent)]
    Misuse(#[from] Misuse),
}

/// A pool configuration that cannot be used (statement 47). The thread's pool is as it was.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum InitError {
    /// More jobs to begin with than there may be. A maximum of 0 means no limit only where nothing is
    /// created in advance.
    #[error("{initial} initial jobs are more than the maximum of {max}")]
    InitialAboveMax {
        /// Jobs to create in advance.
        initial: usize,
        /// The limit.
        max: usize,
    },
    /// The limit does not fit a C `int`.
    #[error("a maximum of {max} jobs is too large: at most {} are possible", i32::MAX)]
    MaxTooLarge {
        /// The limit.
        max: usize,
    },
    /// The stack is too small to run anything, or absurdly large.
    #[error("a stack of {size} bytes is not possible: {min} to {max} bytes are")]
    StackSize {
        /// The size asked for, in bytes.
        size: usize,
        /// The smallest size, in bytes.
        min: usize,
        /// The largest size, in bytes.
        max: usize,
    },
    /// The guard is absurdly large.
    #[error("a guard of {size} bytes is not possible: at most {max} are")]
    GuardSize {
        /// The size asked for, in bytes.
        size: usize,
        /// The largest size, in bytes.
        max: usize,
    },
    /// The thread is ending.
    #[error("the thread is ending and makes no more jobs")]
    ThreadEnded,
}
