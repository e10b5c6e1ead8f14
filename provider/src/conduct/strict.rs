//! What follows from a thing that the application does wrong.

use std::fmt;
use std::io::{Write, stderr};
use std::str::FromStr;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::counters::Violation;

/// What follows from a thing that the application does wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strict {
    /// It is counted.
    #[default]
    Off,
    /// It is counted, and the process says it in one line on its standard error, when it happens.
    Report,
    /// The same, and the process ends there, by `abort`.
    Abort,
}

impl Strict {
    /// The values, for error messages.
    pub const ALLOWED: &str = "off, report or abort";
}

/// As in a configuration.
impl fmt::Display for Strict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::Report => "report",
            Self::Abort => "abort",
        })
    }
}

impl FromStr for Strict {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Off, Self::Report, Self::Abort].into_iter().find(|one| one.to_string() == text).ok_or(())
    }
}

static STRICT: AtomicU8 = AtomicU8::new(Strict::Off as u8);

/// Sets it for the process.
pub(super) fn set(strict: Strict) {
    STRICT.store(strict as u8, Ordering::Relaxed);
}

/// Keeps the thing for readers of the counters, and says it, or ends the process.
#[cold]
pub(super) fn note(violation: &Violation) {
    violation.keep();
    let strict = STRICT.load(Ordering::Relaxed);
    if strict == Strict::Off as u8 {
        return;
    }
    let is_end = strict == Strict::Abort as u8;
    let strict = if is_end { Strict::Abort } else { Strict::Report };
    // One write, so that lines of several threads stay whole. It may have no reader.
    let line = format!("simaccel: strict={strict}: {violation}\n");
    let _ = stderr().lock().write_all(line.as_bytes());
    if is_end {
        std::process::abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_print_as_they_parse() {
        for text in ["off", "report", "abort"] {
            assert_eq!(text.parse::<Strict>().map(|strict| strict.to_string()), Ok(text.to_owned()));
            assert!(Strict::ALLOWED.contains(text));
        }
        assert_eq!("on".parse::<Strict>(), Err(()));
    }
}
