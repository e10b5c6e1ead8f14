//! The way in: what is written fills frames, which are sealed on the device and written in order.
//!
//! ```text
//!   filling ── full, and more is written, or the shutdown: the last one ─► in flight ─► out ─► the inner writer
//! ```
//!
//! A full frame waits for what follows it, because the last frame has another nonce.

use std::fmt;
use std::io;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use simaccel_device::{Operation, OutputLen, Tag};
use zeroize::Zeroizing;

use super::pipeline::{Pipeline, Seal};
use super::{FrameError, Frames};
use crate::engine::AeadSession;

/// Seals what is written, in frames, several of them on the device at once, and writes them to `W`: an
/// `AsyncWrite` of tokio (feature `tokio`) or of futures-io (feature `futures-io`), as `W` is one.
///
/// The construction is STREAM (Hoang, Reyhanitabar, Rogaway, Vizár: CRYPTO 2015), with the layout that the
/// crate `aead-stream` calls `StreamBE32`: every frame of [`Frames`] bytes is sealed by itself, with the
/// nonce *prefix ‖ number of the frame, 32 bits big-endian ‖ 1 for the last frame, else 0*, and is followed
/// by its tag. So bytes that are changed, frames that are moved, doubled or left out, and an end that is cut
/// off are found by [`OpenReader`](super::OpenReader). The sealed stream has nothing else: tell the other
/// side the prefix and the size of the frames yourself. The last frame may be shorter; an empty stream is one
/// empty frame.
///
/// **The prefix must be another one for each stream under one key.** Chosen at random, it may be used for
/// some 4,000 streams before the risk of a repetition exceeds 2⁻³²; a counter or a key for each stream has no
/// such limit. A stream has at most 2³² frames.
///
/// - *Writing* takes what fits into the frame, and waits where as many frames as allowed are in flight, so
///   the inner writer's backpressure is felt.
/// - *Flushing* writes the frames that are sealed, and flushes `W`. The latest bytes, up to one frame, stay
///   until more is written, or the shutdown.
/// - *Shutdown* (`close`) seals the last frame, writes everything and shuts `W` down. Call it, and look at
///   its result: a stream without it is cut off, which its reader reports. Called again it does nothing.
/// - *Errors* of `W` are passed on, and nothing is lost: the next call goes on. Those of the device are
///   [`FrameError`]s; a frame whose error is retryable is tried again by the next call.
///
/// *Cancel safe*: `write` has taken bytes only where it is ready. Dropping it wipes what is not sealed yet,
/// takes the frames in flight back, and leaves the stream cut off.
///
/// `W` is `Unpin`; a future of another kind goes into `Box::pin`.
///
/// ```
/// # #[cfg(feature = "tokio")] {
/// use simaccel::future::{OpenReader, SealWriter};
/// use simaccel::{Aead, Engine};
/// use tokio::io::{AsyncRead, AsyncWrite};
///
/// /// The two ends of a connection, one of them on each side.
/// fn ends<W: AsyncWrite + Unpin, R: AsyncRead + Unpin>(
///     engine: &Engine,
///     key: &[u8; 32],
///     prefix: [u8; 7],
///     (write, read): (W, R),
/// ) -> Result<(SealWriter<W>, OpenReader<R>), simaccel::Error> {
///     let session = engine.aead(Aead::Aes256Gcm, key)?;
///     Ok((SealWriter::new(session.clone(), prefix, write), OpenReader::new(session, prefix, read)))
/// }
/// # }
/// ```
#[must_use = "without a shutdown the stream is cut off"]
pub struct SealWriter<W> {
    inner: W,
    sealer: Sealer,
}

impl<W> SealWriter<W> {
    /// Frames of 64 KiB, 8 of them in flight.
    pub fn new(session: AeadSession, prefix: [u8; 7], inner: W) -> Self {
        Self::with_frames(session, prefix, inner, Frames::default())
    }

    /// Frames of this size, as many in flight.
    pub fn with_frames(session: AeadSession, prefix: [u8; 7], inner: W, frames: Frames) -> Self {
        Self { inner, sealer: Sealer::new(session, prefix, frames) }
    }

    /// The inner writer.
    pub const fn get_ref(&self) -> &W {
        &self.inner
    }

    /// The inner writer. What is written to it is not sealed, and its reader finds it.
    pub const fn get_mut(&mut self) -> &mut W {
        &mut self.inner
    }

    /// The inner writer. What is not written to it yet is lost: the latest bytes, which wait for more, are
    /// wiped, and frames in flight are taken back. Without a shutdown before, the stream is cut off, possibly
    /// in the middle of a frame, and nothing else can go on with it.
    pub fn into_inner(self) -> W {
        self.inner
    }

    /// The size of the frames, and how many are in flight at most.
    pub const fn frames(&self) -> Frames {
        self.sealer.sizes
    }

    /// Bytes that were written here, and are not sealed yet: up to a frame.
    pub fn buffered(&self) -> usize {
        self.sealer.filling.len()
    }
}

impl<W: fmt::Debug> fmt::Debug for SealWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealWriter").field("inner", &self.inner).finish_non_exhaustive()
    }
}

/// Bytes of the session's tags.
pub(super) fn tag_len(session: &AeadSession) -> usize {
    match session.output(Operation::Encrypt) {
        Some(OutputLen::Tagged(len)) => len,
        _ => 0,
    }
}

