//! A set of operations in flight: its limit, its order, what it polls and allocates, and what becomes of it
//! when it is dropped, cancelled, or one of its futures panics.
#![expect(unsafe_code, reason = "an allocator is unsafe to write")]

mod captured;
mod engine_helpers;
mod future_helpers;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;

use simaccel::future::{Cancelled, InFlight, InPlace, OpFuture};
use simaccel::{Engine, Error, OpError};

use self::engine_helpers::{IV, assert_adds_up, ctr, expected_ctr, message, open, stepped};
use self::future_helpers::{Flag, block_on};

thread_local!(static ALLOCATED: Cell<usize> = const { Cell::new(0) });

/// Counts the allocations of each thread.
struct Counting;

// SAFETY: everything is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATED.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

type Sealing = OpFuture<InPlace>;

/// Never ends a request.
const NEVER: &str = "completion_nsec=3600000000000;queue_pairs=1;compute_units=64;";

fn sealing(engine: &Engine, index: usize) -> Sealing {
    ctr(engine).encrypt_async(&IV, message(index, 48))
}

fn sets<F: Future + Unpin>(limit: usize) -> [InFlight<F>; 2] {
    [InFlight::ordered(limit), InFlight::unordered(limit)]
}

fn poll_next<F: Future + Unpin>(set: &mut InFlight<F>, flag: &Arc<Flag>) -> Poll<Option<F::Output>> {
    set.poll_next(&mut Context::from_waker(&Waker::from(Arc::clone(flag))))
}

fn in_flight(engine: &Engine) -> u64 {
    engine.stats().device.total.in_flight
}

/// A future that a test ends, and whose polls it counts.
#[derive(Clone, Default)]
struct ByHand(Rc<RefCell<Hand>>);

#[derive(Default)]
struct Hand {
    number: usize,
    ends: bool,
    panics: bool,
    polls: usize,
    waker: Option<Waker>,
}

impl ByHand {
    fn new(number: usize) -> Self {
        Self(Rc::new(RefCell::new(Hand { number, ..Hand::default() })))
    }

    fn wake(&self) {
        let waker = self.0.borrow().waker.clone();
        waker.unwrap().wake();
    }

    fn end(&self) {
        self.0.borrow_mut().ends = true;
        self.wake();
    }

    fn polls(&self) -> usize {
        self.0.borrow().polls
    }
}

impl Future for ByHand {
    type Output = usize;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<usize> {
        let mut hand = self.0.borrow_mut();
        hand.polls += 1;
        hand.waker = Some(context.waker().clone());
        let panics = hand.panics;
        let polled = if hand.ends { Poll::Ready(hand.number) } else { Poll::Pending };
        drop(hand);
        assert!(!panics, "as it was told");
        polled
    }
}

fn by_hand(set: &mut InFlight<ByHand>, count: usize) -> Vec<ByHand> {
    let futures: Vec<_> = (0..count).map(ByHand::new).collect();
    for future in &futures {
        assert!(set.push(future.clone()).is_ok());
    }
    futures
}

#[test]
fn a_push_submits_and_never_more_than_the_limit_are_in_flight() {
    for mut set in sets(5) {
        let engine = stepped("completion_nsec=1000;queue_pairs=1");
        let flag: Arc<Flag> = Arc::default();
        let (mut pushed, mut done) = (0, BTreeSet::new());
        while done.len() < 100 {
            while pushed < 100 && set.push(sealing(&engine, pushed)).is_ok() {
                pushed += 1;
                // Each is with the device before the set is polled.
                assert_eq!(engine.stats().device.total.submitted, pushed as u64);
            }
            assert!(in_flight(&engine) <= set.len() as u64 && set.len() <= 5);
            if pushed < 100 {
                assert!(set.is_full());
                let refused = set.push(sealing(&engine, 7)).unwrap_err();
                drop(refused);
                assert_eq!(engine.stats().operations, pushed as u64, "it was not polled");
            }
            let woken = flag.calls();
            match poll_next(&mut set, &flag) {
                Poll::Ready(result) => {
                    let sealed = result.expect("it is not empty").unwrap();
                    let index = (0..100).find(|index| sealed == expected(*index)).unwrap();
                    assert!(done.insert(index), "once");
                }
                Poll::Pending => {
                    while flag.calls() == woken {
                        assert!(engine.device().step(), "it waits, and nothing happens any more");
                    }
                }
            }
        }
        assert!(set.is_empty() && matches!(poll_next(&mut set, &flag), Poll::Ready(None)));
        assert_eq!(engine.stats().operations, 100);
        assert_adds_up(&engine);
    }
}

