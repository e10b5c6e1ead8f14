//! A folder of one test, and the load generator in it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

pub(crate) fn program() -> PathBuf {
    crate::built::example("loadgen")
}

/// Removed at the end.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("loadgen-output-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        let path = self.path(name);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// The names in the folder, sorted; a temporary file that was left behind would be one.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// The load generator with options without blanks, to be run in the folder.
    pub(crate) fn command(&self, options: &str) -> Command {
        let mut command = Command::new(program());
        command.args(options.split_whitespace()).current_dir(&self.0);
        command
    }

    /// Runs it, and expects this exit code.
    #[track_caller]
    pub(crate) fn end(&self, code: i32, options: &str) -> Output {
        let output = self.command(options).output().unwrap();
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{options}: {told}\n{}", text(&output.stdout));
        output
    }

    #[track_caller]
    pub(crate) fn succeed(&self, options: &str) -> Output {
        self.end(0, options)
    }

    /// Runs it, and expects this exit code, one line on standard error, and nothing else.
    #[track_caller]
    pub(crate) fn refuse(&self, code: i32, options: &str) -> String {
        let output = self.end(code, options);
        let told = text(&output.stderr);
        assert!(output.stdout.is_empty(), "{options}: {}", text(&output.stdout));
        assert!(told.starts_with("loadgen: ") && told.lines().count() == 1, "{options}: {told}");
        told
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(crate) fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|error| panic!("{error}: {}", text(bytes)))
}
