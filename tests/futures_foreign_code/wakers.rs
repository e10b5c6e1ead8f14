//! Wakers of the tests' own: one that runs code, one that panics, one whose clone or drop does.
#![expect(unsafe_code, reason = "a waker whose clone and drop panic is made by hand")]

use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{RawWaker, RawWakerVTable, Wake, Waker};

/// A waker that runs code of the test's own.
struct Runs<F: Fn() + Send + Sync>(F);

impl<F: Fn() + Send + Sync> Wake for Runs<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

pub(super) fn runs(f: impl Fn() + Send + Sync + 'static) -> Waker {
    Waker::from(Arc::new(Runs(f)))
}

pub(super) fn panics<R>(f: impl FnOnce() -> R) -> bool {
    catch_unwind(AssertUnwindSafe(f)).is_err()
}

pub(super) fn panicking() -> Waker {
    runs(|| panic_any("deliberate"))
}

/// The data of a waker whose clone or drop panics, once each is allowed to. It counts its calls.
#[derive(Default)]
pub(super) struct Fragile {
    pub(super) clone: AtomicBool,
    pub(super) drop: AtomicBool,
    pub(super) calls: AtomicUsize,
}

thread_local! {
    /// Runs in the thread's next clone of a fragile waker.
    static IN_CLONE: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) };
    /// Runs in the thread's next call of one.
    static IN_CALL: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) };
}

pub(super) fn in_next_clone(f: impl FnOnce() + 'static) {
    IN_CLONE.set(Some(Box::new(f)));
}

pub(super) fn in_next_call(f: impl FnOnce() + 'static) {
    IN_CALL.set(Some(Box::new(f)));
}

impl Fragile {
    /// Its clones and drops count the references of this `Arc`.
    pub(super) fn waker(this: &Arc<Self>) -> Waker {
        // SAFETY: the functions of the table count the references of this `Arc`.
        unsafe { Waker::from_raw(raw(Arc::clone(this))) }
    }
}

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop);

fn raw(data: Arc<Fragile>) -> RawWaker {
    RawWaker::new(Arc::into_raw(data).cast(), &VTABLE)
}

unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: the pointer is that of `raw`, and its reference stays with the waker.
    let data = ManuallyDrop::new(unsafe { Arc::from_raw(data.cast::<Fragile>()) });
    assert!(!data.clone.swap(false, Ordering::SeqCst), "deliberate, in a clone");
    if let Some(f) = IN_CLONE.take() {
        f();
    }
    raw(Arc::clone(&data))
}

unsafe fn wake(data: *const ()) {
    // SAFETY: the pointer is that of `raw`.
    unsafe { wake_by_ref(data) };
    // SAFETY: the same, and the waker with its reference ends.
    unsafe { drop(data) };
}

unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: the pointer is that of `raw`, and its reference stays with the waker.
    let data = ManuallyDrop::new(unsafe { Arc::from_raw(data.cast::<Fragile>()) });
    data.calls.fetch_add(1, Ordering::SeqCst);
    if let Some(f) = IN_CALL.take() {
        f();
    }
}

unsafe fn drop(data: *const ()) {
    // SAFETY: the pointer is that of `raw`, and the waker with its reference ends.
    let data = unsafe { Arc::from_raw(data.cast::<Fragile>()) };
    assert!(!data.drop.swap(false, Ordering::SeqCst), "deliberate, in a drop");
}
