//! The doctor: whether applications offload to the device, and what to do where they do not.
//!
//! ```text
//!   simaccel-stat --doctor ──► a child, with the user's environment, and a stats_file of its own
//!                                │ libcrypto and libssl, found at run time
//!                                │ library ─ configuration ─ loaded ─ wins ─ random ─ groups ─ pauses
//!                                ▼
//!                              a line for each; of one that is not as it should be also the fix
//! ```
//!
//! A child, because a library that is loaded stays, and may end its process.

mod checks;
mod libcrypto;

use std::env::{self, VarError};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// The variable that makes a process the child: the `stats_file` there.
const CHILD: &str = "SIMACCEL_STAT_DOCTOR";
/// The provider's variable.
const CONFIG: &str = "SIMACCEL_CONFIG";

/// What the user has given.
#[derive(Clone, Debug, Default)]
pub(crate) struct Patient {
    /// The provider's file.
    pub(crate) provider: Option<PathBuf>,
    pub(crate) libcrypto: Option<PathBuf>,
    pub(crate) libssl: Option<PathBuf>,
}

/// What is not as it should be, and what to do.
#[derive(Clone, Debug)]
struct Failure {
    what: String,
    fix: String,
}

impl Failure {
    fn new(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { what: what.into(), fix: fix.into() }
    }
}

/// Examines, and says what it finds: 0 where everything is as it should be, else 1.
pub(crate) fn doctor(patient: &Patient) -> ExitCode {
    if let Some(stats_file) = env::var_os(CHILD) {
        return checks::run(patient, Path::new(&stats_file));
    }
    match in_child() {
        Ok(exit) => exit,
        Err(error) => {
            crate::message(&format_args!("the doctor cannot be run: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn in_child() -> io::Result<ExitCode> {
    let folder = Folder::make()?;
    let stats_file = folder.0.join("counters");
    let config = with_variable(|variable| over(variable, &format!("stats_file={}", stats_file.display())));
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    let mut command = Command::new(env::current_exe()?);
    let status = command.args(arguments).env(CHILD, &stats_file).env(CONFIG, config).status()?;
    Ok(match status.code() {
        Some(code) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        None => {
            checks::print(&format!("FAIL  the process has ended by itself: {status}"));
            ExitCode::FAILURE
        }
    })
}

/// What becomes of the variable. Bytes that are no text stay what they are: the provider refuses them.
fn with_variable(change: impl Fn(&str) -> String) -> OsString {
    match env::var(CONFIG) {
        Err(VarError::NotUnicode(bytes)) => bytes,
        text => change(&text.unwrap_or_default()).into(),
    }
}

/// The items of both texts; those of `upper` take the place of the others with their keys.
fn over(lower: &str, upper: &str) -> String {
    let items = |text: &'_ str| -> Vec<String> {
        let items = text.split([';', '\n']).map(|item| item.trim().to_owned());
        items.filter(|item| !item.is_empty()).collect()
    };
    let key = |item: &str| item.split('=').next().unwrap_or_default().trim().to_owned();
    let upper = items(upper);
    let is_kept = |item: &String| upper.iter().all(|other| key(other) != key(item));
    let mut all: Vec<_> = items(lower).into_iter().filter(is_kept).collect();
    all.extend(upper.iter().cloned());
    all.join(";")
}

/// A folder that is removed with what is in it.
struct Folder(PathBuf);

impl Folder {
    fn make() -> io::Result<Self> {
        let path = env::temp_dir().join(format!("simaccel-doctor-{}", std::process::id()));
        // Somebody else's of this name is an error.
        let mut builder = fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::over;

    #[test]
    fn items_take_the_place_of_others_with_their_keys() {
        let lower = "stats_file = /p; fault=fail\nfault=busy; depth=8";
        assert_eq!(over(lower, "stats_file=/q"), "fault=fail;fault=busy;depth=8;stats_file=/q");
        assert_eq!(over(lower, "fault=none;x=1"), "stats_file = /p;depth=8;fault=none;x=1");
        assert_eq!(over("", "a=1"), "a=1");
    }
}
