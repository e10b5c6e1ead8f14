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
//! Several requests may share the fd (nested jobs on one context). `sent` counts the tokens that were sent, `taken` those
//! that were taken: what is between the two is owed. Whoever takes his own leaves the fd readable as long as something is
//! owed, whatever he has read: an application may have read it too. Who sends a token consumes his waker. A wake by
//! reference is a spurious one: it writes the fd and is owed to nobody, and the resume that it causes reads it away.
//!
//! What the device writes to (a [`WakeFd`]) and what the job's side does (its [`Registration`]) lie apart, and the latter
//! does not look at the former where it need not: a cache line takes as long to come as a third of a system call.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::os::fd::{AsRawFd, RawFd};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

use device_sim::cancel::uncancelled;
use device_sim::fork::{self, NotInherited};
use nix::errno::Errno;
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::sabotage::{self, Sabotage};
use crate::job::{WaitCtx, WaitKey};

/// Wakers made at a time, once a context is used that often.
const WAKERS: usize = 8;
/// Who refers to a registration beside the operations that use it: its context, and the cleanup there.
const KEEPERS: usize = 2;

/// The eventfd, which is the parent's alone after a fork.
type Eventfd = Arc<NotInherited<EventFd>>;

/// The device's end: what a waker writes to.
#[derive(Debug)]
struct WakeFd {
    /// `None` when it is closed.
    eventfd: Mutex<Option<Eventfd>>,
    sent: AtomicU64,
    /// Whether a spurious wake may have been written since it was last read away.
    stirred: AtomicBool,
    born: u64,
}

impl WakeFd {
    fn write(&self) {
        let eventfd = self.eventfd.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(fd) = eventfd.as_ref().and_then(|fd| fd.get()) {
            // The only error left is a counter at its maximum, and then the fd is readable as it is.
            let _ = uncancelled(|| fd.write(1));
        }
    }

    fn send(&self) {
        // Counted before it is written: a reader that sees the token sees that it is owed.
        self.sent.fetch_add(1, Ordering::AcqRel);
        self.write();
    }

    /// Makes the fd readable for nothing.
    fn stir(&self) {
        self.stirred.store(true, Ordering::Release);
        self.write();
    }

