//! An operation on a lane, by a session of whatever kind: blocking, or awaited.

use std::rc::Rc;

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
            let output = std::mem::take(&mut lane.output);
            lane.take_text(session.encrypt_to(&lane.iv, input, output))
        }
        AnySession::Aead(session) => {
            let text = lane.text_apart(input);
            lane.take_sealed(session.seal(&lane.iv, &lane.aad, text))
        }
        AnySession::Hash(session) => lane.take_digest(session.digest_owned(input)),
        AnySession::Mac(session) => lane.take_digest(session.mac_owned(input)),
        AnySession::Key(session) => {
            lane.input = input;
            keys::run(session, lane)
        }
        AnySession::Other(_) => unreachable!("no name stands for one"),
    }
}

/// The same, awaited; the lane comes back with its result or error.
pub(crate) async fn awaited(session: Rc<AnySession>, mut lane: Box<Lane>) -> Box<Lane> {
    lane.clear_output();
    let input = std::mem::take(&mut lane.input);
    let result = match &*session {
        AnySession::Cipher(session) => {
            let output = std::mem::take(&mut lane.output);
            let done = session.encrypt_to_async(&lane.iv, input, output).await;
            lane.take_text(done)
        }
        AnySession::Aead(session) => {
            let text = lane.text_apart(input);
            let done = session.seal_async(&lane.iv, &lane.aad, text).await;
            lane.take_sealed(done)
        }
        AnySession::Hash(session) => {
            let done = session.digest_async(input).await;
            lane.take_digest(done)
        }
        AnySession::Mac(session) => {
            let done = session.mac_async(input).await;
            lane.take_digest(done)
        }
        AnySession::Key(session) => {
            lane.input = input;
            keys::awaited(session, &mut lane).await
        }
        AnySession::Other(_) => unreachable!("no name stands for one"),
    };
    lane.failed = result.err();
    lane
}

impl Lane {
    /// The input in the buffer of the output, where it is encrypted in place.
    fn text_apart(&mut self, input: Vec<u8>) -> Vec<u8> {
        let mut text = std::mem::take(&mut self.output);
        text.extend_from_slice(&input);
        self.input = input;
        text
    }

    fn take_text(&mut self, done: Result<(Vec<u8>, Vec<u8>), OpError>) -> Result<(), Error> {
        let (input, output, result) = match done {
            Ok((input, output)) => (input, output, Ok(())),
            Err(error) => {
                let (error, input, output) = error.into_buffers();
                (input, output.unwrap_or_default(), Err(error))
            }
        };
        (self.input, self.output) = (input, output);
        result
    }

    fn take_sealed(&mut self, done: Result<(Vec<u8>, Tag), OpError>) -> Result<(), Error> {
        let (text, tag, result) = tagged(done);
        (self.output, self.tag) = (text, tag);
        result
    }

    fn take_digest(&mut self, done: Result<(Vec<u8>, Tag), OpError>) -> Result<(), Error> {
        let (input, tag, result) = tagged(done);
        (self.input, self.tag) = (input, tag);
        result
    }
}

/// Buffer, tag and outcome, also after an error.
fn tagged(done: Result<(Vec<u8>, Tag), OpError>) -> (Vec<u8>, Tag, Result<(), Error>) {
    match done {
        Ok((buffer, tag)) => (buffer, tag, Ok(())),
        Err(error) => {
            let (error, buffer) = error.into_parts();
            (buffer, Tag::default(), Err(error))
        }
    }
}
