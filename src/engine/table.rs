//! Each thread's table of instances: how an operation finds its queue pair.
//!
//! ```text
//!   LATEST ──────────────┐   the one that was used last: one look, where a thread uses one engine
//!   INSTANCES ─► Rc ─► Instance     one for each engine that the thread has used
//! ```
//!
//! The table holds engines weakly, and what an instance uses of an engine lies in the engine (see `lease`)
//! and goes with it. The thread that drops the engine forgets the instance at once, other threads at their
//! next look into their tables. Until then they keep the instance's counters and, if they have polled, its
//! eventfd. The end of the thread ends the table, and gives the pairs back.
#![expect(unsafe_code, reason = "follows the thread's pointer to the instance that was used last")]

use std::cell::{Cell, RefCell};
use std::ptr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::AccessError;

use super::instance::Instance;
use super::{Inner, function};

#[derive(Default)]
struct Table(Vec<Rc<Instance>>);

/// How many engines were dropped in this process.
static DROPPED: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static INSTANCES: RefCell<Table> = const { RefCell::new(Table(Vec::new())) };
    /// Null, or an instance in the table; null while a call's function runs. It has no destructor, so it can
    /// always be read.
    static LATEST: Cell<*const Instance> = const { Cell::new(ptr::null()) };
    /// The value of `DROPPED` when this thread last removed dropped engines from its table.
    static FORGOTTEN: Cell<u64> = const { Cell::new(0) };
}

impl Drop for Table {
    /// Runs at the end of the thread.
    fn drop(&mut self) {
        LATEST.set(ptr::null());
    }
}

/// The calling thread's instance of `engine`, created at first use.
///
/// In a thread-local destructor that runs after the table's own there is no table any more; the instance then
/// lives for this one call.
#[inline]
pub(crate) fn of_thread(engine: &Arc<Inner>) -> Rc<Instance> {
    match find(engine) {
        Ok(Some(instance)) => instance,
        found => make(engine, found.is_ok()),
    }
}

/// The calling thread's instance of `engine`, if it has one.
pub(crate) fn existing(engine: &Inner) -> Option<Rc<Instance>> {
    find(engine).ok().flatten()
}

/// What to do with an instance. (A closure cannot be marked as always inlined.)
pub(crate) trait Visit {
    type Output;

    /// Called with the calling thread's instance, if it has one.
    fn visit(self, instance: Option<&Instance>) -> Self::Output;
}

/// Calls `visit` with the calling thread's instance of `engine`, if it has one.
#[cfg_attr(not(debug_assertions), inline(always))]
pub(crate) fn visit<V: Visit>(engine: &Inner, visitor: V) -> V::Output {
    let known = latest().filter(|latest| latest.is_of(engine));
    visitor.visit(if known.is_some() { known } else { look_up(engine) })
}

/// Runs `body` with the calling thread's instance of `engine`, created at first use.
#[inline]
pub(crate) fn with<R>(engine: &Arc<Inner>, body: impl FnOnce(&Instance) -> R) -> R {
    match latest().filter(|latest| latest.is_of(engine)) {
        Some(instance) => body(instance),
        None => body(&of_thread(engine)),
    }
}

/// The most recently used instance. It exists as long as its engine does, while thread-locals are alive.
#[cfg_attr(not(debug_assertions), inline(always))]
fn latest<'a>() -> Option<&'a Instance> {
    // SAFETY: null, or a pointer into the table. An instance is removed from the table only when its engine
    // is gone, and the pointer is reset before; the table goes with the thread, and resets it too. The caller
    // has an engine, and reads another engine's instance only to see that it is not the caller's.
    unsafe { LATEST.get().as_ref() }
}

/// Makes [`visit`] find nothing while a call's function runs in this thread. An operation then begins in the
/// state machine, which looks whether it could ever end.
#[cold]
pub(super) fn forget_latest() {
    LATEST.set(ptr::null());
}

/// Makes the instance of this engine the latest, if there is one.
#[cold]
fn look_up<'a>(engine: &Inner) -> Option<&'a Instance> {
    drop(existing(engine)?);
    latest()
}

/// Returns an error: the thread has no table any more.
#[inline]
fn find(engine: &Inner) -> Result<Option<Rc<Instance>>, AccessError> {
    if FORGOTTEN.get() != DROPPED.load(Ordering::Relaxed) {
        forget_dropped();
    }
    INSTANCES.try_with(|table| {
        let table = table.borrow();
        let found = table.0.iter().find(|instance| instance.is_of(engine))?;
        if !function::runs_here() {
            LATEST.set(Rc::as_ptr(found));
        }
        Some(Rc::clone(found))
    })
}

#[cold]
fn make(engine: &Arc<Inner>, to_keep: bool) -> Rc<Instance> {
    if to_keep { remember(engine) } else { Rc::new(Instance::lease(engine, true)) }
}

fn remember(engine: &Arc<Inner>) -> Rc<Instance> {
    let instance = Rc::new(Instance::lease(engine, false));
    INSTANCES.with(|table| {
        LATEST.set(ptr::null());
        table.borrow_mut().0.push(Rc::clone(&instance));
    });
    instance
}

/// Called when an engine is dropped: this thread forgets it at once, other threads at their next look.
pub(super) fn forget(engine: &Inner) {
    DROPPED.fetch_add(1, Ordering::Relaxed);
    forget_where(|instance| instance.is_of(engine));
}

#[cold]
fn forget_dropped() {
    FORGOTTEN.set(DROPPED.load(Ordering::Relaxed));
    forget_where(Instance::is_orphaned);
}

fn forget_where(is_to_go: impl Fn(&Instance) -> bool) {
    let gone = INSTANCES.try_with(|table| {
        let mut table = table.try_borrow_mut().ok()?;
        LATEST.set(ptr::null());
        Some(table.0.extract_if(.., |instance| is_to_go(instance)).collect::<Vec<_>>())
    });
    // Outside the borrow, because an instance's drop may read the table.
    drop(gone);
}
