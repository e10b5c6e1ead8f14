//! Wiping the stack: preparing a key, and work on a message, leave parts of them in frames that have
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
//! A frame covers only what lies below it, and the optimiser may merge a callee's frame into its caller's.
//! So code that leaves secrets is called in a way that cannot be inlined. Work with private keys goes deeper
//! than all of this, and wipes what it has used itself (`kernels/keys/depth.rs`).
//!
//! This gives no guarantee about the processor's registers and what the system saves of them, about
//! anything deeper than the wiped part, or about copies that the caller makes. Frames of an unoptimised
//! build of this crate lie deeper, and leave copies of round keys. `tests/secrets.rs` of simaccel looks
//! for what is left.

use std::hint::black_box;
use std::mem::MaybeUninit;

/// The most bytes of the stack that the preparation of a key uses: 21 KiB for AES-256-XTS in an optimised
/// build. The stack must have room for what is wiped, so this is not much more than what is used. (An
/// engine does this work outside of its jobs, on the stack of the thread.)
const PREPARING: usize = 24 * 1024;
/// The same for work on a message: 3 KiB in an optimised build, 13 KiB without optimisation, and on a
/// stepped device the frames of an event.
const WORKING: usize = if cfg!(debug_assertions) { 16 * 1024 } else { 12 * 1024 };
/// The same on a worker's own stack, which has enough room.
const WORKER: usize = 16 * 1024;
/// Unused bytes between a worker's loop and its work, so that the wiping frames, which are smaller, cover
/// all of the work's frames.
const MARGIN: usize = 1024;

/// Runs `prepare`, and wipes the stack that it has used: 24 KiB. For creating sessions; the result should
/// hold no secret itself, because it is moved.
pub fn with_wiped_stack<R>(prepare: impl FnOnce() -> R) -> R {
    let result = set_apart(prepare);
    wipe::<PREPARING>();
    result
}

/// Runs `f` in its own frame, so that none of it lies in the caller's.
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

/// Wipes so many bytes of the stack below the caller.
#[inline(never)]
pub(crate) fn wipe<const DEPTH: usize>() {
    let mut zeros = [0_u8; DEPTH];
    // Code that might read the zeros gets their address, so they lie on the stack.
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
