//! The wake fd: one eventfd per wait context and engine, and which thread may touch it when.
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
//! The engine's side closes its handle then, and does not keep it until the last request has gone: epoll goes
//! on reporting an fd that stays open after its connection was freed. Only the application's own handles
//! (`WaitFd`) keep it open longer.
//!
//! A *token* is a wake's count on the fd (a job's number is another thing, which only polling hands out). It
//! belongs to its reader as soon as it can be read, whether or not its sender has returned from the write.
//! Nearly always an fd has one request; then a token says that this request has ended, and neither side waits
//! for the other. A sender that is preempted in its write leaves a readable fd and a request that can be
//! taken, and nothing else.
//!
//! Several requests may share the fd (nested jobs on one context). Then a token may be another request's, and
//! a request is taken only when its own sender has returned. `sent` counts the tokens sent, `taken` those
//! taken; the difference is owed. A request that takes its own token leaves the fd readable as long as a
//! token is owed, whatever it has read, because the application may have read some too. What it writes back
//! may stand for a token that is counted and not yet written. So the fd counts as shared until it has no
//! request: the last one also waits for its sender, and then empties the fd. Nothing is written back where
//! nothing is shared.
//!
//! Sending a token consumes its waker. A wake by reference is a spurious one: it makes the fd readable with a
//! number that is no token's, and is owed to no request. The resume that it causes reads it.
//!
//! What the device writes to (a [`WakeFd`]) and the job's side (its [`Registration`]) lie on different cache
//! lines, and the job's side reads the other only when necessary: fetching a cache line takes a third of a
//! system call.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::sabotage::{self, Sabotage};
use crate::process::cancel::{read_eventfd, uncancelled, write_eventfd};
use crate::process::fork::{self, NotInherited};

/// A place to register fds that an application waits on: a wait context, of any job framework. One thread
/// uses it at a time.
pub trait WaitFds {
    /// The data of the newest registration under `key`, an address that is only compared.
    fn find(&self, key: usize) -> Option<Rc<dyn Any>>;

    /// Registers `fd` under `key`. The context keeps `fd` and `data` as long as the registration, and calls
    /// `on_end` when the context ends while the fd is registered. If it has ended already, it calls `on_end`
    /// at once.
    fn register(&self, key: usize, fd: OpenFd, data: Rc<dyn Any>, on_end: Box<dyn FnOnce()>);

    /// Watches the wakes of the fd that is registered next.
    fn wake_watch(&self) -> Option<Arc<dyn WakeWatch>> {
        None
    }
}

/// Is told of wakes.
pub trait WakeWatch: fmt::Debug + Send + Sync {
    /// The fd becomes readable now, by a wake of any kind. Called on the thread that wakes, before each.
    fn waking(&self);
}

/// An fd that stays open as long as a reference to this exists.
pub type OpenFd = Arc<dyn AsFd + Send + Sync>;

/// How many wakers to create at a time, once a context is used that often.
const WAKERS: usize = 8;
/// The value that a spurious wake writes: more than all tokens that can be there at a time.
pub(crate) const SPURIOUS: u64 = 1 << 32;
/// References to a registration besides the operations that use it: its context, and the cleanup there.
const KEEPERS: usize = 2;

/// The eventfd; after a fork it is the parent's only.
type Eventfd = Arc<NotInherited<EventFd>>;

/// The device's end: what a waker writes to.
#[derive(Debug)]
struct WakeFd {
    /// `None` when it is closed.
    eventfd: Mutex<Option<Eventfd>>,
    sent: AtomicU64,
    /// Whether a spurious wake may have been written since the last read.
    spurious: AtomicBool,
    born: u64,
    /// Boxed, so that this stays a cache line.
    watch: Option<Box<Arc<dyn WakeWatch>>>,
}

impl WakeFd {
    /// Wakes what waits for the fd.
    fn announce(&self, value: u64) {
        if let Some(watch) = &self.watch {
            watch.waking();
        }
        self.write(value);
    }

    fn write(&self, value: u64) {
        let eventfd = self.eventfd.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(fd) = eventfd.as_ref().and_then(|fd| fd.get()) {
            // The only possible error is a counter at its maximum, and then the fd is readable.
            let _ = write_eventfd(fd, value);
        }
    }

