//! The watchdog: takes back requests that do not end in time, on behalf of their waiters.
//!
//! ```text
//!   submit ──► Watch ──► the list, by deadline ──── the deadline comes: a thread (real clock), an alarm (stepped device)
//!                ▲            │                                │
//!                │            │ off the list:                  ▼
//!                │            │  the device sends the wake     take over the wake ── too late: it was sent, or is being sent
//!                │            │  the result was taken          │
//!                │            │  the caller gave up            ▼
//!                │                                             revoke: the slot is free
//!                │                                             │
//!                └──── the request, for the caller to take ◄───┴──► announce: wake, or ready list
//! ```
//!
//! It begins where `timeout_msec` is set, or with the first future that has a time limit. The wake word of a
//! request (ARMED, and then the device's or the watchdog's) decides which of the two announces its end, so
//! each waiter is woken once. A job that finds its request done before the watchdog has taken it back has its
//! result. A result that waits for a slow application is not late: its watch ended when the wake was sent. A
//! request that the device is computing when its time is over is looked at again, a millisecond later each
//! time.
//!
//! Under polling there is no wake. A request that is done and waits to be reaped is late only if its thread
//! sleeps and was not interrupted. The watchdog checks that twice, half the time apart, because a thread that
//! is just about to sleep looks the same for a moment. (So a stepped device that runs until it is idle also
//! runs to the deadlines of requests that are done and not reaped.)

use std::cell::Cell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Poll, Wake, Waker};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use simaccel_device::{Alarm, Delivery, Device, Remote, Request, Ticket, TicketState};

use super::poller::Pollers;
use super::watch::{Addressee, Notice, Watch};
use crate::error::Error;
use crate::process::cancel::uncancelled;
use crate::process::fork;

thread_local! {
    /// The address of the watchdog that this thread runs; 0 for none. `ThreadWaker` says why this is not the
    /// thread's handle.
    static RUNS: Cell<usize> = const { Cell::new(0) };
}

/// The engine's handle of its watchdog; dropping it ends the thread.
#[derive(Debug)]
pub(crate) struct Watchdog {
    shared: Arc<Shared>,
    device: Arc<Device>,
    thread: Option<JoinHandle<()>>,
}

/// The state that the watchdog and all watches share.
#[derive(Debug)]
pub(super) struct Shared {
    born: u64,
    clock: Clock,
    /// By pair index.
    remotes: Vec<Remote>,
    pollers: Arc<Pollers>,
    list: Mutex<List>,
    /// The thread's sleep.
    sleep: Condvar,
    timeouts: AtomicU64,
}

#[derive(Debug)]
enum Clock {
    Real(Instant),
    /// The alarm is the watchdog's own; the user of the device has another.
    Stepped(Weak<Device>, Alarm),
}

/// A deadline in nanoseconds, and a number that orders equal ones.
pub(super) type Key = (u64, u64);

#[derive(Debug)]
struct List {
    entries: BTreeMap<Key, Entry>,
    next_number: u64,
    /// When the watchdog will next look at the list: the time that its thread sleeps until (0: it is awake),
    /// or that of the alarm. `None`: never.
    next_look: Option<u64>,
    closed: bool,
    /// For the thread to close, if the engine is dropped on it.
    device: Option<Arc<Device>>,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) watch: Arc<Watch>,
    pub(super) pair: usize,
    pub(super) ticket: Ticket,
    pub(super) look: Look,
}

/// What an earlier look at a request has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// There was none.
    First,
    /// It was found unannounced.
    Suspected,
    /// Its wake was taken over, and the device was computing it: for long, where that is a call's function,
    /// which the watchdog does not wait for, because other requests are late meanwhile.
    TakenOver,
}

/// How soon the next look at a request comes that the device is computing, in nanoseconds.
const LOOK_AGAIN: u64 = 1_000_000;

