//! The switch of corosensei, for processors without one of ours.
#![expect(unsafe_code, reason = "switches stacks")]

use std::cell::{Cell, UnsafeCell};
use std::convert::Infallible;
use std::ffi::{c_int, c_void};
use std::num::NonZeroUsize;
use std::panic::{self, AssertUnwindSafe};
use std::ptr::{self, NonNull};

use corosensei::stack::StackPointer;
use corosensei::{Coroutine, Yielder};

use super::super::current;
use super::super::raw::RawFn;
use super::super::record::Panic;
use super::Signal;

/// The state of switches on a thread: the running fiber, and the way back to the side that entered it.
pub(in super::super) struct Turn {
    fiber: Cell<*const Fiber>,
    /// Set by the fiber as its first action, each time that it is entered.
    resumer: Cell<*const Yielder<Input, ()>>,
}

/// What a fiber is entered with.
type Input = (Signal, *const Turn);

/// One saved execution, if there is one.
pub(in super::super) struct Fiber {
    coroutine: UnsafeCell<Option<Coroutine<Input, (), Infallible, Region>>>,
}

/// The part of a stack that a fiber runs on.
struct Region {
    base: StackPointer,
    limit: StackPointer,
}

impl Turn {
    /// No fiber runs.
    pub(in super::super) const fn new() -> Self {
        Self { fiber: Cell::new(ptr::null()), resumer: Cell::new(ptr::null()) }
    }

    /// The running fiber; null when there is none.
    #[inline]
    pub(in super::super) fn fiber(&self) -> *const Fiber {
        self.fiber.get()
    }
}

/// [`Fiber::leave`] as a C function.
pub(in super::super) extern "C" fn leave_for_c() -> c_int {
    match current::turn_for_c() {
        // SAFETY: the running fiber is the caller's.
        Some(turn) => current::back_for_c(unsafe { (*turn.fiber()).leave(turn) }),
        None => 1,
    }
}

/// Calls a raw job's function. Returns a panic as an error. Anything else that unwinds ends the process,
/// because corosensei's root is a `catch_unwind`.
///
/// # Safety
///
/// `func` may be called with `args`, in a job.
pub(in super::super) unsafe fn call(func: RawFn, args: *mut c_void) -> Result<c_int, Panic> {
    // SAFETY: the caller's promise.
    panic::catch_unwind(AssertUnwindSafe(|| unsafe { func(args) }))
}

impl Fiber {
    /// No execution: it must not be entered.
    pub(in super::super) const fn none() -> Self {
        Self { coroutine: UnsafeCell::new(None) }
    }

    /// Discards the execution and starts a new one, which will call `root`.
    ///
    /// # Safety
    ///
    /// The fiber is not running. The memory between `limit` and `base` stays mapped, and unused by others,
    /// until the execution is discarded. It has a guard at its low end, or the supplier of the memory answers
    /// for overflows. `base` is aligned to 16 bytes. `root` does not unwind.
    pub(in super::super) unsafe fn renew<F>(&self, base: usize, limit: usize, root: F)
    where
        F: FnOnce() -> Infallible + 'static,
    {
        // SAFETY: the caller's promise; the old execution has to be gone before its stack is used again.
        unsafe { self.forget() };
        let region = Region { base: stack_pointer(base), limit: stack_pointer(limit) };
        let coroutine = Coroutine::with_stack(region, move |yielder, (_, turn): Input| {
            // SAFETY: the caller that enters the fiber borrows the turn for as long as the fiber runs.
            unsafe { &*turn }.resumer.set(yielder);
            root()
        });
        // SAFETY: nothing reads a fiber that is not running.
        unsafe { *self.coroutine.get() = Some(coroutine) };
    }

    /// Discards the execution.
    ///
    /// # Safety
    ///
    /// It is not running, and no frame of it owns anything whose destructor must run.
    pub(in super::super) unsafe fn forget(&self) {
        // SAFETY: nothing reads a fiber that is not running.
        if let Some(mut old) = unsafe { (*self.coroutine.get()).take() } {
            // SAFETY: the caller's promise.
            unsafe { old.force_reset() };
        }
    }

    /// Nothing: frames are where corosensei knows.
    #[inline]
    pub(in super::super) fn prefetch(&self) {}

    /// Runs the fiber until it leaves.
    ///
    /// # Safety
    ///
    /// The fiber was renewed, was not discarded since, and is not running. `turn` is its thread's, has no
    /// running fiber, and is the one that `this` is entered by.
    #[inline]
    pub(in super::super) unsafe fn enter(this: NonNull<Self>, turn: &Turn, signal: Signal) {
        turn.fiber.set(this.as_ptr());
        // SAFETY: nothing else reads a running fiber.
        if let Some(coroutine) = unsafe { &mut *this.as_ref().coroutine.get() } {
            coroutine.resume((signal, turn));
        }
        turn.fiber.set(ptr::null());
    }

    /// Runs the fiber from within another fiber, and makes that one the running fiber again afterwards.
    ///
    /// # Safety
    ///
    /// As for [`enter`](Self::enter), except that another fiber is running.
    pub(in super::super) unsafe fn enter_from_fiber(this: NonNull<Self>, turn: &Turn, signal: Signal) {
        let (resumer, fiber) = (turn.resumer.get(), turn.fiber.get());
        // SAFETY: the caller's promise; the running fiber and its way back are kept.
        unsafe { Self::enter(this, turn, signal) };
        turn.resumer.set(resumer);
        turn.fiber.set(fiber);
    }

    /// Leaves the fiber. Returns when it is entered again.
    ///
    /// # Safety
    ///
    /// The fiber is the caller's, and `turn` its thread's.
    #[inline]
    pub(in super::super) unsafe fn leave(&self, turn: &Turn) -> Signal {
        let resumer = turn.resumer.get();
        // SAFETY: the fiber is running, so the way back that it has set is valid.
        let (signal, _) = unsafe { (*resumer).suspend(()) };
        turn.resumer.set(resumer);
        signal
    }
}

impl Drop for Fiber {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the owner that drops a fiber has unwound its job, or has promised that the job's frames own
        // nothing that must be dropped (`raw::discard`).
        unsafe { self.forget() };
    }
}

// SAFETY: `Fiber::renew` asks for a guarded region of at least `MIN_STACK_SIZE` bytes.
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
