//! The part of a queue pair that both ends share, and the operations on it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Waker;

use crate::message::operation::Operation;
use crate::message::request::Request;
use crate::message::status::Status;
use crate::process::fork;
use crate::queue::cell::{Held, Origin, Remains, Slab, Ticket};
use crate::queue::counters::Counters;
use crate::queue::delivery::RefusedReason;
use crate::queue::doorbell::Doorbell;
use crate::queue::entry::Announce;
use crate::queue::hooks::{Hooks, Served, Stamp, Taker};
use crate::queue::interrupt::Interrupts;
use crate::queue::ready::Times;
use crate::queue::ring::View;
use crate::queue::slots::Slots;
use crate::sync::{AtomicU8, AtomicU64, Ordering, Padded, bump, fence};

/// Whether the device behind a queue pair works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    Open,
    Dead,
    Closed,
}

/// The shared middle of one queue pair. Frequently written fields have their own cache lines.
#[derive(Debug)]
pub(crate) struct Pair {
    index: usize,
    life: AtomicU8,
    fork: u64,
    pub(crate) doorbell: Arc<Doorbell>,
    pub(crate) slab: Arc<Slab>,
    pub(crate) slots: Slots,
    pub(crate) completions: View,
    pub(crate) interrupts: Padded<Interrupts>,
    pub(crate) counters: Counters,
    hooks: Option<Arc<dyn Hooks>>,
}

impl Pair {
    pub(crate) fn new(
        index: usize,
        depth: usize,
        slab: Arc<Slab>,
        doorbell: Arc<Doorbell>,
        completions: View,
        hooks: Option<Arc<dyn Hooks>>,
    ) -> Self {
        Self {
            index,
            life: AtomicU8::new(Life::Open as u8),
            fork: fork::generation(),
            doorbell,
            slab,
            slots: Slots::new(depth),
            completions,
            interrupts: Padded(Interrupts::default()),
            counters: Counters::default(),
            hooks,
        }
    }

    pub(crate) fn index(&self) -> usize {
        self.index
    }

    #[inline]
    pub(crate) fn life(&self) -> Life {
        match self.life.load(Ordering::Acquire) {
            0 => Life::Open,
            1 => Life::Dead,
            _ => Life::Closed,
        }
    }

    pub(crate) fn set_life(&self, life: Life) {
        self.life.store(life as u8, Ordering::Release);
    }

    /// Whether this process is a child of the one that opened the device: locks may be held by threads that
    /// it does not have.
    #[inline]
    pub(crate) fn forked(&self) -> bool {
        fork::since(self.fork)
    }

    /// Why a submission would be refused before slots are checked.
    #[inline]
    pub(crate) fn refusal(&self) -> Option<RefusedReason> {
        let open = self.life.load(Ordering::Acquire) == Life::Open as u8;
        if open && !self.forked() { None } else { self.why_not() }
    }

    #[cold]
    fn why_not(&self) -> Option<RefusedReason> {
        match self.life() {
            Life::Closed => Some(RefusedReason::Closed),
            _ if self.forked() => Some(RefusedReason::Closed),
            Life::Dead => Some(RefusedReason::DeviceDead),
            Life::Open => None,
        }
    }

    /// Whether requests are inspected more than they need to be moved.
    #[inline]
    pub(crate) const fn has_hooks(&self) -> bool {
        self.hooks.is_some()
    }

    /// Asks about a submission, once.
    #[inline]
    pub(crate) fn is_busy(&self, request: &Request) -> bool {
        let ask =
            |hooks: &Arc<dyn Hooks>| hooks.is_busy(request.operation, request.call_name(), request.size());
        self.hooks.as_ref().is_some_and(ask)
    }

    #[cold]
    pub(crate) fn note_busy(&self) {
        if let Some(hooks) = &self.hooks {
            hooks.note_busy();
        }
    }

    /// What limits how many requests come in, if anything does.
    pub(crate) fn limit(&self) -> Option<&dyn Hooks> {
        self.hooks.as_deref().filter(|hooks| hooks.limits())
    }

    /// Whether a submission of this many bytes has its tokens; it takes them.
    #[inline]
    pub(crate) fn lets_in(&self, bytes: u64) -> bool {
        let Some(limit) = self.limit() else { return true };
        let now = limit.now();
        limit.let_in(bytes, now, now, &mut || true).is_some()
    }

    /// When the first parked request has its tokens, if that is all it lacks.
    pub(crate) fn short_until(&self) -> Option<u64> {
        let limit = self.limit().filter(|_| self.slots.has_work())?;
        limit.lets_in_at(self.slots.first(&self.slab)?)
    }

    #[inline]
    pub(crate) fn stamp(&self, number: u64) -> Option<Stamp> {
        self.hooks.as_ref().map(|hooks| hooks.stamp(number))
    }

    /// The same for a submission that no rule can refuse, and whether the device limits how many come in.
    /// `None`: a rule may refuse it.
    #[inline]
    pub(crate) fn stamp_unruled(&self) -> Option<(Stamp, bool)> {
        let number = self.counters.host.submitted.load(Ordering::Relaxed);
        self.hooks.as_ref().and_then(|hooks| hooks.stamp_unruled(number))
    }

    #[inline]
    pub(crate) fn note_service(&self, operation: Operation, times: Times) {
        if times.submitted.is_some() {
            self.note_timed_service(operation, times);
        }
    }

