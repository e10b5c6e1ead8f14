//! ECDSA, as `ecdsa_sig.c` of OpenSSL has it.
//!
//! ```text
//!   digest ── any length where none is set, cut by the device ──► Work ──► the device ──► DER
//!   nonce: random bytes drawn here, in RFC 6979; with nonce-type=1 by RFC 6979 alone
//! ```

use std::ffi::c_uint;
use std::sync::Arc;

use simaccel::{EcdsaForm, KeyArguments, KeyHash, Nonce, Operation as Asked, SignatureScheme};

use super::algid;
use super::params::{ECDSA_GETTABLE, ECDSA_SETTABLE, Named, no_such_digest};
use super::scheme::{Hashing, Init, Operation, Scheme};
use crate::accelerator::{Text, Work};
use crate::error::{Failure, Reason};
use crate::instance::Instance;
use crate::keymgmt::Key;
use crate::kinds::{self, Kind};
use crate::md::Md;
use crate::ossl::keys;
use crate::ossl::params::{Params, Wanted};
use crate::ossl::types::Param;
use crate::random;

/// The state of an ECDSA signature.
#[derive(Clone, Debug)]
pub(crate) struct Ecdsa {
    key: Option<Arc<Key>>,
    operation: Operation,
    md: Named,
    /// Bytes that a digest has to have; 0: any.
    digest_len: usize,
    nonce_type: c_uint,
    hashing: Hashing,
    /// OpenSSL 3.4 and later: no bytes at all are a wrong signature of a message, and not none.
    empty_is_wrong: bool,
}

impl Scheme for Ecdsa {
    const NAME: &'static str = "ECDSA";
    const SIGNS: Kind = kinds::ECDSA_SIGN;
    const VERIFIES: Kind = kinds::ECDSA_VERIFY;

    fn new(instance: &Instance) -> Self {
        Self {
            empty_is_wrong: instance.release().is_some_and(|release| release >= (3, 4)),
            key: None,
            operation: Operation::None,
            md: Named::default(),
            digest_len: 0,
            nonce_type: 0,
            hashing: Hashing::default(),
        }
    }

    fn init(&mut self, init: Init<'_>) -> Result<(), Failure> {
        let key = init.key.or_else(|| self.key.clone()).ok_or(Reason::NoKey)?;
        self.key = Some(key);
        self.operation = init.operation;
        self.hashing.allow_all();
        self.set(init.params)?;
        let Some(name) = init.digest else { return Ok(()) };
        if let Some(name) = name
            && !self.md.is_called(name)
        {
            self.set_md(name)?;
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
        let key = self.key()?;
        if room < key.max_size() {
            let what = format!("{room} bytes, a signature has up to {}", key.max_size());
            return Err(Failure::new(Reason::OutputTooSmall, what));
        }
        self.check_len(&input)?;
        let mut randomness = [0; 32];
        random::fill(&mut randomness)?;
        Ok(Work {
            kind: Self::SIGNS,
            session: key.private_session(instance)?,
            operation: Asked::Sign,
            arguments: KeyArguments::sign(self.scheme()?, &randomness),
            input: input.into(),
        })
    }

    fn verify(&mut self, instance: &Instance, signature: Text, input: Option<Text>) -> Result<Work, Failure> {
        let input = self.hashing.input(input, self.operation.hashes())?;
        self.check_len(&input)?;
        let mut bytes = Vec::with_capacity(signature.len());
        signature.append_to(&mut bytes);
        if bytes.is_empty() && self.empty_is_wrong && self.operation.hashes() {
            return Err(Reason::BadSignature.into());
        }
        if !is_canonical(&bytes) {
            return Err(Reason::SignatureForm.into());
        }
        let nonce = Nonce::Deterministic(KeyHash::Sha256);
        let scheme = SignatureScheme::Ecdsa { nonce, form: EcdsaForm::Der };
        Ok(Work {
            kind: Self::VERIFIES,
            session: self.key()?.public_session(instance)?,
            operation: Asked::Verify,
            arguments: KeyArguments::verify(scheme, &bytes),
            input: input.into(),
        })
    }

    fn allow_digest_again(&mut self) {
        self.hashing.allow_digest_again();
    }

    fn held_key(&self) -> Option<Arc<Key>> {
        self.key.clone()
    }

    fn set(&mut self, params: Params<'_>) -> Result<(), Failure> {
        if let Some(given) = params.find(keys::SIGNATURE_NONCE_TYPE) {
            self.nonce_type = given.as_uint()?;
        }
        if let Some(given) = params.find(keys::SIGNATURE_DIGEST) {
            self.set_md(given.as_text()?)?;
        }
        if let Some(given) = params.find(keys::SIGNATURE_DIGEST_SIZE) {
            let len = given.as_size()?;
            if self.hashing.is_digest_fixed() && len != self.digest_len {
                return Err(Failure::new(Reason::DigestLength, "another is in use already"));
            }
            self.digest_len = len;
        }
        Ok(())
    }

    fn give(&self, wanted: &mut Wanted<'_>) -> Result<(), Failure> {
        match wanted.key() {
            key if key == keys::SIGNATURE_ALGORITHM_ID => {
                let id = self.md.md.and_then(algid::ecdsa);
                let id = id.ok_or_else(|| Failure::new(Reason::Digest, "no object identifier for it"))?;
                Ok(wanted.give_octets(&id)?)
            }
            key if key == keys::SIGNATURE_DIGEST_SIZE => Ok(wanted.give_size(self.digest_len)?),
            key if key == keys::SIGNATURE_DIGEST => {
                Ok(wanted.give_name(self.md.md.map_or("", Md::name).as_bytes())?)
            }
            key if key == keys::SIGNATURE_NONCE_TYPE => Ok(wanted.give_uint(self.nonce_type)?),
            _ => Ok(()),
        }
    }

    fn gettable() -> &'static [Param] {
        ECDSA_GETTABLE
    }

