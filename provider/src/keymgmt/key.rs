//! A key that the device has: its parts as libcrypto knows them, the device's form of it, and its sessions.
//!
//! ```text
//!   parameters ──► Parts ──► PrivateKey, PublicKey ──► KeySession     once for each process, at the first operation
//!                   │ export, get                        ▲
//!   another half ◄──┘                    fork: made anew ┘
//! ```
//!
//! A key does not change, so several threads and paused jobs may use it; each has a share of it. What changes
//! an object of libcrypto's puts another key into it.

use std::sync::Arc;

use simaccel::foreign::Lock;
use simaccel::{
    Engine, Error, KeyAlgorithm, KeySession, PrivateKey, PrivateParts, PublicKey, PublicParts, RsaNumbers,
    foreign,
};
use zeroize::Zeroizing;

use super::curve::Curve;
use super::ec::EcParts;
use super::parts::Parts;
use super::pss::Restriction;
use super::raw::RawParts;
use super::refusal::Refusal;
use super::rsa::{Primes, RsaParts};
use super::selection::Selection;
use super::spec::{Family, Spec};
use super::theirs::TheirKey;
use crate::accelerator::key_session;
use crate::error::{Failure, Reason};
use crate::instance::Instance;
use crate::ossl::params::Params;
use crate::pausing;

/// A key of the device.
#[derive(Debug)]
pub(crate) struct Key {
    pub(super) spec: &'static Spec,
    pub(super) parts: Parts,
    private: Option<PrivateKey>,
    public: Option<PublicKey>,
    private_session: Cached,
    public_session: Cached,
}

/// A session, of the process that it was made in.
#[derive(Debug, Default)]
struct Cached(Lock<Option<(u64, KeySession)>>);

impl Cached {
    fn get(
        &self,
        instance: &Instance,
        make: impl FnOnce(&Engine) -> Result<KeySession, Error>,
    ) -> Result<KeySession, Failure> {
        let forks = foreign::forks();
        if let Some((of, session)) = self.0.lock().as_deref().and_then(Option::as_ref)
            && *of == forks
        {
            return Ok(session.clone());
        }
        let session = key_session(instance, make)?;
        // Not kept in a child that has inherited the lock locked.
        let before = self.0.lock().and_then(|mut cached| cached.replace((forks, session.clone())));
        drop(before);
        Ok(session)
    }
}

impl Key {
    /// The key of these parameters.
    pub(super) fn imported(
        spec: &'static Spec,
        before: Option<Restriction>,
        selection: Selection,
        params: Params<'_>,
    ) -> Result<Self, Refusal> {
        let parts = match &spec.family {
            Family::Rsa { is_pss } => Parts::Rsa(RsaParts::imported(*is_pss, before, selection, params)?),
            Family::Ec => Parts::Ec(EcParts::imported(selection, params)?),
            Family::Raw(raw) => Parts::Raw(RawParts::imported(raw, selection, params)?),
        };
        Self::of(spec, parts)
    }

    /// The key of these parts, which are completed.
    pub(super) fn of(spec: &'static Spec, parts: Parts) -> Result<Self, Refusal> {
        pausing::on_own_stack(|| Self::prepared(spec, parts))
    }

    fn prepared(spec: &'static Spec, mut parts: Parts) -> Result<Self, Refusal> {
        let (private, public) = match &mut parts {
            Parts::Rsa(parts) => rsa(parts)?,
            Parts::Ec(parts) => ec(parts)?,
            Parts::Raw(parts) => raw(spec, parts)?,
        };
        Ok(Self {
            spec,
            parts,
            private,
            public,
            private_session: Cached::default(),
            public_session: Cached::default(),
        })
    }

    /// A key that the device has generated.
    pub(super) fn generated(
        spec: &'static Spec,
        restriction: Option<Restriction>,
        key: &PrivateKey,
    ) -> Result<Self, Refusal> {
        let parts = pausing::on_own_stack(|| parts_of(spec, restriction, key))?;
        Self::of(spec, parts)
    }

    /// The algorithm, of which the device has this key; `None` for an object without one.
    pub(crate) fn algorithm(&self) -> Option<KeyAlgorithm> {
        match (&self.parts, &self.private, &self.public) {
            (Parts::Ec(parts), ..) => Some(parts.curve.algorithm),
            (_, Some(private), _) => Some(private.algorithm()),
            (.., public) => public.as_ref().map(PublicKey::algorithm),
        }
    }

