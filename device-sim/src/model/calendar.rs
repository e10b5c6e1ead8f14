//! What happens at which time, earliest first: a priority queue that walks no heap where times are regular.
//!
//! ```text
//!                 front                             the days, one list each, in no order
//!   near:  [ e e e e e e e e ]      day:  [ e e ][ ][ e ][ e e e ][ ] ...           heap:  what fits neither
//!            ▲              ▲              ▲
//!            pop            append, or     the next one is sorted into `near`
//!                           a few places   when that is empty
//!                           before it
//! ```
//!
//! Times that come in order, as those of a constant service time do, are appended to `near` and taken from
//! its front: there are no days then. When too many come out of order, as those of a random service time do,
//! days are made: `near` has what comes before the first of them. The length of a day is chosen so that few
//! entries fall outside of all days, or deep into `near`. Those exceptions go into a heap; in the worst order
//! of times, all entries do. So an entry costs a few steps, and never more than the logarithm of their
//! number.
//!
//! The order is exact, whatever was taken before: a time may be earlier than that of the last entry taken.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::mem;
use std::ops::RangeInclusive;

/// How many days there are at a time.
const DAYS: usize = 1_024;
/// How many entries of `near` are passed for a place before its end.
const STEPS: usize = 16;
/// After this many entries the length of a day is reconsidered.
const PERIOD: u32 = 512;
/// How many of those may be exceptions.
const EXCEPTIONS: u32 = PERIOD / 8;
/// The length of a day is 2 to the power of this many nanoseconds, and changes by `SHIFT_BY` powers at a
/// time.
const SHIFTS: RangeInclusive<u32> = 1..=56;
const SHIFT_BY: u32 = 1;

/// Entries by time; entries of the same time by a number, which no two of them share.
#[derive(Debug)]
pub(crate) struct Calendar<T> {
    near: VecDeque<Entry<T>>,
    heap: BinaryHeap<Reverse<Entry<T>>>,
    /// Empty until they are needed.
    days: Vec<Vec<Entry<T>>>,
    /// Bit `i`: day `i` has entries.
    full: [u64; DAYS / 64],
    /// How many entries the days have.
    in_days: usize,
    /// Whether there are days: `near` has nothing of `first_day` or later.
    has_days: bool,
    first_day: u64,
    shift: u32,
    /// What came since the length of a day was reconsidered.
    pushed: u32,
    too_deep: u32,
    too_far: u32,
}

#[derive(Clone, Copy, Debug)]
struct Entry<T> {
    time: u64,
    number: u64,
    what: T,
}

impl<T> Entry<T> {
    const fn key(&self) -> (u64, u64) {
        (self.time, self.number)
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl<T> Default for Calendar<T> {
    fn default() -> Self {
        Self {
            near: VecDeque::new(),
            heap: BinaryHeap::new(),
            days: Vec::new(),
            full: [0; DAYS / 64],
            in_days: 0,
            has_days: false,
            first_day: 0,
            shift: *SHIFTS.start(),
            pushed: 0,
            too_deep: 0,
            too_far: 0,
        }
    }
}

impl<T: Copy> Calendar<T> {
    /// Not inlined, so that the parts of an entry come in registers: one in memory would be moved just after
    /// it was written, and a move waits for the writes.
    #[inline(never)]
    pub(crate) fn push(&mut self, time: u64, number: u64, what: T) {
        let entry = Entry { time, number, what };
        self.pushed += 1;
        if self.has_days {
            self.push_into_days(entry);
        } else if self.near.back().is_none_or(|last| *last < entry) {
            self.near.push_back(entry);
        } else {
            self.push_near(entry);
        }
        if self.pushed >= PERIOD {
            self.look_at_length();
        }
    }

    /// The time of the next entry.
    #[inline]
    pub(crate) fn next_time(&self) -> Option<u64> {
        match (self.near.front(), self.heap.peek()) {
            (Some(near), Some(Reverse(other))) => Some(near.time.min(other.time)),
            (Some(near), None) => Some(near.time),
            (None, other) => other.map(|Reverse(other)| other.time),
        }
    }

    /// Takes the next entry: its time, its number, and what it is.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<(u64, u64, T)> {
        if !self.heap.is_empty() && self.is_next_in_heap() {
            let Reverse(entry) = self.heap.pop()?;
            return Some((entry.time, entry.number, entry.what));
        }
        let entry = self.near.pop_front()?;
        if self.has_days && self.near.is_empty() {
            self.begin_day();
        }
        Some((entry.time, entry.number, entry.what))
    }

    pub(crate) fn len(&self) -> usize {
        self.near.len() + self.in_days + self.heap.len()
    }

    /// Takes all, in no order.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = T> + use<T> {
        self.take_all().into_iter().map(|entry| entry.what)
    }

