//! AES-XTS (SP 800-38E, IEEE 1619): one message is one data unit, 16 bytes up to 2^20 blocks long.
//!
//! ```text
//!   tweak T0 = E(key 2, IV),  Tn+1 = Tn · x in GF(2^128)       block n:  Cn = E(key 1, Pn ⊕ Tn) ⊕ Tn
//!
//!   ciphertext stealing, when the last block is short (r bytes):
//!
//!       P n-1 ──► E under T n-1 ──► │ C n (r bytes) │ rest │
//!       P n (r bytes)                               │ rest │ ──► E under T n ──► C n-1
//! ```
//!
//! Whole blocks are processed inside the cipher's own backend (a closure that it calls where the processor's
//! AES instructions may be used), as many at once as it takes; their tweaks are computed on the way.
//!
//! While more may come, a multi-part message holds back 16 to 31 bytes, because ciphertext stealing may need
//! them.

use aes::cipher::array::ArraySize;
use aes::cipher::{
    Array, BlockCipherDecBackend, BlockCipherDecClosure, BlockCipherDecrypt, BlockCipherEncBackend,
    BlockCipherEncClosure, BlockCipherEncrypt, BlockSizeUser, KeyInit, consts::U16,
};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use super::block::{BLOCK, Block, mix};
use super::kernel::{BadKey, Kernel, Options, iv_block, scheduled};
use super::text::Carry;
use crate::message::mode::MAX_DATA_UNIT;
use crate::message::operation::Operation;
use crate::message::status::Status;
use crate::message::view::Message;

/// The data key and the tweak key, the latter for encryption only.
pub(crate) struct Xts<C, T> {
    data: C,
    tweak: T,
}

impl<C, T> Kernel for Xts<C, T>
where
    C: BlockCipherEncrypt<BlockSize = U16> + BlockCipherDecrypt + KeyInit,
    T: BlockCipherEncrypt<BlockSize = U16> + KeyInit,
{
    type Stream = XtsStream;

    fn prepare(key: &[u8], options: Options) -> Result<Self, BadKey> {
        let (data, tweak) = key.split_at_checked(C::key_size()).ok_or(BadKey::Length)?;
        if bool::from(data.ct_eq(tweak)) && !options.takes_equal_halves {
            return Err(BadKey::EqualHalves);
        }
        Ok(Self { data: scheduled(data)?, tweak: scheduled(tweak)? })
    }

    fn begin(&self, message: &Message<'_>) -> Result<XtsStream, Status> {
        let mut iv = iv_block(message)?;
        self.tweak.encrypt_block(&mut iv);
        let tweak = u128::from_le_bytes(iv.into());
        iv.zeroize();
        Ok(XtsStream { tweak, carry: Carry::default(), done: 0 })
    }

    fn piece(&self, stream: &mut XtsStream, message: &mut Message<'_>) -> Result<(), Status> {
        let last = message.is_last();
        let total = stream.carry.len() + message.input().len();
        if total > MAX_DATA_UNIT - stream.done || (last && stream.done + total < BLOCK) {
            return Err(Status::InvalidArgs);
        }
        let encrypt = message.operation() == Operation::Encrypt;
        let text = stream.carry.text(message.texts());
        if !last {
            stream.carry.hold_back(text, held_back(total));
        }
        stream.done += text.len();
        if text.len().is_multiple_of(BLOCK) {
            self.straight(&mut stream.tweak, text, encrypt);
        } else {
            self.stealing(&mut stream.tweak, text, encrypt);
        }
        Ok(())
    }
}

