//! One operation of a session as a future.
//!
//! ```text
//!   encrypt_async ─► New ── poll ──► Waiting ── the device wakes, poll ──► Over: the result, and the buffer
//!                     │                 └── the ring is full: in line for a slot
//!                     └── refused: the first poll gives the error, and the buffer
//! ```

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use simaccel_device::{Request, Tag, TaggedText};

use super::buffer::Buffer;
use crate::engine::future::{Awaited, Back, Landed};
use crate::error::{Error, OpError};

/// An operation of a session, as a future:
/// [`CipherSession::encrypt_async`](crate::CipherSession::encrypt_async) and the like.
///
/// It begins at its first poll. It is `Send` and `Unpin`, has no lifetime, and may be polled by any thread,
/// each time by another. The result is `K`'s [`Output`](Kind::Output), or an [`OpError`] with the buffers.
/// Polled after that, it is ready with [`Error::Closed`] and an empty buffer.
///
/// *Cancel safe*: dropping it at any time takes the request back, waits at most for one batch's computation,
/// and wipes the buffer. [`OpFuture::cancel`] returns the buffer.
///
/// ```
/// use simaccel::{Cipher, Config, Engine};
///
/// async fn seal(engine: &Engine) -> Result<Vec<u8>, simaccel::Error> {
///     let session = engine.cipher(Cipher::Aes256Ctr, &[0x42; 32])?;
///     let sealed = session.encrypt_async(&[0x24; 16], b"attack at dawn".to_vec()).await?;
///     Ok(session.decrypt_async(&[0x24; 16], sealed).await?)
/// }
/// # fn block_on<T>(future: impl Future<Output = T>) -> T {
/// #     let mut future = std::pin::pin!(future);
/// #     let mut context = std::task::Context::from_waker(std::task::Waker::noop());
/// #     loop {
/// #         if let std::task::Poll::Ready(done) = future.as_mut().poll(&mut context) { return done }
/// #     }
/// # }
/// # let engine = Engine::open(Config::default()).unwrap();
/// # assert_eq!(block_on(seal(&engine)).unwrap(), b"attack at dawn");
/// ```
#[must_use = "a future does nothing unless it is polled"]
pub struct OpFuture<K, B = Vec<u8>> {
    awaited: Awaited,
    kind: K,
    /// It turns its buffers into vectors, and gives `B` back.
    buffer: PhantomData<fn(B) -> B>,
}

/// What a cancelled operation has come to.
#[derive(Debug)]
pub enum Cancelled<T, B> {
    /// The request was taken back. The buffer holds the input, unchanged. An operation with two buffers gives
    /// its destination back, wiped, too.
    TakenBack {
        /// What went in: the buffer, the copy that a key's operation has made of its input, the function of a
        /// call, or the stream whose message was to be finished.
        buffer: B,
        /// The destination, where there is one.
        destination: Option<B>,
    },
    /// It had ended before, with this.
    Ended(T),
}

/// The kinds of operation, by what they give back. Sealed.
pub trait Kind: sealed::Kind + Send + Unpin + 'static {
    /// What a successful operation gives back.
    type Output<B: Buffer>;

    #[doc(hidden)]
    const GIVES_TAG: bool;

    #[doc(hidden)]
    fn output<B: Buffer>(&self, parts: &mut Parts) -> Result<Self::Output<B>, Error>;

    /// The output of one that leaves a text, and nothing else.
    #[doc(hidden)]
    fn of_text<B: Buffer>(&self, text: Vec<u8>) -> Result<Self::Output<B>, OpError<B>> {
        let mut parts = Parts { buffer: text, ..Parts::default() };
        self.output(&mut parts).map_err(|error| parts.failed(error))
    }
}

/// What an operation leaves.
#[doc(hidden)]
#[derive(Debug, Default)]
pub struct Parts {
    buffer: Vec<u8>,
    destination: Option<Vec<u8>>,
    tag: Tag,
}

impl Parts {
    fn of(request: &mut Request) -> Self {
        let (buffer, destination) = (mem::take(&mut request.buffer), request.destination.take());
        Self { buffer, destination, tag: request.tag }
    }

    #[inline]
    fn buffer<B: Buffer>(&mut self) -> B {
        B::from_vec(mem::take(&mut self.buffer))
    }

    #[cold]
    fn failed<B: Buffer>(mut self, error: Error) -> OpError<B> {
        let destination = self.destination.take().map(B::from_vec);
        OpError::new(error, self.buffer(), destination)
    }
}

/// The text takes the buffer's place: gives `B`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InPlace(pub(super) ());

/// The text, or the unchanged message, and a tag, MAC or digest: gives `(B, Tag)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tagged(pub(super) ());

/// The output is apart from the input, which stays as it is: gives `(B, B)`, the source first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Apart(pub(super) ());

