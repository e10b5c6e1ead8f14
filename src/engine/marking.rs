//! Marks of a set's operations that are made while a reaper calls wakers: set together, when all were called.
//!
//! ```text
//!   Places::wake ─► the waker of a slot ─► mark: noted ─┐
//!              ├──► the waker of a slot ─► mark: noted ─┤
//!              └──► end ─────────────────────────────────┴─► set: one locked instruction
//!   elsewhere ────────────────────────────► mark ─────────► set: one for each
//! ```
//!
//! One word of one set is noted at a time, that of the first mark; all others are set at once. A mark that is
//! noted wakes the set's task a little later, but in the same turn.

use std::cell::RefCell;
use std::mem;
use std::sync::Arc;

use simaccel_device::Marks;

use super::catching::catch;

thread_local! {
    static NOTED: RefCell<Noted> = const { RefCell::new(Noted::No) };
}

enum Noted {
    /// Wakers are not being called.
    No,
    None,
    Some(Word),
}

struct Word {
    marks: Arc<Marks>,
    word: usize,
    bits: u64,
}

impl Word {
    /// Calls the waker of the set's task, which is foreign code.
    fn set(self) {
        self.marks.set_some(self.word, self.bits);
    }
}

/// Marks a number of a set.
#[inline]
pub(crate) fn mark(marks: &Arc<Marks>, number: usize) {
    let (word, bits) = (number / 64, 1 << (number % 64));
    // Where the thread is ending, nothing is noted.
    let is_noted = NOTED.try_with(|noted| match &mut *noted.borrow_mut() {
        Noted::No => false,
        Noted::Some(some) if some.word == word && Arc::ptr_eq(&some.marks, marks) => {
            some.bits |= bits;
            true
        }
        Noted::Some(_) => false,
        none @ Noted::None => {
            *none = Noted::Some(Word { marks: Arc::clone(marks), word, bits });
            true
        }
    });
    if !is_noted.unwrap_or(false) {
        marks.set_some(word, bits);
    }
}

/// While wakers are being called. One inside of another ends both: what is marked afterwards is set at once.
#[must_use]
pub(super) struct Together(());

impl Together {
    #[inline]
    pub(super) fn begin() -> Self {
        set_noted(Noted::None);
        Self(())
    }

    /// All were called.
    #[inline]
    pub(super) fn end(self) {
        mem::forget(self);
        set_noted(Noted::No);
    }
}

impl Drop for Together {
    /// A waker has panicked.
    fn drop(&mut self) {
        catch(|| set_noted(Noted::No));
    }
}

/// Sets what was noted.
#[inline]
fn set_noted(next: Noted) {
    let before = NOTED.try_with(|noted| noted.replace(next));
    if let Ok(Noted::Some(word)) = before {
        word.set();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;

    use simaccel_device::{Looks, Marks};

    use super::{Together, mark};

    fn marked(marks: &Marks) -> Vec<usize> {
        let mut looks = Looks::default();
        let mut numbers: Vec<_> = std::iter::from_fn(|| looks.next(marks)).collect();
        numbers.sort_unstable();
        numbers
    }

    #[test]
    fn marks_of_the_first_word_are_set_when_all_wakers_were_called() {
        let [one, other] = [(); 2].map(|()| Arc::new(Marks::new(128)));
        mark(&one, 5);
        assert_eq!(marked(&one), [5], "no waker is being called");
        let together = Together::begin();
        mark(&one, 1);
        mark(&one, 64);
        mark(&other, 2);
        mark(&one, 63);
        assert_eq!((marked(&one), marked(&other)), (vec![64], vec![2]), "another word, another set");
        together.end();
        assert_eq!(marked(&one), [1, 63]);
        mark(&one, 7);
        assert_eq!(marked(&one), [7]);
        assert_eq!((Arc::strong_count(&one), Arc::strong_count(&other)), (1, 1));
    }

    #[test]
    fn a_panic_loses_no_mark() {
        let marks = Arc::new(Marks::new(1));
        let panics = || {
            let _together = Together::begin();
            mark(&marks, 0);
            panic!("a waker");
        };
        assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
        assert_eq!(marked(&marks), [0]);
        mark(&marks, 0);
        assert_eq!(marked(&marks), [0], "nothing is noted any more");
    }

    #[test]
    fn one_inside_of_another_sets_what_was_noted() {
        let marks = Arc::new(Marks::new(8));
        let outer = Together::begin();
        mark(&marks, 0);
        let inner = Together::begin();
        assert_eq!(marked(&marks), [0]);
        mark(&marks, 1);
        inner.end();
        assert_eq!(marked(&marks), [1]);
        mark(&marks, 2);
        assert_eq!(marked(&marks), [2]);
        outer.end();
        assert!(marked(&marks).is_empty());
    }
}
