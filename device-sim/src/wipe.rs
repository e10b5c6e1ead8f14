//! Wiping the stack: the preparation of a key, and work on a message, leave parts of it in frames that have
//! returned.
//!
//! ```text
//!   with_wiped_stack                    the same, a moment later
//!   └── set_apart                       └── wipe_stack
//!       └── f: key schedules, moves         └── zeros, over the frames of `f`
//! ```
//!
//! This does not promise that the processor's registers, and what the system saves of them, hold nothing; that nothing lay
//! deeper than is wiped; or anything about what the caller has copied. `tests/secrets.rs` of simaccel looks at what is
//! left.

use std::hint::black_box;

/// Bytes of the stack that the preparation of a key uses at the most. The stack must have room for what is wiped, in a job
/// too, so this is not many more than were used.
const PREPARING: usize = 16 * 1024;
/// The same of work on a message.
const WORKING: usize = 6 * 1024;

/// Runs `prepare`, and wipes the stack that it has used: 16 KiB. For making sessions; what it
/// returns should hold no secret itself, for it is moved.
pub fn with_wiped_stack<R>(prepare: impl FnOnce() -> R) -> R {
    let result = set_apart(prepare);
    wipe::<PREPARING>();
    result
}

/// Runs `f` in a frame of its own, so that none of it lies in the caller's.
#[inline(never)]
pub(crate) fn set_apart<R>(f: impl FnOnce() -> R) -> R {
    f()
}

/// Wipes what work on messages has left on the stack below the caller.
pub(crate) fn wipe_stack() {
    wipe::<WORKING>();
}

#[inline(never)]
fn wipe<const DEPTH: usize>() {
    let mut zeros = [0_u8; DEPTH];
    // Code that might write to the zeros gets their address, so they lie on the stack.
    black_box(&mut zeros);
}
