//! A job's record: everything that is known of a job, at the top of the job's own stack. So a job costs no
//! allocation, and its record shares a page with its frames.
//!
//! ```text
//!   Idle ──claim──► Fresh ──resume──► Running ──pause──► Paused ──resume──► Running
//!    ▲                │                  │                 │
//!    │              drop          return or panic          ├─ drop ──► Running: unwinds ──► Finished, GivenUp
//!    │                ▼                  ▼                 ├─ drop in a panic: deferred
//!    └───release─── (dropped)         Finished             ├─ discard (raw jobs) ──► Finished
//!    └───release────────────────────────┘                  └─ leak: stays Paused for ever
//! ```
//!
//! A raw job may also end its thread. Then it is Abandoned, from the unwinding of its frames to the end of
//! the pool.
#![expect(unsafe_code, reason = "enters the fiber, and lays record and arguments on the stack")]

mod kind;

use std::alloc::{self, Layout};
use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};
use std::rc::Rc;

pub(super) use kind::{Body, Kind, Panic, RAW, serve};
use kind::{NONE, Raw, Root};

use super::Release;
use super::exceptions;
use super::fiber::{Fiber, Signal, Turn};
use super::front::Front;
use super::gate::{InUse, Inside};
use super::hooks::{self, Kept};
use super::modes::Modes;
use super::outside;
use super::pool::Pool;
use super::raw::{Handle, Holder, RawFn};
use super::sanitizer::{Marks, Region};
use super::stack::Stack;
use super::trace::{Left, Spans};
use super::wait_ctx::Shared;

/// A job's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// In the pool: there is a stack, and no job.
    Idle,
    /// Created, and not yet resumed.
    Fresh,
    /// On the thread's chain of running jobs.
    Running,
    /// In `pause`.
    Paused,
    /// Its function has returned or panicked, and the outcome is not yet taken.
    Finished,
    /// It refused to unwind; its stack is never touched again.
    GivenUp,
    /// It has ended its thread, which has unwound its frames and will never return to the resumer.
    #[allow(dead_code, reason = "with corosensei's switch such a thread cannot end")]
    Abandoned,
}

/// All fields are cells. A shared reference then promises nothing about memory that is unmapped, with the job
/// ended, before the reference goes out of scope.
///
/// The fields that every job touches come first and fill one cache line: with ten thousand jobs, each line is
/// a cache miss. The fiber is the first field, so that the running fiber is the running record.
#[repr(C, align(64))]
pub(super) struct Record {
    fiber: Fiber,
    pool: Cell<NonNull<Pool>>,
    ctx: Cell<ManuallyDrop<Option<Rc<Shared>>>>,
    /// The next record in the idle or the deferred list.
    pub(super) next: Cell<Option<NonNull<Self>>>,
    pub(super) handle: Cell<Handle>,
    pub(super) token: Cell<u64>,
    /// The kind of this job; in an idle record, of its last job.
    kind: Cell<&'static Kind>,
    /// Blocks on pausing that are in force (statements 44, 45).
    pub(super) blocks: Cell<u32>,
    pub(super) state: Cell<State>,
    /// The exceptional properties.
    unusual: Unusual,
    /// Whether it is paused with a request in flight.
    pub(super) in_flight: Cell<bool>,

    // Fields that only some jobs touch: first those that every raw job does.
    pub(super) release: Cell<Option<*const dyn Release>>,
    /// What a raw job calls, with which arguments, and what it has returned.
    pub(super) call: Cell<(RawFn, *mut c_void)>,
    pub(super) ret: Cell<c_int>,
    /// The floating-point modes of a raw job.
    pub(super) modes: Modes,
    /// The data that is attached to a raw job.
    pub(super) data: Cell<*mut c_void>,
    /// What the frames of a raw job refer to and cannot own.
    pub(super) held: Holder,
    /// Where the arguments are, when they are on the heap, with their layout.
    heap: Cell<(NonNull<c_void>, Layout)>,
    panic: Cell<Option<Panic>>,
    kept: Kept,
    spans: Spans,
    /// The record's place in the pool's table.
    pub(super) place: Cell<usize>,
    marks: Marks,
    limit: Cell<usize>,
    stack: Cell<Option<Stack>>,
}

