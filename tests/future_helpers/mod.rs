//! A small executor, for futures on any number of threads and on a stepped device.

#![allow(dead_code, reason = "each test file uses its own share")]

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use simaccel::Engine;
use simaccel::future::Reaper;

/// Counts its calls, and ends a sleep.
#[derive(Debug, Default)]
pub(crate) struct Flag {
    calls: AtomicUsize,
    woken: Mutex<bool>,
    changed: Condvar,
}

impl Flag {
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    pub(crate) fn sleep(&self) {
        let mut woken = self.woken.lock().unwrap();
        while !*woken {
            woken = self.changed.wait(woken).unwrap();
        }
        *woken = false;
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.calls.fetch_add(1, Ordering::SeqCst);
        *self.woken.lock().unwrap() = true;
        self.changed.notify_one();
    }
}

/// Polls until it is ready; sleeps until it is woken in between.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let flag = Arc::new(Flag::default());
    let waker = Waker::from(Arc::clone(&flag));
    let mut future = std::pin::pin!(future);
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return done;
        }
        flag.sleep();
    }
}

/// The same on a stepped device, which is stepped while nothing is woken; every poll but the first one comes
/// after a wake.
pub(crate) fn drive<F: Future>(engine: &Engine, future: F) -> F::Output {
    let flag = Arc::new(Flag::default());
    let waker = Waker::from(Arc::clone(&flag));
    let mut future = std::pin::pin!(future);
    let mut seen = 0;
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return done;
        }
        while flag.calls() == seen {
            assert!(engine.device().step(), "it waits, and nothing happens any more");
        }
        seen = flag.calls();
    }
}

/// One look.
pub(crate) fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    poll_with(future, Waker::noop())
}

/// The same, with a waker.
pub(crate) fn poll_with<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}

/// A reaper that has had its first turn.
pub(crate) fn reaper(engine: &Engine) -> Pin<Box<Reaper>> {
    let mut reaper = Box::pin(engine.reaper().unwrap());
    turn(&mut reaper);
    reaper
}

pub(crate) fn turn(reaper: &mut Pin<Box<Reaper>>) {
    assert!(poll_once(reaper).is_pending());
}

pub(crate) fn flags<const N: usize>() -> [Arc<Flag>; N] {
    [(); N].map(|()| Arc::new(Flag::default()))
}

/// Futures that are polled when they are woken, by the thread that runs this, in the order of their wakes.
pub(crate) struct Executor {
    queue: Arc<Queue>,
    tasks: Vec<Option<Pin<Box<dyn Future<Output = ()>>>>>,
    alive: usize,
}

#[derive(Default)]
struct Queue {
    ready: Mutex<Vec<usize>>,
    changed: Condvar,
}

struct Task {
    queue: Arc<Queue>,
    number: usize,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.queue.ready.lock().unwrap().push(self.number);
        self.queue.changed.notify_one();
    }
}

impl Executor {
    pub(crate) fn new() -> Self {
        Self { queue: Arc::default(), tasks: Vec::new(), alive: 0 }
    }

    pub(crate) fn spawn(&mut self, task: impl Future<Output = ()> + 'static) {
        self.queue.ready.lock().unwrap().push(self.tasks.len());
        self.tasks.push(Some(Box::pin(task)));
        self.alive += 1;
    }

    /// Runs all tasks to their end; sleeps while none is woken.
    pub(crate) fn run(&mut self) {
        while self.alive > 0 {
            let ready = {
                let mut ready = self.queue.ready.lock().unwrap();
                while ready.is_empty() {
                    ready = self.queue.changed.wait(ready).unwrap();
                }
                std::mem::take(&mut *ready)
            };
            ready.into_iter().for_each(|number| self.poll(number));
        }
    }

    fn poll(&mut self, number: usize) {
        // A spurious wake may come after the end.
        let Some(task) = &mut self.tasks[number] else { return };
        let waker = Waker::from(Arc::new(Task { queue: Arc::clone(&self.queue), number }));
        if task.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
            self.tasks[number] = None;
            self.alive -= 1;
        }
    }
}
