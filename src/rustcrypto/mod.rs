//! RustCrypto's traits, implemented by types whose work the device does. Feature `rustcrypto`.
//!
//! ```text
//!   generic code: A: Aead, D: Digest, M: Mac, C: BlockCipherEncrypt ..
//!        │ A = Aes256Gcm, D = Sha256, ..
//!        ▼
//!   types of this module ── a session ──► engine ──► device       in a job the call pauses, outside it blocks
//!        └── no error to return, and the device has failed ──► software, in the calling thread
//! ```
//!
//! | traits | types |
//! |---|---|
//! | `aead`: `AeadInOut`, and so `Aead` | [`Aes128Gcm`], [`Aes192Gcm`], [`Aes256Gcm`], [`AesGcm`] with other nonces and tags |
//! | `cipher`: `BlockCipherEncrypt`, `BlockCipherDecrypt` | [`Aes128`], [`Aes192`], [`Aes256`] |
//! | `cipher`: `BlockModeEncrypt`, `BlockModeDecrypt` | [`CbcEncryptor`], [`CbcDecryptor`] |
//! | `cipher`: `StreamCipher`, `StreamCipherSeek` | [`AesCtr`] |
//! | `digest`: `Digest`, `DynDigest`, `FixedOutputReset` | [`Sha224`], [`Sha256`], [`Sha384`], [`Sha512`], [`Sha512_256`] |
//! | `digest`: `Mac` | [`HmacSha224`], [`HmacSha256`], [`HmacSha384`], [`HmacSha512`], [`HmacSha512_256`] |
#![cfg_attr(
    feature = "private-keys",
    doc = "| `signature`: `Signer`, `RandomizedSigner`, `Verifier`, `Keypair`, the traits of digests | [`SigningKey`], [`VerifyingKey`] |"
)]
//!
//! The traits are those of `aead` 0.6, `cipher` 0.5, `digest` 0.11 and `signature` 3, which are
//! [re-exported](self#reexports). XTS has no trait there.
//!
//! # Which engine
//!
//! Each type has a function `on`, which takes the engine. The traits' own constructors (`KeyInit::new`,
//! `Digest::new`) take none: they use the process's [default engine](default_engine), which is one with an
//! ideal device, unless [`set_default_engine`] came first.
//!
//! ```
//! use simaccel::rustcrypto::aead::consts::U12;
//! use simaccel::rustcrypto::aead::{Aead, KeyInit, Payload};
//! use simaccel::rustcrypto::digest::Digest;
//! use simaccel::rustcrypto::{Aes256Gcm, Sha256};
//! use simaccel::{Config, Engine};
//!
//! fn seal(aead: &impl Aead<NonceSize = U12>, text: &[u8]) -> Vec<u8> {
//!     aead.encrypt(&[7; 12].into(), Payload { msg: text, aad: b"header" }).expect("the device is well")
//! }
//!
//! let engine = Engine::open(Config::default())?;
//! let on_this_engine = Aes256Gcm::on(&engine, &[0x42; 32].into())?;
//! let by_default = Aes256Gcm::new(&[0x42; 32].into());
//! assert_eq!(seal(&on_this_engine, b"attack at dawn"), seal(&by_default, b"attack at dawn"));
//!
//! assert_eq!(Sha256::digest(b"abc")[..4], [0xba, 0x78, 0x16, 0xbf]);
//! # Ok::<(), simaccel::Error>(())
//! ```
//!
//! # Waiting
//!
//! Every call that reaches the device is one operation: in a job it pauses the job, and outside it blocks
//! the thread ([ways to wait](crate#ways-to-wait)). Blocks that are given together are one operation, up to
//! 1 MiB. Digests and MACs keep up to 16 KiB of a message until there is more, so a short message is one
//! operation, in `finalize`.
//!
//! # Failures
//!
//! - *AEADs and signatures* have errors, and return them, opaque: `aead::Error` stands for a wrong tag and
//!   for a failed device alike, and `signature::Error` has the cause as its source. Buffers keep their
//!   content. Nothing is computed in software unless the engine's configuration says so (`fallback`).
//! - *Block ciphers, modes, stream ciphers, digests and MACs* have none. Where the device fails, times out,
//!   is dead or belongs to the parent of a fork, software computes the operation in the calling thread, from
//!   a copy of what the device was given: no call panics and no message loses a byte. Each such operation
//!   counts in `EngineStats::fallbacks` and in [`stood_in`].
//!
//! Use test keys only, as everywhere in this crate.

mod block_cipher;
mod cbc_mode;
mod ctr_mode;
mod default_engine;
mod gcm;
mod hashes;
mod key_size;
#[cfg(feature = "private-keys")]
mod keys;
mod macs;
mod pieces;

pub use aead;
pub use block_cipher::{Aes, Aes128, Aes192, Aes256};
pub use cbc_mode::{CbcDecryptor, CbcEncryptor};
pub use cipher;
pub use ctr_mode::AesCtr;
pub use default_engine::{default_engine, set_default_engine};
pub use digest;
pub use gcm::{Aes128Gcm, Aes192Gcm, Aes256Gcm, AesGcm, GcmTagSize};
pub use hashes::{Sha224, Sha256, Sha384, Sha512, Sha512_256};
pub use key_size::AesKeySize;
#[cfg(feature = "private-keys")]
pub use keys::{SigningKey, VerifyingKey};
pub use macs::{HmacSha224, HmacSha256, HmacSha384, HmacSha512, HmacSha512_256};
pub use signature;

/// How many operations of this process software has computed because the device had failed, or there was
/// none, and the trait has no error. Those of engines that are open count in their `fallbacks`, too.
pub fn stood_in() -> u64 {
    crate::engine::traits::stood_in()
}
