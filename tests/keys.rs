//! Private and public keys at the engine: every operation through the device.

mod captured;

use simaccel::{
    Config, Engine, Error, Job, KeyAlgorithm, KeyHash, Operation, PrivateKey, PublicKey, Step, WaitCtx,
    wait_readable,
};

const CURVES: [KeyAlgorithm; 3] = [KeyAlgorithm::P256, KeyAlgorithm::P384, KeyAlgorithm::P521];

fn engine() -> Engine {
    Engine::open(Config::default()).unwrap()
}

fn in_job<T: 'static>(work: impl FnOnce() -> T + 'static) -> T {
    let ctx = WaitCtx::new();
    let mut job = Job::new(&ctx, work).unwrap();
    loop {
        match job.resume().unwrap() {
            Step::Paused => drop(wait_readable(&ctx.all_fds()).unwrap()),
            Step::Finished(result) => break result,
        }
    }
}

#[test]
fn a_signature_of_a_curve_is_verified_and_no_other_is() {
    let engine = engine();
    for curve in CURVES {
        let key = engine.generate_key(curve).unwrap();
        assert_eq!((key.algorithm(), key.bits()), (curve, curve.bits()));
        let (signer, verifier) =
            (engine.private_key(&key).unwrap(), engine.public_key(&key.public_key()).unwrap());
        let scheme = signer.usual_scheme(KeyHash::Sha256).unwrap();
        let signature = signer.sign(&scheme, &[7; 32]).unwrap();
        assert_eq!(signature, signer.sign(&scheme, &[7; 32]).unwrap(), "RFC 6979 is deterministic");
        for session in [&signer, &verifier] {
            session.verify(&scheme, &[7; 32], &signature).unwrap();
            assert_eq!(session.verify(&scheme, &[8; 32], &signature), Err(Error::AuthFailed));
            assert_eq!(session.verify(&scheme, &[7; 32], &signature[1..]), Err(Error::AuthFailed));
        }
        let error = verifier.sign(&scheme, &[7; 32]).unwrap_err().to_string();
        assert!(error.contains("the key has no operation sign"), "{error}");
    }
    let done = engine.stats().device.total.by_operation().collect::<Vec<_>>();
    let count = |wanted| done.iter().find(|(operation, _)| *operation == wanted).unwrap().1.completed;
    assert_eq!((count(Operation::Generate), count(Operation::Verify)), (3, 6));
    assert_eq!(count(Operation::Sign), 6, "what is refused is not completed");
}

#[test]
fn a_job_pauses_on_a_signature() {
    let engine = engine();
    let key = PrivateKey::from_scalar(KeyAlgorithm::P256, &[1], None).unwrap();
    let session = engine.private_key(&key).unwrap();
    let scheme = session.usual_scheme(KeyHash::Sha256).unwrap();
    let public = PublicKey::from_parts(KeyAlgorithm::P256, &key.public_key().parts()).unwrap();
    assert_eq!(public, key.public_key());
    let (signer, wanted) = (session.clone(), scheme.clone());
    let signature = in_job(move || signer.sign(&wanted, &[3; 20])).unwrap();
    session.verify(&scheme, &[3; 20], &signature).unwrap();
    let stats = engine.stats();
    assert_eq!((stats.pauses, stats.operations), (1, 2));
}

#[test]
fn a_key_is_written_as_it_is_read() {
    let engine = engine();
    let large = [KeyAlgorithm::Rsa, KeyAlgorithm::Rsa3072, KeyAlgorithm::Rsa4096];
    for &algorithm in KeyAlgorithm::ALL.iter().filter(|algorithm| !large.contains(algorithm)) {
        let key = engine.generate_key(algorithm).unwrap();
        let public = key.public_key();
        let (Some(pkcs8), Some(spki)) = (key.to_pkcs8_der(), public.to_spki_der()) else {
            assert_eq!(algorithm, KeyAlgorithm::X25519MlKem768, "it alone has no object identifier");
            continue;
        };
        let again = PrivateKey::from_pkcs8_der(&pkcs8).unwrap();
        assert_eq!((again.algorithm(), again.public_key()), (algorithm, public.clone()));
        assert_eq!(again.to_pkcs8_der(), Some(pkcs8));
        assert_eq!(PublicKey::from_spki_der(&spki).unwrap(), public);
    }
}
