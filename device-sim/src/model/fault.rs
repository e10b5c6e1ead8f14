//! Faults: which misbehaviour is injected into which requests. Text, and pure decisions; the device carries them out.
//!
//! ```text
//!   fault=KIND:FIELD=VALUE,FIELD=VALUE          fault=corrupt:op=encrypt,every=1000,times=3
//!
//!   an occasion ──► op, size ──► counted ──► after ─► nth ─► every ─► probability ─► window ─► times ──► hit
//!   (a request that  (does it      (1, 2, ...)            (all of them must select it)
//!    KIND can act on) match?)
//! ```
//!
//! What counts is exact and needs no seed: the same requests in the same order are hit on every machine. `probability`
//! draws from a stream of its own, seeded by the device's `seed`, the kind and its number among rules of that kind, so
//! that another fault in the plan shifts nothing. No fault changes who owns memory.

use std::fmt;
use std::str::FromStr;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::config::{ConfigError, refused};
use crate::message::operation::Operation;
use crate::message::request::Status;

mod select;

pub use select::{Occasion, Selection, Selector};

/// What goes wrong.
///
/// | text | what happens | own fields |
/// |---|---|---|
/// | `busy` | a submission is told that the ring is full, though it is not | |
/// | `fail` | the request is not worked on and ends with a status | `status`: `device_error` (default), `auth_failed`, `invalid_session`, `invalid_args` or `unsupported` |
/// | `corrupt` | one bit of the result is wrong, and the status says Ok | `target`: `text`, `tag` (tag, MAC or digest) or `any` (default: the text where there is one); `bit`: its number, modulo the length (default: drawn) |
/// | `short` | the end of the result is missing, and [`Request::residue`](crate::Request::residue) says how much | `bytes` (default 1) |
/// | `delay` | the request ends later; its compute unit goes on | `nsec` (default 1,000,000) |
/// | `stall` | the compute unit stops before it begins with the request | `nsec` (default 1,000,000) |
/// | `late` | the request ends so much later that it was probably revoked meanwhile; its completion then hits nothing | `nsec` (default 1,000,000,000) |
/// | `timeout` | the request never ends by itself | |
/// | `drop_wake` | the request ends without a wake: no waker is called, no interrupt raised | |
/// | `spurious_wake` | its wake is sent once too often, when nothing has ended | |
/// | `duplicate` | the request is completed twice | |
/// | `reset` | everything in flight, this request too, ends with [`Status::Reset`]; then the device goes on | |
/// | `dead` | everything in flight and all that comes ends with [`Status::DeviceDead`], until the device is reset | |
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// A submission is told that the ring is full.
    Busy,
    /// One bit of the result is wrong.
    Corrupt {
        /// Of which result.
        target: Target,
        /// Which bit, modulo the length of the result; `None`: drawn from the rule's stream.
        bit: Option<u64>,
    },
    /// The device is dead until it is reset.
    Dead,
    /// The request ends so many nanoseconds later.
    Delay(u64),
    /// The end of the request is not announced.
    DropWake,
    /// The request is completed twice.
    Duplicate,
    /// The request ends with this status, without work.
    Fail(Status),
    /// The request ends so many nanoseconds later, revoked or not.
    Late(u64),
    /// The device resets itself.
    Reset,
    /// So many bytes are missing at the end of the result, or all where there are fewer.
    Short(u64),
    /// A wake with nothing behind it.
    SpuriousWake,
    /// The compute unit stops for so many nanoseconds.
    Stall(u64),
    /// The request never ends by itself.
    Timeout,
}

/// Which result [`FaultKind::Corrupt`] is about.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Target {
    /// The text where there is one, else the tag, MAC or digest.
    #[default]
    Any,
    /// Encrypted or decrypted text.
    Text,
    /// Tag, MAC or digest.
    Tag,
}

/// How many nanoseconds a delay or a stall has when nothing is said: a millisecond.
const SOME_NSEC: u64 = 1_000_000;
/// And how many a late completion: a second.
const LATE_NSEC: u64 = 1_000_000_000;
/// The most that may be said: an hour.
const MAX_NSEC: u64 = 3_600_000_000_000;

const KINDS: &str = "KIND:FIELD=VALUE,... with KIND busy, corrupt, dead, delay, drop_wake, duplicate, fail, late, \
    reset, short, spurious_wake, stall or timeout";

