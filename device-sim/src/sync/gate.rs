//! A gate: one thread at a time is inside. The thread that has work there comes and goes without a locked
//! instruction, for as long as no other thread comes.
//!
//! ```text
//!   OPEN ──────► USER ──► OPEN      any thread: it exchanges the word
//!                 │
//!                 └──► KEPT         the first thread that came to work leaves: from now on the gate is kept
//!                                   for it
//!
//!   the keeper, while the gate is KEPT        another thread
//!   at = TRYING                               KEPT ─► USER | BRIEF
//!   light()                                   heavy()
//!   still KEPT? at = INSIDE or BRIEFLY        the keeper is OUT? the gate is this thread's, and never kept again
//!               otherwise at = OUT                    INSIDE?  ─► KEPT, and this thread is refused
//!   ... leaves: at = OUT                              trying, or inside briefly: this thread waits
//! ```
//!
//! At least one of the two sides sees what the other has stored (see `barrier`). A locked instruction waits
//! until every earlier store has reached the cache, also those of the requests just submitted: a job's
//! resumer would pay that with every resume.
//!
//! The store with which a thread leaves is its last access, because another thread may free the gate from
//! then on.

use super::{AtomicUsize, Ordering, barrier, spin_or_yield};
use crate::process::fork;

/// No thread is inside, and the gate is kept for none.
const OPEN: usize = 0;
/// The gate is kept: its keeper says itself whether it is inside.
const KEPT: usize = usize::MAX - 1;
/// There is no gate.
const NONE: usize = usize::MAX;
/// The thread inside leaves at once; added to the thread's number, which is even.
const BRIEF: usize = 1;

/// No thread has come to work yet.
const NOBODY: usize = 0;

/// Where the keeper is.
mod at {
    pub(super) const OUT: usize = 0;
    pub(super) const TRYING: usize = 1;
    pub(super) const BRIEFLY: usize = 2;
    pub(super) const INSIDE: usize = 3;
}

/// A gate, or none.
#[derive(Debug)]
pub struct Gate {
    word: AtomicUsize,
    /// The number of the thread that the gate is, or was, kept for. It changes once, by the thread inside.
    keeper: AtomicUsize,
    at: AtomicUsize,
    /// As of [`fork::generation`].
    born: u64,
}

/// Another thread works inside; in a forked child it may be a thread of the parent, which never leaves.
#[derive(Debug)]
pub struct InUse;

/// How a thread came in. It leaves the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// There is no gate, or the thread is inside already: nothing to leave.
    Nothing,
    /// As its keeper.
    Keeper,
    /// By the word.
    Word,
}

/// What a thread wants inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stay {
    /// Other threads are refused meanwhile.
    Work,
    /// It leaves at once; other threads wait.
    Brief,
}

impl Gate {
    /// An open gate.
    pub fn open() -> Self {
        barrier::ask();
        Self::at_first(OPEN)
    }

    /// None: every thread comes in.
    pub fn none() -> Self {
        Self::at_first(NONE)
    }

    fn at_first(word: usize) -> Self {
        let (keeper, at) = (AtomicUsize::new(NOBODY), AtomicUsize::new(at::OUT));
        Self { word: AtomicUsize::new(word), keeper, at, born: fork::generation() }
    }

    /// Lets the thread with this number in. The number is even and not 0, and no other living thread has it.
    ///
    /// # Errors
    ///
    /// [`InUse`] while another thread works inside. In a forked child of the process that has made the gate,
    /// also while one is inside briefly: it may be a thread of the parent.
    #[inline(always)]
    pub fn enter(&self, thread: usize, stay: Stay) -> Result<Entry, InUse> {
        if self.keeper.load(Ordering::Relaxed) == thread
            && let Some(entry) = self.enter_as_keeper(stay)
        {
            return Ok(entry);
        }
        self.enter_by_word(thread, stay)
    }

    /// Called by the keeper. `None`: the gate is not kept, or not now.
    #[inline(always)]
    fn enter_as_keeper(&self, stay: Stay) -> Option<Entry> {
        if self.at.load(Ordering::Relaxed) != at::OUT {
            return Some(Entry::Nothing);
        }
        self.at.store(at::TRYING, Ordering::Relaxed);
        barrier::light();
        if self.word.load(Ordering::Acquire) != KEPT {
            self.at.store(at::OUT, Ordering::Release);
            return None;
        }
        let inside = match stay {
            Stay::Work => at::INSIDE,
            Stay::Brief => at::BRIEFLY,
        };
        self.at.store(inside, Ordering::Release);
        Some(Entry::Keeper)
    }

    #[cold]
    fn enter_by_word(&self, thread: usize, stay: Stay) -> Result<Entry, InUse> {
        let user = match stay {
            Stay::Work => thread,
            Stay::Brief => thread | BRIEF,
        };
        let mut turns = 0;
        loop {
            let seen = self.word.load(Ordering::Relaxed);
            match seen {
                NONE => return Ok(Entry::Nothing),
                OPEN if self.exchange(OPEN, user) => return Ok(Entry::Word),
                KEPT if self.keeper.load(Ordering::Relaxed) == thread => {
                    if let Some(entry) = self.enter_as_keeper(stay) {
                        return Ok(entry);
                    }
                }
                KEPT if self.exchange(KEPT, thread | BRIEF) => return self.take_from_keeper(user),
                OPEN | KEPT => {}
                _ if (seen ^ thread) & !BRIEF == 0 => return Ok(Entry::Nothing),
                _ if seen & BRIEF == 0 || self.is_inherited() => return Err(InUse),
                _ => spin_or_yield(&mut turns),
            }
        }
    }

    /// The word is this thread's, and the keeper may be inside.
    fn take_from_keeper(&self, user: usize) -> Result<Entry, InUse> {
        barrier::heavy();
        let mut turns = 0;
        loop {
            match self.at.load(Ordering::Acquire) {
                at::OUT => {
                    self.word.store(user, Ordering::Relaxed);
                    return Ok(Entry::Word);
                }
                found if found == at::INSIDE || self.is_inherited() => {
                    self.word.store(KEPT, Ordering::Release);
                    return Err(InUse);
                }
                _ => spin_or_yield(&mut turns),
            }
        }
    }

    /// Whether this process is a child of the one that has made the gate.
    #[inline]
    pub fn is_inherited(&self) -> bool {
        fork::since(self.born)
    }

    fn exchange(&self, seen: usize, user: usize) -> bool {
        self.word.compare_exchange(seen, user, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// How the thread with this number, which is inside, came in; `Nothing` when it is not inside.
    pub fn entry_of(&self, thread: usize) -> Entry {
        if self.keeper.load(Ordering::Relaxed) == thread && self.at.load(Ordering::Relaxed) >= at::BRIEFLY {
            Entry::Keeper
        } else if self.word.load(Ordering::Relaxed) & !BRIEF == thread {
            Entry::Word
        } else {
            Entry::Nothing
        }
    }

    /// Called by a thread that came in like this, once: its last access.
    #[inline(always)]
    pub fn leave(&self, entry: Entry) {
        match entry {
            Entry::Nothing => {}
            Entry::Keeper => self.at.store(at::OUT, Ordering::Release),
            Entry::Word => self.leave_by_word(),
        }
    }

    #[cold]
    fn leave_by_word(&self) {
        let thread = self.word.load(Ordering::Relaxed);
        let is_first = thread & BRIEF == 0 && self.keeper.load(Ordering::Relaxed) == NOBODY;
        if is_first {
            self.keeper.store(thread, Ordering::Relaxed);
        }
        self.word.store(if is_first { KEPT } else { OPEN }, Ordering::Release);
    }
}
