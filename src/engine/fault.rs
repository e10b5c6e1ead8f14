//! Faults of the engine: a submission that finds no memory, an eventfd that cannot be created.
//!
//! They are written and selected like the device's ([`Selection`]): `fault=nomem:every=3`.

use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use simaccel_device::grammar::{self, Items};
use simaccel_device::{
    ConfigError, Fault, FaultKind as DeviceFault, Occasion, Selection, Selector, fault_kinds, in_words,
};

fault_kinds! {
    /// What fails.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum FaultKind {
        "fd_fail" FdFail, nothing, "an eventfd cannot be made: `eventfd` fails with `EMFILE`";
        "nomem" NoMem, request, "a submission finds no memory";
    }
}

const OWN_KINDS: &str =
    in_words!("KIND:FIELD=VALUE,... with KIND ", &FaultKind::NAMES, ", ", " or ", " in the engine, or ");
const KINDS: &str = in_words!(OWN_KINDS, &DeviceFault::NAMES, ", ", " or ", " in the device");

/// One rule of the fault plan: what fails, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FaultRule {
    kind: FaultKind,
    selection: Selection,
}

impl FaultRule {
    /// Parses the text after `fault=`. `Ok(None)`: it names a fault of the device.
    pub(crate) fn parse(text: &str) -> Result<Option<Self>, ConfigError> {
        let refuse = |allowed| grammar::refused("fault", text, allowed);
        let (name, fields) = grammar::fault(text)?;
        let Some(kind) = FaultKind::named(name) else {
            return if DeviceFault::NAMES.contains(&name) { Ok(None) } else { Err(refuse(KINDS)) };
        };
        let mut selection = Selection::default();
        for (field, value) in fields {
            let fits = kind.strikes_request() || !Selection::is_of_request(field);
            if !fits || !selection.set(field, value).map_err(refuse)? {
                return Err(refuse(kind.fields()));
            }
        }
        selection.check().map_err(refuse)?;
        Ok(Some(Self { kind, selection }))
    }
}

impl FaultRule {
    pub(crate) const fn kind(&self) -> FaultKind {
        self.kind
    }

    pub(crate) const fn selection(&self) -> &Selection {
        &self.selection
    }

    /// Whether the configuration declares the operation of the user's own that the rule selects, if it does.
    pub(crate) fn check(&self, device: &simaccel_device::Config) -> Result<(), ConfigError> {
        if device.declares(&self.selection) {
            return Ok(());
        }
        Err(grammar::refused("fault", &self.to_string(), Selection::OPERATIONS))
    }
}

/// As in a configuration.
impl fmt::Display for FaultRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.kind.name(), self.selection)
    }
}

/// A fault plan: rules of the device, and of the engine.
///
/// ```
/// use simaccel::{Fault, FaultKind, Faults, Selection};
///
/// let faults = Faults::from(Fault::new(FaultKind::Dead)).nomem(Selection::default().every(7));
/// assert_eq!(Ok(faults), Faults::parse("fault=dead; fault=nomem:every=7"));
/// # Ok::<(), simaccel::ConfigError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    device: Vec<Fault>,
    engine: Vec<FaultRule>,
}

impl Faults {
    /// No rule.
    pub fn none() -> Self {
        Self::default()
    }

    /// Parses `fault=...;fault=...`, as in a configuration.
    ///
    /// # Errors
    /// [`ConfigError`] for the first item that is malformed, is no fault or does not fit.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let mut faults = Self::default();
        for (key, value) in Items::parse(text)?.iter() {
            if key != "fault" {
                return Err(ConfigError::UnknownKey { key: key.to_owned(), known: "fault".to_owned() });
            }
            match FaultRule::parse(value)? {
                Some(rule) => faults.engine.push(rule),
                None => faults.device.push(Fault::parse(value)?),
            }
        }
        Ok(faults)
    }

    /// One more rule of the device.
    #[must_use]
    pub fn fault(mut self, fault: Fault) -> Self {
        self.device.push(fault);
        self
    }

    /// One more rule for when an eventfd cannot be made. It takes neither an operation nor a size.
    #[must_use]
    pub fn fd_fail(self, when: Selection) -> Self {
        self.of_engine(FaultKind::FdFail, when)
    }

    /// One more rule for when a submission finds no memory.
    #[must_use]
    pub fn nomem(self, when: Selection) -> Self {
        self.of_engine(FaultKind::NoMem, when)
    }

    fn of_engine(mut self, kind: FaultKind, selection: Selection) -> Self {
        self.engine.push(FaultRule { kind, selection });
        self
    }
}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Self::from(vec![fault])
    }
}

impl From<Vec<Fault>> for Faults {
    fn from(device: Vec<Fault>) -> Self {
        Self { device, engine: Vec::new() }
    }
}

/// As in a configuration.
impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let device = self.device.iter().map(ToString::to_string);
        let all = device.chain(self.engine.iter().map(ToString::to_string));
        let items: Vec<_> = all.map(|fault| format!("fault={fault}")).collect();
        f.write_str(&items.join(";"))
    }
}

