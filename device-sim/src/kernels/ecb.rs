//! AES-ECB (SP 800-38A, 6.1): every block separately.

use aes::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit, consts::U16};

use super::block::Block;
use super::blocks::{self, BlockMode, BlockStream};
use super::kernel::{BadKey, Kernel, Options, check_cipher, scheduled};
use crate::message::parameters::Padding;
use crate::message::status::Status;
use crate::message::view::Message;

/// A key and what to do with the last block.
pub(crate) struct Ecb<C> {
    cipher: C,
    padding: Padding,
}

impl<C> Kernel for Ecb<C>
where
    C: BlockCipherEncrypt<BlockSize = U16> + BlockCipherDecrypt + KeyInit,
{
    type Stream = BlockStream;

    fn prepare(key: &[u8], options: Options) -> Result<Self, BadKey> {
        Ok(Self { cipher: scheduled(key)?, padding: options.padding })
    }

    fn begin(&self, message: &Message<'_>) -> Result<BlockStream, Status> {
        check_cipher(message)?;
        if !message.iv().is_empty() {
            return Err(Status::InvalidArgs);
        }
        Ok(BlockStream::new(Block::default()))
    }

    fn piece(&self, stream: &mut BlockStream, message: &mut Message<'_>) -> Result<(), Status> {
        blocks::piece(self, self.padding, stream, message)
    }
}

impl<C> BlockMode for Ecb<C>
where
    C: BlockCipherEncrypt<BlockSize = U16> + BlockCipherDecrypt,
{
    fn encrypt(&self, _: &mut Block, blocks: &mut [Block]) {
        self.cipher.encrypt_blocks(blocks);
    }

    fn decrypt(&self, _: &mut Block, blocks: &mut [Block]) {
        self.cipher.decrypt_blocks(blocks);
    }
}
