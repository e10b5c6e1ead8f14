//! Futures of one thread whose completions come off its ring together: a reaper wakes them.
//!
//! ```text
//!   OpFuture, first poll ─► submit, Delivery::Reap { owner: the group } ─► its place: (ticket, waker)
//!                                                                                      │
//!   Reaper, polled ─► completion ring ─► arrivals ─► the place of each ─► its waker ◄──┘
//!        └── nothing for a while: arms the alert, which wakes the reaper
//!
//!   polled by another thread ─► moved: (ticket, waker), which is looked at first
//!
//!   the reaper is dropped: the group is closed; each alert wakes all that is left, and they look themselves
//! ```
//!
//! The device touches no waker of a request, and alerts only while the reaper sleeps. A place is found by the
//! request's cell. The places are the thread's own (see `places`); what other threads do with its futures is
//! here, behind a lock.
//!
//! No wake is lost to a move: the mover leaves its waker under the lock and looks at the request afterwards;
//! the reaper has the completion, so the request is done, before it looks for wakers under the lock. The
//! second one sees what the first has done. The same holds for the closing: it is announced before the wakers
//! that are left are taken under the lock, and a mover looks for it after leaving its waker there.

use std::sync::{Arc, PoisonError, Weak};
use std::task::{Wake, Waker};

use simaccel_device::{Alert, Remote, Ticket};

use super::catching::catch;
use super::places::{Places, is_in_use};
use crate::sync::{AtomicBool, Mutex, MutexGuard, Ordering};

/// The futures of one engine and thread.
#[derive(Debug)]
pub(crate) struct Group {
    owner: u32,
    remote: Remote,
    alert: Arc<Alert>,
    /// No reaper comes.
    closed: AtomicBool,
    inside: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    /// By the place of the request's cell: what another thread has polled, or what was left.
    moved: Vec<Option<(Ticket, Waker)>>,
    /// What was in flight when the latest reaper was dropped.
    left: Vec<Ticket>,
    /// The reaper's.
    reaper: Option<Waker>,
    /// The thread's own, while it blocks and something of it is queued for a slot.
    thread: Option<Waker>,
}

impl Inside {
    fn take(&mut self, ticket: Ticket) -> Option<Waker> {
        let moved = self.moved.get_mut(ticket.place())?;
        Some(moved.take_if(|(other, _)| *other == ticket)?.1)
    }
}

impl Group {
    /// A closed group with this number, for the queue pair of the calling thread.
    pub(super) fn new(owner: u32, remote: &Remote) -> Arc<Self> {
        let group = Arc::new_cyclic(|group: &Weak<Self>| Self {
            owner,
            remote: remote.clone(),
            alert: Alert::new(Waker::from(Arc::new(Alerted(group.clone())))),
            closed: AtomicBool::new(true),
            inside: Mutex::new(Inside::default()),
        });
        remote.attach_alert(Arc::clone(&group.alert));
        group
    }

