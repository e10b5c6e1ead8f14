//! The compute units, by when each is free.

use std::collections::VecDeque;

/// The units that are free, or will be at a known time: the one that is free first comes first, and at the
/// same time the lowest number.
///
/// It is a sorted queue and not a heap: where service times are equal, units are appended at its end. A lone
/// unit is all that it holds.
#[derive(Debug)]
pub(crate) struct Units {
    /// When it is free, and its number.
    free: VecDeque<(u64, usize)>,
    count: usize,
}

impl Units {
    /// All are free from the beginning.
    pub(crate) fn new(count: usize) -> Self {
        Self { free: (0..count).map(|unit| (0, unit)).collect(), count }
    }

    /// None is free, and this many will be put.
    pub(crate) fn empty(count: usize) -> Self {
        Self { free: VecDeque::new(), count }
    }

    /// Takes the unit that is free first, and when that is.
    #[inline]
    pub(crate) fn take(&mut self) -> Option<(u64, usize)> {
        self.free.pop_front()
    }

    /// Puts a unit back, which is free at `at`.
    #[inline]
    pub(crate) fn put(&mut self, at: u64, unit: usize) {
        if self.free.back().is_none_or(|last| *last < (at, unit)) {
            self.free.push_back((at, unit));
        } else {
            self.insert(at, unit);
        }
    }

    fn insert(&mut self, at: u64, unit: usize) {
        let place = self.free.partition_point(|other| *other < (at, unit));
        self.free.insert(place, (at, unit));
    }

    /// Puts all units back, free from the beginning.
    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_that_is_free_first_is_taken() {
        let mut units = Units::new(3);
        assert_eq!([(); 3].map(|()| units.take().unwrap().1), [0, 1, 2]);
        assert_eq!(units.take(), None);
        units.put(50, 2);
        units.put(20, 1);
        units.put(50, 0);
        assert_eq!([(); 3].map(|()| units.take().unwrap()), [(20, 1), (50, 0), (50, 2)]);
        units.clear();
        assert_eq!(units.take(), Some((0, 0)));
    }
}
