//! The slots of a queue pair, as many as its depth, and the line of those who wait for one.
//!
//! ```text
//!   used = taken + admitted − released − reaped − returned      never above depth
//!           │        │          │          │        └ revoked after its execution (any thread)
//!           │        │          │          └ reaped (the submitting side)
//!           │        │          └ published, or found revoked (the device)
//!           │        └ out of the line (the device)
//!           └ submitted (the submitting side)
//!
//!   park ──► line ──a slot is free──► admitted, by the device, in order of arrival
//! ```
//!
//! A waiter gives its request into the line, and the device takes it when a slot is free. No waiter has to come for
//! a slot, so one that is abandoned in the line cannot keep a slot from those behind it.
//!
//! While `waiting` is 0 the submitting side alone takes slots, and no lock is needed: only that side makes `waiting`
//! positive. Otherwise slots are taken under the lock, and by the line first: no request overtakes it.
//!
//! No free slot is overlooked: the side that frees slots publishes the count, fences and looks at `waiting`; the side that
//! joins the line publishes `waiting`, fences and looks at the counts. One of them sees the other, and rings for the device.
//! (The submitting side, which alone joins, sees without a fence that no request waits.)

use std::collections::VecDeque;

use crate::queue::cell::{Slab, Ticket};
use crate::queue::entry::Announce;
use crate::sync::{AtomicU64, Mutex, Ordering, Padded, bump, lock};

/// The slots of one queue pair.
#[derive(Debug)]
pub(crate) struct Slots {
    depth: u64,
    host: Padded<HostCounts>,
    device: Padded<DeviceCounts>,
    returned: Padded<AtomicU64>,
    waiting: Padded<AtomicU64>,
    fifo: Padded<Mutex<Fifo>>,
}

/// Written by the submitting side alone.
#[derive(Debug)]
struct HostCounts {
    taken: AtomicU64,
    reaped: AtomicU64,
}

/// Written by the device alone.
#[derive(Debug)]
struct DeviceCounts {
    released: AtomicU64,
    admitted: AtomicU64,
}

#[derive(Debug)]
struct Fifo {
    entries: VecDeque<(Ticket, Announce)>,
    /// At this length the revoked are swept out, so that they never outnumber the waiting by much.
    sweep_at: usize,
}

const SWEEP_AT: usize = 64;

impl Slots {
    pub(crate) fn new(depth: usize) -> Self {
        let host = HostCounts { taken: AtomicU64::new(0), reaped: AtomicU64::new(0) };
        let device = DeviceCounts { released: AtomicU64::new(0), admitted: AtomicU64::new(0) };
        let fifo = Fifo { entries: VecDeque::new(), sweep_at: SWEEP_AT };
        Self {
            depth: depth as u64,
            host: Padded(host),
            device: Padded(device),
            returned: Padded(AtomicU64::new(0)),
            waiting: Padded(AtomicU64::new(0)),
            fifo: Padded(Mutex::new(fifo)),
        }
    }

    pub(crate) const fn depth(&self) -> u64 {
        self.depth
    }

    /// Takes a slot for a submission; `false`: all are used, or a request waits for one. The submitting
    /// side's.
    ///
    /// `known` are slots that were found free. Nobody else takes one while nobody waits; so it has to be 0 after a
    /// [`Slots::join`].
    #[inline(always)]
    pub(crate) fn take(&self, known: &mut u64, slab: &Slab) -> bool {
        // Acquire: where the line is found empty, what the device admitted out of it is seen too.
        if *known == 0 || self.waiting.load(Ordering::Acquire) != 0 {
            *known = self.look(slab);
        }
        let free = *known > 0;
        if free {
            *known -= 1;
            bump(&self.host.taken, 1);
        }
        free
    }

