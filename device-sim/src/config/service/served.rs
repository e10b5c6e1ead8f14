//! The requests that an entry of `service` is for.

use std::fmt;

use crate::in_words;
use crate::message::algorithm::{Aead, Algorithm, Cipher, Hash};
use crate::message::call::is_name;
use crate::message::operation::Operation;

/// Some requests, by what they are. Of several entries that could serve a request, the most specific one
/// does: a name comes before an algorithm's operation, then the algorithm, the operation, and all.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Served {
    /// `all`
    All,
    /// `digest`: every request with this operation.
    Operation(Operation),
    /// `sha256`, by any name that OpenSSL has for it.
    Algorithm(Algorithm),
    /// `aes-128-gcm/encrypt`
    AlgorithmOperation(Algorithm, Operation),
    /// The calls of a name that the configuration declares. A name that an algorithm or an operation has
    /// means that.
    Call(String),
}

const WHAT: &str = in_words!(
    "WHAT:FIELD=VALUE with an algorithm, ",
    &[Operation::LISTED],
    "",
    "",
    ", ALGORITHM/OPERATION, a NAME that operation=NAME declares, or all as WHAT"
);
const HAS: &str = "ALGORITHM/OPERATION with an operation that the algorithm has";
/// What is said of a name that is not declared.
pub(in crate::config) const DECLARED: &str = in_words!(
    "of an algorithm, ",
    &[Operation::LISTED],
    "",
    "",
    ", ALGORITHM/OPERATION, all, or a NAME that operation=NAME declares"
);

impl Served {
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        if text == "all" {
            return Ok(Self::All);
        }
        if let Ok(operation) = text.parse() {
            return Ok(Self::Operation(operation));
        }
        // Some algorithms have names with a slash.
        if let Ok(algorithm) = text.parse() {
            return Ok(Self::Algorithm(algorithm));
        }
        if let Some((algorithm, operation)) = text.rsplit_once('/') {
            let algorithm: Algorithm = algorithm.trim().parse().map_err(|_| WHAT)?;
            let operation: Operation = operation.trim().parse().map_err(|_| WHAT)?;
            let has = algorithm.operations().contains(&operation);
            return has.then_some(Self::AlgorithmOperation(algorithm, operation)).ok_or(HAS);
        }
        if is_name(text) { Ok(Self::Call(text.to_owned())) } else { Err(WHAT) }
    }

    /// Whether it could serve a request.
    pub(crate) fn serves(
        &self,
        operation: Operation,
        algorithm: Option<Algorithm>,
        name: Option<&str>,
    ) -> bool {
        match self {
            Self::All => true,
            Self::Operation(served) => *served == operation,
            Self::Algorithm(served) => algorithm == Some(*served),
            Self::AlgorithmOperation(of, served) => algorithm == Some(*of) && *served == operation,
            Self::Call(served) => name == Some(served),
        }
    }

    /// The higher, the more specific.
    pub(crate) const fn rank(&self) -> u8 {
        match self {
            Self::All => 0,
            Self::Operation(_) => 1,
            Self::Algorithm(_) => 2,
            Self::AlgorithmOperation(..) => 3,
            Self::Call(_) => 4,
        }
    }
}

/// As in a configuration.
impl fmt::Display for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Operation(operation) => operation.fmt(f),
            Self::Algorithm(algorithm) => algorithm.fmt(f),
            Self::AlgorithmOperation(algorithm, operation) => write!(f, "{algorithm}/{operation}"),
            Self::Call(name) => f.write_str(name),
        }
    }
}

impl From<Operation> for Served {
    fn from(operation: Operation) -> Self {
        Self::Operation(operation)
    }
}

impl From<Algorithm> for Served {
    fn from(algorithm: Algorithm) -> Self {
        Self::Algorithm(algorithm)
    }
}

impl From<(Algorithm, Operation)> for Served {
    fn from((algorithm, operation): (Algorithm, Operation)) -> Self {
        Self::AlgorithmOperation(algorithm, operation)
    }
}

impl From<Cipher> for Served {
    fn from(cipher: Cipher) -> Self {
        Self::Algorithm(cipher.into())
    }
}

impl From<Aead> for Served {
    fn from(aead: Aead) -> Self {
        Self::Algorithm(aead.into())
    }
}

/// The hash function alone, not under HMAC.
impl From<Hash> for Served {
    fn from(hash: Hash) -> Self {
        Self::Algorithm(Algorithm::Hash(hash))
    }
}
