//! How to sign and how to encrypt, as text in the grammar of configurations.
//!
//! ```text
//!   RSA      padding=pkcs1[;hash=H]   padding=pss;hash=H[;mgf_hash=H][;salt_len=N]   padding=none
//!            padding=pkcs1[;implicit_rejection=S]   padding=oaep;hash=H[;mgf_hash=H][;label=HEX]
//!            padding=tls;client_version=N[;alt_version=N]
//!   ECDSA    [hash=H][;nonce=random|deterministic][;form=der|raw]
//!   ML-DSA   [context=HEX][;hedged=S]
//! ```
//!
//! Each reader takes the keys that it knows out of the text; what is left does not fit.

use simaccel::grammar::{Items, Key, Shown};
use simaccel::{
    ConfigError, EcdsaForm, Family, KeyAlgorithm, KeyHash, Nonce, Operation, RsaPadding, Salt,
    SignatureScheme,
};

use crate::last_error::Failure;

macro_rules! keys {
    ($($constant:ident: $name:literal, $default:literal, $allowed:literal, $meaning:literal;)+) => {
        $(
            const $constant: Key =
                Key { name: $name, default: $default, allowed: $allowed, meaning: $meaning };
        )+
        const KEYS: &[Key] = &[$($constant),+];
    };
}

keys! {
    PADDING: "padding", "", "pkcs1, pss, oaep, tls or none", "the padding of RSA";
    HASH: "hash", "", "a hash function: sha1, sha2 or sha3 of one length", "what hashed the message";
    MGF_HASH: "mgf_hash", "", "a hash function: sha1, sha2 or sha3 of one length", "what makes the mask";
    SALT_LEN: "salt_len", "digest", "a number of bytes, digest or auto", "the length of a salt of PSS";
    REJECTION: "implicit_rejection", "on", "on or off", "whether wrong padding gives another text";
    LABEL: "label", "", "bytes in hexadecimal digits", "the label of OAEP";
    CLIENT_VERSION: "client_version", "", "a number, 0 to 65535", "the version of the client's hello";
    ALT_VERSION: "alt_version", "", "a number, 0 to 65535", "the negotiated version, where clients send that";
    NONCE: "nonce", "random", "random or deterministic", "the nonce of ECDSA";
    FORM: "form", "der", "der or raw", "how an ECDSA signature is written";
    CONTEXT: "context", "", "bytes in hexadecimal digits", "the context of ML-DSA";
    HEDGED: "hedged", "on", "on or off", "whether ML-DSA signs with randomness";
}

/// How to sign, or what a signature is compared by.
pub(super) fn signature(text: &str, key: KeyAlgorithm) -> Result<SignatureScheme, Failure> {
    read(text, |given| match key.family() {
        Family::Rsa => rsa_signature(given),
        Family::Ec => ecdsa(given, key),
        Family::Ed25519 => Ok(SignatureScheme::Ed25519),
        Family::MlDsa => Ok(SignatureScheme::MlDsa {
            context: given.bytes(&CONTEXT)?,
            hedged: given.switch(&HEDGED, true)?,
        }),
        _ => Err(no_operation(key, Operation::Sign)),
    })
}

/// How to encrypt and decrypt.
pub(super) fn padding(text: &str, key: KeyAlgorithm) -> Result<RsaPadding, Failure> {
    read(text, |given| match key.family() {
        Family::Rsa => rsa_padding(given),
        _ => Err(no_operation(key, Operation::Decrypt)),
    })
}

/// Refuses a scheme where there is none to choose.
pub(super) fn none(text: &str) -> Result<(), Failure> {
    read(text, |_| Ok(()))
}

fn rsa_signature(given: &mut Given) -> Result<SignatureScheme, Failure> {
    match given.padding("pkcs1, pss or none")?.as_str() {
        "pkcs1" => Ok(SignatureScheme::Pkcs1v15 { hash: given.hash(&HASH)? }),
        "pss" => {
            let hash = given.needed_hash("padding=pss")?;
            let mgf_hash = given.hash(&MGF_HASH)?.unwrap_or(hash);
            Ok(SignatureScheme::Pss { hash, mgf_hash, salt: given.salt(hash)? })
        }
        "none" => Ok(SignatureScheme::RawRsa),
        _ => Err(Failure::argument("scheme: padding is pkcs1, pss or none for signatures of RSA")),
    }
}

