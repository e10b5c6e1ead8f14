//! What a signature's scheme is asked, whatever its keys are; and the hashing that schemes with a digest have
//! in common.
//!
//! ```text
//!   begin ──► update ──► update ──► final          the one-shot call: update and final
//!     │         └── copy (DUPCTX) ──► final        what is allowed next, as OpenSSL 3.4 and later have it
//!     └── the digest cannot be changed until the final call
//! ```

use std::sync::Arc;

use crate::accelerator::{Text, Work};
use crate::error::{Failure, Reason};
use crate::instance::Instance;
use crate::keymgmt::Key;
use crate::kinds::Kind;
use crate::md::{Hasher, Md};
use crate::ossl::params::{Params, Wanted};
use crate::ossl::types::Param;

/// What a context was initialised for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Operation {
    #[default]
    None,
    /// A digest is signed, or whatever the caller has padded.
    Sign,
    Verify,
    /// A message is signed: it is hashed here.
    SignMessage,
    VerifyMessage,
    /// The digest is taken out of a signature.
    Recover,
}

impl Operation {
    /// Whether the message is hashed here.
    pub(super) const fn hashes(self) -> bool {
        matches!(self, Self::SignMessage | Self::VerifyMessage)
    }

    pub(super) const fn verifies(self) -> bool {
        matches!(self, Self::Verify | Self::VerifyMessage)
    }
}

/// What a context is initialised with.
pub(crate) struct Init<'i> {
    pub(super) operation: Operation,
    /// `None`: the key that is there stays.
    pub(super) key: Option<Arc<Key>>,
    /// For messages that are hashed here: the name of the hash function, if one is given.
    pub(super) digest: Option<Option<&'i [u8]>>,
    pub(super) params: Params<'i>,
}

/// How a digest lies in what a signature gives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unpad {
    pub(super) is_padded: bool,
    pub(super) md: Option<Md>,
}

/// A scheme: its parameters, and what has been hashed.
pub(crate) trait Scheme: Clone + 'static {
    /// The default provider's name for it.
    const NAME: &'static str;
    /// What signing is counted as.
    const SIGNS: Kind;
    /// What comparing is counted as.
    const VERIFIES: Kind;

    fn new(instance: &Instance) -> Self;

    fn init(&mut self, init: Init<'_>) -> Result<(), Failure>;

    /// A part of the message.
    fn update(&mut self, text: Text) -> Result<(), Failure>;

    /// Bytes that a signature has at most.
    fn size(&self, of_final: bool) -> Result<usize, Failure>;

    /// What the device has to sign: the input, or the digest of what was hashed.
    fn sign(&mut self, instance: &Instance, input: Option<Text>, room: usize) -> Result<Work, Failure>;

    /// The same, to be compared.
    fn verify(&mut self, instance: &Instance, signature: Text, input: Option<Text>) -> Result<Work, Failure>;

    /// What gives the digest of a signature.
    fn recover(&mut self, _: &Instance, _: Text, _: usize) -> Result<(Work, Unpad), Failure> {
        Err(Reason::NotNow.into())
    }

    /// The signature that the final call is about, where it was set as a parameter.
    fn kept_signature(&self) -> &[u8] {
        &[]
    }

    /// The key, if it is the device's.
    fn held_key(&self) -> Option<Arc<Key>>;

    /// A message has ended, whose digest could not be changed.
    fn allow_digest_again(&mut self) {}

    fn set(&mut self, params: Params<'_>) -> Result<(), Failure>;

    fn give(&self, wanted: &mut Wanted<'_>) -> Result<(), Failure>;

    fn gettable() -> &'static [Param];

    fn settable(&self) -> &'static [Param];
}

/// The hashing of a message.
#[derive(Clone, Debug, Default)]
pub(super) struct Hashing {
    hasher: Option<Hasher>,
    is_digest_fixed: bool,
    no_update: bool,
    no_final: bool,
    no_oneshot: bool,
}

impl Hashing {
    /// Another initialisation.
    pub(super) fn allow_all(&mut self) {
        (self.no_update, self.no_final, self.no_oneshot) = (false, false, false);
    }

    pub(super) fn begin(&mut self, md: Md) {
        self.hasher = Some(md.hasher());
        self.is_digest_fixed = true;
    }

    /// Another hash function was set.
    pub(super) fn forget(&mut self) {
        self.hasher = None;
    }

    pub(super) const fn is_digest_fixed(&self) -> bool {
        self.is_digest_fixed
    }

    pub(super) fn allow_digest_again(&mut self) {
        self.is_digest_fixed = false;
    }

    pub(super) fn update(&mut self, text: Text) -> Result<(), Failure> {
        let hasher = self.hasher.as_mut().ok_or(Reason::NotNow)?;
        if self.no_update {
            return Err(Reason::NotNow.into());
        }
        self.no_oneshot = true;
        text.read(|text| hasher.update(text));
        Ok(())
    }

    /// Whether the size of a signature may be asked for.
    pub(super) fn check_size(&self, of_hashed: bool) -> Result<(), Failure> {
        if of_hashed && (self.hasher.is_none() || self.no_final) {
            return Err(Reason::NotNow.into());
        }
        Ok(())
    }

    /// What is signed: a copy of the input; or a digest, of a message that ends with it.
    pub(super) fn input(&mut self, input: Option<Text>, hashes: bool) -> Result<Vec<u8>, Failure> {
        let Some(text) = input else { return self.finish() };
        if self.no_oneshot {
            return Err(Reason::NotNow.into());
        }
        if hashes {
            self.update(text)?;
            return self.finish();
        }
        let mut bytes = Vec::with_capacity(text.len());
        text.append_to(&mut bytes);
        Ok(bytes)
    }

    fn finish(&mut self) -> Result<Vec<u8>, Failure> {
        if self.no_final {
            return Err(Reason::NotNow.into());
        }
        // A copy, so that there is a hash function for the next message.
        let hasher = self.hasher.clone().ok_or(Reason::NotNow)?;
        (self.no_update, self.no_final, self.no_oneshot) = (true, true, true);
        let mut digest = Vec::with_capacity(64);
        hasher.finish(&mut digest);
        Ok(digest)
    }
}
