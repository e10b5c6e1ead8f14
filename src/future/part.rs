//! The parts of a message as futures: what [`CipherStream`], [`HashStream`] and their like do one by one.
//!
//! ```text
//!   stream.update_async(buffer) ─► New ── poll ─► the state leaves the stream ─► Waiting ─► Over: it is back
//!                                   │                                              ├── cancelled: it is back
//!                                   └── dropped: the stream is as it was           └── dropped, failed: poisoned
//! ```
//!
//! A drop gives no answer, so afterwards it would be open whether the part counts: it poisons the stream. A
//! cancel says what has become of the part. Where a device may compute it before its time, the flight keeps a
//! copy of the state for that.

use std::borrow::BorrowMut;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use simaccel_device::{Part, Request, Tag};
use zeroize::Zeroizing;

use super::buffer::Buffer;
use super::operation::Cancelled;
use crate::engine::future::{Ended, HeldSession, Kept, MORE, SessionCore, Stream, make_room};
use crate::engine::{AeadOpener, AeadSealer, CipherStream, HashStream, MacStream};
use crate::error::{Error, OpError};

/// One part of a message, and the stream that it belongs to.
struct PartOf<S> {
    stream: S,
    stage: Stage,
    limit: Option<Duration>,
}

enum Stage {
    /// Why the first poll fails, the part, its text, and the tag to compare with.
    New(Result<(), Error>, Part, Zeroizing<Vec<u8>>, Tag),
    Waiting {
        kept: Kept<Arc<SessionCore>, HeldSession>,
        /// Whether the part is the first one.
        is_first: bool,
    },
    Over,
}

impl<S: BorrowMut<Stream>> PartOf<S> {
    fn new(stream: S, prepared: Result<(), Error>, part: Part, text: Vec<u8>, tag: Tag) -> Self {
        Self { stream, stage: Stage::New(prepared, part, Zeroizing::new(text), tag), limit: None }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<Request, OpError>> {
        if let Stage::New(..) = self.stage {
            self.begin()?;
        }
        let Stage::Waiting { kept, is_first } = &mut self.stage else {
            return Poll::Ready(Err(OpError::new(Error::Closed, Vec::new(), None)));
        };
        let (polled, is_first) = (kept.poll(context.waker()), *is_first);
        polled.map(|outcome| self.ended(outcome, is_first))
    }

    fn begin(&mut self) -> Result<(), OpError> {
        let Stage::New(prepared, part, mut text, tag) = mem::replace(&mut self.stage, Stage::Over) else {
            return Ok(());
        };
        let text = mem::take(&mut *text);
        if let Err(error) = prepared {
            return Err(OpError::new(error, text, None));
        }
        let stream = self.stream.borrow_mut();
        let request = stream.begin(part, text, tag)?;
        let is_first = request.state.is_none();
        let mut kept = Kept::new(Arc::clone(stream.core()), HeldSession, request);
        if let Some(limit) = self.limit {
            kept.set_limit(limit);
        }
        self.stage = Stage::Waiting { kept, is_first };
        Ok(())
    }

    fn ended(&mut self, outcome: Result<(), Error>, is_first: bool) -> Result<Request, OpError> {
        let Stage::Waiting { mut kept, .. } = mem::replace(&mut self.stage, Stage::Over) else {
            return Err(OpError::new(Error::Closed, Vec::new(), None));
        };
        let (stream, request) = (self.stream.borrow_mut(), kept.request_mut());
        match outcome {
            Ok(()) => {
                stream.end(request);
                let empty = stream.core().request(request.operation, Vec::new());
                Ok(mem::replace(request, empty))
            }
            Err(error) => {
                let error = stream.explained(error, request, is_first);
                Err(OpError::new(error, mem::take(&mut request.buffer), None))
            }
        }
    }

    /// Ends it now. `Err`: its text; the stream is as it was before the part.
    fn cancel(&mut self) -> Result<Result<Request, OpError>, Vec<u8>> {
        match &mut self.stage {
            Stage::New(_, _, text, _) => {
                let text = mem::take(&mut **text);
                self.stage = Stage::Over;
                Err(text)
            }
            Stage::Waiting { kept, is_first } => match kept.cancel() {
                Ended::TakenBack => {
                    let request = kept.request_mut();
                    self.stream.borrow_mut().unbegin(request, *is_first);
                    let text = mem::take(&mut request.buffer);
                    self.stage = Stage::Over;
                    Err(text)
                }
                Ended::Over(outcome) => {
                    let is_first = *is_first;
                    Ok(self.ended(outcome, is_first))
                }
            },
            Stage::Over => Ok(Err(OpError::new(Error::Closed, Vec::new(), None))),
        }
    }
}

fn given_back<B: Buffer>(error: OpError) -> OpError<B> {
    let (error, text) = error.into_parts();
    OpError::new(error, B::from_vec(text), None)
}

impl<S> fmt::Debug for PartOf<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.stage {
            Stage::New(..) => "new",
            Stage::Waiting { .. } => "waiting",
            Stage::Over => "over",
        })
    }
}

