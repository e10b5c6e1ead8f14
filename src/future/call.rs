//! An operation of the user's own as a future.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use simaccel_device::{Call, Request};

use super::operation::Cancelled;
use crate::engine::Engine;
use crate::engine::future::{Ended, Inner, Kept, OfCall, call_request, take_back_left};
use crate::error::Error;

/// A call of a function on the device, as a future: [`Engine::call_async`].
///
/// It begins at its first poll. *Cancel safe*: dropping it drops the function unrun while the call waits, and
/// its value after that; while the function runs, the drop waits for its end. [`CallFuture::cancel`] returns
/// the function, or the value.
#[must_use = "a future does nothing unless it is polled"]
pub struct CallFuture<T> {
    kept: Kept<Arc<Inner>, OfCall>,
    value: PhantomData<fn() -> T>,
}

impl Engine {
    /// [`Engine::call`] as a future. A panic of `f` goes on where the future is polled.
    ///
    /// ```
    /// use simaccel::{Config, Engine};
    ///
    /// async fn sum(engine: &Engine, numbers: Vec<u64>) -> Result<u64, simaccel::Error> {
    ///     engine.call_async("sum", 8 * numbers.len(), move || numbers.iter().sum()).await
    /// }
    /// # let engine = Engine::open(Config::default()).unwrap();
    /// # let mut sum = std::pin::pin!(sum(&engine, vec![1, 2, 3]));
    /// # let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    /// # let sum = loop {
    /// #     if let std::task::Poll::Ready(sum) = sum.as_mut().poll(&mut context) { break sum }
    /// # };
    /// # assert_eq!(sum, Ok(6));
    /// ```
    pub fn call_async<T, F>(&self, name: &str, bytes: usize, f: F) -> CallFuture<T>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let request: Request = call_request(name, bytes, f);
        CallFuture { kept: Kept::new(Arc::clone(self.inner()), OfCall, request), value: PhantomData }
    }
}

impl<T> CallFuture<T> {
    /// Takes the call back, and ends with [`Error::Timeout`], where the device does not end it within `limit`
    /// of its submission; a function that runs is waited for. As
    /// [`OpFuture::with_timeout`](super::OpFuture::with_timeout).
    pub fn with_timeout(mut self, limit: Duration) -> Self {
        self.kept.set_limit(limit);
        self
    }
}

impl<T: Send + 'static> CallFuture<T> {
    /// Ends the call now. Where its function has not run, the request is taken back, and the function comes
    /// back with what it owns. Where it has run, this returns its value, even if the device has not completed
    /// the call yet; while it runs, this waits for its end. The future is over then.
    ///
    /// A call that has ended with an error has dropped its function. In a function that runs in the same
    /// batch of the device, its own too, the call is out of reach: [`Error::Inside`].
    ///
    /// # Panics
    /// With the panic of the function, where it has run.
    ///
    /// ```
    /// use simaccel::future::Cancelled;
    /// use simaccel::{Config, Engine};
    ///
    /// let engine = Engine::stepped(Config::default())?;
    /// let mut sum = engine.call_async("sum", 24, || [1, 2, 3].into_iter().sum::<u64>());
    /// let Cancelled::TakenBack { buffer: unrun, .. } = sum.cancel() else { panic!("it was not submitted") };
    /// assert_eq!(unrun.run(), 6);
    /// # Ok::<(), simaccel::Error>(())
    /// ```
    pub fn cancel(&mut self) -> Cancelled<Result<T, Error>, Unrun<T>> {
        let ended = self.kept.cancel();
        take_back_left(self.kept.hold());
        let mut call = self.kept.request_mut().call.take();
        let has_run = call.as_mut().is_some_and(|call| call.has_run());
        match (ended, call) {
            (Ended::TakenBack, Some(call)) if !has_run => {
                Cancelled::TakenBack { buffer: Unrun { call, value: PhantomData }, destination: None }
            }
            (Ended::TakenBack | Ended::Over(Ok(())), call) => Cancelled::Ended(value_of(call)),
            (Ended::Over(Err(error)), _) => Cancelled::Ended(Err(error)),
        }
    }
}

/// What the function of a call has given.
fn value_of<T: 'static>(call: Option<Box<Call>>) -> Result<T, Error> {
    match call.and_then(|call| call.into_result()) {
        Some(Ok(value)) => Ok(value),
        Some(Err(panic)) => resume_unwind(panic),
        None => Err(Error::Closed),
    }
}

/// The function of a call that was taken back before it has run: [`CallFuture::cancel`]. Dropping it drops
/// the function.
#[must_use = "dropping it drops the function unrun"]
pub struct Unrun<T> {
    call: Box<Call>,
    value: PhantomData<fn() -> T>,
}

impl<T: 'static> Unrun<T> {
    /// Runs the function in this thread, as `fallback` does: nothing pauses in it that has begun outside.
    ///
    /// # Panics
    /// With the panic of the function.
    pub fn run(mut self) -> T {
        self.call.run();
        match value_of(Some(self.call)) {
            Ok(value) => value,
            Err(_) => unreachable!("it has run, and gives a value of this type"),
        }
    }

    /// The name that the call was given.
    pub fn name(&self) -> &str {
        self.call.name()
    }
}

impl<T> fmt::Debug for Unrun<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unrun").field("name", &self.call.name()).finish_non_exhaustive()
    }
}

impl<T: Send + 'static> Future for CallFuture<T> {
    type Output = Result<T, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        this.kept.poll(context.waker()).map(|outcome| {
            take_back_left(this.kept.hold());
            outcome?;
            value_of(this.kept.request_mut().call.take())
        })
    }
}

impl<T> fmt::Debug for CallFuture<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallFuture").field("state", &self.kept).finish_non_exhaustive()
    }
}
