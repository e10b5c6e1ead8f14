//! Encryption with RSA: PKCS#1 v1.5, OAEP, no padding, and the premaster secret of TLS.
//!
//! ```text
//!   EVP_PKEY_encrypt, decrypt ──► entry ──► Rsa: padding, digests, label, versions ──► Work ──► the device
//!                                   └─────► Theirs: keys and hash functions that the device does not have
//! ```
//!
//! Names, parameters and results are those of the default provider, in
//! `providers/implementations/asymciphers/rsa_enc.c` of OpenSSL 4.0. Which padding was wrong, and whether one
//! was, is not told by what follows it here: the device makes a text up in place of an error
//! (`implicit-rejection`), or a random premaster secret.

mod entry;
mod rsa;

pub(crate) use entry::RSA;
