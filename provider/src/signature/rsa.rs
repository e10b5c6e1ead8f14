//! RSA signatures: PKCS#1 v1.5, PSS and no padding, as `rsa_sig.c` of OpenSSL has them.
//!
//! ```text
//!   init ──► padding of the key (RSA-PSS: its restriction)      set: pad-mode, digest, mgf1-digest, saltlen
//!   update ► Hasher                                              │
//!   sign, final ──► digest ── checked against the settings ──────┴──► Work: scheme, digest ──► the device
//! ```

use std::ffi::c_int;
use std::sync::Arc;

use simaccel::{KeyArguments, KeyHash, Operation as Asked, RsaPadding, Salt, SignatureScheme};

use super::algid;
use super::params::{Named, SALT_AUTO, SALT_AUTO_DIGEST_MAX, SALT_DIGEST, SALT_MAX};
use super::scheme::{Hashing, Init, Operation, Scheme, Unpad};
use crate::accelerator::{Text, Work};
use crate::error::{Failure, Reason};
use crate::instance::Instance;
use crate::keymgmt::Key;
use crate::kinds::{self, Kind};
use crate::md::Md;
use crate::ossl::keys;
use crate::ossl::params::{Given, Mismatch, Params, Wanted};
use crate::ossl::types::Param;
use crate::random;

/// How a digest becomes a number below the modulus: `RSA_*_PADDING`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Padding {
    Pkcs1 = 1,
    None = 3,
    Pss = 6,
}

/// The state of an RSA signature.
#[derive(Clone, Debug)]
pub(crate) struct Rsa {
    key: Option<Arc<Key>>,
    operation: Operation,
    pub(super) padding: Padding,
    pub(super) md: Named,
    pub(super) mgf1: Named,
    /// Whether the mask's hash function was set by itself; else it is that of the message.
    mgf1_is_set: bool,
    /// Bytes of salt, or one of the negative numbers that stand for a rule.
    pub(super) salt_len: c_int,
    /// What an RSA-PSS key restricts it to.
    least_salt: Option<c_int>,
    /// Of libcrypto: some rules have changed.
    release: (u32, u32),
    hashing: Hashing,
}

/// Since when a salt is not longer than the digest where nothing is said.
const DIGEST_MAX: (u32, u32) = (3, 1);
/// Since when messages and digests are told apart.
const MESSAGES: (u32, u32) = (3, 4);
/// Masks and digests of PSS that the device does not have.
const NO_PSS: &str = "the device has no PSS with this hash function";
const NO_X931: &str = "the device has no X9.31";

impl Scheme for Rsa {
    const NAME: &'static str = "RSA";
    const SIGNS: Kind = kinds::RSA_SIGN;
    const VERIFIES: Kind = kinds::RSA_VERIFY;

    fn new(instance: &Instance) -> Self {
        let release = instance.release().unwrap_or((3, 0));
        Self {
            key: None,
            operation: Operation::None,
            padding: Padding::Pkcs1,
            md: Named::default(),
            mgf1: Named::default(),
            mgf1_is_set: false,
            salt_len: usual_salt(release),
            least_salt: None,
            release,
            hashing: Hashing::default(),
        }
    }

    fn init(&mut self, init: Init<'_>) -> Result<(), Failure> {
        let key = init.key.or_else(|| self.key.clone()).ok_or(Reason::NoKey)?;
        self.operation = init.operation;
        self.hashing.allow_all();
        self.salt_len = usual_salt(self.release);
        self.least_salt = None;
        self.padding = if key.is_pss() { Padding::Pss } else { Padding::Pkcs1 };
        let restriction = key.restriction();
        self.key = Some(key);
        if let Some(restriction) = restriction {
            self.salt_len = restriction.salt_len;
            self.set_mgf1(restriction.mgf1_digest.name().to_bytes())?;
            self.set_md(restriction.digest.name().to_bytes())?;
            self.restrict(restriction.salt_len)?;
        }
        self.set(init.params)?;
        let Some(name) = init.digest else { return Ok(()) };
        if let Some(name) = name
            && !self.md.is_called(name)
        {
            self.set_md(name)?;
            self.check_ours()?;
        }
        let Some(md) = self.md.md else {
            return Err(Failure::new(Reason::Digest, "none is set, and the message has to be hashed"));
        };
        self.hashing.begin(md);
        Ok(())
    }

