//! Signatures: RSA (PKCS#1 v1.5, PSS), ECDSA, Ed25519, ML-DSA.
//!
//! ```text
//!   EVP_DigestSign*, EVP_PKEY_sign, verify ──► entry: libcrypto's calls, the same for all
//!                                                │
//!      scheme: what a scheme is asked ◄──────────┤
//!        ├ rsa ─ ecdsa ─ eddsa ─ ml_dsa          ├──► Work ──► the device: one operation, one pause
//!        ├ params, algid: what is set and told   │
//!        └ Hashing: messages, by the processor   └──► Theirs: a context of the default provider, for what the
//!                                                     device does not have; told what was said so far
//! ```
//!
//! Names, parameters, results and what follows what are those of the default provider, in
//! `providers/implementations/signature` of OpenSSL 4.0. A query for the size of a signature never reaches
//! the device.

mod algid;
mod ecdsa;
mod eddsa;
mod entry;
mod ml_dsa;
mod params;
mod rsa;
mod scheme;
mod tables;
mod told;

pub(crate) use tables::{ECDSA, ED25519, ED25519_OLD, ML_DSA_44, ML_DSA_65, RSA};
