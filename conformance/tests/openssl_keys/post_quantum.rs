//! ML-KEM-768 and ML-DSA, which OpenSSL has from 3.5 on.

use simaccel::{Engine, Error};
use simaccel_device::{KeyAlgorithm, KeyError, PrivateKey, SignatureScheme};

use crate::command::Openssl;
use crate::key::{Both, ours, text, theirs};
use crate::words;

/// Keys of each side.
const KEYS: usize = 3;

const SIGNING: [(KeyAlgorithm, &str); 2] =
    [(KeyAlgorithm::MlDsa44, "ML-DSA-44"), (KeyAlgorithm::MlDsa65, "ML-DSA-65")];

#[test]
#[ignore = "needs OpenSSL 3.5"]
fn what_one_side_encapsulates_the_other_decapsulates() {
    let (openssl, engine) = (Openssl::next(), Engine::open(Default::default()).unwrap());
    for _ in 0..KEYS {
        let generated = theirs(&openssl, "theirs", &["-algorithm", "ML-KEM-768"]);
        for both in [generated, ours(&openssl, "ours", &engine, KeyAlgorithm::MlKem768)] {
            let private = engine.private_key(&both.key).unwrap();
            let public = engine.public_key(&both.key.public_key()).unwrap();
            let (sent, secret) = (openssl.path("ciphertext"), openssl.path("secret"));
            openssl.output(words![
                "pkeyutl",
                "-encap",
                "-pubin",
                "-inkey",
                both.public,
                "-out",
                sent,
                "-secret",
                secret
            ]);
            let ciphertext = openssl.written("ciphertext");
            assert_eq!(*private.decapsulate(&ciphertext).unwrap(), openssl.written("secret"));

            let (mut ciphertext, secret) = public.encapsulate().unwrap();
            assert_eq!(decapsulated(&openssl, &both, &ciphertext), *secret);
            // A wrong one gives the same other secret on both sides.
            ciphertext[17] ^= 4;
            let other = private.decapsulate(&ciphertext).unwrap();
            assert_ne!(other, secret);
            assert_eq!(decapsulated(&openssl, &both, &ciphertext), *other);
        }
    }
}

fn decapsulated(openssl: &Openssl, both: &Both, ciphertext: &[u8]) -> Vec<u8> {
    let (input, secret) = (openssl.file("ciphertext", ciphertext), openssl.path("secret"));
    openssl.output(words!["pkeyutl", "-decap", "-inkey", both.private, "-in", input, "-secret", secret]);
    openssl.written("secret")
}

#[test]
#[ignore = "needs OpenSSL 3.5"]
fn ml_dsa_signatures_of_each_side_are_taken_by_the_other() {
    let (openssl, engine) = (Openssl::next(), Engine::open(Default::default()).unwrap());
    for (algorithm, name) in SIGNING {
        for number in 0..KEYS {
            let generated = theirs(&openssl, "theirs", &["-algorithm", name]);
            for both in [generated, ours(&openssl, "ours", &engine, algorithm)] {
                for context in ["", "a", "simaccel and openssl"] {
                    assert_ml_dsa(&openssl, &engine, &both, context, &vec![7; 500 * number + 1]);
                }
            }
        }
    }
}

/// Deterministic ones are the same bytes, hedged ones are taken.
#[track_caller]
fn assert_ml_dsa(openssl: &Openssl, engine: &Engine, both: &Both, context: &str, message: &[u8]) {
    let private = engine.private_key(&both.key).unwrap();
    let public = engine.public_key(&both.key.public_key()).unwrap();
    let input = openssl.file("message", message);
    let option = format!("context-string:{context}");
    let scheme = |hedged| SignatureScheme::MlDsa { context: context.into(), hedged };
    let common = if context.is_empty() { vec!["-rawin"] } else { vec!["-rawin", "-pkeyopt", &option] };
    let sign = |deterministic: &str| {
        let deterministic = format!("deterministic:{deterministic}");
        let options = [common.as_slice(), &["-pkeyopt", &deterministic]].concat();
        openssl.signed(&both.private, &input, &options)
    };
    let verifies = |signature: &[u8]| openssl.takes(&both.public, &input, signature, &common);
    assert_eq!(private.sign(&scheme(false), message).unwrap(), sign("1"), "{context:?}");
    let mut hedged = sign("0");
    assert_eq!(public.verify(&scheme(false), message, &hedged), Ok(()), "{context:?}");
    hedged[100] ^= 1;
    assert_eq!(public.verify(&scheme(false), message, &hedged), Err(Error::AuthFailed), "{context:?}");
    let mut hedged = private.sign(&scheme(true), message).unwrap();
    assert!(verifies(&hedged), "{context:?}");
    hedged[200] ^= 1;
    assert!(!verifies(&hedged), "{context:?}");
}

/// Seed, expanded, both (RFC 9935 and RFC 9881); and the forms of OpenSSL's own, which are none of those.
#[test]
#[ignore = "needs OpenSSL 3.5"]
fn every_form_of_a_key_is_imported() {
    let openssl = Openssl::next();
    for (name, option) in [("ML-KEM-768", "ml-kem"), ("ML-DSA-44", "ml-dsa"), ("ML-DSA-65", "ml-dsa")] {
        let both = theirs(&openssl, "theirs", &["-algorithm", name]);
        for form in ["seed-only", "priv-only", "seed-priv"] {
            let option = format!("{option}.output_formats={form}");
            let pem = openssl.output(words!["pkey", "-in", both.private, "-provparam", option]);
            let key =
                PrivateKey::from_pem(text(&pem)).unwrap_or_else(|error| panic!("{name} {form}: {error}"));
            assert_eq!(key.public_key(), both.key.public_key(), "{name} {form}");
        }
        for form in ["bare-seed", "bare-priv"] {
            let option = format!("{option}.output_formats={form}");
            let pem = openssl.output(words!["pkey", "-in", both.private, "-provparam", option]);
            assert!(matches!(PrivateKey::from_pem(text(&pem)), Err(KeyError::Der(_))), "{name} {form}");
        }
    }
}
