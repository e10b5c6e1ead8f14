//! Some of many: the first ones, and of those behind them every n-th, evenly, however many come.
//!
//! ```text
//!   1 2 3 4 . . .     the first half of the room
//!           5 6 7 8   the other half; full: every second one goes, and from here on every 2nd is taken,
//!           5 . 7 . 9 . 11 .                                     then every 4th, and so on
//! ```

/// Up to `room` of all that were offered.
#[derive(Debug)]
pub(crate) struct Sampled<T> {
    room: usize,
    first: Vec<T>,
    later: Vec<T>,
    /// Every how many of the later ones are kept.
    every: u64,
    seen: u64,
}

impl<T> Sampled<T> {
    pub(crate) const fn new(room: usize) -> Self {
        Self { room, first: Vec::new(), later: Vec::new(), every: 1, seen: 0 }
    }

    pub(crate) fn offer(&mut self, one: T) {
        let number = self.seen;
        self.seen += 1;
        if self.first.len() < self.room.div_ceil(2) {
            self.first.push(one);
            return;
        }
        let room = self.room / 2;
        let later = number - self.first.len() as u64;
        if room == 0 || !later.is_multiple_of(self.every) {
            return;
        }
        if self.later.len() == room {
            let mut number = 0;
            self.later.retain(|_| {
                number += 1;
                number % 2 == 1
            });
            self.every *= 2;
            if !later.is_multiple_of(self.every) {
                return;
            }
        }
        if self.later.len() < room {
            self.later.push(one);
        }
    }

    /// The first ones, and the rest.
    pub(crate) fn kept(&self) -> impl Iterator<Item = &T> {
        self.first.iter().chain(&self.later)
    }

    pub(crate) const fn counts(&self) -> Counts {
        Counts {
            seen: self.seen,
            kept: (self.first.len() + self.later.len()) as u64,
            first: self.first.len() as u64,
            then_every: self.every,
        }
    }
}

/// How many there were, and which were kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counts {
    pub(crate) seen: u64,
    pub(crate) kept: u64,
    /// All up to this one.
    pub(crate) first: u64,
    /// Then every one of so many.
    pub(crate) then_every: u64,
}
