//! Requests that leave in the order in which they came: where completions of a queue pair have an order,
//! those that leave the stations early wait here for the ones before them.

use std::collections::VecDeque;

/// Requests that come in an order, are ready in another, and leave in the first.
#[derive(Debug)]
pub(crate) struct InOrder<T> {
    /// The place of the first one below.
    first: u64,
    places: VecDeque<Place<T>>,
}

#[derive(Debug)]
enum Place<T> {
    Coming,
    Ready(T),
    Gone,
}

impl<T> Default for InOrder<T> {
    fn default() -> Self {
        Self { first: 0, places: VecDeque::new() }
    }
}

impl<T> InOrder<T> {
    /// A request comes; returns its place.
    pub(crate) fn enter(&mut self) -> u64 {
        self.places.push_back(Place::Coming);
        self.first + (self.places.len() - 1) as u64
    }

    /// It is ready.
    pub(crate) fn ready(&mut self, place: u64, request: T) {
        self.set(place, Place::Ready(request));
    }

    /// It will not be.
    pub(crate) fn gone(&mut self, place: u64) {
        self.set(place, Place::Gone);
    }

    fn set(&mut self, place: u64, to: Place<T>) {
        let ahead = place.checked_sub(self.first).and_then(|ahead| usize::try_from(ahead).ok());
        if let Some(place) = ahead.and_then(|ahead| self.places.get_mut(ahead)) {
            *place = to;
        }
    }

    /// The next one that leaves.
    pub(crate) fn next(&mut self) -> Option<T> {
        loop {
            if matches!(self.places.front()?, Place::Coming) {
                return None;
            }
            self.first += 1;
            if let Some(Place::Ready(request)) = self.places.pop_front() {
                return Some(request);
            }
        }
    }

    /// Takes those that are ready, and forgets the others.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = T> + '_ {
        self.first += self.places.len() as u64;
        self.places
            .drain(..)
            .filter_map(|place| if let Place::Ready(request) = place { Some(request) } else { None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_leave_as_they_came() {
        let mut order = InOrder::default();
        assert_eq!([(); 5].map(|()| order.enter()), [0, 1, 2, 3, 4]);
        order.ready(1, "b");
        assert_eq!(order.next(), None, "a is not ready");
        order.gone(2);
        order.ready(0, "a");
        assert_eq!((order.next(), order.next(), order.next()), (Some("a"), Some("b"), None));
        order.ready(4, "e");
        assert_eq!(order.drain().collect::<Vec<_>>(), ["e"]);
        assert_eq!(order.enter(), 5);
        order.ready(3, "of before");
        order.ready(5, "f");
        assert_eq!((order.next(), order.next()), (Some("f"), None));
    }
}
