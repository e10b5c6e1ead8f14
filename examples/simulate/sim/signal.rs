//! What the wakers of a task have told its executor.
//!
//! ```text
//!   poll 1: waker 1 ─┐
//!   poll 2: waker 2 ─┼─► Signal: woken by the latest · by an earlier one · after the end ─► Heard, of all tasks
//!   poll 3: waker 2 ─┘
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Wake, Waker};

/// What all tasks of a history have heard.
#[derive(Default)]
pub(crate) struct Heard {
    /// Calls for operations that the device announces to a task itself.
    pub(crate) calls: AtomicU64,
    /// Calls of wakers that a later poll had replaced.
    pub(crate) outdated: AtomicU64,
    /// Calls after the end of a task's operation.
    pub(crate) late: AtomicU64,
}

/// Of one task.
pub(crate) struct Signal {
    heard: Arc<Heard>,
    /// Whether its calls are those of the device.
    is_direct: bool,
    /// Which of its wakers is the latest.
    latest: AtomicU64,
    woken: AtomicBool,
    over: AtomicBool,
}

struct Numbered {
    signal: Arc<Signal>,
    number: u64,
}

impl Signal {
    pub(crate) fn new(heard: &Arc<Heard>, is_direct: bool) -> Arc<Self> {
        Arc::new(Self {
            heard: Arc::clone(heard),
            is_direct,
            latest: AtomicU64::new(0),
            woken: AtomicBool::new(true),
            over: AtomicBool::new(false),
        })
    }

    /// Another waker, which takes the place of those before.
    pub(crate) fn waker(self: &Arc<Self>) -> Waker {
        let number = self.latest.fetch_add(1, Ordering::Relaxed) + 1;
        Waker::from(Arc::new(Numbered { signal: Arc::clone(self), number }))
    }

    pub(crate) fn is_woken(&self) -> bool {
        self.woken.load(Ordering::Relaxed)
    }

    /// Before a poll. Returns whether it was woken.
    pub(crate) fn take(&self) -> bool {
        self.woken.swap(false, Ordering::Relaxed)
    }

    /// Nothing is to be announced any more.
    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

impl Wake for Numbered {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let Signal { heard, is_direct, latest, woken, over } = &*self.signal;
        if *is_direct {
            heard.calls.fetch_add(1, Ordering::Relaxed);
        }
        if over.load(Ordering::Relaxed) {
            heard.late.fetch_add(1, Ordering::Relaxed);
        } else if self.number == latest.load(Ordering::Relaxed) {
            woken.store(true, Ordering::Relaxed);
        } else {
            heard.outdated.fetch_add(1, Ordering::Relaxed);
        }
    }
}
