//! What an operation with a private or a public key has besides its input: scheme, padding, randomness.
//!
//! ```text
//!   Sign          scheme, randomness              input: digest or message    gives: signature
//!   Verify        scheme, signature               input: digest or message    gives: nothing
//!   Decrypt       padding, randomness             input: ciphertext           gives: plaintext
//!   Encrypt       padding, randomness             input: plaintext            gives: ciphertext
//!   Derive                                        input: peer's public value  gives: secret
//!   Encapsulate   randomness                      input: empty                gives: ciphertext, secret
//!   Decapsulate                                   input: ciphertext           gives: secret
//!   Generate      randomness, RSA: bits, exponent input: empty                gives: the private key
//! ```
//!
//! No operation draws randomness: the caller draws it before the request is submitted, and the same request
//! gives the same result wherever it is computed, or computed again.

use std::fmt;

use zeroize::Zeroizing;

/// A hash function inside a scheme: it hashed the message, makes masks, or makes a nonce.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyHash {
    /// SHA-1 (FIPS 180-4). For old signatures and for OAEP.
    Sha1,
    /// SHA-224.
    Sha224,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
    /// SHA-512/224.
    Sha512_224,
    /// SHA-512/256.
    Sha512_256,
    /// SHA3-224 (FIPS 202).
    Sha3_224,
    /// SHA3-256.
    Sha3_256,
    /// SHA3-384.
    Sha3_384,
    /// SHA3-512.
    Sha3_512,
}

impl KeyHash {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::Sha1,
        Self::Sha224,
        Self::Sha256,
        Self::Sha384,
        Self::Sha512,
        Self::Sha512_224,
        Self::Sha512_256,
        Self::Sha3_224,
        Self::Sha3_256,
        Self::Sha3_384,
        Self::Sha3_512,
    ];

    /// OpenSSL's name, in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha224 => "sha224",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
            Self::Sha512_224 => "sha512-224",
            Self::Sha512_256 => "sha512-256",
            Self::Sha3_224 => "sha3-224",
            Self::Sha3_256 => "sha3-256",
            Self::Sha3_384 => "sha3-384",
            Self::Sha3_512 => "sha3-512",
        }
    }

    /// OpenSSL's other names for it.
    pub const fn aliases(self) -> &'static [&'static str] {
        match self {
            Self::Sha1 => &["SHA-1", "SSL3-SHA1", "1.3.14.3.2.26"],
            Self::Sha224 => &["SHA-224", "SHA2-224", "2.16.840.1.101.3.4.2.4"],
            Self::Sha256 => &["SHA-256", "SHA2-256", "2.16.840.1.101.3.4.2.1"],
            Self::Sha384 => &["SHA-384", "SHA2-384", "2.16.840.1.101.3.4.2.2"],
            Self::Sha512 => &["SHA-512", "SHA2-512", "2.16.840.1.101.3.4.2.3"],
            Self::Sha512_224 => &["SHA-512/224", "SHA2-512/224", "2.16.840.1.101.3.4.2.5"],
            Self::Sha512_256 => &["SHA-512/256", "SHA2-512/256", "2.16.840.1.101.3.4.2.6"],
            Self::Sha3_224 => &["2.16.840.1.101.3.4.2.7"],
            Self::Sha3_256 => &["2.16.840.1.101.3.4.2.8"],
            Self::Sha3_384 => &["2.16.840.1.101.3.4.2.9"],
            Self::Sha3_512 => &["2.16.840.1.101.3.4.2.10"],
        }
    }

    /// Bytes of a digest.
    pub const fn digest_len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha224 | Self::Sha512_224 | Self::Sha3_224 => 28,
            Self::Sha256 | Self::Sha512_256 | Self::Sha3_256 => 32,
            Self::Sha384 | Self::Sha3_384 => 48,
            Self::Sha512 | Self::Sha3_512 => 64,
        }
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How a signature is made and compared.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignatureScheme {
    /// RSASSA-PKCS1-v1_5 (RFC 8017, 8.2). The input is a digest of `hash`; `None`: any bytes, which are
    /// padded as they are (TLS 1.0 and 1.1, or a DigestInfo that the caller has made).
    Pkcs1v15 {
        /// What hashed the message.
        hash: Option<KeyHash>,
    },
    /// RSASSA-PSS (RFC 8017, 8.1). The input is a digest of `hash`.
    Pss {
        /// What hashed the message.
        hash: KeyHash,
        /// What makes the mask.
        mgf_hash: KeyHash,
        /// The salt.
        salt: Salt,
    },
    /// RSA without padding: the input is as long as the modulus, and as a number below it.
    RawRsa,
    /// ECDSA (FIPS 186-5, 6). The input is a digest of any length, which is cut to the bits of the order.
    Ecdsa {
        /// Where the nonce comes from; comparing needs none.
        nonce: Nonce,
        /// How the two numbers are written.
        form: EcdsaForm,
    },
    /// Ed25519 (RFC 8032, 5.1). The input is the whole message.
    Ed25519,
    /// ML-DSA (FIPS 204, 5.2). The input is the whole message.
    MlDsa {
        /// At most 255 bytes; usually none.
        context: Vec<u8>,
        /// Whether signing uses [`KeyArguments::randomness`], 32 bytes; it is deterministic otherwise.
        hedged: bool,
    },
}

