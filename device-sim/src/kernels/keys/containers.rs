//! Keys in their containers: PKCS#8, SubjectPublicKeyInfo, PKCS#1, SEC 1, and all of them in PEM.

use std::sync::Arc;

use der::asn1::{AnyRef, BitStringRef, ObjectIdentifier, OctetStringRef};
use der::{Decode, Encode, Reader, SecretDocument, SliceReader, Tag, TagNumber, Tagged};
use pkcs8::spki::SubjectPublicKeyInfoRef;
use pkcs8::{AlgorithmIdentifierRef, PrivateKeyInfoRef};
use zeroize::Zeroizing;

use super::parts::{PrivateParts, PublicParts, RsaNumbers};
use super::{Public, Secret, depth, private_from, public_from};
use crate::message::key_algorithm::{Family, KeyAlgorithm};
use crate::message::key_error::{KeyError, KeyForm};

type Private = Result<Arc<dyn Secret>, KeyError>;
type Shared = Result<Arc<dyn Public>, KeyError>;

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const RSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");

/// A private key in PKCS#8 (RFC 5958).
pub(crate) fn private_pkcs8(bytes: &[u8]) -> Private {
    let not_der = |_| KeyError::Der(KeyForm::Pkcs8);
    let info = PrivateKeyInfoRef::from_der(bytes).map_err(|error| match is_encrypted(bytes) {
        true => KeyError::Encrypted,
        false => not_der(error),
    })?;
    let key = info.private_key.as_bytes();
    match info.algorithm.oid {
        RSA | RSA_PSS => private_pkcs1(key),
        EC => private_ec(key, curve_of(&info.algorithm)),
        _ => {
            let algorithm = algorithm_of(&info.algorithm)?;
            if matches!(algorithm.family(), Family::Kem | Family::MlDsa) {
                return private_post_quantum(algorithm, key);
            }
            let inner = <&OctetStringRef>::from_der(key).map_err(|_| KeyError::Der(KeyForm::Pkcs8))?;
            private_from(algorithm, &PrivateParts::Raw(inner.as_bytes().to_vec().into()))
        }
    }
}

/// A private key of ML-KEM (RFC 9935, 6) or ML-DSA (RFC 9881, 6): its seed, or expanded, or both.
fn private_post_quantum(algorithm: KeyAlgorithm, bytes: &[u8]) -> Private {
    let not_der = |_| KeyError::Der(KeyForm::Pkcs8);
    let key = AnyRef::from_der(bytes).map_err(not_der)?;
    match key.tag() {
        Tag::ContextSpecific { constructed: false, number: TagNumber(0) } | Tag::OctetString => {
            private_from(algorithm, &PrivateParts::Raw(key.value().to_vec().into()))
        }
        _ => {
            let both = key.sequence(|inner| {
                let seed = <&OctetStringRef>::decode(inner)?.as_bytes();
                Ok::<_, der::Error>((seed, <&OctetStringRef>::decode(inner)?.as_bytes()))
            });
            let (seed, expanded) = both.map_err(not_der)?;
            depth::apart(depth::of_import(algorithm, 0), || match algorithm.family() {
                Family::MlDsa => super::ml_dsa::private_of_both(algorithm, seed, expanded),
                _ => super::ml_kem::private_of_both(seed, expanded),
            })
        }
    }
}

fn is_encrypted(bytes: &[u8]) -> bool {
    let encrypted = SliceReader::new(bytes).and_then(|mut reader| {
        reader.sequence(|inner| {
            AlgorithmIdentifierRef::decode(inner)?;
            <&OctetStringRef>::decode(inner).map(drop)
        })
    });
    encrypted.is_ok()
}

fn algorithm_of(algorithm: &AlgorithmIdentifierRef<'_>) -> Result<KeyAlgorithm, KeyError> {
    algorithm.oid.to_string().parse().map_err(|_| KeyError::Unsupported)
}

fn curve_of(algorithm: &AlgorithmIdentifierRef<'_>) -> Option<Result<KeyAlgorithm, KeyError>> {
    let parameters = algorithm.parameters?;
    let oid: Result<ObjectIdentifier, _> = parameters.decode_as();
    Some(match oid {
        Ok(oid) => oid.to_string().parse().map_err(|_| KeyError::Unsupported),
        Err(_) => Err(KeyError::Unsupported),
    })
}

