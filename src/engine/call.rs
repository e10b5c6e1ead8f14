//! Operations of the user's own: a function that runs on the device, with the whole cycle of pause and wake
//! around it.
//!
//! ```text
//!   call(name, bytes, f) ─► a request with f ─► offload ─► a worker runs f ─► its value   ─► Ok
//!                              │        ▲                                 └─► its panic   ─► goes on in the caller
//!                              │        └── another try, while f has not run
//!                              └── fallback, offload_threshold: the caller runs f
//! ```
//!
//! A function runs once or never, and cannot be taken back while it runs. Whatever happens, it is dropped
//! once, with what it owns, and so is its value where the caller does not get it.

use std::panic::resume_unwind;
use std::sync::{Mutex, PoisonError};
use std::task::Poll;
use std::thread;

use simaccel_device::{Call, Remote, Request, Status, Ticket};

use super::function::{self, Function};
use super::offload::{self, Failed};
use super::software::Software;
use super::{Engine, Inner, table};
use crate::error::Error;

impl Engine {
    /// Runs `f` on the device, and returns its value. The device can so stand in for compression, for regular
    /// expressions, for any function. In a job the call pauses, elsewhere it blocks, as every operation.
    ///
    /// `name` is what statistics know the operation by
    /// ([`DeviceStats::calls`](simaccel_device::DeviceStats::calls), which keeps 64 names of up to 64 bytes
    /// apart and adds up the others as `other`). The rules of faults select it by `op=call`, or by `op=NAME`
    /// where the configuration declares it by `operation=NAME`. `bytes` stands for its input, in the model of
    /// time (`mbps`), in rules (`size`), in `offload_threshold` and in statistics.
    ///
    /// `f` runs on a worker of the device, on which all requests of its queue pairs wait meanwhile, so it
    /// should be short; on a stepped device it runs in the thread that steps, on the thread's own stack and
    /// not in a job. It runs there as soon as the device admits the request, and what time is modelled comes
    /// after that. Results that are ready before it are announced before `f` runs. On a modelled
    /// device with `workers` above 1 it is never the first worker, which serves the queue pairs: only what
    /// the other workers are to compute may wait for `f`.
    ///
    /// - **Panics** of `f` go on in the caller, with what they carry. The device lives, and counts a call
    ///   that it completed.
    /// - **Faults** act as on other requests, but for `corrupt` and `short`: a value has no bytes, so they
    ///   pass calls by, and a rule that would select nothing else is refused.
    /// - **Another try** (`max_retries`) and **fallback**, which runs `f` in the calling thread, are for
    ///   calls whose function has not run. One that has run (its completion was late or lost, the device was
    ///   reset before it was due) ends with the error, and its value is dropped.
    /// - **Timeout** takes the call back when it is over, unless `f` is running: then as soon as that has
    ///   returned.
    /// - **Dropping the job** drops `f` unrun while the call waits, and its value after that. While `f` runs,
    ///   it waits for its end. A panic in such a drop ends there.
    /// - **In `f`** nothing pauses that began outside of it. Jobs that `f` runs itself may pause, but for
    ///   requests of another engine only. A job or a future that `f` drops, its own too, is given up at once;
    ///   what the device has of it in this batch is dropped when the next call ends, or with the engine.
    ///
    /// # Errors
    /// The device's failures. [`Error::Inside`] where this is called by a call's function, on the thread of
    /// the device that it would have to wait for; so do all operations there, and those of jobs that run
    /// there.
    ///
    /// After [`Error::Forked`], what a child inherits of a call that is under way stays where it is,
    /// undropped.
    ///
    /// # Panics
    /// With the panic of `f`.
    ///
    /// ```
    /// use simaccel::{Config, Engine};
    ///
    /// let engine = Engine::open(Config::parse("operation=sum;fault=delay:op=sum,nsec=1000,every=2")?)?;
    /// let numbers = vec![1_u64, 2, 3];
    /// let sum = engine.call("sum", 8 * numbers.len(), move || numbers.iter().sum::<u64>())?;
    /// assert_eq!(sum, 6);
    /// assert_eq!(engine.stats().device.calls[0].completed, 1);
    /// # Ok::<(), simaccel::Error>(())
    /// ```
    pub fn call<T, F>(&self, name: &str, bytes: usize, f: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let mut request = call_request(name, bytes, f);
        let outcome = offload::run(&self.inner, &OfCall, &mut request);
        take_back_left(&self.inner);
        outcome.map_err(Failed::into_error)?;
        match request.call.and_then(|call| call.into_result()) {
            Some(Ok(value)) => Ok(value),
            Some(Err(panic)) => resume_unwind(panic),
            None => Err(Error::Closed),
        }
    }
}

