//! Fds that a job waits for, without a runtime: one thread, and an epoll.
//!
//! ```text
//!   watch(fds, waker) ──► interests ── one shot each ──► epoll ── readable ──► the thread: marks, wakes
//!        └── unwatch: at the resume, and when the future is dropped
//! ```
//!
//! The thread begins with the first job that waits for an fd of its own, and ends with the last future that
//! has needed it.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak};
use std::task::{Context, Poll, Waker};
use std::thread::{self, JoinHandle};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::fd_watch::FdWatch;
use crate::job::WaitFd;
use crate::process::fork;

/// Waits for fds by a thread of the crate's own, and needs no runtime: the default of a
/// [`JobFuture`](super::JobFuture).
#[derive(Debug, Default)]
pub struct OwnThread {
    reactor: Option<Arc<Reactor>>,
    watched: Vec<Watched>,
}

#[derive(Debug)]
struct Watched {
    number: u64,
    fd: WaitFd,
    /// What the epoll has: the same, or a duplicate where that is watched already.
    in_epoll: WaitFd,
    interest: Arc<Interest>,
}

#[derive(Debug, Default)]
struct Interest {
    fired: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

/// The thread's number in the epoll.
const STOP: u64 = 0;

#[derive(Debug)]
struct Reactor {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    born: u64,
}

#[derive(Debug)]
struct Shared {
    epoll: Epoll,
    stop: EventFd,
    stopped: AtomicBool,
    interests: Mutex<Interests>,
}

#[derive(Debug, Default)]
struct Interests {
    next_number: u64,
    by_number: BTreeMap<u64, Arc<Interest>>,
}

static REACTOR: Mutex<Weak<Reactor>> = Mutex::new(Weak::new());

impl FdWatch for OwnThread {
    fn poll_readable(&mut self, fds: &[WaitFd], context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.leave_inherited();
        let reactor = match &self.reactor {
            Some(reactor) => reactor,
            None => self.reactor.insert(Reactor::shared()?),
        };
        let is_known = |fd: &WaitFd| self.watched.iter().any(|watched| watched.fd.is_same(fd));
        for fd in fds.iter().filter(|fd| !is_known(fd)).cloned().collect::<Vec<_>>() {
            let interest = Arc::new(Interest::default());
            let (number, in_epoll) = reactor.shared.watch(&fd, Arc::clone(&interest))?;
            self.watched.push(Watched { number, fd, in_epoll, interest });
        }
        for watched in &self.watched {
            // A waker is foreign code, when it is cloned and when it is dropped.
            let waker = context.waker().clone();
            let replaced = lock(&watched.interest.waker).replace(waker);
            drop(replaced);
        }
        // Looked at after the wakers are in place.
        let fired = self.watched.iter().any(|watched| watched.interest.fired.load(Ordering::SeqCst));
        if fired { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn forget(&mut self) {
        self.leave_inherited();
        let Some(reactor) = &self.reactor else { return };
        for Watched { number, in_epoll, .. } in self.watched.drain(..) {
            reactor.shared.unwatch(number, &in_epoll);
        }
    }
}

impl OwnThread {
    /// In a forked child: the thread is the parent's, and so is the epoll, which both processes reach.
    fn leave_inherited(&mut self) {
        if self.reactor.as_ref().is_some_and(|reactor| fork::since(reactor.born)) {
            self.reactor = None;
            // Duplicates among them: the child may have its own files under their numbers.
            std::mem::forget(std::mem::take(&mut self.watched));
        }
    }
}

impl Drop for OwnThread {
    fn drop(&mut self) {
        self.forget();
    }
}

impl Reactor {
    fn shared() -> io::Result<Arc<Self>> {
        // In a forked child the lock may have been inherited locked; its futures have a reactor each then.
        let mut current = match REACTOR.try_lock() {
            Ok(current) => current,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) if fork::generation() > 0 => return Self::start().map(Arc::new),
            Err(TryLockError::WouldBlock) => lock(&REACTOR),
        };
        if let Some(reactor) = current.upgrade().filter(|reactor| !fork::since(reactor.born)) {
            return Ok(reactor);
        }
        let reactor = Arc::new(Self::start()?);
        *current = Arc::downgrade(&reactor);
        Ok(reactor)
    }

    fn start() -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let stop = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        epoll.add(&stop, EpollEvent::new(EpollFlags::EPOLLIN, STOP))?;
        let interests = Mutex::new(Interests { next_number: STOP + 1, ..Interests::default() });
        let shared = Arc::new(Shared { epoll, stop, stopped: AtomicBool::new(false), interests });
        let in_thread = Arc::clone(&shared);
        let builder = thread::Builder::new().name("simaccel-fds".to_owned());
        let thread = builder.spawn(move || in_thread.run())?;
        Ok(Self { shared, thread: Some(thread), born: fork::generation() })
    }
}

impl Drop for Reactor {
    fn drop(&mut self) {
        let thread = self.thread.take();
        if fork::since(self.born) {
            // The thread is the parent's.
            std::mem::forget(thread);
            return;
        }
        self.shared.stopped.store(true, Ordering::SeqCst);
        let _ = self.shared.stop.write(1);
        // A waker that is called there may drop the last future.
        let is_this = thread.as_ref().is_some_and(|thread| thread.thread().id() == thread::current().id());
        if !is_this {
            let _ = thread.map(JoinHandle::join);
        }
    }
}

impl Shared {
    fn watch(&self, fd: &WaitFd, interest: Arc<Interest>) -> io::Result<(u64, WaitFd)> {
        let number = {
            let interests = &mut *lock(&self.interests);
            let number = interests.next_number;
            interests.next_number += 1;
            interests.by_number.insert(number, interest);
            number
        };
        let event = EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLONESHOT, number);
        let added = match self.epoll.add(fd.as_fd(), event) {
            Ok(()) => Ok(fd.clone()),
            Err(Errno::EEXIST) => self.add_duplicate(fd, event),
            Err(error) => Err(error.into()),
        };
        if added.is_err() {
            lock(&self.interests).by_number.remove(&number);
        }
        added.map(|in_epoll| (number, in_epoll))
    }

    /// Another number for a file that another future waits for.
    fn add_duplicate(&self, fd: &WaitFd, event: EpollEvent) -> io::Result<WaitFd> {
        let duplicate = fd.as_fd().try_clone_to_owned()?;
        self.epoll.add(&duplicate, event)?;
        Ok(duplicate.into())
    }

    fn unwatch(&self, number: u64, fd: &WaitFd) {
        // The handle has kept it open.
        let _ = self.epoll.delete(fd.as_fd());
        lock(&self.interests).by_number.remove(&number);
    }

    fn run(&self) {
        let mut events = [EpollEvent::empty(); 64];
        while !self.stopped.load(Ordering::SeqCst) {
            let count = match self.epoll.wait(&mut events, EpollTimeout::NONE) {
                Ok(count) => count,
                Err(Errno::EINTR) => continue,
                Err(_) => return,
            };
            for event in &events[..count] {
                self.fire(event.data());
            }
        }
    }

    fn fire(&self, number: u64) {
        let interest = lock(&self.interests).by_number.get(&number).map(Arc::clone);
        let Some(interest) = interest else { return };
        interest.fired.store(true, Ordering::SeqCst);
        let waker = lock(&interest.waker).take();
        // Foreign code; the thread goes on whatever it does.
        if let Some(waker) = waker
            && let Err(payload) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| waker.wake()))
        {
            std::mem::forget(payload);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
