//! The openssl commands of several releases, and what is asked of each of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;

use super::configuration::Configuration;
use super::counters::Counters;
use super::{Answer, command, fetched, run, succeeds};

/// Ciphers whose updates are one operation each.
pub(crate) const CIPHERS: [&str; 14] = [
    "aes-128-ecb",
    "aes-192-ecb",
    "aes-256-ecb",
    "aes-128-cbc",
    "aes-192-cbc",
    "aes-256-cbc",
    "aes-128-ctr",
    "aes-192-ctr",
    "aes-256-ctr",
    "aes-128-xts",
    "aes-256-xts",
    "aes-128-gcm",
    "aes-192-gcm",
    "aes-256-gcm",
];
pub(crate) const DIGESTS: [&str; 4] = ["sha224", "sha256", "sha384", "sha512"];

const MODES: [&str; 3] = ["ecb", "cbc", "ctr"];
const KEY_BITS: [usize; 3] = [128, 192, 256];

/// One release's command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Openssl {
    words: Vec<PathBuf>,
    is_four: bool,
}

impl Openssl {
    /// The system's.
    pub(crate) fn system() -> Self {
        Self { words: vec!["openssl".into()], is_four: false }
    }

    /// Whether a call on a connection that has failed resumes the job that sends its alert. OpenSSL 4.0
    /// refuses the call instead.
    pub(crate) fn resumes_after_failure(&self) -> bool {
        !self.is_four
    }

    /// OpenSSL 3.5, of the next Debian.
    pub(crate) fn next() -> Self {
        Self { words: vec![fetched("next/run"), "openssl".into()], is_four: false }
    }

    /// OpenSSL 4.0, with shared libraries.
    pub(crate) fn four() -> Self {
        Self { words: vec![fetched("openssl-4/openssl")], is_four: true }
    }

    /// OpenSSL 4.0 in one file, in which a provider finds no functions.
    pub(crate) fn four_static() -> Self {
        Self { words: vec![fetched("openssl-4/openssl-static")], is_four: true }
    }

    fn arguments(&self, mut command: Command, arguments: &[&str]) -> Command {
        command.args(&self.words[1..]).args(arguments);
        command
    }

    /// The command with the provider.
    pub(crate) fn with(&self, configuration: &Configuration, arguments: &[&str]) -> Command {
        self.arguments(configuration.program(&self.words[0]), arguments)
    }

    /// The command alone.
    pub(crate) fn without(&self, arguments: &[&str]) -> Command {
        self.arguments(command(&self.words[0]), arguments)
    }
}

/// A second of `openssl speed` in eight jobs. The algorithm comes last, since it is fetched when it is read.
pub(crate) fn speed(command: &mut Command, algorithm: &str) -> Answer {
    command.args(["-elapsed", "-seconds", "1", "-bytes", "1024", "-async_jobs", "8", "-evp", algorithm]);
    run(command)
}

/// The operations that `openssl speed` says it has done.
#[track_caller]
pub(crate) fn done(answer: &Answer) -> u64 {
    let said = answer.stderr();
    let counts = said.lines().filter_map(|line| line.split_once(" size blocks: "));
    let counts: Vec<u64> =
        counts.filter_map(|(_, rest)| rest.split(' ').next().and_then(|count| count.parse().ok())).collect();
    assert_eq!(counts.len(), 1, "{said}");
    counts[0]
}

/// What `openssl speed` and the provider have counted for one algorithm.
pub(crate) struct Counted {
    pub(crate) algorithm: &'static str,
    pub(crate) done: u64,
    pub(crate) counters: Counters,
}

/// Runs all algorithms at once, since the time that `openssl speed` takes is no work.
pub(crate) fn counted(openssl: &Openssl, algorithms: &[&'static str]) -> Vec<Counted> {
    let one = |algorithm: &'static str| {
        let configuration = Configuration::new(algorithm).key("never_pause", "none");
        let answer = speed(&mut openssl.with(&configuration, &["speed"]), algorithm).succeeded();
        Counted { algorithm, done: done(&answer), counters: Counters::of(&configuration, answer.pid) }
    };
    thread::scope(|scope| {
        let runs: Vec<_> = algorithms.iter().map(|&name| scope.spawn(move || one(name))).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    })
}

