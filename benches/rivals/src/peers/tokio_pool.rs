//! tokio's tasks on two threads, and `spawn_blocking` for each operation.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::runtime::{Builder, Runtime};

use crate::harness::{Outcome, by_wall};
use crate::kernels::{Ctr, Kernel};
use crate::lanes::{Drive, Lanes, Work};
use crate::placement::Placement;

pub(crate) struct TokioPool {
    runtime: Runtime,
    placement: Placement,
}

impl TokioPool {
    pub(crate) fn new(placement: Placement) -> Outcome<Self> {
        let runtime = placement.anywhere(|| Builder::new_multi_thread().worker_threads(2).build())??;
        Ok(Self { runtime, placement })
    }
}

/// A run has at least so many operations: in a short one, a few threads of the pool may happen not to sleep at all, and
/// its result is nothing that the pool could keep up.
const LONG: u64 = 4_096;

impl Drive for TokioPool {
    fn drive(&mut self, lanes: &mut Lanes, ops: u64) -> Outcome<f64> {
        let Self { runtime, placement } = self;
        let once = lanes.len() as u64;
        let ops = if ops > once { ops.max(LONG) } else { ops };
        placement.anywhere(|| by_wall(ops, || runtime.block_on(all(lanes, ops))))?
    }
}

async fn all(lanes: &mut Lanes, ops: u64) -> Outcome<()> {
    let tasks_wanted = lanes.len().min(ops as usize);
    let to_start = Arc::new(AtomicU64::new(ops - tasks_wanted as u64));
    let kernel = Arc::new(Ctr::new());
    let tasks: Vec<_> = (0..tasks_wanted)
        .map(|slot| tokio::spawn(one(lanes.take(slot), Arc::clone(&to_start), Arc::clone(&kernel))))
        .collect();
    for task in tasks {
        lanes.put(task.await??);
    }
    Ok(())
}

async fn one(
    mut work: Box<Work>,
    to_start: Arc<AtomicU64>,
    kernel: Arc<Ctr>,
) -> Result<Box<Work>, tokio::task::JoinError> {
    loop {
        let kernel = Arc::clone(&kernel);
        work = tokio::task::spawn_blocking(move || {
            kernel.encrypt(&work.iv, &mut work.buffer);
            work
        })
        .await?;
        let taken = to_start.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if taken.is_err() {
            return Ok(work);
        }
    }
}
