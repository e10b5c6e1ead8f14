//! AES-CBC (SP 800-38A, 6.2): every block is XORed with the previous ciphertext block.

use aes::cipher::{
    BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt, InnerIvInit, IvState,
    KeyInit, KeySizeUser, consts::U16,
};
use cbc::{Decryptor, Encryptor};

use super::block::{BLOCK, Block};
use super::blocks::{self, BlockMode, BlockStream};
use super::kernel::{BadKey, Kernel, Options, iv_block, scheduled};
use super::lanes::{InLanes, Lane, LaneKey};
use crate::message::operation::Operation;
use crate::message::parameters::Padding;
use crate::message::piece::Part;
use crate::message::status::Status;
use crate::message::view::Message;

/// A key and what to do with the last block.
pub(crate) struct Cbc<C> {
    cipher: C,
    padding: Padding,
}

impl<C> Kernel for Cbc<C>
where
    C: BlockCipherEncrypt<BlockSize = U16> + BlockCipherDecrypt + KeyInit + InLanes,
{
    type Stream = BlockStream;

    fn prepare(key: &[u8], options: Options) -> Result<Self, BadKey> {
        Ok(Self { cipher: scheduled(key)?, padding: options.padding })
    }

    fn begin(&self, message: &Message<'_>) -> Result<BlockStream, Status> {
        Ok(BlockStream::new(iv_block(message)?))
    }

    fn piece(&self, stream: &mut BlockStream, message: &mut Message<'_>) -> Result<(), Status> {
        blocks::piece(self, self.padding, stream, message)
    }

    /// Whole messages to encrypt; decryption has no chain to wait for.
    fn lane(&self, message: &mut Message<'_>) -> Option<Result<Lane, Status>> {
        let fits = message.operation() == Operation::Encrypt && message.part() == Part::Whole;
        (fits && !message.has_state()).then(|| self.start_lane(message))
    }

    fn lane_key(&self) -> Option<LaneKey<'_>> {
        Some(self.cipher.lane_key())
    }
}

impl<C: KeySizeUser> Cbc<C> {
    fn start_lane(&self, message: &mut Message<'_>) -> Result<Lane, Status> {
        let padded = self.padding == Padding::Pkcs7;
        if !padded && !message.input().len().is_multiple_of(BLOCK) {
            return Err(Status::InvalidArgs);
        }
        let iv = iv_block(message)?;
        let mut lane = Lane::of::<C>(message, iv);
        if padded {
            blocks::pad(lane.text());
        }
        Ok(lane)
    }
}

impl<C> BlockMode for Cbc<C>
where
    C: BlockCipherEncrypt<BlockSize = U16> + BlockCipherDecrypt,
{
    fn encrypt(&self, chain: &mut Block, blocks: &mut [Block]) {
        let mut mode = Encryptor::inner_iv_init(&self.cipher, chain);
        mode.encrypt_blocks(blocks);
        *chain = mode.iv_state();
    }

    fn decrypt(&self, chain: &mut Block, blocks: &mut [Block]) {
        let mut mode = Decryptor::inner_iv_init(&self.cipher, chain);
        mode.decrypt_blocks(blocks);
        *chain = mode.iv_state();
    }
}
