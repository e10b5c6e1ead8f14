//! The queue pair of a thread that has ended, when its reaper may have left completions in the ring.
//!
//! ```text
//!   the thread ends ─► its pair is orphaned: reaped, alert armed ◄──┐
//!                              │   │  a completion                  │
//!                              │   └────────────────────────────────┘ the device's thread reaps: its slot is free
//!                              └── all slots are free ─► another thread may have the pair, and the alert goes
//! ```
//!
//! Without it the futures that wait for a slot of the pair would wait for ever, because a thread reaps its
//! own pair alone.

use std::sync::{Arc, OnceLock, Weak};
use std::task::{Wake, Waker};

use simaccel_device::Alert;

use super::Inner;

/// Holds nothing that holds the pair, which keeps the alert.
struct Orphan {
    engine: Weak<Inner>,
    pair: usize,
    alert: OnceLock<Weak<Alert>>,
}

/// Looks after a pair that was given back just now.
pub(super) fn adopt(engine: &Arc<Inner>, pair: usize) {
    let orphan = Arc::new(Orphan { engine: Arc::downgrade(engine), pair, alert: OnceLock::new() });
    let alert = Alert::new(Waker::from(Arc::clone(&orphan)));
    let _ = orphan.alert.set(Arc::downgrade(&alert));
    engine.remotes[pair].attach_alert(Arc::clone(&alert));
    orphan.reap(engine, &alert);
}

impl Orphan {
    fn reap(&self, engine: &Inner, alert: &Arc<Alert>) {
        let remote = &engine.remotes[self.pair];
        loop {
            // Armed first, then looked at: a completion in between is not missed.
            alert.arm();
            let mut completions = Vec::new();
            if !engine.pairs.reap_orphan(self.pair, &mut |completion| completions.push(completion)) {
                return remote.detach_alert(alert);
            }
            if completions.is_empty() {
                if remote.is_idle() {
                    remote.detach_alert(alert);
                }
                return;
            }
            completions.into_iter().for_each(|completion| engine.pollers.forward(completion));
        }
    }
}

impl Wake for Orphan {
    fn wake(self: Arc<Self>) {
        let alert = self.alert.get().and_then(Weak::upgrade);
        if let (Some(engine), Some(alert)) = (self.engine.upgrade(), alert)
            && !engine.is_inherited()
        {
            self.reap(&engine, &alert);
        }
    }
}
