//! The requests that are in the stations.

use crate::model::service::Work;

/// A request, while it is in the stations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key(u32);

/// What the stations know of a request, and what belongs to it.
#[derive(Debug)]
pub(crate) struct Passing<T> {
    pub(crate) number: u64,
    pub(crate) work: Work,
    /// Its unit stands still for this long before it begins, and how long it takes then. The first request of
    /// a batch has those of the batch.
    pub(crate) standstill: u64,
    /// `None`: it is drawn where batches come together.
    pub(crate) service: Option<u64>,
    /// It ends at its unit, and is sent nowhere.
    pub(crate) never: bool,
    /// When it came to the station where it is.
    pub(crate) arrived: u64,
    /// When its unit began.
    pub(crate) started: u64,
    /// The next one of its batch.
    pub(crate) next: Option<Key>,
    pub(crate) content: T,
}

/// All of them; places are used again.
#[derive(Debug)]
pub(crate) struct Requests<T> {
    places: Vec<Option<Passing<T>>>,
    free: Vec<Key>,
}

impl<T> Default for Requests<T> {
    fn default() -> Self {
        Self { places: Vec::new(), free: Vec::new() }
    }
}

impl<T> Requests<T> {
    pub(crate) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    pub(crate) fn add(&mut self, request: Passing<T>) -> Key {
        if let Some(key) = self.free.pop() {
            self.places[key.0 as usize] = Some(request);
            return key;
        }
        let key = u32::try_from(self.places.len()).expect("a device has fewer than 2^32 requests at a time");
        self.places.push(Some(request));
        Key(key)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Passing<T>> {
        self.places.iter_mut().flatten()
    }

    /// When a request came to where it is, its place among those of that time, and its port.
    pub(crate) fn place(&self, key: Key) -> ((u64, u64), usize) {
        let Passing { arrived, number, work, .. } = self.get(key);
        ((*arrived, *number), work.port)
    }

    pub(crate) fn get(&self, key: Key) -> &Passing<T> {
        self.places[key.0 as usize].as_ref().expect("a key is of a request that is there")
    }

    pub(crate) fn at(&mut self, key: Key) -> &mut Passing<T> {
        self.places[key.0 as usize].as_mut().expect("a key is of a request that is there")
    }

    pub(crate) fn remove(&mut self, key: Key) -> Passing<T> {
        let removed = self.places[key.0 as usize].take().expect("a key is of a request that is there");
        self.free.push(key);
        removed
    }

    /// A request, and those that come after it in its batch.
    pub(crate) fn chain(&self, first: Key) -> impl Iterator<Item = &Passing<T>> {
        std::iter::successors(Some(self.get(first)), |request| Some(self.get(request.next?)))
    }

    /// Removes them, and returns what belongs to them.
    pub(crate) fn remove_chain(&mut self, first: Key) -> Vec<T> {
        let mut contents = Vec::new();
        let mut next = Some(first);
        while let Some(key) = next {
            let removed = self.remove(key);
            next = removed.next;
            contents.push(removed.content);
        }
        contents
    }

    /// Takes all, by number.
    pub(crate) fn drain(&mut self) -> Vec<Passing<T>> {
        self.free.clear();
        let mut all: Vec<_> = self.places.drain(..).flatten().collect();
        all.sort_unstable_by_key(|request| request.number);
        all
    }
}
