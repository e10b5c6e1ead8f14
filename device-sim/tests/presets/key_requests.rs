//! Requests for operations with keys, all alike: what the model times, and not what comes out, is asked for.

use simaccel_device::{
    EcdsaForm, Family, KeyAlgorithm, KeyArguments, KeyHash, Nonce, Operation, PrivateKey, Request, Session,
    SessionId, SignatureScheme,
};

/// The operation, and a session that has it.
pub(crate) struct KeyRequests {
    operation: Operation,
    key: PrivateKey,
    input: Vec<u8>,
    arguments: KeyArguments,
}

impl KeyRequests {
    pub(crate) fn new(algorithm: KeyAlgorithm, operation: Operation) -> Self {
        let key = key(algorithm);
        let scheme = scheme(algorithm);
        let digest = vec![7; 32];
        let (input, arguments) = match operation {
            Operation::Sign => (digest, KeyArguments::sign(scheme, &[])),
            Operation::Verify => {
                let mut signing = Request::new(SessionId::NONE, Operation::Sign, digest.clone());
                signing.arguments = Some(Box::new(KeyArguments::sign(scheme.clone(), &[])));
                Session::private_key(&key).execute(&mut signing);
                (digest, KeyArguments::verify(scheme, &signing.buffer))
            }
            Operation::Derive => (key.public_key().to_raw().unwrap(), KeyArguments::default()),
            Operation::Encapsulate => {
                (Vec::new(), KeyArguments::random(&vec![9; algorithm.encapsulation_len()]))
            }
            Operation::Generate => (Vec::new(), KeyArguments::random(&vec![9; algorithm.seed_len()])),
            other => panic!("no figure is of {other}"),
        };
        Self { operation, key, input, arguments }
    }

    pub(crate) fn session(&self) -> Session {
        match self.operation {
            Operation::Generate => Session::key_generator(self.key.algorithm()),
            _ => Session::private_key(&self.key),
        }
    }

    pub(crate) fn request(&self, session: SessionId) -> Request {
        let mut request = Request::new(session, self.operation, self.input.clone());
        request.arguments = Some(Box::new(self.arguments.clone()));
        request
    }
}

fn scheme(algorithm: KeyAlgorithm) -> SignatureScheme {
    match algorithm.family() {
        Family::Ec => {
            SignatureScheme::Ecdsa { nonce: Nonce::Deterministic(KeyHash::Sha256), form: EcdsaForm::Der }
        }
        _ => SignatureScheme::Pkcs1v15 { hash: Some(KeyHash::Sha256) },
    }
}

fn key(algorithm: KeyAlgorithm) -> PrivateKey {
    let pem = match algorithm {
        KeyAlgorithm::Rsa2048 => include_str!("rsa-2048.pem"),
        KeyAlgorithm::Rsa3072 => include_str!("rsa-3072.pem"),
        KeyAlgorithm::Rsa4096 => include_str!("rsa-4096.pem"),
        _ => {
            let seed = KeyArguments::random(&vec![5; algorithm.seed_len()]);
            return PrivateKey::generate(algorithm, &seed).unwrap();
        }
    };
    PrivateKey::from_pem(pem).unwrap()
}
