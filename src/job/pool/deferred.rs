//! Jobs that were dropped while their thread panicked, when nothing switches.
//!
//! ```text
//!   drop ── the thread panics ──► deferred ──┬─ next job operation ─► unwound
//!                                            ├─ the thread's last call (last_call.rs) ─► unwound, thread-locals are there
//!                                            └─ its end ─► leaked: they are not
//!   drop within an unwinding of ours ──► deferred ──► unwound when that is over
//! ```

use std::cell::Cell;
use std::ptr::NonNull;

use super::super::front::Flags;
use super::super::record::Record;
use super::super::{last_call, strict};
use super::{Pool, drop_payload};

impl Pool {
    /// Defers the drop of a job until the thread no longer panics, at the latest until the thread ends, while everything
    /// that the job can refer to is still there. So the last call has to be registered after the thread-locals that the
    /// job has used. The job may have used more of them since the last registration if jobs were resumed since then.
    pub(super) fn defer(&self, record: &Record) {
        record.next.set(self.deferred.replace(Some(NonNull::from(record))));
        self.front.flags.raise(Flags::DEFERRED);
        let resumes = Some(self.front.counters.resumes.get());
        if !self.unwinding.get() && self.last_call.replace(resumes) != resumes {
            last_call::register();
        }
    }

    #[cold]
    pub(super) fn run_deferred_slow(&self) {
        while let Some(record) = self.deferred.get() {
            // SAFETY: a deferred job is paused, so its stack is mapped.
            let record = unsafe { record.as_ref() };
            self.deferred.set(record.next.take());
            // The call that dropped the job has returned, so a panic instead of the unwinding has no caller
            // to go to.
            if let Some(payload) = self.unwind(record, strict::LATE_DROP) {
                drop_payload(payload);
            }
        }
        self.front.flags.lower(Flags::DEFERRED);
    }

    pub(super) fn is_deferred(&self, record: &Record) -> bool {
        let mut next = self.deferred.get();
        while let Some(deferred) = next {
            if deferred == NonNull::from(record) {
                return true;
            }
            // SAFETY: as in `run_deferred_slow`.
            next = unsafe { deferred.as_ref() }.next.get();
        }
        false
    }

    pub(super) fn leak_deferred(&self) {
        while let Some(record) = self.deferred.get() {
            // SAFETY: a deferred job is paused, so its stack is mapped.
            let record = unsafe { record.as_ref() };
            self.deferred.set(record.next.take());
        }
    }
}

/// The thread ends, and its thread-locals are there, up to those that were first used after the call was registered.
pub(in super::super) fn last_call() {
    let Some(pool) = Pool::existing() else { return };
    if pool.last_call.get() == Some(pool.front.counters.resumes.get()) {
        pool.run_deferred();
    }
}

/// A flag, raised for a while.
pub(super) struct Raised<'a> {
    flag: &'a Cell<bool>,
    before: bool,
}

impl<'a> Raised<'a> {
    pub(super) fn new(flag: &'a Cell<bool>) -> Self {
        Self { flag, before: flag.replace(true) }
    }
}

impl Drop for Raised<'_> {
    fn drop(&mut self) {
        self.flag.set(self.before);
    }
}
