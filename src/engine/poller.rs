//! Polling: jobs that may go on are reported by token instead of by fd.
//!
//! ```text
//!   completion ring ──reap──►  tokens of this thread ──► Engine::poll(max, |token| ..)
//!      (one pair)        └───► tokens of other threads on the pair: forwarded to their ready lists,
//!                              and their interrupt is raised
//! ```
//!
//! Each engine and thread has one poller: a ready list that any thread may add to, and an interrupt that is
//! raised when something is added while its thread has armed it. Lists hold completions, not tokens: a
//! completion whose result was taken, or whose job was dropped, is skipped. The watchdog adds the requests
//! that it took back; they are returned as long as they are unclaimed.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use simaccel_device::{Completion, Interrupt, Remote, TicketState};

use super::group::Group;
use super::watch::Watch;

/// One request whose job may go on.
#[derive(Debug)]
pub(crate) enum Ready {
    /// Reaped from the completion ring.
    Reaped(Completion),
    /// Taken back by the watchdog.
    Late { watch: Arc<Watch>, user_data: u64 },
}

impl Ready {
    /// The token, unless the job has gone on already.
    pub(crate) fn token(&self, remote: &Remote) -> Option<u64> {
        match self {
            Self::Reaped(completion) => token(completion, remote),
            Self::Late { watch, user_data } => watch.is_unclaimed().then_some(*user_data),
        }
    }
}

/// The token of a completion, unless its result was taken or its job dropped.
pub(crate) fn token(completion: &Completion, remote: &Remote) -> Option<u64> {
    (remote.state(completion.ticket) != TicketState::Stale).then_some(completion.user_data)
}

/// The ready list and interrupt of one engine and thread.
#[derive(Debug)]
pub(crate) struct Poller {
    owner: u32,
    interrupt: Arc<Interrupt>,
    ready: Mutex<VecDeque<Ready>>,
    waiting: AtomicUsize,
}

impl Poller {
    fn new(owner: u32) -> io::Result<Self> {
        Ok(Self {
            owner,
            interrupt: Arc::new(Interrupt::new()?),
            ready: Mutex::default(),
            waiting: AtomicUsize::new(0),
        })
    }

    /// The number of the thread in completions.
    #[inline]
    pub(crate) const fn owner(&self) -> u32 {
        self.owner
    }

    pub(crate) const fn interrupt(&self) -> &Arc<Interrupt> {
        &self.interrupt
    }

    /// Adds an entry from any thread, and raises the interrupt if the owner sleeps.
    fn push(&self, one: Ready) {
        {
            let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
            ready.push_back(one);
            self.waiting.store(ready.len(), Ordering::Release);
        }
        // Pairs with the fence of the owner, which arms the interrupt and then looks at `waiting`.
        fence(Ordering::SeqCst);
        self.interrupt.raise();
    }

    /// The next entry, oldest first. Costs one load when there is none.
    pub(crate) fn pop(&self) -> Option<Ready> {
        if !self.has_ready() {
            return None;
        }
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        let next = ready.pop_front();
        self.waiting.store(ready.len(), Ordering::Release);
        next
    }

    #[inline]
    pub(crate) fn has_ready(&self) -> bool {
        self.waiting.load(Ordering::Acquire) > 0
    }
}

/// The pollers of one engine, by owner number, so that completions can be forwarded between threads.
///
/// Numbers are not reused: a late completion of a thread that has ended must not reach another thread.
#[derive(Debug, Default)]
pub(crate) struct Pollers {
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    next: u32,
    by_owner: BTreeMap<u32, Weak<Poller>>,
    groups: BTreeMap<u32, Arc<Group>>,
}

impl Pollers {
    pub(crate) fn register(&self) -> io::Result<Arc<Poller>> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.by_owner.retain(|_, poller| poller.strong_count() > 0);
        let poller = Arc::new(Poller::new(table.next)?);
        table.by_owner.insert(poller.owner, Arc::downgrade(&poller));
        table.next = table.next.wrapping_add(1);
        Ok(poller)
    }

    /// Forwards the completion to its owner's thread. If that has ended, no job waits for it.
    pub(crate) fn forward(&self, completion: Completion) {
        if let Some(poller) = self.find(completion.owner) {
            poller.push(Ready::Reaped(completion));
        } else if let Some(group) = self.group(completion.owner) {
            group.wake(completion.ticket);
        }
    }

    /// Makes the group of a thread's futures. Those of threads that have ended go when nothing of theirs is
    /// in flight any more.
    pub(crate) fn register_group(&self, remote: &Remote) -> Arc<Group> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = |group: &Arc<Group>| Arc::strong_count(group) == 1 && !group.is_in_use();
        let over: Vec<_> =
            table.groups.iter().filter(|(_, group)| is_over(group)).map(|(owner, _)| *owner).collect();
        let over: Vec<_> = over.iter().filter_map(|owner| table.groups.remove(owner)).collect();
        let owner = table.next;
        let group = Group::new(owner, remote);
        table.groups.insert(owner, Arc::clone(&group));
        table.next = table.next.wrapping_add(1);
        drop(table);
        // Their wakers are foreign code.
        drop(over);
        group
    }

    /// The group with this number.
    pub(crate) fn group(&self, owner: u32) -> Option<Arc<Group>> {
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.groups.get(&owner).map(Arc::clone)
    }

    /// The group's thread ends.
    pub(crate) fn forget_group(&self, group: &Group) {
        if !group.is_in_use() {
            let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
            let forgotten = table.groups.remove(&group.owner());
            drop(table);
            drop(forgotten);
        }
    }

    /// As [`Pollers::forward`], for a request that the watchdog took back.
    pub(crate) fn announce_late(&self, owner: u32, watch: Arc<Watch>, user_data: u64) {
        if let Some(poller) = self.find(owner) {
            poller.push(Ready::Late { watch, user_data });
        }
    }

    /// Whether the owner's thread has armed its interrupt, and it was not raised, at this moment.
    pub(crate) fn is_asleep(&self, owner: u32) -> bool {
        self.find(owner).is_some_and(|poller| poller.interrupt.is_armed())
    }

    fn find(&self, owner: u32) -> Option<Arc<Poller>> {
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.by_owner.get(&owner).and_then(Weak::upgrade)
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Waker};
    use std::thread;

    use crate::engine::Engine;
    use crate::{Cipher, Config};

    #[test]
    fn threads_that_end_with_requests_in_flight_leave_no_groups() {
        let engine = Engine::stepped(Config::default()).unwrap();
        let session = engine.cipher(Cipher::Aes128Ctr, &[1; 16]).unwrap();
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..10 {
            let (engine_of_thread, session) = (engine.clone(), session.clone());
            let in_thread = thread::spawn(move || {
                let _reaper = engine_of_thread.reaper().unwrap();
                let mut future = session.encrypt_async(&[2; 16], vec![3; 20]);
                assert!(Pin::new(&mut future).poll(&mut Context::from_waker(Waker::noop())).is_pending());
                future
            });
            let mut future = in_thread.join().unwrap();
            engine.device().run_until_idle();
            assert!(Pin::new(&mut future).poll(&mut context).is_ready());
        }
        let table = engine.inner.pollers.table.lock().unwrap();
        assert_eq!(table.groups.len(), 1, "the latest one's");
    }
}