    fn is_next_in_heap(&self) -> bool {
        match (self.heap.peek(), self.near.front()) {
            (Some(Reverse(other)), Some(near)) => other < near,
            (other, _) => other.is_some(),
        }
    }

    /// Puts an entry into its place in `near`, if that is not far from the end.
    fn push_near(&mut self, entry: Entry<T>) {
        let later = self.near.iter().rev().take(STEPS).take_while(|other| entry < **other).count();
        if later < STEPS || later == self.near.len() {
            self.near.insert(self.near.len() - later, entry);
        } else {
            self.too_deep += 1;
            self.heap.push(Reverse(entry));
        }
    }

    fn push_into_days(&mut self, entry: Entry<T>) {
        let day = entry.time >> self.shift;
        let Some(ahead) = day.checked_sub(self.first_day) else { return self.push_near(entry) };
        if ahead >= DAYS as u64 {
            self.too_far += 1;
            self.heap.push(Reverse(entry));
            return;
        }
        let place = place_of(day);
        self.days[place].push(entry);
        self.full[place / 64] |= 1 << (place % 64);
        self.in_days += 1;
    }

    /// Sorts the next day that has entries into `near`, which is empty. If there is none, there are no days
    /// any more.
    fn begin_day(&mut self) {
        if self.in_days == 0 {
            self.has_days = false;
            return;
        }
        let ahead = self.next_full(place_of(self.first_day)) as u64;
        let day = self.first_day + ahead;
        let place = place_of(day);
        self.full[place / 64] &= !(1 << (place % 64));
        self.in_days -= self.days[place].len();
        self.days[place].sort_unstable();
        self.near.extend(self.days[place].drain(..));
        self.first_day = day + 1;
    }

    /// How many days after `from` the next one is that has entries; there is one.
    fn next_full(&self, from: usize) -> usize {
        let (word, bit) = (from / 64, from % 64);
        let first = self.full[word] >> bit;
        if first != 0 {
            return first.trailing_zeros() as usize;
        }
        let words = self.full.len();
        let later = (1..=words).find_map(|ahead| {
            let bits = self.full[(word + ahead) % words];
            (bits != 0).then(|| 64 * ahead + bits.trailing_zeros() as usize)
        });
        later.map_or(0, |later| later - bit)
    }

    /// Makes days, or other days, when there were too many exceptions.
    #[cold]
    fn look_at_length(&mut self) {
        let (too_deep, too_far) = (mem::take(&mut self.too_deep), mem::take(&mut self.too_far));
        self.pushed = 0;
        if too_deep + too_far <= EXCEPTIONS {
            return;
        }
        let had_days = self.has_days;
        let all = self.take_all();
        let shift = match had_days {
            false => shift_for(&all),
            true if too_far > too_deep => self.shift + SHIFT_BY,
            true => self.shift.saturating_sub(SHIFT_BY),
        };
        self.shift = shift.clamp(*SHIFTS.start(), *SHIFTS.end());
        self.deal_out(all);
    }

    fn deal_out(&mut self, all: Vec<Entry<T>>) {
        self.days.resize_with(DAYS, Vec::new);
        self.first_day = all.iter().map(|entry| entry.time >> self.shift).min().unwrap_or(0);
        self.has_days = true;
        all.into_iter().for_each(|entry| self.push_into_days(entry));
        self.begin_day();
    }

    fn take_all(&mut self) -> Vec<Entry<T>> {
        let mut all: Vec<_> = self.near.drain(..).collect();
        all.extend(self.heap.drain().map(|Reverse(entry)| entry));
        all.extend(self.days.iter_mut().flat_map(|day| day.drain(..)));
        (self.full, self.in_days, self.has_days) = ([0; DAYS / 64], 0, false);
        all
    }
}

fn place_of(day: u64) -> usize {
    usize::try_from(day % DAYS as u64).unwrap_or_default()
}

/// Days of this length have room for all.
fn shift_for<T>(all: &[Entry<T>]) -> u32 {
    let times = || all.iter().map(|entry| entry.time);
    let span = times().max().unwrap_or(0) - times().min().unwrap_or(0);
    (span / DAYS as u64).checked_ilog2().map_or(0, |shift| shift + 1)
}

#[cfg(all(test, not(loom)))]
mod tests;
