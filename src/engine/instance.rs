//! Instances: one thread's use of one queue pair of one engine.
//!
//! ```text
//!   thread 1 ── Instance ── Own(pair 0)
//!   thread 2 ── Instance ── Own(pair 1)          pairs 0 .. n-2: one thread each, no lock
//!   thread 3 ── Instance ── Own(pair 2)
//!   thread 4 ── Instance ──┐
//!   thread 5 ── Instance ──┴ Shared(pair 3)      the last pair: behind a lock, for all later ones
//! ```
//!
//! A thread finds its instance in its [table](super::table); the end of the thread gives the pair back.

use std::cell::{Cell, OnceCell, RefCell, RefMut};
use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use simaccel_device::{Arrival, Arrivals, Completion, QueuePair, Remote, Ticket};
use zeroize::Zeroize;

use super::Inner;
use super::catching::catch;
use super::fault::FaultKind;
use super::group::Group;
use super::lease::Lease;
use super::orphan;
use super::places::Places;
use super::poller::{self, Poller};
use super::stats::Counters;
use super::thread_waker::ThreadWaker;
use crate::error::{Error, OsError};

/// How often to read the fd where it may become readable without a token; also the number of polls in vain
/// after which it is read in any case.
const LOOK_AGAIN: u32 = 16;

/// Completions reaped at a time.
const REAP_BATCH: usize = 64;

/// Buffers that are kept for borrowed slices, and for working out of place.
const POOLED_BUFFERS: usize = 16;

/// The largest buffer to keep, in bytes: one large message must not hold its memory for the thread's life.
const POOLED_BYTES: usize = 1 << 20;

/// One thread's use of one queue pair.
#[derive(Debug)]
pub(crate) struct Instance {
    engine: Weak<Inner>,
    engine_id: u64,
    lease: Lease,
    pub(crate) counters: Arc<Counters>,
    pub(crate) thread_waker: Arc<ThreadWaker>,
    poller: OnceCell<Arc<Poller>>,
    /// The poller's number, if there is one.
    owner: Cell<Option<u32>>,
    /// The thread's futures, if it has had a reaper.
    group: OnceCell<Arc<Group>>,
    places: Places,
    /// Completions that a blocked call has reaped.
    reaped: RefCell<VecDeque<Completion>>,
    /// Completions that a poll has taken off the ring, and not returned yet. They belong to the instance, not
    /// to the poll: a nested poll continues where the outer one is.
    arrivals: Arrivals,
    buffers: RefCell<Vec<Vec<u8>>>,
    /// Whether the poller's interrupt was armed and may have been raised since.
    armed: Cell<bool>,
    /// Not 0 when the interrupt was raised and the fd not read since: it may be readable, or become so at any
    /// moment. Counts the remaining looks.
    raising: Cell<u32>,
    /// Polls that found nothing.
    dry_polls: Cell<u32>,
    /// Created for one call of a thread that is ending; the next call gets another.
    temporary: bool,
}

/// The result of a look for tokens.
enum Look {
    Token(u64),
    /// There are arrivals now.
    Arrivals,
    Nothing,
}

impl Instance {
    pub(super) fn lease(engine: &Arc<Inner>, temporary: bool) -> Self {
        // In a forked child locks may have been inherited locked. An instance there has buffers, and that is
        // all.
        let (lease, counters) = if engine.is_inherited() {
            (engine.pairs.lease_inherited(), Arc::default())
        } else {
            (engine.pairs.lease(), engine.registry.register())
        };
        Self {
            engine: Arc::downgrade(engine),
            engine_id: engine.id,
            lease,
            counters,
            thread_waker: Arc::default(),
            poller: OnceCell::new(),
            owner: Cell::new(None),
            group: OnceCell::new(),
            places: Places::default(),
            reaped: RefCell::default(),
            arrivals: Arrivals::default(),
            buffers: RefCell::default(),
            armed: Cell::new(false),
            raising: Cell::new(0),
            dry_polls: Cell::new(0),
            temporary,
        }
    }

    /// Whether this instance is of `engine`.
    #[inline]
    pub(super) const fn is_of(&self, engine: &Inner) -> bool {
        self.engine_id == engine.id
    }

    /// Whether the engine was dropped.
    pub(super) fn is_orphaned(&self) -> bool {
        self.engine.strong_count() == 0
    }

    /// The device's index of the pair.
    pub(crate) const fn pair_index(&self) -> usize {
        self.lease.index()
    }

    /// The operations on the pair's requests that any thread may use.
    pub(crate) const fn remote(&self) -> &Remote {
        self.lease.remote()
    }

