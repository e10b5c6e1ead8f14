//! The table of algorithms, for libcrypto: operation, names, properties and functions.
//!
//! The property `simaccel.hw` is what a configuration asks for (`default_properties = ?simaccel.hw=yes`):
//! applications that ask by `provider` themselves would override a preference by that name.

use std::ffi::{CStr, c_int};

use crate::kinds::{self, Kind};
use crate::ossl::ids::{OP_CIPHER, OP_DIGEST};
use crate::ossl::types::{Algorithm, Dispatch};
use crate::{cipher, digest};

/// What libcrypto selects algorithms by.
const PROPERTIES: &CStr = c"provider=simaccel,simaccel.hw=yes";

/// Declares the table: for each operation its algorithms, whose functions have the name of the kind.
macro_rules! table {
    ($($operation:ident $List:ident $room:ident { $($NAME:ident)+ })+) => {
        $(static $List: &[Algorithm] = &[$(algorithm(kinds::$NAME, $room::$NAME),)+ Algorithm::END];)+

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
    OP_CIPHER CIPHERS cipher {
        AES_128_ECB AES_192_ECB AES_256_ECB
        AES_128_CBC AES_192_CBC AES_256_CBC
        AES_128_CTR AES_192_CTR AES_256_CTR
        AES_128_XTS AES_256_XTS
        AES_128_GCM AES_192_GCM AES_256_GCM
    }
    OP_DIGEST DIGESTS digest {
        SHA2_224 SHA2_256 SHA2_384 SHA2_512
    }
}

const fn algorithm(kind: Kind, functions: &'static [Dispatch]) -> Algorithm {
    Algorithm::new(kind.names, PROPERTIES, functions, c"on simaccel's device")
}
