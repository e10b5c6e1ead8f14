//! The records of a thread's jobs, in no order. The [directory](super::directory) finds the record that a
//! handle names.
#![expect(unsafe_code, reason = "follows the records of the thread")]

use std::collections::TryReserveError;
use std::ptr::NonNull;

use super::record::Record;

#[derive(Default)]
pub(super) struct Table(Vec<NonNull<Record>>);

impl Table {
    pub(super) fn records(&self) -> impl Iterator<Item = &Record> {
        // SAFETY: the table holds records that are there.
        self.0.iter().map(|record| unsafe { record.as_ref() })
    }

    /// Makes room for another record. The allocation may fail, because a program may ask for any number of
    /// jobs.
    pub(super) fn reserve(&mut self) -> Result<(), TryReserveError> {
        self.0.try_reserve(1)
    }

    pub(super) fn add(&mut self, record: NonNull<Record>) {
        // SAFETY: a record is added when it has been made.
        unsafe { record.as_ref() }.place.set(self.0.len());
        self.0.push(record);
    }

    /// Removes a record; another record takes its place.
    pub(super) fn remove(&mut self, record: &Record) {
        let place = record.place.get();
        self.0.swap_remove(place);
        if let Some(moved) = self.0.get(place) {
            // SAFETY: the table holds records that are there.
            unsafe { moved.as_ref() }.place.set(place);
        }
    }
}
