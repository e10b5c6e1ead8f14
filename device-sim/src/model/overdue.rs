//! Requests that are overdue when they are admitted, on a host that is behind.
//!
//! ```text
//!   a pass:   what is due in the queue ──────────────────────► ready
//!             admit ──┬─► overdue, in the order of times ─────► ready
//!                     └─► not due, not plain, out of order ───► the due queue; what is due later follows it there
//! ```

/// Which requests are overdue as they come: they need not wait in the due queue, where the host could still
/// revoke them.
///
/// They complete in the order of their times. Where times do not come in order, the queue has to sort them:
/// the first one that is out of order closes this way for a while.
#[derive(Debug, Default)]
pub(super) struct Overdue {
    /// What is due before that is; 0: nothing, the way is closed.
    before: u64,
    /// When the last one of this pass was due.
    last: u64,
    /// From this number on.
    from: u64,
}

impl Overdue {
    /// For so many requests the way is closed.
    const REST: u64 = 4_096;

    pub(super) fn begin(&mut self, now: u64, last: u64) {
        (self.before, self.last) = (now.saturating_add(1), last);
    }

    pub(super) fn end(&mut self) {
        self.before = 0;
    }

    /// A request that is due then has to wait in the queue: none that is due later overtakes it in this pass.
    #[inline]
    pub(super) fn close_from(&mut self, due: u64) {
        self.before = self.before.min(due);
    }

    #[inline]
    pub(super) fn is(&mut self, due: u64, sequence: u64) -> bool {
        if due >= self.before || sequence < self.from {
            return false;
        }
        if due < self.last {
            self.from = sequence + Self::REST;
            return false;
        }
        self.last = due;
        true
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_is_overdue_completes_in_the_order_of_its_times_or_waits() {
        let mut overdue = Overdue::default();
        assert!(!overdue.is(0, 0), "closed, also at the beginning of time");
        overdue.begin(100, 20);
        assert!(overdue.is(20, 1) && overdue.is(100, 2));
        assert!(!overdue.is(101, 3), "it is not due");
        assert!(!overdue.is(99, 4), "another one has completed that was due later");
        assert!(!overdue.is(100, 4 + Overdue::REST - 1), "the way is closed for a while");
        assert!(overdue.is(100, 4 + Overdue::REST));
        overdue.end();
        assert!(!overdue.is(100, 10_000));
    }

    #[test]
    fn what_has_to_wait_is_overtaken_by_nothing_that_is_due_later() {
        let mut overdue = Overdue::default();
        overdue.begin(100, 0);
        overdue.close_from(50);
        assert!(overdue.is(49, 1) && !overdue.is(50, 2) && !overdue.is(60, 3));
        overdue.begin(100, 50);
        assert!(overdue.is(60, 4), "with the next pass");
    }
}
