//! A whole message of a session, as a future has it: small and straight where it can be.
//!
//! ```text
//!   Short: a text, an IV ────► poll ──► Aloft: a ticket ── the reaper wakes, poll ──► Over: the result
//!   Whole: a request ────────►  │
//!                               └─ no reaper, a policy, a full ring:
//!                                       Kept: the state machine ── the device wakes, poll ──► Over
//! ```
//!
//! It is moved often, from the call that makes it into the task that awaits it, so it is small: a short one
//! has no request of its own, and what the state machine needs lies in memory that the thread keeps.

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use simaccel_device::{Operation, Plain, SessionId, Tagged, TaggedText};
use zeroize::Zeroize;

use super::aloft::{Aloft, Lifted};
use super::handles;
use super::offload::Failed;
use super::session::{SessionCore, set_iv};
use super::software::HeldSession;
use super::spare::Spare;
use super::spare_kept::SpareKept;
use super::started::{Ended, Kept};
use super::table;
use crate::error::Error;

/// Bytes of the longest IV of a short one.
const MOST_IV: usize = 16;
const FULL_IV: u8 = 16;

/// An operation of a session on a whole message, that is polled. `None`: it is over, so that its drop is one
/// look.
pub(crate) struct Awaited(Option<Underway>);

struct Underway {
    /// `None`: the state machine has it, or the operation is over.
    core: Option<Arc<SessionCore>>,
    stage: Stage,
}

/// With a tag in memory, because each step compares it: the compiler's own choice is a value that the
/// capacity of a text cannot have, which takes some instructions to tell apart.
#[repr(u8)]
enum Stage {
    /// New, with a text and an IV, and nothing else.
    Short {
        iv_len: u8,
        operation: Operation,
        text: Vec<u8>,
        iv: [u8; MOST_IV],
    },
    /// New: a message, for a tag.
    Message {
        operation: Operation,
        message: Vec<u8>,
    },
    /// New, with all that a request may have. Whether it gives a tag.
    Whole(Spare, bool),
    /// In flight, and its thread's reaper wakes it. It has a text.
    Aloft(Aloft),
    /// The same, with additional data, or a tag.
    AloftTagged(Aloft),
    /// With the state machine.
    Kept(SpareKept),
    /// Its first poll fails.
    Refused(Box<Error>, Spare),
    Over,
}

/// What a request in flight has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Text,
    /// And additional data, or a tag.
    Tagged,
}

/// What an operation has come to, but for the text of a plain cipher.
pub(crate) enum Landed {
    Tagged(TaggedText),
    /// It is all in the request: the result, or the buffers.
    Request(Spare, Result<(), Error>),
}

/// What a cancelled operation has come to.
pub(crate) enum Back {
    /// The buffers are in the request: the input, unchanged.
    Taken(Spare),
    /// It had ended before.
    Over(Landed),
}

impl Awaited {
    /// An operation in place.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(crate) fn short(core: &Arc<SessionCore>, operation: Operation, iv: &[u8], text: Vec<u8>) -> Self {
        Self(Some(Underway::short(core, operation, iv, text)))
    }

    /// An operation whose only output is a tag.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(crate) fn message(core: &Arc<SessionCore>, operation: Operation, message: Vec<u8>) -> Self {
        let core = Some(handles::take(core));
        Self(Some(Underway { core, stage: Stage::Message { operation, message } }))
    }

    /// Any operation. `refused`: what the first poll ends with.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(crate) fn whole(
        core: &Arc<SessionCore>,
        request: Spare,
        gives_tag: bool,
        refused: Option<Box<Error>>,
    ) -> Self {
        Self(Some(Underway::whole(core, request, gives_tag, refused)))
    }

    /// Takes the request back where it does not end within `limit` of its submission. For one that was not
    /// polled yet.
    pub(crate) fn set_limit(&mut self, limit: Duration) {
        if let Some(underway) = &mut self.0 {
            underway.set_limit(limit);
        }
    }

    /// The text of a plain cipher that has ended well, in registers; `None`: [`Awaited::poll`] says more.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(crate) fn take_text(&mut self) -> Option<Vec<u8>> {
        let text = self.0.as_mut()?.take_text()?;
        // It owns nothing any more.
        mem::forget(self.0.take());
        Some(text)
    }

    /// Submits a text, where that can be done straight: then it is pending, and `waker` will be called.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(crate) fn submit_text(&mut self, waker: &Waker) -> bool {
        self.0.as_mut().is_some_and(|underway| underway.submit_text(waker))
    }

    /// Goes on with the operation, after [`Awaited::take_text`] and [`Awaited::submit_text`] had nothing to
    /// do. When it is pending, `waker` will be called; the wakers of earlier polls need not be. Ready before:
    /// ready with [`Error::Closed`].
    ///
    /// Apart from the two, because what it returns is copied, and most of it is not there.
    #[inline(never)]
    pub(crate) fn poll(&mut self, waker: &Waker) -> Poll<Landed> {
        let Some(underway) = &mut self.0 else { return Poll::Ready(closed()) };
        let polled = underway.poll(waker);
        if polled.is_ready() {
            self.0 = None;
        }
        polled
    }

    /// Ends the operation now. Waits at most for one batch's computation.
    #[cold]
    pub(crate) fn cancel(&mut self) -> Back {
        self.0.take().map_or_else(|| Back::Over(closed()), |mut underway| underway.cancel())
    }
}

