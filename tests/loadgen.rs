//! The load generator as its users run it: a process with options, files, standard output and an exit code.
//!
//! Its output is compared with other programs: `sha256sum` and similar, `openssl enc`, `openssl dgst`.
//! OpenSSL's command line has no GCM and no XTS; these are built here from its ECB and CTR.

#[path = "../examples/loadgen/arrivals.rs"]
mod arrivals;
mod built;
#[path = "loadgen/files.rs"]
mod files;
#[path = "loadgen/keys.rs"]
mod keys;
#[path = "../examples/loadgen/latency.rs"]
mod latency;
#[path = "loadgen/load.rs"]
mod load;
#[path = "loadgen/open.rs"]
mod open;
#[path = "loadgen/options.rs"]
mod options;
#[path = "loadgen/reference.rs"]
mod reference;
#[path = "loadgen/report.rs"]
mod report;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

/// The modes in the order of the table.
const MODES: [&str; 6] = ["software", "sync", "wake-fd", "callback", "poll", "futures"];

fn program() -> PathBuf {
    built::example("loadgen")
}

/// A folder of one test, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("loadgen-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.join(name)
    }

    fn write(&self, name: impl AsRef<Path>, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    fn read(&self, name: impl AsRef<Path>) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    /// The names in the folder, sorted; a temporary file that was left behind would be one.
    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// Runs the load generator in the folder.
    fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Output {
        Command::new(program()).args(arguments).current_dir(&self.0).output().unwrap()
    }

    /// Runs it with options without blanks, and expects success.
    #[track_caller]
    fn succeed(&self, options: &str) -> Output {
        let output = self.run(&options.split_whitespace().collect::<Vec<_>>());
        assert_eq!(output.status.code(), Some(0), "{options}: {}", text(&output.stderr));
        output
    }

    /// Runs it with options without blanks, and expects this exit code and one line on standard error.
    #[track_caller]
    fn fail(&self, code: i32, options: &str) -> String {
        let output = self.run(&options.split_whitespace().collect::<Vec<_>>());
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{options}: {told}");
        assert!(output.stdout.is_empty(), "{options}: {}", text(&output.stdout));
        assert!(told.starts_with("loadgen: ") && told.ends_with('\n'), "{options}: {told}");
        assert_eq!(told.lines().count(), 1, "{options}: {told}");
        told
    }

    /// Runs another program in the folder, which must succeed, and returns its output.
    #[track_caller]
    fn tool<S: AsRef<OsStr>>(&self, name: &str, arguments: &[S]) -> Vec<u8> {
        let output = Command::new(name).args(arguments).current_dir(&self.0).output();
        let output = output.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(output.status.success(), "{name}: {}", text(&output.stderr));
        output.stdout
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|error| panic!("{error}: {}", text(bytes)))
}

/// Bytes without a pattern that a block cipher could hide.
fn sample(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(len).collect()
}

/// A key of `len` bytes, all different, in hexadecimal.
fn key(len: u8) -> String {
    hex::encode((1..=len).collect::<Vec<_>>())
}