impl FaultKind {
    /// The names of all kinds, in the order of [`FaultKind::number`].
    pub const NAMES: [&str; 13] = [
        "busy",
        "corrupt",
        "dead",
        "delay",
        "drop_wake",
        "duplicate",
        "fail",
        "late",
        "reset",
        "short",
        "spurious_wake",
        "stall",
        "timeout",
    ];

    /// The kind's place in [`FaultKind::NAMES`].
    pub const fn number(self) -> usize {
        match self {
            Self::Busy => 0,
            Self::Corrupt { .. } => 1,
            Self::Dead => 2,
            Self::Delay(_) => 3,
            Self::DropWake => 4,
            Self::Duplicate => 5,
            Self::Fail(_) => 6,
            Self::Late(_) => 7,
            Self::Reset => 8,
            Self::Short(_) => 9,
            Self::SpuriousWake => 10,
            Self::Stall(_) => 11,
            Self::Timeout => 12,
        }
    }

    /// As in a configuration.
    pub const fn name(self) -> &'static str {
        Self::NAMES[self.number()]
    }

    /// The kind with its defaults.
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "busy" => Self::Busy,
            "corrupt" => Self::Corrupt { target: Target::Any, bit: None },
            "dead" => Self::Dead,
            "delay" => Self::Delay(SOME_NSEC),
            "drop_wake" => Self::DropWake,
            "duplicate" => Self::Duplicate,
            "fail" => Self::Fail(Status::DeviceError),
            "late" => Self::Late(LATE_NSEC),
            "reset" => Self::Reset,
            "short" => Self::Short(1),
            "spurious_wake" => Self::SpuriousWake,
            "stall" => Self::Stall(SOME_NSEC),
            "timeout" => Self::Timeout,
            _ => return None,
        })
    }

    /// Sets a field of the kind's own. `Ok(false)`: it has no such field.
    fn set(&mut self, field: &str, value: &str) -> Result<bool, &'static str> {
        match (self, field) {
            (Self::Corrupt { target, .. }, "target") => *target = value.parse()?,
            (Self::Corrupt { bit, .. }, "bit") => {
                *bit = Some(select::number(value, 0, u64::MAX).ok_or("bit=N, from 0")?);
            }
            (Self::Fail(status), "status") => *status = failure(value)?,
            (Self::Short(bytes), "bytes") => {
                *bytes = select::number(value, 1, u64::MAX).ok_or("bytes=N, from 1")?;
            }
            (Self::Delay(nsec) | Self::Late(nsec) | Self::Stall(nsec), "nsec") => {
                *nsec = select::number(value, 1, MAX_NSEC)
                    .ok_or("nsec=N with N from 1 to 3600000000000 (an hour)")?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// What an unknown field is answered with.
    const fn fields(self) -> &'static str {
        match self {
            Self::Corrupt { .. } => {
                "the fields target, bit; every, nth, probability, times, after, window, op, size"
            }
            Self::Fail(_) => "the fields status; every, nth, probability, times, after, window, op, size",
            Self::Short(_) => "the fields bytes; every, nth, probability, times, after, window, op, size",
            Self::Delay(_) | Self::Late(_) | Self::Stall(_) => {
                "the fields nsec; every, nth, probability, times, after, window, op, size"
            }
            _ => select::FIELDS,
        }
    }
}

impl FromStr for Target {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        match text {
            "any" => Ok(Self::Any),
            "text" => Ok(Self::Text),
            "tag" => Ok(Self::Tag),
            _ => Err("target=any, text or tag"),
        }
    }
}

fn failure(name: &str) -> Result<Status, &'static str> {
    match name {
        "device_error" => Ok(Status::DeviceError),
        "auth_failed" => Ok(Status::AuthFailed),
        "invalid_session" => Ok(Status::InvalidSession),
        "invalid_args" => Ok(Status::InvalidArgs),
        "unsupported" => Ok(Status::Unsupported),
        _ => Err("status=device_error, auth_failed, invalid_session, invalid_args or unsupported"),
    }
}

/// One rule of a fault plan: what goes wrong, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What.
    pub kind: FaultKind,
    /// When.
    pub selection: Selection,
}

