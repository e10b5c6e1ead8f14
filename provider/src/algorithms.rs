//! The table of algorithms, for libcrypto: operation, names, properties and functions.
//!
//! ```text
//!   TABLE: operation ── Entry: names, kinds, functions
//!      │ the kinds that `algorithms=` selects
//!      ▼
//!   Offered, one for each library context ── query_operation ──► libcrypto
//! ```
//!
//! The property `simaccel.hw` is what a configuration asks for (`default_properties = ?simaccel.hw=yes`):
//! applications that ask by `provider` themselves would override a preference by that name.

use std::ffi::{CStr, c_int};

use crate::kinds::{self, Kinds, Named};
use crate::offered::Offered;
use crate::ossl::ids::{OP_ASYM_CIPHER, OP_CIPHER, OP_DIGEST, OP_KEM, OP_KEYEXCH, OP_KEYMGMT, OP_SIGNATURE};
use crate::ossl::types::{Algorithm, Dispatch};
use crate::{asym_cipher, cipher, digest, exchange, kem, keymgmt, signature};

/// What libcrypto selects algorithms by.
const PROPERTIES: &CStr = c"provider=simaccel,simaccel.hw=yes";

/// An algorithm of an operation.
struct Entry {
    named: Named,
    functions: &'static [Dispatch],
    releases: Releases,
}

/// Which releases of libcrypto an entry is for: major and minor number.
type Releases = std::ops::Range<(u32, u32)>;

const ALL: Releases = (0, 0)..(u32::MAX, 0);
/// Those that ask signatures for whole messages.
const MESSAGES: (u32, u32) = (3, 4);

/// Entries of algorithms of one kind, whose functions have its name.
macro_rules! entries {
    ($room:ident: $($NAME:ident)+) => {
        &[$(Entry { named: kinds::$NAME.named(), functions: $room::$NAME, releases: ALL },)+]
    };
}

/// Entries of algorithms that have several kinds of operations.
macro_rules! of_keys {
    ($room:ident: $($NAME:ident)+) => {
        &[$(Entry { named: kinds::$NAME, functions: $room::$NAME, releases: ALL },)+]
    };
}

static TABLE: &[(c_int, &[Entry])] = &[
    (
        OP_CIPHER,
        entries! { cipher:
            AES_128_ECB AES_192_ECB AES_256_ECB
            AES_128_CBC AES_192_CBC AES_256_CBC
            AES_128_CTR AES_192_CTR AES_256_CTR
            AES_128_XTS AES_256_XTS
            AES_128_GCM AES_192_GCM AES_256_GCM
        },
    ),
    (OP_DIGEST, entries! { digest: SHA2_224 SHA2_256 SHA2_384 SHA2_512 }),
    (
        OP_KEYMGMT,
        of_keys! { keymgmt:
            RSA RSA_PSS EC X25519 ED25519 ML_KEM_768 X25519_ML_KEM_768 ML_DSA_44 ML_DSA_65
        },
    ),
    (OP_KEYEXCH, of_keys! { exchange: ECDH X25519 }),
    (OP_KEM, of_keys! { kem: ML_KEM_768 X25519_ML_KEM_768 }),
    (OP_ASYM_CIPHER, of_keys! { asym_cipher: RSA }),
    (
        OP_SIGNATURE,
        &[
            Entry { named: kinds::RSA, functions: signature::RSA, releases: ALL },
            Entry { named: kinds::ECDSA, functions: signature::ECDSA, releases: ALL },
            Entry { named: kinds::ED25519, functions: signature::ED25519_OLD, releases: ALL.start..MESSAGES },
            Entry { named: kinds::ED25519, functions: signature::ED25519, releases: MESSAGES..ALL.end },
            Entry { named: kinds::ML_DSA_44, functions: signature::ML_DSA_44, releases: MESSAGES..ALL.end },
            Entry { named: kinds::ML_DSA_65, functions: signature::ML_DSA_65, releases: MESSAGES..ALL.end },
        ],
    ),
];

/// The algorithms that have an operation of these kinds, for a release of libcrypto.
pub(crate) fn of_kinds(selected: Kinds, release: Option<(u32, u32)>) -> Offered {
    let release = release.unwrap_or((3, 0));
    let list = |entries: &'static [Entry]| -> Box<[Algorithm]> {
        let is_chosen =
            |entry: &&Entry| entry.named.kinds.meets(selected) && entry.releases.contains(&release);
        let chosen = entries.iter().filter(is_chosen);
        chosen.map(algorithm).chain([Algorithm::END]).collect()
    };
    Offered::new(TABLE.iter().map(|(operation, entries)| (*operation, list(entries))).collect())
}

fn algorithm(entry: &'static Entry) -> Algorithm {
    Algorithm::new(entry.named.names, PROPERTIES, entry.functions, c"on simaccel's device")
}
