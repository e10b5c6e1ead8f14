//! What an operation refers to, kept while its job is paused in it.
//!
//! ```text
//!   operation in a job ── the job's record: session or stream       its frames only borrow
//!     returns ──────────── let go
//!     job is discarded ─── frames vanish, the request is taken back, then it is let go
//! ```
//!
//! A C program may free a session while a job is paused in it, and a discarded job runs no destructors: so a
//! frame can neither borrow what C may free, nor own it. The job's record owns it ([`raw::hold`]).

use simaccel::job::raw::{self, Held};

/// Runs `operation` on what `keep` keeps, so that it stays for as long as frames of the operation may look at
/// it.
#[inline(always)] // see simaccel's fiber.rs on returns
pub(crate) fn while_held<R>(keep: Held, operation: impl FnOnce() -> R) -> R {
    match raw::hold(keep) {
        Ok(()) => {
            let _hold = Hold;
            operation()
        }
        Err(keep) => {
            // There is no job, or it is in an operation already: a callback calls from within that. An
            // operation that does not pause is not discarded, so the frame may own.
            let _blocked = Blocked::begin();
            let result = operation();
            drop(keep);
            result
        }
    }
}

/// What the job holds; this owns nothing, so that it may vanish with its frame.
struct Hold;

impl Drop for Hold {
    fn drop(&mut self) {
        raw::let_go();
    }
}

/// No pausing; of no effect outside of jobs.
struct Blocked;

impl Blocked {
    fn begin() -> Self {
        raw::block_pause();
        Self
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        raw::unblock_pause();
    }
}
