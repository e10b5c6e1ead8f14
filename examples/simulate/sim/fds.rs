//! Which fds are readable, and how many there are.
#![expect(unsafe_code, reason = "poll(2) takes fds as borrows, and a wait context reports numbers")]

use std::os::fd::{BorrowedFd, RawFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// For each of `fds`, whether it is readable at this moment. The caller keeps them open meanwhile.
pub(crate) fn readable(fds: &[RawFd]) -> Vec<bool> {
    if fds.is_empty() {
        return Vec::new();
    }
    // SAFETY: whoever reported the number keeps it open for the length of this call.
    let borrow = |&fd| PollFd::new(unsafe { BorrowedFd::borrow_raw(fd) }, PollFlags::POLLIN);
    let mut polled: Vec<PollFd<'_>> = fds.iter().map(borrow).collect();
    while poll(&mut polled, PollTimeout::ZERO) == Err(nix::errno::Errno::EINTR) {}
    polled.iter().map(|fd| fd.any() == Some(true)).collect()
}

/// How many fds this process has open.
pub(crate) fn open() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}
