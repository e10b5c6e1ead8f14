//! Fds of a job's own, watched by async-io's reactor (smol, async-std).
//!
//! It watches each fd for one event at a time, and reports one that is readable already.

use std::io;
use std::os::fd::AsFd;
use std::task::{Context, Poll};

use ::async_io::Async;

use super::fd_watch::FdWatch;
use crate::job::WaitFd;

/// Waits for fds by the reactor of the `async-io` crate; for
/// [`JobFuture::watched_by`](super::JobFuture::watched_by).
#[derive(Debug, Default)]
pub struct AsyncIoFds {
    watched: Vec<(WaitFd, Async<WaitFd>)>,
}

impl FdWatch for AsyncIoFds {
    fn poll_readable(&mut self, fds: &[WaitFd], context: &mut Context<'_>) -> Poll<io::Result<()>> {
        for fd in fds {
            if !self.watched.iter().any(|(known, _)| known.is_same(fd)) {
                self.watched.push((fd.clone(), register(fd)?));
            }
        }
        let polled = self.watched.iter().map(|(_, fd)| fd.poll_readable(context));
        polled.fold(Poll::Pending, |so_far, polled| if polled.is_ready() { polled } else { so_far })
    }

    fn forget(&mut self) {
        self.watched.clear();
    }
}

fn register(fd: &WaitFd) -> io::Result<Async<WaitFd>> {
    match Async::new_nonblocking(fd.clone()) {
        // Another future waits for it.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Async::new_nonblocking(fd.as_fd().try_clone_to_owned()?.into())
        }
        registered => registered,
    }
}
