//! The counters: what the provider has done, in a mapped file that `simaccel-stat` reads.
//!
//! ```text
//!   entry of an operation ── Operation::begin ──► operations, bytes
//!                                │ armed()         a job is there, and its wait context
//!                                │ pausing()       the first one of the operation: pauses; the others: spurious_resumes
//!                                ▼
//!                            dropped ────────────► resumes, or synchronous by reason
//!
//!   page ── words ── P.<pid> ──► snapshot ──► simaccel-stat             engine: its statistics, copied at times
//!                        ▲───── control ◄──── simaccel-stat --set
//! ```
//!
//! An operation costs additions to words of its algorithm's row, and no lock and no system call. Each of the
//! first eight threads that count has words of its own, and adds to them without a locked instruction: one of
//! those after a submission waits until the request has reached the cache. The other threads share the words
//! that have the names. `operations == pauses + synchronous` holds when none is on its way, and `in_flight`
//! is `operations` less those that have ended: those whose jobs are paused, or whose threads wait.
//!
//! Which operation a pause belongs to is known without a look at the job: between the begin of an operation
//! and its first pause no other one of the thread can run, and a thread-local remembers it as long. A later
//! pause of the same operation finds nothing there.

mod control;
mod file;
pub mod layout;
pub mod snapshot;
mod wrongs;

use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

pub(crate) use control::look_at;
pub use control::{Served, serve};
pub use file::{FileError, start};
pub(crate) use file::{before_exit, generation, now, page};
pub use layout::{Entry, Field, Head, Kind, Row, Total};
pub(crate) use layout::{MOST_CONTEXTS, MOST_SHARDS};
pub use wrongs::Violation;

/// Why an operation did not pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Synchronous {
    /// It runs outside of any job.
    NoJob,
    /// Its algorithm is one of `never_pause`.
    NeverPause,
    /// It is smaller than `async_min_bytes`.
    TooSmall,
    /// The libcrypto that has loaded us shows no ASYNC functions.
    NoAsync,
    /// The device does not have the key: the default provider does it.
    Elsewhere,
}

thread_local! {
    /// The operation that has begun on this thread and has not paused yet.
    static BEGUN: Cell<Option<Begun>> = const { Cell::new(None) };
    /// Whether a request is submitted, in a job, and the job has not paused for it yet.
    static ARMED: Cell<bool> = const { Cell::new(false) };
    /// How far behind the shared words this thread has its own.
    static SHARD: Cell<Option<usize>> = const { Cell::new(None) };
}

/// How many shards were given out. A thread keeps its own, in a forked child, too.
static SHARDS_GIVEN: AtomicUsize = AtomicUsize::new(0);

/// What a pause has to know of its operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Begun {
    pub(crate) row: Row,
    pub(crate) bytes: u64,
    /// Where the stack was.
    stack: usize,
    /// Whether a job was there.
    in_job: bool,
}

/// One operation, which ends when this is dropped. It lies on the stack of its job.
#[derive(Debug)]
#[must_use = "the operation ends when this is dropped"]
pub struct Operation {
    row: Row,
    reason: Option<Synchronous>,
    /// It belongs to a thread.
    here: PhantomData<*const ()>,
}

impl Operation {
    /// Begins an operation on so many bytes.
    #[inline]
    pub fn begin(row: Row, bytes: usize) -> Self {
        let marker = 0_u8;
        let stack = ptr::from_ref(&marker).addr();
        BEGUN.set(Some(Begun { row, bytes: bytes as u64, stack, in_job: false }));
        ARMED.set(false);
        add(row.at(Field::Operations), 1);
        add(row.at(Field::Bytes), bytes as u64);
        Self { row, reason: None, here: PhantomData }
    }

    /// Notes why it is not going to pause. An operation that does nevertheless counts as a pause.
    #[inline]
    pub fn not_pausing(&mut self, reason: Synchronous) {
        self.reason = Some(reason);
    }

