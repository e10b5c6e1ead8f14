//! HMAC (RFC 2104, FIPS 198-1) with the hash functions of the device.

use cipher::KeySizeUser;
use digest::consts::{U28, U32, U48, U64, U128};
use digest::{InvalidLength, Key, KeyInit, MacMarker};
use simaccel_device::{Algorithm, Hash, Operation, Parameters};

use super::default_engine;
use super::pieces::{Pieces, in_pieces};
use crate::engine::Engine;
use crate::engine::traits::Steady;
use crate::error::Error;

fn session(engine: &Engine, hash: Hash, key: &[u8]) -> Result<Steady, Error> {
    Steady::on(engine, Algorithm::Hmac(hash), key, Parameters::default())
}

/// A session on the default engine, or without a device where there is none.
fn session_by_default(hash: Hash, key: &[u8]) -> Steady {
    default_engine()
        .and_then(|engine| session(engine, hash, key))
        .or_else(|_| Steady::without_device(Algorithm::Hmac(hash), key, Parameters::default()))
        .expect("HMAC takes keys of any length")
}

macro_rules! macs {
    ($($name:ident, $hash:ident, $output:ident, $block:ident: $doc:literal;)*) => {$(
        #[doc = $doc]
        ///
        /// `KeyInit::new` takes a key as long as a block of the hash function, `new_from_slice` one of any
        /// length.
        #[derive(Clone)]
        pub struct $name(Pieces);

        impl $name {
            /// A message on this engine; a key of any length.
            ///
            /// # Errors
            /// [`Error::Forked`] in a forked child.
            pub fn on(engine: &Engine, key: &[u8]) -> Result<Self, Error> {
                Ok(Self(Pieces::new(session(engine, Hash::$hash, key)?, Operation::Mac)))
            }
        }

        impl KeySizeUser for $name {
            type KeySize = $block;
        }

        impl KeyInit for $name {
            fn new(key: &Key<Self>) -> Self {
                Self(Pieces::new(session_by_default(Hash::$hash, key), Operation::Mac))
            }

            fn new_from_slice(key: &[u8]) -> Result<Self, InvalidLength> {
                Ok(Self(Pieces::new(session_by_default(Hash::$hash, key), Operation::Mac)))
            }
        }

        impl MacMarker for $name {}

        in_pieces!($name, $output, $block);
    )*};
}

macs! {
    HmacSha224, Sha224, U28, U64: "HMAC with SHA-224 on the device.";
    HmacSha256, Sha256, U32, U64: "HMAC with SHA-256 on the device.";
    HmacSha384, Sha384, U48, U128: "HMAC with SHA-384 on the device.";
    HmacSha512, Sha512, U64, U128: "HMAC with SHA-512 on the device.";
    HmacSha512_256, Sha512_256, U32, U128: "HMAC with SHA-512/256 on the device.";
}
