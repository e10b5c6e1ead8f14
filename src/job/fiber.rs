//! The switch: one saved execution on one stack, over corosensei.
//!
//! ```text
//!            enter(Signal)                    the stack, when the fiber is left
//!   outside ───────────────► fiber            top ┌──────────────────────┐
//!      ▲                       │                  │ the job's record     │  record.rs
//!      │                       │                  │ arguments or result  │
//!      └───────────────────────┘             base ├──────────────────────┤
//!             Exit::leave()                       │ way back, root frame │
//!                                                 │ the job's frames     │
//!                                                 │ saved registers      │
//!                                                 ├──────────────────────┤
//!                                           limit └── guard ─────────────┘
//! ```
//!
//! A fiber never ends. Its root runs one job after the other and leaves in between, so that a pooled stack is not set
//! up again for a job of the same kind as the one before. And a job that pauses in its closure itself, which is part of
//! the root, leaves with its calls and returns paired. A pause deeper down leaves the processor's stack of return
//! addresses askew, so that each return that follows, on either side, is mispredicted: that can be most of the cost
//! of a switch, and it is why what stands between the application and the switch is inlined. Nothing unwinds out of a
//! fiber: the root catches what the job throws.
//!
//! What the switch saves is what the calling convention asks for, and nothing else: `errno`, the signal mask, the
//! floating-point environment and thread-locals belong to the thread (statement 56). Rust's count of running panics
//! is such a thread-local; therefore nothing switches while the thread panics.
#![expect(unsafe_code, reason = "switches stacks")]

use std::convert::Infallible;
use std::num::NonZeroUsize;

use corosensei::Coroutine;
use corosensei::stack::StackPointer;

/// What a fiber is told when it is entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// Go on.
    Continue,
    /// The job has been dropped: unwind to the root.
    Unwind,
}

/// The way out of a running fiber; valid while the fiber is.
pub(super) type Exit = corosensei::Yielder<Signal, ()>;

/// One execution, left.
pub(super) struct Fiber {
    coroutine: Coroutine<Signal, (), Infallible, Region>,
}

/// The part of a stack that a fiber runs on.
struct Region {
    base: StackPointer,
    limit: StackPointer,
}

impl Fiber {
    /// A fiber that has not been entered. It will call `root`.
    ///
    /// # Safety
    ///
    /// The memory between `limit` and `base` stays mapped and unused by others until the fiber is dropped, with a
    /// guard at its low end (or the supplier of the memory answers for overflows). `base` is aligned to 16 bytes.
    /// `root` does not unwind.
    pub(super) unsafe fn new(
        base: usize,
        limit: usize,
        root: impl FnOnce(&Exit) -> Infallible + 'static,
    ) -> Self {
        let region = Region { base: stack_pointer(base), limit: stack_pointer(limit) };
        Self { coroutine: Coroutine::with_stack(region, move |exit, _| root(exit)) }
    }

    /// Runs the fiber until it leaves.
    #[inline]
    pub(super) fn enter(&mut self, signal: Signal) {
        self.coroutine.resume(signal);
    }
}

impl Drop for Fiber {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: whoever drops a fiber has unwound its job, or has promised that the job's frames own nothing
        // that must be dropped (`raw::discard`).
        unsafe { self.coroutine.force_reset() };
    }
}

// SAFETY: `Fiber::new` asks for a guarded region of at least `MIN_STACK_SIZE` bytes.
unsafe impl corosensei::stack::Stack for Region {
    #[inline]
    fn base(&self) -> StackPointer {
        self.base
    }

    #[inline]
    fn limit(&self) -> StackPointer {
        self.limit
    }
}

#[inline]
fn stack_pointer(address: usize) -> StackPointer {
    NonZeroUsize::new(address).expect("stacks do not lie at address 0")
}
