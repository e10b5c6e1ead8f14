//! Which fds are readable, and how many there are.

use std::os::fd::AsFd;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// For each of `fds`, whether it is readable now.
pub(crate) fn readable(fds: &[impl AsFd]) -> Vec<bool> {
    if fds.is_empty() {
        return Vec::new();
    }
    let mut polled: Vec<PollFd<'_>> =
        fds.iter().map(|fd| PollFd::new(fd.as_fd(), PollFlags::POLLIN)).collect();
    while poll(&mut polled, PollTimeout::ZERO) == Err(nix::errno::Errno::EINTR) {}
    polled.iter().map(|fd| fd.any() == Some(true)).collect()
}

/// How many fds this process has open.
pub(crate) fn open() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}
