//! What is different between the algorithms of keys.

use simaccel::KeyAlgorithm;

use crate::kinds::Kind;

/// An algorithm of keys.
#[derive(Debug)]
pub(crate) struct Spec {
    /// The name by which the default provider knows it, too.
    pub(super) name: &'static str,
    /// What generating one is counted as.
    pub(super) generates: Kind,
    pub(super) family: Family,
}

/// What a key consists of.
#[derive(Debug)]
pub(super) enum Family {
    /// Numbers; `is_pss`: with restrictions of its signatures.
    Rsa { is_pss: bool },
    /// A point and a number, of one of the curves.
    Ec,
    /// Strings of bytes.
    Raw(Raw),
}

/// An algorithm whose keys are strings of bytes.
#[derive(Debug)]
pub(crate) struct Raw {
    pub(crate) algorithm: KeyAlgorithm,
    pub(super) public_len: usize,
    pub(super) private_len: usize,
    /// Of what the private key is expanded from; 0 where it is not.
    pub(super) seed_len: usize,
    /// Whether its keys sign; they have a public value for a peer otherwise.
    pub(super) signs: bool,
    pub(super) bits: usize,
    pub(super) security_bits: usize,
    /// NIST's category.
    pub(super) category: usize,
    /// Bytes of the largest output: a signature, a ciphertext, or a secret.
    pub(super) max_size: usize,
    pub(super) mutable: Mutable,
}

/// Whether a public key can be set in an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mutable {
    Never,
    /// Only in one that has no key.
    Once,
    /// It takes the place of the key that is there.
    Always,
}

impl Raw {
    /// Whether the seed is a parameter of the key.
    pub(super) const fn has_seed(&self) -> bool {
        self.seed_len > 0 && !self.is_hybrid()
    }

    /// Whether its private key is the expanded one of ML-KEM, and one of X25519 behind it.
    pub(super) const fn is_hybrid(&self) -> bool {
        matches!(self.algorithm, KeyAlgorithm::X25519MlKem768)
    }
}

impl Spec {
    pub(super) const fn raw(&self) -> Option<&Raw> {
        match &self.family {
            Family::Raw(raw) => Some(raw),
            _ => None,
        }
    }
}