/// The `poll_write` of a trait, as the inner writer has it.
pub(super) type WriteBy<W> = fn(Pin<&mut W>, &mut Context<'_>, &[u8]) -> Poll<io::Result<usize>>;

/// Its `poll_flush`, or what shuts it down.
pub(super) type EndBy<W> = fn(Pin<&mut W>, &mut Context<'_>) -> Poll<io::Result<()>>;

/// What the traits of tokio and of futures-io have in common.
impl<W: Unpin> SealWriter<W> {
    pub(super) fn write_by(
        &mut self,
        context: &mut Context<'_>,
        data: &[u8],
        write: WriteBy<W>,
    ) -> Poll<io::Result<usize>> {
        let Self { inner, sealer } = self;
        sealer.poll_write(context, data, &mut |context, bytes| write(Pin::new(inner), context, bytes))
    }

    pub(super) fn flush_by(
        &mut self,
        context: &mut Context<'_>,
        write: WriteBy<W>,
        flush: EndBy<W>,
    ) -> Poll<io::Result<()>> {
        let Self { inner, sealer } = self;
        ready!(sealer.poll_drain(context, &mut |context, bytes| write(Pin::new(inner), context, bytes)))?;
        flush(Pin::new(inner), context)
    }

    pub(super) fn shut_down_by(
        &mut self,
        context: &mut Context<'_>,
        write: WriteBy<W>,
        shut_down: EndBy<W>,
    ) -> Poll<io::Result<()>> {
        let Self { inner, sealer } = self;
        ready!(sealer.poll_finish(context, &mut |context, bytes| write(Pin::new(inner), context, bytes)))?;
        if !sealer.is_shut_down {
            ready!(shut_down(Pin::new(inner), context))?;
            sealer.is_shut_down = true;
        }
        Poll::Ready(Ok(()))
    }
}

/// The inner writer's `poll_write`.
type Write<'w> = &'w mut dyn FnMut(&mut Context<'_>, &[u8]) -> Poll<io::Result<usize>>;

struct Sealer {
    frames: Pipeline<Seal>,
    sizes: Frames,
    tag_len: usize,
    filling: Zeroizing<Vec<u8>>,
    /// The sealed frame that is written, and how far.
    out: Vec<u8>,
    written: usize,
    spare: Vec<Vec<u8>>,
    /// Whether all is written, the last frame too.
    is_finished: bool,
    /// Whether the inner writer was shut down.
    is_shut_down: bool,
}

impl Sealer {
    fn new(session: AeadSession, prefix: [u8; 7], frames: Frames) -> Self {
        let tag_len = tag_len(&session);
        Self {
            frames: Pipeline::new(session, prefix, frames),
            sizes: frames,
            tag_len,
            filling: Zeroizing::default(),
            out: Vec::new(),
            written: 0,
            spare: Vec::with_capacity(frames.in_flight + 2),
            is_finished: false,
            is_shut_down: false,
        }
    }

    fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        data: &[u8],
        write: Write<'_>,
    ) -> Poll<io::Result<usize>> {
        if self.frames.is_closed() {
            return Poll::Ready(Err(FrameError::Closed.into()));
        }
        if let Some(failed) = self.frames.failed() {
            return Poll::Ready(Err(failed.clone().into()));
        }
        if self.filling.len() == self.sizes.len && !data.is_empty() {
            ready!(self.poll_begin(context, false, write))?;
        }
        if self.filling.capacity() == 0 {
            self.filling.reserve_exact(self.sizes.len + self.tag_len);
        }
        let count = data.len().min(self.sizes.len - self.filling.len());
        self.filling.extend_from_slice(&data[..count]);
        Poll::Ready(Ok(count))
    }

    /// Begins to seal the frame that was filled, when there is room, and writes what is sealed already.
    fn poll_begin(
        &mut self,
        context: &mut Context<'_>,
        is_last: bool,
        write: Write<'_>,
    ) -> Poll<io::Result<()>> {
        if let Poll::Ready(Err(error)) = self.poll_drain(context, write) {
            return Poll::Ready(Err(error));
        }
        if !self.frames.has_room() {
            return Poll::Pending;
        }
        let text = mem::replace(&mut *self.filling, self.spare.pop().unwrap_or_default());
        if let Err(error) = self.frames.begin(text, Tag::default(), is_last) {
            return Poll::Ready(Err(self.frames.fail(error).into()));
        }
        Poll::Ready(Ok(()))
    }

    /// Ready when nothing is in flight, and all that was sealed is written.
    fn poll_drain(&mut self, context: &mut Context<'_>, write: Write<'_>) -> Poll<io::Result<()>> {
        loop {
            while self.written < self.out.len() {
                match ready!(write(context, &self.out[self.written..]))? {
                    0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    count => self.written += count,
                }
            }
            let Some(sealed) = ready!(self.frames.poll_next(context)) else { return Poll::Ready(Ok(())) };
            let (mut frame, tag) = sealed?;
            // There is room for it.
            frame.extend_from_slice(tag.as_bytes());
            let mut old = mem::replace(&mut self.out, frame);
            self.written = 0;
            if old.capacity() > 0 {
                old.clear();
                self.spare.push(old);
            }
        }
    }

    /// Seals the last frame, and is ready when everything is written.
    fn poll_finish(&mut self, context: &mut Context<'_>, write: Write<'_>) -> Poll<io::Result<()>> {
        if !self.frames.is_closed() {
            // An empty frame has no buffer; its tag gets one.
            let room = self.sizes.len.min(self.filling.len()) + self.tag_len;
            if self.filling.capacity() < room {
                self.filling.reserve_exact(room);
            }
            ready!(self.poll_begin(context, true, &mut *write))?;
        }
        if !self.is_finished {
            ready!(self.poll_drain(context, write))?;
            self.is_finished = true;
        }
        Poll::Ready(Ok(()))
    }
}
