//! CTR: a text of any length, from where the last update has stopped.
//!
//! ```text
//!   iv: the next counter          num: how much of the block before it was used
//!   update  num zeros ++ input ──► one request, from counter iv - 1 ──► output without its first num bytes
//! ```
//!
//! The default provider keeps the key stream of the last block. Here the device computes it again, so no key
//! stream lies in an object.

use super::spec::BLOCK;
use super::state::State;
use crate::accelerator::{Buffer, Room, Text};
use crate::error::{Failure, Reason};
use crate::ossl::object::Object;

/// One update; returns the bytes of output.
pub(super) fn update(object: Object<State>, input: Text, room: Room) -> Result<usize, Failure> {
    object.with(|state| state.require_key())?;
    if input.len() == 0 {
        return Ok(0);
    }
    room.check(input.len())?;
    let (used, next) = object.with(|state| (state.num, state.iv));
    let first = if used == 0 { next } else { moved(next, u128::MAX) };
    let len = used.checked_add(input.len()).ok_or(Reason::OutputTooSmall)?;
    let mut text = Buffer::with_room(len)?;
    text.resize(used, 0);
    input.append_to(&mut text);
    let output = object.with(|state| state.request(text, first))?.run()?;
    let put = room.put(&output[used..]);
    Buffer::recycle(output);
    object.with(|state| {
        state.iv = moved(first, len.div_ceil(BLOCK) as u128);
        state.num = len % BLOCK;
    });
    put.map(|()| input.len())
}

/// The end of a message, which nothing was held back of.
pub(super) fn finish(object: Object<State>) -> Result<usize, Failure> {
    object.with(|state| state.require_key()).map(|()| 0)
}

/// A counter of 128 bits, so much later; they wrap around.
fn moved(counter: [u8; BLOCK], by: u128) -> [u8; BLOCK] {
    u128::from_be_bytes(counter).wrapping_add(by).to_be_bytes()
}
