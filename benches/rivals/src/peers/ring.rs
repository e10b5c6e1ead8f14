//! The offload of libcrypto's jobs: a worker between two lock-free rings, which it reads and writes in
//! chunks.
//!
//! The worker spins while it runs, so it runs only while its side is measured.

use std::cell::{Cell, RefCell};
use std::hint::spin_loop;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use nix::sys::eventfd::EventFd;
use rtrb::{Consumer, Producer, RingBuffer};

use crate::harness::Outcome;
use crate::kernels::{Ctr, Kernel};
use crate::lanes::{Lanes, Work};
use crate::libcrypto::{self, Job, Step, WaitCtx};
use crate::placement::Placement;

/// What the jobs of one run share: where their work goes, and where it is kept in the meantime.
pub(super) struct Shared<'f> {
    to_worker: RefCell<Producer<Box<Work>>>,
    home: Vec<Cell<Option<Box<Work>>>>,
    fds: Option<&'f [EventFd]>,
}

/// The arguments of a job: the shared part, and its slot.
type Args<'a> = (&'a Shared<'a>, usize);

impl Shared<'_> {
    /// Called in a job: submits the work of its slot. The ring has room for every slot.
    pub(super) fn submit(&self, slot: usize) {
        let work = self.home[slot].take().expect("a slot has one operation at a time");
        self.to_worker.borrow_mut().push(work).expect("the ring has a place for every slot");
    }

    /// Called in a job that was resumed: reads the eventfd of its context, as an engine does.
    pub(super) fn read_wait_fd(&self, slot: usize) {
        let fd = &self.fds.expect("these jobs have fds")[slot];
        assert_eq!(
            libcrypto::current_wait_fd(),
            Some(fd.as_raw_fd()),
            "the context has the fd that it was given"
        );
        fd.read().expect("the worker writes before the job is resumed");
    }
}

/// Slots of libcrypto's jobs, each with a wait context.
pub(super) struct Slots<'a> {
    shared: &'a Shared<'a>,
    contexts: &'a [WaitCtx],
    jobs: Vec<Job<Args<'a>>>,
    body: fn(Args<'a>),
    to_start: u64,
    pub(super) to_finish: u64,
}

impl Slots<'_> {
    /// Stores a result before its job resumes.
    #[inline]
    pub(super) fn complete(&self, work: Box<Work>) {
        let slot = work.slot;
        self.shared.home[slot].set(Some(work));
    }

    pub(super) fn start_all(&mut self) -> Outcome<()> {
        for slot in 0..self.jobs.len() {
            if self.to_start > 0 {
                self.start(slot)?;
            }
        }
        Ok(())
    }

    #[inline]
    fn start(&mut self, slot: usize) -> Outcome<()> {
        self.to_start -= 1;
        match self.step(slot)? {
            Step::Paused => Ok(()),
            Step::Finished => Err("an operation has not paused".into()),
        }
    }

    #[inline]
    fn step(&mut self, slot: usize) -> Outcome<Step> {
        self.jobs[slot].step(&self.contexts[slot], self.body, (self.shared, slot))
    }

    #[inline]
    pub(super) fn go_on(&mut self, slot: usize) -> Outcome<()> {
        if self.step(slot)? == Step::Finished {
            self.to_finish -= 1;
            if self.to_start > 0 {
                return self.start(slot);
            }
        }
        Ok(())
    }
}

/// Runs `ops` operations: calls `drive` with all slots started and the ring of results.
pub(super) fn run<T>(
    placement: &Placement,
    contexts: &[WaitCtx],
    lanes: &mut Lanes,
    ops: u64,
    body: for<'a> fn(Args<'a>),
    fds: Option<&[EventFd]>,
    drive: impl FnOnce(&mut Slots<'_>, &mut Consumer<Box<Work>>) -> Outcome<T>,
) -> Outcome<T> {
    let count = lanes.len();
    // Twice the slots: a chunk that is being processed occupies its entries until its end.
    let (to_worker, mut requests) = RingBuffer::new(2 * count);
    let (mut results, mut from_worker) = RingBuffer::new(2 * count);
    let home = (0..count).map(|slot| Cell::new(Some(lanes.take(slot)))).collect();
    let shared = Shared { to_worker: RefCell::new(to_worker), home, fds };
    let stop = AtomicBool::new(false);
    let outcome = thread::scope(|scope| {
        placement.beside(|| scope.spawn(|| work(&mut requests, &mut results, fds, &stop)))?;
        let jobs = (0..count).map(|_| Job::new()).collect();
        let mut slots = Slots { shared: &shared, contexts, jobs, body, to_start: ops, to_finish: ops };
        let outcome = drive(&mut slots, &mut from_worker);
        stop.store(true, Ordering::Release);
        outcome
    });
    shared.home.into_iter().filter_map(Cell::into_inner).for_each(|work| lanes.put(work));
    outcome
}

fn work(
    requests: &mut Consumer<Box<Work>>,
    results: &mut Producer<Box<Work>>,
    fds: Option<&[EventFd]>,
    stop: &AtomicBool,
) {
    let kernel = Ctr::new();
    while !stop.load(Ordering::Acquire) {
        let Ok(chunk) = requests.read_chunk(requests.slots()) else { continue };
        if chunk.is_empty() {
            spin_loop();
        }
        for mut work in chunk {
            kernel.encrypt(&work.iv, &mut work.buffer);
            let slot = work.slot;
            results.push(work).expect("the ring has a place for every slot");
            if let Some(fds) = fds {
                fds[slot].write(1).expect("a small number fits");
            }
        }
    }
}
