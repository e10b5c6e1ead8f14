//! Errors, from the side of the caller that has to act on them.
//!
//! Misuse of the interface is separate from failures of the device. A failure of the device says whether
//! another try may help ([`Error::is_retryable`]). An error that ends an operation on owned buffers carries
//! them back ([`OpError`]).

use std::{fmt, io};

use simaccel_device::{ArgumentError, ChangeError, ConfigError, OpenError, SessionError};

use crate::job::{Misuse, NoJobs};

/// Why an operation did not succeed.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The tag or the padding of a message is wrong. The message was tampered with, or the key is wrong; the
    /// error says no more, and returns no plaintext.
    #[error("authentication failed")]
    AuthFailed,
    /// The device cannot be changed like this while it runs; the message says what can be changed, or how to
    /// open it.
    #[error(transparent)]
    Change(Box<ChangeError>),
    /// The engine was closed while the operation was in flight.
    #[error("the engine was closed")]
    Closed,
    /// The configuration text has a mistake; the message names the key and what is allowed.
    #[error(transparent)]
    Config(Box<ConfigError>),
    /// The device died (one of its workers panicked). Nothing succeeds until `engine.device().reset()`.
    #[error("the device is dead and needs a reset")]
    DeviceDead,
    /// The device failed this request. Another try may succeed.
    #[error("the device failed the request")]
    DeviceFailed,
    /// The operation, or the engine, was inherited across a `fork`. A child opens its own engine.
    #[error("the engine belongs to the parent process; open another after fork")]
    Forked,
    /// The function of a [call](crate::Engine::call) asked for an operation of the engine whose device runs
    /// it, on the device's own thread: it would wait for itself. Ask for it before or after the call, or use
    /// another engine.
    #[error(
        "an operation was asked for by the function that the device is running, which would wait for itself"
    )]
    Inside,
    /// A length or an initialisation vector does not fit the session; the message names it and what is
    /// allowed.
    #[error("invalid argument: {0}")]
    InvalidArgument(ArgumentError),
    /// The interface was used in a way that cannot work.
    #[error(transparent)]
    Misuse(#[from] Misuse),
    /// A blocking call on a stepped device ([`Engine::stepped`](crate::Engine::stepped)) has run out of
    /// events before its request has ended: a fault makes it, or the requests in all slots before it, wait
    /// for ever. The request was taken back. Set `timeout_msec`, which ends such requests, or remove the
    /// fault. (On a device with threads the same call blocks for ever, as on hardware that has lost a
    /// request.)
    #[error(
        "the request can never end: nothing is left to happen on the stepped device; timeout_msec would end it"
    )]
    NeverEnds,
    /// No more jobs in this thread's pool. Retry when another job has finished.
    #[error(transparent)]
    NoJobs(#[from] NoJobs),
    /// No memory for the request. Another try may succeed.
    #[error("out of memory at submission")]
    NoMemory,
    /// The output does not fit the given slice.
    #[error("the output needs {needed} bytes, the slice has {given}")]
    OutputTooSmall {
        /// Bytes of the output.
        needed: usize,
        /// Bytes of the slice.
        given: usize,
    },
    /// The system has no random bytes.
    #[error("no random bytes: {0}")]
    Random(OsError),
    /// The device was reset while the request was in flight. Another try may succeed.
    #[error("the device was reset")]
    Reset,
    /// The session cannot be created; the message says what is allowed.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The device reported success, and delivered less than the whole result. Another try may succeed.
    #[error("the device delivered {missing} bytes too few")]
    ShortOutput {
        /// Bytes that are missing.
        missing: usize,
    },
    /// An earlier piece of this multi-part operation failed or was given up, so its state is lost. Start
    /// again.
    #[error("an earlier part of this stream failed; start a new stream")]
    StreamPoisoned,
    /// This multi-part operation has been finished. Start a new one.
    #[error("the stream is finished; start a new stream")]
    StreamFinished,
    /// A thread (a worker of the device, the watchdog) could not be started.
    #[error("no thread for a worker of the device or the watchdog: {0}")]
    Thread(OsError),
    /// The request did not end within `timeout_msec`, or its end was not announced. It was taken back: the
    /// device does not touch its buffers any more. Another try may succeed (`max_retries` makes it). If this
    /// happens again and again, `engine.device().reset()` may help, or the limit is too short for the load.
    #[error("the device did not end the request in time")]
    Timeout,
    /// The eventfd that announces completions could not be created (`EMFILE`: too many open files) or read.
    /// Another try may succeed when files were closed.
    #[error("wake fd: {0}")]
    WakeFd(OsError),
}

/// In a box, because every operation returns an error's worth of bytes.
impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        Self::Config(Box::new(error))
    }
}

impl From<OpenError> for Error {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Config(error) => error.into(),
            OpenError::Thread(error) => Self::Thread(error.into()),
            _ => Self::Closed,
        }
    }
}

impl From<ChangeError> for Error {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Config(error) => error.into(),
            ChangeError::Forked => Self::Forked,
            other => Self::Change(Box::new(other)),
        }
    }
}