    /// What an operation that has not paused counts as.
    fn reason(&self, begun: Begun) -> Field {
        match self.reason {
            Some(Synchronous::NoJob) => Field::NoJob,
            Some(Synchronous::NeverPause) => Field::NeverPause,
            Some(Synchronous::TooSmall) => Field::TooSmall,
            Some(Synchronous::NoAsync) => Field::NoAsync,
            Some(Synchronous::Elsewhere) => Field::Elsewhere,
            None if begun.in_job => Field::Fallback,
            None => Field::NoJob,
        }
    }
}

impl Drop for Operation {
    #[inline]
    fn drop(&mut self) {
        let begun = BEGUN.take();
        let field = begun.map_or(Field::Resumes, |begun| self.reason(begun));
        add(self.row.at(field), 1);
        control::look();
    }
}

/// A request of this thread's operation is about to be submitted, in a job that can pause.
#[inline]
pub fn armed() {
    ARMED.set(true);
    if let Some(begun) = BEGUN.get() {
        BEGUN.set(Some(Begun { in_job: true, ..begun }));
    }
}

/// What a pause is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pause {
    /// The first one of this operation.
    First(Begun),
    /// The first one for another request of the same operation, which was tried again.
    Repeated,
    /// A resume before it has found the request not done.
    Again,
}

/// A job is about to pause: counts it, but for the row's own spurious resumes.
#[inline]
pub(crate) fn pausing() -> Pause {
    let is_armed = ARMED.replace(false);
    match BEGUN.take() {
        Some(begun) => {
            add(begun.row.at(Field::Pauses), 1);
            note_stack(begun.stack);
            Pause::First(begun)
        }
        None if is_armed => {
            add(Total::RepeatedPauses.at(), 1);
            Pause::Repeated
        }
        None => Pause::Again,
    }
}

/// Notes how deep the stack is, at a pause, below the entry of the operation.
#[inline]
fn note_stack(entry: usize) {
    let marker = 0_u8;
    let depth = entry.saturating_sub(ptr::from_ref(&marker).addr());
    at_least(Total::StackMost.at(), depth as u64);
}

/// An eventfd was registered in a wait context.
pub fn fd_opened() {
    add(Total::FdsOpened.at(), 1);
}

/// It was closed.
pub fn fd_closed() {
    add(Total::FdsClosed.at(), 1);
}

/// None could be made.
pub fn fd_refused() {
    add(Total::FdsRefused.at(), 1);
}

/// A job was resumed so many nanoseconds after its wake.
pub(crate) fn woken_for(nsec: u64) {
    add(layout::WAKES + layout::wake_place(nsec), 1);
    add(layout::WAKE_SUM, nsec);
    at_least(layout::WAKE_MOST, nsec);
}

/// Adds to a word that is counted.
#[inline]
pub(crate) fn add(at: usize, count: u64) {
    let behind = SHARD.get().unwrap_or_else(take_shard);
    let word = &page()[at + behind];
    if behind == SHARED_WORDS {
        word.fetch_add(count, Ordering::Relaxed);
    } else {
        // No other thread writes it.
        word.store(word.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
    }
}

/// For a thread without a shard.
const SHARED_WORDS: usize = 0;

#[cold]
fn take_shard() -> usize {
    let number = SHARDS_GIVEN.fetch_add(1, Ordering::Relaxed);
    let behind = if number < MOST_SHARDS { layout::behind(number) } else { SHARED_WORDS };
    SHARD.set(Some(behind));
    behind
}

/// What was added to a word, by all threads.
#[inline]
pub(crate) fn sum(at: usize) -> u64 {
    let page = page();
    let given = SHARDS_GIVEN.load(Ordering::Relaxed).min(MOST_SHARDS);
    let shards = (0..given).map(|shard| page[at + layout::behind(shard)].load(Ordering::Relaxed));
    shards.fold(page[at].load(Ordering::Relaxed), u64::wrapping_add)
}

/// Raises a word to this value, if it is less.
#[inline]
pub(crate) fn at_least(at: usize, value: u64) {
    let word = &page()[at];
    if word.load(Ordering::Relaxed) < value {
        word.fetch_max(value, Ordering::Relaxed);
    }
}
