//! The names of the device's algorithms, and what is known of each without a key: lengths, output, cost.
//!
//! All of it comes from the [table](super::table) and, where it is the same for keys of every length, from
//! the [`Mode`].

use crate::message::cost::Cost;
use crate::message::key_algorithm::KeyAlgorithm;
use crate::message::lengths::Allowed;
use crate::message::mode::{Facts, Mode};
use crate::message::operation::Operation;
use crate::message::shape::OutputLen;
use crate::message::with_algorithms;

macro_rules! define {
    (
        ciphers { $(
            $(#[$cipher_doc:meta])+
            $cipher:ident {
                name: $cipher_name:literal, also: $cipher_also:tt,
                key: $cipher_key:literal, mode: $cipher_mode:ident, kernel: $cipher_kernel:ty
            }
        )+ }
        aeads { $(
            $(#[$aead_doc:meta])+
            $aead:ident {
                name: $aead_name:literal, also: $aead_also:tt,
                key: $aead_key:literal, mode: $aead_mode:ident, kernel: $aead_kernel:ty
            }
        )+ }
        hashes { $(
            $(#[$hash_doc:meta])+
            $hash:ident {
                name: $hash_name:literal, also: $hash_also:tt,
                digest: $digest:literal, block: $block:literal, kernel: $hash_kernel:ty
            }
        )+ }
        hmacs { $(
            $hmac:ident {
                name: $hmac_name:literal, also: $hmac_also:tt,
                hash: $hmac_hash:ident, kernel: $hmac_kernel:ty
            }
        )+ }
        keys $keys:tt
        trials { $(
            $(#[$trial_doc:meta])+
            $trial:ident {
                name: $trial_name:literal, takes: $takes:ident($lens:literal),
                gives: [$($operation:ident => $shape:ident($bytes:literal)),+], kernel: $trial_kernel:ty
            }
        )+ }
    ) => {
        /// A cipher without authentication.
        #[non_exhaustive]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Cipher {
            $($(#[$cipher_doc])+ $cipher,)+
        }

        impl Cipher {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$cipher),+];

            /// OpenSSL's name, in lower case.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$cipher => $cipher_name),+
                }
            }

            /// OpenSSL's other names for it, which are accepted too, including object identifiers.
            pub const fn aliases(self) -> &'static [&'static str] {
                match self {
                    $(Self::$cipher => &$cipher_also),+
                }
            }

            /// Bytes of key; for XTS both halves together.
            pub const fn key_len(self) -> usize {
                match self {
                    $(Self::$cipher => $cipher_key),+
                }
            }

            /// The mode of operation.
            pub const fn mode(self) -> Mode {
                match self {
                    $(Self::$cipher => Mode::$cipher_mode),+
                }
            }
        }

        /// A cipher with authentication and additional data.
        #[non_exhaustive]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Aead {
            $($(#[$aead_doc])+ $aead,)+
        }

        impl Aead {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$aead),+];

            /// OpenSSL's name, in lower case.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$aead => $aead_name),+
                }
            }

            /// OpenSSL's other names for it, which are accepted too, including object identifiers.
            pub const fn aliases(self) -> &'static [&'static str] {
                match self {
                    $(Self::$aead => &$aead_also),+
                }
            }

            /// Bytes of key.
            pub const fn key_len(self) -> usize {
                match self {
                    $(Self::$aead => $aead_key),+
                }
            }

            /// The mode of operation.
            pub const fn mode(self) -> Mode {
                match self {
                    $(Self::$aead => Mode::$aead_mode),+
                }
            }
        }

        /// A hash function, alone or under HMAC.
        #[non_exhaustive]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Hash {
            $($(#[$hash_doc])+ $hash,)+
        }

        impl Hash {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$hash),+];

            /// OpenSSL's name, in lower case.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$hash => $hash_name),+
                }
            }

            /// OpenSSL's other names for it, which are accepted too, including object identifiers.
            pub const fn aliases(self) -> &'static [&'static str] {
                match self {
                    $(Self::$hash => &$hash_also),+
                }
            }

            /// Bytes of digest, and of HMAC.
            pub const fn digest_len(self) -> usize {
                match self {
                    $(Self::$hash => $digest),+
                }
            }

            /// The block size of the function, in bytes; HMAC keys longer than this are hashed first.
            pub const fn block_len(self) -> usize {
                match self {
                    $(Self::$hash => $block),+
                }
            }

            const fn hmac_name(self) -> &'static str {
                match self {
                    $(Self::$hmac_hash => $hmac_name),+
                }
            }

            const fn hmac_aliases(self) -> &'static [&'static str] {
                match self {
                    $(Self::$hmac_hash => &$hmac_also),+
                }
            }
        }

        /// An algorithm for tests of what comes back.
        #[doc(hidden)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Trial {
            $($(#[$trial_doc])+ $trial,)+
        }

        impl Trial {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$trial),+];

            const fn name(self) -> &'static str {
                match self {
                    $(Self::$trial => $trial_name),+
                }
            }

            const fn message_lens(self) -> Allowed {
                match self {
                    $(Self::$trial => Allowed::$takes($lens)),+
                }
            }

            const fn operations(self) -> &'static [Operation] {
                match self {
                    $(Self::$trial => &[$(Operation::$operation),+]),+
                }
            }

            const fn output(self, operation: Operation) -> Option<OutputLen> {
                match (self, operation) {
                    $($((Self::$trial, Operation::$operation) => Some(OutputLen::$shape($bytes)),)+)+
                    _ => None,
                }
            }
        }

        impl Algorithm {
            /// All of them, in the order of the table.
            pub const ALL: &'static [Self] = &{
                let mut all = [Self::SYMMETRIC[0]; Self::SYMMETRIC.len() + KeyAlgorithm::ALL.len()];
                let mut at = 0;
                while at < all.len() {
                    all[at] = if at < Self::SYMMETRIC.len() {
                        Self::SYMMETRIC[at]
                    } else {
                        Self::Key(KeyAlgorithm::ALL[at - Self::SYMMETRIC.len()])
                    };
                    at += 1;
                }
                all
            };

            /// Those whose key, if they have one, is any bytes of the right length.
            pub const SYMMETRIC: &'static [Self] = &[
                $(Self::Cipher(Cipher::$cipher),)+
                $(Self::Aead(Aead::$aead),)+
                $(Self::Hash(Hash::$hash),)+
                $(Self::Hmac(Hash::$hmac_hash),)+
            ];
        }
    };
}