/// What an operation that was over before gives.
#[cold]
fn closed() -> Landed {
    Landed::Request(blank(), Err(Error::Closed))
}

impl Underway {
    /// Nothing here may take the address of what it makes, not even a function that returns one: then it
    /// would lie in memory, and each move of it would wait for the stores before it.
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn short(core: &Arc<SessionCore>, operation: Operation, iv: &[u8], mut text: Vec<u8>) -> Self {
        let full = <[u8; MOST_IV]>::try_from(iv).map(|iv| (iv, FULL_IV)).ok();
        let Some((iv, iv_len)) = full.or_else(|| padded(iv)) else {
            let (request, refused) = long(core, operation, iv, mem::take(&mut text));
            return Self::whole(core, request, false, refused);
        };
        let core = Some(handles::take(core));
        Self { core, stage: Stage::Short { iv_len, operation, text, iv } }
    }

    #[cfg_attr(not(debug_assertions), inline(always))]
    fn whole(core: &Arc<SessionCore>, request: Spare, gives_tag: bool, refused: Option<Box<Error>>) -> Self {
        match refused {
            None => Self { core: Some(handles::take(core)), stage: Stage::Whole(request, gives_tag) },
            Some(error) => Self { core: None, stage: Stage::Refused(error, request) },
        }
    }

    fn set_limit(&mut self, limit: Duration) {
        self.keep();
        if let Stage::Kept(kept) = &mut self.stage {
            kept.set_limit(limit);
        }
    }

    #[cfg_attr(not(debug_assertions), inline(always))]
    fn take_text(&mut self) -> Option<Vec<u8>> {
        let (Stage::Aloft(aloft), Some(core)) = (&self.stage, &self.core) else { return None };
        let text = aloft.take::<()>(core.engine())?;
        self.end_aloft();
        Some(text)
    }

    #[cfg_attr(not(debug_assertions), inline(always))]
    fn submit_text(&mut self, waker: &Waker) -> bool {
        let (Stage::Short { iv_len, operation, text, iv }, Some(core)) = (&mut self.stage, &self.core) else {
            return false;
        };
        let (session, operation, buffer) = (core.id(), *operation, mem::take(text));
        let iv = iv.get(..usize::from(*iv_len)).unwrap_or_default();
        let plain = Plain { session, operation, iv, buffer, user_data: 0, rest: () };
        match Aloft::submit(core.engine(), plain, waker) {
            Ok(lifted) => {
                self.lifted(lifted, Shape::Text, waker);
                true
            }
            Err((buffer, ())) => {
                *text = buffer;
                false
            }
        }
    }

    /// What is aloft, or short and without its text, owns nothing that is dropped.
    #[inline]
    fn set_stage(&mut self, stage: Stage) {
        mem::forget(mem::replace(&mut self.stage, stage));
    }

    #[inline]
    fn end_aloft(&mut self) {
        self.set_stage(Stage::Over);
        if let Some(core) = self.core.take() {
            handles::leave(core);
        }
    }

    /// A waker is foreign code. An operation that it leaves by a panic is in flight, and can be polled again.
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn lifted(&mut self, lifted: Lifted, shape: Shape, waker: &Waker) {
        self.set_stage(match shape {
            Shape::Text => Stage::Aloft(lifted.aloft),
            Shape::Tagged => Stage::AloftTagged(lifted.aloft),
        });
        if !lifted.is_noted {
            self.note(waker);
        }
    }

    /// Reads what `lifted` has stored: an address of its parameter would keep that in memory, and a copy of
    /// it there waits for the stores.
    #[cold]
    fn note(&self, waker: &Waker) {
        if let (Stage::Aloft(aloft) | Stage::AloftTagged(aloft), Some(core)) = (&self.stage, &self.core) {
            aloft.note(core.engine(), waker);
        }
    }