    /// Bits of the modulus, or of the order of the curve.
    pub(crate) fn bits(&self) -> usize {
        match (&self.parts, self.spec.raw()) {
            (Parts::Rsa(parts), _) => parts.bits(),
            (Parts::Ec(parts), _) => parts.curve.bits,
            (Parts::Raw(_), raw) => raw.map_or(0, |raw| raw.bits),
        }
    }

    /// Bytes of the largest output of an operation: `OSSL_PKEY_PARAM_MAX_SIZE`.
    pub(crate) fn max_size(&self) -> usize {
        match (&self.parts, self.spec.raw()) {
            (Parts::Rsa(parts), _) => parts.n.len(),
            (Parts::Ec(parts), _) => parts.curve.signature_len,
            (Parts::Raw(_), raw) => raw.map_or(0, |raw| raw.max_size),
        }
    }

    /// The curve of an EC key.
    pub(crate) const fn curve(&self) -> Option<&'static Curve> {
        match &self.parts {
            Parts::Ec(parts) => Some(parts.curve),
            _ => None,
        }
    }

    /// Whether it is an RSA-PSS key.
    pub(crate) const fn is_pss(&self) -> bool {
        matches!(self.spec.family, Family::Rsa { is_pss: true })
    }

    /// What an RSA-PSS key restricts its signatures to; `None`: nothing.
    pub(crate) const fn restriction(&self) -> Option<Restriction> {
        match &self.parts {
            Parts::Rsa(parts) => parts.restriction,
            _ => None,
        }
    }

    pub(crate) const fn has_private(&self) -> bool {
        self.private.is_some()
    }

    pub(crate) const fn has_public(&self) -> bool {
        self.public.is_some()
    }

    /// The public value, as a peer sends it.
    pub(crate) fn public_value(&self) -> Option<&[u8]> {
        match &self.parts {
            Parts::Rsa(_) => None,
            Parts::Ec(parts) => parts.public.as_deref(),
            Parts::Raw(parts) => parts.public.as_deref(),
        }
    }

    /// A session with the private key.
    pub(crate) fn private_session(&self, instance: &Instance) -> Result<KeySession, Failure> {
        let key = self.private.as_ref().ok_or(Reason::NoKey)?;
        self.private_session.get(instance, |engine| engine.private_key(key))
    }

    /// A session with the public key.
    pub(crate) fn public_session(&self, instance: &Instance) -> Result<KeySession, Failure> {
        let key = self.public.as_ref().ok_or(Reason::NoKey)?;
        self.public_session.get(instance, |engine| engine.public_key(key))
    }

    /// The same key as an object of the default provider.
    pub(crate) fn as_theirs(&self, instance: &Instance) -> Result<TheirKey, Failure> {
        let theirs = instance.default_provider().ok_or_else(no_default)?;
        let mut list = self.parts.export(self.spec, Selection::ALL).ok_or(Reason::NoKey)?;
        TheirKey::imported_from(theirs, self.spec.name, Selection::ALL.0, &mut list)
            .ok_or_else(|| Failure::new(Reason::Failed, "the default provider does not take the key"))
    }

    /// A copy of some parts; `None`: they are no key.
    pub(super) fn copied(self: &Arc<Self>, selection: Selection) -> Option<Arc<Self>> {
        if selection == Selection::ALL {
            return Some(Arc::clone(self));
        }
        let parts = match &self.parts {
            Parts::Rsa(parts) => Parts::Rsa(parts.copied(selection)?),
            Parts::Ec(parts) => Parts::Ec(parts.copied(selection)?),
            Parts::Raw(parts) => Parts::Raw(parts.copied(selection)),
        };
        Self::of(self.spec, parts).ok().map(Arc::new)
    }
}

#[cold]
fn no_default() -> Failure {
    Failure::new(
        Reason::Failed,
        "this libcrypto does not show its default provider, which has keys of this kind",
    )
}

type Halves = (Option<PrivateKey>, Option<PublicKey>);