fn rsa_padding(given: &mut Given) -> Result<RsaPadding, Failure> {
    match given.padding("pkcs1, oaep, tls or none")?.as_str() {
        "pkcs1" => Ok(RsaPadding::Pkcs1 { implicit_rejection: given.switch(&REJECTION, true)? }),
        "oaep" => {
            let hash = given.needed_hash("padding=oaep")?;
            let mgf_hash = given.hash(&MGF_HASH)?.unwrap_or(hash);
            Ok(RsaPadding::Oaep { hash, mgf_hash, label: given.bytes(&LABEL)? })
        }
        "tls" => {
            let Some(client_version) = given.version(&CLIENT_VERSION)? else {
                return Err(Failure::argument("scheme: padding=tls needs client_version=NUMBER"));
            };
            Ok(RsaPadding::TlsPremaster { client_version, alt_version: given.version(&ALT_VERSION)? })
        }
        "none" => Ok(RsaPadding::None),
        _ => Err(Failure::argument("scheme: padding is pkcs1, oaep, tls or none for encryption with RSA")),
    }
}

fn ecdsa(given: &mut Given, key: KeyAlgorithm) -> Result<SignatureScheme, Failure> {
    let hash = given.hash(&HASH)?;
    let nonce = match given.take(&NONCE).as_deref() {
        None | Some("random") => Nonce::Hedged(hash.unwrap_or_else(|| own_hash(key))),
        Some("deterministic") => {
            let text = "scheme: nonce=deterministic needs hash=H";
            Nonce::Deterministic(hash.ok_or_else(|| Failure::argument(text))?)
        }
        Some(other) => return Err(told(&NONCE.refuse(other))),
    };
    let form = match given.take(&FORM).as_deref() {
        None | Some("der") => EcdsaForm::Der,
        Some("raw") => EcdsaForm::Fixed,
        Some(other) => return Err(told(&FORM.refuse(other))),
    };
    Ok(SignatureScheme::Ecdsa { nonce, form })
}

/// As strong as the curve.
const fn own_hash(key: KeyAlgorithm) -> KeyHash {
    match key {
        KeyAlgorithm::P384 => KeyHash::Sha384,
        KeyAlgorithm::P521 => KeyHash::Sha512,
        _ => KeyHash::Sha256,
    }
}

pub(super) fn no_operation(key: KeyAlgorithm, operation: Operation) -> Failure {
    Failure::argument(&format!("{} keys have no operation {operation}", key.name()))
}

fn read<R>(text: &str, reader: impl FnOnce(&mut Given) -> Result<R, Failure>) -> Result<R, Failure> {
    let mut given = Given::parse(text)?;
    let scheme = reader(&mut given)?;
    given.finish()?;
    Ok(scheme)
}

/// Keys and values that are not taken yet.
struct Given(Vec<(String, String)>);

impl Given {
    fn parse(text: &str) -> Result<Self, Failure> {
        let items = Items::parse(text).map_err(|error| told(&error))?;
        for (key, _) in items.iter() {
            if KEYS.iter().all(|known| known.name != key) {
                let error = ConfigError::UnknownKey { key: key.to_owned(), known: Key::names(KEYS) };
                return Err(told(&error));
            }
        }
        Ok(Self(items.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()))
    }

    fn take(&mut self, key: &Key) -> Option<String> {
        let at = self.0.iter().position(|(given, _)| given == key.name)?;
        Some(self.0.swap_remove(at).1)
    }

    fn padding(&mut self, allowed: &str) -> Result<String, Failure> {
        let missing = || Failure::argument(&format!("scheme: RSA needs padding={allowed}"));
        self.take(&PADDING).ok_or_else(missing)
    }

