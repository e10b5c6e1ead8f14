//! Every operation of every kind of key, with what it gives: the same wherever it is computed, since its
//! randomness comes with it.

#![allow(dead_code, reason = "each test file uses its own share")]

use std::sync::LazyLock;

use simaccel::{
    Config, EcdsaForm, Engine, Error, KeyAlgorithm, KeyArguments, KeyHash, KeySession, Nonce, Operation,
    PrivateKey, RsaPadding, Salt, SignatureScheme, Zeroizing,
};

/// An operation, and its result without the device.
#[derive(Clone)]
pub(crate) struct Action {
    key: Option<PrivateKey>,
    pub(crate) algorithm: KeyAlgorithm,
    pub(crate) operation: Operation,
    arguments: KeyArguments,
    input: Vec<u8>,
    expected: Vec<u8>,
}

pub(crate) type Output = Result<Zeroizing<Vec<u8>>, Error>;

impl Action {
    fn new(key: &PrivateKey, operation: Operation, arguments: KeyArguments, input: &[u8]) -> Self {
        let algorithm = key.algorithm();
        let key = (operation != Operation::Generate).then(|| key.clone());
        let mut new =
            Self { key, algorithm, operation, arguments, input: input.to_vec(), expected: Vec::new() };
        new.expected = new.run(&new.session(&software())).unwrap().to_vec();
        new
    }

    /// Of the private key, the public one, or of none for Generate.
    pub(crate) fn session(&self, engine: &Engine) -> KeySession {
        match (&self.key, self.operation) {
            (None, _) => engine.key_generator(self.algorithm).unwrap(),
            (Some(key), Operation::Verify | Operation::Encrypt | Operation::Encapsulate) => {
                engine.public_key(&key.public_key()).unwrap()
            }
            (Some(key), _) => engine.private_key(key).unwrap(),
        }
    }

    pub(crate) fn run(&self, session: &KeySession) -> Output {
        session.run(self.operation, self.arguments.clone(), &self.input)
    }

    /// What a polled operation is made of.
    pub(crate) fn parts(&self) -> (Operation, KeyArguments, Vec<u8>) {
        (self.operation, self.arguments.clone(), self.input.clone())
    }

    pub(crate) fn is_right(&self, output: &[u8]) -> bool {
        output == self.expected
    }
}

/// Sends nothing to its device.
pub(crate) fn software() -> Engine {
    Engine::stepped(Config::parse("offload_threshold=4294967295").unwrap()).unwrap()
}

const DIGEST: [u8; 32] = [0xd1; 32];
const RANDOM: [u8; 64] = [0x5a; 64];

/// 1024 bits are the same code as 4096, and quicker.
fn key(algorithm: KeyAlgorithm, seed: u8) -> PrivateKey {
    let arguments = KeyArguments::random(&vec![seed; algorithm.seed_len()]);
    PrivateKey::generate(algorithm, &arguments.with_modulus(1024, 0)).unwrap()
}

fn schemes(algorithm: KeyAlgorithm) -> Vec<SignatureScheme> {
    let (hash, mgf_hash) = (KeyHash::Sha256, KeyHash::Sha256);
    match algorithm {
        KeyAlgorithm::Rsa => vec![
            SignatureScheme::Pkcs1v15 { hash: Some(hash) },
            SignatureScheme::Pss { hash, mgf_hash, salt: Salt::Len(32) },
        ],
        KeyAlgorithm::P256 | KeyAlgorithm::P384 | KeyAlgorithm::P521 => vec![
            SignatureScheme::Ecdsa { nonce: Nonce::Deterministic(hash), form: EcdsaForm::Der },
            SignatureScheme::Ecdsa { nonce: Nonce::Hedged(hash), form: EcdsaForm::Fixed },
        ],
        KeyAlgorithm::Ed25519 => vec![SignatureScheme::Ed25519],
        KeyAlgorithm::MlDsa44 | KeyAlgorithm::MlDsa65 => {
            vec![SignatureScheme::MlDsa { context: b"context".to_vec(), hedged: true }]
        }
        _ => Vec::new(),
    }
}

fn paddings(algorithm: KeyAlgorithm) -> Vec<RsaPadding> {
    if algorithm != KeyAlgorithm::Rsa {
        return Vec::new();
    }
    let (hash, mgf_hash) = (KeyHash::Sha1, KeyHash::Sha1);
    vec![
        RsaPadding::Pkcs1 { implicit_rejection: true },
        RsaPadding::Oaep { hash, mgf_hash, label: b"label".to_vec() },
    ]
}

fn of(algorithm: KeyAlgorithm) -> Vec<Action> {
    let (own, peer) = (key(algorithm, 1), key(algorithm, 2));
    let mut actions = Vec::new();
    for scheme in schemes(algorithm) {
        let sign = KeyArguments::sign(scheme.clone(), &RANDOM[..32]);
        let signing = Action::new(&own, Operation::Sign, sign, &DIGEST);
        let verify = KeyArguments::verify(scheme, &signing.expected);
        actions.extend([signing, Action::new(&own, Operation::Verify, verify, &DIGEST)]);
    }
    for padding in paddings(algorithm) {
        let arguments = KeyArguments::padded(padding, &RANDOM[..32]);
        let encrypting = Action::new(&own, Operation::Encrypt, arguments.clone(), &DIGEST);
        let ciphertext = encrypting.expected.clone();
        actions.extend([encrypting, Action::new(&own, Operation::Decrypt, arguments, &ciphertext)]);
    }
    if algorithm.output(Operation::Derive).is_some() {
        let value = peer.public_key().to_raw().unwrap();
        actions.push(Action::new(&own, Operation::Derive, KeyArguments::default(), &value));
    }
    if algorithm.output(Operation::Encapsulate).is_some() {
        let random = KeyArguments::random(&RANDOM[..algorithm.encapsulation_len()]);
        let encapsulating = Action::new(&own, Operation::Encapsulate, random, &[]);
        let ciphertext = encapsulating.expected[..algorithm.ciphertext_len()].to_vec();
        let decapsulating = Action::new(&own, Operation::Decapsulate, KeyArguments::default(), &ciphertext);
        assert_eq!(encapsulating.expected[ciphertext.len()..], decapsulating.expected);
        actions.extend([encapsulating, decapsulating]);
    }
    let seed = KeyArguments::random(&vec![3; algorithm.seed_len()]).with_modulus(512, 0);
    actions.push(Action::new(&own, Operation::Generate, seed, &[]));
    actions
}

/// All of them: each operation of each algorithm, RSA with 1024 bits.
pub(crate) fn all() -> &'static [Action] {
    static ALL: LazyLock<Vec<Action>> = LazyLock::new(|| {
        let named = [KeyAlgorithm::Rsa2048, KeyAlgorithm::Rsa3072, KeyAlgorithm::Rsa4096];
        let algorithms = KeyAlgorithm::ALL.iter().filter(|algorithm| !named.contains(algorithm));
        algorithms.flat_map(|&algorithm| of(algorithm)).collect()
    });
    &ALL
}

/// One of each operation.
pub(crate) fn few() -> Vec<Action> {
    let mut seen = Vec::new();
    let is_new = |action: &&Action| {
        !seen.contains(&action.operation) && {
            seen.push(action.operation);
            true
        }
    };
    all().iter().rev().filter(is_new).cloned().collect()
}
