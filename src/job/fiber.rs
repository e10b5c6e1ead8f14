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
//! A fiber never ends. Its root runs one job after the other and leaves in between, so that a pooled stack is
//! not set up again for a job of the same kind. Nothing unwinds out of a fiber: the root catches a job's
//! panic. A forced unwinding at a thread's end (`pthread_exit`) stops at the root, the end of the stack.
//!
//! A processor predicts returns with a stack of its own, which a switch puts out of step. Each later return,
//! on either side, may then be mispredicted, and that can be most of the cost of a switch. So the code
//! between the application and the switch is inlined. On x86-64 the switch is ours (`x86_64.rs`): it goes by
//! a jump, which the processor predicts by its last target, and which takes nothing from that stack.
//! Elsewhere it is corosensei's (`portable.rs`). Both have the same two types. `--cfg portable_switch`
//! selects the second, for tests.
//!
//! An unwinder may run at any instruction: a sampling profiler in a signal handler, or a debugger. Our switch
//! has exact call-frame information for each instruction, and a backtrace ends at the fiber's root.
//! corosensei's has it for everything that a job calls, but not within the switch: there an unwinder may read
//! memory that is no frame, and crash.
//!
//! The switch saves registers, and nothing else: `errno`, the signal mask and thread-locals belong to the
//! thread (statement 56). Rust's count of running panics is such a thread-local; therefore nothing switches
//! while the thread panics. Its C++ counterpart is saved around switches (`exceptions.rs`), and so are the
//! floating-point modes of C jobs (`modes.rs`).

#[cfg_attr(any(not(target_arch = "x86_64"), portable_switch), path = "fiber/portable.rs")]
#[cfg_attr(not(any(not(target_arch = "x86_64"), portable_switch)), path = "fiber/x86_64.rs")]
mod switch;

pub(super) use switch::{Fiber, Turn, call, leave_for_c};

/// What a fiber is entered for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// Go on.
    Continue,
    /// The job has been dropped: unwind to the root.
    Unwind,
}
