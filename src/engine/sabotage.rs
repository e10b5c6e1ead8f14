//! Sabotage: an engine that is silently wrong, for tests of the checks that must detect it.
//!
//! The switch belongs to the thread. It is read only where something is given up or closed, or was looked at
//! in vain, never on the path of a successful operation.

use std::cell::Cell;

/// What is broken.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// A request that is given up leaves its wake behind, for the next operation on the context.
    StaleWake,
    /// A request that is given up is never freed.
    LeakedBuffer,
    /// The wake fd of a context that ends stays open.
    LeakedFd,
    /// A future that is polled in vain is not woken any more.
    LostWaker,
}

thread_local! {
    static SABOTAGE: Cell<Option<Sabotage>> = const { Cell::new(None) };
}

/// Breaks the engines of this thread in this way from here on, or stops breaking them.
#[doc(hidden)]
pub fn sabotage(sabotage: Option<Sabotage>) {
    SABOTAGE.set(sabotage);
}

pub(crate) fn is(sabotage: Sabotage) -> bool {
    SABOTAGE.get() == Some(sabotage)
}
