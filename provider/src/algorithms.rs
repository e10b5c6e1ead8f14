//! The one table of algorithms: operation, names, properties and functions.
//!
//! Names are those of the default provider, because libcrypto merges what has a name in common. The property
//! `simaccel.hw` is what a configuration asks for (`default_properties = ?simaccel.hw=yes`): applications
//! that ask by `provider` themselves would override a preference by that name.

use std::ffi::{CStr, c_int};

use crate::cipher;
use crate::counters::Row;
use crate::digest;
use crate::ossl::ids::{OP_CIPHER, OP_DIGEST};
use crate::ossl::types::{Algorithm, Dispatch};

/// What libcrypto selects algorithms by.
const PROPERTIES: &CStr = c"provider=simaccel,simaccel.hw=yes";

/// An algorithm: its number in the table, and its names, separated by colons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    number: u8,
    names: &'static str,
    /// Where its operations are counted.
    pub(crate) row: Row,
}

/// A set of algorithms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Names(u64);

/// Declares the table: for each operation its algorithms, with a constant for each.
macro_rules! table {
    ($($operation:ident $List:ident { $($NAME:ident $name:literal $others:literal $functions:path;)+ })+) => {
        /// The number of each.
        #[expect(non_camel_case_types, reason = "named after the constants")]
        enum Number { $($($NAME,)+)+ }

        /// Each algorithm.
        pub(crate) mod kinds {
            use super::{Kind, Number, Row};

            $($(pub(crate) const $NAME: Kind = Kind {
                number: Number::$NAME as u8,
                names: concat!($name, $others),
                row: match Row::named($name) {
                    Some(row) => row,
                    None => Row::OTHER,
                },
            };)+)+
        }

        const ALL: &[Kind] = &[$($(kinds::$NAME,)+)+];

        $(static $List: &[Algorithm] = &[
            $(algorithm(
                {
                    // Names of algorithms have no zero in them.
                    match CStr::from_bytes_with_nul(concat!($name, $others, "\0").as_bytes()) {
                        Ok(names) => names,
                        Err(_) => panic!(),
                    }
                },
                $functions,
            ),)+
            Algorithm::END,
        ];)+

        /// The algorithms of an operation; null where there are none.
        pub(crate) fn of(operation: c_int) -> *const Algorithm {
            match operation {
                $($operation => $List.as_ptr(),)+
                _ => std::ptr::null(),
            }
        }
    };
}

table! {
    OP_CIPHER CIPHERS {
    AES_128_ECB "AES-128-ECB" ":2.16.840.1.101.3.4.1.1" cipher::AES_128_ECB;
    AES_192_ECB "AES-192-ECB" ":2.16.840.1.101.3.4.1.21" cipher::AES_192_ECB;
    AES_256_ECB "AES-256-ECB" ":2.16.840.1.101.3.4.1.41" cipher::AES_256_ECB;
    AES_128_CBC "AES-128-CBC" ":AES128:2.16.840.1.101.3.4.1.2" cipher::AES_128_CBC;
    AES_192_CBC "AES-192-CBC" ":AES192:2.16.840.1.101.3.4.1.22" cipher::AES_192_CBC;
    AES_256_CBC "AES-256-CBC" ":AES256:2.16.840.1.101.3.4.1.42" cipher::AES_256_CBC;
    AES_128_CTR "AES-128-CTR" "" cipher::AES_128_CTR;
    AES_192_CTR "AES-192-CTR" "" cipher::AES_192_CTR;
    AES_256_CTR "AES-256-CTR" "" cipher::AES_256_CTR;
    AES_128_XTS "AES-128-XTS" ":1.3.111.2.1619.0.1.1" cipher::AES_128_XTS;
    AES_256_XTS "AES-256-XTS" ":1.3.111.2.1619.0.1.2" cipher::AES_256_XTS;
    AES_128_GCM "AES-128-GCM" ":id-aes128-GCM:2.16.840.1.101.3.4.1.6" cipher::AES_128_GCM;
    AES_192_GCM "AES-192-GCM" ":id-aes192-GCM:2.16.840.1.101.3.4.1.26" cipher::AES_192_GCM;
    AES_256_GCM "AES-256-GCM" ":id-aes256-GCM:2.16.840.1.101.3.4.1.46" cipher::AES_256_GCM;
    }
    OP_DIGEST DIGESTS {
    SHA2_224 "SHA2-224" ":SHA-224:SHA224:2.16.840.1.101.3.4.2.4" digest::SHA2_224;
    SHA2_256 "SHA2-256" ":SHA-256:SHA256:2.16.840.1.101.3.4.2.1" digest::SHA2_256;
    SHA2_384 "SHA2-384" ":SHA-384:SHA384:2.16.840.1.101.3.4.2.2" digest::SHA2_384;
    SHA2_512 "SHA2-512" ":SHA-512:SHA512:2.16.840.1.101.3.4.2.3" digest::SHA2_512;
    }
}

const fn algorithm(names: &'static CStr, functions: &'static [Dispatch]) -> Algorithm {
    Algorithm::new(names, PROPERTIES, functions, c"on simaccel's device")
}

/// The algorithm that has this name, in any case.
pub(crate) fn named(name: &str) -> Option<Kind> {
    ALL.iter().copied().find(|kind| kind.names.split(':').any(|known| known.eq_ignore_ascii_case(name)))
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
