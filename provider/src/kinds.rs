//! The algorithms: their names, and sets of them.
//!
//! Names are those of the default provider, because libcrypto merges what has a name in common.

use std::ffi::CStr;

use crate::counters::Row;

/// An algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    number: u8,
    /// Separated by colons.
    pub(crate) names: &'static CStr,
    /// Where its operations are counted.
    pub(crate) row: Row,
}

/// A set of algorithms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Names(u64);

/// Declares a constant for each, with its first name and its others.
macro_rules! kinds {
    ($($NAME:ident $name:literal $others:literal;)+) => {
        /// The number of each.
        #[expect(non_camel_case_types, reason = "named after the constants")]
        enum Number { $($NAME,)+ }

        $(pub(crate) const $NAME: Kind = Kind {
            number: Number::$NAME as u8,
            names: {
                // Names of algorithms have no zero in them.
                match CStr::from_bytes_with_nul(concat!($name, $others, "\0").as_bytes()) {
                    Ok(names) => names,
                    Err(_) => panic!(),
                }
            },
            row: match Row::named($name) {
                Some(row) => row,
                None => Row::OTHER,
            },
        };)+

        const ALL: &[Kind] = &[$($NAME,)+];
    };
}

kinds! {
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

/// The algorithm that has this name, in any case.
pub(crate) fn named(name: &str) -> Option<Kind> {
    let is = |kind: &Kind| {
        let names = kind.names.to_str().unwrap_or_default();
        names.split(':').any(|known| known.eq_ignore_ascii_case(name))
    };
    ALL.iter().copied().find(is)
}

impl Names {
    pub(crate) const fn has(self, kind: Kind) -> bool {
        self.0 >> kind.number & 1 != 0
    }
}

impl FromIterator<Kind> for Names {
    fn from_iter<T: IntoIterator<Item = Kind>>(kinds: T) -> Self {
        Self(kinds.into_iter().fold(0, |names, kind| names | 1 << kind.number))
    }
}
