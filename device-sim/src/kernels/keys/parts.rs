//! What keys are made of: numbers, points and bytes, as they are imported and exported.

use std::fmt;

use zeroize::Zeroizing;

/// The numbers of a private RSA key, big-endian; leading zeros do not matter. Those that are empty are
/// computed.
#[non_exhaustive]
#[derive(Clone, Default)]
pub struct RsaNumbers {
    /// The modulus.
    pub n: Vec<u8>,
    /// The public exponent.
    pub e: Vec<u8>,
    /// The private exponent.
    pub d: Zeroizing<Vec<u8>>,
    /// The first prime.
    pub p: Zeroizing<Vec<u8>>,
    /// The second prime.
    pub q: Zeroizing<Vec<u8>>,
    /// `d mod (p - 1)`.
    pub dp: Zeroizing<Vec<u8>>,
    /// `d mod (q - 1)`.
    pub dq: Zeroizing<Vec<u8>>,
    /// `q^-1 mod p`.
    pub qinv: Zeroizing<Vec<u8>>,
}

impl RsaNumbers {
    /// A key without its primes, which are found by the private exponent.
    pub fn new(n: &[u8], e: &[u8], d: &[u8]) -> Self {
        Self { n: n.to_vec(), e: e.to_vec(), d: d.to_vec().into(), ..Self::default() }
    }

    /// With its primes.
    #[must_use]
    pub fn with_primes(mut self, p: &[u8], q: &[u8]) -> Self {
        (self.p, self.q) = (p.to_vec().into(), q.to_vec().into());
        self
    }

    /// With the exponents and the coefficient for the Chinese remainder theorem, which are checked.
    #[must_use]
    pub fn with_crt(mut self, dp: &[u8], dq: &[u8], qinv: &[u8]) -> Self {
        (self.dp, self.dq, self.qinv) = (dp.to_vec().into(), dq.to_vec().into(), qinv.to_vec().into());
        self
    }
}

/// Prints no number.
impl fmt::Debug for RsaNumbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RsaNumbers").field("n_len", &self.n.len()).finish_non_exhaustive()
    }
}

/// All that a private key is made of. It is wiped on drop.
#[non_exhaustive]
#[derive(Clone)]
pub enum PrivateParts {
    /// RSA.
    Rsa(RsaNumbers),
    /// A curve of NIST's.
    Ec {
        /// The private scalar, big-endian, as long as the order.
        scalar: Zeroizing<Vec<u8>>,
        /// The public point (SEC 1, uncompressed). Imported without it, it is computed.
        point: Option<Vec<u8>>,
    },
    /// All others: the bytes of their standard.
    ///
    /// | algorithm | bytes |
    /// |---|---|
    /// | X25519 | 32 (RFC 7748, 5) |
    /// | Ed25519 | 32, the seed (RFC 8032, 5.1.5) |
    /// | ML-KEM-768 | 64, the seed `d`, `z`, or 2400, the expanded key (FIPS 203) |
    /// | X25519MLKEM768 | those of ML-KEM-768, then 32 of X25519 |
    /// | ML-DSA-44, -65 | 32, the seed, or 2560 and 4032, the expanded key (FIPS 204) |
    Raw(Zeroizing<Vec<u8>>),
}

/// Prints nothing of it.
impl fmt::Debug for PrivateParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rsa(_) => "Rsa(..)",
            Self::Ec { .. } => "Ec(..)",
            Self::Raw(_) => "Raw(..)",
        })
    }
}

/// All that a public key is made of.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicParts {
    /// RSA, both big-endian without leading zeros.
    Rsa {
        /// The modulus.
        n: Vec<u8>,
        /// The public exponent.
        e: Vec<u8>,
    },
    /// All others: the bytes of their standard. For a curve of NIST's the point (SEC 1, uncompressed), for
    /// X25519 and Ed25519 32 bytes, for ML-KEM-768 1184, for X25519MLKEM768 1216 (ML-KEM's first), for ML-DSA
    /// 1312 and 1952.
    Raw(Vec<u8>),
}
