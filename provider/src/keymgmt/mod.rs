//! Keys: the objects that libcrypto has of us, for RSA, RSA-PSS, EC, X25519, Ed25519, ML-KEM-768,
//! X25519MLKEM768 and ML-DSA.
//!
//! ```text
//!   PEM, certificate ─► the default provider decodes ─► its EXPORT ──► IMPORT ─┐
//!   EVP_PKEY_fromdata ───────────────────────────────────────────────► IMPORT ─┤
//!   EVP_PKEY_generate, ephemeral keys of TLS ────────────────────────► GEN ────┼─► KeyObject ─► Held
//!   a peer's public value ─► DUP, NEW ─► SET_PARAMS(encoded-pub-key) ──────────┘      │
//!                                                                                     ├─ Ours: Key, on the device
//!   signature, asym_cipher, exchange, kem ◄── INIT ◄──────────────────────────────────┴─ Theirs: the default's object
//! ```
//!
//! libcrypto asks by the name of an algorithm, never for one key. So there are keys here that the device does
//! not have: of other curves, of more than two primes. They are objects of the default provider inside of
//! ours, and what is done with them is done by it, without a pause.
//!
//! Names, parameters and their values are those of the default provider. Generating a key is an operation,
//! and pauses; everything else here computes at once: it reads numbers, and checks that they are a key.

mod curve;
mod describe;
mod ec;
mod entry;
mod generate;
mod halves;
mod key;
mod object;
mod parts;
mod pss;
mod raw;
mod refusal;
mod rsa;
mod selection;
mod spec;
mod theirs;

pub(crate) use curve::Curve;
pub(crate) use entry::{
    EC, ED25519, ML_DSA_44, ML_DSA_65, ML_KEM_768, RSA, RSA_PSS, X25519, X25519_ML_KEM_768, held,
};
pub(crate) use key::Key;
pub(crate) use object::Held;
pub(crate) use theirs::TheirKey;
