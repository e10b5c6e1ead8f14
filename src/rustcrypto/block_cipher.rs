//! AES on single blocks, and on many that are one operation of the device.

use std::fmt;
use std::marker::PhantomData;

use cipher::consts::{U16, U24, U32};
use cipher::inout::{InOut, InOutBuf};
use cipher::{
    AlgorithmName, Array, Block, BlockCipherDecBackend, BlockCipherDecClosure, BlockCipherDecrypt,
    BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt, BlockSizeUser, Key, KeyInit,
    KeySizeUser, ParBlocks, ParBlocksSizeUser,
};
use simaccel_device::{Cipher, Operation, Padding, Parameters};

use super::default_engine;
use super::key_size::AesKeySize;
use crate::engine::Engine;
use crate::engine::traits::Steady;
use crate::error::Error;

/// Bytes of the longest text that is one operation.
pub(super) const MOST: usize = 1 << 20;

/// AES (FIPS 197) on the device, with a key of `K` bytes. Blocks that are given together are one operation.
///
/// Modes of RustCrypto that are built on it (`cbc`, `ctr`) pass 32 blocks at most in an operation, and
/// those that chain, one; the modes of this module are quicker.
pub struct Aes<K: AesKeySize> {
    steady: Steady,
    key_size: PhantomData<fn() -> K>,
}

/// AES with a key of 128 bits.
pub type Aes128 = Aes<U16>;
/// AES with a key of 192 bits.
pub type Aes192 = Aes<U24>;
/// AES with a key of 256 bits.
pub type Aes256 = Aes<U32>;

/// A block of AES.
pub(super) type AesBlock = Array<u8, U16>;

/// A session for whole blocks, or for a stream.
pub(super) fn session(engine: &Engine, cipher: Cipher, key: &[u8]) -> Result<Steady, Error> {
    Steady::on(engine, cipher.into(), key, parameters(cipher))
}

/// The same on the default engine, or without a device where there is none.
pub(super) fn session_by_default(cipher: Cipher, key: &[u8]) -> Steady {
    let on_default = default_engine().and_then(|engine| session(engine, cipher, key));
    on_default
        .or_else(|_| Steady::without_device(cipher.into(), key, parameters(cipher)))
        .expect("the key has the length of its type")
}

fn parameters(cipher: Cipher) -> Parameters {
    let default = Parameters::default();
    if cipher.pads() { default.with_padding(Padding::None) } else { default }
}

pub(super) fn bytes(blocks: &[AesBlock]) -> &[u8] {
    Array::cast_slice_to_core(blocks).as_flattened()
}

pub(super) fn bytes_mut(blocks: &mut [AesBlock]) -> &mut [u8] {
    Array::cast_slice_to_core_mut(blocks).as_flattened_mut()
}

impl<K: AesKeySize> Aes<K> {
    /// A key on this engine.
    ///
    /// # Errors
    /// [`Error::Forked`] in a forked child.
    pub fn on(engine: &Engine, key: &Key<Self>) -> Result<Self, Error> {
        Ok(Self { steady: session(engine, K::ECB, key)?, key_size: PhantomData })
    }

    fn run_one(&self, operation: Operation, mut block: InOut<'_, '_, AesBlock>) {
        let done = self.steady.text(operation, &[], 0, block.get_in());
        block.get_out().copy_from_slice(&done);
        self.steady.recycle(done);
    }

    fn run(&self, operation: Operation, mut blocks: InOutBuf<'_, '_, AesBlock>) {
        while !blocks.is_empty() {
            let len = blocks.len().min(MOST / size_of::<AesBlock>());
            let (mut piece, rest) = blocks.split_at(len);
            let done = self.steady.text(operation, &[], 0, bytes(piece.get_in()));
            bytes_mut(piece.get_out()).copy_from_slice(&done);
            self.steady.recycle(done);
            blocks = rest;
        }
    }
}

impl<K: AesKeySize> KeySizeUser for Aes<K> {
    type KeySize = K;
}

impl<K: AesKeySize> BlockSizeUser for Aes<K> {
    type BlockSize = U16;
}

impl<K: AesKeySize> KeyInit for Aes<K> {
    fn new(key: &Key<Self>) -> Self {
        Self { steady: session_by_default(K::ECB, key), key_size: PhantomData }
    }
}

/// What generic modes call: blocks in groups of 32, whose copies fit onto a job's stack.
struct Backend<'a, K: AesKeySize>(&'a Aes<K>);

impl<K: AesKeySize> BlockSizeUser for Backend<'_, K> {
    type BlockSize = U16;
}

impl<K: AesKeySize> ParBlocksSizeUser for Backend<'_, K> {
    type ParBlocksSize = U32;
}

/// The traits of one direction.
macro_rules! direction {
    (
        $operation:expr,
        $cipher:ident { $with:ident: $closure:ident, $blocks_inout:ident, $blocks:ident },
        $backend:ident { $one:ident, $group:ident, $tail:ident }
    ) => {
        impl<K: AesKeySize> $cipher for Aes<K> {
            fn $with(&self, f: impl $closure<BlockSize = U16>) {
                f.call(&Backend(self));
            }

            fn $blocks_inout(&self, blocks: InOutBuf<'_, '_, Block<Self>>) {
                self.run($operation, blocks);
            }

            fn $blocks(&self, blocks: &mut [Block<Self>]) {
                self.run($operation, blocks.into());
            }
        }

        impl<K: AesKeySize> $backend for Backend<'_, K> {
            fn $one(&self, block: InOut<'_, '_, Block<Self>>) {
                self.0.run_one($operation, block);
            }

            fn $group(&self, blocks: InOut<'_, '_, ParBlocks<Self>>) {
                self.0.run($operation, blocks.into_buf());
            }

            fn $tail(&self, blocks: InOutBuf<'_, '_, Block<Self>>) {
                self.0.run($operation, blocks);
            }
        }
    };
}

direction! {
    Operation::Encrypt,
    BlockCipherEncrypt { encrypt_with_backend: BlockCipherEncClosure, encrypt_blocks_inout, encrypt_blocks },
    BlockCipherEncBackend { encrypt_block, encrypt_par_blocks, encrypt_tail_blocks }
}

direction! {
    Operation::Decrypt,
    BlockCipherDecrypt { decrypt_with_backend: BlockCipherDecClosure, decrypt_blocks_inout, decrypt_blocks },
    BlockCipherDecBackend { decrypt_block, decrypt_par_blocks, decrypt_tail_blocks }
}

impl<K: AesKeySize> AlgorithmName for Aes<K> {
    fn write_alg_name(f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(K::NAME)
    }
}

impl<K: AesKeySize> Clone for Aes<K> {
    fn clone(&self) -> Self {
        Self { steady: self.steady.clone(), key_size: PhantomData }
    }
}

impl<K: AesKeySize> fmt::Debug for Aes<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(K::NAME).finish_non_exhaustive()
    }
}
