//! Misuse and exhaustion: one small typed error for each question.

use thiserror::Error;

/// A job could not be created. Nothing was queued and nothing is broken: try again when another job has
/// finished (statement 27).
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
    /// The thread is ending: its thread-local destructors run, and no more jobs are created.
    #[error("the thread is ending and makes no more jobs")]
    ThreadEnded,
}

/// An operation that is not possible on this job, here and now. The job and the thread are unharmed.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[repr(usize)]
pub enum Misuse {
    /// The job has already returned its result (statement 36).
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
    /// No job is available now.
    #[error(transparent)]
    NoJobs(#[from] NoJobs),
    /// There is no memory for the copy of the arguments (statement 38).
    #[error("no memory for the arguments of a job")]
    NoMemory,
    /// The call is not allowed here.
    #[error(transparent)]
    Misuse(#[from] Misuse),
}

/// A pool configuration that is not possible (statement 47). The thread's pool is unchanged.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum InitError {
    /// More initial jobs than the maximum. A maximum of 0 means no limit only where nothing is created in
    /// advance.
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
    /// The stack is too small to run anything, or too large for an address space.
    #[error("a stack of {size} bytes is not possible: {min} to {max} bytes are")]
    StackSize {
        /// The size asked for, in bytes.
        size: usize,
        /// The smallest size, in bytes.
        min: usize,
        /// The largest size, in bytes.
        max: usize,
    },
    /// The guard is too large for an address space.
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
