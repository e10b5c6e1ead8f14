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
mod loadgen_helpers;
#[path = "loadgen/open.rs"]
mod open;
#[path = "loadgen/options.rs"]
mod options;
#[path = "loadgen/reference.rs"]
mod reference;
#[path = "loadgen/report.rs"]
mod report;
mod scratch;

use std::ffi::OsStr;
use std::process::Output;

use self::loadgen_helpers::{json, program, text};
use self::scratch::Folder;

/// The modes in the order of the table.
const MODES: [&str; 6] = ["software", "sync", "wake-fd", "callback", "poll", "futures"];

impl Folder {
    /// Runs the load generator in the folder.
    fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Output {
        self.command(program()).args(arguments).output().unwrap()
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
        let output = self.command(name).args(arguments).output();
        let output = output.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(output.status.success(), "{name}: {}", text(&output.stderr));
        output.stdout
    }
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
