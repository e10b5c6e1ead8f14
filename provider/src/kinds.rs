//! The kinds of operations: what is counted in one row, and what a configuration selects by name.
//!
//! ```text
//!   AES-128-CBC                one kind: an algorithm without a private key
//!   RSA ──► RSA/sign, RSA/decrypt, ...      a kind for each operation of a private or public key
//!   EC  ──► EC/generate, ECDSA, ECDH        what keys of these curves do
//!   symmetric, private-keys, all            words for sets of them
//! ```
//!
//! Names are those of the default provider, because libcrypto merges what has a name in common.

use std::ffi::CStr;

use crate::counters::Row;

/// A kind of operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    number: u8,
    /// Separated by colons.
    names: &'static CStr,
    /// Where its operations are counted.
    pub(crate) row: Row,
}

/// A set of kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kinds(u64);

/// An algorithm as libcrypto knows it, and the kinds of its operations.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Named {
    /// Separated by colons.
    pub(crate) names: &'static CStr,
    pub(crate) kinds: Kinds,
}

/// Declares the algorithms. One without operations is one kind; for the others there is a constant of each
/// operation's kind.
macro_rules! kinds {
    (
        symmetric { $($NAME:ident $name:literal $others:literal;)+ }
        $($KEY:ident $key:literal $aliases:literal { $($KIND:ident $operation:literal)+ })+
    ) => {
        /// The number of each.
        #[expect(non_camel_case_types, reason = "named after the constants")]
        enum Number { $($NAME,)+ $($($KIND,)+)+ }

        $(pub(crate) const $NAME: Kind = Kind {
            number: Number::$NAME as u8,
            names: text(concat!($name, $others, "\0")),
            row: row($name),
        };)+
        $($(pub(crate) const $KIND: Kind = Kind {
            number: Number::$KIND as u8,
            names: text(concat!($key, "/", $operation, "\0")),
            row: row(concat!($key, "/", $operation)),
        };)+
        pub(crate) const $KEY: Named =
            Named { names: text(concat!($key, $aliases, "\0")), kinds: Kinds::of(&[$($KIND),+]) };)+

        const SYMMETRIC: &[Kind] = &[$($NAME,)+];
        const OF_KEYS: &[Kind] = &[$($($KIND,)+)+];
        const KEYS: &[Named] = &[$($KEY,)+];
    };
}

kinds! {
    symmetric {
        AES_128_ECB "AES-128-ECB" ":2.16.840.1.101.3.4.1.1";
        AES_192_ECB "AES-192-ECB" ":2.16.840.1.101.3.4.1.21";
        AES_256_ECB "AES-256-ECB" ":2.16.840.1.101.3.4.1.41";
        AES_128_CBC "AES-128-CBC" ":AES128:2.16.840.1.101.3.4.1.2";
        AES_192_CBC "AES-192-CBC" ":AES192:2.16.840.1.101.3.4.1.22";
        AES_256_CBC "AES-256-CBC" ":AES256:2.16.840.1.101.3.4.1.42";
        AES_128_CTR "AES-128-CTR" "";
        AES_192_CTR "AES-192-CTR" "";
        AES_256_CTR "AES-256-CTR" "";
        AES_128_XTS "AES-128-XTS" ":1.3.111.2.1619.0.1.1";
        AES_256_XTS "AES-256-XTS" ":1.3.111.2.1619.0.1.2";
        AES_128_GCM "AES-128-GCM" ":id-aes128-GCM:2.16.840.1.101.3.4.1.6";
        AES_192_GCM "AES-192-GCM" ":id-aes192-GCM:2.16.840.1.101.3.4.1.26";
        AES_256_GCM "AES-256-GCM" ":id-aes256-GCM:2.16.840.1.101.3.4.1.46";
        SHA2_224 "SHA2-224" ":SHA-224:SHA224:2.16.840.1.101.3.4.2.4";
        SHA2_256 "SHA2-256" ":SHA-256:SHA256:2.16.840.1.101.3.4.2.1";
        SHA2_384 "SHA2-384" ":SHA-384:SHA384:2.16.840.1.101.3.4.2.2";
        SHA2_512 "SHA2-512" ":SHA-512:SHA512:2.16.840.1.101.3.4.2.3";
    }
    RSA "RSA" ":rsaEncryption:1.2.840.113549.1.1.1" {
        RSA_GENERATE "generate"
        RSA_SIGN "sign"
        RSA_VERIFY "verify"
        RSA_ENCRYPT "encrypt"
        RSA_DECRYPT "decrypt"
    }
    EC_ALONE "EC" ":id-ecPublicKey:1.2.840.10045.2.1" { EC_GENERATE "generate" }
    ECDSA "ECDSA" "" {
        ECDSA_SIGN "sign"
        ECDSA_VERIFY "verify"
    }
    ECDH "ECDH" "" { ECDH_DERIVE "derive" }
    X25519 "X25519" ":1.3.101.110" {
        X25519_GENERATE "generate"
        X25519_DERIVE "derive"
    }
    ED25519 "ED25519" ":1.3.101.112" {
        ED25519_GENERATE "generate"
        ED25519_SIGN "sign"
        ED25519_VERIFY "verify"
    }
    ML_KEM_768 "ML-KEM-768" ":MLKEM768:id-alg-ml-kem-768:2.16.840.1.101.3.4.4.2" {
        ML_KEM_768_GENERATE "generate"
        ML_KEM_768_ENCAPSULATE "encapsulate"
        ML_KEM_768_DECAPSULATE "decapsulate"
    }
    X25519_ML_KEM_768 "X25519MLKEM768" "" {
        X25519_ML_KEM_768_GENERATE "generate"
        X25519_ML_KEM_768_ENCAPSULATE "encapsulate"
        X25519_ML_KEM_768_DECAPSULATE "decapsulate"
    }
    ML_DSA_44 "ML-DSA-44" ":MLDSA44:2.16.840.1.101.3.4.3.17:id-ml-dsa-44" {
        ML_DSA_44_GENERATE "generate"
        ML_DSA_44_SIGN "sign"
        ML_DSA_44_VERIFY "verify"
    }
    ML_DSA_65 "ML-DSA-65" ":MLDSA65:2.16.840.1.101.3.4.3.18:id-ml-dsa-65" {
        ML_DSA_65_GENERATE "generate"
        ML_DSA_65_SIGN "sign"
        ML_DSA_65_VERIFY "verify"
    }
}

