//! An fd to wait on, as an event loop takes it: a handle that keeps the fd open.
//!
//! ```text
//!   set_wait_fd(key, fd) ──► entry of the wait context ─┐
//!   all_fds(), changed_fds() ──► the application's list ├──► Arc<fd>    closed when the last of them lets go
//!   the code that registered it ────────────────────────┘
//! ```
//!
//! A borrow of the context could not promise that: a job, or a cleanup, may end a registration while the
//! application still holds its list. So each list holds handles of its own, and the application never polls a
//! number that has become another file's.

use std::any::Any;
use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::rc::Rc;
use std::sync::Arc;

/// An fd that becomes readable when it is time to go on: a wake fd of a wait context, or an engine's
/// interrupt.
///
/// It is a handle, cheap to clone and to send to other threads. The fd stays open as long as a handle to it
/// exists; its events end with the registration. An application that keeps a handle longer than that removes
/// it from its poll set: epoll reports an fd that was left readable until its last handle is dropped.
///
/// ```
/// use std::sync::Arc;
/// use simaccel::{WaitCtx, WaitFd};
/// use simaccel::job::WaitKey;
///
/// let (reader, _writer) = std::io::pipe()?;
/// let reader = Arc::new(reader);
/// let ctx = WaitCtx::new();
/// ctx.set_wait_fd(WaitKey::of(&*reader), Arc::clone(&reader), None, None);
/// assert!(!ctx.is_woken());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct WaitFd(Arc<dyn AsFd + Send + Sync>);

impl WaitFd {
    /// Whether both are handles of one fd.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl AsFd for WaitFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for WaitFd {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

/// For anything that is an fd and is shared with the code that registers it.
impl<T: AsFd + Send + Sync + 'static> From<Arc<T>> for WaitFd {
    fn from(fd: Arc<T>) -> Self {
        Self(fd)
    }
}

/// The same, of a type that is not named.
impl From<Arc<dyn AsFd + Send + Sync>> for WaitFd {
    fn from(fd: Arc<dyn AsFd + Send + Sync>) -> Self {
        Self(fd)
    }
}

/// The handle owns it.
impl From<OwnedFd> for WaitFd {
    fn from(fd: OwnedFd) -> Self {
        Self(Arc::new(fd))
    }
}

/// For an fd that stays open until the process ends, such as standard input.
impl From<BorrowedFd<'static>> for WaitFd {
    fn from(fd: BorrowedFd<'static>) -> Self {
        Self(Arc::new(fd))
    }
}

/// The number.
impl fmt::Debug for WaitFd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_raw_fd().fmt(f)
    }
}

/// What is registered.
#[derive(Clone)]
pub(super) enum Registered {
    /// An fd that is open. Its number is asked for once: what implements [`AsFd`] is foreign code.
    Fd(WaitFd, RawFd),
    /// A number, which may be anything.
    Number(RawFd),
}

impl Registered {
    pub(super) fn open(fd: WaitFd) -> Self {
        let number = fd.as_raw_fd();
        Self::Fd(fd, number)
    }

    pub(super) const fn number(&self) -> RawFd {
        match self {
            Self::Fd(_, number) | Self::Number(number) => *number,
        }
    }

    pub(super) const fn fd(&self) -> Option<&WaitFd> {
        match self {
            Self::Fd(fd, _) => Some(fd),
            Self::Number(_) => None,
        }
    }
}

/// A registration as [`WaitCtx::fd`](super::WaitCtx::fd) finds it.
#[derive(Clone)]
pub struct FoundFd {
    /// The fd's number. The context does not check a number that was registered as one.
    pub number: RawFd,
    /// The fd, unless it was registered as a number.
    pub fd: Option<WaitFd>,
    /// The custom data of the registration.
    pub data: Option<Rc<dyn Any>>,
}

impl fmt::Debug for FoundFd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FoundFd")
            .field("number", &self.number)
            .field("is_open", &self.fd.is_some())
            .field("data", &self.data.is_some())
            .finish()
    }
}

/// The changes since the job was last resumed, newest first: [`WaitFd`]s, or numbers. A number may be in both
/// lists when the kernel has reused it: remove `deleted` before adding `added` (statement 19). After a paused
/// job was dropped, the next job's pause lists the same changes again. So adding a descriptor that is already
/// in the poll set, and removing one that is not, must be no errors (statement 18).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedFds<F = WaitFd> {
    /// Registered since then, and still registered.
    pub added: Vec<F>,
    /// Cleared since then, and registered before.
    pub deleted: Vec<F>,
}

impl<F> Default for ChangedFds<F> {
    fn default() -> Self {
        Self { added: Vec::new(), deleted: Vec::new() }
    }
}
