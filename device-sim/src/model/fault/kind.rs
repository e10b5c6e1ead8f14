//! The table of the device's faults: their names, fields and meanings.

use std::str::FromStr;

use crate::config::grammar;
use crate::message::status::Status;
use crate::{fault_kinds, in_words};

/// The default nanoseconds of a delay or a stall: a millisecond.
const SOME_NSEC: u64 = 1_000_000;
/// The default nanoseconds of a late completion: a second.
const LATE_NSEC: u64 = 1_000_000_000;
/// The maximum: an hour.
const MAX_NSEC: u64 = 3_600_000_000_000;

fault_kinds! {
    /// What goes wrong.
    #[non_exhaustive]
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum FaultKind {
        "busy" Busy, request, "a submission is told that the ring is full, though it is not";
        "corrupt" Corrupt {
            target: Target = Target::Any, Target::from_str,
                "`text`, `tag` (tag, MAC or digest) or `any` (default: the text where there is one)";
            bit: Option<u64> = None, a_bit, "its number, modulo the length (default: drawn from the rule's stream)";
        }, request, "one bit of the result is wrong, and the status says Ok";
        "dead" Dead, request,
            "everything in flight and all that comes ends with [`Status::DeviceDead`], until the device is reset";
        "delay" Delay { nsec: u64 = SOME_NSEC, a_time, "default 1,000,000"; }, request,
            "the request ends later; its compute unit goes on";
        "drop_wake" DropWake, request,
            "the request ends without a wake: no waker is called, no interrupt raised";
        "duplicate" Duplicate, request, "the request is completed twice";
        "fail" Fail {
            status: Status = Status::DeviceError, a_failure,
                "`device_error` (default), `auth_failed`, `invalid_session`, `invalid_args` or `unsupported`";
        }, request, "the request is not worked on and ends with a status";
        "late" Late { nsec: u64 = LATE_NSEC, a_time, "default 1,000,000,000"; }, request,
            "the request ends so much later that it was probably revoked meanwhile; its completion then hits nothing";
        "reset" Reset, request,
            "everything in flight, this request too, ends with [`Status::Reset`]; then the device goes on";
        "short" Short { bytes: u64 = 1, a_length, "default 1; all of the result where it has fewer"; }, request,
            "the end of the result is missing, and [`Request::residue`](crate::Request::residue) says how much";
        "spurious_wake" SpuriousWake, request, "its wake is sent once too often, when nothing has ended";
        "stall" Stall { nsec: u64 = SOME_NSEC, a_time, "default 1,000,000"; }, request,
            "the compute unit stops before it begins with the request";
        "timeout" Timeout, request, "the request never ends by itself";
    }
}

/// The allowed kinds, for the error about an unknown one.
pub(super) const KINDS: &str =
    in_words!("KIND:FIELD=VALUE,... with KIND ", &FaultKind::NAMES, ", ", " or ", "");

/// The part of the result that [`FaultKind::Corrupt`] changes.
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

impl Target {
    const ALL: [Self; 3] = [Self::Any, Self::Text, Self::Tag];

    const NAMES: [&'static str; Self::ALL.len()] = {
        let mut names = [""; Self::ALL.len()];
        let mut at = 0;
        while at < names.len() {
            names[at] = Self::ALL[at].name();
            at += 1;
        }
        names
    };

    const ALLOWED: &'static str = in_words!("target=", &Target::NAMES, ", ", " or ", "");

    const fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Text => "text",
            Self::Tag => "tag",
        }
    }
}

impl FromStr for Target {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        Self::ALL.into_iter().find(|target| target.name() == text).ok_or(Self::ALLOWED)
    }
}

/// The failures that a device can be made to report.
const FAILURES: [Status; 5] = [
    Status::DeviceError,
    Status::AuthFailed,
    Status::InvalidSession,
    Status::InvalidArgs,
    Status::Unsupported,
];

const FAILURE_NAMES: [&str; FAILURES.len()] = {
    let mut names = [""; FAILURES.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = FAILURES[at].name();
        at += 1;
    }
    names
};

const FAILURES_ALLOWED: &str = in_words!("status=", &FAILURE_NAMES, ", ", " or ", "");

fn a_failure(text: &str) -> Result<Status, &'static str> {
    FAILURES.into_iter().find(|status| status.name() == text).ok_or(FAILURES_ALLOWED)
}

fn a_bit(text: &str) -> Result<Option<u64>, &'static str> {
    grammar::number(text).map(Some).ok_or("bit=N, from 0")
}

fn a_length(text: &str) -> Result<u64, &'static str> {
    grammar::within(text, 1..=u64::MAX).ok_or("bytes=N, from 1")
}

fn a_time(text: &str) -> Result<u64, &'static str> {
    grammar::within(text, 1..=MAX_NSEC).ok_or("nsec=N with N from 1 to 3600000000000 (an hour)")
}

/// A value as written in a configuration.
trait Said {
    fn said(&self) -> String;
}

impl Said for u64 {
    fn said(&self) -> String {
        self.to_string()
    }
}

impl Said for Option<u64> {
    fn said(&self) -> String {
        self.map(|number| number.said()).unwrap_or_default()
    }
}

impl Said for Status {
    fn said(&self) -> String {
        self.name().to_owned()
    }
}

impl Said for Target {
    fn said(&self) -> String {
        self.name().to_owned()
    }
}
