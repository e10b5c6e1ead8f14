//! A record of TLS 1.2, whole and in place.
//!
//! ```text
//!   explicit iv (8) ‖ text ‖ tag (16)        additional data: sequence number, type, version, length of the text
//! ```

use simaccel::{AeadSession, Operation, Tag};

use super::iv::EXPLICIT;
use super::{Gcm, RECORD_AAD, TAG};
use crate::accelerator::{self, Buffer, Pass, Room, Text};
use crate::error::{Failure, Reason};
use crate::ossl::object::Object;

impl Gcm {
    /// Announces a record with these additional data, whose length is that of the record: of its explicit IV
    /// and text and, when it is opened, its tag.
    pub(super) fn announce(&mut self, aad: &[u8]) -> Result<(), Failure> {
        let wrong = |why: String| Failure::new(Reason::Parameter, why);
        let mut aad: [u8; RECORD_AAD] = aad
            .try_into()
            .map_err(|_| wrong(format!("{} additional bytes, must be {RECORD_AAD}", aad.len())))?;
        let [.., high, low] = &mut aad;
        let len = u16::from_be_bytes([*high, *low]);
        let around = if self.encrypts { EXPLICIT } else { EXPLICIT + TAG };
        let text =
            usize::from(len).checked_sub(around).ok_or_else(|| wrong(format!("a record of {len} bytes")))?;
        [*high, *low] = u16::try_from(text).unwrap_or(len).to_be_bytes();
        (self.record, self.record_pad) = (Some(aad), TAG);
        Ok(())
    }

    /// What a record needs: its session, its nonce, and what precedes its text when it is made.
    fn begin_record(&mut self, input: Text) -> Result<Begun, Failure> {
        self.require_key()?;
        let mut explicit = [0; EXPLICIT];
        let nonce = if self.encrypts {
            self.records = self.records.checked_add(1).ok_or(Reason::NotNow)?;
            let nonce = self.iv.count()?;
            explicit.copy_from_slice(&nonce[nonce.len() - EXPLICIT..]);
            nonce
        } else {
            input.split_at(EXPLICIT).0.copy_to(&mut explicit);
            self.iv.set_invocation(&explicit)?
        };
        let session = self.session()?;
        Ok(Begun { session, nonce, explicit })
    }
}

struct Begun {
    session: AeadSession,
    nonce: Vec<u8>,
    explicit: [u8; EXPLICIT],
}

/// One record; returns the bytes of output: of the whole record, or of the text of one that is opened.
pub(super) fn run(
    object: Object<Gcm>,
    aad: [u8; RECORD_AAD],
    input: Text,
    room: Room,
    in_place: bool,
) -> Result<usize, Failure> {
    let result = match in_place && input.len() >= EXPLICIT + TAG {
        true => process(object, aad, input, room),
        false => {
            Err(Failure::new(Reason::NotNow, "a record is in place, and has room for its iv and its tag"))
        }
    };
    object.with(Gcm::end_message);
    result
}

fn process(object: Object<Gcm>, aad: [u8; RECORD_AAD], input: Text, room: Room) -> Result<usize, Failure> {
    let begun = object.with(|gcm| gcm.begin_record(input))?;
    let explicit = begun.explicit;
    let (text, tag) = input.split_at(EXPLICIT).1.split_at(input.len() - EXPLICIT - TAG);
    let mut buffer = Buffer::with_room(text.len())?;
    text.append_to(&mut buffer);
    let (pass, encrypts) =
        object.with(|gcm| (Pass::new(&gcm.instance, gcm.spec.kind, text.len()), gcm.encrypts));
    let room_for_text = room.after(EXPLICIT);
    let run = |operation, expected: Option<Tag>| {
        let whole = |begun: &mut Begun| {
            begun.session.whole_owned(operation, &begun.nonce, aad.to_vec(), buffer, expected.as_ref())
        };
        accelerator::run(pass, begun, whole).1
    };
    if encrypts {
        let sealed = run(Operation::Encrypt, None)?;
        room.put(&explicit)?;
        room_for_text.put(&sealed.buffer)?;
        room_for_text.after(text.len()).put(&sealed.tag.as_bytes()[..TAG])?;
        Buffer::recycle(sealed.buffer);
        return Ok(input.len());
    }
    let mut expected = [0; TAG];
    tag.copy_to(&mut expected);
    match run(Operation::Decrypt, Tag::new(&expected)) {
        Ok(opened) => {
            let put = room_for_text.put(&opened.buffer);
            Buffer::recycle(opened.buffer);
            object.with(|gcm| gcm.tag_len = Some(TAG));
            put.map(|()| text.len())
        }
        Err(failure) => {
            room_for_text.put_zeros(text.len())?;
            Err(failure)
        }
    }
}
