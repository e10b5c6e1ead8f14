//! A thread for jobs, for runtimes whose tasks change threads.
//!
//! ```text
//!   any thread                                      the driver's thread
//!   spawn(f) ── order ──► queue ──► JobFuture(f) ── poll ─► paused ◄── woken: its number in the queue
//!     └─► DrivenJob ◄── value, or panic ── slot ◄──────────── ends
//!           └── dropped: an order to drop the job, which unwinds there
//! ```

use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::future::Future;
use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, JoinHandle};

use super::job::JobFuture;
use crate::error::Error;
use crate::job::{self, PoolConfig};
use crate::process::fork;

/// A thread that runs jobs for others. Jobs belong to the thread that has made them; their results do not.
///
/// Dropping it ends the thread: it unwinds the jobs that are left there, whose futures end with
/// [`Error::Closed`], and waits for that, unless it is a job that drops it.
///
/// A forked child has no such thread: what it spawns and what it has inherited ends with [`Error::Forked`].
///
/// ```
/// use simaccel::future::JobDriver;
/// use simaccel::{Config, Engine, Hash};
///
/// let engine = Engine::open(Config::default())?;
/// let session = engine.hash(Hash::Sha256)?;
/// let driver = JobDriver::new()?;
/// let digest = driver.spawn(move || session.digest(b"abc"));
/// fn is_send<T: Send>(_: &T) {}
/// is_send(&digest); // to be awaited by any task
/// # Ok::<(), simaccel::Error>(())
/// ```
pub struct JobDriver {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// A job on the thread of a [`JobDriver`], as a future: `Send`, and awaited by any task. Dropping it unwinds
/// the job there, and does not wait for that.
#[must_use = "dropping it ends the job"]
pub struct DrivenJob<T> {
    slot: Arc<Slot<T>>,
    shared: Arc<Shared>,
    number: u64,
}

/// Where a value goes from the one thread to the other.
struct Slot<T>(Mutex<Answer<T>>);

enum Answer<T> {
    Open(Option<Waker>),
    Given(Result<T, Failure>),
    Taken,
}

enum Failure {
    Error(Error),
    Panic(Box<dyn Any + Send>),
}

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// Makes a task, on the driver's thread.
type Order = Box<dyn FnOnce() -> Task + Send>;

enum Message {
    Spawn(u64, Order),
    Poll(u64),
    Drop(u64),
}

struct Shared {
    born: u64,
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    messages: VecDeque<Message>,
    next_number: u64,
    closed: bool,
}

impl JobDriver {
    /// Starts the thread.
    ///
    /// # Errors
    /// [`Error::Thread`].
    pub fn new() -> Result<Self, Error> {
        Self::start(None)
    }

    /// The same, with these limits and sizes of its jobs: more of them wait in line.
    ///
    /// # Errors
    /// [`Error::Thread`]. Limits or sizes that are not possible leave the defaults; [`job::init_thread`] says
    /// which are.
    pub fn with_config(config: PoolConfig) -> Result<Self, Error> {
        Self::start(Some(config))
    }

    fn start(config: Option<PoolConfig>) -> Result<Self, Error> {
        let shared = Arc::new(Shared::new());
        let in_thread = Arc::clone(&shared);
        let builder = thread::Builder::new().name("simaccel-jobs".to_owned());
        let thread = builder.spawn(move || {
            if let Some(config) = config {
                let _ = job::init_thread(config);
            }
            in_thread.run();
        });
        Ok(Self { shared, thread: Some(thread.map_err(|error| Error::Thread(error.into()))?) })
    }

    /// Runs `f` in a job on the driver's thread, which begins now, whether or not the future is polled.
    pub fn spawn<T, F>(&self, f: F) -> DrivenJob<T>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let slot = Arc::new(Slot(Mutex::new(Answer::Open(None))));
        if self.shared.is_inherited() {
            return DrivenJob { slot, shared: Arc::clone(&self.shared), number: 0 };
        }
        let answer = Giver(Arc::clone(&slot));
        let order: Order = Box::new(move || Box::pin(drive(JobFuture::new(f), answer)));
        let number = {
            let queue = &mut *self.shared.lock();
            queue.next_number += 1;
            queue.messages.push_back(Message::Spawn(queue.next_number, order));
            queue.next_number
        };
        self.shared.changed.notify_one();
        DrivenJob { slot, shared: Arc::clone(&self.shared), number }
    }
}

async fn drive<T: 'static, F: FnOnce() -> T + 'static>(job: JobFuture<T, F>, answer: Giver<T>) {
    let mut job = job;
    let polled = std::future::poll_fn(|context| {
        // A panic of the job belongs to the task that awaits it.
        match panic::catch_unwind(AssertUnwindSafe(|| Pin::new(&mut job).poll(context))) {
            Ok(polled) => polled.map(|outcome| outcome.map_err(Failure::Error)),
            Err(panic) => Poll::Ready(Err(Failure::Panic(panic))),
        }
    });
    let outcome = polled.await;
    drop(job);
    answer.0.give(outcome);
}