const _: () = assert!(
    std::mem::offset_of!(Record, release) - size_of::<Fiber>() + size_of::<usize>() <= 64,
    "a fiber of one word leaves room for all that every job touches"
);
const _: () = assert!(
    std::mem::offset_of!(Record, heap) - size_of::<Fiber>() + size_of::<usize>() <= 128,
    "what every raw job touches besides is in the second line"
);

/// Bytes reserved for arguments and results between the record and the fiber. The same for all kinds, so that
/// a stack serves every kind of job. Small, so that record, arguments and a few frames share one page.
const AREA: usize = 512;
/// The alignment of the record and of the arguments.
const ALIGN: usize = 64;
/// How often a job that swallows its unwinding is unwound again.
const UNWIND_TRIES: u8 = 4;

/// The exceptional properties of a job, in one byte so that one test covers all.
#[derive(Debug, Default)]
struct Unusual(Cell<u8>);

impl Unusual {
    /// The arguments, later the result, lie on the heap.
    const ON_HEAP: u8 = 1;
    /// A panic was caught and not yet taken.
    const PANICKED: u8 = 2;
    /// The record will not be reused for another job.
    const RETIRED: u8 = 4;

    #[inline]
    fn any(&self) -> bool {
        self.0.get() != 0
    }

    #[inline]
    fn has(&self, what: u8) -> bool {
        self.0.get() & what != 0
    }

    fn add(&self, what: u8) {
        self.0.set(self.0.get() | what);
    }

    /// Removes a property. Returns whether it was there.
    #[inline]
    fn remove(&self, what: u8) -> bool {
        let had = self.has(what);
        if had {
            self.0.set(self.0.get() & !what);
        }
        had
    }
}

/// What a switch into a job returned with.
#[derive(Debug)]
pub(super) enum Switched {
    Paused,
    Finished,
}

impl Record {
    /// Places the record of a new idle job at the top of `stack`, and the job's fiber below it.
    pub(super) fn install(stack: Stack, pool: NonNull<Pool>, handle: Handle) -> NonNull<Self> {
        let record = Self::at_top_of(stack.top);
        let new = Self {
            fiber: Fiber::none(),
            pool: Cell::new(pool),
            ctx: Cell::default(),
            next: Cell::new(None),
            handle: Cell::new(handle),
            token: Cell::new(0),
            kind: Cell::new(&NONE),
            blocks: Cell::new(0),
            state: Cell::new(State::Idle),
            unusual: Unusual::default(),
            in_flight: Cell::new(false),
            release: Cell::new(None),
            heap: Cell::new((NonNull::dangling(), Layout::new::<()>())),
            call: Cell::new((no_func, ptr::null_mut())),
            ret: Cell::new(0),
            modes: Modes::default(),
            data: Cell::new(ptr::null_mut()),
            held: Holder::empty(),
            panic: Cell::new(None),
            kept: Kept::default(),
            spans: Spans::none(),
            place: Cell::new(0),
            marks: Marks::none(),
            limit: Cell::new(stack.limit),
            stack: Cell::new(Some(stack)),
        };
        // SAFETY: the stack is mapped, not in use, and has room for a record at its top.
        unsafe { record.write(new) };
        record
    }

    /// The record of the stack with this top.
    pub(super) fn at_top_of(top: usize) -> NonNull<Self> {
        let at = (top - size_of::<Self>()) & !(ALIGN - 1);
        NonNull::new(ptr::with_exposed_provenance_mut(at)).expect("stacks are not at 0")
    }

    /// Takes the record apart and returns its stack.
    ///
    /// # Safety
    ///
    /// The job is idle, and `record` will not be used again.
    pub(super) unsafe fn uninstall(record: NonNull<Self>) -> Stack {
        // SAFETY: the record is there, and nothing else uses it.
        unsafe { record.as_ref() }.forget_marks();
        // SAFETY: the caller is the last user; from here on the record is a local value.
        let record = unsafe { record.read() };
        record.stack.take().expect("a record has a stack until here")
    }

