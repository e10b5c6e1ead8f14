//! The switch: one saved execution on one stack.
//!
//! ```text
//!            enter(Signal)                    the stack, when the fiber is left
//!   outside ───────────────► fiber            top ┌──────────────────────┐
//!      ▲                       │                  │ the job's record     │  record.rs
//!      │                       │                  │ arguments or result  │
//!      └───────────────────────┘             base ├──────────────────────┤
//!             Turn::leave()                       │ root frame           │
//!                                                 │ the job's frames     │
//!                                                 │ saved registers      │
//!                                                 ├──────────────────────┤
//!                                           limit └── guard ─────────────┘
//! ```
//!
//! A fiber never ends. Its root runs one job after the other and leaves in between, so that a pooled stack is not set
//! up again for a job of the same kind as the one before. Nothing unwinds out of a fiber: the root catches what the
//! job throws, and what a thread's end unwinds by force (`pthread_exit`) ends with the root, the end of the stack.
//!
//! A processor predicts returns by a stack of its own, which a switch leaves askew: each return that follows, on either
//! side, may be mispredicted, and that can be most of the cost of a switch. So what stands between the application and
//! the switch is inlined. And on x86-64 the switch is ours (`x86_64.rs`), because it goes by a jump, which the processor
//! predicts by what it did the last time, and which takes nothing from that stack; elsewhere it is corosensei's
//! (`portable.rs`). Both have the same two types. `--cfg portable_switch` chooses the second, for tests.
//!
//! An unwinder may run at any instruction: a sampling profiler in a signal handler, a debugger. Ours has exact call-frame
//! information for each of them, and a backtrace ends at the fiber's root. corosensei's has it for all that is called from
//! a job, but not within the switch: there an unwinder may read memory that is no frame, and crash.
//!
//! What the switch saves is registers, and nothing else: `errno`, the signal mask and thread-locals belong to the thread
//! (statement 56). Rust's count of running panics is such a thread-local; therefore nothing switches while the thread
//! panics. C++'s counterpart is saved around switches (`exceptions.rs`), and so are the floating-point modes of C jobs
//! (`modes.rs`).

#[cfg_attr(any(not(target_arch = "x86_64"), portable_switch), path = "fiber/portable.rs")]
#[cfg_attr(not(any(not(target_arch = "x86_64"), portable_switch)), path = "fiber/x86_64.rs")]
mod switch;

pub(super) use switch::{Fiber, Turn, call, leave_for_c};

/// What a fiber is told when it is entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// Go on.
    Continue,
    /// The job has been dropped: unwind to the root.
    Unwind,
}
