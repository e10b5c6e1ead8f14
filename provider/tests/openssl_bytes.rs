//! The bytes that the openssl command makes with the provider are those that it makes without.

mod programs;

use self::programs::openssl::{Openssl, assert_same_ciphertexts, assert_same_digests};

/// Lengths by chance, for each algorithm.
const BY_CHANCE: usize = 6;

#[test]
fn openssl_enc_makes_the_same_bytes() {
    assert_same_ciphertexts(&Openssl::system(), BY_CHANCE);
}

#[test]
fn openssl_dgst_makes_the_same_digests() {
    assert_same_digests(&Openssl::system(), BY_CHANCE);
}
