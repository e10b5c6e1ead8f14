//! A stream of bytes, sealed in frames by the device on its way to a writer, and opened on its way from a
//! reader.
//!
//! ```text
//!   write ─► a frame is filled ─► seal ┐ in flight, N at most ┌─► in order ─► the inner writer
//!                                 seal ┤                      │
//!                                 seal ┘                      ┘
//!   read ◄── in order ◄── open, N at most ◄── a frame is whole, and there is more, or the end ◄── the inner reader
//! ```
//!
//! Nothing here reads or writes by itself: each direction is a machine that is given the inner one's
//! `poll_read` or `poll_write`, so the traits of tokio and of futures-io are thin.

mod error;
#[cfg(feature = "futures-io")]
mod futures_io;
mod open;
mod pipeline;
mod seal;
#[cfg(feature = "tokio")]
mod tokio;

pub use error::FrameError;
pub use open::OpenReader;
pub use seal::SealWriter;

/// The size of the frames of a sealed stream, and how many are in flight: 64 KiB and 8, if nothing else is
/// said.
///
/// Both ends of a stream use the same size. How many are in flight is each end's own matter: a direction
/// keeps up to as many buffers of a frame, and two more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frames {
    len: usize,
    in_flight: usize,
}

impl Frames {
    /// Bytes of text of the longest frames.
    pub const MAX_LEN: usize = 16 << 20;

    /// The most frames in flight.
    pub const MAX_IN_FLIGHT: usize = 1_024;

    /// Frames of `len` bytes of text, `in_flight` of them on the device at once.
    ///
    /// # Errors
    /// [`FrameError::Frames`]: one of them is 0, or above [`MAX_LEN`](Self::MAX_LEN) or
    /// [`MAX_IN_FLIGHT`](Self::MAX_IN_FLIGHT).
    pub const fn new(len: usize, in_flight: usize) -> Result<Self, FrameError> {
        let fits = len > 0 && len <= Self::MAX_LEN && in_flight > 0 && in_flight <= Self::MAX_IN_FLIGHT;
        if fits { Ok(Self { len, in_flight }) } else { Err(FrameError::Frames { len, in_flight }) }
    }

    /// Bytes of text of a frame. The last frame of a stream may have less; a sealed frame has its tag
    /// besides.
    #[expect(clippy::len_without_is_empty, reason = "no frame size is 0")]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// How many frames are on the device at once, at most.
    pub const fn in_flight(&self) -> usize {
        self.in_flight
    }
}

impl Default for Frames {
    fn default() -> Self {
        Self { len: 64 << 10, in_flight: 8 }
    }
}
