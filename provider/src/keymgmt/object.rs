//! A key object of libcrypto's: the key that it holds, which may change, and what it answers.

use std::sync::{Arc, PoisonError, RwLock};

use zeroize::Zeroizing;

use super::ec::{self, EcParts, Said};
use super::key::Key;
use super::parts::Parts;
use super::raw::RawParts;
use super::refusal::Refusal;
use super::selection::Selection;
use super::spec::{Family, Mutable, Raw, Spec};
use super::theirs::{Passed, TheirKey};
use crate::error::{Failure, Reason};
use crate::instance::Instance;
use crate::ossl::keys;
use crate::ossl::list::List;
use crate::ossl::params::{Params, Requests};

/// A key object.
#[derive(Debug)]
pub(crate) struct KeyObject {
    pub(super) instance: Arc<Instance>,
    pub(super) spec: &'static Spec,
    /// Read by all that use the key, and written by an import or a generation. A forked child can read it
    /// although a thread of the parent did at the time of the fork.
    held: RwLock<Held>,
}

/// A key, wherever it is. What uses it for longer than a call holds a share of it.
#[derive(Clone, Debug)]
pub(crate) enum Held {
    /// None.
    Empty,
    /// On the device.
    Ours(Arc<Key>),
    /// An object of the default provider: the device does not have such a key.
    Theirs(Arc<TheirKey>),
}

impl KeyObject {
    /// One without a key.
    pub(super) fn new(instance: Arc<Instance>, spec: &'static Spec) -> Self {
        let held = match spec.family {
            // It has the algorithm's parameters all the same.
            Family::Raw(_) => match Key::of(spec, Parts::Raw(RawParts::default())) {
                Ok(key) => Held::Ours(Arc::new(key)),
                Err(_) => Held::Empty,
            },
            _ => Held::Empty,
        };
        Self::of(instance, spec, held)
    }

    pub(super) fn of(instance: Arc<Instance>, spec: &'static Spec, held: Held) -> Self {
        Self { instance, spec, held: RwLock::new(held) }
    }

