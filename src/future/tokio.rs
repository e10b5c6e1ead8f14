//! Fds of a job's own, watched by tokio's reactor.
//!
//! tokio registers an fd edge-triggered, and keeps what it has seen until it is cleared. Here each pause of
//! the job has a registration of its own, which reports an fd that is readable already, and which ends before
//! the job goes on and reads it. So no edge is missed, and none is kept.
#![expect(unsafe_code, reason = "registers fds that stay open")]

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::task::{Context, Poll};

use ::tokio::io::Interest;
use ::tokio::io::unix::AsyncFd;

use super::fd_watch::FdWatch;
use crate::job::WaitFd;

/// Waits for fds by the reactor of the tokio runtime that polls the future; for
/// [`JobFuture::watched_by`](super::JobFuture::watched_by). The runtime has I/O enabled; outside of one, a
/// poll that has fds to watch panics.
#[derive(Debug, Default)]
pub struct TokioFds {
    watched: Vec<(WaitFd, AsyncFd<OwnedFd>)>,
}

impl FdWatch for TokioFds {
    fn poll_readable(&mut self, fds: &[WaitFd], context: &mut Context<'_>) -> Poll<io::Result<()>> {
        for fd in fds {
            if !self.watched.iter().any(|(known, _)| known.is_same(fd)) {
                self.watched.push((fd.clone(), register(fd)?));
            }
        }
        // All of them, because each keeps the waker of its latest poll.
        let polled = self.watched.iter().map(|(_, fd)| fd.poll_read_ready(context).map_ok(|_| ()));
        polled.fold(Poll::Pending, |so_far, polled| if polled.is_ready() { polled } else { so_far })
    }

    fn forget(&mut self) {
        self.watched.clear();
    }
}

/// Registers a duplicate: another future may wait for the same fd, and a reactor takes a number once.
fn register(fd: &WaitFd) -> io::Result<AsyncFd<OwnedFd>> {
    let duplicate = fd.as_fd().try_clone_to_owned()?;
    // SAFETY: an `OwnedFd` has one number for all its life, and is open for as long.
    unsafe { AsyncFd::register_with_interest(duplicate, Interest::READABLE) }.map_err(io::Error::from)
}
