//! Requests to the running process, through its own file; and the engine's numbers, copied into it.
//!
//! ```text
//!   simaccel-stat ── text, number ──► request                    an operation's end, or the device's wake,
//!                                        └── other than seen? ── compares one word ──► attend ──► Served
//!                 ◄── number, verdict ── reply ◄──────────────────────────────────────────┘
//! ```
//!
//! Nothing waits and no thread is kept for it: an idle process answers with its next operation. Parsing a
//! configuration is too deep for the stack of a job, which an operation may end on. So it is done on the
//! device's thread before that wakes a job, or on a thread that is made for it, whichever comes first.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use super::file::{Page, now, page, write_text};
use super::layout::{
    ACCEPTED, ENGINE, ENGINE_COPIED_AT, ENGINE_COPIES, ENGINE_NUMBERS, ENGINE_WORDS, NAME_WORDS, REFUSED,
    REPLY, REPLY_TEXT, REPLY_VERDICT, REPLY_WORDS, REQUEST, REQUEST_TEXT, REQUEST_WORDS, text_of,
};

/// How old a copy of the engine's numbers gets, in nanoseconds, while wakes come.
const RECENT: u64 = 1_000_000_000;

/// What a process does when it is asked.
pub trait Served: Send + Sync {
    /// Whether wakes come from a thread of the device; else they come from within operations.
    fn has_threads(&self) -> bool;

    /// Changes the engine that runs; `None`: there is none yet. The error is in one line.
    fn change(&self, text: &str) -> Option<Result<(), String>>;

    /// Passes the engine's numbers, with their names. Names are at most 40 bytes long.
    fn numbers(&self, visit: &mut dyn FnMut(&str, u64));
}

static SERVED: OnceLock<Box<dyn Served>> = OnceLock::new();
/// The request that was answered last.
static SEEN: AtomicU64 = AtomicU64::new(0);
/// Whether a thread is at it.
static BUSY: AtomicBool = AtomicBool::new(false);

/// Has requests answered. The first call counts.
pub fn serve(served: Box<dyn Served>) {
    let _ = SERVED.set(served);
}

/// Forgets the parent's requests.
pub(super) fn in_child() {
    SEEN.store(0, Ordering::Relaxed);
    BUSY.store(false, Ordering::Relaxed);
}

#[inline]
fn is_asked() -> bool {
    page()[REQUEST].load(Ordering::Relaxed) != SEEN.load(Ordering::Relaxed)
}

/// An operation has ended.
#[inline]
pub(super) fn look() {
    if is_asked() {
        attend(false);
    }
}

/// The device is about to wake a job, at this moment; 0 where wakes are not timed.
#[inline]
pub(crate) fn look_at(now: u64) {
    if is_asked() || now.saturating_sub(page()[ENGINE_COPIED_AT].load(Ordering::Relaxed)) > RECENT {
        attend(true);
    }
}

/// Answers, unless another thread is at it.
#[cold]
fn attend(by_wake: bool) {
    let Some(served) = SERVED.get() else { return };
    if (by_wake && !served.has_threads()) || BUSY.swap(true, Ordering::Acquire) {
        return;
    }
    if by_wake {
        answer(&**served);
    } else {
        // Where no thread can be made, the next operation tries again.
        let _ = thread::scope(|scope| {
            thread::Builder::new()
                .spawn_scoped(scope, || answer(&**served))
                .map(thread::ScopedJoinHandle::join)
        });
    }
    BUSY.store(false, Ordering::Release);
}

fn answer(served: &dyn Served) {
    let page = page();
    let request = page[REQUEST].load(Ordering::Acquire);
    if request == SEEN.load(Ordering::Relaxed) {
        return copy(page, served);
    }
    let text = text_of(page[REQUEST_TEXT..][..REQUEST_WORDS].iter().map(|word| word.load(Ordering::Relaxed)));
    let verdict = if text.is_empty() { Some(Ok(())) } else { served.change(&text) };
    let Some(verdict) = verdict else { return };
    copy(page, served);
    let (number, reason) = match verdict {
        Ok(()) => (ACCEPTED, String::new()),
        Err(reason) => (REFUSED, reason),
    };
    write_text(page, REPLY_TEXT, &reason, REPLY_WORDS);
    page[REPLY_VERDICT].store(number, Ordering::Relaxed);
    page[REPLY].store(request, Ordering::Release);
    SEEN.store(request, Ordering::Relaxed);
}

/// Copies the engine's numbers. The count of copies is odd meanwhile.
fn copy(page: &Page, served: &dyn Served) {
    page[ENGINE_COPIES].fetch_add(1, Ordering::AcqRel);
    let mut places = (0..ENGINE_NUMBERS).map(|number| ENGINE + number * ENGINE_WORDS);
    served.numbers(&mut |name, value| {
        if let Some(at) = places.next() {
            write_text(page, at, name, NAME_WORDS);
            page[at + NAME_WORDS].store(value, Ordering::Relaxed);
        }
    });
    page[ENGINE_COPIED_AT].store(now(), Ordering::Relaxed);
    page[ENGINE_COPIES].fetch_add(1, Ordering::AcqRel);
}

/// The last copy.
pub(super) fn at_exit() {
    if let Some(served) = SERVED.get()
        && !BUSY.swap(true, Ordering::Acquire)
    {
        copy(page(), &**served);
    }
}
