//! The simplest event loop: waits until one of a few fds is readable, with or without a time limit.
//!
//! Programs with many fds use epoll: see `examples/event_loop.rs`.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};

use crate::error::OsError;
use crate::job::WaitCtx;

/// Why [`wait_readable`] and [`wait_readable_timeout`] did not wait. As an [`io::Error`] the first is
/// [`InvalidInput`](io::ErrorKind::InvalidInput).
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WaitError {
    /// There is no fd to wait for, so the wait would never end. A wait context has none while nothing is
    /// registered. Under `delivery=poll` wait for [`Engine::interrupt_fd`](crate::Engine::interrupt_fd) and
    /// call [`Engine::poll`](crate::Engine::poll); with a callback wait for that; resume a job that pauses by
    /// itself at any time.
    #[error(
        "no fd to wait for: the list has none (under delivery=poll, wait for Engine::interrupt_fd and call Engine::poll)"
    )]
    NoFds,
    /// `poll(2)` failed: `EINVAL` for more fds than the process may have open.
    #[error("poll: {0}")]
    Poll(OsError),
}

impl From<WaitError> for io::Error {
    fn from(error: WaitError) -> Self {
        match error {
            WaitError::NoFds => Self::new(io::ErrorKind::InvalidInput, error),
            WaitError::Poll(error) => error.into(),
        }
    }
}

/// Blocks until at least one of `fds` is readable (or has an error or hang-up, which a resume will find out).
/// Returns how many are. An interrupted wait continues. The list is [`WaitCtx::all_fds`], or of anything else
/// that is an fd.
///
/// If a wake may be lost, use [`wait_readable_timeout`]: this call would never return.
///
/// # Errors
/// [`WaitError::NoFds`] when there is nothing to wait for, [`WaitError::Poll`] for an error of `poll(2)`.
pub fn wait_readable(fds: &[impl AsFd]) -> Result<usize, WaitError> {
    poll_until(fds, None)
}

/// As [`wait_readable`], for at most `timeout`. Returns whether one of `fds` is readable. Zero looks without
/// waiting.
///
/// # Examples
///
/// A job whose wake is lost is dropped, which takes its request back:
///
/// ```
/// use std::time::Duration;
/// use simaccel::{Cipher, Config, Engine, Job, Step, WaitCtx, wait_readable_timeout};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let engine = Engine::open(Config::parse("fault=drop_wake")?)?;
/// let session = engine.cipher(Cipher::Aes128Ctr, &[1; 16])?;
/// let ctx = WaitCtx::new();
/// let mut job = Job::new(&ctx, move || session.encrypt(&[2; 16], vec![3; 64]))?;
/// assert!(matches!(job.resume()?, Step::Paused));
/// if !wait_readable_timeout(&ctx.all_fds(), Duration::from_millis(20))? {
///     drop(job);
/// }
/// assert_eq!(engine.stats().abandoned, 1);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`wait_readable`].
pub fn wait_readable_timeout(fds: &[impl AsFd], timeout: Duration) -> Result<bool, WaitError> {
    // A time beyond the clock's range is for ever.
    let until = Instant::now().checked_add(timeout);
    poll_until(fds, until).map(|ready| ready > 0)
}

impl WaitCtx {
    /// Whether a wait fd of this context is readable now (or has an error or hang-up): whether it is worth it
    /// to resume its job. Asks the kernel once and does not wait, so a test that expects a wake fails where
    /// [`wait_readable`] would hang. A resume is allowed in any case. If the kernel cannot be asked, returns
    /// `true`.
    ///
    /// It looks at the fds and nothing else. It is `false` with a callback, which is called instead, and
    /// under `delivery=poll`, which has no fds: there [`Engine::poll`](crate::Engine::poll) tells.
    pub fn is_woken(&self) -> bool {
        match wait_readable_timeout(&self.all_fds(), Duration::ZERO) {
            Ok(is_readable) => is_readable,
            Err(WaitError::NoFds) => false,
            Err(WaitError::Poll(_)) => true,
        }
    }
}

/// `None`: without a time limit.
fn poll_until(fds: &[impl AsFd], until: Option<Instant>) -> Result<usize, WaitError> {
    if fds.is_empty() {
        return Err(WaitError::NoFds);
    }
    let mut polled: Vec<PollFd<'_>> =
        fds.iter().map(|fd| PollFd::new(fd.as_fd(), PollFlags::POLLIN)).collect();
    loop {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()).into());
        match ppoll(&mut polled, left, None) {
            Ok(ready) => return Ok(usize::try_from(ready).unwrap_or(0)),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(WaitError::Poll(io::Error::from(error).into())),
        }
    }
}
