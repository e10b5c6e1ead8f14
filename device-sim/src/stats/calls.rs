//! What was done of the operations of the user's own, by their names.

use std::collections::BTreeMap;

use super::{CallStats, DeviceStats, Rule};
use crate::message::call::{Call, MAX_NAME, MAX_NAMES};
use crate::message::operation::Operation;
use crate::message::status::Status;
use crate::queue::ready::Times;
use crate::sync::{Mutex, lock};

/// The name of all others.
const OTHER: &str = "other";

/// The books of one device, kept by the side that makes the event happen.
#[derive(Debug)]
pub(crate) struct CallBook {
    by_name: Mutex<BTreeMap<String, CallStats>>,
}

impl CallBook {
    /// What is declared has its entry from the beginning.
    pub(crate) fn new(declared: &[String]) -> Self {
        let entry = |name: &String| (name.clone(), CallStats { name: name.clone(), ..CallStats::default() });
        Self { by_name: Mutex::new(declared.iter().map(entry).collect()) }
    }

    /// The device has finished a call.
    #[cold]
    pub(crate) fn note_finished(&self, call: &mut Call, status: Status, bytes: u64, times: Times) {
        let panicked = call.has_panicked();
        self.with(call.name(), |stats| {
            match status {
                Status::Ok => stats.completed += 1,
                _ => stats.failed += 1,
            }
            stats.bytes += bytes;
            stats.panicked += u64::from(panicked);
            if let Some(submitted) = times.submitted {
                stats.timings.note_service(times, submitted);
            }
        });
    }

    /// The host takes one that was timed.
    #[cold]
    pub(crate) fn note_taken(&self, name: &str, submitted: u64, served: u64, now: u64) {
        self.with(name, |stats| stats.timings.note_taken(submitted, served, now));
    }

    pub(crate) fn read(&self) -> Vec<CallStats> {
        lock(&self.by_name).values().cloned().collect()
    }

    fn with(&self, name: &str, f: impl FnOnce(&mut CallStats)) {
        let mut by_name = lock(&self.by_name);
        let is_kept = !name.is_empty()
            && name.len() <= MAX_NAME
            && (by_name.len() < MAX_NAMES || by_name.contains_key(name));
        let name = if is_kept { name } else { OTHER };
        let stats = by_name.entry(name.to_owned()).or_default();
        if stats.name.is_empty() {
            name.clone_into(&mut stats.name);
        }
        f(stats);
    }
}

impl DeviceStats {
    /// All calls together are what was done of [`Operation::Call`].
    pub(super) fn sums_of_calls(&self) -> [Rule; 3] {
        let total = self.total.operations[Operation::Call.number()];
        let sum = |of: fn(&CallStats) -> u64| self.calls.iter().map(of).sum();
        [
            Rule::equal("completed calls == the sum over names", total.completed, sum(|call| call.completed)),
            Rule::equal("failed calls == the sum over names", total.failed, sum(|call| call.failed)),
            Rule::equal("bytes of calls == the sum over names", total.bytes, sum(|call| call.bytes)),
        ]
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_in_number_and_length() {
        let book = CallBook::new(&["declared".to_owned()]);
        let note = |name: &str| {
            let mut call = Call::new(name, 1, || ());
            book.note_finished(&mut call, Status::Ok, 1, Times::default());
        };
        (0..1_000).for_each(|number| note(&format!("name-{number}")));
        note(&"x".repeat(MAX_NAME + 1));
        note("");
        note("name-3");
        let stats = book.read();
        assert_eq!(stats.len(), MAX_NAMES + 1);
        let completed = |name: &str| stats.iter().find(|call| call.name == name).unwrap().completed;
        assert_eq!((completed("declared"), completed("name-3")), (0, 2));
        let others = u64::try_from(1_000 - (MAX_NAMES - 1) + 2).unwrap();
        assert_eq!(completed(OTHER), others);
    }
}