/// A private RSA key in PKCS#1 (RFC 8017, A.1.2).
pub(crate) fn private_pkcs1(bytes: &[u8]) -> Private {
    let key = pkcs1::RsaPrivateKeyRef::from_der(bytes).map_err(|_| KeyError::Der(KeyForm::Pkcs1))?;
    if key.other_prime_infos.is_some() {
        return Err(KeyError::MorePrimes);
    }
    let secret = |number: &der::asn1::UintRef<'_>| Zeroizing::new(number.as_bytes().to_vec());
    let numbers = RsaNumbers {
        n: key.modulus.as_bytes().to_vec(),
        e: key.public_exponent.as_bytes().to_vec(),
        d: secret(&key.private_exponent),
        p: secret(&key.prime1),
        q: secret(&key.prime2),
        dp: secret(&key.exponent1),
        dq: secret(&key.exponent2),
        qinv: secret(&key.coefficient),
    };
    private_from(KeyAlgorithm::Rsa, &PrivateParts::Rsa(numbers))
}

/// What [`Operation::Generate`](crate::Operation::Generate) gives.
pub(super) fn generated(parts: PrivateParts) -> Zeroizing<Vec<u8>> {
    match parts {
        PrivateParts::Rsa(numbers) => to_pkcs1(&numbers),
        PrivateParts::Ec { scalar, .. } => scalar,
        PrivateParts::Raw(bytes) => bytes,
    }
}

/// The numbers as PKCS#1, all of them given.
fn to_pkcs1(numbers: &RsaNumbers) -> Zeroizing<Vec<u8>> {
    let encoded = || {
        let uint = |bytes| der::asn1::UintRef::new(bytes);
        let key = pkcs1::RsaPrivateKeyRef {
            modulus: uint(&numbers.n)?,
            public_exponent: uint(&numbers.e)?,
            private_exponent: uint(&numbers.d)?,
            prime1: uint(&numbers.p)?,
            prime2: uint(&numbers.q)?,
            exponent1: uint(&numbers.dp)?,
            exponent2: uint(&numbers.dq)?,
            coefficient: uint(&numbers.qinv)?,
            other_prime_infos: None,
        };
        key.to_der().map(Zeroizing::new)
    };
    encoded().unwrap_or_default()
}

/// A private key of a curve in SEC 1 (RFC 5915).
pub(crate) fn private_sec1(bytes: &[u8]) -> Private {
    private_ec(bytes, None)
}

fn private_ec(bytes: &[u8], curve: Option<Result<KeyAlgorithm, KeyError>>) -> Private {
    let key = sec1::EcPrivateKey::from_der(bytes).map_err(|_| KeyError::Der(KeyForm::Sec1))?;
    let own = key.parameters.and_then(sec1::EcParameters::named_curve);
    let own = own.map(|oid| oid.to_string().parse().map_err(|_| KeyError::Unsupported));
    let algorithm = match (curve.transpose()?, own.transpose()?) {
        (Some(curve), Some(own)) if curve != own => {
            return Err(KeyError::Algorithm { expected: curve, given: own });
        }
        (Some(curve), _) | (None, Some(curve)) => curve,
        (None, None) => return Err(KeyError::Unsupported),
    };
    let scalar = Zeroizing::new(key.private_key.to_vec());
    let point = key.public_key.map(<[u8]>::to_vec);
    private_from(algorithm, &PrivateParts::Ec { scalar, point })
}

/// A public key in SubjectPublicKeyInfo (RFC 5280, 4.1).
pub(crate) fn public_spki(bytes: &[u8]) -> Shared {
    let not_der = || KeyError::Der(KeyForm::Spki);
    let info = SubjectPublicKeyInfoRef::from_der(bytes).map_err(|_| not_der())?;
    let key = info.subject_public_key.as_bytes().ok_or_else(not_der)?;
    let algorithm = match info.algorithm.oid {
        RSA | RSA_PSS => return public_pkcs1(key),
        EC => curve_of(&info.algorithm).ok_or(KeyError::Unsupported)??,
        _ => algorithm_of(&info.algorithm)?,
    };
    public_from(algorithm, &PublicParts::Raw(key.to_vec()))
}

/// A public RSA key in PKCS#1 (RFC 8017, A.1.1).
pub(crate) fn public_pkcs1(bytes: &[u8]) -> Shared {
    let key = pkcs1::RsaPublicKeyRef::from_der(bytes).map_err(|_| KeyError::Der(KeyForm::Pkcs1))?;
    super::rsa::public(key.modulus.as_bytes(), key.public_exponent.as_bytes())
}

