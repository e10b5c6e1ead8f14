//! GCM: messages in pieces, as EVP and TLS 1.3 have them, and whole records of TLS 1.2.
//!
//! ```text
//!   init ──► key, iv             update(out = NULL) ──► additional data, collected
//!                                update ──────────────► one request; its output, and the tag so far
//!   TLS 1.2: tlsivfixed, tlsaad  final ───────────────► the tag is there: no request
//!            update ──► one request for the record: iv ‖ text ‖ tag, in place
//! ```
//!
//! A request for the tag alone is needed only where there was no text. What the default provider does, in
//! `providers/implementations/ciphers/ciphercommon_gcm.c`, is done here, with three differences. An IV that
//! is made up comes from the system. A tag that was wrong ends the message. A message that has text does not
//! change its direction.

mod calls;
mod iv;
mod message;
mod params;
mod record;

use std::fmt;
use std::sync::Arc;

use simaccel::AeadSession;
use zeroize::Zeroize;

use self::iv::Iv;
use self::message::Message;
use super::spec::Spec;
use crate::accelerator::Keyed;
use crate::error::{Failure, Reason};
use crate::instance::Instance;

/// Bytes of a whole tag.
const TAG: usize = 16;
/// Bytes of the additional data of a TLS 1.2 record.
const RECORD_AAD: usize = 13;

/// An object of libcrypto.
pub(super) struct Gcm {
    instance: Arc<Instance>,
    spec: &'static Spec,
    key: Option<Keyed<AeadSession>>,
    encrypts: bool,
    iv: Iv,
    /// The tag to compare with, or that of the last message.
    tag: [u8; TAG],
    /// How much of it is there; `None`: none was set or made.
    tag_len: Option<usize>,
    message: Message,
    /// The next update is a record with these additional data.
    record: Option<[u8; RECORD_AAD]>,
    /// How much longer than its text a record is, as the last one was announced.
    record_pad: usize,
    /// Records made with this key.
    records: u64,
}

impl Gcm {
    fn new(instance: Arc<Instance>, spec: &'static Spec) -> Self {
        Self {
            instance,
            spec,
            key: None,
            encrypts: false,
            iv: Iv::new(),
            tag: [0; TAG],
            tag_len: None,
            message: Message::default(),
            record: None,
            record_pad: 0,
            records: 0,
        }
    }

    /// What an init does, but for its parameters. What is not given stays.
    fn init(&mut self, encrypts: bool, key: Option<&[u8]>, iv: Option<&[u8]>) -> Result<(), Failure> {
        self.encrypts = encrypts;
        if let Some(iv) = iv {
            self.iv.set(iv)?;
        }
        match key {
            Some(key) => self.set_key(key),
            None => Ok(()),
        }
    }

    fn set_key(&mut self, key: &[u8]) -> Result<(), Failure> {
        let allowed = self.spec.key_len;
        if key.len() != allowed {
            return Err(Failure::new(Reason::KeyLength, format!("{} bytes, must be {allowed}", key.len())));
        }
        self.key = Some(Keyed::new(&self.instance, self.spec.algorithm, key)?);
        self.iv.again();
        self.records = 0;
        Ok(())
    }

    fn session(&mut self) -> Result<AeadSession, Failure> {
        self.key.as_mut().ok_or(Reason::NoKey)?.session(&self.instance)
    }

    fn require_key(&self) -> Result<(), Failure> {
        if self.key.is_some() { Ok(()) } else { Err(Reason::NoKey.into()) }
    }

    /// Neither this message nor another one with its IV goes on.
    fn end_message(&mut self) {
        self.message = Message::default();
        self.iv.spend();
    }

    /// A copy, in the middle of a message, too.
    fn copied(&mut self) -> Result<Self, Failure> {
        let message = match &self.key {
            Some(_) => {
                let session = self.session()?;
                self.message.copied(&session)?
            }
            None => Message::default(),
        };
        let (instance, key, iv) = (Arc::clone(&self.instance), self.key.clone(), self.iv.clone());
        Ok(Self { instance, key, iv, message, ..*self })
    }
}

impl Drop for Gcm {
    fn drop(&mut self) {
        self.tag.zeroize();
    }
}

impl fmt::Debug for Gcm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gcm").field("spec", &self.spec.kind).finish_non_exhaustive()
    }
}
