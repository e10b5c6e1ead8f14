//! The wake fd: one eventfd per wait context and engine, and who may touch it when.
//!
//! ```text
//!    wait context ── entry { key: engine identity, fd, data: Rc<Registration>, cleanup }
//!                                                        │
//!    request's waker ─────────── Arc<WakeFd> ◄───────────┘     written by the device, read by the job
//!                                    │
//!    cleanup (the context ends) ── close(): marks it closed, waits out a write in progress, closes the fd;
//!                                           later wakes are no-ops
//! ```
//!
//! The fd is closed, not kept until the last request lets go: an fd that stays open after its connection was
//! freed is one that epoll goes on reporting.
//!
//! Several requests may share the fd (nested jobs on one context). `owed` counts the tokens that were sent and
//! not yet taken; whoever reads more than is his writes the rest back. Who sends a token consumes his waker. A wake by
//! reference is a spurious one: it writes the fd and is owed to nobody, and the resume that it causes reads it away.

use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

use device_sim::fork;
use nix::errno::Errno;
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::sabotage::{self, Sabotage};
use crate::job::{Callback, WaitCtx, WaitKey};

/// The eventfd, open or closed.
#[derive(Debug)]
pub(crate) struct WakeFd {
    eventfd: Mutex<Option<EventFd>>,
    owed: AtomicU64,
    /// Whether a spurious wake may have been written since it was last read away.
    stirred: AtomicBool,
    born: u64,
}

impl WakeFd {
    fn open() -> Result<Self, Errno> {
        let flags = EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC;
        let eventfd = EventFd::from_value_and_flags(0, flags)?;
        Ok(Self {
            eventfd: Mutex::new(Some(eventfd)),
            owed: AtomicU64::new(0),
            stirred: AtomicBool::new(false),
            born: fork::generation(),
        })
    }

    fn with_fd<R>(&self, body: impl FnOnce(&EventFd) -> R) -> Option<R> {
        self.eventfd.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(body)
    }

    fn raw_fd(&self) -> RawFd {
        self.with_fd(|fd| fd.as_fd().as_raw_fd()).unwrap_or(-1)
    }

    fn send(&self) {
        // Counted before it is written: a reader that sees the token sees that it is owed.
        self.owed.fetch_add(1, Ordering::AcqRel);
        self.with_fd(|fd| fd.write(1));
    }

    /// Makes the fd readable for nothing.
    fn stir(&self) {
        self.stirred.store(true, Ordering::Release);
        self.with_fd(|fd| fd.write(1));
    }

    /// Takes the one token that this caller is owed. `false`: there was none to read (yet).
    pub(crate) fn take(&self) -> bool {
        self.with_fd(|fd| {
            let read = fd.read().unwrap_or(0);
            if read > 0 {
                self.settle_one();
                self.give_back(fd, read - 1);
            }
            read > 0
        })
        .unwrap_or(false)
    }

    /// The caller's token was sent, and is nowhere to be read: the application read the fd itself, or closed it.
    pub(crate) fn forgo(&self) {
        self.settle_one();
    }

    /// Empties the fd after a resume that nothing of this caller's had caused; tokens of others go back.
    pub(crate) fn drain(&self) {
        self.with_fd(|fd| {
            let read = fd.read().unwrap_or(0);
            self.give_back(fd, read);
        });
    }

    /// Reads a spurious wake away, if there was one, before the caller leaves the fd to the next operation.
    pub(crate) fn calm(&self) {
        if self.stirred.load(Ordering::Acquire) && self.stirred.swap(false, Ordering::AcqRel) {
            self.drain();
        }
    }

    fn settle_one(&self) {
        let _ = self.owed.fetch_update(Ordering::AcqRel, Ordering::Acquire, |owed| owed.checked_sub(1));
    }

    /// Writes back what may be others' of so many tokens. One too many is a spurious resume; one too few would be
    /// a job that nobody wakes.
    fn give_back(&self, fd: &EventFd, tokens: u64) {
        let others = tokens.min(self.owed.load(Ordering::Acquire));
        if others > 0 {
            let _ = fd.write(others);
        }
    }

    fn close(&self) {
        // In a child the lock may have been inherited locked, and the fd is the parent's to close.
        if !fork::since(self.born) {
            let eventfd = self.eventfd.lock().unwrap_or_else(PoisonError::into_inner).take();
            if sabotage::is(Sabotage::LeakedFd) {
                std::mem::forget(eventfd);
            }
        }
    }
}

impl Wake for WakeFd {
    fn wake(self: Arc<Self>) {
        self.send();
    }

    /// A spurious wake; see the head of this file.
    fn wake_by_ref(self: &Arc<Self>) {
        self.stir();
    }
}

