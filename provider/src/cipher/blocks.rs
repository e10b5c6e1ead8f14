//! ECB and CBC: whole blocks go to the device, the rest is held back.
//!
//! ```text
//!   update  held back ++ input ──► whole blocks ──► one request ──► output
//!                              └─► the rest is held back; of a padded text that is decrypted the last block, too
//!   final   pads what is held back, or takes the padding off
//! ```

use super::spec::{BLOCK, Mode};
use super::state::{Held, State};
use crate::accelerator::{Buffer, Room, Text};
use crate::error::{Failure, Reason};
use crate::ossl::object::Object;

/// One update; returns the bytes of output.
pub(super) fn update(object: Object<State>, input: Text, room: Room) -> Result<usize, Failure> {
    let (held, whole) = object.with(|state| {
        state.require_key()?;
        let len = state.held.as_slice().len().saturating_add(input.len());
        Ok::<_, Failure>((state.held, state.whole_blocks(len)))
    })?;
    room.check(whole)?;
    if whole == 0 {
        object.with(|state| state.held = held.with(input));
        return Ok(0);
    }
    let (now, later) = input.split_at(whole - held.as_slice().len());
    let rest = Held::default().with(later);
    let mut text = Buffer::with_room(whole)?;
    text.extend_from_slice(held.as_slice());
    now.append_to(&mut text);
    run(object, text, room)?;
    object.with(|state| state.held = rest);
    Ok(whole)
}

/// The end of a message; returns the bytes of output.
pub(super) fn finish(object: Object<State>, room: Room) -> Result<usize, Failure> {
    let (held, encrypts, pads) = object.with(|state| {
        state.require_key()?;
        if state.tls_version > 0 {
            return Err(Failure::new(Reason::NotNow, "a record has no end besides its own"));
        }
        Ok::<_, Failure>((state.held, state.encrypts, state.pads))
    })?;
    let mut text = Buffer::with_room(BLOCK)?;
    text.extend_from_slice(held.as_slice());
    if encrypts && pads {
        let missing = BLOCK - text.len();
        text.resize(BLOCK, u8::try_from(missing).unwrap_or_default());
    }
    match text.len() {
        BLOCK => {}
        0 if !pads => return Ok(0),
        _ => {
            Buffer::recycle(text);
            return Err(Reason::FinalBlockLength.into());
        }
    }
    if encrypts || !pads {
        room.check(BLOCK)?;
        run(object, text, room)?;
        object.with(|state| state.held = Held::default());
        return Ok(BLOCK);
    }
    let text = output(object, text)?;
    object.with(|state| state.held = Held::default());
    let put = without_padding(&text).and_then(|text| room.put(text).map(|()| text.len()));
    Buffer::recycle(text);
    put
}

/// Whole blocks, without those that were held back, and with no end (`EVP_Cipher`).
pub(super) fn whole(object: Object<State>, input: Text, room: Room) -> Result<usize, Failure> {
    object.with(|state| state.require_key())?;
    room.check(input.len())?;
    // As there: ECB leaves the rest alone, and CBC has no meaning for it.
    if object.with(|state| state.spec.mode) == Mode::Cbc && !input.len().is_multiple_of(BLOCK) {
        return Err(Reason::FinalBlockLength.into());
    }
    let (blocks, _) = input.split_at(input.len() / BLOCK * BLOCK);
    if blocks.len() > 0 {
        let mut text = Buffer::with_room(blocks.len())?;
        blocks.append_to(&mut text);
        run(object, text, room)?;
    }
    Ok(input.len())
}

impl State {
    /// How many of `len` bytes an update processes.
    const fn whole_blocks(&self, len: usize) -> usize {
        // A padded text that is decrypted ends with a block that must not come out before it is known to be
        // the last.
        let later = if self.encrypts || !self.pads || len == 0 { len } else { len - 1 };
        later / BLOCK * BLOCK
    }
}

/// Runs a request on whole blocks, and copies its output out.
fn run(object: Object<State>, text: Vec<u8>, room: Room) -> Result<(), Failure> {
    let output = output(object, text)?;
    if object.with(|state| state.encrypts) {
        Buffer::put_ciphertext(output, room)
    } else {
        Buffer::put(output, room)
    }
}

/// Runs a request on whole blocks, and goes on to the next initialisation vector.
pub(super) fn output(object: Object<State>, text: Vec<u8>) -> Result<Vec<u8>, Failure> {
    let last_of_input = last_block(&text);
    let (request, next) = object.with(|state| {
        let next = match state.spec.mode {
            Mode::Cbc if state.encrypts => Next::OfOutput,
            Mode::Cbc => Next::Is(last_of_input),
            _ => Next::Is(state.iv),
        };
        let iv = state.iv;
        state.request(text, iv).map(|request| (request, next))
    })?;
    let output = request.run()?;
    object.with(|state| {
        state.iv = match next {
            Next::OfOutput => last_block(&output),
            Next::Is(iv) => iv,
        }
    });
    Ok(output)
}

/// The next initialisation vector.
enum Next {
    /// The last block of the output.
    OfOutput,
    Is([u8; BLOCK]),
}

fn last_block(text: &[u8]) -> [u8; BLOCK] {
    text.last_chunk().copied().unwrap_or_default()
}

/// A block without its padding (PKCS#7). Which byte of it is wrong is not said, and makes no difference in
/// time.
fn without_padding(block: &[u8]) -> Result<&[u8], Failure> {
    let count = usize::from(block.last().copied().unwrap_or_default());
    let is_wrong =
        |(index, byte): (usize, &u8)| (index + count >= block.len()) & (usize::from(*byte) != count);
    let wrong = block.iter().enumerate().fold(false, |wrong, at| wrong | is_wrong(at));
    if count == 0 || count > block.len() || wrong {
        return Err(Reason::BadDecrypt.into());
    }
    Ok(&block[..block.len() - count])
}
