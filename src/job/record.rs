//! A job's record: everything that is known of a job, at the top of the job's own stack, so that a job costs no
//! allocation and its bookkeeping shares a page with its frames.
//!
//! ```text
//!   Idle ──claim──► Fresh ──resume──► Running ◄──resume── Paused ──leak──► (for ever)
//!     ▲               │                 │  └────pause──────► │ │
//!     │               └──drop──┐        └──return, panic──┐  │ └─drop while panicking─► Paused, in the deferred list
//!     │                        ▼                          ▼  │
//!     └────── release ◄────────┴──────────────────── Finished│◄── unwinds when dropped (Running, in between)
//!     └────── release, new fiber ◄───────────────────────────┴─── discard (raw jobs: frames are forgotten)
//!                                                     GivenUp ◄── did not unwind: leaked
//! ```
#![expect(unsafe_code, reason = "enters the fiber, and calls the job's function and hooks")]

use std::alloc::Layout;
use std::any::Any;
use std::cell::{Cell, UnsafeCell};
use std::convert::Infallible;
use std::ffi::{c_int, c_void};
use std::panic::{self, AssertUnwindSafe};
use std::ptr::{self, NonNull};
use std::rc::Rc;

use super::Release;
use super::fiber::{Exit, Fiber, Signal};
use super::hooks;
use super::pool::Pool;
use super::raw::{Handle, RawFn};
use super::stack::Stack;
use super::wait_ctx::Shared;

/// Where a job is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// In the pool: there is a stack, and no job.
    Idle,
    /// Made, and not yet resumed.
    Fresh,
    /// On the thread's chain of running jobs.
    Running,
    /// In `pause`.
    Paused,
    /// Its function has returned or panicked, and whoever resumed it has not yet taken the outcome.
    Finished,
    /// It would not unwind; its stack is never touched again.
    GivenUp,
}

/// What kind of job it is: how to dispose of what the record cannot name the type of.
#[derive(Debug)]
pub(super) struct Kind {
    /// For reports: the type of the closure, or that it is a raw job.
    pub(super) name: fn() -> &'static str,
    /// Whether it is driven by its handle and may be discarded.
    pub(super) raw: bool,
    /// Drops the arguments of a job that was never resumed.
    pub(super) drop_unstarted: unsafe fn(*mut c_void),
    /// Drops the result of a job that nobody waits for.
    pub(super) drop_result: unsafe fn(*mut c_void),
}

/// What a job runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Work {
    pub(super) func: RawFn,
    pub(super) args: *mut c_void,
    /// The layout of `args`, where they are too large for the stack and lie on the heap.
    pub(super) heap: Option<Layout>,
    pub(super) kind: &'static Kind,
}

/// A panic on its way to the resumer.
pub(super) type Panic = Box<dyn Any + Send>;

pub(super) struct Record {
    // Touched by every switch.
    fiber: UnsafeCell<Option<Fiber>>,
    exit: Cell<*const Exit>,
    pub(super) state: Cell<State>,
    /// Blocks on pausing that are in force (statements 44, 45).
    pub(super) blocks: Cell<u32>,
    pub(super) pool: NonNull<Pool>,
    pub(super) ctx: Cell<Option<Rc<Shared>>>,
    pub(super) release: Cell<Option<*const dyn Release>>,
    /// The job's word for the switch hooks.
    local: Cell<usize>,

    // Touched once or twice in a job's life.
    pub(super) work: Cell<Work>,
    pub(super) ret: Cell<c_int>,
    panic: Cell<Option<Panic>>,
    pub(super) token: Cell<u64>,
    pub(super) generation: Cell<u32>,
    pub(super) index: u32,
    /// The next record in the idle or the deferred list.
    pub(super) next: Cell<Option<NonNull<Record>>>,

    // Set once in the stack's life.
    pub(super) epoch: u32,
    area: Cell<usize>,
    stack: UnsafeCell<Option<Stack>>,
}

/// Arguments up to this size lie on the job's own stack, in bytes.
pub(super) const MAX_AREA: usize = 4096;
/// How much is set aside for them to begin with.
const FIRST_AREA: usize = 256;
/// The alignment of the arguments.
pub(super) const AREA_ALIGN: usize = 64;
/// How often a job that swallows its unwinding is told again.
const UNWIND_TRIES: u8 = 4;

/// What a switch into a job came back with.
#[derive(Debug)]
pub(super) enum Switched {
    Paused,
    Finished,
}

impl Record {
    /// Puts the record of a new idle job at the top of `stack`, and the job's fiber below it.
    pub(super) fn install(
        stack: Stack,
        pool: NonNull<Pool>,
        index: u32,
        generation: u32,
        epoch: u32,
    ) -> NonNull<Self> {
        let at = (stack.top - size_of::<Self>()) & !(AREA_ALIGN - 1);
        let record = NonNull::new(ptr::with_exposed_provenance_mut::<Self>(at)).expect("stacks are not at 0");
        let new = Self {
            fiber: UnsafeCell::new(None),
            exit: Cell::new(ptr::null()),
            state: Cell::new(State::Idle),
            blocks: Cell::new(0),
            pool,
            ctx: Cell::new(None),
            release: Cell::new(None),
            local: Cell::new(0),
            work: Cell::new(NO_WORK),
            ret: Cell::new(0),
            panic: Cell::new(None),
            token: Cell::new(0),
            generation: Cell::new(generation),
            index,
            next: Cell::new(None),
            epoch,
            area: Cell::new(FIRST_AREA),
            stack: UnsafeCell::new(Some(stack)),
        };
        // SAFETY: the stack is mapped, not in use, and has room for a record at its top.
        unsafe { record.write(new) };
        // SAFETY: just written.
        unsafe { record.as_ref() }.renew_fiber();
        record
    }

