//! Sessions of private and public keys: signatures, key exchange, key encapsulation, RSA encryption.
//!
//! ```text
//!   sign(scheme, digest) ──► randomness, from the system ──► request: digest, arguments ──► offload ──► signature
//! ```
//!
//! Inputs are copied in, for they are short beside what the operation costs, and results are owned. What is
//! random in an operation is drawn before the request is submitted, so that another try, or software in the
//! device's place, gives the same result.

use std::mem;

use simaccel_device::{
    Algorithm, EcdsaForm, Family, KeyAlgorithm, KeyArguments, KeyHash, Nonce, Operation, Request, RsaPadding,
    SignatureScheme,
};
use zeroize::Zeroizing;

use super::{KeySession, copied};
use crate::engine::random;
use crate::engine::started::StartedKey;
use crate::error::Error;

/// Bytes of randomness that blind an operation, or that padding, nonces and salts are expanded from.
const SEED: usize = 32;

impl KeySession {
    /// The algorithm of the key; RSA keys of 2048, 3072 and 4096 bits have their own.
    pub fn key_algorithm(&self) -> KeyAlgorithm {
        match self.algorithm() {
            Algorithm::Key(algorithm) => algorithm,
            _ => unreachable!("the session is one of a key"),
        }
    }

    /// Signs a digest, or for Ed25519 and ML-DSA a whole message. An ECDSA signature is written in DER,
    /// unless the scheme says otherwise.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] with the reason where scheme, input and key do not fit; the device's
    /// failures.
    pub fn sign(&self, scheme: &SignatureScheme, input: &[u8]) -> Result<Vec<u8>, Error> {
        let arguments = self.with_randomness(Operation::Sign, KeyArguments::sign(scheme.clone(), &[]))?;
        self.public(Operation::Sign, arguments, input)
    }

    /// [`KeySession::sign`] with randomness of the caller's, [`KeyArguments::randomness`].
    ///
    /// # Errors
    /// As [`KeySession::sign`].
    pub fn sign_with(
        &self,
        scheme: &SignatureScheme,
        input: &[u8],
        randomness: &[u8],
    ) -> Result<Vec<u8>, Error> {
        self.public(Operation::Sign, KeyArguments::sign(scheme.clone(), randomness), input)
    }

    /// Compares a signature with a digest, or for Ed25519 and ML-DSA with a whole message.
    ///
    /// # Errors
    /// [`Error::AuthFailed`] for a signature of another message or key, or one that is none; else as
    /// [`KeySession::sign`].
    pub fn verify(&self, scheme: &SignatureScheme, input: &[u8], signature: &[u8]) -> Result<(), Error> {
        let arguments = KeyArguments::verify(scheme.clone(), signature);
        self.run(Operation::Verify, arguments, input).map(drop)
    }

    /// Decrypts an RSA ciphertext, which is as long as the modulus.
    ///
    /// # Errors
    /// [`Error::AuthFailed`] for wrong padding, where the padding says so; else as [`KeySession::sign`].
    pub fn decrypt(&self, padding: &RsaPadding, ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let arguments =
            self.with_randomness(Operation::Decrypt, KeyArguments::padded(padding.clone(), &[]))?;
        self.run(Operation::Decrypt, arguments, ciphertext)
    }

    /// [`KeySession::decrypt`] with randomness of the caller's, [`KeyArguments::randomness`].
    ///
    /// # Errors
    /// As [`KeySession::decrypt`].
    pub fn decrypt_with(
        &self,
        padding: &RsaPadding,
        ciphertext: &[u8],
        randomness: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        self.run(Operation::Decrypt, KeyArguments::padded(padding.clone(), randomness), ciphertext)
    }

    /// Encrypts for an RSA key.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a text that is too long, else as [`KeySession::sign`].
    pub fn encrypt(&self, padding: &RsaPadding, plaintext: &[u8]) -> Result<Vec<u8>, Error> {
        let arguments =
            self.with_randomness(Operation::Encrypt, KeyArguments::padded(padding.clone(), &[]))?;
        self.public(Operation::Encrypt, arguments, plaintext)
    }

    /// [`KeySession::encrypt`] with randomness of the caller's, [`KeyArguments::randomness`].
    ///
    /// # Errors
    /// As [`KeySession::encrypt`].
    pub fn encrypt_with(
        &self,
        padding: &RsaPadding,
        plaintext: &[u8],
        randomness: &[u8],
    ) -> Result<Vec<u8>, Error> {
        self.public(Operation::Encrypt, KeyArguments::padded(padding.clone(), randomness), plaintext)
    }

    /// The secret that this key and the peer's public value give: a point (SEC 1) on a curve of NIST's, 32
    /// bytes for X25519.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a value that is none, else as [`KeySession::sign`].
    pub fn derive(&self, peer: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        self.run(Operation::Derive, KeyArguments::default(), peer)
    }

    /// A ciphertext for this public key, and the secret in it.
    ///
    /// # Errors
    /// As [`KeySession::sign`].
    pub fn encapsulate(&self) -> Result<(Vec<u8>, Zeroizing<Vec<u8>>), Error> {
        self.encapsulated(self.with_randomness(Operation::Encapsulate, KeyArguments::default())?)
    }

