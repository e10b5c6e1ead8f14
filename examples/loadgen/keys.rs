//! Generated load of operations with keys: the key of a part, and what each lane asks for.
//!
//! ```text
//!   seed ──► key of the part ──► lane: input, arguments ──► software's result ──► confirmed by the counterpart
//! ```
//!
//! | operation   | input, arguments                | result             | confirmed before the run            |
//! |-------------|---------------------------------|--------------------|-------------------------------------|
//! | sign        | digest or message               | signature          | the public key verifies it          |
//! | verify      | a signature, one in eight wrong | right or wrong     | by how it was made                  |
//! | decrypt     | ciphertext                      | text               | it is the text that was encrypted   |
//! | encrypt     | text, randomness                | ciphertext         | the private key decrypts it         |
//! | derive      | peer's public value             | secret             | it is the one that the peer derives |
//! | encapsulate | randomness                      | ciphertext, secret | the private key finds that secret   |
//! | decapsulate | ciphertext                      | secret             | it is the one of the encapsulation  |
//! | generate    | randomness                      | private key        | it can be imported                  |
//!
//! All that is random is given, so there is one right result, and each result of a run is compared with it
//! byte for byte. RSA keys are those of the folder `keys`, because a search for primes takes seconds.

use simaccel::{AnySession, Engine, Error, KeySession};
use simaccel_device::{
    EcdsaForm, Family, KeyAlgorithm, KeyArguments, KeyHash, Nonce, Operation, PrivateKey, Request,
    RsaPadding, Session, SessionId, SignatureScheme, Status,
};

use crate::failure::Failure;
use crate::workload::{Lane, random};

/// Different lanes of a part: further ones repeat them, because each takes milliseconds to prepare.
pub(crate) const DISTINCT: usize = 64;

/// Bytes of a lane at most: the longest signature, ciphertext and key, each twice.
pub(crate) const LANE_LEN: usize = 16 << 10;

/// One signature in so many is wrong, and has to be refused.
const WRONG: u64 = 8;

/// Bytes of a message that is signed as a whole: those that a TLS 1.3 server signs (RFC 8446, 4.4.3).
const MESSAGE: usize = 64 + 33 + 1 + 32;

/// Bytes of a text for RSA: a premaster secret of TLS 1.2 (RFC 5246, 7.4.7.1).
const TEXT: usize = 48;

/// Further streams of the seed that belong to a lane's.
const PEER: u64 = 1 << 30;

/// The key of a part, and both of its sides in software.
pub(crate) struct Keys {
    algorithm: KeyAlgorithm,
    operation: Operation,
    private_key: PrivateKey,
    private: Session,
    public: Session,
}

impl Keys {
    /// From this stream of the seed, but for RSA.
    pub(crate) fn new(
        algorithm: KeyAlgorithm,
        operation: Operation,
        seed: u64,
        stream: u64,
    ) -> Result<Self, Failure> {
        let private_key = match algorithm {
            KeyAlgorithm::Rsa2048 => of_pem(include_str!("keys/rsa-2048.pem"))?,
            KeyAlgorithm::Rsa3072 => of_pem(include_str!("keys/rsa-3072.pem"))?,
            KeyAlgorithm::Rsa4096 => of_pem(include_str!("keys/rsa-4096.pem"))?,
            _ => generated(algorithm, seed, stream)?,
        };
        let (private, public) =
            (Session::private_key(&private_key), Session::public_key(&private_key.public_key()));
        Ok(Self { algorithm, operation, private_key, private, public })
    }

    /// A session of an engine: one of the public key, where that is enough.
    pub(crate) fn session(&self, engine: &Engine) -> Result<AnySession, Error> {
        let session = match self.operation {
            Operation::Verify | Operation::Encrypt | Operation::Encapsulate => {
                engine.public_key(&self.private_key.public_key())
            }
            Operation::Generate => engine.key_generator(self.algorithm),
            _ => engine.private_key(&self.private_key),
        };
        session.map(AnySession::Key)
    }

    /// A lane with its expected result, from this stream of the seed.
    pub(crate) fn lane(&self, seed: u64, stream: u64) -> Result<Lane, Failure> {
        let Asked { input, arguments, expected } = self.asked(seed, stream)?;
        let mut lane = Lane::new(input, expected);
        lane.asked = Some(KeyCall { operation: self.operation, arguments });
        Ok(lane)
    }

