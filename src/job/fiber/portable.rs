//! The switch of corosensei, for processors that have none of ours.
#![expect(unsafe_code, reason = "switches stacks")]

use std::convert::Infallible;
use std::ffi::c_int;
use std::num::NonZeroUsize;

use corosensei::stack::StackPointer;
use corosensei::{Coroutine, Yielder};

use super::super::current;
use super::Signal;

/// The way out of a running fiber; valid while the fiber is.
pub(in super::super) struct Exit {
    yielder: *const Yielder<Signal, ()>,
}

impl Exit {
    /// Leaves the fiber, which has to be the running one. Comes back when it is entered again.
    #[inline]
    pub(in super::super) fn leave(&self) -> Signal {
        // SAFETY: the fiber is running, so the way out that it was given is valid.
        unsafe { (*self.yielder).suspend(()) }
    }
}

/// [`Exit::leave`] as a C function.
pub(in super::super) extern "C" fn leave_for_c() -> c_int {
    match current::way_out_for_c() {
        // SAFETY: the running job's way out.
        Some(exit) => current::back_for_c(unsafe { &*exit }.leave()),
        None => 1,
    }
}

/// One execution, left.
pub(in super::super) struct Fiber {
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
    pub(in super::super) unsafe fn new(
        base: usize,
        limit: usize,
        root: impl FnOnce(&Exit) -> Infallible + 'static,
    ) -> Self {
        let region = Region { base: stack_pointer(base), limit: stack_pointer(limit) };
        let coroutine = Coroutine::with_stack(region, move |yielder, _| root(&Exit { yielder }));
        Self { coroutine }
    }

    /// Runs the fiber until it leaves.
    #[inline]
    pub(in super::super) fn enter(&mut self, signal: Signal) {
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
