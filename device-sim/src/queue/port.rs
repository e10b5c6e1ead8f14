//! The device's end of a queue pair: what comes in, what goes back, and what is announced.
//!
//! ```text
//!   submission ring ─► fetch ─┐                  ┌─► counters, free slots         (account)
//!                             ├─► core ─► finish ┼─► DONE, completion ring        (finish, show)
//!   FIFO ────────────► admit ─┘                  └─► coalescer ─► announcements  (for the driver to send)
//! ```

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;

use crate::message::operation::Operation;
use crate::message::status::Status;
use crate::queue::announcements::{Announcements, bits};
use crate::queue::cell::Ticket;
use crate::queue::counters::OperationCounts;
use crate::queue::entry::{Announce, Head, is_long, pack, unpack};
use crate::queue::note::{may_take_long, prefetch_text, timed_from};
use crate::queue::pair::Pair;
use crate::queue::ready::Ready;
use crate::queue::ring::{Consumer, Entry, Note, Producer};
use crate::sync::bump;

/// The device's end of a queue pair.
#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) pair: Arc<Pair>,
    submissions: Consumer,
    completions: Producer,
    /// Taken from the ring, to be claimed.
    fetched: Fetched,
    /// Taken from the parked requests, with a slot, to be claimed.
    pub(crate) arriving: Option<(Ticket, Announce)>,
    /// When slots became free while requests waited for them, on a device that models time.
    freed: VecDeque<u64>,
    /// Since when the first parked request has had a slot and lacked its tokens; or when it had them, once it
    /// is arriving.
    short: Option<u64>,
    batch: Batch,
    /// `None`: everything is announced at once.
    coalescer: Option<Coalescer>,
}

/// Entries of one queue pair before their results are published, and it is the next pair's turn: small enough
/// that the host has work again before the device has done everything.
const BATCH_ENTRIES: usize = 16;

/// How far ahead texts are prefetched, in requests whose cells are on their way already.
const TEXTS_AHEAD: usize = 4;

#[derive(Debug, Default)]
struct Fetched {
    entries: [Entry; BATCH_ENTRIES],
    next: usize,
    end: usize,
    /// The first that takes long behind the next one, or the end: what is before it is published first.
    stop: usize,
    /// How many of their texts were prefetched.
    texts: usize,
    /// What the host says of them, on a device that stamps requests.
    notes: [Note; BATCH_ENTRIES],
}

/// What a batch will add to the counters.
#[derive(Debug, Default)]
struct Batch {
    operations: [OperationCounts; Operation::ALL.len()],
    /// Bit `i`: operation `i` has counted something.
    counted: u16,
    released: u64,
    reapable: bool,
    interrupting: bool,
}

impl Fetched {
    /// A batch has ended, perhaps at an entry that takes long, which is the first of the next.
    fn go_on(&mut self) {
        if self.stop <= self.next {
            let behind = self.next + 1..self.end;
            self.stop = behind.into_iter().find(|&at| is_long(self.entries[at])).unwrap_or(BATCH_ENTRIES);
        }
    }
}

impl Port {
    pub(crate) fn new(
        coalescing: Coalescing,
        pair: Arc<Pair>,
        submissions: Consumer,
        completions: Producer,
    ) -> Self {
        let coalescer = Coalescer::new(coalescing);
        Self {
            pair,
            submissions,
            completions,
            fetched: Fetched::default(),
            arriving: None,
            freed: VecDeque::new(),
            short: None,
            batch: Batch::default(),
            coalescer,
        }
    }

    /// Whether an entry waits, or a parked request that could be admitted.
    pub(crate) fn has_work(&self) -> bool {
        self.has_entry() || self.has_parked_work()
    }

    /// Whether an entry waits, or a parked request that could be admitted now or when it has its tokens.
    /// (Whether it has them is not asked: two answers may be from before and after the time.)
    pub(crate) fn can_go_on(&self) -> bool {
        self.has_entry() || self.pair.slots.has_work()
    }

    fn has_entry(&self) -> bool {
        self.has_head() || !self.submissions.is_empty()
    }

    fn has_parked_work(&self) -> bool {
        self.pair.slots.has_work() && self.pair.short_until().is_none()
    }

    fn is_fetched(&self) -> bool {
        self.fetched.next < self.fetched.end
    }