impl Watchdog {
    /// Creates a watchdog.
    pub(crate) fn start(
        device: &Arc<Device>,
        remotes: &[Remote],
        pollers: &Arc<Pollers>,
    ) -> Result<Self, Error> {
        let stepped = device.is_stepped();
        let clock = if stepped {
            Clock::Stepped(Arc::downgrade(device), device.alarm())
        } else {
            Clock::Real(Instant::now())
        };
        let list =
            List { entries: BTreeMap::new(), next_number: 0, next_look: None, closed: false, device: None };
        let shared = Arc::new(Shared {
            born: fork::generation(),
            clock,
            remotes: remotes.to_vec(),
            pollers: Arc::clone(pollers),
            list: Mutex::new(list),
            sleep: Condvar::new(),
            timeouts: AtomicU64::new(0),
        });
        let thread = if stepped { None } else { Some(shared.spawn()?) };
        Ok(Self { shared, device: Arc::clone(device), thread })
    }

    /// Creates a watch for a request that is about to be submitted, and is late after `period`; and the
    /// delivery to submit it with.
    pub(crate) fn watch(
        &self,
        period: Duration,
        delivery: Delivery,
        user_data: u64,
    ) -> (Delivery, Arc<Watch>) {
        let (notice, delivery) = match delivery {
            Delivery::Wake(waker) => (Notice::Wake(waker), None),
            Delivery::Reap { owner } => (Notice::Ready { owner, user_data }, Some(Delivery::Reap { owner })),
            Delivery::Silent => (Notice::Unannounced, Some(Delivery::Silent)),
        };
        let watch = Watch::new(Arc::clone(&self.shared), nanoseconds(period), notice);
        let delivery = delivery.unwrap_or_else(|| Delivery::Wake(Waker::from(Arc::clone(&watch))));
        (delivery, watch)
    }

    /// How many requests were taken back.
    pub(crate) fn timeouts(&self) -> u64 {
        self.shared.timeouts.load(Ordering::Acquire)
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        let thread = self.thread.take();
        if self.shared.is_inherited() {
            // The thread is the parent's, and its state may be locked or half changed: leave both as they
            // are.
            std::mem::forget((thread, Arc::clone(&self.shared)));
            return;
        }
        let is_this = RUNS.get() == Arc::as_ptr(&self.shared).addr();
        let left = {
            let mut list = self.shared.lock();
            list.closed = true;
            // Closing the device waits for its wakers, and those may wait for what the caller holds.
            list.device = is_this.then(|| Arc::clone(&self.device));
            std::mem::take(&mut list.entries)
        };
        self.shared.sleep.notify_one();
        if let Clock::Stepped(_, alarm) = &self.shared.clock {
            // Its waker refers to the watchdog, which owns the alarm.
            alarm.clear();
        }
        // A request that is still watched was leaked; its notice is dropped outside of the lock.
        drop(left);
        // On a worker, too, an application's callback drops the engine: the thread then ends by itself.
        if !is_this && !self.device.is_worker() {
            let _ = uncancelled(|| thread.map(JoinHandle::join));
        }
    }
}

impl Shared {
    fn spawn(self: &Arc<Self>) -> Result<JoinHandle<()>, Error> {
        let shared = Arc::clone(self);
        let builder = thread::Builder::new().name("simaccel-watchdog".to_owned());
        builder.spawn(move || shared.run()).map_err(|error| Error::Thread(error.into()))
    }

    /// The thread's loop.
    fn run(self: Arc<Self>) {
        RUNS.set(Arc::as_ptr(&self).addr());
        let mut list = self.lock();
        while !list.closed {
            let now = self.now();
            if let Some(entry) = list.pop_due(now) {
                drop(list);
                self.expire(entry);
                list = self.lock();
            } else {
                list.next_look = list.first_deadline();
                list = self.sleep(list, now);
                list.next_look = Some(0);
            }
        }
        let device = list.device.take();
        drop(list);
        drop(device);
    }

