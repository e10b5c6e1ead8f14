//! Names of algorithms, parsed and printed.

use std::fmt;
use std::str::FromStr;

use crate::message::algorithm::{Aead, Algorithm, Cipher, Hash};
use crate::message::key_algorithm::KeyAlgorithm;

/// No algorithm of that kind has that name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not one of the {kind} here: {}", known.join(", "))]
pub struct UnknownName {
    given: String,
    kind: &'static str,
    known: Vec<&'static str>,
}

impl UnknownName {
    /// The known names; each algorithm's main one.
    pub fn known(&self) -> &[&'static str] {
        &self.known
    }
}

macro_rules! named {
    ($($algorithm:ident: $kind:literal),+) => {$(
        impl fmt::Display for $algorithm {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }

        impl $algorithm {
            fn find(given: &str) -> Option<Self> {
                let is_called = |known: &Self| {
                    same(known.name(), given) || known.aliases().iter().any(|alias| same(alias, given))
                };
                Self::ALL.iter().copied().find(is_called)
            }

            fn unknown(given: &str) -> UnknownName {
                let known = Self::ALL.iter().map(|known| known.name()).collect();
                UnknownName { given: given.to_owned(), kind: $kind, known }
            }
        }
    )+};
}

named!(
    Cipher: "ciphers",
    Aead: "AEADs",
    Hash: "hash functions",
    KeyAlgorithm: "algorithms of private keys",
    Algorithm: "algorithms"
);

macro_rules! parsed {
    ($($algorithm:ident),+) => {$(
        /// Accepts every name that OpenSSL has for it, in upper or lower case.
        impl FromStr for $algorithm {
            type Err = UnknownName;

            fn from_str(given: &str) -> Result<Self, UnknownName> {
                Self::find(given).ok_or_else(|| Self::unknown(given))
            }
        }
    )+};
}

parsed!(Cipher, Aead, Hash, KeyAlgorithm);

/// Accepts every name that OpenSSL has for it, in upper or lower case; for HMAC also `HMAC-` and any name of
/// the hash function.
impl FromStr for Algorithm {
    type Err = UnknownName;

    fn from_str(given: &str) -> Result<Self, UnknownName> {
        let by_hash = || {
            let (prefix, hash) = given.split_at_checked("hmac-".len())?;
            if same(prefix, "hmac-") { Hash::find(hash).map(Self::Hmac) } else { None }
        };
        Self::find(given).or_else(by_hash).ok_or_else(|| Self::unknown(given))
    }
}

/// Whether two names are equal: letters in upper or lower case, and `/` for `-`, which OpenSSL uses for each
/// other.
fn same(name: &str, other: &str) -> bool {
    let folded = |byte: u8| if byte == b'/' { b'-' } else { byte.to_ascii_lowercase() };
    name.bytes().map(folded).eq(other.bytes().map(folded))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// In any case.
    fn parses<T: FromStr + PartialEq + fmt::Debug>(name: &str, expected: &T) {
        for name in [name.to_owned(), name.to_lowercase(), name.to_uppercase()] {
            assert_eq!(name.parse().ok().as_ref(), Some(expected), "{name}");
        }
    }

    #[test]
    fn names_and_aliases_parse_to_their_algorithm() {
        for &algorithm in Algorithm::ALL {
            for name in [&[algorithm.name()], algorithm.aliases()].concat() {
                parses(name, &algorithm);
                match algorithm {
                    Algorithm::Cipher(cipher) => parses(name, &cipher),
                    Algorithm::Aead(aead) => parses(name, &aead),
                    Algorithm::Hash(hash) => parses(name, &hash),
                    Algorithm::Key(key) => parses(name, &key),
                    Algorithm::Hmac(_) | Algorithm::Trial(_) => {}
                }
            }
            assert_eq!(algorithm.to_string(), algorithm.name());
            assert_eq!(format!("{algorithm:>20}").len(), 20);
        }
        for &hash in Hash::ALL {
            for name in [&[hash.name()], hash.aliases()].concat() {
                parses(&format!("hmac-{name}"), &Algorithm::Hmac(hash));
            }
        }
    }

    #[test]
    fn no_two_algorithms_share_a_name() {
        let names = Algorithm::ALL.iter().flat_map(|known| [&[known.name()], known.aliases()].concat());
        let names: Vec<String> = names.map(str::to_lowercase).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        assert!(Algorithm::ALL.iter().all(|known| known.name() == known.name().to_lowercase()));
    }

    #[test]
    fn every_kind_is_part_of_the_whole() {
        let ciphers = Cipher::ALL.iter().copied().map(Algorithm::Cipher);
        let aeads = Aead::ALL.iter().copied().map(Algorithm::Aead);
        let hashes = Hash::ALL.iter().copied().map(Algorithm::Hash);
        let hmacs = Hash::ALL.iter().copied().map(Algorithm::Hmac);
        let keys = KeyAlgorithm::ALL.iter().copied().map(Algorithm::Key);
        let all: Vec<_> = ciphers.chain(aeads).chain(hashes).chain(hmacs).chain(keys).collect();
        assert_eq!(all, Algorithm::ALL);
        for &hash in Hash::ALL {
            assert_eq!(Algorithm::Hmac(hash).name(), format!("hmac-{hash}"));
        }
    }

    #[test]
    fn names_of_openssl_parse() {
        for name in ["SHA256", "sha2-256", "SHA-256"] {
            assert_eq!(name.parse(), Ok(Hash::Sha256));
        }
        for name in ["SHA512-256", "SHA2-512/256", "SHA-512/256", "sha512/256"] {
            assert_eq!(name.parse(), Ok(Hash::Sha512_256));
        }
        assert_eq!("AES256".parse(), Ok(Cipher::Aes256Cbc));
        assert_eq!("id-aes192-GCM".parse(), Ok(Aead::Aes192Gcm));
        assert_eq!("2.16.840.1.101.3.4.1.2".parse(), Ok(Algorithm::Cipher(Cipher::Aes128Cbc)));
        assert_eq!("HMAC-SHA2-384".parse(), Ok(Algorithm::Hmac(Hash::Sha384)));
    }

    #[test]
    fn unknown_names_say_what_is_known() {
        let error = "aes-512-ecb".parse::<Cipher>().unwrap_err().to_string();
        assert!(error.contains("\"aes-512-ecb\"") && error.contains("aes-256-xts"), "{error}");
        assert!(!error.contains("gcm"), "{error}");
        for unknown in ["", "sha", "hmac-", "hmac-sha1", "hmacsha256", "aes-128-cb", "aes-128-cbcc", "hmäc-x"]
        {
            let error = unknown.parse::<Algorithm>().unwrap_err();
            assert_eq!(error.known().len(), Algorithm::ALL.len());
        }
        assert!("sha".parse::<Hash>().is_err());
        assert!("aes-128-gcm".parse::<Cipher>().is_err());
        assert!("hmac-sha256".parse::<Hash>().is_err());
    }
}