/// Every update of a cipher is one operation, and pauses once.
pub(crate) fn assert_ciphers_pause(openssl: &Openssl) {
    for Counted { algorithm, done, counters } in counted(openssl, &CIPHERS) {
        counters.assert_all_paused();
        assert_ne!(done, 0, "{algorithm}");
        assert_eq!(counters.operations(), done, "{algorithm}: {}", counters.0);
        assert_eq!(counters.at(&["bytes"]), done * 1024, "{algorithm}");
    }
}

/// A digest is one operation or more, and each pauses once.
pub(crate) fn assert_digests_pause(openssl: &Openssl) {
    for Counted { algorithm, done, counters } in counted(openssl, &DIGESTS) {
        counters.assert_all_paused();
        assert_ne!(done, 0, "{algorithm}");
        assert!(counters.operations() >= done, "{algorithm}: {done} {}", counters.0);
        assert!(counters.at(&["bytes"]) >= done * 1024, "{algorithm}");
    }
}

/// Lengths at the edges of blocks and of the command's buffers, and some by chance.
fn lengths(random: &mut ChaCha12Rng, by_chance: usize) -> Vec<usize> {
    let mut lengths = vec![0, 1, 15, 16, 17, 8_191, 8_192, 8_193];
    lengths.extend((0..by_chance).map(|_| random.random_range(0..200_000)));
    lengths
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(random: &mut ChaCha12Rng, length: usize) -> Vec<u8> {
    (0..length).map(|_| random.random()).collect()
}

/// Runs one command with the provider and without, on files of its own.
struct Compared<'a> {
    openssl: &'a Openssl,
    configuration: Configuration,
}

impl Compared<'_> {
    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let file = self.configuration.folder.join(name);
        fs::write(&file, content).unwrap();
        file
    }

    /// With the provider, which has to have done operations.
    #[track_caller]
    fn with(&self, arguments: &[&str], input: &Path) -> Vec<u8> {
        let mut openssl = self.openssl.with(&self.configuration, arguments);
        let answer = run(openssl.stdin(fs::File::open(input).unwrap())).succeeded();
        Counters::of(&self.configuration, answer.pid).assert_none_paused();
        fs::remove_file(self.configuration.counters_file(answer.pid)).unwrap();
        answer.output.stdout
    }

    #[track_caller]
    fn without(&self, arguments: &[&str], input: &Path) -> Vec<u8> {
        succeeds(self.openssl.without(arguments).stdin(fs::File::open(input).unwrap()))
    }
}

/// `openssl enc` makes the bytes that it makes without the provider, and reads them.
pub(crate) fn assert_same_ciphertexts(openssl: &Openssl, by_chance: usize) {
    let mut random = ChaCha12Rng::seed_from_u64(1);
    let compared = Compared { openssl, configuration: Configuration::new("enc") };
    for (mode, bits) in MODES.into_iter().flat_map(|mode| KEY_BITS.map(|bits| (mode, bits))) {
        let cipher = format!("-aes-{bits}-{mode}");
        let (key, iv) = (hex(&bytes(&mut random, bits / 8)), hex(&bytes(&mut random, 16)));
        let mut encrypting = vec!["enc", &cipher, "-K", &key];
        if mode != "ecb" {
            encrypting.extend(["-iv", &iv]);
        }
        let decrypting = [encrypting.as_slice(), &["-d"]].concat();
        for length in lengths(&mut random, by_chance) {
            if mode == "ctr" && length == 0 {
                continue; // nothing is encrypted
            }
            let message = bytes(&mut random, length);
            let plain = compared.file("plain", &message);
            let expected = compared.without(&encrypting, &plain);
            let got = compared.with(&encrypting, &plain);
            assert!(got == expected, "{cipher}, {length} bytes");
            let opened = compared.with(&decrypting, &compared.file("sealed", &got));
            assert!(opened == message, "{cipher}, {length} bytes, decrypted");
        }
    }
}

/// `openssl dgst` says what it says without the provider, with a key (an HMAC) and without.
pub(crate) fn assert_same_digests(openssl: &Openssl, by_chance: usize) {
    let mut random = ChaCha12Rng::seed_from_u64(2);
    let compared = Compared { openssl, configuration: Configuration::new("dgst") };
    for digest in DIGESTS.map(|digest| format!("-{digest}")) {
        for length in lengths(&mut random, by_chance) {
            let input = compared.file("input", &bytes(&mut random, length));
            for arguments in [&["dgst", &digest][..], &["dgst", &digest, "-hmac", "a key"]] {
                let (got, expected) = (compared.with(arguments, &input), compared.without(arguments, &input));
                assert_eq!(got, expected, "{arguments:?}, {length} bytes");
            }
        }
    }
}
