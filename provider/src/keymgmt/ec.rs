//! Keys of P-256, P-384 and P-521: their parameters, as `ec_kmgmt.c` and `ec_backend.c` of OpenSSL have them.
//!
//! Of a group that is none of these, or that is given or to be written by its numbers, the default provider
//! has the keys.

use std::ffi::{CStr, c_int};

use zeroize::Zeroizing;

use super::curve::Curve;
use super::halves::halves_match;
use super::refusal::Refusal;
use super::selection::Selection;
use crate::ossl::keys;
use crate::ossl::list::List;
use crate::ossl::params::{Mismatch, Params, Wanted};

/// A key, or a group alone.
#[derive(Clone, Debug)]
pub(super) struct EcParts {
    pub(super) curve: &'static Curve,
    /// Not compressed: 4, x, y.
    pub(super) public: Option<Vec<u8>>,
    pub(super) private: Option<Zeroizing<Vec<u8>>>,
    pub(super) form: Form,
    /// Whether the public key is written beside the private one.
    pub(super) includes_public: bool,
}

/// How a public key is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Form {
    #[default]
    Uncompressed,
    Compressed,
    Hybrid,
}

impl Form {
    const fn name(self) -> &'static CStr {
        match self {
            Self::Uncompressed => c"uncompressed",
            Self::Compressed => c"compressed",
            Self::Hybrid => c"hybrid",
        }
    }

    fn named(name: &[u8]) -> Option<Self> {
        let each = [Self::Uncompressed, Self::Compressed, Self::Hybrid];
        each.into_iter().find(|form| form.name().to_bytes().eq_ignore_ascii_case(name))
    }
}

/// What a list says of a group and of how keys of it are written.
pub(super) struct Said {
    pub(super) curve: Option<&'static Curve>,
    pub(super) form: Option<Form>,
    pub(super) includes_public: Option<bool>,
}

impl Said {
    /// `Elsewhere`: it says what the device's keys do not have.
    pub(super) fn by(params: Params<'_>) -> Result<Self, Refusal> {
        let mut said = Self { curve: None, form: None, includes_public: None };
        params.each().try_for_each(|given| {
            match given.key() {
                key if key == keys::PKEY_GROUP_NAME => {
                    said.curve = Some(Curve::named(given.as_text()?).ok_or(Refusal::Elsewhere)?);
                }
                key if key == keys::PKEY_EC_POINT_CONVERSION_FORMAT => {
                    said.form = Some(Form::named(given.as_text()?).ok_or(Refusal::Elsewhere)?);
                }
                key if key == keys::PKEY_EC_INCLUDE_PUBLIC => {
                    said.includes_public = Some(given.as_int()? != 0);
                }
                key if key == keys::PKEY_EC_ENCODING => elsewhere_unless(given.as_text()?, c"named_curve")?,
                key if key == keys::PKEY_EC_GROUP_CHECK_TYPE => {
                    elsewhere_unless(given.as_text()?, c"default")?;
                }
                key if key == keys::PKEY_EC_DECODED_FROM_EXPLICIT_PARAMS && given.as_int()? != 0 => {
                    return Err(Refusal::Elsewhere);
                }
                _ => {}
            }
            Ok(())
        })?;
        Ok(said)
    }
}

fn elsewhere_unless(text: &[u8], usual: &CStr) -> Result<(), Refusal> {
    if text.eq_ignore_ascii_case(usual.to_bytes()) { Ok(()) } else { Err(Refusal::Elsewhere) }
}

impl EcParts {
    /// A group alone.
    pub(super) fn of_group(curve: &'static Curve) -> Self {
        Self { curve, public: None, private: None, form: Form::default(), includes_public: true }
    }

