//! Many operations at once, from one task: so many in flight at most, their results in order or as they come.
//!
//! ```text
//!   push ─► a free slot, polled at once ─► in flight ── its own waker marks the slot ──► the task, woken once
//!             └── none: the future comes back                                                │
//!   next ◄── the result, and the slot is free ◄── the marked slots are polled ◄──────────────┘
//! ```
//!
//! Slots and their wakers are made once, so an operation costs no allocation, and a poll of the set touches
//! the operations that were woken alone. A waker that outlives its operation marks the slot in vain. What a
//! reaper wakes in one turn is marked together (see the engine's `marking`).

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use simaccel_device::{Looks, Marks};

use super::buffer::Buffer;
use super::operation::{Cancelled, Kind, OpFuture};
use crate::engine::future::mark;
use crate::error::OpError;

/// A bounded set of operations in flight: [`OpFuture`]s, or any other futures.
///
/// It holds at most as many futures as it was made for, those included whose results were not taken yet, so
/// never more than that are in flight. Results come *in order* ([`InFlight::ordered`]: as they were pushed)
/// or *unordered* ([`InFlight::unordered`]: as they end).
///
/// A future that is pushed is polled at once, by [`push`](Self::push) itself, so its request is on its way
/// when that returns. What is in the set goes on when the set is polled: by [`next`](Self::next),
/// [`send`](Self::send), or [`poll_next`](Self::poll_next) and [`poll_ready`](Self::poll_ready) in futures
/// written by hand. With the feature `futures` it is a `Stream` of its results, `Buffered` takes its futures
/// from a `Stream`, and `BufferedSink` gives its results to a `Sink`.
///
/// It needs no runtime. It is `Send` where its futures and their results are, and is built once: no operation
/// allocates, but for what the operation itself does.
///
/// *Cancel safe*: dropping `next` or a wait for room loses nothing. Dropping the set drops all its futures,
/// which takes their requests back; [`InFlight::cancel`] returns their buffers.
///
/// ```
/// use simaccel::future::InFlight;
/// use simaccel::{Cipher, Config, Engine};
///
/// async fn seal(engine: &Engine, blocks: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, simaccel::Error> {
///     let session = engine.cipher(Cipher::Aes256Xts, &[[0x42; 32], [0x17; 32]].concat())?;
///     let (mut sealed, mut in_flight) = (Vec::new(), InFlight::ordered(32));
///     for (number, block) in (0_u128..).zip(blocks) {
///         let sealing = session.encrypt_async(&number.to_le_bytes(), block);
///         if let Some(earlier) = in_flight.send(sealing).await {
///             sealed.push(earlier?);
///         }
///     }
///     while let Some(last) = in_flight.next().await {
///         sealed.push(last?);
///     }
///     Ok(sealed)
/// }
/// # let engine = Engine::open(Config::default()).unwrap();
/// # let mut sealing = std::pin::pin!(seal(&engine, vec![vec![1; 512]; 100]));
/// # let mut context = std::task::Context::from_waker(std::task::Waker::noop());
/// # let sealed = loop {
/// #     if let std::task::Poll::Ready(sealed) = sealing.as_mut().poll(&mut context) { break sealed.unwrap() }
/// # };
/// # assert_eq!(sealed.len(), 100);
/// # assert_ne!(sealed[0], sealed[1]);
/// ```
#[must_use = "dropping it takes the operations back"]
pub struct InFlight<F: Future> {
    slots: Box<[Slot<F>]>,
    /// Slots that are free; the last one is used next.
    free: Vec<usize>,
    /// Those that are not, in the order of their pushes, where the results have one.
    line: Option<VecDeque<usize>>,
    marks: Arc<Marks>,
    looks: Looks,
}

struct Slot<F: Future> {
    waker: Waker,
    state: State<F>,
}

enum State<F: Future> {
    Free,
    Running(F),
    Ended(F::Output),
}

/// The waker of a slot.
struct Marker {
    marks: Arc<Marks>,
    slot: usize,
}

impl Wake for Marker {
    fn wake(self: Arc<Self>) {
        mark(&self.marks, self.slot);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        mark(&self.marks, self.slot);
    }
}

