//! What can go wrong with a sealed stream, beside what its inner reader or writer reports.

use std::io;

use super::Frames;
use crate::error::Error;

/// Why a sealed stream does not go on. It is inside of the [`io::Error`] that a
/// [`SealWriter`](super::SealWriter) or an [`OpenReader`](super::OpenReader) returns:
/// `error.get_ref()` downcasts to it.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The writer was shut down. Kind: `BrokenPipe`.
    #[error("the sealed stream was shut down")]
    Closed,
    /// The device did not seal or open this frame, counted from 0. Where the error is
    /// [retryable](Error::is_retryable), the frame is kept, and the next call tries it again; else the stream
    /// is over. Kind: `TimedOut` for [`Error::Timeout`], `OutOfMemory` for [`Error::NoMemory`], else `Other`.
    #[error("frame {frame}: {error}")]
    Device {
        /// The number of the frame.
        frame: u64,
        /// What the device, or the engine, says.
        #[source]
        error: Error,
    },
    /// Frames of this size, or so many in flight, are not possible. Kind: `InvalidInput`.
    #[error(
        "frames of {len} bytes, {in_flight} in flight: 1 to {} bytes and 1 to {} frames are possible",
        Frames::MAX_LEN,
        Frames::MAX_IN_FLIGHT
    )]
    Frames {
        /// Bytes of a frame.
        len: usize,
        /// Frames in flight.
        in_flight: usize,
    },
    /// A stream has at most 2³² frames. Kind: `FileTooLarge`.
    #[error("a sealed stream has at most 2^32 frames")]
    TooLong,
    /// The stream ends, and what it ends with is not its last frame: it was cut off, or its end was changed.
    /// What was read is authentic, and not all there was. Kind: `UnexpectedEof`.
    #[error("the sealed stream was cut off, or its end was changed")]
    Truncated,
    /// This frame, counted from 0, is not what was sealed at its place: bytes were changed, a frame was
    /// added, left out or moved, or key, prefix or size of the frames are others. Kind: `InvalidData`.
    #[error("frame {frame} of the sealed stream is not authentic")]
    Unauthentic {
        /// The number of the frame.
        frame: u64,
    },
}

impl FrameError {
    const fn kind(&self) -> io::ErrorKind {
        match self {
            Self::Closed => io::ErrorKind::BrokenPipe,
            Self::Device { error: Error::Timeout, .. } => io::ErrorKind::TimedOut,
            Self::Device { error: Error::NoMemory, .. } => io::ErrorKind::OutOfMemory,
            Self::Device { .. } => io::ErrorKind::Other,
            Self::Frames { .. } => io::ErrorKind::InvalidInput,
            Self::TooLong => io::ErrorKind::FileTooLarge,
            Self::Truncated => io::ErrorKind::UnexpectedEof,
            Self::Unauthentic { .. } => io::ErrorKind::InvalidData,
        }
    }
}

impl From<FrameError> for io::Error {
    fn from(error: FrameError) -> Self {
        Self::new(error.kind(), error)
    }
}
