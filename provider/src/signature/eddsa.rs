//! Ed25519 (RFC 8032), as `eddsa_sig.c` of OpenSSL has it. Its variants with a prefix are the default
//! provider's.

use std::sync::Arc;

use simaccel::{KeyArguments, Operation as Asked, SignatureScheme};

use super::algid;
use super::params::{ALGORITHM_ID_GETTABLE, EDDSA_SETTABLE};
use super::scheme::{Init, Operation, Scheme};
use crate::accelerator::{Text, Work};
use crate::error::{Failure, Reason};
use crate::instance::Instance;
use crate::keymgmt::Key;
use crate::kinds::{self, Kind};
use crate::ossl::keys;
use crate::ossl::params::{Params, Wanted};
use crate::ossl::types::Param;

/// Bytes of a signature.
const SIZE: usize = 64;
/// Bytes of the longest context.
const MOST_CONTEXT: usize = 255;

/// The state of an Ed25519 signature.
#[derive(Clone, Debug)]
pub(crate) struct Ed25519 {
    key: Option<Arc<Key>>,
    /// The initialisation has chosen the variant.
    is_preset: bool,
    /// The caller has hashed the message, which the plain variant is not for.
    is_prehashed: bool,
}

impl Scheme for Ed25519 {
    const NAME: &'static str = "ED25519";
    const SIGNS: Kind = kinds::ED25519_SIGN;
    const VERIFIES: Kind = kinds::ED25519_VERIFY;

    fn new(_: &Instance) -> Self {
        Self { key: None, is_preset: false, is_prehashed: false }
    }

    fn init(&mut self, init: Init<'_>) -> Result<(), Failure> {
        if init.digest.flatten().is_some_and(|name| !name.is_empty()) {
            return Err(Failure::new(Reason::Digest, "Ed25519 has a hash function of its own"));
        }
        match init.key {
            Some(key) => self.key = Some(key),
            // As in OpenSSL, a message may use the key of the one before it.
            None if init.digest.is_some() && self.key.is_some() => return self.set(init.params),
            None => return Err(Reason::NoKey.into()),
        }
        self.is_preset = init.digest.is_none() && init.operation.hashes();
        self.is_prehashed = matches!(init.operation, Operation::Sign | Operation::Verify);
        self.set(init.params)
    }

    fn update(&mut self, _: Text) -> Result<(), Failure> {
        Err(Reason::NotNow.into())
    }

    fn size(&self, _: bool) -> Result<usize, Failure> {
        Ok(SIZE)
    }

    fn sign(&mut self, instance: &Instance, input: Option<Text>, room: usize) -> Result<Work, Failure> {
        if room < SIZE {
            return Err(Failure::new(
                Reason::OutputTooSmall,
                format!("{room} bytes, a signature has {SIZE}"),
            ));
        }
        Ok(Work {
            kind: Self::SIGNS,
            session: self.key()?.private_session(instance)?,
            operation: Asked::Sign,
            arguments: KeyArguments::sign(SignatureScheme::Ed25519, &[]),
            input: self.message(input)?.into(),
        })
    }

    fn verify(&mut self, instance: &Instance, signature: Text, input: Option<Text>) -> Result<Work, Failure> {
        if signature.len() != SIZE {
            return Err(Reason::BadSignature.into());
        }
        let mut bytes = Vec::with_capacity(SIZE);
        signature.append_to(&mut bytes);
        Ok(Work {
            kind: Self::VERIFIES,
            session: self.key()?.public_session(instance)?,
            operation: Asked::Verify,
            arguments: KeyArguments::verify(SignatureScheme::Ed25519, &bytes),
            input: self.message(input)?.into(),
        })
    }

    fn held_key(&self) -> Option<Arc<Key>> {
        self.key.clone()
    }

    fn set(&mut self, params: Params<'_>) -> Result<(), Failure> {
        if let Some(given) = params.find(keys::SIGNATURE_INSTANCE) {
            if self.is_preset {
                return Err(Failure::new(Reason::Parameter, "the initialisation has chosen the variant"));
            }
            if !given.as_text()?.eq_ignore_ascii_case(b"Ed25519") {
                return Err(Failure::new(Reason::NotOurs, "the device has Ed25519 without a prefix"));
            }
        }
        if let Some(given) = params.find(keys::SIGNATURE_CONTEXT_STRING) {
            match given.as_octets()?.len() {
                0 => {}
                1..=MOST_CONTEXT => {
                    return Err(Failure::new(Reason::NotOurs, "the device has Ed25519 without a context"));
                }
                _ => return Err(Reason::Parameter.into()),
            }
        }
        Ok(())
    }

    fn give(&self, wanted: &mut Wanted<'_>) -> Result<(), Failure> {
        if wanted.key() == keys::SIGNATURE_ALGORITHM_ID {
            wanted.give_octets(&algid::ed25519())?;
        }
        Ok(())
    }

    fn gettable() -> &'static [Param] {
        ALGORITHM_ID_GETTABLE
    }

    fn settable(&self) -> &'static [Param] {
        EDDSA_SETTABLE
    }
}

impl Ed25519 {
    fn key(&self) -> Result<&Arc<Key>, Failure> {
        self.key.as_ref().ok_or_else(|| Reason::NoKey.into())
    }

    /// A copy of the message.
    fn message(&self, input: Option<Text>) -> Result<Vec<u8>, Failure> {
        if self.is_prehashed {
            return Err(Failure::new(Reason::NotNow, "a hashed message is for the variant Ed25519ph"));
        }
        let input = input.ok_or(Reason::NotNow)?;
        let mut bytes = Vec::with_capacity(input.len());
        input.append_to(&mut bytes);
        Ok(bytes)
    }
}
