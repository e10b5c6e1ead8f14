//! A job's record: everything that is known of a job, at the top of the job's own stack, so that a job costs no
//! allocation and its bookkeeping shares a page with its frames.
//!
//! ```text
//!   Idle ──claim──► Fresh ──resume──► Running ──pause──► Paused ──resume──► Running
//!    ▲                │                  │                 │
//!    │              drop          return or panic          ├─ drop: unwinds ──► Running ──► Finished, or GivenUp
//!    │                ▼                  ▼                 ├─ drop while the thread panics: waits in the deferred list
//!    └───release─── (dropped)         Finished             ├─ discard (raw jobs): the frames are forgotten ──► Finished
//!    └───release────────────────────────┘                  └─ leak: stays as it is, for ever
//! ```
#![expect(unsafe_code, reason = "enters the fiber, and calls the job's function and hooks")]

use std::alloc::{self, Layout};
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

/// What is run for a kind of job.
pub(super) trait Body: 'static {
    /// Runs the job.
    ///
    /// # Safety
    ///
    /// The record's work is of this kind, and has not been run yet.
    unsafe fn run(record: &Record);
}

/// What kind of job it is, for those who cannot name its types.
#[derive(Debug)]
pub(super) struct Kind {
    /// For reports: the type of the closure, or that it is a raw job.
    pub(super) name: fn() -> &'static str,
    /// Whether it is driven by its handle and may be discarded.
    pub(super) raw: bool,
    /// The fiber's root: [`serve`] for this kind.
    pub(super) root: Root,
    /// Drops the arguments of a job that was never resumed.
    pub(super) drop_unstarted: unsafe fn(*mut c_void),
    /// Drops the result of a job that nobody waits for.
    pub(super) drop_result: unsafe fn(*mut c_void),
}

pub(super) type Root = fn(NonNull<Record>, &Exit) -> Infallible;

/// What a job works on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Work {
    pub(super) kind: &'static Kind,
    /// The arguments; later, in the same place, the result.
    pub(super) args: *mut c_void,
    /// The layout of `args`, where they are too large for the stack and lie on the heap.
    pub(super) heap: Option<Layout>,
}

/// A panic on its way to the resumer.
pub(super) type Panic = Box<dyn Any + Send>;

/// All fields are cells, so that a shared reference promises nothing about memory that is unmapped, with the job
/// ended, before the reference goes out of scope.
pub(super) struct Record {
    // Touched by every switch.
    fiber: UnsafeCell<Option<Fiber>>,
    exit: Cell<*const Exit>,
    pub(super) state: Cell<State>,
    /// Blocks on pausing that are in force (statements 44, 45).
    pub(super) blocks: Cell<u32>,
    pool: Cell<NonNull<Pool>>,
    pub(super) ctx: Cell<Option<Rc<Shared>>>,
    pub(super) release: Cell<Option<*const dyn Release>>,
    /// The job's word for the switch hooks.
    local: Cell<usize>,

    // Touched once or twice in a job's life.
    pub(super) work: Cell<Work>,
    /// What a raw job runs, and what it has returned.
    pub(super) func: Cell<RawFn>,
    pub(super) ret: Cell<c_int>,
    panic: Cell<Option<Panic>>,
    pub(super) token: Cell<u64>,
    pub(super) generation: Cell<u32>,
    pub(super) index: Cell<u32>,
    /// The next record in the idle or the deferred list.
    pub(super) next: Cell<Option<NonNull<Self>>>,

    // Of the stack.
    pub(super) epoch: Cell<u32>,
    /// The root that the fiber serves, as an address; 0 when there is no fiber.
    root: Cell<usize>,
    limit: Cell<usize>,
    stack: Cell<Option<Stack>>,
}

