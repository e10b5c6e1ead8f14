//! crossbeam-channel: one channel to a worker, one back, no jobs.

use crossbeam_channel::{Receiver, Sender, bounded};
use std::thread;

use crate::harness::{Outcome, by_wall};
use crate::kernels::{Ctr, Kernel};
use crate::lanes::{Drive, Lanes, Work};
use crate::placement::Placement;

pub(crate) struct Channel {
    pub(crate) placement: Placement,
}

impl Drive for Channel {
    fn drive(&mut self, lanes: &mut Lanes, ops: u64) -> Outcome<f64> {
        let (to_worker, requests) = bounded(lanes.len());
        let (results, from_worker) = bounded(lanes.len());
        thread::scope(|scope| {
            self.placement.beside(|| scope.spawn(move || work(&requests, &results)))?;
            // Moved in, so that the worker ends with it.
            let to_worker = to_worker;
            by_wall(ops, || exchange(lanes, ops, &to_worker, &from_worker))
        })
    }
}

fn exchange(
    lanes: &mut Lanes,
    ops: u64,
    to_worker: &Sender<Box<Work>>,
    from_worker: &Receiver<Box<Work>>,
) -> Outcome<()> {
    let mut to_start = ops;
    for slot in 0..lanes.len().min(ops as usize) {
        to_worker.send(lanes.take(slot))?;
        to_start -= 1;
    }
    for _ in 0..ops {
        let work = from_worker.recv()?;
        if to_start > 0 {
            to_start -= 1;
            to_worker.send(work)?;
        } else {
            lanes.put(work);
        }
    }
    Ok(())
}

fn work(requests: &Receiver<Box<Work>>, results: &Sender<Box<Work>>) {
    let kernel = Ctr::new();
    for mut work in requests {
        kernel.encrypt(&work.iv, &mut work.buffer);
        if results.send(work).is_err() {
            return;
        }
    }
}
