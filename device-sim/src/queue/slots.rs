//! The slots of a queue pair, as many as its depth, and the FIFO of requests that are parked for one.
//!
//! ```text
//!   used = taken + admitted − released − reaped − returned      never above depth
//!           │        │          │          │        └ revoked after its execution (any thread)
//!           │        │          │          └ reaped (the submitting side)
//!           │        │          └ published, or found revoked (the device)
//!           │        └ out of the FIFO (the device)
//!           └ submitted (the submitting side)
//!
//!   park ──► line ──a slot is free──► admitted, by the device, in order of arrival
//! ```
//!
//! A parked request joins the FIFO, and the device takes it when a slot is free. No caller has to come for
//! the slot, so an abandoned request cannot keep one from later requests.
//!
//! While `waiting` is 0 only the submitting side takes slots, and no lock is needed: only that side makes
//! `waiting` positive. Otherwise slots are taken under the lock, and by parked requests first: no request
//! overtakes them.
//!
//! No free slot is overlooked: the side that frees slots publishes the count, fences and looks at `waiting`;
//! the side that parks publishes `waiting`, fences and looks at the counts. One of them sees the other, and
//! rings for the device. (The submitting side, the only one that parks, sees without a fence that no request
//! waits.)

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

/// Written only by the submitting side.
#[derive(Debug)]
struct HostCounts {
    taken: AtomicU64,
    reaped: AtomicU64,
}

/// Written only by the device.
#[derive(Debug)]
struct DeviceCounts {
    released: AtomicU64,
    admitted: AtomicU64,
}

#[derive(Debug)]
struct Fifo {
    entries: VecDeque<Parked>,
    /// At this length revoked requests are removed, so that they never outnumber the waiting ones by much.
    sweep_at: usize,
}

