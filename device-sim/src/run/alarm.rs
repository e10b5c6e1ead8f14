//! The alarms of a stepped device: wakers that are called when its clock reaches their times.
//!
//! ```text
//!   Alarm ──set──► by number: when it goes off ──► by time, and in the order in which they were set: the waker
//!     │                                                              │ the clock comes there
//!     └──drop: taken back                                            └──► taken out, and called
//! ```
//!
//! Each user has its own alarm, so that none replaces another's. A waker is foreign code: it is called, and
//! dropped, where no lock is held.

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use crate::process::fork;
use crate::run::clock::nanoseconds;
use crate::sync::{Mutex, lock};

/// An alarm of a stepped device ([`Device::alarm`](crate::Device::alarm)); dropping it clears it.
///
/// On a device with a real clock it never goes off. It may outlive the device, and does nothing then.
#[derive(Debug)]
pub struct Alarm {
    alarms: Option<Arc<Alarms>>,
    number: u64,
}

impl Alarm {
    /// Calls `waker` when the clock reaches `at` (since the device was opened; a past time means the next
    /// step), in place of an earlier setting. It goes off once. Requests that are due at the same time end
    /// first, and alarms of the same time go off in the order in which they were set. The waker is called
    /// like those of requests: outside of all locks, so that it may set the next alarm, submit and step; its
    /// panic is stopped.
    ///
    /// In a forked child, and on a device with a real clock, the waker is dropped and never called: use your
    /// own timer there.
    pub fn set(&self, at: Duration, waker: Waker) {
        if let Some(alarms) = self.alarms() {
            drop(alarms.set(self.number, nanoseconds(at), waker));
        }
    }

    /// Clears it: it does not go off. `false`: it was not set, or has gone off.
    pub fn clear(&self) -> bool {
        self.alarms().and_then(|alarms| alarms.clear(self.number)).is_some()
    }

    fn alarms(&self) -> Option<&Alarms> {
        self.alarms.as_deref().filter(|alarms| !fork::since(alarms.born))
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.clear();
    }
}

/// All alarms of a device.
#[derive(Debug)]
pub(crate) struct Alarms {
    born: u64,
    set: Mutex<Set>,
}

/// When an alarm goes off, in nanoseconds, and a number that orders alarms of the same time.
type Key = (u64, u64);

#[derive(Debug, Default)]
struct Set {
    /// Numbers alarms, and calls of `set`.
    next_number: u64,
    keys: BTreeMap<u64, Key>,
    wakers: BTreeMap<Key, (u64, Waker)>,
    /// The device is gone, and its clock with it.
    closed: bool,
}

impl Alarms {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { born: fork::generation(), set: Mutex::new(Set::default()) })
    }

    /// Another one, which is not set.
    pub(crate) fn alarm(self: &Arc<Self>) -> Alarm {
        Alarm { number: lock(&self.set).number(), alarms: Some(Arc::clone(self)) }
    }

    /// Returns the waker that will not be called (any more).
    fn set(&self, number: u64, at: u64, waker: Waker) -> Option<Waker> {
        let mut set = lock(&self.set);
        if set.closed {
            return Some(waker);
        }
        let replaced = set.clear(number);
        let key = (at, set.number());
        set.keys.insert(number, key);
        set.wakers.insert(key, (number, waker));
        replaced
    }

    fn clear(&self, number: u64) -> Option<Waker> {
        lock(&self.set).clear(number)
    }

    /// When the next one goes off.
    pub(crate) fn next(&self) -> Option<u64> {
        lock(&self.set).wakers.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes the next one, if it goes off at `until` or before; returns when that is.
    pub(crate) fn take_next(&self, until: u64) -> Option<(u64, Waker)> {
        let mut set = lock(&self.set);
        let next = set.wakers.first_entry().filter(|next| next.key().0 <= until)?;
        let ((at, _), (number, waker)) = next.remove_entry();
        set.keys.remove(&number);
        Some((at, waker))
    }

    /// The device is not stepped any more.
    pub(crate) fn close(&self) {
        let left = {
            let mut set = lock(&self.set);
            set.closed = true;
            mem::take(&mut set.wakers)
        };
        drop(left);
    }
}

impl Set {
    fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    fn clear(&mut self, number: u64) -> Option<Waker> {
        let key = self.keys.remove(&number)?;
        self.wakers.remove(&key).map(|(_, waker)| waker)
    }
}

/// The alarms of a device with a real clock.
pub(crate) const fn never() -> Alarm {
    Alarm { alarms: None, number: 0 }
}
