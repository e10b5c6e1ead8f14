//! A wait context's callback as a waker, and when it may not be called at once.
//!
//! Granting a free slot calls the waker of whoever waits for it, and that can happen on a host's thread in the
//! middle of a call into the queue pair. A callback is the application's code: it may come straight back to the
//! engine. So while a thread is inside the pair its callbacks, and the last references to them, are put by, and
//! run when it has come out.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::task::Wake;

use crate::job::Callback;

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
    static PUT_BY: RefCell<Vec<PutBy>> = const { RefCell::new(Vec::new()) };
}

enum PutBy {
    Call(Callback),
    Drop(Callback),
}

/// Calls a wait context's callback.
pub(crate) struct CallbackWaker(Option<Callback>);

impl CallbackWaker {
    pub(crate) fn new(callback: Callback) -> Arc<Self> {
        Arc::new(Self(Some(callback)))
    }
}

impl Wake for CallbackWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let Some(callback) = &self.0 else { return };
        if INSIDE.get() {
            PUT_BY.with_borrow_mut(|list| list.push(PutBy::Call(Arc::clone(callback))));
        } else {
            callback();
        }
    }
}

impl Drop for CallbackWaker {
    fn drop(&mut self) {
        let callback = self.0.take();
        if INSIDE.get() {
            PUT_BY.with_borrow_mut(|list| list.extend(callback.map(PutBy::Drop)));
        }
    }
}

/// Runs `body` with the callbacks of this thread put by until it has returned.
pub(crate) fn put_by_during<R>(body: impl FnOnce() -> R) -> R {
    let inside = Inside::enter();
    let result = body();
    drop(inside);
    result
}

/// Being inside the pair; leaving it for good runs what was put by.
struct Inside {
    already: bool,
}

impl Inside {
    fn enter() -> Self {
        Self { already: INSIDE.replace(true) }
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.set(self.already);
        // One at a time, outside the borrow: a callback may lead here again.
        while !self.already
            && let Some(next) = PUT_BY.with_borrow_mut(|list| (!list.is_empty()).then(|| list.remove(0)))
        {
            match next {
                PutBy::Call(callback) => callback(),
                PutBy::Drop(callback) => drop(callback),
            }
        }
    }
}
