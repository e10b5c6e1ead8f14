//! simaccel's operations, awaited by tokio's tasks on the measuring thread: one runtime of one thread, and a
//! reaper.
//!
//! ```text
//!   Tasks      64 tasks: loop { buffer = session.encrypt_async(iv, buffer).await }
//!   Together   one task: loop { work = in_flight.next().await; in_flight.push(session.encrypt_async(iv, ..)) }
//! ```

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use simaccel::future::{InFlight, InPlace, OpFuture};
use simaccel::{CipherSession, Engine, Error, OpError};
use tokio::runtime::{Builder, Runtime};
use tokio::task::LocalSet;

use crate::harness::{Outcome, by_wall};
use crate::lanes::{Drive, Lanes, Work};
use crate::ours::{Algorithm, session};

/// What awaits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// A task for each operation in flight.
    Tasks,
    /// One task, which has a set of them.
    Together,
}

pub(crate) struct Awaited {
    runtime: Runtime,
    /// Has the reaper.
    local: LocalSet,
    session: CipherSession,
    by: By,
}

impl Awaited {
    pub(crate) fn new(engine: &Engine, by: By) -> Outcome<Self> {
        let runtime = Builder::new_current_thread().build()?;
        let local = LocalSet::new();
        local.spawn_local(engine.reaper()?);
        Ok(Self { runtime, local, session: session(engine, Algorithm::Ctr)?, by })
    }
}

impl Drive for Awaited {
    fn drive(&mut self, lanes: &mut Lanes, ops: u64) -> Outcome<f64> {
        let Self { runtime, local, session, by } = self;
        by_wall(ops, || match by {
            By::Tasks => local.block_on(runtime, all(lanes, ops, session)),
            By::Together => local.block_on(runtime, all_together(lanes, ops, session)),
        })
    }
}

async fn all(lanes: &mut Lanes, ops: u64, session: &CipherSession) -> Outcome<()> {
    let tasks_wanted = lanes.len().min(ops as usize);
    let to_start = Arc::new(AtomicU64::new(ops - tasks_wanted as u64));
    let tasks: Vec<_> = (0..tasks_wanted)
        .map(|slot| tokio::task::spawn_local(one(lanes.take(slot), Arc::clone(&to_start), session.clone())))
        .collect();
    for task in tasks {
        lanes.put(task.await?);
    }
    Ok(())
}

/// Returns a pointer: tokio copies room for what a task returns at each of its turns. A task that panics is
/// an error of the join.
async fn one(mut work: Box<Work>, to_start: Arc<AtomicU64>, session: CipherSession) -> Box<Work> {
    let mut buffer = std::mem::take(&mut work.buffer);
    loop {
        buffer = session.encrypt_async(&work.iv, buffer).await.expect("a device without faults encrypts");
        // The tasks share one thread, so the count needs no locked instruction.
        let Some(left) = to_start.load(Ordering::Relaxed).checked_sub(1) else { break };
        to_start.store(left, Ordering::Relaxed);
    }
    work.buffer = buffer;
    work
}

async fn all_together(lanes: &mut Lanes, ops: u64, session: &CipherSession) -> Outcome<()> {
    let at_once = lanes.len().min(ops as usize);
    let works: Vec<_> = (0..at_once).map(|slot| lanes.take(slot)).collect();
    let done = tokio::task::spawn_local(together(works, ops, session.clone())).await??;
    done.into_iter().for_each(|work| lanes.put(work));
    Ok(())
}

#[expect(clippy::vec_box, reason = "a work keeps its address")]
async fn together(works: Vec<Box<Work>>, ops: u64, session: CipherSession) -> Result<Vec<Box<Work>>, Error> {
    let mut in_flight = InFlight::unordered(works.len());
    let (mut to_start, mut done) = (ops, Vec::with_capacity(works.len()));
    let mut start = |in_flight: &mut InFlight<OfWork>, work| {
        to_start -= 1;
        assert!(in_flight.push(OfWork::start(&session, work)).is_ok(), "there is room");
        to_start > 0
    };
    for work in works {
        start(&mut in_flight, work);
    }
    let mut goes_on = ops > in_flight.len() as u64;
    while let Some(work) = in_flight.next().await {
        match work? {
            work if goes_on => goes_on = start(&mut in_flight, work),
            work => done.push(work),
        }
    }
    Ok(done)
}

/// An operation that comes back with its work.
struct OfWork {
    work: Option<Box<Work>>,
    operation: OpFuture<InPlace>,
}

impl OfWork {
    #[inline(always)]
    fn start(session: &CipherSession, mut work: Box<Work>) -> Self {
        let operation = session.encrypt_async(&work.iv, std::mem::take(&mut work.buffer));
        Self { work: Some(work), operation }
    }
}

impl Future for OfWork {
    type Output = Result<Box<Work>, OpError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Poll::Ready(buffer) = Pin::new(&mut self.operation).poll(context) else { return Poll::Pending };
        let buffer = buffer?;
        let mut work = self.work.take().expect("it ends once");
        work.buffer = buffer;
        Poll::Ready(Ok(work))
    }
}
