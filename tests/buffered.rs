//! Operations between streams and sinks: as many in flight as the set takes, whatever the stream gives and
//! the sink takes.

mod captured;
mod engine_helpers;
mod future_helpers;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use futures_core::Stream;
use futures_sink::Sink;
use simaccel::future::{Buffered, BufferedSink, InFlight, InPlace, OpFuture};
use simaccel::{Engine, OpError};

use self::engine_helpers::{IV, assert_adds_up, ctr, expected_ctr, message, open, stepped};
use self::future_helpers::{block_on, drive};

type Sealing = OpFuture<InPlace>;
type Sealed = Result<Vec<u8>, OpError>;

/// Gives its operations, each after a wait.
struct Source {
    left: VecDeque<Sealing>,
    waits: bool,
}

impl Source {
    fn new(engine: &Engine, count: usize) -> Self {
        let session = ctr(engine);
        let left = (0..count).map(|index| session.encrypt_async(&IV, message(index, 48))).collect();
        Self { left, waits: true }
    }
}

impl Stream for Source {
    type Item = Sealing;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Sealing>> {
        self.waits = !self.waits;
        if self.waits {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(self.left.pop_front())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left.len(), Some(self.left.len()))
    }
}

/// Takes results, each after a wait.
#[derive(Default)]
struct Target {
    taken: Vec<Vec<u8>>,
    waits: bool,
    is_closed: bool,
    is_full: bool,
}

impl Sink<Sealed> for Target {
    type Error = Infallible;

    fn poll_ready(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.waits = !self.waits;
        if self.waits {
            context.waker().wake_by_ref();
        }
        if self.waits || self.is_full { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    fn start_send(mut self: Pin<&mut Self>, sealed: Sealed) -> Result<(), Infallible> {
        self.taken.push(sealed.unwrap());
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.is_closed = true;
        Poll::Ready(Ok(()))
    }
}

fn expected(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|index| expected_ctr(&message(index, 48))).collect()
}

async fn collected<S: Stream + Unpin>(mut stream: S) -> Vec<S::Item> {
    let mut items = Vec::new();
    while let Some(item) = poll_fn(|context| Pin::new(&mut stream).poll_next(context)).await {
        items.push(item);
    }
    items
}

async fn through_a_stream(engine: &Engine, in_flight: InFlight<Sealing>) -> Vec<Vec<u8>> {
    let results = Buffered::new(Source::new(engine, 200), in_flight);
    assert_eq!(results.size_hint(), (200, Some(200)));
    collected(results).await.into_iter().map(Result::unwrap).collect()
}

async fn through_a_sink(engine: &Engine, in_flight: InFlight<Sealing>) -> Target {
    let mut sink = BufferedSink::new(in_flight, Target::default());
    for operation in Source::new(engine, 200).left {
        poll_fn(|context| Pin::new(&mut sink).poll_ready(context)).await.unwrap();
        Pin::new(&mut sink).start_send(operation).unwrap();
    }
    poll_fn(|context| Pin::new(&mut sink).poll_flush(context)).await.unwrap();
    assert_eq!(sink.get_ref().taken.len(), 200);
    poll_fn(|context| Pin::new(&mut sink).poll_close(context)).await.unwrap();
    assert!(sink.in_flight().is_empty() && sink.get_mut().is_closed);
    let (in_flight, target) = sink.into_parts();
    assert!(in_flight.is_empty() && target.is_closed);
    target
}

#[test]
fn results_come_through_streams_and_sinks() {
    for limit in [1, 7, 64] {
        for engine in [open(""), stepped("completion_nsec=1000;queue_pairs=1;depth=4;compute_units=3")] {
            drive_or_block(&engine, async {
                assert_eq!(through_a_stream(&engine, InFlight::ordered(limit)).await, expected(200));
                assert_eq!(through_a_sink(&engine, InFlight::ordered(limit)).await.taken, expected(200));
                let mut unordered = through_a_stream(&engine, InFlight::unordered(limit)).await;
                let mut sent = through_a_sink(&engine, InFlight::unordered(limit)).await.taken;
                let mut all = expected(200);
                for list in [&mut unordered, &mut sent, &mut all] {
                    list.sort();
                }
                assert!(unordered == all && sent == all);
            });
            assert_adds_up(&engine);
        }
    }
}

fn drive_or_block(engine: &Engine, future: impl Future<Output = ()>) {
    if engine.device().is_stepped() { drive(engine, future) } else { block_on(future) }
}

#[test]
fn nothing_is_lost_when_a_stream_and_its_set_part() {
    let engine = stepped("completion_nsec=1000");
    let mut buffered = Buffered::new(Source::new(&engine, 9), InFlight::ordered(4));
    let mut context = Context::from_waker(Waker::noop());
    while !buffered.in_flight().is_full() {
        assert!(Pin::new(&mut buffered).poll_next(&mut context).is_pending());
    }
    assert_eq!(buffered.get_ref().map(|source| source.left.len()), Some(5));
    // One is taken past the set.
    let past = buffered.get_mut().and_then(|source| source.left.pop_back()).unwrap();
    let (source, mut in_flight) = buffered.into_parts();
    let mut outputs: Vec<_> = (0..4).map(|_| drive(&engine, in_flight.next()).unwrap().unwrap()).collect();
    let mut rest = Buffered::new(source.unwrap(), in_flight);
    outputs.extend(drive(&engine, collected(&mut rest)).into_iter().map(Result::unwrap));
    outputs.push(drive(&engine, past).unwrap());
    assert_eq!(outputs, expected(9));
    // Its end was met.
    assert!(rest.get_ref().is_none() && rest.get_mut().is_none());
    assert!(rest.into_parts().0.is_none());
    assert_adds_up(&engine);
}

#[test]
fn a_set_is_the_stream_of_its_results() {
    let engine = open("");
    let mut set = InFlight::ordered(5);
    for operation in Source::new(&engine, 5).left {
        assert!(set.push(operation).is_ok());
    }
    assert_eq!(Stream::size_hint(&set), (5, Some(5)));
    let results: Vec<_> = block_on(collected(set)).into_iter().map(Result::unwrap).collect();
    assert_eq!(results, expected(5));
}

/// A sink that takes nothing is felt by what sends, and the source of a full set is not asked.
#[test]
fn backpressure_reaches_the_other_side() {
    const NEVER: &str = "completion_nsec=3600000000000;queue_pairs=1;compute_units=64;";
    let engine = stepped(NEVER);
    let mut context = Context::from_waker(Waker::noop());
    let mut results = Buffered::new(Source::new(&engine, 100), InFlight::ordered(4));
    for _ in 0..50 {
        assert!(Pin::new(&mut results).poll_next(&mut context).is_pending());
    }
    assert_eq!(engine.stats().device.total.in_flight, 4);
    drop(results);
    assert_eq!(engine.stats().abandoned, 4);

    let engine = stepped("");
    let target = Target { is_full: true, ..Target::default() };
    let mut sink = BufferedSink::new(InFlight::unordered(4), target);
    let mut sent = 0;
    for operation in Source::new(&engine, 100).left {
        engine.device().run_until_idle();
        if Pin::new(&mut sink).poll_ready(&mut context).is_pending() {
            break;
        }
        Pin::new(&mut sink).start_send(operation).unwrap();
        sent += 1;
    }
    assert_eq!(sent, 4);
    assert!(Pin::new(&mut sink).poll_close(&mut context).is_pending());
    drop(sink);
    assert_adds_up(&engine);
}