    #[inline]
    pub(crate) const fn owner(&self) -> u32 {
        self.owner
    }

    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        !self.closed.load(Ordering::Relaxed)
    }

    pub(crate) fn open(&self, places: &Places) {
        self.closed.store(false, Ordering::SeqCst);
        places.open();
    }

    /// Replaces the waker of a request that is in flight, from another thread, or where no reaper comes: then
    /// the next alert wakes it. Look at the request once more afterwards.
    #[cold]
    pub(crate) fn rearm(&self, ticket: Ticket, waker: &Waker) {
        let at = ticket.place();
        // Foreign code, outside of the lock.
        let new = Some((ticket, waker.clone()));
        let mut inside = self.lock();
        if inside.moved.len() <= at {
            inside.moved.resize(at + 1, None);
        }
        let old = std::mem::replace(&mut inside.moved[at], new);
        drop(inside);
        drop(old);
        if !self.is_open() {
            self.alert.arm();
        }
    }

    /// Wakes the requests whose completions the group's thread has reaped.
    #[inline]
    pub(crate) fn wake_reaped(&self, tickets: &mut Vec<Ticket>, places: &Places) {
        let moved = self.take_moved(tickets);
        moved.into_iter().for_each(|waker| catch(|| waker.wake()));
        places.wake(tickets);
    }

    /// The wakers of those that another thread has polled, whose own places are left alone.
    #[inline]
    fn take_moved(&self, tickets: &mut Vec<Ticket>) -> Vec<Waker> {
        let mut inside = self.lock();
        let mut moved = Vec::new();
        if !inside.moved.is_empty() {
            tickets.retain(|ticket| match inside.take(*ticket) {
                Some(waker) => {
                    moved.push(waker);
                    false
                }
                None => true,
            });
        }
        moved
    }

    /// Wakes the future of a completion that another thread has reaped, when the group's has ended.
    #[cold]
    pub(crate) fn wake(&self, ticket: Ticket) {
        let waker = self.lock().take(ticket);
        if let Some(waker) = waker {
            catch(|| waker.wake());
        }
    }

    /// Before the reaper sleeps: it is woken when there is more. `false`: there is already.
    pub(crate) fn arm(&self, waker: &Waker) -> bool {
        let replaced = self.lock().reaper.replace(waker.clone());
        drop(replaced);
        self.alert.arm();
        !self.remote.completions_pending()
    }

    /// Before the thread sleeps: it is woken, as the reaper is, when there is more. `false`: there is
    /// already.
    pub(crate) fn arm_thread(&self, waker: Waker) -> bool {
        let replaced = self.lock().thread.replace(waker);
        drop(replaced);
        self.alert.arm();
        !self.remote.completions_pending()
    }

    pub(crate) fn disarm(&self) {
        self.alert.disarm();
    }

    /// The group's thread polls a request that it finds in its own places, or the request is over: what
    /// another thread has left for it is not the latest waker any more.
    #[cold]
    pub(crate) fn forget_moved(&self, ticket: Ticket) {
        let old = self.lock().take(ticket);
        drop(old);
    }

    /// The reaper is gone, or its thread: all that is left looks for itself.
    pub(crate) fn close(&self, places: &Places) {
        self.closed.store(true, Ordering::SeqCst);
        let left = places.close();
        let mut inside = self.lock();
        inside.left.retain(|ticket| is_in_use(&self.remote, *ticket));
        inside.left.extend(left.iter().map(|(ticket, _)| *ticket));
        let reaper = inside.reaper.take();
        drop(inside);
        catch(|| drop(reaper));
        self.wake_all();
        left.into_iter().for_each(|(ticket, waker)| self.wake_waiting(ticket, waker));
    }

    /// Whether a request is still on its way that the group's thread has left.
    pub(super) fn is_in_use(&self) -> bool {
        let inside = self.lock();
        let moved = inside.moved.iter().flatten().map(|(ticket, _)| *ticket);
        moved.chain(inside.left.iter().copied()).any(|ticket| is_in_use(&self.remote, ticket))
    }

    fn wake_all(&self) {
        let wakers: Vec<_> = self.lock().moved.iter_mut().filter_map(Option::take).collect();
        wakers.into_iter().for_each(|(ticket, waker)| self.wake_waiting(ticket, waker));
    }

    /// The future of a request that is gone has found its end by itself, or was dropped.
    fn wake_waiting(&self, ticket: Ticket, waker: Waker) {
        let is_over = !is_in_use(&self.remote, ticket);
        catch(|| if is_over { drop(waker) } else { waker.wake() });
    }

    fn on_alert(&self) {
        let thread = self.lock().thread.take();
        if let Some(thread) = thread {
            thread.wake();
        }
        if self.is_open() {
            let reaper = self.lock().reaper.take();
            if let Some(reaper) = reaper {
                return catch(|| reaper.wake());
            }
        }
        if !self.is_open() {
            self.wake_all();
        }
    }

    #[inline]
    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.remote.detach_alert(&self.alert);
    }
}

/// The waker of the alert.
struct Alerted(Weak<Group>);

impl Wake for Alerted {
    fn wake(self: Arc<Self>) {
        if let Some(group) = self.0.upgrade() {
            group.on_alert();
        }
    }
}