fn expected(index: usize) -> Vec<u8> {
    expected_ctr(&message(index, 48))
}

#[test]
fn results_are_in_order_or_as_they_end() {
    let order = [3, 0, 4, 2, 1];
    let [mut ordered, mut unordered] = sets(5);
    let (flag, mut seen) = (Arc::default(), Vec::new());
    let futures = by_hand(&mut ordered, 5);
    for end in order {
        futures[end].end();
        while let Poll::Ready(Some(number)) = poll_next(&mut ordered, &flag) {
            seen.push(number);
        }
    }
    assert_eq!(seen, [0, 1, 2, 3, 4]);
    let futures = by_hand(&mut unordered, 5);
    for end in order {
        futures[end].end();
        assert_eq!(poll_next(&mut unordered, &flag), Poll::Ready(Some(end)));
    }
    assert_eq!(poll_next(&mut unordered, &flag), Poll::Ready(None));
}

#[test]
fn a_result_that_waits_for_its_turn_keeps_its_place() {
    let mut set = InFlight::ordered(3);
    let futures = by_hand(&mut set, 3);
    let flag = Arc::default();
    futures[1].end();
    futures[2].end();
    assert!(poll_next(&mut set, &flag).is_pending());
    assert!(set.is_full() && set.push(ByHand::new(3)).is_err());
    futures[0].end();
    for number in 0..3 {
        assert_eq!(poll_next(&mut set, &flag), Poll::Ready(Some(number)));
    }
}

#[test]
fn only_what_was_woken_is_polled_and_the_task_is_woken_once() {
    const COUNT: usize = 200;
    for mut set in sets(COUNT) {
        let futures = by_hand(&mut set, COUNT);
        let flag: Arc<Flag> = Arc::default();
        assert!(poll_next(&mut set, &flag).is_pending());
        assert!(futures.iter().all(|future| future.polls() == 1));
        for woken in [5, 63, 64, 199, 5] {
            futures[woken].wake();
        }
        assert_eq!(flag.calls(), 1);
        assert!(poll_next(&mut set, &flag).is_pending());
        let polls: Vec<_> = (0..COUNT).filter(|at| futures[*at].polls() > 1).collect();
        assert_eq!(polls, [5, 63, 64, 199]);
        assert!(polls.iter().all(|at| futures[*at].polls() == 2));
    }
}

#[test]
fn what_ends_at_once_keeps_nothing_else_waiting() {
    let mut set = InFlight::unordered(4);
    let slow = by_hand(&mut set, 1);
    slow[0].end();
    let flag = Arc::default();
    let mut others = 0;
    loop {
        let quick = ByHand::new(9);
        quick.0.borrow_mut().ends = true;
        assert!(set.push(quick).is_ok());
        match poll_next(&mut set, &flag) {
            Poll::Ready(Some(0)) => break,
            Poll::Ready(Some(9)) => others += 1,
            other => panic!("{other:?}"),
        }
        assert!(others < 4, "it has its turn");
    }
}

