//! Signatures: the message is hashed on the device, where the scheme has a hash function, and then signed or
//! compared there.

use std::borrow::Cow;
use std::fmt;

use digest::{FixedOutput, HashMarker, Output};
use signature::hazmat::{PrehashSigner, PrehashVerifier, RandomizedPrehashSigner};
use signature::rand_core::TryCryptoRng;
use signature::{
    DigestSigner, DigestVerifier, Keypair, RandomizedDigestSigner, RandomizedSigner, SignatureEncoding,
    Signer, Verifier,
};
use simaccel_device::{ArgumentError, Hash, KeyHash, Nonce, SignatureScheme, Unfit};
use zeroize::Zeroizing;

use crate::engine::{HashSession, KeySession};
use crate::error::Error;

/// Bytes of randomness that an operation is given.
const SEED: usize = 32;

/// A private key of the device, with the scheme that it signs by. The type of the signature is the caller's:
/// any of RustCrypto's that reads the bytes that the scheme gives, `ecdsa::der::Signature` for
/// [`EcdsaForm::Der`](crate::EcdsaForm::Der) and `ecdsa::Signature` for
/// [`EcdsaForm::Fixed`](crate::EcdsaForm::Fixed), say.
///
/// `Signer` takes randomness of the system where the scheme uses any; `RandomizedSigner` takes the
/// caller's, and then ECDSA and ML-DSA are hedged.
///
/// `DigestSigner` takes a hash function of the caller's, `PrehashSigner` a digest: they have to be of the
/// scheme's hash function. A hash function whose digests have another length is an error; another one with
/// digests of the same length is not found. Ed25519 and ML-DSA sign no digests.
#[derive(Clone)]
pub struct SigningKey(Key);

/// A public key of the device, with the scheme that signatures are compared by. Digests are taken as
/// [`SigningKey`] takes them.
#[derive(Clone)]
pub struct VerifyingKey(Key);

#[derive(Clone)]
struct Key {
    session: KeySession,
    scheme: SignatureScheme,
    /// What hashes messages; `None`: the scheme takes them whole.
    hash: Option<(KeyHash, HashSession)>,
}

impl Key {
    fn new(session: KeySession, scheme: SignatureScheme) -> Result<Self, Error> {
        let hash = match &scheme {
            SignatureScheme::Ed25519 | SignatureScheme::MlDsa { .. } => None,
            SignatureScheme::Pkcs1v15 { hash: Some(hash) } | SignatureScheme::Pss { hash, .. } => Some(*hash),
            SignatureScheme::Ecdsa { nonce: Nonce::Deterministic(hash) | Nonce::Hedged(hash), .. } => {
                Some(*hash)
            }
            _ => return Err(unfit(&session)),
        };
        let hash = match hash {
            None => None,
            Some(hash) => {
                let on_device = on_device(hash).ok_or_else(|| unfit(&session))?;
                Some((hash, session.hash_session(on_device)?))
            }
        };
        Ok(Self { session, scheme, hash })
    }

    /// What is signed for a message.
    fn input<'m>(&self, message: &'m [u8]) -> Result<Cow<'m, [u8]>, Error> {
        match &self.hash {
            Some((_, hash)) => hash.digest(message).map(|digest| digest.as_bytes().to_vec().into()),
            None => Ok(message.into()),
        }
    }

    /// A digest, where the scheme signs one.
    fn prehashed<'d>(&self, digest: &'d [u8]) -> Result<&'d [u8], signature::Error> {
        if self.hash.is_some() { Ok(digest) } else { Err(signature::Error::new()) }
    }

    /// The digest of what `update` hands over, by a hash function of the caller's.
    fn digested<D: Default + FixedOutput + HashMarker>(
        &self,
        update: impl Fn(&mut D) -> Result<(), signature::Error>,
    ) -> Result<Output<D>, signature::Error> {
        match &self.hash {
            Some((hash, _)) if hash.digest_len() == D::output_size() => {}
            _ => return Err(signature::Error::new()),
        }
        let mut digest = D::default();
        update(&mut digest)?;
        Ok(digest.finalize_fixed())
    }

    fn sign<S: SignatureEncoding>(&self, input: &[u8]) -> Result<S, signature::Error> {
        read(&self.session.sign(&self.scheme, input).map_err(opaque)?)
    }

    fn sign_with<S: SignatureEncoding>(
        &self,
        rng: &mut (impl TryCryptoRng + ?Sized),
        input: &[u8],
    ) -> Result<S, signature::Error> {
        let mut seed = Zeroizing::new([0; SEED]);
        rng.try_fill_bytes(&mut *seed).map_err(|error| signature::Error::from_source(error.to_string()))?;
        let scheme = match self.scheme.clone() {
            SignatureScheme::Ecdsa { nonce: Nonce::Deterministic(hash), form } => {
                SignatureScheme::Ecdsa { nonce: Nonce::Hedged(hash), form }
            }
            SignatureScheme::MlDsa { context, .. } => SignatureScheme::MlDsa { context, hedged: true },
            scheme => scheme,
        };
        read(&self.session.sign_with(&scheme, input, &*seed).map_err(opaque)?)
    }

    fn verify<S: SignatureEncoding>(&self, input: &[u8], signature: &S) -> Result<(), signature::Error> {
        self.session.verify(&self.scheme, input, signature.to_bytes().as_ref()).map_err(opaque)
    }
}