with_algorithms!(define);

/// What a session computes.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// A cipher; [`Operation::Encrypt`] and [`Operation::Decrypt`].
    Cipher(Cipher),
    /// An AEAD; [`Operation::Encrypt`] and [`Operation::Decrypt`].
    Aead(Aead),
    /// A hash function; [`Operation::Digest`].
    Hash(Hash),
    /// HMAC over a hash function; [`Operation::Mac`].
    Hmac(Hash),
    /// Private keys and public keys; the operations are those of its [family](KeyAlgorithm::operations).
    Key(KeyAlgorithm),
    /// For tests; in no list.
    #[doc(hidden)]
    Trial(Trial),
}

impl From<Cipher> for Algorithm {
    fn from(cipher: Cipher) -> Self {
        Self::Cipher(cipher)
    }
}

impl From<Aead> for Algorithm {
    fn from(aead: Aead) -> Self {
        Self::Aead(aead)
    }
}

impl From<KeyAlgorithm> for Algorithm {
    fn from(key: KeyAlgorithm) -> Self {
        Self::Key(key)
    }
}

impl Algorithm {
    /// OpenSSL's name, in lower case; for HMAC `hmac-` and that of the hash function.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cipher(cipher) => cipher.name(),
            Self::Aead(aead) => aead.name(),
            Self::Hash(hash) => hash.name(),
            Self::Hmac(hash) => hash.hmac_name(),
            Self::Key(key) => key.name(),
            Self::Trial(trial) => trial.name(),
        }
    }

    /// OpenSSL's other names for it, which are accepted too, including object identifiers. For HMAC, `HMAC-`
    /// and any name of the hash function is accepted as well.
    pub const fn aliases(self) -> &'static [&'static str] {
        match self {
            Self::Cipher(cipher) => cipher.aliases(),
            Self::Aead(aead) => aead.aliases(),
            Self::Hash(hash) => hash.aliases(),
            Self::Hmac(hash) => hash.hmac_aliases(),
            Self::Key(key) => key.aliases(),
            Self::Trial(_) => &[],
        }
    }

    /// Allowed lengths of its key, in bytes; a private or a public key is given as DER.
    pub const fn key_lens(self) -> Allowed {
        match self {
            Self::Cipher(cipher) => Allowed::Exactly(cipher.key_len()),
            Self::Aead(aead) => Allowed::Exactly(aead.key_len()),
            Self::Hash(_) | Self::Trial(_) => Allowed::Nothing,
            Self::Hmac(_) => Allowed::AtLeast(0),
            Self::Key(_) => Allowed::AtLeast(1),
        }
    }

    /// Bytes of a key that is neither too short nor longer than useful: the only allowed length, or for HMAC
    /// the digest's (RFC 2104, 3); 0 for private keys, which are not any bytes of a length.
    pub const fn usual_key_len(self) -> usize {
        match self {
            Self::Cipher(cipher) => cipher.key_len(),
            Self::Aead(aead) => aead.key_len(),
            Self::Hash(_) | Self::Key(_) | Self::Trial(_) => 0,
            Self::Hmac(hash) => hash.digest_len(),
        }
    }

    /// Allowed lengths of an initialisation vector, counter block, tweak or nonce, in bytes.
    #[inline]
    pub const fn iv_lens(self) -> Allowed {
        match self.facts() {
            Some(facts) => facts.iv,
            None => Allowed::Nothing,
        }
    }

    /// Bytes of the usual and fastest initialisation vector; 0 where there is none.
    pub const fn usual_iv_len(self) -> usize {
        match self.facts() {
            Some(facts) => facts.usual_iv,
            None => 0,
        }
    }

    /// Allowed lengths of a tag, ascending; empty where there are no tags. The last is the default.
    pub const fn tag_lens(self) -> &'static [usize] {
        match self.facts() {
            Some(facts) => facts.tags,
            None => &[],
        }
    }

    /// Allowed lengths of a whole message, in bytes, apart from padding.
    #[inline]
    pub const fn message_lens(self) -> Allowed {
        match (self, self.facts()) {
            (Self::Trial(trial), _) => trial.message_lens(),
            (_, Some(facts)) => facts.message,
            (_, None) => Allowed::AtLeast(0),
        }
    }

    /// Whether it uses padding.
    pub const fn pads(self) -> bool {
        match self.facts() {
            Some(facts) => facts.pads,
            None => false,
        }
    }

    /// Bytes by which the output of one request may exceed its input.
    pub(crate) const fn growth(self) -> usize {
        match self.facts() {
            Some(facts) => facts.growth,
            None => 0,
        }
    }

    /// The kind of its sessions.
    pub const fn kind(self) -> Kind {
        match self {
            Self::Cipher(_) => Kind::Cipher,
            Self::Aead(_) => Kind::Aead,
            Self::Hash(_) => Kind::Hash,
            Self::Hmac(_) => Kind::Mac,
            Self::Key(_) => Kind::Key,
            Self::Trial(_) => Kind::Other,
        }
    }

    /// Its place in [`Algorithm::ALL`]; that of a trial is behind them.
    #[inline]
    pub(crate) const fn number(self) -> usize {
        const AEADS: usize = Cipher::ALL.len();
        const HASHES: usize = AEADS + Aead::ALL.len();
        const HMACS: usize = HASHES + Hash::ALL.len();
        const KEYS: usize = HMACS + Hash::ALL.len();
        match self {
            Self::Cipher(cipher) => cipher as usize,
            Self::Aead(aead) => AEADS + aead as usize,
            Self::Hash(hash) => HASHES + hash as usize,
            Self::Hmac(hash) => HMACS + hash as usize,
            Self::Key(key) => KEYS + key as usize,
            Self::Trial(trial) => Self::ALL.len() + trial as usize,
        }
    }

    /// Its operations.
    pub const fn operations(self) -> &'static [Operation] {
        match self {
            Self::Cipher(_) | Self::Aead(_) => &[Operation::Encrypt, Operation::Decrypt],
            Self::Hash(_) => &[Operation::Digest],
            Self::Hmac(_) => &[Operation::Mac],
            Self::Key(key) => key.operations(),
            Self::Trial(trial) => trial.operations(),
        }
    }

    /// The output of an operation in a session with the default options; `None`: there is no such operation.
    pub const fn output(self, operation: Operation) -> Option<OutputLen> {
        Some(match (self, operation) {
            (Self::Cipher(cipher), Operation::Encrypt | Operation::Decrypt) if cipher.pads() => {
                OutputLen::Padded
            }
            (Self::Cipher(_), Operation::Encrypt | Operation::Decrypt)
            | (Self::Aead(_), Operation::Decrypt) => OutputLen::Same,
            (Self::Aead(aead), Operation::Encrypt) => OutputLen::Tagged(aead.default_tag_len()),
            (Self::Hash(hash), Operation::Digest) | (Self::Hmac(hash), Operation::Mac) => {
                OutputLen::Fixed(hash.digest_len())
            }
            (Self::Key(key), operation) => return key.output(operation),
            (Self::Trial(trial), operation) => return trial.output(operation),
            _ => return None,
        })
    }

    /// The cost class of its work.
    pub const fn cost(self) -> Cost {
        match self.kind() {
            Kind::Cipher => Cost::Cipher,
            Kind::Aead => Cost::Aead,
            Kind::Hash => Cost::Hash,
            Kind::Mac => Cost::Mac,
            Kind::Key => Cost::Key,
            Kind::Other => Cost::Other,
        }
    }

    #[inline]
    const fn facts(self) -> Option<Facts> {
        match self {
            Self::Cipher(cipher) => Some(cipher.mode().facts()),
            Self::Aead(aead) => Some(aead.mode().facts()),
            Self::Hash(_) | Self::Hmac(_) | Self::Key(_) | Self::Trial(_) => None,
        }
    }
}

