//! The wake word of a cell: sent, reaped, cancelled, replaced. The picture is at the head of `cell.rs`.
#![expect(unsafe_code, reason = "the word beside the waker names its owner")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;

use super::{Cell, Sending, Slab, Ticket, Vacant, WakeState, generation_of, state_of, wake, word};
use crate::sync::{Ordering, spin_or_yield};

impl Slab {
    /// ARMED to SENDING: the caller calls the waker and then [`Slab::end_wake`]. `None`: cancelled, sent, or
    /// stale.
    pub(crate) fn begin_wake(&self, ticket: Ticket) -> Option<(Waker, Sending)> {
        let cell = self.cell(ticket)?;
        if !self.swap_armed(cell, ticket.generation(), wake::SENDING) {
            return None;
        }
        // SAFETY: the winner of ARMED to SENDING owns the waker, and the cell is not reused before it lets
        // go.
        let waker = cell.waker.with_mut(|waker| unsafe { (*waker).take() });
        Some((waker?, Sending { ticket, slab: self.id() }))
    }

    /// Replaces the waker of an armed wake. Returns the old one, or the new one if that is too late. It takes
    /// a few instructions, and a sender waits for them: no wake is lost between the two.
    pub(crate) fn replace_waker(&self, ticket: Ticket, waker: Waker) -> Result<Waker, Waker> {
        let Some(cell) = self.cell(ticket) else { return Err(waker) };
        if !self.swap_armed(cell, ticket.generation(), wake::REPLACING) {
            return Err(waker);
        }
        let replaced = cell.waker.with_mut(|slot| {
            // SAFETY: in REPLACING the waker belongs to the thread that set the state: senders and threads
            // that end the wake wait until it is left.
            match unsafe { &mut *slot } {
                Some(old) => Ok(std::mem::replace(old, waker)),
                None => Err(waker),
            }
        });
        cell.wake.store(word(ticket.generation(), wake::ARMED), Ordering::Release);
        replaced
    }

    /// A copy of the waker of an armed wake, which stays armed: for a spurious wake.
    pub(crate) fn copy_waker(&self, ticket: Ticket) -> Option<Waker> {
        let cell = self.cell(ticket)?;
        if !self.swap_armed(cell, ticket.generation(), wake::REPLACING) {
            return None;
        }
        let copy = cell.waker.with_mut(|slot| {
            // SAFETY: as in `replace_waker`.
            let waker = unsafe { &*slot };
            // A waker is foreign code; whatever it does, the state is left again.
            catch_unwind(AssertUnwindSafe(|| waker.clone()))
        });
        cell.wake.store(word(ticket.generation(), wake::ARMED), Ordering::Release);
        copy.unwrap_or_else(|payload| {
            // Dropping a foreign payload could panic again.
            std::mem::forget(payload);
            None
        })
    }

    /// SENDING to SENT, after which the cell is not touched; or returns the cell, when the host has released
    /// it.
    pub(crate) fn end_wake(&self, sending: Sending) -> Option<Vacant> {
        assert_eq!(sending.slab, self.id(), "a wake ends in its own slab");
        let cell = self.cell_at(sending.ticket.index());
        if cell.swap_wake(sending.ticket.generation(), wake::SENDING, wake::SENT) {
            return None;
        }
        Some(self.free(cell, sending.ticket))
    }

    /// REAPABLE to SENT, or PLAIN without a change, with the request's user data: for an entry that this
    /// slab's pair has found in its ring. `None`: cancelled or stale.
    #[inline]
    pub(crate) fn reap(&self, index: u32, generation: u64) -> Option<u64> {
        let cell = self.cell_of_index(index)?;
        // Read before the word: a thread that sees the user data of a later request also sees that this one's
        // word was left.
        let user_data = cell.user_data.load(Ordering::Acquire);
        let is_plain = cell.wake.load(Ordering::Acquire) == word(generation, wake::PLAIN);
        (is_plain || cell.swap_wake(generation, wake::REAPABLE, wake::SENT)).then_some(user_data)
    }

    /// ARMED, REAPABLE or PLAIN to CANCELLED; the returned state of the wake word says whether that happened.
    pub(crate) fn cancel_wake(&self, ticket: Ticket) -> WakeState {
        let Some(cell) = self.cell(ticket) else { return WakeState::Stale };
        let from = state_of(cell.wake.load(Ordering::Relaxed));
        let cancelled = match from {
            wake::REAPABLE | wake::PLAIN => cell.swap_wake(ticket.generation(), from, wake::CANCELLED),
            _ => self.swap_armed(cell, ticket.generation(), wake::CANCELLED),
        };
        if cancelled { WakeState::Armed } else { self.wake_state(ticket) }
    }

    /// Takes the wake word out of ARMED, and waits while another thread replaces the waker. In a forked
    /// child, where no thread is left to finish a replacement, it neither waits nor succeeds.
    #[inline]
    fn swap_armed(&self, cell: &Cell, generation: u64, to: u64) -> bool {
        cell.swap_wake(generation, wake::ARMED, to) || self.swap_armed_after_all(cell, generation, to)
    }

    #[cold]
    fn swap_armed_after_all(&self, cell: &Cell, generation: u64, to: u64) -> bool {
        let (armed, replacing) = (word(generation, wake::ARMED), word(generation, wake::REPLACING));
        let to = word(generation, to);
        let mut turns = 0;
        loop {
            match cell.wake.compare_exchange(armed, to, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return true,
                Err(found) if found == replacing && !self.is_inherited() => spin_or_yield(&mut turns),
                Err(_) => return false,
            }
        }
    }

    #[inline]
    pub(crate) fn wake_state(&self, ticket: Ticket) -> WakeState {
        let Some(cell) = self.cell(ticket) else { return WakeState::Stale };
        let wake = cell.wake.load(Ordering::Acquire);
        if generation_of(wake) != ticket.generation() {
            return WakeState::Stale;
        }
        match state_of(wake) {
            wake::ARMED | wake::REPLACING | wake::REAPABLE | wake::PLAIN => WakeState::Armed,
            wake::SENDING | wake::RELEASED => WakeState::Sending,
            wake::SENT => WakeState::Sent,
            wake::CANCELLED => WakeState::Cancelled,
            _ => WakeState::Idle,
        }
    }
}
