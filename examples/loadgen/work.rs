//! What an operation of generated load is: an algorithm, and which of its operations.
//!
//! ```text
//!   the device's table ──► Work::all ─┬─► names: --alg, --mix, --list, the help, error lines
//!                                     └─► what a lane holds, and which session runs it
//! ```
//!
//! An algorithm for bytes has one kind of load, under the algorithm's own name. One of keys has a kind for
//! each operation, under the names that OpenSSL's own benchmark has, as far as it has one: `rsa2048-sign`,
//! `ecdsa-p256-verify`, `ecdh-p256`, `x25519`, `x25519-keygen`, `ml-kem-768-decaps`.

use std::fmt;

use simaccel_device::{Algorithm, Family, KeyAlgorithm, Operation};

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Work {
    pub(crate) algorithm: Algorithm,
    pub(crate) operation: Operation,
}

impl Work {
    /// All that the device can do, in the order of its table.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        Algorithm::ALL.iter().flat_map(|&algorithm| {
            let operations = match algorithm {
                Algorithm::Key(key) => key.operations(),
                _ => &algorithm.operations()[..1],
            };
            let works = operations.iter().map(move |&operation| Self { algorithm, operation });
            works.filter(Self::is_offered)
        })
    }

    /// What an algorithm for bytes is mostly used for: the first operation of the table.
    pub(crate) const fn usual(algorithm: Algorithm) -> Self {
        Self { algorithm, operation: algorithm.operations()[0] }
    }

    /// Not those whose name would not say what is measured, nor the search for primes, which takes any time.
    fn is_offered(&self) -> bool {
        match self.algorithm {
            Algorithm::Key(KeyAlgorithm::Rsa) => false,
            Algorithm::Key(key) => (key.family(), self.operation) != (Family::Rsa, Operation::Generate),
            _ => true,
        }
    }

    /// The algorithm of its keys; `None`: it is for bytes.
    pub(crate) const fn key(self) -> Option<KeyAlgorithm> {
        match self.algorithm {
            Algorithm::Key(key) => Some(key),
            _ => None,
        }
    }

    /// What a name stands for: one of the list, or any other name of the algorithm and the operation.
    pub(crate) fn parse(name: &str) -> Result<Self, String> {
        let listed = Self::all().find(|work| work.to_string().eq_ignore_ascii_case(name));
        let found = listed.or_else(|| {
            let algorithm = name.parse().ok().filter(|algorithm| !matches!(algorithm, Algorithm::Key(_)));
            algorithm.map(Self::usual)
        });
        let found = found.or_else(|| {
            let (key, operation) = name.rsplit_once('-')?;
            let algorithm = key.parse().ok().filter(|algorithm| matches!(algorithm, Algorithm::Key(_)))?;
            let is_named = |work: &Self| {
                work.algorithm == algorithm
                    && [suffix(work.operation), work.operation.name()].contains(&operation)
            };
            Self::all().find(is_named)
        });
        found.ok_or_else(|| format!("allowed are {}", Self::names_in_short()))
    }

    /// Every name that the help lists.
    pub(crate) fn names() -> String {
        Self::all().map(|work| work.to_string()).collect::<Vec<_>>().join(", ")
    }
}

impl Work {
    /// The same for a single line: names that differ in the end stand together, as in
    /// `rsa2048-{sign,verify}`.
    fn names_in_short() -> String {
        let mut groups: Vec<(String, Vec<&str>)> = Vec::new();
        for work in Self::all() {
            let (name, end) = (work.to_string(), suffix(work.operation));
            let split = name.strip_suffix(end).and_then(|name| name.strip_suffix('-'));
            match (split, groups.last_mut()) {
                (Some(stem), Some((last, ends))) if last == stem && !ends.is_empty() => ends.push(end),
                (Some(stem), _) => groups.push((stem.to_owned(), vec![end])),
                (None, _) => groups.push((name, Vec::new())),
            }
        }
        let text = |(stem, ends): &(String, Vec<&str>)| match &ends[..] {
            [] => stem.clone(),
            [end] => format!("{stem}-{end}"),
            ends => format!("{stem}-{{{}}}", ends.join(",")),
        };
        groups.iter().map(text).collect::<Vec<_>>().join(", ")
    }
}

/// The end of a name, as OpenSSL's benchmark shortens it.
const fn suffix(operation: Operation) -> &'static str {
    match operation {
        Operation::Encapsulate => "encaps",
        Operation::Decapsulate => "decaps",
        Operation::Generate => "keygen",
        other => other.name(),
    }
}

/// As `--alg` takes it.
impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(key) = self.key() else { return f.write_str(self.algorithm.name()) };
        match (key.family(), self.operation) {
            (Family::Ec, Operation::Derive) => write!(f, "ecdh-{}", joined(key.name())),
            (Family::Ec, Operation::Sign | Operation::Verify) => {
                write!(f, "ecdsa-{}-{}", joined(key.name()), suffix(self.operation))
            }
            (Family::Rsa | Family::Ec, operation) => {
                write!(f, "{}-{}", joined(key.name()), suffix(operation))
            }
            (_, Operation::Derive) => f.write_str(key.name()),
            (_, operation) => write!(f, "{}-{}", key.name(), suffix(operation)),
        }
    }
}

/// `rsa-2048` as `rsa2048`.
fn joined(name: &str) -> String {
    name.replace('-', "")
}