impl<F: Future + Unpin> InFlight<F> {
    /// A set of at most `limit` futures, which gives their results in the order of their pushes. A result
    /// that has ended before its turn keeps its place in the set until then.
    ///
    /// # Panics
    /// When `limit` is 0.
    pub fn ordered(limit: usize) -> Self {
        Self::new(limit, Some(VecDeque::with_capacity(limit)))
    }

    /// The same; gives results as they end. Of those that end between two polls, none is before the others
    /// for ever.
    ///
    /// # Panics
    /// When `limit` is 0.
    pub fn unordered(limit: usize) -> Self {
        Self::new(limit, None)
    }

    fn new(limit: usize, line: Option<VecDeque<usize>>) -> Self {
        assert!(limit > 0, "a set for no operation: the limit of operations in flight is at least 1");
        let marks = Arc::new(Marks::new(limit));
        let slot = |slot| {
            let waker = Waker::from(Arc::new(Marker { marks: Arc::clone(&marks), slot }));
            Slot { waker, state: State::Free }
        };
        let slots = (0..limit).map(slot).collect();
        let free = (0..limit).rev().collect();
        Self { slots, free, line, marks, looks: Looks::default() }
    }

    /// How many futures it takes.
    pub fn limit(&self) -> usize {
        self.slots.len()
    }

    /// How many it holds: in flight, or ended with a result that was not taken.
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there is no room for another one.
    pub fn is_full(&self) -> bool {
        self.free.is_empty()
    }

    /// Adds a future, and polls it for the first time.
    ///
    /// # Errors
    /// The set is full. The future comes back, and was not polled.
    ///
    /// # Panics
    /// With a panic of the future, which is dropped then.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub fn push(&mut self, future: F) -> Result<(), F> {
        let Some(at) = self.free.pop() else { return Err(future) };
        let Some(slot) = self.slots.get_mut(at) else { return Err(future) };
        // A free slot has nothing to drop. Where no path drops the future, its parts go to the slot one by
        // one, and not by a copy, which would wait for the stores that have made it.
        mem::forget(mem::replace(&mut slot.state, State::Running(future)));
        if let Some(line) = &mut self.line {
            line.push_back(at);
        }
        if let Poll::Ready(output) = self.poll_slot(at) {
            self.slots[at].state = State::Ended(output);
            if self.line.is_none() {
                // It has its turn among those that were woken.
                self.marks.set(at);
            }
        }
        Ok(())
    }

    /// Ready when there is room, so that a push succeeds. Room in a full set is made by taking the next
    /// result, which this returns then.
    ///
    /// # Panics
    /// As [`poll_next`](Self::poll_next).
    pub fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Option<F::Output>> {
        if self.is_full() { self.poll_next(context) } else { Poll::Ready(None) }
    }

    /// The next result; `None` when the set is empty, and after that again results of what is pushed.
    /// Futures that wake themselves, as a job that yields, do not keep the task's turn.
    ///
    /// # Panics
    /// With a panic of a future, which is dropped then; the set goes on without it.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<F::Output>> {
        if self.is_empty() {
            return Poll::Ready(None);
        }
        self.marks.awake();
        let mut turns = self.limit();
        loop {
            let first = self.line.as_ref().and_then(|line| line.front().copied());
            if let Some(output) = first.and_then(|at| self.take_ended(at)) {
                return Poll::Ready(Some(output));
            }
            match self.looks.next(&self.marks) {
                // A future that wakes itself would be polled for ever.
                Some(at) if turns == 0 => {
                    self.marks.set(at);
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Some(at) => {
                    turns -= 1;
                    if let Some(output) = self.marked(at) {
                        return Poll::Ready(Some(output));
                    }
                }
                None if self.marks.sleep(context.waker()) => return Poll::Pending,
                None => {}
            }
        }
    }

    /// The result of a slot that was marked, if it is the next one. It is moved as seldom as possible: what
    /// was stored a moment ago is loaded slowly.
    #[inline]
    fn marked(&mut self, at: usize) -> Option<F::Output> {
        match (self.poll_slot(at), &self.line) {
            (Poll::Ready(output), None) => {
                free(&mut self.slots[at].state);
                self.release(at);
                return Some(output);
            }
            (Poll::Ready(output), Some(_)) => self.slots[at].state = State::Ended(output),
            (Poll::Pending, None) => return self.take_ended(at),
            (Poll::Pending, Some(_)) => {}
        }
        None
    }

    /// The next result; `None` when the set is empty.
    pub async fn next(&mut self) -> Option<F::Output> {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// Adds a future. Where the set is full it waits for the next result first, and returns that.
    ///
    /// *Cancel safe*, but for the future, which is dropped where this is dropped while it waits; it was not
    /// polled then.
    pub async fn send(&mut self, future: F) -> Option<F::Output> {
        let earlier = poll_fn(|context| self.poll_ready(context)).await;
        if self.push(future).is_err() {
            unreachable!("there is room");
        }
        earlier
    }

    /// The result of a slot, which is free then.
    #[inline]
    fn take_ended(&mut self, at: usize) -> Option<F::Output> {
        let state = &mut self.slots[at].state;
        if !matches!(state, State::Ended(_)) {
            return None;
        }
        let State::Ended(output) = mem::replace(state, State::Free) else { return None };
        self.release(at);
        Some(output)
    }

    /// Takes a free slot out of the line: it is mostly the first one.
    #[inline]
    fn release(&mut self, at: usize) {
        if let Some(line) = &mut self.line {
            if line.front() == Some(&at) {
                line.pop_front();
            } else {
                line.retain(|other| *other != at);
            }
        }
        self.free.push(at);
    }

    /// Polls the future of a slot, if there is one, with the slot's waker.
    #[inline]
    fn poll_slot(&mut self, at: usize) -> Poll<F::Output> {
        let mut polling = Polling { set: self, at, has_returned: false };
        let Slot { waker, state } = &mut polling.set.slots[at];
        let polled = match state {
            State::Running(future) => Pin::new(future).poll(&mut Context::from_waker(waker)),
            // A late mark, or a result that waits for its turn.
            State::Free | State::Ended(_) => Poll::Pending,
        };
        polling.has_returned = true;
        polled
    }
}

