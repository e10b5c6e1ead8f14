//! The wakers of a thread's futures, by the places of their requests' cells: its own, without a lock.
//!
//! ```text
//!   place:   [ ticket | waker ]   [  –   | waker ]   [ – | – ] ...
//!               in flight           woken: kept for the task's next operation, which takes the same cell
//! ```
//!
//! A task that takes a result and submits again gets the cell that it has freed. So its waker is there
//! already, and is compared instead of being cloned and dropped, each of which is a locked instruction.
//! Wakers that nothing waits with go when the reaper sleeps, and when it is dropped.
//!
//! A waker is foreign code: it is cloned, called and dropped while nothing here is borrowed.

use std::cell::{Cell, RefCell};
use std::mem;
use std::task::Waker;

use simaccel_device::{Remote, Ticket, TicketState};

use super::catching::catch;
use super::marking::Together;

/// A thread's places. They are empty while no reaper comes.
#[derive(Debug, Default)]
pub(crate) struct Places {
    open: Cell<bool>,
    /// How often wakers were taken out.
    turns: Cell<u32>,
    list: RefCell<Vec<Place>>,
}

#[derive(Debug, Default)]
struct Place {
    /// Until it is woken.
    ticket: Option<Ticket>,
    waker: Option<Waker>,
}

impl Places {
    /// Whether a reaper comes.
    #[inline]
    pub(crate) const fn is_open(&self) -> bool {
        self.open.get()
    }

    pub(crate) fn open(&self) {
        self.open.set(true);
    }

    /// Notes a request that was submitted just now, where its place has this waker already.
    #[inline]
    #[must_use]
    pub(crate) fn note_known(&self, ticket: Ticket, waker: &Waker) -> bool {
        let mut list = self.list.borrow_mut();
        let Some(place) = list.get_mut(ticket.place()) else { return false };
        let is_known = place.waker.as_ref().is_some_and(|known| known.will_wake(waker));
        if is_known {
            place.ticket = Some(ticket);
        }
        is_known
    }

    /// Notes a request that is in flight, and its waker.
    #[inline(never)]
    pub(crate) fn note(&self, ticket: Ticket, waker: &Waker) {
        let turns = self.turns.get();
        let place = Place { ticket: Some(ticket), waker: Some(waker.clone()) };
        let at = ticket.place();
        let mut list = self.list.borrow_mut();
        if list.len() <= at {
            list.resize_with(at + 1, Place::default);
        }
        let old = mem::replace(&mut list[at], place);
        drop(list);
        drop(old);
        // In the clone, or in the drop, the reaper has had a turn, or was dropped: no other wake may come.
        if self.turns.get() != turns {
            waker.wake_by_ref();
        }
    }

    fn count_turn(&self) {
        self.turns.set(self.turns.get().wrapping_add(1));
    }

    /// Wakes these requests. A waker is out of its place while it is called, and goes back where no other one
    /// came meanwhile. A panic of one comes when all were called.
    #[inline]
    pub(crate) fn wake(&self, tickets: &mut Vec<Ticket>) {
        self.count_turn();
        let together = Together::begin();
        WakeAll { places: self, tickets: tickets.iter(), called: None }.go_on();
        together.end();
        tickets.clear();
    }

    #[inline]
    fn take(&self, ticket: Ticket) -> Option<Waker> {
        let mut list = self.list.borrow_mut();
        let place = list.get_mut(ticket.place()).filter(|place| place.ticket == Some(ticket))?;
        place.ticket = None;
        place.waker.take()
    }

    #[inline]
    fn put_back(&self, at: usize, waker: Waker) {
        let mut list = self.list.borrow_mut();
        if let Some(Place { waker: place @ None, .. }) = list.get_mut(at) {
            *place = Some(waker);
            return;
        }
        drop(list);
        drop(waker);
    }

    /// Drops the waker of a request that is given up.
    #[cold]
    pub(crate) fn forget(&self, ticket: Ticket) {
        let mut list = self.list.borrow_mut();
        let place = list.get_mut(ticket.place()).filter(|place| place.ticket == Some(ticket));
        let forgotten = place.map(mem::take);
        drop(list);
        catch(|| drop(forgotten));
    }

    /// Drops the wakers that nothing waits with.
    pub(crate) fn forget_idle(&self, remote: &Remote) {
        let mut idle = Vec::new();
        for place in self.list.borrow_mut().iter_mut() {
            if !place.ticket.is_some_and(|ticket| is_in_use(remote, ticket)) {
                place.ticket = None;
                idle.extend(place.waker.take());
            }
        }
        drop(idle);
    }

    /// No reaper comes any more: takes the wakers of all that is left, and drops the others.
    pub(crate) fn close(&self) -> Vec<(Ticket, Waker)> {
        self.open.set(false);
        self.count_turn();
        let (mut left, mut idle) = (Vec::new(), Vec::new());
        for Place { ticket, waker } in self.list.take() {
            match (ticket, waker) {
                (Some(ticket), Some(waker)) => left.push((ticket, waker)),
                (_, waker) => idle.extend(waker),
            }
        }
        // A panic of one would lose those that are left.
        idle.into_iter().for_each(|waker| catch(|| drop(waker)));
        left
    }
}

/// Whether a request is still on its way, or its result not taken.
pub(super) fn is_in_use(remote: &Remote, ticket: Ticket) -> bool {
    remote.state(ticket) != TicketState::Stale
}

/// Requests that are being woken, one after the other.
struct WakeAll<'a> {
    places: &'a Places,
    tickets: std::slice::Iter<'a, Ticket>,
    /// The waker that is being called, and its place.
    called: Option<(usize, Waker)>,
}

impl WakeAll<'_> {
    #[inline]
    fn go_on(mut self) {
        while let Some(&ticket) = self.tickets.next() {
            if let Some(waker) = self.places.take(ticket) {
                let (_, waker) = self.called.insert((ticket.place(), waker));
                waker.wake_by_ref();
                self.put_back();
            }
        }
    }

    #[inline]
    fn put_back(&mut self) {
        if let Some((at, waker)) = self.called.take() {
            self.places.put_back(at, waker);
        }
    }

    #[cold]
    fn go_on_after_panic(&mut self) {
        catch(|| self.put_back());
        for &ticket in self.tickets.by_ref() {
            if let Some(waker) = self.places.take(ticket) {
                catch(|| waker.wake_by_ref());
                catch(|| self.places.put_back(ticket.place(), waker));
            }
        }
    }
}

impl Drop for WakeAll<'_> {
    /// One has panicked, if any is left: in its call, or when it was dropped.
    #[inline]
    fn drop(&mut self) {
        if self.called.is_some() || !self.tickets.as_slice().is_empty() {
            self.go_on_after_panic();
        }
    }
}
