//! Every algorithm of the device's table is a session of the engine, and stands in `docs/algorithms.md`.

mod captured;

use std::path::Path;

use simaccel::{
    Algorithm, AnySession, Config, Engine, Error, KeyAlgorithm, KeyHash, OutputLen, Parameter, Parameters,
    SessionError,
};
use simaccel_device::{Request, Session, SessionId, Status};

/// The page's row for an algorithm.
fn row(algorithm: Algorithm) -> String {
    let quoted = |names: &[&str]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let parameters = Parameter::ALL.iter().filter(|parameter| parameter.fits(algorithm));
    let mut parameters: Vec<String> = parameters.map(|parameter| format!("`{parameter}`")).collect();
    if let [first, ..] = algorithm.tag_lens() {
        let lens: Vec<_> = algorithm.tag_lens().iter().map(usize::to_string).collect();
        assert!(*first > 0 && parameters.len() == 1);
        parameters[0].push_str(&format!(": {}", lens.join(", ")));
    }
    let output = match algorithm.output(algorithm.operations()[0]).unwrap() {
        OutputLen::Same => "as long as the message".to_owned(),
        OutputLen::Padded => "the message and 1 to 16 bytes of padding".to_owned(),
        OutputLen::Tagged(len) => format!("as long as the message, and a tag of {len} bytes"),
        OutputLen::Fixed(len) => format!("{len} bytes"),
        len => panic!("say in the page what {len:?} is"),
    };
    let cells = [
        quoted(&[algorithm.name()]),
        quoted(algorithm.aliases()),
        algorithm.key_lens().to_string(),
        algorithm.iv_lens().to_string(),
        parameters.join(", "),
        output,
    ];
    cells.map(|cell| if cell.is_empty() { "| ".to_owned() } else { format!("| {cell} ") }).concat() + "|"
}

/// The page's row for an algorithm of private keys.
fn key_row(key: KeyAlgorithm) -> String {
    let cell = |names: Vec<&str>| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let operations = key.operations().iter().map(|operation| operation.name()).collect();
    let cells = [vec![key.name()], key.aliases().to_vec(), operations].map(cell);
    cells.map(|cell| if cell.is_empty() { "| ".to_owned() } else { format!("| {cell} ") }).concat() + "|"
}

#[test]
fn the_page_is_the_table() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/algorithms.md");
    let page = std::fs::read_to_string(page).unwrap();
    let found: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
    let keys = KeyAlgorithm::ALL.iter().map(|&key| key_row(key));
    let expected: Vec<String> =
        Algorithm::SYMMETRIC.iter().map(|&algorithm| row(algorithm)).chain(keys).collect();
    assert_eq!(found, expected, "the rows should be:\n{}", expected.join("\n"));
}

/// Text and tag, digest or MAC of a message, by a session of the engine.
fn by_engine(session: &AnySession, iv: &[u8], message: &[u8]) -> (Vec<u8>, Vec<u8>) {
    match session {
        AnySession::Cipher(session) => (session.encrypt(iv, message.to_vec()).unwrap(), Vec::new()),
        AnySession::Aead(session) => {
            let (text, tag) = session.seal(iv, b"", message.to_vec()).unwrap();
            (text, tag.as_bytes().to_vec())
        }
        AnySession::Hash(session) => (message.to_vec(), session.digest(message).unwrap().as_bytes().to_vec()),
        AnySession::Mac(session) => (message.to_vec(), session.mac(message).unwrap().as_bytes().to_vec()),
        AnySession::Key(_) | AnySession::Other(_) => panic!("say here what a session of no kind gives"),
    }
}

#[test]
fn every_algorithm_is_a_session_and_gives_what_the_kernel_gives() {
    let engine = Engine::open(Config::default()).unwrap();
    for &algorithm in Algorithm::SYMMETRIC {
        let key: Vec<u8> = (1..).take(algorithm.usual_key_len()).collect();
        let iv = vec![7; algorithm.usual_iv_len()];
        let session = engine.session(algorithm, &key, Parameters::default()).unwrap();
        assert_eq!(session.algorithm(), algorithm);
        let operation = algorithm.operations()[0];
        assert_eq!(session.output(operation), algorithm.output(operation));
        session.check(operation, iv.len(), 33).unwrap();

        let mut request = Request::new(SessionId::NONE, operation, vec![5; 33]);
        request.set_iv(&iv);
        let kernel = Session::new(algorithm, &key, Parameters::default()).unwrap();
        assert_eq!(kernel.execute(&mut request), Status::Ok);
        let expected = (request.buffer, request.tag.as_bytes().to_vec());
        assert_eq!(by_engine(&session, &iv, &[5; 33]), expected, "{algorithm}");
    }
    let stats = engine.stats();
    assert_eq!(stats.device.total.submitted, Algorithm::SYMMETRIC.len() as u64, "all of it on the device");
}

