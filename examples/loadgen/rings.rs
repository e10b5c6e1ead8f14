//! How many requests the rings of a row's queue pairs hold at once.
//!
//! ```text
//!   4 pairs of depth 16, 6 threads with 20 jobs each
//!      pair 0 ◄── thread 0    16 of 20
//!      pair 1 ◄── thread 1    16 of 20         together 64 of 120
//!      pair 2 ◄── thread 2    16 of 20
//!      pair 3 ◄── threads 3 to 5, 16 of 60     the last one is for all that find no other
//! ```

/// The rings that the threads of a row use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rings {
    /// Requests that fit each.
    pub(crate) depth: usize,
    /// Of the device.
    pub(crate) pairs: usize,
    pub(crate) threads: usize,
}

impl Rings {
    /// Queue pairs that are in use.
    pub(crate) fn used(&self) -> usize {
        self.threads.min(self.pairs)
    }

    /// Requests that they have room for, however these are shared out.
    pub(crate) fn room(&self) -> usize {
        self.used().saturating_mul(self.depth)
    }

    /// How many of so many jobs, shared out to the threads evenly, can have their requests in them at once.
    pub(crate) fn hold(&self, jobs: usize) -> usize {
        // The first ones have one more, where it is not even.
        let share = |thread: usize| jobs / self.threads + usize::from(thread < jobs % self.threads);
        let own = self.used() - 1;
        let on_last: usize = (own..self.threads).map(share).sum();
        let on_own = (0..own).map(|thread| share(thread).min(self.depth)).sum::<usize>();
        on_own + on_last.min(self.depth)
    }
}
