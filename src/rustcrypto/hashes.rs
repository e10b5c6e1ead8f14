//! Hash functions (FIPS 180-4).

use std::fmt;
use std::sync::OnceLock;

use cipher::AlgorithmName;
use digest::HashMarker;
use digest::consts::{U28, U32, U48, U64, U128};
use simaccel_device::{Algorithm, Hash, Operation, Parameters};

use super::default_engine;
use super::pieces::{Pieces, in_pieces};
use crate::engine::Engine;
use crate::engine::traits::Steady;
use crate::error::Error;

fn session(engine: &Engine, hash: Hash) -> Result<Steady, Error> {
    Steady::on(engine, Algorithm::Hash(hash), &[], Parameters::default())
}

/// The session of a hash function on the default engine, which all messages share. Where that engine gives
/// none, this message has one without a device, and the next one asks again.
fn session_by_default(hash: Hash, shared: &'static OnceLock<Steady>) -> Steady {
    if let Some(session) = shared.get() {
        return session.clone();
    }
    // Of two threads that are here at once, one drops its own again: a forked child would wait for a thread
    // of its parent.
    match default_engine().and_then(|engine| session(engine, hash)) {
        Ok(session) => shared.get_or_init(|| session).clone(),
        Err(_) => Steady::without_device(Algorithm::Hash(hash), &[], Parameters::default())
            .expect("a hash function has neither key nor parameters"),
    }
}

macro_rules! hashes {
    ($($name:ident, $output:ident, $block:ident: $doc:literal;)*) => {$(
        #[doc = $doc]
        #[derive(Clone)]
        pub struct $name(Pieces);

        impl $name {
            /// A message on this engine.
            ///
            /// # Errors
            /// [`Error::Forked`] in a forked child.
            pub fn on(engine: &Engine) -> Result<Self, Error> {
                Ok(Self(Pieces::new(session(engine, Hash::$name)?, Operation::Digest)))
            }
        }

        impl Default for $name {
            fn default() -> Self {
                static SHARED: OnceLock<Steady> = OnceLock::new();
                Self(Pieces::new(session_by_default(Hash::$name, &SHARED), Operation::Digest))
            }
        }

        impl HashMarker for $name {}

        in_pieces!($name, $output, $block);

        impl AlgorithmName for $name {
            fn write_alg_name(f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    )*};
}

hashes! {
    Sha224, U28, U64: "SHA-224 on the device.";
    Sha256, U32, U64: "SHA-256 on the device.";
    Sha384, U48, U128: "SHA-384 on the device.";
    Sha512, U64, U128: "SHA-512 on the device.";
    Sha512_256, U32, U128: "SHA-512/256 on the device.";
}
