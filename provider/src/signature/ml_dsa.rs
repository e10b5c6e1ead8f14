//! ML-DSA-44 and ML-DSA-65 (FIPS 204), as `ml_dsa_sig.c` of OpenSSL has them. Messages that the caller has
//! encoded or hashed (`message-encoding`, `mu`) are the default provider's.

use std::sync::Arc;

use simaccel::{KeyArguments, Operation as Asked, SignatureScheme};

use super::algid;
use super::params::{ALGORITHM_ID_GETTABLE, ML_DSA_SETTABLE, ML_DSA_SETTABLE_TO_VERIFY};
use super::scheme::{Init, Operation, Scheme};
use crate::accelerator::{Text, Work};
use crate::error::{Failure, Reason};
use crate::instance::Instance;
use crate::keymgmt::Key;
use crate::kinds::{self, Kind};
use crate::ossl::keys;
use crate::ossl::params::{Params, Wanted};
use crate::ossl::types::Param;
use crate::random;

/// Bytes of randomness in a signature.
const ENTROPY: usize = 32;
/// Bytes of the longest context.
const MOST_CONTEXT: usize = 255;

/// The state of an ML-DSA signature.
#[derive(Clone, Debug)]
pub(crate) struct MlDsa<const BITS: u8> {
    key: Option<Arc<Key>>,
    operation: Operation,
    context: Vec<u8>,
    entropy: Option<[u8; ENTROPY]>,
    is_deterministic: bool,
    /// The message so far, where it comes in parts.
    parts: Option<Vec<u8>>,
    /// What the message is compared with at its end.
    signature: Vec<u8>,
}

impl<const BITS: u8> MlDsa<BITS> {
    /// Bytes of a signature.
    const SIZE: usize = if BITS == 44 { 2420 } else { 3309 };
    /// The end of its object identifier.
    const OID: u8 = if BITS == 44 { 0x11 } else { 0x12 };

    fn key(&self) -> Result<&Arc<Key>, Failure> {
        self.key.as_ref().ok_or_else(|| Reason::NoKey.into())
    }

    /// A copy of the message, or its parts.
    fn message(&mut self, input: Option<Text>) -> Result<Vec<u8>, Failure> {
        let Some(input) = input else { return self.parts.take().ok_or_else(|| Reason::NotNow.into()) };
        let mut bytes = Vec::with_capacity(input.len());
        input.append_to(&mut bytes);
        Ok(bytes)
    }

    fn scheme(&self, hedged: bool) -> SignatureScheme {
        SignatureScheme::MlDsa { context: self.context.clone(), hedged }
    }
}

impl<const BITS: u8> Scheme for MlDsa<BITS> {
    const NAME: &'static str = if BITS == 44 { "ML-DSA-44" } else { "ML-DSA-65" };
    const SIGNS: Kind = if BITS == 44 { kinds::ML_DSA_44_SIGN } else { kinds::ML_DSA_65_SIGN };
    const VERIFIES: Kind = if BITS == 44 { kinds::ML_DSA_44_VERIFY } else { kinds::ML_DSA_65_VERIFY };

    fn new(_: &Instance) -> Self {
        Self {
            key: None,
            operation: Operation::None,
            context: Vec::new(),
            entropy: None,
            is_deterministic: false,
            parts: None,
            signature: Vec::new(),
        }
    }

    fn init(&mut self, init: Init<'_>) -> Result<(), Failure> {
        if init.digest.flatten().is_some_and(|name| !name.is_empty()) {
            return Err(Failure::new(Reason::Digest, "ML-DSA has a hash function of its own"));
        }
        match init.key {
            Some(key) => self.key = Some(key),
            None if self.key.is_some() && init.digest.is_some() => return self.set(init.params),
            None => {
                self.key()?;
            }
        }
        self.parts = None;
        // As in OpenSSL, where a signature of a digest's interface is never a parameter.
        self.operation = if init.digest.is_some() { Operation::Sign } else { init.operation };
        self.set(init.params)
    }

    fn update(&mut self, text: Text) -> Result<(), Failure> {
        self.key()?;
        text.append_to(self.parts.get_or_insert_default());
        Ok(())
    }

