//! The traits' own tests, on their own vectors (`data/README.md`). They construct by the traits, so on the
//! default engine.

use cipher::consts::{U16, U24, U32};
use digest::dev::{feed_rand_16mib, fixed_reset_test, fixed_test, mac_test, reset_mac_test};
use digest::{Digest, Update};
use simaccel::rustcrypto::{
    Aes128, Aes128Gcm, Aes192, Aes256, Aes256Gcm, AesCtr, CbcDecryptor, CbcEncryptor, HmacSha224, HmacSha256,
    HmacSha384, HmacSha512, Sha224, Sha256, Sha384, Sha512, Sha512_256, default_engine,
};

cipher::block_cipher_test!(aes128, "aes128", Aes128);
cipher::block_cipher_test!(aes192, "aes192", Aes192);
cipher::block_cipher_test!(aes256, "aes256", Aes256);

// RustCrypto's own modes, on our blocks.
cipher::block_mode_test!(cbc_of_blocks_encrypts, "aes128-cbc", cbc::Encryptor<Aes128>, encrypt);
cipher::block_mode_test!(cbc_of_blocks_decrypts, "aes128-cbc", cbc::Decryptor<Aes128>, decrypt);
cipher::stream_cipher_test!(ctr_of_blocks, "aes256-ctr", ctr::Ctr128BE<Aes256>);

cipher::block_mode_test!(aes128_cbc_encrypts, "aes128-cbc", CbcEncryptor<U16>, encrypt);
cipher::block_mode_test!(aes192_cbc_encrypts, "aes192-cbc", CbcEncryptor<U24>, encrypt);
cipher::block_mode_test!(aes256_cbc_encrypts, "aes256-cbc", CbcEncryptor<U32>, encrypt);
cipher::block_mode_test!(aes128_cbc_decrypts, "aes128-cbc", CbcDecryptor<U16>, decrypt);
cipher::block_mode_test!(aes192_cbc_decrypts, "aes192-cbc", CbcDecryptor<U24>, decrypt);
cipher::block_mode_test!(aes256_cbc_decrypts, "aes256-cbc", CbcDecryptor<U32>, decrypt);
cipher::iv_state_test!(cbc_encryption_goes_on_with_its_iv, CbcEncryptor<U32>, encrypt);
cipher::iv_state_test!(cbc_decryption_goes_on_with_its_iv, CbcDecryptor<U32>, decrypt);

cipher::stream_cipher_test!(aes128_ctr, "aes128-ctr", AesCtr<U16>);
cipher::stream_cipher_test!(aes256_ctr, "aes256-ctr", AesCtr<U32>);
cipher::stream_cipher_seek_test!(aes128_ctr_seeks, AesCtr<U16>);
cipher::stream_cipher_seek_test!(aes192_ctr_seeks, AesCtr<U24>);

aead::new_pass_test!(aes128_gcm, "aes-gcm-wycheproof-128_pass", Aes128Gcm);
aead::new_fail_test!(aes128_gcm_refuses, "aes-gcm-wycheproof-128_fail", Aes128Gcm);
aead::new_pass_test!(aes256_gcm, "aes-gcm-wycheproof-256_pass", Aes256Gcm);
aead::new_fail_test!(aes256_gcm_refuses, "aes-gcm-wycheproof-256_fail", Aes256Gcm);

digest::new_test!(sha224_kat, Sha224, fixed_reset_test);
digest::new_test!(sha256_kat, Sha256, fixed_reset_test);
digest::new_test!(sha384_kat, Sha384, fixed_reset_test);
digest::new_test!(sha512_kat, Sha512, fixed_reset_test);
digest::new_test!(sha512_256_kat, Sha512_256, fixed_test);

digest::new_mac_test!(hmac_sha224_rfc4231, HmacSha224, reset_mac_test);
digest::new_mac_test!(hmac_sha256_rfc4231, HmacSha256, reset_mac_test);
digest::new_mac_test!(hmac_sha384_rfc4231, HmacSha384, reset_mac_test);
digest::new_mac_test!(hmac_sha512_rfc4231, HmacSha512, reset_mac_test);
digest::new_mac_test!(hmac_sha256_wycheproof, HmacSha256, mac_test, trunc_left);
digest::new_mac_test!(hmac_sha384_wycheproof, HmacSha384, mac_test, trunc_left);
digest::new_mac_test!(hmac_sha512_wycheproof, HmacSha512, mac_test, trunc_left);

/// Sixteen megabytes in pieces that fit nothing.
#[test]
fn a_long_message_in_odd_pieces() {
    fn fed<D: Digest + Update>() -> Vec<u8> {
        let mut digest = D::new();
        feed_rand_16mib(&mut digest);
        digest.finalize().to_vec()
    }
    assert_eq!(fed::<Sha256>(), fed::<sha2::Sha256>());
    assert_eq!(fed::<Sha512_256>(), fed::<sha2::Sha512_256>());
}

/// The tests above would pass in software, too.
#[test]
fn the_default_engine_has_done_it() {
    let before = default_engine().unwrap().stats().device.total.completed;
    assert_eq!(Sha256::digest(b"abc")[..], sha2::Sha256::digest(b"abc")[..]);
    let stats = default_engine().unwrap().stats();
    assert!(stats.device.total.completed > before, "{stats:?}");
    assert_eq!(stats.fallbacks, 0, "{stats:?}");
}
