//! Where the records of a thread's jobs are, by the index that their handles have.
#![expect(unsafe_code, reason = "follows the records of the thread")]

use std::ptr::NonNull;

use super::record::Record;

/// Where the records are.
pub(super) struct Table {
    places: Vec<Option<NonNull<Record>>>,
    /// Places without a record, with the generation that the next one there begins with.
    free: Vec<(u32, u32)>,
    /// The generation that records in new places begin with.
    first_generation: u32,
}

impl Table {
    pub(super) const fn new(first_generation: u32) -> Self {
        Self { places: Vec::new(), free: Vec::new(), first_generation }
    }

    /// The record in this place, if there is one.
    #[inline]
    pub(super) fn get(&self, index: u32) -> Option<NonNull<Record>> {
        *self.places.get(index as usize)?
    }

    pub(super) fn records(&self) -> impl Iterator<Item = &Record> {
        // SAFETY: the table holds records that are there.
        self.places.iter().flatten().map(|record| unsafe { record.as_ref() })
    }

    /// A place for another record, and the generation that it begins with.
    pub(super) fn place(&mut self) -> (u32, u32) {
        self.free.pop().unwrap_or_else(|| {
            let index = u32::try_from(self.places.len())
                .expect("stacks for 2^32 jobs do not fit into an address space");
            self.places.push(None);
            (index, self.first_generation)
        })
    }

    /// Puts a record in the place that it was made for.
    pub(super) fn put(&mut self, index: u32, record: NonNull<Record>) {
        self.places[index as usize] = Some(record);
    }

    pub(super) fn vacate(&mut self, index: u32, generation: u32) {
        self.places[index as usize] = None;
        self.free.push((index, generation));
    }
}
