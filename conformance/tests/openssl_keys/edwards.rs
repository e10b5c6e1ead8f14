//! Ed25519 and X25519.

use simaccel::{Engine, Error};
use simaccel_device::{KeyAlgorithm, SignatureScheme};

use crate::command::Openssl;
use crate::key::{ours, theirs};

/// Keys of each side.
const KEYS: usize = 4;

#[test]
fn ed25519_signatures_are_the_same_bytes() {
    let (openssl, engine) = (Openssl::system(), Engine::open(Default::default()).unwrap());
    for number in 0..KEYS {
        let generated = theirs(&openssl, "theirs", &["-algorithm", "ED25519"]);
        for both in [generated, ours(&openssl, "ours", &engine, KeyAlgorithm::Ed25519)] {
            let private = engine.private_key(&both.key).unwrap();
            let public = engine.public_key(&both.key.public_key()).unwrap();
            for len in [1, 31, 32, 1000, 70_000] {
                let message = vec![number.to_le_bytes()[0]; len];
                let input = openssl.file("message", &message);
                let mut signature = openssl.signed(&both.private, &input, &["-rawin"]);
                let signed = private.sign(&SignatureScheme::Ed25519, &message).unwrap();
                assert_eq!(signed, signature, "{len} bytes");
                assert!(openssl.takes(&both.public, &input, &signed, &["-rawin"]));
                let verify = |signature: &[u8]| public.verify(&SignatureScheme::Ed25519, &message, signature);
                assert_eq!(verify(&signature), Ok(()));
                signature[len % 64] ^= 0x10;
                assert_eq!(verify(&signature), Err(Error::AuthFailed));
            }
        }
    }
}

#[test]
fn x25519_secrets_are_the_same() {
    let (openssl, engine) = (Openssl::system(), Engine::open(Default::default()).unwrap());
    for _ in 0..KEYS {
        let generated = theirs(&openssl, "theirs", &["-algorithm", "X25519"]);
        let keys = [generated, ours(&openssl, "ours", &engine, KeyAlgorithm::X25519)];
        for (own, peer) in [(&keys[0], &keys[1]), (&keys[1], &keys[0])] {
            let derived = openssl.derived(&own.private, &peer.public);
            let session = engine.private_key(&own.key).unwrap();
            let peer = peer.key.public_key().to_raw().unwrap();
            assert_eq!(*session.derive(&peer).unwrap(), derived, "{peer:02x?}");
        }
    }
}