/// A group of algorithms whose sessions have the same operations and arguments.
///
/// Code that creates sessions has to know all kinds, so a match may name all of them, and a new kind does not
/// go unnoticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Text, without authentication.
    Cipher,
    /// Text, with a tag over text and additional data.
    Aead,
    /// A digest, without a key.
    Hash,
    /// A message authentication code.
    Mac,
    /// A private or a public key: signatures, key exchange, key encapsulation, RSA encryption.
    Key,
    /// Bytes from bytes, with nothing beside them: what has no kind of its own.
    Other,
}

impl Cipher {
    /// Bytes of IV (CBC), first counter block (CTR) or tweak (XTS); 0 for ECB, which takes none.
    pub const fn iv_len(self) -> usize {
        self.mode().facts().usual_iv
    }

    /// EVP's block size, in bytes: 16 where the text is padded or must be whole blocks (ECB, CBC), 1 where it
    /// may have any length (CTR; XTS from 16 bytes on).
    pub const fn block_len(self) -> usize {
        self.mode().facts().block
    }

    /// Whether this cipher uses padding.
    pub const fn pads(self) -> bool {
        self.mode().facts().pads
    }
}

impl Aead {
    /// Bytes of the usual and fastest IV; any other length from 1 on is accepted too.
    pub const fn iv_len(self) -> usize {
        self.mode().facts().usual_iv
    }

