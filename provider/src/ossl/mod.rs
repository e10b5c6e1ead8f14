//! libcrypto's side: the structures and numbers of its provider interface, and the functions found in it.
//!
//! ```text
//!   core_dispatch.h ──► ids       numbers of functions and operations      core_names.h ──► keys
//!   core.h ───────────► types     OSSL_DISPATCH, OSSL_ALGORITHM, OSSL_PARAM
//!                       params    what a request for parameters asks, and what it is given
//!                       list      parameters of our own
//!   provider_init(in) ► core      functions that libcrypto passes: errors, its configuration
//!                       library   the library that has called us, and functions found in it by name
//!                       jobs      ASYNC_*, found there
//!                       default   the default provider's own functions, found there, too
//!                       object    what libcrypto keeps for us
//!                       fence     no panic leaves a function that libcrypto calls
//! ```
//!
//! Nothing here knows the engine. The numbers are the same from OpenSSL 3.0 to 4.0, which only adds some; a
//! test compares them with the installed headers.

pub(crate) mod core;
pub(crate) mod default;
pub(crate) mod fence;
pub(crate) mod ids;
pub(crate) mod jobs;
pub(crate) mod keys;
mod library;
pub(crate) mod list;
pub(crate) mod object;
pub(crate) mod params;
#[cfg(test)]
mod tests;
pub(crate) mod types;
