//! The bare kernels: RustCrypto's, in the calling thread. They are rivals themselves, and the rivals' workers
//! use them.

use aes::Aes128;
use aes::cipher::{
    Array, BlockModeEncrypt, InnerIvInit, KeyInit, StreamCipher, StreamCipherCoreWrapper, consts::U16,
};
use ctr::{CtrCore, flavors::Ctr128BE};
use xts_mode::Xts128;

use crate::harness::{Outcome, Side, by_wall};
use crate::lanes::Lanes;
use crate::placement::Placement;

/// The key of everything here; XTS's second key is its reverse.
pub(crate) const KEY: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// Both keys of XTS, for a session.
pub(crate) fn xts_key() -> Vec<u8> {
    KEY.iter().chain(KEY.iter().rev()).copied().collect()
}

/// Encrypts in place.
pub(crate) trait Kernel {
    fn encrypt(&self, iv: &[u8; 16], text: &mut [u8]);
}

/// AES-128-CTR of the `ctr` crate; the key is scheduled once.
#[derive(Debug)]
pub(crate) struct Ctr(Aes128);

/// AES-128-CBC of the `cbc` crate, without padding.
#[derive(Debug)]
pub(crate) struct Cbc(Aes128);

/// AES-128-XTS of the `xts-mode` crate.
pub(crate) struct Xts(Xts128<Aes128>);

impl Ctr {
    pub(crate) fn new() -> Self {
        Self(Aes128::new(&KEY.into()))
    }
}

impl Cbc {
    pub(crate) fn new() -> Self {
        Self(Aes128::new(&KEY.into()))
    }
}

impl Xts {
    pub(crate) fn new() -> Self {
        let mut tweak_key = KEY;
        tweak_key.reverse();
        Self(Xts128::new(Aes128::new(&KEY.into()), Aes128::new(&tweak_key.into())))
    }
}

impl Kernel for Ctr {
    fn encrypt(&self, iv: &[u8; 16], text: &mut [u8]) {
        let core = CtrCore::<&Aes128, Ctr128BE>::inner_iv_init(&self.0, iv.into());
        StreamCipherCoreWrapper::from_core(core).apply_keystream(text);
    }
}

impl Kernel for Cbc {
    fn encrypt(&self, iv: &[u8; 16], text: &mut [u8]) {
        let (blocks, _) = Array::<u8, U16>::slice_as_chunks_mut(text);
        cbc::Encryptor::<&Aes128>::inner_iv_init(&self.0, iv.into()).encrypt_blocks(blocks);
    }
}

impl Kernel for Xts {
    fn encrypt(&self, iv: &[u8; 16], text: &mut [u8]) {
        self.0.encrypt_sector(text, (*iv).into());
    }
}

/// A kernel in the calling thread, one lane after the other. The thread moves to the workers' processor: one
/// processor of a virtual machine may be a third slower than the other, and the question is what another
/// thread costs.
pub(crate) struct Bare<K> {
    placement: Placement,
    kernel: K,
    lanes: Lanes,
    next: usize,
}

impl<K: Kernel> Bare<K> {
    pub(crate) fn new(kernel: K, lanes: usize, size: usize, placement: Placement) -> Self {
        let lanes = Lanes::new(lanes, size, &kernel);
        Self { placement, kernel, lanes, next: 0 }
    }

    fn encrypt(&mut self, ops: u64) {
        let Self { kernel, lanes, next, .. } = self;
        for _ in 0..ops {
            let work = lanes.at(*next);
            kernel.encrypt(&work.iv, &mut work.buffer);
            *next = if *next + 1 == lanes.len() { 0 } else { *next + 1 };
        }
    }
}

impl<K: Kernel> Side for Bare<K> {
    fn run(&mut self, ops: u64) -> Outcome<f64> {
        let placement = self.placement;
        placement.beside(|| {
            by_wall(ops, || {
                self.encrypt(ops);
                Ok(())
            })
        })?
    }

    fn check(&mut self) -> Outcome<()> {
        self.lanes.reset();
        self.next = 0;
        self.encrypt(self.lanes.len() as u64);
        self.lanes.check()
    }
}