    pub(super) fn imported(selection: Selection, params: Params<'_>) -> Result<Self, Refusal> {
        let said = Said::by(params)?;
        let curve = said.curve.filter(|_| selection.has_domain()).ok_or(Refusal::Elsewhere)?;
        let mut parts = Self::of_group(curve);
        parts.form = said.form.unwrap_or_default();
        if selection.has_pair() {
            if let Some(public) = params.find(keys::PKEY_PUB_KEY) {
                parts.public = Some(public.as_octets()?.to_vec());
            }
            if selection.has_private()
                && let Some(private) = params.find(keys::PKEY_PRIV_KEY)
            {
                parts.private = Some(wide(&private.as_big()?, curve.len())?);
            }
        }
        if selection.has_others() {
            parts.includes_public = said.includes_public.unwrap_or(true);
        }
        Ok(parts)
    }

    /// The public key, as it is written.
    fn written(&self) -> Option<Vec<u8>> {
        let (public, len) = (self.public.as_ref()?, self.curve.len());
        let is_odd = public.last()? & 1;
        Some(match self.form {
            Form::Uncompressed => public.clone(),
            Form::Compressed => [&[2 + is_odd], &public[1..=len]].concat(),
            Form::Hybrid => [&[6 + is_odd], &public[1..]].concat(),
        })
    }

    pub(super) fn export(&self, selection: Selection) -> Option<List> {
        if !selection.has_domain() || (selection.has_private() && !selection.has_public()) {
            return None;
        }
        let mut list = List::default();
        list.text(keys::PKEY_EC_POINT_CONVERSION_FORMAT, self.form.name());
        list.text(keys::PKEY_EC_ENCODING, c"named_curve");
        list.int(keys::PKEY_EC_DECODED_FROM_EXPLICIT_PARAMS, 0);
        list.text(keys::PKEY_GROUP_NAME, self.curve.name);
        if selection.has_pair() {
            if let Some(public) = self.written() {
                list.octets(keys::PKEY_PUB_KEY, &public);
            }
            if selection.has_private()
                && let Some(private) = &self.private
            {
                list.big(keys::PKEY_PRIV_KEY, private, self.curve.len());
            }
        }
        if selection.has_others() {
            list.text(keys::PKEY_EC_GROUP_CHECK_TYPE, c"default");
            if !self.includes_public {
                list.int(keys::PKEY_EC_INCLUDE_PUBLIC, 0);
            }
            list.int(keys::PKEY_USE_COFACTOR_FLAG, 0);
        }
        Some(list)
    }

    pub(super) fn has(&self, selection: Selection) -> bool {
        (!selection.has_public() || self.public.is_some())
            && (!selection.has_private() || self.private.is_some())
    }

    pub(super) fn matches(&self, other: &Self, selection: Selection) -> bool {
        if !std::ptr::eq(self.curve, other.curve) {
            return !selection.has_domain() && !selection.has_pair();
        }
        !selection.has_pair()
            || halves_match(
                selection,
                (&self.public, &other.public),
                (self.private.as_deref(), other.private.as_deref()),
            )
    }

    pub(super) fn copied(&self, selection: Selection) -> Option<Self> {
        if !selection.has_domain() {
            // There is no key without a group.
            return None;
        }
        Some(Self {
            curve: self.curve,
            public: self.public.clone().filter(|_| selection.has_public()),
            private: self.private.clone().filter(|_| selection.has_private()),
            form: self.form,
            includes_public: self.includes_public || !selection.has_others(),
        })
    }

