//! A bounded set of operations between a `Stream` of futures, or a `Sink` of results, and its user: the
//! traits of the crates futures-core and futures-sink.
//!
//! ```text
//!   Buffered:       a Stream of futures ─► InFlight ─► a Stream of results
//!   BufferedSink:   futures are sent to it ─► InFlight ─► their results are sent to a Sink
//! ```

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_sink::Sink;

use super::in_flight::InFlight;

/// The results. It ends when the set is empty, and goes on when more is pushed.
impl<F: Future + Unpin> Stream for InFlight<F> {
    type Item = F::Output;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<F::Output>> {
        Self::poll_next(self.get_mut(), context)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len(), Some(self.len()))
    }
}

/// The results of a stream's futures, as many in flight as the set takes: `StreamExt::buffered` and
/// `buffer_unordered`, without an allocation for each.
///
/// The stream is asked for futures while there is room. *Cancel safe*: dropping it drops the stream and takes
/// what is in flight back.
///
/// ```
/// use futures_core::Stream;
/// use simaccel::future::{Buffered, InFlight, InPlace, OpFuture};
///
/// /// At most 64 of these at once, the results in the order of the operations.
/// fn results(operations: impl Stream<Item = OpFuture<InPlace>> + Unpin) -> impl Stream {
///     Buffered::new(operations, InFlight::ordered(64))
/// }
/// ```
#[must_use = "a stream does nothing unless it is polled"]
pub struct Buffered<S: Stream<Item: Future>> {
    /// `None`: it has ended.
    stream: Option<S>,
    in_flight: InFlight<S::Item>,
}

impl<S: Stream<Item: Future + Unpin> + Unpin> Buffered<S> {
    /// Runs the stream's futures in this set.
    pub const fn new(stream: S, in_flight: InFlight<S::Item>) -> Self {
        Self { stream: Some(stream), in_flight }
    }

    /// The set.
    pub const fn in_flight(&self) -> &InFlight<S::Item> {
        &self.in_flight
    }

    /// The stream; `None`: it has ended, and was dropped.
    pub const fn get_ref(&self) -> Option<&S> {
        self.stream.as_ref()
    }

    /// The same. A future that is taken from it is missing here.
    pub const fn get_mut(&mut self) -> Option<&mut S> {
        self.stream.as_mut()
    }

    /// The stream, unless it has ended, and the set, with what is in flight: nothing is lost.
    pub fn into_parts(self) -> (Option<S>, InFlight<S::Item>) {
        (self.stream, self.in_flight)
    }
}

impl<S: Stream<Item: Future + Unpin> + Unpin> Stream for Buffered<S> {
    type Item = <S::Item as Future>::Output;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { stream, in_flight } = self.get_mut();
        while !in_flight.is_full()
            && let Some(source) = stream
        {
            match Pin::new(source).poll_next(context) {
                Poll::Ready(Some(future)) => {
                    if in_flight.push(future).is_err() {
                        unreachable!("there is room");
                    }
                }
                Poll::Ready(None) => *stream = None,
                Poll::Pending => break,
            }
        }
        match in_flight.poll_next(context) {
            // The stream wakes the task.
            Poll::Ready(None) if stream.is_some() => Poll::Pending,
            polled => polled,
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = self.in_flight.len();
        let (least, most) = self.stream.as_ref().map_or((0, Some(0)), Stream::size_hint);
        (least.saturating_add(len), most.and_then(|most| most.checked_add(len)))
    }
}

impl<S: Stream<Item: Future>> fmt::Debug for Buffered<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffered").field("in_flight", &self.in_flight).finish_non_exhaustive()
    }
}

/// Takes futures, as many in flight as the set takes, and sends their results to a sink.
///
/// It is ready for a future when the set has room, which a result makes that the sink behind it takes: so
/// that sink's backpressure is felt. What was sent is in flight at once. Flushing and closing wait for all
/// results, and flush or close the sink. So `SinkExt::send`, which flushes, runs one operation at a time: use
/// `feed` or `send_all`.
///
/// *Cancel safe*: dropping it takes what is in flight back.
///
/// # Panics
/// `start_send` panics where `poll_ready` was not ready before, and there is no room.
#[must_use = "a sink does nothing unless it is polled"]
pub struct BufferedSink<F: Future, S> {
    in_flight: InFlight<F>,
    sink: S,
}

impl<F: Future + Unpin, S: Sink<F::Output> + Unpin> BufferedSink<F, S> {
    /// Runs futures in this set, and sends their results to this sink.
    pub const fn new(in_flight: InFlight<F>, sink: S) -> Self {
        Self { in_flight, sink }
    }

    /// The set.
    pub const fn in_flight(&self) -> &InFlight<F> {
        &self.in_flight
    }

    /// The sink of the results.
    pub const fn get_ref(&self) -> &S {
        &self.sink
    }

    /// The same. What is sent to it comes between the results.
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.sink
    }

    /// The set, with what is in flight, and the sink: nothing is lost.
    pub fn into_parts(self) -> (InFlight<F>, S) {
        (self.in_flight, self.sink)
    }

    /// Sends results while there are any and the sink takes them. Ready: the set is empty.
    fn poll_drain(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        while !self.in_flight.is_empty() {
            ready!(Pin::new(&mut self.sink).poll_ready(context))?;
            if let Some(output) = ready!(self.in_flight.poll_next(context)) {
                Pin::new(&mut self.sink).start_send(output)?;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<F: Future + Unpin, S: Sink<F::Output> + Unpin> Sink<F> for BufferedSink<F, S> {
    type Error = S::Error;

    fn poll_ready(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        let this = self.get_mut();
        if let Poll::Ready(Err(error)) = this.poll_drain(context) {
            return Poll::Ready(Err(error));
        }
        if this.in_flight.is_full() { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    fn start_send(self: Pin<&mut Self>, future: F) -> Result<(), S::Error> {
        assert!(
            self.get_mut().in_flight.push(future).is_ok(),
            "start_send without poll_ready: the set is full"
        );
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        let this = self.get_mut();
        ready!(this.poll_drain(context))?;
        Pin::new(&mut this.sink).poll_flush(context)
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        let this = self.get_mut();
        ready!(this.poll_drain(context))?;
        Pin::new(&mut this.sink).poll_close(context)
    }
}

impl<F: Future, S: fmt::Debug> fmt::Debug for BufferedSink<F, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut written = f.debug_struct("BufferedSink");
        written.field("in_flight", &self.in_flight).field("sink", &self.sink).finish()
    }
}
