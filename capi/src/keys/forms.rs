//! What keys are written as: containers in DER and PEM, and bare bytes.

use std::ffi::CStr;

use simaccel::{Family, KeyAlgorithm, KeyError, PrivateKey, PrivateParts, PublicKey, Zeroizing};

use super::AnyKey;
use crate::engine::quoted;
use crate::last_error::Failure;

/// A form that a key is imported from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Pem,
    Pkcs8,
    Pkcs1,
    Sec1,
    Spki,
}

impl Form {
    const NAMES: [(&str, Self); 5] = [
        ("pem", Self::Pem),
        ("pkcs8", Self::Pkcs8),
        ("pkcs1", Self::Pkcs1),
        ("sec1", Self::Sec1),
        ("spki", Self::Spki),
    ];

    pub(super) fn named(name: &str) -> Result<Self, Failure> {
        let found = Self::NAMES.iter().find(|(known, _)| *known == name);
        found.map(|(_, form)| *form).ok_or_else(|| {
            Failure::argument(&format!("form is {}: pem, pkcs8, pkcs1, sec1 or spki", quoted(name)))
        })
    }

    pub(super) fn read(self, data: &[u8]) -> Result<AnyKey, KeyError> {
        match self {
            Self::Pem => {
                let text = std::str::from_utf8(data).map_err(|_| KeyError::Pem)?;
                match PublicKey::from_pem(text) {
                    Ok(key) => Ok(AnyKey::Public(key)),
                    // Its error tells of private keys, too.
                    Err(KeyError::Label(_) | KeyError::Pem) => {
                        PrivateKey::from_pem(text).map(AnyKey::Private)
                    }
                    Err(error) => Err(error),
                }
            }
            Self::Pkcs8 => PrivateKey::from_pkcs8_der(data).map(AnyKey::Private),
            Self::Pkcs1 => PrivateKey::from_pkcs1_der(data).map(AnyKey::Private),
            Self::Sec1 => PrivateKey::from_sec1_der(data).map(AnyKey::Private),
            Self::Spki => PublicKey::from_spki_der(data).map(AnyKey::Public),
        }
    }
}

/// A private key of bare bytes.
pub(super) fn private(algorithm: KeyAlgorithm, bytes: &[u8]) -> Result<PrivateKey, KeyError> {
    match algorithm.family() {
        Family::Ec => PrivateKey::from_scalar(algorithm, bytes, None),
        _ => PrivateKey::from_raw(algorithm, bytes),
    }
}

/// The key, written in the form of this name.
pub(super) fn written(key: &AnyKey, form: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let written = match (form, key) {
        ("spki", _) => key.public().to_spki_der().map(Zeroizing::new),
        ("public", _) => key.public().to_raw().map(Zeroizing::new),
        ("pkcs8", AnyKey::Private(key)) => key.to_pkcs8_der(),
        ("private", AnyKey::Private(key)) => match key.parts() {
            PrivateParts::Ec { scalar, .. } => Some(scalar),
            PrivateParts::Raw(bytes) => Some(bytes),
            _ => None,
        },
        ("pkcs8" | "private", AnyKey::Public(_)) => {
            return Err(Failure::argument(&format!("form is {form}: the key is no private one")));
        }
        _ => {
            let text = format!("form is {}: spki, public, pkcs8 or private", quoted(form));
            return Err(Failure::argument(&text));
        }
    };
    let none = || Failure::argument(&format!("form is {form}: {} keys have none such", key.algorithm()));
    written.ok_or_else(none)
}

/// The algorithm's name for C.
pub(super) const fn c_name(algorithm: KeyAlgorithm) -> &'static CStr {
    match algorithm {
        KeyAlgorithm::Rsa2048 => c"rsa-2048",
        KeyAlgorithm::Rsa3072 => c"rsa-3072",
        KeyAlgorithm::Rsa4096 => c"rsa-4096",
        KeyAlgorithm::Rsa => c"rsa",
        KeyAlgorithm::P256 => c"p-256",
        KeyAlgorithm::P384 => c"p-384",
        KeyAlgorithm::P521 => c"p-521",
        KeyAlgorithm::X25519 => c"x25519",
        KeyAlgorithm::Ed25519 => c"ed25519",
        KeyAlgorithm::MlKem768 => c"ml-kem-768",
        KeyAlgorithm::X25519MlKem768 => c"x25519mlkem768",
        KeyAlgorithm::MlDsa44 => c"ml-dsa-44",
        KeyAlgorithm::MlDsa65 => c"ml-dsa-65",
        _ => c"",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_algorithm_has_its_name_for_c() {
        for algorithm in KeyAlgorithm::ALL {
            assert_eq!(c_name(*algorithm).to_str().unwrap(), algorithm.name());
        }
    }
}
