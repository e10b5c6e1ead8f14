//! The newest things that the application did wrong: which operation, which wait context.
//!
//! ```text
//!   number n ──► wrongs[n % 16]: what, operation, context, thread, woken how long before, when
//! ```

use std::fmt;
use std::sync::atomic::Ordering;

use super::file::{now, page};
use super::layout::{Entry, Kind, MOST_WRONGS, Row, WRONG, WRONG_WORDS, WRONGS, Wrong};

/// One thing that the application did wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// What it was.
    pub kind: Kind,
    /// The algorithm.
    pub algorithm: String,
    /// The bytes of the operation.
    pub bytes: u64,
    /// The number of the wait context, from 1.
    pub context: u64,
    /// Its address.
    pub address: u64,
    /// The thread that the job has paused in.
    pub thread: u64,
    /// How long before the wake was sent, in nanoseconds, if it was; 0 where wakes are not timed.
    pub woken_for: Option<u64>,
    /// When it happened, by the monotonic clock in nanoseconds.
    pub at: u64,
}

impl Violation {
    /// What happens now to the context with this entry.
    pub(crate) fn of(kind: Kind, entry: impl Fn(Entry) -> u64) -> Self {
        let at = now();
        let woken_for = match entry(Entry::WokenAt) {
            0 => None,
            1 => Some(0),
            woken => Some(at.saturating_sub(woken)),
        };
        Self {
            kind,
            algorithm: Row::at_index(entry(Entry::Row)).name().to_owned(),
            bytes: entry(Entry::Bytes),
            context: entry(Entry::Number),
            address: entry(Entry::Address),
            thread: entry(Entry::Thread),
            woken_for,
            at,
        }
    }

    /// Keeps it for readers of the file.
    pub(crate) fn keep(&self) {
        let page = page();
        let number = page[WRONG].fetch_add(1, Ordering::Relaxed);
        let at = WRONGS + usize::try_from(number).unwrap_or_default() % MOST_WRONGS * WRONG_WORDS;
        let row = Row::named(&self.algorithm).unwrap_or(Row::OTHER);
        for (word, value) in [
            (Wrong::Kind, self.kind as u64 + 1),
            (Wrong::Row, row.index() as u64),
            (Wrong::Bytes, self.bytes),
            (Wrong::Context, self.context),
            (Wrong::Address, self.address),
            (Wrong::Thread, self.thread),
            (Wrong::WokenFor, self.woken_for.unwrap_or(u64::MAX)),
            (Wrong::At, self.at),
        ] {
            page[at + word as usize].store(value, Ordering::Relaxed);
        }
    }
}

/// In one line: what, and where.
impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { algorithm, bytes, context, address, thread, .. } = self;
        let where_it_is = format!("wait context {context} at {address:#x}, thread {thread}");
        let operation = format!("{algorithm} of {bytes} bytes");
        match self.kind {
            Kind::Freed => write!(f, "freed while paused: {where_it_is}, with {operation} paused in it")?,
            Kind::NotResumed => write!(f, "not resumed after its wake: {operation}, in {where_it_is}")?,
            Kind::OtherThread => {
                let what = "resumed in another thread than it had paused in";
                write!(f, "{what}: {operation}, in {where_it_is}")?;
            }
        }
        match self.woken_for {
            None => f.write_str(", its wake not yet sent"),
            Some(0) => f.write_str(", its wake sent"),
            Some(nsec) => write!(f, ", its wake sent {} us before", nsec.div_ceil(1_000)),
        }
    }
}
