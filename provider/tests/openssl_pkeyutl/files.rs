//! Keys and messages in files, and the command on them, with the provider and without.

use std::cell::Cell;
use std::fs;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;

use super::programs::certificates::REQUEST;
use super::programs::configuration::Configuration;
use super::programs::counters::Counters;
use super::programs::openssl::Openssl;
use super::programs::{Answer, run, succeeds};

/// A private key and its public one, in PEM.
pub(crate) struct Key {
    pub(crate) private: String,
    pub(crate) public: String,
}

pub(crate) struct Files<'a> {
    openssl: &'a Openssl,
    configuration: Configuration,
    keys: Cell<usize>,
}

impl<'a> Files<'a> {
    pub(crate) fn new(openssl: &'a Openssl) -> Self {
        Self { openssl, configuration: Configuration::new("pkeyutl"), keys: Cell::new(0) }
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.configuration.folder.join(name).to_str().unwrap().to_owned()
    }

    /// Writes a file. Returns its path.
    pub(crate) fn file(&self, name: &str, content: &[u8]) -> String {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// A message in a file: the first one is empty.
    pub(crate) fn message(&self, number: usize) -> String {
        let mut random = ChaCha12Rng::seed_from_u64(number as u64);
        let length = number.min(1) * random.random_range(1..10_000);
        let message: Vec<u8> = (0..length).map(|_| random.random()).collect();
        self.file("message", &message)
    }

    /// A key that the default provider has made: its algorithm, and its parameters.
    pub(crate) fn key(&self, kind: &[&str]) -> Key {
        self.made(kind, |arguments| drop(self.without(arguments)))
    }

    /// A key that was made with the provider.
    pub(crate) fn key_made_with(&self, kind: &[&str], row: &str) -> Key {
        self.made(kind, |arguments| drop(self.with(arguments, row)))
    }

    fn made(&self, kind: &[&str], run: impl Fn(&[&str])) -> Key {
        let number = self.keys.replace(self.keys.get() + 1);
        let (private, public) = (self.path(&format!("{number}.key")), self.path(&format!("{number}.pub")));
        let parameters = kind[1..].iter().flat_map(|parameter| ["-pkeyopt", parameter]);
        let words = ["genpkey", "-algorithm", kind[0], "-out", &private];
        run(&words.into_iter().chain(parameters).collect::<Vec<_>>());
        self.without(&["pkey", "-in", &private, "-pubout", "-out", &public]);
        Key { private, public }
    }

    /// A configuration by which `openssl req` makes a certificate.
    pub(crate) fn request_for_a_certificate(&self) -> String {
        self.file("request.cnf", REQUEST.as_bytes())
    }

    pub(crate) fn without(&self, arguments: &[&str]) -> Vec<u8> {
        succeeds(&mut self.openssl.without(arguments))
    }

    /// Runs a command with the provider, in which the row counts an operation, if there is a row.
    #[track_caller]
    pub(crate) fn with(&self, arguments: &[&str], row: &str) -> Vec<u8> {
        self.counted(arguments, row).succeeded().output.stdout
    }

    /// The same where the command has to say no.
    #[track_caller]
    pub(crate) fn refused_with(&self, arguments: &[&str], row: &str) {
        let answer = self.counted(arguments, row);
        assert_eq!(
            answer.output.status.code(),
            Some(1),
            "{arguments:?}: {}{}",
            answer.stdout(),
            answer.stderr()
        );
    }

    #[track_caller]
    fn counted(&self, arguments: &[&str], row: &str) -> Answer {
        let answer = run(&mut self.openssl.with(&self.configuration, arguments));
        let file = self.configuration.counters_file(answer.pid);
        let counters = Counters::read(&file);
        fs::remove_file(&file).unwrap();
        counters.assert_add_up();
        assert_eq!(counters.pauses(), 0, "{arguments:?}: {}", counters.0);
        if !row.is_empty() {
            assert_eq!(counters.row(row).all, 1, "{arguments:?}, {row}: {}{}", answer.stderr(), counters.0);
        }
        answer
    }
}

impl Drop for Files<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            fs::remove_dir_all(&self.configuration.folder).unwrap();
        }
    }
}