    /// All but the text of a plain cipher.
    fn poll(&mut self, waker: &Waker) -> Poll<Landed> {
        match &mut self.stage {
            &mut Stage::Aloft(aloft) => return self.look(aloft, waker),
            &mut Stage::AloftTagged(aloft) => return self.poll_tagged(aloft, waker),
            Stage::Message { .. } => {
                if let Some(lifted) = self.lift_message(waker) {
                    self.lifted(lifted, Shape::Tagged, waker);
                    return Poll::Pending;
                }
            }
            Stage::Whole(..) => {
                if let Some((lifted, shape)) = self.lift_whole(waker) {
                    self.stage = Stage::Over;
                    self.lifted(lifted, shape, waker);
                    return Poll::Pending;
                }
            }
            _ => {}
        }
        self.keep();
        self.poll_kept(waker)
    }

    #[inline]
    fn poll_tagged(&mut self, aloft: Aloft, waker: &Waker) -> Poll<Landed> {
        if let Some(core) = &self.core
            && let Some(mut tagged) = aloft.take::<Tagged<'_>>(core.engine())
        {
            recycle(core, mem::take(&mut tagged.aad));
            self.end_aloft();
            return Poll::Ready(Landed::Tagged(tagged));
        }
        self.look(aloft, waker)
    }

    #[cold]
    fn look(&mut self, aloft: Aloft, waker: &Waker) -> Poll<Landed> {
        let Some(core) = &self.core else { return Poll::Ready(self.closed()) };
        let mut request = blank();
        match aloft.look(core.engine(), &mut request, waker) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(outcome) => {
                let core = self.core.take();
                self.stage = Stage::Over;
                Poll::Ready(landed(core, request, outcome.map_err(Failed::into_error)))
            }
        }
    }

    /// Submits a digest or a MAC.
    fn lift_message(&mut self, waker: &Waker) -> Option<Lifted> {
        let (Stage::Message { operation, message }, Some(core)) = (&mut self.stage, &self.core) else {
            return None;
        };
        let (session, operation, buffer) = (core.id(), *operation, mem::take(message));
        let plain = Plain { session, operation, iv: &[], buffer, user_data: 0, rest: Tagged::default() };
        let submitted = Aloft::submit(core.engine(), plain, waker);
        submitted.map_err(|(buffer, _)| *message = buffer).ok()
    }

    /// Submits what has a request.
    fn lift_whole(&mut self, waker: &Waker) -> Option<(Lifted, Shape)> {
        let (Stage::Whole(request, gives_tag), Some(core)) = (&mut self.stage, &self.core) else {
            return None;
        };
        if request.destination.is_some() {
            return None;
        }
        let (session, operation, tag) = (request.session, request.operation, request.tag);
        let (buffer, aad) = (mem::take(&mut request.buffer), mem::take(&mut request.aad));
        let tag = (!tag.as_bytes().is_empty()).then_some(&tag);
        if !*gives_tag && aad.capacity() == 0 && tag.is_none() {
            let plain = Plain { session, operation, iv: request.iv(), buffer, user_data: 0, rest: () };
            let submitted = Aloft::submit(core.engine(), plain, waker);
            return match submitted {
                Ok(lifted) => Some((lifted, Shape::Text)),
                Err((buffer, ())) => {
                    request.buffer = buffer;
                    None
                }
            };
        }
        let rest = Tagged { aad, tag };
        let plain = Plain { session, operation, iv: request.iv(), buffer, user_data: 0, rest };
        match Aloft::submit(core.engine(), plain, waker) {
            Ok(lifted) => Some((lifted, Shape::Tagged)),
            Err((buffer, rest)) => {
                (request.buffer, request.aad) = (buffer, rest.aad);
                None
            }
        }
    }

    /// A new one goes to the state machine.
    #[inline(never)]
    fn keep(&mut self) {
        if !matches!(self.stage, Stage::Short { .. } | Stage::Message { .. } | Stage::Whole(..)) {
            return;
        }
        let Some(core) = self.core.take() else { return };
        let request = match mem::replace(&mut self.stage, Stage::Over) {
            Stage::Short { iv_len, operation, text, iv } => {
                let mut request = core.spare_request(operation, text);
                request.set_iv(iv.get(..usize::from(iv_len)).unwrap_or_default());
                request
            }
            Stage::Message { operation, message } => core.spare_request(operation, message),
            Stage::Whole(request, _) => request,
            _ => return,
        };
        self.stage = Stage::Kept(SpareKept::new(Kept::new(core, HeldSession, request)));
    }

    #[inline]
    fn poll_kept(&mut self, waker: &Waker) -> Poll<Landed> {
        let outcome = match &mut self.stage {
            Stage::Kept(kept) => match kept.poll(waker) {
                Poll::Ready(outcome) => outcome,
                Poll::Pending => return Poll::Pending,
            },
            _ => return Poll::Ready(self.never_begun()),
        };
        Poll::Ready(self.kept_ended(outcome))
    }

    /// The state machine has ended it.
    fn kept_ended(&mut self, outcome: Result<(), Error>) -> Landed {
        match mem::replace(&mut self.stage, Stage::Over) {
            Stage::Kept(kept) => {
                let (core, request) = kept.into_inner().into_parts();
                landed(Some(core), request, outcome)
            }
            _ => self.closed(),
        }
    }

    #[cold]
    fn never_begun(&mut self) -> Landed {
        match mem::replace(&mut self.stage, Stage::Over) {
            Stage::Refused(error, request) => Landed::Request(request, Err(*error)),
            _ => self.closed(),
        }
    }

    #[cold]
    fn closed(&mut self) -> Landed {
        (self.stage, self.core) = (Stage::Over, None);
        closed()
    }

    #[cold]
    fn cancel(&mut self) -> Back {
        if let Stage::Aloft(aloft) | Stage::AloftTagged(aloft) = self.stage {
            return self.cancel_aloft(aloft);
        }
        self.keep();
        let ended = match &mut self.stage {
            Stage::Kept(kept) => kept.cancel(),
            _ => return Back::Over(self.never_begun()),
        };
        match ended {
            Ended::Over(outcome) => Back::Over(self.kept_ended(outcome)),
            Ended::TakenBack => match self.kept_ended(Ok(())) {
                Landed::Request(request, _) => Back::Taken(request),
                landed => Back::Over(landed),
            },
        }
    }

    fn cancel_aloft(&mut self, aloft: Aloft) -> Back {
        let Some(core) = self.core.take() else { return Back::Over(self.closed()) };
        self.stage = Stage::Over;
        let mut request = blank();
        match aloft.cancel(core.engine(), &mut request) {
            Ok(None) => Back::Taken(request),
            Ok(Some(outcome)) => Back::Over(landed(Some(core), request, outcome.map_err(Failed::into_error))),
            Err(error) => Back::Over(landed(Some(core), request, Err(error))),
        }
    }
}

