//! What is on its way: it arrives at a time that is known.

use std::collections::VecDeque;

/// Requests on their way to the same place, by time; those of the same time in the order in which they set
/// out.
#[derive(Debug)]
pub(crate) struct Line<T> {
    coming: VecDeque<(u64, T)>,
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        Self { coming: VecDeque::new() }
    }
}

impl<T> Line<T> {
    /// One more, nearly always behind all others.
    pub(crate) fn push(&mut self, at: u64, request: T) {
        let behind = self.coming.iter().rev().take_while(|(other, _)| *other > at).count();
        self.coming.insert(self.coming.len() - behind, (at, request));
    }

    /// When the next one arrives.
    pub(crate) fn next(&self) -> Option<u64> {
        self.coming.front().map(|(at, _)| *at)
    }

    /// Takes the next one that has arrived at `now`, and when it did.
    pub(crate) fn pop(&mut self, now: u64) -> Option<(u64, T)> {
        if self.next()? <= now { self.coming.pop_front() } else { None }
    }

    /// Removes those for which `keep` is false.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        self.coming.retain(|(_, request)| keep(request));
    }

    pub(crate) fn clear(&mut self) {
        self.coming.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_arrives_first_comes_first() {
        let mut line = Line::default();
        for (at, name) in [(5, "a"), (7, "b"), (5, "c"), (3, "d"), (9, "e")] {
            line.push(at, name);
        }
        assert_eq!((line.next(), line.pop(2)), (Some(3), None));
        let arrived: Vec<_> = std::iter::from_fn(|| line.pop(7)).collect();
        assert_eq!(arrived, [(3, "d"), (5, "a"), (5, "c"), (7, "b")]);
        line.retain(|name| *name != "e");
        assert_eq!(line.next(), None);
    }
}
