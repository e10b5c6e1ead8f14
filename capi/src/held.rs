//! Keeps what an operation refers to while its job is paused in it.
//!
//! ```text
//!   operation in a job ── the job's record: session or stream       its frames only borrow
//!     returns ──────────── let go
//!     job is discarded ─── frames vanish, the request is taken back, then it is let go
//! ```
//!
//! A C program may free a session while a job is paused in it, and a discarded job runs no destructors. So a
//! frame can neither borrow what C may free, nor own it. The job's record owns it ([`raw::hold`]).

use std::mem;

use simaccel::job::raw::{self, Held};

/// Keeps a session or a stream until an operation on it has returned, or its job was discarded.
///
/// `None`: the job has it, and this owns nothing, so that it may vanish with its frame.
#[must_use = "nothing is kept any more when this is dropped"]
pub(crate) struct Keep(Option<Box<InFrame>>);

/// There is no job, or it is in an operation already: a callback calls from within that. An operation that
/// does not pause is not discarded, so the frame may own.
struct InFrame {
    _held: Held,
    _blocked: Blocked,
}

impl Keep {
    /// Keeps `held` for as long as frames of an operation may use it.
    #[cfg_attr(not(debug_assertions), inline(always))] // see simaccel's fiber.rs on returns
    pub(crate) fn begin(held: Held) -> Self {
        match raw::hold(held) {
            Ok(()) => Self(None),
            Err(held) => Self::in_frame(held),
        }
    }

    #[cold]
    fn in_frame(held: Held) -> Self {
        Self(Some(Box::new(InFrame { _held: held, _blocked: Blocked::begin() })))
    }

    #[cold]
    fn end_in_frame(in_frame: Box<InFrame>) {
        drop(in_frame);
    }
}

impl Keep {
    /// Ends it where nothing has panicked, inlined.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(crate) fn end(mut self) {
        self.release();
        mem::forget(self);
    }

    #[cfg_attr(not(debug_assertions), inline(always))]
    fn release(&mut self) {
        match self.0.take() {
            None => raw::release_held(),
            Some(in_frame) => Self::end_in_frame(in_frame),
        }
    }
}

impl Drop for Keep {
    fn drop(&mut self) {
        self.release();
    }
}

/// Pausing is blocked; no effect outside of jobs.
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
