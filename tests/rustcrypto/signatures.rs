//! Signatures of the device's keys, of the types that RustCrypto has for them, compared by RustCrypto.

use ed25519_dalek::Signature as Ed25519Signature;
use p256::ecdsa::{DerSignature, Signature as P256Signature};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use sha2::Digest;
use simaccel::rustcrypto::signature::hazmat::{PrehashSigner, PrehashVerifier, RandomizedPrehashSigner};
use simaccel::rustcrypto::signature::{
    self, DigestSigner, DigestVerifier, Keypair, RandomizedDigestSigner, RandomizedSigner, SignatureEncoding,
    Signer, Verifier,
};
use simaccel::rustcrypto::{SigningKey, VerifyingKey};
use simaccel::{
    EcdsaForm, Engine, Error, Job, KeyAlgorithm, KeyHash, KeySession, Nonce, PrivateKey, PublicKey, Salt,
    SignatureScheme, WaitCtx,
};

use crate::engine_helpers::{assert_adds_up, finish, open};

const MESSAGE: &[u8] = b"attack at dawn";

fn keys(engine: &Engine, algorithm: KeyAlgorithm) -> (PrivateKey, KeySession) {
    let key = engine.generate_key(algorithm).unwrap();
    let session = engine.private_key(&key).unwrap();
    (key, session)
}

fn ecdsa(form: EcdsaForm) -> SignatureScheme {
    SignatureScheme::Ecdsa { nonce: Nonce::Deterministic(KeyHash::Sha256), form }
}

/// What generic code does with a key pair of any kind.
fn is_sound<S, K>(key: &K)
where
    S: SignatureEncoding,
    K: Signer<S> + RandomizedSigner<S> + Keypair<VerifyingKey: Verifier<S>>,
{
    let signature = key.sign(MESSAGE);
    key.verifying_key().verify(MESSAGE, &signature).unwrap();
    key.verifying_key().verify(b"attack at dusk", &signature).unwrap_err();
    let random = key.sign_with_rng(&mut ChaCha8Rng::seed_from_u64(1), MESSAGE);
    key.verifying_key().verify(MESSAGE, &random).unwrap();
    let again = key.sign_with_rng(&mut ChaCha8Rng::seed_from_u64(1), MESSAGE);
    assert_eq!(random.to_vec(), again.to_vec(), "the caller's randomness and no other");
}

#[test]
fn ecdsa_in_both_forms_is_what_p256_compares() {
    let engine = open("");
    let (key, session) = keys(&engine, KeyAlgorithm::P256);
    let theirs = p256::ecdsa::VerifyingKey::from_sec1_bytes(&key.public_key().to_raw().unwrap()).unwrap();

    let fixed = SigningKey::new(session.clone(), ecdsa(EcdsaForm::Fixed)).unwrap();
    is_sound::<P256Signature, _>(&fixed);
    let signature: P256Signature = fixed.sign(MESSAGE);
    theirs.verify(MESSAGE, &signature).unwrap();
    // Deterministic, and hedged with the caller's randomness.
    assert_eq!(signature, Signer::<P256Signature>::sign(&fixed, MESSAGE));
    let hedged: P256Signature = fixed.sign_with_rng(&mut ChaCha8Rng::seed_from_u64(1), MESSAGE);
    theirs.verify(MESSAGE, &hedged).unwrap();
    assert_ne!(signature, hedged);

    let der = SigningKey::new(session.clone(), ecdsa(EcdsaForm::Der)).unwrap();
    is_sound::<DerSignature, _>(&der);
    theirs.verify(MESSAGE, &Signer::<DerSignature>::sign(&der, MESSAGE)).unwrap();
    // A type that does not read what the scheme gives.
    let wrong: Result<P256Signature, _> = der.try_sign(MESSAGE);
    wrong.unwrap_err();

    // Theirs, compared by the device.
    let their_key = p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap();
    let public =
        PublicKey::from_raw(KeyAlgorithm::P256, &their_key.verifying_key().to_sec1_point(false).to_bytes());
    let public = engine.public_key(&public.unwrap()).unwrap();
    let ours = VerifyingKey::new(public, ecdsa(EcdsaForm::Fixed)).unwrap();
    let signature: P256Signature = their_key.sign(MESSAGE);
    ours.verify(MESSAGE, &signature).unwrap();
    ours.verify(b"", &signature).unwrap_err();

    let digest = sha2::Sha256::digest(MESSAGE);
    ours.verify_prehash(&digest, &signature).unwrap();
    let signature: P256Signature = fixed.sign_prehash(&digest).unwrap();
    theirs.verify(MESSAGE, &signature).unwrap();
    let signature: P256Signature =
        fixed.sign_prehash_with_rng(&mut ChaCha8Rng::seed_from_u64(2), &digest).unwrap();
    theirs.verify(MESSAGE, &signature).unwrap();
    assert_adds_up(&engine);
}

