//! CTR (SP 800-38A, 6.5) as a stream cipher: the counter has 128 bits, big-endian.
//!
//! ```text
//!   position: block · 16 + offset
//!   text from there ──► offset zeros, text ──► one operation at counter iv + block ──► the output behind the zeros
//! ```

use std::fmt;
use std::marker::PhantomData;

use cipher::consts::U16;
use cipher::inout::InOutBuf;
use cipher::{
    Iv, IvSizeUser, Key, KeyIvInit, KeySizeUser, OverflowError, SeekNum, StreamCipher, StreamCipherError,
    StreamCipherSeek,
};
use simaccel_device::Operation;

use super::block_cipher::{MOST, session, session_by_default};
use super::key_size::AesKeySize;
use crate::engine::Engine;
use crate::engine::traits::Steady;
use crate::error::Error;

/// Bytes of a block.
const BLOCK: usize = BLOCK_LEN as usize;
const BLOCK_LEN: u8 = 16;

/// AES in CTR mode, with a key of `K` bytes: RustCrypto's `ctr::Ctr128BE<Aes..>`. Every call is one
/// operation of the device, for up to 1 MiB of text.
pub struct AesCtr<K: AesKeySize> {
    steady: Steady,
    /// The first block's counter.
    iv: u128,
    /// The block that the next byte belongs to, and the byte's place there.
    block: u128,
    offset: usize,
    key_size: PhantomData<fn() -> K>,
}

impl<K: AesKeySize> AesCtr<K> {
    /// A key on this engine, and an initialisation vector.
    ///
    /// # Errors
    /// [`Error::Forked`] in a forked child.
    pub fn on(engine: &Engine, key: &Key<Self>, iv: &Iv<Self>) -> Result<Self, Error> {
        Ok(Self::at_start(session(engine, K::CTR, key)?, iv))
    }

    fn at_start(steady: Steady, iv: &Iv<Self>) -> Self {
        let iv = u128::from_be_bytes((*iv).into());
        Self { steady, iv, block: 0, offset: 0, key_size: PhantomData }
    }

    /// The position behind this many more bytes.
    fn after(&self, len: usize) -> Option<(u128, usize)> {
        let bytes = self.offset.checked_add(len)?;
        Some((self.block.checked_add((bytes / BLOCK) as u128)?, bytes % BLOCK))
    }
}

impl<K: AesKeySize> KeySizeUser for AesCtr<K> {
    type KeySize = K;
}

impl<K: AesKeySize> IvSizeUser for AesCtr<K> {
    type IvSize = U16;
}

impl<K: AesKeySize> KeyIvInit for AesCtr<K> {
    fn new(key: &Key<Self>, iv: &Iv<Self>) -> Self {
        Self::at_start(session_by_default(K::CTR, key), iv)
    }
}

impl<K: AesKeySize> StreamCipher for AesCtr<K> {
    fn check_remaining(&self, len: usize) -> Result<(), StreamCipherError> {
        // The last block has no successor, so the text ends before it.
        self.after(len).map(drop).ok_or(StreamCipherError)
    }

    fn unchecked_apply_keystream_inout(&mut self, mut text: InOutBuf<'_, '_, u8>) {
        while !text.is_empty() {
            let len = text.len().min(MOST);
            let (mut piece, rest) = text.split_at(len);
            let counter = self.iv.wrapping_add(self.block).to_be_bytes();
            let done = self.steady.text(Operation::Encrypt, &counter, self.offset, piece.get_in());
            piece.get_out().copy_from_slice(&done[self.offset..]);
            self.steady.recycle(done);
            let bytes = self.offset + len;
            self.block = self.block.wrapping_add((bytes / BLOCK) as u128);
            self.offset = bytes % BLOCK;
            text = rest;
        }
    }

    fn unchecked_write_keystream(&mut self, buffer: &mut [u8]) {
        buffer.fill(0);
        self.unchecked_apply_keystream_inout(buffer.into());
    }
}

impl<K: AesKeySize> StreamCipherSeek for AesCtr<K> {
    fn try_current_pos<T: SeekNum>(&self) -> Result<T, OverflowError> {
        // It is asked for as blocks that were begun, and the bytes of the last that are used.
        let (begun, used) = match self.offset {
            0 => (self.block, BLOCK),
            offset => (self.block.checked_add(1).ok_or(OverflowError)?, offset),
        };
        let used = u8::try_from(used).map_err(|_| OverflowError)?;
        T::from_block_byte(begun, used, BLOCK_LEN)
    }

    fn try_seek<T: SeekNum>(&mut self, position: T) -> Result<(), StreamCipherError> {
        let (block, offset) = position.into_block_byte::<u128>(BLOCK_LEN).map_err(|_| StreamCipherError)?;
        (self.block, self.offset) = (block, offset.into());
        Ok(())
    }
}

impl<K: AesKeySize> Clone for AesCtr<K> {
    fn clone(&self) -> Self {
        Self { steady: self.steady.clone(), ..*self }
    }
}

impl<K: AesKeySize> fmt::Debug for AesCtr<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AesCtr<{}> {{ .. }}", K::NAME)
    }
}
