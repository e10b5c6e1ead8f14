//! The common part of ECB and CBC: PKCS#7 padding, and multi-part messages that are cut anywhere.
//!
//! When encrypting, a piece's incomplete last block waits for the next piece. When decrypting with padding, a
//! complete last block waits too, because it may be the padding.

use aes::cipher::Array;
use subtle::{Choice, ConstantTimeEq, ConstantTimeGreater};
use zeroize::Zeroize;

use super::block::{BLOCK, Block};
use super::text::{Carry, reserve};
use crate::message::operation::Operation;
use crate::message::parameters::Padding;
use crate::message::status::Status;
use crate::message::view::Message;

/// A mode that turns blocks into blocks; `chain` is its chaining value.
pub(super) trait BlockMode {
    fn encrypt(&self, chain: &mut Block, blocks: &mut [Block]);
    fn decrypt(&self, chain: &mut Block, blocks: &mut [Block]);
}

/// A message in ECB or CBC between its pieces. Wiped on drop.
#[derive(Clone)]
pub(crate) struct BlockStream {
    carry: Carry,
    chain: Block,
}

impl BlockStream {
    pub(super) fn new(chain: Block) -> Self {
        Self { carry: Carry::default(), chain }
    }
}

impl Drop for BlockStream {
    fn drop(&mut self) {
        self.chain.zeroize();
    }
}

pub(super) fn piece<M: BlockMode>(
    mode: &M,
    padding: Padding,
    stream: &mut BlockStream,
    message: &mut Message<'_>,
) -> Result<(), Status> {
    let last = message.is_last();
    let encrypt = message.operation() == Operation::Encrypt;
    let padded = padding == Padding::Pkcs7;
    let total = stream.carry.len() + message.input().len();
    if last && !fits(total, encrypt, padded) {
        return Err(Status::InvalidArgs);
    }

    let text = stream.carry.text(message.texts());
    if !last {
        stream.carry.hold_back(text, held_back(total, encrypt, padded));
    } else if encrypt && padded {
        pad(text);
    }
    let (blocks, _) = Array::slice_as_chunks_mut(text);
    if encrypt {
        mode.encrypt(&mut stream.chain, blocks);
    } else {
        mode.decrypt(&mut stream.chain, blocks);
    }
    if last && !encrypt && padded { unpad(text) } else { Ok(()) }
}

/// Whether a message may end with these `total` bytes.
const fn fits(total: usize, encrypt: bool, padded: bool) -> bool {
    if padded && encrypt { true } else { total.is_multiple_of(BLOCK) && !(padded && total == 0) }
}

/// How many of `total` bytes must wait when more may come.
const fn held_back(total: usize, encrypt: bool, padded: bool) -> usize {
    if padded && !encrypt && total > 0 { (total - 1) % BLOCK + 1 } else { total % BLOCK }
}

pub(super) fn pad(text: &mut Vec<u8>) {
    let len = BLOCK - text.len() % BLOCK;
    reserve(text, len);
    let byte = u8::try_from(len).unwrap_or_default();
    text.resize(text.len() + len, byte);
}

/// Removes the padding. Neither the status nor the time shows which byte was wrong.
fn unpad(text: &mut Vec<u8>) -> Result<(), Status> {
    let block = text.last_chunk::<BLOCK>().ok_or(Status::InvalidArgs)?;
    let len = block[BLOCK - 1];
    let too_long = len.ct_gt(&16);
    let mut good = !len.ct_eq(&0) & !too_long;
    for (position, byte) in (1u8..).zip(block.iter().rev()) {
        let outside: Choice = position.ct_gt(&len);
        good &= outside | byte.ct_eq(&len);
    }
    if bool::from(good) {
        text.truncate(text.len() - usize::from(len));
        Ok(())
    } else {
        text.zeroize();
        Err(Status::AuthFailed)
    }
}