    /// Takes the record apart and hands out its stack.
    ///
    /// # Safety
    ///
    /// The job is idle, and nobody will use `record` again.
    pub(super) unsafe fn uninstall(record: NonNull<Self>) -> Stack {
        // SAFETY: the caller is the last user; from here on the record is a value of ours.
        let mut record = unsafe { record.read() };
        record.stack.get_mut().take().expect("a record has a stack until here")
    }

    pub(super) fn handle(&self) -> Handle {
        Handle::new(self.index, self.generation.get())
    }

    /// Room for arguments of this layout on the job's own stack; `None` when they are too large for it.
    pub(super) fn area(&self, layout: Layout) -> Option<*mut c_void> {
        if layout.align() > AREA_ALIGN || layout.size() > MAX_AREA {
            return None;
        }
        if layout.size() > self.area.get() {
            self.area.set(layout.size().next_multiple_of(AREA_ALIGN));
            self.renew_fiber();
        }
        Some(ptr::with_exposed_provenance_mut(self.base()))
    }

    /// Switches into the job and comes back when it pauses or has finished.
    #[inline]
    pub(super) fn enter(&self, signal: Signal) -> Switched {
        // SAFETY: the pool lives as long as one of its jobs is unfinished.
        let pool = unsafe { self.pool.as_ref() };
        let outer = pool.current.replace(Some(NonNull::from(self)));
        self.state.set(State::Running);
        let hooks = hooks::enter(&self.local);
        // SAFETY: nobody else looks at the fiber of a running job: resuming and dropping it are refused.
        if let Some(fiber) = unsafe { &mut *self.fiber.get() } {
            fiber.enter(signal);
        }
        hooks::leave(hooks, &self.local);
        pool.current.set(outer);
        if self.state.get() == State::Paused { Switched::Paused } else { Switched::Finished }
    }

    /// Switches out of the job, which is the running one, and comes back with what the resumer says.
    #[inline]
    pub(super) fn leave(&self, state: State) -> Signal {
        self.state.set(state);
        // SAFETY: the job is running, so its fiber is, and the way out that it was given is valid.
        unsafe { (*self.exit.get()).suspend(()) }
    }

    /// Unwinds the paused job's stack. `false`: the job would not, and is given up.
    pub(super) fn unwind(&self) -> bool {
        for _ in 0..UNWIND_TRIES {
            if let Switched::Finished = self.enter(Signal::Unwind) {
                return true;
            }
        }
        self.state.set(State::GivenUp);
        false
    }

    /// The panic that ended the job, if one did.
    pub(super) fn take_panic(&self) -> Option<Panic> {
        self.panic.take()
    }

    /// Forgets the paused job's frames.
    ///
    /// # Safety
    ///
    /// No frame of the job owns anything whose destructor must run, and nobody refers to its frames.
    pub(super) unsafe fn forget_frames(&self) {
        self.renew_fiber();
    }

    /// Prepares the record for its next job.
    pub(super) fn reset(&self) {
        self.state.set(State::Idle);
        self.blocks.set(0);
        self.release.set(None);
        self.local.set(0);
        self.generation.set(self.generation.get().wrapping_add(1));
    }

    /// The job's wait context, as it was given at the start.
    pub(super) fn with_ctx<R>(&self, look: impl FnOnce(&Rc<Shared>) -> R) -> Option<R> {
        // SAFETY: the reference does not outlive the call, and a claimed job's context stays in place until the job
        // has ended, which it cannot do meanwhile: its callers are the job itself or a look at a job that is found.
        unsafe { &*self.ctx.as_ptr() }.as_ref().map(look)
    }

    /// Where the fiber begins: below the record and the room for arguments.
    fn base(&self) -> usize {
        ptr::from_ref(self).addr() - self.area.get()
    }

    /// Starts over with a fiber that has not been entered, forgetting the old one's frames.
    fn renew_fiber(&self) {
        // SAFETY: the job is not running, so nobody looks at its stack or its fiber.
        let (stack, fiber) = unsafe { ((*self.stack.get()).as_ref(), &mut *self.fiber.get()) };
        let limit = stack.expect("a record has a stack").limit;
        let record = NonNull::from(self);
        // SAFETY: the region is the job's own stack below its record, which stays mapped as long as the record is
        // there; `serve` does not unwind.
        *fiber = Some(unsafe { Fiber::new(self.base(), limit, move |exit| serve(record, exit)) });
    }
}

/// The root of every fiber: runs the job that the record names, leaves with its outcome, and so on.
fn serve(record: NonNull<Record>, exit: &Exit) -> Infallible {
    // SAFETY: the record lies above the fiber on the same stack and outlives it.
    let record = unsafe { record.as_ref() };
    record.exit.set(exit);
    loop {
        let Work { func, args, .. } = record.work.get();
        // SAFETY: whoever filled in the work promised that the function may be called with these arguments, once.
        match panic::catch_unwind(AssertUnwindSafe(|| unsafe { func(args) })) {
            Ok(ret) => record.ret.set(ret),
            Err(payload) => record.panic.set(Some(payload)),
        }
        record.leave(State::Finished);
    }
}

unsafe extern "C-unwind" fn no_func(_: *mut c_void) -> c_int {
    0
}

unsafe fn nothing(_: *mut c_void) {}

/// The kind of jobs that C drives.
pub(super) static RAW: Kind =
    Kind { name: || "raw job", raw: true, drop_unstarted: nothing, drop_result: nothing };

const NO_WORK: Work = Work { func: no_func, args: ptr::null_mut(), heap: None, kind: &RAW };
