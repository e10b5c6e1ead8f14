//! The end of a thread's pool.
//!
//! ```text
//!   thread-locals are destroyed      END: paused typed jobs are leaked, and refused from then on
//!   (main thread: by exit, first)         raw jobs: none is paused ── the pool ends
//!                                                   some are ──────── the pool stays, LATE
//!   atexit handlers, C++ statics;    a raw job may start; without a pool, in a new one that is LATE
//!   destructors of keys, in rounds   KEY: first round ── waits: other keys' destructors may use jobs
//!                                         then ───────── raw jobs are discarded, the pool ends
//!   the process ends                 with what its main thread has left: no key destructors run there
//! ```
//!
//! libcrypto runs jobs for as long as a thread runs code, and so does the raw layer. Typed jobs end earlier:
//! their frames may refer to thread-locals, and are unwound.

use std::cell::Cell;
use std::ffi::c_void;
use std::panic::{self, AssertUnwindSafe};
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

use super::super::front::{Flags, Front};
use super::super::record::{Record, State};
use super::super::stats::LeakReason;
use super::super::strict::{self, Rule, Suspect};
use super::{Pool, detach, drop_payload, report_lost};

thread_local! {
    /// Ends the pool, or the part of it that must not outlive the thread-locals.
    static END: End = const { End };
    /// Whether the key's destructor was called before. No destructor of its own, so it can always be read.
    static HAS_WAITED: Cell<bool> = const { Cell::new(false) };
}

struct End;

impl Drop for End {
    fn drop(&mut self) {
        let Some(pool) = Pool::existing() else { return };
        let may_go_on = pool.front.running().is_none() && pool.has_paused_raw();
        if may_go_on && end_with_the_keys() {
            strict::remember_thread();
            pool.leak_typed();
        } else {
            pool.end_and_free();
        }
    }
}

/// Makes the pool end with the thread's thread-locals. Returns `false` when they have gone.
pub(super) fn end_with_the_thread_locals() -> bool {
    END.try_with(|_| ()).is_ok()
}

/// Makes the pool end with the thread's keys, if it has not ended before. Returns `false` when no key is
/// left.
pub(super) fn end_with_the_keys() -> bool {
    // Each call of the destructor counts down.
    let rounds = if HAS_WAITED.get() { 1 } else { 2 };
    key().is_some_and(|key| set(key, rounds))
}

fn set(key: libc::pthread_key_t, rounds: usize) -> bool {
    // SAFETY: the key was created and is never deleted; the value is a number.
    unsafe { libc::pthread_setspecific(key, ptr::without_provenance(rounds)) == 0 }
}

/// The process's key, created at first use. No lock, because a fork could leave it locked.
fn key() -> Option<libc::pthread_key_t> {
    /// One more than the key.
    static KEY: AtomicU64 = AtomicU64::new(0);
    let known = KEY.load(Ordering::Acquire);
    if known != 0 {
        return libc::pthread_key_t::try_from(known - 1).ok();
    }
    let mut key = 0;
    // SAFETY: `key` is a place for the key, and the function may be called at the end of any thread.
    if unsafe { libc::pthread_key_create(&raw mut key, Some(keys_end)) } != 0 {
        return None;
    }
    match KEY.compare_exchange(0, u64::from(key) + 1, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => Some(key),
        Err(others) => {
            // SAFETY: created above, and no other thread knows it.
            unsafe { libc::pthread_key_delete(key) };
            libc::pthread_key_t::try_from(others - 1).ok()
        }
    }
}

/// The destructor of the key.
extern "C" fn keys_end(rounds: *mut c_void) {
    let Some(pool) = Pool::existing() else { return };
    HAS_WAITED.set(true);
    let is_early = rounds.addr() > 1 && key().is_some_and(|key| set(key, rounds.addr() - 1));
    if !is_early {
        let _ = panic::catch_unwind(AssertUnwindSafe(|| pool.end_and_free())).map_err(drop_payload);
    }
}

impl Pool {
    /// Ends the pool, and frees it if no job is left.
    fn end_and_free(&self) {
        self.discard_all();
        drop(self.signal_stack.take());
        let place = Front::end();
        if self.end() {
            // SAFETY: the pool was created in a box, and no job is left, so nothing else refers to it.
            drop(unsafe { Box::from_raw(place.cast::<Self>().as_ptr()) });
        }
    }

    fn has_paused_raw(&self) -> bool {
        let is_one = |record: &Record| record.kind().raw && record.state.get() == State::Paused;
        self.table.borrow().records().any(is_one)
    }

    /// Leaks the thread's typed jobs, while its raw ones go on.
    fn leak_typed(&self) {
        self.leak_deferred();
        let lost = self.unfinished(|record| !record.kind().raw);
        self.front.flags.raise(Flags::LATE);
        report_all_lost(lost);
    }

    /// Discards raw jobs while their release hooks can still use the pool.
    fn discard_all(&self) {
        self.discard_orphans();
        for handle in self.paused_raw() {
            // SAFETY: the caller of `start` promised that a raw job may be discarded when its thread ends.
            let reclaim = || unsafe { self.reclaim(handle, |_| Rule::RawJobReclaimed, strict::THREAD_END) };
            let _ = panic::catch_unwind(AssertUnwindSafe(reclaim)).map_err(drop_payload);
        }
        if !self.records_where(|record| record.state.get() == State::Abandoned).is_empty() {
            self.end_running();
        }
    }

    /// Cleans up after a raw job that has ended the thread: puts back its record, and those of the raw jobs
    /// that it ran in.
    fn end_running(&self) {
        let is_over = |record: &Record| matches!(record.state.get(), State::Abandoned | State::Running);
        for handle in self.records_where(|record| record.kind().raw && is_over(record)) {
            let Some(record) = self.find(handle) else { continue };
            if record.state.get() == State::Running {
                strict::report(Rule::RawJobReclaimed, Suspect::of(record), strict::THREAD_END);
            }
            let _ =
                panic::catch_unwind(AssertUnwindSafe(|| self.end_one_running(record))).map_err(drop_payload);
        }
    }

    fn end_one_running(&self, record: &Record) {
        let held = record.held.take();
        let inside = record.inherit_ctx();
        detach(record);
        // SAFETY: the frames were unwound; or the caller of `start` promised that the job may be discarded
        // when its thread ends, and the thread ends outside of the job, because the unwinding ended at a
        // fiber's root.
        unsafe { record.forget_frames() };
        self.front.counters.finished.bump();
        self.put_back_inside(record, inside);
        drop(held);
    }

    /// Releases everything that can be released. Returns whether nothing is left.
    fn end(&self) -> bool {
        self.leak_deferred();
        let has_left_typed = self.front.flags.has(Flags::LATE);
        let lost = self.unfinished(|record| !has_left_typed || record.kind().raw);
        self.drop_idle();
        self.front.flags.raise(Flags::ENDED);
        report_all_lost(lost);
        self.records.get() == 0
    }

    fn unfinished(&self, of_those: impl Fn(&Record) -> bool) -> Vec<Suspect> {
        let is_one = |record: &&Record| {
            matches!(record.state.get(), State::Paused | State::Running) && of_those(record)
        };
        self.table.borrow().records().filter(is_one).map(Suspect::of).collect()
    }
}

/// Reports lost jobs. The handler may do anything, but finds the jobs ended.
fn report_all_lost(lost: Vec<Suspect>) {
    for suspect in lost {
        report_lost(suspect, LeakReason::ThreadEnded, strict::THREAD_END);
    }
}
