//! The operations that are swept: one of each kind, in one request and in parts. Each returns how it ended.

use simaccel::{Aead, Cipher, Config, Engine, Error, Hash, OpError, Padding};

use super::outcome::{Outcome, Work};

const KEY: [u8; 32] = [0x42; 32];
const IV: [u8; 16] = [0x24; 16];

/// The results of the operations without faults.
type Expected = Vec<Vec<u8>>;

fn message(len: usize) -> Vec<u8> {
    (0..len).map(|at| at.to_le_bytes()[0] ^ 0x5a).collect()
}

/// All operations. `few`: only those that matter where each fault costs real time.
pub(crate) fn all(engine: &Engine, few: bool) -> Vec<Work> {
    let software = Engine::stepped(Config::parse("offload_threshold=4294967295").unwrap()).unwrap();
    let expected: Expected = actions(&software).into_iter().map(|action| action().unwrap()).collect();
    let count = if few { 3 } else { expected.len() };
    let actions = actions(engine).into_iter().zip(expected).take(count);
    actions
        .map(|(action, expected)| -> Work {
            Box::new(move || match action() {
                Ok(output) if output == expected => Outcome::Right,
                Ok(_) => Outcome::Wrong,
                Err(error) => Outcome::of_error(&error),
            })
        })
        .collect()
}

type Action = Box<dyn FnOnce() -> Result<Vec<u8>, Error>>;

fn actions(engine: &Engine) -> Vec<Action> {
    let ctr = engine.cipher(Cipher::Aes256Ctr, &KEY).unwrap();
    let cbc = engine.cipher_with(Cipher::Aes128Cbc, &KEY[..16], Padding::None).unwrap();
    let gcm = engine.aead(Aead::Aes256Gcm, &KEY).unwrap();
    let hash = engine.hash(Hash::Sha256).unwrap();
    let mac = engine.hmac(Hash::Sha512, &KEY).unwrap();
    let (borrowing, streaming) = (ctr.clone(), ctr.clone());
    vec![
        Box::new(move || with_buffer(70, |buffer| ctr.encrypt(&IV, buffer))),
        Box::new(move || Ok(hash.digest(&message(100))?.as_bytes().to_vec())),
        Box::new(move || {
            with_buffer(50, |buffer| {
                let (text, tag) = gcm.seal(&IV[..12], b"aad", buffer)?;
                Ok([&text, tag.as_bytes()].concat())
            })
        }),
        Box::new(move || {
            with_buffer(64, |buffer| cbc.decrypt_to(&IV, buffer, Vec::new()).map(|(_, text)| text))
        }),
        Box::new(move || {
            let mut into = [0; 33];
            borrowing.decrypt_slice(&IV, &message(33), &mut into)?;
            Ok(into.to_vec())
        }),
        Box::new(move || Ok(mac.mac(&message(9))?.as_bytes().to_vec())),
        Box::new(move || {
            let mut stream = streaming.encryptor(&IV);
            let mut text = with_buffer(40, |buffer| stream.update(buffer))?;
            text.extend(with_buffer(41, |buffer| stream.update(buffer))?);
            text.extend(stream.finish()?);
            Ok(text)
        }),
    ]
}

/// Runs an operation on an owned buffer, which every error must return unchanged.
fn with_buffer<R>(len: usize, operation: impl FnOnce(Vec<u8>) -> Result<R, OpError>) -> Result<R, Error> {
    operation(message(len)).map_err(|error| {
        let (error, buffer) = error.into_parts();
        assert_eq!(buffer, message(len), "the input comes back with {error:?}");
        error
    })
}
