//! simaccel's operations, awaited by tokio's tasks on the measuring thread.
//!
//! ```text
//!   64 tasks: loop { work = session.encrypt_async(iv, work).await }     one runtime of one thread, and a reaper
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use simaccel::{CipherSession, Engine, Error};
use tokio::runtime::{Builder, Runtime};
use tokio::task::LocalSet;

use crate::harness::{Outcome, by_wall};
use crate::lanes::{Drive, Lanes, Work};
use crate::ours::{Algorithm, session};

pub(crate) struct Awaited {
    runtime: Runtime,
    /// Has the reaper.
    local: LocalSet,
    session: CipherSession,
}

impl Awaited {
    pub(crate) fn new(engine: &Engine) -> Outcome<Self> {
        let runtime = Builder::new_current_thread().build()?;
        let local = LocalSet::new();
        local.spawn_local(engine.reaper()?);
        Ok(Self { runtime, local, session: session(engine, Algorithm::Ctr)? })
    }
}

impl Drive for Awaited {
    fn drive(&mut self, lanes: &mut Lanes, ops: u64) -> Outcome<f64> {
        let Self { runtime, local, session } = self;
        by_wall(ops, || local.block_on(runtime, all(lanes, ops, session)))
    }
}

async fn all(lanes: &mut Lanes, ops: u64, session: &CipherSession) -> Outcome<()> {
    let tasks_wanted = lanes.len().min(ops as usize);
    let to_start = Arc::new(AtomicU64::new(ops - tasks_wanted as u64));
    let tasks: Vec<_> = (0..tasks_wanted)
        .map(|slot| tokio::task::spawn_local(one(lanes.take(slot), Arc::clone(&to_start), session.clone())))
        .collect();
    for task in tasks {
        lanes.put(task.await??);
    }
    Ok(())
}

async fn one(
    mut work: Box<Work>,
    to_start: Arc<AtomicU64>,
    session: CipherSession,
) -> Result<Box<Work>, Error> {
    let mut buffer = std::mem::take(&mut work.buffer);
    loop {
        buffer = session.encrypt_async(&work.iv, buffer).await?;
        // The tasks share one thread, so the count needs no locked instruction.
        let Some(left) = to_start.load(Ordering::Relaxed).checked_sub(1) else { break };
        to_start.store(left, Ordering::Relaxed);
    }
    work.buffer = buffer;
    Ok(work)
}
