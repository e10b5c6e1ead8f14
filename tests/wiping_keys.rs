//! Private keys, and what operations with them give, do not stay in freed memory.
//!
//! The allocator inspects every block that is freed, so this file has one test function.

mod captured;
mod engine_helpers;
mod freed;

use simaccel::{
    Engine, Job, KeyAlgorithm, KeyArguments, KeyHash, KeySession, Operation, PrivateKey, PublicKey,
    RsaPadding, Step, WaitCtx,
};

use self::engine_helpers::stepped;
use self::freed::{SECRET, keeps};

const ALGORITHMS: [KeyAlgorithm; 9] = [
    KeyAlgorithm::P256,
    KeyAlgorithm::P384,
    KeyAlgorithm::P521,
    KeyAlgorithm::X25519,
    KeyAlgorithm::Ed25519,
    KeyAlgorithm::MlKem768,
    KeyAlgorithm::X25519MlKem768,
    KeyAlgorithm::MlDsa44,
    KeyAlgorithm::MlDsa65,
];

/// A key that consists of the secret; its bytes are never freed.
fn bytes(algorithm: KeyAlgorithm) -> &'static [u8] {
    SECRET.repeat(if is_curve(algorithm) { 1 } else { algorithm.seed_len() / SECRET.len() }).leak()
}

fn is_curve(algorithm: KeyAlgorithm) -> bool {
    matches!(algorithm, KeyAlgorithm::P256 | KeyAlgorithm::P384 | KeyAlgorithm::P521)
}

fn imported(algorithm: KeyAlgorithm) -> PrivateKey {
    match is_curve(algorithm) {
        true => PrivateKey::from_scalar(algorithm, bytes(algorithm), None).unwrap(),
        false => PrivateKey::from_raw(algorithm, bytes(algorithm)).unwrap(),
    }
}

/// Every form of the key, out and in again.
fn forms(algorithm: KeyAlgorithm) {
    let key = imported(algorithm);
    drop(key.parts());
    let again = PrivateKey::from_parts(algorithm, &key.parts()).unwrap();
    assert_eq!(again.public_key(), key.public_key());
    if let Some(der) = key.to_pkcs8_der() {
        assert_eq!(PrivateKey::from_pkcs8_der(&der).unwrap().public_key(), key.public_key());
        PrivateKey::from_pkcs8_der(&der[..der.len() - 1]).unwrap_err();
        PrivateKey::from_sec1_der(&der).unwrap_err();
    }
    PrivateKey::from_raw(algorithm, &bytes(algorithm)[1..]).unwrap_err();
}

/// The key's operations that need the private key.
fn operate(engine: &Engine, session: &KeySession, public: &PublicKey) {
    let scheme = session.usual_scheme(KeyHash::Sha256);
    if let Some(scheme) = scheme {
        session.sign(&scheme, &[7; 32]).unwrap();
    }
    let operations = session.key_algorithm().operations();
    if operations.contains(&Operation::Derive) {
        session.derive(&public.to_raw().unwrap()).unwrap();
        session.derive(&[5; 7]).unwrap_err();
    }
    if operations.contains(&Operation::Decapsulate) {
        let (ciphertext, secret) = engine.public_key(public).unwrap().encapsulate().unwrap();
        assert_eq!(session.decapsulate(&ciphertext).unwrap(), secret);
        session.decapsulate(&[5; 7]).unwrap_err();
    }
}

/// Keys that the device makes of the secret as their randomness.
fn generated(engine: &Engine, algorithm: KeyAlgorithm) {
    if !is_curve(algorithm) {
        let session = engine.key_generator(algorithm).unwrap();
        drop(session.generate_with(KeyArguments::random(bytes(algorithm))).unwrap());
    }
}

/// A job that is dropped while the device has its request, or has answered it.
fn job_dropped(engine: &Engine, session: &KeySession, steps: usize) {
    let Some(scheme) = session.usual_scheme(KeyHash::Sha256) else { return };
    let (ctx, session) = (WaitCtx::new(), session.clone());
    let mut job = Job::new(&ctx, move || drop(session.sign(&scheme, &[7; 32]))).unwrap();
    assert!(matches!(job.resume().unwrap(), Step::Paused));
    for _ in 0..steps {
        engine.device().step();
    }
    drop(job);
}

/// The secret as the text that RSA encrypts and decrypts.
fn rsa(engine: &Engine, key: &PrivateKey) {
    let hash = KeyHash::Sha256;
    let paddings = [
        RsaPadding::Oaep { hash, mgf_hash: hash, label: Vec::new() },
        RsaPadding::Pkcs1 { implicit_rejection: true },
        RsaPadding::Pkcs1 { implicit_rejection: false },
    ];
    let (private, public) = (engine.private_key(key).unwrap(), engine.public_key(&key.public_key()).unwrap());
    for padding in paddings {
        let ciphertext = public.encrypt(&padding, SECRET).unwrap();
        assert_eq!(&**private.decrypt(&padding, &ciphertext).unwrap(), SECRET);
    }
}

#[test]
fn no_key_is_in_memory_that_is_given_back() {
    let arguments = KeyArguments::random(&[3; 32]).with_modulus(1024, 0);
    let rsa_key = PrivateKey::generate(KeyAlgorithm::Rsa, &arguments).unwrap();
    let modelled = "completion_nsec=1000";
    for config in ["", modelled, "completion_nsec=1000;delivery=poll", "fallback=on", "offload_threshold=100"]
    {
        let engine = stepped(config);
        keeps(&format!("{config}: RSA"), || rsa(&engine, &rsa_key));
        for algorithm in ALGORITHMS {
            keeps(&format!("{config}: forms of {algorithm}"), || forms(algorithm));
            keeps(&format!("{config}: {algorithm}"), || {
                let key = imported(algorithm);
                let session = engine.private_key(&key).unwrap();
                operate(&engine, &session, &key.public_key());
                generated(&engine, algorithm);
                if !config.contains("threshold") && config != "fallback=on" {
                    (0..3).for_each(|steps| job_dropped(&engine, &session, steps));
                }
            });
        }
        keeps("the device's buffers", || drop(engine));
    }
}
