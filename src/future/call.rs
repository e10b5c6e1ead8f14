//! An operation of the user's own as a future.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use simaccel_device::Request;

use crate::engine::Engine;
use crate::engine::future::{Inner, Kept, OfCall, call_request, take_back_left};
use crate::error::Error;

/// A call of a function on the device, as a future: [`Engine::call_async`].
///
/// It begins at its first poll. Dropping it drops the function unrun while the call waits, and its value
/// after that; while the function runs, the drop waits for its end.
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

impl<T: Send + 'static> Future for CallFuture<T> {
    type Output = Result<T, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        this.kept.poll(context.waker()).map(|outcome| {
            take_back_left(this.kept.hold());
            outcome?;
            match this.kept.request_mut().call.take().and_then(|call| call.into_result()) {
                Some(Ok(value)) => Ok(value),
                Some(Err(panic)) => resume_unwind(panic),
                None => Err(Error::Closed),
            }
        })
    }
}

impl<T> fmt::Debug for CallFuture<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallFuture").field("state", &self.kept).finish_non_exhaustive()
    }
}
