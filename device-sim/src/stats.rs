//! Counters: kept by the side that makes the event happen, read by anybody at any time.
//!
//! ```text
//!   submitted == completed + failed + revoked + in_flight        at any quiet moment
//! ```
//!
//! `in_flight` is no counter: it is found by looking at every cell, so the equation can fail.

use std::iter::Sum;
use std::ops::AddAssign;

use crate::sync::{AtomicU64, Ordering, Padded};

/// What one queue pair has done since it was opened.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueuePairStats {
    /// Requests that the device was given: through the submission ring, or out of the line for a slot.
    pub submitted: u64,
    /// Requests that the device finished with [`Status::Ok`](crate::Status::Ok).
    pub completed: u64,
    /// Requests that the device finished with any other status.
    pub failed: u64,
    /// Requests that were taken back before the device had finished them.
    pub revoked: u64,
    /// Requests that are submitted and neither finished nor revoked at this moment.
    pub in_flight: u64,
    /// Bytes of input of the requests that the device finished.
    pub bytes: u64,
    /// Submissions that were refused because no slot was free or somebody waited for one.
    pub full: u64,
    /// Requests that queued for a slot.
    pub parked: u64,
    /// Submissions that woke a sleeping worker.
    pub doorbells_rung: u64,
    /// Submissions that found the worker awake.
    pub doorbells_suppressed: u64,
    /// Interrupts raised.
    pub interrupts: u64,
    /// Wakers called.
    pub wakes_sent: u64,
    /// Wakes that the host cancelled, or that ended with their request.
    pub wakes_cancelled: u64,
    /// Wakers that panicked; they count as sent too.
    pub wake_panics: u64,
}

impl AddAssign for QueuePairStats {
    fn add_assign(&mut self, other: Self) {
        self.submitted += other.submitted;
        self.completed += other.completed;
        self.failed += other.failed;
        self.revoked += other.revoked;
        self.in_flight += other.in_flight;
        self.bytes += other.bytes;
        self.full += other.full;
        self.parked += other.parked;
        self.doorbells_rung += other.doorbells_rung;
        self.doorbells_suppressed += other.doorbells_suppressed;
        self.interrupts += other.interrupts;
        self.wakes_sent += other.wakes_sent;
        self.wakes_cancelled += other.wakes_cancelled;
        self.wake_panics += other.wake_panics;
    }
}

impl Sum for QueuePairStats {
    fn sum<I: Iterator<Item = Self>>(stats: I) -> Self {
        stats.fold(Self::default(), |mut total, stats| {
            total += stats;
            total
        })
    }
}

/// What a device has done since it was opened.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceStats {
    /// The sum over all queue pairs.
    pub total: QueuePairStats,
    /// Each queue pair, by its index.
    pub queue_pairs: Vec<QueuePairStats>,
    /// How often a worker found nothing to do and went to sleep.
    pub worker_sleeps: u64,
    /// How often a worker panicked and left the device dead.
    pub deaths: u64,
    /// How often the device was reset.
    pub resets: u64,
}

/// The counters of one queue pair, on lines of their own for each writer.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) host: Padded<HostCounters>,
    pub(crate) device: Padded<DeviceCounters>,
    pub(crate) shared: Padded<SharedCounters>,
}

/// Written by the submitting side alone.
#[derive(Debug, Default)]
pub(crate) struct HostCounters {
    pub(crate) submitted: AtomicU64,
    pub(crate) full: AtomicU64,
    pub(crate) parked: AtomicU64,
    pub(crate) doorbells_rung: AtomicU64,
    pub(crate) doorbells_suppressed: AtomicU64,
}

/// Written by the device alone, once per batch and before the batch is seen to be done.
#[derive(Debug, Default)]
pub(crate) struct DeviceCounters {
    pub(crate) completed: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) bytes: AtomicU64,
}

/// Written by anybody, on the slower ways.
#[derive(Debug, Default)]
pub(crate) struct SharedCounters {
    pub(crate) revoked: AtomicU64,
    pub(crate) interrupts: AtomicU64,
    pub(crate) wakes_sent: AtomicU64,
    pub(crate) wakes_cancelled: AtomicU64,
    pub(crate) wake_panics: AtomicU64,
}

impl Counters {
    /// With what is counted elsewhere: those that came in by the line, and those that are in flight.
    pub(crate) fn read(&self, admitted: u64, in_flight: u64) -> QueuePairStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        QueuePairStats {
            submitted: read(&self.host.submitted) + admitted,
            completed: read(&self.device.completed),
            failed: read(&self.device.failed),
            revoked: read(&self.shared.revoked),
            in_flight,
            bytes: read(&self.device.bytes),
            full: read(&self.host.full),
            parked: read(&self.host.parked),
            doorbells_rung: read(&self.host.doorbells_rung),
            doorbells_suppressed: read(&self.host.doorbells_suppressed),
            interrupts: read(&self.shared.interrupts),
            wakes_sent: read(&self.shared.wakes_sent),
            wakes_cancelled: read(&self.shared.wakes_cancelled),
            wake_panics: read(&self.shared.wake_panics),
        }
    }
}