    /// [`KeySession::encapsulate`] with randomness of the caller's, [`KeyArguments::randomness`].
    ///
    /// # Errors
    /// As [`KeySession::encapsulate`].
    pub fn encapsulate_with(&self, randomness: &[u8]) -> Result<(Vec<u8>, Zeroizing<Vec<u8>>), Error> {
        self.encapsulated(KeyArguments::random(randomness))
    }

    fn encapsulated(&self, arguments: KeyArguments) -> Result<(Vec<u8>, Zeroizing<Vec<u8>>), Error> {
        let both = self.run(Operation::Encapsulate, arguments, &[])?;
        let len = self.key_algorithm().ciphertext_len();
        let missing = || Error::ShortOutput { missing: len };
        let (ciphertext, secret) = both.split_at_checked(len).ok_or_else(missing)?;
        Ok((ciphertext.to_vec(), Zeroizing::new(secret.to_vec())))
    }

    /// The secret in a ciphertext for this key. A ciphertext that was made for another key, or changed, gives
    /// another secret, and no error (FIPS 203, 7.3).
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a ciphertext of another length, else as [`KeySession::sign`].
    pub fn decapsulate(&self, ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        self.run(Operation::Decapsulate, KeyArguments::default(), ciphertext)
    }

    /// Any operation of the key, with its arguments. The input is copied.
    ///
    /// # Errors
    /// As the methods for the single operations.
    pub fn run(
        &self,
        operation: Operation,
        arguments: KeyArguments,
        input: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        self.run_owned(operation, arguments, copied(input)?)
    }

    /// [`KeySession::run`] on input that is moved in, and wiped. While it waits its frames own nothing.
    ///
    /// # Errors
    /// As [`KeySession::run`].
    pub fn run_owned(
        &self,
        operation: Operation,
        arguments: KeyArguments,
        input: Vec<u8>,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let mut request = self.request(operation, arguments, input);
        let outcome = self.core().run_key(&mut request);
        let output = match outcome {
            Ok(()) if operation.output().has_text() => Ok(Zeroizing::new(mem::take(&mut request.buffer))),
            Ok(()) => Ok(Zeroizing::default()),
            Err(error) => Err(error),
        };
        request.wipe();
        output
    }

    /// An operation that is polled.
    pub(crate) fn start(&self, operation: Operation, arguments: KeyArguments, input: Vec<u8>) -> StartedKey {
        StartedKey::new(self.core(), self.request(operation, arguments, input))
    }

    pub(crate) fn request(&self, operation: Operation, arguments: KeyArguments, input: Vec<u8>) -> Request {
        let mut request = self.core().request(operation, input);
        request.arguments = Some(Box::new(arguments));
        request
    }

    /// These arguments with as much randomness of the system as the operation uses
    /// ([`KeyArguments::randomness`]).
    ///
    /// # Errors
    /// [`Error::Random`].
    pub fn with_randomness(
        &self,
        operation: Operation,
        mut arguments: KeyArguments,
    ) -> Result<KeyArguments, Error> {
        let len = match operation {
            Operation::Decrypt if matches!(arguments.padding, Some(RsaPadding::TlsPremaster { .. })) => 48,
            Operation::Sign | Operation::Encrypt | Operation::Decrypt => SEED,
            Operation::Encapsulate => self.key_algorithm().encapsulation_len(),
            Operation::Generate => self.key_algorithm().seed_len(),
            _ => return Ok(arguments),
        };
        arguments.randomness = random::bytes(len)?;
        Ok(arguments)
    }

    /// A digest session of the same engine.
    #[cfg(all(feature = "rustcrypto", feature = "private-keys"))]
    pub(crate) fn hash_session(&self, hash: simaccel_device::Hash) -> Result<super::HashSession, Error> {
        crate::engine::Engine { inner: self.core().engine().clone() }.hash(hash)
    }

    /// Deep work, outside of the job that runs here.
    #[cfg(feature = "private-keys")]
    pub(in crate::engine) fn outside<R>(&self, work: impl FnOnce() -> R) -> R {
        self.core().engine().outside(work)
    }

    /// The same, for what is no secret.
    fn public(&self, operation: Operation, arguments: KeyArguments, input: &[u8]) -> Result<Vec<u8>, Error> {
        self.run(operation, arguments, input).map(|mut output| mem::take(&mut *output))
    }

    /// The scheme that TLS and X.509 use a key like this with, for a digest of this hash function: PKCS#1
    /// v1.5, ECDSA by RFC 6979 in DER, Ed25519, or deterministic ML-DSA. `None`: the key does not sign.
    pub fn usual_scheme(&self, hash: KeyHash) -> Option<SignatureScheme> {
        Some(match self.key_algorithm().family() {
            Family::Rsa => SignatureScheme::Pkcs1v15 { hash: Some(hash) },
            Family::Ec => SignatureScheme::Ecdsa { nonce: Nonce::Deterministic(hash), form: EcdsaForm::Der },
            Family::Ed25519 => SignatureScheme::Ed25519,
            Family::MlDsa => SignatureScheme::MlDsa { context: Vec::new(), hedged: false },
            Family::X25519 | Family::Kem => return None,
        })
    }
}
