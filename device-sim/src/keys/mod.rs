//! Private and public keys as callers hold them: imported, generated, exported, and made into sessions.
//!
//! ```text
//!   PKCS#8, PKCS#1, SEC 1, PEM ─┐                      ┌─► Session::private_key
//!   numbers, scalar, bytes      ├─► PrivateKey (Arc) ──┼─► PublicKey ──► Session::public_key
//!   Operation::Generate        ─┘                      └─► parts
//! ```

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::kernels::keys::parts::{PrivateParts, PublicParts, RsaNumbers};
use crate::kernels::keys::{self, AnyKey, Public, Refusal, Secret, containers, depth};
use crate::kernels::session::Session;
use crate::message::argument::ArgumentError;
use crate::message::key_algorithm::KeyAlgorithm;
use crate::message::key_arguments::KeyArguments;
use crate::message::key_error::KeyError;

/// A private key. A copy is a reference to the same key, which is wiped with the last one.
#[derive(Clone)]
pub struct PrivateKey(Arc<dyn Secret>);

/// A public key. A copy is a reference to the same key.
#[derive(Clone)]
pub struct PublicKey(Arc<dyn Public>);

impl PrivateKey {
    /// A key in PKCS#8 (RFC 5958), in DER.
    ///
    /// # Errors
    /// The reason why it is refused, as of all imports.
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self, KeyError> {
        containers::private_pkcs8(der).map(Self)
    }

    /// An RSA key in PKCS#1 (RFC 8017, A.1.2), in DER.
    ///
    /// # Errors
    /// As [`PrivateKey::from_pkcs8_der`].
    pub fn from_pkcs1_der(der: &[u8]) -> Result<Self, KeyError> {
        containers::private_pkcs1(der).map(Self)
    }

    /// A key of a curve in SEC 1 (RFC 5915), in DER; it names its curve.
    ///
    /// # Errors
    /// As [`PrivateKey::from_pkcs8_der`].
    pub fn from_sec1_der(der: &[u8]) -> Result<Self, KeyError> {
        containers::private_sec1(der).map(Self)
    }

    /// A key in PEM: `PRIVATE KEY`, `RSA PRIVATE KEY` or `EC PRIVATE KEY`.
    ///
    /// # Errors
    /// As [`PrivateKey::from_pkcs8_der`]; [`KeyError::Encrypted`] for an encrypted one.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        containers::private_pem(pem).map(Self)
    }

    /// An RSA key from its numbers.
    ///
    /// # Errors
    /// As [`PrivateKey::from_pkcs8_der`].
    pub fn from_rsa_numbers(numbers: &RsaNumbers) -> Result<Self, KeyError> {
        Self::from_parts(KeyAlgorithm::Rsa, &PrivateParts::Rsa(numbers.clone()))
    }

    /// A key of a curve of NIST's from its private scalar, big-endian, and its public point (SEC 1), if that
    /// is at hand; it is computed otherwise.
    ///
    /// # Errors
    /// As [`PrivateKey::from_pkcs8_der`].
    pub fn from_scalar(curve: KeyAlgorithm, scalar: &[u8], point: Option<&[u8]>) -> Result<Self, KeyError> {
        let parts = PrivateParts::Ec { scalar: scalar.to_vec().into(), point: point.map(<[u8]>::to_vec) };
        Self::from_parts(curve, &parts)
    }

    /// A key of another algorithm from the bytes of its standard; see [`PrivateParts::Raw`].
    ///
    /// # Errors
    /// As [`PrivateKey::from_pkcs8_der`].
    pub fn from_raw(algorithm: KeyAlgorithm, bytes: &[u8]) -> Result<Self, KeyError> {
        Self::from_parts(algorithm, &PrivateParts::Raw(bytes.to_vec().into()))
    }

    /// A key from what [`PrivateKey::parts`] gives. The size of an RSA key follows from its modulus.
    ///
    /// # Errors
    /// As [`PrivateKey::from_pkcs8_der`].
    pub fn from_parts(algorithm: KeyAlgorithm, parts: &PrivateParts) -> Result<Self, KeyError> {
        keys::private_from(algorithm, parts).map(Self)
    }

    /// The key that [`Operation::Generate`](crate::Operation::Generate) gave as bytes.
    ///
    /// # Errors
    /// As [`PrivateKey::from_pkcs8_der`].
    pub fn from_generated(algorithm: KeyAlgorithm, bytes: &[u8]) -> Result<Self, KeyError> {
        keys::generated(algorithm, bytes).map(Self)
    }

    /// Generates a key in the calling thread, from the randomness of `arguments`.
    ///
    /// # Errors
    /// [`ArgumentError::Key`] for too little randomness, or a size that RSA keys do not have.
    pub fn generate(algorithm: KeyAlgorithm, arguments: &KeyArguments) -> Result<Self, ArgumentError> {
        keys::generate(algorithm, arguments).map(Self).map_err(|refusal| match refusal {
            Refusal::Unfit(reason) => ArgumentError::Key { algorithm: algorithm.into(), reason },
            Refusal::Wrong | Refusal::Faulty => ArgumentError::Refused,
        })
    }

    /// Its algorithm; RSA keys of 2048, 3072 and 4096 bits have their own.
    pub fn algorithm(&self) -> KeyAlgorithm {
        self.0.algorithm()
    }

    /// Its size in bits, as OpenSSL counts them: of an RSA key those of the modulus.
    pub fn bits(&self) -> u32 {
        self.0.bits()
    }

    /// The public key that belongs to it.
    pub fn public_key(&self) -> PublicKey {
        PublicKey(depth::apart(depth::COPY, || self.0.public()))
    }

    /// All that it is made of.
    pub fn parts(&self) -> PrivateParts {
        depth::apart(depth::COPY, || self.0.parts())
    }

    /// The key in PKCS#8 (RFC 5958), in DER; `None` for X25519MLKEM768, which has no object identifier.
    pub fn to_pkcs8_der(&self) -> Option<Zeroizing<Vec<u8>>> {
        depth::apart(depth::COPY, || containers::to_pkcs8(self.algorithm(), &self.0.parts()))
    }
}

