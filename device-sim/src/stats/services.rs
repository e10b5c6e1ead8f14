//! What each compute unit has served and when, for tools that draw it: kept while a log is asked for.
//!
//! ```text
//!   the model: a unit begins ──► is it asked for? no: nothing more, one load
//!                                                yes ──► the list, until it is full ──► taken by the tool
//! ```

use std::time::Duration;

use crate::sync::{AtomicBool, Mutex, Ordering, lock};

/// A service of a compute unit, in the device's time ([`Device::now`](crate::Device::now)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service {
    /// The number of the unit, from 0.
    pub unit: usize,
    /// Requests that it serves: more than one in a batch.
    pub requests: u64,
    /// When it begins; this may be later than now.
    pub started: Duration,
    /// When it ends, unless a reset comes before.
    pub ended: Duration,
}

/// The log of a device.
#[derive(Debug)]
pub(crate) struct ServiceLog {
    is_wanted: AtomicBool,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    most: usize,
    list: Vec<Service>,
    lost: u64,
}

impl ServiceLog {
    pub(crate) fn new() -> Self {
        Self { is_wanted: AtomicBool::new(false), kept: Mutex::new(Kept::default()) }
    }

    /// Keeps up to this many from here on, until they are taken; 0: none.
    pub(crate) fn keep(&self, most: usize) {
        *lock(&self.kept) = Kept { most, ..Kept::default() };
        self.is_wanted.store(most > 0, Ordering::Release);
    }

    /// What was kept, in the order in which the units began it, and for how many there was no room.
    pub(crate) fn take(&self) -> (Vec<Service>, u64) {
        let mut kept = lock(&self.kept);
        (std::mem::take(&mut kept.list), std::mem::take(&mut kept.lost))
    }

    /// Called when a unit begins.
    #[inline]
    pub(crate) fn note(&self, unit: usize, requests: u64, at: u64, nsec: u64) {
        if self.is_wanted.load(Ordering::Relaxed) {
            self.write(unit, requests, at, nsec);
        }
    }

    #[cold]
    fn write(&self, unit: usize, requests: u64, at: u64, nsec: u64) {
        let mut kept = lock(&self.kept);
        if kept.list.len() >= kept.most {
            kept.lost += 1;
            return;
        }
        let (started, ended) = (Duration::from_nanos(at), Duration::from_nanos(at.saturating_add(nsec)));
        kept.list.push(Service { unit, requests, started, ended });
    }
}
