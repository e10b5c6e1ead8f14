//! An operation that is kept and polled, in place of a caller that waits.
//!
//! ```text
//!   Kept::new ──► Kept ── poll(waker) ──► Pending ── the waker is called ──► poll ──► Ready: the result is in its request
//!                  ├── cancel: the request is taken back, with its buffers
//!                  └── drop: the request is given up, and wiped
//! ```
//!
//! It owns its session, its request and its hold of the engine, has no lifetime, and goes from thread to
//! thread between polls. [`Started`] is one with a whole message, [`StartedKey`] one
//! of a key; the futures of the crate are others.

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use simaccel_device::{Operation, Request, Tag};
use zeroize::Zeroizing;

use super::offload::{Advance, Failed, Hold, Offload, TakenBack};
use super::sabotage::{self, Sabotage};
use super::session::{SessionCore, make_room};
use super::software::{HeldSession, Software};
use super::spare::Spare;
use super::table;
use super::wait::waker::{PolledWake, WakerWait};
use crate::error::{Error, OpError};

/// A whole message, and the operation on it.
#[derive(Debug)]
pub struct Message {
    /// One of the session's operations.
    pub operation: Operation,
    /// The initialisation vector or nonce; empty where there is none.
    pub iv: Vec<u8>,
    /// Additional data that is authenticated.
    pub aad: Vec<u8>,
    /// The text. It comes back with the result, or with the error.
    pub buffer: Vec<u8>,
    /// The tag to compare with, when an AEAD decrypts.
    pub tag: Tag,
}

/// An operation that is polled, of any kind.
///
/// Each poll goes on as far as it can: it submits, takes the result, tries again or computes in software as
/// the engine's configuration says. It never blocks for the device. Dropping it gives the request up and
/// waits at most for one batch's computation.
pub(crate) struct Kept<E: Hold, S: Software> {
    operation: Offload<E, S, Spare, PolledWake>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    New,
    Waiting,
    Over,
}

impl<E: Hold, S: Software> Kept<E, S> {
    pub(crate) fn new(hold: E, software: S, request: impl Into<Spare>) -> Self {
        Self { operation: Offload::new(hold, software, request.into()), stage: Stage::New }
    }

    pub(crate) const fn hold(&self) -> &E {
        self.operation.hold()
    }

    /// Its hold and its request, of one that is new or over.
    pub(crate) fn into_parts(self) -> (E, Spare) {
        self.operation.into_parts()
    }

    /// The request, where it is not in flight.
    pub(crate) fn request_mut(&mut self) -> &mut Request {
        self.operation.request_mut()
    }

    /// Takes the request back where it does not end within `limit` of its submission, as by the engine's
    /// `timeout_msec`, which this replaces. For an operation that was not polled yet.
    pub(crate) fn set_limit(&mut self, limit: Duration) {
        self.operation.set_limit(limit);
    }

    /// Whether it was ready, or cancelled, before.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }

    /// Goes on with the operation. When it is pending, `waker` will be called; the wakers of earlier polls
    /// need not be. When it is ready, the request holds the result, or after an error its buffers.
    ///
    /// # Errors
    /// The operation's. [`Error::Closed`] when it was ready before, or when a poll was left by a panic of a
    /// waker.
    pub(crate) fn poll(&mut self, waker: &Waker) -> Poll<Result<(), Error>> {
        // A waker is foreign code. An operation that it has left by a panic does not go on.
        let outcome = match mem::replace(&mut self.stage, Stage::Over) {
            Stage::New => self.operation.begin().or_else(|| self.advance(waker, false)),
            Stage::Waiting => self.advance(waker, true),
            Stage::Over => return Poll::Ready(Err(Error::Closed)),
        };
        self.stage = if outcome.is_some() { Stage::Over } else { Stage::Waiting };
        outcome.map_or(Poll::Pending, |outcome| Poll::Ready(outcome.map_err(Failed::into_error)))
    }

    /// `None`: it waits. That counts as a pause, and a resume, at the next poll.
    fn advance(&mut self, waker: &Waker, has_waited: bool) -> Option<Result<(), Failed>> {
        let engine = Arc::clone(self.operation.hold().engine());
        let _in_its_span = self.operation.entered();
        let mut wait = WakerWait(waker);
        let tries = self.operation.retries();
        let is_resumed = has_waited && !engine.is_inherited();
        if is_resumed {
            // Counted afterwards: where this panics, the operation is given up as it waited.
            if let Some(flight) = self.operation.flight() {
                wait.rearm(flight);
            }
            table::with(&engine, |instance| {
                instance.counters.pauses.add(1);
                instance.counters.resumes.add(1);
            });
        }
        if let Advance::Over(outcome) = self.operation.advance(&mut wait, true) {
            return Some(outcome);
        }
        let is_spurious = is_resumed && self.operation.retries() == tries;
        if is_spurious
            && sabotage::is(Sabotage::LostWaker)
            && let Some(flight) = self.operation.flight()
        {
            WakerWait(Waker::noop()).rearm(flight);
        }
        table::with(&engine, |instance| {
            instance.counters.spurious_resumes.add(is_spurious.into());
            // Inside of a poll of the engine, the device would be shown the request only at its end.
            instance.flush();
        });
        None
    }

