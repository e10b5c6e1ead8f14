//! Jobs that were dropped while their thread panicked: nothing switches then.
//!
//! ```text
//!   drop ── the thread panics ──► deferred ──┬─ next job operation ─► unwound
//!                                            ├─ the thread's last call (last_call.rs) ─► unwound
//!                                            └─ its end ─► leaked: the thread-locals are gone
//!   drop during another job's unwinding ──► deferred ──► unwound after that
//! ```

use std::cell::Cell;
use std::ptr::NonNull;

use super::super::front::Flags;
use super::super::record::Record;
use super::super::{last_call, strict};
use super::{Pool, drop_payload};

impl Pool {
    /// Defers the unwinding of a dropped job until the thread no longer panics; at the latest until the
    /// thread ends, while everything that the job can refer to is still there. So the last call has to be
    /// registered after the thread-locals that the job has used. If jobs were resumed since the last
    /// registration, the job may have used more of them.
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
            // The call that dropped the job has returned, so a panic that replaces the unwinding has no
            // caller to go to.
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

/// Called when the thread ends. Its thread-locals are there, except those that were first used after the
/// registration.
pub(in super::super) fn last_call() {
    let Some(pool) = Pool::existing() else { return };
    if pool.last_call.get() == Some(pool.front.counters.resumes.get()) {
        pool.run_deferred();
    }
}

/// A flag that is set until this is dropped.
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