    /// What a lane asks for, with the result by the counterpart.
    fn asked(&self, seed: u64, stream: u64) -> Result<Asked, Failure> {
        let bytes = |len| random(seed, stream, len);
        match self.operation {
            Operation::Sign => self.signature_of(bytes(self.message_len())),
            Operation::Verify => {
                let Asked { input, expected: signature, .. } =
                    self.signature_of(bytes(self.message_len()))?;
                let is_right = !stream.is_multiple_of(WRONG);
                let input = if is_right { input } else { random(seed, stream + PEER, input.len()) };
                let arguments = KeyArguments::verify(self.scheme(), &signature);
                Ok(Asked { input, arguments, expected: vec![u8::from(is_right)] })
            }
            Operation::Encrypt => {
                let arguments = KeyArguments::padded(PADDING, &random(seed, stream + PEER, SEED));
                let (input, none) = (bytes(TEXT), KeyArguments::padded(PADDING, &[]));
                let expected = compute(&self.public, Operation::Encrypt, &input, &arguments)?;
                self.confirm(compute(&self.private, Operation::Decrypt, &expected, &none)? == input)?;
                Ok(Asked { input, arguments, expected })
            }
            Operation::Decrypt => {
                let arguments = KeyArguments::padded(PADDING, &random(seed, stream + PEER, SEED));
                let expected = bytes(TEXT);
                let input = compute(&self.public, Operation::Encrypt, &expected, &arguments)?;
                Ok(Asked { input, arguments: KeyArguments::padded(PADDING, &[]), expected })
            }
            Operation::Derive => {
                let peer = generated(self.algorithm, seed, stream)?;
                let (theirs, ours) = (public_value(&peer), public_value(&self.private_key));
                let none = KeyArguments::default();
                let expected = compute(&Session::private_key(&peer), Operation::Derive, &ours, &none)?;
                Ok(Asked { input: theirs, arguments: none, expected })
            }
            Operation::Encapsulate => {
                let (arguments, ciphertext, secret) =
                    self.encapsulated(&bytes(self.algorithm.encapsulation_len()))?;
                let none = KeyArguments::default();
                let found = compute(&self.private, Operation::Decapsulate, &ciphertext, &none)?;
                self.confirm(found == secret)?;
                Ok(Asked { input: Vec::new(), arguments, expected: [ciphertext, secret].concat() })
            }
            Operation::Decapsulate => {
                let (_, ciphertext, secret) =
                    self.encapsulated(&bytes(self.algorithm.encapsulation_len()))?;
                Ok(Asked { input: ciphertext, arguments: KeyArguments::default(), expected: secret })
            }
            Operation::Generate => {
                let arguments = KeyArguments::random(&bytes(self.algorithm.seed_len()));
                let generator = Session::key_generator(self.algorithm);
                let expected = compute(&generator, Operation::Generate, &[], &arguments)?;
                PrivateKey::from_generated(self.algorithm, &expected).map_err(|_| self.disagrees())?;
                Ok(Asked { input: Vec::new(), arguments, expected })
            }
            other => unreachable!("no name stands for {other}"),
        }
    }

    /// Signs, and asks the public key.
    fn signature_of(&self, input: Vec<u8>) -> Result<Asked, Failure> {
        let arguments = KeyArguments::sign(self.scheme(), &[]);
        let expected = compute(&self.private, Operation::Sign, &input, &arguments)?;
        let verifying = KeyArguments::verify(self.scheme(), &expected);
        compute(&self.public, Operation::Verify, &input, &verifying)?;
        Ok(Asked { input, arguments, expected })
    }

    /// Arguments, ciphertext and secret of an encapsulation.
    fn encapsulated(&self, randomness: &[u8]) -> Result<(KeyArguments, Vec<u8>, Vec<u8>), Failure> {
        let arguments = KeyArguments::random(randomness);
        let mut ciphertext = compute(&self.public, Operation::Encapsulate, &[], &arguments)?;
        let secret = ciphertext.split_off(self.algorithm.ciphertext_len());
        Ok((arguments, ciphertext, secret))
    }

    fn scheme(&self) -> SignatureScheme {
        match self.algorithm.family() {
            Family::Ec => {
                SignatureScheme::Ecdsa { nonce: Nonce::Deterministic(self.hash()), form: EcdsaForm::Der }
            }
            Family::Ed25519 => SignatureScheme::Ed25519,
            Family::MlDsa => SignatureScheme::MlDsa { context: Vec::new(), hedged: false },
            _ => SignatureScheme::Pkcs1v15 { hash: Some(self.hash()) },
        }
    }

