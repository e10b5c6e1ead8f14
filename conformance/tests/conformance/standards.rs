//! The vectors that the standards print.

use simaccel_device::Padding;

use crate::published::rfc4231::RFC4231;
use crate::published::{AeadVector, CipherVector, FIPS180, GCM, IEEE1619, SP800_38A};
use crate::way::{AeadCall, CipherCall, Direction, Way};

/// FIPS 197, appendix C, and SP 800-38A, appendix F.
pub(crate) fn sp_800_38a<W: Way>(way: &W) {
    assert_eq!(ciphers(way, SP800_38A), 12);
}

/// IEEE 1619, annex B.
pub(crate) fn ieee_1619<W: Way>(way: &W) {
    assert_eq!(ciphers(way, IEEE1619), 8);
}

fn ciphers(way: &impl Way, vectors: &[CipherVector]) -> usize {
    for &CipherVector { source, cipher, key, iv, plaintext, ciphertext } in vectors {
        let (key, iv) = (bytes(key), bytes(iv));
        let through = |direction, text: &str| {
            let text = bytes(text);
            let call =
                CipherCall { cipher, padding: Padding::None, key: &key, direction, iv: &iv, text: &text };
            way.cipher(&call).map(hex::encode)
        };
        assert_eq!(through(Direction::Encrypt, plaintext), Ok(ciphertext.to_owned()), "{source}");
        assert_eq!(through(Direction::Decrypt, ciphertext), Ok(plaintext.to_owned()), "{source}");
    }
    vectors.len()
}

/// The test cases of the GCM submission.
pub(crate) fn gcm<W: Way>(way: &W) {
    for &AeadVector { source, aead, key, iv, aad, plaintext, ciphertext, tag } in GCM {
        let (key, iv, aad, tag) = (bytes(key), bytes(iv), bytes(aad), bytes(tag));
        let (plaintext, ciphertext) = (bytes(plaintext), bytes(ciphertext));
        let seal = AeadCall { aead, key: &key, tag_len: 16, iv: &iv, aad: &aad, text: &plaintext };
        let open = AeadCall { text: &ciphertext, ..seal };
        assert_eq!(way.seal(&seal), Ok((ciphertext.clone(), tag.clone())), "{source}");
        assert_eq!(way.open(&open, &tag), Ok(plaintext.clone()), "{source}");
    }
    assert_eq!(GCM.len(), 18);
}

/// The example messages of FIPS 180.
pub(crate) fn fips_180<W: Way>(way: &W) {
    let mut digests = 0;
    for vector in FIPS180 {
        let message = vector.message.repeat(vector.times);
        for &(hash, digest) in vector.digests {
            let found = way.digest(hash, message.as_bytes()).map(hex::encode);
            assert_eq!(found, Ok(digest.to_owned()), "{hash} of {:.9}", vector.message);
            digests += 1;
        }
    }
    assert_eq!(digests, 20);
}

/// RFC 4231, section 4.
pub(crate) fn rfc_4231<W: Way>(way: &W) {
    let mut macs = 0;
    for vector in RFC4231 {
        for &(hash, mac) in vector.macs {
            let mut found = way.mac(hash, &bytes(vector.key), &bytes(vector.message)).map(hex::encode);
            if let Ok(found) = &mut found {
                assert_eq!(found.len(), 2 * hash.digest_len());
                found.truncate(mac.len());
            }
            assert_eq!(found, Ok(mac.to_owned()), "{} {hash}", vector.source);
            macs += 1;
        }
    }
    assert_eq!(macs, 28);
}

fn bytes(hex: &str) -> Vec<u8> {
    hex::decode(hex).expect("a vector is hexadecimal")
}