    #[cold]
    fn note_timed_service(&self, operation: Operation, times: Times) {
        if let Some(hooks) = &self.hooks {
            hooks.note_service(operation, times);
        }
    }

    #[inline]
    pub(crate) fn note_taken(&self, request: &Request, served: Option<Served>, taker: Taker) {
        // In a forked child the locks of the statistics may have been inherited locked.
        if let (Some(served), Some(hooks)) = (served, &self.hooks)
            && !self.forked()
        {
            hooks.note_taken(request, served, taker);
        }
    }

    /// Calls the waker of a request, if its wake is still armed. The waker is foreign code: a panic is
    /// counted and stopped.
    pub(crate) fn send_wake(&self, ticket: Ticket) {
        self.wake(ticket, |panicked| {
            add(&self.counters.shared.wakes_sent, 1);
            add(&self.counters.shared.wake_panics, u64::from(panicked));
        });
    }

    fn wake(&self, ticket: Ticket, count: impl FnOnce(bool)) {
        let Some((waker, sending)) = self.slab.begin_wake(ticket) else { return };
        count(!call(waker));
        if let Some(vacant) = self.slab.end_wake(sending) {
            self.slab.put(vacant);
        }
    }

    /// Ends a request that the device, which has closed, has not met. It is not counted.
    #[cold]
    pub(crate) fn close(&self, ticket: Ticket, announce: Announce) {
        let Some(mut claimed) = self.slab.claim(ticket) else { return };
        bump(&self.counters.host.submitted, 1_u64.wrapping_neg());
        let _ = self.slab.finish(&mut claimed, Status::Closed, false);
        if announce == Announce::Wake {
            self.wake(ticket, |_| ());
        }
    }

    /// A spurious wake: the waker is called by reference, and its one call by value is still to come.
    pub(crate) fn send_spurious(&self, ticket: Ticket, announce: Announce) {
        let shared = &self.counters.shared;
        let sent = match announce {
            Announce::Wake => {
                let Some(waker) = self.slab.copy_waker(ticket) else { return };
                let panicked = !catch_panic(|| waker.wake_by_ref());
                add(&shared.wake_panics, u64::from(panicked));
                let _ = catch_panic(|| drop(waker));
                1
            }
            Announce::Reap { .. } => {
                self.interrupts.alert();
                self.interrupts.raise()
            }
            Announce::Silent | Announce::Again { .. } => 0,
        };
        add(&shared.wakes_spurious, sent);
    }

    /// Called after slots were freed on the host's side: makes the device look, if a request waits for one.
    pub(crate) fn slots_were_freed(&self) {
        fence(Ordering::SeqCst);
        if self.slots.has_waiters() {
            self.doorbell.ring();
        }
    }

    /// As [`Pair::slots_were_freed`], for a request that was parked: slots may have been freed before it was
    /// visible there.
    pub(crate) fn fifo_was_joined(&self) {
        fence(Ordering::SeqCst);
        if self.slots.has_work() {
            self.doorbell.ring();
        }
    }

    /// Raises the attached interrupts that are armed, after a full fence.
    pub(crate) fn raise_interrupts(&self) {
        add(&self.counters.shared.interrupts, self.interrupts.raise());
    }

    /// Takes the payload, updates the counters, and gives the cell back from any thread.
    pub(crate) fn take(&self, mut held: Held) -> Request {
        let mut request = Request::empty();
        self.slab.unload(&mut held, &mut request);
        let from = held.from;
        if from == Origin::Done {
            let served = if self.has_hooks() { self.slab.served(&held, &request) } else { None };
            self.note_taken(&request, served, Taker::Other);
        }
        let Remains { vacant, cancelled, waker } = self.slab.release(held);
        if let Some(vacant) = vacant {
            self.slab.put(vacant);
        }
        self.count_cancelled(cancelled);
        self.account_for(from);
        drop(waker);
        request
    }

    /// Updates the counters for a request that was won from a state: its slot, and whether it counts as
    /// revoked.
    fn account_for(&self, from: Origin) {
        if matches!(from, Origin::Queued | Origin::Executed) {
            add(&self.counters.shared.revoked, 1);
        }
        // Parked: it had no slot. Queued: the device frees it when it meets the entry. Done: it is free, or
        // will be when the completion is reaped.
        if from == Origin::Executed && !self.forked() {
            self.slots.give_back();
            self.slots_were_freed();
        }
    }

    #[inline]
    pub(crate) fn count_cancelled(&self, cancelled: bool) {
        add(&self.counters.shared.wakes_cancelled, u64::from(cancelled));
    }
}

/// Calls a waker; `false`: it panicked.
pub(crate) fn call(waker: Waker) -> bool {
    catch_panic(|| waker.wake())
}

/// Runs foreign code; `false`: it panicked.
fn catch_panic(f: impl FnOnce()) -> bool {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(()) => true,
        Err(payload) => {
            // Dropping a foreign payload could panic once more.
            std::mem::forget(payload);
            false
        }
    }
}

/// Adds to a counter that several threads write.
#[inline]
pub(crate) fn add(counter: &AtomicU64, by: u64) {
    if by != 0 {
        counter.fetch_add(by, Ordering::Relaxed);
    }
}
