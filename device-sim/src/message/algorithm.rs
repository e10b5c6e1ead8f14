//! The names of what the device can do: ciphers, AEADs, hash functions.

use std::fmt;
use std::str::FromStr;

/// A cipher without authentication.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cipher {
    /// AES-128 in ECB (SP 800-38A).
    Aes128Ecb,
    /// AES-192 in ECB (SP 800-38A).
    Aes192Ecb,
    /// AES-256 in ECB (SP 800-38A).
    Aes256Ecb,
    /// AES-128 in CBC (SP 800-38A).
    Aes128Cbc,
    /// AES-192 in CBC (SP 800-38A).
    Aes192Cbc,
    /// AES-256 in CBC (SP 800-38A).
    Aes256Cbc,
    /// AES-128 in CTR, a 128-bit big-endian counter (SP 800-38A).
    Aes128Ctr,
    /// AES-192 in CTR, a 128-bit big-endian counter (SP 800-38A).
    Aes192Ctr,
    /// AES-256 in CTR, a 128-bit big-endian counter (SP 800-38A).
    Aes256Ctr,
    /// AES-128 in XTS (SP 800-38E); the key is two AES-128 keys.
    Aes128Xts,
    /// AES-256 in XTS (SP 800-38E); the key is two AES-256 keys.
    Aes256Xts,
}

impl Cipher {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::Aes128Ecb,
        Self::Aes192Ecb,
        Self::Aes256Ecb,
        Self::Aes128Cbc,
        Self::Aes192Cbc,
        Self::Aes256Cbc,
        Self::Aes128Ctr,
        Self::Aes192Ctr,
        Self::Aes256Ctr,
        Self::Aes128Xts,
        Self::Aes256Xts,
    ];

    /// OpenSSL's name, in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aes128Ecb => "aes-128-ecb",
            Self::Aes192Ecb => "aes-192-ecb",
            Self::Aes256Ecb => "aes-256-ecb",
            Self::Aes128Cbc => "aes-128-cbc",
            Self::Aes192Cbc => "aes-192-cbc",
            Self::Aes256Cbc => "aes-256-cbc",
            Self::Aes128Ctr => "aes-128-ctr",
            Self::Aes192Ctr => "aes-192-ctr",
            Self::Aes256Ctr => "aes-256-ctr",
            Self::Aes128Xts => "aes-128-xts",
            Self::Aes256Xts => "aes-256-xts",
        }
    }

    /// Bytes of key; for XTS both halves together.
    pub const fn key_len(self) -> usize {
        match self {
            Self::Aes128Ecb | Self::Aes128Cbc | Self::Aes128Ctr => 16,
            Self::Aes192Ecb | Self::Aes192Cbc | Self::Aes192Ctr => 24,
            Self::Aes256Ecb | Self::Aes256Cbc | Self::Aes256Ctr | Self::Aes128Xts => 32,
            Self::Aes256Xts => 64,
        }
    }

    /// Bytes of IV (CBC), first counter block (CTR) or tweak (XTS); 0 for ECB, which takes none.
    pub const fn iv_len(self) -> usize {
        match self {
            Self::Aes128Ecb | Self::Aes192Ecb | Self::Aes256Ecb => 0,
            _ => 16,
        }
    }

    /// What EVP calls the block size, in bytes: 16 where the text is padded or must be whole blocks (ECB, CBC),
    /// 1 where it may have any length (CTR; XTS from 16 bytes on).
    pub const fn block_len(self) -> usize {
        if self.pads() { 16 } else { 1 }
    }

    /// Whether padding means anything to this cipher.
    pub const fn pads(self) -> bool {
        matches!(
            self,
            Self::Aes128Ecb
                | Self::Aes192Ecb
                | Self::Aes256Ecb
                | Self::Aes128Cbc
                | Self::Aes192Cbc
                | Self::Aes256Cbc
        )
    }
}

/// A cipher with authentication and additional data.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Aead {
    /// AES-128 in GCM (SP 800-38D).
    Aes128Gcm,
    /// AES-192 in GCM (SP 800-38D).
    Aes192Gcm,
    /// AES-256 in GCM (SP 800-38D).
    Aes256Gcm,
}

impl Aead {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::Aes128Gcm, Self::Aes192Gcm, Self::Aes256Gcm];

    /// OpenSSL's name, in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aes128Gcm => "aes-128-gcm",
            Self::Aes192Gcm => "aes-192-gcm",
            Self::Aes256Gcm => "aes-256-gcm",
        }
    }

    /// Bytes of key.
    pub const fn key_len(self) -> usize {
        match self {
            Self::Aes128Gcm => 16,
            Self::Aes192Gcm => 24,
            Self::Aes256Gcm => 32,
        }
    }

    /// Bytes of IV that are usual and quickest; any other number from 1 on is taken too.
    pub const fn iv_len(self) -> usize {
        12
    }

    /// What EVP calls the block size, in bytes: the text may have any length.
    pub const fn block_len(self) -> usize {
        1
    }

    /// Whether tags may have this many bytes: 4, 8, 12 to 16 (SP 800-38D, 5.2.1.2).
    pub const fn allows_tag_len(self, len: usize) -> bool {
        matches!(len, 4 | 8 | 12..=16)
    }
}