/// Answers in any case: with [`Error::Closed`] when the job is dropped.
struct Giver<T>(Arc<Slot<T>>);

impl<T> Drop for Giver<T> {
    fn drop(&mut self) {
        self.0.give(Err(Failure::Error(Error::Closed)));
    }
}

impl<T> Slot<T> {
    fn lock(&self) -> MutexGuard<'_, Answer<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The value, once it is there; until then `waker` is to be called.
    fn take(&self, waker: Waker) -> Poll<Result<T, Failure>> {
        let mut answer = self.lock();
        let replaced = match &mut *answer {
            Answer::Open(place) => place.replace(waker),
            over => match mem::replace(over, Answer::Taken) {
                Answer::Given(outcome) => return Poll::Ready(outcome),
                _ => return Poll::Ready(Err(Failure::Error(Error::Closed))),
            },
        };
        // A waker is foreign code, and goes outside of the lock.
        drop(answer);
        drop(replaced);
        Poll::Pending
    }

    fn give(&self, outcome: Result<T, Failure>) {
        let waker = {
            let answer = &mut *self.lock();
            let Answer::Open(waker) = answer else { return };
            let waker = waker.take();
            *answer = Answer::Given(outcome);
            waker
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T: Send + 'static> Future for DrivenJob<T> {
    /// As that of [`JobFuture`].
    type Output = Result<T, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.shared.is_inherited() {
            return Poll::Ready(Err(Error::Forked));
        }
        match self.slot.take(context.waker().clone()) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(value)) => Poll::Ready(Ok(value)),
            Poll::Ready(Err(Failure::Error(error))) => Poll::Ready(Err(error)),
            Poll::Ready(Err(Failure::Panic(panic))) => panic::resume_unwind(panic),
        }
    }
}

impl<T> Drop for DrivenJob<T> {
    fn drop(&mut self) {
        // In a forked child the locks may have been inherited locked.
        if !self.shared.is_inherited() && matches!(*self.slot.lock(), Answer::Open(_)) {
            self.shared.send(Message::Drop(self.number));
        }
    }
}

impl Drop for JobDriver {
    fn drop(&mut self) {
        let thread = self.thread.take();
        if self.shared.is_inherited() {
            // The thread is the parent's.
            mem::forget(thread);
            return;
        }
        self.shared.lock().closed = true;
        self.shared.changed.notify_one();
        let is_this = thread.as_ref().is_some_and(|thread| thread.thread().id() == thread::current().id());
        if !is_this {
            let _ = thread.map(JoinHandle::join);
        }
    }
}

/// Puts a task's number into the queue.
struct TaskWaker {
    shared: Arc<Shared>,
    number: u64,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.shared.send(Message::Poll(self.number));
    }
}

impl Shared {
    fn new() -> Self {
        Self { born: fork::generation(), queue: Mutex::default(), changed: Condvar::new() }
    }

    fn is_inherited(&self) -> bool {
        fork::since(self.born)
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, message: Message) {
        if self.is_inherited() {
            // The lock may have been inherited locked, and the thread is the parent's.
            return;
        }
        self.lock().messages.push_back(message);
        self.changed.notify_one();
    }

    fn run(self: Arc<Self>) {
        let mut tasks = BTreeMap::<u64, (Task, Waker)>::new();
        while let Some(message) = self.next() {
            let number = match message {
                Message::Spawn(number, order) => {
                    let waker = Waker::from(Arc::new(TaskWaker { shared: Arc::clone(&self), number }));
                    tasks.insert(number, (order(), waker));
                    number
                }
                Message::Poll(number) => number,
                Message::Drop(number) => {
                    // A panic in a destructor of the job ends there.
                    let dropped = tasks.remove(&number);
                    caught(|| drop(dropped));
                    continue;
                }
            };
            // It may have ended since it was woken.
            let Some((task, waker)) = tasks.get_mut(&number) else { continue };
            // The waker of the task that awaits it is foreign code, and so is a value that none awaits.
            let polled = caught(|| task.as_mut().poll(&mut Context::from_waker(waker)));
            if !matches!(polled, Some(Poll::Pending)) {
                let over = tasks.remove(&number);
                caught(|| drop(over));
            }
        }
        for task in mem::take(&mut tasks) {
            caught(|| drop(task));
        }
        // What was never begun.
        let rest = mem::take(&mut self.lock().messages);
        for message in rest {
            caught(|| drop(message));
        }
    }

    /// `None`: the driver was dropped.
    fn next(&self) -> Option<Message> {
        let mut queue = self.lock();
        loop {
            if queue.closed {
                return None;
            }
            if let Some(message) = queue.messages.pop_front() {
                return Some(message);
            }
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Runs foreign code; `None`: it panicked, and the thread goes on.
fn caught<R>(f: impl FnOnce() -> R) -> Option<R> {
    panic::catch_unwind(AssertUnwindSafe(f)).map_err(mem::forget).ok()
}

impl fmt::Debug for JobDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobDriver").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for DrivenJob<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DrivenJob").field("number", &self.number).finish_non_exhaustive()
    }
}
