//! An operation that is kept and polled, in place of a caller that waits.
//!
//! ```text
//!   start ──► Started ── poll(waker) ──► Pending ── the waker is called ──► poll ──► Ready
//!                └── drop: the request is given up
//! ```
//!
//! It owns its session, its request and its hold of the engine, has no lifetime, and goes from thread to
//! thread between polls.

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use simaccel_device::{Operation, Request, Session, Tag};

use super::offload::{Advance, Failed, Hold, Offload};
use super::session::{SessionCore, make_room};
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

/// An operation on the device that is polled; a future.
///
/// Each poll goes on as far as it can: it submits, takes the result, tries again or computes in software as
/// the engine's configuration says. It never blocks for the device. Dropping it gives the request up and
/// waits at most for one batch's computation.
pub struct Started {
    operation: Offload<Arc<SessionCore>, Arc<Session>, Request, PolledWake>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    New,
    Waiting,
    Over,
}

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
        let operation = Offload::new(Arc::clone(core), Arc::clone(core.session()), request);
        Ok(Self { operation, stage: Stage::New })
    }

    /// Goes on with the operation. When it is pending, `waker` will be called; the wakers of earlier polls
    /// need not be.
    ///
    /// # Errors
    /// As the session's operation of the same name. [`Error::Closed`] when it was ready before, or when a
    /// poll was left by a panic of a waker.
    pub fn poll(&mut self, waker: &Waker) -> Poll<Result<(Vec<u8>, Tag), OpError>> {
        // A waker is foreign code. An operation that it has left by a panic does not go on.
        let outcome = match mem::replace(&mut self.stage, Stage::Over) {
            Stage::New => self.operation.begin().or_else(|| self.advance(waker, false)),
            Stage::Waiting => self.advance(waker, true),
            Stage::Over => return Poll::Ready(Err(OpError::new(Error::Closed, Vec::new(), None))),
        };
        self.stage = if outcome.is_some() { Stage::Over } else { Stage::Waiting };
        outcome.map_or(Poll::Pending, |outcome| Poll::Ready(self.result(outcome)))
    }

    /// `None`: it waits. That counts as a pause, and the next poll as the resume.
    fn advance(&mut self, waker: &Waker, has_waited: bool) -> Option<Result<(), Failed>> {
        let engine = Arc::clone(self.operation.hold().engine());
        let mut wait = WakerWait(waker);
        let tries = self.operation.retries();
        let is_resumed = has_waited && !engine.is_inherited();
        if is_resumed {
            // Counted afterwards: where this panics, the operation is given up as it waited.
            if let Some(flight) = self.operation.flight() {
                wait.rearm(flight);
            }
            table::with(&engine, |instance| instance.counters.resumes.add(1));
        }
        if let Advance::Over(outcome) = self.operation.advance(&mut wait, true) {
            return Some(outcome);
        }
        let is_spurious = is_resumed && self.operation.retries() == tries;
        table::with(&engine, |instance| {
            instance.counters.pauses.add(1);
            instance.counters.spurious_resumes.add(is_spurious.into());
            // Inside of a poll of the engine, the device would be shown the request only at its end.
            instance.flush();
        });
        None
    }

    fn result(&mut self, outcome: Result<(), Failed>) -> Result<(Vec<u8>, Tag), OpError> {
        let request = self.operation.request_mut();
        let (buffer, tag) = (mem::take(&mut request.buffer), request.tag);
        let (operation, iv_len, len) = (request.operation, request.iv().len(), buffer.len());
        match outcome {
            Ok(()) => Ok((buffer, tag)),
            Err(failed) => {
                let error = self.operation.hold().explained(failed.into_error(), operation, iv_len, len);
                Err(OpError::new(error, buffer, None))
            }
        }
    }
}

impl Future for Started {
    type Output = Result<(Vec<u8>, Tag), OpError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.get_mut().poll(context.waker())
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // Text that was never submitted; of what is in flight, the flight takes care.
        self.operation.request_mut().wipe();
    }
}

impl fmt::Debug for Started {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Started").field("stage", &self.stage).finish_non_exhaustive()
    }
}