impl<C, T> Xts<C, T>
where
    C: BlockCipherEncrypt<BlockSize = U16> + BlockCipherDecrypt,
{
    /// Whole blocks.
    fn straight(&self, tweak: &mut u128, text: &mut [u8], encrypt: bool) {
        let (blocks, _) = Array::slice_as_chunks_mut(text);
        let straight = Straight { tweak, blocks };
        if encrypt {
            self.data.encrypt_with_backend(straight);
        } else {
            self.data.decrypt_with_backend(straight);
        }
    }

    /// At least one whole block and a short one.
    fn stealing(&self, tweak: &mut u128, text: &mut [u8], encrypt: bool) {
        let short = text.len() % BLOCK;
        let (straight, end) = text.split_at_mut(text.len() - short - BLOCK);
        self.straight(tweak, straight, encrypt);
        let tweaks = [*tweak, doubled(*tweak)];
        let [first, second] = if encrypt { tweaks } else { [tweaks[1], tweaks[0]] };

        let (full, tail) = end.split_at_mut(BLOCK);
        let mut block = Block::default();
        block.copy_from_slice(full);
        self.tweaked(first, &mut block, encrypt);
        block[..short].swap_with_slice(tail);
        self.tweaked(second, &mut block, encrypt);
        full.copy_from_slice(&block);
        block.zeroize();
    }

    /// One block under its tweak.
    fn tweaked(&self, mut tweak: u128, block: &mut Block, encrypt: bool) {
        self.straight(&mut tweak, block, encrypt);
    }
}

/// Whole blocks, each under its own tweak.
struct Straight<'a> {
    tweak: &'a mut u128,
    blocks: &'a mut [Block],
}

impl BlockSizeUser for Straight<'_> {
    type BlockSize = U16;
}

impl BlockCipherEncClosure for Straight<'_> {
    #[inline(always)]
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, backend: &B) {
        self.each::<B::ParBlocksSize>(
            |blocks| backend.encrypt_par_blocks(blocks.into()),
            |block| backend.encrypt_block(block.into()),
        );
    }
}

impl BlockCipherDecClosure for Straight<'_> {
    #[inline(always)]
    fn call<B: BlockCipherDecBackend<BlockSize = U16>>(self, backend: &B) {
        self.each::<B::ParBlocksSize>(
            |blocks| backend.decrypt_par_blocks(blocks.into()),
            |block| backend.decrypt_block(block.into()),
        );
    }
}

impl Straight<'_> {
    /// `group` and `single` are the cipher, in one direction.
    #[inline(always)]
    fn each<N: ArraySize>(self, group: impl Fn(&mut Array<Block, N>), single: impl Fn(&mut Block)) {
        let (groups, rest) = Array::<Block, N>::slice_as_chunks_mut(self.blocks);
        let grouped = !groups.is_empty();
        let mut tweak = *self.tweak;
        let mut tweaks = Array::<u128, N>::default();
        for blocks in groups {
            for (slot, block) in tweaks.iter_mut().zip(&mut *blocks) {
                *slot = tweak;
                tweak = doubled(tweak);
                mix(block, &slot.to_le_bytes().into());
            }
            group(blocks);
            blocks.iter_mut().zip(&tweaks).for_each(|(block, tweak)| mix(block, &tweak.to_le_bytes().into()));
        }
        if grouped {
            tweaks.iter_mut().for_each(Zeroize::zeroize);
        }
        for block in rest {
            let mask = Block::from(tweak.to_le_bytes());
            tweak = doubled(tweak);
            mix(block, &mask);
            single(block);
            mix(block, &mask);
        }
        *self.tweak = tweak;
    }
}

/// A data unit between its pieces. Wiped on drop.
#[derive(Clone)]
pub(crate) struct XtsStream {
    /// For the next block, least significant byte first.
    tweak: u128,
    carry: Carry,
    /// Processed bytes.
    done: usize,
}

impl Drop for XtsStream {
    fn drop(&mut self) {
        self.tweak.zeroize();
    }
}

/// How many of `total` bytes must wait when more may come.
const fn held_back(total: usize) -> usize {
    if total < 2 * BLOCK { total } else { BLOCK + total % BLOCK }
}

/// Times x in GF(2^128), in a time that does not depend on the tweak.
const fn doubled(tweak: u128) -> u128 {
    tweak << 1 ^ (0x87 & (tweak >> 127).wrapping_neg())
}
