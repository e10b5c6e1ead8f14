//! New keys (`EVP_PKEY_generate`, and each ephemeral key of TLS): one operation of the device.
//!
//! ```text
//!   GEN_INIT ─► GEN_SET_TEMPLATE, GEN_SET_PARAMS ─► GEN: random bytes are drawn ─► the device ─► a key object
//!                        │ what the device's keys do not have            pauses here
//!                        └────► GEN: all that was set ─► the default provider ─► a key object
//! ```
//!
//! A group without a key is no operation. The random bytes are the system's, and are there before the request
//! is: a generator of libcrypto's could be asked inside of the job, and use this provider itself.

use std::sync::Arc;

use simaccel::{KeyAlgorithm, KeyArguments, KeySession, PrivateKey};
use zeroize::Zeroizing;

use super::ec::{EcParts, Said};
use super::key::Key;
use super::object::{Held, KeyObject};
use super::parts::Parts;
use super::pss::Restriction;
use super::raw::RawParts;
use super::refusal::Refusal;
use super::selection::Selection;
use super::spec::{Family, Raw, Spec};
use super::theirs::{Passed, TheirKey};
use crate::accelerator::{self, Pass};
use crate::context::Context;
use crate::error::{Failure, Reason};
use crate::instance::Instance;
use crate::ossl::keys;
use crate::ossl::list::List;
use crate::ossl::object::Object;
use crate::ossl::params::{Given, Params};
use crate::random;

/// What a generator of libcrypto's is told.
pub(super) struct Generator {
    pub(super) instance: Arc<Instance>,
    spec: &'static Spec,
    selection: Selection,
    /// All that was set, for the default provider.
    set: List,
    template: Held,
    /// Whether something was set that the device's keys do not have.
    is_elsewhere: bool,
    bits: u32,
    exponent: u64,
    restriction: Option<Restriction>,
    group: Option<EcParts>,
    seed: Option<Zeroizing<Vec<u8>>>,
}

impl Context for Generator {
    fn instance(&self) -> &Instance {
        &self.instance
    }
}

impl Generator {
    pub(super) fn new(
        instance: Arc<Instance>,
        spec: &'static Spec,
        selection: Selection,
        params: Params<'_>,
    ) -> Result<Self, Failure> {
        let is_needed = match spec.family {
            Family::Rsa { .. } => selection.has_pair(),
            _ => true,
        };
        if !is_needed {
            return Err(Failure::new(Reason::Parameter, "there are no parameters of RSA to generate"));
        }
        let mut generator = Self {
            instance,
            spec,
            selection,
            set: List::default(),
            template: Held::Empty,
            is_elsewhere: false,
            bits: 2048,
            exponent: 0,
            restriction: None,
            group: None,
            seed: None,
        };
        generator.set(params)?;
        Ok(generator)
    }

    pub(super) fn set(&mut self, params: Params<'_>) -> Result<(), Failure> {
        self.set.copy(params)?;
        let set = match &self.spec.family {
            Family::Rsa { is_pss } => self.set_rsa(*is_pss, params),
            Family::Ec => self.set_ec(params),
            Family::Raw(raw) => self.set_raw(raw, params),
        };
        match set {
            Ok(()) => Ok(()),
            Err(Refusal::Elsewhere) => {
                self.is_elsewhere = true;
                Ok(())
            }
            Err(Refusal::Wrong(why)) => Err(Failure::new(Reason::Parameter, why)),
        }
    }

    fn set_rsa(&mut self, is_pss: bool, params: Params<'_>) -> Result<(), Refusal> {
        if let Some(bits) = params.find(keys::PKEY_BITS) {
            self.bits = bits.as_uint()?;
            if self.bits < 512 {
                return Err(Refusal::Wrong("a modulus has at least 512 bits"));
            }
        }
        if let Some(exponent) = params.find(keys::PKEY_RSA_E) {
            let bytes = exponent.as_big()?;
            // One that is longer, or that no key has, is for the default provider to judge.
            let usual = bytes.len() <= 8 && bytes.last().is_some_and(|last| last & 1 == 1);
            if !usual {
                return Err(Refusal::Elsewhere);
            }
            self.exponent = bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        }
        if is_pss {
            self.restriction = Restriction::by(self.restriction, params)?;
        }
        let primes = params.find(keys::PKEY_RSA_PRIMES).map(Given::as_size).transpose()?;
        let form = [c"a", c"b"].iter().any(|key| params.find(key).is_some());
        if primes.is_some_and(|primes| primes != 2) || form || self.bits > 16_384 {
            return Err(Refusal::Elsewhere);
        }
        Ok(())
    }

    fn set_ec(&mut self, params: Params<'_>) -> Result<(), Refusal> {
        let said = Said::by(params)?;
        if let Some(curve) = said.curve {
            self.group = Some(EcParts::of_group(curve));
        }
        if let (Some(form), Some(group)) = (said.form, &mut self.group) {
            group.form = form;
        }
        has_no_material(params)
    }

    fn set_raw(&mut self, raw: &Raw, params: Params<'_>) -> Result<(), Refusal> {
        if raw.seed_len > 0 {
            if let Some(seed) = params.find(keys::PKEY_SEED).filter(|_| raw.has_seed()) {
                let seed = seed.as_octets_or_pointed()?;
                if seed.len() != raw.seed_len {
                    return Err(Refusal::Wrong("the seed has another length"));
                }
                self.seed = Some(Zeroizing::new(seed.to_vec()));
            }
            return Ok(());
        }
        if let Some(group) = params.find(keys::PKEY_GROUP_NAME) {
            let is_own =
                raw.algorithm == KeyAlgorithm::X25519 && group.as_text()?.eq_ignore_ascii_case(b"x25519");
            if !is_own {
                return Err(Refusal::Wrong("the algorithm has no such group"));
            }
        }
        has_no_material(params)
    }

