//! The slots of a queue pair, as many as its depth, and the line of those who wait for one.
//!
//! ```text
//!   used = taken − released − reaped − returned      never above depth − reserved
//!           │        │          │        └ revoked after its execution (any thread)
//!           │        │          └ reaped (the submitting side)
//!           │        └ published, or found revoked in the ring (the device)
//!           └ submitted (the submitting side)
//!
//!   park ──► fifo ──grant──► reserved ──submit_parked──► taken          pending = fifo + reserved
//! ```
//!
//! While `pending` is 0 nobody waits, the submitting side alone moves `taken`, and no lock is needed: only that side
//! makes `pending` positive, and a grant leaves it as it is. Otherwise every change of `taken` and `reserved` is made
//! under the lock, so nobody overtakes the line.
//!
//! No grant is lost: who frees slots publishes the count, fences and looks at `pending`; who joins the line
//! publishes `pending`, fences and looks at the counts. One of them sees the other.

use std::collections::VecDeque;

use crate::cell::{Slab, Ticket};
use crate::sync::{AtomicU64, Mutex, Ordering, Padded, bump, fence, lock};

/// The slots of one queue pair.
#[derive(Debug)]
pub(crate) struct Slots {
    depth: u64,
    host: Padded<HostCounts>,
    released: Padded<AtomicU64>,
    returned: Padded<AtomicU64>,
    pending: AtomicU64,
    line: Mutex<Line>,
}

/// Written by the submitting side alone.
#[derive(Debug)]
struct HostCounts {
    taken: AtomicU64,
    reaped: AtomicU64,
}

#[derive(Debug)]
struct Line {
    fifo: VecDeque<Ticket>,
    reserved: u64,
    /// At this length the revoked are swept out, so that they never outnumber the waiting by much.
    sweep_at: usize,
}

const SWEEP_AT: usize = 64;

impl Slots {
    pub(crate) fn new(depth: usize) -> Self {
        let host = HostCounts { taken: AtomicU64::new(0), reaped: AtomicU64::new(0) };
        let line = Line { fifo: VecDeque::new(), reserved: 0, sweep_at: SWEEP_AT };
        Self {
            depth: depth as u64,
            host: Padded(host),
            released: Padded(AtomicU64::new(0)),
            returned: Padded(AtomicU64::new(0)),
            pending: AtomicU64::new(0),
            line: Mutex::new(line),
        }
    }

    /// Takes a slot for a submission; `false`: all are used, or somebody waits for one. The submitting side's.
    pub(crate) fn take(&self, slab: &Slab) -> bool {
        let free = if self.pending.load(Ordering::Relaxed) == 0 {
            self.used() < self.depth
        } else {
            self.nobody_waits_and_one_is_free(slab)
        };
        if free {
            bump(&self.host.taken, 1);
        }
        free
    }

    /// Puts a parked request at the end of the line; [`Slots::grant`] must follow. The submitting side's.
    pub(crate) fn join(&self, ticket: Ticket, slab: &Slab) {
        let mut line = lock(&self.line);
        line.fifo.push_back(ticket);
        line.sweep(slab);
        self.note(&line);
    }

    /// Reserves a slot for the head of the line, if there is a free one: PARKED becomes GRANTED.
    pub(crate) fn grant(&self, slab: &Slab) -> Option<Ticket> {
        let mut line = lock(&self.line);
        let granted = loop {
            if self.used() + line.reserved >= self.depth {
                break None;
            }
            match line.fifo.pop_front() {
                Some(ticket) if slab.grant(ticket) => break Some(ticket),
                Some(_revoked) => {}
                None => break None,
            }
        };
        line.reserved += u64::from(granted.is_some());
        self.note(&line);
        granted
    }

    /// Turns a reserved slot into a taken one. The submitting side's.
    pub(crate) fn use_grant(&self) {
        let mut line = lock(&self.line);
        line.reserved -= 1;
        bump(&self.host.taken, 1);
        self.note(&line);
    }

    /// Gives a reserved slot up; [`Slots::grant`] must follow.
    pub(crate) fn drop_grant(&self) {
        let mut line = lock(&self.line);
        line.reserved -= 1;
        self.note(&line);
    }

    /// Frees `count` slots that the device has published or discarded. The device's.
    pub(crate) fn release(&self, count: u64) {
        let released = self.released.load(Ordering::Relaxed).wrapping_add(count);
        self.released.store(released, Ordering::Release);
    }

    /// Frees `count` slots whose completions were reaped. The submitting side's.
    pub(crate) fn reaped(&self, count: u64) {
        let reaped = self.host.reaped.load(Ordering::Relaxed).wrapping_add(count);
        self.host.reaped.store(reaped, Ordering::Release);
    }

    /// Frees the slot of a request that was revoked after its execution.
    pub(crate) fn give_back(&self) {
        self.returned.fetch_add(1, Ordering::Release);
    }

    /// Whether somebody may be waiting for what was just freed; the caller has put a full fence between the two.
    pub(crate) fn someone_waits(&self) -> bool {
        self.pending.load(Ordering::Relaxed) != 0
    }

    /// Puts that fence, and asks.
    pub(crate) fn fence_and_ask(&self) -> bool {
        fence(Ordering::SeqCst);
        self.someone_waits()
    }

    fn used(&self) -> u64 {
        // What frees slots is read first: `taken` may only look larger than it was then.
        let released = self.released.load(Ordering::Acquire);
        let returned = self.returned.load(Ordering::Acquire);
        let reaped = self.host.reaped.load(Ordering::Acquire);
        let taken = self.host.taken.load(Ordering::Relaxed);
        taken.wrapping_sub(released).wrapping_sub(returned).wrapping_sub(reaped)
    }

    #[cold]
    fn nobody_waits_and_one_is_free(&self, slab: &Slab) -> bool {
        let mut line = lock(&self.line);
        while line.fifo.front().is_some_and(|ticket| !slab.is_parked(*ticket)) {
            line.fifo.pop_front();
        }
        self.note(&line);
        line.fifo.is_empty() && self.used() + line.reserved < self.depth
    }

    fn note(&self, line: &Line) {
        self.pending.store(line.fifo.len() as u64 + line.reserved, Ordering::Relaxed);
    }
}

impl Line {
    fn sweep(&mut self, slab: &Slab) {
        if self.fifo.len() >= self.sweep_at {
            self.fifo.retain(|ticket| slab.is_parked(*ticket));
            self.sweep_at = (2 * self.fifo.len()).max(SWEEP_AT);
        }
    }
}
