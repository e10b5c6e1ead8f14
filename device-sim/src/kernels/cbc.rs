//! AES-CBC (SP 800-38A, 6.2): every block is mixed with the ciphertext of the one before.

use aes::cipher::{
    BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt, InnerIvInit, IvState,
    KeySizeUser, consts::U16,
};
use cbc::{Decryptor, Encryptor};

use super::blocks::{self, BlockMode, BlockStream};
use super::lanes::Lane;
use super::{BLOCK, Block, Kernel, iv_block};
use crate::kernels::session::Padding;
use crate::message::operation::Operation;
use crate::message::request::{Part, Request, Status};

/// A key and what to do with the last block.
pub(crate) struct Cbc<C> {
    cipher: C,
    padding: Padding,
}

impl<C> Cbc<C> {
    pub(crate) const fn new(cipher: C, padding: Padding) -> Self {
        Self { cipher, padding }
    }

    /// The key schedule.
    pub(crate) const fn cipher(&self) -> &C {
        &self.cipher
    }
}

impl<C> Kernel for Cbc<C>
where
    C: BlockCipherEncrypt<BlockSize = U16> + BlockCipherDecrypt + KeySizeUser,
{
    type Stream = BlockStream;

    fn begin(&self, request: &Request) -> Result<BlockStream, Status> {
        Ok(BlockStream::new(iv_block(request)?))
    }

    fn piece(&self, stream: &mut BlockStream, request: &mut Request) -> Result<(), Status> {
        blocks::piece(self, self.padding, stream, request)
    }

    /// Whole messages to encrypt; decryption has no chain to wait for.
    fn lane(&self, request: &mut Request) -> Option<Result<Lane, Status>> {
        let fits = request.operation == Operation::Encrypt && request.part == Part::Whole;
        (fits && !request.has_state()).then(|| self.start_lane(request))
    }
}

impl<C: KeySizeUser> Cbc<C> {
    fn start_lane(&self, request: &mut Request) -> Result<Lane, Status> {
        let padded = self.padding == Padding::Pkcs7;
        if !padded && !request.buffer.len().is_multiple_of(BLOCK) {
            return Err(Status::InvalidArgs);
        }
        let mut lane = Lane::of::<C>(request, iv_block(request)?);
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
