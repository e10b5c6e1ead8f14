//! CBC (SP 800-38A, 6.2), whose chaining the device does: blocks that are given together are one operation.

use std::fmt;
use std::marker::PhantomData;

use cipher::consts::{U16, U32};
use cipher::inout::{InOut, InOutBuf};
use cipher::{
    Block, BlockModeDecBackend, BlockModeDecClosure, BlockModeDecrypt, BlockModeEncBackend,
    BlockModeEncClosure, BlockModeEncrypt, BlockSizeUser, Iv, IvSizeUser, IvState, Key, KeyIvInit,
    KeySizeUser, ParBlocks, ParBlocksSizeUser,
};
use simaccel_device::Operation;

use super::block_cipher::{AesBlock, MOST, bytes, bytes_mut, session, session_by_default};
use super::key_size::AesKeySize;
use crate::engine::Engine;
use crate::engine::traits::Steady;
use crate::error::Error;

/// A key, and the block that the next one is chained to.
struct Chain {
    steady: Steady,
    iv: AesBlock,
}

impl Chain {
    fn run_one(&mut self, operation: Operation, mut block: InOut<'_, '_, AesBlock>) {
        // Where input and output are one, it is gone afterwards.
        let last_in = (operation == Operation::Decrypt).then(|| *block.get_in());
        let done = self.steady.text(operation, &self.iv, 0, block.get_in());
        block.get_out().copy_from_slice(&done);
        self.steady.recycle(done);
        self.iv = last_in.unwrap_or_else(|| *block.get_out());
    }

    fn run(&mut self, operation: Operation, mut blocks: InOutBuf<'_, '_, AesBlock>) {
        while !blocks.is_empty() {
            let len = blocks.len().min(MOST / size_of::<AesBlock>());
            let (mut piece, rest) = blocks.split_at(len);
            let last_in = if operation == Operation::Decrypt { piece.get_in().last().copied() } else { None };
            let done = self.steady.text(operation, &self.iv, 0, bytes(piece.get_in()));
            bytes_mut(piece.get_out()).copy_from_slice(&done);
            self.steady.recycle(done);
            self.iv = last_in.or_else(|| piece.get_out().last().copied()).unwrap_or(self.iv);
            blocks = rest;
        }
    }
}

macro_rules! cbc {
    (
        $(#[$doc:meta])*
        $name:ident: $operation:expr,
        $Mode:ident, $with_backend:ident, $blocks_inout:ident, $blocks:ident,
        $Closure:ident, $Backend:ident, $block:ident, $par_blocks:ident, $tail_blocks:ident, $backend:ident
    ) => {
        $(#[$doc])*
        pub struct $name<K: AesKeySize> {
            chain: Chain,
            key_size: PhantomData<fn() -> K>,
        }

        impl<K: AesKeySize> $name<K> {
            /// A key on this engine, and an initialisation vector.
            ///
            /// # Errors
            /// [`Error::Forked`] in a forked child.
            pub fn on(engine: &Engine, key: &Key<Self>, iv: &Iv<Self>) -> Result<Self, Error> {
                let chain = Chain { steady: session(engine, K::CBC, key)?, iv: *iv };
                Ok(Self { chain, key_size: PhantomData })
            }
        }

        impl<K: AesKeySize> KeySizeUser for $name<K> {
            type KeySize = K;
        }

        impl<K: AesKeySize> BlockSizeUser for $name<K> {
            type BlockSize = U16;
        }

        impl<K: AesKeySize> IvSizeUser for $name<K> {
            type IvSize = U16;
        }

        impl<K: AesKeySize> IvState for $name<K> {
            fn iv_state(&self) -> Iv<Self> {
                self.chain.iv
            }
        }

        impl<K: AesKeySize> KeyIvInit for $name<K> {
            fn new(key: &Key<Self>, iv: &Iv<Self>) -> Self {
                let chain = Chain { steady: session_by_default(K::CBC, key), iv: *iv };
                Self { chain, key_size: PhantomData }
            }
        }

        impl<K: AesKeySize> $Mode for $name<K> {
            fn $with_backend(&mut self, f: impl $Closure<BlockSize = U16>) {
                f.call(&mut $backend(&mut self.chain));
            }

            fn $blocks_inout(&mut self, blocks: InOutBuf<'_, '_, Block<Self>>) {
                self.chain.run($operation, blocks);
            }

            fn $blocks(&mut self, blocks: &mut [Block<Self>]) {
                self.chain.run($operation, blocks.into());
            }
        }

        struct $backend<'a>(&'a mut Chain);

        impl BlockSizeUser for $backend<'_> {
            type BlockSize = U16;
        }

        impl ParBlocksSizeUser for $backend<'_> {
            type ParBlocksSize = U32;
        }

        impl $Backend for $backend<'_> {
            fn $block(&mut self, block: InOut<'_, '_, Block<Self>>) {
                self.0.run_one($operation, block);
            }

            fn $par_blocks(&mut self, blocks: InOut<'_, '_, ParBlocks<Self>>) {
                self.0.run($operation, blocks.into_buf());
            }

            fn $tail_blocks(&mut self, blocks: InOutBuf<'_, '_, Block<Self>>) {
                self.0.run($operation, blocks);
            }
        }

        impl<K: AesKeySize> fmt::Debug for $name<K> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "<{}> {{ .. }}"), K::NAME)
            }
        }
    };
}

cbc! {
    /// Encryption by AES in CBC mode, with a key of `K` bytes ([`U16`], [`U24`](cipher::consts::U24),
    /// [`U32`]). The device pads nothing; `encrypt_padded` and the like do.
    CbcEncryptor: Operation::Encrypt,
    BlockModeEncrypt, encrypt_with_backend, encrypt_blocks_inout, encrypt_blocks,
    BlockModeEncClosure, BlockModeEncBackend, encrypt_block, encrypt_par_blocks, encrypt_tail_blocks, EncBackend
}

cbc! {
    /// Decryption by AES in CBC mode, with a key of `K` bytes. As [`CbcEncryptor`].
    CbcDecryptor: Operation::Decrypt,
    BlockModeDecrypt, decrypt_with_backend, decrypt_blocks_inout, decrypt_blocks,
    BlockModeDecClosure, BlockModeDecBackend, decrypt_block, decrypt_par_blocks, decrypt_tail_blocks, DecBackend
}
