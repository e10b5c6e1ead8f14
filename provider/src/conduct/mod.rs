//! What the application does wrong with its jobs, seen from the outside.
//!
//! ```text
//!   a wait context ── Watched ── one entry of the mapped table, as long as the context lives
//!        pause ───────► paused, which operation, which thread          the device's wake ──► woken since
//!        resume ──────► by its wake (how long after it?), or early; in the same thread?
//!        its end ─────► with a paused job: freed while paused
//!   exit of the process ──► jobs that were woken and never resumed
//! ```
//!
//! The entries lie in the file of the counters, so that they tell the same after a crash. All of it is
//! relaxed words: a resume and a wake at one moment may count as either order, and of two wakes at one moment
//! with a resume the second may be lost.
//!
//! # What is wrong
//!
//! Under [`Strict::Abort`] the first of these ends the process:
//!
//! - **A wait context is freed while a job is paused in it.** libcrypto cannot end a job: its stack, and all
//!   that it holds, stay for ever.
//! - **A job is not resumed for a second after its wake, and the process exits.** A loop that runs resumes
//!   it in the next round. One that has ended before its operations have is what a test is to find.
//! - **A job is resumed in another thread than it has paused in.** When it ends, libcrypto goes on in the
//!   frame of the first thread's call, which has returned.
//!
//! Resumes without a wake are none: libcrypto's own server polls that way. They are counted, and so are
//! contexts that are there when the process exits, which the system frees.

mod exit;
mod strict;

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

pub use strict::Strict;

use crate::counters::{
    self, Begun, Entry, Field, Head, Kind, MOST_CONTEXTS, Pause, Row, Total, Violation, add, at_least, now,
    page,
};

/// What [`Entry::WokenAt`] says where wakes are not timed.
const WOKEN: u64 = 1;

thread_local! {
    static THREAD: Cell<u64> = const { Cell::new(0) };
}

/// Notes how the application uses its jobs, and what follows from it.
pub fn start(strict: Strict) {
    strict::set(strict);
    counters::before_exit(exit::look);
}

/// One wait context, as long as it lives. Any thread may use it.
#[derive(Debug)]
pub struct Watched {
    entry: Place,
    forks: u32,
    has_ended: AtomicBool,
}

/// Where the entry lies.
#[derive(Debug)]
enum Place {
    /// In the table.
    Listed(usize),
    /// The table is full.
    Own(Box<[AtomicU64; ENTRY_WORDS]>),
}

const ENTRY_WORDS: usize = Entry::Pauses as usize + 1;

impl Watched {
    /// A wait context that begins to be used, at this address.
    pub fn begin(address: usize) -> Arc<Self> {
        let number = page()[Total::Contexts.at()].fetch_add(1, Ordering::Relaxed) + 1;
        let entry = list(number).map_or_else(unlisted, Place::Listed);
        let watched = Self { entry, forks: counters::generation(), has_ended: AtomicBool::new(false) };
        watched.word(Entry::Number).store(number, Ordering::Relaxed);
        watched.word(Entry::Address).store(address as u64, Ordering::Relaxed);
        Arc::new(watched)
    }

    /// A job is about to pause.
    pub fn pauses(&self) {
        if self.is_inherited() {
            return;
        }
        match counters::pausing() {
            Pause::First(begun) => self.begins(begun),
            Pause::Repeated => {}
            Pause::Again => add(self.row().at(Field::SpuriousResumes), 1),
        }
        self.word(Entry::Thread).store(thread(), Ordering::Relaxed);
        self.raise(Entry::Paused, 1);
        self.paused_now(1);
    }

    /// The job was resumed.
    pub fn resumed(&self) {
        if self.is_inherited() {
            return;
        }
        self.raise(Entry::Paused, 1_u64.wrapping_neg());
        self.paused_now(1_u64.wrapping_neg());
        let woken_at = self.word(Entry::WokenAt);
        let at = woken_at.load(Ordering::Relaxed);
        if at != 0 {
            woken_at.store(0, Ordering::Relaxed);
        }
        match at {
            0 => add(Total::EarlyResumes.at(), 1),
            WOKEN => {}
            at => counters::woken_for(now().saturating_sub(at)),
        }
        if self.word(Entry::Thread).load(Ordering::Relaxed) != thread() {
            add(Total::OtherThread.at(), 1);
            strict::note(&self.violation(Kind::OtherThread));
        }
    }

