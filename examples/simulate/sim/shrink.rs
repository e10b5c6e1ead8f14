//! The fewest actions that still break a seed in the same way.
//!
//! ```text
//!   all up to the one that broke ─► leave out a half, a quarter, ... a single one ─► breaks in the same way? stays out
//!                                                  ▲                                        │ no: goes back in
//!                                                  └──────── until no single one can go ◄───┘
//! ```

use super::{Outcome, Simulation};

/// What is left of a seed that fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shrunk {
    /// The actions that are enough.
    pub(crate) only: Vec<usize>,
    /// How many the seed had before it broke.
    pub(crate) of: usize,
    /// What they break.
    pub(crate) broken: String,
}

impl Simulation {
    /// Leaves out what a failing seed can do without; `None` where it does not fail.
    pub(crate) fn shrink(&mut self, seed: u64) -> Option<Shrunk> {
        let print = std::mem::replace(&mut self.print, false);
        let broken = self.attempt(seed, None).broken;
        let shrunk = broken.map(|broken| self.leave_out(seed, broken));
        self.print = print;
        shrunk
    }

    fn leave_out(&mut self, seed: u64, broken: String) -> Shrunk {
        let of = self.actions.count();
        let mut left = Shrunk { only: (0..of).collect(), of, broken };
        let mut size = of.div_ceil(2);
        while size > 0 {
            let before = left.only.len();
            let mut at = 0;
            while at < left.only.len() {
                let mut fewer = left.only.clone();
                fewer.drain(at..(at + size).min(fewer.len()));
                match self.breaks_alike(seed, &fewer, &left.broken) {
                    Some(broken) => left = Shrunk { only: fewer, of, broken },
                    None => at += size,
                }
            }
            // What one action was needed for may have gone after it was tried.
            if size > 1 || left.only.len() == before {
                size /= 2;
            }
        }
        left
    }

    /// What these actions break, where that is `broken` but for its numbers.
    fn breaks_alike(&mut self, seed: u64, only: &[usize], broken: &str) -> Option<String> {
        let Outcome { broken: other, .. } = self.attempt(seed, Some(only));
        other.filter(|other| without_digits(other) == without_digits(broken))
    }
}

fn without_digits(text: &str) -> String {
    text.chars().filter(|c| !c.is_ascii_digit()).collect()
}