    /// The key of now.
    pub(crate) fn held(&self) -> Held {
        self.held.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn put(&self, held: Held) {
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = held;
    }

    pub(super) fn import(&self, selection: Selection, params: Params<'_>) -> Result<(), Failure> {
        let before = match self.held() {
            Held::Ours(key) => key.restriction(),
            _ => None,
        };
        let held = match Key::imported(self.spec, before, selection, params) {
            Ok(key) => Held::Ours(Arc::new(key)),
            Err(Refusal::Elsewhere) => {
                let theirs = self.instance.default_provider().ok_or(Reason::Elsewhere)?;
                let key = TheirKey::imported(theirs, self.spec.name, selection.0, params);
                Held::Theirs(Arc::new(key.ok_or(Reason::Elsewhere)?))
            }
            Err(wrong) => return Err(wrong.into()),
        };
        self.put(held);
        Ok(())
    }

    pub(super) fn export(&self, selection: Selection, to: Passed) -> Result<(), Failure> {
        let is_taken = match self.held() {
            Held::Empty => return Err(Reason::NoKey.into()),
            Held::Theirs(key) => key.export(selection.0, to),
            Held::Ours(key) => match self.expanded(&key, selection) {
                Some(Held::Theirs(key)) => key.export(selection.0, to),
                Some(Held::Ours(expanded)) => export(&expanded, selection, to)?,
                _ => export(&key, selection, to)?,
            },
        };
        if is_taken { Ok(()) } else { Err(Failure::new(Reason::Failed, "the key was not taken")) }
    }

    /// The same key with its expanded private part, if that is selected and only its seed is at hand. `None`
    /// where it is at hand, and where no provider expands it.
    fn expanded(&self, key: &Key, selection: Selection) -> Option<Held> {
        let (Parts::Raw(parts), Some(raw)) = (&key.parts, self.spec.raw()) else { return None };
        if !selection.has_private() || !parts.is_to_be_expanded() {
            return None;
        }
        if raw.is_hybrid() {
            let parts = self.expanded_hybrid(parts)?;
            return Some(Held::Ours(Arc::new(Key::of(self.spec, Parts::Raw(parts)).ok()?)));
        }
        Some(Held::Theirs(Arc::new(key.as_theirs(&self.instance).ok()?)))
    }

    /// The seed of ML-KEM becomes the expanded key; the key of X25519 stays behind it.
    fn expanded_hybrid(&self, parts: &RawParts) -> Option<RawParts> {
        const SEED_LEN: usize = 64;
        const EXPANDED_LEN: usize = 2400;
        let (seed, curve) = parts.seed.as_ref()?.split_at_checked(SEED_LEN)?;
        let mut list = List::default();
        list.octets(keys::PKEY_SEED, seed);
        let theirs = self.instance.default_provider()?;
        let key = TheirKey::imported_from(theirs, "ML-KEM-768", Selection::ALL.0, &mut list)?;
        let mut private = key.octets(keys::PKEY_PRIV_KEY, EXPANDED_LEN)?;
        let whole = Zeroizing::new([private.as_slice(), curve].concat());
        private.clear();
        Some(RawParts { private: Some(whole), seed: None, ..parts.clone() })
    }

    pub(super) fn has(&self, selection: Selection) -> bool {
        match self.held() {
            Held::Empty => !selection.has_pair() && !selection.has_domain(),
            Held::Theirs(key) => key.has(selection.0),
            Held::Ours(key) => key.parts.has(selection),
        }
    }

    pub(super) fn matches(&self, other: &Self, selection: Selection) -> bool {
        match (self.held(), other.held()) {
            (Held::Ours(one), Held::Ours(other)) => one.parts.matches(&other.parts, selection),
            (Held::Theirs(one), Held::Theirs(other)) => one.matches(&other, selection.0),
            // A key of the device may be one of theirs by another spelling.
            (Held::Theirs(theirs), Held::Ours(ours)) | (Held::Ours(ours), Held::Theirs(theirs)) => {
                ours.as_theirs(&self.instance).is_ok_and(|ours| ours.matches(&theirs, selection.0))
            }
            (Held::Empty, Held::Empty) => !selection.has_pair(),
            _ => false,
        }
    }

    /// The device takes no key of a curve, and none that is a string of bytes, that is not what it should be.
    /// Of an RSA key it does not know whether its primes are.
    pub(super) fn is_valid(&self, selection: Selection, how: i32) -> bool {
        match self.held() {
            Held::Empty => !selection.has_pair() && !selection.has_domain(),
            Held::Theirs(key) => key.is_valid(selection.0, how),
            Held::Ours(key) if matches!(key.parts, Parts::Rsa(_)) => match key.as_theirs(&self.instance) {
                Ok(key) => key.is_valid(selection.0, how),
                Err(_) => key.parts.has(selection),
            },
            Held::Ours(key) => key.parts.has(selection),
        }
    }

    pub(super) fn give(&self, requests: Requests<'_>) -> Result<(), Failure> {
        let key = match self.held() {
            Held::Empty => return Err(Reason::NoKey.into()),
            Held::Theirs(key) => return given(key.give(&requests)),
            Held::Ours(key) => key,
        };
        let asks_private = requests.peek().any(|key| key == keys::PKEY_PRIV_KEY);
        let key = match self.expanded(&key, Selection::ALL).filter(|_| asks_private) {
            Some(Held::Theirs(key)) => return given(key.give(&requests)),
            Some(Held::Ours(expanded)) => expanded,
            _ => key,
        };
        Ok(requests.each().try_for_each(|mut wanted| key.parts.give(self.spec, &mut wanted))?)
    }

    pub(super) fn set(&self, params: Params<'_>) -> Result<(), Failure> {
        if params.each().next().is_none() {
            return Ok(());
        }
        let key = match self.held() {
            Held::Empty => return Err(Reason::NoKey.into()),
            Held::Theirs(key) => return given(key.set(params)),
            Held::Ours(key) => key,
        };
        let changed = match (&key.parts, &self.spec.family) {
            (Parts::Ec(parts), _) => changed(parts, params).map(Parts::Ec),
            (Parts::Raw(parts), Family::Raw(raw)) => match replaced(raw, parts, params) {
                Ok(None) => return Ok(()),
                Ok(Some(parts)) => Ok(Parts::Raw(parts)),
                Err(refusal) => Err(refusal),
            },
            _ => return Ok(()),
        };
        let changed = changed.and_then(|parts| Key::of(self.spec, parts));
        match changed {
            Ok(key) => self.put(Held::Ours(Arc::new(key))),
            Err(Refusal::Elsewhere) => {
                let key = key.as_theirs(&self.instance)?;
                given(key.set(params))?;
                self.put(Held::Theirs(Arc::new(key)));
            }
            Err(wrong) => return Err(wrong.into()),
        }
        Ok(())
    }

    pub(super) fn copied(&self, selection: Selection) -> Option<Self> {
        let held = match self.held() {
            Held::Empty => Held::Empty,
            Held::Theirs(key) => Held::Theirs(Arc::new(key.copied(selection.0)?)),
            Held::Ours(key) => Held::Ours(key.copied(selection)?),
        };
        Some(Self::of(Arc::clone(&self.instance), self.spec, held))
    }
}

fn given(is_done: bool) -> Result<(), Failure> {
    if is_done { Ok(()) } else { Err(Reason::Parameter.into()) }
}

fn export(key: &Key, selection: Selection, to: Passed) -> Result<bool, Failure> {
    let mut list = key.parts.export(key.spec, selection).ok_or(Reason::NoKey)?;
    Ok(to.call(&mut list))
}

/// An EC key with what a list sets.
fn changed(parts: &EcParts, params: Params<'_>) -> Result<EcParts, Refusal> {
    let said = Said::by(params)?;
    let mut parts = parts.clone();
    if let Some(mode) = params.find(keys::PKEY_USE_COFACTOR_FLAG)
        && !ec::is_cofactor_mode(mode.as_int()?)
    {
        return Err(Refusal::Wrong("the mode of the cofactor is 0 or 1"));
    }
    if let Some(point) = params.find(keys::PKEY_ENCODED_PUBLIC_KEY) {
        let point = point.as_octets_or_pointed()?.to_vec();
        parts.form = said.form.or_else(|| ec::form_of(&point)).unwrap_or(parts.form);
        parts.public = Some(point);
    }
    parts.form = said.form.unwrap_or(parts.form);
    parts.includes_public = said.includes_public.unwrap_or(parts.includes_public);
    Ok(parts)
}

/// A key that is a string of bytes with the one that a list sets; `None`: it sets none.
fn replaced(raw: &Raw, parts: &RawParts, params: Params<'_>) -> Result<Option<RawParts>, Refusal> {
    let Some(value) = params.find(keys::PKEY_ENCODED_PUBLIC_KEY) else { return Ok(None) };
    if raw.mutable == Mutable::Never {
        return Ok(None);
    }
    let value = value.as_octets_or_pointed()?;
    if value.len() != raw.public_len {
        return Err(Refusal::Wrong("a public key of this algorithm has another length"));
    }
    if raw.mutable == Mutable::Once && parts.has(Selection::PUBLIC) {
        return Err(Refusal::Wrong("a key of this algorithm is not changed"));
    }
    Ok(Some(RawParts { public: Some(value.to_vec()), private: None, seed: None }))
}