impl Fault {
    /// Parses the text after `fault=`.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Value`] for the first part that does not fit, with what is allowed in its place;
    /// [`ConfigError::FieldTwice`].
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let refuse = |allowed| refused("fault", text, allowed);
        let (name, fields) = text.split_once(':').unwrap_or((text, ""));
        let kind = FaultKind::named(name.trim()).ok_or_else(|| refuse(KINDS))?;
        if let Some(field) = Selection::repeated(fields) {
            return Err(ConfigError::FieldTwice { field: field.to_owned(), fault: text.to_owned() });
        }
        let mut fault = Self { kind, selection: Selection::default() };
        for field in Selection::fields(fields) {
            let (name, value) = field.map_err(refuse)?;
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
        const ALLOWED: &str =
            "target=text with op=encrypt or decrypt, or target=tag with op=encrypt, digest or mac";
        let FaultKind::Corrupt { target, .. } = self.kind else { return Ok(()) };
        let is_had = match (target, self.selection.operation) {
            (Target::Text, Some(operation)) => matches!(operation, Operation::Encrypt | Operation::Decrypt),
            (Target::Tag, Some(operation)) => operation != Operation::Decrypt,
            (Target::Any, _) | (_, None) => true,
        };
        is_had.then_some(()).ok_or(ALLOWED)
    }
}

/// As in a configuration: `corrupt:op=encrypt,every=1000`.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let own = match self.kind {
            FaultKind::Corrupt { target, bit } => {
                let target = match target {
                    Target::Any => None,
                    Target::Text => Some("target=text".to_owned()),
                    Target::Tag => Some("target=tag".to_owned()),
                };
                target.into_iter().chain(bit.map(|bit| format!("bit={bit}"))).collect()
            }
            FaultKind::Fail(Status::DeviceError) | FaultKind::Short(1) => vec![],
            FaultKind::Fail(status) => vec![format!("status={}", status.name())],
            FaultKind::Short(bytes) => vec![format!("bytes={bytes}")],
            FaultKind::Delay(SOME_NSEC) | FaultKind::Stall(SOME_NSEC) | FaultKind::Late(LATE_NSEC) => vec![],
            FaultKind::Delay(nsec) | FaultKind::Stall(nsec) | FaultKind::Late(nsec) => {
                vec![format!("nsec={nsec}")]
            }
            _ => vec![],
        };
        f.write_str(self.kind.name())?;
        self.selection.write_after(f, &own)
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
pub struct FaultCounts(pub(crate) [u64; FaultKind::NAMES.len()]);

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

/// The rules of a plan that `keep` wants, at work. Their random streams do not depend on what is kept.
pub(crate) fn arm(faults: &[Fault], seed: u64, keep: impl Fn(FaultKind) -> bool) -> Vec<Armed> {
    let mut numbers = [0; FaultKind::NAMES.len()];
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
    /// Whether the fault happens on this occasion.
    pub(crate) fn hits(&mut self, occasion: &Occasion) -> bool {
        self.selector.hits(occasion)
    }

    /// A number below `below` from the rule's stream.
    pub(crate) fn draw(&mut self, below: u64) -> u64 {
        self.selector.draw(below)
    }
}

/// A generator of its own for a purpose: `name` and `number` tell it from the others of the same seed.
fn stream(seed: u64, name: &str, number: u32) -> ChaCha8Rng {
    let mut bytes = *b"........----fault plan of device";
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..12].copy_from_slice(&number.to_le_bytes());
    bytes[12..].iter_mut().zip(name.bytes()).for_each(|(byte, letter)| *byte = letter);
    ChaCha8Rng::from_seed(bytes)
}

fn draw(random: &mut ChaCha8Rng, below: u64) -> u64 {
    // The high half of a wide product: no modulo bias worth speaking of below 2^32.
    ((u128::from(random.next_u64()) * u128::from(below)) >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_name_and_its_place() {
        for (number, name) in FaultKind::NAMES.into_iter().enumerate() {
            let kind = FaultKind::named(name).unwrap();
            assert_eq!((kind.number(), kind.name()), (number, name));
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
            ("corrupt:target=text,op=mac", "target=text with op=encrypt or decrypt"),
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
            ("timeout:op=sign", "encrypt"),
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
