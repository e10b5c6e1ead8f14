//! simaccel as an OpenSSL provider: real applications, whose operations pause on the simulated device.
//!
//! ```text
//!   libcrypto ── OSSL_provider_init ──► instance, one for each library context     algorithms: the one table
//!      │                                                                                 │
//!      └── EVP_* ── dispatch ──► a folder an operation: its parameters and state ◄───────┘
//!                                     │ buffers copied, state by value
//!                                     ▼
//!                               accelerator: the process's engine ──► simaccel::Engine ──► device
//!                                     ▲                                   │
//!      ASYNC_pause_job ◄──────── pausing: libcrypto's jobs ◄──────────────┘
//!
//!   beside them   context: how every operation reports, copies and frees  config: openssl.cnf, SIMACCEL_CONFIG
//!                 ossl: libcrypto's structures, numbers and functions     theirs: a context of the default provider
//!                 counters: a mapped file, read by simaccel-stat          conduct: what the application does wrong
//! ```
//!
//! The library is not linked to libcrypto: it finds the functions that it needs in the one that has loaded
//! it.
//!
//! # What holds for every operation
//!
//! - The device touches memory of the request only. Input is copied before, output after; so an application
//!   may free everything while a job is paused.
//! - Nothing is locked or borrowed over a pause. What an operation refers to lies in its
//!   `pausing` record, which the wait context frees if the job is never resumed.
//! - A key lies in the object of libcrypto that it was set in. A forked child prepares it again for its own
//!   device.

#[cfg(not(target_pointer_width = "64"))]
compile_error!("the provider needs pointers of 64 bits");

mod accelerator;
mod algorithms;
mod asym_cipher;
mod capabilities;
mod cipher;
#[doc(hidden)]
pub mod conduct;
mod config;
mod context;
#[doc(hidden)]
pub mod counters;
mod digest;
mod error;
mod exchange;
mod init;
mod instance;
mod kem;
mod keymgmt;
mod kinds;
mod md;
mod offered;
mod ossl;
mod pausing;
mod random;
mod signature;
mod theirs;

pub use init::OSSL_provider_init;
