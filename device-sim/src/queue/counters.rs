//! The counters of a queue pair: each cache line has one writer, and any thread may read it.

use crate::message::operation::Operation;
use crate::sync::{AtomicU64, Padded, bump};

/// The counters of one queue pair, with separate lines for each writer.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) host: Padded<HostCounters>,
    pub(crate) device: Padded<DeviceCounters>,
    pub(crate) shared: Padded<SharedCounters>,
}

/// Written only by the submitting side.
#[derive(Debug, Default)]
pub(crate) struct HostCounters {
    pub(crate) submitted: AtomicU64,
    pub(crate) full: AtomicU64,
    pub(crate) parked: AtomicU64,
    pub(crate) doorbells_rung: AtomicU64,
    pub(crate) doorbells_suppressed: AtomicU64,
}

/// Written only by the device, once per batch and before the batch becomes visible.
#[derive(Debug, Default)]
pub(crate) struct DeviceCounters {
    pub(crate) operations: [OperationCounters; Operation::ALL.len()],
    pub(crate) interrupts_coalesced: AtomicU64,
}

#[derive(Debug, Default)]
pub(crate) struct OperationCounters {
    pub(crate) completed: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) bytes: AtomicU64,
}

/// Written by any thread, on the slower paths.
#[derive(Debug, Default)]
pub(crate) struct SharedCounters {
    pub(crate) revoked: AtomicU64,
    pub(crate) interrupts: AtomicU64,
    pub(crate) wakes_sent: AtomicU64,
    pub(crate) wakes_spurious: AtomicU64,
    pub(crate) wakes_cancelled: AtomicU64,
    pub(crate) wake_panics: AtomicU64,
}

/// What a batch adds to the counters of one operation.
#[derive(Debug, Default)]
pub(crate) struct OperationCounts {
    pub(crate) completed: u64,
    pub(crate) failed: u64,
    pub(crate) bytes: u64,
}

impl OperationCounters {
    /// The device's, which alone writes them.
    #[inline]
    pub(crate) fn add(&self, counts: &OperationCounts) {
        if counts.completed + counts.failed > 0 {
            bump(&self.completed, counts.completed);
            bump(&self.failed, counts.failed);
            bump(&self.bytes, counts.bytes);
        }
    }
}