#[test]
fn a_waker_that_is_called_late_polls_its_successor_in_vain() {
    for mut set in sets(1) {
        let flag = Arc::default();
        let first = by_hand(&mut set, 1).remove(0);
        first.end();
        assert_eq!(poll_next(&mut set, &flag), Poll::Ready(Some(0)));
        let second = ByHand::new(7);
        assert!(set.push(second.clone()).is_ok());
        first.wake();
        assert!(poll_next(&mut set, &flag).is_pending());
        assert_eq!((first.polls(), second.polls()), (2, 2));
        second.end();
        assert_eq!(poll_next(&mut set, &flag), Poll::Ready(Some(7)));
        // The slot is free.
        first.wake();
        assert_eq!(poll_next(&mut set, &flag), Poll::Ready(None));
    }
}

#[test]
fn a_set_goes_on_without_a_future_that_panics() {
    for mut set in sets(3) {
        let flag = Arc::default();
        let futures = by_hand(&mut set, 3);
        futures[1].0.borrow_mut().panics = true;
        futures[1].wake();
        assert!(catch_unwind(AssertUnwindSafe(|| poll_next(&mut set, &flag))).is_err());
        assert_eq!((set.len(), Rc::strong_count(&futures[1].0)), (2, 1), "it was dropped");
        let bad = ByHand::new(5);
        bad.0.borrow_mut().panics = true;
        assert!(catch_unwind(AssertUnwindSafe(|| set.push(bad.clone()))).is_err());
        assert_eq!((set.len(), Rc::strong_count(&bad.0)), (2, 1));
        futures[2].end();
        futures[0].end();
        let mut rest: Vec<_> = (0..2).map(|_| poll_next(&mut set, &flag)).collect();
        rest.sort_by_key(|polled| format!("{polled:?}"));
        assert_eq!(rest, [Poll::Ready(Some(0)), Poll::Ready(Some(2))]);
        assert_eq!(poll_next(&mut set, &flag), Poll::Ready(None));
    }
}

#[test]
fn a_drop_takes_everything_back_and_forgets_the_task() {
    for mut set in sets(10) {
        let engine = stepped(NEVER);
        for index in 0..10 {
            assert!(set.push(sealing(&engine, index)).is_ok());
        }
        let flag = Arc::default();
        assert!(poll_next(&mut set, &flag).is_pending());
        assert_eq!((in_flight(&engine), Arc::strong_count(&flag)), (10, 2));
        drop(set);
        assert_eq!((in_flight(&engine), Arc::strong_count(&flag)), (0, 1));
        assert_eq!(engine.stats().abandoned, 10);
        assert_adds_up(&engine);
    }
}

#[test]
fn a_cancelled_set_gives_every_buffer_back() {
    for mut set in sets(4) {
        let engine = stepped("completion_nsec=1000;queue_pairs=1;compute_units=1");
        for index in 0..4 {
            assert!(set.push(sealing(&engine, index)).is_ok());
        }
        let flag: Arc<Flag> = Arc::default();
        assert!(poll_next(&mut set, &flag).is_pending());
        while flag.calls() == 0 {
            assert!(engine.device().step());
        }
        let (mut back, mut ended) = (BTreeSet::new(), 0);
        while let Some(cancelled) = set.cancel() {
            let buffer = match cancelled {
                Cancelled::TakenBack { buffer, destination: None } => buffer,
                Cancelled::Ended(Ok(sealed)) => {
                    ended += 1;
                    expected_ctr(&sealed)
                }
                other => panic!("{other:?}"),
            };
            back.insert(buffer);
        }
        assert_eq!(back, (0..4).map(|index| message(index, 48)).collect());
        assert!(ended >= 1 && set.is_empty());
        assert_adds_up(&engine);
    }
}

#[test]
fn errors_give_their_buffers_back_and_the_others_go_on() {
    let engine = stepped("fault=fail:every=3");
    let mut set = InFlight::ordered(8);
    for index in 0..8 {
        assert!(set.push(sealing(&engine, index)).is_ok());
    }
    engine.device().run_until_idle();
    let flag = Arc::default();
    let mut failed = 0;
    for index in 0..8 {
        let Poll::Ready(Some(result)) = poll_next(&mut set, &flag) else { panic!("{index} waits") };
        match result.map_err(OpError::into_parts) {
            Ok(sealed) => assert_eq!(sealed, expected(index)),
            Err(parts) => {
                assert_eq!(parts, (Error::DeviceFailed, message(index, 48)));
                failed += 1;
            }
        }
    }
    assert!((2..=3).contains(&failed), "{failed}");
    assert_adds_up(&engine);
}

