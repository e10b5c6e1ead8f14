//! The way out: frames are read, opened on the device, and given out in order.
//!
//! ```text
//!   the inner reader ─► filling ─► whole ── more follows, or the end: the last one ─► in flight ─► plain ─► read
//! ```
//!
//! A frame is known to be the last one by the end of the inner reader alone, so a whole frame waits for the
//! byte after it.

use std::fmt;
use std::io;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use simaccel_device::Tag;
use zeroize::Zeroize;

use super::pipeline::{Open, Pipeline};
use super::seal::tag_len;
use super::{FrameError, Frames};
use crate::engine::AeadSession;

/// Opens what a [`SealWriter`](super::SealWriter), or anything else that speaks STREAM with 32-bit big-endian
/// counters, has sealed: an `AsyncRead` and an `AsyncBufRead` of tokio (feature `tokio`) or of futures-io
/// (feature `futures-io`), as `R` is an `AsyncRead` of theirs.
///
/// It reads ahead as many frames as may be in flight, and gives out a frame when the whole of it is
/// authentic, and at its place. **Only the end says that all was read**: until then, what was read may have
/// been cut off.
///
/// - A stream that is cut off, or whose last frame was changed, ends with [`FrameError::Truncated`], of kind
///   `UnexpectedEof`; so does one without any frame. A frame before the last that is not authentic ends it
///   with [`FrameError::Unauthentic`]. What comes before is given out first, and every later call has the
///   same error.
/// - *Errors* of `R` are passed on when the frames before them were given out, and the next call reads on. A
///   frame whose error on the device is retryable is tried again by the next call.
///
/// *Cancel safe*: `read` has given bytes only where it is ready. Dropping it takes the frames in flight back,
/// and wipes what was opened and not read.
///
/// `R` is `Unpin`.
pub struct OpenReader<R> {
    inner: R,
    opener: Opener,
}

impl<R> OpenReader<R> {
    /// Frames of 64 KiB, 8 of them in flight.
    pub fn new(session: AeadSession, prefix: [u8; 7], inner: R) -> Self {
        Self::with_frames(session, prefix, inner, Frames::default())
    }

    /// Frames of this size, which is that of the writer, as many in flight.
    pub fn with_frames(session: AeadSession, prefix: [u8; 7], inner: R, frames: Frames) -> Self {
        Self { inner, opener: Opener::new(session, prefix, frames) }
    }

    /// The inner reader.
    pub const fn get_ref(&self) -> &R {
        &self.inner
    }

    /// The inner reader. What is read from it is missing here.
    pub const fn get_mut(&mut self) -> &mut R {
        &mut self.inner
    }

    /// The inner reader. What was read ahead is lost: text that was opened and not read, which is wiped, and
    /// up to as many frames as may be in flight, and two more.
    pub fn into_inner(self) -> R {
        self.inner
    }

    /// The size of the frames, and how many are in flight at most.
    pub const fn frames(&self) -> Frames {
        self.opener.sizes
    }

    /// Text that was opened, and not read yet: what the next read gives without waiting.
    pub fn buffer(&self) -> &[u8] {
        &self.opener.plain[self.opener.read..]
    }
}

impl<R: fmt::Debug> fmt::Debug for OpenReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenReader").field("inner", &self.inner).finish_non_exhaustive()
    }
}