/// A hash function, alone or under HMAC.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hash {
    /// SHA-224 (FIPS 180-4).
    Sha224,
    /// SHA-256 (FIPS 180-4).
    Sha256,
    /// SHA-384 (FIPS 180-4).
    Sha384,
    /// SHA-512 (FIPS 180-4).
    Sha512,
    /// SHA-512/256 (FIPS 180-4, 6.7).
    Sha512_256,
}

impl Hash {
    /// All of them.
    pub const ALL: &'static [Self] =
        &[Self::Sha224, Self::Sha256, Self::Sha384, Self::Sha512, Self::Sha512_256];

    /// OpenSSL's name, in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha224 => "sha224",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
            Self::Sha512_256 => "sha512-256",
        }
    }

    /// Bytes of digest, and of HMAC.
    pub const fn digest_len(self) -> usize {
        match self {
            Self::Sha224 => 28,
            Self::Sha256 | Self::Sha512_256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// Bytes that the function takes in at a time; HMAC keys longer than this are hashed first.
    pub const fn block_len(self) -> usize {
        match self {
            Self::Sha224 | Self::Sha256 => 64,
            Self::Sha384 | Self::Sha512 | Self::Sha512_256 => 128,
        }
    }
}

/// What a session computes.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// A cipher; [`crate::Operation::Encrypt`] and [`crate::Operation::Decrypt`].
    Cipher(Cipher),
    /// An AEAD; [`crate::Operation::Encrypt`] and [`crate::Operation::Decrypt`].
    Aead(Aead),
    /// A hash function; [`crate::Operation::Digest`].
    Hash(Hash),
    /// HMAC over a hash function; [`crate::Operation::Mac`].
    Hmac(Hash),
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cipher(cipher) => cipher.fmt(f),
            Self::Aead(aead) => aead.fmt(f),
            Self::Hash(hash) => hash.fmt(f),
            Self::Hmac(hash) => write!(f, "hmac-{hash}"),
        }
    }
}

/// No algorithm of that kind has that name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not one of the {kind} here: {known}")]
pub struct UnknownName {
    given: String,
    kind: &'static str,
    known: String,
}

macro_rules! named {
    ($($algorithm:ident: $kind:literal),+) => {$(
        impl fmt::Display for $algorithm {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }

        /// Accepts every name that OpenSSL has for it, in any case.
        impl FromStr for $algorithm {
            type Err = UnknownName;

            fn from_str(given: &str) -> Result<Self, UnknownName> {
                let name = canonical(given);
                Self::ALL.iter().copied().find(|known| known.name() == name).ok_or_else(|| UnknownName {
                    given: given.to_owned(),
                    kind: $kind,
                    known: Self::ALL.iter().map(|known| known.name()).collect::<Vec<_>>().join(", "),
                })
            }
        }
    )+};
}

named!(Cipher: "ciphers", Aead: "AEADs", Hash: "hash functions");

/// OpenSSL's main name for what it may also call otherwise: `SHA2-256`, `SHA-512/256`, `AES256`,
/// `id-aes128-GCM`.
fn canonical(given: &str) -> String {
    let name = given.to_ascii_lowercase().replace('/', "-");
    if let Some(bits) = name.strip_prefix("sha2-").or_else(|| name.strip_prefix("sha-")) {
        return format!("sha{bits}");
    }
    if let Some(rest) = name.strip_prefix("id-aes") {
        return format!("aes-{rest}");
    }
    match name.as_str() {
        "aes128" | "aes192" | "aes256" => format!("aes-{}-cbc", &name[3..]),
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_parses_back_in_any_case() {
        for &cipher in Cipher::ALL {
            assert_eq!(cipher.name().parse(), Ok(cipher));
            assert_eq!(cipher.to_string().to_uppercase().parse(), Ok(cipher));
        }
        for &aead in Aead::ALL {
            assert_eq!(aead.to_string().to_uppercase().parse(), Ok(aead));
        }
        for &hash in Hash::ALL {
            assert_eq!(hash.to_string().to_uppercase().parse(), Ok(hash));
        }
    }

    #[test]
    fn names_of_openssl_parse() {
        for name in ["SHA256", "sha2-256", "SHA-256"] {
            assert_eq!(name.parse(), Ok(Hash::Sha256));
        }
        for name in ["SHA512-256", "SHA2-512/256", "SHA-512/256", "sha512/256"] {
            assert_eq!(name.parse(), Ok(Hash::Sha512_256));
        }
        assert_eq!("AES256".parse(), Ok(Cipher::Aes256Cbc));
        assert_eq!("id-aes192-GCM".parse(), Ok(Aead::Aes192Gcm));
    }

    #[test]
    fn unknown_names_say_what_is_known() {
        let error = "aes-512-ecb".parse::<Cipher>().unwrap_err().to_string();
        assert!(error.contains("\"aes-512-ecb\"") && error.contains("aes-256-xts"), "{error}");
        assert!("".parse::<Hash>().is_err());
        assert!("sha".parse::<Hash>().is_err());
        assert!("aes-128-gcm".parse::<Cipher>().is_err());
    }

    #[test]
    fn digest_lengths_fit_a_tag() {
        assert!(Hash::ALL.iter().all(|hash| hash.digest_len() <= crate::Tag::MAX));
    }
}