    /// Whether this instance will not be found again, so that no wake would end a sleep in it.
    pub(crate) const fn is_temporary(&self) -> bool {
        self.temporary
    }

    /// Runs `body` with the queue pair; nothing in `body` may call user code.
    #[inline]
    pub(crate) fn with_pair<R>(&self, body: impl FnOnce(&mut QueuePair) -> R) -> R {
        self.lease.with_pair(body)
    }

    /// The queue pair, if it is this thread's own. Frequent operations try this first; it is compiled only
    /// once then.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(crate) fn own_pair(&self) -> Option<RefMut<'_, QueuePair>> {
        self.lease.own_pair()
    }

    /// The thread's poller, created at first use and attached to the pair.
    #[inline]
    pub(crate) fn poller(&self, engine: &Inner) -> Result<&Poller, Error> {
        match self.poller.get() {
            Some(poller) => Ok(poller),
            None => self.make_poller(engine),
        }
    }

    #[cold]
    fn make_poller(&self, engine: &Inner) -> Result<&Poller, Error> {
        if engine.fails(FaultKind::FdFail, None) {
            return Err(Error::WakeFd(OsError::from_raw_os_error(libc::EMFILE)));
        }
        let poller = engine.pollers.register().map_err(|error| Error::WakeFd(error.into()))?;
        self.remote().attach(Arc::clone(poller.interrupt()));
        self.owner.set(Some(poller.owner()));
        Ok(self.poller.get_or_init(|| poller))
    }

    /// The number by which completions name this thread.
    #[inline]
    pub(crate) fn owner(&self, engine: &Inner) -> Result<u32, Error> {
        match self.owner.get() {
            Some(owner) => Ok(owner),
            None => self.poller(engine).map(|poller| poller.owner()),
        }
    }

    /// The thread's number, if there is a poller.
    #[inline]
    pub(crate) fn known_owner(&self) -> Option<u32> {
        self.owner.get()
    }

    /// The thread's futures, if it has had a reaper.
    #[inline]
    pub(crate) fn group(&self) -> Option<&Group> {
        self.group.get().map(|group| &**group)
    }

    pub(crate) fn group_or_make(&self, engine: &Inner) -> &Arc<Group> {
        self.group.get_or_init(|| engine.pollers.register_group(self.remote()))
    }

    /// The thread's places, and the number of its group, while a reaper comes.
    #[inline]
    pub(crate) fn places_for_reaper(&self) -> Option<(&Places, u32)> {
        if !self.places.is_open() {
            return None;
        }
        self.group.get().map(|group| (&self.places, group.owner()))
    }

    pub(crate) const fn places(&self) -> &Places {
        &self.places
    }

    /// Reaps all completions for the reaper of this group: those of its futures go to `tickets`, those of the
    /// thread's jobs are kept for [`Instance::next_token`], others are forwarded.
    pub(crate) fn take_arrivals(&self, engine: &Inner, group: &Group, tickets: &mut Vec<Ticket>) {
        let mut keeps_some = false;
        loop {
            while let Some(arrival) = self.arrivals.next() {
                let owner = arrival.owner();
                let Some(completion) = self.remote().reap_completion(arrival) else { continue };
                if owner == group.owner() {
                    tickets.push(completion.ticket);
                } else if Some(owner) == self.known_owner() {
                    self.reaped.borrow_mut().push_back(completion);
                    keeps_some = true;
                } else {
                    self.forward_completion(engine, completion);
                }
            }
            let Some(mut pair) = self.own_pair() else { break };
            if !pair.arrivals(&self.arrivals) {
                break;
            }
        }
        self.release_reaped();
        if keeps_some {
            self.announce();
        }
    }

    /// Runs `body` with the thread's poller.
    pub(crate) fn with_poller<R>(&self, engine: &Inner, body: impl FnOnce(&Poller) -> R) -> Result<R, Error> {
        self.poller(engine).map(body)
    }

    /// Reaps all completions: this thread's are kept for [`Instance::next_token`], others are forwarded. A
    /// thread without a poller has none of its own.
    pub(crate) fn reap(&self, engine: &Inner) -> usize {
        let owner = self.poller.get().map(|poller| poller.owner());
        let mut others = Vec::<Completion>::new();
        let mut own = self.reaped.borrow_mut();
        let mut keep = |completion: Completion| {
            if Some(completion.owner) == owner {
                own.push_back(completion);
            } else {
                others.push(completion);
            }
        };
        // Also those that an outer poll has taken off the ring: the watchdog takes a completion that is not
        // reaped for lost.
        let arrived = std::iter::from_fn(|| self.arrivals.next());
        arrived.filter_map(|arrival| self.remote().reap_completion(arrival)).for_each(&mut keep);
        let reaped = self.with_pair(|pair| pair.reap(REAP_BATCH, &mut keep));
        drop(own);
        for completion in others {
            self.forward_completion(engine, completion);
        }
        reaped
    }

    /// The next token of this thread: first from completions that are off the ring, then from other threads,
    /// then from a blocked call, then from the ring. Jobs that have their result already, or were dropped,
    /// are skipped.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(crate) fn next_token(&self, engine: &Inner, poller: &Poller) -> Option<u64> {
        loop {
            match self.arrivals.next() {
                Some(arrival) if arrival.owner() == poller.owner() => {
                    if let Some(token) = self.remote().reap(arrival) {
                        return Some(token);
                    }
                }
                Some(arrival) => self.forward(engine, arrival),
                None => match self.look_for_tokens(engine, poller) {
                    Look::Arrivals => {}
                    Look::Token(token) => return Some(token),
                    Look::Nothing => return None,
                },
            }
        }
    }

    /// The slow part, without arrivals.
    #[inline(never)]
    fn look_for_tokens(&self, engine: &Inner, poller: &Poller) -> Look {
        if engine.is_inherited() {
            return Look::Nothing;
        }
        // First what other threads have forwarded, so that a stream of own completions does not delay it.
        if (poller.has_ready() || !self.reaped.borrow().is_empty())
            && let Some(token) = self.token_from_before(poller)
        {
            return Look::Token(token);
        }
        let Some(mut pair) = self.own_pair() else {
            return self.next_shared_token(engine, poller).map_or(Look::Nothing, Look::Token);
        };
        if pair.arrivals(&self.arrivals) { Look::Arrivals } else { Look::Nothing }
    }

    #[cold]
    fn forward(&self, engine: &Inner, arrival: Arrival) {
        // In a forked child a lock may have been inherited locked.
        if !engine.is_inherited()
            && let Some(completion) = self.remote().reap_completion(arrival)
        {
            self.forward_completion(engine, completion);
        }
    }

    /// Wakes a future of this thread, or forwards the completion of another.
    #[cold]
    fn forward_completion(&self, engine: &Inner, completion: Completion) {
        match self.group() {
            Some(group) if group.owner() == completion.owner => {
                // Its panic would lose the completions behind it.
                catch(|| group.wake_reaped(&mut vec![completion.ticket], &self.places));
            }
            _ => engine.pollers.forward(completion),
        }
    }

    /// The next token that other threads, or a blocked call, have left.
    #[cold]
    fn token_from_before(&self, poller: &Poller) -> Option<u64> {
        let from_others = std::iter::from_fn(|| poller.pop()).find_map(|ready| ready.token(self.remote()));
        from_others.or_else(|| {
            let reaped = || self.reaped.borrow_mut().pop_front();
            std::iter::from_fn(reaped).find_map(|completion| poller::token(&completion, self.remote()))
        })
    }

    /// Reaps the shared pair until there is a completion of this thread; others are forwarded.
    fn next_shared_token(&self, engine: &Inner, poller: &Poller) -> Option<u64> {
        loop {
            let completion = self.with_pair(QueuePair::reap_one)?;
            if completion.owner == poller.owner() {
                return Some(completion.user_data);
            }
            engine.pollers.forward(completion);
        }
    }

    /// Frees the slots of all returned completions.
    #[inline]
    pub(crate) fn release_reaped(&self) {
        self.with_pair(QueuePair::release_reaped);
    }

    /// Sets whether submissions reach the device in batches from here on; returns the previous setting. Only
    /// on a pair of this thread's own: on a shared pair other threads' submissions would have to wait for
    /// this thread.
    pub(crate) fn hold_back(&self, hold: bool) -> bool {
        self.own_pair().is_some_and(|mut pair| pair.hold_back(hold))
    }

    /// Shows held-back submissions to the device.
    #[inline]
    pub(crate) fn flush(&self) {
        // If it is in use, its user is about to show more.
        if let Some(mut pair) = self.lease.idle_pair() {
            pair.flush();
        }
    }

    /// Whether [`Instance::next_token`] would find a token, or the ring has completions to reap.
    pub(crate) fn has_tokens(&self, poller: &Poller) -> bool {
        !self.arrivals.is_empty()
            || !self.reaped.borrow().is_empty()
            || poller.has_ready()
            || self.remote().completions_pending()
    }

    /// Arms the interrupt, unless there is something already. Returns whether the thread may sleep.
    pub(crate) fn arm(&self, poller: &Poller) -> bool {
        if self.armed.replace(true) && !poller.interrupt().is_armed() {
            self.raising.set(LOOK_AGAIN);
        }
        // Armed first, then looked at once more: a completion in between is not missed.
        poller.interrupt().arm();
        !self.has_tokens(poller)
    }

    /// Arms the interrupt of the thread's poller, if it has one; raises it at once when there is something
    /// already.
    pub(crate) fn announce(&self) {
        if let Some(poller) = self.poller.get()
            && !self.arm(poller)
        {
            poller.interrupt().raise();
        }
    }

    /// Disarms the interrupt. Reads the fd only if it may have been written.
    pub(crate) fn disarm(&self, poller: &Poller) {
        if self.armed.replace(false) && !poller.interrupt().disarm() && !poller.interrupt().clear() {
            self.raising.set(LOOK_AGAIN);
        }
    }

    /// Ends a poll that has found nothing more, or nothing at all. A thread that raised the interrupt just
    /// when it was disarmed writes a little later, and a readable fd without a completion would keep an event
    /// loop busy. So the fd is read where that is known, and every now and then in any case.
    pub(crate) fn end_poll(&self, poller: &Poller, dry: bool) {
        let polls = self.dry_polls.get().wrapping_add(u32::from(dry));
        self.dry_polls.set(polls);
        let raising = self.raising.get();
        if raising > 0 || (dry && polls.is_multiple_of(LOOK_AGAIN)) {
            let read = poller.interrupt().clear();
            self.raising.set(if read { 0 } else { raising.saturating_sub(1) });
        }
    }

    /// Disarms the interrupt and reads the fd in any case.
    pub(crate) fn disarm_and_clear(&self, poller: &Poller) {
        self.armed.set(false);
        let raised = !poller.interrupt().disarm();
        let read = poller.interrupt().clear();
        self.raising.set(if raised && !read { LOOK_AGAIN } else { 0 });
    }

    /// An empty buffer with room for `capacity` bytes, from this thread's pool if it has one.
    pub(crate) fn buffer(&self, capacity: usize) -> Result<Vec<u8>, Error> {
        let mut buffer = self.buffers.borrow_mut().pop().unwrap_or_default();
        buffer.try_reserve(capacity).map_err(|_| Error::NoMemory)?;
        Ok(buffer)
    }

    /// Wipes a buffer and keeps it for reuse, unless it is large.
    pub(crate) fn recycle(&self, mut buffer: Vec<u8>) {
        buffer.zeroize();
        let mut buffers = self.buffers.borrow_mut();
        if buffers.len() < POOLED_BUFFERS && buffer.capacity() <= POOLED_BYTES {
            buffers.push(buffer);
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // If the engine is gone, so are its pairs.
        let Some(engine) = self.engine.upgrade() else { return };
        if engine.is_inherited() {
            // In a forked child locks may have been inherited locked.
            return;
        }
        if let Some(poller) = self.poller.take() {
            self.remote().detach(poller.interrupt());
        }
        let group = self.group.take();
        if let Some(group) = &group {
            // Its reaper may be forgotten.
            group.close(&self.places);
            engine.pollers.forget_group(group);
        }
        engine.registry.retire(&self.counters);
        let is_orphaned = group.is_some() && self.lease.is_own() && !self.remote().is_idle();
        engine.pairs.give_back(&mut self.lease, is_orphaned);
        if is_orphaned {
            orphan::adopt(&engine, self.lease.index());
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::{Engine, table};
    use crate::job::{Job, Step, WaitCtx};
    use crate::{Cipher, Config};

    #[test]
    fn a_blocked_call_reaps_what_a_poll_has_taken_off_the_ring() {
        let engine = Engine::stepped(Config::parse("delivery=poll;timeout_msec=1000").unwrap()).unwrap();
        let ctx = WaitCtx::new();
        let mut jobs: Vec<_> = (0..5)
            .map(|token| {
                let session = engine.cipher(Cipher::Aes128Ctr, &[1; 16]).unwrap();
                let mut job = Job::new(&ctx, move || session.encrypt(&[2; 16], vec![3; 20]).is_ok()).unwrap();
                job.set_token(token);
                assert_eq!(job.resume(), Ok(Step::Paused));
                job
            })
            .collect();
        engine.device().run_until_idle();
        let instance = table::of_thread(&engine.inner);
        let mut tokens = Vec::new();
        let told = |token| {
            tokens.push(token);
            if token == 0 {
                assert!(!instance.arrivals.is_empty(), "they come off the ring together");
                instance.reap(&engine.inner);
                assert!(instance.arrivals.is_empty());
            }
        };
        assert_eq!(engine.poll(10, told), Ok(5));
        assert_eq!(tokens, [0, 1, 2, 3, 4]);
        jobs.iter_mut().for_each(|job| assert_eq!(job.resume(), Ok(Step::Finished(true))));
    }
}
