//! A watch: one request that the watchdog watches, and the place for it once it was taken back.
//!
//! ```text
//!              submitted           the deadline            taken back               taken by its caller
//!      New ──────────────► Listed ──────────────► Expiring ───────────► TimedOut ─────────────────────► Over
//!       │                    │  ▲                  │   └── in time, or not wanted ───────► Over          ▲
//!       │                    │  └── looked at twice ┘                                                    │
//!       └────────────────────┴── the device sends the wake, the result was taken, the caller gave up ─────┘
//! ```

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};
use std::thread;

use simaccel_device::{Request, Ticket, WakeState};

use super::watchdog::{Entry, Key, Look, Shared};

/// One watched request. The device has this in place of the caller's waker, so that a wake ends the watch.
#[derive(Debug)]
pub(crate) struct Watch {
    shared: Arc<Shared>,
    /// Nanoseconds until the deadline.
    pub(super) period: u64,
    inside: Mutex<Inside>,
}

#[derive(Debug)]
struct Inside {
    stage: Stage,
    /// How the end is announced; taken by the side that announces it.
    notice: Notice,
}

#[derive(Debug)]
enum Stage {
    /// On its way to the device.
    New,
    Listed(Key),
    /// Off the list, and in use by the watchdog.
    Expiring,
    /// Taken back, and ready for the caller.
    TimedOut {
        request: Box<Request>,
        announced: bool,
    },
    Over,
}

/// How the end of a request is announced.
#[derive(Debug)]
pub(super) enum Notice {
    /// Not at all: the waiter looks.
    Unannounced,
    Wake(Waker),
    /// By a token on the ready list of a polling thread.
    Ready {
        owner: u32,
        user_data: u64,
    },
}

/// The addressee of a notice.
pub(super) enum Addressee {
    Unannounced,
    Waker,
    Poller(u32),
}

/// The caller's side.
impl Watch {
    /// A watch for a request that is about to be submitted.
    pub(super) fn new(shared: Arc<Shared>, period: u64, notice: Notice) -> Arc<Self> {
        Arc::new(Self { shared, period, inside: Mutex::new(Inside { stage: Stage::New, notice }) })
    }

    /// Begins to watch a submitted request.
    pub(crate) fn begin(self: &Arc<Self>, pair: usize, ticket: Ticket) {
        self.list(pair, ticket, self.period, Look::First);
    }

    /// Ends the watch: the request has ended, or is not wanted any more. A request that the watchdog has
    /// taken back stays here.
    pub(crate) fn end(&self) {
        let mut inside = self.lock();
        let stage = match inside.stage {
            Stage::TimedOut { .. } => return,
            _ => std::mem::replace(&mut inside.stage, Stage::Over),
        };
        drop(inside);
        if let Stage::Listed(key) = stage {
            let removed = self.shared.take_off(key);
            // Never the last reference to this watch, because its owner is calling.
            drop(removed);
        }
    }

    /// Replaces the waker. `false`: the old one was called or is being called, and a later look finds that
    /// the request has left the device.
    pub(crate) fn redirect(&self, waker: Waker) -> bool {
        if self.shared.is_inherited() {
            // In a forked child no wake will be sent, and the lock may have been inherited locked.
            return false;
        }
        let mut inside = self.lock();
        if matches!(inside.notice, Notice::Unannounced) {
            return false;
        }
        let replaced = std::mem::replace(&mut inside.notice, Notice::Wake(waker));
        drop(inside);
        drop(replaced);
        true
    }

    /// Whether the watchdog took back a request that has left the device. If it is just doing that, waits for
    /// the few instructions that it takes.
    pub(crate) fn is_timed_out(&self) -> bool {
        loop {
            match self.lock().stage {
                Stage::TimedOut { .. } => return true,
                Stage::Expiring => {}
                _ => return false,
            }
            thread::yield_now();
        }
    }

    /// Whether a request that was taken back is still here.
    pub(crate) fn is_unclaimed(&self) -> bool {
        // In a forked child the lock may have been inherited locked, and the request is the parent's.
        !self.shared.is_inherited() && matches!(self.lock().stage, Stage::TimedOut { .. })
    }

    /// The state of the wake of a request that has left the device.
    pub(crate) fn wake_state(&self) -> WakeState {
        match self.lock().stage {
            Stage::TimedOut { announced: true, .. } => WakeState::Sent,
            Stage::TimedOut { announced: false, .. } => WakeState::Sending,
            _ => WakeState::Stale,
        }
    }

    /// Takes the request that was taken back.
    pub(crate) fn claim(&self) -> Option<Request> {
        let mut inside = self.lock();
        if !matches!(inside.stage, Stage::TimedOut { .. }) {
            return None;
        }
        match std::mem::replace(&mut inside.stage, Stage::Over) {
            Stage::TimedOut { request, .. } => Some(*request),
            _ => None,
        }
    }

    pub(super) fn list(self: &Arc<Self>, pair: usize, ticket: Ticket, time: u64, look: Look) {
        let deadline = self.shared.now().saturating_add(time);
        let mut inside = self.lock();
        // Otherwise it has been announced or given up since.
        if matches!(inside.stage, Stage::New | Stage::Expiring) {
            let entry = Entry { watch: Arc::clone(self), pair, ticket, look };
            inside.stage = Stage::Listed(self.shared.put_on(deadline, entry));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The watchdog's side.
impl Watch {
    /// Returns `false` when the request has ended already.
    pub(super) fn begin_to_expire(&self) -> bool {
        let mut inside = self.lock();
        let listed = matches!(inside.stage, Stage::Listed(_));
        if listed {
            inside.stage = Stage::Expiring;
        }
        listed
    }

    pub(super) fn addressee(&self) -> Addressee {
        match self.lock().notice {
            Notice::Unannounced => Addressee::Unannounced,
            Notice::Wake(_) => Addressee::Waker,
            Notice::Ready { owner, .. } => Addressee::Poller(owner),
        }
    }

    /// Leaves the request to its caller, and returns how to announce that; returns the request when it has no
    /// caller any more.
    pub(super) fn time_out(&self, request: Box<Request>) -> Result<Notice, Box<Request>> {
        let mut inside = self.lock();
        if !matches!(inside.stage, Stage::Expiring) {
            return Err(request);
        }
        inside.stage = Stage::TimedOut { request, announced: false };
        Ok(std::mem::replace(&mut inside.notice, Notice::Unannounced))
    }

    pub(super) fn was_announced(&self) {
        if let Stage::TimedOut { announced, .. } = &mut self.lock().stage {
            *announced = true;
        }
    }
}

/// The waker that the device has.
impl Wake for Watch {
    fn wake(self: Arc<Self>) {
        if self.shared.is_inherited() {
            return;
        }
        self.end();
        let notice = std::mem::replace(&mut self.lock().notice, Notice::Unannounced);
        if let Notice::Wake(waker) = notice {
            waker.wake();
        }
    }

    /// A spurious wake passes through, and changes nothing.
    fn wake_by_ref(self: &Arc<Self>) {
        if self.shared.is_inherited() {
            return;
        }
        let waker = match &self.lock().notice {
            Notice::Wake(waker) => waker.clone(),
            _ => return,
        };
        waker.wake_by_ref();
    }
}