    fn sleep<'a>(&self, list: MutexGuard<'a, List>, now: u64) -> MutexGuard<'a, List> {
        let Some(next_look) = list.next_look else {
            return self.sleep.wait(list).unwrap_or_else(PoisonError::into_inner);
        };
        let time = Duration::from_nanos(next_look.saturating_sub(now));
        self.sleep.wait_timeout(list, time).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Handles the alarm of a stepped device.
    fn on_alarm(self: &Arc<Self>) {
        self.lock().next_look = None;
        let now = self.now();
        loop {
            let due = self.lock().pop_due(now);
            let Some(entry) = due else { break };
            self.expire(entry);
        }
        self.change(|_| ());
    }

    pub(super) fn put_on(self: &Arc<Self>, deadline: u64, entry: Entry) -> Key {
        self.change(|list| list.add(deadline, entry))
    }

    pub(super) fn take_off(self: &Arc<Self>, key: Key) -> Option<Entry> {
        self.change(|list| list.entries.remove(&key))
    }

    /// Changes the list, and wakes the watchdog if it has to look earlier.
    fn change<R>(self: &Arc<Self>, change: impl FnOnce(&mut List) -> R) -> R {
        let mut list = self.lock();
        let result = change(&mut list);
        let first = list.first_deadline();
        match &self.clock {
            Clock::Stepped(_, alarm) if first != list.next_look => {
                match first {
                    Some(first) => alarm.set(Duration::from_nanos(first), Waker::from(Arc::clone(self))),
                    None => _ = alarm.clear(),
                }
                list.next_look = first;
            }
            Clock::Real(_) if first.is_some_and(|first| list.next_look.is_none_or(|next| first < next)) => {
                self.sleep.notify_one();
                list.next_look = first;
            }
            _ => {}
        }
        drop(list);
        result
    }

    /// Handles a request whose deadline is over.
    fn expire(self: &Arc<Self>, entry: Entry) {
        // A notice may run and drop foreign code.
        catch_panic(|| {
            if !entry.watch.begin_to_expire() {
                return;
            }
            match self.take_back(&entry) {
                Verdict::InTime => entry.watch.end(),
                Verdict::Suspicious => {
                    let Entry { watch, pair, ticket, .. } = entry;
                    watch.list(pair, ticket, watch.period / 2, Look::Suspected);
                }
                Verdict::Computing => {
                    let Entry { watch, pair, ticket, .. } = entry;
                    watch.list(pair, ticket, LOOK_AGAIN, Look::TakenOver);
                }
                Verdict::Late(request) => {
                    // Counted first: a caller that sees the error sees it counted.
                    self.timeouts.fetch_add(1, Ordering::AcqRel);
                    self.announce(&entry.watch, request);
                }
            }
        });
    }

    fn take_back(&self, entry: &Entry) -> Verdict {
        let remote = &self.remotes[entry.pair];
        if entry.look != Look::TakenOver
            && let Some(verdict) = self.take_over(entry, remote)
        {
            return verdict;
        }
        match remote.try_revoke(entry.ticket) {
            Poll::Ready(Some(request)) => Verdict::Late(Box::new(request)),
            // Gone: its caller has found it done and taken it.
            Poll::Ready(None) => Verdict::InTime,
            Poll::Pending => Verdict::Computing,
        }
    }

    /// Takes over the announcement of a request that is late. Otherwise returns what it is.
    fn take_over(&self, entry: &Entry, remote: &Remote) -> Option<Verdict> {
        let ticket = entry.ticket;
        let is_done = matches!(remote.state(ticket), TicketState::Done(_));
        match entry.watch.addressee() {
            // The thread that steps the device and waits for nothing else has seen it.
            Addressee::Unannounced => is_done.then_some(Verdict::InTime),
            Addressee::Poller(owner) if is_done && !self.pollers.is_asleep(owner) => Some(Verdict::InTime),
            Addressee::Poller(_) if is_done && entry.look == Look::First => Some(Verdict::Suspicious),
            Addressee::Poller(_) | Addressee::Waker => {
                (!remote.take_over_wake(ticket)).then_some(Verdict::InTime)
            }
        }
    }

    fn announce(&self, watch: &Arc<Watch>, request: Box<Request>) {
        match watch.time_out(request) {
            Ok(Notice::Wake(waker)) => catch_panic(|| waker.wake()),
            Ok(Notice::Ready { owner, user_data }) => {
                self.pollers.announce_late(owner, Arc::clone(watch), user_data);
            }
            Ok(Notice::Unannounced) => {}
            Err(mut unwanted) => unwanted.wipe(),
        }
        watch.was_announced();
    }

    pub(super) fn now(&self) -> u64 {
        match &self.clock {
            Clock::Real(opened) => nanoseconds(opened.elapsed()),
            Clock::Stepped(device, _) => device.upgrade().map_or(0, |device| nanoseconds(device.now())),
        }
    }

    pub(super) fn is_inherited(&self) -> bool {
        fork::since(self.born)
    }

    fn lock(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The waker of a stepped device's alarm.
impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.on_alarm();
    }
}

