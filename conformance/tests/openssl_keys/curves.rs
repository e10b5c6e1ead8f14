//! The curves of NIST.

use simaccel::{Engine, Error};
use simaccel_device::{
    EcdsaForm, KeyAlgorithm, KeyError, KeyHash, Nonce, PrivateKey, PublicKey, SignatureScheme,
};

use crate::command::Openssl;
use crate::key::{Both, ours, text, theirs};
use crate::words;

/// Keys of each side, for each curve.
const KEYS: usize = 3;
/// Of digests, and of what is none. The command takes no more than 64 bytes; the conformance sets have longer
/// ones.
const LENS: [usize; 6] = [1, 20, 28, 32, 48, 64];

const CURVES: [(KeyAlgorithm, &str); 3] =
    [(KeyAlgorithm::P256, "P-256"), (KeyAlgorithm::P384, "P-384"), (KeyAlgorithm::P521, "P-521")];

const SCHEME: SignatureScheme =
    SignatureScheme::Ecdsa { nonce: Nonce::Hedged(KeyHash::Sha512), form: EcdsaForm::Der };

fn generated(openssl: &Openssl, name: &str, curve: &str) -> Both {
    let curve = format!("ec_paramgen_curve:{curve}");
    theirs(openssl, name, &["-algorithm", "EC", "-pkeyopt", &curve])
}

/// Bytes that look like a digest.
fn digest(len: usize, number: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 37 + number * 101 + 3).to_le_bytes()[0]).collect()
}

#[test]
fn signatures_of_each_side_are_taken_by_the_other() {
    let (openssl, engine) = (Openssl::system(), Engine::open(Default::default()).unwrap());
    for (algorithm, curve) in CURVES {
        for number in 0..KEYS {
            assert_signatures(&openssl, &engine, &generated(&openssl, "theirs", curve), number);
            assert_signatures(&openssl, &engine, &ours(&openssl, "ours", &engine, algorithm), number);
        }
    }
}

#[track_caller]
fn assert_signatures(openssl: &Openssl, engine: &Engine, both: &Both, number: usize) {
    let (private, public) =
        (engine.private_key(&both.key).unwrap(), engine.public_key(&both.key.public_key()).unwrap());
    for len in LENS {
        let about = format!("{len} bytes, {:?}", both.key.parts());
        let digest = digest(len, number);
        let input = openssl.file("digest", &digest);
        let verifies = |signature: &[u8]| openssl.takes(&both.public, &input, signature, &[]);
        let mut signature = private.sign(&SCHEME, &digest).unwrap();
        assert!(verifies(&signature), "{about}");
        *signature.last_mut().unwrap() ^= 1;
        assert!(!verifies(&signature), "{about}");
        let mut signature = openssl.signed(&both.private, &input, &[]);
        assert_eq!(public.verify(&SCHEME, &digest, &signature), Ok(()), "{about}");
        *signature.last_mut().unwrap() ^= 1;
        assert_eq!(public.verify(&SCHEME, &digest, &signature), Err(Error::AuthFailed), "{about}");
    }
}

#[test]
fn both_sides_derive_the_same_secret() {
    let (openssl, engine) = (Openssl::system(), Engine::open(Default::default()).unwrap());
    for (algorithm, curve) in CURVES {
        for _ in 0..KEYS {
            let keys = [generated(&openssl, "theirs", curve), ours(&openssl, "ours", &engine, algorithm)];
            for (own, peer) in [(&keys[0], &keys[1]), (&keys[1], &keys[0])] {
                let derived = openssl.derived(&own.private, &peer.public);
                let session = engine.private_key(&own.key).unwrap();
                let peer = peer.key.public_key().to_raw().unwrap();
                assert_eq!(*session.derive(&peer).unwrap(), derived, "{:?}, {peer:02x?}", own.key.parts());
            }
        }
    }
}

/// SEC 1 in PEM and DER; points that are compressed and hybrid.
#[test]
fn every_form_of_a_key_is_imported() {
    let openssl = Openssl::system();
    for (_, curve) in CURVES {
        let both = generated(&openssl, "theirs", curve);
        let expected = both.key.public_key();
        let pem = openssl.output(words!["pkey", "-in", both.private, "-traditional"]);
        assert!(text(&pem).contains("EC PRIVATE KEY"), "{}", text(&pem));
        assert_eq!(PrivateKey::from_pem(text(&pem)).unwrap().public_key(), expected);
        let der = openssl.output(words!["ec", "-in", both.private, "-outform", "DER"]);
        assert_eq!(PrivateKey::from_sec1_der(&der).unwrap().public_key(), expected);
        for form in ["compressed", "uncompressed", "hybrid"] {
            let der = openssl.output(words![
                "ec",
                "-in",
                both.private,
                "-conv_form",
                form,
                "-pubout",
                "-outform",
                "DER"
            ]);
            assert_eq!(PublicKey::from_spki_der(&der), Ok(expected.clone()), "{form}");
        }
    }
}

#[test]
fn keys_that_are_not_supported_are_refused_with_the_reason() {
    let openssl = Openssl::system();
    let generate = |options: &[&str]| {
        let pem = openssl.output([&["genpkey", "-algorithm"], options].concat());
        PrivateKey::from_pem(text(&pem)).map(drop)
    };
    let explicit = ["EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-pkeyopt", "ec_param_enc:explicit"];
    assert_eq!(generate(&explicit), Err(KeyError::Unsupported));
    for curve in ["secp256k1", "brainpoolP256r1", "P-224"] {
        let curve = format!("ec_paramgen_curve:{curve}");
        assert_eq!(generate(&["EC", "-pkeyopt", &curve]), Err(KeyError::Unsupported), "{curve}");
    }
    for algorithm in ["X448", "ED448"] {
        assert_eq!(generate(&[algorithm]), Err(KeyError::Unsupported), "{algorithm}");
    }
    let encrypted = ["EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-aes-128-cbc", "-pass", "pass:word"];
    assert_eq!(generate(&encrypted), Err(KeyError::Encrypted));
}

#[test]
#[ignore = "needs OpenSSL 3.5"]
fn deterministic_signatures_are_the_same_bytes() {
    let (openssl, engine) = (Openssl::next(), Engine::open(Default::default()).unwrap());
    let hashes = [
        (KeyHash::Sha1, "sha1"),
        (KeyHash::Sha224, "sha224"),
        (KeyHash::Sha256, "sha256"),
        (KeyHash::Sha384, "sha384"),
        (KeyHash::Sha512, "sha512"),
        (KeyHash::Sha512_256, "sha512-256"),
        (KeyHash::Sha3_256, "sha3-256"),
        (KeyHash::Sha3_512, "sha3-512"),
    ];
    for (algorithm, curve) in CURVES {
        for both in [generated(&openssl, "theirs", curve), ours(&openssl, "ours", &engine, algorithm)] {
            let session = engine.private_key(&both.key).unwrap();
            for (hash, name) in hashes {
                let digest = digest(hash.digest_len(), 7);
                let input = openssl.file("digest", &digest);
                let named = format!("digest:{name}");
                let options = ["-pkeyopt", &named, "-pkeyopt", "nonce-type:1"];
                let signature = openssl.signed(&both.private, &input, &options);
                let nonce = Nonce::Deterministic(hash);
                let scheme = SignatureScheme::Ecdsa { nonce, form: EcdsaForm::Der };
                assert_eq!(session.sign(&scheme, &digest).unwrap(), signature, "{curve}, {name}");
            }
        }
    }
}
