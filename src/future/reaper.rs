//! A task that reaps for the futures of its thread.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::engine::Engine;
use crate::engine::future::Reaping;
use crate::error::Error;

/// Looks in vain before the reaper sleeps: at first, and at least and at most, by how often they were of use.
const LOOKS: u32 = 256;
const FEWEST: u32 = 16;
const MOST: u32 = 1_024;

/// Wakes the futures of its thread, many at a time: a task for runtimes of one thread, where an awaited
/// operation then costs 1.1 to 1.5 times one in a polled job. It never ends.
///
/// Without it the device calls the waker of each future, from its own thread, and so wakes a task across
/// threads. With it, what the futures of this thread submit leaves a completion in the thread's ring, and the
/// reaper calls their wakers here. While it looks in vain it gives its turn to the other tasks, and after
/// some hundred looks it sleeps until the device wakes it.
///
/// - Spawn it as a task of its own on the thread whose tasks await: what is submitted while it has work
///   reaches the device when it has its turn. It is not `Send`; futures that were polled here may go on
///   elsewhere.
/// - It serves operations of sessions on devices without a model of time, in engines without timeout,
///   retries, fallback and rules of the engine's own, on threads with a queue pair of their own. All others
///   go on as without it.
/// - It needs its turns. A task that blocks this thread until a future is ready, by an executor inside of it,
///   waits for ever. Blocking calls of sessions need no reaper.
/// - While it is awake it keeps wakers of tasks for their next operations, and for one turn the handles of
///   sessions whose operations have ended.
/// - Dropping it hands back: the futures that are left are woken, and wait without it. So does the end of its
///   thread.
///
/// ```
/// use simaccel::{Cipher, Config, Engine};
///
/// // On the current-thread runtime of tokio, in a `LocalSet`:
/// // tokio::task::spawn_local(engine.reaper()?);
/// let engine = Engine::open(Config::default())?;
/// let reaper = engine.reaper()?;
/// # drop(reaper);
/// # Ok::<(), simaccel::Error>(())
/// ```
#[must_use = "a future does nothing unless it is polled"]
pub struct Reaper {
    reaping: Reaping,
    looks: u32,
    in_vain: u32,
    thread: PhantomData<*mut ()>,
}

impl Engine {
    /// A task that wakes the futures of the calling thread.
    ///
    /// # Errors
    /// [`Error::Forked`] in a forked child.
    pub fn reaper(&self) -> Result<Reaper, Error> {
        let reaping = Reaping::begin(Arc::clone(self.inner()))?;
        // What is stepped does nothing by itself, so looking again is in vain.
        let looks = if self.inner().is_stepped() { 0 } else { LOOKS };
        Ok(Reaper { reaping, looks, in_vain: 0, thread: PhantomData })
    }
}

impl Future for Reaper {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        if this.reaping.reap() > 0 {
            if this.in_vain > FEWEST {
                this.looks = (2 * this.looks).min(MOST);
            }
            this.in_vain = 0;
        } else if this.in_vain < this.looks {
            this.in_vain += 1;
        } else if this.reaping.sleep(context.waker()) {
            if this.looks > 0 {
                this.looks = (this.looks / 2).max(FEWEST);
            }
            this.in_vain = 0;
            return Poll::Pending;
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl fmt::Debug for Reaper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reaper").finish_non_exhaustive()
    }
}
