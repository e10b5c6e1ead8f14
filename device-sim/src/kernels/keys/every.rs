//! Every operation of every algorithm with its result, for tests inside of this crate.

use std::sync::Arc;

use super::parts::PublicParts;
use super::{AnyKey, Secret, Task, generate};
use crate::kernels::session::Session;
use crate::message::key_algorithm::{Family, KeyAlgorithm};
use crate::message::key_arguments::{
    EcdsaForm, KeyArguments, KeyHash, Nonce, RsaPadding, Salt, SignatureScheme,
};
use crate::message::operation::Operation;

/// An operation, and what it gives.
pub(crate) struct Action {
    pub(crate) key: AnyKey,
    pub(crate) operation: Operation,
    pub(crate) arguments: KeyArguments,
    pub(crate) input: Vec<u8>,
    /// Empty for Verify.
    pub(crate) output: Vec<u8>,
}

const DIGEST: [u8; 32] = [0xd1; 32];
const RANDOM: [u8; 64] = [0x5a; 64];

impl Action {
    fn new(key: AnyKey, operation: Operation, arguments: KeyArguments, input: &[u8]) -> Self {
        let mut new = Self { key, operation, arguments, input: input.to_vec(), output: Vec::new() };
        new.output = new.run();
        new
    }

    /// Its name in messages of tests.
    pub(crate) fn name(&self) -> String {
        format!("{}, {}", self.key.algorithm(), self.operation)
    }

    /// Runs it in the calling thread.
    pub(crate) fn run(&self) -> Vec<u8> {
        let task = Task { operation: self.operation, arguments: &self.arguments, input: &self.input };
        self.key.run(task).unwrap_or_else(|refusal| panic!("{}: {refusal:?}", self.name())).to_vec()
    }

    /// What lies in a request's buffer after it: an operation without an output leaves the input there.
    pub(crate) fn buffer(&self) -> &[u8] {
        if self.operation == Operation::Verify { &self.input } else { &self.output }
    }

    pub(crate) fn session(&self) -> Session {
        Session::of_key(self.key.clone())
    }
}

/// The arguments that generate a key: of RSA one of 1024 bits, which is the same code as a larger one.
pub(crate) fn generation(algorithm: KeyAlgorithm, seed: u8) -> KeyArguments {
    KeyArguments::random(&vec![seed; algorithm.seed_len()]).with_modulus(1024, 0)
}

pub(crate) fn key(algorithm: KeyAlgorithm, seed: u8) -> Arc<dyn Secret> {
    generate(algorithm, &generation(algorithm, seed)).unwrap_or_else(|refusal| panic!("{refusal:?}"))
}

/// Each operation of each algorithm. The sizes of RSA that have names of their own are left out.
pub(crate) fn all() -> Vec<Action> {
    let named = [KeyAlgorithm::Rsa2048, KeyAlgorithm::Rsa3072, KeyAlgorithm::Rsa4096];
    let algorithms = KeyAlgorithm::ALL.iter().filter(|algorithm| !named.contains(algorithm));
    algorithms.flat_map(|&algorithm| of(&key(algorithm, 1))).collect()
}

/// Each operation of a key.
pub(crate) fn of(own: &Arc<dyn Secret>) -> Vec<Action> {
    let algorithm = own.algorithm();
    let (private, public) = (AnyKey::Secret(Arc::clone(own)), AnyKey::Public(own.public()));
    let mut actions = Vec::new();
    for scheme in schemes(algorithm) {
        let sign = KeyArguments::sign(scheme.clone(), &RANDOM[..32]);
        let signing = Action::new(private.clone(), Operation::Sign, sign, &DIGEST);
        let verify = KeyArguments::verify(scheme, &signing.output);
        actions.extend([signing, Action::new(public.clone(), Operation::Verify, verify, &DIGEST)]);
    }
    for padding in paddings(algorithm) {
        let arguments = KeyArguments::padded(padding, &RANDOM[..32]);
        let encrypting = Action::new(public.clone(), Operation::Encrypt, arguments.clone(), &DIGEST);
        let decrypting = Action::new(private.clone(), Operation::Decrypt, arguments, &encrypting.output);
        actions.extend([encrypting, decrypting]);
    }
    if algorithm.output(Operation::Derive).is_some() {
        let PublicParts::Raw(peer) = key(algorithm, 2).public().parts() else { panic!("a point") };
        actions.push(Action::new(private.clone(), Operation::Derive, KeyArguments::default(), &peer));
    }
    if algorithm.output(Operation::Encapsulate).is_some() {
        let random = KeyArguments::random(&RANDOM[..algorithm.encapsulation_len()]);
        let encapsulating = Action::new(public, Operation::Encapsulate, random, &[]);
        let ciphertext = encapsulating.output[..algorithm.ciphertext_len()].to_vec();
        let none = KeyArguments::default();
        let decapsulating = Action::new(private, Operation::Decapsulate, none, &ciphertext);
        actions.extend([encapsulating, decapsulating]);
    }
    let generator = AnyKey::Generator(algorithm);
    actions.push(Action::new(generator, Operation::Generate, generation(algorithm, 3), &[]));
    actions
}

pub(crate) fn schemes(algorithm: KeyAlgorithm) -> Vec<SignatureScheme> {
    let (hash, mgf_hash) = (KeyHash::Sha256, KeyHash::Sha256);
    match algorithm.family() {
        Family::Rsa => vec![
            SignatureScheme::Pkcs1v15 { hash: Some(hash) },
            SignatureScheme::Pss { hash, mgf_hash, salt: Salt::Len(32) },
        ],
        Family::Ec => vec![
            SignatureScheme::Ecdsa { nonce: Nonce::Deterministic(hash), form: EcdsaForm::Der },
            SignatureScheme::Ecdsa { nonce: Nonce::Hedged(hash), form: EcdsaForm::Fixed },
        ],
        Family::Ed25519 => vec![SignatureScheme::Ed25519],
        Family::MlDsa => vec![SignatureScheme::MlDsa { context: b"context".to_vec(), hedged: true }],
        Family::X25519 | Family::Kem => Vec::new(),
    }
}

fn paddings(algorithm: KeyAlgorithm) -> Vec<RsaPadding> {
    if algorithm.family() != Family::Rsa {
        return Vec::new();
    }
    let (hash, mgf_hash) = (KeyHash::Sha256, KeyHash::Sha256);
    vec![
        RsaPadding::Pkcs1 { implicit_rejection: true },
        RsaPadding::Oaep { hash, mgf_hash, label: b"label".to_vec() },
    ]
}