/// The `poll_read` of a trait, as the inner reader has it.
pub(super) type ReadBy<R> = fn(Pin<&mut R>, &mut Context<'_>, &mut [u8]) -> Poll<io::Result<usize>>;

/// What the traits of tokio and of futures-io have in common.
impl<R: Unpin> OpenReader<R> {
    pub(super) fn fill_by(&mut self, context: &mut Context<'_>, read: ReadBy<R>) -> Poll<io::Result<&[u8]>> {
        let Self { inner, opener } = self;
        opener.poll_plain(context, &mut |context, into| read(Pin::new(inner), context, into))
    }

    /// Passes up to `room` bytes to `take`, and returns how many.
    pub(super) fn read_by(
        &mut self,
        context: &mut Context<'_>,
        room: usize,
        read: ReadBy<R>,
        take: impl FnOnce(&[u8]),
    ) -> Poll<io::Result<usize>> {
        if room == 0 {
            return Poll::Ready(Ok(0));
        }
        let text = ready!(self.fill_by(context, read))?;
        let count = text.len().min(room);
        take(&text[..count]);
        self.consume_text(count);
        Poll::Ready(Ok(count))
    }

    pub(super) fn consume_text(&mut self, count: usize) {
        self.opener.consume(count);
    }
}

/// The inner reader's `poll_read`: bytes that were read; 0 at its end.
type Read<'r> = &'r mut dyn FnMut(&mut Context<'_>, &mut [u8]) -> Poll<io::Result<usize>>;

struct Opener {
    frames: Pipeline<Open>,
    sizes: Frames,
    /// Bytes of a sealed frame that is not the last one, and of its tag.
    sealed_len: usize,
    tag_len: usize,
    /// As long as a sealed frame; the bytes that were read.
    filling: Vec<u8>,
    filled: usize,
    /// A frame of full length: the last one, if nothing follows.
    whole: Option<Vec<u8>>,
    /// The inner reader's end was seen.
    has_ended: bool,
    /// The error behind the frames in flight: the stream's, or the inner reader's.
    fault: Option<FrameError>,
    inner_error: Option<io::Error>,
    /// What was opened, and how much of it was read.
    plain: Vec<u8>,
    read: usize,
    spare: Vec<Vec<u8>>,
}

impl Opener {
    fn new(session: AeadSession, prefix: [u8; 7], frames: Frames) -> Self {
        let tag_len = tag_len(&session);
        Self {
            frames: Pipeline::new(session, prefix, frames),
            sizes: frames,
            sealed_len: frames.len + tag_len,
            tag_len,
            filling: Vec::new(),
            filled: 0,
            whole: None,
            has_ended: false,
            fault: None,
            inner_error: None,
            plain: Vec::new(),
            read: 0,
            spare: Vec::with_capacity(frames.in_flight + 2),
        }
    }

    /// Text that was not read yet; empty at the end.
    fn poll_plain(&mut self, context: &mut Context<'_>, read: Read<'_>) -> Poll<io::Result<&[u8]>> {
        while self.read == self.plain.len() {
            let filled = self.poll_fill(context, &mut *read);
            match ready!(self.frames.poll_next(context)) {
                Some(opened) => {
                    let (text, _) = opened?;
                    let old = mem::replace(&mut self.plain, text);
                    self.read = 0;
                    if old.capacity() > 0 {
                        self.spare.push(old);
                    }
                }
                None if self.frames.is_closed() => break,
                None => {
                    if let Some(fault) = self.fault.take() {
                        return Poll::Ready(Err(self.frames.fail(fault).into()));
                    }
                    if let Some(error) = self.inner_error.take() {
                        return Poll::Ready(Err(error));
                    }
                    ready!(filled);
                }
            }
        }
        Poll::Ready(Ok(&self.plain[self.read..]))
    }

    /// So much of the text was read.
    fn consume(&mut self, count: usize) {
        self.read = self.read.saturating_add(count).min(self.plain.len());
    }

    /// Reads ahead while there is room on the device. Ready: it has no room, or there is nothing more to
    /// read.
    fn poll_fill(&mut self, context: &mut Context<'_>, read: Read<'_>) -> Poll<()> {
        while self.may_read() {
            if self.whole.is_none() && self.filled > 0 && self.filled == self.sealed_len {
                self.whole = Some(mem::take(&mut self.filling));
                self.filled = 0;
            }
            if self.filling.len() != self.sealed_len {
                if self.filling.capacity() == 0 {
                    self.filling = self.spare.pop().unwrap_or_default();
                }
                self.filling.resize(self.sealed_len, 0);
            }
            match ready!(read(context, &mut self.filling[self.filled..])) {
                Ok(0) => self.end(),
                Ok(count) => {
                    if let Some(whole) = self.whole.take() {
                        self.begin(whole, false);
                    }
                    self.filled += count;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => self.inner_error = Some(error),
            }
        }
        Poll::Ready(())
    }

    fn may_read(&self) -> bool {
        let is_open = !self.has_ended && self.fault.is_none() && self.inner_error.is_none();
        is_open && self.frames.failed().is_none() && self.frames.has_room()
    }

    fn end(&mut self) {
        self.has_ended = true;
        let last = self.whole.take().or_else(|| {
            // What is too short stays: behind it there may be text of an earlier frame, which the drop wipes.
            (self.filled >= self.tag_len).then(|| {
                let mut last = mem::take(&mut self.filling);
                last.truncate(mem::take(&mut self.filled));
                last
            })
        });
        match last {
            Some(last) => self.begin(last, true),
            // Less than a tag, or nothing at all.
            None => self.fault = Some(FrameError::Truncated),
        }
    }

    /// Begins to open a frame, which has a tag.
    fn begin(&mut self, mut frame: Vec<u8>, is_last: bool) {
        let tag = Tag::new(&frame[frame.len() - self.tag_len..]).unwrap_or_default();
        frame.truncate(frame.len() - self.tag_len);
        self.fault = self.frames.begin(frame, tag, is_last).err();
    }
}

/// Buffers that are used again may hold text of earlier frames.
impl Drop for Opener {
    fn drop(&mut self) {
        self.plain.zeroize();
        self.filling.zeroize();
        self.whole.zeroize();
        self.spare.iter_mut().for_each(Zeroize::zeroize);
    }
}
