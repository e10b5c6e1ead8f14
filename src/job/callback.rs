//! The callback of a wait context: who calls it, and how long its removal waits.
//!
//! ```text
//!   application's side                  slot, locked                       sender of a wake
//!   set(new) ─────── replaces ───────► callback   ◄─────── looked up ───── CallbackWaker (one per request)
//!     └─ waits for calls that have begun  calls:  ◄─ entered, called, left ─┘
//!   close() ──────── removes for good     thread, request
//!     └─ waits for all calls                  ▲
//!   end of a request ─ retires its waker ─────┘
//!     └─ waits for the calls of this request
//! ```
//!
//! A wake looks the callback up when it is sent, so a callback that was replaced or removed is not called any
//! more. Replacing it, ending the context and ending the request each wait for the calls that have begun.
//! After that, whatever the callback uses may be freed.
//!
//! Nothing waits inside a callback, whichever context it belongs to. On a stepped device, a callback may run
//! below the very call that would wait for it. Two callbacks on two workers that free each other's contexts
//! would wait for ever. A callback that is replaced or ended there is not called *again*; a call that runs in
//! another thread goes on.
//!
//! A forked child inherits slots whose locks may be held by threads that the child does not have. It leaves
//! those slots alone and creates new ones.

use std::cell::Cell;
use std::fmt;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Wake;

use super::block::block_pause;
use super::wait_ctx::Callback;
use crate::process::cancel::uncancelled;
use crate::process::fork;

thread_local! {
    /// How many callbacks this thread is in; its address names the thread. It has no destructor, so it can
    /// always be read.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// A number that no other living thread has.
fn this_thread() -> usize {
    DEPTH.with(|depth| std::ptr::from_ref(depth).addr())
}

/// Whether a callback of some context runs in this thread.
fn is_inside() -> bool {
    DEPTH.get() > 0
}

/// The context's side of its callback. Any thread may use it.
#[derive(Default)]
pub(super) struct CallbackCell(Mutex<Side>);

#[derive(Default)]
struct Side {
    callback: Option<Callback>,
    /// Created for the first request.
    slot: Option<Arc<Slot>>,
    closed: bool,
}

impl CallbackCell {
    pub(super) fn get(&self) -> Option<Callback> {
        lock(&self.0).callback.clone()
    }

    /// Replaces the callback, unless the context has ended; see the head of this file. `is_set`, which every
    /// operation reads, becomes whether there is a callback.
    pub(super) fn replace(&self, callback: Option<Callback>, is_set: &AtomicBool) -> ReplacedCallback {
        self.exchange(callback, is_set, false)
    }

    /// Removes the callback for good, and waits for all its calls.
    pub(super) fn close(&self, is_set: &AtomicBool) {
        drop(self.exchange(None, is_set, true));
    }

    fn exchange(&self, callback: Option<Callback>, is_set: &AtomicBool, closing: bool) -> ReplacedCallback {
        let mut side = lock(&self.0);
        if side.closed {
            return ReplacedCallback { calls: None, old: [callback, None] };
        }
        side.closed = closing;
        side.forget_inherited();
        is_set.store(callback.is_some(), Ordering::Relaxed);
        let (calls, same) = match &side.slot {
            Some(slot) => {
                let (same, next) = slot.replace(callback.clone());
                (Some((Arc::clone(slot), next)), same)
            }
            None => (None, None),
        };
        let old = mem::replace(&mut side.callback, callback);
        ReplacedCallback { calls, old: [old, same] }
    }

    /// A waker for one request; `None` where no callback is set.
    pub(super) fn waker(&self) -> Option<Arc<CallbackWaker>> {
        let mut side = lock(&self.0);
        side.forget_inherited();
        let Side { callback, slot, .. } = &mut *side;
        let callback = callback.as_ref()?;
        let slot = Arc::clone(slot.get_or_insert_with(|| Slot::new(Arc::clone(callback))));
        Some(Arc::new(CallbackWaker { slot, retired: AtomicBool::new(false), sent: AtomicBool::new(false) }))
    }
}

/// A callback that is not called any more; calls that have begun may still run. Dropping this waits for the
/// calls in other threads, unless it happens inside a callback.
#[must_use = "dropping it waits"]
pub struct ReplacedCallback {
    /// Where the calls run, and the number of the first call to exclude.
    calls: Option<(Arc<Slot>, u64)>,
    /// Dropped after the wait; may own anything.
    old: [Option<Callback>; 2],
}

impl Drop for ReplacedCallback {
    fn drop(&mut self) {
        if let Some((slot, next)) = self.calls.take() {
            slot.wait_while(|call| call.number < next);
        }
    }
}

impl fmt::Debug for ReplacedCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplacedCallback").field("old", &self.old[0].is_some()).finish_non_exhaustive()
    }
}

impl Side {
    fn forget_inherited(&mut self) {
        if self.slot.as_ref().is_some_and(|slot| fork::since(slot.born)) {
            // The calling threads are the parent's, and so is everything that they refer to.
            mem::forget(self.slot.take());
        }
    }
}