/// A private key in PEM, in any of its containers.
pub(crate) fn private_pem(text: &str) -> Private {
    let (label, document) = SecretDocument::from_pem(text).map_err(|_| match text.contains("ENCRYPTED") {
        true => KeyError::Encrypted,
        false => KeyError::Pem,
    })?;
    match label {
        "PRIVATE KEY" => private_pkcs8(document.as_bytes()),
        "RSA PRIVATE KEY" => private_pkcs1(document.as_bytes()),
        "EC PRIVATE KEY" => private_sec1(document.as_bytes()),
        "ENCRYPTED PRIVATE KEY" => Err(KeyError::Encrypted),
        _ => Err(KeyError::Label(KeyForm::Private)),
    }
}

/// A public key in PEM, in any of its containers.
pub(crate) fn public_pem(text: &str) -> Shared {
    let (label, document) = der::Document::from_pem(text).map_err(|_| KeyError::Pem)?;
    match label {
        "PUBLIC KEY" => public_spki(document.as_bytes()),
        "RSA PUBLIC KEY" => public_pkcs1(document.as_bytes()),
        _ => Err(KeyError::Label(KeyForm::Public)),
    }
}

/// A private key as PKCS#8; `None`: its algorithm has no object identifier.
pub(crate) fn to_pkcs8(algorithm: KeyAlgorithm, parts: &PrivateParts) -> Option<Zeroizing<Vec<u8>>> {
    let key = match parts {
        PrivateParts::Rsa(numbers) => to_pkcs1(numbers),
        PrivateParts::Ec { scalar, point } => {
            let (private_key, public_key) = (scalar.as_slice(), point.as_deref());
            let key = sec1::EcPrivateKey { private_key, parameters: None, public_key };
            Zeroizing::new(key.to_der().ok()?)
        }
        PrivateParts::Raw(bytes) => to_inner(algorithm, bytes)?,
    };
    let key = OctetStringRef::new(&key).ok()?;
    let info = with_identifier(algorithm, |algorithm| PrivateKeyInfoRef::new(algorithm, key).to_der().ok())??;
    Some(Zeroizing::new(info))
}

/// What PKCS#8 holds: the bytes as a string (RFC 8410, 7), or as the choice between seed and expanded key
/// (RFC 9935, 6 and RFC 9881, 6).
fn to_inner(algorithm: KeyAlgorithm, bytes: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let string = OctetStringRef::new(bytes).ok()?;
    let is_seed = match algorithm {
        KeyAlgorithm::MlKem768 => bytes.len() == 64,
        KeyAlgorithm::MlDsa44 | KeyAlgorithm::MlDsa65 => bytes.len() == 32,
        _ => false,
    };
    let mut inner = Zeroizing::new(string.to_der().ok()?);
    if is_seed {
        // [0] IMPLICIT OCTET STRING.
        *inner.first_mut()? = 0x80;
    }
    Some(inner)
}

/// A public key as SubjectPublicKeyInfo; `None`: its algorithm has no object identifier.
pub(crate) fn to_spki(algorithm: KeyAlgorithm, parts: &PublicParts) -> Option<Vec<u8>> {
    let key = match parts {
        PublicParts::Rsa { n, e } => {
            let uint = |bytes| der::asn1::UintRef::new(bytes).ok();
            pkcs1::RsaPublicKeyRef { modulus: uint(n)?, public_exponent: uint(e)? }.to_der().ok()?
        }
        PublicParts::Raw(bytes) => bytes.clone(),
    };
    let subject_public_key = BitStringRef::from_bytes(&key).ok()?;
    with_identifier(algorithm, |algorithm| {
        SubjectPublicKeyInfoRef { algorithm, subject_public_key }.to_der().ok()
    })?
}

/// RSA has parameters that say nothing (RFC 3279, 2.3.1), keys of curves name theirs, and the others have
/// none.
fn with_identifier<R>(
    algorithm: KeyAlgorithm,
    write: impl FnOnce(AlgorithmIdentifierRef<'_>) -> R,
) -> Option<R> {
    let own = || algorithm.aliases().iter().find_map(|alias| ObjectIdentifier::new(alias).ok());
    Some(match algorithm.family() {
        Family::Rsa => write(AlgorithmIdentifierRef { oid: RSA, parameters: Some(AnyRef::NULL) }),
        Family::Ec => {
            let curve = own()?;
            write(AlgorithmIdentifierRef { oid: EC, parameters: Some(AnyRef::from(&curve)) })
        }
        _ => write(AlgorithmIdentifierRef { oid: own()?, parameters: None }),
    })
}
