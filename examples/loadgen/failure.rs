//! How a failed run ends: one line on standard error, and an exit code.

use std::io::Write;

/// Prints a line on standard error. If that fails, the exit code must suffice.
pub(crate) fn say(line: &str) {
    let _ = std::io::stderr().write_all(format!("loadgen: {line}\n").as_bytes());
}

/// Why the program stops.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The request is impossible: an option, the input or the output is at fault.
    #[error("{0}")]
    Usage(String),
    /// The run went wrong: a bad tag, a mismatch, a failing device, a report that cannot be written.
    #[error("{0}")]
    Run(String),
    /// A signal ended the run early.
    #[error("interrupted: the report is of what ran until then")]
    Interrupted,
    /// A row does not hold what was asked of it.
    #[error("{0}")]
    Threshold(String),
    /// A row is worse than the baseline.
    #[error("{0}")]
    Regression(String),
}

impl Failure {
    /// A failure that names the option and says what is allowed.
    pub(crate) fn option(name: &str, why: impl std::fmt::Display) -> Self {
        Self::Usage(format!("{name}: {why}"))
    }

    /// A failure on the way through the engine.
    pub(crate) fn engine(error: impl Into<simaccel::Error>) -> Self {
        Self::Run(error.into().to_string())
    }

    pub(crate) const fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Run(_) => 1,
            Self::Threshold(_) => 3,
            Self::Regression(_) => 4,
            Self::Interrupted => 130,
        }
    }

    /// The message without line breaks and other control characters, which a file's name may contain.
    pub(crate) fn one_line(&self) -> String {
        let escape = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
        self.to_string().chars().map(escape).collect()
    }
}
