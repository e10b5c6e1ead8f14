//! Keys of both sides, and our own as files for the other side.

use std::path::PathBuf;

use simaccel::Engine;
use simaccel_device::{KeyAlgorithm, PrivateKey, PublicKey};

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
    let der = openssl.file("ours.der", &*key.to_pkcs8_der().expect("all but X25519MLKEM768 have PKCS#8"));
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
    let own = key.public_key().to_spki_der();
    // A key for PSS alone says so in its container, and is one like any other here.
    assert!(name == "pss" || own == Some(der), "{}", text(pem));
    let public = openssl.file(&format!("{name}.pub.pem"), public);
    Both { key, private, public }
}

pub(crate) fn text(pem: &[u8]) -> &str {
    std::str::from_utf8(pem).expect("PEM is text")
}
