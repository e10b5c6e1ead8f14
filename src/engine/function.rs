//! Whether this thread is in a function of a call: the device is then in the middle of something, and waits
//! for the function to return.

use std::cell::Cell;

thread_local! {
    /// How many functions of calls this thread is inside of, nested.
    static FUNCTIONS: Cell<u32> = const { Cell::new(0) };
}

/// Whether this thread is in a function, of whatever engine.
pub(super) fn runs_here() -> bool {
    FUNCTIONS.get() > 0
}

/// While it lives, its thread is in a function.
pub(super) struct Function(());

impl Function {
    pub(super) fn begin() -> Self {
        FUNCTIONS.set(FUNCTIONS.get() + 1);
        Self(())
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        FUNCTIONS.set(FUNCTIONS.get() - 1);
    }
}