impl Drop for Underway {
    #[inline]
    fn drop(&mut self) {
        match &mut self.stage {
            Stage::Over => {}
            Stage::Short { text, .. } | Stage::Message { message: text, .. } => text.zeroize(),
            Stage::Aloft(aloft) | Stage::AloftTagged(aloft) => {
                if let Some(core) = &self.core {
                    aloft.give_up(core.engine());
                }
            }
            Stage::Whole(..) | Stage::Kept(_) | Stage::Refused(..) => {}
        }
    }
}

impl fmt::Debug for Awaited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = self.0.as_ref().map(|underway| &underway.stage);
        f.write_str(match stage {
            Some(Stage::Short { .. } | Stage::Message { .. } | Stage::Whole(..) | Stage::Refused(..)) => {
                "New"
            }
            Some(Stage::Aloft(_) | Stage::AloftTagged(_)) => "Aloft",
            Some(Stage::Kept(_)) => "Kept",
            Some(Stage::Over) | None => "Over",
        })
    }
}

/// An IV that is not a full one, and its length, where a short one has room for it.
#[inline(never)]
fn padded(iv: &[u8]) -> Option<([u8; MOST_IV], u8)> {
    let mut padded = [0; MOST_IV];
    padded.get_mut(..iv.len())?.copy_from_slice(iv);
    Some((padded, u8::try_from(iv.len()).ok()?))
}

/// A request with an IV that is too long for a short one.
#[cold]
#[inline(never)]
fn long(core: &SessionCore, operation: Operation, iv: &[u8], text: Vec<u8>) -> (Spare, Option<Box<Error>>) {
    let mut request = core.spare_request(operation, text);
    let refused = set_iv(&mut request, iv).err().map(Box::new);
    (request, refused)
}

/// What is left of an operation that the slow ways have ended, with its error described.
fn landed(core: Option<Arc<SessionCore>>, mut request: Spare, outcome: Result<(), Error>) -> Landed {
    let Some(core) = core else { return Landed::Request(request, outcome) };
    let (operation, iv_len, len) = (request.operation, request.iv().len(), request.buffer.len());
    let outcome = outcome.map_err(|error| core.explained(error, operation, iv_len, len));
    recycle(&core, mem::take(&mut request.aad));
    Landed::Request(request, outcome)
}

fn blank() -> Spare {
    Spare::new(SessionId::NONE, Operation::Encrypt, Vec::new())
}

/// Keeps the memory of additional data for another operation.
fn recycle(core: &SessionCore, aad: Vec<u8>) {
    if aad.capacity() > 0 {
        table::with(core.engine(), |instance| instance.recycle(aad));
    }
}
