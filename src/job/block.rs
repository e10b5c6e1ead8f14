//! Blocks on pausing, for code that must not be left in the middle (statements 44, 45).

use std::marker::PhantomData;

use super::front::Front;
use super::pool::Pool;
use super::raw::Handle;

/// Forbids pausing in the running job until the guard is dropped: [`pause`](super::pause) returns
/// [`Pause::Blocked`](super::Pause::Blocked), and engines block instead. Blocks add up. Each job has its own
/// count, so a block that is never lifted ends with its job. Outside a job there is nothing to block.
pub fn block_pause() -> PauseBlock {
    let record = Front::here().running();
    if let Some(record) = record {
        record.blocks.set(record.blocks.get().saturating_add(1));
    }
    PauseBlock { job: record.map(|record| record.handle.get()), thread: PhantomData }
}

/// Lifts one block when dropped ([`block_pause`]). Does nothing when its job has ended.
#[must_use = "the block is lifted when this is dropped"]
#[derive(Debug)]
pub struct PauseBlock {
    job: Option<Handle>,
    /// Not `Send`, not `Sync`.
    thread: PhantomData<*mut ()>,
}

impl Drop for PauseBlock {
    fn drop(&mut self) {
        let Some(job) = self.job else { return };
        if let Some(record) = Pool::existing().and_then(|pool| pool.find(job)) {
            record.blocks.set(record.blocks.get().saturating_sub(1));
        }
    }
}
