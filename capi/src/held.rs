//! What an operation refers to, kept while its job is paused in it.
//!
//! ```text
//!   operation in a job ── table: handle ► session, stream       its frames only borrow
//!     returns ──────────── entry goes
//!     job is discarded ─── frames vanish, the request is taken back, then the entry goes
//! ```
//!
//! A C program may free a session while a job is paused in it, and a discarded job runs no destructors: so a frame
//! can neither borrow what C may free, nor own it. The table owns it, one entry for each job of the thread.
#![expect(unsafe_code, reason = "discards the jobs of C code")]

use std::any::Any;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use simaccel::WaitCtx;
use simaccel::job::raw::{self, Handle};

/// What can be kept. Dropping it lets go.
pub(crate) type Keep = Arc<dyn Any + Send + Sync>;

#[derive(Default)]
struct Table(RefCell<HashMap<Handle, Keep>>);

thread_local! {
    static TABLE: Table = Table::default();
}

impl Drop for Table {
    /// The thread ends: its jobs are discarded now, while what they refer to is there.
    fn drop(&mut self) {
        // SAFETY: C code has left its jobs to be discarded, by ending their thread.
        unsafe { raw::discard_paused() };
    }
}

/// Runs `operation` on what `keep` keeps, so that it stays for as long as frames of the operation may look at it.
pub(crate) fn while_held<R>(keep: Keep, operation: impl FnOnce() -> R) -> R {
    match raw::current() {
        Some(job) if insert(job, &keep) => {
            drop(keep);
            let _entry = Entry(job);
            operation()
        }
        Some(_) => {
            // The job is in an operation already (a callback calls from within it), or the thread is ending. An
            // operation that does not pause is not discarded, so the frame may own.
            raw::block_pause();
            let _blocked = Blocked;
            operation()
        }
        None => operation(),
    }
}

fn insert(job: Handle, keep: &Keep) -> bool {
    let insert = |table: &Table| {
        let mut kept = table.0.borrow_mut();
        if kept.contains_key(&job) {
            return false;
        }
        kept.insert(job, Arc::clone(keep));
        true
    };
    TABLE.try_with(insert).unwrap_or(false)
}

fn let_go(job: Handle) {
    // What is kept may be the last of an engine, whose end takes a while: not under the borrow.
    drop(TABLE.try_with(|table| table.0.borrow_mut().remove(&job)));
}

/// An entry of the table; it owns nothing, so that it may vanish with its frame.
struct Entry(Handle);

impl Drop for Entry {
    fn drop(&mut self) {
        let_go(self.0);
    }
}

struct Blocked;

impl Drop for Blocked {
    fn drop(&mut self) {
        raw::unblock_pause();
    }
}

/// Discards the paused jobs of this thread.
///
/// # Safety
///
/// As for `raw::discard_paused`.
pub(crate) unsafe fn discard_paused() {
    let jobs = raw::paused();
    // SAFETY: the caller's promise.
    unsafe { raw::discard_paused() };
    jobs.into_iter().for_each(let_go);
}

/// Discards the jobs that are paused on a context, which is about to be freed.
///
/// # Safety
///
/// As for `raw::discard_paused_on`.
pub(crate) unsafe fn discard_paused_on(ctx: &WaitCtx) {
    let jobs = raw::unfinished_on(ctx);
    // SAFETY: the caller's promise.
    unsafe { raw::discard_paused_on(ctx) };
    jobs.into_iter().filter(|job| raw::wait_ctx(*job).is_err()).for_each(let_go);
}
