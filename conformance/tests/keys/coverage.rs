//! Every operation of every algorithm has vectors: a way that records the calls of the sets.

use std::cell::RefCell;
use std::collections::HashSet;

use simaccel_device::{Family, KeyAlgorithm, KeyArguments, Operation};

use crate::way::{Key, Refused, Way};
use crate::ways::Direct;

/// The direct way, and what gave a result.
#[derive(Default)]
struct Noting {
    seen: RefCell<HashSet<(KeyAlgorithm, Operation)>>,
}

impl Way for Noting {
    fn run(
        &self,
        key: &Key,
        operation: Operation,
        arguments: KeyArguments,
        input: &[u8],
    ) -> Result<Vec<u8>, Refused> {
        let outcome = Direct.run(key, operation, arguments, input);
        if outcome.is_ok() {
            self.seen.borrow_mut().insert((key.algorithm(), operation));
        }
        outcome
    }
}

/// No standard says how an RSA key is made from randomness; `openssl_keys` has OpenSSL check such keys.
fn has_no_vectors(algorithm: KeyAlgorithm, operation: Operation) -> bool {
    algorithm.family() == Family::Rsa && operation == Operation::Generate
}

#[test]
fn every_operation_of_every_algorithm_has_vectors() {
    let way = Noting::default();
    for set in crate::sets() {
        set(&way);
    }
    let seen = way.seen.into_inner();
    let all = KeyAlgorithm::ALL
        .iter()
        .flat_map(|&algorithm| algorithm.operations().iter().map(move |&operation| (algorithm, operation)));
    let without: Vec<String> = all
        .filter(|known| !seen.contains(known))
        .filter(|&(algorithm, operation)| !has_no_vectors(algorithm, operation))
        .map(|(algorithm, operation)| format!("{}/{operation}", algorithm.name()))
        .collect();
    assert!(without.is_empty(), "no set has vectors for {}", without.join(", "));
}