    fn update(&mut self, text: Text) -> Result<(), Failure> {
        self.hashing.update(text)
    }

    fn size(&self, of_final: bool) -> Result<usize, Failure> {
        self.hashing.check_size(of_final || self.operation.hashes())?;
        Ok(self.key()?.max_size())
    }

    fn sign(&mut self, instance: &Instance, input: Option<Text>, room: usize) -> Result<Work, Failure> {
        let input = self.hashing.input(input, self.operation.hashes())?;
        self.sign_directly(instance, input, room)
    }

    fn verify(&mut self, instance: &Instance, signature: Text, input: Option<Text>) -> Result<Work, Failure> {
        let input = self.hashing.input(input, self.operation.hashes())?;
        self.verify_directly(instance, signature, input)
    }

    fn recover(
        &mut self,
        instance: &Instance,
        signature: Text,
        room: usize,
    ) -> Result<(Work, Unpad), Failure> {
        let key = self.key()?;
        let md = self.md.md;
        let least = match md {
            Some(md) => md.len(),
            None => key.max_size(),
        };
        if md.is_some() && self.padding != Padding::Pkcs1 {
            return Err(Failure::new(
                Reason::PaddingMode,
                "only PKCS#1 v1.5 signatures contain their digest",
            ));
        }
        if room < least {
            return Err(Failure::new(
                Reason::OutputTooSmall,
                format!("{room} bytes, the output has {least}"),
            ));
        }
        let whole = md.is_some();
        let input = widened(signature, key.max_size(), whole)?;
        let work = Work {
            kind: Self::VERIFIES,
            session: key.public_session(instance)?,
            operation: Asked::Encrypt,
            arguments: KeyArguments::padded(RsaPadding::None, &[]),
            input: input.into(),
        };
        Ok((work, Unpad { is_padded: self.padding == Padding::Pkcs1, md }))
    }

    fn allow_digest_again(&mut self) {
        self.hashing.allow_digest_again();
    }

    fn held_key(&self) -> Option<Arc<Key>> {
        self.key.clone()
    }

    fn set(&mut self, params: Params<'_>) -> Result<(), Failure> {
        self.set_all(params)
    }

    fn give(&self, wanted: &mut Wanted<'_>) -> Result<(), Failure> {
        match wanted.key() {
            key if key == keys::SIGNATURE_ALGORITHM_ID => Ok(wanted.give_octets(&self.algorithm_id()?)?),
            key if key == keys::SIGNATURE_PAD_MODE => Ok(self.give_padding(wanted)?),
            key if key == keys::SIGNATURE_DIGEST => Ok(wanted.give_name(self.md.name())?),
            key if key == keys::SIGNATURE_MGF1_DIGEST => Ok(wanted.give_name(self.mgf1.name())?),
            key if key == keys::SIGNATURE_PSS_SALTLEN => Ok(self.give_salt_len(wanted)?),
            _ => Ok(()),
        }
    }

    fn gettable() -> &'static [Param] {
        super::params::RSA_GETTABLE
    }

    fn settable(&self) -> &'static [Param] {
        if self.hashing.is_digest_fixed() {
            super::params::RSA_SETTABLE_WITHOUT_DIGEST
        } else {
            super::params::RSA_SETTABLE
        }
    }
}

impl Rsa {
    fn key(&self) -> Result<&Arc<Key>, Failure> {
        self.key.as_ref().ok_or_else(|| Reason::NoKey.into())
    }

    // What is set.

    fn set_all(&mut self, params: Params<'_>) -> Result<(), Failure> {
        let (mut padding, mut salt_len) = (self.padding, self.salt_len);
        let (mut md, mut mgf1, mut is_any) = (None, None, false);
        for given in params.each() {
            match given.key() {
                key if key == keys::SIGNATURE_DIGEST && !self.hashing.is_digest_fixed() => {
                    md = Some(given.as_text()?);
                }
                key if key == keys::SIGNATURE_PAD_MODE => padding = self.padding_of(given)?,
                key if key == keys::SIGNATURE_MGF1_DIGEST => mgf1 = Some(given.as_text()?),
                key if key == keys::SIGNATURE_PSS_SALTLEN => {}
                _ => continue,
            }
            is_any = true;
        }
        if let Some(given) = params.find(keys::SIGNATURE_PSS_SALTLEN) {
            salt_len = self.salt_len_of(given, padding)?;
        }
        if !is_any {
            return Ok(());
        }
        if mgf1.is_some() && padding != Padding::Pss {
            return Err(Failure::new(Reason::Parameter, "a hash function for masks is for PSS alone"));
        }
        (self.salt_len, self.padding) = (salt_len, padding);
        if self.md.md.is_none() && md.is_none() && padding == Padding::Pss {
            md = Some(b"SHA1");
        }
        if let Some(name) = mgf1 {
            self.set_mgf1(name)?;
        }
        match md {
            Some(name) => self.set_md(name)?,
            None => self.check_padding()?,
        }
        self.check_ours()
    }

