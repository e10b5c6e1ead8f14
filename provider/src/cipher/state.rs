//! An object of libcrypto: what a cipher knows between its calls.
//!
//! While an operation is under way nothing here is borrowed: what it needs was copied, and its outcome is
//! stored when it has ended.

use std::fmt;
use std::sync::Arc;

use simaccel::CipherSession;
use zeroize::Zeroize;

use super::spec::{BLOCK, Mode, Spec};
use crate::accelerator::{self, Keyed, Pass, Text};
use crate::error::{Failure, Reason};
use crate::instance::Instance;

/// A cipher in ECB, CBC, CTR or XTS.
#[derive(Clone)]
pub(crate) struct State {
    pub(super) instance: Arc<Instance>,
    pub(super) spec: &'static Spec,
    pub(super) key: Option<Keyed<CipherSession>>,
    pub(super) encrypts: bool,
    /// Whether ECB and CBC pad (PKCS#7).
    pub(super) pads: bool,
    pub(super) use_bits: bool,
    /// Whether an initialisation vector was ever set.
    pub(super) has_iv: bool,
    /// For the next block; CTR: the next counter.
    pub(super) iv: [u8; BLOCK],
    /// As it was set.
    pub(super) original_iv: [u8; BLOCK],
    /// The beginning of a block.
    pub(super) held: Held,
    /// CTR: how much of the block before the next counter was used.
    pub(super) num: usize,
    /// Above 0: each update is a TLS record.
    pub(super) tls_version: u32,
    pub(super) tls_mac_size: usize,
    /// Of the last record that was opened; empty before.
    pub(super) tls_mac: Vec<u8>,
}

/// Bytes that wait for the rest of their block.
#[derive(Clone, Copy, Default)]
pub(super) struct Held {
    bytes: [u8; BLOCK],
    len: usize,
}

impl Held {
    /// With a text added, which leaves it at most a block.
    pub(super) fn with(mut self, text: Text) -> Self {
        text.copy_to(&mut self.bytes[self.len..]);
        self.len += text.len();
        self
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl Drop for State {
    fn drop(&mut self) {
        self.held.bytes.zeroize();
        self.iv.zeroize();
        self.original_iv.zeroize();
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("spec", &self.spec.kind).finish_non_exhaustive()
    }
}

impl State {
    pub(super) fn new(instance: Arc<Instance>, spec: &'static Spec) -> Self {
        Self {
            instance,
            spec,
            key: None,
            encrypts: false,
            pads: true,
            use_bits: false,
            has_iv: false,
            iv: [0; BLOCK],
            original_iv: [0; BLOCK],
            held: Held::default(),
            num: 0,
            tls_version: 0,
            tls_mac_size: 0,
            tls_mac: Vec::new(),
        }
    }

    /// What an init does, but for its parameters. Without a key the old one stays; without an initialisation
    /// vector CBC goes back to the one that was set.
    pub(super) fn init(
        &mut self,
        encrypts: bool,
        key: Option<&[u8]>,
        iv: Option<&[u8]>,
    ) -> Result<(), Failure> {
        self.encrypts = encrypts;
        if self.spec.mode != Mode::Xts {
            (self.num, self.held) = (0, Held::default());
        }
        match iv {
            Some(iv) if self.spec.mode != Mode::Ecb => self.set_iv(iv)?,
            None if self.has_iv && self.spec.mode == Mode::Cbc => self.iv = self.original_iv,
            _ => {}
        }
        match key {
            Some(key) => self.set_key(key, encrypts),
            None => Ok(()),
        }
    }

    fn set_iv(&mut self, iv: &[u8]) -> Result<(), Failure> {
        let wrong = || Failure::new(Reason::IvLength, format!("{} bytes, must be {BLOCK}", iv.len()));
        self.iv = iv.try_into().map_err(|_| wrong())?;
        (self.original_iv, self.has_iv) = (self.iv, true);
        Ok(())
    }

    fn set_key(&mut self, key: &[u8], encrypts: bool) -> Result<(), Failure> {
        let allowed = self.spec.key_len;
        if key.len() != allowed {
            return Err(Failure::new(Reason::KeyLength, format!("{} bytes, must be {allowed}", key.len())));
        }
        if self.spec.mode == Mode::Xts && encrypts && key[..allowed / 2] == key[allowed / 2..] {
            return Err(Reason::DuplicatedKeys.into());
        }
        self.key = Some(Keyed::new(&self.instance, self.spec.algorithm, key)?);
        Ok(())
    }

    pub(super) fn require_key(&self) -> Result<(), Failure> {
        if self.key.is_some() { Ok(()) } else { Err(Reason::NoKey.into()) }
    }

    /// An operation on `text`, which is by itself.
    pub(super) fn request(&mut self, text: Vec<u8>, iv: [u8; BLOCK]) -> Result<Request, Failure> {
        let session = self.key.as_mut().ok_or(Reason::NoKey)?.session(&self.instance)?;
        let pass = Pass::new(&self.instance, self.spec.kind, text.len());
        Ok(Request { pass, encrypts: self.encrypts, session, iv, iv_len: self.spec.iv_len, text })
    }
}

/// One operation on whole blocks.
pub(super) struct Request {
    pass: Pass,
    encrypts: bool,
    session: CipherSession,
    iv: [u8; BLOCK],
    iv_len: usize,
    text: Vec<u8>,
}

impl Request {
    /// Runs it, which may pause; the output is to be [recycled](crate::accelerator::Buffer::recycle).
    pub(super) fn run(self) -> Result<Vec<u8>, Failure> {
        let Self { pass, encrypts, session, iv, iv_len, text } = self;
        let operation = |session: &mut CipherSession| {
            let iv = &iv[..iv_len];
            if encrypts { session.encrypt(iv, text) } else { session.decrypt(iv, text) }
        };
        accelerator::run(pass, session, operation).1
    }
}
