//! The front of a pool: what every switch reads first, found in one step.
//!
//! ```text
//!   FRONT (thread-local) ──► BEFORE_FIRST     before the thread's first job      ┐ flags: ABSENT
//!                        ──► Pool.front  turn, flags, counters              │
//!                        ──► AFTER_LAST     after its last                     ┘ flags: ABSENT
//! ```
#![expect(
    unsafe_code,
    reason = "follows the thread's pointer to its front, and the turn to the running job's record"
)]

use std::cell::Cell;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU8, Ordering};

use super::fiber::Turn;
use super::hooks;
use super::misuse::Misuse;
use super::outside::Call;
use super::pool::Pool;
use super::record::Record;
use super::stats::Counters;

/// What every switch reads first. Threads without a pool share one that says so; a switch needs no question
/// before it.
#[repr(C)]
pub(super) struct Front {
    pub(super) turn: Turn,
    pub(super) flags: Flags,
    pub(super) counters: Counters,
    /// What the job that was left just now wants to run outside.
    pub(super) call: Cell<Option<Call>>,
}

/// The front of threads without a pool.
struct EmptyFront(Front);

impl EmptyFront {
    const fn place(&'static self) -> NonNull<Front> {
        NonNull::new((&raw const self.0).cast_mut()).expect("a static is not at 0")
    }
}

// SAFETY: its cells are only read. They are written only in the front of a pool: a writer has checked
// `ABSENT`.
unsafe impl Sync for EmptyFront {}

/// Before the thread's first job.
static BEFORE_FIRST: EmptyFront = EmptyFront(Front::new(Flags::ABSENT));
/// After the thread's last job.
static AFTER_LAST: EmptyFront = EmptyFront(Front::new(Flags::ABSENT));

/// What keeps a pool's jobs from the fast path. The pool's own thread sets and clears these flags; other
/// threads set `ORPHANED`.
#[derive(Debug)]
pub(super) struct Flags(AtomicU8);

impl Flags {
    /// There are deferred jobs.
    pub(super) const DEFERRED: u8 = 1;
    /// The thread ends.
    pub(super) const ENDED: u8 = 2;
    /// There is no pool.
    pub(super) const ABSENT: u8 = 4;
    /// There are raw jobs whose context another thread has freed.
    pub(super) const ORPHANED: u8 = 8;
    /// The thread's thread-locals have gone, or are about to go: there are raw jobs, and no typed ones.
    pub(super) const LATE: u8 = 16;
    /// Futures wait for an idle job.
    pub(super) const WAITED: u8 = 32;

    #[inline]
    pub(super) fn has(&self, flags: u8) -> bool {
        self.0.load(Ordering::Acquire) & flags != 0
    }

    #[inline]
    pub(super) fn any(&self) -> bool {
        self.0.load(Ordering::Acquire) != 0
    }

    pub(super) fn raise(&self, flag: u8) {
        self.0.fetch_or(flag, Ordering::Release);
    }

    pub(super) fn lower(&self, flag: u8) {
        self.0.fetch_and(!flag, Ordering::Release);
    }
}

thread_local! {
    /// The front of the thread's pool, or one that says there is none. No destructor, so it can always be
    /// read.
    static FRONT: Cell<NonNull<Front>> = const { Cell::new(BEFORE_FIRST.place()) };
}

impl Front {
    pub(super) const fn new(flags: u8) -> Self {
        let flags = Flags(AtomicU8::new(flags));
        Self { turn: Turn::new(), flags, counters: Counters::new(), call: Cell::new(None) }
    }

    /// A number that no other living thread has. It is even, and not 0.
    #[inline]
    pub(super) fn thread() -> usize {
        FRONT.with(|front| ptr::from_ref(front).addr())
    }

    /// This thread's front.
    #[inline]
    pub(super) fn here<'a>() -> &'a Self {
        // SAFETY: the pointer is to one of two that live for ever, or to that of a pool, which ends with its
        // thread.
        unsafe { FRONT.get().as_ref() }
    }

    /// The running job.
    #[inline]
    pub(super) fn running(&self) -> Option<&Record> {
        // SAFETY: the running fiber is the first field of its record, whose stack is mapped, and it is
        // running for as long as its caller is.
        unsafe { self.turn.fiber().cast::<Record>().as_ref() }
    }

    /// Whether a job that is not running may be entered from here by [`Record::enter_from_outside`] alone:
    /// outside of jobs, with no flag set and no hooks.
    #[inline]
    pub(super) fn is_fast_path(&self) -> bool {
        self.running().is_none() && !self.flags.any() && !hooks::ever()
    }

    /// Whether a typed job may be entered here and now. Unwinds deferred jobs first.
    pub(super) fn ready(&self) -> Result<(), Misuse> {
        if !self.flags.any() {
            return Ok(());
        }
        let pool = Pool::existing().filter(|pool| !pool.front.flags.has(Flags::LATE));
        pool.ok_or(Misuse::ThreadEnded)?.ready_slow()
    }

    /// The address of this thread's front: the start of its pool, unless [`Flags::ABSENT`] is set.
    #[inline]
    pub(super) fn place() -> NonNull<Self> {
        FRONT.get()
    }

    /// Whether this thread's pool has gone.
    pub(super) fn has_ended() -> bool {
        FRONT.get() == AFTER_LAST.place()
    }

    /// Installs the front of the thread's new pool.
    pub(super) fn begin(front: NonNull<Self>) {
        FRONT.set(front);
    }

    /// Uninstalls the front of the thread's pool, which is about to be freed. Returns its address.
    pub(super) fn end() -> NonNull<Self> {
        FRONT.replace(AFTER_LAST.place())
    }
}
