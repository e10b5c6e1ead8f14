//! Signatures with RSA: RSASSA-PKCS1-v1_5 (RFC 8017, 8.2), RSASSA-PSS (8.1), and none at all.

use rand_chacha::rand_core::Rng;
use rsa::traits::PublicKeyParts;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::super::hash::{digest, mask};
use super::super::{Output, Refusal, Task, expanded};
use super::raw_public;
use crate::message::key_arguments::{KeyHash, Salt, SignatureScheme};
use crate::message::key_error::Unfit;

/// The input of the private operation: the digest, encoded as the scheme says.
pub(super) fn encode(key: &impl PublicKeyParts, task: Task<'_>) -> Output {
    match scheme(task)? {
        SignatureScheme::Pkcs1v15 { hash } => pkcs1(key.size(), *hash, task.input),
        SignatureScheme::Pss { hash, mgf_hash, salt } => {
            check_digest(*hash, task.input)?;
            Pss::new(key, *hash, *mgf_hash).encode(task, salt)
        }
        SignatureScheme::RawRsa => Ok(Zeroizing::new(task.input.to_vec())),
        _ => Err(Unfit::Scheme.into()),
    }
}

/// Compares a signature with a digest.
pub(super) fn verify(key: &impl PublicKeyParts, task: Task<'_>) -> Output {
    let scheme = scheme(task)?;
    let opened = || raw_public(key, &task.arguments.signature).map_err(|_| Refusal::Wrong);
    let is_right = match scheme {
        SignatureScheme::Pkcs1v15 { hash } => {
            // Compared as a whole, so there is nothing to parse.
            let expected = pkcs1(key.size(), *hash, task.input)?;
            *opened()? == *expected
        }
        SignatureScheme::Pss { hash, mgf_hash, salt } => {
            check_digest(*hash, task.input)?;
            Pss::new(key, *hash, *mgf_hash).is_right(&opened()?, task.input, salt)
        }
        SignatureScheme::RawRsa => *opened()? == *task.input,
        _ => return Err(Unfit::Scheme.into()),
    };
    if is_right { Ok(Zeroizing::default()) } else { Err(Refusal::Wrong) }
}

fn scheme(task: Task<'_>) -> Result<&SignatureScheme, Refusal> {
    task.arguments.scheme.as_ref().ok_or(Refusal::Unfit(Unfit::Scheme))
}

fn check_digest(hash: KeyHash, digest: &[u8]) -> Result<(), Refusal> {
    let given = digest.len();
    if given == hash.digest_len() { Ok(()) } else { Err(Unfit::Digest { hash, given }.into()) }
}

/// EMSA-PKCS1-v1_5 (RFC 8017, 9.2): `00 01 ff .. ff 00`, and the DigestInfo or, without a hash function, the
/// input as it is.
fn pkcs1(size: usize, hash: Option<KeyHash>, input: &[u8]) -> Output {
    let mut info = Vec::new();
    if let Some(hash) = hash {
        check_digest(hash, input)?;
        info = digest_info(hash);
    }
    info.extend_from_slice(input);
    let Some(filling) = size.checked_sub(info.len() + 3).filter(|&filling| filling >= 8) else {
        return Err(Unfit::KeyTooSmall.into());
    };
    let mut encoded = vec![0, 1];
    encoded.resize(2 + filling, 0xff);
    encoded.push(0);
    encoded.extend(info);
    Ok(Zeroizing::new(encoded))
}

/// All of a DigestInfo but the digest: SEQUENCE { SEQUENCE { OID, NULL }, OCTET STRING }.
fn digest_info(hash: KeyHash) -> Vec<u8> {
    const SHA1: &[u8] = &[0x2b, 0x0e, 0x03, 0x02, 0x1a];
    // What the others have in common; each adds its number.
    const NIST: [u8; 8] = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02];
    let of_nist = |number: u8| [&NIST[..], &[number]].concat();
    let oid = match hash {
        KeyHash::Sha1 => SHA1.to_vec(),
        KeyHash::Sha256 => of_nist(1),
        KeyHash::Sha384 => of_nist(2),
        KeyHash::Sha512 => of_nist(3),
        KeyHash::Sha224 => of_nist(4),
        KeyHash::Sha512_224 => of_nist(5),
        KeyHash::Sha512_256 => of_nist(6),
        KeyHash::Sha3_224 => of_nist(7),
        KeyHash::Sha3_256 => of_nist(8),
        KeyHash::Sha3_384 => of_nist(9),
        KeyHash::Sha3_512 => of_nist(10),
    };
    let short = |len: usize| u8::try_from(len).unwrap_or(0x7f);
    let algorithm = [&[0x06, short(oid.len())], &oid[..], &[0x05, 0x00]].concat();
    let len = hash.digest_len();
    let header = [0x30, short(algorithm.len() + 4 + len), 0x30, short(algorithm.len())];
    [&header[..], &algorithm, &[0x04, short(len)]].concat()
}