    /// Ends the operation now, and leaves its buffers in its request. A request that has ended counts as
    /// ready. Waits at most for one batch's computation.
    pub(crate) fn cancel(&mut self) -> Ended {
        match mem::replace(&mut self.stage, Stage::Over) {
            Stage::New => Ended::TakenBack,
            Stage::Waiting => match self.operation.cancel() {
                TakenBack::Request => Ended::TakenBack,
                TakenBack::Ended(outcome) => Ended::Over(outcome.map_err(Failed::into_error)),
            },
            Stage::Over => Ended::Over(Err(Error::Closed)),
        }
    }
}

/// What a cancelled operation has come to.
pub(crate) enum Ended {
    /// The request holds its buffers: the input, or what the device has made of it.
    TakenBack,
    /// It had ended before.
    Over(Result<(), Error>),
}

impl<E: Hold, S: Software> fmt::Debug for Kept<E, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("stage", &self.stage).finish_non_exhaustive()
    }
}

/// An operation on the device that is polled; a future.
#[derive(Debug)]
pub struct Started(Kept<Arc<SessionCore>, HeldSession>);

impl Started {
    pub(super) fn new(core: &Arc<SessionCore>, message: Message) -> Result<Self, OpError> {
        let Message { operation, iv, aad, mut buffer, tag } = message;
        // Padding grows the buffer, and the device does not allocate.
        if operation == Operation::Encrypt
            && let Err(error) = make_room(&mut buffer, core.growth())
        {
            return Err(OpError::new(error, buffer, None));
        }
        let mut request = core.request(operation, buffer);
        request.set_iv_owned(iv);
        (request.aad, request.tag) = (aad, tag);
        Ok(Self(Kept::new(Arc::clone(core), HeldSession, request)))
    }

    /// Goes on with the operation. When it is pending, `waker` will be called; the wakers of earlier polls
    /// need not be.
    ///
    /// # Errors
    /// As the session's operation of the same name. [`Error::Closed`] when it was ready before, or when a
    /// poll was left by a panic of a waker.
    pub fn poll(&mut self, waker: &Waker) -> Poll<Result<(Vec<u8>, Tag), OpError>> {
        let was_over = self.0.is_over();
        self.0.poll(waker).map(|outcome| {
            if was_over {
                return Err(OpError::new(Error::Closed, Vec::new(), None));
            }
            let error = outcome.err().map(|error| explained(&mut self.0, error));
            let request = self.0.request_mut();
            let (buffer, tag) = (mem::take(&mut request.buffer), request.tag);
            match error {
                None => Ok((buffer, tag)),
                Some(error) => Err(OpError::new(error, buffer, None)),
            }
        })
    }
}

/// An operation of a private or a public key that is polled.
#[derive(Debug)]
pub struct StartedKey(Kept<Arc<SessionCore>, HeldSession>);

impl StartedKey {
    pub(super) fn new(core: &Arc<SessionCore>, request: Request) -> Self {
        Self(Kept::new(Arc::clone(core), HeldSession, request))
    }

    /// Goes on with the operation, as [`Started::poll`] does. Its output may be secret; one that only
    /// compares has none.
    ///
    /// # Errors
    /// As [`KeySession::run`](crate::KeySession::run). [`Error::Closed`] as from [`Started::poll`].
    pub fn poll(&mut self, waker: &Waker) -> Poll<Result<Zeroizing<Vec<u8>>, Error>> {
        self.0.poll(waker).map(|outcome| {
            if let Err(error) = outcome {
                return Err(explained(&mut self.0, error));
            }
            let request = self.0.request_mut();
            let has_output = request.operation.output().has_text();
            Ok(Zeroizing::new(if has_output { mem::take(&mut request.buffer) } else { Vec::new() }))
        })
    }
}

/// The error of a session's operation, described.
pub(crate) fn explained<S: Software>(kept: &mut Kept<Arc<SessionCore>, S>, error: Error) -> Error {
    if kept.request_mut().arguments.is_some() {
        let core = Arc::clone(kept.hold());
        return core.explained_key(error, kept.request_mut());
    }
    let request = kept.request_mut();
    let (operation, iv_len, len) = (request.operation, request.iv().len(), request.buffer.len());
    kept.hold().explained(error, operation, iv_len, len)
}

impl Future for Started {
    type Output = Result<(Vec<u8>, Tag), OpError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.get_mut().poll(context.waker())
    }
}