    /// Whether the device has what is set.
    fn check_ours(&self) -> Result<(), Failure> {
        match self.md.md.filter(|_| self.padding == Padding::Pss) {
            Some(md) => self.hashes_of_pss(md).map(drop),
            None => Ok(()),
        }
    }

    fn padding_of(&self, given: Given<'_>) -> Result<Padding, Failure> {
        let refused = |why: &'static str| Failure::new(Reason::PaddingMode, why);
        let padding = match given.as_text() {
            Ok(b"pkcs1") => Padding::Pkcs1,
            Ok(b"none") => Padding::None,
            Ok(b"pss") => Padding::Pss,
            Ok(b"x931") => return Err(Failure::new(Reason::NotOurs, NO_X931)),
            // An unknown word changes nothing.
            Ok(_) => self.padding,
            Err(Mismatch) => match given.as_int()? {
                1 => Padding::Pkcs1,
                3 => Padding::None,
                6 => Padding::Pss,
                5 => return Err(Failure::new(Reason::NotOurs, NO_X931)),
                4 => return Err(refused("OAEP is for encryption")),
                _ => return Err(refused("no such padding")),
            },
        };
        let is_pss_key = self.key.as_ref().is_some_and(|key| key.is_pss());
        if padding == Padding::Pss && self.operation == Operation::Recover {
            return Err(refused("a PSS signature contains no digest"));
        }
        if padding != Padding::Pss && is_pss_key {
            return Err(refused("the key is for PSS alone"));
        }
        Ok(padding)
    }

    fn salt_len_of(&self, given: Given<'_>, padding: Padding) -> Result<c_int, Failure> {
        let refused = |why: &'static str| Failure::new(Reason::SaltLength, why);
        if padding != Padding::Pss {
            return Err(refused("a length of salt is for PSS alone"));
        }
        let is_old = self.release < DIGEST_MAX;
        let lowest = if is_old { SALT_MAX } else { SALT_AUTO_DIGEST_MAX };
        let len = match given.as_text() {
            Ok(b"digest") => SALT_DIGEST,
            Ok(b"max") => SALT_MAX,
            Ok(b"auto") => SALT_AUTO,
            Ok(b"auto-digestmax") if !is_old => SALT_AUTO_DIGEST_MAX,
            Ok(text) => super::params::leading_number(text),
            Err(Mismatch) => given.as_int()?,
        };
        if len < lowest {
            return Err(refused("a negative number that stands for no rule"));
        }
        let Some(least) = self.least_salt else { return Ok(len) };
        let actual = match len {
            // Earlier releases refuse it the wrong way round.
            SALT_AUTO | SALT_AUTO_DIGEST_MAX if self.operation.verifies() == (self.release < MESSAGES) => {
                return Err(refused("the key restricts it, so it cannot be found out"));
            }
            SALT_DIGEST => self.md.md.map_or(0, |md| as_int(md.len())),
            other => other,
        };
        if actual >= 0 && actual < least {
            return Err(refused("the key demands a longer salt"));
        }
        Ok(len)
    }

    fn set_md(&mut self, name: &[u8]) -> Result<(), Failure> {
        let md = Md::named(name).ok_or_else(|| super::params::no_such_digest(name))?;
        if self.padding == Padding::None {
            return Err(Failure::new(Reason::PaddingMode, "a digest needs padding"));
        }
        if self.padding == Padding::Pss
            && self.least_salt.is_some()
            && self.md.md.is_some_and(|fixed| fixed != md)
        {
            return Err(Failure::new(Reason::Digest, "the key restricts it to another"));
        }
        if self.hashing.is_digest_fixed() {
            if self.md.md.is_some_and(|fixed| fixed != md) {
                return Err(Failure::new(Reason::Digest, "another is in use already"));
            }
            return Ok(());
        }
        if !self.mgf1_is_set {
            self.mgf1 = Named::new(md, name)?;
        }
        self.md = Named::new(md, name)?;
        self.hashing.forget();
        Ok(())
    }