    fn hash(&mut self, key: &Key) -> Result<Option<KeyHash>, Failure> {
        let Some(name) = self.take(key) else { return Ok(None) };
        let is_it = |hash: &&KeyHash| {
            let mut names = hash.aliases().iter().chain([]).copied().chain([hash.name()]);
            names.any(|known| known.eq_ignore_ascii_case(&name))
        };
        let found = KeyHash::ALL.iter().find(is_it);
        found.map(|hash| Some(*hash)).ok_or_else(|| told(&key.refuse(&name)))
    }

    fn needed_hash(&mut self, with: &str) -> Result<KeyHash, Failure> {
        self.hash(&HASH)?.ok_or_else(|| Failure::argument(&format!("scheme: {with} needs hash=H")))
    }

    fn salt(&mut self, hash: KeyHash) -> Result<Salt, Failure> {
        match self.take(&SALT_LEN).as_deref() {
            None | Some("digest") => Ok(Salt::Len(hash.digest_len())),
            Some("auto") => Ok(Salt::Any),
            // More than the largest modulus has.
            Some(number) => SALT_LEN.number(number, 0..=2_048).map(Salt::Len).map_err(|error| told(&error)),
        }
    }

    fn version(&mut self, key: &Key) -> Result<Option<u16>, Failure> {
        let read = |number: String| key.number(&number, 0..=u16::MAX).map_err(|error| told(&error));
        self.take(key).map(read).transpose()
    }

    fn switch(&mut self, key: &Key, default: bool) -> Result<bool, Failure> {
        self.take(key).map_or(Ok(default), |value| key.switch(&value).map_err(|error| told(&error)))
    }

    fn bytes(&mut self, key: &Key) -> Result<Vec<u8>, Failure> {
        let Some(digits) = self.take(key) else { return Ok(Vec::new()) };
        from_hex(&digits).ok_or_else(|| told(&key.refuse(&digits)))
    }

    fn finish(self) -> Result<(), Failure> {
        match self.0.first() {
            None => Ok(()),
            Some((key, _)) => {
                let text = format!("scheme: {} does not fit this key and operation", Shown(key));
                Err(Failure::argument(&text))
            }
        }
    }
}

fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    let byte = |pair: &[u8]| {
        let text = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?;
        // A sign would be taken, too.
        text.bytes().all(|digit| digit.is_ascii_hexdigit()).then(|| u8::from_str_radix(text, 16).ok())?
    };
    pairs.map(byte).collect()
}

