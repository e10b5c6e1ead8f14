//! One session of the engine, whatever its kind, and an operation on a lane.

use simaccel::{AeadSession, CipherSession, Engine, Error, HashSession, MacSession, OpError, Padding, Tag};
use simaccel_device::Algorithm;

use crate::workload::Lane;

/// A session of any kind.
pub(crate) enum Session {
    Cipher(CipherSession),
    Aead(AeadSession),
    Hash(HashSession),
    Mac(MacSession),
}

impl Session {
    pub(crate) fn open(
        engine: &Engine,
        algorithm: Algorithm,
        key: &[u8],
        padding: Padding,
    ) -> Result<Self, Error> {
        match algorithm {
            Algorithm::Cipher(cipher) => engine.cipher_with(cipher, key, padding).map(Self::Cipher),
            Algorithm::Aead(aead) => engine.aead(aead, key).map(Self::Aead),
            Algorithm::Hash(hash) => engine.hash(hash).map(Self::Hash),
            Algorithm::Hmac(hash) => engine.hmac(hash, key).map(Self::Mac),
            _ => unreachable!("names() has no other kind"),
        }
    }

    /// Encrypts, digests or authenticates the lane's input once. The buffers are the lane's again afterwards,
    /// after an error too.
    pub(crate) fn run(&self, lane: &mut Lane) -> Result<(), Error> {
        lane.clear_output();
        let input = std::mem::take(&mut lane.input);
        match self {
            Self::Cipher(session) => {
                let done = session.encrypt_to(&lane.iv, input, std::mem::take(&mut lane.output));
                let (input, output, result) = match done {
                    Ok((input, output)) => (input, output, Ok(())),
                    Err(error) => {
                        let (error, input, output) = error.into_buffers();
                        (input, output.unwrap_or_default(), Err(error))
                    }
                };
                (lane.input, lane.output) = (input, output);
                result
            }
            Self::Aead(session) => {
                let mut text = std::mem::take(&mut lane.output);
                text.extend_from_slice(&input);
                lane.input = input;
                let (text, tag, result) = tagged(session.seal(&lane.iv, &lane.aad, text));
                (lane.output, lane.tag) = (text, tag);
                result
            }
            Self::Hash(session) => lane.take_digest(tagged(session.digest_owned(input))),
            Self::Mac(session) => lane.take_digest(tagged(session.mac_owned(input))),
        }
    }
}

/// Buffer, tag and outcome, with an error too.
type Tagged = (Vec<u8>, Tag, Result<(), Error>);

fn tagged(done: Result<(Vec<u8>, Tag), OpError>) -> Tagged {
    match done {
        Ok((buffer, tag)) => (buffer, tag, Ok(())),
        Err(error) => {
            let (error, buffer) = error.into_parts();
            (buffer, Tag::default(), Err(error))
        }
    }
}

impl Lane {
    fn take_digest(&mut self, (input, tag, result): Tagged) -> Result<(), Error> {
        (self.input, self.tag) = (input, tag);
        result
    }
}