/// The MAC of the message is compared, in constant time: gives `B`, the message.
#[derive(Clone, Copy, Debug)]
pub struct Compared(pub(super) Option<Tag>);

mod sealed {
    pub trait Kind {}

    impl Kind for super::InPlace {}
    impl Kind for super::Tagged {}
    impl Kind for super::Apart {}
    impl Kind for super::Compared {}
}

impl Kind for InPlace {
    type Output<B: Buffer> = B;

    const GIVES_TAG: bool = false;

    fn output<B: Buffer>(&self, parts: &mut Parts) -> Result<B, Error> {
        Ok(parts.buffer())
    }

    #[inline]
    fn of_text<B: Buffer>(&self, text: Vec<u8>) -> Result<B, OpError<B>> {
        Ok(B::from_vec(text))
    }
}

impl Kind for Tagged {
    type Output<B: Buffer> = (B, Tag);

    const GIVES_TAG: bool = true;

    fn output<B: Buffer>(&self, parts: &mut Parts) -> Result<(B, Tag), Error> {
        Ok((parts.buffer(), mem::take(&mut parts.tag)))
    }
}

impl Kind for Apart {
    type Output<B: Buffer> = (B, B);

    const GIVES_TAG: bool = false;

    fn output<B: Buffer>(&self, parts: &mut Parts) -> Result<(B, B), Error> {
        let destination = parts.destination.take().unwrap_or_default();
        Ok((parts.buffer(), B::from_vec(destination)))
    }
}

impl Kind for Compared {
    type Output<B: Buffer> = B;

    const GIVES_TAG: bool = true;

    fn output<B: Buffer>(&self, parts: &mut Parts) -> Result<B, Error> {
        let Some(expected) = self.0 else { return Err(Error::AuthFailed) };
        let head = parts.tag.as_bytes().get(..expected.as_bytes().len()).and_then(Tag::new);
        if head == Some(expected) { Ok(parts.buffer()) } else { Err(Error::AuthFailed) }
    }
}

impl<K: Kind, B: Buffer> OpFuture<K, B> {
    #[inline]
    pub(super) const fn new(awaited: Awaited, kind: K) -> Self {
        Self { awaited, kind, buffer: PhantomData }
    }

    /// Takes the request back, and ends with [`Error::Timeout`] and the buffer, where the device does not end
    /// it within `limit` of its submission, its time in line for a slot included. It needs no runtime: a
    /// thread of the engine's looks (`simaccel-watchdog`, started by the first limit); on a stepped device
    /// the limit is in the device's time. Where the engine tries again (`max_retries`), each try has the
    /// limit.
    ///
    /// It replaces the engine's own limit (`timeout_msec`) for this operation. Call it before the first poll;
    /// a request that is in flight keeps what it was submitted with.
    pub fn with_timeout(mut self, limit: Duration) -> Self {
        self.awaited.set_limit(limit);
        self
    }

    /// Ends the operation now, and returns its buffer, or its result where it has ended. Waits at most for
    /// one batch's computation. The future is over then.
    pub fn cancel(&mut self) -> Cancelled<Result<K::Output<B>, OpError<B>>, B> {
        match self.awaited.cancel() {
            Back::Taken(mut request) => {
                let (_, buffer, destination) = Parts::of(&mut request).failed(Error::Closed).into_buffers();
                Cancelled::TakenBack { buffer, destination }
            }
            Back::Over(landed) => Cancelled::Ended(self.result(landed)),
        }
    }

    /// Out of line: a plain cipher has its text without it.
    #[inline(never)]
    fn go_on(&mut self, context: &Context<'_>) -> Poll<Result<K::Output<B>, OpError<B>>> {
        self.awaited.poll(context.waker()).map(|landed| self.result(landed))
    }

    fn result(&self, landed: Landed) -> Result<K::Output<B>, OpError<B>> {
        match landed {
            Landed::Tagged(TaggedText { buffer, tag, .. }) => {
                self.output(Parts { buffer, tag, destination: None })
            }
            Landed::Request(mut request, outcome) => {
                let parts = Parts::of(&mut request);
                match outcome {
                    Ok(()) => self.output(parts),
                    Err(error) => Err(parts.failed(error)),
                }
            }
        }
    }

    #[inline]
    fn output(&self, mut parts: Parts) -> Result<K::Output<B>, OpError<B>> {
        self.kind.output(&mut parts).map_err(|error| parts.failed(error))
    }
}

impl<K: Kind, B: Buffer> Future for OpFuture<K, B> {
    type Output = Result<K::Output<B>, OpError<B>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if let Some(text) = this.awaited.take_text() {
            return Poll::Ready(this.kind.of_text(text));
        }
        if this.awaited.submit_text(context.waker()) {
            return Poll::Pending;
        }
        this.go_on(context)
    }
}

impl<K, B> fmt::Debug for OpFuture<K, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpFuture").field("state", &self.awaited).finish_non_exhaustive()
    }
}
