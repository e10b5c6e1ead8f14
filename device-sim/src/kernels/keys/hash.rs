//! The hash functions of schemes, chosen at run time.

use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512, Sha512_224, Sha512_256};
use sha3::{Sha3_224, Sha3_256, Sha3_384, Sha3_512};
use zeroize::Zeroizing;

use crate::message::key_arguments::KeyHash;

/// Runs an expression with a hash function as a type.
macro_rules! with_hash {
    ($hash:expr, $D:ident => $run:expr) => {
        match $hash {
            $crate::message::key_arguments::KeyHash::Sha1 => {
                type $D = sha1::Sha1;
                $run
            }
            $crate::message::key_arguments::KeyHash::Sha224 => {
                type $D = sha2::Sha224;
                $run
            }
            $crate::message::key_arguments::KeyHash::Sha256 => {
                type $D = sha2::Sha256;
                $run
            }
            $crate::message::key_arguments::KeyHash::Sha384 => {
                type $D = sha2::Sha384;
                $run
            }
            $crate::message::key_arguments::KeyHash::Sha512 => {
                type $D = sha2::Sha512;
                $run
            }
            $crate::message::key_arguments::KeyHash::Sha512_224 => {
                type $D = sha2::Sha512_224;
                $run
            }
            $crate::message::key_arguments::KeyHash::Sha512_256 => {
                type $D = sha2::Sha512_256;
                $run
            }
            $crate::message::key_arguments::KeyHash::Sha3_224 => {
                type $D = sha3::Sha3_224;
                $run
            }
            $crate::message::key_arguments::KeyHash::Sha3_256 => {
                type $D = sha3::Sha3_256;
                $run
            }
            $crate::message::key_arguments::KeyHash::Sha3_384 => {
                type $D = sha3::Sha3_384;
                $run
            }
            $crate::message::key_arguments::KeyHash::Sha3_512 => {
                type $D = sha3::Sha3_512;
                $run
            }
        }
    };
}

pub(super) use with_hash;

/// The digest of these parts, one behind the other.
pub(super) fn digest(hash: KeyHash, parts: &[&[u8]]) -> Vec<u8> {
    fn of<D: Digest>(parts: &[&[u8]]) -> Vec<u8> {
        parts.iter().fold(D::new(), Digest::chain_update).finalize().to_vec()
    }
    match hash {
        KeyHash::Sha1 => of::<Sha1>(parts),
        KeyHash::Sha224 => of::<Sha224>(parts),
        KeyHash::Sha256 => of::<Sha256>(parts),
        KeyHash::Sha384 => of::<Sha384>(parts),
        KeyHash::Sha512 => of::<Sha512>(parts),
        KeyHash::Sha512_224 => of::<Sha512_224>(parts),
        KeyHash::Sha512_256 => of::<Sha512_256>(parts),
        KeyHash::Sha3_224 => of::<Sha3_224>(parts),
        KeyHash::Sha3_256 => of::<Sha3_256>(parts),
        KeyHash::Sha3_384 => of::<Sha3_384>(parts),
        KeyHash::Sha3_512 => of::<Sha3_512>(parts),
    }
}

/// Masks `text`: MGF1 (RFC 8017, B.2.1), the digests of the seed and a counter.
pub(super) fn mask(hash: KeyHash, seed: &[u8], text: &mut [u8]) {
    for (counter, chunk) in (0_u32..).zip(text.chunks_mut(hash.digest_len())) {
        let mask = Zeroizing::new(digest(hash, &[seed, &counter.to_be_bytes()]));
        chunk.iter_mut().zip(mask.iter()).for_each(|(byte, mask)| *byte ^= mask);
    }
}