    /// The hash function that TLS 1.3 uses a key with.
    const fn hash(&self) -> KeyHash {
        match self.algorithm {
            KeyAlgorithm::P384 => KeyHash::Sha384,
            KeyAlgorithm::P521 => KeyHash::Sha512,
            _ => KeyHash::Sha256,
        }
    }

    /// Bytes of a digest, or of a message.
    fn message_len(&self) -> usize {
        match self.algorithm.family() {
            Family::Ed25519 | Family::MlDsa => MESSAGE,
            _ => self.hash().digest_len(),
        }
    }

    fn confirm(&self, agrees: bool) -> Result<(), Failure> {
        if agrees { Ok(()) } else { Err(self.disagrees()) }
    }

    fn disagrees(&self) -> Failure {
        let Self { algorithm, operation, .. } = self;
        Failure::Run(format!("software's result of {algorithm}/{operation} is not its counterpart's"))
    }
}

/// RSA as clients of TLS 1.2 use it.
const PADDING: RsaPadding = RsaPadding::Pkcs1 { implicit_rejection: true };

/// Bytes of randomness that padding is expanded from.
const SEED: usize = 32;

/// What a lane asks for, and the right result.
struct Asked {
    input: Vec<u8>,
    arguments: KeyArguments,
    expected: Vec<u8>,
}

/// What a lane asks of a key, beside its input.
#[derive(Clone)]
pub(crate) struct KeyCall {
    operation: Operation,
    arguments: KeyArguments,
}

/// The operation of a lane, in a session of an engine.
pub(crate) fn run(session: &KeySession, lane: &mut Lane) -> Result<(), Error> {
    let KeyCall { operation, arguments } = asked(lane);
    let ran = session.run(operation, arguments, &lane.input);
    lane.take_result(operation, ran)
}

/// The same, awaited.
pub(crate) async fn awaited(session: &KeySession, lane: &mut Lane) -> Result<(), Error> {
    let KeyCall { operation, arguments } = asked(lane);
    let ran = session.run_async(operation, arguments, &lane.input).await;
    lane.take_result(operation, ran)
}

fn asked(lane: &Lane) -> KeyCall {
    lane.asked.clone().unwrap_or_else(|| unreachable!("a lane of a key asks for an operation"))
}

impl Lane {
    /// The result of a verification is one byte: that a signature is refused is a result, too.
    fn take_result(
        &mut self,
        operation: Operation,
        ran: Result<impl AsRef<[u8]>, Error>,
    ) -> Result<(), Error> {
        match (operation, ran) {
            (Operation::Verify, Ok(_)) => self.output.push(1),
            (Operation::Verify, Err(Error::AuthFailed)) => self.output.push(0),
            (_, Ok(output)) => self.output.extend_from_slice(output.as_ref()),
            (_, Err(error)) => return Err(error),
        }
        Ok(())
    }
}

/// The same by software, for what is right.
fn compute(
    session: &Session,
    operation: Operation,
    input: &[u8],
    arguments: &KeyArguments,
) -> Result<Vec<u8>, Failure> {
    let mut request = Request::new(SessionId::NONE, operation, input.to_vec());
    request.arguments = Some(Box::new(arguments.clone()));
    match session.execute(&mut request) {
        Status::Ok => Ok(request.buffer),
        status => {
            let algorithm = session.algorithm();
            Err(Failure::Run(format!("software could not compute {algorithm}/{operation}: {status:?}")))
        }
    }
}

fn of_pem(pem: &str) -> Result<PrivateKey, Failure> {
    PrivateKey::from_pem(pem).map_err(|error| Failure::Run(error.to_string()))
}

fn generated(algorithm: KeyAlgorithm, seed: u64, stream: u64) -> Result<PrivateKey, Failure> {
    let randomness = random(seed, stream, algorithm.seed_len());
    PrivateKey::generate(algorithm, &KeyArguments::random(&randomness))
        .map_err(|error| Failure::Run(error.to_string()))
}

/// The public value of a key, as a peer sends it.
fn public_value(key: &PrivateKey) -> Vec<u8> {
    key.public_key().to_raw().unwrap_or_default()
}