/// A request that runs `f`.
pub(crate) fn call_request<T, F>(name: &str, bytes: usize, f: F) -> Request
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    Request::of_call(Call::new(name, bytes as u64, move || function(f)))
}

/// Whether this thread is in a function that the device of this engine runs: waiting for the device would
/// never end.
pub(super) fn is_inside(engine: &Inner) -> bool {
    function::runs_here() && engine.device.is_inside()
}

/// Requests that a function has given up while the device owned them: they are in its own batch, so it could
/// not wait for them.
#[derive(Debug, Default)]
pub(super) struct Left(Mutex<Vec<(Remote, Ticket)>>);

impl Left {
    fn change<R>(&self, change: impl FnOnce(&mut Vec<(Remote, Ticket)>) -> R) -> R {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Takes back a request that is given up. In a function, one that the device owns is left until later.
#[cold]
pub(super) fn take_back(engine: &Inner, remote: &Remote, ticket: Ticket) -> Option<Request> {
    if !is_inside(engine) {
        return remote.revoke(ticket);
    }
    match remote.try_revoke(ticket) {
        Poll::Ready(request) => request,
        Poll::Pending => {
            engine.left.change(|left| left.push((remote.clone(), ticket)));
            None
        }
    }
}

/// Takes a request that is done, or takes back one that is not.
///
/// # Errors
/// [`Error::Inside`] in a function, for a request that the device owns; it is left until later.
#[cold]
pub(super) fn end(
    engine: &Inner,
    remote: &Remote,
    ticket: Ticket,
) -> Result<(Request, Option<Status>), Error> {
    loop {
        match remote.try_end(ticket) {
            Poll::Ready(ended) => return ended.ok_or(Error::Closed),
            Poll::Pending if is_inside(engine) => {
                engine.left.change(|left| left.push((remote.clone(), ticket)));
                return Err(Error::Inside);
            }
            Poll::Pending => thread::yield_now(),
        }
    }
}

/// Takes back what functions have left, when the batch is over.
pub(crate) fn take_back_left(engine: &Inner) {
    // In a forked child the lock may have been inherited locked.
    if engine.is_inherited() || is_inside(engine) {
        return;
    }
    // One by one, because what is dropped may panic.
    while let Some((remote, ticket)) = engine.left.change(Vec::pop) {
        if let Some(mut request) = remote.revoke(ticket) {
            request.wipe();
        }
    }
}

/// Runs a call's function: on a worker, or outside of jobs in the thread that steps the device or computes in
/// its place. There is no job that it could pause, while the device is in the middle of something.
fn function<T>(f: impl FnOnce() -> T) -> T {
    let _function = Function::begin();
    // Jobs that the function runs do not get past the check, either.
    table::forget_latest();
    f()
}

/// Computes in the calling thread, in the device's place.
pub(crate) struct OfCall;

impl Software for OfCall {
    fn execute(&self, request: &mut Request) -> Status {
        match &mut request.call {
            Some(call) => call.run(),
            None => return Status::InvalidArgs,
        }
        Status::Ok
    }
}
