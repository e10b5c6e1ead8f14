//! Keys by chance, here and in the `openssl` command: each imports the other's keys, and takes what the other
//! has signed, encrypted, agreed on or encapsulated.
//!
//! The system's OpenSSL has the older algorithms. The tests that need 3.5 are ignored: `.ci/applications`
//! fetches it, and `.ci/run` runs them.

mod command;
mod curves;
mod edwards;
mod key;
mod post_quantum;
mod rsa;
