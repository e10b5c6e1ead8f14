//! Every algorithm of the table has vectors: a way that records the calls of the sets.

use std::cell::RefCell;
use std::collections::HashSet;

use simaccel_device::{Algorithm, Hash};

use crate::direct::Direct;
use crate::way::{AeadCall, CipherCall, Refused, Way};

/// The direct way, and the algorithms it was called with.
struct Noting {
    way: Direct,
    seen: RefCell<HashSet<Algorithm>>,
}

impl Noting {
    fn note(&self, algorithm: Algorithm) {
        self.seen.borrow_mut().insert(algorithm);
    }
}

impl Way for Noting {
    fn cipher(&self, call: &CipherCall<'_>) -> Result<Vec<u8>, Refused> {
        self.note(Algorithm::Cipher(call.cipher));
        self.way.cipher(call)
    }

    fn seal(&self, call: &AeadCall<'_>) -> Result<(Vec<u8>, Vec<u8>), Refused> {
        self.note(Algorithm::Aead(call.aead));
        self.way.seal(call)
    }

    fn open(&self, call: &AeadCall<'_>, tag: &[u8]) -> Result<Vec<u8>, Refused> {
        self.way.open(call, tag)
    }

    fn digest(&self, hash: Hash, message: &[u8]) -> Result<Vec<u8>, Refused> {
        self.note(Algorithm::Hash(hash));
        self.way.digest(hash, message)
    }

    fn mac(&self, hash: Hash, key: &[u8], message: &[u8]) -> Result<Vec<u8>, Refused> {
        self.note(Algorithm::Hmac(hash));
        self.way.mac(hash, key, message)
    }
}

#[test]
fn every_algorithm_has_vectors() {
    let way = Noting { way: Direct::InPlace, seen: RefCell::default() };
    for set in crate::sets() {
        set(&way);
    }
    let seen = way.seen.into_inner();
    let without: Vec<String> =
        Algorithm::SYMMETRIC.iter().filter(|known| !seen.contains(known)).map(Algorithm::to_string).collect();
    assert!(without.is_empty(), "no set has vectors for {}", without.join(", "));
}