/// An error of the operating system: an [`io::Error`] that can be cloned and compared, and that converts into
/// one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct OsError {
    kind: io::ErrorKind,
    number: Option<i32>,
}

impl OsError {
    /// The error with this number (`errno`).
    pub fn from_raw_os_error(number: i32) -> Self {
        io::Error::from_raw_os_error(number).into()
    }

    /// The number (`errno`), if there is one.
    pub const fn raw_os_error(&self) -> Option<i32> {
        self.number
    }

    /// The kind of the error.
    pub const fn kind(&self) -> io::ErrorKind {
        self.kind
    }
}

impl From<io::Error> for OsError {
    fn from(error: io::Error) -> Self {
        Self { kind: error.kind(), number: error.raw_os_error() }
    }
}

impl From<OsError> for io::Error {
    fn from(error: OsError) -> Self {
        error.number.map_or_else(|| error.kind.into(), Self::from_raw_os_error)
    }
}

impl fmt::Display for OsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        io::Error::from(*self).fmt(f)
    }
}

impl fmt::Debug for OsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&io::Error::from(*self), f)
    }
}

impl std::error::Error for OsError {}

impl Error {
    /// Whether the same call may succeed later without any other change by the caller.
    pub const fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::DeviceFailed
                | Self::NoJobs(_)
                | Self::NoMemory
                | Self::Reset
                | Self::ShortOutput { .. }
                | Self::Thread(_)
                | Self::Timeout
                | Self::WakeFd(_)
        )
    }

    /// Whether the device failed, as opposed to the caller, the message or this process.
    pub const fn is_device_failure(&self) -> bool {
        matches!(
            self,
            Self::DeviceDead | Self::DeviceFailed | Self::Reset | Self::ShortOutput { .. } | Self::Timeout
        )
    }
}

/// An [`Error`] that returns the caller's buffers.
///
/// The buffer holds the caller's input, unchanged, with two exceptions. After [`Error::AuthFailed`] of a call
/// in place it is empty: its content was wiped (out of place, the destination is empty). After
/// [`Error::DeviceDead`] on a device without modelled latency, fallback, retries and timeout its content is
/// unspecified, because a worker died in the middle of it.
///
/// `?` turns it into an [`Error`] and drops the buffers.
//
// Boxed, so that the results of operations, which are moved several times, are as small as a buffer.
pub struct OpError<B = Vec<u8>>(Box<Parts<B>>);

struct Parts<B> {
    error: Error,
    buffer: B,
    destination: Option<B>,
}

impl<B> OpError<B> {
    #[cold]
    pub(crate) fn new(error: Error, buffer: B, destination: Option<B>) -> Self {
        Self(Box::new(Parts { error, buffer, destination }))
    }

    /// The error.
    pub fn error(&self) -> &Error {
        &self.0.error
    }

    /// The error and the buffer that went into the call.
    pub fn into_parts(self) -> (Error, B) {
        (self.0.error, self.0.buffer)
    }

    /// The error and both buffers of an out-of-place call.
    pub fn into_buffers(self) -> (Error, B, Option<B>) {
        let Parts { error, buffer, destination } = *self.0;
        (error, buffer, destination)
    }
}

impl OpError {
    /// Replaces the error with one that is made of this error and the buffer.
    #[cold]
    pub(crate) fn map(mut self, other: impl FnOnce(Error, &[u8]) -> Error) -> Self {
        let error = std::mem::replace(&mut self.0.error, Error::Closed);
        self.0.error = other(error, &self.0.buffer);
        self
    }
}

impl<B: AsRef<[u8]>> fmt::Debug for OpError<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpError")
            .field("error", &self.0.error)
            .field("buffer_len", &self.0.buffer.as_ref().len())
            .finish_non_exhaustive()
    }
}

impl<B> fmt::Display for OpError<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.error.fmt(f)
    }
}

impl<B: AsRef<[u8]>> std::error::Error for OpError<B> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0.error)
    }
}

impl<B> From<OpError<B>> for Error {
    fn from(error: OpError<B>) -> Self {
        error.0.error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every operation returns as many bytes, through several frames of an unoptimised build.
    #[test]
    fn an_error_is_small() {
        assert!(size_of::<Error>() <= 56, "{} bytes", size_of::<Error>());
    }

    #[test]
    fn an_error_of_the_operating_system_is_what_it_was_as_an_io_error() {
        let number = OsError::from_raw_os_error(libc::EMFILE);
        assert_eq!(number.raw_os_error(), Some(libc::EMFILE));
        let there = io::Error::from_raw_os_error(libc::EMFILE);
        assert_eq!((number.to_string(), number.kind()), (there.to_string(), there.kind()));
        assert_eq!(OsError::from(io::Error::from(number)), number);
        let kind = OsError::from(io::Error::from(io::ErrorKind::WouldBlock));
        assert_eq!((kind.raw_os_error(), kind.kind()), (None, io::ErrorKind::WouldBlock));
        assert_eq!(OsError::from(io::Error::from(kind)), kind);
    }
}