/// Drops the future of a slot. Apart, so that it is one word that is written.
#[inline(never)]
fn free<F: Future>(state: &mut State<F>) {
    *state = State::Free;
}

/// Drops a future that panics, and frees its slot.
struct Polling<'s, F: Future + Unpin> {
    set: &'s mut InFlight<F>,
    at: usize,
    has_returned: bool,
}

impl<F: Future + Unpin> Drop for Polling<'_, F> {
    #[inline]
    fn drop(&mut self) {
        if !self.has_returned {
            self.set.slots[self.at].state = State::Free;
            self.set.release(self.at);
        }
    }
}

impl<K: Kind, B: Buffer> InFlight<OpFuture<K, B>> {
    /// Ends one of the operations, and returns its buffer, or its result where it has ended: in an ordered
    /// set the one whose result would be the next one. `None` when the set is empty. Waits at most for one
    /// batch's computation.
    #[expect(clippy::type_complexity, reason = "that of `OpFuture::cancel`, or none")]
    pub fn cancel(&mut self) -> Option<Cancelled<Result<K::Output<B>, OpError<B>>, B>> {
        let is_used = |at: &usize| !matches!(self.slots[*at].state, State::Free);
        let at = match &self.line {
            Some(line) => line.front().copied(),
            None => (0..self.slots.len()).find(is_used),
        }?;
        let ended = match mem::replace(&mut self.slots[at].state, State::Free) {
            State::Running(mut future) => future.cancel(),
            State::Ended(output) => Cancelled::Ended(output),
            State::Free => unreachable!("it is in use"),
        };
        self.release(at);
        Some(ended)
    }
}

/// A result lies in its slot, and is never pinned.
impl<F: Future + Unpin> Unpin for InFlight<F> {}

impl<F: Future> Drop for InFlight<F> {
    fn drop(&mut self) {
        // Slots' wakers that are still with someone do not keep the task's.
        self.marks.close();
    }
}

impl<F: Future> fmt::Debug for InFlight<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let used = self.slots.len() - self.free.len();
        f.debug_struct("InFlight")
            .field("limit", &self.slots.len())
            .field("len", &used)
            .field("is_ordered", &self.line.is_some())
            .finish_non_exhaustive()
    }
}
