//! What operations give beside bytes: two outputs at once, and keys.

use std::ops::RangeInclusive;

use simaccel::{
    Engine, Error, Family, KeyAlgorithm, KeyArguments, KeySession, Operation, PrivateKey, Zeroizing,
};

use super::prepared::Prepared;
use super::{AnyKey, SimaccelKey, algorithm};
use crate::copies::Output;
use crate::last_error::Failure;

/// How the result of an operation that was started is handed out.
#[derive(Debug)]
pub(super) enum Outputs {
    Bytes,
    Nothing,
    /// A ciphertext of so many bytes, and a secret.
    Encapsulated(usize),
    Key(Generator),
}

/// Both outputs of an encapsulation, or none.
pub(super) fn put_encapsulated(
    both: &[u8],
    ciphertext_len: usize,
    out: Output,
    secret: Output,
) -> Result<(), Failure> {
    let Some((ciphertext, shared)) = both.split_at_checked(ciphertext_len) else {
        return Err(Error::ShortOutput { missing: ciphertext_len - both.len() }.into());
    };
    out.check_room(ciphertext.len()..=ciphertext.len())?;
    secret.put(shared)?;
    out.put(ciphertext)
}

/// Generates keys of an algorithm and a size.
#[derive(Debug)]
pub(super) struct Generator {
    engine: Engine,
    pub(super) session: KeySession,
    algorithm: KeyAlgorithm,
    bits: u32,
}

impl Generator {
    pub(super) fn new(engine: &Engine, name: &str, bits: usize) -> Result<Self, Failure> {
        let named = algorithm(name)?;
        let own_bits = named.bits() as usize;
        if bits != 0 && own_bits != 0 && bits != own_bits {
            return Err(Failure::argument(&format!(
                "bits is {bits}: {named} keys have {own_bits}, or 0 is given"
            )));
        }
        let is_rsa = named.family() == Family::Rsa;
        let bits = if bits == 0 { own_bits } else { bits };
        if is_rsa && !RSA_BITS.contains(&bits) {
            let text = format!("bits is {bits}: RSA keys are generated with 512 to 16384");
            return Err(Failure::argument(&text));
        }
        let bits = u32::try_from(bits).unwrap_or(u32::MAX);
        let algorithm = if is_rsa { KeyAlgorithm::rsa(bits) } else { named };
        Ok(Self { engine: engine.clone(), session: engine.key_generator(algorithm)?, algorithm, bits })
    }

    pub(super) fn prepared(&self) -> Result<Prepared, Failure> {
        let mut arguments = KeyArguments::default();
        if self.algorithm.family() == Family::Rsa {
            arguments = arguments.with_modulus(self.bits, 0);
        }
        let (operation, input) = (Operation::Generate, Zeroizing::default());
        Ok(Prepared { operation, arguments: self.session.with_randomness(operation, arguments)?, input })
    }

    /// The key that the device has generated.
    pub(super) fn key(&self, bytes: &[u8]) -> Result<*mut SimaccelKey, Failure> {
        self.engine.outside_job(|| {
            // What cannot be a key was damaged on its way.
            let key = PrivateKey::from_generated(self.algorithm, bytes).map_err(|_| Error::DeviceFailed)?;
            SimaccelKey::make(&self.engine, AnyKey::Private(key))
        })
    }
}

/// Bits of the moduli that RSA keys are generated with.
const RSA_BITS: RangeInclusive<usize> = 512..=16_384;