/// Sends `count` operations through a set, each of which goes on with the buffer of an earlier one.
async fn sends(set: &mut InFlight<Sealing>, engine: &Engine, count: usize) {
    let session = ctr(engine);
    let mut spare: Vec<_> = (0..=set.limit()).map(|_| message(3, 48)).collect();
    for _ in 0..count {
        let buffer = spare.pop().unwrap();
        if let Some(earlier) = set.send(session.encrypt_async(&IV, buffer)).await {
            spare.push(earlier.unwrap());
        }
    }
    while let Some(last) = set.next().await {
        drop(last.unwrap());
    }
}

#[test]
fn an_operation_allocates_nothing() {
    for mut set in sets(70) {
        // Room for all: how long a line for slots grows depends on the device's thread.
        let engine = open("depth=128");
        block_on(sends(&mut set, &engine, 1_000));
        let session = ctr(&engine);
        let mut spare: Vec<_> = (0..=70).map(|_| message(3, 48)).collect();
        block_on(async {
            let before = ALLOCATED.get();
            for _ in 0..5_000 {
                let buffer = spare.pop().unwrap();
                if let Some(earlier) = set.send(session.encrypt_async(&IV, buffer)).await {
                    spare.push(earlier.unwrap());
                }
            }
            assert_eq!(ALLOCATED.get() - before, 0);
            while set.next().await.is_some() {}
        });
    }
}

#[test]
fn a_set_goes_from_thread_to_thread() {
    let engine = open("");
    let mut set = InFlight::unordered(16);
    for round in 0..50 {
        set = thread::scope(|scope| {
            let engine = &engine;
            let moved = scope.spawn(move || {
                let mut set = set;
                block_on(async {
                    for index in 0..24 {
                        if let Some(earlier) = set.send(sealing(engine, index)).await {
                            earlier.unwrap();
                        }
                    }
                    if round % 2 == 0 {
                        while let Some(last) = set.next().await {
                            last.unwrap();
                        }
                    }
                });
                set
            });
            moved.join().unwrap()
        });
    }
    drop(set);
    let stats = engine.stats();
    assert_eq!((stats.operations, stats.device.total.in_flight), (50 * 24, 0));
}

#[test]
#[should_panic(expected = "at least 1")]
fn a_set_for_nothing_is_refused() {
    let _ = InFlight::<Sealing>::ordered(0);
}

/// Wakes itself until another task, which has no turn before, lets it end.
struct Yielding {
    may_end: Rc<Cell<bool>>,
    polls: usize,
}

impl Future for Yielding {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.polls += 1;
        assert!(self.polls < 10_000, "the set keeps the turn");
        context.waker().wake_by_ref();
        if self.may_end.get() { Poll::Ready(()) } else { Poll::Pending }
    }
}

#[test]
fn futures_that_wake_themselves_leave_other_tasks_their_turns() {
    for limit in [1, 3, 100] {
        for mut set in sets(limit) {
            let may_end = Rc::new(Cell::new(false));
            for _ in 0..limit {
                assert!(set.push(Yielding { may_end: Rc::clone(&may_end), polls: 0 }).is_ok());
            }
            let flag = Arc::new(Flag::default());
            let waker = Waker::from(Arc::clone(&flag));
            for turn in 0..5 {
                assert_eq!(flag.calls(), turn);
                assert!(set.poll_next(&mut Context::from_waker(&waker)).is_pending());
            }
            may_end.set(true);
            for _ in 0..limit {
                assert!(set.poll_next(&mut Context::from_waker(&waker)).is_ready());
            }
        }
    }
}