    /// Prefetches what a paused job goes on with.
    #[inline]
    pub(super) fn prefetch(&self) {
        self.fiber.prefetch();
    }

    #[inline]
    pub(super) fn pool<'a>(&self) -> &'a Pool {
        // SAFETY: the pool lives at least as long as any of its unfinished jobs, and as long as its thread.
        unsafe { self.pool.get().as_ref() }
    }

    /// What kind of job it is.
    #[inline]
    pub(super) fn kind(&self) -> &'static Kind {
        self.kind.get()
    }

    /// Makes an idle job, which is in no list, a fresh one.
    #[inline]
    pub(super) fn begin(&self, ctx: Option<Rc<Shared>>) {
        self.state.set(State::Fresh);
        self.token.set(self.handle.get().to_bits());
        // The previous context was taken when its job ended.
        self.ctx.set(ManuallyDrop::new(ctx));
    }

    /// Gives a fresh job its kind, and room for its arguments: on its own stack, or on the heap when they are
    /// large. Returns the place; `None` when there is no memory.
    #[inline]
    pub(super) fn prepare(&self, kind: &'static Kind, layout: Layout) -> Option<NonNull<c_void>> {
        if !ptr::eq(self.kind.get(), kind) {
            self.set_kind(kind);
        }
        if fits(layout) { Some(self.base()) } else { self.allocate(layout) }
    }

    /// Where the arguments are, and later the result.
    #[inline]
    pub(super) fn args(&self) -> NonNull<c_void> {
        if self.unusual.has(Unusual::ON_HEAP) { self.heap.get().0 } else { self.base() }
    }

    /// [`args`](Self::args) for a caller that knows their layout.
    #[inline]
    pub(super) fn args_of(&self, layout: Layout) -> NonNull<c_void> {
        if fits(layout) { self.base() } else { self.heap.get().0 }
    }

    /// Switches into the job. Returns when the job pauses or has finished.
    #[inline(always)] // see fiber.rs on returns
    pub(super) fn enter(&self, front: &Front, signal: Signal) -> Switched {
        self.switch(front, signal);
        self.entered()
    }

    /// [`enter`](Self::enter) from outside of jobs, where there are no hooks and no sanitizer.
    #[inline(always)] // see fiber.rs on returns
    pub(super) fn enter_from_outside(&self, front: &Front, signal: Signal) -> Switched {
        self.switch_from_outside(front, signal);
        self.entered()
    }

    #[inline(always)] // see fiber.rs on returns
    fn switch(&self, front: &Front, signal: Signal) {
        if hooks::ever() {
            self.switch_watched(front, signal);
        } else if front.running().is_none() {
            self.switch_from_outside(front, signal);
        } else {
            self.switch_from_job(front, signal);
        }
    }

    /// [`switch`](Self::switch), where there are hooks or a sanitizer.
    #[cold]
    fn switch_watched(&self, front: &Front, signal: Signal) {
        hooks::enter(&self.kept, self.state.get() == State::Fresh);
        self.spans.enter(self.token.get(), self.kind.get().name, signal == Signal::Unwind);
        let this = NonNull::from(self).cast();
        let resumer = self.marks.entering(self.region());
        self.state.set(State::Running);
        if front.running().is_none() {
            // SAFETY: as in `switch_from_outside`.
            unsafe { Fiber::enter(this, &front.turn, signal) };
        } else {
            // SAFETY: as in `switch_from_job`.
            unsafe { Fiber::enter_from_fiber(this, &front.turn, signal) };
        }
        self.marks.left(resumer);
    }

    /// [`switch`](Self::switch) from outside of jobs.
    #[inline(always)] // see fiber.rs on returns
    fn switch_from_outside(&self, front: &Front, signal: Signal) {
        self.state.set(State::Running);
        // SAFETY: the job is fresh and prepared, is paused, or has left with a call; resuming and dropping
        // other jobs is refused. So it has a fiber, and the fiber is not running. A job is entered on its own
        // thread, and no other job runs.
        unsafe { Fiber::enter(NonNull::from(self).cast(), &front.turn, signal) };
    }

    /// [`switch`](Self::switch) from within another job.
    #[cold]
    fn switch_from_job(&self, front: &Front, signal: Signal) {
        self.state.set(State::Running);
        // SAFETY: as in `switch_from_outside`, but for the last.
        unsafe { Fiber::enter_from_fiber(NonNull::from(self).cast(), &front.turn, signal) };
    }

    #[inline(always)] // see fiber.rs on returns
    fn entered(&self) -> Switched {
        if hooks::ever() {
            self.left();
        }
        match self.state.get() {
            State::Paused => Switched::Paused,
            State::Running => self.run_calls(),
            _ => Switched::Finished,
        }
    }

    /// Called after a switch, where there are hooks, a sanitizer or spans.
    #[cold]
    fn left(&self) {
        hooks::leave(&self.kept);
        self.spans.leave(match self.state.get() {
            State::Paused => Left::Paused,
            State::Running => Left::Outside,
            _ if self.unusual.has(Unusual::PANICKED) => Left::Panicked,
            _ => Left::Returned,
        });
    }

    /// Runs what the job calls [outside](outside::outside), until it pauses or has finished.
    #[cold]
    fn run_calls(&self) -> Switched {
        let front = Front::here();
        while self.state.get() == State::Running {
            outside::run(front);
            self.switch(front, Signal::Continue);
            if hooks::ever() {
                self.left();
            }
        }
        if self.state.get() == State::Paused { Switched::Paused } else { Switched::Finished }
    }

    /// Switches out of the job. Returns the resumer's signal.
    ///
    /// # Safety
    ///
    /// The job is the caller, and `turn` its thread's.
    #[inline]
    pub(super) unsafe fn leave(&self, turn: &Turn, state: State) -> Signal {
        self.state.set(state);
        // SAFETY: the caller's promise.
        unsafe { self.fiber.leave(turn) }
    }

    /// Unwinds the paused job's stack. Returns how many unwindings the job has swallowed and then paused;
    /// `None` when it has swallowed all and is paused again.
    pub(super) fn unwind(&self) -> Option<u8> {
        let swallowed = (0..UNWIND_TRIES)
            .find(|_| matches!(self.enter(&self.pool().front, Signal::Unwind), Switched::Finished));
        if swallowed.is_some() {
            self.forget_execution();
        }
        swallowed
    }

    /// Clears the sanitizers' marks of frames that have gone without returning. The frames of the root go
    /// with them: instrumented ones would return from calls that the next execution's marks know nothing of.
    fn forget_execution(&self) {
        if hooks::ever()
            && let Some(root) = self.kind.get().root
        {
            self.renew_fiber(root);
        }
    }

    /// Clears the sanitizers' marks of an execution that is not entered any more.
    fn forget_marks(&self) {
        if hooks::ever() {
            self.marks.forget(self.region());
        }
    }

    fn region(&self) -> Region {
        let bottom = self.limit.get();
        Region { bottom, size: ptr::from_ref(self).addr() + size_of::<Self>() - bottom }
    }

    /// Whether the job has ended with a result that lies on its stack, and its record can be reused.
    #[inline]
    pub(super) fn is_plain(&self) -> bool {
        !self.unusual.any()
    }

    /// The panic that ended the job, if one did.
    #[inline]
    pub(super) fn take_panic(&self) -> Option<Panic> {
        if !self.unusual.remove(Unusual::PANICKED) {
            return None;
        }
        self.forget_execution();
        self.panic.take()
    }

    /// Discards the paused job's frames.
    ///
    /// # Safety
    ///
    /// No frame of the job owns anything whose destructor must run, and nothing refers to its frames.
    pub(super) unsafe fn forget_frames(&self) {
        // SAFETY: a paused job is not running, and the caller answers for its frames.
        unsafe { self.fiber.forget() };
        self.forget_marks();
        self.kind.set(&NONE);
    }

    /// Frees the memory of arguments that were moved out, or dropped.
    #[inline]
    pub(super) fn free_args(&self) {
        if self.unusual.remove(Unusual::ON_HEAP) {
            let (place, layout) = self.heap.get();
            if layout.size() > 0 {
                // SAFETY: the place was allocated with this layout, and holds nothing any more.
                unsafe { alloc::dealloc(place.as_ptr().cast(), layout) };
            }
        }
    }

    /// Ends the job: the record is idle. Returns the context.
    #[inline]
    pub(super) fn end(&self) -> Option<Rc<Shared>> {
        self.state.set(State::Idle);
        self.spans.end();
        self.blocks.set(0);
        self.handle.set(self.handle.get().next());
        ManuallyDrop::into_inner(self.ctx.take())
    }

    #[inline]
    pub(super) fn is_retired(&self) -> bool {
        self.unusual.has(Unusual::RETIRED)
    }

    /// Marks the record: it will not be reused after its job.
    pub(super) fn retire(&self) {
        self.unusual.add(Unusual::RETIRED);
    }

    /// The job's wait context, as it was given at the start.
    #[inline]
    pub(super) fn with_ctx<R>(&self, look: impl FnOnce(&Rc<Shared>) -> R) -> Option<R> {
        // SAFETY: a claimed job's context stays in place until `end`, which nothing calls during `look`. At
        // most, `look` discards the job whose frame this is, and then the reference is never used again.
        unsafe { &**self.ctx.as_ptr() }.as_ref().map(look)
    }

    /// Enters the job's context. No other thread can free or change it then.
    #[inline]
    pub(super) fn enter_ctx(&self) -> Result<Inside, InUse> {
        self.with_ctx(|ctx| ctx.gate.enter()).unwrap_or(Ok(Inside::nothing()))
    }

    /// Enters the job's context as soon as no other thread is inside; not in a forked child.
    pub(super) fn enter_ctx_waiting(&self) -> Result<Inside, InUse> {
        self.with_ctx(|ctx| ctx.gate.enter_waiting()).unwrap_or(Ok(Inside::nothing()))
    }

    /// Takes over the stay inside the job's context of a resumer that will not go on.
    pub(super) fn inherit_ctx(&self) -> Inside {
        self.with_ctx(|ctx| ctx.gate.inherit()).unwrap_or(Inside::nothing())
    }

    /// Where the fiber begins and the arguments lie: below the record.
    #[inline]
    pub(super) fn base(&self) -> NonNull<c_void> {
        let base = ptr::from_ref(self).addr() - AREA;
        // SAFETY: the area is part of the stack, which does not lie at address 0.
        unsafe { NonNull::new_unchecked(ptr::with_exposed_provenance_mut(base)) }
    }

    /// Allocates room on the heap for arguments that are too large for the stack.
    #[cold]
    fn allocate(&self, layout: Layout) -> Option<NonNull<c_void>> {
        let place = if layout.size() == 0 {
            NonNull::new(ptr::without_provenance_mut(layout.align()))?
        } else {
            // SAFETY: the layout has a size.
            NonNull::new(unsafe { alloc::alloc(layout) }.cast())?
        };
        self.heap.set((place, layout));
        self.unusual.add(Unusual::ON_HEAP);
        Some(place)
    }

    /// Changes the kind of the job on this stack.
    #[cold]
    fn set_kind(&self, kind: &'static Kind) {
        let (before, root) = (self.kind.replace(kind), kind.root.unwrap_or(serve::<Raw>));
        exceptions::note(root as usize);
        // Kinds whose roots have the same address have the same root: it was compiled for both.
        if before.root.map(|root| root as usize) != Some(root as usize) {
            self.renew_fiber(root);
        }
    }

    /// Replaces the fiber with one that was never entered.
    fn renew_fiber(&self, root: Root) {
        self.forget_marks();
        let record = NonNull::from(self);
        // SAFETY: the job is idle or fresh, so its fiber is not running. The region is the job's own stack
        // below its record, and stays mapped as long as the record is there. Every root is `serve`, which
        // catches panics.
        unsafe { self.fiber.renew(self.base().addr().get(), self.limit.get(), move || root(record)) };
    }
}

/// Whether arguments lie on the stack.
const fn fits(layout: Layout) -> bool {
    layout.align() <= ALIGN && layout.size() <= AREA
}

unsafe extern "C-unwind" fn no_func(_: *mut c_void) -> c_int {
    0
}
