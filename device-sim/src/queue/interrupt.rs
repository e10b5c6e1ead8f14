//! Device to host: "there are completions". An eventfd that is written only when a thread has armed it before
//! its sleep.
//!
//! ```text
//!   host                                device
//!   arm()                               publish completions
//!   fence                               fence
//!   completions_pending()?              armed?  no ── suppressed
//!     yes ─ reap                                yes ─ disarm, write the eventfd
//!     no ── sleep on the fd
//! ```

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::process::cancel::{read_eventfd, write_eventfd};
use crate::process::fork::NotInherited;
use crate::queue::alert::{Alert, call};
use crate::sync::{AtomicBool, AtomicUsize, Mutex, Ordering, fence, lock};

/// An eventfd and an armed flag: one per thread that waits for completions by polling.
#[derive(Debug)]
pub struct Interrupt {
    fd: NotInherited<EventFd>,
    armed: AtomicBool,
}

impl Interrupt {
    /// A disarmed interrupt with an unreadable, non-blocking, close-on-exec eventfd.
    ///
    /// # Errors
    ///
    /// The error of the operating system, most often `EMFILE`.
    pub fn new() -> io::Result<Self> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let fd = EventFd::from_flags(flags)?;
        Ok(Self { fd: NotInherited::new(fd), armed: AtomicBool::new(false) })
    }

    /// Makes the next completion raise the fd. Look at
    /// [`Remote::completions_pending`](crate::Remote::completions_pending) once more before sleeping: what
    /// was published before this call raises nothing.
    pub fn arm(&self) {
        self.armed.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// Undoes [`Interrupt::arm`]; an fd that is readable already stays readable. `false`: it was raised
    /// since, or never armed.
    pub fn disarm(&self) -> bool {
        self.armed.swap(false, Ordering::AcqRel)
    }

    /// Whether a thread has armed it and was not woken yet, at this moment.
    pub fn is_armed(&self) -> bool {
        self.armed.load(Ordering::Acquire)
    }

    /// Makes the fd readable if the interrupt is armed, and disarms it; returns whether it did. The device
    /// calls this; so may a thread that forwards a completion to another.
    pub fn raise(&self) -> bool {
        if !self.armed.load(Ordering::Relaxed) || !self.armed.swap(false, Ordering::AcqRel) {
            return false;
        }
        let Some(fd) = self.fd.get() else { return false };
        // The only possible error is a counter at its maximum, and then the fd is readable.
        let _ = write_eventfd(fd, 1);
        true
    }

    /// Makes the fd unreadable again; returns whether it was readable. In a forked child it touches nothing.
    pub fn clear(&self) -> bool {
        self.fd.get().is_some_and(|fd| read_eventfd(fd).is_ok())
    }

    /// The fd, to be polled; `None` in a forked child.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.fd.get().map(AsFd::as_fd)
    }
}

/// The fd, also in a forked child, where it is of no use.
impl AsFd for Interrupt {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The interrupts attached to one queue pair.
#[derive(Debug, Default)]
pub(crate) struct Interrupts {
    count: AtomicUsize,
    list: Mutex<Vec<Arc<Interrupt>>>,
    alert_count: AtomicUsize,
    alerts: Mutex<Vec<Arc<Alert>>>,
}

impl Interrupts {
    pub(crate) fn attach(&self, interrupt: Arc<Interrupt>) {
        let mut list = lock(&self.list);
        list.push(interrupt);
        self.count.store(list.len(), Ordering::Relaxed);
    }

    pub(crate) fn detach(&self, interrupt: &Arc<Interrupt>) -> bool {
        let mut list = lock(&self.list);
        let before = list.len();
        list.retain(|other| !Arc::ptr_eq(other, interrupt));
        self.count.store(list.len(), Ordering::Relaxed);
        list.len() < before
    }

    pub(crate) fn attach_alert(&self, alert: Arc<Alert>) {
        let mut alerts = lock(&self.alerts);
        alerts.push(alert);
        self.alert_count.store(alerts.len(), Ordering::Relaxed);
    }

    pub(crate) fn detach_alert(&self, alert: &Arc<Alert>) {
        let mut alerts = lock(&self.alerts);
        alerts.retain(|other| !Arc::ptr_eq(other, alert));
        self.alert_count.store(alerts.len(), Ordering::Relaxed);
    }

    /// Calls the wakers of the armed alerts, after completions were published and a full fence. They may run
    /// foreign code, so the caller holds no lock, and is not in the middle of a pass.
    #[inline]
    pub(crate) fn alert(&self) {
        // A count missed here: as in `raise`.
        if self.alert_count.load(Ordering::Relaxed) > 0 {
            self.call_armed();
        }
    }

    #[cold]
    fn call_armed(&self) {
        // The lock is not held while they are called.
        let armed: Vec<_> = lock(&self.alerts).iter().filter_map(|alert| alert.take()).collect();
        armed.into_iter().for_each(call);
    }

    /// Raises the armed ones, after completions were published and a full fence; returns how many.
    pub(crate) fn raise(&self) -> u64 {
        // A count missed here was stored after the fence, so its owner's own look comes after the
        // publication.
        if self.count.load(Ordering::Relaxed) == 0 {
            return 0;
        }
        lock(&self.list).iter().map(|interrupt| u64::from(interrupt.raise())).sum()
    }
}