/// What the two sides share.
struct Slot {
    inside: Mutex<Inside>,
    returned: Condvar,
    born: u64,
}

struct Inside {
    callback: Option<Callback>,
    /// Calls that have not returned.
    calls: Vec<Call>,
    next_number: u64,
    /// How many threads wait for a call to return.
    waiting: usize,
}

struct Call {
    number: u64,
    thread: usize,
    /// The address of the request's waker.
    waker: usize,
}

impl Slot {
    fn new(callback: Callback) -> Arc<Self> {
        let inside = Inside { callback: Some(callback), calls: Vec::new(), next_number: 0, waiting: 0 };
        Arc::new(Self { inside: Mutex::new(inside), returned: Condvar::new(), born: fork::generation() })
    }

    /// Returns the callback until now, and the number of the next call.
    fn replace(&self, callback: Option<Callback>) -> (Option<Callback>, u64) {
        let mut inside = lock(&self.inside);
        (mem::replace(&mut inside.callback, callback), inside.next_number)
    }

    /// `None` in a forked child: the lock may have been inherited locked, and the threads that call are the
    /// parent's.
    fn lock(&self) -> Option<MutexGuard<'_, Inside>> {
        (!fork::since(self.born)).then(|| lock(&self.inside))
    }

    /// Waits while a call that matches runs in another thread. Returns at once inside a callback.
    fn wait_while(&self, is_such: impl Fn(&Call) -> bool) {
        let Some(inside) = self.lock() else { return };
        let me = this_thread();
        self.wait(inside, |inside| inside.calls.iter().any(|call| call.thread != me && is_such(call)));
    }

    fn wait(&self, mut inside: MutexGuard<'_, Inside>, is_early: impl Fn(&Inside) -> bool) {
        if is_inside() {
            return;
        }
        while is_early(&inside) {
            inside.waiting += 1;
            inside = self.returned.wait(inside).unwrap_or_else(PoisonError::into_inner);
            inside.waiting -= 1;
        }
    }

    fn change(&self, change: impl FnOnce(&mut Inside)) {
        let Some(mut inside) = self.lock() else { return };
        change(&mut inside);
        let waiting = inside.waiting;
        drop(inside);
        if waiting > 0 {
            self.returned.notify_all();
        }
    }
}

/// The waker of one request: the sender of its wake calls the callback of the job's context through it.
pub(crate) struct CallbackWaker {
    slot: Arc<Slot>,
    /// Written under the slot's lock: no call begins from then on.
    retired: AtomicBool,
    /// Written under the slot's lock: the wake was sent, and its call has returned.
    sent: AtomicBool,
}

impl CallbackWaker {
    /// The way to a callback that is no context's of ours, and cannot be replaced.
    pub(crate) fn of(callback: Callback) -> Arc<Self> {
        let slot = Slot::new(callback);
        Arc::new(Self { slot, retired: AtomicBool::new(false), sent: AtomicBool::new(false) })
    }

    /// Ends the request: no call begins for it any more. Waits for calls that have begun in other threads;
    /// inside a callback it returns at once.
    pub(crate) fn retire(&self) {
        let (me, request) = (this_thread(), self.address());
        let Some(inside) = self.slot.lock() else { return };
        self.retired.store(true, Ordering::Relaxed);
        self.slot.wait(inside, |inside| {
            inside.calls.iter().any(|call| call.thread != me && call.waker == request)
        });
    }

    /// Waits until the wake that is being sent was sent and its call has returned; inside a callback it
    /// returns at once.
    pub(crate) fn await_sent(&self) {
        if let Some(inside) = self.slot.lock() {
            self.slot.wait(inside, |_| !self.sent.load(Ordering::Relaxed));
        }
    }

    fn call(&self) {
        if let Some(running) = self.enter() {
            // A pause would keep the call unfinished for as long as its job is paused.
            let _block = block_pause();
            // On a stepped device this thread may be one that is to be cancelled, and frames below catch.
            uncancelled(|| (running.callback)());
        }
    }

    fn enter(&self) -> Option<Running<'_>> {
        let mut inside = self.slot.lock()?;
        let callback = inside.callback.clone().filter(|_| !self.retired.load(Ordering::Relaxed))?;
        let number = inside.next_number;
        inside.next_number += 1;
        inside.calls.push(Call { number, thread: this_thread(), waker: self.address() });
        DEPTH.set(DEPTH.get() + 1);
        Some(Running { callback, _leave: Leave { slot: &self.slot, number } })
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}

impl Wake for CallbackWaker {
    fn wake(self: Arc<Self>) {
        let _sent = Sent(&self);
        self.call();
    }

    /// A spurious wake makes a call like any other.
    fn wake_by_ref(self: &Arc<Self>) {
        self.call();
    }
}

impl fmt::Debug for CallbackWaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallbackWaker").field("sent", &self.sent).finish_non_exhaustive()
    }
}

/// A call that has begun. The callback may be the last owner of what it uses, so it is dropped before the
/// call counts as returned, however the call ends.
struct Running<'a> {
    callback: Callback,
    _leave: Leave<'a>,
}

