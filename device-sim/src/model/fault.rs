//! Faults: which misbehaviour is injected into which requests. Text, and pure decisions; the device carries
//! them out.
//!
//! ```text
//!   fault=KIND:FIELD=VALUE,FIELD=VALUE          fault=corrupt:op=encrypt,every=1000,times=3
//!
//!   an occasion ──► op, size ──► counted ──► after ─► nth ─► every ─► probability ─► window ─► times ──► hit
//!   (a request that  (does it      (1, 2, ...)            (all of them must select it)
//!    KIND can act on) match?)
//! ```
//!
//! Counting is exact and needs no seed: the same requests in the same order are hit on every machine.
//! `probability` draws from its own random stream, seeded by the device's `seed`, the kind and its number
//! among rules of that kind, so that another fault in the plan shifts nothing. No fault changes who owns
//! memory.

use std::fmt;
use std::str::FromStr;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::config::error::ConfigError;
use crate::config::grammar;
use crate::in_words;
use crate::message::operation::Operation;

mod kind;
mod select;
mod table;

use kind::KINDS;
pub use kind::{FaultKind, Target};
pub(crate) use select::OPERATIONS;
pub use select::{Occasion, Selection, Selector};

/// One rule of a fault plan: what goes wrong, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What.
    pub kind: FaultKind,
    /// When.
    pub selection: Selection,
}

impl Fault {
    /// This kind, at every occasion.
    pub fn new(kind: FaultKind) -> Self {
        Self { kind, selection: Selection::default() }
    }

    /// The same kind, on these occasions.
    #[must_use]
    pub fn when(self, selection: Selection) -> Self {
        Self { selection, ..self }
    }

    /// Parses the text after `fault=`.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Value`] for the first part that does not fit, with what is allowed instead;
    /// [`ConfigError::FieldTwice`].
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let refuse = |allowed| grammar::refused("fault", text, allowed);
        let (name, fields) = grammar::fault(text)?;
        let kind = FaultKind::named(name).ok_or_else(|| refuse(KINDS))?;
        let mut fault = Self::new(kind);
        for (name, value) in fields {
            let known = fault.kind.set(name, value).map_err(refuse)?
                || fault.selection.set(name, value).map_err(refuse)?;
            if !known {
                return Err(refuse(kind.fields()));
            }
        }
        fault.selection.check().map_err(refuse)?;
        fault.check().map_err(refuse)?;
        Ok(fault)
    }

    /// Refuses a result that the selected operation does not have.
    fn check(&self) -> Result<(), &'static str> {
        const TEXT: &str = in_words!("target=text with op=", &[Operation::WITH_TEXT_LISTED], "", "", "");
        const TAG: &str = in_words!(", or target=tag with op=", &[Operation::WITH_TAG_LISTED], "", "", "");
        const TARGETS: &str = in_words!(TEXT, &[], "", "", TAG);
        const BYTES: &str =
            in_words!("op=", &[Operation::WITH_BYTES_LISTED], "", "", ": a call gives no bytes");
        let Some(output) = self.selection.operation.map(Operation::output) else { return Ok(()) };
        let (is_had, allowed) = match self.kind {
            FaultKind::Corrupt { target: Target::Text, .. } => (output.has_text(), TARGETS),
            FaultKind::Corrupt { target: Target::Tag, .. } => (output.has_tag(), TARGETS),
            FaultKind::Corrupt { target: Target::Any, .. } | FaultKind::Short { .. } => {
                (output.has_bytes(), BYTES)
            }
            _ => (true, ""),
        };
        if is_had { Ok(()) } else { Err(allowed) }
    }
}

/// As in a configuration: `corrupt:op=encrypt,every=1000`.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.name())?;
        self.selection.write_after(f, &self.kind.own())
    }
}

impl FromStr for Fault {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        Self::parse(text)
    }
}

/// How often each kind of fault was injected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultCounts(pub(crate) [u64; FaultKind::COUNT]);

impl FaultCounts {
    /// How often faults of this name were injected; `None`: the device has no such kind.
    pub fn get(&self, name: &str) -> Option<u64> {
        self.iter().find(|(other, _)| *other == name).map(|(_, count)| count)
    }

    /// Name and count of every kind.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        FaultKind::NAMES.into_iter().zip(self.0)
    }

    /// All kinds together.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

/// A rule at work.
#[derive(Debug)]
pub(crate) struct Armed {
    pub(crate) kind: FaultKind,
    selector: Selector,
}

