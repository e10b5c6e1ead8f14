//! Uses of a thing by one thread, counted without a locked instruction; and a list of what its owner gave up
//! while it was in use.
//!
//! ```text
//!   the thread of the uses                     any thread, which gives the thing up
//!   begin    count + 1                         count is 0: the thing goes. Otherwise:
//!   ...      the thing is there                the thing enters the list
//!   end      count - 1, its last access        heavy()
//!            light()                           count is 0: the thing leaves the list, and goes
//!            anything in the list?             otherwise the end of its last use finds it there
//! ```
//!
//! At least one of the two sides sees what the other has stored (see [`barrier`]). Where both do, the lock of
//! the list decides. The list outlives every thing, so a thread that has ended its use looks at no memory
//! that may be gone.
//!
//! No use begins after a thing was given up, which the caller ensures. So a count of 0 is final then.

use super::{AtomicUsize, Mutex, Ordering, barrier, lock};

/// How many uses of a thing one thread has under way.
#[derive(Debug)]
pub struct Uses {
    thread: usize,
    count: AtomicUsize,
}

impl Uses {
    /// No use yet, by the thread with this number. No other thread has the number while that thread lives.
    pub fn of_thread(thread: usize) -> Self {
        barrier::ask();
        Self { thread, count: AtomicUsize::new(0) }
    }

    /// Begins a use by the thread with this number. Returns `false`, and begins none, when the uses that are
    /// counted here are another thread's.
    #[inline(always)]
    pub fn begin(&self, thread: usize) -> bool {
        let is_here = thread == self.thread;
        if is_here {
            self.count.store(self.count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        }
        is_here
    }

    /// Ends a use that has begun in this thread. The caller looks at the [list](GivenUp::is_any) next, and at
    /// the thing no longer.
    #[inline(always)]
    pub fn end(&self) {
        self.count.store(self.count.load(Ordering::Relaxed) - 1, Ordering::Release);
        barrier::light();
    }

    /// Whether no use is under way. Of a thing that was given up this stays true.
    pub fn is_unused(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }
}

/// A thing whose uses are counted.
pub trait Used {
    /// Its uses.
    fn uses(&self) -> &Uses;
}

/// Things that were given up while they were in use.
#[derive(Debug)]
pub struct GivenUp<T> {
    waiting: AtomicUsize,
    things: Mutex<Vec<T>>,
}

impl<T: Used> GivenUp<T> {
    /// Nothing.
    pub fn new() -> Self {
        Self { waiting: AtomicUsize::new(0), things: Mutex::new(Vec::new()) }
    }

    /// Whether there may be something to take.
    #[inline(always)]
    pub fn is_any(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) != 0
    }

    /// Gives `thing` up. Returns it, and others of the list, unless they are in use.
    pub fn give_up(&self, thing: T) -> Vec<T> {
        if thing.uses().is_unused() {
            return vec![thing];
        }
        {
            let mut things = lock(&self.things);
            things.push(thing);
            self.waiting.store(things.len(), Ordering::Relaxed);
        }
        barrier::heavy();
        self.take_unused()
    }

    /// Takes what is no longer in use.
    pub fn take_unused(&self) -> Vec<T> {
        let mut things = lock(&self.things);
        let taken = things.extract_if(.., |thing| thing.uses().is_unused()).collect();
        self.waiting.store(things.len(), Ordering::Relaxed);
        taken
    }
}

impl<T: Used> Default for GivenUp<T> {
    fn default() -> Self {
        Self::new()
    }
}