/// The salt of RSASSA-PSS.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Salt {
    /// This many bytes. Signing takes them from [`KeyArguments::randomness`], expanded.
    Len(usize),
    /// These bytes, to sign with.
    Given(Vec<u8>),
    /// As many as fit, to sign with; any number, to compare.
    Any,
}

/// The nonce of ECDSA.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nonce {
    /// By RFC 6979, with this hash function.
    Deterministic(KeyHash),
    /// By RFC 6979 with [`KeyArguments::randomness`] as additional data (RFC 6979, 3.6).
    Hedged(KeyHash),
    /// This number, big-endian, as long as the order, for published vectors. It must never be used twice, nor
    /// be known to anybody.
    Given(Zeroizing<Vec<u8>>),
}

/// How an ECDSA signature is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum EcdsaForm {
    /// DER, as X.509 and TLS have it (RFC 3279, 2.2.3).
    #[default]
    Der,
    /// Both numbers big-endian, each as long as the order (IEEE P1363).
    Fixed,
}

/// How a text is padded for RSA.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RsaPadding {
    /// RSAES-PKCS1-v1_5 (RFC 8017, 7.2).
    Pkcs1 {
        /// Whether wrong padding gives a plaintext that is made up from key and ciphertext, as OpenSSL 3.2
        /// does (draft-irtf-cfrg-rsa-guidance), in place of an error that could serve as an oracle.
        implicit_rejection: bool,
    },
    /// RSAES-OAEP (RFC 8017, 7.1).
    Oaep {
        /// What hashes the label.
        hash: KeyHash,
        /// What makes the mask.
        mgf_hash: KeyHash,
        /// The label; usually none.
        label: Vec<u8>,
    },
    /// None: the text is as long as the modulus, and as a number below it.
    None,
    /// Decrypts the premaster secret of TLS 1.2 and older (RFC 5246, 7.4.7.1): always 48 bytes, which are
    /// [`KeyArguments::randomness`] where padding, length or version are wrong.
    TlsPremaster {
        /// The version of the client's hello.
        client_version: u16,
        /// The negotiated version, for clients that send that one.
        alt_version: Option<u16>,
    },
}

/// What an operation with a key has besides its input. What is secret in it, randomness and a given nonce, is
/// wiped on drop.
#[non_exhaustive]
#[derive(Clone, Default)]
pub struct KeyArguments {
    /// For Sign and Verify.
    pub scheme: Option<SignatureScheme>,
    /// For Decrypt and Encrypt.
    pub padding: Option<RsaPadding>,
    /// The signature to compare with, for Verify.
    pub signature: Vec<u8>,
    /// Whatever is random in the operation.
    ///
    /// | operation | bytes | used |
    /// |---|---|---|
    /// | RSA Sign, Decrypt | 32, or none | for blinding and the salt of PSS; without them blinding comes from key and input |
    /// | RSA Decrypt, TLS premaster | 48 | as the secret in place of a wrong one |
    /// | RSA Encrypt | 32 | expanded for padding, or for the seed of OAEP |
    /// | ECDSA Sign, hedged | 32 | as additional data |
    /// | ML-DSA Sign, hedged | 32 | as `rnd` |
    /// | Encapsulate | 32; X25519MLKEM768: 64 | as `m`, then the X25519 key |
    /// | Generate | [`KeyAlgorithm::seed_len`](crate::KeyAlgorithm::seed_len) | as the secret itself, or expanded |
    pub randomness: Zeroizing<Vec<u8>>,
    /// Bits of the modulus, for Generate with [`KeyAlgorithm::Rsa`](crate::KeyAlgorithm::Rsa).
    pub bits: u32,
    /// The public exponent, for Generate with RSA; 0 stands for 65537.
    pub exponent: u64,
}

impl KeyArguments {
    /// For [`Operation::Sign`](crate::Operation::Sign).
    pub fn sign(scheme: SignatureScheme, randomness: &[u8]) -> Self {
        Self { scheme: Some(scheme), randomness: randomness.to_vec().into(), ..Self::default() }
    }

    /// For [`Operation::Verify`](crate::Operation::Verify).
    pub fn verify(scheme: SignatureScheme, signature: &[u8]) -> Self {
        Self { scheme: Some(scheme), signature: signature.to_vec(), ..Self::default() }
    }

    /// For [`Operation::Decrypt`](crate::Operation::Decrypt) and
    /// [`Operation::Encrypt`](crate::Operation::Encrypt).
    pub fn padded(padding: RsaPadding, randomness: &[u8]) -> Self {
        Self { padding: Some(padding), randomness: randomness.to_vec().into(), ..Self::default() }
    }

    /// For [`Operation::Encapsulate`](crate::Operation::Encapsulate) and
    /// [`Operation::Generate`](crate::Operation::Generate).
    pub fn random(randomness: &[u8]) -> Self {
        Self { randomness: randomness.to_vec().into(), ..Self::default() }
    }

    /// With this many bits of modulus, and this public exponent (0: 65537).
    #[must_use]
    pub const fn with_modulus(mut self, bits: u32, exponent: u64) -> Self {
        (self.bits, self.exponent) = (bits, exponent);
        self
    }
}

/// Prints what they are, and none of the bytes.
impl fmt::Debug for KeyArguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyArguments")
            .field("scheme", &self.scheme.as_ref().map(std::mem::discriminant))
            .field("padding", &self.padding.as_ref().map(std::mem::discriminant))
            .field("signature_len", &self.signature.len())
            .field("randomness_len", &self.randomness.len())
            .finish_non_exhaustive()
    }
}
