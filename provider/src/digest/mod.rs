//! Digests: SHA2.
