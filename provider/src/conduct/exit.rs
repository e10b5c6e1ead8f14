//! The look at what is left, when the process exits.

use std::sync::atomic::Ordering;

use super::{WOKEN, strict};
use crate::counters::{Entry, Kind, MOST_CONTEXTS, Violation, now, page};

/// How long before the exit, in nanoseconds, a wake was sent that a loop which runs would have taken.
const LONG: u64 = 1_000_000_000;

/// Notes the jobs that were not resumed after their wakes.
pub(super) fn look() {
    let (page, now) = (page(), now());
    for slot in 0..MOST_CONTEXTS {
        let of = |entry: Entry| page[entry.at(slot)].load(Ordering::Relaxed);
        if of(Entry::Number) != 0 && of(Entry::Paused) > 0 && is_long_ago(of(Entry::WokenAt), now) {
            strict::note(&Violation::of(Kind::NotResumed, of));
        }
    }
}

const fn is_long_ago(woken_at: u64, now: u64) -> bool {
    woken_at > WOKEN && now.saturating_sub(woken_at) >= LONG
}
