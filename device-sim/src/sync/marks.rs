//! Numbers that any thread marks, and one task takes; a mark wakes the task, once for all that come before it
//! looks.
//!
//! ```text
//!   any thread                                  the task
//!   set      mark the number                    next     swap a word's marks with 0, give them one by one
//!            the word was empty?                sleep    leave a waker, asleep = true
//!            fence                                       fence
//!            asleep? take the waker, call it             any mark? stay awake
//! ```
//!
//! At least one of the two sides sees what the other has stored. A word that was not empty had a mark that
//! has woken the task, or will keep it awake: the task has not looked since.

use std::task::Waker;

use super::{AtomicBool, AtomicU64, Mutex, Ordering, fence, lock};

/// The task's way through the marks: every word has its turn, so no mark waits for ever behind others.
#[derive(Debug, Default)]
pub struct Looks {
    /// Marks that were taken and not looked at: of this word.
    taken: u64,
    word: usize,
}

impl Looks {
    /// The next number that was marked. `None`: every word was empty, and nothing that was taken is left, so
    /// the task may sleep.
    #[inline]
    pub fn next(&mut self, marks: &Marks) -> Option<usize> {
        let words = marks.words.len();
        for _ in 0..words {
            if self.taken == 0 {
                self.word = if self.word + 1 < words { self.word + 1 } else { 0 };
                self.taken = marks.take(self.word);
            }
            if self.taken != 0 {
                let bit = self.taken.trailing_zeros() as usize;
                self.taken &= self.taken - 1;
                return Some(64 * self.word + bit);
            }
        }
        None
    }
}

/// A set of numbers, the marked ones.
#[derive(Debug)]
pub struct Marks {
    words: Box<[AtomicU64]>,
    /// Changed by swaps alone, so that all its changes are in one order, of whichever thread.
    asleep: AtomicBool,
    /// The task's, while it sleeps.
    waker: Mutex<Option<Waker>>,
}

impl Marks {
    /// Room for the numbers below `count`; none is marked.
    pub fn new(count: usize) -> Self {
        let words = (0..count.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        Self { words, asleep: AtomicBool::new(false), waker: Mutex::new(None) }
    }

    /// Marks a number, and wakes the task if it sleeps.
    #[inline]
    pub fn set(&self, number: usize) {
        self.set_some(number / 64, 1 << (number % 64));
    }

    /// Marks some numbers of a word: 64 times `word`, and the place of each bit more.
    #[inline]
    pub fn set_some(&self, word: usize, bits: u64) {
        let before = self.words[word].fetch_or(bits, Ordering::AcqRel);
        if before == 0 {
            fence(Ordering::SeqCst);
            if self.asleep.load(Ordering::Relaxed) && self.asleep.swap(false, Ordering::AcqRel) {
                self.wake();
            }
        }
    }

    #[cold]
    fn wake(&self) {
        // Foreign code, outside of the lock.
        let waker = lock(&self.waker).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Takes the marks of a word: the numbers from 64 times `word`.
    #[inline]
    fn take(&self, word: usize) -> u64 {
        let word = &self.words[word];
        if word.load(Ordering::Relaxed) == 0 { 0 } else { word.swap(0, Ordering::AcqRel) }
    }

    /// The task is about to sleep, after its [looks](Looks) have found nothing: the next mark calls the
    /// waker. `false`: there is one already, and it stays awake.
    pub fn sleep(&self, waker: &Waker) -> bool {
        let is_known = lock(&self.waker).as_ref().is_some_and(|known| known.will_wake(waker));
        if !is_known {
            let new = Some(waker.clone());
            let old = std::mem::replace(&mut *lock(&self.waker), new);
            drop(old);
        }
        self.asleep.swap(true, Ordering::AcqRel);
        fence(Ordering::SeqCst);
        let stays_awake = self.words.iter().any(|word| word.load(Ordering::Relaxed) != 0);
        if stays_awake {
            self.awake();
        }
        !stays_awake
    }

    /// The task looks again, so no mark has to wake it.
    #[inline]
    pub fn awake(&self) {
        if self.asleep.load(Ordering::Relaxed) {
            self.asleep.swap(false, Ordering::AcqRel);
        }
    }

    /// No task comes any more: forgets its waker.
    pub fn close(&self) {
        self.awake();
        let waker = lock(&self.waker).take();
        drop(waker);
    }
}
