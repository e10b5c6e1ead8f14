//! `openssl speed` with private and public keys: what the command says it has done, by the rows that the
//! provider counts in.

use std::collections::BTreeMap;
use std::thread;

use super::configuration::Configuration;
use super::counters::{Counters, Operations};
use super::openssl::Openssl;
use super::run;

/// A name that `openssl speed` knows, and the algorithm whose rows have its operations.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    pub(crate) name: &'static str,
    pub(crate) algorithm: &'static str,
}

const fn measured(name: &'static str, algorithm: &'static str) -> Measured {
    Measured { name, algorithm }
}

/// Names of every release.
pub(crate) const NAMES: [Measured; 8] = [
    measured("rsa2048", "RSA"),
    measured("ecdsap256", "ECDSA"),
    measured("ecdsap384", "ECDSA"),
    measured("ecdsap521", "ECDSA"),
    measured("ecdhp256", "ECDH"),
    measured("ecdhp384", "ECDH"),
    measured("ecdhx25519", "X25519"),
    measured("ed25519", "ED25519"),
];

/// Names from OpenSSL 3.5 on.
pub(crate) const POST_QUANTUM: [Measured; 4] = [
    measured("ML-KEM-768", "ML-KEM-768"),
    measured("X25519MLKEM768", "X25519MLKEM768"),
    measured("ML-DSA-44", "ML-DSA-44"),
    measured("ML-DSA-65", "ML-DSA-65"),
];

/// The operation that a line is about.
fn operation(line: &str) -> &'static str {
    let words: [(&[&str], &str); 8] = [
        (&["keygen"], "generate"),
        (&["encaps"], "encapsulate"),
        (&["decaps"], "decapsulate"),
        (&["decrypt"], "decrypt"),
        (&["encrypt"], "encrypt"),
        (&["verify", "public RSA"], "verify"),
        (&["sign", "private RSA"], "sign"),
        (&["ops"], "derive"),
    ];
    let known = words.iter().find(|(words, _)| words.iter().any(|word| line.contains(word)));
    known.unwrap_or_else(|| panic!("which operation is this? {line}")).1
}

/// The operations that the command says it has done, by their row.
fn done(said: &str, algorithm: &str) -> BTreeMap<String, u64> {
    let mut done = BTreeMap::new();
    for line in said.lines().filter(|line| line.starts_with("Doing ")) {
        let (_, rest) = line.split_once("s: ").unwrap_or_else(|| panic!("{said}"));
        let (count, what) = rest.split_once(' ').unwrap();
        // Encapsulation by RSA is no algorithm of ours; its keys are.
        if algorithm == "RSA" && (what.contains("encaps") || what.contains("decaps")) {
            continue;
        }
        *done.entry(format!("{algorithm}/{}", operation(what))).or_default() += count.parse::<u64>().unwrap();
    }
    assert!(!done.is_empty(), "{said}");
    done
}

/// Every operation that the command has done in its jobs has paused once. What it tries before, outside of
/// jobs, is synchronous.
pub(crate) fn assert_keys_pause(openssl: &Openssl, names: &[Measured]) {
    thread::scope(|scope| {
        for &measured in names {
            scope.spawn(move || assert_pauses(openssl, measured));
        }
    });
}

fn assert_pauses(openssl: &Openssl, Measured { name, algorithm }: Measured) {
    let configuration = Configuration::new(name).key("algorithms", "private-keys");
    let mut command =
        openssl.with(&configuration, &["speed", "-elapsed", "-seconds", "1", "-async_jobs", "8"]);
    let answer = run(command.arg(name)).succeeded();
    let counters = Counters::of(&configuration, answer.pid);
    counters.assert_add_up();
    assert_eq!(counters.resumes(), counters.pauses(), "{name}: {}", counters.0);
    assert_eq!(counters.synchronous(), counters.at(&["synchronous", "no_job"]), "{name}: {}", counters.0);
    for (row, done) in done(&answer.stderr(), algorithm) {
        let Operations { pauses, .. } = counters.row(&row);
        assert!(done > 0, "{name}: {row}");
        assert_eq!(pauses, done, "{name}: {row}: {}\n{}", counters.0, answer.stderr());
    }
}
