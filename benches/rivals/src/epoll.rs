//! One epoll for all sides that wait for eventfds.

use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::sys::epoll::{self, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::harness::Outcome;

/// Events taken per wait.
const EVENTS: usize = 64;

/// An epoll instance and the room for its events.
#[derive(Debug)]
pub(crate) struct Epoll {
    epoll: epoll::Epoll,
    events: Vec<EpollEvent>,
}

impl Epoll {
    pub(crate) fn new() -> Outcome<Self> {
        let epoll = epoll::Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        Ok(Self { epoll, events: vec![EpollEvent::empty(); EVENTS] })
    }

    pub(crate) fn add(&self, fd: impl AsFd, slot: usize) -> Outcome<()> {
        Ok(self.epoll.add(fd, EpollEvent::new(EpollFlags::EPOLLIN, slot as u64))?)
    }

    /// Sleeps until something is readable; hands out what was registered with it.
    pub(crate) fn wait(&mut self) -> Outcome<impl Iterator<Item = usize> + use<'_>> {
        let count = match self.epoll.wait(&mut self.events, EpollTimeout::NONE) {
            Err(Errno::EINTR) => 0,
            outcome => outcome?,
        };
        Ok(self.events[..count].iter().map(|event| event.data() as usize))
    }
}
