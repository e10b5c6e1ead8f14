//! tokio's tasks on the measuring thread, a worker thread behind a channel, and a oneshot back for each
//! operation.

use std::cell::Cell;
use std::rc::Rc;
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::LocalSet;

use crate::harness::{Outcome, by_wall};
use crate::kernels::{Ctr, Kernel};
use crate::lanes::{Drive, Lanes, Work};
use crate::placement::Placement;

type Order = (Box<Work>, oneshot::Sender<Box<Work>>);

pub(crate) struct TokioOneshot {
    runtime: Runtime,
    placement: Placement,
}

impl TokioOneshot {
    pub(crate) fn new(placement: Placement) -> Outcome<Self> {
        Ok(Self { runtime: Builder::new_current_thread().build()?, placement })
    }
}

impl Drive for TokioOneshot {
    fn drive(&mut self, lanes: &mut Lanes, ops: u64) -> Outcome<f64> {
        let (to_worker, requests) = bounded(lanes.len());
        thread::scope(|scope| {
            self.placement.beside(|| scope.spawn(move || work(&requests)))?;
            by_wall(ops, || self.runtime.block_on(LocalSet::new().run_until(all(lanes, ops, to_worker))))
        })
    }
}

async fn all(lanes: &mut Lanes, ops: u64, to_worker: Sender<Order>) -> Outcome<()> {
    let to_start = Rc::new(Cell::new(ops));
    let tasks: Vec<_> = (0..lanes.len().min(ops as usize))
        .map(|slot| {
            to_start.set(to_start.get() - 1);
            tokio::task::spawn_local(one(lanes.take(slot), Rc::clone(&to_start), to_worker.clone()))
        })
        .collect();
    for task in tasks {
        lanes.put(task.await?.map_err(|error| error.to_string())?);
    }
    Ok(())
}

/// One operation after the other; the first one is counted already.
async fn one(mut work: Box<Work>, to_start: Rc<Cell<u64>>, to_worker: Sender<Order>) -> Outcome<Box<Work>> {
    loop {
        let (reply, answer) = oneshot::channel();
        to_worker.send((work, reply)).map_err(|_| "the worker has ended")?;
        work = answer.await?;
        if to_start.get() == 0 {
            return Ok(work);
        }
        to_start.set(to_start.get() - 1);
    }
}

fn work(requests: &Receiver<Order>) {
    let kernel = Ctr::new();
    for (mut work, reply) in requests {
        kernel.encrypt(&work.iv, &mut work.buffer);
        if reply.send(work).is_err() {
            return;
        }
    }
}
