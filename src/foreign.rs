//! For our own crates: jobs of another framework, and operations that are polled.
//!
//! Exempt from semantic versioning: a release may change anything here.
//!
//! ```text
//!   open(config, framework) ──► Engine ──► sessions, streams: their operations pause the framework's jobs
//!
//!   operation ── with_ctx ──► Ctx: callback? find(key), register(key, fd, data, on_end), set_status
//!             ── pause ─────► the job's resumer ... resume ──► looks: done? takes the wake, and returns
//!
//!   start(session, message) ──► Started ── poll(waker) ──► Pending ... the waker is called ... poll ──► Ready
//! ```
//!
//! # Who calls what, and when
//!
//! An operation of an engine that has a [`Framework`] runs on the stack of its caller.
//!
//! 1. It calls [`Framework::with_ctx`]. Where that shows no context, the operation pauses a job of simaccel's
//!    own, if it runs in one, and blocks otherwise. In the function of an [`Engine::call`] it is not called,
//!    and no job of the framework is paused.
//! 2. It sets the context's status to `Ok`. It asks for [`Ctx::callback`], and for the fd under the engine's
//!    key ([`WaitFds::find`]) where there is no callback. An fd that is not found is made and registered
//!    ([`WaitFds::register`]); each of its wakes is told to what [`WaitFds::wake_watch`] has returned before,
//!    if anything. Where none can be made the operation waits in its thread, if
//!    [`Framework::blocks_without_fd`] says so.
//! 3. It submits. Where the ring is full it sets the status `Eagain`; that changes when the job is resumed
//!    and the request has its slot.
//! 4. It calls [`Framework::pause`], always at least once. The device's wake writes the fd, or calls the
//!    callback, perhaps before the pause has reached the job's resumer.
//! 5. When `pause` returns it looks. A request that is done is taken, and the fd is read. Any other resume is
//!    spurious, is counted, and leads to step 4.
//!
//! No call of the engine to the framework holds a lock or a borrow of the engine's. A framework does not call
//! an operation of the same engine from inside [`with_ctx`](Framework::with_ctx) or a method of [`Ctx`] or
//! [`WaitFds`].
//!
//! # A pause that does not tell
//!
//! A framework that cannot say whether it has paused returns [`Paused::Perhaps`]. After sixteen of these in a
//! row for one request the operation takes the job for one that cannot pause, and waits in its thread. The
//! application that resumes such a job in a loop without waiting is then blocked until the request has ended;
//! one that waits for the fd is not. On a stepped device the operation then steps the device.
//!
//! # What the framework promises
//!
//! - **Threads.** A context is used by one thread at a time, with everything that refers to it: its jobs, its
//!   owner, and the data that was registered. [`WaitFds::register`] receives an `Rc`. A framework whose
//!   contexts go from thread to thread moves *all* of it at once and orders the uses, as a mutex or an
//!   application's own hand-over does. A job goes on in the thread that it paused in, whichever thread
//!   resumes it: compiled code keeps addresses of thread-locals over a pause.
//! - **Lifetimes.** The data and the [`OpenFd`] of a registration live until the registration ends. `on_end`
//!   is called once when the context ends while the fd is registered, and at once when it has ended already.
//!   It is not called for a registration that the application has cleared; its fd then closes with the last
//!   of its handles.
//! - **A context that ends while its job is paused.** From then on `with_ctx` shows nothing for the job, and
//!   `pause` returns [`Paused::WithoutCtx`] (or [`Paused::Refused`]). The operation goes on in its thread.
//! - **A job that is discarded.** Its stack is unwound, which gives the request up, or [`Release::release`]
//!   of the hook that `pause` received is called once, before the stack is used for anything else. A
//!   framework that does neither leaks the request: it stays in its slot's cell, and the context's `on_end`
//!   still closes the fd.
//! - **While its thread panics** no job is switched. The engine does not call `pause` then.
//! - **Small stacks.** [`Framework::outside`] runs what is deep (the preparation of a key, work in
//!   software, an event of a stepped device) where there is room for it.
//!
//! # What the engine promises
//!
//! - Nothing of a job's frames needs to be dropped while the job is paused, except by way of the hook.
//! - After an operation has returned, and after the hook has returned, no token of its request is on the fd
//!   and none will come. No call of the callback for it begins any more, and those in other threads have
//!   returned, except where the end comes from inside a callback.
//! - The callback is one that was set when the request was submitted. A framework cannot replace it in
//!   between; an application that removes it resumes the job once, and the wake goes over to the fd.
//! - One fd per context and engine, the same for all operations. It is readable only when a resume makes
//!   progress.
//! - Two engines, and several jobs, may use one context.
//!
//! # Polling
//!
//! With `delivery=poll`, [`Engine::poll`] hands out [`Ctx::job_number`] in the thread that submitted. So that
//! way is for frameworks whose jobs run on the thread of their resumer.
//!
//! # Ends of threads, and forks
//!
//! A job's thread, or the thread that submitted, may end: the request is taken from any other. In the
//! destructors of thread-locals operations still work.
//!
//! In a forked child every operation ends with [`Error::Forked`], one that was under way too: with an empty
//! buffer, as the parent's device has it. Inherited fds are not touched, and `on_end` does nothing.
//! [`Started`] does the same.
//!
//! # Operations that are polled
//!
//! [`start`] makes a [`Started`], and [`start_key`] a [`StartedKey`]: it owns its session, its request and
//! its hold of the engine, it is `Send` and `'static`, and it begins at its first poll. Polls may come from
//! different threads, one after the other. The waker of the latest poll is called on the device's thread, at
//! most once for a request, but for spurious wakes. A waker may poll, or drop, what it wakes. The retries,
//! the fallback and the timeout of the engine's configuration hold. Dropping a `Started` gives the request up
//! and waits at most for the computation of one batch; its text is wiped. An [`Announcer`] is a waker for
//! callbacks of foreign code, which has to know when they are over.