#[test]
fn the_output_is_as_long_as_the_table_says() {
    for &algorithm in Algorithm::SYMMETRIC {
        let operation = algorithm.operations()[0];
        let key: Vec<u8> = (1..).take(algorithm.usual_key_len()).collect();
        let session = Session::new(algorithm, &key, Parameters::default()).unwrap();
        for len in 16..66 {
            let mut request = Request::new(SessionId::NONE, operation, vec![5; len]);
            request.set_iv(&vec![7; algorithm.usual_iv_len()]);
            assert_eq!(session.execute(&mut request), Status::Ok);
            let (text, tag) = (request.buffer.len(), request.tag.as_bytes().len());
            match session.output(operation).unwrap() {
                OutputLen::Same => assert_eq!((text, tag), (len, 0), "{algorithm}"),
                OutputLen::Padded => assert_eq!((text, tag), (len + 16 - len % 16, 0), "{algorithm}"),
                OutputLen::Tagged(bytes) => assert_eq!((text, tag), (len, bytes), "{algorithm}"),
                OutputLen::Fixed(bytes) => assert_eq!((text, tag), (len, bytes), "{algorithm}"),
                other => panic!("{algorithm}: {other:?}"),
            }
        }
    }
}

#[test]
fn a_session_that_cannot_be_is_refused_with_what_is_allowed() {
    let engine = Engine::open(Config::default()).unwrap();
    let refused = |name: &str, key_len: usize, parameters: Parameters| {
        let key: Vec<u8> = (0..key_len).map(|at| at.to_le_bytes()[0]).collect();
        let error = engine.session(name.parse().unwrap(), &key, parameters).unwrap_err();
        let Error::Session(error) = error else { panic!("{error:?}") };
        error
    };
    let default = Parameters::default();
    let padded = default.with_padding(simaccel::Padding::None);
    for &algorithm in Algorithm::SYMMETRIC {
        let (name, key_len) = (algorithm.name(), algorithm.usual_key_len());
        for parameter in Parameter::ALL {
            let parameters = match parameter {
                Parameter::Padding => padded,
                Parameter::TagLen => default.with_tag_len(16),
                parameter => panic!("{parameter:?}"),
            };
            if !parameter.fits(algorithm) {
                let error = refused(name, key_len, parameters);
                assert_eq!(error, SessionError::Parameter { algorithm, parameter });
            }
        }
        for len in (0..70).filter(|&len| !algorithm.key_lens().contains(len as u64)) {
            let allowed = algorithm.key_lens();
            let error = refused(name, len, default);
            assert_eq!(error, SessionError::KeyLength { algorithm, allowed, given: len });
        }
    }
    let said = [
        (refused("aes192", 16, default), "aes-192-cbc takes a key of 24 bytes, not 16"),
        (refused("SHA2-256", 3, default), "sha256 takes no key, and was given 3 bytes"),
        (refused("aes-128-gcm", 16, padded), "padding does not fit aes-128-gcm, which takes tag_len"),
        (
            refused("aes-128-gcm", 16, default.with_tag_len(5)),
            "aes-128-gcm tags have 4, 8 or 12 to 16 bytes, not 5",
        ),
        (
            refused("hmac-sha224", 9, default.with_tag_len(12)),
            "tag_len does not fit hmac-sha224, which takes no option",
        ),
    ];
    for (error, words) in said {
        assert_eq!(error.to_string(), words);
    }
}

/// A session by name and DER, as a program has it that learns both at run time; and every refusal says why.
#[test]
fn a_key_in_der_is_a_session() {
    let engine = Engine::open(Config::default()).unwrap();
    let der = include_bytes!("../device-sim/tests/rsa/2048.der");
    let session = |algorithm: KeyAlgorithm, der: &[u8]| {
        engine.session(Algorithm::Key(algorithm), der, Parameters::default())
    };
    for algorithm in [KeyAlgorithm::Rsa2048, KeyAlgorithm::Rsa] {
        let AnySession::Key(key) = session(algorithm, der).unwrap() else { panic!("it is a key") };
        assert_eq!(key.key_algorithm(), KeyAlgorithm::Rsa2048);
        let scheme = key.usual_scheme(KeyHash::Sha256).unwrap();
        let signature = key.sign(&scheme, &[1; 32]).unwrap();
        key.verify(&scheme, &[1; 32], &signature).unwrap();
        let error = key.sign(&scheme, &[1; 31]).unwrap_err().to_string();
        assert_eq!(error, "invalid argument: rsa-2048: a digest of 31 bytes: sha256 gives 32");
    }
    let said = [
        (session(KeyAlgorithm::Rsa4096, der), "rsa-4096: the key is rsa-2048, not rsa-4096"),
        (session(KeyAlgorithm::P256, b"x"), "p-256: the bytes are not a DER-encoded private or public key"),
        (session(KeyAlgorithm::P256, b""), "p-256 takes a key of 1 byte or more, not 0"),
    ];
    for (session, words) in said {
        assert_eq!(session.unwrap_err().to_string(), words);
    }
}