/// A piece of a message, as a future: [`CipherStream::update_async`] and the like. Its result is the buffer,
/// with the output or, of a digest and a MAC, unchanged.
///
/// It begins at its first poll, is `Send` and `Unpin`, and holds the stream: one piece is in flight at a
/// time. Ended, it is ready with [`Error::Closed`].
///
/// *Cancel safe* for memory, as every future here: a drop takes the piece back and wipes it. But the piece
/// has taken the state of the message with it, so a stream whose piece is dropped after its first poll is
/// poisoned: it ends with [`Error::StreamPoisoned`] from then on. Before its first poll, nothing has
/// happened. [`UpdateFuture::cancel`] returns the buffer, and leaves the stream usable.
#[must_use = "a future does nothing unless it is polled"]
pub struct UpdateFuture<'s, B = Vec<u8>> {
    part: PartOf<&'s mut Stream>,
    buffer: PhantomData<fn(B) -> B>,
}

impl<'s, B: Buffer> UpdateFuture<'s, B> {
    fn new(stream: &'s mut Stream, buffer: B, more: usize) -> Self {
        let mut text = buffer.into_vec();
        let prepared = if more > 0 { make_room(&mut text, more) } else { Ok(()) };
        Self { part: PartOf::new(stream, prepared, Part::Update, text, Tag::default()), buffer: PhantomData }
    }

    /// Takes the piece back, and ends with [`Error::Timeout`], where the device does not end it within
    /// `limit`; as [`OpFuture::with_timeout`](super::OpFuture::with_timeout). The stream is poisoned then.
    pub fn with_timeout(mut self, limit: Duration) -> Self {
        self.part.limit = Some(limit);
        self
    }

    /// Ends it now, and returns its buffer: the input, or its result where it has ended. Waits at most for
    /// one batch's computation. The future is over then.
    ///
    /// After [`Cancelled::TakenBack`] the stream is as it was before the piece, and takes this one again, or
    /// another. After a result it is behind the piece, as if that had been awaited; after an error it is
    /// poisoned.
    pub fn cancel(&mut self) -> Cancelled<Result<B, OpError<B>>, B> {
        match self.part.cancel() {
            Err(text) => Cancelled::TakenBack { buffer: B::from_vec(text), destination: None },
            Ok(outcome) => Cancelled::Ended(Self::output(outcome)),
        }
    }

    fn output(outcome: Result<Request, OpError>) -> Result<B, OpError<B>> {
        outcome.map(|request| B::from_vec(request.buffer)).map_err(given_back)
    }
}

impl<B: Buffer> Future for UpdateFuture<'_, B> {
    type Output = Result<B, OpError<B>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.get_mut().part.poll(context).map(Self::output)
    }
}

impl<B> fmt::Debug for UpdateFuture<'_, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UpdateFuture").field(&self.part).finish()
    }
}

/// The end of a message, as a future: [`CipherStream::finish_async`] and the like. Its result is the stream's
/// [`Output`](Finish::Output).
///
/// It begins at its first poll, is `Send`, `Unpin` and `'static`, and owns the stream. Ended, it is ready
/// with [`Error::Closed`]. *Cancel safe*: a drop takes the request back; the message is lost with its stream.
/// [`FinishFuture::cancel`] returns the stream.
#[must_use = "a future does nothing unless it is polled"]
pub struct FinishFuture<S> {
    part: PartOf<OwnStream>,
    back: fn(Stream) -> S,
}

struct OwnStream(Stream);

impl std::borrow::Borrow<Stream> for OwnStream {
    fn borrow(&self) -> &Stream {
        &self.0
    }
}

impl BorrowMut<Stream> for OwnStream {
    fn borrow_mut(&mut self) -> &mut Stream {
        &mut self.0
    }
}

/// The streams, by what the end of their message gives. Sealed.
pub trait Finish: sealed::Finish + 'static {
    /// It: the rest of the text, which is empty for GCM, a tag, MAC or digest, or both.
    type Output;

    #[doc(hidden)]
    fn output(request: Request) -> Self::Output;
}