    /// EVP's block size, in bytes: the text may have any length.
    pub const fn block_len(self) -> usize {
        self.mode().facts().block
    }

    /// Bytes that tags may have, ascending: 4, 8, 12 to 16 (SP 800-38D, 5.2.1.2).
    pub const fn tag_lens(self) -> &'static [usize] {
        self.mode().facts().tags
    }

    /// Bytes of a tag by default: the maximum.
    pub const fn default_tag_len(self) -> usize {
        match self.tag_lens().last() {
            Some(&longest) => longest,
            None => 0,
        }
    }

    /// Whether tags may have this many bytes.
    pub fn allows_tag_len(self, len: usize) -> bool {
        self.tag_lens().contains(&len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_has_an_output_and_no_other() {
        for &algorithm in Algorithm::ALL {
            for operation in Operation::ALL {
                let is_there = algorithm.operations().contains(&operation);
                assert_eq!(algorithm.output(operation).is_some(), is_there, "{algorithm} {operation:?}");
            }
            assert!(!algorithm.operations().is_empty());
        }
    }

    #[test]
    fn every_algorithm_has_its_place() {
        for (number, algorithm) in Algorithm::ALL.iter().enumerate() {
            assert_eq!(algorithm.number(), number, "{algorithm}");
        }
    }

    #[test]
    fn usual_lengths_are_allowed() {
        for &algorithm in Algorithm::SYMMETRIC {
            assert!(algorithm.key_lens().contains(algorithm.usual_key_len() as u64), "{algorithm}");
            assert!(algorithm.iv_lens().contains(algorithm.usual_iv_len() as u64), "{algorithm}");
            assert_eq!(matches!(algorithm, Algorithm::Aead(_)), !algorithm.tag_lens().is_empty());
        }
    }
}