impl PublicKey {
    /// A key in SubjectPublicKeyInfo (RFC 5280, 4.1), in DER.
    ///
    /// # Errors
    /// The reason why it is refused, as of all imports.
    pub fn from_spki_der(der: &[u8]) -> Result<Self, KeyError> {
        containers::public_spki(der).map(Self)
    }

    /// An RSA key in PKCS#1 (RFC 8017, A.1.1), in DER.
    ///
    /// # Errors
    /// As [`PublicKey::from_spki_der`].
    pub fn from_pkcs1_der(der: &[u8]) -> Result<Self, KeyError> {
        containers::public_pkcs1(der).map(Self)
    }

    /// A key in PEM: `PUBLIC KEY` or `RSA PUBLIC KEY`.
    ///
    /// # Errors
    /// As [`PublicKey::from_spki_der`].
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        containers::public_pem(pem).map(Self)
    }

    /// An RSA key from modulus and public exponent, big-endian.
    ///
    /// # Errors
    /// As [`PublicKey::from_spki_der`].
    pub fn from_rsa(n: &[u8], e: &[u8]) -> Result<Self, KeyError> {
        Self::from_parts(KeyAlgorithm::Rsa, &PublicParts::Rsa { n: n.to_vec(), e: e.to_vec() })
    }

    /// A key from the bytes of its standard; see [`PublicParts::Raw`]. A point may be compressed.
    ///
    /// # Errors
    /// As [`PublicKey::from_spki_der`].
    pub fn from_raw(algorithm: KeyAlgorithm, bytes: &[u8]) -> Result<Self, KeyError> {
        Self::from_parts(algorithm, &PublicParts::Raw(bytes.to_vec()))
    }

    /// A key from what [`PublicKey::parts`] gives.
    ///
    /// # Errors
    /// As [`PublicKey::from_spki_der`].
    pub fn from_parts(algorithm: KeyAlgorithm, parts: &PublicParts) -> Result<Self, KeyError> {
        keys::public_from(algorithm, parts).map(Self)
    }

    /// Its algorithm; RSA keys of 2048, 3072 and 4096 bits have their own.
    pub fn algorithm(&self) -> KeyAlgorithm {
        self.0.algorithm()
    }

    /// Its size in bits, as OpenSSL counts them: of an RSA key those of the modulus.
    pub fn bits(&self) -> u32 {
        self.0.bits()
    }

    /// All that it is made of.
    pub fn parts(&self) -> PublicParts {
        self.0.parts()
    }

    /// The key in SubjectPublicKeyInfo (RFC 5280, 4.1), in DER; `None` for X25519MLKEM768, which has no
    /// object identifier.
    pub fn to_spki_der(&self) -> Option<Vec<u8>> {
        containers::to_spki(self.algorithm(), &self.parts())
    }

    /// The bytes of [`PublicParts::Raw`]; `None` for RSA.
    pub fn to_raw(&self) -> Option<Vec<u8>> {
        match self.0.parts() {
            PublicParts::Raw(bytes) => Some(bytes),
            PublicParts::Rsa { .. } => None,
        }
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.algorithm() == other.algorithm() && self.parts() == other.parts()
    }
}

impl Eq for PublicKey {}

/// Prints the algorithm, and nothing of the key.
impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({})", self.algorithm())
    }
}

/// Prints the algorithm.
impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.algorithm())
    }
}

impl Session {
    /// A session for the operations of a private key, and for those of its public key.
    pub fn private_key(key: &PrivateKey) -> Self {
        Self::of_key(AnyKey::Secret(Arc::clone(&key.0)))
    }

    /// A session for the operations of a public key.
    pub fn public_key(key: &PublicKey) -> Self {
        Self::of_key(AnyKey::Public(Arc::clone(&key.0)))
    }

    /// A session that generates private keys.
    pub fn key_generator(algorithm: KeyAlgorithm) -> Self {
        Self::of_key(AnyKey::Generator(algorithm))
    }
}