/// The error's words. Here no key may come more than once.
fn told(error: &ConfigError) -> Failure {
    Failure::argument(&match error {
        ConfigError::KeyTwice { key } => format!("scheme: {} is given twice: once is allowed", Shown(key)),
        error => format!("scheme: {error}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use KeyAlgorithm::{Ed25519, MlDsa44, P256, P384, Rsa2048, X25519};

    fn refused<R>(result: Result<R, Failure>) -> String {
        match result {
            Ok(_) => panic!("it was to be refused"),
            Err(failure) => failure.parts().1,
        }
    }

    #[test]
    fn schemes_are_read() {
        let sha256 = KeyHash::Sha256;
        let pss = |salt, mgf_hash| SignatureScheme::Pss { hash: sha256, mgf_hash, salt };
        for (text, key, scheme) in [
            ("padding=pkcs1", Rsa2048, SignatureScheme::Pkcs1v15 { hash: None }),
            (" hash = SHA-256 ;padding=pkcs1;", Rsa2048, SignatureScheme::Pkcs1v15 { hash: Some(sha256) }),
            ("padding=none", Rsa2048, SignatureScheme::RawRsa),
            ("padding=pss;hash=sha256", Rsa2048, pss(Salt::Len(32), sha256)),
            ("padding=pss;hash=sha256;salt_len=0;mgf_hash=sha1", Rsa2048, pss(Salt::Len(0), KeyHash::Sha1)),
            ("padding=pss;hash=sha256;salt_len=auto", Rsa2048, pss(Salt::Any, sha256)),
            ("", P256, SignatureScheme::Ecdsa { nonce: Nonce::Hedged(sha256), form: EcdsaForm::Der }),
            (
                "nonce=random;form=raw",
                P384,
                SignatureScheme::Ecdsa { nonce: Nonce::Hedged(KeyHash::Sha384), form: EcdsaForm::Fixed },
            ),
            (
                "nonce=deterministic;hash=sha3-256",
                P256,
                SignatureScheme::Ecdsa {
                    nonce: Nonce::Deterministic(KeyHash::Sha3_256),
                    form: EcdsaForm::Der,
                },
            ),
            ("", Ed25519, SignatureScheme::Ed25519),
            (
                "context=00fF;hedged=off",
                MlDsa44,
                SignatureScheme::MlDsa { context: vec![0, 255], hedged: false },
            ),
        ] {
            assert_eq!(signature(text, key).unwrap(), scheme, "{text}");
        }
        for (text, expected) in [
            ("padding=pkcs1", RsaPadding::Pkcs1 { implicit_rejection: true }),
            ("padding=pkcs1;implicit_rejection=off", RsaPadding::Pkcs1 { implicit_rejection: false }),
            ("padding=none", RsaPadding::None),
            (
                "padding=oaep;hash=sha1;label=41",
                RsaPadding::Oaep { hash: KeyHash::Sha1, mgf_hash: KeyHash::Sha1, label: b"A".to_vec() },
            ),
            (
                "padding=tls;client_version=771",
                RsaPadding::TlsPremaster { client_version: 0x303, alt_version: None },
            ),
        ] {
            assert_eq!(padding(text, Rsa2048).unwrap(), expected, "{text}");
        }
        none(" ; # nothing").unwrap();
    }

    #[test]
    fn every_key_is_in_header_and_manual() {
        for text in [include_str!("../../include/simaccel/keys.h"), include_str!("../../man/simaccel_keys.3")]
        {
            for key in KEYS {
                assert!(text.contains(&format!("{}=", key.name)), "{}", key.name);
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_named() {
        for (text, key, words) in [
            ("", Rsa2048, "padding=pkcs1, pss or none"),
            ("padding=oaep", Rsa2048, "pkcs1, pss or none"),
            ("padding=pss", Rsa2048, "needs hash"),
            ("padding=pss;hash=md5", Rsa2048, "hash=md5"),
            ("padding=pss;hash=sha256;salt_len=-1", Rsa2048, "salt_len=-1"),
            ("padding=pkcs1;mgf_hash=sha1", Rsa2048, "mgf_hash does not fit"),
            ("padding=pkcs1;padding=pss", Rsa2048, "padding is given twice"),
            ("pading=pkcs1", Rsa2048, "pading"),
            ("padding", Rsa2048, "padding"),
            ("nonce=deterministic", P256, "needs hash"),
            ("nonce=1", P256, "random or deterministic"),
            ("form=asn1", P256, "der or raw"),
            ("padding=pkcs1", P256, "padding does not fit"),
            ("hash=sha256", Ed25519, "hash does not fit"),
            ("context=0", MlDsa44, "context=0"),
            ("context=+1", MlDsa44, "context=+1"),
            ("context=\u{e9}1", MlDsa44, "hexadecimal"),
            ("hedged=yes", MlDsa44, "on or off"),
            ("", X25519, "no operation sign"),
        ] {
            let told = refused(signature(text, key));
            assert!(told.contains(words), "{text}: {told}");
        }
        for (text, key, words) in [
            ("padding=tls", Rsa2048, "client_version"),
            ("padding=tls;client_version=65536", Rsa2048, "65535"),
            ("padding=pss", Rsa2048, "pkcs1, oaep, tls or none"),
            ("padding=none", P256, "no operation decrypt"),
        ] {
            let told = refused(padding(text, key));
            assert!(told.contains(words), "{text}: {told}");
        }
        assert!(refused(none("hash=sha1")).contains("does not fit"));
    }
}
