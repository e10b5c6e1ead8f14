//! Faults of the engine side: a submission that finds no memory, an eventfd that cannot be made.
//!
//! Text form, repeatable in a configuration: `fault=KIND:FIELD=VALUE,FIELD=VALUE`. The fields select, ANDed;
//! they count, so a run repeats exactly.
//!
//! | field | meaning | default |
//! |---|---|---|
//! | `every` | every Nth attempt (1 = each) | 1 |
//! | `nth` | only attempt N, counted from 1 | none |
//! | `times` | at most this often | no limit |
//! | `after` | not in the first N attempts | 0 |

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use device_sim::ConfigError;

use super::config::refused;

/// What fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FaultKind {
    /// `eventfd` fails with `EMFILE`.
    FdFail,
    /// A submission finds no memory.
    NoMem,
}

impl FaultKind {
    const ALL: [Self; 2] = [Self::FdFail, Self::NoMem];

    const fn name(self) -> &'static str {
        match self {
            Self::FdFail => "fd_fail",
            Self::NoMem => "nomem",
        }
    }
}

/// One line of the fault plan: what fails, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FaultRule {
    kind: FaultKind,
    every: u64,
    nth: Option<u64>,
    times: Option<u64>,
    after: u64,
}

impl FaultRule {
    /// Parses the text after `fault=`.
    pub(crate) fn parse(text: &str) -> Result<Self, ConfigError> {
        let refuse = |allowed| refused("fault", text, allowed);
        let (kind, fields) = text.split_once(':').unwrap_or((text, ""));
        let kind = FaultKind::ALL
            .into_iter()
            .find(|candidate| candidate.name() == kind.trim())
            .ok_or_else(|| refuse("KIND:FIELD=N,... with KIND fd_fail or nomem"))?;
        let mut rule = Self { kind, every: 1, nth: None, times: None, after: 0 };
        for field in fields.split(',').filter(|field| !field.trim().is_empty()) {
            let (name, value) =
                field.split_once('=').ok_or_else(|| refuse("fields every=N, nth=N, times=N, after=N"))?;
            let number: u64 = value.trim().parse().map_err(|_| refuse("whole numbers as field values"))?;
            match name.trim() {
                "every" if number > 0 => rule.every = number,
                "nth" if number > 0 => rule.nth = Some(number),
                "times" => rule.times = Some(number),
                "after" => rule.after = number,
                _ => return Err(refuse("fields every=N (from 1), nth=N (from 1), times=N, after=N")),
            }
        }
        Ok(rule)
    }

    /// Whether attempt number `attempt` (from 1) is selected, when `hits` were before it.
    fn selects(&self, attempt: u64, hits: u64) -> bool {
        attempt > self.after
            && (attempt - self.after).is_multiple_of(self.every)
            && self.nth.is_none_or(|nth| attempt == nth)
            && self.times.is_none_or(|times| hits < times)
    }
}

impl fmt::Display for FaultRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fault={}:every={}", self.kind.name(), self.every)?;
        if let Some(nth) = self.nth {
            write!(f, ",nth={nth}")?;
        }
        if let Some(times) = self.times {
            write!(f, ",times={times}")?;
        }
        if self.after > 0 {
            write!(f, ",after={}", self.after)?;
        }
        Ok(())
    }
}

/// The fault plan at work: the rules, and how often each was asked and hit.
#[derive(Debug)]
pub(crate) struct FaultPlan {
    rules: Vec<(FaultRule, AtomicU64, AtomicU64)>,
}

impl FaultPlan {
    pub(crate) fn new(rules: &[FaultRule]) -> Self {
        let counters = || AtomicU64::new(0);
        Self { rules: rules.iter().map(|rule| (rule.clone(), counters(), counters())).collect() }
    }

    /// Counts an attempt at what `kind` would break; `true` when it is to fail.
    pub(crate) fn hits(&self, kind: FaultKind) -> bool {
        let mut hit = false;
        for (rule, attempts, hits) in self.rules.iter().filter(|(rule, ..)| rule.kind == kind) {
            let attempt = attempts.fetch_add(1, Ordering::Relaxed) + 1;
            if rule.selects(attempt, hits.load(Ordering::Relaxed)) {
                hits.fetch_add(1, Ordering::Relaxed);
                hit = true;
            }
        }
        hit
    }

    /// How often any rule hit.
    pub(crate) fn injected(&self) -> u64 {
        self.rules.iter().map(|(.., hits)| hits.load(Ordering::Relaxed)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str, attempts: usize) -> String {
        let plan = FaultPlan::new(&[FaultRule::parse(text).unwrap()]);
        (0..attempts).map(|_| if plan.hits(FaultKind::NoMem) { 'x' } else { '.' }).collect()
    }

    #[test]
    fn selection_fields_are_anded() {
        assert_eq!(pattern("nomem", 4), "xxxx");
        assert_eq!(pattern("nomem:every=3", 7), "..x..x.");
        assert_eq!(pattern("nomem:nth=2", 5), ".x...");
        assert_eq!(pattern("nomem:every=2,times=2", 8), ".x.x....");
        assert_eq!(pattern("nomem:after=3,times=1", 6), "...x..");
        assert_eq!(pattern("fd_fail", 3), "...");
    }

    #[test]
    fn a_bad_rule_is_refused_with_what_is_allowed() {
        for text in ["", "burn", "nomem:every=0", "nomem:often=3", "nomem:every", "nomem:times=x"] {
            let message = FaultRule::parse(text).unwrap_err().to_string();
            assert!(message.contains("fault") && !message.contains('\n'), "{message}");
        }
    }

    #[test]
    fn a_rule_prints_what_parses_back() {
        for text in ["fd_fail:every=1", "nomem:every=7,nth=14,times=3,after=2"] {
            let rule = FaultRule::parse(text).unwrap();
            assert_eq!(rule.to_string(), format!("fault={text}"));
        }
    }
}
