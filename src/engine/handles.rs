//! Handles of sessions that go from one operation of a thread to its next one.
//!
//! ```text
//!   an operation ends: its handle ──► LEFT ──► the next operation under the same session
//!                                      └─ not taken: dropped at the next turn of a reaper
//! ```
//!
//! An operation owns a handle of its session. To clone and to drop it are two locked instructions, a good
//! part of what an operation of 64 bytes costs its caller. A handle is left here only while a reaper of the
//! thread is awake, so that its next turn is certain, and drops what was not taken. So a session may outlive
//! its last handle by one turn.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use super::session::SessionCore;

thread_local! {
    static LEFT: RefCell<Vec<Arc<SessionCore>>> = const { RefCell::new(Vec::new()) };
    /// How many reapers of the thread are awake. It has no destructor, so it can always be read.
    static AWAKE: Cell<u32> = const { Cell::new(0) };
}

/// Handles that are left at a time.
const MOST: usize = 64;

/// A handle for an operation.
#[inline]
pub(crate) fn take(session: &Arc<SessionCore>) -> Arc<SessionCore> {
    if AWAKE.get() > 0
        && let Some(left) = of_latest(session)
    {
        return left;
    }
    Arc::clone(session)
}

#[inline]
fn of_latest(session: &Arc<SessionCore>) -> Option<Arc<SessionCore>> {
    let same = |left: &mut Arc<SessionCore>| Arc::ptr_eq(left, session);
    LEFT.try_with(|left| left.borrow_mut().pop_if(same)).ok().flatten()
}

/// The operation is over.
#[inline]
pub(crate) fn leave(session: Arc<SessionCore>) {
    if AWAKE.get() == 0 {
        return drop(session);
    }
    // The thread is ending where there is no list.
    let left_over = LEFT.try_with(move |left| {
        let mut left = left.borrow_mut();
        if left.len() >= MOST {
            return Some(session);
        }
        left.push(session);
        None
    });
    drop(left_over);
}

/// A session goes with its last handle, outside of the list.
fn drop_left() {
    let left = LEFT.try_with(|left| left.take());
    drop(left);
}

/// While a reaper of the thread is awake.
#[derive(Debug, Default)]
pub(crate) struct Awake(bool);

impl Awake {
    /// It has a turn, and will have another one.
    #[inline]
    pub(crate) fn has_turn(&mut self) {
        if !self.0 {
            self.0 = true;
            AWAKE.set(AWAKE.get() + 1);
        }
        // One by one, which keeps the memory of the list.
        while let Ok(Some(left)) = LEFT.try_with(|left| left.borrow_mut().pop()) {
            drop(left);
        }
    }

    /// It has no turn until it is woken, or none at all.
    pub(crate) fn sleeps(&mut self) {
        if self.0 {
            self.0 = false;
            AWAKE.set(AWAKE.get() - 1);
        }
        drop_left();
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        self.sleeps();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Awake, LEFT, leave, take};
    use crate::engine::Engine;
    use crate::{Cipher, Config};

    #[test]
    fn a_handle_is_left_while_a_reaper_is_awake_and_for_one_turn() {
        let engine = Engine::open(Config::default()).unwrap();
        let [one, other] = [1, 2].map(|key| engine.cipher(Cipher::Aes128Ctr, &[key; 16]).unwrap());
        let left = || LEFT.with_borrow(Vec::len);
        leave(take(one.core()));
        assert_eq!((left(), Arc::strong_count(one.core())), (0, 1), "no reaper is awake");
        let mut awake = Awake::default();
        awake.has_turn();
        leave(take(one.core()));
        assert_eq!((left(), Arc::strong_count(one.core())), (1, 2));
        let of_other = take(other.core());
        assert!(Arc::ptr_eq(&of_other, other.core()), "one of another session is not taken");
        let again = take(one.core());
        assert_eq!((left(), Arc::strong_count(one.core())), (0, 2));
        leave(again);
        leave(of_other);
        awake.has_turn();
        assert_eq!((left(), Arc::strong_count(one.core()), Arc::strong_count(other.core())), (0, 1, 1));
        leave(take(one.core()));
        drop(awake);
        assert_eq!((left(), Arc::strong_count(one.core())), (0, 1));
        leave(take(one.core()));
        assert_eq!(left(), 0);
    }
}