    /// How many slots the submitting side may take.
    #[inline(never)]
    fn look(&self, slab: &Slab) -> u64 {
        if self.waiting.load(Ordering::Acquire) == 0 {
            // The line of a device that closes is let in, slot or not.
            self.depth.saturating_sub(self.used())
        } else {
            u64::from(self.nobody_waits_and_one_is_free(slab))
        }
    }

    /// Puts a parked request at the end of the line. The submitting side's.
    pub(crate) fn join(&self, ticket: Ticket, announce: Announce, slab: &Slab) {
        let mut fifo = lock(&self.fifo);
        fifo.entries.push_back((ticket, announce));
        fifo.sweep(slab);
        self.note(&fifo);
    }

    /// Takes a slot for the head of the line, if there is a free one: PARKED becomes QUEUED. The device's.
    pub(crate) fn admit(&self, slab: &Slab) -> Option<(Ticket, Announce)> {
        let mut fifo = lock(&self.fifo);
        let room = self.used() < self.depth;
        let admitted = if room { fifo.next(slab) } else { None };
        bump(&self.device.admitted, u64::from(admitted.is_some()));
        self.note(&fifo);
        admitted
    }

    /// As [`Slots::admit`], slot or not: the device ends, and so does what waits for it.
    pub(crate) fn evict(&self, slab: &Slab) -> Option<(Ticket, Announce)> {
        let mut fifo = lock(&self.fifo);
        let evicted = fifo.next(slab);
        bump(&self.device.admitted, u64::from(evicted.is_some()));
        self.note(&fifo);
        evicted
    }

    /// How many came out of the line.
    pub(crate) fn admitted(&self) -> u64 {
        self.device.admitted.load(Ordering::Relaxed)
    }

    /// Frees `count` slots that the device has published or discarded. The device's.
    pub(crate) fn release(&self, count: u64) {
        if count == 0 {
            return;
        }
        let released = self.device.released.load(Ordering::Relaxed).wrapping_add(count);
        self.device.released.store(released, Ordering::Release);
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

    /// Whether somebody may be waiting for what was just freed; the caller has put a full fence between the two, or is the
    /// submitting side and does so before it rings.
    pub(crate) fn someone_waits(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) != 0
    }

    /// Whether somebody waits and need not: a look without the lock, which may see too much or, before a fence, too
    /// little.
    pub(crate) fn has_work(&self) -> bool {
        self.someone_waits() && self.used() < self.depth
    }

    fn used(&self) -> u64 {
        // What frees slots is read first: what takes them may only look larger than it was then.
        let released = self.device.released.load(Ordering::Acquire);
        let returned = self.returned.load(Ordering::Acquire);
        let reaped = self.host.reaped.load(Ordering::Acquire);
        let taken = self.host.taken.load(Ordering::Relaxed);
        let all = taken.wrapping_add(self.device.admitted.load(Ordering::Relaxed));
        all.wrapping_sub(released).wrapping_sub(returned).wrapping_sub(reaped)
    }

    #[cold]
    fn nobody_waits_and_one_is_free(&self, slab: &Slab) -> bool {
        let mut fifo = lock(&self.fifo);
        while fifo.entries.front().is_some_and(|(ticket, _)| !slab.is_parked(*ticket)) {
            fifo.entries.pop_front();
        }
        self.note(&fifo);
        fifo.entries.is_empty() && self.used() < self.depth
    }

    fn note(&self, fifo: &Fifo) {
        self.waiting.store(fifo.entries.len() as u64, Ordering::Release);
    }
}

impl Fifo {
    /// The first that is still there, on its way in.
    fn next(&mut self, slab: &Slab) -> Option<(Ticket, Announce)> {
        std::iter::from_fn(|| self.entries.pop_front()).find(|(ticket, _)| slab.enter(*ticket))
    }

    fn sweep(&mut self, slab: &Slab) {
        if self.entries.len() >= self.sweep_at {
            self.entries.retain(|(ticket, _)| slab.is_parked(*ticket));
            self.sweep_at = (2 * self.entries.len()).max(SWEEP_AT);
        }
    }
}
