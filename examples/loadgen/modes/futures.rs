//! By waker: an executor for one thread. Each slot's waker sends its slot to a channel, once until the future
//! is polled again, and the loop sleeps on the channel.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::task::{Wake, Waker};
use std::time::Duration;

use simaccel::WaitCtx;

use super::Wakes;
use super::callback::Callback;
use crate::failure::Failure;

pub(super) struct Futures {
    channel: Callback,
    slots: Vec<Arc<Slot>>,
}

/// What a waker of a slot holds.
struct Slot {
    slot: usize,
    /// Whether it is in the channel.
    is_woken: AtomicBool,
    sender: Sender<usize>,
}

impl Futures {
    pub(super) fn new() -> Self {
        Self { channel: Callback::new(), slots: Vec::new() }
    }
}

impl Wake for Slot {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_woken.swap(true, Ordering::AcqRel) {
            // When the run is over the receiver is gone, and no future waits for this wake.
            let _ = self.sender.send(self.slot);
        }
    }
}

impl Wakes for Futures {
    fn attach(&mut self, _slot: usize, _ctx: &WaitCtx) {}

    fn waker(&mut self, slot: usize) -> Option<Waker> {
        let sender = self.channel.sender.clone();
        let slot = Arc::new(Slot { slot, is_woken: AtomicBool::new(false), sender });
        self.slots.push(Arc::clone(&slot));
        Some(Waker::from(slot))
    }

    fn paused(&mut self, _slot: usize, _ctx: Option<&WaitCtx>) -> Result<(), Failure> {
        Ok(())
    }

    /// A wake that comes from now on sends the slot again, so a poll that follows misses none.
    fn wait(&mut self, ready: &mut Vec<usize>, most: Option<Duration>) -> Result<(), Failure> {
        let first = ready.len();
        self.channel.wait(ready, most)?;
        for &slot in &ready[first..] {
            self.slots[slot].is_woken.store(false, Ordering::Release);
        }
        Ok(())
    }
}
