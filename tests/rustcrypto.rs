//! RustCrypto's traits on the device: the traits' own tests, the same generic code on RustCrypto's types and
//! on ours, what a call does in a job, and what becomes of one that the device fails.

#[path = "rustcrypto/by_software.rs"]
mod by_software;
mod captured;
mod engine_helpers;
#[path = "rustcrypto/failing.rs"]
mod failing;
#[path = "rustcrypto/signatures.rs"]
mod signatures;
#[path = "rustcrypto/vectors.rs"]
mod vectors;
#[path = "rustcrypto/waiting.rs"]
mod waiting;
