//! The direct way: a session, in the calling thread.

use simaccel_device::{
    Hash, Operation, Part, Request, Session, SessionError, SessionId, Status, StreamState, Tag,
};

use crate::way::{AeadCall, CipherCall, Direction, Refused, Way};

/// How the message reaches [`Session::execute`].
#[derive(Clone, Copy, Debug)]
pub(crate) enum Direct {
    /// In one request, in place.
    InPlace,
    /// In one request that has a destination.
    OutOfPlace,
    /// In pieces of this many bytes.
    InPieces(usize),
}

impl Way for Direct {
    fn cipher(&self, call: &CipherCall<'_>) -> Result<Vec<u8>, Refused> {
        let session = Session::cipher(call.cipher, call.key, call.padding)?;
        let operation = match call.direction {
            Direction::Encrypt => Operation::Encrypt,
            Direction::Decrypt => Operation::Decrypt,
        };
        let message = Message { iv: call.iv, ..Message::new(&session, operation) };
        Ok(self.run(&message, call.text)?.0)
    }

    fn seal(&self, call: &AeadCall<'_>) -> Result<(Vec<u8>, Vec<u8>), Refused> {
        let session = Session::aead(call.aead, call.key, call.tag_len)?;
        let message = Message { iv: call.iv, aad: call.aad, ..Message::new(&session, Operation::Encrypt) };
        let (text, tag) = self.run(&message, call.text)?;
        Ok((text, tag.as_bytes().to_vec()))
    }

    fn open(&self, call: &AeadCall<'_>, tag: &[u8]) -> Result<Vec<u8>, Refused> {
        let session = Session::aead(call.aead, call.key, call.tag_len)?;
        let tag = Tag::new(tag).ok_or(Refused::Arguments)?;
        let message =
            Message { iv: call.iv, aad: call.aad, tag, ..Message::new(&session, Operation::Decrypt) };
        Ok(self.run(&message, call.text)?.0)
    }

    fn digest(&self, hash: Hash, message: &[u8]) -> Result<Vec<u8>, Refused> {
        let session = Session::hash(hash)?;
        let (_, tag) = self.run(&Message::new(&session, Operation::Digest), message)?;
        Ok(tag.as_bytes().to_vec())
    }

    fn mac(&self, hash: Hash, key: &[u8], message: &[u8]) -> Result<Vec<u8>, Refused> {
        let session = Session::hmac(hash, key)?;
        let (_, tag) = self.run(&Message::new(&session, Operation::Mac), message)?;
        Ok(tag.as_bytes().to_vec())
    }
}

impl Direct {
    fn run(self, message: &Message<'_>, text: &[u8]) -> Result<(Vec<u8>, Tag), Refused> {
        match self {
            Self::InPlace => {
                let done = message.send(Part::Whole, text, None, None)?;
                Ok((done.buffer, done.tag))
            }
            Self::OutOfPlace => {
                let done = message.send(Part::Whole, text, Some(Vec::new()), None)?;
                assert_eq!(done.buffer, text, "the input stays");
                Ok((done.destination.unwrap_or_default(), done.tag))
            }
            Self::InPieces(size) => message.send_pieces(text, size),
        }
    }
}

/// The parameters of a text.
struct Message<'m> {
    session: &'m Session,
    operation: Operation,
    iv: &'m [u8],
    aad: &'m [u8],
    tag: Tag,
}

impl<'m> Message<'m> {
    fn new(session: &'m Session, operation: Operation) -> Self {
        Self { session, operation, iv: &[], aad: &[], tag: Tag::default() }
    }

    fn send(
        &self,
        part: Part,
        piece: &[u8],
        destination: Option<Vec<u8>>,
        state: Option<Box<StreamState>>,
    ) -> Result<Request, Refused> {
        let mut request = Request::new(SessionId::NONE, self.operation, piece.to_vec());
        request.part = part;
        request.set_iv(self.iv);
        request.aad = self.aad.to_vec();
        request.tag = self.tag;
        request.destination = destination;
        request.state = state;
        match self.session.execute(&mut request) {
            Status::Ok => Ok(request),
            Status::AuthFailed => Err(Refused::Authentication),
            Status::InvalidArgs => Err(Refused::Arguments),
            status => panic!("{status:?}"),
        }
    }

    fn send_pieces(&self, text: &[u8], size: usize) -> Result<(Vec<u8>, Tag), Refused> {
        let mut output = Vec::new();
        let mut state = None;
        for piece in text.chunks(size) {
            let done = self.send(Part::Update, piece, None, state)?;
            output.extend(done.buffer);
            state = done.state;
        }
        let done = self.send(Part::Final, &[], None, state)?;
        output.extend(done.buffer);
        Ok((output, done.tag))
    }
}

impl From<SessionError> for Refused {
    fn from(_: SessionError) -> Self {
        Self::Arguments
    }
}