    fn size(&self, of_final: bool) -> Result<usize, Failure> {
        if of_final && self.parts.is_none() {
            return Err(Reason::NotNow.into());
        }
        Ok(Self::SIZE)
    }

    fn sign(&mut self, instance: &Instance, input: Option<Text>, room: usize) -> Result<Work, Failure> {
        let size = Self::SIZE;
        if room < size {
            return Err(Failure::new(
                Reason::OutputTooSmall,
                format!("{room} bytes, a signature has {size}"),
            ));
        }
        let mut randomness = self.entropy.unwrap_or_default();
        let is_random = self.entropy.is_none() && !self.is_deterministic;
        if is_random {
            random::fill(&mut randomness)?;
        }
        let hedged = is_random || self.entropy.is_some();
        let randomness = if hedged { randomness.as_slice() } else { &[] };
        Ok(Work {
            kind: Self::SIGNS,
            session: self.key()?.private_session(instance)?,
            operation: Asked::Sign,
            arguments: KeyArguments::sign(self.scheme(hedged), randomness),
            input: self.message(input)?.into(),
        })
    }

    fn verify(&mut self, instance: &Instance, signature: Text, input: Option<Text>) -> Result<Work, Failure> {
        if signature.len() != Self::SIZE {
            return Err(Reason::BadSignature.into());
        }
        let mut bytes = Vec::with_capacity(signature.len());
        signature.append_to(&mut bytes);
        Ok(Work {
            kind: Self::VERIFIES,
            session: self.key()?.public_session(instance)?,
            operation: Asked::Verify,
            arguments: KeyArguments::verify(self.scheme(false), &bytes),
            input: self.message(input)?.into(),
        })
    }

    fn kept_signature(&self) -> &[u8] {
        &self.signature
    }

    fn held_key(&self) -> Option<Arc<Key>> {
        self.key.clone()
    }

    fn set(&mut self, params: Params<'_>) -> Result<(), Failure> {
        if let Some(given) = params.find(keys::SIGNATURE_CONTEXT_STRING) {
            self.context.clear();
            let context = given.as_octets()?;
            if context.len() > MOST_CONTEXT {
                return Err(Reason::Parameter.into());
            }
            self.context.extend_from_slice(context);
        }
        if let Some(given) = params.find(keys::SIGNATURE_TEST_ENTROPY) {
            self.entropy = None;
            let entropy = given.as_octets()?;
            let wrong = |_| Failure::new(Reason::Parameter, format!("entropy of {ENTROPY} bytes"));
            self.entropy = Some(entropy.try_into().map_err(wrong)?);
        }
        if let Some(given) = params.find(keys::SIGNATURE_DETERMINISTIC) {
            self.is_deterministic = given.as_int()? == 1;
        }
        if let Some(given) = params.find(keys::SIGNATURE_MESSAGE_ENCODING)
            && given.as_int()? == 0
        {
            return Err(Failure::new(Reason::NotOurs, "the device encodes messages by itself"));
        }
        if let Some(given) = params.find(keys::SIGNATURE_MU)
            && given.as_int()? != 0
        {
            return Err(Failure::new(Reason::NotOurs, "the device hashes messages by itself"));
        }
        if let Some(given) = params.find(keys::SIGNATURE_SIGNATURE)
            && self.operation == Operation::VerifyMessage
        {
            self.signature = given.as_octets()?.to_vec();
        }
        Ok(())
    }

    fn give(&self, wanted: &mut Wanted<'_>) -> Result<(), Failure> {
        if wanted.key() == keys::SIGNATURE_ALGORITHM_ID {
            wanted.give_octets(&algid::ml_dsa(Self::OID))?;
        }
        Ok(())
    }

    fn gettable() -> &'static [Param] {
        ALGORITHM_ID_GETTABLE
    }

    fn settable(&self) -> &'static [Param] {
        if self.operation == Operation::VerifyMessage { ML_DSA_SETTABLE_TO_VERIFY } else { ML_DSA_SETTABLE }
    }
}
