//! AES-ECB (SP 800-38A, 6.1): every block on its own.

use aes::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit, consts::U16};

use super::blocks::{self, BlockMode, BlockStream};
use super::{BadKey, Block, Kernel, Options, check_cipher, scheduled};
use crate::message::parameters::Padding;
use crate::message::request::Request;
use crate::message::status::Status;

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

    fn begin(&self, request: &Request) -> Result<BlockStream, Status> {
        check_cipher(request)?;
        if !request.iv().is_empty() {
            return Err(Status::InvalidArgs);
        }
        Ok(BlockStream::new(Block::default()))
    }

    fn piece(&self, stream: &mut BlockStream, request: &mut Request) -> Result<(), Status> {
        blocks::piece(self, self.padding, stream, request)
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