    /// Takes a batch of entries from the ring, unless one is at hand; `false`: there is none.
    ///
    /// The ring has room again before any of the requests can leave the device, because a free slot must be
    /// room in the ring. What the host has written of them is prefetched before the first is read.
    #[inline]
    pub(crate) fn fetch(&mut self) -> bool {
        if self.is_fetched() {
            self.fetched.go_on();
            return true;
        }
        let Fetched { entries, next, end, stop, texts, notes } = &mut self.fetched;
        (*next, *end, *stop, *texts) = (0, 0, BATCH_ENTRIES, 0);
        while *end < BATCH_ENTRIES {
            let Some((entry, note)) = self.submissions.pop_noted() else { break };
            (entries[*end], notes[*end]) = (entry, note);
            if is_long(entry) && *end > 0 {
                *stop = (*stop).min(*end);
            }
            let (ticket, announce) = unpack(entry, &self.pair.slab);
            self.pair.slab.prefetch(ticket);
            if announce == Announce::Wake {
                self.pair.slab.prefetch_wake(ticket);
            }
            *end += 1;
        }
        if *end > 0 {
            self.submissions.publish();
        }
        *end > 0
    }

    /// How many entries are known to wait, those at hand included.
    pub(crate) fn waiting(&self) -> u64 {
        (self.fetched.end - self.fetched.next) as u64 + self.submissions.known()
    }

    /// Whether the next of the entries at hand takes long.
    pub(crate) fn is_at_long(&self) -> bool {
        let Fetched { entries, next, end, .. } = &self.fetched;
        entries[..*end].get(*next).is_some_and(|&entry| is_long(entry))
    }

    /// The next of the entries at hand; `None`: there is none, or it takes long and is not the first of its
    /// batch.
    pub(crate) fn next_fetched(&mut self) -> Option<Head> {
        let Fetched { entries, next, end, stop, notes, .. } = &mut self.fetched;
        let (entry, note) = (*entries[..*stop.min(end)].get(*next)?, notes[*next]);
        *next += 1;
        let (ticket, announce) = unpack(entry, &self.pair.slab);
        Some(Head { ticket, announce, timed_from: timed_from(note) })
    }

    /// Admits the first parked request, if there is a slot; `false`: no request, or no slot.
    pub(crate) fn admit_parked(&mut self) -> bool {
        self.arriving = self.pair.slots.admit(&self.pair.slab);
        self.arriving.is_some()
    }

    /// The same, unless it takes long.
    pub(crate) fn admit_parked_short(&mut self) -> bool {
        self.arriving = self.pair.slots.admit_if(&self.pair.slab, |parked, enter| {
            if !parked.is_long {
                enter();
            }
        });
        self.arriving.is_some()
    }

    /// Gets a request, from the ring or else from the parked ones, unless one is at hand. Returns when it
    /// arrived, on a device that models time: when it was submitted, or, if it was parked, when its slot
    /// became free. `now`: for a slot that became free elsewhere.
    pub(crate) fn look(&mut self, now: u64) -> Option<u64> {
        let is_at_hand =
            self.has_head() || self.fetch() || self.pair.slots.has_work() && self.admit_parked_at(now);
        self.prefetch_texts();
        is_at_hand.then(|| self.arrived(now))
    }

    /// Prefetches the texts of the next entries at hand, each once.
    #[inline]
    fn prefetch_texts(&mut self) {
        let Fetched { next, end, texts, notes, .. } = &mut self.fetched;
        let until = (*next + TEXTS_AHEAD).min(*end);
        notes[..until].iter().skip(*texts).for_each(|[_, hint]| prefetch_text(*hint));
        *texts = until;
    }

    /// Whether the request at hand may take long: a long text, or none, as a call has. By the hint that a
    /// device which stamps requests has of it.
    #[inline]
    pub(crate) fn may_take_long(&self) -> bool {
        match (self.arriving, self.note()) {
            (None, Some(note)) => may_take_long(note) || self.is_at_long(),
            _ => true,
        }
    }