/// Bytes set aside for arguments and results between the record and the fiber. One size for all, so that a stack serves
/// every kind of job as it is, and small, so that record, arguments and a few frames share one page.
const AREA: usize = 512;
/// The alignment of the record and of the arguments.
const ALIGN: usize = 64;
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
        let at = (stack.top - size_of::<Self>()) & !(ALIGN - 1);
        let record = NonNull::new(ptr::with_exposed_provenance_mut::<Self>(at)).expect("stacks are not at 0");
        let new = Self {
            fiber: UnsafeCell::new(None),
            exit: Cell::new(ptr::null()),
            state: Cell::new(State::Idle),
            blocks: Cell::new(0),
            pool: Cell::new(pool),
            ctx: Cell::new(None),
            release: Cell::new(None),
            local: Cell::new(0),
            work: Cell::new(NO_WORK),
            func: Cell::new(no_func),
            ret: Cell::new(0),
            panic: Cell::new(None),
            token: Cell::new(0),
            generation: Cell::new(generation),
            index: Cell::new(index),
            next: Cell::new(None),
            epoch: Cell::new(epoch),
            root: Cell::new(0),
            limit: Cell::new(stack.limit),
            stack: Cell::new(Some(stack)),
        };
        // SAFETY: the stack is mapped, not in use, and has room for a record at its top.
        unsafe { record.write(new) };
        record
    }

    /// Takes the record apart and hands out its stack.
    ///
    /// # Safety
    ///
    /// The job is idle, and nobody will use `record` again.
    pub(super) unsafe fn uninstall(record: NonNull<Self>) -> Stack {
        // SAFETY: the caller is the last user; from here on the record is a value of ours.
        let record = unsafe { record.read() };
        record.stack.take().expect("a record has a stack until here")
    }

    #[inline]
    pub(super) fn pool<'a>(&self) -> &'a Pool {
        // SAFETY: the pool lives as long as one of its jobs is unfinished, and as long as its thread anyway.
        unsafe { self.pool.get().as_ref() }
    }

    #[inline]
    pub(super) fn handle(&self) -> Handle {
        Handle::new(self.index.get(), self.generation.get())
    }

    /// Makes a fresh job one of this kind, with room for its arguments: on its own stack, or on the heap when they are
    /// large. Hands out the place; `None` when there is no memory.
    #[inline]
    pub(super) fn prepare(&self, kind: &'static Kind, layout: Layout) -> Option<NonNull<c_void>> {
        // Kinds whose roots are at the same address have the same root: it was compiled for both.
        if self.root.get() != kind.root as usize {
            self.renew_fiber(kind.root);
        }
        let fits = layout.align() <= ALIGN && layout.size() <= AREA;
        let (args, heap) = if fits { (self.base(), None) } else { allocate(layout)? };
        self.work.set(Work { kind, args: args.as_ptr(), heap });
        Some(args)
    }

    /// Switches into the job and comes back when it pauses or has finished.
    #[inline]
    pub(super) fn enter(&self, signal: Signal) -> Switched {
        let pool = self.pool();
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
        unsafe { (*self.exit.get()).leave() }
    }

    /// The first half of [`leave`](Self::leave): says where to, and is left in this state.
    #[inline]
    pub(super) fn way_out(&self, state: State) -> *const Exit {
        self.state.set(state);
        self.exit.get()
    }

    /// Unwinds the paused job's stack. Hands out how many unwindings it has swallowed and then paused; `None`: all of
    /// them, and it is paused again.
    pub(super) fn unwind(&self) -> Option<u8> {
        (0..UNWIND_TRIES).find(|_| matches!(self.enter(Signal::Unwind), Switched::Finished))
    }

    /// Whether the job is paused with something to give back when it is discarded.
    pub(super) fn has_release_hook(&self) -> bool {
        self.release.get().is_some()
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
        self.root.set(0);
        // SAFETY: a paused job is not running, so nobody looks at its fiber.
        unsafe { *self.fiber.get() = None };
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

    /// Where the fiber begins, and the arguments lie: below the record.
    #[inline]
    fn base(&self) -> NonNull<c_void> {
        let base = ptr::from_ref(self).addr() - AREA;
        // SAFETY: the area is part of the stack, which does not lie at address 0.
        unsafe { NonNull::new_unchecked(ptr::with_exposed_provenance_mut(base)) }
    }

    /// Starts over with a fiber that has not been entered.
    #[cold]
    fn renew_fiber(&self, root: Root) {
        self.root.set(root as usize);
        let record = NonNull::from(self);
        // SAFETY: the region is the job's own stack below what is kept at its top, and stays mapped as long as the
        // record is there; `serve`, which is every root, catches panics.
        let fiber =
            unsafe { Fiber::new(self.base().addr().get(), self.limit.get(), move |exit| root(record, exit)) };
        // SAFETY: the job is idle or fresh, so nobody looks at its fiber.
        unsafe { *self.fiber.get() = Some(fiber) };
    }
}

/// The root of every fiber: runs a job, leaves with its outcome, and when it is entered again runs the next of its kind.
pub(super) fn serve<B: Body>(record: NonNull<Record>, exit: &Exit) -> Infallible {
    // SAFETY: the record lies above the fiber on the same stack and outlives it.
    let record = unsafe { record.as_ref() };
    record.exit.set(exit);
    loop {
        // SAFETY: the fiber is entered for the work that the record was prepared for, of this kind and once.
        if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(|| unsafe { B::run(record) })) {
            record.panic.set(Some(payload));
        }
        record.leave(State::Finished);
    }
}

/// A place on the heap for arguments that are too large for the stack.
#[cold]
fn allocate(layout: Layout) -> Option<(NonNull<c_void>, Option<Layout>)> {
    if layout.size() == 0 {
        return NonNull::new(ptr::without_provenance_mut(layout.align())).map(|place| (place, None));
    }
    // SAFETY: the layout has a size.
    NonNull::new(unsafe { alloc::alloc(layout) }.cast()).map(|place| (place, Some(layout)))
}

unsafe extern "C-unwind" fn no_func(_: *mut c_void) -> c_int {
    0
}

/// The kind of jobs that C drives.
struct Raw;

impl Body for Raw {
    unsafe fn run(record: &Record) {
        let Work { args, .. } = record.work.get();
        // SAFETY: whoever started the job promised that the function may be called with a copy of its arguments.
        record.ret.set(unsafe { (record.func.get())(args) });
    }
}

unsafe fn nothing(_: *mut c_void) {}

pub(super) static RAW: Kind =
    Kind { name: || "raw job", raw: true, root: serve::<Raw>, drop_unstarted: nothing, drop_result: nothing };

pub(super) const NO_WORK: Work = Work { kind: &RAW, args: ptr::null_mut(), heap: None };
