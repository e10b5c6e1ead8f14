//! Wiping the stack: the preparation of a key, and work on a message, leave parts of it in frames that have
//! returned.
//!
//! ```text
//!   with_wiped_stack                    the same, a moment later
//!   └── set_apart                       └── wipe_stack
//!       └── f: key schedules, moves         └── zeros, over the frames of `f`
//!
//!   a worker's loop                     its sleep, and its end
//!   └── set_apart_deep, a margin        └── some small frames
//!       └── set_apart: a pass               └── wipe_worker_stack
//! ```
//!
//! A frame covers only what lies below it, and the optimiser may put what is called into its caller's frame. So what leaves
//! secrets is called in a way that cannot be inlined.
//!
//! This does not promise that the processor's registers, and what the system saves of them, hold nothing; that nothing lay
//! deeper than is wiped; or anything about what the caller has copied. Frames of an unoptimised build of this crate lie
//! deeper, and leave copies of round keys. `tests/secrets.rs` of simaccel looks at what is left.

use std::hint::black_box;
use std::mem::MaybeUninit;

/// Bytes of the stack that the preparation of a key uses at the most. The stack must have room for what is wiped, in a job
/// too, so this is not many more than were used.
const PREPARING: usize = 16 * 1024;
/// The same of work on a message. With debug assertions frames take more of a job's stack, and the wipe has to do with less.
const WORKING: usize = if cfg!(debug_assertions) { 6 * 1024 } else { 12 * 1024 };
/// The same on a worker's own stack, where room is no matter.
const WORKER: usize = 16 * 1024;
/// Bytes that lie unused between a worker's loop and its work, so that the frames of what wipes, which are smaller, leave
/// none of the work's uncovered.
const MARGIN: usize = 1024;

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

/// Runs a worker's `work` below a margin, so that [`wipe_worker_stack`] reaches all of its frames.
#[inline(never)]
pub(crate) fn set_apart_deep<R>(work: impl FnOnce() -> R) -> R {
    let mut margin = MaybeUninit::<[u8; MARGIN]>::uninit();
    black_box(&mut margin);
    let result = set_apart(work);
    // The margin is in use until here, so `work` is no tail call that takes its place.
    black_box(&mut margin);
    result
}

/// Wipes what a worker's work has left on its stack below the caller.
pub(crate) fn wipe_worker_stack() {
    wipe::<WORKER>();
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the caller's frame ends, nearly.
    #[inline(never)]
    fn depth() -> usize {
        let mark = black_box(0_u8);
        std::ptr::from_ref(&mark).addr()
    }

    #[test]
    fn a_worker_works_below_the_frames_that_wipe() {
        let (here, apart) = (depth(), set_apart_deep(depth));
        assert!((MARGIN..MARGIN + 512).contains(&(here - apart)), "{}", here - apart);
    }
}