    /// As [`Port::admit_parked`], if the request has its tokens too, where the device limits those.
    fn admit_parked_at(&mut self, now: u64) -> bool {
        let Some(limit) = self.pair.limit() else { return self.admit_parked() };
        let from = self.freed.front().copied().or(self.short).unwrap_or(now);
        let slab = &self.pair.slab;
        let mut let_in = None;
        self.arriving = self.pair.slots.admit_if(slab, |parked, enter| {
            let at = from.max(slab.submitted(parked.ticket));
            let_in = limit.let_in(parked.bytes, at, now, enter);
        });
        let has_arrived = self.arriving.is_some();
        self.short = if has_arrived { let_in } else { Some(from) };
        has_arrived
    }

    /// The limit is another one, or none.
    pub(crate) fn forget_limit(&mut self) {
        self.short = None;
    }

    /// Whether a request is at hand that was not claimed yet.
    fn has_head(&self) -> bool {
        self.arriving.is_some() || self.is_fetched()
    }

    fn arrived(&self, now: u64) -> u64 {
        let slab = &self.pair.slab;
        if let Some((ticket, _)) = self.arriving {
            let since = self.short.or_else(|| self.freed.front().copied());
            return slab.submitted(ticket).max(since.unwrap_or(now));
        }
        self.note().map_or(now, |[submitted, _]| submitted)
    }

    /// What the host says of the next of the entries at hand.
    #[inline]
    fn note(&self) -> Option<Note> {
        let Fetched { notes, next, end, .. } = &self.fetched;
        notes[..*end].get(*next).copied()
    }

    /// Takes the request at hand.
    pub(crate) fn take_head(&mut self) -> Option<Head> {
        if self.arriving.is_some() {
            self.freed.pop_front();
        }
        self.fetched.go_on();
        self.take_arriving().or_else(|| self.next_fetched())
    }

    /// Takes the parked request that was admitted, if there is one.
    pub(crate) fn take_arriving(&mut self) -> Option<Head> {
        let (ticket, announce) = self.arriving.take()?;
        self.short = None;
        let timed_from = if self.pair.has_hooks() { self.pair.slab.timed(ticket) } else { None };
        Some(Head { ticket, announce, timed_from })
    }

    /// A request is published that was due at this time: its slot is free from then on, and the first of
    /// those that wait for one gets it.
    pub(crate) fn note_due(&mut self, announce: Announce, due: u64) {
        if !self.pair.slots.has_waiters() {
            self.freed.clear();
        } else if !matches!(announce, Announce::Reap { .. }) {
            self.freed.push_back(due);
        }
    }

    /// All slots became free at once.
    pub(crate) fn forget_freed(&mut self) {
        self.freed.clear();
        self.short = None;
    }

    /// The next request that has a slot and was not claimed yet.
    pub(crate) fn next(&mut self) -> Option<Head> {
        self.take_arriving().or_else(|| {
            self.fetch();
            self.next_fetched()
        })
    }

    /// Records a request that will be published with this batch.
    pub(crate) fn count(&mut self, ready: &Ready) {
        let operation = &mut self.batch.operations[ready.operation.number()];
        self.batch.counted |= 1 << ready.operation.number();
        match ready.status {
            Status::Ok => operation.completed += 1,
            _ => operation.failed += 1,
        }
        operation.bytes += ready.bytes;
        if !matches!(ready.announce, Announce::Reap { .. }) {
            self.batch.released += 1;
        }
        self.pair.note_service(ready.operation, ready.times);
    }

    /// An entry whose request was revoked frees its slot with this batch.
    pub(crate) fn discard(&mut self) {
        self.batch.released += 1;
    }

    /// Updates counters and slots, before any result of the batch is visible.
    pub(crate) fn account(&mut self) {
        let counters = &self.pair.counters.device;
        for number in bits(u64::from(mem::take(&mut self.batch.counted))) {
            counters.operations[number].add(&mem::take(&mut self.batch.operations[number]));
        }
        self.pair.slots.release(mem::take(&mut self.batch.released));
    }

