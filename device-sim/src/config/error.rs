//! Errors in a configuration.

use std::fmt;

/// A key or value that the device does not accept; one line that says what it accepts.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A field of a fault, or of an entry of `service`, comes more than once.
    #[error("{key}={}: {} is given twice: once is allowed", Shown(value), Shown(field))]
    FieldTwice {
        /// `fault` or `service`.
        key: &'static str,
        /// The field's name, as given.
        field: String,
        /// The value of the key, as given.
        value: String,
    },
    /// A file that a value names cannot be read.
    #[error("{key}={}: the file {} cannot be read: {reason}", Shown(value), Shown(path))]
    File {
        /// The key, whose value names the file.
        key: &'static str,
        /// As given.
        value: String,
        /// As given.
        path: String,
        /// As the operating system says it.
        reason: String,
    },
    /// A line of a file that a value names does not fit.
    #[error("{key}={}: line {line} of {} is {}: must be {allowed}", Shown(value), Shown(path), Shown(text))]
    Line {
        /// The key, whose value names the file.
        key: &'static str,
        /// As given.
        value: String,
        /// The file, as given.
        path: String,
        /// From 1.
        line: usize,
        /// The line, without its comment.
        text: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// A key comes more than once.
    #[error("{} is given twice: once is allowed, of all keys but operation, service and fault", Shown(key))]
    KeyTwice {
        /// As given.
        key: String,
    },
    /// There is no such key.
    #[error("unknown key {}: the keys are {known}", Shown(key))]
    UnknownKey {
        /// As given.
        key: String,
        /// All keys there are, separated by commas.
        known: String,
    },
    /// The value does not fit the key.
    #[error("{key}={}: must be {allowed}", Shown(value))]
    Value {
        /// One of the keys.
        key: &'static str,
        /// As given.
        value: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// An item of the text is not `key=value`.
    #[error("{} is not key=value", Shown(part))]
    Syntax {
        /// As given.
        part: String,
    },
}

/// A given text as a message repeats it: on one line, and truncated where it is long.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a>(pub &'a str);

/// How many characters are repeated.
const SHOWN: usize = 60;

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars().take(SHOWN) {
            if c.is_control() { write!(f, "{}", c.escape_default())? } else { write!(f, "{c}")? }
        }
        match self.0.chars().count() {
            0 => f.write_str("(nothing)"),
            count if count > SHOWN => write!(f, "... ({count} characters)"),
            _ => Ok(()),
        }
    }
}