/// The rules of a plan that `keep` selects, at work. Their random streams do not depend on the selection.
pub(crate) fn arm(faults: &[Fault], seed: u64, keep: impl Fn(FaultKind) -> bool) -> Vec<Armed> {
    let mut numbers = [0; FaultKind::COUNT];
    let mut armed = Vec::new();
    for fault in faults {
        let number = &mut numbers[fault.kind.number()];
        let selector = Selector::new(&fault.selection, seed, fault.kind.name(), *number);
        *number += 1;
        if keep(fault.kind) {
            armed.push(Armed { kind: fault.kind, selector });
        }
    }
    armed
}

impl Armed {
    /// Whether the fault strikes on this occasion.
    pub(crate) fn hits(&mut self, occasion: &Occasion<'_>) -> bool {
        self.selector.hits(occasion)
    }

    /// 64 random bits from the rule's stream.
    pub(crate) fn word(&mut self) -> u64 {
        self.selector.word()
    }
}

/// A separate generator for a purpose: `name` and `number` distinguish it from others of the same seed.
fn stream(seed: u64, name: &str, number: u32) -> ChaCha8Rng {
    let mut bytes = *b"........----fault plan of device";
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..12].copy_from_slice(&number.to_le_bytes());
    bytes[12..].iter_mut().zip(name.bytes()).for_each(|(byte, letter)| *byte = letter);
    ChaCha8Rng::from_seed(bytes)
}

/// A number below `below`, by 64 random bits.
pub(crate) fn share(word: u64, below: u64) -> u64 {
    // The high half of a wide product: the modulo bias is negligible below 2^32.
    ((u128::from(word) * u128::from(below)) >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_name_and_its_place() {
        for (number, name) in FaultKind::NAMES.into_iter().enumerate() {
            let kind = FaultKind::named(name).unwrap();
            assert_eq!((kind.number(), kind.name(), FaultKind::ALL[number]), (number, name, kind));
            assert!(KINDS.contains(name), "{name} is said to be allowed");
            assert_eq!(Fault::parse(name).unwrap().to_string(), name);
        }
        assert!(FaultKind::NAMES.is_sorted());
    }

    #[test]
    fn a_rule_prints_what_parses_back() {
        for text in [
            "busy:every=3",
            "corrupt:target=tag,bit=7,every=1000,times=3,op=encrypt",
            "corrupt:target=text,probability=0.000001",
            "fail:status=auth_failed,nth=4",
            "short:bytes=16,size=64..4096",
            "delay:nsec=5,window=900:100",
            "stall:nsec=3600000000000,after=2",
            "late:nsec=7,op=mac,size=..64",
        ] {
            assert_eq!(Fault::parse(text).unwrap().to_string(), text);
        }
        let spaced = Fault::parse(" corrupt : op = encrypt , every = 1_000 ,").unwrap();
        assert_eq!(spaced.to_string(), "corrupt:every=1000,op=encrypt");
    }

    #[test]
    fn nonsense_is_refused_with_what_is_allowed() {
        for (text, allowed) in [
            ("", "KIND"),
            ("burn", "spurious_wake"),
            ("fail:status=ok", "device_error"),
            ("fail:bytes=3", "the fields status"),
            ("corrupt:bit=-1", "bit=N"),
            ("corrupt:target=moon", "any, text or tag"),
            ("corrupt:target=text,op=mac", "target=text with op=encrypt, decrypt, sign, "),
            ("corrupt:op=digest,bit=3,target=text", "target=tag with op=encrypt, digest or mac"),
            ("corrupt:target=tag,op=decrypt", "target=tag with op=encrypt, digest or mac"),
            ("corrupt:target=tag,op=encrypt", ""),
            ("corrupt:op=digest", ""),
            ("short:bytes=0", "bytes=N"),
            ("delay:nsec=0", "an hour"),
            ("delay", ""),
            ("timeout:nsec=3", "every"),
            ("timeout:every", "FIELD=VALUE"),
            ("timeout:every=0", "every=N"),
            ("timeout:op=sign it", "encrypt"),
        ] {
            match Fault::parse(text) {
                Ok(fault) => assert!(allowed.is_empty(), "{fault} was taken"),
                Err(error) => {
                    let line = error.to_string();
                    assert!(line.contains(allowed) && !line.contains('\n') && !allowed.is_empty(), "{line}");
                }
            }
        }
    }

    #[test]
    fn counts_add_up_by_name() {
        let mut counts = FaultCounts::default();
        counts.0[FaultKind::Timeout.number()] = 3;
        counts.0[0] = 1;
        assert_eq!((counts.get("timeout"), counts.get("busy"), counts.get("rust")), (Some(3), Some(1), None));
        assert_eq!(counts.total(), 4);
    }
}