use std::fmt;
use std::sync::Arc;
use std::task::Waker;

use simaccel_device::{KeyArguments, Operation};

pub use crate::engine::foreign::{Ctx, Framework, OpenFd, Paused, WaitFds, WakeWatch};
pub use crate::engine::{Message, Started, StartedKey};
use crate::job::CallbackWaker;
pub use crate::job::{Callback, Release, WaitStatus};
use crate::process::fork;
pub use crate::process::fork::{Guard, Lock};
use crate::{AnySession, Config, Engine, Error, KeySession, OpError};

/// How many forks lie between this process and the first one that has called this, or opened an engine. What
/// was made at another number belongs to a parent of this process.
pub fn forks() -> u64 {
    fork::generation()
}

/// What a framework writes to an fd that is registered with it, so that it becomes readable without a wake of
/// the engine. The job's next request that ends there reads it.
pub const SPURIOUS_WAKE: u64 = crate::engine::foreign::SPURIOUS;

/// The names of all keys of a [`Config`].
pub fn config_keys() -> impl Iterator<Item = &'static str> {
    Config::key_names()
}

/// [`Engine::open`], for jobs of this framework.
///
/// # Errors
/// As [`Engine::open`].
pub fn open(config: Config, framework: Arc<dyn Framework>) -> Result<Engine, Error> {
    Engine::for_framework(config, framework, false)
}

/// [`Engine::stepped`], for jobs of this framework.
///
/// # Errors
/// As [`Engine::stepped`].
pub fn stepped(config: Config, framework: Arc<dyn Framework>) -> Result<Engine, Error> {
    Engine::for_framework(config, framework, true)
}

/// Makes an operation that is polled. It does not begin before its first poll.
///
/// # Errors
/// [`Error::NoMemory`], with the buffer.
pub fn start(session: &AnySession, message: Message) -> Result<Started, OpError> {
    session.start(message)
}

/// [`start`] for an operation of a private or a public key.
pub fn start_key(
    session: &KeySession,
    operation: Operation,
    arguments: KeyArguments,
    input: Vec<u8>,
) -> StartedKey {
    session.start(operation, arguments, input)
}

/// A callback as the waker of a [`Started`].
///
/// When it is dropped no call begins any more, and those in other threads have returned. Inside a callback,
/// of whatever context or operation, its drop does not wait (see [`Callback`]s of contexts). A forked child
/// drops it without a wait.
pub struct Announcer {
    waker: Arc<CallbackWaker>,
    born: u64,
}

impl Announcer {
    /// The callback must not panic, and a job does not pause in it.
    pub fn new(callback: Callback) -> Self {
        Self { waker: CallbackWaker::of(callback), born: fork::generation() }
    }

    /// For [`Started::poll`].
    pub fn waker(&self) -> Waker {
        Waker::from(Arc::clone(&self.waker))
    }

    /// Ends the calls, as its drop does.
    pub fn retire(&self) {
        // The lock of an inherited one may be held by a thread of the parent.
        if !fork::since(self.born) {
            self.waker.retire();
        }
    }
}

impl Drop for Announcer {
    fn drop(&mut self) {
        self.retire();
    }
}

impl fmt::Debug for Announcer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Announcer").finish_non_exhaustive()
    }
}