    fn send(&self) {
        // Counted before it is written: a reader that sees the token sees that it is owed.
        self.sent.fetch_add(1, Ordering::AcqRel);
        self.announce(1);
    }

    /// Makes the fd readable without a token.
    fn wake_spuriously(&self) {
        self.spurious.store(true, Ordering::Release);
        self.announce(SPURIOUS);
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
        self.wake_spuriously();
    }
}

/// What an engine keeps with a wait context: the job's end of its wake fd, and wakers for the device's end.
#[derive(Debug)]
pub(crate) struct Registration {
    /// `None` when it is closed.
    eventfd: RefCell<Option<Eventfd>>,
    taken: Cell<u64>,
    wake_fd: Arc<WakeFd>,
    /// Created in batches, because each creation touches the device's cache line.
    wakers: RefCell<Vec<Waker>>,
    /// How many to create next.
    batch: Cell<usize>,
    /// Whether tokens were written back since the fd last had no request: a token on it may not belong to the
    /// last request.
    mixed: Cell<bool>,
}

impl Registration {
    fn open(watch: Option<Arc<dyn WakeWatch>>) -> io::Result<(Self, Eventfd)> {
        let flags = EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC;
        let eventfd = Arc::new(NotInherited::new(EventFd::from_value_and_flags(0, flags)?));
        let wake_fd = WakeFd {
            eventfd: Mutex::new(Some(Arc::clone(&eventfd))),
            sent: AtomicU64::new(0),
            spurious: AtomicBool::new(false),
            born: fork::generation(),
            watch: watch.map(Box::new),
        };
        let registration = Self {
            eventfd: RefCell::new(Some(Arc::clone(&eventfd))),
            taken: Cell::new(0),
            wake_fd: Arc::new(wake_fd),
            wakers: RefCell::default(),
            batch: Cell::new(1),
            mixed: Cell::new(false),
        };
        Ok((registration, eventfd))
    }