    /// Publishes the result of a request.
    #[inline]
    pub(crate) fn finish(&mut self, ready: &mut Ready, announcements: &mut Announcements) {
        let slab = &self.pair.slab;
        if let Some(submitted) = ready.times.submitted {
            slab.note_served(&mut ready.claimed, submitted, ready.times.ended);
        }
        let is_short =
            self.pair.has_hooks() && slab.execute(&mut ready.claimed, |request| request.is_short());
        let ticket = slab.finish(&mut ready.claimed, ready.status, is_short);
        // Separate, because this is the path of completions in millions.
        if matches!(ready.announce, Announce::Reap { .. }) && ready.flags.is_none() {
            return self.complete(ticket, ready.announce, true);
        }
        match ready.announce {
            Announce::Wake if !ready.flags.drop_wake => {
                self.wake(ticket, announcements);
                if ready.flags.duplicate {
                    self.wake(ticket, announcements);
                }
            }
            Announce::Reap { owner } => {
                self.complete(ticket, ready.announce, !ready.flags.drop_wake);
                if ready.flags.duplicate {
                    self.complete(ticket, Announce::Again { owner }, false);
                }
            }
            Announce::Silent | Announce::Wake | Announce::Again { .. } => {}
        }
    }

    fn wake(&mut self, ticket: Ticket, announcements: &mut Announcements) {
        match &mut self.coalescer {
            None => announcements.wakes.push((self.pair.index(), ticket)),
            Some(coalescer) => coalescer.wakes.push(ticket),
        }
    }

    #[inline]
    fn complete(&mut self, ticket: Ticket, announce: Announce, interrupting: bool) {
        self.batch.reapable = true;
        self.batch.interrupting |= interrupting;
        if let Some(coalescer) = self.coalescer.as_mut().filter(|_| interrupting) {
            coalescer.reapable += 1;
        }
        let room = self.completions.push(pack(ticket, announce));
        assert!(room, "a slot is room in the completion ring");
    }

    /// Publishes the completion ring's part of the batch, and announces it.
    pub(crate) fn show(&mut self, now: u64, announcements: &mut Announcements) {
        if mem::take(&mut self.batch.reapable) {
            self.completions.publish();
        }
        let interrupting = mem::take(&mut self.batch.interrupting);
        match &mut self.coalescer {
            None => announcements.interrupts |= u64::from(interrupting) << self.pair.index(),
            Some(coalescer) => {
                if coalescer.is_due(now) {
                    self.announce(announcements);
                }
            }
        }
    }

    /// The latest time to announce held-back completions.
    pub(crate) fn next_due(&self) -> Option<u64> {
        self.coalescer.as_ref()?.deadline()
    }

    /// Announces what was held back for long enough; `true`: there was something.
    pub(crate) fn announce_due(&mut self, now: u64, announcements: &mut Announcements) -> bool {
        let due = self.next_due().is_some_and(|due| due <= now);
        if due {
            self.announce(announcements);
        }
        due
    }

    /// Announces everything that was held back.
    pub(crate) fn announce(&mut self, announcements: &mut Announcements) {
        let Some(coalescer) = &mut self.coalescer else { return };
        let held = coalescer.waiting();
        let index = self.pair.index();
        announcements.wakes.extend(coalescer.wakes.drain(..).map(|ticket| (index, ticket)));
        announcements.interrupts |= u64::from(mem::take(&mut coalescer.reapable) > 0) << index;
        coalescer.since = None;
        bump(&self.pair.counters.device.interrupts_coalesced, held.saturating_sub(1));
    }
}

/// When announcements are held back: up to this many at a time, for this many nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Coalescing {
    pub(crate) thresh: u64,
    pub(crate) nsec: u64,
}

/// Interrupt coalescing: holds announcements back until there are enough, or enough time has passed since the
/// first (NVMe calls the two aggregation threshold and time).
#[derive(Debug)]
struct Coalescer {
    thresh: u64,
    nsec: u64,
    /// When the first waiting one came.
    since: Option<u64>,
    wakes: Vec<Ticket>,
    reapable: u64,
}

impl Coalescer {
    fn new(coalescing: Coalescing) -> Option<Self> {
        let Coalescing { thresh, nsec } = coalescing;
        (thresh > 1).then(|| Self { thresh, nsec, since: None, wakes: Vec::new(), reapable: 0 })
    }

    fn waiting(&self) -> u64 {
        self.wakes.len() as u64 + self.reapable
    }

    fn deadline(&self) -> Option<u64> {
        self.since.map(|since| since.saturating_add(self.nsec))
    }

    /// Records that something may have come; `true`: it is time to announce it.
    fn is_due(&mut self, now: u64) -> bool {
        if self.waiting() > 0 {
            self.since.get_or_insert(now);
        }
        self.waiting() >= self.thresh || self.deadline().is_some_and(|deadline| deadline <= now)
    }
}