/// A parked request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parked {
    pub(crate) ticket: Ticket,
    pub(crate) announce: Announce,
    pub(crate) bytes: u64,
    /// Whether it takes long, however few they are.
    pub(crate) is_long: bool,
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

    /// Takes a slot for a submission; `false`: all are used, or a request waits for one. Called by the
    /// submitting side.
    ///
    /// `known` are slots that were found free. No other side takes one while no request waits; so it has to
    /// be 0 after a [`Slots::join`].
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(crate) fn take(&self, known: &mut u64, slab: &Slab) -> bool {
        // Acquire: if the FIFO is found empty, the requests that the device admitted from it are visible too.
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

    /// Whether a submission would get a slot.
    pub(crate) fn has_room(&self, slab: &Slab) -> bool {
        self.look(slab) > 0
    }

    /// How many slots the submitting side may take.
    #[inline(never)]
    fn look(&self, slab: &Slab) -> u64 {
        if self.waiting.load(Ordering::Acquire) == 0 {
            // When a device closes, parked requests are admitted with or without a slot.
            self.depth.saturating_sub(self.used())
        } else {
            u64::from(self.has_free_and_no_waiters(slab))
        }
    }

    /// Puts a slot back that was taken just now, for no submission. Called by the submitting side.
    pub(crate) fn put_back(&self, known: &mut u64) {
        *known += 1;
        bump(&self.host.taken, 1_u64.wrapping_neg());
    }

    /// Adds a parked request to the FIFO. Called by the submitting side.
    pub(crate) fn join(&self, parked: Parked, slab: &Slab) {
        let mut fifo = lock(&self.fifo);
        fifo.entries.push_back(parked);
        fifo.sweep(slab);
        self.note(&fifo);
    }

    /// Takes a slot for the first parked request, if there is a free one: PARKED becomes QUEUED. Called by
    /// the device.
    pub(crate) fn admit(&self, slab: &Slab) -> Option<(Ticket, Announce)> {
        self.admit_if(slab, |_, enter| _ = enter())
    }

    /// As [`Slots::admit`], if the first one may come in: `may` gets it, and what makes it QUEUED, which it
    /// calls or not.
    pub(crate) fn admit_if(
        &self,
        slab: &Slab,
        may: impl FnMut(&Parked, &mut dyn FnMut() -> bool),
    ) -> Option<(Ticket, Announce)> {
        let mut fifo = lock(&self.fifo);
        let room = self.used() < self.depth;
        let admitted = if room { fifo.next(slab, may) } else { None };
        bump(&self.device.admitted, u64::from(admitted.is_some()));
        self.note(&fifo);
        admitted
    }

    /// As [`Slots::admit`], with or without a slot: the device ends, and so do the parked requests.
    pub(crate) fn evict(&self, slab: &Slab) -> Option<(Ticket, Announce)> {
        let mut fifo = lock(&self.fifo);
        let evicted = fifo.next(slab, |_, enter| _ = enter());
        bump(&self.device.admitted, u64::from(evicted.is_some()));
        self.note(&fifo);
        evicted
    }

    /// How many parked requests were admitted.
    pub(crate) fn admitted(&self) -> u64 {
        self.device.admitted.load(Ordering::Relaxed)
    }

    /// Frees `count` slots that the device has published or discarded. Called by the device.
    pub(crate) fn release(&self, count: u64) {
        if count == 0 {
            return;
        }
        let released = self.device.released.load(Ordering::Relaxed).wrapping_add(count);
        self.device.released.store(released, Ordering::Release);
    }

    /// Frees `count` slots whose completions were reaped. Called by the submitting side.
    pub(crate) fn reaped(&self, count: u64) {
        let reaped = self.host.reaped.load(Ordering::Relaxed).wrapping_add(count);
        self.host.reaped.store(reaped, Ordering::Release);
    }

    /// Frees the slot of a request that was revoked after its execution.
    pub(crate) fn give_back(&self) {
        self.returned.fetch_add(1, Ordering::Release);
    }

    /// Whether a request may be waiting for a slot that was just freed. The caller has put a full fence
    /// between the two, or is the submitting side and does so before it rings.
    pub(crate) fn has_waiters(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) != 0
    }

    /// Whether a request waits that could be admitted: a look without the lock, which may see too much or,
    /// before a fence, too little.
    pub(crate) fn has_work(&self) -> bool {
        self.has_waiters() && self.used() < self.depth
    }

    /// Whether all are free, and no request waits for one.
    pub(crate) fn is_idle(&self) -> bool {
        // Acquire, as in `take`.
        self.waiting.load(Ordering::Acquire) == 0 && self.used() == 0
    }

    /// Whether the first parked request takes long, and could have a slot.
    pub(crate) fn begins_with_long(&self) -> bool {
        self.has_work() && lock(&self.fifo).entries.front().is_some_and(|parked| parked.is_long)
    }

    /// The bytes of the first parked request.
    pub(crate) fn first(&self, slab: &Slab) -> Option<u64> {
        let fifo = lock(&self.fifo);
        fifo.entries.iter().find(|parked| slab.is_parked(parked.ticket)).map(|parked| parked.bytes)
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
    fn has_free_and_no_waiters(&self, slab: &Slab) -> bool {
        let mut fifo = lock(&self.fifo);
        while fifo.entries.front().is_some_and(|parked| !slab.is_parked(parked.ticket)) {
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
    /// The first request that is still there, if it may come in.
    fn next(
        &mut self,
        slab: &Slab,
        mut may: impl FnMut(&Parked, &mut dyn FnMut() -> bool),
    ) -> Option<(Ticket, Announce)> {
        loop {
            let parked = self.entries.front()?;
            let (ticket, announce) = (parked.ticket, parked.announce);
            let mut entered = None;
            may(parked, &mut || *entered.insert(slab.enter(ticket)));
            if entered.is_none() && slab.is_parked(ticket) {
                return None;
            }
            self.entries.pop_front();
            if entered == Some(true) {
                return Some((ticket, announce));
            }
        }
    }

    fn sweep(&mut self, slab: &Slab) {
        if self.entries.len() >= self.sweep_at {
            self.entries.retain(|parked| slab.is_parked(parked.ticket));
            self.sweep_at = (2 * self.entries.len()).max(SWEEP_AT);
        }
    }
}