    /// Creates the engine's registration under this key, and registers it in `fds`. `keep_alive` is the
    /// object whose address is the key.
    pub(crate) fn make<T: Send + Sync + 'static>(
        fds: &dyn WaitFds,
        key: usize,
        keep_alive: &Arc<T>,
    ) -> io::Result<Rc<Self>> {
        let (registration, eventfd) = Self::open(fds.wake_watch())?;
        let registration = Rc::new(registration);
        let (identity, to_close) = (Arc::clone(keep_alive), Rc::clone(&registration));
        let on_end = move || {
            to_close.close();
            drop(identity);
        };
        fds.register(key, eventfd, registration.clone(), Box::new(on_end));
        Ok(registration)
    }

    /// The registration of the engine with this key, if it has one in `fds`.
    pub(crate) fn find(fds: &dyn WaitFds, key: usize) -> Option<Rc<Self>> {
        Self::of(fds.find(key)?)
    }

    /// A waker that sends a token.
    #[inline]
    pub(crate) fn waker(self: &Rc<Self>) -> Waker {
        if self.mixed.get() {
            self.begin_anew();
        }
        let spare = self.wakers.borrow_mut().pop();
        spare.unwrap_or_else(|| self.make_wakers())
    }

    /// When no other request is left, all tokens were taken, and the next one belongs to the next request.
    #[cold]
    fn begin_anew(self: &Rc<Self>) {
        if !self.has_others() {
            self.mixed.set(false);
            self.read();
        }
    }

    #[inline(never)]
    fn make_wakers(&self) -> Waker {
        let more = self.batch.get();
        self.batch.set((2 * more).min(WAKERS));
        let waker = Waker::from(Arc::clone(&self.wake_fd));
        self.wakers.borrow_mut().extend((1..more).map(|_| waker.clone()));
        waker
    }

    /// The registration in the data that a wait context has under an engine's key.
    pub(crate) fn of(data: Rc<dyn Any>) -> Option<Rc<Self>> {
        data.downcast().ok()
    }

    /// Whether a token here may be another request's, or stand for another's that is not written yet.
    pub(crate) fn is_shared(self: &Rc<Self>) -> bool {
        self.has_others() || self.mixed.get()
    }

    fn has_others(self: &Rc<Self>) -> bool {
        Rc::strong_count(self) > KEEPERS + 1
    }

    /// Reads all tokens. The caller then [takes its own](Self::take_own), or [gives them
    /// back](Self::give_back).
    pub(crate) fn read(&self) -> u64 {
        self.with_fd(|fd| read_eventfd(fd).unwrap_or(0)).unwrap_or(0) % SPURIOUS
    }

    /// Takes the caller's token, which was sent, from those in hand and those that have come since. (If it
    /// cannot be found, the application has read the fd itself, or closed it.)
    pub(crate) fn take_own(self: &Rc<Self>, in_hand: u64) {
        self.taken.set(self.taken.get() + 1);
        if self.is_shared() {
            let read = in_hand + self.read();
            // One too many is a spurious resume; one too few would be a job that is never woken.
            self.write_back(read.saturating_sub(1).max(1));
        } else if in_hand == 0 {
            self.read();
        }
    }

    /// Leaves the tokens in hand, none of which is the caller's, to the requests that they belong to.
    #[inline]
    pub(crate) fn give_back(self: &Rc<Self>, in_hand: u64) {
        if in_hand > 0 && self.is_shared() {
            self.write_back(in_hand);
        }
    }

    #[cold]
    fn write_back(&self, tokens: u64) {
        let others = tokens.min(self.owed());
        if others > 0 {
            self.mixed.set(true);
            self.with_fd(|fd| write_eventfd(fd, others));
        }
    }

    /// Sleeps until there is something to read, or for a moment.
    #[cold]
    pub(crate) fn nap(&self) {
        let moment = PollTimeout::from(1_u8);
        self.with_fd(|fd| uncancelled(|| poll(&mut [PollFd::new(fd.as_fd(), PollFlags::POLLIN)], moment)));
    }

    /// Reads a spurious wake, if there was one, before the caller leaves the fd to the next operation.
    pub(crate) fn read_spurious(self: &Rc<Self>) {
        let spurious = &self.wake_fd.spurious;
        if spurious.load(Ordering::Acquire) && spurious.swap(false, Ordering::AcqRel) {
            self.give_back(self.read());
        }
    }

    fn with_fd<R>(&self, body: impl FnOnce(&EventFd) -> R) -> Option<R> {
        self.eventfd.borrow().as_ref()?.get().map(body)
    }

    fn owed(&self) -> u64 {
        self.wake_fd.sent.load(Ordering::Acquire).saturating_sub(self.taken.get())
    }

    fn close(&self) {
        // In a forked child the lock may have been inherited locked.
        if fork::since(self.wake_fd.born) {
            return;
        }
        // The device's handle is the last one.
        drop(self.eventfd.take());
        self.wake_fd.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wake_fd() -> (Rc<Registration>, Waker) {
        let fd = Rc::new(Registration::open(None).unwrap().0);
        let waker = fd.waker();
        (fd, waker)
    }

    /// Sends the device's wake of one request.
    fn send(fd: &Rc<Registration>) {
        fd.waker().wake();
    }

    /// Returns how many tokens the fd holds, and reads them.
    fn tokens(fd: &Registration) -> u64 {
        fd.read()
    }

    fn owed(fd: &Registration) -> u64 {
        fd.owed()
    }

    impl Registration {
        fn is_readable(&self) -> bool {
            let now = PollTimeout::ZERO;
            let ready = self.with_fd(|fd| poll(&mut [PollFd::new(fd.as_fd(), PollFlags::POLLIN)], now));
            ready == Some(Ok(1))
        }
    }

    /// Another request on the same context.
    fn share(fd: &Rc<Registration>) -> [Rc<Registration>; KEEPERS + 1] {
        std::array::from_fn(|_| Rc::clone(fd))
    }

    /// A resume that this request has not caused.
    fn resume_for_nothing(fd: &Rc<Registration>) {
        fd.give_back(fd.read());
    }

    #[test]
    fn a_spurious_wake_is_read_away_by_the_resume_that_it_causes() {
        for others in [None, Some(())] {
            let (fd, waker) = wake_fd();
            let _others = others.map(|()| share(&fd));
            waker.wake_by_ref();
            assert_eq!(owed(&fd), 0, "no context is owed it");
            assert!(fd.is_readable());
            assert_eq!(fd.read(), 0, "and it is no token");
            waker.wake_by_ref();
            resume_for_nothing(&fd);
            assert!(!fd.is_readable(), "nothing is written back");
        }
    }

    #[test]
    fn a_spurious_wake_beside_a_token_leaves_nothing_for_the_next_operation() {
        let (fd, waker) = wake_fd();
        waker.wake_by_ref();
        send(&fd);
        waker.wake_by_ref();
        let in_hand = fd.read();
        assert_eq!(in_hand, 1);
        fd.take_own(in_hand);
        assert_eq!((owed(&fd), fd.is_readable()), (0, false));
    }

    #[test]
    fn a_resume_takes_no_token_away_from_another_request() {
        let (fd, waker) = wake_fd();
        let _others = share(&fd);
        send(&fd);
        waker.wake_by_ref();
        resume_for_nothing(&fd);
        assert_eq!((owed(&fd), tokens(&fd)), (1, 1), "the token of the other request is there");
    }

    #[test]
    fn a_request_leaves_the_tokens_of_others_and_what_they_are_owed() {
        let (fd, _) = wake_fd();
        let others = share(&fd);
        send(&fd);
        send(&fd);
        fd.take_own(fd.read());
        assert_eq!((owed(&fd), tokens(&fd)), (1, 1));
        // The application has read it: the fd is readable again for the request that is owed it.
        send(&fd);
        let _ = fd.read();
        fd.take_own(0);
        assert!(fd.is_readable());
        drop(others);
    }

    #[test]
    fn the_last_request_of_a_shared_fd_leaves_no_token_whose_write_was_late() {
        let (fd, _) = wake_fd();
        let others = share(&fd);
        send(&fd);
        // The other sender has counted its token, and is preempted before its write.
        fd.wake_fd.sent.fetch_add(1, Ordering::AcqRel);
        fd.take_own(fd.read());
        drop(others);
        let in_hand = fd.read();
        assert_eq!(
            (in_hand, fd.is_shared()),
            (1, true),
            "what was written back is no word of its own sender"
        );
        fd.wake_fd.write(1);
        fd.take_own(in_hand);
        assert_eq!((owed(&fd), fd.is_readable()), (0, false));
        drop(fd.waker());
        assert!(!fd.is_shared(), "the next request has the fd for itself");
    }

    #[test]
    fn nothing_is_written_back_where_nothing_is_shared() {
        let (fd, _) = wake_fd();
        send(&fd);
        resume_for_nothing(&fd);
        assert!(!fd.is_readable());
        send(&fd);
        send(&fd);
        fd.take_own(fd.read());
        assert!(!fd.is_readable(), "a token that no other context can be owed");
    }

    #[test]
    fn a_token_that_comes_after_a_read_is_not_left_behind() {
        let (fd, _) = wake_fd();
        let in_hand = fd.read();
        send(&fd);
        fd.take_own(in_hand);
        assert_eq!((owed(&fd), fd.is_readable()), (0, false));
    }

    #[test]
    fn a_request_that_is_done_without_a_token_leaves_the_fd_unreadable_for_the_next() {
        let (fd, waker) = wake_fd();
        let _others = share(&fd);
        fd.read_spurious();
        waker.wake_by_ref();
        fd.read_spurious();
        assert!(!fd.is_readable());
        send(&fd);
        waker.wake_by_ref();
        fd.read_spurious();
        assert_eq!((owed(&fd), tokens(&fd)), (1, 1), "what is owed to another stays");
    }

    #[test]
    fn wakers_are_made_ahead_and_no_token_is_lost_or_made() {
        let (fd, first) = wake_fd();
        drop(first);
        for round in 1..=100 {
            send(&fd);
            assert_eq!(fd.read(), 1, "round {round}");
            fd.take_own(1);
            assert_eq!((owed(&fd), tokens(&fd)), (0, 0));
        }
        assert!(fd.wakers.borrow().len() < WAKERS);
    }

    #[test]
    fn a_closed_fd_is_closed_and_late_wakes_write_nowhere() {
        let (fd, late) = wake_fd();
        let eventfd = fd.eventfd.borrow().as_ref().map(Arc::downgrade).unwrap();
        fd.close();
        assert!(eventfd.upgrade().is_none(), "nothing keeps it open");
        late.wake();
        assert_eq!(fd.read(), 0, "there is nothing to read any more");
    }
}
