//! How a job's fds are watched: the seam between a [`JobFuture`](super::JobFuture) and a reactor.

use std::io;
use std::task::{Context, Poll};

use crate::job::WaitFd;

/// How a [`JobFuture`](super::JobFuture) learns that an fd of its job is readable: by a thread of the crate's
/// own ([`OwnThread`](super::OwnThread)), or by the reactor of a runtime.
pub trait FdWatch {
    /// Whether one of `fds` is readable, or has failed. If none is, the waker of the latest call will be
    /// called when one becomes so. Until [`FdWatch::forget`], every call has the same fds.
    ///
    /// # Errors
    /// An fd cannot be watched. It is then looked at again and again.
    fn poll_readable(&mut self, fds: &[WaitFd], context: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Ends the watch of all fds: the job goes on, or is dropped.
    fn forget(&mut self);
}