/// The engine's part of the fault plan, at work. It may change at any time.
#[derive(Debug)]
pub(crate) struct FaultPlan {
    /// Bit `n`: there is a rule of kind number `n`, so that hot paths need not look.
    present: AtomicU8,
    rules: Mutex<Vec<(FaultKind, Selector)>>,
    seed: u64,
    /// Injected faults, by kind; counted once when several rules agree.
    injected: [AtomicU64; FaultKind::COUNT],
}

impl FaultPlan {
    pub(crate) fn new(rules: &[FaultRule], seed: u64) -> Self {
        let plan =
            Self { present: AtomicU8::new(0), rules: Mutex::default(), seed, injected: Default::default() };
        plan.set(rules);
        plan
    }

    /// Replaces the rules; these count from the beginning.
    pub(crate) fn set(&self, rules: &[FaultRule]) {
        let selector = |(number, rule): (usize, &FaultRule)| {
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            (rule.kind, Selector::new(&rule.selection, self.seed, rule.kind.name(), number))
        };
        let of_kind = |kind| rules.iter().filter(move |rule| rule.kind == kind).enumerate().map(selector);
        let mut current = self.rules();
        *current = FaultKind::ALL.into_iter().flat_map(of_kind).collect();
        let present = current.iter().fold(0, |present, (kind, _)| present | 1 << kind.number());
        self.present.store(present, Ordering::Release);
    }

    /// Whether there is no rule.
    pub(crate) fn is_empty(&self) -> bool {
        self.present.load(Ordering::Acquire) == 0
    }

    /// Whether there is any rule of this kind, so that hot paths need not describe their occasion.
    pub(crate) fn has(&self, kind: FaultKind) -> bool {
        self.present.load(Ordering::Acquire) & 1 << kind.number() != 0
    }

    /// Whether a fault of `kind` strikes on this occasion.
    pub(crate) fn hits(&self, kind: FaultKind, occasion: &Occasion<'_>) -> bool {
        let mut rules = self.rules();
        let of_kind = rules.iter_mut().filter(|(other, _)| *other == kind);
        // All rules are asked, because each counts its own occasions.
        let hit = of_kind.fold(false, |hit, (_, selector)| selector.hits(occasion) || hit);
        drop(rules);
        self.injected[kind.number()].fetch_add(u64::from(hit), Ordering::Relaxed);
        hit
    }

    /// How often faults of `kind` were injected.
    pub(crate) fn injected(&self, kind: FaultKind) -> u64 {
        self.injected[kind.number()].load(Ordering::Relaxed)
    }

    fn rules(&self) -> MutexGuard<'_, Vec<(FaultKind, Selector)>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> FaultRule {
        FaultRule::parse(text).unwrap().unwrap()
    }

    #[test]
    fn a_rule_hits_its_own_kind_as_selected() {
        let plan = FaultPlan::new(&[rule("nomem:every=3"), rule("fd_fail:nth=2")], 1);
        let occasion = Occasion { operation: None, call: None, size: 0, now: 0 };
        let pattern = |kind, attempts| -> String {
            (0..attempts).map(|_| if plan.hits(kind, &occasion) { 'x' } else { '.' }).collect()
        };
        assert_eq!(pattern(FaultKind::NoMem, 7), "..x..x.");
        assert_eq!(pattern(FaultKind::FdFail, 4), ".x..");
        assert_eq!((plan.injected(FaultKind::NoMem), plan.injected(FaultKind::FdFail)), (2, 1));
        assert!(plan.has(FaultKind::NoMem) && !FaultPlan::new(&[], 1).has(FaultKind::NoMem));
    }

    #[test]
    fn what_two_rules_make_fail_at_once_has_failed_once() {
        let plan = FaultPlan::new(&[rule("nomem:every=2"), rule("nomem:every=3")], 1);
        let occasion = Occasion { operation: None, call: None, size: 0, now: 0 };
        let hits = (0..6).filter(|_| plan.hits(FaultKind::NoMem, &occasion)).count() as u64;
        assert_eq!((hits, plan.injected(FaultKind::NoMem)), (4, 4));
    }

    #[test]
    fn a_bad_rule_is_refused_with_what_is_allowed() {
        for text in
            ["", "burn", "nomem:every=0", "nomem:often=3", "nomem:every", "nomem:times=x", "fd_fail:op=mac"]
        {
            let message = FaultRule::parse(text).unwrap_err().to_string();
            assert!(message.contains("fault") && !message.contains('\n'), "{message}");
        }
        assert_eq!(FaultRule::parse("corrupt:every=2"), Ok(None), "the device's");
        assert!(DeviceFault::NAMES.iter().all(|name| KINDS.contains(name)), "all kinds are named");
    }

    #[test]
    fn a_rule_prints_what_parses_back() {
        for text in ["fd_fail", "nomem:every=7,nth=16,times=3,after=2,op=mac,size=64.."] {
            assert_eq!(rule(text).to_string(), text);
        }
    }
}
