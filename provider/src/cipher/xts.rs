//! XTS: each update is one data unit (IEEE 1619; SP 800-38E).
//!
//! The initialisation vector is the tweak, and every update uses the same. A data unit has 16 bytes to 2^20
//! blocks. A key whose halves are the same decrypts, and does not encrypt.

use super::spec::BLOCK;
use super::state::State;
use crate::accelerator::{Buffer, Room, Text};
use crate::error::{Failure, Reason};
use crate::ossl::object::Object;

/// Blocks of the longest data unit.
const MOST_BLOCKS: usize = 1 << 20;

/// One data unit; returns the bytes of output.
pub(super) fn update(object: Object<State>, input: Text, room: Room) -> Result<usize, Failure> {
    room.check(input.len())?;
    object.with(|state| state.require_key())?;
    if !object.with(|state| state.has_iv) {
        return Err(Failure::new(Reason::IvLength, "no iv set"));
    }
    if input.len() < BLOCK {
        return Err(Failure::new(Reason::FinalBlockLength, "a data unit has 16 bytes or more"));
    }
    if input.len() > MOST_BLOCKS * BLOCK {
        return Err(Reason::DataUnit.into());
    }
    let mut text = Buffer::with_room(input.len())?;
    input.append_to(&mut text);
    let output = object.with(|state| state.request(text, state.iv))?.run()?;
    let encrypts = object.with(|state| state.encrypts);
    let put = if encrypts { Buffer::put_ciphertext(output, room) } else { Buffer::put(output, room) };
    put.map(|()| input.len())
}
