//! Futures of one thread whose completions come off its ring together: a reaper wakes them.
//!
//! ```text
//!   OpFuture, first poll ─► submit, Delivery::Reap { owner: the group } ─► its place: (ticket, waker)
//!                                                                                      │
//!   Reaper, polled ─► completion ring ─► arrivals ─► the place of each ─► its waker ◄──┘
//!        └── nothing for a while: arms the alert, which wakes the reaper
//!
//!   the reaper is dropped: the group is closed; each alert wakes all that is left, and they look themselves
//! ```
//!
//! The device touches no waker of a request, and alerts only while the reaper sleeps. A place is found by the
//! request's cell. The thread of the group inserts and removes; any thread that polls one of its futures may
//! replace a waker.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Wake, Waker};

use simaccel_device::{Alert, Remote, Ticket, TicketState};

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
    /// By the place of the request's cell.
    places: Vec<Option<(Ticket, Waker)>>,
    /// The reaper's.
    reaper: Option<Waker>,
}

impl Group {
    /// A closed group with this number, for the queue pair of the calling thread.
    pub(super) fn new(owner: u32, remote: &Remote) -> Arc<Self> {
        let group = Arc::new_cyclic(|group: &Weak<Self>| Self {
            owner,
            remote: remote.clone(),
            alert: Alert::new(Waker::from(Arc::new(Called(group.clone())))),
            closed: AtomicBool::new(true),
            inside: Mutex::default(),
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

    pub(crate) fn open(&self) {
        self.closed.store(false, Ordering::SeqCst);
    }

    /// Notes a request that was submitted just now, by the group's thread.
    #[inline]
    pub(crate) fn insert(&self, ticket: Ticket, waker: &Waker) {
        let at = ticket.place();
        // Foreign code, outside of the lock.
        let new = Some((ticket, waker.clone()));
        let mut inside = self.lock();
        if inside.places.len() <= at {
            inside.places.resize(at + 1, None);
        }
        let old = std::mem::replace(&mut inside.places[at], new);
        drop(inside);
        drop(old);
    }

    /// Replaces the waker of a request that is in flight, from any thread. If no reaper comes, the next alert
    /// wakes it. Look at the request once more afterwards.
    #[cold]
    pub(crate) fn rearm(&self, ticket: Ticket, waker: &Waker) {
        self.insert(ticket, waker);
        if !self.is_open() {
            self.alert.arm();
        }
    }

    /// Takes the wakers of these requests out of their places.
    #[inline]
    pub(crate) fn take(&self, tickets: impl Iterator<Item = Ticket>, wakers: &mut Vec<Waker>) {
        let mut inside = self.lock();
        for ticket in tickets {
            if let Some(place) = inside.places.get_mut(ticket.place())
                && let Some((_, waker)) = place.take_if(|(other, _)| *other == ticket)
            {
                wakers.push(waker);
            }
        }
    }

    /// Wakes the future of a completion that another thread, or a blocked call, has reaped.
    #[cold]
    pub(crate) fn wake(&self, ticket: Ticket) {
        let mut wakers = Vec::new();
        self.take(std::iter::once(ticket), &mut wakers);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Before the reaper sleeps: it is woken when there is more. `false`: there is already.
    pub(crate) fn arm(&self, waker: &Waker) -> bool {
        let replaced = self.lock().reaper.replace(waker.clone());
        drop(replaced);
        self.alert.arm();
        !self.remote.completions_pending()
    }

    pub(crate) fn disarm(&self) {
        self.alert.disarm();
    }

    /// The reaper is gone: all that is left looks for itself.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        let reaper = self.lock().reaper.take();
        drop(reaper);
        self.wake_all();
    }

    /// Whether a request is still on its way.
    pub(super) fn is_in_use(&self) -> bool {
        let tickets: Vec<_> = self.lock().places.iter().flatten().map(|(ticket, _)| *ticket).collect();
        tickets.into_iter().any(|ticket| self.remote.state(ticket) != TicketState::Stale)
    }

    fn wake_all(&self) {
        let wakers: Vec<_> = self.lock().places.iter_mut().filter_map(Option::take).collect();
        for (_, waker) in wakers {
            catch(|| waker.wake());
        }
    }

    fn on_alert(&self) {
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
struct Called(Weak<Group>);

impl Wake for Called {
    fn wake(self: Arc<Self>) {
        if let Some(group) = self.0.upgrade() {
            group.on_alert();
        }
    }
}

/// A waker is foreign code, and one that panics does not keep the others from being called.
fn catch(wake: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(wake)) {
        // Dropping a foreign payload could panic again.
        std::mem::forget(payload);
    }
}
