//! AES-CTR (SP 800-38A, 6.5): the text mixed with the encrypted counter, which is the whole block, big-endian.

use aes::cipher::{Array, BlockCipherEncrypt, InnerIvInit, IvState, StreamCipherCore, consts::U16};
use ctr::flavors::Ctr128BE;
use ctr::{CtrCore, CtrFlavor};
use zeroize::Zeroize;

use super::text::text;
use super::{BLOCK, Block, Kernel, check_cipher, iv_block};
use crate::request::{Request, Status};

/// A key.
pub(crate) struct Ctr<C> {
    cipher: C,
}

impl<C> Ctr<C> {
    pub(crate) const fn new(cipher: C) -> Self {
        Self { cipher }
    }
}

impl<C: BlockCipherEncrypt<BlockSize = U16>> Kernel for Ctr<C> {
    type Stream = CtrStream;

    fn begin(&self, request: &Request) -> Result<CtrStream, Status> {
        check_cipher(request, BLOCK)?;
        Ok(CtrStream::new(iv_block(request)?))
    }

    fn piece(&self, stream: &mut CtrStream, request: &mut Request) -> Result<(), Status> {
        let text = text(request.texts());
        stream.apply::<_, Ctr128BE>(&self.cipher, text);
        Ok(())
    }
}

/// The next counter, and the keystream block of which a part is used up. Wiped on drop.
#[derive(Clone)]
pub(crate) struct CtrStream {
    counter: Block,
    keystream: Block,
    /// Bytes of `keystream` that are used up; 0 when there is none.
    used: usize,
}

impl CtrStream {
    pub(super) fn new(counter: Block) -> Self {
        Self { counter, keystream: Block::default(), used: 0 }
    }

    /// Encrypts or decrypts `text`, which follows what was applied before.
    pub(super) fn apply<C, F>(&mut self, cipher: &C, text: &mut [u8])
    where
        C: BlockCipherEncrypt<BlockSize = U16>,
        F: CtrFlavor<U16>,
    {
        let text = self.use_up(text);
        if text.is_empty() {
            return;
        }
        let mut core = CtrCore::<&C, F>::inner_iv_init(cipher, &self.counter);
        let (blocks, tail) = Array::slice_as_chunks_mut(text);
        core.apply_keystream_blocks(blocks);
        if !tail.is_empty() {
            core.write_keystream_block(&mut self.keystream);
            self.used = 0;
            self.mix(tail);
        }
        self.counter = core.iv_state();
    }

    /// Spends what is left of the keystream block; returns the text behind it.
    fn use_up<'t>(&mut self, text: &'t mut [u8]) -> &'t mut [u8] {
        if self.used == 0 {
            return text;
        }
        let len = text.len().min(BLOCK - self.used);
        let (head, rest) = text.split_at_mut(len);
        self.mix(head);
        rest
    }

    fn mix(&mut self, text: &mut [u8]) {
        let keystream = &self.keystream[self.used..];
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