fn rsa(parts: &mut RsaParts) -> Result<Halves, Refusal> {
    let Some(d) = &parts.d else {
        return Ok((None, Some(PublicKey::from_rsa(&parts.n, &parts.e)?)));
    };
    let mut numbers = RsaNumbers::new(&parts.n, &parts.e, d);
    if let Some(primes) = &parts.primes {
        numbers = numbers.with_primes(&primes.p, &primes.q).with_crt(&primes.dp, &primes.dq, &primes.qi);
    }
    let private = PrivateKey::from_rsa_numbers(&numbers)?;
    let public = private.public_key();
    Ok((Some(private), Some(public)))
}

fn ec(parts: &mut EcParts) -> Result<Halves, Refusal> {
    let algorithm = parts.curve.algorithm;
    let point = parts
        .public
        .take()
        .map(|public| unmixed(public).and_then(|point| Ok(PublicKey::from_raw(algorithm, &point)?)));
    let mut public = point.transpose()?;
    let private = match &parts.private {
        Some(scalar) => {
            let point = public.as_ref().and_then(PublicKey::to_raw);
            let private = PrivateKey::from_scalar(algorithm, scalar, point.as_deref())?;
            public.get_or_insert_with(|| private.public_key());
            Some(private)
        }
        None => None,
    };
    parts.public = public.as_ref().and_then(PublicKey::to_raw);
    Ok((private, public))
}

/// A hybrid point as one that is not compressed: its first byte tells y's parity as well (X9.62, 4.3.6).
fn unmixed(mut point: Vec<u8>) -> Result<Vec<u8>, Refusal> {
    let is_odd = point.last().is_some_and(|last| last & 1 == 1);
    match point.first_mut() {
        Some(form) if *form == 6 + u8::from(is_odd) => *form = 4,
        Some(6 | 7) => return Err(Refusal::Elsewhere),
        _ => {}
    }
    Ok(point)
}

fn raw(spec: &Spec, parts: &mut RawParts) -> Result<Halves, Refusal> {
    let Some(raw) = spec.raw() else { return Err(Refusal::Elsewhere) };
    let Some(secret) = parts.secret() else {
        let public = parts.public.as_deref().map(|public| PublicKey::from_raw(raw.algorithm, public));
        return Ok((None, public.transpose()?));
    };
    let private = PrivateKey::from_raw(raw.algorithm, secret)?;
    let public = private.public_key();
    let value = public.to_raw();
    match &parts.public {
        // As there, which believes what it is told of a curve, and compares the others.
        Some(told) if Some(told) != value.as_ref() => return Err(Refusal::Elsewhere),
        _ => parts.public = value,
    }
    Ok((Some(private), Some(public)))
}

/// The parts of a key of the device.
fn parts_of(spec: &Spec, restriction: Option<Restriction>, key: &PrivateKey) -> Result<Parts, Refusal> {
    let public = key.public_key().parts();
    match (key.parts(), public, spec.raw()) {
        (PrivateParts::Rsa(numbers), ..) => Ok(Parts::Rsa(RsaParts {
            n: trimmed(&numbers.n),
            e: trimmed(&numbers.e),
            d: Some(trimmed(&numbers.d)),
            primes: Some(Primes {
                p: trimmed(&numbers.p),
                q: trimmed(&numbers.q),
                dp: trimmed(&numbers.dp),
                dq: trimmed(&numbers.dq),
                qi: trimmed(&numbers.qinv),
            }),
            restriction,
        })),
        (PrivateParts::Ec { scalar, .. }, PublicParts::Raw(point), _) => {
            let curve = Curve::of(key.algorithm()).ok_or(Refusal::Elsewhere)?;
            let (public, private) = (Some(point), Some(scalar));
            Ok(Parts::Ec(EcParts { public, private, ..EcParts::of_group(curve) }))
        }
        (PrivateParts::Raw(secret), PublicParts::Raw(public), Some(raw)) => {
            let is_seed = secret.len() != raw.private_len;
            let (private, seed) = if is_seed { (None, Some(secret)) } else { (Some(secret), None) };
            Ok(Parts::Raw(RawParts { public: Some(public), private, seed }))
        }
        _ => Err(Refusal::Elsewhere),
    }
}

fn trimmed(number: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(number.iter().copied().skip_while(|byte| *byte == 0).collect())
}
