//! Ciphers: ECB, CBC, CTR, XTS and GCM, with the parameters of the default provider.
//!
//! ```text
//!   spec      what is different between the algorithms: names, lengths, mode
//!   state     an object of libcrypto: key, initialisation vector, what is held back
//!   blocks    update and final of ECB and CBC ─┐
//!   stream    update and final of CTR ─────────┼─► one request, which is by itself; the next vector computed here
//!   xts       update of XTS: a data unit ──────┤
//!   tls       records of TLS in CBC ───────────┘
//!   gcm       GCM, with the records of TLS in it
//!   params    what may be asked for and set
//!   object    what either kind of object does when libcrypto calls; plain: what ECB, CBC, CTR and XTS do
//!   entry     the functions that libcrypto calls
//! ```
//!
//! What the default provider does, in `providers/implementations/ciphers/ciphercommon.c`, is done here, with
//! one difference: an update is one request. There it may be two, of the block that was held back and of the
//! rest.

mod blocks;
mod entry;
mod gcm;
mod object;
mod params;
mod plain;
mod spec;
mod state;
mod stream;
mod tls;
mod xts;

pub(crate) use entry::{
    AES_128_CBC, AES_128_CTR, AES_128_ECB, AES_128_GCM, AES_128_XTS, AES_192_CBC, AES_192_CTR, AES_192_ECB,
    AES_192_GCM, AES_256_CBC, AES_256_CTR, AES_256_ECB, AES_256_GCM, AES_256_XTS,
};