    fn close(&self) {
        let eventfd = self.eventfd.lock().unwrap_or_else(PoisonError::into_inner).take();
        if sabotage::is(Sabotage::LeakedFd) {
            std::mem::forget(eventfd);
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

/// What an engine keeps with a wait context: the job's end of its wake fd, and wakers for the other.
#[derive(Debug)]
pub(crate) struct Registration {
    /// `None` when it is closed.
    eventfd: RefCell<Option<Eventfd>>,
    taken: Cell<u64>,
    wake_fd: Arc<WakeFd>,
    /// Made several at a time, for each counts on the device's cache line.
    wakers: RefCell<Vec<Waker>>,
    /// How many to make next.
    batch: Cell<usize>,
}

impl Registration {
    fn open() -> Result<Self, Errno> {
        let flags = EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC;
        let eventfd = Arc::new(NotInherited::new(EventFd::from_value_and_flags(0, flags)?));
        let wake_fd = WakeFd {
            eventfd: Mutex::new(Some(Arc::clone(&eventfd))),
            sent: AtomicU64::new(0),
            stirred: AtomicBool::new(false),
            born: fork::generation(),
        };
        Ok(Self {
            eventfd: RefCell::new(Some(eventfd)),
            taken: Cell::new(0),
            wake_fd: Arc::new(wake_fd),
            wakers: RefCell::default(),
            batch: Cell::new(1),
        })
    }

    /// The registration of the engine with this key in `ctx`, made and announced with `set_wait_fd`. `keep_alive` is what
    /// the key is the address of.
    pub(crate) fn make<T: Send + Sync + 'static>(
        ctx: &WaitCtx,
        key: WaitKey,
        keep_alive: &Arc<T>,
    ) -> Result<Rc<Self>, Errno> {
        let registration = Rc::new(Self::open()?);
        let (identity, to_close) = (Arc::clone(keep_alive), Rc::clone(&registration));
        ctx.set_wait_fd(
            key,
            registration.raw_fd(),
            Some(registration.clone()),
            Some(Box::new(move |_, _, _, _| {
                to_close.close();
                drop(identity);
            })),
        );
        Ok(registration)
    }

    /// The registration of the engine with this key, if it has one in `ctx`.
    pub(crate) fn find(ctx: &WaitCtx, key: WaitKey) -> Option<Rc<Self>> {
        Self::of(ctx.fd(key)?.data?)
    }

    /// A waker that sends a token.
    #[inline]
    pub(crate) fn waker(&self) -> Waker {
        let spare = self.wakers.borrow_mut().pop();
        spare.unwrap_or_else(|| self.make_wakers())
    }

    #[inline(never)]
    fn make_wakers(&self) -> Waker {
        let more = self.batch.get();
        self.batch.set((2 * more).min(WAKERS));
        let waker = Waker::from(Arc::clone(&self.wake_fd));
        self.wakers.borrow_mut().extend((1..more).map(|_| waker.clone()));
        waker
    }

    /// The registration behind what a wait context has under an engine's key.
    pub(crate) fn of(data: Rc<dyn Any>) -> Option<Rc<Self>> {
        data.downcast().ok()
    }

    /// Reads all tokens, before the caller knows which of them are his: he has to [settle](Self::settle) or to
    /// [give them back](Self::give_back).
    pub(crate) fn read_ahead(&self) -> u64 {
        self.read()
    }

    /// Takes the caller's token, which was sent, out of what was read ahead or has come since.
    pub(crate) fn settle(self: &Rc<Self>, read: u64) {
        // Nowhere to be read: the application has read the fd itself, or closed it.
        self.take_one_of(if read > 0 { read } else { self.read() });
    }

    /// Takes the one token that this caller is owed. `false`: there was none to read (yet).
    #[inline]
    pub(crate) fn take(self: &Rc<Self>) -> bool {
        let read = self.read();
        if read > 0 {
            self.take_one_of(read);
        }
        read > 0
    }

    /// The caller's token was sent, and is nowhere to be read.
    pub(crate) fn forgo(self: &Rc<Self>) {
        self.take_one_of(0);
    }

    /// Empties the fd after a resume that nothing of this caller's had caused; tokens of others go back.
    pub(crate) fn drain(&self) {
        self.give_back(self.read());
    }

    /// Reads a spurious wake away, if there was one, before the caller leaves the fd to the next operation.
    pub(crate) fn calm(&self) {
        let stirred = &self.wake_fd.stirred;
        if stirred.load(Ordering::Acquire) && stirred.swap(false, Ordering::AcqRel) {
            self.drain();
        }
    }

    fn with_fd<R>(&self, body: impl FnOnce(&EventFd) -> R) -> Option<R> {
        self.eventfd.borrow().as_ref()?.get().map(body)
    }

    fn raw_fd(&self) -> RawFd {
        self.with_fd(AsRawFd::as_raw_fd).unwrap_or(-1)
    }

    /// The tokens that are there, and some that are nobody's.
    fn read(&self) -> u64 {
        self.with_fd(|fd| uncancelled(|| fd.read()).unwrap_or(0)).unwrap_or(0)
    }

    fn owed(&self) -> u64 {
        self.wake_fd.sent.load(Ordering::Acquire).saturating_sub(self.taken.get())
    }

    /// Takes the caller's token out of so many that were read, and leaves the fd readable for those whose tokens are owed.
    #[inline]
    fn take_one_of(self: &Rc<Self>, read: u64) {
        self.taken.set(self.taken.get() + 1);
        let rest = read.saturating_sub(1);
        // Nearly always there is one operation, and no need to look at the device's side.
        if rest > 0 || Rc::strong_count(self) > KEEPERS + 1 {
            self.give_back(rest.max(1));
        }
    }

    /// Writes back what may be others' of so many tokens. One too many is a spurious resume; one too few would be
    /// a job that nobody wakes.
    #[inline]
    pub(crate) fn give_back(&self, tokens: u64) {
        if tokens == 0 {
            return;
        }
        let others = tokens.min(self.owed());
        if others > 0 {
            self.with_fd(|fd| uncancelled(|| fd.write(others)));
        }
    }

    fn close(&self) {
        // In a child the lock may have been inherited locked.
        if fork::since(self.wake_fd.born) {
            return;
        }
        // The device's is the last.
        drop(self.eventfd.take());
        self.wake_fd.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wake_fd() -> (Rc<Registration>, Waker) {
        let fd = Rc::new(Registration::open().unwrap());
        let waker = fd.waker();
        (fd, waker)
    }

    /// The device's wake of one request.
    fn send(fd: &Registration) {
        fd.waker().wake();
    }

    /// How many tokens the fd holds; takes them off.
    fn tokens(fd: &Registration) -> u64 {
        fd.read()
    }

    fn owed(fd: &Registration) -> u64 {
        fd.owed()
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
    fn a_token_that_comes_after_the_read_ahead_is_not_left_behind() {
        let (fd, _) = wake_fd();
        let read = fd.read_ahead();
        send(&fd);
        fd.settle(read);
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

    #[test]
    fn wakers_are_made_ahead_and_no_token_is_lost_or_made() {
        let (fd, first) = wake_fd();
        drop(first);
        for round in 1..=100 {
            send(&fd);
            assert!(fd.take(), "round {round}");
            assert_eq!((owed(&fd), tokens(&fd)), (0, 0));
        }
        assert!(fd.wakers.borrow().len() < WAKERS);
    }

    #[test]
    fn a_closed_fd_is_closed_and_late_wakes_write_nowhere() {
        let (fd, late) = wake_fd();
        let eventfd = fd.eventfd.borrow().as_ref().map(Arc::downgrade).unwrap();
        fd.close();
        assert!(eventfd.upgrade().is_none(), "nobody keeps it open");
        late.wake();
        assert!(!fd.take(), "there is nothing to read any more");
    }
}
