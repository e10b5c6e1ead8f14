//! An operation on a lane, by a session of whatever kind.

use simaccel::{AnySession, Error, OpError, Tag};

use crate::keys;
use crate::workload::Lane;

/// Encrypts, digests or authenticates the lane's input once, or does what it asks of a key. The buffers are
/// the lane's again afterwards, after an error too.
pub(crate) fn run(session: &AnySession, lane: &mut Lane) -> Result<(), Error> {
    lane.clear_output();
    let input = std::mem::take(&mut lane.input);
    match session {
        AnySession::Cipher(session) => {
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
        AnySession::Aead(session) => {
            let mut text = std::mem::take(&mut lane.output);
            text.extend_from_slice(&input);
            lane.input = input;
            let (text, tag, result) = tagged(session.seal(&lane.iv, &lane.aad, text));
            (lane.output, lane.tag) = (text, tag);
            result
        }
        AnySession::Hash(session) => lane.take_digest(tagged(session.digest_owned(input))),
        AnySession::Mac(session) => lane.take_digest(tagged(session.mac_owned(input))),
        AnySession::Key(session) => {
            lane.input = input;
            keys::run(session, lane)
        }
        AnySession::Other(_) => unreachable!("no name stands for one"),
    }
}

/// Buffer, tag and outcome, also after an error.
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
