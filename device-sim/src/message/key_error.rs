//! Why a key is refused, and why an operation does not fit its key.

use std::fmt;

use crate::message::key_algorithm::KeyAlgorithm;
use crate::message::key_arguments::KeyHash;
use crate::message::lengths::Allowed;
use crate::message::operation::Operation;

/// The feature of this crate that has private keys.
pub(crate) const FEATURE: &str = "private-keys";

/// Why a private or a public key is refused.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The library was built without private keys.
    #[error("this build has no private keys: it lacks the feature {FEATURE}")]
    NotBuilt,
    /// The bytes are not DER of this form.
    #[error("the bytes are not a DER-encoded {0}")]
    Der(KeyForm),
    /// The text is not PEM.
    #[error("the text is not PEM: no whole block between BEGIN and END, or not base64")]
    Pem,
    /// The PEM block has a label that stands for no key.
    #[error("the PEM block holds no {0}")]
    Label(KeyForm),
    /// The key is encrypted; decrypt it first, for example with `openssl pkey`.
    #[error("the key is encrypted, and passwords are not supported: decrypt it first")]
    Encrypted,
    /// The algorithm of the key is none that is supported.
    #[error("the key's algorithm, or its curve, is none of those supported")]
    Unsupported,
    /// The key is of another algorithm than was asked for.
    #[error("the key is {given}, not {expected}")]
    Algorithm {
        /// What was asked for.
        expected: KeyAlgorithm,
        /// What it is.
        given: KeyAlgorithm,
    },
    /// A part of the key has a length that is not allowed.
    #[error("{algorithm} takes a {part} of {allowed}, not {given}")]
    Length {
        /// The algorithm of the key.
        algorithm: KeyAlgorithm,
        /// Which part.
        part: KeyPart,
        /// Allowed lengths, in bytes.
        allowed: Allowed,
        /// The given length.
        given: usize,
    },
    /// There is no such part in keys of this algorithm.
    #[error("{algorithm} keys have no {part}")]
    NoSuchPart {
        /// The algorithm.
        algorithm: KeyAlgorithm,
        /// Which part.
        part: KeyPart,
    },
    /// An RSA modulus has too few or too many bits.
    #[error("an RSA modulus has 512 to 16384 bits, not {bits}")]
    ModulusBits {
        /// Bits of the given modulus.
        bits: u32,
    },
    /// An RSA modulus is even.
    #[error("the RSA modulus is even")]
    ModulusEven,
    /// An RSA public exponent is even, below 3, or not below the modulus.
    #[error("the RSA public exponent must be odd, 3 or more, and below 2^64 and the modulus")]
    PublicExponent,
    /// An RSA private exponent does not belong to modulus and public exponent.
    #[error("the RSA private exponent does not fit modulus and public exponent")]
    PrivateExponent,
    /// One of the two primes of an RSA key is given, and the other is not.
    #[error("an RSA key has both primes or none")]
    OnePrime,
    /// The product of the primes is not the modulus.
    #[error("the product of the RSA primes is not the modulus")]
    Primes,
    /// An RSA key has more than two primes.
    #[error("RSA keys with more than two primes are not supported")]
    MorePrimes,
    /// An exponent or the coefficient for the Chinese remainder theorem does not fit the primes.
    #[error("the RSA {0} does not fit primes and private exponent")]
    Crt(KeyPart),
    /// A private scalar is 0, or not below the order of the curve.
    #[error("the private scalar is 0, or not below the order of {0}")]
    Scalar(KeyAlgorithm),
    /// A public point is not on its curve, or has no such encoding.
    #[error("the public point is not on {0}, or is not encoded as SEC 1 has it")]
    Point(KeyAlgorithm),
    /// Private and public key do not belong together.
    #[error("private and public key do not belong together")]
    Mismatch,
    /// A key has an encoding that its standard refuses.
    #[error("the {part} of {algorithm} is not encoded as its standard has it")]
    Encoding {
        /// The algorithm.
        algorithm: KeyAlgorithm,
        /// Which part.
        part: KeyPart,
    },
}

