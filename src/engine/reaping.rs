//! What a reaper does at its turns: takes the thread's completions off the ring, and wakes their futures.

use std::sync::Arc;
use std::task::Waker;

use simaccel_device::Ticket;

use super::group::Group;
use super::{Inner, table};
use crate::error::Error;

/// The reaping for one engine and thread, which it stays on.
pub(crate) struct Reaping {
    engine: Arc<Inner>,
    group: Arc<Group>,
    /// Kept for their memory.
    tickets: Vec<Ticket>,
    wakers: Vec<Waker>,
}

impl Reaping {
    /// # Errors
    /// [`Error::Forked`].
    pub(crate) fn begin(engine: Arc<Inner>) -> Result<Self, Error> {
        if engine.is_inherited() {
            return Err(Error::Forked);
        }
        let group = table::with(&engine, |instance| Arc::clone(instance.group_or_make(&engine)));
        group.open();
        Ok(Self { engine, group, tickets: Vec::new(), wakers: Vec::new() })
    }

    /// Shows the device what was submitted since the last turn, and wakes what is done. Returns how many.
    pub(crate) fn reap(&mut self) -> usize {
        let Self { engine, group, tickets, wakers } = self;
        if engine.is_inherited() {
            return 0;
        }
        group.disarm();
        table::with(engine, |instance| {
            instance.flush();
            instance.take_arrivals(engine, group, tickets);
            // It has another turn soon.
            instance.hold_back(!tickets.is_empty() && !engine.is_stepped());
        });
        let count = tickets.len();
        if count > 0 {
            group.take(tickets.drain(..), wakers);
            wakers.drain(..).for_each(Waker::wake);
        }
        count
    }

    /// Before it has no turn until `waker` is called. `false`: there is more already.
    pub(crate) fn sleep(&self, waker: &Waker) -> bool {
        if self.engine.is_inherited() {
            return true;
        }
        table::with(&self.engine, |instance| {
            instance.hold_back(false);
            instance.flush();
        });
        self.group.arm(waker)
    }
}

impl Drop for Reaping {
    fn drop(&mut self) {
        if self.engine.is_inherited() {
            return;
        }
        self.reap();
        table::with(&self.engine, |instance| {
            instance.hold_back(false);
            instance.flush();
        });
        self.group.close();
    }
}