    /// The device is about to wake the job. Returns whether the context is there to be told.
    pub fn woken(&self) -> bool {
        if self.is_inherited() {
            return false;
        }
        if self.has_ended.load(Ordering::Acquire) {
            add(Total::WakesAfterFree.at(), 1);
            return false;
        }
        let at = if is_timed() { now() } else { WOKEN };
        self.word(Entry::WokenAt).store(at, Ordering::Relaxed);
        counters::look_at(if is_timed() { at } else { 0 });
        true
    }

    /// The application has freed the context.
    pub fn end(&self) {
        if self.is_inherited() || self.has_ended.swap(true, Ordering::AcqRel) {
            return;
        }
        add(Total::ContextsEnded.at(), 1);
        let paused = self.word(Entry::Paused).swap(0, Ordering::Relaxed);
        if paused > 0 {
            add(self.row().at(Field::Freed), paused);
            self.paused_now(paused.wrapping_neg());
            strict::note(&self.violation(Kind::Freed));
        }
        if let Place::Listed(slot) = self.entry {
            page()[Entry::Number.at(slot)].store(0, Ordering::Release);
        }
    }

    fn begins(&self, begun: Begun) {
        self.word(Entry::Row).store(begun.row.index() as u64, Ordering::Relaxed);
        self.word(Entry::Bytes).store(begun.bytes, Ordering::Relaxed);
        self.raise(Entry::Pauses, 1);
    }

    /// A context has one writer at a time, so no read-modify-write is needed.
    fn raise(&self, entry: Entry, more: u64) {
        let word = self.word(entry);
        word.store(word.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
    }

    fn paused_now(&self, more: u64) {
        add(Total::PausedNow.at(), more);
        if more == 1 {
            // Of several threads that pause at one moment, each may see the others' before or after.
            at_least(Total::PausedMost.at(), counters::sum(Total::PausedNow.at()));
        }
    }

    fn violation(&self, kind: Kind) -> Violation {
        let of = |entry| self.word(entry).load(Ordering::Relaxed);
        Violation::of(kind, of)
    }

    fn row(&self) -> Row {
        Row::at_index(self.word(Entry::Row).load(Ordering::Relaxed))
    }

    /// Whether a forked child has this from its parent, whose page it does not have.
    fn is_inherited(&self) -> bool {
        self.forks != counters::generation()
    }

    #[inline]
    fn word(&self, entry: Entry) -> &AtomicU64 {
        match &self.entry {
            Place::Listed(slot) => &page()[entry.at(*slot)],
            Place::Own(words) => &words[entry as usize],
        }
    }
}

/// A job was resumed although its context had been freed, and all that belongs to it with that.
pub(crate) fn resumed_after_free() {
    add(Total::ResumedAfterFree.at(), 1);
}

/// Takes a place in the table.
fn list(number: u64) -> Option<usize> {
    let page = page();
    let first = usize::try_from(number).unwrap_or_default();
    let free = (0..MOST_CONTEXTS).map(|more| (first + more) % MOST_CONTEXTS).find(|slot| {
        let word = &page[Entry::Number.at(*slot)];
        word.load(Ordering::Relaxed) == 0
            && word.compare_exchange(0, number, Ordering::Acquire, Ordering::Relaxed).is_ok()
    })?;
    for entry in [Entry::Paused, Entry::Row, Entry::Bytes, Entry::Thread, Entry::WokenAt, Entry::Pauses] {
        page[entry.at(free)].store(0, Ordering::Relaxed);
    }
    Some(free)
}

#[cold]
fn unlisted() -> Place {
    add(Total::ContextsUnlisted.at(), 1);
    Place::Own(Box::new([const { AtomicU64::new(0) }; ENTRY_WORDS]))
}

/// The number of this thread, as the system has it.
#[inline(never)]
fn thread() -> u64 {
    THREAD.with(|known| {
        if known.get() == 0 {
            known.set(u64::from(nix::unistd::gettid().as_raw().unsigned_abs()));
        }
        known.get()
    })
}

fn is_timed() -> bool {
    page()[Head::Timed.at()].load(Ordering::Relaxed) != 0
}