/// RSA keys whose parameters of PSS are part of the key.
pub(crate) const RSA_PSS: Named =
    Named { names: c"RSA-PSS:RSASSA-PSS:1.2.840.113549.1.1.10", kinds: RSA.kinds };

/// Keys of elliptic curves, for whatever they do.
pub(crate) const EC: Named =
    Named { names: EC_ALONE.names, kinds: EC_ALONE.kinds.and(ECDSA.kinds).and(ECDH.kinds) };

/// The row of a kind; every kind has one.
const fn row(name: &str) -> Row {
    match Row::named(name) {
        Some(row) => row,
        None => panic!(),
    }
}

/// Names, with their end.
const fn text(names: &'static str) -> &'static CStr {
    match CStr::from_bytes_with_nul(names.as_bytes()) {
        Ok(names) => names,
        Err(_) => panic!(),
    }
}

/// The kinds that have this name, in any case: a word for a set, an algorithm, or one of its operations.
pub(crate) fn named(name: &str) -> Option<Kinds> {
    match name {
        "all" => return Some(Kinds::of(SYMMETRIC).and(Kinds::of(OF_KEYS))),
        "symmetric" => return Some(Kinds::of(SYMMETRIC)),
        "private-keys" => return Some(Kinds::of(OF_KEYS)),
        _ => {}
    }
    // EC is more than the entry of its own name.
    let keys = [EC, RSA_PSS].into_iter().chain(KEYS.iter().copied());
    let each = keys.chain(SYMMETRIC.iter().chain(OF_KEYS).map(|kind| kind.named()));
    let has_name = |named: &Named| {
        let names = named.names.to_str().unwrap_or_default();
        names.split(':').any(|known| known.eq_ignore_ascii_case(name))
    };
    let mut found = each.filter(has_name);
    found.next().map(|named| named.kinds)
}

impl Kinds {
    const fn of(kinds: &[Kind]) -> Self {
        let (mut set, mut index) = (0, 0);
        while index < kinds.len() {
            set |= 1 << kinds[index].number;
            index += 1;
        }
        Self(set)
    }

    /// Those of both.
    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn has(self, kind: Kind) -> bool {
        self.0 >> kind.number & 1 != 0
    }

    /// Whether they have a kind in common.
    pub(crate) const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl Kind {
    /// An algorithm of one kind.
    pub(crate) const fn named(&self) -> Named {
        Named { names: self.names, kinds: Kinds::of(&[*self]) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_an_algorithm_one_of_its_operations_or_a_word_for_many() {
        assert_eq!(named("rsa/SIGN"), Some(RSA_SIGN.named().kinds));
        assert_eq!(named("rsaEncryption"), Some(RSA.kinds));
        assert_eq!(named("RSASSA-PSS"), Some(RSA.kinds));
        assert_eq!(named("ec"), named("id-ecPublicKey"));
        assert!(named("EC").is_some_and(|ec| ec.has(ECDSA_SIGN) && ec.has(ECDH_DERIVE)));
        assert!(named("ECDSA").is_some_and(|ecdsa| !ecdsa.has(EC_GENERATE) && !ecdsa.has(ECDH_DERIVE)));
        let both = named("symmetric").zip(named("private-keys"));
        assert!(both.is_some_and(|(symmetric, keys)| !symmetric.meets(keys)));
        assert_eq!(both.map(|(symmetric, keys)| symmetric.and(keys)), named("all"));
        assert_eq!(named("RSA/derive"), None);
    }

    #[test]
    fn every_kind_has_a_row_and_a_number_of_its_own() {
        let all: Vec<_> = SYMMETRIC.iter().chain(OF_KEYS).collect();
        for (index, kind) in all.iter().enumerate() {
            assert_eq!((usize::from(kind.number), kind.row.index()), (index, index), "{kind:?}");
        }
        assert!(all.len() <= 64);
    }
}
