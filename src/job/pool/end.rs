//! The end of a thread's pool.
//!
//! ```text
//!   thread-locals are destroyed      END: typed jobs are leaked if they are paused, and refused: what they refer to goes
//!   (main thread: by exit, first)         raw jobs: none is paused ── the pool goes
//!                                                   some are ──────── the pool stays, and is LATE: they may go on
//!   atexit handlers, C++ statics;    a raw job may be started: where there is no pool, one is made that is LATE
//!   destructors of keys, in rounds   KEY: first round ── not yet: destructors of other keys may use their jobs
//!                                         then ───────── raw jobs are discarded, the pool goes
//!   the process ends                 with what is left in its main thread, which has no destructors of keys
//! ```
//!
//! libcrypto runs jobs for as long as a thread runs code, and so do we for C. In Rust the line is drawn earlier: a typed
//! job's frames may refer to thread-locals, and are unwound.

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
    /// Ends the pool, or what of it must not outlive the thread-locals.
    static END: End = const { End };
    /// Whether the destructor of the key was called before. No destructor of its own, so that it can always be read.
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

/// Sees to it that the pool goes when the thread's thread-locals do. `false`: they have gone.
pub(super) fn end_with_the_thread_locals() -> bool {
    END.try_with(|_| ()).is_ok()
}

/// Sees to it that the pool goes with the thread's keys, if it has not gone before. `false`: no key is left.
pub(super) fn end_with_the_keys() -> bool {
    // Counted down by each call of the destructor.
    let rounds = if HAS_WAITED.get() { 1 } else { 2 };
    key().is_some_and(|key| set(key, rounds))
}

fn set(key: libc::pthread_key_t, rounds: usize) -> bool {
    // SAFETY: a key that was made and is never deleted; the value is a number.
    unsafe { libc::pthread_setspecific(key, ptr::without_provenance(rounds)) == 0 }
}

/// The process's key, made at first use. No lock, which a fork could leave locked.
fn key() -> Option<libc::pthread_key_t> {
    /// One more than the key.
    static KEY: AtomicU64 = AtomicU64::new(0);
    let known = KEY.load(Ordering::Acquire);
    if known != 0 {
        return libc::pthread_key_t::try_from(known - 1).ok();
    }
    let mut key = 0;
    // SAFETY: a place for the key, and a function that may be called at the end of any thread.
    if unsafe { libc::pthread_key_create(&raw mut key, Some(keys_end)) } != 0 {
        return None;
    }
    match KEY.compare_exchange(0, u64::from(key) + 1, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => Some(key),
        Err(others) => {
            // SAFETY: made above, and no other thread knows it.
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
            // SAFETY: the pool was made in a box, and no job is left, so nothing else refers to it.
            drop(unsafe { Box::from_raw(place.cast::<Self>().as_ptr()) });
        }
    }

    fn has_paused_raw(&self) -> bool {
        let is_one = |record: &Record| record.kind().raw && record.state.get() == State::Paused;
        self.table.borrow().records().any(is_one)
    }

    /// Ends the thread's typed jobs, while its raw ones go on.
    fn leak_typed(&self) {
        self.leak_deferred();
        let lost = self.unfinished(|record| !record.kind().raw);
        self.front.flags.raise(Flags::LATE);
        report_all_lost(lost);
    }

    /// Discards raw jobs, while their release hooks can still ask for the pool.
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

    /// A raw job has ended the thread: puts back what it had, and what the raw jobs had that it ran in.
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
        // SAFETY: the frames were unwound; or the caller of `start` promised that the job may be discarded when its thread
        // ends, and the thread ends outside of the job: the unwinding has ended at a fiber's root.
        unsafe { record.forget_frames() };
        self.front.counters.finished.bump();
        self.put_back_inside(record, inside);
        drop(held);
    }

    /// Releases what can be released. Returns whether that is everything.
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

/// Reports lost jobs. The handler may do anything, but finds the jobs at their end.
fn report_all_lost(lost: Vec<Suspect>) {
    for suspect in lost {
        report_lost(suspect, LeakReason::ThreadEnded, strict::THREAD_END);
    }
}
