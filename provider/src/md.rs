//! Hash functions inside of schemes: their names, lengths and object identifiers, and software that computes
//! them.
//!
//! ```text
//!   digest_sign_init("SHA2-256") ──► Md ── hasher ──► Hasher      update, and a copy for DUPCTX
//!                                     │                  └─ finish ──► the digest, which the device signs
//!                                     └─ key_hash ──► the same for the device: masks, DigestInfo, nonces
//! ```
//!
//! A message is hashed in the call that passes it, by the processor. The device is asked once, at the end,
//! for the signature.

use md5::Md5;
use sha1::Sha1;
use sha2::digest::Digest;
use sha2::{Sha224, Sha256, Sha384, Sha512, Sha512_224, Sha512_256};
use sha3::{Sha3_224, Sha3_256, Sha3_384, Sha3_512};
use simaccel::KeyHash;

/// A hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Md(usize);

struct Spec {
    /// The default provider's names, separated by colons.
    names: &'static str,
    /// Bytes of a digest.
    len: usize,
    key_hash: Option<KeyHash>,
    /// The value of its own object identifier.
    oid: Option<&'static [u8]>,
    /// That of PKCS#1 signatures with it.
    with_rsa: Option<&'static [u8]>,
    /// That of ECDSA signatures with it.
    with_ecdsa: Option<&'static [u8]>,
    hasher: fn() -> Hasher,
}

/// Object identifiers with this beginning end with the given bytes.
macro_rules! oid {
    (nist $($last:literal),+) => { Some(&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, $($last),+]) };
    (pkcs1 $last:literal) => { Some(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, $last]) };
    (ansi $($last:literal),+) => { Some(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, $($last),+]) };
    (all $($byte:literal),+) => { Some(&[$($byte),+]) };
    (none) => { None };
}

/// Declares the functions, and the state of each.
macro_rules! functions {
    ($(
        $Type:ident $names:literal $len:literal $key_hash:expr;
        ($($oid:tt)+) ($($with_rsa:tt)+) ($($with_ecdsa:tt)+)
    )+) => {
        /// A hash function at work. A copy goes on by itself.
        #[derive(Clone)]
        pub(crate) enum Hasher { $($Type($Type),)+ }

        impl Hasher {
            pub(crate) fn update(&mut self, text: &[u8]) {
                match self { $(Self::$Type(state) => state.update(text),)+ }
            }

            /// The digest, appended to `bytes`.
            pub(crate) fn finish(self, bytes: &mut Vec<u8>) {
                match self { $(Self::$Type(state) => bytes.extend_from_slice(&state.finalize()),)+ }
            }
        }

        static FUNCTIONS: &[Spec] = &[$(Spec {
            names: $names,
            len: $len,
            key_hash: $key_hash,
            oid: oid!($($oid)+),
            with_rsa: oid!($($with_rsa)+),
            with_ecdsa: oid!($($with_ecdsa)+),
            hasher: || Hasher::$Type($Type::new()),
        },)+];
    };
}

functions! {
    Sha1 "SHA1:SHA-1:SSL3-SHA1:1.3.14.3.2.26" 20 Some(KeyHash::Sha1);
    (all 0x2b, 0x0e, 0x03, 0x02, 0x1a) (pkcs1 5) (ansi 1)
    Sha224 "SHA2-224:SHA-224:SHA224:2.16.840.1.101.3.4.2.4" 28 Some(KeyHash::Sha224);
    (nist 2, 4) (pkcs1 14) (ansi 3, 1)
    Sha256 "SHA2-256:SHA-256:SHA256:2.16.840.1.101.3.4.2.1" 32 Some(KeyHash::Sha256);
    (nist 2, 1) (pkcs1 11) (ansi 3, 2)
    Sha384 "SHA2-384:SHA-384:SHA384:2.16.840.1.101.3.4.2.2" 48 Some(KeyHash::Sha384);
    (nist 2, 2) (pkcs1 12) (ansi 3, 3)
    Sha512 "SHA2-512:SHA-512:SHA512:2.16.840.1.101.3.4.2.3" 64 Some(KeyHash::Sha512);
    (nist 2, 3) (pkcs1 13) (ansi 3, 4)
    Sha512_224 "SHA2-512/224:SHA-512/224:SHA512-224:2.16.840.1.101.3.4.2.5" 28 Some(KeyHash::Sha512_224);
    (nist 2, 5) (pkcs1 15) (none)
    Sha512_256 "SHA2-512/256:SHA-512/256:SHA512-256:2.16.840.1.101.3.4.2.6" 32 Some(KeyHash::Sha512_256);
    (nist 2, 6) (pkcs1 16) (none)
    Sha3_224 "SHA3-224:2.16.840.1.101.3.4.2.7" 28 Some(KeyHash::Sha3_224);
    (nist 2, 7) (nist 3, 13) (nist 3, 9)
    Sha3_256 "SHA3-256:2.16.840.1.101.3.4.2.8" 32 Some(KeyHash::Sha3_256);
    (nist 2, 8) (nist 3, 14) (nist 3, 10)
    Sha3_384 "SHA3-384:2.16.840.1.101.3.4.2.9" 48 Some(KeyHash::Sha3_384);
    (nist 2, 9) (nist 3, 15) (nist 3, 11)
    Sha3_512 "SHA3-512:2.16.840.1.101.3.4.2.10" 64 Some(KeyHash::Sha3_512);
    (nist 2, 10) (nist 3, 16) (nist 3, 12)
    Md5Sha1 "MD5-SHA1" 36 None;
    (none) (none) (none)
    Md5 "MD5:SSL3-MD5:1.2.840.113549.2.5" 16 None;
    (all 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x02, 0x05) (pkcs1 4) (none)
}

