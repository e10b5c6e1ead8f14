//! tokio's tasks, and `spawn_blocking` for each operation.
//!
//! ```text
//!   64 tasks: loop { work = spawn_blocking(move || encrypt(work)).await }
//!
//!   Pool::AsItComes   what `#[tokio::main]` gives: a worker for each processor, up to 512 blocking threads
//!   Pool::OfOne       the same runtime with max_blocking_threads(1)
//! ```
//!
//! A pool starts a thread whenever something is spawned and no thread is idle. So 64 tasks soon have 60
//! threads, or the whole 512, and all of them sleep between operations: each operation costs a wake. A single
//! thread is never idle while there is work and needs no wake: ten times as fast. For some thousand
//! operations a large pool may be as fast by luck, when the threads that it wakes come too late to find work.
//! So the unlimited pool runs for a while before it is measured, and its median counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::runtime::{Builder, Runtime};

use crate::harness::{Outcome, by_wall};
use crate::kernels::{Ctr, Kernel};
use crate::lanes::{Drive, Lanes, Work};
use crate::placement::Placement;

/// How many threads do the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pool {
    /// As many as tokio starts.
    AsItComes,
    OfOne,
}

pub(crate) struct TokioPool {
    runtime: Runtime,
    placement: Placement,
    pool: Pool,
    grown: bool,
}

impl TokioPool {
    pub(crate) fn new(pool: Pool, placement: Placement) -> Outcome<Self> {
        let mut builder = Builder::new_multi_thread();
        builder.enable_all();
        if pool == Pool::OfOne {
            builder.max_blocking_threads(1);
        }
        let runtime = placement.anywhere(|| builder.build())??;
        Ok(Self { runtime, placement, pool, grown: false })
    }
}

/// The minimum of operations of a run with an unlimited pool: in a short run its threads may happen not to
/// sleep.
const LONG: u64 = 4_096;
/// Operations before the first run that counts.
const GROWING: u64 = 16 * LONG;

impl Drive for TokioPool {
    fn drive(&mut self, lanes: &mut Lanes, ops: u64) -> Outcome<f64> {
        let once = lanes.len() as u64;
        let Self { runtime, placement, pool, grown } = self;
        let mut run = |ops| placement.anywhere(|| by_wall(ops, || runtime.block_on(all(lanes, ops))))?;
        if ops <= once || *pool == Pool::OfOne {
            return run(ops);
        }
        if !*grown {
            run(GROWING)?;
            *grown = true;
        }
        run(ops.max(LONG))
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