/// The hash function of the device.
const fn on_device(hash: KeyHash) -> Option<Hash> {
    Some(match hash {
        KeyHash::Sha224 => Hash::Sha224,
        KeyHash::Sha256 => Hash::Sha256,
        KeyHash::Sha384 => Hash::Sha384,
        KeyHash::Sha512 => Hash::Sha512,
        KeyHash::Sha512_256 => Hash::Sha512_256,
        _ => return None,
    })
}

fn unfit(session: &KeySession) -> Error {
    let algorithm = session.algorithm();
    Error::InvalidArgument(ArgumentError::Key { algorithm, reason: Unfit::Scheme })
}

fn opaque(error: Error) -> signature::Error {
    signature::Error::from_source(error)
}

fn read<S: SignatureEncoding>(bytes: &[u8]) -> Result<S, signature::Error> {
    S::try_from(bytes).map_err(|_| signature::Error::new())
}

impl SigningKey {
    /// The private key of a session ([`Engine::private_key`](crate::Engine::private_key)), and its scheme
    /// ([`KeySession::usual_scheme`], for one).
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a scheme that does not say what hashes the message, or names a hash
    /// function that the device does not compute (SHA-1, SHA-512/224, SHA-3). Whether key and scheme fit
    /// each other shows when it signs.
    pub fn new(session: KeySession, scheme: SignatureScheme) -> Result<Self, Error> {
        Key::new(session, scheme).map(Self)
    }
}

impl VerifyingKey {
    /// The public key of a session ([`Engine::public_key`](crate::Engine::public_key)), and its scheme.
    ///
    /// # Errors
    /// As [`SigningKey::new`].
    pub fn new(session: KeySession, scheme: SignatureScheme) -> Result<Self, Error> {
        Key::new(session, scheme).map(Self)
    }
}

impl<S: SignatureEncoding> Signer<S> for SigningKey {
    fn try_sign(&self, message: &[u8]) -> Result<S, signature::Error> {
        self.0.sign(&self.0.input(message).map_err(opaque)?)
    }
}

impl<S: SignatureEncoding> RandomizedSigner<S> for SigningKey {
    fn try_sign_with_rng<R: TryCryptoRng + ?Sized>(
        &self,
        rng: &mut R,
        message: &[u8],
    ) -> Result<S, signature::Error> {
        self.0.sign_with(rng, &self.0.input(message).map_err(opaque)?)
    }
}

impl<S: SignatureEncoding> PrehashSigner<S> for SigningKey {
    fn sign_prehash(&self, digest: &[u8]) -> Result<S, signature::Error> {
        self.0.sign(self.0.prehashed(digest)?)
    }
}

impl<S: SignatureEncoding> RandomizedPrehashSigner<S> for SigningKey {
    fn sign_prehash_with_rng<R: TryCryptoRng + ?Sized>(
        &self,
        rng: &mut R,
        digest: &[u8],
    ) -> Result<S, signature::Error> {
        self.0.sign_with(rng, self.0.prehashed(digest)?)
    }
}

impl<D, S> DigestSigner<D, S> for SigningKey
where
    D: Default + FixedOutput + HashMarker,
    S: SignatureEncoding,
{
    fn try_sign_digest<F>(&self, update: F) -> Result<S, signature::Error>
    where
        F: Fn(&mut D) -> Result<(), signature::Error>,
    {
        self.0.sign(&self.0.digested(update)?)
    }
}

impl<D, S> RandomizedDigestSigner<D, S> for SigningKey
where
    D: Default + FixedOutput + HashMarker,
    S: SignatureEncoding,
{
    fn try_sign_digest_with_rng<R, F>(&self, rng: &mut R, update: F) -> Result<S, signature::Error>
    where
        R: TryCryptoRng + ?Sized,
        F: Fn(&mut D) -> Result<(), signature::Error>,
    {
        self.0.sign_with(rng, &self.0.digested(update)?)
    }
}

/// The verifying key uses the session of the private key.
impl Keypair for SigningKey {
    type VerifyingKey = VerifyingKey;

    fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey(self.0.clone())
    }
}

impl<S: SignatureEncoding> Verifier<S> for VerifyingKey {
    fn verify(&self, message: &[u8], signature: &S) -> Result<(), signature::Error> {
        self.0.verify(&self.0.input(message).map_err(opaque)?, signature)
    }
}

impl<S: SignatureEncoding> PrehashVerifier<S> for VerifyingKey {
    fn verify_prehash(&self, digest: &[u8], signature: &S) -> Result<(), signature::Error> {
        self.0.verify(self.0.prehashed(digest)?, signature)
    }
}

impl<D, S> DigestVerifier<D, S> for VerifyingKey
where
    D: Default + FixedOutput + HashMarker,
    S: SignatureEncoding,
{
    fn verify_digest<F>(&self, update: F, signature: &S) -> Result<(), signature::Error>
    where
        F: Fn(&mut D) -> Result<(), signature::Error>,
    {
        self.0.verify(&self.0.digested(update)?, signature)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("algorithm", &self.0.session.key_algorithm())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey")
            .field("algorithm", &self.0.session.key_algorithm())
            .finish_non_exhaustive()
    }
}
