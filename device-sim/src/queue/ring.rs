//! A bounded ring of two-word entries between one producer and one consumer; and, beside each entry, a note
//! of two words if both ends want that.
//!
//! ```text
//!            head (consumer)            tail (producer)
//!              v                          v
//!   ... free | entry | entry | entry | entry | free ...      positions only grow; slot = position mod depth
//!              └─ readable: head..tail ─┘
//! ```
//!
//! Both sides cache the other's position and look again when the cache says "full" or "empty", or a little
//! before that ([`Consumer::look_ahead`]), and both publish their own once per batch. A look may take over a
//! part of what is there. The words of an entry are relaxed atomics: misuse of the ring would read a torn
//! entry, never undefined memory, and a torn entry carries a generation that fits nothing.

use std::sync::Arc;

use crate::sync::prefetch;
use crate::sync::{AtomicU64, Ordering, Padded};

/// Entries on a cache line: the line after the one being written is prefetched.
const ENTRIES_PER_LINE: u64 = 4;

/// The most entries that a look advances by: as many as may be in transit at a time.
const SEEN_AT_ONCE: u64 = 64;

/// What one position holds.
pub(crate) type Entry = [u64; 2];

/// What the producer says beside an entry.
pub(crate) type Note = [u64; 2];

type Slot = [AtomicU64; 2];

#[inline]
fn slot(slots: &[Slot], position: u64) -> &Slot {
    // The depth is a power of two, and only a position's low bits are needed.
    #[expect(clippy::cast_possible_truncation, reason = "masked to below the depth")]
    let index = position as usize & (slots.len() - 1);
    &slots[index]
}

#[inline]
fn read(slots: &[Slot], position: u64) -> Entry {
    let slot = slot(slots, position);
    [slot[0].load(Ordering::Relaxed), slot[1].load(Ordering::Relaxed)]
}

#[derive(Debug)]
struct Ring {
    slots: Box<[Slot]>,
    /// As long, or empty.
    notes: Box<[Slot]>,
    head: Padded<AtomicU64>,
    tail: Padded<AtomicU64>,
}

impl Ring {
    #[inline]
    fn slot(&self, position: u64) -> &Slot {
        slot(&self.slots, position)
    }

    #[inline]
    fn read(&self, position: u64) -> Entry {
        read(&self.slots, position)
    }

    #[inline]
    fn depth(&self) -> u64 {
        self.slots.len() as u64
    }
}

/// A ring of `depth` entries, a power of two.
pub(crate) fn ring(depth: usize) -> (Producer, Consumer) {
    with_notes(depth, 0)
}

/// The same with a note beside each entry.
pub(crate) fn noted_ring(depth: usize) -> (Producer, Consumer) {
    with_notes(depth, depth)
}

fn with_notes(depth: usize, notes: usize) -> (Producer, Consumer) {
    assert!(depth.is_power_of_two(), "the depth of a ring is a power of two");
    let empty = |count| (0..count).map(|_| [AtomicU64::new(0), AtomicU64::new(0)]).collect();
    let (head, tail) = (Padded(AtomicU64::new(0)), Padded(AtomicU64::new(0)));
    let ring = Ring { slots: empty(depth), notes: empty(notes), head, tail };
    let ring = Arc::new(ring);
    let producer = Producer { ring: Arc::clone(&ring), tail: 0, head_seen: 0 };
    (producer, Consumer { ring, head: 0, tail_seen: 0, expected: 0 })
}

/// The writing end.
#[derive(Debug)]
pub(crate) struct Producer {
    ring: Arc<Ring>,
    tail: u64,
    head_seen: u64,
}

impl Producer {
    /// Writes an entry that [`Producer::publish`] will show; `false`: the ring is full.
    #[cfg_attr(not(debug_assertions), inline(always))]
    #[must_use]
    pub(crate) fn push(&mut self, entry: Entry) -> bool {
        if !self.has_room() {
            return false;
        }
        let slot = self.ring.slot(self.tail);
        slot[0].store(entry[0], Ordering::Relaxed);
        slot[1].store(entry[1], Ordering::Relaxed);
        self.tail += 1;
        if self.tail.is_multiple_of(ENTRIES_PER_LINE) {
            prefetch::to_write(self.ring.slot(self.tail + ENTRIES_PER_LINE));
        }
        true
    }

    /// The same, with a note, which is dropped where there are no notes.
    #[inline]
    #[must_use]
    pub(crate) fn push_noted(&mut self, entry: Entry, note: Note) -> bool {
        // A full ring still needs the note that is there.
        if !self.has_room() {
            return false;
        }
        if !self.ring.notes.is_empty() {
            let place = slot(&self.ring.notes, self.tail);
            place[0].store(note[0], Ordering::Relaxed);
            place[1].store(note[1], Ordering::Relaxed);
        }
        self.push(entry)
    }

    /// The last entries that were pushed, oldest first.
    pub(crate) fn last(&self, count: u64) -> impl Iterator<Item = Entry> {
        (self.tail - count..self.tail).map(|position| self.ring.read(position))
    }

    /// Shows the consumer everything pushed so far.
    #[inline]
    pub(crate) fn publish(&mut self) {
        self.ring.tail.store(self.tail, Ordering::Release);
    }

    /// For other threads to check whether anything is readable.
    pub(crate) fn view(&self) -> View {
        View(Arc::clone(&self.ring))
    }

    #[inline]
    fn has_room(&mut self) -> bool {
        if self.tail - self.head_seen < self.ring.depth() {
            return true;
        }
        self.head_seen = self.ring.head.load(Ordering::Acquire);
        self.tail - self.head_seen < self.ring.depth()
    }
}

