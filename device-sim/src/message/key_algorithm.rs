//! The algorithms of private and public keys: names, operations, and the lengths of what they give.
//!
//! The names come from the [table](super::table); what keys of one kind have in common is said by their
//! [`Family`].

use crate::message::operation::Operation;
use crate::message::shape::OutputLen;
use crate::message::with_algorithms;

macro_rules! define {
    (
        ciphers $ciphers:tt
        aeads $aeads:tt
        hashes $hashes:tt
        hmacs $hmacs:tt
        keys { $(
            $(#[$doc:meta])+
            $key:ident { name: $name:literal, also: $also:tt, family: $family:ident, bits: $bits:literal }
        )+ }
        trials $trials:tt
    ) => {
        /// An algorithm of private keys and their public keys.
        #[non_exhaustive]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum KeyAlgorithm {
            $($(#[$doc])+ $key,)+
        }

        impl KeyAlgorithm {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$key),+];

            /// The name, in lower case.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$key => $name),+
                }
            }

            /// OpenSSL's other names for it, which are accepted too, including object identifiers.
            pub const fn aliases(self) -> &'static [&'static str] {
                match self {
                    $(Self::$key => &$also),+
                }
            }

            /// What it has in common with others.
            pub const fn family(self) -> Family {
                match self {
                    $(Self::$key => Family::$family),+
                }
            }

            /// OpenSSL's number of bits of such a key; 0: the key says it.
            pub const fn bits(self) -> u32 {
                match self {
                    $(Self::$key => $bits),+
                }
            }
        }
    };
}

with_algorithms!(define);

/// What keys are for. Those of one family have the same operations and arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// RSA: signs and decrypts.
    Rsa,
    /// A curve of NIST's: ECDSA and ECDH.
    Ec,
    /// X25519: derives secrets.
    X25519,
    /// Ed25519: signs whole messages.
    Ed25519,
    /// A key encapsulation mechanism.
    Kem,
    /// ML-DSA: signs whole messages.
    MlDsa,
}

/// The smallest and the largest modulus of an RSA key that can be imported, in bits.
pub(crate) const RSA_BITS: std::ops::RangeInclusive<u32> = 512..=16_384;

impl KeyAlgorithm {
    /// RSA with a modulus of this many bits.
    pub const fn rsa(bits: u32) -> Self {
        match bits {
            2048 => Self::Rsa2048,
            3072 => Self::Rsa3072,
            4096 => Self::Rsa4096,
            _ => Self::Rsa,
        }
    }

    /// Its operations. A public key has those that need no private key: verify, encrypt, encapsulate.
    pub const fn operations(self) -> &'static [Operation] {
        match self.family() {
            Family::Rsa => &[
                Operation::Sign,
                Operation::Verify,
                Operation::Decrypt,
                Operation::Encrypt,
                Operation::Generate,
            ],
            Family::Ec => &[Operation::Sign, Operation::Verify, Operation::Derive, Operation::Generate],
            Family::X25519 => &[Operation::Derive, Operation::Generate],
            Family::Ed25519 | Family::MlDsa => &[Operation::Sign, Operation::Verify, Operation::Generate],
            Family::Kem => &[Operation::Encapsulate, Operation::Decapsulate, Operation::Generate],
        }
    }

    /// The output of an operation; `None`: there is no such operation.
    pub const fn output(self, operation: Operation) -> Option<OutputLen> {
        let modulus = match self.bits() {
            0 => *RSA_BITS.end() as usize / 8,
            bits => bits as usize / 8,
        };
        Some(match (self.family(), operation) {
            (Family::Rsa, Operation::Decrypt) => OutputLen::Variable(modulus),
            (Family::Rsa, Operation::Sign | Operation::Encrypt) if self.bits() > 0 => {
                OutputLen::Fixed(modulus)
            }
            (Family::Rsa, Operation::Sign | Operation::Encrypt) => OutputLen::Variable(modulus),
            // DER: two integers with a sign bit, a header each, and one for both.
            (Family::Ec, Operation::Sign) => OutputLen::Variable(self.most_der()),
            (Family::Ec, Operation::Derive) => OutputLen::Fixed(self.bits().div_ceil(8) as usize),
            (Family::X25519, Operation::Derive) => OutputLen::Fixed(32),
            (Family::Ed25519, Operation::Sign) => OutputLen::Fixed(64),
            (Family::MlDsa, Operation::Sign) => OutputLen::Fixed(if self.bits() == 44 { 2420 } else { 3309 }),
            (Family::Kem, Operation::Encapsulate) => {
                OutputLen::Fixed(self.ciphertext_len() + self.secret_len())
            }
            (Family::Kem, Operation::Decapsulate) => OutputLen::Fixed(self.secret_len()),
            (Family::Rsa | Family::Ec | Family::Ed25519 | Family::MlDsa, Operation::Verify) => {
                OutputLen::Fixed(0)
            }
            (_, Operation::Generate) => OutputLen::Variable(MOST_GENERATED),
            _ => return None,
        })
    }

    /// Bytes of the longest ECDSA signature in DER.
    const fn most_der(self) -> usize {
        let integer = 2 + self.bits() as usize / 8 + 1;
        let both = 2 * integer;
        both + if both < 128 { 2 } else { 3 }
    }

    /// Bytes of a ciphertext of a key encapsulation mechanism; 0 for the others.
    pub const fn ciphertext_len(self) -> usize {
        match self {
            Self::MlKem768 => 1088,
            Self::X25519MlKem768 => 1088 + 32,
            _ => 0,
        }
    }

    /// Bytes of randomness that an encapsulation takes; 0 for the others.
    pub const fn encapsulation_len(self) -> usize {
        match self {
            Self::MlKem768 => 32,
            Self::X25519MlKem768 => 64,
            _ => 0,
        }
    }

    /// Bytes of randomness that a key is generated from. They are the secret itself, or it is expanded from
    /// them; on a curve of NIST's they are a number with 64 bits more than the order, modulo which it is the
    /// scalar (FIPS 186-5, A.2.1).
    pub const fn seed_len(self) -> usize {
        match self.family() {
            Family::Ec => self.secret_len() + 8,
            Family::Kem => self.encapsulation_len() + 32,
            _ => 32,
        }
    }

    /// Bytes of the secret that key agreement or encapsulation gives; 0 for the others.
    pub const fn secret_len(self) -> usize {
        match (self, self.family()) {
            (Self::X25519MlKem768, _) => 64,
            (_, Family::Kem | Family::X25519) => 32,
            (_, Family::Ec) => self.bits().div_ceil(8) as usize,
            _ => 0,
        }
    }
}

/// Bytes of the longest key that [`Operation::Generate`] gives: RSA of 16384 bits, all its numbers in DER.
const MOST_GENERATED: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_in_der_have_room_for_every_signature() {
        let lens = [KeyAlgorithm::P256, KeyAlgorithm::P384, KeyAlgorithm::P521].map(KeyAlgorithm::most_der);
        assert_eq!(lens, [72, 104, 139]);
    }
}