mod sealed {
    pub trait Finish {}
}

macro_rules! finish {
    ($stream:ident gives $output:ty, of $request:ident: $given:expr) => {
        impl sealed::Finish for $stream {}

        impl Finish for $stream {
            type Output = $output;

            fn output($request: Request) -> $output {
                $given
            }
        }
    };
}

finish!(CipherStream gives Vec<u8>, of request: request.buffer);
finish!(AeadSealer gives (Vec<u8>, Tag), of request: (request.buffer, request.tag));
finish!(AeadOpener gives Vec<u8>, of request: request.buffer);
finish!(HashStream gives Tag, of request: request.tag);
finish!(MacStream gives Tag, of request: request.tag);

impl<S: Finish> FinishFuture<S> {
    fn new(stream: Stream, back: fn(Stream) -> S, tag: Result<Tag, Error>) -> Self {
        let (prepared, tag) = match tag {
            Ok(tag) => (Ok(()), tag),
            Err(error) => (Err(error), Tag::default()),
        };
        let text = Vec::with_capacity(MORE);
        Self { part: PartOf::new(OwnStream(stream), prepared, Part::Final, text, tag), back }
    }

    /// Ends with [`Error::Timeout`] where the device does not end it within `limit`; as
    /// [`OpFuture::with_timeout`](super::OpFuture::with_timeout).
    pub fn with_timeout(mut self, limit: Duration) -> Self {
        self.part.limit = Some(limit);
        self
    }

    /// Ends it now, and returns the stream, or the result where it has ended. Waits at most for one batch's
    /// computation. The future is over then.
    ///
    /// After [`Cancelled::TakenBack`] the stream is as it was before the finish: it can be finished again, or
    /// take another piece. After an error the message is lost.
    pub fn cancel(&mut self) -> Cancelled<Result<S::Output, OpError>, S> {
        match self.part.cancel() {
            Err(_) => {
                Cancelled::TakenBack { buffer: (self.back)(self.part.stream.0.take()), destination: None }
            }
            Ok(outcome) => Cancelled::Ended(outcome.map(S::output)),
        }
    }
}

impl<S: Finish> Future for FinishFuture<S> {
    type Output = Result<S::Output, OpError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.get_mut().part.poll(context).map_ok(S::output)
    }
}

impl<S> fmt::Debug for FinishFuture<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FinishFuture").field(&self.part).finish()
    }
}

macro_rules! text_stream {
    ($stream:ident) => {
        impl $stream {
            #[doc = concat!("[`", stringify!($stream), "::update`] as a future.")]
            pub fn update_async<B: Buffer>(&mut self, buffer: B) -> UpdateFuture<'_, B> {
                UpdateFuture::new(self.parts(), buffer, MORE)
            }
        }
    };
}

text_stream!(CipherStream);
text_stream!(AeadSealer);
text_stream!(AeadOpener);

impl CipherStream {
    /// [`CipherStream::finish`] as a future.
    pub fn finish_async(self) -> FinishFuture<Self> {
        FinishFuture::new(self.into_parts(), Self::from_parts, Ok(Tag::default()))
    }
}

impl AeadSealer {
    /// [`AeadSealer::finish`] as a future.
    pub fn finish_async(self) -> FinishFuture<Self> {
        FinishFuture::new(self.into_parts(), Self::from_parts, Ok(Tag::default()))
    }
}

impl AeadOpener {
    /// [`AeadOpener::finish`] as a future. What the stream has given is authentic when this ends well, and is
    /// to be discarded when it does not.
    pub fn finish_async(self, tag: &[u8]) -> FinishFuture<Self> {
        let stream = self.into_parts();
        let tag = stream.core().tag(tag);
        FinishFuture::new(stream, Self::from_parts, tag)
    }
}

macro_rules! digest_stream {
    ($stream:ident) => {
        impl $stream {
            #[doc = concat!("[`", stringify!($stream), "::update`] as a future: the buffer, unchanged.")]
            pub fn update_async<B: Buffer>(&mut self, buffer: B) -> UpdateFuture<'_, B> {
                UpdateFuture::new(self.parts(), buffer, 0)
            }

            #[doc = concat!("[`", stringify!($stream), "::finish`] as a future.")]
            pub fn finish_async(self) -> FinishFuture<Self> {
                FinishFuture::new(self.into_parts(), Self::from_parts, Ok(Tag::default()))
            }
        }
    };
}

digest_stream!(HashStream);
digest_stream!(MacStream);