/// The reading end.
#[derive(Debug)]
pub(crate) struct Consumer {
    ring: Arc<Ring>,
    head: u64,
    tail_seen: u64,
    /// Where [`Consumer::coming`] has ended.
    expected: u64,
}

impl Consumer {
    pub(crate) fn depth(&self) -> u64 {
        self.ring.depth()
    }

    /// How many entries [`Consumer::pop`] will return without looking at the producer again; looks when there
    /// are none.
    #[inline]
    pub(crate) fn readable(&mut self) -> u64 {
        if self.head == self.tail_seen {
            self.look();
        }
        self.known()
    }

    /// How many entries [`Consumer::pop`] will return without looking at the producer again.
    #[inline]
    pub(crate) fn known(&self) -> u64 {
        self.tail_seen - self.head
    }

    /// Looks at the producer, and prefetches what it has written since: a part, if it is much.
    fn look(&mut self) {
        let tail = self.ring.tail.load(Ordering::Acquire).min(self.tail_seen + SEEN_AT_ONCE);
        let mut position = self.tail_seen;
        while position < tail {
            prefetch::to_read(self.ring.slot(position));
            if !self.ring.notes.is_empty() {
                prefetch::to_read(slot(&self.ring.notes, position));
            }
            position += ENTRIES_PER_LINE;
        }
        self.tail_seen = tail;
    }

    /// For a consumer that pops `some` entries at a time and does much in between: looks at the producer
    /// before fewer than that are left, and prefetches what it will find there, so that it never waits for
    /// the other processor's cache.
    #[inline]
    pub(crate) fn look_ahead(&mut self, some: u64) {
        if self.known() < some {
            self.look();
        } else if self.known() < 2 * some {
            prefetch::to_read(&self.ring.tail);
        }
    }

    /// Reads an entry whose slot [`Consumer::publish`] will give back.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<Entry> {
        if self.readable() == 0 {
            return None;
        }
        let entry = self.ring.read(self.head);
        self.head += 1;
        Some(entry)
    }

    /// The same, with its note; zeros where there are no notes.
    #[inline]
    pub(crate) fn pop_noted(&mut self) -> Option<(Entry, Note)> {
        let (position, entry) = (self.head, self.pop()?);
        let Ring { notes, .. } = &*self.ring;
        Some((entry, if notes.is_empty() { Note::default() } else { read(notes, position) }))
    }

    /// The next entries, up to `max` of the known ones; looks when none are known. See [`Consumer::pass`].
    #[inline]
    pub(crate) fn entries(&mut self, max: usize) -> impl Iterator<Item = Entry> {
        let count = self.readable().min(max as u64);
        let (slots, head) = (&*self.ring.slots, self.head);
        (0..count).map(move |ahead| read(slots, head + ahead))
    }

    /// The first words of the next `window` known entries, each once.
    #[inline]
    pub(crate) fn coming(&mut self, window: u64) -> impl Iterator<Item = u64> {
        let end = self.tail_seen.min(self.head + window);
        let from = self.expected.max(self.head);
        self.expected = end;
        let slots = &*self.ring.slots;
        (from..end).map(move |position| slot(slots, position)[0].load(Ordering::Relaxed))
    }

    /// Takes the next entries as popped.
    #[inline]
    pub(crate) fn pass(&mut self, count: u64) {
        self.head += count;
    }

    /// The entry that will be popped next, if it is known.
    #[inline]
    pub(crate) fn peek(&self) -> Option<Entry> {
        (self.known() > 0).then(|| self.ring.read(self.head))
    }

    /// Gives the producer the slots of everything popped so far.
    #[inline]
    pub(crate) fn publish(&mut self) {
        self.ring.head.store(self.head, Ordering::Release);
    }

    /// Whether there is nothing to read at this moment.
    pub(crate) fn is_empty(&self) -> bool {
        self.head == self.ring.tail.load(Ordering::Acquire)
    }
}

/// A look at a ring from neither end.
#[derive(Debug)]
pub(crate) struct View(Arc<Ring>);

impl View {
    /// Whether there was nothing to read when this looked; entries popped and not yet given back still count.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.head.load(Ordering::Acquire) == self.0.tail.load(Ordering::Acquire)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_is_coming_is_said_once_and_some_are_taken_at_a_time() {
        let (mut producer, mut consumer) = ring(8);
        assert_eq!(consumer.entries(2).count(), 0);
        (1..=6).for_each(|value| assert!(producer.push([value, value * 10])));
        producer.publish();
        assert_eq!(consumer.coming(4).count(), 0, "no thread has looked");
        consumer.look_ahead(2);
        assert_eq!(consumer.coming(4).collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert_eq!(consumer.coming(4).count(), 0);
        assert_eq!(consumer.entries(2).collect::<Vec<_>>(), [[1, 10], [2, 20]]);
        consumer.pass(2);
        assert_eq!((consumer.peek(), consumer.known()), (Some([3, 30]), 4));
        assert_eq!(consumer.coming(4).collect::<Vec<_>>(), [5, 6]);
        assert_eq!(consumer.entries(9).count(), 4);
        consumer.pass(4);
        assert_eq!((consumer.peek(), consumer.pop(), consumer.coming(4).count()), (None, None, 0));
    }

    #[test]
    fn an_entry_has_its_note_where_there_are_notes() {
        for (noted, of) in [(false, ring as fn(usize) -> _), (true, noted_ring)] {
            let (mut producer, mut consumer): (Producer, Consumer) = of(2);
            for value in 1..=5 {
                assert!(producer.push_noted([value, value * 2], [value * 3, value * 4]));
                producer.publish();
                let note = if noted { [value * 3, value * 4] } else { [0; 2] };
                assert_eq!(consumer.pop_noted(), Some(([value, value * 2], note)));
                assert_eq!(consumer.pop_noted(), None);
                consumer.publish();
            }
        }
    }
}
