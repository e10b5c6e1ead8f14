//! Protects this code from a cancellation of its thread (`pthread_cancel`) in the middle.
//!
//! The C library acts on a cancellation in certain system calls: `read`, `write`, `close`. It unwinds the
//! stack by force, and at a `catch_unwind`, or a frame that must not unwind, the process ends. Callers in C
//! may cancel their threads. What a thread does in here is short, so the cancellation waits until the thread
//! is back in the caller's code.
#![expect(unsafe_code, reason = "a thread's cancelability is the C library's")]

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::ptr;

/// `PTHREAD_CANCEL_DISABLE`, in all of Linux's C libraries.
const DISABLE: c_int = 1;

#[cfg(not(miri))]
unsafe extern "C" {
    fn pthread_setcancelstate(state: c_int, before: *mut c_int) -> c_int;
}

/// Miri cancels no thread.
#[cfg(miri)]
unsafe fn pthread_setcancelstate(_: c_int, _: *mut c_int) -> c_int {
    0
}

/// Runs `body` with cancellation disabled.
#[inline]
pub fn uncancelled<R>(body: impl FnOnce() -> R) -> R {
    let mut before = DISABLE;
    // SAFETY: a valid state, and a place for the one before.
    unsafe { pthread_setcancelstate(DISABLE, &raw mut before) };
    let _restore = Restore(before);
    body()
}

/// Restores the previous state, after a panic too.
struct Restore(c_int);

impl Drop for Restore {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: a state that was in force.
        unsafe { pthread_setcancelstate(self.0, ptr::null_mut()) };
    }
}

/// Adds `value` to an eventfd. The system call is made directly: only the C library's own `write` acts on a
/// cancellation, and preventing that costs two locked instructions.
///
/// # Errors
///
/// The error of `write(2)`.
#[inline]
pub fn write_eventfd(fd: impl AsFd, value: u64) -> io::Result<()> {
    let fd = fd.as_fd().as_raw_fd();
    // SAFETY: the fd is open while it is borrowed, and the kernel reads eight bytes of a `u64`.
    #[cfg(not(miri))]
    let written = unsafe { libc::syscall(libc::SYS_write, fd, &raw const value, size_of::<u64>()) };
    // SAFETY: as above; miri knows the call by its name only.
    #[cfg(miri)]
    let written = unsafe { libc::write(fd, (&raw const value).cast(), size_of::<u64>()) };
    if written < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Reads and resets the value of an eventfd; the counterpart of [`write_eventfd`].
///
/// # Errors
///
/// The error of `read(2)`.
#[inline]
pub fn read_eventfd(fd: impl AsFd) -> io::Result<u64> {
    let fd = fd.as_fd().as_raw_fd();
    let mut value = 0_u64;
    // SAFETY: the fd is open while it is borrowed, and the kernel writes eight bytes to a `u64`.
    #[cfg(not(miri))]
    let read = unsafe { libc::syscall(libc::SYS_read, fd, &raw mut value, size_of::<u64>()) };
    // SAFETY: as above; miri knows the call by its name only.
    #[cfg(miri)]
    let read = unsafe { libc::read(fd, (&raw mut value).cast(), size_of::<u64>()) };
    if read < 0 { Err(io::Error::last_os_error()) } else { Ok(value) }
}

#[cfg(test)]
mod tests {
    use nix::sys::eventfd::{EfdFlags, EventFd};

    use super::*;

    fn state() -> c_int {
        let mut state = -1;
        // SAFETY: as above.
        unsafe {
            pthread_setcancelstate(DISABLE, &raw mut state);
            pthread_setcancelstate(state, ptr::null_mut());
        }
        state
    }

    #[test]
    fn an_eventfd_adds_up_and_is_emptied() {
        let fd = EventFd::from_value_and_flags(0, EfdFlags::EFD_NONBLOCK).unwrap();
        let number = |outcome: io::Result<u64>| outcome.map_err(|error| error.raw_os_error());
        assert_eq!(number(read_eventfd(&fd)), Err(Some(libc::EAGAIN)));
        write_eventfd(&fd, 1).unwrap();
        write_eventfd(&fd, 1 << 32).unwrap();
        assert_eq!(number(read_eventfd(&fd)), Ok((1 << 32) + 1));
        assert_eq!(number(read_eventfd(&fd)), Err(Some(libc::EAGAIN)));
        assert_eq!(number(write_eventfd(&fd, u64::MAX).map(|()| 0)), Err(Some(libc::EINVAL)));
    }

    #[test]
    #[cfg_attr(miri, ignore = "miri cancels no thread, so there is no state")]
    fn the_state_before_comes_back() {
        let outside = state();
        assert_ne!(outside, DISABLE);
        assert_eq!(uncancelled(|| (state(), uncancelled(state), state())), (DISABLE, DISABLE, DISABLE));
        assert_eq!(state(), outside);
        let panicked = std::panic::catch_unwind(|| uncancelled(|| std::panic::resume_unwind(Box::new(()))));
        assert!(panicked.is_err());
        assert_eq!(state(), outside);
    }
}
