//! AES-CTR (SP 800-38A, 6.5): the text XORed with the encrypted counter, which is the whole block,
//! big-endian.
//!
//! ```text
//!   counter, +1, +2, ..  ──► as many blocks as the cipher takes at once ──► keystream ⊕ text
//!                                                       last, short block ──► its keystream is kept, for a next piece
//! ```
//!
//! The loop runs inside the cipher's own backend (a closure that it calls where the processor's AES
//! instructions may be used), so that counters, keystream and text meet in registers. GCM, which counts in
//! the last 32 bits only, uses it too.

use aes::cipher::typenum::Unsigned;
use aes::cipher::{
    Array, BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt, BlockSizeUser, KeyInit,
    ParBlocks, ParBlocksSizeUser, consts::U16,
};
use zeroize::Zeroize;

use super::block::{BLOCK, Block, mix};
use super::kernel::{BadKey, Kernel, Options, iv_block, scheduled};
use super::text::text;
use crate::message::status::Status;
use crate::message::view::Message;

/// A key.
pub(crate) struct Ctr<C> {
    cipher: C,
}

impl<C: BlockCipherEncrypt<BlockSize = U16> + KeyInit> Kernel for Ctr<C> {
    type Stream = CtrStream;

    fn prepare(key: &[u8], _: Options) -> Result<Self, BadKey> {
        Ok(Self { cipher: scheduled(key)? })
    }

    // Called, it would pass the stream through memory in other portions than it is read in: 15 ns of each
    // request.
    #[inline(always)]
    fn begin(&self, message: &Message<'_>) -> Result<CtrStream, Status> {
        Ok(CtrStream::new(iv_block(message)?))
    }

    fn piece(&self, stream: &mut CtrStream, message: &mut Message<'_>) -> Result<(), Status> {
        stream.apply::<_, 128>(&self.cipher, text(message.texts()));
        Ok(())
    }
}

/// The next counter, and the partly used keystream block. Wiped on drop.
#[derive(Clone)]
pub(crate) struct CtrStream {
    counter: u128,
    /// In memory order.
    keystream: u128,
    /// Used bytes of `keystream`; 0 when there is none.
    used: usize,
}

impl CtrStream {
    #[inline]
    pub(super) fn new(counter: Block) -> Self {
        Self { counter: u128::from_be_bytes(counter.into()), keystream: 0, used: 0 }
    }

    /// Encrypts or decrypts `text`, which follows what was applied before. The last `BITS` bits of the
    /// counter block count, and the others stay (SP 800-38A, B.1).
    #[inline]
    pub(super) fn apply<C, const BITS: u32>(&mut self, cipher: &C, text: &mut [u8])
    where
        C: BlockCipherEncrypt<BlockSize = U16>,
    {
        let text = self.use_up(text);
        if !text.is_empty() {
            cipher.encrypt_with_backend(Apply::<BITS> { stream: self, text });
        }
    }

    /// Uses up the keystream block; returns the text after it.
    #[inline]
    fn use_up<'t>(&mut self, text: &'t mut [u8]) -> &'t mut [u8] {
        if self.used == 0 {
            return text;
        }
        let (head, rest) = text.split_at_mut(text.len().min(BLOCK - self.used));
        self.spend(head);
        rest
    }

    /// XORs with the next bytes of the keystream block.
    fn spend(&mut self, text: &mut [u8]) {
        let keystream = &self.keystream.to_ne_bytes()[self.used..];
        text.iter_mut().zip(keystream).for_each(|(byte, key)| *byte ^= key);
        self.used = (self.used + text.len()) % BLOCK;
    }
}

impl Drop for CtrStream {
    fn drop(&mut self) {
        self.counter.zeroize();
        self.keystream.zeroize();
    }
}

/// Applies a stream, at the end of a keystream block, to a text.
struct Apply<'a, const BITS: u32> {
    stream: &'a mut CtrStream,
    text: &'a mut [u8],
}

impl<const BITS: u32> BlockSizeUser for Apply<'_, BITS> {
    type BlockSize = U16;
}

impl<const BITS: u32> BlockCipherEncClosure for Apply<'_, BITS> {
    #[inline(always)]
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, backend: &B) {
        let Self { stream, text } = self;
        let (blocks, tail) = Array::slice_as_chunks_mut(text);
        let (groups, rest) = Array::<Block, B::ParBlocksSize>::slice_as_chunks_mut(blocks);
        let mut counter = stream.counter;
        for group in groups {
            if let Some(counters) = counters::<B, BITS>(counter) {
                cover(backend, counters, group);
            } else {
                cover(backend, counters_across_wrap::<B, BITS>(counter), group);
            }
            counter = plus::<BITS>(counter, B::ParBlocksSize::U64);
        }
        for block in rest {
            mix(block, &keystream(backend, counter));
            counter = plus::<BITS>(counter, 1);
        }
        if !tail.is_empty() {
            stream.keystream = u128::from_ne_bytes(keystream(backend, counter).into());
            stream.spend(tail);
            counter = plus::<BITS>(counter, 1);
        }
        stream.counter = counter;
    }
}

#[inline(always)]
fn cover<B: BlockCipherEncBackend<BlockSize = U16>>(
    backend: &B,
    mut keystream: ParBlocks<B>,
    text: &mut ParBlocks<B>,
) {
    backend.encrypt_par_blocks((&mut keystream).into());
    text.iter_mut().zip(&keystream).for_each(|(block, key)| mix(block, key));
}

#[inline(always)]
fn keystream<B: BlockCipherEncBackend<BlockSize = U16>>(backend: &B, counter: u128) -> Block {
    let mut block = Block::from(counter.to_be_bytes());
    backend.encrypt_block((&mut block).into());
    block
}

/// As many counter blocks as the backend takes, if the lower half counts through them without a carry: then
/// the upper half is the same for all, which saves half of the work.
#[inline(always)]
fn counters<B: ParBlocksSizeUser<BlockSize = U16>, const BITS: u32>(counter: u128) -> Option<ParBlocks<B>> {
    let (upper, lower) = ((counter >> 64) as u64, (counter & 0xffff_ffff_ffff_ffff) as u64);
    let counting = u64::MAX >> (64 - if BITS < 64 { BITS } else { 64 });
    if lower & counting > counting - B::ParBlocksSize::U64 {
        return None;
    }
    let upper = u128::from(upper.swap_bytes());
    let mut blocks = ParBlocks::<B>::default();
    for (slot, number) in blocks.iter_mut().zip(0..) {
        *slot = Block::from((upper | u128::from((lower + number).swap_bytes()) << 64).to_le_bytes());
    }
    Some(blocks)
}

#[cold]
#[inline(never)]
fn counters_across_wrap<B: ParBlocksSizeUser<BlockSize = U16>, const BITS: u32>(
    counter: u128,
) -> ParBlocks<B> {
    let mut blocks = ParBlocks::<B>::default();
    for (slot, number) in blocks.iter_mut().zip(0..) {
        *slot = Block::from(plus::<BITS>(counter, number).to_be_bytes());
    }
    blocks
}

/// The bits of a counter block that count.
const fn counted<const BITS: u32>() -> u128 {
    u128::MAX >> (128 - BITS)
}

/// The counter block that comes `number` later.
#[inline(always)]
const fn plus<const BITS: u32>(counter: u128, number: u64) -> u128 {
    let counted = counted::<BITS>();
    counter & !counted | counter.wrapping_add(number as u128) & counted
}
