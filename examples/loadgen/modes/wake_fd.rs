//! By wake fd: epoll, updated with the changes that the wait contexts report.

use std::os::fd::AsFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use simaccel::WaitCtx;

use super::{Wakes, event_loop};
use crate::failure::Failure;

/// Events taken per wait.
const EVENTS: usize = 256;

pub(super) struct WakeFd {
    epoll: Epoll,
    events: Vec<EpollEvent>,
}

impl WakeFd {
    pub(super) fn new() -> Result<Self, Failure> {
        let epoll =
            Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(|error| event_loop("epoll_create", error))?;
        Ok(Self { epoll, events: vec![EpollEvent::empty(); EVENTS] })
    }
}

impl WakeFd {
    /// Sleeps until epoll has an event, or for a time. Epoll itself counts in milliseconds.
    fn sleep(&self, most: Duration) -> Result<(), Failure> {
        if most.is_zero() {
            return Ok(());
        }
        let mut epoll = [PollFd::new(self.epoll.0.as_fd(), PollFlags::POLLIN)];
        match ppoll(&mut epoll, Some(most.into()), None) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(error) => Err(event_loop("ppoll", error)),
        }
    }
}

impl Wakes for WakeFd {
    fn attach(&mut self, _slot: usize, _ctx: &WaitCtx) {}

    /// Deleted fds come first, because an added one may reuse a closed number.
    fn paused(&mut self, slot: usize, ctx: Option<&WaitCtx>) -> Result<(), Failure> {
        let Some(ctx) = ctx else { return Ok(()) };
        let changed = ctx.changed_fds();
        for fd in changed.deleted {
            // A closed fd has left epoll already, so it may be gone.
            let _ = self.epoll.delete(fd);
        }
        for fd in changed.added {
            let event = EpollEvent::new(EpollFlags::EPOLLIN, slot as u64);
            self.epoll.add(fd, event).map_err(|error| event_loop("epoll_ctl", error))?;
        }
        Ok(())
    }

    fn wait(&mut self, ready: &mut Vec<usize>, most: Option<Duration>) -> Result<(), Failure> {
        let timeout = match most {
            None => EpollTimeout::NONE,
            Some(most) => {
                self.sleep(most)?;
                EpollTimeout::ZERO
            }
        };
        let count = match self.epoll.wait(&mut self.events, timeout) {
            Ok(count) => count,
            Err(Errno::EINTR) => 0,
            Err(error) => return Err(event_loop("epoll_wait", error)),
        };
        let slot = |event: &EpollEvent| usize::try_from(event.data()).ok();
        ready.extend(self.events[..count].iter().filter_map(slot));
        Ok(())
    }
}