impl KeyError {
    /// A part of a key has another length than the only one that is allowed.
    #[cfg(feature = "private-keys")]
    pub(crate) const fn length(algorithm: KeyAlgorithm, part: KeyPart, len: usize, given: usize) -> Self {
        Self::Length { algorithm, part, allowed: Allowed::Exactly(len), given }
    }
}

/// A form in which keys are written.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyForm {
    /// `PrivateKeyInfo` (RFC 5208, 5958).
    Pkcs8,
    /// `RSAPrivateKey` or `RSAPublicKey` (RFC 8017, A.1).
    Pkcs1,
    /// `ECPrivateKey` (RFC 5915).
    Sec1,
    /// `SubjectPublicKeyInfo` (RFC 5280, 4.1).
    Spki,
    /// Any private key.
    Private,
    /// Any public key.
    Public,
    /// A private or a public key in any of these.
    Any,
}

impl fmt::Display for KeyForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pkcs8 => "PKCS#8 private key",
            Self::Pkcs1 => "PKCS#1 key",
            Self::Sec1 => "SEC 1 private key",
            Self::Spki => "SubjectPublicKeyInfo",
            Self::Private => "private key",
            Self::Public => "public key",
            Self::Any => "private or public key",
        })
    }
}

/// A part of a key.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyPart {
    /// Private bytes: a scalar, a seed, an expanded key.
    Private,
    /// Public bytes.
    Public,
    /// The randomness that a key is generated from.
    Seed,
    /// RSA: `d mod (p - 1)`.
    Dp,
    /// RSA: `d mod (q - 1)`.
    Dq,
    /// RSA: `q^-1 mod p`.
    Qinv,
}

impl fmt::Display for KeyPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Private => "private key",
            Self::Public => "public key",
            Self::Seed => "seed",
            Self::Dp => "exponent d mod (p - 1)",
            Self::Dq => "exponent d mod (q - 1)",
            Self::Qinv => "coefficient q^-1 mod p",
        })
    }
}

/// Why an operation does not fit its key, or its arguments do not fit each other.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// The key has no such operation, or is a public one, and the operation needs a private one.
    #[error("the key has no operation {0}")]
    Operation(Operation),
    /// There is no scheme or padding, or none that keys of this algorithm have.
    #[error("the scheme or the padding is not one of this key's")]
    Scheme,
    /// A digest has another length than that of the hash function of the scheme.
    #[error("a digest of {given} bytes: {hash} gives {}", hash.digest_len())]
    Digest {
        /// The hash function of the scheme.
        hash: KeyHash,
        /// Bytes of the given digest.
        given: usize,
    },
    /// The input is too long, or has another length than the only one that fits.
    #[error("an input of {given} bytes: the key takes {allowed}")]
    Input {
        /// Bytes of the input.
        given: usize,
        /// Allowed lengths, in bytes.
        allowed: Allowed,
    },
    /// The input is as a number not below the modulus.
    #[error("the input is not below the modulus")]
    NotBelowModulus,
    /// The key is too small for hash function and salt, or for a DigestInfo.
    #[error("the key is too small for the scheme")]
    KeyTooSmall,
    /// The peer's public value is none: not on the curve, of the wrong length or form.
    #[error("the peer's public value is not one of this key's group")]
    Peer,
    /// The peer's public value gives the secret 0, which no honest peer's does (RFC 7748, 6.1).
    #[error("the peer's public value gives no secret")]
    ZeroSecret,
    /// The randomness has another length than the operation uses.
    #[error("randomness of {given} bytes: the operation takes {allowed}")]
    Randomness {
        /// Bytes that were given.
        given: usize,
        /// Allowed lengths, in bytes.
        allowed: Allowed,
    },
    /// A given nonce is 0, not below the order, or gives no signature.
    #[error("the given nonce is not one of the curve's")]
    Nonce,
    /// A context of ML-DSA is too long.
    #[error("a context of {given} bytes: at most 255 are allowed")]
    Context {
        /// Bytes of the given context.
        given: usize,
    },
    /// An RSA key cannot be generated with so many bits, or with this exponent.
    #[error("RSA keys are generated with 512 to 16384 bits and an odd exponent from 3 on")]
    Generate,
}