    fn settable(&self) -> &'static [Param] {
        ECDSA_SETTABLE
    }
}

impl Ecdsa {
    fn key(&self) -> Result<&Arc<Key>, Failure> {
        self.key.as_ref().ok_or_else(|| Reason::NoKey.into())
    }

    fn set_md(&mut self, name: &[u8]) -> Result<(), Failure> {
        let md = Md::named(name).ok_or_else(|| no_such_digest(name))?;
        if self.hashing.is_digest_fixed() {
            if self.md.md.is_some_and(|fixed| fixed != md) {
                return Err(Failure::new(Reason::Digest, "another is in use already"));
            }
            return Ok(());
        }
        self.md = Named::new(md, name)?;
        self.digest_len = md.len();
        self.hashing.forget();
        Ok(())
    }

    fn check_len(&self, digest: &[u8]) -> Result<(), Failure> {
        if self.digest_len == 0 || digest.len() == self.digest_len {
            return Ok(());
        }
        let what = format!("{} bytes, and {} were announced", digest.len(), self.digest_len);
        Err(Failure::new(Reason::DigestLength, what))
    }

    fn scheme(&self) -> Result<SignatureScheme, Failure> {
        let nonce = match (self.nonce_type, self.md.md) {
            (0, md) => Nonce::Hedged(md.and_then(Md::key_hash).unwrap_or(KeyHash::Sha256)),
            (_, Some(md)) => {
                let hash = md.key_hash();
                Nonce::Deterministic(hash.ok_or_else(|| no_such_digest(md.name().as_bytes()))?)
            }
            (_, None) => return Err(Failure::new(Reason::Digest, "a deterministic nonce needs one")),
        };
        Ok(SignatureScheme::Ecdsa { nonce, form: EcdsaForm::Der })
    }
}

/// Whether a signature is DER as OpenSSL takes it: two integers that are not negative, written as they have
/// to be, and nothing behind them. It is no signature otherwise, and `ECDSA_verify` says −1.
fn is_canonical(der: &[u8]) -> bool {
    let Some((0x30, content, [])) = element(der) else { return false };
    let Some((2, r, rest)) = element(content) else { return false };
    let Some((2, s, [])) = element(rest) else { return false };
    [r, s].into_iter().all(|number| match number {
        [] => false,
        [0, second, ..] => *second > 127,
        [first, ..] => *first <= 127,
    })
}

/// Tag, content, and what is behind.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (len, rest) = match first {
        0..=127 => (usize::from(first), rest),
        0x81 => {
            let (&len, rest) = rest.split_first()?;
            (usize::from(len), rest)
        }
        _ => return None,
    };
    // A length is written as shortly as it can be.
    if first == 0x81 && len < 128 {
        return None;
    }
    let (content, rest) = rest.split_at_checked(len)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_two_numbers_in_der_and_nothing_else() {
        for der in [
            &[0x30, 6, 2, 1, 1, 2, 1, 2][..],
            &[0x30, 7, 2, 2, 0, 200, 2, 1, 2],
            &[0x30, 6, 2, 1, 0, 2, 1, 0],
        ] {
            assert!(is_canonical(der), "{der:?}");
        }
        for der in [
            &[][..],
            &[0x30, 6, 2, 1, 1, 2, 1, 2, 0],
            &[0x30, 6, 2, 1, 200, 2, 1, 2],
            &[0x30, 7, 2, 2, 0, 1, 2, 1, 2],
            &[0x30, 0x81, 6, 2, 1, 1, 2, 1, 2],
            &[0x30, 5, 2, 0, 2, 1, 2],
            &[0x30, 3, 2, 1, 1],
            &[0x31, 6, 2, 1, 1, 2, 1, 2],
            &[0x30, 9, 2, 1, 1, 2, 1, 2, 2, 1, 1],
        ] {
            assert!(!is_canonical(der), "{der:?}");
        }
    }
}