/// Both digests of TLS 1.0 and 1.1, one behind the other.
#[derive(Clone)]
pub(crate) struct Md5Sha1 {
    md5: Md5,
    sha1: Sha1,
}

impl Md5Sha1 {
    fn new() -> Self {
        Self { md5: Md5::new(), sha1: Sha1::new() }
    }

    fn update(&mut self, text: &[u8]) {
        self.md5.update(text);
        self.sha1.update(text);
    }

    fn finalize(self) -> [u8; 36] {
        let mut both = [0; 36];
        both[..16].copy_from_slice(&self.md5.finalize());
        both[16..].copy_from_slice(&self.sha1.finalize());
        both
    }
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hasher").finish_non_exhaustive()
    }
}

impl Md {
    /// What OpenSSL means where nothing is said.
    pub(crate) const SHA1: Self = Self(0);
    /// MD5 and SHA-1, which have no DigestInfo.
    const MD5_SHA1: Self = Self(11);
    /// The last of those functions, in their order.
    const LAST_SHA2: usize = 6;

    /// The function of this name, in any case.
    pub(crate) fn named(name: &[u8]) -> Option<Self> {
        let is = |spec: &Spec| spec.names.split(':').any(|known| known.as_bytes().eq_ignore_ascii_case(name));
        FUNCTIONS.iter().position(is).map(Self)
    }

    fn spec(self) -> &'static Spec {
        &FUNCTIONS[self.0]
    }

    /// The name by which the default provider knows it.
    pub(crate) fn name(self) -> &'static str {
        self.spec().names.split(':').next().unwrap_or_default()
    }

    /// Bytes of a digest.
    pub(crate) fn len(self) -> usize {
        self.spec().len
    }

    /// The same for the device; `None`: it does not know it.
    pub(crate) fn key_hash(self) -> Option<KeyHash> {
        self.spec().key_hash
    }

    pub(crate) fn hasher(self) -> Hasher {
        (self.spec().hasher)()
    }

    pub(crate) fn oid(self) -> Option<&'static [u8]> {
        self.spec().oid
    }

    pub(crate) fn oid_with_rsa(self) -> Option<&'static [u8]> {
        self.spec().with_rsa
    }

    pub(crate) fn oid_with_ecdsa(self) -> Option<&'static [u8]> {
        self.spec().with_ecdsa
    }

    /// Whether OpenSSL writes it into parameters of PSS.
    pub(crate) const fn is_sha1_or_sha2(self) -> bool {
        self.0 <= Self::LAST_SHA2
    }

    /// Whether PKCS#1 pads the digest as it is.
    pub(crate) fn is_bare(self) -> bool {
        self == Self::MD5_SHA1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(name: &str, text: &[u8]) -> String {
        let mut hasher = Md::named(name.as_bytes()).unwrap().hasher();
        // A copy goes on by itself.
        hasher.update(&text[..1]);
        let mut copy = hasher.clone();
        hasher.update(b"something else");
        copy.update(&text[1..]);
        let mut bytes = Vec::new();
        copy.finish(&mut bytes);
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn digests_have_their_length_and_are_those_of_the_standards() {
        for spec in FUNCTIONS {
            let name = spec.names.split(':').next().unwrap();
            assert_eq!(digest(name, b"abc").len(), 2 * spec.len, "{name}");
        }
        // RFC 1321, RFC 3174, FIPS 202.
        assert_eq!(
            digest("md5-sha1", b"abc"),
            "900150983cd24fb0d6963f7d28e17f72a9993e364706816aba3e25717850c26c9cd0d89d"
        );
        assert_eq!(
            digest("SHA3-256", b"abc"),
            "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532"
        );
        assert!(Md::named(b"MD5-SHA1").unwrap().is_bare());
        assert_eq!(Md::named(b"sha-256").map(Md::name), Some("SHA2-256"));
        assert_eq!(Md::named(b"SHAKE256"), None);
        let last = Md::named(b"SHA512-256").unwrap();
        assert!(last.is_sha1_or_sha2() && !Md::named(b"SHA3-224").unwrap().is_sha1_or_sha2());
    }
}
