//! The commands, and the files that they read and write.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, fs, process};

use crate::words;

/// One release's command, with a folder for its files, which is removed at the end.
#[derive(Debug)]
pub(crate) struct Openssl {
    words: Vec<PathBuf>,
    folder: PathBuf,
}

impl Openssl {
    /// The system's.
    pub(crate) fn system() -> Self {
        Self::new(vec!["openssl".into()])
    }

    /// OpenSSL 3.5, of the next Debian.
    pub(crate) fn next() -> Self {
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        let run = package.parent().unwrap().join("target/applications/next/run");
        assert!(run.exists(), "{} is missing: run .ci/applications", run.display());
        Self::new(vec![run, "openssl".into()])
    }

    fn new(words: Vec<PathBuf>) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("simaccel-keys-{}-{number}", process::id()));
        fs::create_dir(&folder).unwrap();
        Self { words, folder }
    }

    /// A file with these bytes.
    pub(crate) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// What was written to a file, which is gone then.
    pub(crate) fn written(&self, name: &str) -> Vec<u8> {
        let path = self.folder.join(name);
        let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        fs::remove_file(path).unwrap();
        bytes
    }

    /// The name of a file that a command is to write.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Standard output of a command that succeeds.
    #[track_caller]
    pub(crate) fn output(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Vec<u8> {
        let (command, output) = self.run(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {command:?}: {said}");
        output.stdout
    }

    /// Whether a command that compares a signature takes it.
    #[track_caller]
    pub(crate) fn verifies(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> bool {
        let (command, output) = self.run(arguments);
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        let (right, wrong) = (said.contains("Verified Successfully"), said.contains("Verification Failure"));
        assert!(right != wrong && right == output.status.success(), "openssl {command:?}: {said}");
        right
    }

    /// What a private key signs, with these options of `pkeyutl`.
    #[track_caller]
    pub(crate) fn signed(&self, private: &Path, input: &Path, options: &[&str]) -> Vec<u8> {
        self.output(
            words!["pkeyutl", "-sign", "-inkey", private, "-in", input].into_iter().chain(own(options)),
        )
    }

    /// Whether a public key takes a signature, with these options of `pkeyutl`.
    #[track_caller]
    pub(crate) fn takes(&self, public: &Path, input: &Path, signature: &[u8], options: &[&str]) -> bool {
        let signature = self.file("signature", signature);
        let start =
            words!["pkeyutl", "-verify", "-pubin", "-inkey", public, "-in", input, "-sigfile", signature];
        self.verifies(start.into_iter().chain(own(options)))
    }

    /// The secret of two keys.
    #[track_caller]
    pub(crate) fn derived(&self, private: &Path, peer: &Path) -> Vec<u8> {
        self.output(words!["pkeyutl", "-derive", "-inkey", private, "-peerkey", peer])
    }

    fn run(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> (Vec<OsString>, Output) {
        let arguments: Vec<OsString> =
            arguments.into_iter().map(|argument| argument.as_ref().to_owned()).collect();
        let mut command = Command::new(&self.words[0]);
        command.args(&self.words[1..]).args(&arguments).env_remove("OPENSSL_CONF");
        let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        (arguments, output)
    }
}

fn own<'a>(options: &'a [&str]) -> impl Iterator<Item = OsString> + 'a {
    options.iter().map(OsString::from)
}

impl Drop for Openssl {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.folder).unwrap();
    }
}

/// Arguments of several types.
#[macro_export]
macro_rules! words {
    ($($word:expr),+ $(,)?) => {
        [$(std::ffi::OsStr::new(&$word).to_owned()),+]
    };
}
