//! What a reaper does at its turns: takes the thread's completions off the ring, and wakes their futures.

use std::sync::Arc;
use std::task::Waker;

use simaccel_device::Ticket;

use super::catching::catch;
use super::group::Group;
use super::handles::Awake;
use super::{Inner, table};
use crate::error::Error;

/// The reaping for one engine and thread, which it stays on.
pub(crate) struct Reaping {
    engine: Arc<Inner>,
    group: Arc<Group>,
    /// Kept for its memory.
    tickets: Vec<Ticket>,
    awake: Awake,
}

impl Reaping {
    /// # Errors
    /// [`Error::Forked`].
    pub(crate) fn begin(engine: Arc<Inner>) -> Result<Self, Error> {
        if engine.is_inherited() {
            return Err(Error::Forked);
        }
        let group = table::with(&engine, |instance| {
            let group = instance.group_or_make(&engine);
            group.open(instance.places());
            Arc::clone(group)
        });
        Ok(Self { engine, group, tickets: Vec::new(), awake: Awake::default() })
    }

    /// Shows the device what was submitted since the last turn, and wakes what is done. Returns how many.
    pub(crate) fn reap(&mut self) -> usize {
        let Self { engine, group, tickets, awake } = self;
        if engine.is_inherited() {
            return 0;
        }
        awake.has_turn();
        group.disarm();
        table::with(engine, |instance| {
            instance.flush();
            // Left by a panic, after they were woken.
            tickets.clear();
            instance.take_arrivals(engine, group, tickets);
            // It has another turn soon.
            instance.hold_back(!tickets.is_empty() && !engine.is_stepped());
            let count = tickets.len();
            if count > 0 {
                group.wake_reaped(tickets, instance.places());
            }
            count
        })
    }

    /// Before it has no turn until `waker` is called. `false`: there is more already.
    pub(crate) fn sleep(&mut self, waker: &Waker) -> bool {
        if self.engine.is_inherited() {
            return true;
        }
        self.awake.sleeps();
        table::with(&self.engine, |instance| {
            instance.hold_back(false);
            instance.flush();
            instance.places().forget_idle(instance.remote());
        });
        self.group.arm(waker)
    }
}

impl Drop for Reaping {
    fn drop(&mut self) {
        if self.engine.is_inherited() {
            return;
        }
        catch(|| _ = self.reap());
        table::with(&self.engine, |instance| {
            instance.hold_back(false);
            instance.flush();
            self.group.close(instance.places());
        });
    }
}