impl List {
    fn add(&mut self, deadline: u64, entry: Entry) -> Key {
        let key = (deadline, self.next_number);
        self.next_number += 1;
        self.entries.insert(key, entry);
        key
    }

    fn first_deadline(&self) -> Option<u64> {
        self.entries.first_key_value().map(|(key, _)| key.0)
    }

    fn pop_due(&mut self, now: u64) -> Option<Entry> {
        let due = self.entries.first_entry().filter(|first| first.key().0 <= now)?;
        Some(due.remove())
    }
}

/// The outcome of a deadline.
enum Verdict {
    /// The request's end was or is being announced, or its caller has it.
    InTime,
    /// It is done, and its end seems not to have been announced.
    Suspicious,
    /// The device is computing it at this moment.
    Computing,
    /// Taken back.
    Late(Box<Request>),
}

/// Runs foreign code and stops its panic.
fn catch_panic(body: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(body)) {
        // Dropping a foreign payload could panic again.
        std::mem::forget(payload);
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A device that loses no wake has no public way to lose one: here the request is submitted with a delivery
/// that announces nothing to the watch's waiter.
#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use simaccel_device::{Config, Operation, QueuePair, SessionId, Status, WakeState};

    use super::super::poller::Poller;
    use super::*;

    const PERIOD: Duration = Duration::from_millis(10);

    struct Scene {
        device: Arc<Device>,
        pair: QueuePair,
        watchdog: Watchdog,
        poller: Arc<Poller>,
    }

    fn scene() -> Scene {
        let device = Arc::new(Device::stepped(&Config::default()).unwrap());
        let pair = device.take_queue_pairs().remove(0);
        let pollers = Arc::new(Pollers::default());
        let poller = pollers.register().unwrap();
        let remotes = [pair.remote().clone()];
        let watchdog = Watchdog::start(&device, &remotes, &pollers).unwrap();
        Scene { device, pair, watchdog, poller }
    }

    impl Scene {
        /// Submits a request that is not reaped, and watches it for a waiter with this `delivery`.
        fn submit(&mut self, delivery: Delivery) -> (Arc<Watch>, Ticket) {
            let (_, watch) = self.watchdog.watch(PERIOD, delivery, 77);
            let request = Request::new(SessionId::NONE, Operation::Digest, vec![5; 30]);
            let ticket = self.pair.submit(request, Delivery::Reap { owner: 0 }).unwrap();
            watch.begin(0, ticket);
            (watch, ticket)
        }

        fn is_done(&self, ticket: Ticket) -> bool {
            self.pair.remote().state(ticket) == TicketState::Done(Status::InvalidSession)
        }
    }

    #[derive(Default)]
    struct Counting(AtomicUsize);

    impl Wake for Counting {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_wake_that_never_comes_is_made_up_for() {
        let (mut scene, counting) = (scene(), Arc::new(Counting::default()));
        let (watch, ticket) = scene.submit(Delivery::Wake(Waker::from(Arc::clone(&counting))));
        scene.device.advance(PERIOD - Duration::from_nanos(1));
        assert!(scene.is_done(ticket) && !watch.is_timed_out());
        assert_eq!(counting.0.load(Ordering::Relaxed), 0);
        scene.device.advance(Duration::from_nanos(1));
        assert_eq!((counting.0.load(Ordering::Relaxed), scene.watchdog.timeouts()), (1, 1));
        assert_eq!((watch.is_timed_out(), watch.wake_state()), (true, WakeState::Sent));
        assert_eq!(watch.claim().unwrap().buffer, [5; 30]);
        assert!(watch.claim().is_none(), "once");
        assert_eq!(scene.device.run_until_idle(), 0);
    }

    #[test]
    fn an_interrupt_that_is_never_raised_is_made_up_for_within_twice_the_period() {
        let mut scene = scene();
        let owner = scene.poller.owner();
        let (watch, ticket) = scene.submit(Delivery::Reap { owner });
        // The thread sleeps; it is not attached to the pair, so the device raises nothing.
        scene.poller.interrupt().arm();
        scene.device.advance(PERIOD);
        assert!(scene.is_done(ticket) && !watch.is_timed_out(), "it might just be about to look");
        scene.device.advance(PERIOD / 2);
        assert!(watch.is_timed_out() && !scene.poller.interrupt().is_armed(), "told at last");
        let ready = scene.poller.pop().unwrap();
        assert_eq!(ready.token(scene.pair.remote()), Some(77));
        assert!(watch.claim().is_some());
        assert_eq!(ready.token(scene.pair.remote()), None, "it has gone on already");
        assert_eq!(scene.watchdog.timeouts(), 1);
    }

    #[test]
    fn a_completion_of_a_thread_that_is_awake_is_not_lost() {
        for wakes_up in [false, true] {
            let mut scene = scene();
            let owner = scene.poller.owner();
            let (watch, ticket) = scene.submit(Delivery::Reap { owner });
            if wakes_up {
                scene.poller.interrupt().arm();
                scene.device.advance(PERIOD);
                scene.poller.interrupt().disarm();
            }
            scene.device.run_until_idle();
            assert!(scene.is_done(ticket) && !watch.is_timed_out() && scene.poller.pop().is_none());
            assert_eq!(scene.watchdog.timeouts(), 0);
        }
    }

    #[test]
    fn a_spurious_wake_goes_through_and_ends_nothing() {
        let (mut scene, counting) = (scene(), Arc::new(Counting::default()));
        let (watch, _) = scene.submit(Delivery::Wake(Waker::from(Arc::clone(&counting))));
        let waker = Waker::from(Arc::clone(&watch));
        waker.wake_by_ref();
        waker.wake_by_ref();
        assert_eq!(counting.0.load(Ordering::Relaxed), 2);
        scene.device.advance(PERIOD);
        assert_eq!((counting.0.load(Ordering::Relaxed), scene.watchdog.timeouts()), (3, 1));
    }

    #[test]
    fn what_is_given_up_while_the_watchdog_is_at_it_is_wiped() {
        let mut scene = scene();
        let (watch, _) = scene.submit(Delivery::Silent);
        assert!(watch.begin_to_expire());
        watch.end();
        let request = Request::new(SessionId::NONE, Operation::Digest, vec![5; 30]);
        let mut unwanted = watch.time_out(Box::new(request)).unwrap_err();
        unwanted.wipe();
        assert!(watch.claim().is_none() && !watch.is_timed_out());
    }
}
