//! Each thread's table of instances: where an operation finds its queue pair.
//!
//! ```text
//!   LATEST ──────────────┐   the one that was used last: one look, where a thread uses one engine
//!   INSTANCES ─► Rc ─► Instance     one for each engine that the thread has used
//! ```
//!
//! The table holds engines weakly, and what an instance uses of one lies in the engine (see `lease`): it goes with the engine.
//! The thread that drops the engine forgets the instance at once, other threads at their next look into their tables. Until
//! then they keep the instance's bookkeeping and, where they have polled, its eventfd. The end of the thread ends the table,
//! and gives the pairs back.
#![expect(unsafe_code, reason = "follows the thread's pointer to the instance that was used last")]

use std::cell::{Cell, RefCell};
use std::ptr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::AccessError;

use super::Inner;
use super::instance::Instance;

#[derive(Default)]
struct Table(Vec<Rc<Instance>>);

/// Engines that were dropped in this process.
static DROPPED: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static INSTANCES: RefCell<Table> = const { RefCell::new(Table(Vec::new())) };
    /// Null, or an instance in the table. It has no destructor, so that it can be read at any time.
    static LATEST: Cell<*const Instance> = const { Cell::new(ptr::null()) };
    /// How many engines had been dropped when this thread last forgot those it had used.
    static FORGOTTEN: Cell<u64> = const { Cell::new(0) };
}

impl Drop for Table {
    /// The thread ends.
    fn drop(&mut self) {
        LATEST.set(ptr::null());
    }
}

/// The calling thread's instance of `engine`, made at first use.
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

/// What is done with an instance. (A closure cannot be told that it is always to be inlined.)
pub(crate) trait Visit {
    type Output;

    /// Is shown the calling thread's instance, if it has one.
    fn visit(self, instance: Option<&Instance>) -> Self::Output;
}

/// Shows the calling thread's instance of `engine`, if it has one.
#[inline(always)]
pub(crate) fn visit<V: Visit>(engine: &Inner, visitor: V) -> V::Output {
    let known = latest().filter(|latest| latest.is_of(engine));
    visitor.visit(if known.is_some() { known } else { look_up(engine) })
}

/// Runs `body` with the calling thread's instance of `engine`, which is made at first use.
#[inline]
pub(crate) fn with<R>(engine: &Arc<Inner>, body: impl FnOnce(&Instance) -> R) -> R {
    match latest().filter(|latest| latest.is_of(engine)) {
        Some(instance) => body(instance),
        None => body(&of_thread(engine)),
    }
}

/// The instance that was used last. It is there as long as its engine is, and no thread-local is destroyed meanwhile.
#[inline(always)]
fn latest<'a>() -> Option<&'a Instance> {
    // SAFETY: where it is not null it points into the table. What is taken out of that belongs to an engine that is gone,
    // and the pointer is reset before; the table goes with the thread, and resets it too. Who asks has an engine, and
    // looks at no other's instance but to tell that it is not that engine's.
    unsafe { LATEST.get().as_ref() }
}

/// Makes the instance of this engine the latest, if there is one.
#[cold]
fn look_up<'a>(engine: &Inner) -> Option<&'a Instance> {
    drop(existing(engine)?);
    latest()
}

/// An error: the thread has no table any more.
#[inline]
fn find(engine: &Inner) -> Result<Option<Rc<Instance>>, AccessError> {
    if FORGOTTEN.get() != DROPPED.load(Ordering::Relaxed) {
        forget_dropped();
    }
    INSTANCES.try_with(|table| {
        let table = table.borrow();
        let found = table.0.iter().find(|instance| instance.is_of(engine))?;
        LATEST.set(Rc::as_ptr(found));
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

/// An engine is dropped: this thread forgets it at once, the others when they next look.
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
    // Outside the borrow: what an instance drops may look into the table.
    drop(gone);
}
