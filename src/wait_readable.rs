//! The simplest event loop: wait until one of a few fds is readable.

use std::io;
use std::os::fd::RawFd;

/// Blocks until at least one of `fds` is readable (or has an error or hang-up, which a resume will find out);
/// returns how many are. An interrupted wait goes on. Negative numbers are none; with no fds it returns 0 at once.
///
/// For programs with many fds there is epoll: see `examples/event_loop.rs`.
///
/// # Errors
/// What `poll(2)` says; `EINVAL` for more fds than the process may have open.
pub fn wait_readable(fds: &[RawFd]) -> io::Result<usize> {
    let mut polled: Vec<libc::pollfd> = fds
        .iter()
        .filter(|fd| **fd >= 0)
        .map(|&fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 })
        .collect();
    while !polled.is_empty() {
        match poll(&mut polled) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
    Ok(0)
}

#[expect(unsafe_code, reason = "poll(2) on raw fds, which a wait context may hold any number of")]
fn poll(fds: &mut [libc::pollfd]) -> io::Result<usize> {
    let count = libc::nfds_t::try_from(fds.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: the pointer and the count describe one exclusively borrowed slice of `pollfd`.
    let ready = unsafe { libc::poll(fds.as_mut_ptr(), count, -1) };
    usize::try_from(ready).map_err(|_| io::Error::last_os_error())
}
