//! Keys of both sides, and our own as files for the other side.

use std::path::PathBuf;

use simaccel::Engine;
use simaccel_device::{KeyAlgorithm, PrivateKey, PrivateParts, PublicKey};

use crate::command::Openssl;
use crate::words;

/// A key that both sides have.
#[derive(Debug)]
pub(crate) struct Both {
    pub(crate) key: PrivateKey,
    pub(crate) private: PathBuf,
    pub(crate) public: PathBuf,
}

/// A key that OpenSSL has made, with these options of `genpkey`, and imported.
#[track_caller]
pub(crate) fn theirs(openssl: &Openssl, name: &str, options: &[&str]) -> Both {
    let pem = openssl.output([&["genpkey"], options].concat());
    let key = PrivateKey::from_pem(text(&pem)).unwrap_or_else(|error| panic!("{options:?}: {error}"));
    let both = files(openssl, name, &pem, key);
    let der = openssl.output(words!["pkcs8", "-topk8", "-nocrypt", "-in", both.private, "-outform", "DER"]);
    let other = PrivateKey::from_pkcs8_der(&der).unwrap();
    assert_eq!(other.public_key(), both.key.public_key(), "{}", text(&pem));
    both
}

/// A key that we have made, written, and read by OpenSSL.
#[track_caller]
pub(crate) fn ours(openssl: &Openssl, name: &str, engine: &Engine, algorithm: KeyAlgorithm) -> Both {
    written(openssl, name, engine.generate_key(algorithm).unwrap())
}

/// The same with a key that is there.
#[track_caller]
pub(crate) fn written(openssl: &Openssl, name: &str, key: PrivateKey) -> Both {
    let der = openssl.file("ours.der", pkcs8(&key));
    let pem = openssl.output(words!["pkey", "-in", der, "-inform", "DER"]);
    let again = PrivateKey::from_pem(text(&pem)).unwrap();
    assert_eq!(again.public_key(), key.public_key(), "{}", text(&pem));
    files(openssl, name, &pem, key)
}

/// Both files; what OpenSSL says is the public key has to be ours.
#[track_caller]
fn files(openssl: &Openssl, name: &str, pem: &[u8], key: PrivateKey) -> Both {
    let private = openssl.file(&format!("{name}.pem"), pem);
    let public = openssl.output(words!["pkey", "-in", private, "-pubout"]);
    assert_eq!(PublicKey::from_pem(text(&public)), Ok(key.public_key()), "{}", text(pem));
    let der = openssl.output(words!["pkey", "-in", private, "-pubout", "-outform", "DER"]);
    assert_eq!(PublicKey::from_spki_der(&der), Ok(key.public_key()), "{}", text(pem));
    let public = openssl.file(&format!("{name}.pub.pem"), public);
    Both { key, private, public }
}

pub(crate) fn text(pem: &[u8]) -> &str {
    std::str::from_utf8(pem).expect("PEM is text")
}

/// A private key in PKCS#8, written by hand.
fn pkcs8(key: &PrivateKey) -> Vec<u8> {
    let oid = |digits: &str| tlv(0x06, &hex::decode(digits).unwrap());
    let ec = oid("2a8648ce3d0201");
    let algorithm = match key.algorithm() {
        KeyAlgorithm::P256 => [ec, oid("2a8648ce3d030107")].concat(),
        KeyAlgorithm::P384 => [ec, oid("2b81040022")].concat(),
        KeyAlgorithm::P521 => [ec, oid("2b81040023")].concat(),
        KeyAlgorithm::X25519 => oid("2b656e"),
        KeyAlgorithm::Ed25519 => oid("2b6570"),
        KeyAlgorithm::MlKem768 => oid("608648016503040402"),
        KeyAlgorithm::MlDsa44 => oid("608648016503040311"),
        KeyAlgorithm::MlDsa65 => oid("608648016503040312"),
        KeyAlgorithm::Rsa2048 | KeyAlgorithm::Rsa3072 | KeyAlgorithm::Rsa4096 | KeyAlgorithm::Rsa => {
            [oid("2a864886f70d010101"), tlv(0x05, &[])].concat()
        }
        other => panic!("{other} has no PKCS#8"),
    };
    let version = |number| tlv(0x02, &[number]);
    let key = match key.parts() {
        PrivateParts::Rsa(numbers) => {
            let parts: [&[u8]; 8] = [
                &numbers.n,
                &numbers.e,
                &numbers.d,
                &numbers.p,
                &numbers.q,
                &numbers.dp,
                &numbers.dq,
                &numbers.qinv,
            ];
            let parts: Vec<u8> = parts.iter().flat_map(|number| unsigned(number)).collect();
            tlv(0x30, &[version(0), parts].concat())
        }
        PrivateParts::Ec { scalar, .. } => tlv(0x30, &[version(1), tlv(0x04, &scalar)].concat()),
        PrivateParts::Raw(bytes) => match key.algorithm() {
            KeyAlgorithm::X25519 | KeyAlgorithm::Ed25519 => tlv(0x04, &bytes),
            _ => tlv(0x80, &bytes),
        },
        other => panic!("{other:?}"),
    };
    tlv(0x30, &[version(0), tlv(0x30, &algorithm), tlv(0x04, &key)].concat())
}

fn unsigned(number: &[u8]) -> Vec<u8> {
    let zeros = number.iter().take_while(|&&byte| byte == 0).count();
    tlv(0x02, &[&[0], &number[zeros..]].concat()[usize::from(number[zeros] < 0x80)..])
}

fn tlv(tag: u8, value: &[u8]) -> Vec<u8> {
    let len = value.len();
    let header = match len {
        0..0x80 => vec![tag, low(len)],
        0x80..0x100 => vec![tag, 0x81, low(len)],
        _ => vec![tag, 0x82, low(len >> 8), low(len)],
    };
    [&header, value].concat()
}

fn low(number: usize) -> u8 {
    number.to_le_bytes()[0]
}