struct Leave<'a> {
    slot: &'a Slot,
    number: u64,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
        self.slot.change(|inside| inside.calls.retain(|call| call.number != self.number));
    }
}

struct Sent<'a>(&'a CallbackWaker);

impl Drop for Sent<'_> {
    fn drop(&mut self) {
        self.0.slot.change(|_| self.0.sent.store(true, Ordering::Relaxed));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::sync::mpsc::{Receiver, channel};
    use std::task::Waker;
    use std::thread;

    use super::*;

    #[derive(Default)]
    struct Ctx {
        cell: CallbackCell,
        is_set: AtomicBool,
    }

    impl Ctx {
        fn with(callback: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
            let ctx = Self::default();
            ctx.set(Some(Arc::new(callback)));
            Arc::new(ctx)
        }

        fn set(&self, callback: Option<Callback>) {
            drop(self.cell.replace(callback, &self.is_set));
        }

        fn waker(&self) -> Arc<CallbackWaker> {
            self.cell.waker().unwrap()
        }
    }

    fn shared<T>(receiver: Receiver<T>) -> impl Fn() -> Option<T> {
        let receiver = Mutex::new(receiver);
        move || receiver.lock().unwrap().recv().ok()
    }

    /// Two callbacks on two threads: each removes the other, and ends the other's request.
    #[test]
    fn callbacks_that_end_each_other_do_not_wait_for_each_other() {
        let (left, right) = (Arc::new(Ctx::default()), Arc::new(Ctx::default()));
        let (at_left, at_right) = (channel(), channel());
        let (left_is_in, right_is_in) = (shared(at_left.1), shared(at_right.1));
        let mut wakers = Vec::new();
        let end = |other: &Arc<Ctx>| {
            let other = Arc::clone(other);
            move || {
                other.set(None);
                other.cell.close(&other.is_set);
            }
        };
        let (end_right, end_left) = (end(&right), end(&left));
        left.set(Some(Arc::new(move || {
            at_left.0.send(()).unwrap();
            let _ = right_is_in();
            end_right();
        })));
        right.set(Some(Arc::new(move || {
            at_right.0.send(()).unwrap();
            let _ = left_is_in();
            end_left();
        })));
        wakers.extend([left.waker(), right.waker()]);
        let threads: Vec<_> =
            wakers.iter().cloned().map(|waker| thread::spawn(move || Waker::from(waker).wake())).collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        wakers.iter().for_each(|waker| waker.await_sent());
        assert!(left.cell.waker().is_none() && right.cell.waker().is_none());
    }

    #[test]
    fn a_request_that_has_ended_is_not_called_for_and_others_are() {
        let calls = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&calls);
        let ctx = Ctx::with(move || {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        let (ended, other) = (ctx.waker(), ctx.waker());
        ended.retire();
        Waker::from(Arc::clone(&ended)).wake();
        ended.await_sent();
        Waker::from(Arc::clone(&other)).wake_by_ref();
        Waker::from(other).wake();
        assert_eq!(calls.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn a_call_that_panics_has_returned() {
        let ctx = Ctx::with(|| panic!("on purpose"));
        let waker = ctx.waker();
        let called = Waker::from(Arc::clone(&waker));
        thread::spawn(move || called.wake()).join().unwrap_err();
        waker.await_sent();
        waker.retire();
        ctx.set(None);
        assert!(!is_inside());
    }

    #[test]
    fn a_closed_one_stays_closed() {
        let ctx = Ctx::with(|| ());
        let waker = ctx.waker();
        ctx.cell.close(&ctx.is_set);
        ctx.set(Some(Arc::new(|| unreachable!("the context has ended"))));
        assert!(
            ctx.cell.get().is_none() && ctx.cell.waker().is_none() && !ctx.is_set.load(Ordering::Relaxed)
        );
        Waker::from(waker).wake();
    }

    /// Callbacks come and go while they are called: none is called after its removal.
    #[test]
    fn none_is_called_after_it_was_removed() {
        let ctx = Ctx::with(|| ());
        let waker = ctx.waker();
        let done = Arc::new(AtomicBool::new(false));
        let callers: Vec<_> = (0..2)
            .map(|_| {
                let (waker, done) = (Waker::from(Arc::clone(&waker)), Arc::clone(&done));
                thread::spawn(move || {
                    while !done.load(Ordering::Relaxed) {
                        waker.wake_by_ref();
                    }
                })
            })
            .collect();
        for _ in 0..300 {
            let is_gone = Arc::new(AtomicBool::new(false));
            let gone = Arc::clone(&is_gone);
            ctx.set(Some(Arc::new(move || {
                assert!(!gone.load(Ordering::Relaxed), "called after it was removed")
            })));
            thread::yield_now();
            ctx.set(None);
            is_gone.store(true, Ordering::Relaxed);
            assert_eq!(Arc::strong_count(&is_gone), 1, "nothing keeps it");
        }
        done.store(true, Ordering::Relaxed);
        callers.into_iter().for_each(|caller| caller.join().unwrap());
    }
}
