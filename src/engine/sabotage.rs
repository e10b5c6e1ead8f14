//! Sabotage: an engine that is wrong and does not say so, for tests of what looks for such a thing.
//!
//! The switch is the thread's, and is looked at where something is given up or closed, never on the way of an operation
//! that ends well.

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
}

thread_local! {
    static SABOTAGE: Cell<Option<Sabotage>> = const { Cell::new(None) };
}

/// Breaks the engines of this thread in this way from here on, or no longer.
#[doc(hidden)]
pub fn sabotage(sabotage: Option<Sabotage>) {
    SABOTAGE.set(sabotage);
}

pub(crate) fn is(sabotage: Sabotage) -> bool {
    SABOTAGE.get() == Some(sabotage)
}