/// A message in pieces, hashed by `D`.
fn in_pieces<D: Digest>(digest: &mut D) {
    digest.update(&MESSAGE[..6]);
    digest.update(&MESSAGE[6..]);
}

/// What generic code does with a hash function of its own.
fn signs_what_is_hashed_by<D: Digest + signature::digest::Update>(engine: &Engine)
where
    SigningKey: DigestSigner<D, P256Signature> + RandomizedDigestSigner<D, P256Signature>,
    VerifyingKey: DigestVerifier<D, P256Signature>,
{
    let (key, session) = keys(engine, KeyAlgorithm::P256);
    let theirs = p256::ecdsa::VerifyingKey::from_sec1_bytes(&key.public_key().to_raw().unwrap()).unwrap();
    let ours = SigningKey::new(session, ecdsa(EcdsaForm::Fixed)).unwrap();
    let signature = ours.sign_digest(in_pieces::<D>);
    assert_eq!(signature, Signer::<P256Signature>::sign(&ours, MESSAGE));
    theirs.verify(MESSAGE, &signature).unwrap();
    let hedged = ours.sign_digest_with_rng(&mut ChaCha8Rng::seed_from_u64(3), in_pieces::<D>);
    assert_ne!(signature, hedged);
    theirs.verify(MESSAGE, &hedged).unwrap();
    let verifying = ours.verifying_key();
    let hashed = |digest: &mut D| -> Result<(), signature::Error> {
        in_pieces(digest);
        Ok(())
    };
    verifying.verify_digest(hashed, &signature).unwrap();
    verifying.verify_digest(|_: &mut D| Ok(()), &signature).unwrap_err();
    // An error of the caller's is passed on.
    verifying.verify_digest(|_: &mut D| Err(signature::Error::new()), &signature).unwrap_err();
}

#[test]
fn a_digest_of_the_callers_is_signed_whoever_computes_it() {
    let engine = open("");
    signs_what_is_hashed_by::<sha2::Sha256>(&engine);
    signs_what_is_hashed_by::<simaccel::rustcrypto::Sha256>(&engine);
    assert_adds_up(&engine);
}

#[test]
fn a_hash_function_that_is_not_the_schemes_is_an_error_before_it_hashes() {
    let engine = open("");
    let not_hashed = |_: &mut sha2::Sha512| -> Result<(), signature::Error> { panic!("it hashes") };
    let (_, session) = keys(&engine, KeyAlgorithm::P256);
    let key = SigningKey::new(session, ecdsa(EcdsaForm::Fixed)).unwrap();
    let refused: Result<P256Signature, _> = key.try_sign_digest(not_hashed);
    refused.unwrap_err();
    let signature: P256Signature = key.sign(MESSAGE);
    key.verifying_key().verify_digest(not_hashed, &signature).unwrap_err();
    // The scheme signs messages, and no digests.
    let (_, session) = keys(&engine, KeyAlgorithm::Ed25519);
    let key = SigningKey::new(session, SignatureScheme::Ed25519).unwrap();
    let refused: Result<Ed25519Signature, _> = key.try_sign_digest(not_hashed);
    refused.unwrap_err();
}

