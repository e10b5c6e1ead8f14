//! A message in pieces.

use simaccel::{AeadOpener, AeadSealer, AeadSession, OpError, Operation, Tag, foreign};

use super::{Gcm, TAG};
use crate::accelerator::{self, Buffer, Pass, Room, Text};
use crate::error::{Failure, Reason};
use crate::ossl::object::Object;

/// What a stream adds to a piece's buffer, in bytes.
const ROOM_BESIDE: usize = 32;

/// A message that has begun, or none.
#[derive(Default)]
pub(super) struct Message {
    nonce: Vec<u8>,
    /// Additional data that are not with the device yet.
    aad: Vec<u8>,
    /// `None` before there is text, and while a piece of it is under way.
    text: Option<Pieces>,
    /// The tag of the message so far, when it has text.
    tag: Option<Tag>,
    /// The process that the text belongs to.
    forks: u64,
}

/// The text of a message.
enum Pieces {
    Sealed(AeadSealer),
    Opened(AeadOpener),
}

impl Message {
    /// A copy of a message whose session is this one, or was before a fork.
    pub(super) fn copied(&self, session: &AeadSession) -> Result<Self, Failure> {
        let text = match &self.text {
            Some(text) => Some(text.copied_to(session)?),
            None => None,
        };
        let (nonce, aad) = (self.nonce.clone(), self.aad.clone());
        Ok(Self { nonce, aad, text, tag: self.tag, forks: foreign::forks() })
    }

    pub(super) fn with_nonce(nonce: Vec<u8>) -> Self {
        Self { nonce, ..Self::default() }
    }

    /// The text so far; the first piece has the additional data.
    fn take_text(&mut self, session: &AeadSession, encrypts: bool) -> Result<Pieces, Failure> {
        let forks = foreign::forks();
        let text = match self.text.take() {
            Some(text) if self.forks == forks => text,
            Some(text) => text.copied_to(session)?,
            None if self.tag.is_some() => return Err(Reason::NotNow.into()),
            None => {
                let (nonce, aad) = (std::mem::take(&mut self.nonce), std::mem::take(&mut self.aad));
                match encrypts {
                    true => Pieces::Sealed(session.sealer_owned(nonce, aad)),
                    false => Pieces::Opened(session.opener_owned(nonce, aad)),
                }
            }
        };
        self.forks = forks;
        match (&text, encrypts) {
            (Pieces::Sealed(_), true) | (Pieces::Opened(_), false) => Ok(text),
            _ => Err(Failure::new(Reason::NotNow, "the message goes in the other direction")),
        }
    }
}

/// What a message without text is sealed with.
struct WithoutText {
    session: AeadSession,
    nonce: Vec<u8>,
    aad: Vec<u8>,
}

impl Pieces {
    fn copied_to(&self, session: &AeadSession) -> Result<Self, Failure> {
        Ok(match self {
            Self::Sealed(sealer) => Self::Sealed(sealer.copied_to(session)?),
            Self::Opened(opener) => Self::Opened(opener.copied_to(session)?),
        })
    }

    fn update(&mut self, piece: Vec<u8>) -> Result<(Vec<u8>, Tag), OpError> {
        match self {
            Self::Sealed(sealer) => sealer.update_tagged(piece),
            Self::Opened(opener) => opener.update_tagged(piece),
        }
    }
}

impl Gcm {
    /// Begins a message, if none has begun.
    pub(super) fn begin(&mut self) -> Result<(), Failure> {
        self.require_key()?;
        if let Some(nonce) = self.iv.begin(self.encrypts)? {
            self.message = Message::with_nonce(nonce);
        }
        Ok(())
    }

    /// More additional data; none may follow on text.
    pub(super) fn add_aad(&mut self, aad: Text) -> Result<(), Failure> {
        self.begin()?;
        if self.message.tag.is_some() {
            return Err(Failure::new(Reason::NotNow, "additional data after the text"));
        }
        let room = self.message.aad.try_reserve(aad.len());
        room.map_err(|_| Failure::new(Reason::Failed, format!("no memory for {} bytes", aad.len())))?;
        aad.append_to(&mut self.message.aad);
        Ok(())
    }

    fn next_piece(&mut self, bytes: usize) -> Result<(Pass, Pieces), Failure> {
        let session = self.session()?;
        let text = self.message.take_text(&session, self.encrypts)?;
        Ok((Pass::new(&self.instance, self.spec.kind, bytes), text))
    }

    /// What a request for the tag of a message without text needs.
    fn without_text(&mut self) -> Result<(Pass, WithoutText), Failure> {
        let session = self.session()?;
        let (nonce, aad) = (std::mem::take(&mut self.message.nonce), std::mem::take(&mut self.message.aad));
        let pass = Pass::new(&self.instance, self.spec.kind, aad.len());
        Ok((pass, WithoutText { session, nonce, aad }))
    }

    /// The message ends with this tag, which is compared or kept.
    fn end_with(&mut self, tag: &Tag) -> Result<(), Failure> {
        self.end_message();
        if self.encrypts {
            self.tag.copy_from_slice(&tag.as_bytes()[..TAG]);
            self.tag_len = Some(TAG);
            return Ok(());
        }
        let len = self.tag_len.unwrap_or(TAG);
        // Tags are compared in constant time.
        if Tag::new(&tag.as_bytes()[..len]) == Tag::new(&self.tag[..len]) {
            return Ok(());
        }
        Err(Reason::BadDecrypt.into())
    }
}

/// A piece of text; returns the bytes of output.
pub(super) fn update(object: Object<Gcm>, input: Text, room: Room) -> Result<usize, Failure> {
    object.with(Gcm::begin)?;
    let mut piece = Buffer::with_room(input.len().saturating_add(ROOM_BESIDE))?;
    input.append_to(&mut piece);
    let (pass, text) = match object.with(|gcm| gcm.next_piece(input.len())) {
        Ok(next) => next,
        Err(failure) => {
            Buffer::recycle(piece);
            return Err(failure);
        }
    };
    let (text, result) = accelerator::run(pass, text, |text| text.update(piece));
    let (output, tag) = match result {
        Ok(done) => done,
        Err(failure) => {
            object.with(Gcm::end_message);
            return Err(failure);
        }
    };
    object.with(|gcm| (gcm.message.text, gcm.message.tag) = (Some(text), Some(tag)));
    let encrypts = object.with(|gcm| gcm.encrypts);
    let put = if encrypts { Buffer::put_ciphertext(output, room) } else { Buffer::put(output, room) };
    put.map(|()| input.len())
}

/// The end of a message.
pub(super) fn finish(object: Object<Gcm>) -> Result<(), Failure> {
    let known = object.with(|gcm| {
        gcm.begin()?;
        if !gcm.encrypts && gcm.tag_len.is_none() {
            return Err(Failure::new(Reason::NotNow, "no tag set"));
        }
        Ok(gcm.message.tag)
    })?;
    let tag = match known {
        Some(tag) => tag,
        None => tag_without_text(object)?,
    };
    object.with(|gcm| gcm.end_with(&tag))
}

fn tag_without_text(object: Object<Gcm>) -> Result<Tag, Failure> {
    let (pass, held) = object.with(Gcm::without_text)?;
    let seal = |WithoutText { session, nonce, aad }: &mut WithoutText| {
        let aad = std::mem::take(aad);
        session.whole_owned(Operation::Encrypt, nonce, aad, Vec::new(), None).map(|sealed| sealed.tag)
    };
    let (_, result) = accelerator::run(pass, held, seal);
    result.inspect_err(|_| object.with(Gcm::end_message))
}
