//! Real programs with the provider in them: a configuration, a certificate, a server on a free port, and the
//! counters that the run leaves.
//!
//! ```text
//!   Configuration ---> openssl.cnf ---> OPENSSL_CONF of a Program ---> the provider that cargo has built
//!                 \--> stats_file ----------------------------------------> FILE.<pid>
//!                                                                               |
//!   test <------- counters(..) <------- simaccel-stat --json FILE.<pid> <-------'
//! ```
#![allow(dead_code, reason = "each test file uses a part of this")]

pub(crate) mod applications;
pub(crate) mod certificates;
pub(crate) mod clients;
pub(crate) mod configuration;
pub(crate) mod counters;
pub(crate) mod key_speed;
pub(crate) mod openssl;
pub(crate) mod s_client;
pub(crate) mod servers;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, fs, io};

/// The provider's library that cargo has built for this test.
pub(crate) fn provider() -> PathBuf {
    let path = stat().parent().unwrap().join("deps").join("libsimaccel_provider.so");
    assert!(path.exists(), "{} was not built", path.display());
    path
}

/// The command that reads counters.
pub(crate) fn stat() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_simaccel-stat"))
}

/// An empty folder for this test.
pub(crate) fn scratch(name: &str) -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let unique = format!("{name}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(unique);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// A command that knows no OpenSSL configuration but what a test gives it.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for name in ["OPENSSL_CONF", "OPENSSL_MODULES", "OPENSSL_ENGINES", "SIMACCEL_CONFIG", "LD_PRELOAD"] {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}

/// What a command has answered, in words that a test can look into.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) pid: u32,
    pub(crate) output: Output,
}

impl Answer {
    pub(crate) fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    /// Fails the test unless the command has succeeded.
    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        assert!(self.output.status.success(), "{}\n{}\n{}", self.output.status, self.stdout(), self.stderr());
        self
    }
}

/// Runs a command to its end, whatever that is.
pub(crate) fn run(command: &mut Command) -> Answer {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.unwrap_or_else(|error| panic!("{}", cannot_run(command, &error)));
    let pid = child.id();
    Answer { pid, output: child.wait_with_output().unwrap() }
}

/// Runs a command that has to succeed. Returns its output.
#[track_caller]
pub(crate) fn succeeds(command: &mut Command) -> Vec<u8> {
    run(command).succeeded().output.stdout
}

/// Compiles a program of `tests/c` against libcrypto, with all warnings as errors.
pub(crate) fn compiled(source: &str, libraries: &[&str]) -> PathBuf {
    let program = scratch(source).join("program");
    let mut compiler = command("cc");
    compiler.args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-g", "-O1", "-pthread", "-D_GNU_SOURCE"]);
    compiler.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/c").join(source));
    succeeds(compiler.arg("-o").arg(&program).args(libraries));
    program
}

/// Why a test has no result, with what brings the program.
pub(crate) fn cannot_run(command: &Command, error: &io::Error) -> String {
    let program = command.get_program().display();
    format!("{program} cannot be run ({error}): .ci/applications gets the programs of the ignored tests")
}

/// A file that `.ci/applications` has fetched or built.
pub(crate) fn fetched(file: &str) -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = package.parent().unwrap().join("target/applications").join(file);
    assert!(path.exists(), "{} is missing: run .ci/applications", path.display());
    path
}
