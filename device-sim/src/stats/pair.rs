//! Reads the counters of a queue pair, which counts and knows nothing of statistics.

use super::{OperationStats, QueuePairStats, read};
use crate::queue::counters::{Counters, OperationCounters};
use crate::queue::pair::Pair;
use crate::queue::remote::Remote;

impl Remote {
    /// The counters of this queue pair. Reads every cell: not for hot loops.
    pub fn stats(&self) -> QueuePairStats {
        self.pair.stats()
    }
}

impl Pair {
    /// Reads every cell.
    pub(crate) fn stats(&self) -> QueuePairStats {
        let Counters { host, device, shared } = &self.counters;
        let operations = device.operations.each_ref().map(done);
        let done: OperationStats = operations.iter().copied().sum();
        QueuePairStats {
            submitted: read(&host.submitted) + self.slots.admitted(),
            completed: done.completed,
            failed: done.failed,
            revoked: read(&shared.revoked),
            in_flight: self.slab.in_flight(),
            bytes: done.bytes,
            full: read(&host.full),
            parked: read(&host.parked),
            doorbells_rung: read(&host.doorbells_rung),
            doorbells_suppressed: read(&host.doorbells_suppressed),
            interrupts: read(&shared.interrupts),
            interrupts_coalesced: read(&device.interrupts_coalesced),
            wakes_sent: read(&shared.wakes_sent),
            wakes_spurious: read(&shared.wakes_spurious),
            wakes_cancelled: read(&shared.wakes_cancelled),
            wake_panics: read(&shared.wake_panics),
            operations,
        }
    }
}

fn done(counters: &OperationCounters) -> OperationStats {
    let OperationCounters { completed, failed, bytes } = counters;
    OperationStats { completed: read(completed), failed: read(failed), bytes: read(bytes) }
}
