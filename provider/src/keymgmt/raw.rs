//! Keys that are strings of bytes: X25519, Ed25519, ML-KEM-768, X25519MLKEM768 and ML-DSA, as `ecx_kmgmt.c`,
//! `ml_kem_kmgmt.c`, `mlx_kmgmt.c` and `ml_dsa_kmgmt.c` of OpenSSL have them.
//!
//! A key of ML-KEM or ML-DSA is known by its seed, or by the key that is expanded from it. The device
//! computes with either, and does not give the one for the other: where the expanded key is asked for, the
//! default provider expands it.

use zeroize::Zeroizing;

use super::halves::halves_match;
use super::refusal::Refusal;
use super::selection::Selection;
use super::spec::Raw;
use crate::ossl::keys;
use crate::ossl::list::List;
use crate::ossl::params::{Given, Mismatch, Params, Wanted};

/// A key; without any part of it an object that has none yet.
#[derive(Clone, Debug, Default)]
pub(super) struct RawParts {
    pub(super) public: Option<Vec<u8>>,
    pub(super) private: Option<Zeroizing<Vec<u8>>>,
    pub(super) seed: Option<Zeroizing<Vec<u8>>>,
}

impl RawParts {
    pub(super) fn imported(raw: &Raw, selection: Selection, params: Params<'_>) -> Result<Self, Refusal> {
        if !selection.has_pair() {
            return Err(Refusal::Wrong("no key is selected"));
        }
        let part = |key, len| match params.find(key).map(Given::as_octets_or_pointed).transpose()? {
            None => Ok(None),
            // As there, which takes an empty one for none.
            Some([]) if raw.seed_len > 0 => Ok(None),
            Some(part) if part.len() == len => Ok(Some(part)),
            Some(_) => Err(Refusal::Wrong("a part of the key has another length")),
        };
        let public = part(keys::PKEY_PUB_KEY, raw.public_len)?;
        let (mut private, mut seed) = (None, None);
        if selection.has_private() {
            private = part(keys::PKEY_PRIV_KEY, raw.private_len)?;
            if raw.has_seed() {
                seed = part(keys::PKEY_SEED, raw.seed_len)?;
            }
        }
        if public.is_none() && private.is_none() && seed.is_none() {
            return Err(Refusal::Wrong("there is no key"));
        }
        let secret = |part: &[u8]| Zeroizing::new(part.to_vec());
        Ok(Self { public: public.map(<[u8]>::to_vec), private: private.map(secret), seed: seed.map(secret) })
    }

    /// What the private key is made of.
    pub(super) fn secret(&self) -> Option<&Zeroizing<Vec<u8>>> {
        self.seed.as_ref().or(self.private.as_ref())
    }

    /// Whether there is a private key that is not expanded.
    pub(super) const fn is_to_be_expanded(&self) -> bool {
        self.seed.is_some() && self.private.is_none()
    }

    pub(super) fn export(&self, raw: &Raw, selection: Selection) -> Option<List> {
        if !selection.has_pair() {
            return None;
        }
        let mut list = List::default();
        if selection.has_private() {
            // The seed of a hybrid key is no parameter.
            if let Some(seed) = self.seed.as_ref().filter(|_| raw.has_seed()) {
                list.octets(keys::PKEY_SEED, seed);
            }
            if let Some(private) = &self.private {
                list.octets(keys::PKEY_PRIV_KEY, private);
            }
        }
        // As there: keys of curves give their public part with either.
        if (selection.has_public() || raw.seed_len == 0)
            && let Some(public) = &self.public
        {
            list.octets(keys::PKEY_PUB_KEY, public);
        }
        (!list.is_empty()).then_some(list)
    }

    pub(super) fn has(&self, selection: Selection) -> bool {
        (!selection.has_public() || self.public.is_some())
            && (!selection.has_private() || self.secret().is_some())
    }

    pub(super) fn matches(&self, other: &Self, selection: Selection) -> bool {
        let is_none = |parts: &Self| parts.public.is_none() && parts.secret().is_none();
        !selection.has_pair()
            || (is_none(self) && is_none(other))
            || halves_match(
                selection,
                (&self.public, &other.public),
                (self.secret().map(|secret| &**secret), other.secret().map(|secret| &**secret)),
            )
    }

    pub(super) fn copied(&self, selection: Selection) -> Self {
        let private = |part: &Option<_>| Option::clone(part).filter(|_| selection.has_private());
        Self {
            public: self.public.clone().filter(|_| selection.has_public()),
            private: private(&self.private),
            seed: private(&self.seed),
        }
    }

    pub(super) fn give(&self, raw: &Raw, wanted: &mut Wanted<'_>) -> Result<(), Mismatch> {
        match wanted.key() {
            key if key == keys::PKEY_BITS => wanted.give_size(raw.bits),
            key if key == keys::PKEY_SECURITY_BITS => wanted.give_size(raw.security_bits),
            key if key == keys::PKEY_SECURITY_CATEGORY => wanted.give_size(raw.category),
            key if key == keys::PKEY_MAX_SIZE => wanted.give_size(raw.max_size),
            // Signatures of whole messages: there is no digest.
            key if key == keys::PKEY_MANDATORY_DIGEST && raw.signs => wanted.give_text(c""),
            key if key == keys::PKEY_PUB_KEY || (key == keys::PKEY_ENCODED_PUBLIC_KEY && !raw.signs) => {
                give(wanted, self.public.as_deref())
            }
            key if key == keys::PKEY_PRIV_KEY => give(wanted, self.private.as_deref().map(Vec::as_slice)),
            key if key == keys::PKEY_SEED && raw.has_seed() => {
                give(wanted, self.seed.as_deref().map(Vec::as_slice))
            }
            _ => Ok(()),
        }
    }
}

/// What is not there is not given.
fn give(wanted: &mut Wanted<'_>, part: Option<&[u8]>) -> Result<(), Mismatch> {
    part.map_or(Ok(()), |part| wanted.give_octets(part))
}