    fn set_mgf1(&mut self, name: &[u8]) -> Result<(), Failure> {
        let md = Md::named(name).ok_or_else(|| super::params::no_such_digest(name))?;
        if self.padding == Padding::Pss
            && self.least_salt.is_some()
            && self.mgf1.md.is_some_and(|fixed| fixed != md)
        {
            return Err(Failure::new(Reason::Digest, "the key restricts masks to another"));
        }
        self.mgf1 = Named::new(md, name)?;
        self.mgf1_is_set = true;
        Ok(())
    }

    fn check_padding(&self) -> Result<(), Failure> {
        if self.padding == Padding::None && self.md.md.is_some() {
            return Err(Failure::new(Reason::PaddingMode, "a digest needs padding"));
        }
        Ok(())
    }

    fn restrict(&mut self, least: c_int) -> Result<(), Failure> {
        if least < 0 || least > self.most_salt()? + 2 {
            return Err(Failure::new(Reason::SaltLength, "the key demands more than fits"));
        }
        self.least_salt = Some(least);
        Ok(())
    }

    /// Bytes of the longest salt; negative where the digest does not fit.
    fn most_salt(&self) -> Result<c_int, Failure> {
        let key = self.key()?;
        let digest = self.md.md.map_or(0, Md::len);
        let first_is_empty = key.bits() % 8 == 1;
        Ok(as_int(key.max_size()) - as_int(digest) - 2 - c_int::from(first_is_empty))
    }

    // What is given.

    fn give_padding(&self, wanted: &mut Wanted<'_>) -> Result<(), Mismatch> {
        if wanted.is_text() {
            return wanted.give_name(match self.padding {
                Padding::Pkcs1 => b"pkcs1",
                Padding::None => b"none",
                Padding::Pss => b"pss",
            });
        }
        wanted.give_int(self.padding as c_int)
    }

    fn give_salt_len(&self, wanted: &mut Wanted<'_>) -> Result<(), Mismatch> {
        if !wanted.is_text() {
            return wanted.give_int(self.salt_len);
        }
        match self.salt_len {
            SALT_DIGEST => wanted.give_name(b"digest"),
            SALT_MAX => wanted.give_name(b"max"),
            SALT_AUTO => wanted.give_name(b"auto"),
            SALT_AUTO_DIGEST_MAX => wanted.give_name(b"auto-digestmax"),
            other => wanted.give_name(other.to_string().as_bytes()),
        }
    }

    fn algorithm_id(&self) -> Result<Vec<u8>, Failure> {
        let unsupported = || Failure::new(Reason::Digest, "no object identifier for it");
        match self.padding {
            Padding::Pkcs1 => algid::rsa(self.md.md.ok_or_else(unsupported)?).ok_or_else(unsupported),
            Padding::Pss => {
                let md = self.md.md.ok_or_else(unsupported)?;
                let mgf1 = self.mgf1.md.unwrap_or(md);
                let salt = usize::try_from(self.salt()?);
                let salt = salt.map_err(|_| Failure::new(Reason::SaltLength, "the digest does not fit"))?;
                algid::pss(md, mgf1, salt).ok_or_else(unsupported)
            }
            Padding::None => Err(Failure::new(Reason::PaddingMode, "no object identifier for it")),
        }
    }

    /// Bytes of salt that the settings mean, whether they fit or not.
    fn salt(&self) -> Result<c_int, Failure> {
        let most = self.most_salt()?;
        let digest = self.md.md.map_or(0, |md| as_int(md.len()));
        let len = match self.salt_len {
            SALT_DIGEST => digest,
            SALT_AUTO_DIGEST_MAX => most.min(digest),
            SALT_AUTO | SALT_MAX => most,
            given => given,
        };
        if self.least_salt.is_some_and(|least| len < least) {
            return Err(Failure::new(Reason::SaltLength, "the key demands a longer salt"));
        }
        Ok(len)
    }

    /// Bytes of salt that a signature of now gets.
    fn fitting_salt(&self) -> Result<usize, Failure> {
        let (most, len) = (self.most_salt()?, self.salt()?);
        let len = usize::try_from(len).ok().filter(|len| as_int(*len) <= most);
        len.ok_or_else(|| Failure::new(Reason::SaltLength, "the key is too small for digest and salt"))
    }

