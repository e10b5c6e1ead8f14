//! The switch of corosensei, for processors that have none of ours.
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

/// Whose turn it is on a thread: the running fiber, and the way back to the side that has entered it.
pub(in super::super) struct Turn {
    fiber: Cell<*const Fiber>,
    /// Set by the fiber, first of all, each time that it is entered.
    resumer: Cell<*const Yielder<Input, ()>>,
}

/// What a fiber is entered with.
type Input = (Signal, *const Turn);

/// One execution, left, if there is one.
pub(in super::super) struct Fiber {
    coroutine: UnsafeCell<Option<Coroutine<Input, (), Infallible, Region>>>,
}

/// The part of a stack that a fiber runs on.
struct Region {
    base: StackPointer,
    limit: StackPointer,
}

impl Turn {
    /// Nobody's.
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

/// Calls a raw job's function. A panic comes back as an error; whatever else unwinds ends the process: corosensei's root
/// is a `catch_unwind`.
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

    /// Forgets the execution, and has the fiber begin anew. It will call `root`.
    ///
    /// # Safety
    ///
    /// The fiber is not running. The memory between `limit` and `base` stays mapped and unused by others until the fiber
    /// is forgotten, with a guard at its low end (or the supplier of the memory answers for overflows). `base` is
    /// aligned to 16 bytes. `root` does not unwind.
    pub(in super::super) unsafe fn renew<F>(&self, base: usize, limit: usize, root: F)
    where
        F: FnOnce() -> Infallible + 'static,
    {
        // SAFETY: the caller's promise; the old one has to be gone before its stack is used anew.
        unsafe { self.forget() };
        let region = Region { base: stack_pointer(base), limit: stack_pointer(limit) };
        let coroutine = Coroutine::with_stack(region, move |yielder, (_, turn): Input| {
            // SAFETY: the caller that enters the fiber borrows the turn for as long as the fiber runs.
            unsafe { &*turn }.resumer.set(yielder);
            root()
        });
        // SAFETY: nobody looks at a fiber that is not running.
        unsafe { *self.coroutine.get() = Some(coroutine) };
    }

    /// Forgets the execution.
    ///
    /// # Safety
    ///
    /// It is not running, and no frame of it owns anything whose destructor must run.
    pub(in super::super) unsafe fn forget(&self) {
        // SAFETY: nobody looks at a fiber that is not running.
        if let Some(mut old) = unsafe { (*self.coroutine.get()).take() } {
            // SAFETY: the caller's promise.
            unsafe { old.force_reset() };
        }
    }

    /// Runs the fiber until it leaves.
    ///
    /// # Safety
    ///
    /// It was renewed, has not been forgotten since, and is not running. `turn` is its thread's, nobody's, and hands `this`
    /// out.
    #[inline]
    pub(in super::super) unsafe fn enter(this: NonNull<Self>, turn: &Turn, signal: Signal) {
        turn.fiber.set(this.as_ptr());
        // SAFETY: nothing else looks at a running fiber.
        if let Some(coroutine) = unsafe { &mut *this.as_ref().coroutine.get() } {
            coroutine.resume((signal, turn));
        }
        turn.fiber.set(ptr::null());
    }

    /// The same from within another fiber, whose turn it is again afterwards.
    ///
    /// # Safety
    ///
    /// As for [`enter`](Self::enter), but that it is another's turn.
    pub(in super::super) unsafe fn enter_from_fiber(this: NonNull<Self>, turn: &Turn, signal: Signal) {
        let (resumer, fiber) = (turn.resumer.get(), turn.fiber.get());
        // SAFETY: the caller's promise; whose turn it was is kept.
        unsafe { Self::enter(this, turn, signal) };
        turn.resumer.set(resumer);
        turn.fiber.set(fiber);
    }

    /// Leaves the fiber. Comes back when it is entered again.
    ///
    /// # Safety
    ///
    /// It is the caller's, and `turn` its thread's.
    #[inline]
    pub(in super::super) unsafe fn leave(&self, turn: &Turn) -> Signal {
        let resumer = turn.resumer.get();
        // SAFETY: the fiber is running, so the way out that it has set is valid.
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