    /// Takes the group of another key.
    pub(super) fn like(&mut self, template: Held) -> Result<(), Failure> {
        match &template {
            Held::Ours(key) => match &key.parts {
                Parts::Ec(parts) => {
                    self.group = Some(EcParts { form: parts.form, ..EcParts::of_group(parts.curve) });
                }
                _ => return Err(Reason::Parameter.into()),
            },
            Held::Theirs(_) => self.is_elsewhere = true,
            Held::Empty => return Err(Reason::NoKey.into()),
        }
        self.template = template;
        Ok(())
    }

    /// The object of a new key. Nothing of the generator is borrowed while the device makes it.
    pub(super) fn run(generator: Object<Self>, progress: Passed) -> Result<KeyObject, Failure> {
        let (pass, request) = generator.with(|generator| {
            let pass = Pass::of_key(&generator.instance, generator.spec.generates, 0);
            generator.request(progress).map(|request| (pass, request))
        })?;
        let held = match request {
            Request::Made(held) => held,
            Request::Of(session, arguments) => {
                let key = accelerator::generate(pass, session, arguments)?;
                generator.with(|generator| generator.made(&key))?
            }
        };
        Ok(generator.with(|generator| KeyObject::of(Arc::clone(&generator.instance), generator.spec, held)))
    }

    /// What the device is to do, or what needs no device.
    fn request(&mut self, progress: Passed) -> Result<Request, Failure> {
        let is_without_group = matches!(self.spec.family, Family::Ec) && self.group.is_none();
        if self.is_elsewhere || is_without_group {
            let pass = Pass::of_key(&self.instance, self.spec.generates, 0);
            return accelerator::elsewhere(pass, || self.elsewhere(progress)).map(Request::Made);
        }
        if !self.selection.has_pair() {
            return self.blank().map(Request::Made);
        }
        let algorithm = match &self.spec.family {
            Family::Rsa { .. } => KeyAlgorithm::rsa(self.bits),
            Family::Ec => self.group.as_ref().map(|group| group.curve.algorithm).ok_or(Reason::NoKey)?,
            Family::Raw(raw) if self.selection.has_private() || raw.seed_len == 0 => raw.algorithm,
            Family::Raw(_) => {
                return Err(Failure::new(Reason::Parameter, "a public key alone is not generated"));
            }
        };
        let arguments = self.arguments(algorithm)?;
        let session = accelerator::key_session(&self.instance, |engine| engine.key_generator(algorithm))?;
        Ok(Request::Of(session, arguments))
    }

    fn made(&self, key: &PrivateKey) -> Result<Held, Failure> {
        let key = Key::generated(self.spec, self.restriction, key)?;
        Ok(Held::Ours(Arc::new(self.like_the_group(key)?)))
    }

    /// The same key, written as the group is.
    fn like_the_group(&self, key: Key) -> Result<Key, Failure> {
        match (&key.parts, &self.group) {
            (Parts::Ec(parts), Some(group)) if parts.form != group.form => {
                let parts = EcParts { form: group.form, ..parts.clone() };
                Ok(Key::of(self.spec, Parts::Ec(parts))?)
            }
            _ => Ok(key),
        }
    }

    /// Random bytes, or what was given in their place; a seed is used once.
    fn arguments(&mut self, algorithm: KeyAlgorithm) -> Result<KeyArguments, Failure> {
        let randomness = match self.seed.take() {
            Some(seed) => seed,
            None => {
                let mut bytes = Zeroizing::new(vec![0; algorithm.seed_len()]);
                random::fill(&mut bytes)?;
                bytes
            }
        };
        let arguments = KeyArguments::random(&randomness);
        Ok(match self.spec.family {
            Family::Rsa { .. } => arguments.with_modulus(self.bits, self.exponent),
            _ => arguments,
        })
    }

    /// An object without a key: a group alone, or nothing.
    fn blank(&self) -> Result<Held, Failure> {
        let parts = match (&self.spec.family, &self.group) {
            (Family::Ec, Some(group)) => Parts::Ec(group.clone()),
            (Family::Raw(_), _) => Parts::Raw(RawParts::default()),
            _ => return Err(Reason::NoKey.into()),
        };
        Ok(Held::Ours(Arc::new(Key::of(self.spec, parts)?)))
    }

    fn elsewhere(&mut self, progress: Passed) -> Result<Held, Failure> {
        let theirs = self.instance.default_provider().ok_or(Reason::Elsewhere)?;
        let ours = match &self.template {
            Held::Ours(key) => Some(key.as_theirs(&self.instance)?),
            _ => None,
        };
        let template = match (&self.template, &ours) {
            (Held::Theirs(key), _) => Some(&**key),
            (_, ours) => ours.as_ref(),
        };
        let selection = self.selection.0;
        TheirKey::generated(theirs, self.spec.name, selection, &mut self.set, template, progress)
            .map(|key| Held::Theirs(Arc::new(key)))
            .ok_or_else(|| Failure::new(Reason::Elsewhere, "it has generated no key"))
    }
}

/// What generates a key.
enum Request {
    /// Nothing does any more.
    Made(Held),
    /// The device, from these.
    Of(KeySession, KeyArguments),
}

/// A key that is derived from given material (RFC 9180, 4.1) is the default provider's.
fn has_no_material(params: Params<'_>) -> Result<(), Refusal> {
    match params.find(keys::PKEY_DHKEM_IKM) {
        Some(material) if !material.as_octets_or_pointed()?.is_empty() => Err(Refusal::Elsewhere),
        _ => Ok(()),
    }
}