    // What is done.

    fn sign_directly(&self, instance: &Instance, input: Vec<u8>, room: usize) -> Result<Work, Failure> {
        let key = self.key()?;
        if room < key.max_size() {
            let what = format!("{room} bytes, the signature has {}", key.max_size());
            return Err(Failure::new(Reason::OutputTooSmall, what));
        }
        let (scheme, input) = self.scheme(input, false)?;
        let mut randomness = [0; 32];
        random::fill(&mut randomness)?;
        Ok(Work {
            kind: Self::SIGNS,
            session: key.private_session(instance)?,
            operation: Asked::Sign,
            arguments: KeyArguments::sign(scheme, &randomness),
            input: input.into(),
        })
    }

    fn verify_directly(&self, instance: &Instance, signature: Text, input: Vec<u8>) -> Result<Work, Failure> {
        let key = self.key()?;
        let (scheme, input) = self.scheme(input, true)?;
        // PKCS#1 with a digest wants every byte; the others take the signature for a number.
        let whole = self.md.md.is_some() && self.padding == Padding::Pkcs1;
        let signature = widened(signature, key.max_size(), whole)?;
        Ok(Work {
            kind: Self::VERIFIES,
            session: key.public_session(instance)?,
            operation: Asked::Verify,
            arguments: KeyArguments::verify(scheme, &signature),
            input: input.into(),
        })
    }

    /// The device's scheme, and its input.
    fn scheme(&self, input: Vec<u8>, to_verify: bool) -> Result<(SignatureScheme, Vec<u8>), Failure> {
        let Some(md) = self.md.md else {
            return Ok(match self.padding {
                Padding::Pkcs1 => (SignatureScheme::Pkcs1v15 { hash: None }, input),
                Padding::None => (SignatureScheme::RawRsa, input),
                Padding::Pss => return Err(Failure::new(Reason::Digest, "PSS needs one, and none is set")),
            });
        };
        if input.len() != md.len() {
            let what = format!("{} bytes, {} gives {}", input.len(), md.name(), md.len());
            return Err(Failure::new(Reason::DigestLength, what));
        }
        match self.padding {
            Padding::Pkcs1 => match md.key_hash() {
                Some(hash) => Ok((SignatureScheme::Pkcs1v15 { hash: Some(hash) }, input)),
                None => Ok((SignatureScheme::Pkcs1v15 { hash: None }, algid::digest_info(md, &input))),
            },
            Padding::Pss => Ok((self.pss(md, to_verify)?, input)),
            Padding::None => Err(Failure::new(Reason::PaddingMode, "a digest needs padding")),
        }
    }

    fn hashes_of_pss(&self, md: Md) -> Result<(KeyHash, KeyHash), Failure> {
        let mask = self.mgf1.md.unwrap_or(md);
        md.key_hash().zip(mask.key_hash()).ok_or_else(|| Failure::new(Reason::NotOurs, NO_PSS))
    }

    fn pss(&self, md: Md, to_verify: bool) -> Result<SignatureScheme, Failure> {
        let (hash, mgf_hash) = self.hashes_of_pss(md)?;
        let salt = match self.salt_len {
            SALT_AUTO | SALT_AUTO_DIGEST_MAX if to_verify => Salt::Any,
            _ => Salt::Len(self.fitting_salt()?),
        };
        Ok(SignatureScheme::Pss { hash, mgf_hash, salt })
    }
}

/// A signature as long as the modulus: a number that is shorter gets zeros in front, unless it has to be
/// `whole`.
fn widened(signature: Text, len: usize, whole: bool) -> Result<Vec<u8>, Failure> {
    if signature.len() > len || (whole && signature.len() != len) {
        let what = format!("{} bytes, signatures of the key have {len}", signature.len());
        return Err(Failure::new(Reason::BadSignature, what));
    }
    let mut bytes = vec![0; len - signature.len()];
    signature.append_to(&mut bytes);
    Ok(bytes)
}

/// The rule for salts where nothing is said.
fn usual_salt(release: (u32, u32)) -> c_int {
    if release < DIGEST_MAX { SALT_AUTO } else { SALT_AUTO_DIGEST_MAX }
}

fn as_int(len: usize) -> c_int {
    c_int::try_from(len).unwrap_or(c_int::MAX)
}