#[test]
fn ed25519_is_what_dalek_compares() {
    let engine = open("");
    let (key, session) = keys(&engine, KeyAlgorithm::Ed25519);
    let ours = SigningKey::new(session, SignatureScheme::Ed25519).unwrap();
    is_sound::<Ed25519Signature, _>(&ours);
    let public = key.public_key().to_raw().unwrap();
    let theirs = ed25519_dalek::VerifyingKey::from_bytes(&public.try_into().unwrap()).unwrap();
    theirs.verify(MESSAGE, &Signer::<Ed25519Signature>::sign(&ours, MESSAGE)).unwrap();
    // The scheme signs messages, and no digests.
    let refused: Result<Ed25519Signature, _> = ours.sign_prehash(&[0; 32]);
    refused.unwrap_err();
}

/// A signature of the caller's own type.
#[derive(Clone)]
struct Plain(Vec<u8>);

impl From<&[u8]> for Plain {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl From<Plain> for Box<[u8]> {
    fn from(signature: Plain) -> Self {
        signature.0.into()
    }
}

impl SignatureEncoding for Plain {
    type Repr = Box<[u8]>;
}

#[test]
fn rsa_is_sound_in_both_schemes() {
    let engine = open("");
    let (_, session) = keys(&engine, KeyAlgorithm::Rsa2048);
    let pkcs1 = SignatureScheme::Pkcs1v15 { hash: Some(KeyHash::Sha512) };
    is_sound::<Plain, _>(&SigningKey::new(session.clone(), pkcs1).unwrap());
    let (hash, mgf_hash) = (KeyHash::Sha256, KeyHash::Sha256);
    let pss = SignatureScheme::Pss { hash, mgf_hash, salt: Salt::Len(32) };
    is_sound::<Plain, _>(&SigningKey::new(session, pss).unwrap());
}

#[test]
fn a_scheme_without_a_hash_function_of_the_device_is_refused() {
    let engine = open("");
    let (_, session) = keys(&engine, KeyAlgorithm::P256);
    for scheme in [
        SignatureScheme::Pkcs1v15 { hash: None },
        SignatureScheme::RawRsa,
        SignatureScheme::Pkcs1v15 { hash: Some(KeyHash::Sha1) },
        SignatureScheme::Ecdsa { nonce: Nonce::Deterministic(KeyHash::Sha3_256), form: EcdsaForm::Der },
    ] {
        let error = SigningKey::new(session.clone(), scheme.clone()).unwrap_err();
        assert!(matches!(error, Error::InvalidArgument(_)), "{scheme:?}: {error}");
        VerifyingKey::new(session.clone(), scheme).unwrap_err();
    }
    // What fits no key of this kind shows when it signs, with the reason.
    let rsa = SignatureScheme::Pkcs1v15 { hash: Some(KeyHash::Sha256) };
    let refused: Result<DerSignature, _> = SigningKey::new(session, rsa).unwrap().try_sign(MESSAGE);
    let error = refused.unwrap_err();
    let source = std::error::Error::source(&error).expect("the device's reason");
    assert!(source.downcast_ref::<Error>().is_some(), "{source}");
}

#[test]
fn signing_pauses_its_job_for_the_digest_and_for_the_signature() {
    let engine = open("");
    let (_, session) = keys(&engine, KeyAlgorithm::P256);
    let key = SigningKey::new(session, ecdsa(EcdsaForm::Fixed)).unwrap();
    let in_job = key.clone();
    let ctx = WaitCtx::new();
    let mut job = Job::new(&ctx, move || Signer::<P256Signature>::sign(&in_job, MESSAGE)).unwrap();
    let (signature, pauses) = finish(&ctx, &mut job);
    assert_eq!(pauses, 2);
    key.verifying_key().verify(MESSAGE, &signature).unwrap();
}

/// Nothing stands in for a device that fails: the error has the cause.
#[test]
fn a_failed_device_is_an_error() {
    let engine = open("fault=fail:op=sign");
    let (_, session) = keys(&engine, KeyAlgorithm::P256);
    let key = SigningKey::new(session, ecdsa(EcdsaForm::Fixed)).unwrap();
    let refused: Result<P256Signature, _> = key.try_sign(MESSAGE);
    let error = refused.unwrap_err();
    let source = std::error::Error::source(&error).unwrap();
    assert_eq!(source.downcast_ref::<Error>(), Some(&Error::DeviceFailed));
    assert_eq!(engine.stats().fallbacks, 0);
}
