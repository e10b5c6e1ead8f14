//! Frames of one direction on their way through the device: begun in order, and given back in order.
//!
//! The nonce of a frame is that of STREAM with a 32-bit big-endian counter (Hoang, Reyhanitabar, Rogaway and
//! Vizár, "Online Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance", CRYPTO 2015, 7;
//! `StreamBE32` of the crate `aead-stream` is this layout):
//!
//! ```text
//!   │ prefix, 7 bytes │ number of the frame, 4 bytes, big-endian │ 1 for the last frame, else 0 │
//! ```
//!
//! There is no additional data.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use simaccel_device::Tag;
use zeroize::Zeroize;

use super::{FrameError, Frames};
use crate::engine::AeadSession;
use crate::error::{Error, OpError};
use crate::future::in_flight::InFlight;
use crate::future::operation::{InPlace, Kind, OpFuture, Tagged};

/// A text, and its tag where there is one.
pub(super) type Text = (Vec<u8>, Tag);

/// Sealing, or opening.
pub(super) trait Direction: Unpin + 'static {
    type Kind: Kind;

    fn begin(session: &AeadSession, nonce: &[u8], text: Vec<u8>, tag: &Tag) -> OpFuture<Self::Kind>;

    fn output(output: <Self::Kind as Kind>::Output<Vec<u8>>) -> Text;
}

pub(super) enum Seal {}

impl Direction for Seal {
    type Kind = Tagged;

    fn begin(session: &AeadSession, nonce: &[u8], text: Vec<u8>, _tag: &Tag) -> OpFuture<Tagged> {
        session.seal_async(nonce, &[], text)
    }

    fn output(output: Text) -> Text {
        output
    }
}

pub(super) enum Open {}

impl Direction for Open {
    type Kind = InPlace;

    fn begin(session: &AeadSession, nonce: &[u8], text: Vec<u8>, tag: &Tag) -> OpFuture<InPlace> {
        session.open_async(nonce, &[], text, tag.as_bytes())
    }

    fn output(output: Vec<u8>) -> Text {
        (output, Tag::default())
    }
}

/// A frame on its way, with the tag that it was begun with.
struct Frame<D: Direction> {
    operation: OpFuture<D::Kind>,
    tag: Tag,
}

impl<D: Direction> Future for Frame<D> {
    type Output = Result<Text, (OpError, Tag)>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = Pin::new(&mut self.operation).poll(context);
        polled.map(|outcome| outcome.map(D::output).map_err(|error| (error, self.tag)))
    }
}

pub(super) struct Pipeline<D: Direction> {
    session: AeadSession,
    prefix: [u8; 7],
    in_flight: InFlight<Frame<D>>,
    /// A frame that has failed, before those in flight.
    again: Option<Frame<D>>,
    begun: u64,
    /// How many have come back.
    ended: u64,
    /// Whether the last frame was begun.
    is_closed: bool,
    /// The end of the stream.
    failed: Option<FrameError>,
}

impl<D: Direction> Pipeline<D> {
    pub(super) fn new(session: AeadSession, prefix: [u8; 7], frames: Frames) -> Self {
        let in_flight = InFlight::ordered(frames.in_flight);
        Self { session, prefix, in_flight, again: None, begun: 0, ended: 0, is_closed: false, failed: None }
    }

    pub(super) fn has_room(&self) -> bool {
        !self.in_flight.is_full()
    }

    /// Whether the last frame was begun.
    pub(super) const fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// The error that the stream is over by.
    pub(super) const fn failed(&self) -> Option<&FrameError> {
        self.failed.as_ref()
    }

    /// Begins the next frame; there is room. What was begun before comes back before an error.
    pub(super) fn begin(&mut self, mut text: Vec<u8>, tag: Tag, is_last: bool) -> Result<(), FrameError> {
        let nonce = nonce(self.prefix, self.begun, is_last).inspect_err(|_| text.zeroize())?;
        let frame = Frame { operation: D::begin(&self.session, &nonce, text, &tag), tag };
        self.begun += 1;
        self.is_closed = is_last;
        if self.in_flight.push(frame).is_err() {
            unreachable!("there is room");
        }
        Ok(())
    }

    /// The text of the next frame, and its tag; `None`: none is in flight.
    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Text, FrameError>>> {
        if let Some(failed) = &self.failed {
            return Poll::Ready(Some(Err(failed.clone())));
        }
        let ended = match &mut self.again {
            Some(again) => Some(ready!(Pin::new(again).poll(context))),
            None => ready!(self.in_flight.poll_next(context)),
        };
        self.again = None;
        Poll::Ready(ended.map(|outcome| match outcome {
            Ok(text) => {
                self.ended += 1;
                Ok(text)
            }
            Err((error, tag)) => Err(self.failure(error, tag)),
        }))
    }

    /// Ends the stream.
    pub(super) fn fail(&mut self, error: FrameError) -> FrameError {
        self.failed.insert(error).clone()
    }

    fn failure(&mut self, error: OpError, tag: Tag) -> FrameError {
        let (error, mut text) = error.into_parts();
        let (frame, is_last) = (self.ended, self.is_closed && self.ended + 1 == self.begun);
        if error.is_retryable() {
            match nonce(self.prefix, frame, is_last) {
                Ok(nonce) => {
                    let operation = D::begin(&self.session, &nonce, text, &tag);
                    self.again = Some(Frame { operation, tag });
                    return FrameError::Device { frame, error };
                }
                Err(error) => return self.fail(error),
            }
        }
        text.zeroize();
        self.fail(match error {
            Error::AuthFailed if is_last => FrameError::Truncated,
            Error::AuthFailed => FrameError::Unauthentic { frame },
            error => FrameError::Device { frame, error },
        })
    }
}

/// The greatest number is the last frame's alone, as in `aead-stream`.
fn nonce(prefix: [u8; 7], number: u64, is_last: bool) -> Result<[u8; 12], FrameError> {
    let number = u32::try_from(number).ok().filter(|number| is_last || *number < u32::MAX);
    let number = number.ok_or(FrameError::TooLong)?.to_be_bytes();
    let mut nonce = [0; 12];
    nonce[..7].copy_from_slice(&prefix);
    nonce[7..11].copy_from_slice(&number);
    nonce[11] = is_last.into();
    Ok(nonce)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_nonce_comes_twice_and_the_greatest_number_is_the_last_frames() {
        let prefix = [1, 2, 3, 4, 5, 6, 7];
        assert_eq!(nonce(prefix, 0x0a0b, false), Ok([1, 2, 3, 4, 5, 6, 7, 0, 0, 10, 11, 0]));
        assert_eq!(nonce(prefix, 0x0a0b, true), Ok([1, 2, 3, 4, 5, 6, 7, 0, 0, 10, 11, 1]));
        let greatest = u64::from(u32::MAX);
        assert_eq!(nonce(prefix, greatest, true), Ok([1, 2, 3, 4, 5, 6, 7, 255, 255, 255, 255, 1]));
        assert_eq!(nonce(prefix, greatest, false), Err(FrameError::TooLong));
        assert_eq!(nonce(prefix, greatest + 1, true), Err(FrameError::TooLong));
    }
}