    pub(super) fn give(&self, wanted: &mut Wanted<'_>) -> Result<(), Mismatch> {
        let curve = self.curve;
        match wanted.key() {
            key if key == keys::PKEY_BITS || key == keys::PKEY_EC_FIELD_DEGREE => {
                wanted.give_size(curve.bits)
            }
            key if key == keys::PKEY_SECURITY_BITS => wanted.give_size(curve.security_bits),
            key if key == keys::PKEY_SECURITY_CATEGORY => wanted.give_flag(false),
            key if key == keys::PKEY_MAX_SIZE => wanted.give_size(curve.signature_len),
            key if key == keys::PKEY_DEFAULT_DIGEST => wanted.give_text(c"SHA256"),
            key if key == keys::PKEY_ENCODED_PUBLIC_KEY => {
                wanted.give_octets(self.public.as_ref().ok_or(Mismatch)?)
            }
            key if key == keys::PKEY_PUB_KEY => match self.written() {
                Some(public) => wanted.give_octets(&public),
                None => Ok(()),
            },
            key if key == keys::PKEY_EC_PUB_X => self.give_coordinate(wanted, 0),
            key if key == keys::PKEY_EC_PUB_Y => self.give_coordinate(wanted, 1),
            key if key == keys::PKEY_PRIV_KEY => match &self.private {
                Some(private) => wanted.give_big_in(private, curve.len()),
                None => Ok(()),
            },
            key if key == keys::PKEY_EC_INCLUDE_PUBLIC && self.includes_public => Ok(()),
            key if key == keys::PKEY_EC_INCLUDE_PUBLIC
                || key == keys::PKEY_USE_COFACTOR_FLAG
                || key == keys::PKEY_EC_DECODED_FROM_EXPLICIT_PARAMS =>
            {
                wanted.give_flag(false)
            }
            _ => self.give_of_group(wanted),
        }
    }

    fn give_coordinate(&self, wanted: &mut Wanted<'_>, index: usize) -> Result<(), Mismatch> {
        let len = self.curve.len();
        match &self.public {
            Some(public) => wanted.give_big(&public[1 + index * len..][..len]),
            None => Ok(()),
        }
    }

    fn give_of_group(&self, wanted: &mut Wanted<'_>) -> Result<(), Mismatch> {
        let curve = self.curve;
        match wanted.key() {
            key if key == keys::PKEY_GROUP_NAME => wanted.give_text(curve.name),
            key if key == keys::PKEY_EC_POINT_CONVERSION_FORMAT => wanted.give_text(self.form.name()),
            key if key == keys::PKEY_EC_ENCODING => wanted.give_text(c"named_curve"),
            key if key == keys::PKEY_EC_GROUP_CHECK_TYPE => wanted.give_text(c"default"),
            key if key == keys::PKEY_EC_FIELD_TYPE => wanted.give_text(c"prime-field"),
            key if key == keys::PKEY_EC_P => wanted.give_big(curve.p),
            key if key == keys::PKEY_EC_A => wanted.give_big(curve.a),
            key if key == keys::PKEY_EC_B => wanted.give_big(curve.b),
            key if key == keys::PKEY_EC_ORDER => wanted.give_big(curve.order),
            key if key == keys::PKEY_EC_COFACTOR => wanted.give_big(&[1]),
            key if key == keys::PKEY_EC_GENERATOR => wanted.give_octets(&self.generator()),
            key if key == keys::PKEY_EC_SEED => wanted.give_octets(curve.seed),
            _ => Ok(()),
        }
    }

    /// The generator, written as public keys are.
    fn generator(&self) -> Vec<u8> {
        let generator = Self { public: Some(self.curve.generator.to_vec()), ..self.clone() };
        generator.written().unwrap_or_default()
    }
}

/// A number in so many bytes, or it is none of this curve's.
fn wide(number: &[u8], len: usize) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    let missing = len.checked_sub(number.len()).ok_or(Refusal::Elsewhere)?;
    let mut wide = Zeroizing::new(vec![0; len]);
    wide[missing..].copy_from_slice(number);
    Ok(wide)
}

/// How a point is written, by its first byte.
pub(super) fn form_of(point: &[u8]) -> Option<Form> {
    match point.first()? {
        2 | 3 => Some(Form::Compressed),
        4 => Some(Form::Uncompressed),
        6 | 7 => Some(Form::Hybrid),
        _ => None,
    }
}

/// What `c_int` says of a mode is allowed: no cofactor of these curves is more than 1.
pub(super) const fn is_cofactor_mode(mode: c_int) -> bool {
    mode == 0 || mode == 1
}