/// EMSA-PSS (RFC 8017, 9.1) for one key.
///
/// ```text
///   DB = 00 .. 00 01 salt ──xor mask(H)──► masked DB │ H = hash(00 * 8, digest, salt) │ bc
/// ```
struct Pss {
    hash: KeyHash,
    mgf_hash: KeyHash,
    /// Bytes of the modulus, and of the encoded message, which may be one less.
    size: usize,
    len: usize,
    /// The bits of its first byte that are used.
    first: u8,
}

impl Pss {
    fn new(key: &impl PublicKeyParts, hash: KeyHash, mgf_hash: KeyHash) -> Self {
        let bits = key.n().bit_width() - 1;
        let len = bits.div_ceil(8);
        let first = u8::MAX >> (8 * len - bits);
        Self { hash, mgf_hash, size: key.size(), len: len as usize, first }
    }

    /// The most bytes that a salt may have.
    fn most_salt(&self) -> Result<usize, Refusal> {
        self.len.checked_sub(self.hash.digest_len() + 2).ok_or(Refusal::Unfit(Unfit::KeyTooSmall))
    }

    fn encode(&self, task: Task<'_>, salt: &Salt) -> Output {
        let most = self.most_salt()?;
        let salt = match salt {
            Salt::Given(salt) => salt.clone(),
            Salt::Len(len) => random_salt(task, (*len).min(most + 1))?,
            Salt::Any => random_salt(task, most)?,
        };
        if salt.len() > most {
            return Err(Unfit::KeyTooSmall.into());
        }
        let hash = self.hash_of(task.input, &salt);
        let mut block = vec![0; self.len - hash.len() - 1];
        let at = block.len() - salt.len();
        block[at - 1] = 1;
        block[at..].copy_from_slice(&salt);
        mask(self.mgf_hash, &hash, &mut block);
        block[0] &= self.first;
        let zeros = vec![0; self.size - self.len];
        Ok(Zeroizing::new([&zeros[..], &block, &hash, &[0xbc]].concat()))
    }

    fn hash_of(&self, message: &[u8], salt: &[u8]) -> Vec<u8> {
        digest(self.hash, &[&[0; 8], message, salt])
    }

    fn is_right(&self, opened: &[u8], message: &[u8], salt: &Salt) -> bool {
        let (zeros, encoded) = opened.split_at(self.size - self.len);
        let Ok(most) = self.most_salt() else { return false };
        let (block, rest) = encoded.split_at(self.len - self.hash.digest_len() - 1);
        let (hash, end) = rest.split_at(self.hash.digest_len());
        if zeros != [0].repeat(zeros.len()) || end != [0xbc] || block[0] & !self.first != 0 {
            return false;
        }
        let mut block = block.to_vec();
        mask(self.mgf_hash, hash, &mut block);
        block[0] &= self.first;
        let Some(one) = block.iter().position(|&byte| byte != 0) else { return false };
        let found = &block[one + 1..];
        let is_len = match salt {
            Salt::Len(len) => found.len() == *len,
            Salt::Given(salt) => found == salt,
            Salt::Any => true,
        };
        block[one] == 1
            && is_len
            && found.len() <= most
            && bool::from(self.hash_of(message, found).ct_eq(hash))
    }
}

fn random_salt(task: Task<'_>, len: usize) -> Result<Vec<u8>, Refusal> {
    let mut salt = vec![0; len];
    if len > 0 {
        expanded(&task.arguments.randomness)?.fill_bytes(&mut salt);
    }
    Ok(salt)
}
