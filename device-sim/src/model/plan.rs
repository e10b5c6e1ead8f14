//! The fault plan at work: which faults strike a request, and what they do to its result.
//!
//! ```text
//!   a request ──► every rule that could hit it counts it, and draws ──► mask ──► verdict ──► the device works by it
//!                 (what it is: operation, size, name, result,           (what the others leave       │
//!                  announcement; not what other rules do to it)          without effect)             ▼
//!                                                                                        result ──► carry out
//! ```
//!
//! Everything is decided before the work, and nothing depends on another rule: so another rule in the plan
//! shifts no count and no draw. What changes the result is carried out after the work, perhaps by another
//! thread. A fault counts as injected when it has an effect.

use std::mem;
use std::sync::Arc;

use crate::config::Config;
use crate::message::algorithm::Algorithm;
use crate::message::piece::Part;
use crate::message::request::Request;
use crate::message::shape::OutputLen;
use crate::message::status::Status;
use crate::model::fault::{self, Armed, FaultKind, Occasion, Target};
use crate::queue::entry::Announce;
use crate::queue::ready::Flags;
use crate::stats::ModelCounters;

mod damage;

use damage::{Bit, Damage};
pub(crate) use damage::{Spoilt, carry_out};

/// The rules that strike requests. (`busy` strikes submissions, on the other side of the ring.)
#[derive(Debug)]
pub(crate) struct Plan {
    rules: Vec<Armed>,
    /// The rules that hit the request at hand, by place. Kept for its memory.
    hits: Vec<usize>,
    counters: Arc<ModelCounters>,
}

/// What a request is, for the rules that could hit it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) request: &'a Request,
    /// The algorithm of its session, if it has one.
    pub(crate) algorithm: Option<Algorithm>,
    pub(crate) announce: Announce,
    /// Nanoseconds since the device was opened.
    pub(crate) now: u64,
}

/// The faults of a request, decided before it is computed.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// It is not computed, and ends with this status.
    pub(crate) fail: Option<Status>,
    /// It is not computed, and the device ends with it.
    pub(crate) ending: Option<Ending>,
    /// An extra wake is sent at once.
    pub(crate) spurious_wake: bool,
    /// Additional time on its unit, and after it.
    pub(crate) before: u64,
    pub(crate) delay: u64,
    pub(crate) late: u64,
    pub(crate) never: bool,
    pub(crate) flags: Flags,
    /// For [`carry_out`], in the order of the rules.
    damage: Vec<Damage>,
}

/// How a fault ends everything in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The device is reset, and goes on.
    Reset,
    /// The device is dead until it is reset.
    Dead,
}

impl Ending {
    pub(crate) const fn status(self) -> Status {
        match self {
            Self::Reset => Status::Reset,
            Self::Dead => Status::DeviceDead,
        }
    }
}

impl Plan {
    pub(crate) fn new(config: &Config, counters: &Arc<ModelCounters>) -> Self {
        let rules = fault::arm(&config.faults, config.seed, |kind| kind != FaultKind::Busy);
        Self { rules, hits: Vec::new(), counters: Arc::clone(counters) }
    }

    /// Decides everything about a request that the device works on. `verdict` is that of one without faults.
    #[inline]
    pub(crate) fn decide(&mut self, subject: &Subject<'_>, verdict: &mut Verdict) {
        if self.rules.is_empty() {
            return;
        }
        self.ask(subject);
        if !self.hits.is_empty() {
            self.judge(verdict);
        }
    }

    /// A request that is ended before the device works on it: it counts, and nothing happens to it.
    pub(crate) fn pass_over(&mut self, subject: &Subject<'_>) {
        self.ask(subject);
        self.hits.iter().for_each(|&hit| {
            let _ = self.rules[hit].aim();
        });
    }

    /// Asks every rule, because each counts its own requests.
    fn ask(&mut self, subject: &Subject<'_>) {
        let occasion = Occasion::of(subject.request, subject.now);
        self.hits.clear();
        for (place, rule) in self.rules.iter_mut().enumerate() {
            if subject.could_be_hit(rule.kind) && rule.hits(&occasion) {
                self.hits.push(place);
            }
        }
    }

    fn judge(&mut self, verdict: &mut Verdict) {
        let masks = self.hits.iter().fold(Masks::default(), |masks, &hit| masks.with(self.rules[hit].kind));
        for &hit in &self.hits {
            let rule = &mut self.rules[hit];
            let bit = rule.aim();
            if !masks.hide(rule.kind) && verdict.add(rule.kind, bit) {
                self.counters.injected(rule.kind);
            }
        }
    }

    /// Counts the damage that has had an effect.
    pub(crate) fn note(&self, spoilt: Spoilt) {
        const CORRUPT: FaultKind = FaultKind::Corrupt { target: Target::Any, bit: None };
        const SHORT: FaultKind = FaultKind::Short { bytes: 1 };
        (0..spoilt.corrupted).for_each(|_| self.counters.injected(CORRUPT));
        (0..spoilt.shortened).for_each(|_| self.counters.injected(SHORT));
    }
}