/// What an engine keeps with a wait context: its wake fd, and the waker that writes it.
#[derive(Debug)]
pub(crate) struct Registration {
    fd: Arc<WakeFd>,
    waker: Waker,
}

impl Registration {
    /// The registration of the engine with this key in `ctx`, made and announced with `set_wait_fd` when there
    /// is none. `keep_alive` is what the key is the address of.
    pub(crate) fn of<T: Send + Sync + 'static>(
        ctx: &WaitCtx,
        key: WaitKey,
        keep_alive: &Arc<T>,
    ) -> Result<Rc<Self>, Errno> {
        if let Some(found) = Self::find(ctx, key) {
            return Ok(found);
        }
        let fd = Arc::new(WakeFd::open()?);
        let waker = Waker::from(Arc::clone(&fd));
        let registration = Rc::new(Self { fd: Arc::clone(&fd), waker });
        let identity = Arc::clone(keep_alive);
        let raw = fd.raw_fd();
        ctx.set_wait_fd(
            key,
            raw,
            Some(registration.clone()),
            Some(Box::new(move |_, _, _, _| {
                fd.close();
                drop(identity);
            })),
        );
        Ok(registration)
    }

    /// The registration of the engine with this key, if it has one in `ctx`.
    pub(crate) fn find(ctx: &WaitCtx, key: WaitKey) -> Option<Rc<Self>> {
        ctx.fd(key)?.data?.downcast().ok()
    }

    pub(crate) const fn fd(&self) -> &Arc<WakeFd> {
        &self.fd
    }

    pub(crate) const fn waker(&self) -> &Waker {
        &self.waker
    }
}

/// Calls a wait context's callback, on the device's thread.
pub(crate) struct CallbackWaker(pub(crate) Callback);

impl Wake for CallbackWaker {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

/// A waker that ends the sleep of one blocked thread.
#[derive(Debug)]
pub(crate) struct ThreadWaker {
    thread: std::thread::Thread,
    woken: AtomicBool,
}

impl ThreadWaker {
    pub(crate) fn current() -> Arc<Self> {
        Arc::new(Self { thread: std::thread::current(), woken: AtomicBool::new(false) })
    }

    /// Sleeps until woken, or returns at once when that has happened since the last sleep.
    pub(crate) fn sleep(&self) {
        while !self.woken.swap(false, Ordering::AcqRel) {
            std::thread::park();
        }
    }
}

impl Wake for ThreadWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wake_fd() -> (Arc<WakeFd>, Waker) {
        let fd = Arc::new(WakeFd::open().unwrap());
        let waker = Waker::from(Arc::clone(&fd));
        (fd, waker)
    }

    /// The device's wake of one request.
    fn send(fd: &Arc<WakeFd>) {
        Waker::from(Arc::clone(fd)).wake();
    }

    /// How many tokens the fd holds; takes them off.
    fn tokens(fd: &WakeFd) -> u64 {
        fd.with_fd(|fd| fd.read().unwrap_or(0)).unwrap()
    }

    fn owed(fd: &WakeFd) -> u64 {
        fd.owed.load(Ordering::Acquire)
    }

    #[test]
    fn a_spurious_wake_is_read_away_by_the_resume_that_it_causes() {
        let (fd, waker) = wake_fd();
        waker.wake_by_ref();
        assert_eq!(owed(&fd), 0, "nobody is owed it");
        fd.drain();
        assert_eq!(tokens(&fd), 0, "and nothing is written back");
        waker.wake_by_ref();
        assert_eq!(tokens(&fd), 1, "it does make the fd readable");
    }

    #[test]
    fn a_spurious_wake_beside_a_token_leaves_nothing_for_the_next_operation() {
        let (fd, waker) = wake_fd();
        waker.wake_by_ref();
        send(&fd);
        waker.wake_by_ref();
        assert!(fd.take());
        assert_eq!((owed(&fd), tokens(&fd)), (0, 0));
    }

    #[test]
    fn a_spurious_wake_takes_no_token_away_from_another_request() {
        let (fd, waker) = wake_fd();
        send(&fd);
        waker.wake_by_ref();
        fd.drain();
        assert_eq!(owed(&fd), 1);
        assert!(fd.take(), "the token of the other request is there");
        assert_eq!((owed(&fd), tokens(&fd)), (0, 0));
    }

    #[test]
    fn a_request_that_is_done_without_a_token_calms_the_fd_for_the_next() {
        let (fd, waker) = wake_fd();
        fd.calm();
        waker.wake_by_ref();
        fd.calm();
        assert_eq!(tokens(&fd), 0);
        send(&fd);
        waker.wake_by_ref();
        fd.calm();
        assert!(fd.take(), "what is owed to another stays");
        assert_eq!((owed(&fd), tokens(&fd)), (0, 0));
    }
}