impl Subject<'_> {
    /// Whether a fault of this kind could hit a request that is what this one is.
    fn could_be_hit(&self, kind: FaultKind) -> bool {
        match kind {
            FaultKind::Busy => false,
            FaultKind::Corrupt { target: Target::Text, .. } => self.gives_text(),
            FaultKind::Corrupt { target: Target::Tag, .. } => self.gives_tag(),
            FaultKind::Corrupt { target: Target::Any, .. } | FaultKind::Short { .. } => {
                self.gives_text() || self.gives_tag()
            }
            FaultKind::DropWake | FaultKind::Duplicate | FaultKind::SpuriousWake => {
                self.announce != Announce::Silent
            }
            FaultKind::Dead
            | FaultKind::Delay { .. }
            | FaultKind::Fail { .. }
            | FaultKind::Late { .. }
            | FaultKind::Reset
            | FaultKind::Stall { .. }
            | FaultKind::Timeout => true,
        }
    }

    const fn gives_text(&self) -> bool {
        self.request.operation.output().has_text()
    }

    /// A tag, MAC or digest comes with the end of a message.
    fn gives_tag(&self) -> bool {
        let output = self.request.operation.output();
        let is_tagged = |algorithm: Algorithm| {
            matches!(algorithm.output(self.request.operation), Some(OutputLen::Tagged(_)))
        };
        output.has_tag()
            && self.request.part != Part::Update
            && (!output.has_text() || self.algorithm.is_some_and(is_tagged))
    }
}

/// Kinds of which the request has one, so that others have no effect on it.
#[derive(Clone, Copy, Debug, Default)]
struct Masks {
    dead: bool,
    reset: bool,
    never: bool,
    fail: bool,
}

impl Masks {
    const fn with(mut self, kind: FaultKind) -> Self {
        match kind {
            FaultKind::Dead => self.dead = true,
            FaultKind::Reset => self.reset = true,
            FaultKind::Timeout => self.never = true,
            FaultKind::Fail { .. } => self.fail = true,
            _ => {}
        }
        self
    }

    /// Whether this kind has no effect.
    const fn hide(self, kind: FaultKind) -> bool {
        let ended = self.dead || self.reset;
        match kind {
            FaultKind::Dead | FaultKind::Busy => false,
            FaultKind::Reset => self.dead,
            FaultKind::Stall { .. } | FaultKind::Timeout | FaultKind::SpuriousWake => ended,
            FaultKind::Delay { .. }
            | FaultKind::DropWake
            | FaultKind::Duplicate
            | FaultKind::Fail { .. }
            | FaultKind::Late { .. } => ended || self.never,
            FaultKind::Corrupt { .. } | FaultKind::Short { .. } => ended || self.never || self.fail,
        }
    }
}

impl Verdict {
    /// Whether the request is computed at all.
    pub(crate) const fn is_computed(&self) -> bool {
        self.fail.is_none() && self.ending.is_none()
    }

    /// Adds what a rule does; `true`: that is an effect already. (Whether the wake, the completion or the
    /// result suffers, shows later.)
    fn add(&mut self, kind: FaultKind, bit: Bit) -> bool {
        match kind {
            FaultKind::Dead => return self.ending.replace(Ending::Dead).is_none(),
            FaultKind::Reset => return self.ending.replace(Ending::Reset).is_none(),
            FaultKind::Fail { status } => {
                let is_first = self.fail.is_none();
                self.fail.get_or_insert(status);
                return is_first;
            }
            FaultKind::Delay { nsec } => self.delay = self.delay.saturating_add(nsec),
            FaultKind::Late { nsec } => self.late = self.late.saturating_add(nsec),
            FaultKind::Stall { nsec } => self.before = self.before.saturating_add(nsec),
            FaultKind::Timeout => return !mem::replace(&mut self.never, true),
            FaultKind::SpuriousWake => return !mem::replace(&mut self.spurious_wake, true),
            FaultKind::DropWake => {
                self.flags.drop_wake = true;
                return false;
            }
            FaultKind::Duplicate => {
                self.flags.duplicate = true;
                return false;
            }
            FaultKind::Corrupt { target, .. } => {
                self.damage.push(Damage::Flip { target, bit });
                return false;
            }
            FaultKind::Short { bytes } => {
                self.damage.push(Damage::Cut { bytes });
                return false;
            }
            FaultKind::Busy => return false,
        }
        true
    }
}

/// What a rule draws when it hits, whether or not it has an effect.
trait Aim {
    fn aim(&mut self) -> Bit;
}

impl Aim for Armed {
    fn aim(&mut self) -> Bit {
        match self.kind {
            FaultKind::Corrupt { bit: Some(number), .. } => Bit::Number(number),
            FaultKind::Corrupt { bit: None, .. } => Bit::Drawn(self.word()),
            _ => Bit::Number(0),
        }
    }
}
